"""What members that edited apart have to agree on: which deleted objects stay, and who keeps a name that two have.

Pure. Invariant: both are functions of the registers alone, so every member that has the same registers decides alike,
in whatever order they came; and nothing is written to carry them out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pointsman.schema.problem import ObjectId

UID_SHOWN = 4
"""How many digits of its uid the name of an object shows that lost its name to another."""


def kept_objects(refers: Mapping[str, Mapping[str, int]], buried: Mapping[str, int]) -> dict[str, str]:
    """The deleted objects that something in force refers to by a reference which is newer than the deletion, each with
    the user whose reference is the newest.

    `refers` are the stamps of references by user and target, `buried` those of deletions (0: it never existed).
    """
    kept: dict[str, str] = {}
    newest: dict[str, tuple[int, str]] = {}
    waiting = [user for user in refers if user not in buried]
    while waiting:
        user = waiting.pop()
        for target, at in refers[user].items():
            if not 0 < buried.get(target, 0) < at:
                continue
            if target not in newest and target in refers:
                waiting.append(target)
            newest[target] = max(newest.get(target, (0, "")), (at, user))
            kept[target] = newest[target][1]
    return kept


def shown_names(
    contested: Iterable[ObjectId],
    owners: Mapping[ObjectId, tuple[str, ...]],
    born: Mapping[str, int],
    buried: Mapping[str, int],
) -> dict[str, str]:
    """The names under which objects show that share theirs with an older one, by key.

    `owners` are the objects that have a name, `born` the stamps at which objects were made. One that is deleted, and
    only kept because it is used, comes after those that are not.
    """
    shown: dict[str, str] = {}
    given: set[ObjectId] = set()
    for identity in sorted(contested):
        keys = sorted(owners[identity], key=lambda key: (key in buried, born.get(key, 0), key))
        for key in keys[1:]:
            uid = key.rpartition("/")[2]
            name = f"{identity.name}~{uid[:UID_SHOWN]}"
            if _taken(identity, name, owners, given):
                name = f"{identity.name}~{uid}"
            while _taken(identity, name, owners, given):
                name += "~"
            given.add(ObjectId(identity.type, name))
            shown[key] = name
    return shown


def _taken(
    identity: ObjectId, name: str, owners: Mapping[ObjectId, tuple[str, ...]], given: set[ObjectId]
) -> bool:
    wanted = ObjectId(identity.type, name)
    return wanted in owners or wanted in given
