"""The instance's own key and certificate, with which REST, UI and cluster traffic present themselves.

Invariant: the key and certificate in use belong together: a new pair is tried in a context of its own first,
and connections that exist keep the old one. The files are `HOME/identity/admin.public` (certificate chain,
PEM) and `HOME/identity/admin.private` (key, PEM, 0600).

The key is RSA with 2048 bits: every client that speaks TLS 1.2 accepts it, which cannot be said of elliptic
curves.
"""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import ipaddress
import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from pointsman.private_file import sync, write_private

YEARS = 10
_COMMON_NAME_LIMIT = 64

# Mozilla's "intermediate" list for TLS 1.2; TLS 1.3's suites are all sound.
_CIPHERS = (
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
)


class CertificateRefused(Exception):
    """A certificate and key that cannot be used; the text says why and what to do."""


@dataclass(frozen=True)
class CertificateView:
    """A certificate for people and programs: names as RFC 4514 writes them, times in UTC, the chain in PEM.

    `names` are the host names and addresses it is for, `self_signed` that nobody else vouches for it.
    """

    subject: str
    issuer: str
    names: tuple[str, ...]
    serial: str
    not_before: datetime.datetime
    not_after: datetime.datetime
    sha1: str
    sha256: str
    self_signed: bool
    public: str


class InstanceCertificate:
    """The certificate in use: its TLS context for servers and its fingerprints."""

    def __init__(self, directory: Path, public: bytes, private: bytes) -> None:
        """Use `open`. Raises `CertificateRefused` when the two do not belong together."""
        self._directory = directory
        self._take(public, private)

    @classmethod
    def open(cls, directory: Path, host: str, addresses: Iterable[str] = ()) -> InstanceCertificate:
        """The pair in `directory`; at the first start a new one for `host`, localhost and `addresses`.

        Raises `CertificateRefused` when the files are damaged, `OSError`.
        """
        # A replacement writes both as one file first; if it was cut short after that, it is completed here.
        (directory / "admin.loading").unlink(missing_ok=True)
        staged = directory / "admin.staged"
        if staged.exists():
            both = staged.read_bytes()
            with contextlib.suppress(CertificateRefused):
                return cls(directory, both, both)._store()
        public, private = directory / "admin.public", directory / "admin.private"
        if not public.exists() or not private.exists():
            return cls(directory, *make_self_signed(host, addresses))._store()
        try:
            return cls(directory, public.read_bytes(), private.read_bytes())
        except CertificateRefused as error:
            cause = str(error).partition(";")[0]
            raise CertificateRefused(
                f"{public} or {private} is damaged ({cause}); restore both from a backup, or delete both to have a new "
                "certificate made"
            ) from None

    @property
    def context(self) -> ssl.SSLContext:
        """The context for connections accepted from now on; ask again for each connection."""
        return self._context

    @property
    def public(self) -> bytes:
        """The certificate chain in PEM."""
        return self._public

    @property
    def sha1(self) -> str:
        """SHA-1 fingerprint as openssl prints it: upper-case hexadecimal bytes with colons."""
        return fingerprint(self._public, "sha1")

    @property
    def sha256(self) -> str:
        """SHA-256 fingerprint, in the same form."""
        return fingerprint(self._public, "sha256")

    def view(self) -> CertificateView:
        """What there is to see of the certificate in use."""
        return view_of(self._public)

    def replace(self, public: bytes, private: bytes) -> None:
        """Uses another certificate chain and key (PEM) from now on, and stores them.

        Raises `CertificateRefused` and leaves everything as it is when they do not fit or clients would refuse the
        certificate today; `OSError`. May be called in a thread.
        """
        _refuse_expired(public)
        # Tried whole before anything is stored; a context that serves is never loaded with a second key.
        other = InstanceCertificate(self._directory, public, private)._store()
        self._use(other._public, other._private, other._context)

    def _take(self, public: bytes, private: bytes) -> None:
        try:
            # A file with both holds the key as well, which has no place in what is shown.
            certificates = x509.load_pem_x509_certificates(public)
            key = serialization.load_pem_private_key(private, None)
        except (ValueError, TypeError) as error:
            raise CertificateRefused(
                "the certificate or key is not readable PEM without a passphrase; send both in PEM"
            ) from error
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        encoding = serialization.Encoding.DER
        if certificates[0].public_key().public_bytes(encoding, form) != key.public_key().public_bytes(
            encoding, form
        ):
            raise CertificateRefused(
                "the private key does not belong to the certificate; send the key it was made with"
            )
        chain = b"".join(c.public_bytes(serialization.Encoding.PEM) for c in certificates)
        plain = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        self._use(chain, plain, _context(self._directory, chain, plain))

    def _use(self, public: bytes, private: bytes, context: ssl.SSLContext) -> None:
        self._public, self._private, self._context = public, private, context

    def _store(self) -> InstanceCertificate:
        staged = self._directory / "admin.staged"
        write_private(staged, self._private + self._public)
        try:
            write_private(self._directory / "admin.private", self._private)
        except OSError:
            staged.unlink(
                missing_ok=True
            )  # nothing has changed, and the next start shall change nothing either
            raise
        write_private(self._directory / "admin.public", self._public)
        staged.unlink()
        sync(self._directory)
        return self


def fingerprint(certificate: bytes, algorithm: str) -> str:
    """The fingerprint of the first certificate of a PEM text; `algorithm` is "sha1" or "sha256"."""
    der = x509.load_pem_x509_certificates(certificate)[0].public_bytes(serialization.Encoding.DER)
    # SHA-1 identifies here, for people and tools that compare it; nothing is trusted for it alone.
    return hashlib.new(algorithm, der, usedforsecurity=False).digest().hex(":").upper()


def view_of(public: bytes) -> CertificateView:
    """What there is to see of the first certificate of a PEM text. Raises ValueError when there is none."""
    certificate = x509.load_pem_x509_certificates(public)[0]
    try:
        alternative = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        names = tuple(
            str(name.value) for name in alternative if isinstance(name, x509.DNSName | x509.IPAddress)
        )
    except (x509.ExtensionNotFound, ValueError):
        names = ()
    return CertificateView(
        subject=certificate.subject.rfc4514_string(),
        issuer=certificate.issuer.rfc4514_string(),
        names=names,
        serial=f"{certificate.serial_number:X}",
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        sha1=fingerprint(public, "sha1"),
        sha256=fingerprint(public, "sha256"),
        self_signed=certificate.subject == certificate.issuer,
        public=public.decode("ascii"),
    )


def _refuse_expired(public: bytes) -> None:
    try:
        ends = x509.load_pem_x509_certificates(public)[0].not_valid_after_utc
    except ValueError:
        return  # the trial of the pair says what is wrong
    if ends <= datetime.datetime.now(datetime.UTC):
        raise CertificateRefused(f"the certificate expired on {ends:%Y-%m-%d}; send one that is valid")


def make_self_signed(host: str, addresses: Iterable[str] = ()) -> tuple[bytes, bytes]:
    """A new certificate and key (PEM) for ten years, for `host`, localhost, loopback and `addresses`."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host[:_COMMON_NAME_LIMIT] or "localhost")])
    now = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    # Clocks of clients may be behind.
    begin = now - datetime.timedelta(days=1)
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    usage = x509.KeyUsage(
        digital_signature=True,
        key_encipherment=True,
        content_commitment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin.replace(year=begin.year + YEARS, day=min(begin.day, 28)))
        .add_extension(x509.SubjectAlternativeName(_alternative_names(host, addresses)), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(identifier, critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return certificate.public_bytes(serialization.Encoding.PEM), private


def _alternative_names(host: str, addresses: Iterable[str]) -> list[x509.GeneralName]:
    names: dict[str, x509.GeneralName] = {}
    for text in (host, "localhost", "127.0.0.1", "::1", *addresses):
        plain = text.partition("%")[0]
        try:
            names[plain] = x509.IPAddress(ipaddress.ip_address(plain))
        except ValueError:
            # A host name that a certificate cannot carry is left out; the addresses still serve.
            with contextlib.suppress(ValueError):
                if plain:
                    names[plain] = x509.DNSName(plain)
    return list(names.values())


def _context(directory: Path, public: bytes, private: bytes) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHERS)
    context.set_alpn_protocols(["http/1.1"])
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    # The ssl module takes files only.
    loaded = directory / "admin.loading"
    write_private(loaded, private + public)
    try:
        context.load_cert_chain(loaded)
    except (ssl.SSLError, OSError) as error:
        raise CertificateRefused(
            f"the certificate and key are not usable for TLS: {error.args[-1]}"
        ) from error
    finally:
        loaded.unlink()
    return context
