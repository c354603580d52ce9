"""Times as HAProxy writes them.

Invariant: every timeout that HAProxy wants is set; "none" is written as the longest time it can count, because it
warns about a missing one and takes 0 for missing.
"""

from __future__ import annotations

# HAProxy counts milliseconds in 31 bits: 24.8 days.
_LONGEST_SECONDS = 24 * 86_400


def seconds(value: int) -> str:
    """`value` seconds; 0 stands for no limit."""
    return "24d" if value <= 0 or value >= _LONGEST_SECONDS else f"{value}s"


def longest(values: tuple[int, ...]) -> int:
    """The longest of several times in seconds, where 0 stands for no limit."""
    return 0 if 0 in values else max(values, default=0)
