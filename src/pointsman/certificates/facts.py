"""What a certificate says, as words and dates.

Pure. Invariant: any certificate that was parsed has facts; a part of it that is broken reads as such and stops nothing.
"""

from __future__ import annotations

import datetime
import hashlib
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

WARNING_DAYS = 30
ERROR_DAYS = 7
_KNOWN_CHAINS = 4096
_CURVES = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}
_SIGNATURES = {
    "sha1WithRSAEncryption": "RSA with SHA-1",
    "sha256WithRSAEncryption": "RSA with SHA-256",
    "sha384WithRSAEncryption": "RSA with SHA-384",
    "sha512WithRSAEncryption": "RSA with SHA-512",
    "ecdsa-with-SHA256": "ECDSA with SHA-256",
    "ecdsa-with-SHA384": "ECDSA with SHA-384",
    "ecdsa-with-SHA512": "ECDSA with SHA-512",
    "ed25519": "Ed25519",
}
Mark = Literal["ok", "warn", "error"]
E = TypeVar("E", bound=x509.ExtensionType)


@dataclass(frozen=True)
class CertificateFacts:
    """One certificate. `names` are the host names and addresses it is for; `key_bits` 0 where that is not known;
    `purposes` None where it is for any; `fault` says which part cannot be read.
    """

    subject: str
    common_name: str
    issuer: str
    names: tuple[str, ...]
    serial: str
    not_before: datetime.datetime
    not_after: datetime.datetime
    key: str
    key_bits: int
    signature: str
    weak_signature: bool
    sha1: str
    sha256: str
    self_signed: bool
    authority: bool
    for_servers: bool
    fault: str = ""

    @property
    def title(self) -> str:
        """What to call it: its common name, or the first name, or the whole subject."""
        return self.common_name or next(iter(self.names), "") or self.subject or "(no subject)"

    def days_left(self, now: float) -> int:
        """Whole days until its end, or below zero since."""
        return int((self.not_after.timestamp() - now) / 86_400)

    def light(self, now: float) -> tuple[Mark, str]:
        """How it stands at a Unix time: a mark and its word."""
        if now < self.not_before.timestamp():
            return "error", "not valid yet"
        days = self.days_left(now)
        if now >= self.not_after.timestamp():
            return "error", "expired"
        if days <= ERROR_DAYS:
            return "error", "expires very soon"
        if days <= WARNING_DAYS:
            return "warn", "expires soon"
        return "ok", "valid"


@lru_cache(_KNOWN_CHAINS)
def chain_facts(pem: str) -> tuple[CertificateFacts, ...]:
    """The facts of each certificate of a text in PEM, in its order; none where it holds none."""
    return tuple(map(facts_of, parsed(pem)))


def parsed(pem: str | bytes) -> list[x509.Certificate]:
    """The certificates of a text in PEM; none where it holds none, or a broken one."""
    try:
        data = pem if isinstance(pem, bytes) else pem.encode("utf-8", "surrogatepass")
        return x509.load_pem_x509_certificates(data)
    except ValueError:
        return []


def facts_of(certificate: x509.Certificate) -> CertificateFacts:
    """What it says."""
    der = certificate.public_bytes(Encoding.DER)
    faults: list[str] = []
    key, bits = _key(certificate, faults)
    signature, weak = _signature(certificate, faults)
    subject, issuer = _name(certificate, "subject", faults), _name(certificate, "issuer", faults)
    return CertificateFacts(
        subject=subject,
        common_name=_common_name(certificate),
        issuer=issuer,
        names=_names(certificate, faults),
        serial=format(certificate.serial_number, "X"),
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        key=key,
        key_bits=bits,
        signature=signature,
        weak_signature=weak,
        sha1=_digest("sha1", der),
        sha256=_digest("sha256", der),
        self_signed=is_self_signed(certificate),
        authority=is_authority(certificate),
        for_servers=_for_servers(certificate),
        fault="; ".join(faults),
    )


def is_self_signed(certificate: x509.Certificate) -> bool:
    """Whether nobody else vouches for it."""
    try:
        if certificate.issuer != certificate.subject:
            return False
        certificate.verify_directly_issued_by(certificate)
    except Exception:  # each fault of a broken certificate raises another kind
        return False
    return True


def is_authority(certificate: x509.Certificate) -> bool:
    """Whether it may sign other certificates."""
    found = extension(certificate, x509.BasicConstraints)
    return found is not None and found.ca


def extension(certificate: x509.Certificate | x509.CertificateSigningRequest, kind: type[E]) -> E | None:
    """An extension; None where there is none that can be read."""
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except (x509.ExtensionNotFound, ValueError, x509.DuplicateExtension):
        return None


def alternative_names(
    certificate: x509.Certificate | x509.CertificateSigningRequest,
) -> tuple[str, ...]:
    """The host names and addresses of the subject's alternative names."""
    found = extension(certificate, x509.SubjectAlternativeName)
    if found is None:
        return ()
    return tuple(
        str(name.value) for name in found if isinstance(name, x509.DNSName | x509.IPAddress) and name.value
    )


def _names(certificate: x509.Certificate, faults: list[str]) -> tuple[str, ...]:
    try:
        return alternative_names(certificate)
    except Exception:
        faults.append("its names cannot be read")
        return ()


def _name(certificate: x509.Certificate, which: Literal["subject", "issuer"], faults: list[str]) -> str:
    try:
        name: x509.Name = getattr(certificate, which)
        return name.rfc4514_string()
    except Exception:
        faults.append(f"its {which} cannot be read")
        return "(cannot be read)"


def _common_name(certificate: x509.Certificate) -> str:
    try:
        found = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        return str(found[0].value) if found else ""
    except Exception:
        return ""


def _key(certificate: x509.Certificate, faults: list[str]) -> tuple[str, int]:
    try:
        return key_words(certificate.public_key())
    except (ValueError, UnsupportedAlgorithm):
        faults.append("its public key cannot be read")
        return "unknown", 0


def key_words(key: object) -> tuple[str, int]:
    """A key's kind and size in words, and its bits."""
    match key:
        case rsa.RSAPublicKey() | rsa.RSAPrivateKey():
            return f"RSA {key.key_size} bits", key.key_size
        case ec.EllipticCurvePublicKey() | ec.EllipticCurvePrivateKey():
            return f"ECDSA {_CURVES.get(key.curve.name, key.curve.name)}", key.key_size
        case ed25519.Ed25519PublicKey() | ed25519.Ed25519PrivateKey():
            return "Ed25519", 256
        case ed448.Ed448PublicKey() | ed448.Ed448PrivateKey():
            return "Ed448", 448
        case dsa.DSAPublicKey() | dsa.DSAPrivateKey():
            return f"DSA {key.key_size} bits", key.key_size
        case _:
            return "unknown", 0


def _signature(certificate: x509.Certificate, faults: list[str]) -> tuple[str, bool]:
    oid = certificate.signature_algorithm_oid
    name = getattr(oid, "_name", "") or oid.dotted_string
    try:
        used = certificate.signature_hash_algorithm
    except UnsupportedAlgorithm:
        faults.append("its signature is of an unknown kind")
        return oid.dotted_string, False
    weak = used is not None and used.name in ("sha1", "md5")
    return _SIGNATURES.get(name, name if name != "Unknown OID" else oid.dotted_string), weak


def _for_servers(certificate: x509.Certificate) -> bool:
    found = extension(certificate, x509.ExtendedKeyUsage)
    if found is None:
        return True
    return ExtendedKeyUsageOID.SERVER_AUTH in found or ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE in found


def _digest(algorithm: str, der: bytes) -> str:
    digest = hashlib.new(algorithm, der, usedforsecurity=False).hexdigest().upper()
    return ":".join(digest[i : i + 2] for i in range(0, len(digest), 2))
