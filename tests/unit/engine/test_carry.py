"""What a new worker is told of the nodes' health: health alone, and only where something can correct it."""

from __future__ import annotations

from pointsman.compiler.plan import ConfigSection, Line, Plan, Server
from pointsman.engine.haproxy.carry import carry_states

HEADER = (
    "1\n# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight ..."
)


def row(
    server: str, *, port: int = 80, up: int = 0, admin: int = 0, weight: int = 1, initial: int = 1
) -> str:
    return f"3 pool 1 {server} 192.0.2.1 {up} {admin} {weight} {initial} 7 8 2 0 6 0 0 0 - {port} - 0 0 - - 0"


def plan(*servers: Server) -> Plan:
    return Plan((ConfigSection(Line("backend pool"), (), servers, "pool", "app"),))


def server(
    name: str, *, weight: int = 1, checked: bool = True, tracks: str = "", judged: bool = False
) -> Server:
    return Server(name, "n:80", "192.0.2.1", 80, weight, True, checked=checked, tracks=tracks, judged=judged)


def carried(table: str, wanted: Plan, held: tuple[tuple[str, str], ...] = ()) -> list[str]:
    lines = carry_states(f"{HEADER}\n{table}\n", wanted, held).splitlines()
    assert "\n".join(lines[:2]) == HEADER
    return lines[2:]


def test_health_is_carried_and_configuration_decides_the_rest() -> None:
    found = carried(row("a", admin=8, weight=5), plan(server("a", weight=3)))
    assert found == [row("a", weight=3, initial=3)]


def test_nodes_in_maintenance_start_afresh() -> None:
    assert carried(f"{row('a', admin=1)}\n{row('b', admin=4)}", plan(server("a"), server("b"))) == []


def test_a_draining_node_keeps_its_weight_of_zero() -> None:
    assert carried(row("a", weight=4, initial=4), plan(server("a", weight=0))) == [
        row("a", weight=0, initial=0)
    ]


def test_nodes_that_nothing_watches_start_afresh() -> None:
    assert carried(row("a"), plan(server("a", checked=False))) == []


def test_nodes_that_follow_another_start_afresh() -> None:
    assert carried(row("a"), plan(server("a", tracks="other/a"))) == []


def test_nodes_that_moved_or_are_gone_are_left_out() -> None:
    assert carried(f"{row('a', port=81)}\n{row('b')}", plan(server("a"))) == []


def test_a_judged_node_that_is_held_starts_in_maintenance() -> None:
    wanted = plan(server("a", checked=False, judged=True))
    assert carried(row("a", up=2), wanted, (("pool", "a"),)) == [row("a", up=2, admin=1)]
