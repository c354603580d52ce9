"""The level of the schema: a number that grows with every version that adds resource types or renames keys.

Invariant: a version reads what every lower level wrote, and refuses what a higher one did.
"""

from __future__ import annotations

LEVEL = 2
"""The level of this version.

2: the types `persistence` and `custom`; `traffic_managers` calls `basic.engine_health_port` `engine_health.port`.
1: the first.
"""
