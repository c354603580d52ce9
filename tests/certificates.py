"""Certificates made for tests."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def self_signed(name: str, days: int = 30) -> tuple[str, str]:
    """A certificate for a host name that ends in so many days, and its key, both in PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + datetime.timedelta(days=min(0, days), minutes=-5))
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    return pem_of(certificate), key_pem_of(key)


@dataclass(frozen=True)
class Authority:
    """A certificate that signs others, with its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @classmethod
    def make(cls, name: str, issuer: Authority | None = None) -> Authority:
        """One that vouches for itself, or that `issuer` vouches for."""
        key = ec.generate_private_key(ec.SECP256R1())
        by = issuer if issuer is not None else None
        certificate = (
            _builder(name, by.certificate.subject if by else name_of(name), key, 3650)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(by.key if by else key, hashes.SHA256())
        )
        return cls(certificate, key)

    def sign(
        self,
        name: str,
        names: Sequence[str] = (),
        days: float = 90,
        key: ec.EllipticCurvePrivateKey | None = None,
    ) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
        """A server's certificate and its key."""
        key = key or ec.generate_private_key(ec.SECP256R1())
        certificate = (
            _builder(name, self.certificate.subject, key, days)
            .add_extension(
                x509.SubjectAlternativeName([x509.DNSName(one) for one in names or (name,)]), critical=False
            )
            .sign(self.key, hashes.SHA256())
        )
        return certificate, key

    def sign_request(self, pem: str, days: float = 90) -> x509.Certificate:
        """What a certificate authority makes of a request."""
        request = x509.load_pem_x509_csr(pem.encode())
        assert request.is_signature_valid
        now = datetime.datetime.now(datetime.UTC)
        names = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        return (
            x509.CertificateBuilder()
            .subject_name(request.subject)
            .issuer_name(self.certificate.subject)
            .public_key(request.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(minutes=5))
            .not_valid_after(now + datetime.timedelta(days=days))
            .add_extension(names, critical=False)
            .sign(self.key, hashes.SHA256())
        )


def _builder(
    name: str, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, days: float
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name_of(name))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + datetime.timedelta(days=min(0, days), minutes=-5))
        .not_valid_after(now + datetime.timedelta(days=days))
    )


def name_of(name: str) -> x509.Name:
    """A subject with only a common name."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def pem_of(*certificates: x509.Certificate) -> str:
    """Certificates in PEM."""
    return "".join(one.public_bytes(serialization.Encoding.PEM).decode() for one in certificates)


def key_pem_of(key: ec.EllipticCurvePrivateKey) -> str:
    """A key in PEM, without passphrase."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
