"""The steps of a start, those that need no process."""

from __future__ import annotations

import io
import os
import socket
from pathlib import Path

import pytest

from pointsman.provision.log import ProvisionLog
from pointsman.provision.order import Order, read_order, write_order
from pointsman.provision.start import (
    STEPS,
    Start,
    check_joining,
    check_variables,
    choose_name,
    prepare_home,
    provision,
)
from pointsman.provision.surroundings import outward_address


def begun(tmp_path: Path, **variables: str) -> Start:
    """A start in a temporary directory."""
    log = ProvisionLog(tmp_path / "log", screen=io.StringIO())
    return Start(tmp_path / "zeus", {"ZEUS_EULA": "accept", **variables}, log)


def provisioned(tmp_path: Path, **variables: str) -> int | None:
    """A start whose process is gone afterwards, as far as its lock is concerned."""
    start = begun(tmp_path, **variables)
    try:
        return provision(start)
    finally:
        if start.lock is not None:
            os.close(start.lock)


def said(tmp_path: Path) -> str:
    return (tmp_path / "log").read_text()


def test_the_steps_have_names_of_their_own() -> None:
    names = [step.name for step in STEPS]
    assert len(set(names)) == len(names)
    assert names[0] == "eula"


def test_an_instance_without_a_name_that_resolves_is_called_by_its_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R5: the address with the default route is the name then, and that is logged."""
    if not outward_address():
        pytest.skip("this machine has no address but loopback")
    start = begun(tmp_path)
    monkeypatch.setattr(socket, "gethostname", lambda: "does-not-resolve.invalid")
    choose_name(start)
    assert start.order is not None
    assert start.order.name == outward_address()
    assert "does-not-resolve.invalid does not resolve" in said(tmp_path)


def test_a_name_that_resolves_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """R5, R24: an instance is called by its host's name, as `-h` sets it."""
    start = begun(tmp_path)
    monkeypatch.setattr(socket, "gethostname", lambda: "localhost")
    choose_name(start)
    assert start.order is None or start.order.name == ""
    assert "called localhost" in said(tmp_path)


def test_what_was_decided_is_left_to_the_control_plane(tmp_path: Path) -> None:
    """R28, R29, R31: directories and options of both imports stand in the order."""
    for name in ("base", "watched"):
        (tmp_path / name / "config").mkdir(parents=True)
    variables = {
        "ZEUS_BASE_CONFIG": str(tmp_path / "base"),
        "ZEUS_WATCHED_CONFIG": str(tmp_path / "watched"),
        "ZEUS_CONFIG_IMPORT_ARGS": "--no-restart --no-replicate --restart-timeout 7",
        "ZEUS_COMMUNITY_EDITION": "yes",
    }
    assert provisioned(tmp_path, **variables) is None
    order = read_order(tmp_path / "zeus" / "var")
    assert order is not None
    assert order.state == "begun"
    assert (order.base, order.watched) == (str(tmp_path / "base"), str(tmp_path / "watched"))
    assert (order.replicate, order.restart, order.restart_seconds, order.community) == (
        False,
        False,
        7.0,
        True,
    )


def test_until_it_is_done_a_start_decides_anew(tmp_path: Path) -> None:
    """R25: what made the first start fail can be corrected; afterwards a difference is only remarked upon."""
    for name in ("wrong", "right"):
        (tmp_path / name / "config").mkdir(parents=True)
    home = tmp_path / "zeus" / "var"
    provisioned(tmp_path, ZEUS_BASE_CONFIG=str(tmp_path / "wrong"))
    provisioned(tmp_path, ZEUS_BASE_CONFIG=str(tmp_path / "right"))
    order = read_order(home)
    assert order is not None
    assert order.base == str(tmp_path / "right")
    write_order(home, Order(**{**vars(order), "state": "done"}))
    provisioned(tmp_path, ZEUS_BASE_CONFIG=str(tmp_path / "wrong"))
    assert read_order(home) == Order(**{**vars(order), "state": "done"})
    assert f"WARN: ZEUS_BASE_CONFIG: is {tmp_path / 'wrong'}, but was {tmp_path / 'right'}" in said(tmp_path)


def test_only_one_start_has_a_home(tmp_path: Path) -> None:
    """R3: two containers cannot provision one home."""
    first = begun(tmp_path)
    prepare_home(first)
    assert provision(begun(tmp_path)) == 4
    assert first.lock is not None
    os.close(first.lock)
    assert provisioned(tmp_path) is None


def test_joining_is_for_the_first_start(tmp_path: Path) -> None:
    """R25: an instance that was provisioned alone does not join later by itself, and says so; a member says nothing."""
    home = tmp_path / "zeus" / "var"
    assert provisioned(tmp_path) is None
    order = read_order(home)
    assert order is not None
    write_order(home, Order(**{**vars(order), "state": "done"}))
    assert provisioned(tmp_path, ZEUS_CLUSTER_NAME="127.0.0.9", ZEUS_PASS="s3cret") is None
    late = "WARN: ZEUS_CLUSTER_NAME: acts at the first start only, and this instance is in no cluster"
    assert said(tmp_path).count(late) == 1
    (home / "identity" / "member.pem").touch()
    assert provisioned(tmp_path, ZEUS_CLUSTER_NAME="127.0.0.9", ZEUS_PASS="s3cret") is None
    assert said(tmp_path).count(late) == 1


def test_an_instance_that_joins_reads_no_documents(tmp_path: Path) -> None:
    """R20: documents on a joiner are ignored with a warning, even where there are none."""
    variables = {"ZEUS_CLUSTER_NAME": "127.0.0.1", "ZEUS_CLUSTER_PORT": "1", "ZEUS_PASS": "s3cret"}
    start = begun(tmp_path, ZEUS_BASE_CONFIG="/nowhere", ZEUS_WATCHED_CONFIG="/nowhere", **variables)
    check_variables(start)
    check_joining(start)
    assert (start.variables.base, start.variables.watched, start.joins) == ("", "", True)
    for name in ("ZEUS_BASE_CONFIG", "ZEUS_WATCHED_CONFIG"):
        assert f"WARN: {name}: is ignored, because this instance joins a cluster" in said(tmp_path)
