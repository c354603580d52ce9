"""Makes the file that the engine presents a certificate from, or says why it cannot be used.

Invariant: what is returned holds one chain and the one private key that belongs to its first certificate, written
anew from the parsed values; text around them never reaches the engine.
"""

from __future__ import annotations

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
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
    """A certificate or key that cannot be served: `predicate` says why and what to do, `key` ("public", "private") of
    which of the two. As text both together, for what names the certificate already.
    """

    def __init__(self, predicate: str, key: str = "public") -> None:
        super().__init__(f"the private key {predicate}" if key == "private" else predicate)
        self.predicate = predicate
        self.key = key


def chain_and_key(public: str, private: str) -> bytes:
    """PEM of the certificate chain followed by its key, as the engine takes it. Raises `Unusable`."""
    # The arithmetic of an RSA key was proven when it was stored; to do so on every compile takes milliseconds a key.
    chain, key = _certificates(public), _private_key(private, proven=True)
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey):
        raise Unusable("is of a kind that TLS servers do not use; take RSA, ECDSA or Ed25519", "private")
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size < _SHORTEST_RSA_KEY:
        raise Unusable(f"has {key.key_size} bits; take one of 2048 bits or more", "private")
    _compare(chain[0], key)
    key_text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in chain) + key_text


def check_pair(public: str, private: str) -> None:
    """Raises `Unusable` for two PEM texts that are no certificate and key, or do not belong together."""
    _compare(_certificates(public)[0], _private_key(private, proven=False))


def authority_certificates(content: bytes) -> tuple[bytes, ...]:
    """Each certificate of a certificate authority's file in PEM, at least one. Raises `Unusable`."""
    return tuple(certificate.public_bytes(Encoding.PEM) for certificate in _certificates(content))


def _certificates(pem: str | bytes) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(_as_bytes(pem))
    except ValueError:
        raise Unusable("holds no certificate in PEM, or a broken one; send it again in PEM") from None


def _private_key(pem: str, *, proven: bool) -> PrivateKeyTypes:
    try:
        return load_pem_private_key(_as_bytes(pem), password=None, unsafe_skip_rsa_key_validation=proven)
    except TypeError:
        raise Unusable(
            "is protected by a passphrase; store it without one (openssl pkey -in FILE)",
            "private",
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        raise Unusable(
            "is not a key in PEM; send the key that belongs to the certificate", "private"
        ) from None


def _compare(certificate: x509.Certificate, key: PrivateKeyTypes) -> None:
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    try:
        wanted = certificate.public_key().public_bytes(*form)
    except (ValueError, UnsupportedAlgorithm):
        raise Unusable("has a public key that cannot be read; have it issued anew") from None
    if wanted != key.public_key().public_bytes(*form):
        raise Unusable(
            "does not belong to the certificate; send the two that were made together",
            "private",
        )


def _as_bytes(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
