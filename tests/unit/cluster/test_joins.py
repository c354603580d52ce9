"""Instances that join at the same moment, at one member and at several: no more than have a place, no two of a name."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.cluster.test_members import alive, joined, machines
from tools.machine import Machine, until

from pointsman.cluster.places import (
    CONSULT_SECONDS,
    JOINING_SECONDS,
    PLACE,
    PLACE_SECONDS,
    Others,
    Place,
    Places,
    read_answers,
)
from pointsman.cluster.refusal import Cause, JoinRefused
from pointsman.cluster.roster import Member
from pointsman.identity.certificate import make_self_signed

MEMBERS = (Member("m1", "a"), Member("m2", "b"), Member("m3", "c"))


class Clock:
    """Seconds that a test sets."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def some(clock: Clock | None = None) -> Places:
    return Places(lambda: {member.id for member in MEMBERS}, clock or Clock())


class Asked:
    """One member that is asked for the last place, and how far it has come with its decision."""

    def __init__(self, member: str, wanted: Place) -> None:
        self.member, self.wanted = member, wanted
        self.places = some()
        self.before: set[str] = set()
        self.question: dict[str, object] = {}
        self.answers: dict[str, dict[str, object]] = {}
        self.let_in: bool | None = None

    def begin(self) -> None:
        before = self.places.before(self.wanted)
        if before:
            self.let_in = False
            return
        self.before = set(before)
        self.places.hold(self.wanted)
        self.question = self.places.question()

    def end(self) -> None:
        held, unheard = self.places.ahead(self.wanted, self.before, read_answers(self.answers.values()))
        self.let_in = not held and not unheard
        if self.let_in:
            self.places.confirm(self.wanted.id)
        else:
            self.places.drop(self.wanted.id)


@settings(deadline=None, max_examples=300)
@given(st.data(), st.integers(2, 3), st.permutations(["p1", "p2", "p3"]))
def test_the_last_place_is_given_once(data: st.DataObject, count: int, ids: list[str]) -> None:
    """Whichever message comes first: never two are let in, and of two one is."""
    asked = [Asked(MEMBERS[n].id, Place(ids[n], f"joiner-{n}", f"i{n}")) for n in range(count)]
    waiting: list[tuple[Asked, Asked]] = []
    begun = 0
    while begun < count or waiting:
        step = data.draw(st.integers(0, len(waiting) - (begun == count)))
        if step == len(waiting):
            one = asked[begun]
            begun += 1
            one.begin()
            if one.let_in is None:
                waiting += [(one, other) for other in asked if other is not one]
            continue
        one, other = waiting.pop(step)
        one.answers[other.member] = other.places.answer(one.member, one.question, MEMBERS)
        if len(one.answers) == count - 1:
            one.end()
    let_in = sum(bool(one.let_in) for one in asked)
    assert let_in <= 1
    if count == 2:
        assert let_in == 1


def test_who_asks_once_more_takes_the_place_of_the_first_time() -> None:
    """Killed in the middle of its join, here or at another member; another one of that name is told to wait."""
    clock = Clock()
    here, there = some(clock), some(clock)
    here.hold(Place("p1", "x", "one", "192.0.2.1", "key"))
    there.answer("m1", here.question(), MEMBERS)
    assert set(there.all()) == {"p1"} and here.awaited("p1") == "key"
    again = Place("p2", "x", "one", "192.0.2.1", "key")
    assert not there.before(again)
    there.hold(again)
    here.answer("m2", there.question(), MEMBERS)
    assert set(here.all()) == set(there.all()) == {"p2"}

    another = Place("p3", "x", "two", "192.0.2.1")
    assert set(there.before(another)) == {"p2"}
    elsewhere = Place("p4", "x", "two", "192.0.2.9")
    older = Place("p5", "x", "", "192.0.2.1")
    assert set(there.before(elsewhere)) == {"p2"} and not there.before(older)
    clock.now = JOINING_SECONDS + 1
    assert not there.before(another) and set(there.before(elsewhere)) == {"p2"}
    clock.now = PLACE_SECONDS + 1
    assert not there.before(elsewhere)


def test_what_is_not_held_any_more_is_not_told_and_forgotten() -> None:
    clock = Clock()
    here, there = some(clock), some(clock)
    for number in range(3):
        here.hold(Place(f"p{number}", f"x{number}", f"i{number}"))
    there.answer("m1", here.question(), MEMBERS)
    here.drop("p1")
    here.confirm("p0")
    there.answer("m1", here.question(), MEMBERS)
    assert set(there.all()) == {"p0", "p2"}
    told = read_answers([there.answer("m2", {"about": PLACE, "places": []}, MEMBERS)])
    assert set(told.places) == {"p0", "p2"} and not any(place.sure for place in told.places.values())
    clock.now = CONSULT_SECONDS + 0.1
    told = read_answers([there.answer("m2", {"about": PLACE, "places": []}, MEMBERS)])
    assert all(place.sure for place in told.places.values())
    assert told.members == {"m1": "a", "m2": "b", "m3": "c"}


@pytest.mark.parametrize(
    "places",
    [None, 7, {}, [1], [[]], [["x"]], [["x", 1, "y"]], [["x" * 256, "n", "i"]], [["p"] * 3] * 1000],
)
def test_nonsense_about_places_harms_nobody(places: object) -> None:
    here = some()
    here.hold(Place("mine", "x", "one"))
    here.answer("m2", {"about": PLACE, "places": places}, MEMBERS)
    many = [[f"{n}", f"{n}", ""] for n in range(1000)]
    here.answer("m2", {"about": PLACE, "places": [*many, ["mine", "x", "one"]]}, MEMBERS)
    assert "mine" in here.all() and not here.all()["mine"].holder and len(here.all()) < 100
    assert read_answers([{"error": "this version does not know the question"}]) == Others({}, {})
    assert not read_answers([{"places": places, "members": places}]).members


@asynccontextmanager
async def asking(
    directory: Path, made: list[Machine], *names: str, limit: int = 0
) -> AsyncIterator[list[Machine]]:
    """Instances that are to join, under a licence for so many members."""
    joiners = [Machine(directory / f"joiner-{number}", name) for number, name in enumerate(names)]
    try:
        for joiner in joiners:
            joiner.pair = make_self_signed(joiner.name)
            await joiner.start()
        for machine in (*made, *joiners):
            machine.limit = limit
        yield joiners
    finally:
        for joiner in joiners:
            await joiner.stop()


async def ask(joiners: list[Machine], members: list[Machine]) -> list[Cause | None]:
    """Has each ask its member, all at once; why each was refused, None for one that was let in."""

    async def one(joiner: Machine, member: Machine) -> Cause | None:
        try:
            await joiner.join(member)
        except JoinRefused as refused:
            return refused.cause
        return None

    return await asyncio.gather(*map(one, joiners, members))


async def agreed(members: list[Machine]) -> None:
    """Waits until all of these know one another, have the same, and hear of one another's edits."""
    await until("all links", lambda: all(alive(m) == len(members) - 1 for m in members), 30)
    for member in members:
        await member.put(f"by-{member.home.name}")
    names = [f"by-{member.home.name}" for member in members]
    await until("all edits", lambda: all(m.has(name) for m in members for name in names), 30)
    await until("one digest", lambda: len({m.store.digest for m in members}) == 1, 30)
    await until("no join is under way", lambda: not any(m.cluster._membership.pending for m in members), 30)


@pytest.mark.parametrize("at_one", [False, True])
@pytest.mark.parametrize("names", [("d", "e"), ("x", "x")])
async def test_two_that_join_at_once(tmp_path: Path, at_one: bool, names: tuple[str, str]) -> None:
    """Both are members whom everybody knows; of two with one name only one is, and the other stays what it was."""
    async with machines(tmp_path, "a", "b", "c") as made:
        await joined(made)
        async with asking(tmp_path, made, *names) as joiners:
            causes = await ask(joiners, [made[1], made[1 if at_one else 2]])
            let_in = [joiner for joiner, cause in zip(joiners, causes, strict=True) if cause is None]
            assert set(causes) == ({None} if names[0] != names[1] else {None, Cause.WAIT})
            await agreed([*made, *let_in])
            assert [joiner.cluster.active for joiner in joiners] == [cause is None for cause in causes]
            assert sorted(member.name for member in made[0].cluster.roster.members) == [
                *"abc", *sorted(joiner.name for joiner in let_in)
            ]  # fmt: skip


@pytest.mark.parametrize("at_one", [False, True])
async def test_the_last_place_of_a_licence_is_given_to_one(tmp_path: Path, at_one: bool) -> None:
    """R66: also when two ask different members at the same moment."""
    async with machines(tmp_path, "a", "b", "c") as made:
        await joined(made)
        async with asking(tmp_path, made, "d", "e", limit=4) as joiners:
            causes = await ask(joiners, [made[1], made[1 if at_one else 2]])
            assert set(causes) == {None, Cause.FULL}
            let_in, refused = joiners[causes.index(None)], joiners[causes.index(Cause.FULL)]
            await agreed([*made, let_in])
            assert not refused.cluster.active and refused.store.revision == 1
            assert not any("licenseclustertoobig" in machine.tags() for machine in made)
            # The place of the one that was refused is not held any more.
            for machine in (*made, refused):
                machine.limit = 5
            await refused.join(made[0])
            await agreed([*made, *joiners])
