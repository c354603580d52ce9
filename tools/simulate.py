"""`python -m tools.simulate --members 16`: many members in one process, and how fast they come to agree.

Invariant: the members talk over real TLS connections on loopback and each has a store on the disk; only the engines are
missing. Figures are printed, and asserted is nothing but that all agree in the end.
"""

from __future__ import annotations

import asyncio
import logging
import random
import resource
import statistics
import tempfile
import time
from functools import partial
from pathlib import Path

import click

from pointsman.schema.problem import ObjectId
from pointsman.store import Put
from tools.machine import AUTHOR, Machine, until

_ADDRESS = "127.0.{}.{}"


@click.command()
@click.option("--members", default=16, show_default=True, help="How many members.")
@click.option(
    "--edits", default=200, show_default=True, help="Edits by members at random, one after the other."
)
@click.option(
    "--objects", default=0, show_default=True, help="Objects that are there before the others join."
)
def simulate(members: int, edits: int, objects: int) -> None:
    """Join members one by one, edit at all of them, cut some off and heal."""
    logging.getLogger("pointsman").setLevel(logging.CRITICAL)
    with tempfile.TemporaryDirectory(prefix="pointsman-simulation-") as directory:
        asyncio.run(_simulate(Path(directory), members, edits, objects))


async def _simulate(directory: Path, count: int, edits: int, objects: int) -> None:
    made = [await Machine(directory / f"pm{n}", f"pm{n}", _address(n)).start() for n in range(count)]
    first = made[0]
    if objects:
        await first.store.commit(
            [
                Put(
                    ObjectId("pools", f"object-{n}"),
                    {"basic": {"note": f"{n:050d}", "max_idle_connections_pernode": n}},
                )
                for n in range(objects)
            ],
            AUTHOR,
        )
    joins = []
    for machine in made[1:]:
        begun = time.monotonic()
        await machine.join(first)
        joins.append(time.monotonic() - begun)
    begun = time.monotonic()
    await until("all agree after the joins", lambda: _agree(made), 120)
    print(f"{count} members, {objects} objects")
    _say("join", joins)
    print(f"  all agree {time.monotonic() - begun:.2f} s after the last join")

    chance = random.Random(1)  # the same edits each time
    waits: list[float] = []
    for n in range(edits):
        author = chance.choice(made)
        begun = time.monotonic()
        await author.put(f"edit-{n}")
        await until("the edit is everywhere", partial(_everywhere, made, f"edit-{n}"), 60)
        waits.append(time.monotonic() - begun)
    _say("edit, from its begin to the last member", waits)

    begun = time.monotonic()
    await asyncio.gather(*(chance.choice(made).put(f"burst-{n}", str(n)) for n in range(edits)))
    stored = time.monotonic() - begun
    await until("all agree after the burst", lambda: _agree(made), 120)
    print(
        f"  {edits} edits at once: stored in {stored:.2f} s, everywhere after {time.monotonic() - begun:.2f} s"
    )

    away = made[len(made) // 2 :]
    for machine in away:
        await machine.stop()
    for n in range(edits):
        await first.put(f"missed-{n}")
    begun = time.monotonic()
    for machine in away:
        await machine.start()
    opened = time.monotonic() - begun
    await until("all agree after the return", lambda: _agree(made), 120)
    healed = time.monotonic() - begun - opened
    print(f"  {len(away)} members miss {edits} edits: all agree {healed:.2f} s after their return")
    before = _cpu()
    await asyncio.sleep(10)
    links = sum(len(m.cluster.links()) for m in made)
    share = (_cpu() - before) / 10 / count * 100
    print(f"  at rest: {share:.2f} % of a core for each member, {links / count:.0f} links each")
    print(f"  memory of all: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")
    for machine in made:
        await machine.stop()


def _address(number: int) -> str:
    return _ADDRESS.format(number // 200 + 1, number % 200 + 1)


def _everywhere(made: list[Machine], name: str) -> bool:
    return all(machine.has(name) for machine in made)


def _agree(made: list[Machine]) -> bool:
    digest = made[0].store.digest
    return all(machine.store.digest == digest for machine in made) and all(
        machine.store.objects == made[0].store.objects for machine in made
    )


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _say(what: str, seconds: list[float]) -> None:
    ordered = sorted(seconds)
    figures = (statistics.median(ordered), ordered[int(len(ordered) * 0.99)], ordered[-1])
    median, late, most = (f"{1000 * figure:.0f} ms" for figure in figures)
    print(f"  {what}: median {median}, 99 % {late}, most {most}")


if __name__ == "__main__":
    simulate()
