"""Our monitors' verdicts on their way into a worker.

Invariant: a worker is told a verdict once; a worker that is new is told all of them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from pointsman.compiler.plan import Plan, Server
from pointsman.engine.haproxy.worker import Key, Worker
from pointsman.engine.outcome import Verdicts


def judged_servers(plan: Plan, dynamic: set[Key]) -> Iterator[tuple[Key, tuple[str, str], Server]]:
    """The servers whose health our monitors set, as (backend, server), (pool, node) and the server itself.

    One that tracks another follows it and is left out, unless it was added at run time: HAProxy cannot track
    a server added at run time, so there each checks for itself.
    """
    for section in plan.sections:
        for server in section.servers:
            key = (section.backend, server.name)
            if server.judged and (not server.tracks or key in dynamic):
                yield key, (section.pool, server.node), server


def dead_servers(plan: Plan, verdicts: Verdicts) -> frozenset[Key]:
    """The servers that must not serve before a new worker has been told that they are dead."""
    return frozenset(
        key
        for key, node, server in judged_servers(plan, set())
        if server.enabled and "check" in server.options and not verdicts.get(node, (True, ""))[0]
    )


async def tell(
    worker: Worker, plan: Plan, verdicts: Verdicts, reached: Collection[tuple[str, str]] = ()
) -> bool:
    """Gives the worker the verdicts it has not been given; whether it took all. Raises EngineUnreachable.

    A node that our monitors saw down and see up again is up at once, also where traffic found it dead meanwhile:
    without that it would wait for the next passive trial. So is a node of those `reached`, which a monitor connected to
    since traffic found it dead.
    """
    news: list[tuple[Key, bool, str]] = []
    for key, node, server in judged_servers(plan, worker.dynamic):
        if node in reached and server.checked and verdicts.get(node, (True, ""))[0]:
            news.append((key, True, f"set server {'/'.join(key)} health up"))
        if node not in verdicts or worker.told.get(key) == (up := verdicts[node][0]):
            continue
        name = "/".join(key)
        news.append((key, up, f"set server {name} agent {'up' if up else 'down'}"))
        if up and server.checked and worker.told.get(key) is False:
            news.append((key, up, f"set server {name} health up"))
    answers = await worker.talk.ask_all([command for _, _, command in news])
    for (key, up, _), answer in zip(news, answers, strict=True):
        if not answer:
            worker.told[key] = up
    return not any(answers)
