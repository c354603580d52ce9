"""Another machine of a cluster: its certificate's fingerprints, and joining it.

Invariant: before the administrator has verified the fingerprint nothing but a TLS handshake is sent there.
"""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass, field

from pointsman.identity.certificate import fingerprint
from pointsman.provision.configure.dialogue import Stopped, Wrong
from pointsman.provision.configure.screen import JOIN_NOT_BUILT

CONNECT_SECONDS = 10.0


@dataclass(frozen=True)
class Fingerprints:
    """SHA-1 and SHA-256 of a certificate, in upper-case hexadecimal bytes with colons."""

    sha1: str
    sha256: str


@dataclass(frozen=True)
class JoinRequest:
    """What joining needs; `part` is the one in existing traffic IP groups ("p", "y" or "n")."""

    host: str
    port: int
    seen: Fingerprints
    user: str
    password: str = field(repr=False)
    part: str = "p"


def peer_fingerprints(host: str, port: int) -> Fingerprints:
    """The fingerprints of the certificate at a TLS port, whoever signed it. Raises `Wrong`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # a person compares the fingerprint
    try:
        with (
            socket.create_connection((host, port), CONNECT_SECONDS) as plain,
            context.wrap_socket(plain, server_hostname=host) as wrapped,
        ):
            certificate = wrapped.getpeercert(binary_form=True) or b""
    except (OSError, ValueError) as error:  # a host name that cannot be one is a ValueError
        cause = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise Wrong(
            f"ERROR: Cannot connect to remote host {host}:{port} ({cause}). Please check the name and that its admin "
            "server runs."
        ) from None
    pem = ssl.DER_cert_to_PEM_cert(certificate).encode("ascii")
    return Fingerprints(fingerprint(pem, "sha1"), fingerprint(pem, "sha256"))


def join(request: JoinRequest) -> None:
    """Makes this machine a member of the cluster of `request.host`; this version cannot. Raises `Stopped`."""
    raise Stopped(f"{request.host}:{request.port}: {JOIN_NOT_BUILT}")
