"""What somebody must be allowed to, to make changes that no page of an object's own type makes.

Pure. Invariant: changes of any kind take the same permission as changes of an object of the type over REST.
"""

from __future__ import annotations

from collections.abc import Iterable

from pointsman.schema.permission import ALL, TYPE_PERMISSIONS
from pointsman.store import Change
from pointsman.web.ui.visit import Refused, Visit


def writing(type_path: str) -> str:
    """The permission that changing objects of a type takes; every one for a type that nothing is said of."""
    return TYPE_PERMISSIONS.get(type_path, (ALL, ALL))[1]


def reading(type_path: str) -> str:
    """The permission that reading objects of a type takes."""
    return TYPE_PERMISSIONS.get(type_path, (ALL, ALL))[0]


def missing(visit: Visit, changes: Iterable[Change]) -> tuple[str, ...]:
    """The permissions that the user lacks for changes."""
    needed = {writing(change.identity.type) for change in changes}
    return tuple(sorted(name for name in needed if not visit.may(name, write=True)))


def require(visit: Visit, changes: Iterable[Change]) -> None:
    """Raises `Refused` where the user may not make the changes."""
    if lacking := missing(visit, changes):
        raise Refused(f"You may not change this: it takes {', '.join(lacking)} in full.", 403)
