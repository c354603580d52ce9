"""`cert`: the fingerprint of a certificate file, to compare with what a browser or another member shows.

Invariant: standard output is the one line that was asked for, or nothing. Only the standard library is used, so that it
answers at once.
"""

from __future__ import annotations

import hashlib
import re
import ssl
from pathlib import Path

import click

from pointsman.provision.outcome import Exit

_ALGORITHMS = {"fingerprint": "sha1", "fingerprint-sha256": "sha256"}
_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----\s.*?-----END CERTIFICATE-----", re.DOTALL)


@click.command()
@click.option(
    "-f",
    "form",
    type=click.Choice(tuple(_ALGORITHMS)),
    required=True,
    help="What to print: the SHA-1 fingerprint, or the SHA-256 one.",
)
@click.option(
    "-in",
    "file",
    type=click.Path(path_type=Path),
    required=True,
    metavar="FILE",
    help="The certificate, in PEM.",
)
def cert(form: str, file: Path) -> int:
    """Print the fingerprint of the certificate in a file, as openssl writes it."""
    try:
        found = _CERTIFICATE.search(file.read_text(encoding="ascii"))
        if found is None:
            raise ValueError
        der = ssl.PEM_cert_to_DER_cert(found[0])
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=der)  # refuses what is none
    except OSError as error:
        # An SSLError is one too.
        reason = "holds no certificate in PEM" if isinstance(error, ssl.SSLError) else error.strerror
        return _complain(file, reason or "cannot be read")
    except ValueError:
        return _complain(file, "holds no certificate in PEM")
    # SHA-1 identifies here, for people who compare it; nothing is trusted for it alone.
    digest = hashlib.new(_ALGORITHMS[form], der, usedforsecurity=False).digest()
    click.echo(digest.hex(":").upper())
    return Exit.OK


def _complain(file: Path, reason: str) -> int:
    click.echo(f"cert: {file}: {reason}; name the file of a certificate", err=True)
    return Exit.INSTANCE
