"""The launcher's command line: how it is written, and what it does when it is run.

Invariant: one launcher to a home; a second one says so in one line and ends.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from pointsman.launcher.loop import Launcher
from pointsman.launcher.process import claim
from pointsman.launcher.status import STATUS_HOME_IN_USE


def command(home: Path, control: Sequence[str]) -> list[str]:
    """The command line that `pointsman run` turns into: a launcher for `home` and its control plane."""
    # -P: the directory one happens to be in must not provide modules.
    return [sys.executable, "-P", "-m", "pointsman.launcher", "--home", str(home), "--", *control]


def main(arguments: Sequence[str] | None = None) -> int:
    """`python -m pointsman.launcher --home HOME -- COMMAND...`; returns the exit status."""
    parser = argparse.ArgumentParser(prog="pointsman.launcher")
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("control", nargs="+")
    options = parser.parse_args(arguments)
    os.umask(0o077)  # also for what it starts: logs and sockets belong to the owner alone
    run = options.home.resolve() / "run"
    try:
        run.mkdir(parents=True, exist_ok=True)
        lock = claim(run / "launcher.lock")
    except OSError as error:
        print(f"pointsman: {run}: {error}; make it writable or name another --home", file=sys.stderr)
        return STATUS_HOME_IN_USE
    if lock is None:
        print(
            f"pointsman: {run.parent} is used by a running instance; stop it or name another --home",
            file=sys.stderr,
        )
        return STATUS_HOME_IN_USE
    return Launcher(run.parent, options.control).run()
