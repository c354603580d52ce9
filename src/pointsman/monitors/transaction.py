"""The `tcp_transaction` check: send a text, read an answer, judge it by a regular expression, send a
farewell.

Invariant: reads at most `max_response_len` bytes (0 stands for `INPUT_LIMIT`, which is the bound in any
case). An empty `write_string` sends nothing (the node speaks first); an empty `response_regex` reads nothing:
the check succeeds once the text is sent.
"""

from __future__ import annotations

import asyncio
import contextlib

from pointsman.compiler.escape import decode
from pointsman.compiler.plan import Check
from pointsman.monitors.connection import opened
from pointsman.monitors.finding import Budget, Failed, Finding, excerpt
from pointsman.monitors.pattern import INPUT_LIMIT, Matcher


async def check_transaction(check: Check, matcher: Matcher) -> Finding:
    """Runs the check; raises `Failed` or `Undecided`."""
    budget = Budget(check.timeout)
    async with opened(check, budget) as (reader, writer):
        if check.write_string:
            async with budget.spend("sending"):
                writer.write(decode(check.write_string))
                await writer.drain()
        if check.response_regex:
            reason = await _judged_answer(check, reader, matcher, budget)
        else:
            reason = "connected"
        if check.close_string:
            with contextlib.suppress(Failed):  # a node that hangs up first has answered all the same
                async with budget.spend("closing"):
                    writer.write(decode(check.close_string))
                    await writer.drain()
                    writer.write_eof() if writer.can_write_eof() else None
    return Finding(True, reason)


async def _judged_answer(check: Check, reader: asyncio.StreamReader, matcher: Matcher, budget: Budget) -> str:
    limit = min(check.max_response_len or INPUT_LIMIT, INPUT_LIMIT)
    received = b""
    while True:
        try:
            async with budget.spend(f"waiting for a response that matches {check.response_regex}"):
                piece = await reader.read(limit - len(received))
        except Failed as failure:
            raise Failed(f"{failure}; {_so_far(received)}") from None
        received += piece
        if await matcher.search(check.response_regex, received):
            return f"answered {excerpt(received)}" if received else "closed the connection as expected"
        if not piece:
            raise Failed(f"the node closed the connection; {_so_far(received)}")
        if len(received) >= limit:
            raise Failed(f"the first {limit} bytes do not match {check.response_regex}: {excerpt(received)}")


def _so_far(received: bytes) -> str:
    return f"received {excerpt(received)}" if received else "received nothing"
