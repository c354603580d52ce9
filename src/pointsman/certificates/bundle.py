"""What people upload as a certificate: PEM in any order, DER, PKCS#12, PKCS#7; with a passphrase or without.

Pure. Invariant: an unreadable part is an error that says which one and what to do; a passphrase appears in none.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
    load_pem_private_key,
    pkcs7,
    pkcs12,
)

LARGEST = 4 * 1024 * 1024
"""Bytes of an upload that are looked at."""
MOST_CERTIFICATES = 1000
_BLOCK = re.compile(rb"-----BEGIN ([A-Z0-9 ]{1,40})-----.*?-----END \1-----", re.DOTALL)
_CERTIFICATES = frozenset({b"CERTIFICATE", b"X509 CERTIFICATE", b"TRUSTED CERTIFICATE"})
_PASSED_OVER = frozenset(
    {b"EC PARAMETERS", b"DH PARAMETERS", b"CERTIFICATE REQUEST", b"NEW CERTIFICATE REQUEST"}
)
_REQUESTS = frozenset(label for label in _PASSED_OVER if label.endswith(b"REQUEST"))


class Unreadable(ValueError):
    """Why an upload cannot be used, as a sentence with its remedy."""


@dataclass
class Bundle:
    """What an upload held: certificates as they came, at most one private key, and whether there were requests."""

    certificates: list[x509.Certificate] = field(default_factory=list)
    key: PrivateKeyTypes | None = field(default=None, repr=False)
    requested: bool = False

    def take_key(self, key: PrivateKeyTypes) -> None:
        """Takes a key; raises `Unreadable` where there is another one already."""
        if self.key is not None and key_pem(self.key) != key_pem(key):
            raise Unreadable(
                "There are two private keys in what was sent. Send one certificate with its key at a time."
            )
        self.key = key


def read_bundle(parts: Iterable[bytes], passphrase: str = "") -> Bundle:
    """Everything that is in some uploads. Raises `Unreadable`."""
    bundle = Bundle()
    for part in parts:
        if len(part) > LARGEST:
            raise Unreadable(
                "What was sent is larger than any certificate. Send the certificate, its chain and its key."
            )
        if part.strip():
            if b"-----BEGIN " in part:
                _read_pem(part, passphrase, bundle)
            else:
                _read_der(part, passphrase, bundle)
    if len(bundle.certificates) > MOST_CERTIFICATES:
        raise Unreadable(
            f"There are more than {MOST_CERTIFICATES} certificates in it. Send the ones that are needed."
        )
    return bundle


def key_pem(key: PrivateKeyTypes) -> str:
    """A private key as it is stored: PEM without passphrase."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def chain_pem(chain: Iterable[x509.Certificate]) -> str:
    """Certificates in PEM."""
    return "".join(one.public_bytes(Encoding.PEM).decode() for one in chain)


def _read_pem(part: bytes, passphrase: str, bundle: Bundle) -> None:
    known = False
    for found in _BLOCK.finditer(part):
        label, block = found[1], found[0] + b"\n"
        if label in _CERTIFICATES:
            known = True
            try:
                bundle.certificates += x509.load_pem_x509_certificates(
                    block.replace(b"X509 CERTIFICATE", b"CERTIFICATE")
                    if label == b"X509 CERTIFICATE"
                    else block
                )
            except ValueError:
                number = len(bundle.certificates) + 1
                raise Unreadable(
                    f"Certificate {number} of what was sent is damaged. Get it again, and send it whole."
                ) from None
        elif label.endswith(b"PRIVATE KEY"):
            known = True
            bundle.take_key(_key(partial(load_pem_private_key, block), passphrase))
        elif label in (b"PKCS7", b"CMS"):
            known = True
            bundle.certificates += _pkcs7(partial(pkcs7.load_pem_pkcs7_certificates, block))
        elif label in _PASSED_OVER:
            known = True
            bundle.requested = bundle.requested or label in _REQUESTS
    if not known:
        raise Unreadable(
            "There is neither a certificate nor a private key in what was sent. Send them in PEM, DER or PKCS#12."
        )


def _read_der(part: bytes, passphrase: str, bundle: Bundle) -> None:
    try:
        bundle.certificates.append(x509.load_der_x509_certificate(part))
        return
    except ValueError:
        pass
    if _is_pkcs12(part):
        _read_pkcs12(part, passphrase, bundle)
        return
    try:
        bundle.take_key(_key(partial(load_der_private_key, part), passphrase))
        return
    except Unreadable as unreadable:
        if "passphrase" in str(unreadable):
            raise
    bundle.certificates += _pkcs7(partial(pkcs7.load_der_pkcs7_certificates, part))


def _is_pkcs12(part: bytes) -> bool:
    """A sequence that begins with the version 3."""
    return part[:1] == b"\x30" and any(
        part[offset : offset + 3] == b"\x02\x01\x03" for offset in (2, 3, 4, 5, 6)
    )


def _read_pkcs12(part: bytes, passphrase: str, bundle: Bundle) -> None:
    key = certificate = None
    more: list[x509.Certificate] = []
    # Some programs leave the passphrase out, others set an empty one.
    for secret in (passphrase.encode(),) if passphrase else (None, b""):
        try:
            key, certificate, more = pkcs12.load_key_and_certificates(part, secret)
            break
        except (ValueError, TypeError, UnsupportedAlgorithm):
            continue
    else:
        raise Unreadable(
            "The passphrase does not open the PKCS#12 file, or the file is damaged. Enter the "
            "one that it was made with."
            if passphrase
            else "The PKCS#12 file needs its passphrase. Enter the one that it was made with."
        )
    bundle.certificates += ([certificate] if certificate is not None else []) + list(more)
    if key is not None:
        bundle.take_key(key)


def _key(load: Callable[[bytes | None], PrivateKeyTypes], passphrase: str) -> PrivateKeyTypes:
    try:
        return load(None)
    except TypeError:
        if not passphrase:
            raise Unreadable(
                "The private key is protected: enter its passphrase. It is stored without one, sealed."
            ) from None
    except (ValueError, UnsupportedAlgorithm):
        raise Unreadable("The private key cannot be read. Send it in PEM or DER, whole.") from None
    try:
        return load(passphrase.encode())
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise Unreadable(
            "The passphrase does not open the private key. Enter the one that it was made with."
        ) from None


def _pkcs7(load: Callable[[], list[x509.Certificate]]) -> list[x509.Certificate]:
    try:
        return load()
    except (ValueError, UnsupportedAlgorithm):
        raise Unreadable(
            "What was sent is neither a certificate nor a key in PEM, DER, PKCS#7 or PKCS#12. Send it in one of these."
        ) from None
