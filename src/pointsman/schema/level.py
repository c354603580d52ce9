"""The level of the schema: a number that grows with every version that adds resource types or renames keys.

Invariant: a version reads what every lower level wrote, and refuses what a higher one did.
"""

from __future__ import annotations

from collections.abc import Mapping

LEVEL = 3
"""The level of this version.

3: the type `user_groups`, and users with groups.
2: the types `persistence` and `custom`; `traffic_managers` calls `basic.engine_health_port` `engine_health.port`.
1: the first.
"""

TYPES_SINCE: Mapping[str, int] = {"user_groups": 3, "persistence": 2, "custom": 2}
"""The level that a resource type came with; all others are of level 1."""
