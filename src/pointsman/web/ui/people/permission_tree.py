"""The permissions of a group as people read them: areas that unfold, each with its names, and what a form says of them.

Pure. Invariant: every name of the schema is shown once, and every other one that the group names; what a form does not
mention stays as it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pointsman.schema.permission import ALL, LEVELS, PERMISSIONS, Level, ancestry, level_in
from pointsman.web.ui.form_data import FormData

INHERIT = "inherit"
"""The choice that leaves a name to the one above it."""
_PREFIX = "p."


@dataclass(frozen=True)
class PermissionRow:
    """A permission; `chosen` is what the group says of it, or `INHERIT`; `inherited` what would hold without that."""

    name: str
    field: str
    label: str
    depth: int
    chosen: str
    inherited: Level

    @property
    def level(self) -> str:
        """What holds."""
        return self.inherited if self.chosen == INHERIT else self.chosen


@dataclass(frozen=True)
class Area:
    """Permissions that belong together; the first row stands above the others. `summary` is what holds in it."""

    title: str
    rows: tuple[PermissionRow, ...]

    @property
    def summary(self) -> str:
        """What holds in it, in words."""
        levels = {row.level for row in self.rows}
        return {"none": "none", "ro": "read", "full": "full"}[levels.pop()] if len(levels) == 1 else "differs"


def areas(permitted: Mapping[str, Level]) -> tuple[Area, ...]:
    """The areas of a group that says this: what stands above all, then by name; single names together."""
    families: dict[str, list[str]] = {}
    for name in sorted({*PERMISSIONS, *permitted} - {ALL}):
        families.setdefault(name.partition("!")[0], []).append(name)
    several = [
        Area(_label(first), tuple(_row(permitted, name) for name in names))
        for first, names in families.items()
        if len(names) > 1
    ]
    single = tuple(_row(permitted, names[0], whole=True) for names in families.values() if len(names) == 1)
    return (
        Area("Everything", (_row(permitted, ALL, whole=True),)),
        *several,
        Area("Single pages and acts", single),
    )


def read_permissions(form: FormData, permitted: Mapping[str, Level]) -> dict[str, Level]:
    """What a group says after a form: names that it does not mention stay."""
    found: dict[str, Level] = dict(permitted)
    for field, values in form.fields.items():
        if not field.startswith(_PREFIX):
            continue
        name = field.removeprefix(_PREFIX)
        level = _level(values)
        if level is not None:
            found[name] = level
        elif values and values[-1] == INHERIT:
            found.pop(name, None)
    return dict(sorted(found.items()))


def _level(values: Sequence[str]) -> Level | None:
    return next((level for level in LEVELS if values and values[-1] == level), None)


def _row(permitted: Mapping[str, Level], name: str, *, whole: bool = False) -> PermissionRow:
    above = {known: level for known, level in permitted.items() if known != name}
    return PermissionRow(
        name,
        _PREFIX + name,
        _label(name if whole else name.rpartition("!")[2]),
        0 if name == ALL else len(list(ancestry(name))) - 2,
        permitted.get(name, INHERIT),
        level_in(above, name),
    )


def _label(name: str) -> str:
    if name == ALL:
        return "Whatever is not named"
    return " / ".join(name.replace("_", " ").split("!"))
