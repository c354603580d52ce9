"""Licences of members that differ."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tools.machine import Machine, until

from pointsman.cluster.membership import Own


class Lesser(Machine):
    """A member with a licence of its own until it gets the others'."""

    licence = "lesser"

    def _describe(self) -> Own:
        return replace(super()._describe(), licence=self.licence)


async def test_a_lesser_licence_joins_with_a_mark_until_it_is_equal(tmp_path: Path) -> None:
    """R63: members must have the same level of functionality: a lesser one joins with an event and a mark."""
    made = [
        await Machine(tmp_path / "a", "a").start(),
        await Machine(tmp_path / "b", "b").start(),
        await Lesser(tmp_path / "c", "c").start(),
    ]
    first, _, lesser = made

    def marked() -> list[str]:
        return [one.subject.name for one in first.cluster.conditions() if one.code == "cluster.licence"]

    try:
        for machine in made[1:]:
            await machine.join(first)
        await until("the mark", lambda: marked() == ["c"])
        assert "licensediffers" in first.tags()
        await lesser.put("a-change")
        await until("it is a member like others", lambda: first.has("a-change"))
        await lesser.stop()
        assert isinstance(lesser, Lesser)
        lesser.licence = "equal"
        await lesser.start()
        await until("no mark", lambda: marked() == [])
    finally:
        for machine in made:
            await machine.stop()
