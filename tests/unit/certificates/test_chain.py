"""Chains: their order, and what is said of them."""

from __future__ import annotations

import itertools
import time

import pytest
from cryptography import x509
from tests.certificates import Authority, pem_of, self_signed

from pointsman.certificates.chain import Finding, belongs, examine, in_order
from pointsman.certificates.facts import chain_facts, facts_of, parsed

ROOT = Authority.make("Root")
UPPER = Authority.make("Upper", ROOT)
LOWER = Authority.make("Lower", UPPER)
LEAF, KEY = LOWER.sign("www.example.com", ["www.example.com", "*.shop.example.com"], 90)
WHOLE = (LEAF, LOWER.certificate, UPPER.certificate)
NOW = time.time()


def texts(findings: tuple[Finding, ...], mark: str) -> str:
    """The findings of a mark."""
    return " ".join(one.text for one in findings if one.mark == mark)


def test_any_order_is_put_right() -> None:
    for shuffled in itertools.permutations(WHOLE):
        for key in (KEY, None):
            ordered = in_order(shuffled, key)
            assert ordered.chain == WHOLE
            assert ordered.moved == (shuffled != WHOLE)
            assert ordered.extra == ()


def test_what_does_not_belong_is_set_apart() -> None:
    stranger = Authority.make("Stranger").certificate
    ordered = in_order([stranger, LOWER.certificate, LEAF, LEAF], KEY)
    assert ordered.chain == (LEAF, LOWER.certificate)
    assert ordered.extra == (stranger,)


def test_the_key_decides_which_certificate_is_the_servers() -> None:
    other, key = LOWER.sign("other.example.com")
    assert in_order([LEAF, other, LOWER.certificate], key).chain[0] == other
    assert belongs(other, key)
    assert not belongs(LEAF, key)


def test_a_chain_in_order_has_no_complaints() -> None:
    found = examine(WHOLE, NOW, roots=[ROOT.certificate], hosts=["www.example.com"], key_fits=True)
    assert {one.mark for one in found} == {"ok"}


@pytest.mark.parametrize(
    ("chain", "mark", "said"),
    [
        ((LEAF, UPPER.certificate), "error", "Certificate 2 is not the issuer of certificate 1"),
        ((LEAF,), "warn", "probably an intermediate certificate is missing"),
        ((LEAF, LOWER.certificate), "warn", "no root that is known here"),
        ((*WHOLE, ROOT.certificate), "ok", "up to its root"),
        ((LEAF, Authority.make("Lower", UPPER).certificate), "error", "did not sign it"),
        ((), "error", "no certificate in it"),
    ],
)
def test_the_chain_is_judged(chain: tuple[x509.Certificate, ...], mark: str, said: str) -> None:
    assert said in texts(examine(chain, NOW, roots=[ROOT.certificate]), mark)


def test_ends_keys_and_names_are_judged() -> None:
    soon, _ = LOWER.sign("soon.example.com", days=5.5)
    late, _ = LOWER.sign("late.example.com", days=-1)
    assert "in 5 days" in texts(examine([soon], NOW), "error")
    assert "expired" in texts(examine([late], NOW), "error")
    assert "valid only from" in texts(examine([soon], NOW - 86_400), "error")
    assert "another certificate" in texts(examine(WHOLE, NOW, key_fits=False), "error")
    found = examine(WHOLE, NOW, hosts=["a.shop.example.com", "shop.example.com", "*.shop.example.com"])
    assert "does not hold: shop.example.com." in texts(found, "error")
    assert "self-signed" in texts(examine(parsed(self_signed("x")[0]), NOW), "warn")


def test_facts_are_those_of_the_certificate() -> None:
    facts = chain_facts(pem_of(*WHOLE))
    assert [one.title for one in facts] == ["www.example.com", "Lower", "Upper"]
    assert facts[0].names == ("www.example.com", "*.shop.example.com")
    assert facts[0].key == "ECDSA P-256"
    assert facts[0].days_left(NOW) == 89
    assert facts[0].light(NOW) == ("ok", "valid")
    assert facts[1].authority
    assert not facts[0].authority
    assert not facts[0].self_signed
    assert facts_of(ROOT.certificate).self_signed
    assert chain_facts("no certificate") == ()
