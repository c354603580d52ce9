"""`pointsman cluster`: the members, and what makes and ends a membership.

Invariant: passwords are read from files, and shown nowhere; a join sends the password only to the server whose
fingerprint was given.
"""

from __future__ import annotations

import datetime
import json
from pathlib import Path

import click

from pointsman.cli.instance import Json, LocalInstance
from pointsman.cli.outcome import Exit, Rejected
from pointsman.cli.report import show_rejected
from pointsman.cli.screen import Screen
from pointsman.cli.target import home_option, read_password

UI_PORT = 9090
_UNREACHABLE = frozenset({"cluster.unreachable"})


@click.group(short_help="Join, leave and look at the cluster.")
def cluster() -> None:
    """The traffic managers that share one configuration."""


@cluster.command()
@home_option
@click.option("--json", "as_json", is_flag=True, help="As data for scripts.")
def status(home: Path, as_json: bool) -> int:
    """Who is a member, who is alive, and whether the configuration can be changed."""
    screen = Screen(as_json=as_json)
    found = LocalInstance(home).cluster()
    if as_json:
        screen.data(found)
    else:
        _show(screen, found)
    return Exit.OK


@cluster.command()
@home_option
@click.option(
    "--peer", required=True, metavar="HOST[:PORT]", help="A member, and the port of its admin server."
)
@click.option(
    "--fingerprint", required=True, metavar="FP", help="SHA-1 or SHA-256 of the peer's certificate."
)
@click.option("--user", default="admin", show_default=True, help="The cluster's administrator.")
@click.option(
    "--password-file",
    type=click.Path(path_type=Path),
    required=True,
    help="File whose first line is that user's password.",
)
@click.option("--replace-own", is_flag=True, help="Lose virtual servers of this instance's own.")
@click.option(
    "--traffic-ips",
    type=click.Choice(["passive", "active", "none"]),
    default="passive",
    show_default=True,
    help="How to take part in the traffic IP groups of the cluster.",
)
@click.option("--json", "as_json", is_flag=True, help="As data for scripts.")
def join(
    home: Path,
    peer: str,
    fingerprint: str,
    user: str,
    password_file: Path,
    replace_own: bool,
    traffic_ips: str,
    as_json: bool,
) -> int:
    """Become a member of another instance's cluster, with its configuration in the place of the own one."""
    screen = Screen(as_json=as_json)
    host, port = _peer(peer)
    password = read_password(password_file)
    wish: Json = {
        "host": host,
        "port": port,
        "fingerprint": fingerprint,
        "user": user,
        "password": password,
        "replace_own": replace_own,
        "traffic_ips": traffic_ips,
    }
    try:
        found = LocalInstance(home).join_cluster(wish)
    except Rejected as error:
        return _rejected(screen, error)
    if as_json:
        screen.data(found)
    else:
        screen.line(f"joined the cluster of {peer}")
        _show(screen, found["cluster"])
    if not found["in_force"]:
        screen.complain("the cluster's configuration is not in force yet; see `pointsman status`")
        return Exit.WARNINGS
    return Exit.OK


@cluster.command()
@home_option
def leave(home: Path) -> int:
    """Stand alone again, with a copy of the configuration."""
    screen = Screen(as_json=False)
    try:
        LocalInstance(home).change_cluster("leave", {})
    except Rejected as error:
        return _rejected(screen, error)
    screen.line("left the cluster")
    return Exit.OK


@cluster.command()
@click.argument("name")
@home_option
def remove(name: str, home: Path) -> int:
    """End the membership of another traffic manager, whether it lives or not."""
    screen = Screen(as_json=False)
    try:
        LocalInstance(home).change_cluster("remove", {"name": name})
    except Rejected as error:
        return _rejected(screen, error)
    screen.line(f"removed {name} from the cluster")
    return Exit.OK


@cluster.command()
@home_option
@click.option(
    "--on/--off", "on", default=None, required=True, help="Permit such changes, or forbid them again."
)
def override(home: Path, on: bool) -> int:
    """Permit changes of the configuration while members run different versions."""
    screen = Screen(as_json=False)
    try:
        LocalInstance(home).change_cluster("override", {"on": on})
    except Rejected as error:
        return _rejected(screen, error)
    screen.line("changes are permitted" if on else "changes wait until all members run one version")
    return Exit.OK


@cluster.command()
@home_option
@click.option(
    "--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="How many at most."
)
@click.option("--json", "as_json", is_flag=True, help="As data for scripts.")
def superseded(home: Path, limit: int, as_json: bool) -> int:
    """Edits that lost to others which were made on another member at the same time."""
    screen = Screen(as_json=as_json)
    found = LocalInstance(home).superseded(limit)
    if as_json:
        screen.data({"superseded": found})
        return Exit.OK
    for lost in found:
        screen.line(f"{lost['object']}: {'.'.join(lost['path']) or 'the object itself'}")
        screen.line(f"  lost  {_edit(lost['lost'])}")
        screen.line(f"  kept  {_edit(lost['kept'])}")
    if not found:
        screen.line("no edit was superseded")
    return Exit.OK


@cluster.command("fingerprint-table")
@home_option
@click.option(
    "--peer", required=True, metavar="HOST[:PORT]", help="A member, and the port of its admin server."
)
@click.option("--json", "as_json", is_flag=True, help="As data for scripts.")
def fingerprint_table(home: Path, peer: str, as_json: bool) -> int:
    """The admin servers of another cluster and their fingerprints, to be compared with what their machines say."""
    screen = Screen(as_json=as_json)
    host, port = _peer(peer)
    try:
        found = LocalInstance(home).cluster_table(host, port)
    except Rejected as error:
        return _rejected(screen, error)
    if as_json:
        screen.data(found)
        return Exit.OK
    for row in found["members"]:
        screen.line(f"{row['host']}:{row['port']}  {row['name']}")
        screen.line(f"  SHA-1    {row['sha1']}")
        screen.line(f"  SHA-256  {row['sha256']}")
    screen.line(f"shown by {host}:{port} itself: SHA-1 {found['seen']['sha1']}")
    return Exit.OK


def _peer(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or (":" in host and not host.startswith("[")):
        host, port = text, str(UI_PORT)
    host = host.removeprefix("[").removesuffix("]")
    if not host or not port.isascii() or not port.isdecimal() or not 0 < int(port) < 65_536:
        raise click.UsageError(f"--peer {text}: is not HOST:PORT; write one such as pm1:9090")
    return host, int(port)


def _rejected(screen: Screen, error: Rejected) -> int:
    show_rejected(screen, error)
    codes = {problem.code for problem in error.problems}
    return Exit.UNREACHABLE if codes & _UNREACHABLE else Exit.INVALID


def _show(screen: Screen, view: Json) -> None:
    if view["removed"]:
        by = f" by {view['removed_by']}" if view["removed_by"] else ""
        screen.line(f"removed from its cluster{by} at {_time(view['removed_at'])}; it serves alone")
        return
    if not view["members"]:
        screen.line("not in a cluster")
        return
    for member in view["members"]:
        heard = "" if member["state"] == "here" else f", heard {_time(member['heard'])}"
        skew = f", CLOCK {member['skew']:+.1f} s" if member["skew"] else ""
        twice = ", RUNS TWICE" if member["twice"] else ""
        unstored = member["tells"].get("storage", "") if member["state"] != "unreachable" else ""
        stuck = f", CANNOT STORE: {unstored}" if unstored else ""
        screen.line(
            f"{member['state']:<12}{member['name']}  {member['address']}:{member['control_port']}  "
            f"version {member['version']}{heard}{skew}{twice}{stuck}"
        )
    if view["frozen"]:
        word = "; changes are permitted all the same" if view["override"] else ""
        screen.line(f"frozen: {view['frozen']}{word}")


def _edit(edit: Json) -> str:
    value = "not set" if edit["value"] is None else json.dumps(edit["value"], ensure_ascii=False)
    return f"{value[:200]}, by {edit['author']['name'] or 'the product'} at {_time(edit['time'])}"


def _time(seconds: float) -> str:
    if not seconds:
        return "never"
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
