"""Takes secrets out of text that leaves the product: what is stored as a secret, and what looks like one.

Pure. Invariant: no value that the schema calls secret, and no private key in PEM, is in what comes out; a value too
short to be told from ordinary words is masked only where a word such as "password" stands before it.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator, Mapping

from pointsman.document.difference import Objects
from pointsman.schema.resource import Kind, ResourceType, ValueKind

MASK = "***"
SHORTEST = 5
"""Characters of a secret that is looked for anywhere."""
_PEM = re.compile(
    r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----.*?(?:-----END [A-Z0-9 ]*PRIVATE KEY-----|\Z)", re.DOTALL
)
_NAMED = re.compile(
    r"(?i)\b((?:insecure-password|auth_pass|auth-pass)\s+"
    r"|(?:password|passwd|passphrase|secret)\"?\s*[:=]\s*)"
    r"(?!\*\*\*)(\"[^\"\n]*\"|'[^'\n]*'|[^\s,;]+)"
)
_HEADER = re.compile(r"(?i)\b((?:proxy-)?authorization|(?:set-)?cookie)(\"?\s*[:=]\s*\"?)([^\"\r\n]+)")
"""Of a header the whole rest of the line."""


def secrets_of(objects: Objects, registry: Mapping[str, ResourceType]) -> Iterator[str]:
    """Every secret value of the objects."""
    for identity, settings in objects.items():
        kind = registry.get(identity.type)
        if kind is None or kind.kind is Kind.FILE:
            continue
        for key in kind.keys:
            value = settings.get(key.section, {}).get(key.name)
            if value is None:
                continue
            if key.secret is not None:
                yield str(value)
            elif key.kind is ValueKind.TABLE:
                columns = [column.name for column in key.columns if column.secret is not None]
                yield from (str(row[column]) for row in value for column in columns if column in row)


class Mask:
    """What masks one set of secrets."""

    def __init__(self, texts: Iterable[str], keys: Iterable[bytes] = ()) -> None:
        """`texts` are secrets as they are written, `keys` such as are bytes and may be written in several ways."""
        found = {text.strip() for text in texts}
        for key in keys:
            found |= {
                key.hex(),
                key.hex().upper(),
                base64.b64encode(key).decode(),
                base64.urlsafe_b64encode(key).decode().rstrip("="),
            }
        # Of a text of several lines each line might be written alone; private keys are known by how they begin. In JSON
        # and YAML a text may be written with escapes.
        found = {text for text in found if "-----" not in text}
        found |= {line.strip() for text in tuple(found) for line in text.splitlines()}
        found |= {
            json.dumps(text, ensure_ascii=plain)[1:-1] for text in tuple(found) for plain in (True, False)
        }
        usable = sorted((text for text in found if len(text) >= SHORTEST), key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, usable))) if usable else None

    def text(self, text: str) -> str:
        """The text without secrets."""
        text = _PEM.sub(f"{MASK} (a private key)", text)
        if self._known is not None:
            text = self._known.sub(MASK, text)
        text = _HEADER.sub(lambda found: f"{found[1]}{found[2]}{MASK}", text)
        return _NAMED.sub(lambda found: f"{found[1]}{MASK}", text)
