"""What a traffic IP group may hold."""

from __future__ import annotations

from typing import Any

import pytest

from pointsman.schema.reference import references
from pointsman.schema.traffic_ip_group import TRAFFIC_IP_GROUP
from pointsman.schema.validate import Invalid, build


def faults(**basic: Any) -> list[tuple[tuple[str, ...], str]]:
    try:
        build(TRAFFIC_IP_GROUP, "web", {"basic": basic})
    except Invalid as refused:
        return [(problem.path, problem.message) for problem in refused.problems]
    return []


@pytest.mark.parametrize("address", ["192.0.2.1", "2001:db8::1", "10.0.0.255", "fd00::1", "fe80::1"])
def test_addresses_that_a_machine_can_hold(address: str) -> None:
    assert faults(ipaddresses=[address]) == []


@pytest.mark.parametrize(
    "address",
    [
        *("", "web.example", "192.0.2.1/24", "192.0.2.01", "fe80::1%eth0"),
        *("127.0.0.1", "::1", "0.0.0.0", "::", "224.0.0.1", "ff02::1", "::ffff:192.0.2.1"),
    ],
)
def test_other_addresses_are_refused(address: str) -> None:
    (fault,) = faults(ipaddresses=[address])
    assert fault[0][:2] == ("basic", "ipaddresses")
    (fault,) = faults(ip_mapping=[{"ip": address, "traffic_manager": "pm1"}])
    assert fault[0][-1] == "ip"


def test_traffic_managers_are_referred_to_so_that_renames_follow() -> None:
    settings = {
        "basic": {
            "machines": ["pm1", "pm2"],
            "slaves": ["pm2"],
            "ip_mapping": [{"ip": "192.0.2.1", "traffic_manager": "pm1"}],
        }
    }
    found = [(use.path[1], use.target.name) for use in references(TRAFFIC_IP_GROUP, settings)]
    assert sorted(found) == [
        ("ip_mapping", "pm1"),
        ("machines", "pm1"),
        ("machines", "pm2"),
        ("slaves", "pm2"),
    ]
