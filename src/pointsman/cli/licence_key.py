"""What an issuer of licence keys does, and what can be done with a key anywhere: make an issuer, issue, show, verify.

Invariant: nothing here needs an instance; a private key is written to its file and shown nowhere.
"""

from __future__ import annotations

import re
import sys
import time
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import click

from pointsman.cli.outcome import Exit
from pointsman.cli.screen import Screen, styled
from pointsman.licence.holding import DAY, bit_rate, day
from pointsman.licence.issuer import IssuerRefused, fingerprint, load_issuer, load_public, make_issuer
from pointsman.licence.key import (
    LAST_MOMENT,
    SIZE_LIMIT,
    Key,
    Licence,
    Refused,
    issue,
    new_serial,
    read_key,
)
from pointsman.private_file import write_private

_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_FILE = click.Path(path_type=Path)
AS_JSON = click.option("--json", "as_json", is_flag=True, help="Answer as JSON.")


class _BitRate(click.ParamType[int]):
    """Bits a second: digits, and k, M, G or T."""

    name = "rate"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The number of bits."""
        if isinstance(value, int):
            return value
        found = re.fullmatch(r"(\d{1,15}(?:\.\d{1,3})?)([kmgt]?)", str(value).lower())
        if found is None:
            self.fail(f"{value!r} is no bandwidth; give bits a second, such as 100M", param, ctx)
        bits = Decimal(found[1]) * _UNITS[found[2]]
        if bits != int(bits) or bits > 10**15:
            self.fail(f"{value!r} is no whole number of bits a second up to 1000T; correct it", param, ctx)
        return int(bits)


@click.group(short_help="Make an issuer, who signs licence keys.")
def issuer() -> None:
    """An issuer has a private key, which signs licence keys, and a public one, which instances know it by."""


@issuer.command("new", short_help="Make an issuer's keys.")
@click.option("--directory", type=_FILE, default=Path("issuer"), show_default=True, help="Where to put them.")
@AS_JSON
def new_issuer(directory: Path, as_json: bool) -> int:
    """Make an issuer: a private key to keep safe, and a public one to hand out with its fingerprint."""
    try:
        made = make_issuer(directory)
    except IssuerRefused as error:
        raise click.ClickException(str(error)) from None
    except OSError as error:
        raise click.ClickException(f"{directory}: {error.strerror}; name another --directory") from None
    screen = Screen(as_json)
    if as_json:
        screen.data(
            {"private": str(made.private), "public": str(made.public), "fingerprint": made.fingerprint}
        )
        return Exit.OK
    screen.line(f"private key   {made.private}   (keep it secret: who has it can issue keys)")
    screen.line(f"public key    {made.public}")
    screen.line(f"SHA-256       {made.fingerprint}")
    return Exit.OK


@click.command("issue", short_help="Issue a licence key.")
@click.option("--issuer", "issuer_file", type=_FILE, required=True, help="The issuer's private key file.")
@click.option("--holder", required=True, help="Who the licence is for.")
@click.option(
    "--expires", type=click.DateTime(["%Y-%m-%d"]), metavar="DATE", help="The last day it is valid (UTC)."
)
@click.option("--days", type=click.IntRange(1, 100_000), help="How long it is valid from now; or for ever.")
@click.option(
    "--bandwidth", type=_BitRate(), default=0, help="Bits a second in each direction, such as 100M."
)
@click.option("--cluster-size", type=click.IntRange(1, 10_000), help="Members that a cluster may have.")
@click.option("--feature", "features", multiple=True, help="A feature; may be repeated. Without any: all.")
@click.option("--serial", help="The serial number; by itself one that no other licence has.")
@click.option("--output", type=_FILE, help="The file to write (0600); without it standard output.")
def issue_key(
    issuer_file: Path,
    holder: str,
    expires: datetime | None,
    days: int | None,
    bandwidth: int,
    cluster_size: int | None,
    features: tuple[str, ...],
    serial: str | None,
    output: Path | None,
) -> int:
    """Issue a licence key. What is not limited is unlimited."""
    if expires is not None and days is not None:
        raise click.UsageError("--expires and --days exclude each other; leave one out")
    if output is not None and output.exists():
        raise click.ClickException(f"{output} exists already; name another --output, or remove it")
    now = int(time.time())
    licence = Licence(
        serial=serial or new_serial(),
        holder=holder,
        issued=now,
        expires=_end(now, expires, days),
        bandwidth=bandwidth,
        cluster_size=cluster_size or 0,
        features=features or ("all",),
    )
    try:
        text = issue(licence, load_issuer(issuer_file))
        if output is not None:
            write_private(output, text.encode("ascii"))
    except (IssuerRefused, Refused) as error:
        raise click.ClickException(str(error)) from None
    except OSError as error:
        raise click.ClickException(f"{error.filename or output}: {error.strerror}; check the path") from None
    if output is None:
        sys.stdout.write(text)
    else:
        Screen(False).line(f"Issued licence {licence.serial} to {licence.holder}: {output}")
    return Exit.OK


@click.command("show", short_help="Show what a licence key says.")
@click.argument("file")
@AS_JSON
def show_key(file: str, as_json: bool) -> int:
    """Show what the licence key in FILE ("-" is standard input) says, and who signed it."""
    screen = Screen(as_json)
    key = _read(file)
    if as_json:
        screen.data(asdict(key.licence) | {"issuer": key.issuer_fingerprint, "state": _state(key)})
        return Exit.OK
    licence = key.licence
    for name, value in (
        ("serial", licence.serial),
        ("holder", licence.holder),
        ("issued", day(licence.issued)),
        ("expires", describe(True, licence.expires, day(licence.expires), "never")),
        ("bandwidth", describe(True, licence.bandwidth, bit_rate(licence.bandwidth))),
        ("cluster size", describe(True, licence.cluster_size, str(licence.cluster_size))),
        ("features", " ".join(licence.features)),
        ("issuer", key.issuer_fingerprint),
        ("state", _state(key)),
    ):
        screen.line(f"{name:<14}", value)
    return Exit.OK


@click.command("verify", short_help="Check a licence key.")
@click.argument("file")
@click.option("--issuer", "issuer_file", type=_FILE, help="The public key file of who must have signed it.")
@AS_JSON
def verify_key(file: str, issuer_file: Path | None, as_json: bool) -> int:
    """Check that the licence key in FILE ("-" is standard input) is whole, valid now, and its issuer's.

    Without --issuer its signature is checked against the issuer that it names, which is shown.
    """
    screen = Screen(as_json)
    key = _read(file)
    state = _state(key)
    try:
        wanted = load_public(issuer_file) if issuer_file is not None else key.issuer
    except IssuerRefused as error:
        raise click.ClickException(str(error)) from None
    except OSError as error:
        raise click.ClickException(f"{issuer_file}: {error.strerror}; check the path") from None
    if key.issuer != wanted:
        text = (
            f"{file}: it was signed by the issuer {key.issuer_fingerprint}, not by {fingerprint(wanted)}; "
            "ask that one for a key"
        )
        return refuse(screen, text)
    if state != "valid":
        return refuse(screen, f"{file}: licence {key.licence.serial} is {state}; ask its issuer for another")
    if as_json:
        screen.data({"valid": True, "serial": key.licence.serial, "issuer": key.issuer_fingerprint})
        return Exit.OK
    screen.line(f"Licence {key.licence.serial} is valid, signed by {key.issuer_fingerprint}.")
    if issuer_file is None:
        screen.line("Compare the fingerprint with the issuer's own, or name its public key with --issuer.")
    return Exit.OK


def describe(known: bool, number: int, words: str, unlimited: str = "no limit") -> str:
    """A limit in words: 0 is none; "" where nothing is known."""
    if not known:
        return ""
    return words if number else unlimited


def refuse(screen: Screen, text: str) -> int:
    """Says why a key will not do."""
    if screen.as_json:
        screen.data({"valid": False, "faults": [{"message": text}]})
    else:
        screen.complain(styled(text, "red"))
    return Exit.INVALID


def read_bounded(file: str) -> bytes:
    """The start of a file or of standard input ("-"), one byte more than a key can have."""
    try:
        if file == "-":
            return sys.stdin.buffer.read(SIZE_LIMIT + 1)
        with Path(file).open("rb") as stream:
            return stream.read(SIZE_LIMIT + 1)
    except OSError as error:
        raise click.ClickException(f"{file}: {error.strerror}; check the path") from None


def _read(file: str) -> Key:
    try:
        return read_key(read_bounded(file))
    except Refused as error:
        raise click.ClickException(f"{file}: {error}") from None


def _state(key: Key) -> str:
    now = time.time()
    if key.licence.expired_at(now):
        return f"expired since {day(key.licence.expires)}"
    return "valid" if key.licence.begun_at(now) else f"not valid before {day(key.licence.issued)}"


def _end(now: int, expires: datetime | None, days: int | None) -> int:
    if days is not None:
        return now + days * DAY
    if expires is None:
        return 0
    end = (
        int((expires.replace(tzinfo=UTC) + timedelta(days=1)).timestamp())
        if expires.year < 9999
        else LAST_MOMENT
    )
    if end <= now:
        raise click.UsageError("--expires lies in the past; name a later day")
    return end
