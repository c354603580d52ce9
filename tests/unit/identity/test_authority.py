"""The authority of a cluster: whom it names, and that nobody else can be taken for a member."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest
from cryptography import x509

from pointsman.identity.authority import (
    LEAF_DAYS,
    RENEW_DAYS,
    Authority,
    NotAcceptable,
    make_key,
    make_request,
    member_of,
    private_text,
    public_text,
    unwrap,
    wrap,
)
from pointsman.identity.certificate import make_self_signed
from pointsman.identity.credential import Credential


def credential(authority: Authority, member: str = "m1") -> Credential:
    key = make_key()
    return Credential(private_text(key), authority.sign(make_request(key), member), authority.certificate)


def test_certificate_names_cluster_member_and_key() -> None:
    authority = Authority.make()
    made = credential(authority)
    assert (made.name.cluster, made.name.member) == (authority.cluster, "m1")
    assert made.name.public_key == public_text(made.key.public_key())
    left = made.expires - datetime.datetime.now(datetime.UTC)
    assert LEAF_DAYS - 1 <= left.days <= LEAF_DAYS


def test_certificate_is_renewed_well_before_its_end_for_the_same_key() -> None:
    authority = Authority.make()
    made = credential(authority)
    now = datetime.datetime.now(datetime.UTC)
    assert not made.due(now)
    assert made.due(now + datetime.timedelta(days=LEAF_DAYS - RENEW_DAYS + 1))
    renewed = made.renewed(authority.sign(make_request(made.key), "m1"))
    assert renewed.name == made.name and renewed.fingerprint != made.fingerprint


def test_what_is_no_request_is_not_signed() -> None:
    authority = Authority.make()
    for request in (b"", b"garbage", make_self_signed("x")[0]):
        with pytest.raises(NotAcceptable):
            authority.sign(request, "m1")


def test_foreign_certificates_name_no_member() -> None:
    der = x509.load_pem_x509_certificate(make_self_signed("x")[0])
    from cryptography.hazmat.primitives.serialization import Encoding

    for data in (b"", b"garbage", der.public_bytes(Encoding.DER)):
        with pytest.raises(NotAcceptable):
            member_of(data)


def test_secret_is_wrapped_for_one_holder() -> None:
    key, other = make_key(), make_key()
    wrapped = wrap(b"secret", public_text(key.public_key()))
    assert unwrap(wrapped, key) == b"secret"
    for text, holder in ((wrapped, other), (wrapped[:-4] + "AAAA", key), ("", key), ("x", key)):
        with pytest.raises(NotAcceptable):
            unwrap(text, holder)
    with pytest.raises(NotAcceptable):
        wrap(b"secret", "garbage")


def test_credential_is_read_as_it_was_stored(tmp_path: Path) -> None:
    made = credential(Authority.make())
    path = tmp_path / "identity" / "member.pem"
    assert Credential.read(path) is None
    made.store(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert Credential.read(path) == made
    assert b"PRIVATE" not in repr(made).encode()
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(NotAcceptable):
        Credential.read(path)
