"""`pointsman certificate`: the certificate that an instance presents, and another one in its place.

Invariant: the key is read from a file and shown nowhere.
"""

from __future__ import annotations

import datetime
from pathlib import Path

import click

from pointsman.cli.instance import Json
from pointsman.cli.outcome import Exit, Rejected
from pointsman.cli.report import show_rejected
from pointsman.cli.screen import Screen
from pointsman.cli.target import find_target, target_options


@click.group(short_help="Show or replace the certificate of the instance.")
def certificate() -> None:
    """The certificate with which an instance presents itself to browsers, REST clients and members."""


@certificate.command()
@target_options
@click.option("--json", "as_json", is_flag=True, help="As REST shows it, with the chain in PEM.")
def show(
    home: Path, url: str | None, user: str, password_file: Path | None, fingerprint: str | None, as_json: bool
) -> int:
    """Whose it is, until when, and its fingerprints."""
    screen = Screen(as_json=as_json)
    try:
        found = find_target(home, url, user, password_file, fingerprint).certificate()
    except Rejected as error:
        show_rejected(screen, error)
        return Exit.INVALID
    _tell(screen, found)
    return Exit.OK


@certificate.command()
@target_options
@click.option(
    "--public",
    type=click.Path(path_type=Path),
    required=True,
    help="File with the certificate and those that vouch for it, in PEM.",
)
@click.option(
    "--private",
    type=click.Path(path_type=Path),
    required=True,
    help="File with its private key, in PEM without a passphrase.",
)
@click.option("--json", "as_json", is_flag=True, help="Show the new one as REST does.")
def replace(
    home: Path,
    url: str | None,
    user: str,
    password_file: Path | None,
    fingerprint: str | None,
    public: Path,
    private: Path,
    as_json: bool,
) -> int:
    """Present another certificate from the next connection on; nothing restarts, connections go on."""
    screen = Screen(as_json=as_json)
    texts = []
    for flag, path in (("--public", public), ("--private", private)):
        try:
            texts.append(path.read_text(encoding="ascii"))
        except UnicodeDecodeError:
            screen.complain(f"{flag} {path}: is not PEM; convert it, for example with openssl x509")
            return Exit.INVALID
        except OSError as error:
            screen.complain(f"{flag} {path}: cannot be read ({error.strerror}); check path and permissions")
            return Exit.INVALID
    try:
        found = find_target(home, url, user, password_file, fingerprint).replace_certificate(*texts)
    except Rejected as error:
        show_rejected(screen, error)
        return Exit.INVALID
    _tell(screen, found)
    return Exit.OK


def _tell(screen: Screen, found: Json) -> None:
    if screen.as_json:
        screen.data(found)
        return
    begins, ends = (
        datetime.datetime.fromtimestamp(found[key], datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")
        for key in ("not_before", "not_after")
    )
    issuer = "itself" if found["self_signed"] else found["issuer"]
    for label, text in (
        ("subject", found["subject"]),
        ("issued by", issuer),
        ("for", ", ".join(found["names"]) or "no name"),
        ("valid", f"{begins} to {ends}"),
        ("SHA-1", found["sha1"]),
        ("SHA-256", found["sha256"]),
    ):
        screen.line(f"{label:<10}{text}")
