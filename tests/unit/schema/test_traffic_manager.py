"""The members of the cluster."""

from __future__ import annotations

from typing import Any

import pytest

from pointsman.schema.resource import Kind
from pointsman.schema.traffic_manager import TRAFFIC_MANAGER, TrafficManager
from pointsman.schema.validate import Invalid, build


def member(**sections: dict[str, Any]) -> TrafficManager:
    built = build(TRAFFIC_MANAGER, "tm1.example.com", sections)
    assert isinstance(built, TrafficManager)
    return built


def test_every_key_of_the_interface_is_declared() -> None:
    ours = [key for key in TRAFFIC_MANAGER.keys if "an addition of this product" in key.help]
    assert [key.name for key in ours] == ["port"]
    assert len(TRAFFIC_MANAGER.keys) - len(ours) == 98
    assert len(TRAFFIC_MANAGER.sections) == 16


def test_sections_of_hidden_keys_only_exist() -> None:
    shown = {key.section for key in TRAFFIC_MANAGER.keys if not key.hidden}
    assert set(TRAFFIC_MANAGER.sections) - shown == {"autodiscover", "kerberos", "soap"}


def test_members_are_not_made_by_hand() -> None:
    assert TRAFFIC_MANAGER.kind is Kind.COLLECTION
    assert not TRAFFIC_MANAGER.creatable


def test_ports_of_management() -> None:
    fresh = member()
    assert (fresh.rest_api.port, fresh.cluster_comms.port) == (9070, 9080)
    assert fresh.rest_api.bind_ips == ("*",)


def test_secrets_are_known() -> None:
    secrets = {key.path for key in TRAFFIC_MANAGER.keys if key.secret}
    assert secrets == {"snmp.auth_password", "snmp.priv_password"}


def test_a_key_and_a_column_may_be_called_if() -> None:
    built = member(
        appliance={
            "if": [{"name": "eth0", "mtu": 9000}],
            "routes": [{"name": "10.0.0.0", "mask": "255.0.0.0", "gw": "192.0.2.1", "if": "eth0"}],
        }
    )
    key = TRAFFIC_MANAGER.key("appliance", "if")
    assert key is not None
    assert key.read(built)[0].mtu == 9000
    assert built.appliance.routes[0].model_dump()["if"] == "eth0"
    names = [key.name for key in TRAFFIC_MANAGER.keys if key.section == "appliance"]
    assert names == sorted(names)


def test_a_fault_in_the_key_called_if_names_row_and_column() -> None:
    with pytest.raises(Invalid) as caught:
        member(appliance={"if": [{"name": "eth0", "mtu": 1}]})
    (problem,) = caught.value.problems
    assert (problem.code, problem.path) == ("num.out_of_range", ("appliance", "if", "eth0", "mtu"))


def test_no_number_of_processors_can_be_sent_back() -> None:
    assert member(basic={"numberOfCPUs": 0}) == member()
    with pytest.raises(Invalid):
        member(basic={"numberOfCPUs": 65})


def test_lists_in_rows_keep_their_order() -> None:
    built = member(basic={"trafficip": [{"name": "eth0", "networks": ["10.1.0.0/16", "10.0.0.0/16"]}]})
    assert built.basic.trafficip[0].networks == ("10.1.0.0/16", "10.0.0.0/16")
