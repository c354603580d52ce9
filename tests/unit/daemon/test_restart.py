"""What waits for a restart of the control plane, and whom a restart is asked of."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

from pointsman.cli.run import RunOptions
from pointsman.daemon.restart import Restart
from pointsman.launcher.process import start_ticks
from pointsman.schema.problem import ObjectId
from pointsman.schema.registry import BY_PATH
from pointsman.schema.snapshot import Snapshot
from pointsman.schema.validate import build

OWN = ObjectId("traffic_managers", "pm1")


def configured(rest: int, cluster: int) -> Snapshot:
    """A configuration with these ports."""
    settings = {"rest_api": {"port": rest}, "cluster_comms": {"port": cluster}}
    return Snapshot({OWN: build(BY_PATH["traffic_managers"], "pm1", settings)}, 1)


def test_a_changed_port_waits_for_a_restart(tmp_path: Path) -> None:
    """R31: a setting that is read only at the start is told until then, unless a flag overrides it."""
    snapshot = configured(9070, 9080)
    restart = Restart(tmp_path, "pm1", RunOptions(tmp_path, rest_port=0), lambda: snapshot)
    assert restart.needed() == ()
    snapshot = configured(9071, 9081)
    (waiting,) = restart.needed()
    assert (waiting.subject, waiting.path) == (OWN, ("cluster_comms", "port"))
    assert "9081" in waiting.message
    snapshot = configured(9071, 9080)
    assert restart.needed() == ()


def test_a_launcher_that_does_not_understand_is_left_alone(tmp_path: Path) -> None:
    """R31: the signal goes only to the launcher of this home, and only if it has a handler for it."""
    restart = Restart(tmp_path, "pm1", RunOptions(tmp_path), lambda: configured(1, 2))
    assert not restart.ask()
    plain = "import time\nprint(flush=True)\ntime.sleep(60)"
    handled = f"import signal\nsignal.signal(signal.SIGUSR2, lambda *_: exit(7))\n{plain}"
    for script, asked, status in ((handled, True, 7), (plain, False, -signal.SIGTERM)):
        with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            record = {"pid": process.pid, "start": start_ticks(process.pid)}
            (tmp_path / "run").mkdir(exist_ok=True)
            (tmp_path / "run" / "launcher.json").write_text(json.dumps({**record, "start": 1}))
            assert not restart.ask()
            (tmp_path / "run" / "launcher.json").write_text(json.dumps(record))
            assert restart.ask() is asked
            if not asked:
                process.terminate()
            assert process.wait(10) == status
