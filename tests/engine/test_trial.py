"""A plan tried out by the real `haproxy -c`: what it says, within bounds, and nothing left behind."""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import pytest
from tests.certificates import self_signed
from tests.compiling import FACTS, haproxy, snapshot

from pointsman.compiler.compile import compile_plan
from pointsman.compiler.plan import ConfigSection, Line, Origin, Plan
from pointsman.engine.haproxy.trial import PREFIX, NotAsked, Trial
from pointsman.schema.problem import ObjectId


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory for temporary files, and the HAProxy of the tests."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("POINTSMAN_HAPROXY", str(haproxy()))
    return tmp_path


@pytest.fixture(scope="module")
def plan() -> Plan:
    """A service with TLS, whose private key is in the files."""
    public, private = self_signed("shop.example")
    objects = {
        "pools/p": {"basic": {"nodes_table": [{"node": "127.0.0.1:1"}]}},
        "ssl/server_keys/k": {"basic": {"public": public, "private": private}},
        "virtual_servers/v": {
            "basic": {"enabled": True, "port": 8443, "pool": "p", "ssl_decrypt": True},
            "ssl": {"server_cert_default": "k"},
        },
        "global_settings": {},
    }
    return compile_plan(snapshot(objects), FACTS)


def left(place: Path) -> list[Path]:
    return list(place.glob(f"{PREFIX}*"))


def broken(plan: Plan) -> Plan:
    origin = Origin(ObjectId("pools", "p"), ("basic", "note"))
    section = ConfigSection(Line("backend broken from http"), (Line("no-such-word", origin),))
    return replace(plan, sections=(*plan.sections, section))


async def test_a_good_plan_is_accepted_and_nothing_stays(plan: Plan, place: Path) -> None:
    assert plan.certificates
    assert await Trial().ask(plan) == ()
    assert left(place) == []


async def test_what_is_refused_names_the_object(plan: Plan, place: Path) -> None:
    (problem,) = await Trial().ask(broken(plan))
    assert (problem.subject, problem.path) == (ObjectId("pools", "p"), ("basic", "note"))
    assert "no-such-word" in problem.message
    assert left(place) == []


async def test_a_trial_that_takes_too_long_is_broken_off(
    plan: Plan, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = place / "slow"
    slow.write_text("#!/bin/sh\nexec sleep 60\n")
    slow.chmod(0o700)
    monkeypatch.setenv("POINTSMAN_HAPROXY", str(slow))
    begun = time.monotonic()
    with pytest.raises(NotAsked, match="longer than 1 s"):
        await Trial(seconds=1).ask(plan)
    assert time.monotonic() - begun < 20
    deadline = time.monotonic() + 10
    while left(place) and time.monotonic() < deadline:
        await asyncio.sleep(0.01)
    assert left(place) == []


async def test_without_haproxy_it_says_so(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POINTSMAN_HAPROXY", "/nowhere/haproxy")
    with pytest.raises(NotAsked, match="POINTSMAN_HAPROXY"):
        await Trial().ask(plan)


async def test_what_a_killed_process_left_is_removed(plan: Plan, place: Path) -> None:
    old, fresh = place / f"{PREFIX}old", place / f"{PREFIX}fresh"
    for directory in (old, fresh):
        directory.mkdir()
        (directory / "key.pem").write_text("secret")
    os.utime(old, (1, 1))
    assert await Trial().ask(plan) == ()
    assert left(place) == [fresh]
