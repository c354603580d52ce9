"""The secret by which cookies name nodes without telling their addresses.

Invariant: it is the same on all members of a cluster, and stays when a member is removed: sessions would be lost with
it, and what a former member can learn from it, it knew.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping


def session_secret(keys: Mapping[int, bytes]) -> bytes:
    """The secret that belongs to data keys (generation -> key): it follows from the first of them."""
    return hmac.new(keys[min(keys)], b"session cookies", hashlib.sha256).digest()
