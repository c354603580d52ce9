"""Clearing a home in which nothing runs, and being cut short anywhere in it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from pointsman.provision.configure import clearing, software
from pointsman.provision.order import Order, read_order, write_order


def furnish(home: Path) -> None:
    """A home as an instance leaves it behind, secrets and all."""
    for name in (
        "store/store.db", "store/key", "identity/users.json", "identity/admin.private", "licence/incoming/a.key",
        "engine/gen-1/haproxy.cfg", "telemetry.db", "telemetry.db-wal", "import/base", "log/events.log",
        "admin-password", "run/ports.json", "run/control.ready", "run/launcher.json", "run/launcher.lock",
    ):  # fmt: skip
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text("{}")
    (home / "engine" / "current").symlink_to("gen-1")
    write_order(home, Order(state="done", watched="/import", bind="10.0.0.1", name="pm1"))


def left(home: Path) -> list[str]:
    return sorted(str(path.relative_to(home)) for path in home.rglob("*") if not path.is_dir())


CLEARED = ["hold", "provision/order.json", "run/launcher.json", "run/launcher.lock"]


def test_everything_goes_but_what_says_so(tmp_path: Path) -> None:
    """R47: clearing removes the whole home; what stays says that it was cleared and that nothing may start."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").touch()
    home = tmp_path / "home"
    furnish(home)
    (home / "store" / "link").symlink_to(outside)
    (home / "linked").symlink_to(outside)
    clearing.clear(home)
    assert left(home) == CLEARED
    assert read_order(home) == Order(state="cleared")
    assert software.is_held(home)
    assert not clearing.is_half_cleared(home)
    assert (outside / "file").exists()


def test_wherever_it_is_cut_short_the_next_run_finishes(tmp_path: Path) -> None:
    """R47: kill -9 at any step of clearing leaves the software held and a mark, and the next run finishes."""
    for steps in range(200):
        home = tmp_path / str(steps)
        furnish(home)
        whole = left(home)
        if killed_after(home, steps) is False:
            break
        if clearing.is_half_cleared(home):
            assert software.is_held(home)
            clearing.clear(home)
            assert left(home) == CLEARED
        else:
            # A file that was being written when it died has a name with a dot, and goes with the next clearing.
            found = [name for name in left(home) if not Path(name).name.startswith(".")]
            assert found in (whole, sorted([*whole, "hold"]), CLEARED)
    assert 20 < steps < 199


def killed_after(home: Path, steps: int) -> bool:
    """Clears `home` in a child that dies at the change of a file that comes after `steps`; false: it got through."""
    child = os.fork()
    if child == 0:
        done = 0

        def count(event: str, _words: object) -> None:
            nonlocal done
            if event in ("os.remove", "os.rename", "os.rmdir"):
                if done == steps:
                    os._exit(9)
                done += 1

        sys.addaudithook(count)
        clearing.clear(home)
        os._exit(0)
    return os.waitpid(child, 0)[1] != 0
