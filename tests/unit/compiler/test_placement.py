"""Placement of traffic IPs: everybody in the order, evenly spread, and calm when machines come and go."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.compiler.keepalived.placement import Group, Order, place

MACHINES = [f"m{number}.example" for number in range(9)]


def addresses(count: int, third: int = 2) -> tuple[str, ...]:
    return tuple(f"192.0.{third}.{number}" for number in range(1, count + 1))


@st.composite
def groups(draw: st.DrawFn) -> list[Group]:
    """A few groups with addresses of their own."""
    found = []
    for number in range(draw(st.integers(1, 4))):
        machines = draw(st.lists(st.sampled_from(MACHINES), min_size=1, max_size=6, unique=True))
        passive = draw(st.integers(0, len(machines)))
        own = addresses(draw(st.integers(1, 9)), number)
        active = tuple(machines[passive:])
        pins = (
            draw(st.dictionaries(st.sampled_from(own), st.sampled_from(active), max_size=2)) if active else {}
        )
        found.append(
            Group(
                name=f"group {number}",
                addresses=own,
                active=active,
                passive=tuple(machines[:passive]),
                alphabetic=draw(st.booleans()),
                together=draw(st.booleans()),
                pins=pins,
            )
        )
    return found


def owners(orders: dict[str, Order]) -> Counter[str]:
    return Counter(order[0] for order in orders.values())


@settings(max_examples=200, deadline=None)
@given(groups())
def test_every_order_names_every_machine_once_and_passive_ones_last(made: list[Group]) -> None:
    orders = place(made)
    for group in made:
        for address in group.addresses:
            order = orders[address]
            assert sorted(order) == sorted((*group.active, *group.passive))
            assert set(order[: len(group.active)]) == set(group.active)
            if address in group.pins and not group.together:
                assert order[0] == group.pins[address]
        if group.together:
            assert len({orders[address] for address in group.addresses}) == 1


@settings(max_examples=100, deadline=None)
@given(groups(), st.randoms())
def test_the_order_of_the_input_does_not_matter(made: list[Group], random: st.randoms) -> None:  # type: ignore[valid-type]
    shuffled = list(made)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert place(shuffled) == place(made)


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 40), st.integers(1, 12), st.integers(2, 9))
def test_machines_hold_equally_many_over_all_groups(first: int, second: int, count: int) -> None:
    machines = tuple(MACHINES[:count])
    made = [Group("a", addresses(first), machines), Group("b", addresses(second, 3), machines)]
    held = owners(place(made))
    loads = [held[machine] for machine in machines]
    assert max(loads) - min(loads) <= 1


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 40), st.integers(3, 9))
def test_what_a_dead_machine_held_is_spread_over_the_others(count: int, machines: int) -> None:
    orders = place([Group("a", addresses(count), tuple(MACHINES[:machines]))])
    for dead in MACHINES[:machines]:
        after = Counter(next(m for m in order if m != dead) for order in orders.values())
        loads = [after[machine] for machine in MACHINES[:machines] if machine != dead]
        assert max(loads) - min(loads) <= 2


def test_a_new_machine_takes_its_share_and_little_else_moves() -> None:
    moved = 0
    for third in range(20):
        own = addresses(60, third)
        before = place([Group("a", own, tuple(MACHINES[:4]))])
        after = place([Group("a", own, tuple(MACHINES[:5]))])
        moved += sum(before[address][0] != after[address][0] for address in own)
    # 12 of 60 belong to the new machine; the rest of the movement is what evens the load out.
    assert 12 * 20 <= moved <= 24 * 20


def test_alphabetic_takes_addresses_and_machines_in_turn() -> None:
    orders = place([Group("a", addresses(4), ("c", "a", "b"), ("p",), alphabetic=True)])
    assert orders["192.0.2.1"] == ("a", "b", "c", "p")
    assert orders["192.0.2.2"] == ("b", "c", "a", "p")
    assert orders["192.0.2.3"] == ("c", "a", "b", "p")
    assert orders["192.0.2.4"] == ("a", "b", "c", "p")


def test_only_few_different_orders_arise() -> None:
    orders = place([Group("a", addresses(250), tuple(MACHINES[:6]))])
    assert len(set(orders.values())) <= 30


def test_passive_machines_hold_what_has_no_active_one() -> None:
    orders = place([Group("a", addresses(2), (), ("p", "q"))])
    assert {order[0] for order in orders.values()} == {"p", "q"}
