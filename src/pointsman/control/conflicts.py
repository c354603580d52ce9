"""What edits that were made apart left for somebody to decide, as remarks with their remedy.

Pure. Invariant: a remark stands as long as its cause does; nothing is decided by itself.
"""

from __future__ import annotations

from collections.abc import Iterable

from pointsman.schema.condition import Condition, Standing
from pointsman.schema.registry import BY_PATH
from pointsman.store import Conflict


def conflict_conditions(conflicts: Iterable[Conflict]) -> tuple[Condition, ...]:
    """The remarks on objects that are configuration."""
    return tuple(
        Condition(conflict.subject, Standing.WARNING, conflict.code, _text(conflict), _path(conflict))
        for conflict in conflicts
        if conflict.subject.type in BY_PATH
    )


def _path(conflict: Conflict) -> tuple[str, ...]:
    return tuple(conflict.fields[0].split(".")) if conflict.fields else ()


def _text(conflict: Conflict) -> str:
    kind = BY_PATH[conflict.subject.type].title
    by = conflict.author.name or "somebody"
    by += f" from {conflict.author.address}" if conflict.author.address else ""
    match conflict.code:
        case "name_clash":
            name = conflict.other.name if conflict.other is not None else ""
            return (
                f'{by} called it "{name}" while an older {kind.lower()} had that name on another traffic manager, '
                f'so it shows as "{conflict.subject.name}"; rename one of the two'
            )
        case "deleted_but_used":
            return (
                f"{by} deleted it while {conflict.other} began to use it on another traffic manager, so it stays in "
                f"force; save it to keep it, or take it out of {conflict.other} to let it go"
            )
        case "key_missing":
            return (
                f"{', '.join(conflict.fields)} cannot be read, so it counts as not set: the key that seals it has not "
                "come here yet; let this traffic manager reach another one of the cluster"
            )
