"""Codes of the second factor."""

from urllib.parse import parse_qs, urlsplit

import pytest

from pointsman.identity.totp import (
    address_of,
    code_at,
    digest_of,
    is_secret,
    new_recovery_codes,
    new_secret,
    step_of,
    without,
)

RFC_SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"


@pytest.mark.parametrize(
    ("moment", "code"),
    [
        (59, "287082"),
        (1_111_111_109, "081804"),
        (1_111_111_111, "050471"),
        (1_234_567_890, "005924"),
        (2_000_000_000, "279037"),
    ],
)
def test_codes_are_those_of_the_standard(moment: int, code: str) -> None:
    """RFC 6238, appendix B, with six digits."""
    assert code_at(RFC_SECRET, moment // 30) == code
    for skew in (-30, 0, 30):
        assert step_of(RFC_SECRET, f" {code[:3]} {code[3:]}", moment + skew) == moment // 30
    assert step_of(RFC_SECRET, code, moment + 90) is None


@pytest.mark.parametrize(
    "code", ["", "12345", "1234567", "abcdef", "\u0661\u0662\u0663\u0664\u0665\u0666", "-12345"]
)
def test_what_is_no_code_is_wrong(code: str) -> None:
    assert step_of(RFC_SECRET, code, 59) is None


def test_a_secret_is_long_and_an_app_can_read_its_address() -> None:
    secret = new_secret()
    assert is_secret(secret) and secret != new_secret()
    assert not is_secret("") and not is_secret("x!") and not is_secret(secret[:16])
    found = urlsplit(address_of(secret, "a b:c", "pm & 1"))
    assert (found.scheme, found.netloc) == ("otpauth", "totp")
    assert parse_qs(found.query)["secret"] == [secret]
    assert parse_qs(found.query)["issuer"] == ["pm & 1"]
    assert found.path == "/pm%20%26%201:a%20b%3Ac"


def test_a_recovery_code_is_good_once_however_it_is_typed() -> None:
    codes = new_recovery_codes()
    assert len(set(codes)) == 10
    held = tuple(map(digest_of, codes))
    assert not set(codes) & set(held)
    left = without(held, f" {codes[3].upper().replace('-', ' ')} ")
    assert left is not None and len(left) == 9
    assert without(left, codes[3]) is None
    assert without(held, "") is None
