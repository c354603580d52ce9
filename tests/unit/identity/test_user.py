"""Logging in."""

import asyncio
import stat
import time
from pathlib import Path

import pytest

from pointsman.identity.user import FirstPassword, Outcome, PasswordRefused, Users
from pointsman.schema.event import Event


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


async def test_without_a_password_one_is_generated_and_kept_until_it_is_changed(tmp_path: Path) -> None:
    users, first = await Users.open(tmp_path, on_event=lambda event: None)
    kept = tmp_path / "admin-password"
    assert kept.read_text() == first.generated + "\n"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert (await users.verify("admin", first.generated, "127.0.0.1", "REST")).outcome is Outcome.RIGHT

    again, second = await Users.open(tmp_path, on_event=lambda event: None, given="something else")
    assert second == FirstPassword(ignored=True)
    assert (await again.verify("admin", first.generated, "127.0.0.1", "REST")).outcome is Outcome.RIGHT

    await again.set_password("admin", "a better one")
    assert not kept.exists()
    assert (await again.verify("admin", first.generated, "127.0.0.1", "REST")).outcome is Outcome.WRONG
    assert (await again.verify("admin", "a better one", "127.0.0.1", "REST")).outcome is Outcome.RIGHT


async def test_a_given_password_is_taken_and_never_written_in_clear(tmp_path: Path) -> None:
    users, first = await Users.open(tmp_path, on_event=lambda event: None, given="given-to-us")
    assert first == FirstPassword()
    assert (await users.verify("admin", "given-to-us", "::1", "UI")).outcome is Outcome.RIGHT
    written = [path.read_bytes() for path in (tmp_path / "identity").iterdir()]
    assert written and all(b"given-to-us" not in content for content in written)
    with pytest.raises(PasswordRefused):
        await Users.open(tmp_path / "other", on_event=lambda event: None, given="")


async def test_a_right_password_is_cached_until_time_passes_or_it_changes(tmp_path: Path) -> None:
    clock = Clock()
    users, _ = await Users.open(tmp_path, on_event=lambda event: None, given="first password", clock=clock)
    await users.verify("admin", "first password", "a", "REST")
    begin = time.perf_counter()
    for _ in range(100):
        assert (await users.verify("admin", "first password", "a", "REST")).outcome is Outcome.RIGHT
    assert time.perf_counter() - begin < 0.5
    await users.set_password("admin", "second password")
    assert (await users.verify("admin", "first password", "a", "REST")).outcome is Outcome.WRONG
    clock.now += 1000
    assert (await users.verify("admin", "second password", "a", "REST")).outcome is Outcome.RIGHT


async def test_guessing_is_slowed_down_but_not_for_others(tmp_path: Path) -> None:
    clock = Clock()
    events: list[Event] = []
    users, _ = await Users.open(tmp_path, on_event=events.append, given="right password", clock=clock)
    outcomes = [(await users.verify("admin", f"wrong{n}", "10.0.0.1", "REST")).outcome for n in range(8)]
    assert outcomes == [Outcome.WRONG] * 5 + [Outcome.WAIT] * 3
    assert len(events) == 5
    assert events[0].tag == "audit" and "10.0.0.1" in events[0].reason and events[0].author == "admin"
    waiting = await users.verify("admin", "right password", "10.0.0.1", "REST")
    assert waiting.outcome is Outcome.WAIT and waiting.wait_seconds == 1.0
    assert (await users.verify("admin", "right password", "10.0.0.2", "REST")).outcome is Outcome.RIGHT
    # Who has shown the right password lately is not delayed by a neighbour's mistakes.
    assert (await users.verify("admin", "right password", "10.0.0.1", "REST")).outcome is Outcome.RIGHT


async def test_many_guesses_at_once_do_not_slip_through(tmp_path: Path) -> None:
    users, _ = await Users.open(tmp_path, on_event=lambda event: None, given="right password")
    answers = await asyncio.gather(*(users.verify("admin", f"w{n}", "10.0.0.1", "REST") for n in range(40)))
    assert [answer.outcome for answer in answers].count(Outcome.WRONG) == 5


async def test_many_requests_at_once_with_the_right_password_all_pass(tmp_path: Path) -> None:
    users, _ = await Users.open(tmp_path, on_event=lambda event: None, given="right password")
    answers = await asyncio.gather(
        *(users.verify("admin", "right password", "10.0.0.1", "REST") for n in range(60))
    )
    assert {answer.outcome for answer in answers} == {Outcome.RIGHT}


async def test_unknown_users_cost_the_same_time(tmp_path: Path) -> None:
    clock = Clock()
    users, _ = await Users.open(tmp_path, on_event=lambda event: None, given="right password", clock=clock)

    async def measure(user: str) -> float:
        spent = []
        for n in range(12):
            clock.now += 1000
            begin = time.process_time()
            assert (await users.verify(user, f"wrong{n}", "a", "REST")).outcome is Outcome.WRONG
            spent.append(time.process_time() - begin)
        return sorted(spent)[3]

    known, unknown = await measure("admin"), await measure("nobody")
    assert 0.4 < known / unknown < 2.5


async def test_names_in_events_cannot_forge_lines(tmp_path: Path) -> None:
    events: list[Event] = []
    users, _ = await Users.open(tmp_path, on_event=events.append, given="right password")
    await users.verify("x\r\nadmin logged in\x1b[2J", "w", "a", "REST")
    assert events[0].author.isprintable()


async def test_new_passwords_must_be_reasonable(tmp_path: Path) -> None:
    users, _ = await Users.open(tmp_path, on_event=lambda event: None, given="right password")
    for password in ("short", "x" * 5000, "Admin123"):
        with pytest.raises(PasswordRefused):
            await users.set_password("admin", password)
    with pytest.raises(PasswordRefused):
        await users.set_password("nobody", "long enough for all")


async def test_changing_a_password_ends_the_users_sessions(tmp_path: Path) -> None:
    users, _ = await Users.open(tmp_path, on_event=lambda event: None, given="right password")
    token, _session = users.sessions.begin("admin", "a")
    await users.set_password("admin", "another password")
    assert users.sessions.find(token) is None
