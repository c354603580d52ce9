"""Makes the file that the engine presents a certificate from, or says why it cannot be used.

Invariant: what is returned holds one chain and the one private key that belongs to its first certificate, written
anew from the parsed values; text around them never reaches the engine.
"""

from __future__ import annotations

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

# OpenSSL refuses shorter ones at its usual security level (2 since OpenSSL 3.2, and in Debian), and HAProxy then its
# whole configuration.
_SHORTEST_RSA_KEY = 2048


class Unusable(ValueError):
    """A certificate or key that cannot be served; the text says why and what to do."""


def chain_and_key(public: str, private: str) -> bytes:
    """PEM of the certificate chain followed by its key. Raises `Unusable`."""
    chain = _certificates(public.encode("utf-8", "surrogatepass"))
    try:
        # The arithmetic of an RSA key is not proven again on every compile: that takes milliseconds a key.
        key = load_pem_private_key(
            private.encode("utf-8", "surrogatepass"), password=None, unsafe_skip_rsa_key_validation=True
        )
    except TypeError:
        raise Unusable("the private key is protected by a passphrase; store it without one") from None
    except (ValueError, UnsupportedAlgorithm):
        raise Unusable(
            "the private key is not a key in PEM; send the key that belongs to the certificate"
        ) from None
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey):
        raise Unusable("the private key is of a kind that TLS servers do not use; take RSA, ECDSA or Ed25519")
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size < _SHORTEST_RSA_KEY:
        raise Unusable(f"the key has {key.key_size} bits; take one of 2048 bits or more")
    if _public_bytes(chain[0]) != key.public_key().public_bytes(
        Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    ):
        raise Unusable(
            "the private key does not belong to the certificate; send the two that were made together"
        )
    key_text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in chain) + key_text


def authority_certificates(content: bytes) -> tuple[bytes, ...]:
    """Each certificate of a certificate authority's file in PEM, at least one. Raises `Unusable`."""
    return tuple(certificate.public_bytes(Encoding.PEM) for certificate in _certificates(content))


def _certificates(pem: bytes) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError:
        raise Unusable("holds no certificate in PEM, or a broken one; send it again in PEM") from None


def _public_bytes(certificate: x509.Certificate) -> bytes:
    try:
        return certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except (ValueError, UnsupportedAlgorithm):
        raise Unusable(
            "the certificate's public key cannot be read; have the certificate issued anew"
        ) from None
