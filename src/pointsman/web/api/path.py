"""Paths of the REST tree: from the bytes of a request to names, and back to `href`s.

Invariant: a name survives the way into a path and back, whatever characters it has; a slash inside a name is
`%2F` in the path and never separates.
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote, unquote_to_bytes


class BadPath(Exception):
    """A path that names nothing that could exist; the text says why."""


def split_path(raw_path: bytes) -> tuple[str, ...]:
    """The decoded segments of a path as it was sent; one slash at the end makes no difference.

    Raises `BadPath` for a segment that is not UTF-8.
    """
    trimmed = raw_path.removeprefix(b"/").removesuffix(b"/")
    if not trimmed:
        return ()
    try:
        return tuple(unquote_to_bytes(segment).decode("utf-8") for segment in trimmed.split(b"/"))
    except UnicodeDecodeError as error:
        raise BadPath("the path is not UTF-8; encode names as UTF-8, then with percent signs") from error


def href(segments: Sequence[str], *, directory: bool) -> str:
    """The absolute path of a node; directories end in a slash."""
    path = "/" + "/".join(quote(segment, safe="") for segment in segments)
    return f"{path}/" if directory and segments else path
