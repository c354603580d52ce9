"""The statistics tree of one traffic manager: its directories, the names below each leaf, and the counters.

Pure over what it is given. Invariant: the tree has every leaf of the declaration, whether or not it has
figures yet.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from pointsman.schema.counter import StatisticType
from pointsman.web.answer import Answer, error_answer, json_answer
from pointsman.web.api.listing import list_children, not_found

Figures = Mapping[str, int | str]


class StatisticsTree:
    """Answers reads below `status/<name>/statistics`."""

    def __init__(self, types: Iterable[StatisticType]) -> None:
        self._leaves = {tuple(leaf.path.split("/")): leaf for leaf in types}
        self._directories: dict[tuple[str, ...], dict[str, bool]] = {(): {}}
        for path, leaf in self._leaves.items():
            for depth in range(len(path)):
                below = depth + 1 < len(path) or leaf.per_object
                self._directories.setdefault(path[:depth], {})[path[depth]] = below

    def answer(
        self,
        path: tuple[str, ...],
        below: tuple[str, ...],
        figures: Mapping[tuple[str, str], Figures],
        names: Mapping[str, Collection[str]],
    ) -> Answer:
        """The answer for `below`, the end of the whole `path`.

        `figures` are counters by leaf path and object name, `names` objects that exist by leaf path, with or
        without figures.
        """
        if (children := self._directories.get(below)) is not None:
            return list_children(path, sorted(children.items()))
        if (leaf := self._leaves.get(below)) is not None:
            if not leaf.per_object:
                return _counters(leaf, "", figures.get((leaf.path, "")))
            known = {name for kind, name in figures if kind == leaf.path} | set(names.get(leaf.path, ()))
            return list_children(path, ((name, False) for name in sorted(known)))
        leaf = self._leaves.get(below[:-1])
        if leaf is None or not leaf.per_object:
            return not_found("GET", path)
        name = below[-1]
        found = figures.get((leaf.path, name))
        if found is None and name not in names.get(leaf.path, ()):
            return not_found("GET", path)
        return _counters(leaf, name, found)


def _counters(leaf: StatisticType, name: str, figures: Figures | None) -> Answer:
    if figures is None:
        subject = f"{leaf.path}/{name}" if name else leaf.path
        return error_answer(400, "statistics.no_counters", f"{subject} has no counters yet")
    return json_answer(
        200, {"statistics": {c.name: figures[c.name] for c in leaf.counters if c.name in figures}}
    )
