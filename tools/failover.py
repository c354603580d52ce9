"""How long there is no service when the holder of a traffic IP fails, and when the address goes back. Needs root.

    python -m tools.failover            # three members, 100 requests a second from the client's side

Invariant: what is printed was measured in this run; what has no service at all says so.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.root.clustering import assemble
from tests.root.lab import Lab, obstacle

from tools.instance import wait_for

ADDRESSES = ("10.77.0.101", "fd00:77::101")
DELAY = 1
"""Seconds after which an address goes back."""


def main() -> int:
    """Prints a line for each fault and family."""
    if why := obstacle():
        print(f"failover: not measured: {why}", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as directory, Lab(3, Path(directory)) as lab:
        assemble(lab, "--traffic-ips", "active")
        rest = lab.rest(1)
        rest.put("global_settings", "", {"fault_tolerance": {"autofailback_delay": DELAY}})
        rest.put("pools", "app", {"basic": {"nodes_table": [{"node": lab.node()}]}})
        machines = [lab.host_name(number) for number in lab.ids]
        rest.put(
            "traffic_ip_groups", "web", {"basic": {"ipaddresses": list(ADDRESSES), "machines": machines}}
        )
        listen = {"listen_on_any": False, "listen_on_traffic_ips": ["web"]}
        rest.put("virtual_servers", "web", {"basic": {"enabled": True, "pool": "app", "port": 80, **listen}})
        for address in ADDRESSES:
            _measure(lab, address)
    return 0


def _measure(lab: Lab, address: str) -> None:
    holder = _holder(lab, address)

    def come_back() -> None:
        lab.heal(holder)
        lab.start(holder)

    faults: tuple[tuple[str, Callable[[], object], Callable[[], object]], ...] = (
        ("cable cut", lambda: lab.cut(holder), lambda: lab.heal(holder)),
        ("partition", lambda: lab.split(holder), lab.join),
        ("pause", lambda: lab.pause(holder), lambda: lab.resume(holder)),
        ("stop in order", lambda: lab.stop(holder), lambda: lab.start(holder)),
        ("kill", lambda: lab.kill(holder), come_back),
    )
    target = f"[{address}]:80" if ":" in address else f"{address}:80"
    with lab.load(target) as load:
        for name, break_, mend in faults:
            time.sleep(1.5)
            wait_for("it is where it belongs", lambda: lab.holders(address) == (holder,))
            begun = time.time()
            break_()
            time.sleep(2)
            gone, failed = load.gap(begun - 0.3, time.time() - 1), len(load.failures(begun - 0.3))
            begun = time.time()
            mend()
            twice: list[float] = []
            deadline = time.monotonic() + 20
            while lab.holders(address) != (holder,) and time.monotonic() < deadline:
                if len(lab.holders(address)) > 1:
                    twice.append(time.time())
            time.sleep(1.5)
            back, lost = load.gap(begun, time.time() - 1), len(load.failures(begun))
            print(
                f"{address:14} {name:14} no service for {gone:.3f} s ({failed} requests failed); "
                f"back: {back:.3f} s ({lost}), two holders for {twice[-1] - twice[0] if twice else 0:.2f} s"
            )


def _holder(lab: Lab, address: str) -> int:
    """The host that an address belongs to, once it is there."""

    def home() -> int:
        views = lab.rest(1).get("status/local_tm/traffic_ips")["traffic_ips"]
        owner = next((view["order"][0] for view in views if view["address"] == address), "")
        number = next((number for number in lab.ids if lab.host_name(number) == owner), 0)
        return number if number and lab.holders(address) == (number,) else 0

    return int(wait_for(f"{address} is where it belongs", home, 30))


if __name__ == "__main__":
    raise SystemExit(main())
