"""What a browser calls itself, in words: "Firefox 128 on Linux".

Pure. Invariant: of what the browser sent only digits are repeated, unless nothing in it is known; then it is given back
whole, as text, so nobody is told of a browser that is not there.
"""

from __future__ import annotations

import re

_BROWSERS = tuple(
    (re.compile(pattern), name)
    for pattern, name in (
        (r"\bEdg(?:e|A|iOS)?/(\d{1,4})", "Edge"),
        (r"\bOPR/(\d{1,4})", "Opera"),
        (r"\bVivaldi/(\d{1,4})", "Vivaldi"),
        (r"\bSamsungBrowser/(\d{1,4})", "Samsung Internet"),
        (r"\b(?:Firefox|FxiOS)/(\d{1,4})", "Firefox"),
        (r"\b(?:Chrome|HeadlessChrome|CriOS|Chromium)/(\d{1,4})", "Chrome"),
        (r"\bVersion/(\d{1,4})[\d.]* (?:Mobile/\w{1,20} )?Safari/", "Safari"),
    )
)
"""Each with its version; one that also calls itself by the name of another stands before that."""
_SYSTEMS = tuple(
    (re.compile(pattern), name)
    for pattern, name in (
        (r"\bWindows\b", "Windows"),
        (r"\bAndroid\b", "Android"),
        (r"\b(?:iPhone|iPod)\b", "iPhone"),
        (r"\biPad\b", "iPad"),
        (r"\bMac OS X\b|\bMacintosh\b", "macOS"),
        (r"\bCrOS\b", "ChromeOS"),
        (r"\bLinux\b|\bX11\b", "Linux"),
    )
)
"""An Android says Linux, too, and an iPhone Mac OS X."""


def in_words(agent: str) -> str:
    """Browser and system of a User-Agent header; the header itself where it names no browser that is known."""
    system = next((name for pattern, name in _SYSTEMS if pattern.search(agent)), "")
    for pattern, name in _BROWSERS:
        if found := pattern.search(agent):
            return f"{name} {found[1]}" + (f" on {system}" if system else "")
    return agent
