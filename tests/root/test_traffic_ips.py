"""Traffic IPs on three real members of a cluster: who holds what, and that clients get answers whatever happens.

The promises: service is back within a second, an address goes back within 0.2 s, and never do two machines hold an
address after a partition has ended. Deadlines here are three and five seconds, as machines may be busy with something
else; `python -m tools.failover` prints the figures.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.root.clustering import assemble, pointsman
from tests.root.lab import Lab, obstacle
from tests.root.load import Load
from tools.instance import wait_for

pytestmark = pytest.mark.root

GONE = 5.0
"""How long there may be no service after a failure."""
BACK = 3.0
"""How long there may be no service while an address goes back."""
IPS = ("10.77.0.101", "10.77.0.102", "10.77.0.103", "fd00:77::101", "fd00:77::102", "fd00:77::103")
DELAY = 1
BEFORE_HOME = 0.7 * DELAY
"""When a member that is back is looked at: before addresses go home, which takes two holders for a moment."""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Three members with a service on six addresses."""
    if why := obstacle():
        pytest.skip(why)
    with Lab(3, tmp_path_factory.mktemp("lab")) as made:
        assemble(made, "--traffic-ips", "active")
        node = made.node()
        rest = made.rest(1)
        rest.put("pools", "app", {"basic": {"nodes_table": [{"node": node}]}})
        service(made)
        yield made


def service(lab: Lab, **group: object) -> None:
    """The service of these tests as it usually is, with other settings of its group."""
    rest = lab.rest(1)
    machines = [lab.host_name(number) for number in lab.ids]
    settings = {"auto_failback": True, "autofailback_delay": DELAY, "frontend_check_ips": ["%gateway%"]}
    rest.put("global_settings", "", {"fault_tolerance": {**settings, "monitor_timeout": 3}})
    plain = {
        "ipaddresses": list(IPS),
        "machines": machines,
        "slaves": [],
        "ip_mapping": [],
        "keeptogether": False,
    }
    rest.put("traffic_ip_groups", "web", {"basic": {**plain, "enabled": True, **group}})
    listen = {"listen_on_any": False, "listen_on_traffic_ips": ["web"]}
    rest.put("virtual_servers", "web", {"basic": {"enabled": True, "pool": "app", "port": 80, **listen}})


@pytest.fixture
def three(lab: Lab) -> Iterator[Lab]:
    """The lab with all members well and every address where it belongs."""
    service(lab)
    settle(lab)
    yield lab
    lab.join()
    for number in lab.ids:
        lab.heal(number)
        lab.resume(number)
        if not lab.runs(number):
            lab.start(number)


def settle(lab: Lab) -> dict[str, int]:
    """Waits until each address is on the machine that it belongs to and nowhere else; who holds what."""
    found: dict[str, int] = {}

    def all_home() -> bool:
        for view in lab.rest(1).get("status/local_tm/traffic_ips")["traffic_ips"]:
            wanted = next(number for number in lab.ids if lab.host_name(number) == view["order"][0])
            found[view["address"]] = wanted
            if lab.holders(view["address"]) != (wanted,):
                return False
        return set(found) == set(IPS)

    wait_for("every address is where it belongs", all_home, 40)
    return found


def target(address: str) -> str:
    return f"[{address}]:80" if ":" in address else f"{address}:80"


def assert_serves(load: Load, since: float, gap: float) -> None:
    assert load.gap(since - 0.5) < gap
    recent = [request for request in load.requests if request.begun > time.time() - 0.7]
    assert any(not request.error for request in recent), recent


def await_success(load: Load, since: float) -> None:
    wait_for(
        "requests are answered again",
        lambda: any(not r.error and r.begun > since for r in load.requests[-50:]),
        GONE,
    )


def test_addresses_are_spread_over_the_members(three: Lab) -> None:
    """R2: each of three machines holds two of six addresses, of both families, and all of them answer."""
    held = settle(three)
    assert sorted(held.values()) == [1, 1, 2, 2, 3, 3]
    for address in IPS:
        with three.load(target(address)):
            pass


@pytest.mark.parametrize("fault", ["cut", "split", "pause"])
@pytest.mark.parametrize("address", [IPS[0], IPS[3]])
def test_another_member_takes_over_and_gives_back(three: Lab, fault: str, address: str) -> None:
    """R2, R6: the address is announced from elsewhere at once, goes back later, and is never left in two places."""
    faults: dict[str, tuple[Callable[[int], None], Callable[[int], None]]] = {
        "cut": (three.cut, three.heal),
        "split": (three.split, lambda _: three.join()),
        "pause": (three.pause, three.resume),
    }
    holder = settle(three)[address]
    with three.load(target(address)) as load:
        begun = time.time()
        faults[fault][0](holder)
        time.sleep(0.1)
        await_success(load, begun + 0.1)
        time.sleep(1)
        assert_serves(load, begun, GONE)
        begun = time.time()
        faults[fault][1](holder)
        time.sleep(BEFORE_HOME)
        assert len(three.holders(address)) == 1, "two machines hold it although they hear one another"
        settle(three)
        time.sleep(0.5)
        assert_serves(load, begun + 1, BACK)


def test_a_member_that_dies_is_replaced_and_comes_back(three: Lab) -> None:
    """R2: after `kill -9` of everything on a member, requests to its addresses are answered within a second."""
    address = IPS[1]
    holder = settle(three)[address]
    others = [other for other in IPS if settle(three)[other] != holder]
    with three.load(target(address)) as load, three.load(target(others[0])) as elsewhere:
        begun = time.time()
        three.kill(holder)
        await_success(load, begun)
        time.sleep(1)
        assert_serves(load, begun, GONE)
        three.heal(holder)
        three.start(holder)
        settle(three)
        time.sleep(0.5)
        assert not elsewhere.failures(), "connections elsewhere are nobody's business"


def test_a_member_that_stops_in_order_hands_its_addresses_over(three: Lab) -> None:
    """R2, R55: a restart of a healthy member costs no request, neither when it goes nor when its address comes back.

    A packet that opens a connection may be repeated once meanwhile, which takes a second.
    """
    address = IPS[2]
    holder = settle(three)[address]
    with three.load(target(address), patience=5.0) as load:
        begun = time.time()
        assert three.stop(holder) == 0
        time.sleep(1)
        three.start(holder)
        settle(three)
        time.sleep(2)
        assert_serves(load, begun, BACK)
    assert load.failures() == []


def test_manual_failback_waits_for_the_word(three: Lab) -> None:
    """Deliverable 3: without automatic failback an address stays until it is asked back."""
    address = IPS[0]
    three.rest(1).put("global_settings", "", {"fault_tolerance": {"auto_failback": False}})
    holder = settle(three)[address]
    three.cut(holder)
    wait_for("it is elsewhere", lambda: set(three.holders(address)) - {holder}, GONE)
    three.heal(holder)
    time.sleep(3)
    assert three.holders(address) != (holder,)
    assert len(three.holders(address)) == 1
    with three.load(target(address)) as load:
        begun = time.time()
        asker = 1 + holder % 3
        pointsman(three, asker, "traffic-ip", "failback")
        three.await_holder(address, holder, seconds=10)
        time.sleep(0.5)
        assert_serves(load, begun, BACK)


def test_passive_pinned_and_together(three: Lab) -> None:
    """Deliverable 3: passive members hold nothing while others live, pins are kept, a group can stay together."""
    names = [three.host_name(number) for number in three.ids]
    service(three, slaves=[names[0]], ip_mapping=[{"ip": IPS[0], "traffic_manager": names[2]}])
    held = settle(three)
    assert 1 not in held.values()
    assert held[IPS[0]] == 3
    three.cut(2)
    three.cut(3)
    wait_for("the passive one takes all", lambda: all(1 in three.holders(ip) for ip in IPS), GONE)
    three.heal(2)
    three.heal(3)
    settle(three)
    service(three, keeptogether=True)
    held = settle(three)
    assert len(set(held.values())) == 1
    three.cut(held[IPS[0]])
    wait_for(
        "all move together",
        lambda: (
            len({frozenset(set(three.holders(ip)) - {held[IPS[0]]}) for ip in IPS}) == 1
            and set(three.holders(IPS[0])) - {held[IPS[0]]}
        ),
        GONE,
    )


def test_a_disabled_group_is_dropped(three: Lab) -> None:
    """Deliverable 3: addresses of a disabled group are nowhere, and the virtual server says why it is silent."""
    service(three, enabled=False)
    wait_for("nobody holds them", lambda: not any(three.holders(ip) for ip in IPS), 10)
    told = three.rest(2).get("status/local_tm/conditions")["conditions"]
    assert "traffic_ip_group_off" in {condition["code"] for condition in told}


def test_a_lost_gateway_costs_the_addresses(three: Lab) -> None:
    """Deliverable 3: who cannot ping the gateway gives up what it holds, and gets it back."""
    address = IPS[0]
    holder = settle(three)[address]
    gateway = f"{three.network}.1"
    host = three.hosts[holder]
    host.run(
        "ip", "neigh", "replace", gateway, "lladdr", "02:00:00:00:00:01", "dev", "eth0", "nud", "permanent"
    )
    try:
        wait_for(
            "another one has it",
            lambda: three.holders(address) not in ((), (holder,)),
            20,
        )
        wait_for("it is told", lambda: three.rest(holder).events("pinggwfail"), 5)
        assert three.rest(holder).get("status/local_tm/state")["state"]["tip_errors"]
    finally:
        host.run("ip", "neigh", "del", gateway, "dev", "eth0")
    settle(three)
    wait_for("it is told", lambda: three.rest(holder).events("flipperfrontendsworking"), 5)


def test_an_interface_may_come_back_under_another_name(three: Lab) -> None:
    """Deliverable 3: interfaces are found by address, as a container's network is disconnected and connected."""
    address = IPS[1]
    holder = settle(three)[address]
    host = three.hosts[holder]
    host.run("ip", "link", "set", "eth0", "down")
    host.run("ip", "link", "set", "eth0", "name", "eth7")
    try:
        three.connect(holder, "eth7")
        settle(three)
        assert "eth7" in host.run("ip", "-o", "addr", "show", "to", address)
    finally:
        host.run("ip", "link", "set", "eth7", "down")
        host.run("ip", "link", "set", "eth7", "name", "eth0")
        three.connect(holder, "eth0")
    settle(three)


def processes(lab: Lab, number: int) -> dict[str, list[int]]:
    """The processes of a host by what they are."""
    found: dict[str, list[int]] = {"python": [], "haproxy": [], "keepalived": []}
    for pid in lab.hosts[number].pids():
        with contextlib.suppress(OSError):
            name = Path(f"/proc/{pid}/comm").read_text().strip()
            found.setdefault("python" if name.startswith(("python", "pointsman")) else name, []).append(pid)
    return found


def test_a_dead_keepalived_leaves_no_address_behind(three: Lab) -> None:
    """Deliverable 3: keepalived is started again at once, and what it held is on one machine."""
    address = IPS[2]
    holder = settle(three)[address]
    for pid in processes(three, holder)["keepalived"]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    time.sleep(GONE)
    assert len(three.holders(address)) == 1
    assert settle(three)[address] == holder


def test_an_engine_that_stays_dead_costs_the_addresses_without_python(three: Lab) -> None:
    """Deliverable 3: an address is held while traffic is served, and not longer, whether Python lives or not."""
    address = IPS[0]
    holder = settle(three)[address]
    found = processes(three, holder)
    for pid in sorted(found["python"]):
        os.kill(pid, signal.SIGKILL)
    time.sleep(3)
    assert three.holders(address) == (holder,), "the engine serves, so the address stays"
    with three.load(target(address)):
        pass
    for pid in found["haproxy"]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    wait_for("another machine has it", lambda: set(three.holders(address)) - {holder}, 5 * 3)
    wait_for("this one has not", lambda: holder not in three.holders(address), GONE)
    three.kill(holder, power=False)
    three.start(holder)
    settle(three)


def test_what_a_killed_member_left_is_taken_away_at_the_next_start(three: Lab) -> None:
    """Deliverable 3: leftover addresses go at the start, and are not stolen from who holds them by then."""
    address = IPS[1]
    holder = settle(three)[address]
    three.rest(1).put("global_settings", "", {"fault_tolerance": {"auto_failback": False}})
    time.sleep(1)
    three.kill(holder, power=False)
    wait_for("another one has it too", lambda: len(three.holders(address)) == 2, GONE)
    three.start(holder)
    time.sleep(1)
    assert len(three.holders(address)) == 1
    assert three.holders(address) != (holder,)
