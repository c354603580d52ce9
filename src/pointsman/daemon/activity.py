"""Wires what pages look at and nothing else needs: the engine, response times, open connections, and log files.

Invariant: nothing here is needed to serve, and what nobody looks at costs next to nothing.
"""

from __future__ import annotations

import logging
from pathlib import Path

from pointsman.control.apply import ApplyLoop
from pointsman.control.connections import ConnectionsNow
from pointsman.control.live import Live
from pointsman.control.log_files import LogFiles
from pointsman.control.sessions import SessionsNow
from pointsman.daemon.account import EngineAccount
from pointsman.engine.haproxy.engine import HaproxyEngine
from pointsman.engine.haproxy.response_times import ResponseTimes
from pointsman.telemetry.counters import Counters

_log = logging.getLogger("pointsman")


def begin_to_hear(home: Path, account: EngineAccount) -> ResponseTimes:
    """Where the engine tells response times; where that cannot be opened there are none, and everything else is."""
    heard = ResponseTimes(home, account.whole, account.worker)
    try:
        heard.open()
    except OSError as error:
        _log.warning("%s: cannot be opened (%s), so response times have no percentiles", heard.path, error)
    return heard


def look_after(
    live: Live, engine: HaproxyEngine, version: str, loop: ApplyLoop, counters: Counters, home: Path
) -> None:
    """Gives `live` its views of connections and log files, and says which engine it is."""
    live.engine = {"name": "HAProxy", "version": version}
    live.connections = ConnectionsNow(
        engine,
        lambda: plan.proxies if (plan := loop.plan) is not None else {},
        lambda: counters.traffic_manager().get("total_current_conn", 0),
    )
    live.sessions = SessionsNow(engine)
    live.logs = LogFiles(home / "log")
