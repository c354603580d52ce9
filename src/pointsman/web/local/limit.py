"""How large a request at the control socket may be: known to the server before what answers is loaded.

Invariant: nothing is imported here.
"""

BODY_LIMIT = 128 * 1024 * 1024
"""Bytes."""
