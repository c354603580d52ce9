"""Objects that are files, as far as a page can show them.

Pure. Invariant: what is shown as text is the whole file, exactly.
"""

from __future__ import annotations

FILE_TEXT_LIMIT = 256 * 1024
"""Bytes; a longer file can be brought and taken away, but is not shown."""


def text_of(content: bytes) -> str | None:
    """The text of a file; None where it is none, or too long."""
    if len(content) > FILE_TEXT_LIMIT or b"\0" in content:
        return None
    try:
        return content.decode()
    except UnicodeDecodeError:
        return None
