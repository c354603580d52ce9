"""Runs one check once and turns whatever happens into a finding.

Invariant: nothing escapes but cancellation; a fault of ours is logged and decides nothing about the node.
"""

from __future__ import annotations

import logging
from typing import assert_never

from pointsman.compiler.plan import Check
from pointsman.monitors.connection import connect, opened
from pointsman.monitors.finding import Budget, Failed, Finding, Undecided
from pointsman.monitors.http import check_http
from pointsman.monitors.pattern import Matcher
from pointsman.monitors.ping import Pinger
from pointsman.monitors.transaction import check_transaction

_log = logging.getLogger(__name__)


class Prober:
    """Owns what checks share: the ICMP sockets and the process for regular expressions."""

    def __init__(self) -> None:
        self._matcher = Matcher()
        self._pinger = Pinger()

    @property
    def pings(self) -> tuple[int, int]:
        """How many pings were sent, and how many of them answered."""
        return self._pinger.requests, self._pinger.responses

    async def probe(self, check: Check) -> Finding:
        """What the node does right now."""
        try:
            return await self._run(check)
        except Failed as failure:
            return Finding(False, str(failure))
        except Undecided as cause:
            return Finding(None, str(cause))
        except Exception:
            _log.exception("monitor %s of pool %s at %s", check.monitor, check.pool, check.node)
            return Finding(None, "could not be checked: internal error, see the log")

    async def _run(self, check: Check) -> Finding:
        match check.kind:
            case "ping":
                return await self._pinger.check_ping(check)
            case "connect":
                return await _check_connect(check)
            case "http":
                return await check_http(check, self._matcher)
            case "tcp_transaction":
                return await check_transaction(check, self._matcher)
            case _:
                assert_never(check.kind)

    async def close(self) -> None:
        """Closes sockets and ends the process."""
        self._pinger.close()
        await self._matcher.close()


async def _check_connect(check: Check) -> Finding:
    budget = Budget(check.timeout)
    if check.use_ssl:
        async with opened(check, budget):
            return Finding(True, "connected with TLS")
    (await connect(check, budget)).close()
    return Finding(True, "connected")
