"""Reads the backslash escapes in the strings of TCP monitors, for the engine's checks and for our own alike.

Invariant: every string has one meaning, wherever the monitor runs; a backslash that starts no known escape stands for
itself.
"""

from __future__ import annotations

import re

_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{1,2}|[0-7]{1,3}|[abefnrtv\\'\"])")
_NAMED = {"a": 7, "b": 8, "e": 27, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11, "\\": 92, "'": 39, '"': 34}


def decode(text: str) -> bytes:
    r"""The bytes meant by `text`: the escapes of C (\r \n \t \\ \xHH \ooo and so on), everything else in UTF-8."""
    out = bytearray()
    position = 0
    for found in _ESCAPE.finditer(text):
        out += text[position : found.start()].encode("utf-8", "surrogatepass")
        code = found[1]
        if code in _NAMED:
            out.append(_NAMED[code])
        else:
            out.append(int(code[1:], 16) if code.startswith("x") else int(code, 8) & 0xFF)
        position = found.end()
    return bytes(out + text[position:].encode("utf-8", "surrogatepass"))
