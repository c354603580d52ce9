"""New certificates and requests: they hold what was asked for, and an authority's answer fits the key."""

from __future__ import annotations

import datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from tests.certificates import Authority

from pointsman.certificates.bundle import key_pem
from pointsman.certificates.chain import belongs
from pointsman.certificates.facts import alternative_names, chain_facts, parsed
from pointsman.certificates.make import KEYS, Subject, Unfit, names_of, read_key, request, self_signed
from pointsman.certificates.match import answers, covers
from pointsman.compiler.certificate import check_pair

NOW = datetime.datetime.now(datetime.UTC)


@pytest.mark.parametrize("kind", [kind for kind in KEYS if kind != "rsa-4096"])
def test_each_kind_of_key_makes_a_pair_that_the_store_takes(kind: str) -> None:
    key = KEYS[kind][1]()
    names = names_of("www.example.com\n*.example.com, 192.0.2.7 ::1 bücher.example")
    made = self_signed(key, Subject(organization="Größe & Co", country="de"), names, 10, NOW)
    check_pair(made, key_pem(key))
    facts = chain_facts(made)[0]
    assert facts.names == ("www.example.com", "*.example.com", "192.0.2.7", "::1", "xn--bcher-kva.example")
    assert facts.common_name == "www.example.com"
    assert facts.self_signed
    assert facts.days_left(NOW.timestamp()) == 10 - 1 or facts.days_left(NOW.timestamp()) == 10
    assert "C=DE" in facts.subject
    assert covers(facts.names, "BÜCHER.example.")


def test_a_request_comes_back_signed_and_fits() -> None:
    key = KEYS["ec-p256"][1]()
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    made = request(key, Subject("shop", "Example"), names_of("shop.example.com"))
    found = x509.load_pem_x509_csr(made.encode())
    assert found.is_signature_valid
    assert alternative_names(found) == ("shop.example.com",)
    signed = Authority.make("CA").sign_request(made)
    stored = read_key(key_pem(key))
    assert stored is not None
    assert belongs(signed, stored)


@pytest.mark.parametrize(
    ("subject", "names", "days", "at"),
    [
        (Subject(), "", 10, "names"),
        (Subject(country="Germany"), "a.example", 10, "country"),
        (Subject("x" * 65), "a.example", 10, "common_name"),
        (Subject("a\nb"), "a.example", 10, "common_name"),
        (Subject(), "a.example", 0, "days"),
        (Subject(), "a.example", 4000, "days"),
        (Subject(), "bad name!", 10, "names"),
        (Subject(), "*.*.example", 10, "names"),
        (Subject(), "-a.example", 10, "names"),
        (Subject(), " ".join(f"h{n}.example" for n in range(201)), 10, "names"),
    ],
)
def test_what_no_certificate_can_hold_is_refused(subject: Subject, names: str, days: int, at: str) -> None:
    with pytest.raises(Unfit) as refused:
        self_signed(KEYS["ec-p256"][1](), subject, names_of(names), days, NOW)
    assert refused.value.field == at


@pytest.mark.parametrize(
    ("name", "host", "fits"),
    [
        ("www.example.com", "WWW.example.com", True),
        ("*.example.com", "www.example.com", True),
        ("*.example.com", "a.b.example.com", False),
        ("*.example.com", "example.com", False),
        ("*.example.com", "*.example.com", True),
        ("*.0.0.1", "127.0.0.1", False),
        ("", "", False),
        ("127.0.0.1", "127.0.0.1", True),
    ],
)
def test_names_answer_as_tls_has_it(name: str, host: str, fits: bool) -> None:
    assert answers(name, host) is fits


def test_a_broken_key_is_none() -> None:
    assert read_key("no key") is None
    assert parsed("\ud800") == []
