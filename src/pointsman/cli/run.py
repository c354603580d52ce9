"""`pointsman run`: checks the flags and the home, then becomes the launcher.

Invariant: what the launcher is given was checked here; a flag or home that cannot work costs one line and
exit status 1, and nothing was started.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import click

from pointsman import launcher
from pointsman.cli.outcome import Exit

SOCKET_PATH_LIMIT = 97
"""Bytes of a UNIX socket's path that HAProxy 2.8 accepts: those of unix(7) less its own temporary suffix."""
LONGEST_SOCKET = "engine/run/internal.sock"

Function = TypeVar("Function", bound=Callable[..., Any])


@dataclass(frozen=True)
class RunOptions:
    """The flags of `pointsman run`; None where the stored setting holds. Port 0 takes a free one. Paths are
    absolute.
    """

    home: Path
    name: str | None = None
    listen: str | None = None
    rest_port: int | None = None
    ui_port: int | None = None
    control_port: int | None = None
    password_file: Path | None = None
    ready_file: Path | None = None
    demo: bool = False

    def arguments(self) -> list[str]:
        """The same flags as words of a command line."""
        words = ["--home", str(self.home)]
        for flag, value in (
            ("--name", self.name),
            ("--listen", self.listen),
            ("--rest-port", self.rest_port),
            ("--ui-port", self.ui_port),
            ("--control-port", self.control_port),
            ("--password-file", self.password_file),
            ("--ready-file", self.ready_file),
        ):
            if value is not None:
                words += [flag, str(value)]
        return [*words, "--demo"] if self.demo else words


class Unusable(Exception):
    """A flag or home that cannot work; the message names it and the remedy."""


def run_options(function: Function) -> Function:
    """Adds the flags of `run` to a command."""
    port = click.IntRange(0, 65535)
    path = click.Path(path_type=Path)
    for option in reversed((
        click.option("--home", type=path, default=Path("var"), show_default=True, help="Where everything is kept."),
        click.option("--name", help="Name of this traffic manager; default is the host's name."),
        click.option("--listen", metavar="ADDRESS", help="Address for management traffic; default 127.0.0.1."),
        click.option("--rest-port", type=port, help="Port of the REST API; 0 takes a free one. Default 9070."),
        click.option("--ui-port", type=port, help="Port of the web page; 0 takes a free one. Default 9090."),
        click.option("--control-port", type=port, help="Port for cluster members; 0 takes a free one. Default 9080."),
        click.option("--password-file", type=path, help="File whose first line is the first password of admin."),
        click.option("--ready-file", type=path, help="File to write when everything answers, as JSON."),
        click.option("--demo", is_flag=True, help="Begin with a small service that answers on port 8080."),
    )):  # fmt: skip
        function = option(function)
    return function


def check_options(flags: dict[str, Any]) -> RunOptions:
    """The options in `flags` (names as in `RunOptions`), with the home made if need be. Raises `Unusable`."""
    options = RunOptions(**{**flags, **{
        flag: flags[flag].absolute() if flags.get(flag) else None for flag in ("password_file", "ready_file")
    }, "home": flags["home"].absolute()})  # fmt: skip
    if options.listen is not None:
        try:
            ipaddress.ip_address(options.listen)
        except ValueError:
            raise Unusable(
                f"--listen {options.listen}: is not an IP address; give one of this machine"
            ) from None
    if options.name is not None and not _is_host_name(options.name):
        raise Unusable(f"--name {options.name!r}: is not a host name; use letters, digits, dots and hyphens")
    ports = [p for p in (options.rest_port, options.ui_port, options.control_port) if p]
    if len(set(ports)) != len(ports):
        raise Unusable("--rest-port, --ui-port and --control-port must differ; change one of them")
    _check_files(options)
    _check_home(options.home)
    return options


def _is_host_name(name: str) -> bool:
    labels = name.split(".")
    return 0 < len(name) <= 253 and all(
        0 < len(label) <= 63
        and label.isascii()
        and label.replace("-", "").replace("_", "").isalnum()
        and not label.startswith("-")
        for label in labels
    )


def _check_files(options: RunOptions) -> None:
    if (file := options.password_file) is not None:
        try:
            with file.open(encoding="utf-8") as stream:
                first = stream.readline().rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise Unusable(
                f"--password-file {file}: cannot be read ({error}); check path and permissions"
            ) from None
        if not first:
            raise Unusable(f"--password-file {file}: its first line is empty; write the password there")
    if (ready := options.ready_file) is not None and ready.is_dir():
        raise Unusable(f"--ready-file {ready}: is a directory; name a file in it")


def _check_home(home: Path) -> None:
    if len(os.fsencode(home / LONGEST_SOCKET)) > SOCKET_PATH_LIMIT:
        most = SOCKET_PATH_LIMIT - len(LONGEST_SOCKET) - 1
        raise Unusable(
            f"--home {home}: is longer than {most} bytes, too long for sockets in it; choose a shorter path"
        )
    if any(character in str(home) for character in "\0\r\n"):
        raise Unusable(f"--home {str(home)!r}: holds a line break; choose another path")
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        trial = home / f".writable-{os.getpid()}"
        trial.touch(mode=0o600)
        trial.unlink()
        with socket.socket(socket.AF_UNIX) as listener:  # some file systems hold no sockets
            listener.bind(str(trial))
        trial.unlink()
    except OSError as error:
        raise Unusable(
            f"--home {home}: cannot be used ({error.strerror}); choose another directory"
        ) from None


@click.command(short_help="Start a traffic manager.")
@run_options
def run(**flags: Any) -> int:
    """Start a traffic manager in the foreground; Ctrl-C stops it.

    Everything it keeps lives below --home. Flags override stored settings for this run.
    """
    try:
        options = check_options(flags)
    except Unusable as error:
        click.echo(f"pointsman run: {error}", err=True)
        return Exit.INVALID
    if options.ready_file is not None:
        options.ready_file.unlink(missing_ok=True)  # of a run that was killed
    control = [sys.executable, "-P", "-m", "pointsman", "daemon", *options.arguments()]
    return _become(launcher.command(options.home, control))


def _become(words: list[str]) -> NoReturn:
    os.execv(words[0], words)  # noqa: S606 # a list of words, no shell


def make_daemon(main: Callable[[RunOptions], int]) -> click.Command:
    """The hidden command that the launcher starts: the control plane itself, `main`."""

    @click.command("daemon", hidden=True)
    @run_options
    def daemon(**flags: Any) -> int:
        try:
            options = check_options(flags)
        except Unusable as error:
            click.echo(f"pointsman daemon: {error}", err=True)
            return Exit.INVALID
        return main(options)

    return daemon
