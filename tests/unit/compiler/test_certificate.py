"""Certificates and keys: what is served is a matching pair, anything else has a reason."""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from tests.certificates import self_signed

from pointsman.compiler.certificate import Unusable, authority_certificates, chain_and_key


def test_the_file_holds_the_chain_and_the_key() -> None:
    public, private = self_signed("a.example")
    issuer, _ = self_signed("ca.example")
    pem = chain_and_key(f"hello\n{public}\nnoise\n{issuer}", private)
    assert b"noise" not in pem
    assert [c.subject.rfc4514_string() for c in x509.load_pem_x509_certificates(pem)] == [
        "CN=a.example",
        "CN=ca.example",
    ]
    load_pem_private_key(pem, None)


def test_a_pair_that_does_not_match_is_refused() -> None:
    with pytest.raises(Unusable, match="does not belong"):
        chain_and_key(self_signed("a.example")[0], self_signed("b.example")[1])


def test_nonsense_is_refused() -> None:
    public, private = self_signed("a.example")
    for bad in ("", "nonsense", "\ud800", public.replace("M", "!"), public[: len(public) // 2]):
        with pytest.raises(Unusable):
            chain_and_key(bad, private)
        with pytest.raises(Unusable):
            chain_and_key(public, bad)
        with pytest.raises(Unusable):
            authority_certificates(bad.encode("utf-8", "surrogatepass"))


def test_a_key_with_a_passphrase_is_refused() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    locked = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
    with pytest.raises(Unusable, match="passphrase"):
        chain_and_key(self_signed("a.example")[0], locked.decode())


def test_keys_that_no_client_accepts_are_refused() -> None:
    public = self_signed("a.example")[0]
    for key, reason in (
        (rsa.generate_private_key(65537, 1024), "2048"),
        (dsa.generate_private_key(1024), "kind"),
    ):
        text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        with pytest.raises(Unusable, match=reason):
            chain_and_key(public, text)


def test_authorities_are_taken_one_by_one() -> None:
    one, other = self_signed("a.example")[0], self_signed("b.example")[0]
    found = authority_certificates((one + other).encode())
    assert len(found) == 2
    assert all(pem.startswith(b"-----BEGIN CERTIFICATE") for pem in found)
