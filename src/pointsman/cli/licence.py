"""`pointsman licence`: the licence keys of an instance (install, list, remove, trust) and the issuer's own tools.

Invariant: a key reaches an instance only after it was read here, so that a wrong file is refused before anything
changes; where no instance answers, the key waits in its home for the next start.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import click

from pointsman.cli.instance import LocalInstance
from pointsman.cli.licence_key import describe, issue_key, issuer, read_bounded, refuse, show_key, verify_key
from pointsman.cli.outcome import Exit, Rejected, Unreachable
from pointsman.cli.report import show_rejected
from pointsman.cli.screen import Screen, styled
from pointsman.cli.target import home_option
from pointsman.licence.holding import bit_rate, day
from pointsman.licence.incoming import drop
from pointsman.licence.issuer import IssuerRefused, fingerprint, load_public
from pointsman.licence.key import Key, Refused, read_key
from pointsman.licence.trust import Trust
from pointsman.outbound.fetch import FetchFailed, Try, fetch, shown
from pointsman.outbound.policy import LICENCE
from pointsman.schema.license_key import LICENSE_KEY
from pointsman.schema.problem import ObjectId

STYLES = {"in use": "green", "valid, another is in use": "bright_black", "expired": "yellow"}
AS_JSON = click.option("--json", "as_json", is_flag=True, help="Answer as JSON.")


@click.group(short_help="Issue, install and show licence keys.")
def licence() -> None:
    """Licence keys: an issuer makes them, an instance has them installed.

    Keys are signed in an open format of Pointsman's own. Nothing calls home: whoever has an issuer's private key
    issues keys, and an instance takes those of the issuers that it trusts.
    """


@licence.command(short_help="Install a key on this machine's instance.")
@click.argument("source", metavar="FILE|URL")
@home_option
@AS_JSON
def install(source: str, home: Path, as_json: bool) -> int:
    """Install the licence key in FILE ("-" is standard input) or at URL (http or https).

    A running instance takes it at once, without a restart; else it is taken at the next start.
    """
    screen = Screen(as_json)
    from_url = "://" in source
    text = _fetched(source, screen) if from_url else read_bounded(source)
    try:
        key = read_key(text)
    except Refused as error:
        raise click.ClickException(f"{shown(source) if from_url else source}: {error}") from None
    instance = LocalInstance(home)
    named = ObjectId(LICENSE_KEY.path, key.licence.serial)
    try:
        done = instance.apply({named: {"content": text}}, replace=False, reason="licence install")
        found = instance.licence()
    except Rejected as error:
        show_rejected(screen, error)
        return Exit.INVALID
    except Unreachable:
        return _leave(text, key, home, screen)
    troubled = [c["message"] for c in done["conditions"] if c["standing"] in ("rejected", "warning")]
    if as_json:
        screen.data({"installed": key.licence.serial, "licence": found})
    else:
        screen.line(f"Installed licence {key.licence.serial}. In force: {found['sentence']}.")
        for message in troubled:
            screen.line(styled("warning", "yellow"), f"  {message}")
    return Exit.WARNINGS if troubled else Exit.OK


@licence.command("list", short_help="Show which licence is in force, and every key.")
@home_option
@AS_JSON
def list_keys(home: Path, as_json: bool) -> int:
    """Show the licence in force, its limits, and every installed key with its state."""
    screen = Screen(as_json)
    try:
        _show(screen, LocalInstance(home).licence())
    except Rejected as error:
        show_rejected(screen, error)
        return Exit.INVALID
    return Exit.OK


@licence.command(short_help="Remove a key.")
@click.argument("serial")
@home_option
@AS_JSON
def remove(serial: str, home: Path, as_json: bool) -> int:
    """Remove the licence key of this SERIAL; the best of the others comes into force, or Community Edition."""
    screen = Screen(as_json)
    try:
        found = LocalInstance(home).remove_licence(serial)
    except Rejected as error:
        show_rejected(screen, error)
        return Exit.INVALID
    if as_json:
        screen.data({"removed": serial, "licence": found})
    else:
        screen.line(f"Removed licence {serial}. In force: {found['sentence']}.")
    return Exit.OK


@licence.command(short_help="Take the keys of an issuer.")
@click.argument("who", metavar="FILE|FINGERPRINT")
@home_option
def trust(who: str, home: Path) -> int:
    """Take the keys of the issuer whose public FILE or SHA-256 FINGERPRINT this is, besides those trusted already.

    An instance that trusts nobody yet trusts the issuer of its first key; this says beforehand who it may be.
    """
    _check_home(home)
    trusted = Trust(home)
    try:
        if Path(who).exists():
            raw = load_public(Path(who))
            trusted.add(raw)
            named = fingerprint(raw)
        else:
            named = trusted.add_fingerprint(who)
    except IssuerRefused as error:
        text = str(error) if Path(who).exists() else f"{who}: there is no such file, and {error}"
        raise click.ClickException(text) from None
    except OSError as error:
        raise click.ClickException(f"{home}: {error.strerror}; run this as the home's owner") from None
    Screen(False).line(f"Keys of the issuer {named} are taken.")
    return Exit.OK


licence.add_command(issuer)
licence.add_command(issue_key)
licence.add_command(show_key)
licence.add_command(verify_key)


def _fetched(url: str, screen: Screen) -> bytes:
    def tell(one: Try) -> None:
        screen.complain(str(one))

    try:
        return asyncio.run(fetch(url, LICENCE, tell))
    except FetchFailed as error:
        raise click.ClickException(str(error)) from None


def _leave(text: bytes, key: Key, home: Path, screen: Screen) -> int:
    _check_home(home)
    try:
        admitted = Trust(home).admit(text)
        drop(home, text)
    except Refused as error:
        return refuse(screen, str(error))
    except OSError as error:
        raise click.ClickException(f"{home}: {error.strerror}; run this as the home's owner") from None
    if screen.as_json:
        screen.data({"waiting": key.licence.serial})
        return Exit.OK
    if admitted.warning:
        screen.complain(styled("warning", "yellow"), f"  {admitted.warning}")
    screen.line(f"No instance runs in {home}: licence {key.licence.serial} is taken at its next start.")
    return Exit.OK


def _check_home(home: Path) -> None:
    if not home.is_dir():
        raise click.ClickException(
            f"there is no home {home}; start an instance with `pointsman run`, or name its --home"
        )


def _show(screen: Screen, found: dict[str, Any]) -> None:
    if screen.as_json:
        screen.data(found)
        return
    screen.line(styled("In force", "bold"), f": {found['sentence']}.")
    if found["choice_open"]:
        screen.line(
            "No key is installed, and Community Edition was not chosen yet; the page on 9090 asks for it."
        )
    screen.table(
        ("SERIAL", "STATE", "HOLDER", "EXPIRES", "BANDWIDTH", "CLUSTER", "FEATURES", "WHY"),
        [_row(key) for key in found["keys"]],
        below="WHY",
    )
    for trusted in found["issuers"]:
        screen.line(f"Trusted issuer: {trusted}")


def _row(key: dict[str, Any]) -> tuple[Any, ...]:
    known = bool(key["serial"])
    return (
        styled(key["serial"] or key["name"], "bold"),
        styled(key["state"], STYLES.get(key["state"], "red")),
        key["holder"],
        describe(known, key["expires"], day(key["expires"])),
        describe(known, key["bandwidth"], bit_rate(key["bandwidth"])),
        describe(known, key["cluster_size"], str(key["cluster_size"])),
        " ".join(key["features"]),
        key["why"],
    )
