"""What an administrator's settings put in the way of guessing, on top of the waiting times."""

from __future__ import annotations

import asyncio

from pointsman.identity.guessing import LONGEST_HOLD_SECONDS, Attempt, Guessing, LoginRules
from pointsman.identity.lockout import ENTRY_LIMIT, FREE_PER_USER


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def made(clock: Clock, rules: LoginRules) -> Guessing:
    guessing = Guessing(clock, by_source=frozenset({"admin"}))
    guessing.rules = lambda: rules
    return guessing


async def attempt(
    guessing: Guessing, user: str, source: str, right: bool | None = False, *, known: bool = True
) -> Attempt:
    async with guessing.attempt(user, source, known=known) as one:
        if not one.wait_seconds:
            one.right = right
    return one


async def test_failures_in_a_row_suspend_a_user_everywhere_for_a_while() -> None:
    clock = Clock()
    guessing = made(clock, LoginRules(attempts=3, suspension_seconds=60))
    for number in range(2):
        assert not (await attempt(guessing, "ann", f"10.0.0.{number}")).suspended
    assert not guessing.suspended("ann", "10.0.0.9")
    assert (await attempt(guessing, "ann", "10.0.0.3")).suspended
    assert guessing.suspended("ann", "10.0.0.9") == guessing.suspension("ann") == 60
    assert not guessing.suspended("bob", "10.0.0.3")
    clock.now += 59
    assert not (await attempt(guessing, "ann", "10.0.0.4")).suspended, "it is, and that makes it no longer"
    assert guessing.suspension("ann") == 1
    clock.now += 1
    assert not guessing.suspension("ann")
    assert not (await attempt(guessing, "ann", "10.0.0.5")).suspended, "counting begins anew"


async def test_a_right_password_ends_the_row_and_somebody_can_lift_a_suspension() -> None:
    guessing = made(Clock(), LoginRules(attempts=2))
    for _ in range(5):
        assert not (await attempt(guessing, "ann", "10.0.0.1")).suspended
        await attempt(guessing, "ann", "10.0.0.2", right=True)
    await attempt(guessing, "ann", "10.0.0.3")
    await attempt(guessing, "ann", "10.0.0.4", right=None)
    assert (await attempt(guessing, "ann", "10.0.0.5")).suspended, "what was not decided ends no row"
    guessing.lift("ann")
    assert not guessing.suspension("ann")


async def test_nobody_keeps_the_administrator_out_from_elsewhere() -> None:
    guessing = made(Clock(), LoginRules(attempts=2))
    for _ in range(2):
        await attempt(guessing, "admin", "10.0.0.1")
    assert guessing.suspended("admin", "10.0.0.1")
    assert not guessing.suspended("admin", "10.0.0.2")
    assert not guessing.suspension("admin")
    guessing.lift("admin")
    assert not guessing.suspended("admin", "10.0.0.1")


async def test_attempts_at_the_same_moment_do_not_slip_past_the_limit() -> None:
    guessing = made(Clock(), LoginRules(attempts=3))
    begun, go = 0, asyncio.Event()

    async def one(source: str) -> bool:
        nonlocal begun
        async with guessing.attempt("ann", source, known=True) as mine:
            begun += 1
            await go.wait()
            mine.right = False if not guessing.suspended("ann", source) else None
        return mine.right is False

    tries = [asyncio.ensure_future(one(f"10.0.0.{number}")) for number in range(20)]
    while begun < len(tries):
        await asyncio.sleep(0)
    go.set()
    assert sum(await asyncio.gather(*tries)) == 3


async def test_names_that_nobody_has_are_counted_only_when_asked_for() -> None:
    for track in (False, True):
        guessing = made(Clock(), LoginRules(attempts=2, track_unknown=track))
        for number in range(2):
            await attempt(guessing, "nobody", f"10.0.0.{number}", known=False)
        assert bool(guessing.suspended("nobody", "10.0.0.9")) is track


async def test_invented_names_push_no_suspension_out() -> None:
    guessing = made(Clock(), LoginRules(attempts=1, track_unknown=True))
    await attempt(guessing, "ann", "10.0.0.1")
    for number in range(ENTRY_LIMIT + 10):
        source = f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"
        await attempt(guessing, f"x{number}", source, known=False)
    assert guessing.suspension("ann")
    assert len(guessing) <= ENTRY_LIMIT + 1


async def test_after_a_failure_the_next_attempt_is_held_back() -> None:
    clock = Clock()
    guessing = made(clock, LoginRules(delay_seconds=3600))
    await attempt(guessing, "ann", "10.0.0.1")
    clock.now += 600
    assert (await attempt(guessing, "ann", "10.0.0.1")).wait_seconds == 3000
    assert not (await attempt(guessing, "ann", "10.0.0.2")).wait_seconds, "not from elsewhere"
    assert not (await attempt(guessing, "bob", "10.0.0.1")).wait_seconds, "nor anybody else"
    clock.now += 3000
    assert not (await attempt(guessing, "ann", "10.0.0.1", right=True)).wait_seconds
    assert not (await attempt(guessing, "ann", "10.0.0.1", right=True)).wait_seconds


async def test_a_short_delay_is_waited_for_and_attempts_come_one_after_the_other() -> None:
    guessing = Guessing()
    guessing.rules = lambda: LoginRules(delay_seconds=0.1)
    assert guessing.rules().delay_seconds < LONGEST_HOLD_SECONDS
    inside = 0

    async def one() -> float:
        nonlocal inside
        async with guessing.attempt("ann", "10.0.0.1", known=True) as mine:
            inside += 1
            assert inside == 1
            held = guessing.lockout.held("ann", "10.0.0.1")
            await asyncio.sleep(0)
            inside -= 1
            mine.right = False
        return held

    assert all(held < 0.02 for held in await asyncio.gather(*(one() for _ in range(4))))


async def test_the_waiting_times_hold_whatever_is_asked_for() -> None:
    for rules in (LoginRules(), LoginRules(attempts=1000), LoginRules(attempts=1, suspension_seconds=0.0)):
        guessing = made(Clock(), rules)
        for _ in range(FREE_PER_USER):
            assert not (await attempt(guessing, "ann", "10.0.0.1")).wait_seconds
        assert (await attempt(guessing, "ann", "10.0.0.1")).wait_seconds
