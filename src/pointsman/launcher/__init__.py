"""The launcher: parent of the control plane and of the engines; starts them, waits, and starts them again.

Invariants: it reads no configuration (engines are the command lines in HOME/run/engines.json) and needs
nothing but the standard library; a home has at most one launcher and one control plane (file locks say so, no
process list); what runs already is adopted, never started twice.

Files in HOME/run: `launcher.lock` (held by the launcher), `control.lock` (handed to the control plane at its
start and held until its last process ends), `control.ready` (made by the control plane when it is ready),
`launcher.json` (who runs, for adoption), `engines.json`, `launcher-events.jsonl`. While HOME/hold exists
everything is stopped and nothing is started. Signals: TERM, INT and HUP stop, a second one at once; USR1 reads
engines.json now and starts what waits; USR2 restarts the control plane while the engines run on.
"""

from pointsman.launcher.command import command, main
from pointsman.launcher.engines import ask
from pointsman.launcher.loop import LOG_BYTES
from pointsman.launcher.process import claim, start_ticks

__all__ = ["LOG_BYTES", "ask", "claim", "command", "main", "start_ticks"]
