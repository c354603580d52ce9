"""Pages from templates, and the few files they need.

Invariant: everything put into a page is escaped unless a template marks it safe, and none does; what turns the
direction of text or shows nothing is written as an escape, but in a form's fields; an unknown variable is an error,
not an empty string. A page is in the language of its request, in English where none is set. Templates and files are
read once, at the start, so a running process shows pages of its own version while another one is installed in its
place. Files are addressed by their content's digest, so that they can be cached for ever. The style sheets are sent as
one, in the order of their names.
"""

from __future__ import annotations

import gzip
import hashlib
import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, FunctionLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response

from pointsman.console.agent import in_words
from pointsman.console.language.catalog import ENGLISH, Language
from pointsman.console.language.choice import Languages, current, english_alone
from pointsman.console.language.templating import TranslatedEnvironment

_HERE = Path(__file__).parent
_TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}


_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")


_SAID = re.compile(r'\bsay\("([^"\\]+)"')


class Exact(str):
    """Text of a form's field, which comes back as it went out."""

    __slots__ = ()


def visible(value: Any) -> Any:
    """What a template writes for a value: a name must not look like another one, nor turn what is written after it."""
    if isinstance(value, Exact) or hasattr(value, "__html__"):  # the latter has been through here already
        return value
    return _UNSEEN.sub(lambda found: found[0].encode("unicode_escape").decode(), str(value))


class Pages:
    """Templates of the console and of one UI, with the static files."""

    def __init__(
        self,
        folders: Iterable[Path] = (),
        banner: Callable[[], str] = str,
        languages: Callable[[], Languages] = english_alone,
    ) -> None:
        """`banner` is the text at the top of every page, "" for none; `languages` gives those there are now."""
        self.languages = languages
        self._banner = banner
        self._files = _static_files()
        self._sources = _sources([*folders, _HERE / "templates"])
        self._environments = {ENGLISH.code: (ENGLISH, self._environment(ENGLISH))}

    def _environment(self, language: Language) -> Environment:
        options: dict[str, Any] = {
            "loader": FunctionLoader(self._sources.get),
            "undefined": StrictUndefined,
            "finalize": visible,
            "trim_blocks": True,
            "lstrip_blocks": True,
        }
        texts, escaped = language.texts, language.escaped
        made = (
            TranslatedEnvironment(lambda message, line: texts.get(message), autoescape=True, **options)
            if texts
            else Environment(autoescape=True, **options)
        )
        made.globals |= {"static": self.address, "page_banner": self._banner}
        made.globals |= {"language": language, "languages": self.languages}
        made.globals["script_texts"] = {text: texts[text] for text in script_texts() if text in texts}
        made.filters |= {
            "bytes": format_bytes,
            "ago": format_ago,
            "browser": in_words,
            "utc": format_utc,
            "count": format_count,
            "exact": Exact,
            "segment": format_segment,
            "say": (lambda text: escaped.get(text, text)) if texts else (lambda text: text),
        }
        return made

    def _spoken(self) -> Environment:
        """The environment of the request's language, made when it is first asked for."""
        language = current()
        known, environment = self._environments.get(language.code, (None, None))
        if environment is None or known is not language:
            environment = self._environment(language)
            self._environments[language.code] = language, environment
        return environment

    def address(self, name: str) -> str:
        """Where a static file is."""
        return f"/static/{self._files[name].digest}/{name}"

    def render(self, template: str, values: Mapping[str, Any], status: int = 200) -> Response:
        """A page."""
        return HTMLResponse(self._spoken().get_template(template).render(values), status)

    async def static(self, request: Request) -> Response:
        """Handler of /static/{digest}/{name}."""
        found = self._files.get(request.path_params["name"])
        if found is None:
            return PlainTextResponse("There is no such file.\n", 404)
        headers = {"Vary": "Accept-Encoding"}
        if request.url.path == self.address(request.path_params["name"]):
            headers["Cache-Control"] = "public, max-age=31536000, immutable"
        packed = "gzip" in request.headers.get("accept-encoding", "")
        if packed:
            headers["Content-Encoding"] = "gzip"
        return Response(
            found.packed if packed else found.content, media_type=found.media_type, headers=headers
        )


@dataclass(frozen=True)
class _File:
    content: bytes
    packed: bytes
    media_type: str
    digest: str

    @classmethod
    def of(cls, name: str, content: bytes) -> _File:
        media_type = _TYPES[name[name.rindex(".") :]]
        digest = hashlib.sha256(content).hexdigest()[:16]
        # Only files that are the same for everybody are packed: a page holds tokens, whose lengths would show.
        return cls(content, gzip.compress(content, mtime=0), media_type, digest)


_Source = tuple[str, str, Callable[[], bool]]
"""Text, file name, and whether that is still the text."""


def _sources(folders: Iterable[Path]) -> Mapping[str, _Source]:
    """The templates by name; of two with the same name that of the earlier folder."""
    found: dict[str, _Source] = {}
    for folder in folders:
        for path in sorted(folder.glob("*.html")):
            found.setdefault(path.name, (path.read_text("utf-8"), str(path), lambda: True))
    return found


@cache
def _static_files() -> Mapping[str, _File]:
    files = {
        path.name: _File.of(path.name, path.read_bytes())
        for folder in ("static", "vendor")
        for path in sorted((_HERE / folder).iterdir())
        if path.suffix in _TYPES
    }
    styles = sorted((_HERE / "static" / "styles").iterdir())
    files["console.css"] = _File.of("console.css", b"".join(path.read_bytes() for path in styles))
    return files


@cache
def script_texts() -> frozenset[str]:
    """The texts that our scripts show: what they look up by `say("...")`."""
    scripts = [path.read_text("utf-8") for path in sorted((_HERE / "static").glob("*.js"))]
    return frozenset(found for script in scripts for found in _SAID.findall(script))


def format_segment(name: Any) -> str:
    """A name as one segment of an address, whatever it holds."""
    return quote(str(name), safe="")


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
