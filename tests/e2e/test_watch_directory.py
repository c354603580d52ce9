"""The command watch-directory: it runs another one at each change, and ends with it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.e2e.test_import import pointsman
from tools.instance import SOURCE, wait_for


def test_watch_directory_runs_a_command_at_each_change(tmp_path: Path) -> None:
    """Importer 1: watch-directory DIR -- CMD runs the command at the start and at each change, and ends with it."""
    watched, out = tmp_path / "watched", tmp_path / "out"
    watched.mkdir()
    script = f"import sys, time; open({str(out)!r}, 'a').write(sys.argv[1] + '\\n')"
    command = [
        sys.executable,
        "-m",
        "pointsman",
        "watch-directory",
        str(watched),
        "--",
        sys.executable,
        "-c",
        script,
    ]
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    process = subprocess.Popen([*command, "$(echo --diff)"], env=environment)
    try:
        wait_for("the first run", lambda: out.exists() and out.read_text().count("\n") == 1)
        (watched / "x").write_text("1")
        wait_for("the second run", lambda: out.read_text().count("\n") == 2)
        assert set(out.read_text().split("\n")) == {"$(echo --diff)", ""}
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 128 + signal.SIGTERM


def test_watch_directory_passes_signals_on(tmp_path: Path) -> None:
    """Importer 1: what ends watch-directory ends the command that it runs."""
    begun, told = tmp_path / "begun", tmp_path / "told"
    script = (
        "import signal, sys, time, pathlib\n"
        f"def end(*_):\n    pathlib.Path({str(told)!r}).touch()\n    sys.exit(0)\n"
        f"signal.signal(signal.SIGTERM, end)\npathlib.Path({str(begun)!r}).touch()\n"
        "for _ in range(600):\n    time.sleep(0.1)\n"
    )
    command = [
        sys.executable,
        "-m",
        "pointsman",
        "watch-directory",
        str(tmp_path / "none"),
        sys.executable,
        "-c",
        script,
    ]
    process = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(SOURCE)})
    wait_for("the command", begun.exists)
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 128 + signal.SIGTERM
    assert told.exists()
    missing = pointsman("watch-directory", tmp_path, "--", "no-such-command")
    assert (missing.returncode, "no-such-command" in missing.stderr) == (1, True)
