"""Who may do what over REST; the one place that decides it.

Invariant: every request passes here after authentication and before anything is looked up or read.
"""

from __future__ import annotations

from pointsman.identity.user import ADMIN
from pointsman.store import Author
from pointsman.web.answer import Answer, error_answer
from pointsman.web.api.request import SAFE


def refuse_export(caller: Author) -> Answer | None:
    """The refusal of a caller who may read objects one by one, but not take the whole configuration away."""
    if caller.name == ADMIN or caller.surface == "local":
        return None
    return error_answer(
        403, "auth.forbidden", f"the user {caller.name!r} may not export the configuration", {}
    )


def refuse(caller: Author, method: str) -> Answer | None:
    """The refusal of a request that the caller has no right to, else None.

    Every user may read; the administrator and the local Unix users that own the instance may change.
    """
    if method in SAFE or caller.name == ADMIN or caller.surface == "local":
        return None
    return error_answer(403, "auth.forbidden", f"the user {caller.name!r} may read but not change", {})
