"""A member of three whose wall clock jumps under edits: nothing is lost or out of order, and it is named."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.test_cluster import join
from tools.instance import SOURCE, Instance, wait_for

from pointsman.store.clock import time_of

HOURS = 3600
_CLOCK = """
import os, time
real = time.time
def jumped():
    try:
        with open(os.environ["JUMPED_BY"]) as file:
            return real() + float(file.read())
    except FileNotFoundError:
        return real()
time.time = jumped
"""
"""What Python runs before a program: the machine's clock, as far as that file says."""


@pytest.fixture
def three(tmp_path: Path) -> Iterator[list[Instance]]:
    """A cluster of pm1 to pm3; `jump` moves the clock of pm2."""
    (tmp_path / "python").mkdir()
    (tmp_path / "python" / "sitecustomize.py").write_text(_CLOCK)
    clock = ("env", f"PYTHONPATH={tmp_path / 'python'}:{SOURCE}", f"JUMPED_BY={tmp_path / 'clock'}")
    made = [
        Instance(
            tmp_path / f"i{n}",
            "--name",
            f"pm{n}",
            "--listen",
            f"127.0.0.{n + 1}",
            before=clock if n == 2 else (),
        )
        for n in (1, 2, 3)
    ]
    try:
        for instance in made:
            instance.start()
        for instance in made[1:]:
            joined = join(instance, made[0])
            assert joined.returncode == 0, joined
        yield made
    finally:
        for instance in made:
            if instance.process is not None:
                instance.stop()


def jump(directory: Path, seconds: int) -> None:
    """Sets the clock of pm2."""
    (directory / "new").write_text(str(seconds))
    (directory / "new").replace(directory / "clock")


def edit(instance: Instance, note: str) -> None:
    status, body = instance.put("pools", "shared", {"basic": {"note": note}})
    assert status in (200, 201), body


def has(instance: Instance, note: str) -> bool:
    status, body = instance.rest("GET", "config/active/pools/shared")
    return status == 200 and body["properties"]["basic"]["note"] == note


def named(instance: Instance) -> list[tuple[str, str]]:
    """Whose clock a member says is wrong, and what it says."""
    found: list[dict[str, Any]] = instance.get("status/local_tm/conditions")["conditions"]
    return [(c["object"], c["message"]) for c in found if c["code"] == "cluster.clock"]


def names_alone(instance: Instance, name: str, text: str) -> bool:
    return [(who, text in said) for who, said in named(instance)] == [(f"traffic_managers/{name}", True)]


def latest_stamp(instance: Instance) -> float:
    """The time, as the cluster counts it, of the newest change that a member has."""
    store = f"file:{instance.home / 'store' / 'store.db'}?mode=ro"
    with contextlib.closing(sqlite3.connect(store, uri=True)) as connection:
        return time_of(connection.execute("SELECT max(hlc) FROM log").fetchone()[0])


def nobody(instance: Instance) -> bool:
    return not named(instance)


def test_a_clock_that_jumps_under_edits(three: list[Instance], tmp_path: Path) -> None:
    """Each edit follows the one before, whichever member is asked; the stamps of the cluster stay those of the right
    clocks, so that what is changed apart later does not lose to what was changed before."""
    count = 0
    for seconds, text in ((3 * HOURS, "ahead of"), (-3 * HOURS, "behind"), (0, "")):
        jump(tmp_path, seconds)
        for member in (1, 1, 0, 1, 2, 1):
            count += 1
            edit(three[member], f"edit {count}")
            for instance in three:
                wait_for(f"edit {count} is everywhere", partial(has, instance, f"edit {count}"))
        for instance in three:
            if text:
                wait_for("pm2 is named", partial(names_alone, instance, "pm2", text))
            else:
                wait_for("nobody is named", partial(nobody, instance))
    assert [one.get("status/local_tm/superseded")["superseded"] for one in three] == [[], [], []]
    for instance in three:
        notes = [
            change["after"]
            for transaction in instance.get("status/local_tm/history?object=pools/shared")["history"]
            for change in transaction["changes"]
            if change["path"] == ["basic", "note"]
        ]
        assert latest_stamp(instance) < time.time() + HOURS
        assert notes == [f"edit {number}" for number in range(count, 0, -1)]
