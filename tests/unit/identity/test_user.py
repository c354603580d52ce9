"""Logging in."""

import asyncio
import stat
import time
from dataclasses import replace
from pathlib import Path

import pytest

from pointsman.cluster.users import stored_users, user_change
from pointsman.identity.account import Account, Factor
from pointsman.identity.guessing import LoginRules
from pointsman.identity.password_rules import Rules
from pointsman.identity.totp import STEP_SECONDS, code_at, new_secret
from pointsman.identity.user import FirstPassword, Outcome, PasswordRefused, Users
from pointsman.schema.event import Event
from pointsman.store import Put


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
    begin = time.process_time()
    for _ in range(100):
        assert (await users.verify("admin", "first password", "a", "REST")).outcome is Outcome.RIGHT
    assert time.process_time() - begin < 2.0, "without a cache it would be more than five"
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


async def open_users(home: Path, events: list[Event] | None = None, clock: Clock | None = None) -> Users:
    users, _ = await Users.open(
        home,
        on_event=(events if events is not None else []).append,
        given="right password",
        clock=clock or Clock(),
    )
    return users


async def test_a_suspension_looks_like_a_wrong_password_unless_unknown_names_are_tracked(
    tmp_path: Path,
) -> None:
    for track in (False, True):
        events: list[Event] = []
        users = await open_users(tmp_path / str(track), events)
        await users.create("ann", "four unrelated words", ())
        users.guessing.rules = lambda track=track: LoginRules(attempts=2, track_unknown=track)  # type: ignore[misc]
        for user in ("ann", "nobody"):
            for number in range(2):
                await users.verify(user, "wrong", f"10.0.{number}.1", "REST")
        answers = [
            await users.verify(user, "four unrelated words", "10.0.9.1", "UI") for user in ("ann", "nobody")
        ]
        expected = Outcome.WAIT if track else Outcome.WRONG
        assert [answer.outcome for answer in answers] == [expected, expected]
        assert answers[0].wait_seconds == 900
        told = [event.reason for event in events if event.author == "ann"]
        assert "suspended for 15 minutes after 2 failed logins" in told
        assert "login refused at UI from 10.0.9.1: the user is suspended for a while" in told
        await users.set_password("ann", "quite other words")
        assert (await users.verify("ann", "quite other words", "10.0.9.2", "UI")).outcome is Outcome.RIGHT


async def test_a_suspension_counts_for_passwords_that_were_right_a_moment_ago_and_for_codes(
    tmp_path: Path,
) -> None:
    users = await open_users(tmp_path)
    await users.create("ann", "four unrelated words", ())
    users.guessing.rules = lambda: LoginRules(attempts=1)
    assert (await users.verify("ann", "four unrelated words", "10.0.0.1", "REST")).outcome is Outcome.RIGHT
    secret = new_secret()
    await users.change("ann", lambda account: replace(account, factor=Factor(secret)))
    code = code_at(secret, int(time.time()) // STEP_SECONDS)
    assert (await users.verify_code("ann", "000000", "10.0.0.2", "UI")).outcome is Outcome.WRONG
    assert (await users.verify_code("ann", code, "10.0.0.1", "UI")).outcome is Outcome.WRONG
    assert (await users.verify("ann", "four unrelated words", "10.0.0.1", "UI")).outcome is Outcome.WRONG


async def test_a_password_comes_back_only_after_so_many_others(tmp_path: Path) -> None:
    users = await open_users(tmp_path)
    rules = Rules(reuse_after=2)
    await users.create("ann", "first of them all", ())
    await users.set_password("ann", "second of them all", rules=rules)
    for before in ("first of them all", "second of them all"):
        with pytest.raises(PasswordRefused, match=r"used before.*security\.password_reuse_after.*the last 2"):
            await users.set_password("ann", before, rules=rules)
    await users.set_password("ann", "third of them all", rules=rules)
    assert len(users.accounts["ann"].former) == 1
    written = (tmp_path / "identity" / "users.json").read_text()
    assert "of them all" not in written and "of them all" not in repr(users.accounts)
    await users.set_password("ann", "first of them all", rules=rules)
    with pytest.raises(PasswordRefused, match="the present one"):
        await users.set_password("ann", "first of them all", rules=Rules(reuse_after=1))
    await users.set_password("ann", "third of them all", as_given=True, rules=rules)
    await users.set_password("ann", "third of them all")
    assert not users.accounts["ann"].former


async def test_users_change_their_own_password_so_often_a_day(tmp_path: Path) -> None:
    users = await open_users(tmp_path)
    now = 1_800_000_000.0
    users = Users(tmp_path, users._file, on_event=lambda event: None, clock=Clock(), wall_clock=lambda: now)
    rules = Rules(changes_per_day=2)
    await users.create("ann", "first of them all", ())
    await users.set_password("ann", "another one, says somebody", rules=rules, by="admin")
    await users.set_password("ann", "second of them all", rules=rules, by="ann")
    now += 3600
    await users.set_password("ann", "third of them all", rules=rules, by="ann")
    with pytest.raises(
        PasswordRefused, match=r"2 times .*security\.password_changes_per_day.* wait 23 h 0 min"
    ):
        await users.set_password("ann", "fourth of them all", rules=rules, by="ann")
    await users.set_password("ann", "somebody helps out", rules=rules, by="admin")
    now += 23 * 3600
    await users.set_password("ann", "fourth of them all", rules=rules, by="ann")


async def test_a_code_that_was_used_is_used_after_a_restart_and_at_every_member(tmp_path: Path) -> None:
    users = await open_users(tmp_path / "a")
    other = await open_users(tmp_path / "b")
    secret = new_secret()
    await users.create("ann", "four unrelated words", ())
    await users.change("ann", lambda account: replace(account, factor=Factor(secret)))
    session, _ = users.sessions.begin("ann", "a")
    step = int(time.time()) // STEP_SECONDS
    assert (await users.verify_code("ann", code_at(secret, step), "10.0.0.1", "UI")).outcome is Outcome.RIGHT
    assert users.sessions.find(session), "a login ends no other session"
    # As it travels in the cluster.
    change = user_change("ann", users.accounts["ann"])
    assert isinstance(change, Put)
    await other.adopt({**users.accounts, **stored_users({change.identity: dict(change.settings)})})
    again = await open_users(tmp_path / "a")
    for those in (users, other, again):
        code = code_at(secret, step)
        assert (await those.verify_code("ann", code, "10.0.0.2", "UI")).outcome is Outcome.WRONG
        later = code_at(secret, step + 1)
        assert (await those.verify_code("ann", later, "10.0.0.3", "UI")).outcome is Outcome.RIGHT


async def test_a_full_disk_keeps_nobody_out_who_has_a_code_and_the_code_is_used_up(tmp_path: Path) -> None:
    users = await open_users(tmp_path)
    secret = new_secret()
    await users.create("ann", "four unrelated words", ())
    await users.change("ann", lambda account: replace(account, factor=Factor(secret)))

    async def full(user: str, account: Account | None) -> None:
        raise OSError(28, "No space left on device")

    users.share = full
    code = code_at(secret, int(time.time()) // STEP_SECONDS)
    assert (await users.verify_code("ann", code, "10.0.0.1", "UI")).outcome is Outcome.RIGHT
    assert (await users.verify_code("ann", code, "10.0.0.1", "UI")).outcome is Outcome.WRONG
