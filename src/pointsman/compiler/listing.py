"""Everything of a plan that can be read, as named texts, so that two plans can be compared line by line.

Pure. Invariant: no private key and no secret value of the configuration appears in a listing.
"""

from __future__ import annotations

import base64
import difflib
import hashlib
from collections.abc import Iterable, Iterator, Mapping

from pointsman.compiler.plan import Plan
from pointsman.schema.registry import BY_PATH
from pointsman.schema.resource import Kind, Resource
from pointsman.schema.snapshot import Snapshot

CONFIGURATION = "haproxy.cfg"
_SHORTEST_SECRET = 4
"""Shorter values would hide ordinary words all over the text."""


def listing(plan: Plan, secrets: Iterable[str] = ()) -> Mapping[str, tuple[str, ...]]:
    """Lines by file name: the engine's configuration, certificate lists, maps; certificates and files as
    digests.

    Each of `secrets`, plain or in base64, is replaced by a short fingerprint.
    """
    covers = {
        hidden: f"<secret {_digest(secret.encode('utf-8', 'replace'))[:8]}>"
        for secret in secrets
        if len(secret) >= _SHORTEST_SECRET
        for hidden in (secret, base64.b64encode(secret.encode("utf-8", "replace")).decode("ascii"))
    }
    texts: dict[str, tuple[str, ...]] = {
        CONFIGURATION: tuple(_cover(line.text, covers) for line in plan.lines()),
    }
    texts |= {path: tuple(entries) for path, entries in plan.certificate_lists.items()}
    texts |= {path: tuple(f"{key} {value}" for key, value in entries) for path, entries in plan.maps.items()}
    for path, content in {**plan.certificates, **plan.files}.items():
        texts[path] = (f"sha256 {_digest(content)}",)
    return texts


def compare_listings(old: Mapping[str, tuple[str, ...]], new: Mapping[str, tuple[str, ...]]) -> str:
    """A unified diff of two listings; empty when they are the same."""
    return "".join(f"{line}\n" for name in _ordered({*old, *new}) for line in _compare(name, old, new))


def _ordered(names: Iterable[str]) -> list[str]:
    return sorted(names, key=lambda name: (name != CONFIGURATION, name))


def _compare(
    name: str, old: Mapping[str, tuple[str, ...]], new: Mapping[str, tuple[str, ...]]
) -> Iterator[str]:
    before = f"a/{name}" if name in old else "/dev/null"
    after = f"b/{name}" if name in new else "/dev/null"
    return difflib.unified_diff(old.get(name, ()), new.get(name, ()), before, after, lineterm="")


def secrets_of(snapshot: Snapshot) -> frozenset[str]:
    """The values of all secret keys in a configuration."""
    found: set[str] = set()
    for identity, built in snapshot.objects.items():
        kind = BY_PATH.get(identity.type)
        if kind is None or kind.kind is Kind.FILE or not isinstance(built, Resource):
            continue
        for key in kind.keys:
            if key.secret is not None:
                found.add(str(key.read(built)))
            hidden = [column.name for column in key.columns if column.secret is not None]
            if hidden:
                found.update(str(getattr(row, name)) for row in key.read(built) for name in hidden)
    return frozenset(found - {""})


def _cover(text: str, covers: Mapping[str, str]) -> str:
    for hidden, cover in covers.items():
        text = text.replace(hidden, cover)
    return text


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
