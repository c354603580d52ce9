"""The choice among several keys, and the limits that follow."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from pointsman.licence.holding import (
    COMMUNITY_LIMITS,
    DAY,
    Holding,
    Limits,
    State,
    bit_rate,
    choose,
    days_left,
    warning_stage,
)
from pointsman.licence.key import Key, Licence, issue

ISSUER = Ed25519PrivateKey.generate()
NOW = 1_000 * DAY
PLAIN = Licence("P", "Example Ltd", NOW - DAY, NOW + 100 * DAY, 100_000_000, 4, ("a",))
OWN = Licence("OWN", "this", 0)


def anybody(key: Key) -> str:
    """Every issuer is trusted."""
    return ""


def held(*licences: Licence, now: float = NOW, own: Licence | None = None) -> Holding:
    """The choice among licences."""
    return choose({one.serial: issue(one, ISSUER).encode() for one in licences}, anybody, now, own)


def test_without_a_key_community_edition() -> None:
    """R64: none: Community Edition, never a stop. R65: 10 Mb/s. R66: at most 4 members."""
    holding = held()
    assert holding.limits == COMMUNITY_LIMITS == Limits(10_000_000, 4, ("all",), "community")
    assert (holding.licence, holding.in_use) == (None, None)
    assert holding.sentence == "Community Edition: 10 Mb/s in each direction, clusters of 4"


def test_limits_of_a_community_instance_are_the_guides() -> None:
    """R65: 10,000,000 bit/s."""
    assert held().limits.bandwidth == 10_000_000


def test_clusters_of_a_community_instance_are_small() -> None:
    """R66: clusters of at most 4, or what the key says."""
    assert held().limits.cluster_size == 4
    assert held(replace(PLAIN, cluster_size=9)).limits.cluster_size == 9


def test_any_valid_key_comes_before_community_edition() -> None:
    small = replace(PLAIN, bandwidth=1_000, cluster_size=1)
    holding = held(small)
    assert holding.limits == Limits(1_000, 1, ("a",), "P")
    words = "1 kb/s in each direction, clusters of 1, features a, until 1973-01-05"
    assert holding.sentence == f"licence P, {words}, issued to Example Ltd"


@pytest.mark.parametrize(
    "better",
    [
        {"bandwidth": 0, "cluster_size": 1, "features": (), "expires": NOW + DAY},
        {"bandwidth": 200_000_000, "cluster_size": 1, "features": (), "expires": NOW + DAY},
        {"cluster_size": 0, "features": (), "expires": NOW + DAY},
        {"cluster_size": 5, "features": (), "expires": NOW + DAY},
        {"features": ("a", "b"), "expires": NOW + DAY},
        {"features": ("all",), "expires": NOW + DAY},
        {"expires": 0},
        {"expires": NOW + 101 * DAY},
    ],
    ids=str,
)
def test_the_better_key_is_in_use(better: dict[str, object]) -> None:
    """R62: of several keys the best valid one counts."""
    for serial in ("A", "Z"):
        other = replace(PLAIN, serial=serial, **better)  # type: ignore[arg-type] # of its fields
        holding = held(PLAIN, other)
        assert holding.limits.source == serial
        assert {one.name: one.state for one in holding.keys} == {
            "P": State.SPARE,
            serial: State.IN_USE,
        }
        (spare,) = (one for one in holding.keys if one.state is State.SPARE)
        assert f"licence {serial} is in use" in spare.why


def test_time_decides() -> None:
    """R64: expired: Community Edition."""
    short, early = (
        replace(PLAIN, serial="S", expires=NOW + 5),
        replace(PLAIN, serial="E", issued=NOW + 2 * DAY),
    )
    assert held(short, now=NOW + 4.9).limits.source == "S"
    over = held(short, now=NOW + 5)
    assert over.limits == COMMUNITY_LIMITS
    (one,) = over.keys
    assert (one.state, "expired on" in one.why) == (State.EXPIRED, True)
    (one,) = held(early).keys
    assert (one.state, "clock" in one.why) == (State.EARLY, True)
    assert held(early, now=NOW + DAY).limits.source == "E", "a day of clock error is forgiven"
    assert held(PLAIN, now=0).limits == COMMUNITY_LIMITS, "a clock that went back"


def test_the_choice_is_made_again_when_something_changes() -> None:
    for moment in (NOW, NOW + 5 * DAY, NOW + 93 * DAY, NOW + 99.5 * DAY):
        until = held(PLAIN, now=moment).until
        assert moment < until <= PLAIN.expires
        assert held(PLAIN, now=until - 0.1).limits == held(PLAIN, now=moment).limits
    assert held(PLAIN, now=PLAIN.expires).until == float("inf")
    assert held().until == float("inf")


def test_keys_of_others_and_damaged_ones_do_not_count() -> None:
    def nobody(key: Key) -> str:
        return "a stranger; ask"

    text = issue(PLAIN, ISSUER).encode()
    holding = choose({"P": text, "D": b"garbage"}, nobody, NOW)
    assert holding.limits == COMMUNITY_LIMITS
    assert [(one.name, one.state) for one in holding.keys] == [("D", State.DAMAGED), ("P", State.FOREIGN)]
    assert holding.keys[1].why == "a stranger; ask"


def test_one_key_under_two_names_is_used_once() -> None:
    text = issue(PLAIN, ISSUER).encode()
    holding = choose({"a": text, "b": text}, anybody, NOW)
    assert [one.state for one in holding.keys] == [State.SPARE, State.IN_USE]


def test_an_instance_outside_the_container_is_not_limited() -> None:
    """R62: a stand-alone run has its own unlimited licence, whatever keys there are."""
    holding = held(PLAIN, own=OWN)
    assert holding.limits == Limits(0, 0, ("all",), "self")
    assert holding.sentence == "unlimited, issued by this instance to itself (serial OWN)"
    assert holding.keys[0].why.startswith("this instance's own licence is in use")


def test_warnings_become_more_urgent() -> None:
    stages = [
        warning_stage(PLAIN, PLAIN.expires - left * DAY) for left in (91, 90, 61, 60, 30, 15, 7.5, 7, 0.1, 0)
    ]
    assert stages == [0, 90, 90, 60, 30, 15, 15, 7, 7, 0]
    assert warning_stage(OWN, NOW) == 0
    assert [days_left(PLAIN, PLAIN.expires - left * DAY) for left in (7, 6.9, 0.001)] == [7, 7, 1]


def test_bit_rates_are_readable() -> None:
    assert [bit_rate(bits) for bits in (0, 999, 1_000, 1_500, 10_000_000, 2_500_000_000, 10**10)] == [
        "0 bit/s", "999 bit/s", "1 kb/s", "1500 bit/s", "10 Mb/s", "2500 Mb/s", "10 Gb/s",
    ]  # fmt: skip


@given(
    st.lists(
        st.builds(
            Licence,
            serial=st.sampled_from("ABCDEF"),
            holder=st.just("x"),
            issued=st.integers(NOW - 3 * DAY, NOW + 3 * DAY),
            expires=st.sampled_from((0, NOW - DAY, NOW, NOW + 1, NOW + DAY)),
            bandwidth=st.integers(0, 3),
            cluster_size=st.integers(0, 3),
            features=st.sampled_from(((), ("a",), ("a", "b"), ("all",))),
        ),
        max_size=4,
        unique_by=lambda one: one.serial,
    )
)
def test_any_keys_give_one_answer_in_any_order(licences: list[Licence]) -> None:
    """R64: never a stop."""
    texts = {one.serial: issue(one, ISSUER).encode() for one in licences}
    answers = {
        (found.limits, found.keys)
        for order in itertools.islice(itertools.permutations(texts), 6)
        for found in (choose({name: texts[name] for name in order}, anybody, NOW),)
    }
    assert len(answers) == 1
    ((limits, keys),) = answers
    valid = [one for one in licences if one.begun_at(NOW) and not one.expired_at(NOW)]
    assert (limits == COMMUNITY_LIMITS) == (not valid)
    assert [one.state for one in keys].count(State.IN_USE) == bool(valid)
