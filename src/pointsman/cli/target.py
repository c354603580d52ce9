"""Which instance a command talks to, from its flags.

Invariant: flags that do not fit together are refused before anybody is asked anything; a password is taken from a
file, never from the command line.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from pointsman.cli.instance import Instance, LocalInstance

Function = TypeVar("Function", bound=Callable[..., Any])

HOME_SHOWN = "./var, or $ZEUSHOME/var"
"""How a help text shows `default_home`."""


def default_home() -> Path:
    """The home of an instance that no flag names: the container's, else `var` where one is."""
    root = os.environ.get("ZEUSHOME")
    return Path(root, "var") if root else Path("var")


def home_option(function: Function) -> Function:
    """Adds --home to a command that talks to an instance of this machine; in a container ZEUSHOME says where it is."""
    return click.option(
        "--home",
        type=click.Path(path_type=Path),
        default=default_home,
        show_default=HOME_SHOWN,
        help="The instance's home.",
    )(function)


def target_options(function: Function) -> Function:
    """Adds --home, and --url with what a remote instance needs, to a command."""
    path = click.Path(path_type=Path)
    for option in reversed((
        click.option("--home", type=path, default=default_home, show_default=HOME_SHOWN, help="The instance's home."),
        click.option("--url", help="A remote instance's REST API, such as https://pm1:9070."),
        click.option("--user", default="admin", show_default=True, help="User of the remote instance."),
        click.option("--password-file", type=path, help="File whose first line is that user's password."),
        click.option("--fingerprint", metavar="FP", help="SHA-1 or SHA-256 of the remote certificate, to trust it."),
    )):  # fmt: skip
        function = option(function)
    return function


def find_target(
    home: Path, url: str | None, user: str, password_file: Path | None, fingerprint: str | None
) -> Instance:
    """The instance that the flags name. Raises `click.UsageError` when they do not fit together."""
    if url is None:
        if password_file is not None or fingerprint is not None:
            raise click.UsageError(
                "--password-file and --fingerprint go with --url; add it or leave them out"
            )
        return LocalInstance(home)
    if password_file is None:
        raise click.UsageError("--url needs --password-file; write the password into a file of mode 0600")
    password = read_password(password_file)
    # Delayed: it needs the whole schema, which costs more than all the rest of a command.
    from pointsman.cli.remote import RemoteInstance

    instance = RemoteInstance(url, user, password, fingerprint)
    click.get_current_context().call_on_close(instance.close)
    return instance


def read_password(file: Path) -> str:
    """The first line of the file that `--password-file` names. Raises `click.UsageError` when it cannot be read."""
    try:
        with file.open(encoding="utf-8") as stream:
            return stream.readline().rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise click.UsageError(f"--password-file {file}: cannot be read ({error}); check it") from None
