"""Licences of a real instance: what is in force from the start, and changes that no request notices."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tests.e2e.test_traffic import Origins, in_force, service
from tests.licences import DAY, FINGERPRINT, STRANGER, licence_key
from tools.instance import SOURCE, Instance, free_port, wait_for
from tools.traffic import Load

from pointsman.licence.incoming import INCOMING, drop
from pointsman.licence.trust import ISSUERS
from pointsman.provision.order import Order, read_order, write_order


def provisioned(tmp_path: Path, **order: Any) -> Path:
    """A home as provisioning leaves it."""
    home = tmp_path / "home"
    home.mkdir()
    write_order(home, Order(state="done", **order))
    return home


def licence_of(instance: Instance) -> dict[str, Any]:
    """What REST says of the licence."""
    found: dict[str, Any] = instance.get("status/local_tm/licence")["licence"]
    return found


def put(instance: Instance, name: str, text: bytes) -> tuple[int, Any]:
    """PUT of a key."""
    path = f"config/active/license_keys/{name}"
    return instance.rest("PUT", path, text, content_type="application/octet-stream")


def tags(instance: Instance) -> list[str]:
    """Tags of the events about licences, oldest first."""
    events = instance.get("status/local_tm/events?section=licensekeys")["events"]
    return [event["tag"] for event in reversed(events)]


def test_an_instance_in_a_container_is_community_edition_until_a_key_comes(tmp_path: Path) -> None:
    """R64: none: Community Edition, never a stop. R17: served at Community limits until the choice is made."""
    home = provisioned(tmp_path)
    with Instance(home) as instance:
        found = licence_of(instance)
        assert (found["source"], found["bandwidth"], found["cluster_size"]) == ("community", 10_000_000, 4)
        assert (found["choice_open"], found["community"]) == (True, False)
        assert "Community Edition" in instance.get("status/local_tm/state")["state"]["license"]
        assert not (home / "licence" / "licence.key").exists(), "nothing issues itself a licence here"
        assert put(instance, "A1", licence_key(bandwidth=50_000_000))[0] == 201
        found = licence_of(instance)
        assert (found["source"], found["bandwidth"], found["issuers"]) == ("A1", 50_000_000, [FINGERPRINT])
        status, body = instance.rest("GET", "config/active/license_keys/A1")
        assert (status, body.startswith(b"pointsman-licence-1\n")) == (200, True)
        assert put(instance, "A1", licence_key(bandwidth=60_000_000))[0] == 204
        status, body = put(instance, "garbage", b"Zeus licence key, serial 1")
        assert (status, body["error_id"]) == (400, "resource.validation_error")
        assert "another product" in json.dumps(body)
        status, body = put(instance, "F", licence_key("F", issuer=STRANGER))
        assert (status, "pointsman licence trust" in json.dumps(body)) == (400, True)
        assert instance.rest("DELETE", "config/active/license_keys/A1")[0] == 204
        assert licence_of(instance)["source"] == "community"
        expected = ["unlicensed", "issuertrusted", "usinglicense", "usinglicense", "unlicensed"]
        wait_for("the events", lambda: tags(instance) == expected)


def test_keys_wait_for_the_start_and_are_taken_while_it_runs(tmp_path: Path) -> None:
    """R16: a licence that was downloaded by provisioning is in force from the start."""
    home = provisioned(tmp_path)
    drop(home, licence_key("A", bandwidth=20_000_000))
    with Instance(home) as instance:
        assert licence_of(instance)["source"] == "A"
        assert FINGERPRINT in instance.output.read_text(), "the first issuer is trusted with a warning"
        assert list((home / INCOMING).iterdir()) == []
        drop(home, licence_key("B", bandwidth=30_000_000))
        wait_for("the second key", lambda: licence_of(instance)["source"] == "B")
    with Instance(home) as instance:
        assert licence_of(instance)["source"] == "B"
        assert tags(instance) == ["issuertrusted", "usinglicense", "usinglicense"], "told once"


def test_the_choice_of_community_edition_survives(tmp_path: Path) -> None:
    """R17: ZEUS_COMMUNITY_EDITION=yes answers the question beforehand."""
    home = provisioned(tmp_path, community=True)
    with Instance(home) as instance:
        found = licence_of(instance)
        assert (found["source"], found["choice_open"]) == ("community", False)
    order = read_order(home)
    assert order is not None
    assert (order.state, order.community) == ("done", True)


def test_an_instance_outside_a_container_says_that_it_licensed_itself(tmp_path: Path) -> None:
    """R62: a stand-alone run outside the container issues itself an unlimited key, and says so."""
    with Instance(tmp_path / "home") as instance:
        wait_for("the banner", lambda: "licence " in instance.output.read_text())
        assert "unlimited, issued by this instance to itself" in instance.output.read_text()
        found = licence_of(instance)
        assert (found["source"], found["bandwidth"], found["choice_open"]) == ("self", 0, False)


def test_a_damaged_order_is_named(tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / "provision").mkdir(parents=True)
    (home / "provision" / "order.json").write_text("damaged")
    words = [sys.executable, "-m", "pointsman", "run", "--home", str(home)]
    words += ["--rest-port", "0", "--ui-port", "0", "--control-port", "0"]
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False, env=environment)
    assert (done.returncode, "order.json is damaged" in done.stderr) == (1, True)


async def test_no_request_fails_when_licences_come_expire_and_go(tmp_path: Path, origins: Origins) -> None:
    """R64: expired: Community Edition, never a stop; a change of the limit drops no request."""
    home = provisioned(tmp_path)
    with Instance(home) as instance:
        port = free_port()
        await asyncio.to_thread(service, instance, port, [{"node": origin.node} for origin in origins])
        load = Load(port, clients=4, pause=0.005)

        def turns() -> None:
            end = int(time.time()) + 3
            assert put(instance, "short", licence_key("S", issued=end - DAY, expires=end))[0] == 201
            assert licence_of(instance)["source"] == "S"
            wait_for("its end", lambda: licence_of(instance)["source"] == "community", 10)
            assert time.time() >= end, "it ends at its second"
            assert put(instance, "A1", licence_key(bandwidth=1_000_000_000))[0] == 201
            assert instance.rest("DELETE", "config/active/license_keys/A1")[0] == 204
            wait_for("all changes are in force", lambda: in_force(instance))

        async with asyncio.TaskGroup() as group:
            running = group.create_task(load.run(60))
            await asyncio.to_thread(turns)
            load.stop()
        report = running.result()
        assert not report.failed, report.failed
        assert report.requests > 100
        expected = ["unlicensed", "issuertrusted", "expiresoon", "usinglicense", "expired", "unlicensed",
                    "usinglicense", "unlicensed"]  # fmt: skip
        wait_for("the events", lambda: tags(instance) == expected)


def test_an_issuer_that_is_trusted_later_counts(tmp_path: Path) -> None:
    home = provisioned(tmp_path, community=True)
    with Instance(home) as instance:
        assert put(instance, "A1", licence_key())[0] == 201
        for path in (home / ISSUERS).iterdir():
            path.rename(path.with_name("away"))
        (home / ISSUERS / "other.fp").write_text("AA" * 32)
        wait_for("the key not to count", lambda: licence_of(instance)["source"] == "community")
        (home / ISSUERS / "again.fp").write_text(FINGERPRINT)
        wait_for("the key to count", lambda: licence_of(instance)["source"] == "A1")
