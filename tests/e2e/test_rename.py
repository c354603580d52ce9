"""An address in the place of the host name of a running traffic manager."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from tests.e2e.rest import CONFIG, Client
from tests.e2e.test_certificate import pointsman
from tools.instance import Instance

from pointsman.identity.machine import machine_addresses

PLACE = "status/local_tm/name"


@pytest.mark.skipif(not machine_addresses(), reason="the machine has no address that could be a name")
def test_the_name_is_replaced_while_traffic_goes_on(instance: Instance) -> None:
    """R50: the object, its nameip and the identity have the address; only the control plane restarts, and there is no
    way back."""
    address = machine_addresses()[0]
    client = Client(instance)
    (before,) = client.names(f"{CONFIG}/traffic_managers")
    names = instance.get(PLACE)["name"]
    assert (names["name"], address in names["addresses"]) == (before, True)
    engines = instance.processes()["haproxy"]
    done = pointsman(instance, "rename", address)
    assert (done.returncode, done.stdout) == (0, f"{before} is called {address} now\n"), done
    assert client.names(f"{CONFIG}/traffic_managers") == [address]
    own = instance.get(f"config/active/traffic_managers/{address}")
    assert own["properties"]["basic"]["nameip"] == address
    assert instance.get(PLACE)["name"]["is_address"]
    assert instance.processes()["haproxy"] == engines
    stored = json.loads((instance.home / "identity" / "instance.json").read_text())
    assert (stored["name"], "wish" in stored) == (address, False)
    refused = pointsman(instance, "rename", address)
    assert refused.returncode == 1
    assert "configure script" in refused.stderr


def test_no_instance_no_name(tmp_path: object) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pointsman", "rename", "--home", f"{tmp_path}/nowhere"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, "Traceback" in done.stderr) == (4, False)
