"""Reads the backslash escapes in the strings of TCP monitors.

Invariant: every string has a meaning; a backslash that starts no known escape stands for itself.
"""

from __future__ import annotations

import re

_ESCAPE = re.compile(r"\\(x[0-9A-Fa-f]{2}|[rnt0\\])")
_SIMPLE = {"r": b"\r", "n": b"\n", "t": b"\t", "0": b"\0", "\\": b"\\"}


def decode(text: str) -> bytes:
    r"""The bytes meant by `text`: \r \n \t \0 \\ and \xHH as usual, everything else in UTF-8."""
    out = bytearray()
    position = 0
    for found in _ESCAPE.finditer(text):
        out += text[position : found.start()].encode("utf-8", "surrogatepass")
        escape = found[1]
        out += bytes.fromhex(escape[1:]) if escape[0] == "x" else _SIMPLE[escape]
        position = found.end()
    return bytes(out + text[position:].encode("utf-8", "surrogatepass"))
