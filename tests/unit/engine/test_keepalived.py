"""keepalived's files, what the launcher is asked, and what is taken away; with a stand-in for the program."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from pointsman.compiler.keepalived.text import FAULT, WELL
from pointsman.compiler.plan import Failover
from pointsman.engine import network
from pointsman.engine.keepalived import cannot_raise, find_keepalived
from pointsman.engine.keepalived.engine import NAME, KeepalivedEngine

TEXT = "    virtual_ipaddress_excluded {\n        192.0.2.101/32 dev eth0 no_track\n    }\n"


@pytest.fixture
def engine(tmp_path: Path) -> KeepalivedEngine:
    """A keepalived in a home of its own, which refuses a configuration that holds the word `wrong`."""
    program = tmp_path / "keepalived"
    program.write_text('#!/bin/sh\n! grep -H wrong "$3"\n')
    program.chmod(0o755)
    (tmp_path / "run").mkdir()
    made = KeepalivedEngine(tmp_path, program)
    made.start("haproxy")
    return made


def asked(home: Path) -> list[dict[str, object]]:
    try:
        return list(json.loads((home / "run" / "engines.json").read_text())["engines"])
    except FileNotFoundError:
        return []


async def test_the_launcher_is_asked_and_the_word_is_fault_at_first(
    engine: KeepalivedEngine, tmp_path: Path
) -> None:
    serving = tmp_path / "engine" / "keepalived" / "serving"
    assert serving.read_text() == FAULT
    assert await engine.apply(Failover(TEXT)) == ""
    (entry,) = asked(tmp_path)
    assert entry["name"] == NAME
    assert entry["leads"] is True
    assert entry["files"][str(serving)] == FAULT  # type: ignore[index]
    engine.serve(True)
    assert serving.read_text() == WELL
    engine.serve(False)
    assert serving.read_text() == FAULT
    assert (tmp_path / "engine" / "keepalived").stat().st_mode & 0o777 == 0o700


async def test_a_configuration_that_is_refused_changes_nothing(
    engine: KeepalivedEngine, tmp_path: Path
) -> None:
    assert await engine.apply(Failover(TEXT)) == ""
    said = await engine.apply(Failover(f"wrong\n{TEXT}"))
    assert "wrong" in said
    assert (tmp_path / "engine" / "keepalived" / "keepalived.conf").read_text() == TEXT


async def test_without_addresses_it_is_not_run(engine: KeepalivedEngine, tmp_path: Path) -> None:
    await engine.apply(Failover())
    assert asked(tmp_path) == []
    await engine.apply(Failover(TEXT))
    await engine.apply(Failover())
    assert asked(tmp_path) == []


async def test_what_may_have_been_raised_is_written_down_first(
    engine: KeepalivedEngine, tmp_path: Path
) -> None:
    await engine.apply(Failover(TEXT))
    assert json.loads((tmp_path / "run" / "traffic-ips.json").read_text()) == [["192.0.2.101", 32]]
    await engine.apply(Failover())
    engine.tidy()
    assert json.loads((tmp_path / "run" / "traffic-ips.json").read_text()) == []


@pytest.mark.parametrize(
    ("pid", "name", "status"), [("own", "own", 0), ("own", "other", 1), ("gone", "own", 2)]
)
def test_the_check_needs_no_python(tmp_path: Path, pid: str, name: str, status: int) -> None:
    (tmp_path / "run").mkdir()
    own = Path(f"/proc/{os.getpid()}/comm").read_text().strip()
    KeepalivedEngine(tmp_path, Path("/bin/true")).start(own if name == "own" else "haproxy")
    (tmp_path / "run" / "haproxy.pid").write_text(f"{os.getpid() if pid == 'own' else 2**22 + 1}\n")
    script = tmp_path / "engine" / "keepalived" / "check.sh"
    done = subprocess.run(["/bin/sh", script], capture_output=True, check=False)
    assert bool(done.returncode) == bool(status)


def test_what_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POINTSMAN_KEEPALIVED", str(tmp_path / "none"))
    assert find_keepalived() is None
    assert "keepalived is not installed" in cannot_raise(None)


def test_the_kernel_tells_the_addresses() -> None:
    held = network.addresses()
    assert network.Held("lo", "127.0.0.1", 8) in held
    assert list(held) == sorted(held)


async def test_a_listener_for_changes_can_be_closed() -> None:
    changes = network.Changes(lambda: None)
    changes.close()
