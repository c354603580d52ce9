"""The authority of a cluster: a certificate authority of its own that says who is a member, and keys wrapped for one.

Pure but for chance and the clock. Invariant: what an authority signs names the cluster and exactly one member, and a
certificate of another cluster is never taken for one of this.

Every member holds the authority, because any member may admit another. A member's certificate says who it is by a URI
`urn:pointsman:<cluster>:<member>`; names and addresses, which may change, do not count.
"""

from __future__ import annotations

import base64
import datetime
import os
import uuid
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LEAF_DAYS = 90
RENEW_DAYS = 60
"""A certificate is renewed when fewer days than these are left of it."""
_AUTHORITY_YEARS = 30
_BACKDATED = datetime.timedelta(days=7)
"""Clocks of members may be behind; what they are off by is told elsewhere, and shall not keep them apart."""
_URN = "urn:pointsman:"
_NONCE_BYTES = 12
_INFO = b"pointsman data key"


class NotAcceptable(Exception):
    """A request or certificate that is not what a member has; the text says why."""


@dataclass(frozen=True)
class MemberName:
    """Who a certificate is for: the ids of cluster and member, and the key whose holder shows it (see `public_text`).

    A removed member still holds the authority, as every member does, and could sign what it likes; so a certificate
    counts only with the key that the member of that id has.
    """

    cluster: str
    member: str
    public_key: str


@dataclass(frozen=True)
class Authority:
    """The id of a cluster, and the certificate and key (PEM) of its authority."""

    cluster: str
    certificate: bytes
    private: bytes = field(repr=False)

    @classmethod
    def make(cls) -> Authority:
        """The authority of a new cluster."""
        cluster = uuid.uuid4().hex
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Pointsman cluster {cluster}")])
        now = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
        identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _BACKDATED)
            .not_valid_after(now + datetime.timedelta(days=365 * _AUTHORITY_YEARS))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(authority=True), critical=True)
            .add_extension(identifier, critical=False)
            .sign(key, hashes.SHA256())
        )
        return cls(cluster, certificate.public_bytes(serialization.Encoding.PEM), private_text(key))

    def sign(self, request: bytes, member: str) -> bytes:
        """A certificate (PEM) for a member that asks with a certificate request (PEM). Raises `NotAcceptable`."""
        try:
            asked = x509.load_pem_x509_csr(request)
            sound = asked.is_signature_valid
        except (ValueError, TypeError) as error:
            raise NotAcceptable("the certificate request is not readable PEM") from error
        public = asked.public_key()
        if not sound or not isinstance(public, ec.EllipticCurvePublicKey) or public.curve.name != "secp256r1":
            raise NotAcceptable("the certificate request must be signed with a key of the curve P-256")
        issuer = x509.load_pem_x509_certificate(self.certificate)
        key = serialization.load_pem_private_key(self.private, None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        now = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
        uses = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
        certificate = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, member)]))
            .issuer_name(issuer.subject)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _BACKDATED)
            .not_valid_after(now + datetime.timedelta(days=LEAF_DAYS))
            .add_extension(
                x509.SubjectAlternativeName(
                    [x509.UniformResourceIdentifier(f"{_URN}{self.cluster}:{member}")]
                ),
                critical=False,
            )
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(authority=False), critical=True)
            .add_extension(uses, critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False
            )
            .sign(key, hashes.SHA256())
        )
        return certificate.public_bytes(serialization.Encoding.PEM)


def make_key() -> ec.EllipticCurvePrivateKey:
    """A new key for a member."""
    return ec.generate_private_key(ec.SECP256R1())


def private_text(key: ec.EllipticCurvePrivateKey) -> bytes:
    """A key in PEM."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def make_request(key: ec.EllipticCurvePrivateKey) -> bytes:
    """A certificate request (PEM) that proves the possession of a key."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "member")])
    request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    return request.public_bytes(serialization.Encoding.PEM)


def self_signed(key: ec.EllipticCurvePrivateKey, member: str) -> str:
    """A certificate (PEM) for a member that this key signs itself, so that nobody else can make another for it."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, member)])
    now = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    uses = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now + datetime.timedelta(days=365 * _AUTHORITY_YEARS))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(authority=False), critical=True)
        .add_extension(uses, critical=False)
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM).decode("ascii")


def is_of(certificate: str, key: ec.EllipticCurvePrivateKey) -> bool:
    """Whether a certificate (PEM) is for that key."""
    try:
        return x509.load_pem_x509_certificate(certificate.encode()).public_key() == key.public_key()
    except ValueError:
        return False


def member_of(der: bytes) -> MemberName:
    """Who a certificate (DER) is for; whether it may be trusted is TLS's to say. Raises `NotAcceptable`."""
    try:
        certificate = x509.load_der_x509_certificate(der)
        alternative = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        uris = alternative.get_values_for_type(x509.UniformResourceIdentifier)
    except (ValueError, x509.ExtensionNotFound) as error:
        raise NotAcceptable("the certificate names no member of a cluster") from error
    named = [uri.removeprefix(_URN).split(":") for uri in uris if uri.startswith(_URN)]
    if len(named) != 1 or len(named[0]) != 2:
        raise NotAcceptable("the certificate names no member of a cluster")
    public = certificate.public_key()
    if not isinstance(public, ec.EllipticCurvePublicKey):
        raise NotAcceptable("the key of the certificate is of another kind")
    cluster, member = named[0]
    return MemberName(cluster, member, public_text(public))


def public_text(key: ec.EllipticCurvePublicKey) -> str:
    """A public key as one line: base64 of DER."""
    der = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(der).decode("ascii")


def wrap(secret: bytes, public: str) -> str:
    """A secret that only the holder of the private half of `public` (see `public_text`) can read, as one line."""
    try:
        holder = serialization.load_der_public_key(base64.b64decode(public, validate=True))
    except (ValueError, TypeError) as error:
        raise NotAcceptable("the member's public key is not readable") from error
    if not isinstance(holder, ec.EllipticCurvePublicKey):
        raise NotAcceptable("the member's public key is of another kind")
    fleeting = ec.generate_private_key(holder.curve)
    point = fleeting.public_key().public_bytes(
        serialization.Encoding.X962, serialization.PublicFormat.CompressedPoint
    )
    nonce = os.urandom(_NONCE_BYTES)
    sealed = AESGCM(_derived(fleeting.exchange(ec.ECDH(), holder), point)).encrypt(nonce, secret, None)
    return base64.b64encode(bytes([len(point)]) + point + nonce + sealed).decode("ascii")


def unwrap(wrapped: str, key: ec.EllipticCurvePrivateKey) -> bytes:
    """The secret that was wrapped for the holder of `key`. Raises `NotAcceptable`."""
    try:
        data = base64.b64decode(wrapped, validate=True)
        point, rest = data[1 : 1 + data[0]], data[1 + data[0] :]
        fleeting = ec.EllipticCurvePublicKey.from_encoded_point(key.curve, point)
        cipher = AESGCM(_derived(key.exchange(ec.ECDH(), fleeting), point))
        return cipher.decrypt(rest[:_NONCE_BYTES], rest[_NONCE_BYTES:], None)
    except (ValueError, IndexError, InvalidTag) as error:
        raise NotAcceptable("the key was not wrapped for this member, or was altered") from error


def _derived(shared: bytes, point: bytes) -> bytes:
    return HKDF(hashes.SHA256(), 32, salt=point, info=_INFO).derive(shared)


def _usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        key_cert_sign=authority,
        crl_sign=authority,
        key_encipherment=False,
        content_commitment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
