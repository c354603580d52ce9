"""keepalived as the holder of traffic IPs.

Invariant: keepalived decides who holds an address; this package tells it what there is and whether traffic is served.
"""

from pointsman.engine.keepalived.ability import cannot_raise, find_keepalived
from pointsman.engine.keepalived.engine import KeepalivedEngine

__all__ = ["KeepalivedEngine", "cannot_raise", "find_keepalived"]
