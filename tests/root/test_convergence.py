"""Edits on every member of a cluster while members die and networks part: nothing acknowledged is lost, all agree.

Invariant: what a member acknowledged (status 200 or 201) is in the log of every member in the end, and is what
everybody has unless a later acknowledged or interrupted edit of the same thing took its place.
"""

from __future__ import annotations

import difflib
import os
import random
import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest
from tests.root.clustering import (
    UNREACHABLE,
    assemble,
    await_equal,
    configuration,
    engine,
    in_force,
    pointsman,
)
from tests.root.lab import Lab, obstacle
from tools.instance import wait_for

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(bool(obstacle()), reason=obstacle()),
    pytest.mark.timeout(600),
]

Entry = tuple[str, float]
"""What tells one transaction from another: where it was made, and when."""
EDITS = int(os.environ.get("POINTSMAN_EDITS", "300"))
POOLS = 12
HEAL_SECONDS = 25.0
"""Five times what is promised."""


@dataclass
class Editor:
    """Makes random edits, each recognisable, and remembers what became of them."""

    lab: Lab
    chance: random.Random
    acknowledged: list[str] = field(default_factory=list)
    interrupted: set[str] = field(default_factory=set)
    refused: int = 0
    made: set[str] = field(default_factory=set)

    def edit(self, member: int, number: int) -> None:
        """One edit on a member: of a note or of the nodes of a shared pool, or a pool of its own."""
        mark = f"edit {number} on m{member}"
        name = f"shared{self.chance.randrange(POOLS)}"
        properties: dict[str, object] = {"note": mark, "nodes_table": [{"node": "192.0.2.1:80"}]}
        match self.chance.randrange(4):
            case 0:
                name = f"own{number}"
            case 1:
                ports = self.chance.sample(range(80, 90), self.chance.randrange(1, 5))
                properties["nodes_table"] = [
                    {"node": f"192.0.2.2:{port}", "weight": self.chance.randrange(1, 100)} for port in ports
                ]
            case 2:
                properties = {"note": mark}
        try:
            status, answer = self.lab.rest(member).ask(
                "PUT", f"config/active/pools/{name}", {"properties": {"basic": properties}}
            )
        except UNREACHABLE:
            self.interrupted.add(mark)
            return
        if status in (200, 201):
            self.acknowledged.append(mark)
            if name.startswith("own"):
                self.made.add(name)
        else:
            # A note for a pool that this member has not heard of yet lacks the required nodes.
            assert status == 400, (status, answer)
            self.refused += 1


class Chaos:
    """Kills, partitions and cut cables, one at a time, each ended before the next."""

    def __init__(self, lab: Lab, chance: random.Random) -> None:
        self._lab = lab
        self._chance = chance
        self._end = self._nothing
        self.dead = 0

    def _nothing(self) -> None:
        return

    def next(self) -> None:
        """Ends what is, and begins something else."""
        self._end()
        self._end, self.dead = self._nothing, 0
        victim = self._chance.choice(list(self._lab.ids))
        match self._chance.randrange(4):
            case 0:
                self._lab.kill(victim, power=False)
                self.dead, self._end = victim, lambda: self._lab.start(victim)
            case 1:
                self._lab.split(victim)
                self._end = self._lab.join
            case 2:
                self._lab.cut(victim)
                self._end = lambda: self._lab.heal(victim)
            case _:
                pass

    def end(self) -> None:
        """Ends what is."""
        self._end()
        self._end, self.dead = self._nothing, 0


def test_random_edits_through_kills_and_partitions_converge(tmp_path: Path) -> None:
    """R2, R23: any member can be edited at any time, alone too, and in the end all have everything."""
    seed = int(os.environ.get("POINTSMAN_SEED", str(random.SystemRandom().randrange(1 << 30))))
    print(f"POINTSMAN_SEED={seed}")
    chance = random.Random(seed)
    with Lab(3, tmp_path) as lab:
        assemble(lab)
        lab.rest(1).put("pools", "app", {"basic": {"nodes_table": [{"node": "127.0.0.1:9"}]}})
        lab.rest(1).put("virtual_servers", "web", {"basic": {"enabled": True, "port": 8000, "pool": "app"}})
        for number in range(POOLS):
            lab.rest(1).put("pools", f"shared{number}", {"basic": {"nodes_table": []}})
        await_equal(lab, lab.ids)
        editor, chaos = Editor(lab, chance), Chaos(lab, chance)
        for number in range(EDITS):
            if number % 25 == 0:
                chaos.next()
            living = [member for member in lab.ids if member != chaos.dead]
            editor.edit(chance.choice(living), number)
        chaos.end()
        healed = time.monotonic()
        await_equal(lab, lab.ids, HEAL_SECONDS)
        print(
            f"{len(editor.acknowledged)} acknowledged, {len(editor.interrupted)} interrupted, "
            f"{editor.refused} refused; equal {time.monotonic() - healed:.2f} s after the last fault ended"
        )
        assert len(editor.acknowledged) > EDITS * 0.8

        written: dict[str, Entry] = {}
        logs = {member: _log(lab, member, written) for member in lab.ids}
        for member in lab.ids:
            wait_for(f"m{member} serves it", partial(in_force, lab, member), HEAL_SECONDS)
            missing = [
                mark
                for mark in editor.acknowledged
                if mark not in written or written[mark] not in logs[member]
            ]
            assert missing == [], f"m{member} lost {missing[:5]}"
        expected = engine(lab, 1).splitlines()
        for member in lab.ids[1:]:
            seen = engine(lab, member).splitlines()
            assert "\n".join(difflib.unified_diff(expected, seen, lineterm="", n=0)) == ""
        pools = {pool["name"]: pool["properties"]["basic"] for pool in configuration(lab, 1)["pools"]}
        assert editor.made <= pools.keys()
        every = {*editor.acknowledged, *editor.interrupted}
        assert {basic["note"] for name, basic in pools.items() if basic.get("note")} - every <= {""}


def _log(lab: Lab, member: int, written: dict[str, Entry]) -> set[Entry]:
    """The transactions that a member's log holds; `written` learns which of them set each note."""
    found: set[Entry] = set()
    before = 0
    while True:
        page = lab.rest(member).get(f"status/local_tm/history?limit=1000&before={before}")["history"]
        if not page:
            return found
        for transaction in page:
            entry = transaction["origin"], transaction["time"]
            found.add(entry)
            written |= {str(change["after"]): entry for change in transaction["changes"]}
        before = page[-1]["revision"]


def test_what_lost_is_listed_everywhere(tmp_path: Path) -> None:
    """R23: of two edits made apart the later stands, and the other is listed with its author on every member."""
    with Lab(2, tmp_path) as lab:
        assemble(lab)
        lab.rest(1).put("pools", "app", {"basic": {"nodes_table": []}})
        await_equal(lab, lab.ids)
        lab.split(2)
        lab.rest(2).put("pools", "app", {"basic": {"note": "the earlier one"}})
        lab.rest(1).put("pools", "app", {"basic": {"note": "the later one"}})
        lab.join()
        await_equal(lab, lab.ids)
        for member in lab.ids:
            assert (
                lab.rest(member).get("config/active/pools/app")["properties"]["basic"]["note"]
                == "the later one"
            )
            (listed,) = lab.rest(member).get("status/local_tm/superseded")["superseded"]
            assert listed["object"] == "pools/app"
            assert listed["path"] == ["basic", "note"]
            assert (listed["lost"]["value"], listed["kept"]["value"]) == ("the earlier one", "the later one")
            assert listed["lost"]["author"]["name"] == "admin"
            said = pointsman(lab, member, "cluster", "superseded").stdout
            assert '"the earlier one", by admin' in said
