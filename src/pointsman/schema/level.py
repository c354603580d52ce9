"""The level of the schema: a number that grows with every version that adds resource types or renames keys.

Invariant: a version reads what every lower level wrote, and refuses what a higher one did.
"""

from __future__ import annotations

LEVEL = 1
"""The level of this version."""
