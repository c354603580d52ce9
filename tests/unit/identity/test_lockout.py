"""Waiting times after failed logins."""

from hypothesis import given
from hypothesis import strategies as st

from pointsman.identity.lockout import (
    ENTRY_LIMIT,
    FORGET_SECONDS,
    FREE_PER_SOURCE,
    FREE_PER_USER,
    LONGEST_WAIT_SECONDS,
    Lockout,
)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def fail(lockout: Lockout, user: str, source: str, times: int) -> None:
    for _ in range(times):
        assert lockout.begin(user, source) == 0.0
        lockout.end(user, source, right=False)


def test_waiting_grows_with_failures_up_to_a_limit() -> None:
    clock = Clock()
    lockout = Lockout(clock)
    fail(lockout, "admin", "10.0.0.1", FREE_PER_USER)
    waits = []
    for _ in range(15):
        wait = lockout.begin("admin", "10.0.0.1")
        waits.append(wait)
        clock.now += wait
        fail(lockout, "admin", "10.0.0.1", 1)
    assert waits[:4] == [1.0, 2.0, 4.0, 8.0]
    assert waits[-1] == LONGEST_WAIT_SECONDS


def test_failures_from_one_source_never_delay_another() -> None:
    lockout = Lockout(Clock())
    fail(lockout, "admin", "10.0.0.1", FREE_PER_USER)
    assert lockout.begin("admin", "10.0.0.1") > 0
    assert lockout.begin("admin", "10.0.0.2") == 0.0
    assert lockout.begin("other", "10.0.0.1") == 0.0


def test_many_users_from_one_source_are_slowed_down_as_one() -> None:
    lockout = Lockout(Clock())
    for number in range(FREE_PER_SOURCE):
        fail(lockout, f"user{number}", "10.0.0.1", 1)
    assert lockout.begin("admin", "10.0.0.1") > 0
    assert lockout.begin("admin", "10.0.0.2") == 0.0
    before = len(lockout)
    assert lockout.begin("yet another", "10.0.0.1") > 0
    assert len(lockout) == before


def test_attempts_at_the_same_moment_are_counted_before_they_end() -> None:
    lockout = Lockout(Clock())
    allowed = [lockout.begin("admin", "10.0.0.1") for _ in range(50)].count(0.0)
    assert allowed == FREE_PER_USER


def test_a_right_password_clears_the_users_count_only() -> None:
    lockout = Lockout(Clock())
    for _ in range(6):
        fail(lockout, "admin", "10.0.0.1", FREE_PER_USER - 1)
        if lockout.begin("admin", "10.0.0.1"):
            break
        lockout.end("admin", "10.0.0.1", right=True)
    for number in range(FREE_PER_SOURCE):
        if lockout.begin(f"u{number}", "10.0.0.1"):
            return
        lockout.end(f"u{number}", "10.0.0.1", right=False)
    raise AssertionError("the source was never slowed down")


def test_failures_are_forgotten_after_a_quiet_time() -> None:
    clock = Clock()
    lockout = Lockout(clock)
    fail(lockout, "admin", "10.0.0.1", FREE_PER_USER)
    clock.now += FORGET_SECONDS + 1
    fail(lockout, "admin", "10.0.0.1", FREE_PER_USER)


def test_an_undecided_attempt_costs_nothing() -> None:
    lockout = Lockout(Clock())
    for _ in range(100):
        assert lockout.begin("admin", "10.0.0.1") == 0.0
        lockout.end("admin", "10.0.0.1", right=None)


def test_one_network_of_ipv6_is_one_source_and_mapped_addresses_are_ipv4() -> None:
    lockout = Lockout(Clock())
    fail(lockout, "admin", "2001:db8::1", FREE_PER_USER)
    assert lockout.begin("admin", "2001:db8::ffff:2") > 0
    assert lockout.begin("admin", "2001:db8:0:1::1") == 0.0
    fail(lockout, "admin", "::ffff:10.0.0.9", FREE_PER_USER)
    assert lockout.begin("admin", "10.0.0.9") > 0


@given(st.lists(st.tuples(st.text(max_size=5), st.text(max_size=20)), max_size=50))
def test_any_user_name_and_source_can_be_counted(attempts: list[tuple[str, str]]) -> None:
    lockout = Lockout(Clock())
    for user, source in attempts:
        if lockout.begin(user, source) == 0.0:
            lockout.end(user, source, right=False)


def test_memory_is_bounded() -> None:
    lockout = Lockout(Clock())
    for number in range(ENTRY_LIMIT):
        source = f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"
        lockout.begin("x" * 1000, source)
    assert len(lockout) <= ENTRY_LIMIT
