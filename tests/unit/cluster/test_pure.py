"""What members decide without asking anybody: who is a neighbour, what versions compare like, who is skewed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.cluster.admission import JoinAnswer, JoinRequest, refusal, version_key
from pointsman.cluster.edit import GROUPS, entry, groups_without
from pointsman.cluster.neighbour import FULL_MESH, neighbours
from pointsman.cluster.presence import FORGOTTEN, FORGOTTEN_AFAR, PresenceBoard
from pointsman.cluster.refusal import Cause, JoinRefused
from pointsman.cluster.roster import Member, Roster, read_roster
from pointsman.schema.cluster import AUTHORITY, MEMBERS
from pointsman.schema.problem import ObjectId
from pointsman.store import Change, Put

REQUEST = JoinRequest("admin", "secret", "csr", "key", "joiner", "1.0.0", 1, "equal")


def roster(count: int, version: str = "1.0.0", level: int = 1) -> Roster:
    members = {f"{n:04x}": Member(f"{n:04x}", f"pm{n}", version=version, level=level) for n in range(count)}
    return Roster("c", members)


def decide(request: JoinRequest, among: Roster, limit: int = 0, pending: int = 0) -> Cause | None:
    refused = refusal(request, among, limit=limit, pending=pending, version="1.0.0", level=1)
    return None if refused is None else refused.cause


def test_up_to_the_limit_of_the_licence_instances_are_let_in() -> None:
    """R66: a fifth join is refused, naming the limit; members count until they are removed."""
    assert decide(REQUEST, roster(3), limit=4) is None
    assert decide(REQUEST, roster(4), limit=4) is Cause.FULL
    assert decide(REQUEST, roster(3), limit=4, pending=1) is Cause.FULL
    assert decide(REQUEST, roster(6), limit=4) is Cause.FULL
    assert "permits 4" in str(refusal(REQUEST, roster(4), limit=4, pending=0, version="1.0.0", level=1))
    assert decide(REQUEST, roster(400)) is None


def test_older_instance_is_refused_and_a_newer_one_is_let_in() -> None:
    """R61: both versions are named."""
    newer = roster(2, "1.10.0", 2)
    refused = refusal(REQUEST, newer, limit=0, pending=0, version="1.10.0", level=2)
    assert refused is not None and refused.cause is Cause.VERSION
    assert "1.0.0" in str(refused) and "1.10.0" in str(refused)
    assert decide(REQUEST, roster(2, "0.9.0", 0)) is None


def test_name_of_a_member_is_taken() -> None:
    assert decide(JoinRequest("admin", "s", "c", "k", "pm1", "1.0.0", 1, ""), roster(2)) is Cause.NAME


@pytest.mark.parametrize(("less", "more"), [("1.9.0", "1.10.0"), ("1.0.0", "1.0.1"), ("0.9", "1.0.0")])
def test_versions_are_compared_by_their_numbers(less: str, more: str) -> None:
    assert version_key(less) < version_key(more)


@given(st.binary(max_size=200))
def test_garbage_is_no_request_and_no_answer(data: bytes) -> None:
    for reader in (JoinRequest.read, JoinAnswer.read):
        with pytest.raises(JoinRefused):
            reader(data)


def test_request_and_answer_survive_the_wire_and_hide_what_is_secret() -> None:
    assert JoinRequest.read(REQUEST.encoded()) == REQUEST
    for name in ("a\nb", "\ud800", "\u202eb"):
        with pytest.raises(JoinRefused):
            JoinRequest.read(replace(REQUEST, name=name).encoded())
    assert "secret" not in repr(REQUEST)
    answer = JoinAnswer("m", "cert", "ca", {1: "wrapped"}, b"state")
    assert JoinAnswer.read(answer.encoded()) == answer
    assert b"state" not in repr(answer).encode()


@settings(deadline=None, max_examples=30)
@given(st.integers(2, 200), st.floats(0, 1))
def test_neighbours_are_everybody_or_few_and_connect_all(count: int, salt: float) -> None:
    members = [f"{n:032x}" for n in range(count)]
    chosen = {member: neighbours(member, members, salt) for member in members}
    if count <= FULL_MESH:
        assert all(len(found) == count - 1 for found in chosen.values())
        return
    assert all(len(found) <= 12 and member not in found for member, found in chosen.items())
    reached, edge = {members[0]}, [members[0]]
    while edge:
        member = edge.pop()
        for other in members:
            if other not in reached and (other in chosen[member] or member in chosen[other]):
                reached.add(other)
                edge.append(other)
    assert len(reached) == count


def test_roster_reads_what_is_stored_and_nothing_else() -> None:
    member = Member("id1", "pm1", address="10.0.0.1", version="1.0.0", level=1)
    objects = {
        ObjectId(AUTHORITY.path, ""): {"basic": {"cluster": "c1"}},
        ObjectId(MEMBERS.path, "id1"): member.settings,
        ObjectId(MEMBERS.path, "id2"): {"removal": {"state": "removed", "by": "admin", "time": 5}},
        ObjectId("pools", "p"): {},
    }
    found = read_roster(objects)
    assert found.cluster == "c1" and found.members == (member,)
    assert found.all["id2"].removed_by == "admin" and found.all["id2"].removed_at == 5
    assert read_roster({}) == Roster("", {})


def test_mixed_versions_are_named() -> None:
    members = {"1": Member("1", "a", version="1.0", level=1), "2": Member("2", "b", version="1.1", level=2)}
    assert Roster("c", members).uneven == "the members run different versions (1.0 on a; 1.1 on b)"
    assert roster(5).uneven == ""


def board(skews: dict[str, float]) -> PresenceBoard:
    made = PresenceBoard(clock=lambda: 1000.0)
    for beat in range(5):
        for member, skew in skews.items():
            made.hear(member, {"beat": round((1000 + skew) * 1000) + beat, "state": {}})
    return made


def test_clock_that_differs_from_most_is_named_whichever_it_is() -> None:
    assert list(board({"b": 7200.0, "c": 0.1}).skewed("a")) == ["b"]
    assert list(board({"b": -7200.0, "c": -7200.2}).skewed("a")) == ["a"]
    assert not board({"b": 0.5, "c": -1.0}).skewed("a")
    assert board({"b": -7200.0, "c": -7200.2}).ahead() == pytest.approx(7200.1, abs=0.2)
    assert board({"b": -7200.0, "c": 0.1}).ahead() == pytest.approx(0, abs=0.2)
    assert board({"b": -7200.0}).ahead() == pytest.approx(7200, abs=0.2)
    assert board({}).ahead() is None


def test_a_clock_that_jumps_is_known_at_once_where_it_does() -> None:
    """What was measured of the others before is not taken for them having jumped."""
    wall, steady = [1000.0], [50.0]
    jumped = PresenceBoard(lambda: wall[0], lambda: steady[0])
    for _ in range(5):
        wall[0] += 1
        steady[0] += 1
        for member in ("b", "c"):
            jumped.hear(member, {"beat": round(wall[0] * 1000), "state": {}})
    assert jumped.ahead() == pytest.approx(0)
    wall[0] += 3600
    assert jumped.ahead() == pytest.approx(3600)
    assert list(jumped.skewed("a")) == ["a"]
    wall[0] -= 7200
    assert jumped.ahead() == pytest.approx(-3600)
    wall[0] += 3600
    assert not jumped.skewed("a")


def test_of_two_clocks_the_other_one_is_named() -> None:
    assert list(board({"b": 60.0}).skewed("a")) == ["b"]


def test_members_that_are_not_heard_count_as_dead_once() -> None:
    now = 1000.0
    made = PresenceBoard(clock=lambda: now, steady=lambda: now)
    made.hear("b", {"beat": 1_000_000, "state": {"x": 1}})
    assert made.of("b").alive and made.of("b").state == {"x": 1} and not made.silent()
    now += 10
    assert made.silent() == ("b",)
    assert made.lose("b") and not made.lose("b")
    assert not made.of("b").alive and made.of("b").since == 1010.0


@pytest.mark.parametrize("jump", [7200.0, -7200.0])
def test_own_clock_that_is_put_right_silences_nobody(jump: float) -> None:
    wall, steady = [1000.0], [5.0]
    made = PresenceBoard(lambda: wall[0], lambda: steady[0])
    made.hear("b", {"beat": 1_000_000, "state": {}})
    wall[0] += jump
    steady[0] += 1
    assert not made.silent()
    steady[0] += FORGOTTEN
    assert made.silent() == ("b",)


def test_of_who_is_far_others_tell_and_what_they_tell_late_revives_nobody() -> None:
    now = 1000.0
    made = PresenceBoard(clock=lambda: now, steady=lambda: now)
    made.hear("b", {"beat": 1_000_000, "state": {}})
    made.part("b")
    now += FORGOTTEN + 1
    assert not made.silent()
    assert made.overhear({"b": {"beat": 1_003_000, "state": {"x": 1}}}) == ()
    assert made.of("b").heard == now
    assert made.overhear({"b": {"beat": 1_002_000, "state": {"x": 0}}}) == ()
    assert made.of("b").state == {"x": 1}
    now += FORGOTTEN_AFAR + 1
    assert made.silent() == ("b",)
    assert made.lose("b")
    assert made.overhear({"b": {"beat": 1_004_000, "state": {}}}) == ()
    assert not made.of("b").alive
    assert made.overhear({"b": {"beat": 1_026_000, "state": {}}}) == ("b",)
    assert made.of("b").alive


def test_what_was_passed_on_is_not_passed_on_again() -> None:
    made = board({"b": 0.0})
    news = made.newer_than({})
    assert list(news) == ["b"]
    assert made.newer_than({"b": news["b"]["beat"]}) == {}


def test_groups_lose_who_is_removed_and_gain_who_joins() -> None:
    """Members come to groups as passive or active ones, and leave them whole."""
    group = ObjectId(GROUPS, "web")
    held = {group: {"basic": {"machines": ["a", "b"], "slaves": ["b"], "ip_mapping": [
        {"ip": "10.0.0.9", "traffic_manager": "b"}, {"ip": "10.0.0.8", "traffic_manager": "a"},
    ]}}}  # fmt: skip

    def after(changes: list[Change]) -> dict[str, object]:
        (change,) = [c for c in changes if c.identity == group]
        assert isinstance(change, Put)
        return dict(change.settings["basic"])

    passive = after(entry(held, Member("3", "c"), {}, "passive"))
    assert passive["machines"] == ["a", "b", "c"] and passive["slaves"] == ["b", "c"]
    active = after(entry(held, Member("3", "c"), {}, "active"))
    assert active["machines"] == ["a", "b", "c"] and active["slaves"] == ["b"]
    assert not [c for c in entry(held, Member("3", "c"), {}, "none") if c.identity == group]
    gone = after(groups_without(held, {"b"}))
    assert gone == {
        "machines": ["a"],
        "slaves": [],
        "ip_mapping": [{"ip": "10.0.0.8", "traffic_manager": "a"}],
    }


def test_wrong_clock_stays_known_while_nobody_is_heard_and_may_be_set_right_then() -> None:
    """Two hours ahead and parted from the others: edits must not be stamped two hours ahead of theirs."""
    wall, steady = [1000.0 + 7200], [50.0]
    alone = PresenceBoard(lambda: wall[0], lambda: steady[0])
    assert alone.ahead() is None
    alone.hear("b", {"beat": 1000_000, "state": {}})
    assert alone.ahead() == pytest.approx(7200)
    alone.lose("b")
    wall[0] += 60
    steady[0] += 60
    assert alone.ahead() == pytest.approx(7200)
    wall[0] -= 7200
    assert alone.ahead() == pytest.approx(0)
