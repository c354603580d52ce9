"""Sessions are counted rarely, whoever looks, and only where there is something to count."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from pointsman.control.sessions import FRESH_SECONDS, MOST, SessionsNow
from pointsman.schema.stream import Sessions


class Engine:
    """An engine that takes note of what it is asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[frozenset[str], int]] = []

    async def sessions(self, pools: Collection[str], most: int) -> Mapping[str, Sessions]:
        """One session more each time."""
        self.asked.append((frozenset(pools), most))
        return {pool: Sessions(len(self.asked), {"a:1": len(self.asked)}) for pool in pools}


async def test_the_engine_is_asked_once_in_a_while_and_not_without_need() -> None:
    engine, now = Engine(), [1000.0]
    looker = SessionsNow(engine, lambda: now[0])
    assert await looker.of(()) == {} and not engine.asked
    first = await looker.of(["app"])
    now[0] += FRESH_SECONDS - 1
    assert await looker.of(["app", "other"]) is first
    assert engine.asked == [(frozenset({"app"}), MOST)]
    now[0] += 1
    assert (await looker.of(["app"]))["app"].by_node == {"a:1": 2}
