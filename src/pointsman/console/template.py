"""Pages from templates, and the few files they need.

Invariant: everything put into a page is escaped unless a template marks it safe, and none does; what turns the
direction of text or shows nothing is written as an escape, but in a form's fields; an unknown variable is an error,
not an empty string. Files are addressed by their content's digest, so that they can be
cached for ever.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response

_HERE = Path(__file__).parent
_TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}


_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")


class Exact(str):
    """Text of a form's field, which comes back as it went out."""

    __slots__ = ()


def visible(value: Any) -> Any:
    """What a template writes for a value: a name must not look like another one, nor turn what is written after it."""
    if isinstance(value, Exact | Markup):
        return value
    return _UNSEEN.sub(lambda found: found[0].encode("unicode_escape").decode(), str(value))


class Pages:
    """Templates of the console and of one UI, with the static files."""

    def __init__(self, folders: Iterable[Path] = ()) -> None:
        self._files = {
            path.name: (path.read_bytes(), _TYPES[path.suffix])
            for path in sorted((_HERE / "static").iterdir())
        }
        self._environment = Environment(
            loader=FileSystemLoader([*folders, _HERE / "templates"]),
            autoescape=True,
            undefined=StrictUndefined,
            finalize=visible,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.globals["static"] = self.address
        self._environment.filters |= {
            "bytes": format_bytes,
            "ago": format_ago,
            "utc": format_utc,
            "count": format_count,
            "exact": Exact,
        }

    def address(self, name: str) -> str:
        """Where a static file is."""
        digest = hashlib.sha256(self._files[name][0]).hexdigest()[:16]
        return f"/static/{digest}/{name}"

    def render(self, template: str, values: Mapping[str, Any], status: int = 200) -> Response:
        """A page."""
        return HTMLResponse(self._environment.get_template(template).render(values), status)

    async def static(self, request: Request) -> Response:
        """Handler of /static/{digest}/{name}."""
        found = self._files.get(request.path_params["name"])
        if found is None:
            return PlainTextResponse("There is no such file.\n", 404)
        content, media_type = found
        headers = {}
        if request.url.path == self.address(request.path_params["name"]):
            headers["Cache-Control"] = "public, max-age=31536000, immutable"
        return Response(content, media_type=media_type, headers=headers)


def format_count(value: Any) -> str:
    """A whole number with thin groups of three digits; a dash for what is not known."""
    return f"{value:,}".replace(",", "\u202f") if isinstance(value, int) else "\u2013"


def format_bytes(value: Any) -> str:
    """A number of bytes in a readable unit; a dash for what is not known."""
    if not isinstance(value, int):
        return "\u2013"
    size = float(value)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def format_ago(since: float, now: float) -> str:
    """How long before `now` something was, in its largest fitting unit."""
    seconds = max(0, int(now - since))
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def format_utc(moment: float) -> str:
    """A Unix time as date and time in UTC."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment))
