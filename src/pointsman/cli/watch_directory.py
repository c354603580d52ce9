"""`pointsman watch-directory`: runs a command now, and whenever something below a directory changes.

Invariant: the command never runs twice at a time; changes while it runs make it run once more. No shell is involved,
and a signal that ends this command goes to the one that runs as well.
"""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import click

from pointsman.cli.outcome import Exit, clean
from pointsman.document.watch import Watcher

ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
PASSED_ON = (signal.SIGUSR1, signal.SIGUSR2)


@click.command(
    "watch-directory",
    short_help="Run a command whenever something below a directory changes.",
    context_settings={"ignore_unknown_options": True},
)
@click.argument("directory", type=click.Path(path_type=Path))
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED, metavar="-- COMMAND...")
def watch_directory(directory: Path, command: tuple[str, ...]) -> int:
    """Run COMMAND now, and again whenever something below DIRECTORY changes, until a signal ends it.

    DIRECTORY need not exist yet. What COMMAND ends with is only reported. SIGTERM, SIGINT and SIGHUP end both, SIGUSR1
    and SIGUSR2 go to COMMAND while it runs.
    """
    return asyncio.run(_Runner(command).run(directory))


class _Runner:
    def __init__(self, command: tuple[str, ...]) -> None:
        self._command = command
        self._process: asyncio.subprocess.Process | None = None
        self._ended = asyncio.Event()
        self._status = 0

    async def run(self, directory: Path) -> int:
        """Runs until a signal comes; 128 and the signal's number, or 1 when the command cannot be started at all."""
        loop = asyncio.get_running_loop()
        for number in ENDING:
            loop.add_signal_handler(number, self._end, number)
        for number in PASSED_ON:
            loop.add_signal_handler(number, self._pass_on, number)
        async with asyncio.TaskGroup() as group:
            work = group.create_task(self._follow(directory))
            await self._ended.wait()
            if self._process is not None:
                await self._process.wait()
            work.cancel()
        return self._status

    async def _follow(self, directory: Path) -> None:
        async with Watcher(directory) as watcher:
            while not self._ended.is_set():
                await self._run_once()
                await watcher.change()

    async def _run_once(self) -> None:
        try:
            self._process = await asyncio.create_subprocess_exec(*self._command)
        except OSError as error:
            click.echo(
                f"pointsman watch-directory: {clean(self._command[0])} cannot be started ({error.strerror}); "
                "check the command",
                err=True,
            )
            self._status = Exit.INVALID
            self._ended.set()
            return
        status = await self._process.wait()
        self._process = None
        if status != 0:
            click.echo(
                f"pointsman watch-directory: {clean(os.fspath(self._command[0]))} ended with status {status}",
                err=True,
            )

    def _end(self, number: signal.Signals) -> None:
        self._status = 128 + number
        self._pass_on(number)
        self._ended.set()

    def _pass_on(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(number)
