"""`pointsman user`: who may log in, from the machine that the instance runs on.

Invariant: a password is taken from a file, from standard input or from the keyboard, never from the command line, and
is shown nowhere. Who owns the home of an instance may set any.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from pointsman.cli.instance import LocalInstance
from pointsman.cli.outcome import Exit, Rejected
from pointsman.cli.report import show_rejected
from pointsman.cli.screen import Screen, ago
from pointsman.cli.target import home_option

_READ_LIMIT = 8192
_password_file = click.option(
    "--password-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File whose first line is the password; - for standard input. Without it, it is asked for.",
)
_group = click.option("--group", "groups", multiple=True, help="A group of the user; may be repeated.")


@click.group(short_help="Show, make, change and delete users.")
def user() -> None:
    """The users of an instance, or of its cluster: who may log in at the pages and over REST."""


@user.command("list")
@home_option
@click.option("--json", "as_json", is_flag=True, help="As data for scripts.")
def list_(home: Path, as_json: bool) -> int:
    """Every user with groups and state."""
    screen = Screen(as_json=as_json)
    found = LocalInstance(home).users()
    if as_json:
        screen.data({"users": found})
        return Exit.OK
    screen.table(
        ("NAME", "GROUPS", "STATE", "SECOND FACTOR", "PASSWORD SET"),
        [
            (
                one["name"],
                ", ".join(one["groups"]) or "none",
                "suspended" if one["suspended"] else "may log in",
                "yes" if one["second_factor"] else "no",
                ago(one["password_set"]) if one["password_set"] else "not known",
            )
            for one in found
        ],
    )
    return Exit.OK


@user.command()
@click.argument("name")
@_group
@_password_file
@home_option
def add(name: str, groups: tuple[str, ...], password_file: Path | None, home: Path) -> int:
    """Make the user NAME."""
    body = {"user": name, "groups": list(groups), "password": _password(password_file)}
    return _done(home, "add", body, f"{name} may log in")


@user.command()
@click.argument("name")
@_password_file
@home_option
def password(name: str, password_file: Path | None, home: Path) -> int:
    """Give the user NAME another password; sessions end."""
    body = {"user": name, "password": _password(password_file)}
    return _done(home, "password", body, f"{name} has the new password")


@user.command()
@click.argument("name")
@_group
@home_option
def groups(name: str, groups: tuple[str, ...], home: Path) -> int:
    """Put the user NAME into exactly these groups."""
    told = f"{name} is in {', '.join(groups) or 'no group'} now"
    return _done(home, "groups", {"user": name, "groups": list(groups)}, told)


@user.command()
@click.argument("name")
@home_option
def suspend(name: str, home: Path) -> int:
    """Keep the user NAME from logging in."""
    return _done(home, "suspend", {"user": name}, f"{name} may not log in")


@user.command()
@click.argument("name")
@home_option
def resume(name: str, home: Path) -> int:
    """Let the user NAME log in again."""
    return _done(home, "resume", {"user": name}, f"{name} may log in again")


@user.command("remove-factor")
@click.argument("name")
@home_option
def remove_factor(name: str, home: Path) -> int:
    """Take the second factor of the user NAME away: for who lost it."""
    return _done(home, "remove-factor", {"user": name}, f"{name} logs in with the password alone")


@user.command()
@click.argument("name")
@home_option
def remove(name: str, home: Path) -> int:
    """Delete the user NAME."""
    return _done(home, "remove", {"user": name}, f"{name} is deleted")


def _done(home: Path, what: str, body: dict[str, Any], told: str) -> int:
    screen = Screen(as_json=False)
    try:
        LocalInstance(home).change_user(what, body)
    except Rejected as error:
        show_rejected(screen, error)
        return Exit.INVALID
    screen.line(told)
    return Exit.OK


def _password(file: Path | None) -> str:
    """The password: the first line of a file or of standard input, else typed twice. Raises `click.ClickException`."""
    if file is None:
        if not sys.stdin.isatty():
            raise click.ClickException("give --password-file, or - for standard input")
        return str(click.prompt("Password", hide_input=True, confirmation_prompt=True))
    if str(file) == "-":
        return sys.stdin.readline(_READ_LIMIT).rstrip("\r\n")
    try:
        with file.open(encoding="utf-8") as stream:
            return stream.readline(_READ_LIMIT).rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise click.ClickException(f"--password-file {file}: cannot be read ({reason})") from None
