"""What a member of a cluster shows the others: key, certificate and the authority's certificate, in one file.

Invariant: the file `HOME/identity/member.pem` (0600) is replaced whole, so that key and certificate always belong
together; a context in use is never loaded with a second key. Which cluster and member an instance is stands in the
certificate and nowhere else.
"""

from __future__ import annotations

import datetime
import functools
import hashlib
import ssl
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from pointsman.identity.authority import (
    RENEW_DAYS,
    MemberName,
    NotAcceptable,
    member_of,
    private_text,
)
from pointsman.private_file import write_private

ALPN = "pointsman-cluster"
"""How a connection between members names what it speaks, so that it is told from a request of `/healthz`."""
_BEGIN = b"-----BEGIN CERTIFICATE-----"


@dataclass(frozen=True)
class Credential:
    """A member's key, its certificate and that of the cluster's authority, each in PEM."""

    private: bytes = field(repr=False)
    certificate: bytes
    authority: bytes

    @classmethod
    def read(cls, path: Path) -> Credential | None:
        """The credential in a file; None when there is none. Raises `NotAcceptable`, `OSError`."""
        try:
            text = path.read_bytes()
        except FileNotFoundError:
            return None
        return cls.from_text(text)

    @classmethod
    def from_text(cls, text: bytes) -> Credential:
        """The credential that `text` gave. Raises `NotAcceptable`."""
        private, *certificates = text.split(_BEGIN)
        if len(certificates) != 2:
            raise NotAcceptable("it does not hold a key and two certificates")
        made = cls(private, *(_BEGIN + certificate for certificate in certificates))
        try:
            _ = made.name, made.key, made.expires
        except (ValueError, TypeError) as error:
            raise NotAcceptable("the key or a certificate is not readable PEM") from error
        return made

    @property
    def text(self) -> bytes:
        """All of it, for the file."""
        return self.private + self.certificate + self.authority

    @functools.cached_property
    def name(self) -> MemberName:
        """Whose it is."""
        return member_of(self.der)

    @functools.cached_property
    def der(self) -> bytes:
        """The member's certificate in DER."""
        return ssl.PEM_cert_to_DER_cert(self.certificate.decode("ascii"))

    @functools.cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the certificate in lower-case hexadecimal."""
        return hashlib.sha256(self.der).hexdigest()

    @functools.cached_property
    def key(self) -> ec.EllipticCurvePrivateKey:
        """The key itself."""
        key = serialization.load_pem_private_key(self.private, None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise NotAcceptable("the key is of another kind")
        return key

    @functools.cached_property
    def expires(self) -> datetime.datetime:
        """When the certificate ends, in UTC."""
        return x509.load_pem_x509_certificate(self.certificate).not_valid_after_utc

    def due(self, now: datetime.datetime) -> bool:
        """Whether the certificate should be renewed by now."""
        return self.expires - now < datetime.timedelta(days=RENEW_DAYS)

    def renewed(self, certificate: bytes) -> Credential:
        """The same with another certificate of the same key."""
        return Credential(private_text(self.key), certificate, self.authority)

    def store(self, path: Path) -> None:
        """Writes the file. Raises `OSError`."""
        write_private(path, self.text)

    def server_context(self, directory: Path) -> ssl.SSLContext:
        """For the port that members connect to; whoever shows no certificate is told by the application.

        The certificate is loaded by way of a file in `directory`, because the ssl module takes files only.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.verify_mode = ssl.CERT_OPTIONAL
        # Without tickets no member is let in by what was known of it before it was removed.
        context.num_tickets = 0
        context.set_alpn_protocols([ALPN, "http/1.1"])
        return self._loaded(context, directory)

    def client_context(self, directory: Path) -> ssl.SSLContext:
        """For connecting to another member; who that is must be looked at by `member_of`."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.set_alpn_protocols([ALPN])
        return self._loaded(context, directory)

    def _loaded(self, context: ssl.SSLContext, directory: Path) -> ssl.SSLContext:
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.load_verify_locations(cadata=self.authority.decode("ascii"))
        loading = directory / "member.loading"
        write_private(loading, self.private + self.certificate, durable=False)
        try:
            context.load_cert_chain(loading)
        finally:
            loading.unlink()
        return context
