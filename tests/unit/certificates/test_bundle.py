"""Uploads of certificates: every form that people send them in, and what is said of those that cannot be used."""

from __future__ import annotations

import contextlib

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs7,
    pkcs12,
)
from hypothesis import given
from hypothesis import strategies as st
from tests.certificates import Authority, key_pem_of, pem_of, self_signed

from pointsman.certificates.bundle import Unreadable, key_pem, read_bundle

ROOT = Authority.make("Root")
MIDDLE = Authority.make("Middle", ROOT)
LEAF, KEY = MIDDLE.sign("www.example.com")
SECRET = "correct horse"


def protected(form: PrivateFormat = PrivateFormat.PKCS8, encoding: Encoding = Encoding.PEM) -> bytes:
    """The key with a passphrase."""
    return KEY.private_bytes(encoding, form, BestAvailableEncryption(SECRET.encode()))


def packed(secret: str = SECRET) -> bytes:
    """All in PKCS#12."""
    sealed = BestAvailableEncryption(secret.encode()) if secret else NoEncryption()
    return pkcs12.serialize_key_and_certificates(b"x", KEY, LEAF, [MIDDLE.certificate], sealed)


@pytest.mark.parametrize(
    "parts",
    [
        [pem_of(LEAF, MIDDLE.certificate).encode() + key_pem_of(KEY).encode()],
        [key_pem_of(KEY).encode(), pem_of(LEAF, MIDDLE.certificate).encode()],
        [
            b"Bag Attributes\n  friendlyName: x\n" + pem_of(LEAF).encode(),
            pem_of(MIDDLE.certificate).encode(),
            protected(),
        ],
        [pem_of(LEAF, MIDDLE.certificate).encode(), protected(PrivateFormat.TraditionalOpenSSL)],
        [
            LEAF.public_bytes(Encoding.DER),
            MIDDLE.certificate.public_bytes(Encoding.DER),
            protected(encoding=Encoding.DER),
        ],
        [packed()],
        [pkcs7.serialize_certificates([LEAF, MIDDLE.certificate], Encoding.DER), key_pem_of(KEY).encode()],
        [pkcs7.serialize_certificates([LEAF, MIDDLE.certificate], Encoding.PEM), key_pem_of(KEY).encode()],
    ],
    ids=["one file", "two files", "three files", "traditional", "DER", "PKCS#12", "PKCS#7 DER", "PKCS#7 PEM"],
)
def test_every_form_is_read(parts: list[bytes]) -> None:
    bundle = read_bundle([*parts, b"", b"  \n"], SECRET)
    assert set(bundle.certificates) == {LEAF, MIDDLE.certificate}
    assert bundle.key is not None
    assert key_pem(bundle.key) == key_pem_of(KEY)


def test_pkcs12_without_a_passphrase() -> None:
    assert read_bundle([packed("")]).certificates[0] == LEAF


@pytest.mark.parametrize(
    ("part", "passphrase", "said"),
    [
        (packed(), "", "needs its passphrase"),
        (packed(), "wrong", "does not open the PKCS#12"),
        (protected(), "", "enter its passphrase"),
        (protected(), "wrong", "does not open the private key"),
        (protected(encoding=Encoding.DER), "", "enter its passphrase"),
        (b"hello", "", "neither a certificate nor a key"),
        (b"-----BEGIN NOTHING-----\n-----END NOTHING-----\n", "", "neither a certificate nor a private key"),
        (
            b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            "",
            "Certificate 1 of what was sent is damaged",
        ),
        (b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "", "private key cannot be read"),
        (b"x" * (5 * 1024 * 1024), "", "larger than any certificate"),
        (key_pem_of(KEY).encode() + self_signed("b")[1].encode(), "", "two private keys"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_used_is_told(part: bytes, passphrase: str, said: str) -> None:
    with pytest.raises(Unreadable, match=said) as refused:
        read_bundle([part], passphrase)
    assert SECRET not in str(refused.value)
    assert "wrong" not in str(refused.value)


@given(st.binary(max_size=300))
def test_no_bytes_break_it(data: bytes) -> None:
    with contextlib.suppress(Unreadable):
        read_bundle([data, b"\x30\x82\x01\x00\x02\x01\x03" + data, b"-----BEGIN " + data])
