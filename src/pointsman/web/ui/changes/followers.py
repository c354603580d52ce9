"""What follows from renaming an object: every mention of it says the new name.

Pure. Invariant: what is shown before a renaming is what the store then does with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from pointsman.schema.problem import ObjectId
from pointsman.schema.registry import BY_PATH
from pointsman.store import Change, Delete, Put, Rename
from pointsman.store.shape import Shape


def with_followers(
    objects: Mapping[ObjectId, Mapping[str, Any]], changes: Iterable[Change]
) -> tuple[Change, ...]:
    """`changes` to `objects`, each renaming with what it changes in the objects that mention the renamed one."""
    now, found = dict(objects), list[Change]()
    for change in changes:
        found.append(change)
        match change:
            case Put(identity, settings):
                now[identity] = settings
            case Delete(identity):
                now.pop(identity, None)
            case Rename(identity, name):
                now[ObjectId(identity.type, name)] = now.pop(identity, {})
                for user, settings in sorted(now.items()):
                    if user.type in BY_PATH and identity in _shape(user.type).uses(settings):
                        now[user] = _shape(user.type).follow(settings, identity, name)
                        found.append(Put(user, now[user]))
    return tuple(found)


@cache
def _shape(path: str) -> Shape:
    return Shape(BY_PATH[path])
