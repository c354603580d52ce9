"""`pointsman-container configure` and the commands that start and stop the software.

Invariant: one run at a time; what was answered is carried out only after the last answer, and however the run ends it
ends with one clear line.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

import click

from pointsman.launcher.process import claim
from pointsman.provision.configure import clearing, screen, software
from pointsman.provision.configure.apply import carry_out
from pointsman.provision.configure.control_socket import Denied, NotRunning, ask_control
from pointsman.provision.configure.dialogue import Dialogue, EndOfInput, Stopped
from pointsman.provision.configure.machine import Machine, ThisMachine, may_configure
from pointsman.provision.configure.questions import (
    Choice,
    Earlier,
    Standing,
    choose,
    confirm_clearing,
    converse,
)
from pointsman.provision.configure.replay import ReplayRefused, read_replay
from pointsman.provision.configure.terminal import Terminal
from pointsman.provision.order import MEMBER, Order, OrderDamaged, read_order
from pointsman.provision.outcome import Exit

INTERRUPTED = 130
DEFAULT_ZEUS_HOME = Path("/usr/local/zeus")
LOCK = Path("provision") / "configure.lock"


@click.command("configure", short_help="Configure what the software needs before it can start.")
@click.option("--noninteractive", is_flag=True, help="Ask nobody: take every answer from the replay file.")
@click.option("--nostart", is_flag=True, help="Configure only; start nothing.")
@click.option("--noloop", is_flag=True, help="End at a wrong answer instead of asking again.")
@click.option(
    "--replay-from",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="File with answers, key=value; nobody else may be able to read it.",
)
def configure(noninteractive: bool, nostart: bool, noloop: bool, replay_from: Path | None) -> int:
    """Configure what must be in place before the software can start. It may be run again at any time."""
    if noninteractive and replay_from is None:
        raise click.UsageError("--noninteractive needs --replay-from=FILE; without it there are no answers")
    terminal = Terminal()

    def body(home: Path, machine: Machine) -> int:
        replay = read_replay(replay_from) if replay_from is not None else None
        for remark in replay.remarks if replay else ():
            terminal.write(f"WARNING: {remark}\n")
        answers = replay.answers if replay else {}
        dialogue = Dialogue(terminal, answers, interactive=not noninteractive, loop=not noloop)
        try:
            return run(home, dialogue, machine, start=not nostart)
        finally:
            terminal.show()

    return _guarded("configure", body)


@click.command("start-zeus", short_help="Start the software.")
def start_zeus() -> int:
    """Start the software after stop-zeus."""
    return _guarded("start-zeus", lambda home, _: _start(home))


@click.command("stop-zeus", short_help="Stop the software; the container stays.")
def stop_zeus() -> int:
    """Stop the software: traffic and management end, the container stays up, and stays stopped when it restarts."""
    return _guarded("stop-zeus", lambda home, _: _stop(home))


@click.command("restart-zeus", short_help="Stop the software and start it again.")
def restart_zeus() -> int:
    """Stop the software and start it again. Traffic stops for that time."""
    return _guarded("restart-zeus", lambda home, _: _stop(home) or _start(home))


def run(home: Path, dialogue: Dialogue, machine: Machine, *, start: bool) -> int:
    """One run of the configure script. Raises `Stopped`, `EndOfInput`, `DidNot`, `OSError`."""
    if clearing.is_half_cleared(home):
        dialogue.say(
            "The configuration is half cleared: an earlier run was cut short. Clearing is finished first."
        )
        with _uninterrupted():
            clearing.clear(home)
    earlier = find_earlier(home)
    if earlier.standing is not Standing.NEW:
        match choose(dialogue, earlier.standing):
            case Choice.QUIT:
                return Exit.OK
            case Choice.CLEAR:
                return _clear(home, dialogue, earlier)
            case Choice.CONFIGURE:
                dialogue.say()
    answers = converse(dialogue, earlier, machine)
    with _uninterrupted():
        warning = carry_out(home, answers)
    if warning:
        dialogue.say("", f"WARNING: {warning}")
    dialogue.say()
    if not start:
        dialogue.say(
            "The configuration is stored. It takes effect when the software is started the next time."
        )
        return Exit.OK
    if software.launcher_of(home) is None:
        dialogue.say("The configuration is stored. Start the container to start the software.")
        return Exit.OK
    dialogue.say("Starting the software...")
    try:
        ready = software.wait_ready(home, software.restart(home))
    except KeyboardInterrupt:
        raise Stopped("interrupted; the configuration is stored, and the software is starting") from None
    dialogue.say(*screen.closing(ready.sha1, ready.sha256, ready.url))
    return Exit.OK


def find_earlier(home: Path) -> Earlier:
    """What holds in a home before the questions. Raises `Stopped`, `OSError`."""
    try:
        order = read_order(home)
    except OrderDamaged as error:
        raise Stopped(str(error)) from None
    name = software.own_name(home)
    if order is None:
        if name:
            raise Stopped(
                f"{home} stands alone (pointsman run); it has no initial configuration, use flags of pointsman run"
            )
        return Earlier(Standing.NEW, Order())
    if order.state == "cleared":
        return Earlier(Standing.CLEARED, order)
    if order.state == "begun":
        raise Stopped(
            "this container is still being provisioned; wait until its log ends with the address to connect to, or "
            "see in /var/log/provision.log what stopped it and start it again"
        )
    name = name or order.name or "localhost"
    return Earlier(Standing.CONFIGURED, order, name, _licence(home), _members(home, name))


def _members(home: Path, name: str) -> tuple[str, ...]:
    """Names of the members of the instance's cluster, as far as they are known; none where it stands alone."""
    if not (home / MEMBER).exists():
        return ()
    try:
        return tuple(str(member["name"]) for member in ask_control(home, "GET", "/cluster")["members"])
    except (NotRunning, Denied, KeyError, TypeError):
        return (name,)


def _licence(home: Path) -> str:
    try:
        return str(ask_control(home, "GET", "/status")["engine"].get("licence", ""))
    except (NotRunning, Denied, KeyError, AttributeError):
        return ""


def _clear(home: Path, dialogue: Dialogue, earlier: Earlier) -> int:
    if not confirm_clearing(dialogue, earlier.cluster):
        dialogue.say(screen.NOTHING_CHANGED)
        return Exit.OK
    if earlier.cluster:
        _leave(home, dialogue, earlier.name)
    dialogue.say("Stopping the software and clearing its configuration...")
    with _uninterrupted():
        clearing.clear(home)
    dialogue.say("All configuration is cleared. Run this program again and choose 2 to configure it anew.")
    return Exit.OK


def _leave(home: Path, dialogue: Dialogue, name: str) -> None:
    """Takes the instance out of its cluster, whose other members go on."""
    dialogue.say("Leaving the cluster...")
    try:
        with _uninterrupted():
            ask_control(home, "POST", "/cluster/leave", {})
    except (NotRunning, Denied) as error:
        dialogue.say(screen.NOT_TOLD.format(error, name))


def _start(home: Path) -> int:
    if clearing.is_half_cleared(home) or find_earlier(home).standing is not Standing.CONFIGURED:
        raise Stopped("there is no configuration to start with; run configure first")
    if not software.is_held(home) and software.control_of(home) is not None:
        click.echo("The software is running.")
        return Exit.OK
    ready = software.wait_ready(home, software.start(home))
    click.echo(f"The software is running: {ready.url}")
    return Exit.OK


def _stop(home: Path) -> int:
    with _uninterrupted():
        software.stop(home)
    click.echo("The software is stopped.")
    return Exit.OK


def _guarded(name: str, body: Callable[[Path, Machine], int]) -> int:
    """Runs a command for the installation that ZEUSHOME names: one at a time, every failure one line."""
    zeus_home = Path(os.environ.get("ZEUSHOME") or DEFAULT_ZEUS_HOME)
    home = zeus_home / "var"

    def fail(text: str, status: int = Exit.INSTANCE) -> int:
        click.echo(f"{name}: {text}", err=True)
        return status

    if not zeus_home.is_dir():
        return fail(f"there is no installation at {zeus_home}; set ZEUSHOME to where it is")
    try:
        if not may_configure(zeus_home):
            return fail(f"only root or the owner of {zeus_home} may do this; run it as root")
        (home / LOCK).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = claim(home / LOCK)
        if lock is None:
            return fail("another run of configure, start-zeus or stop-zeus is at work; wait for it or end it")
        try:
            with _ended_by_signals():
                return body(home, ThisMachine(zeus_home))
        finally:
            os.close(lock)
    except (Stopped, ReplayRefused) as error:
        return fail(str(error))
    except software.DidNot as error:
        return fail(str(error))
    except EndOfInput:
        return fail(f"the input ended before the last question. {screen.NOTHING_CHANGED}")
    except KeyboardInterrupt:
        return fail(f"interrupted. {screen.NOTHING_CHANGED}", INTERRUPTED)
    except BrokenPipeError:
        return fail(
            "nobody reads its output any more; run it again, on a terminal or with its output in a file"
        )
    except OSError as error:
        return fail(f"{error.filename or home}: {error.strerror or error}; check the disk and permissions")


@contextlib.contextmanager
def _ended_by_signals() -> Iterator[None]:
    """A signal that ends programs ends the dialogue as Ctrl-C does, so that the terminal is put right first."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """What is half done helps nobody: signals wait until it is whole."""
    numbers = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
    signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, numbers)
