"""What leaves the product holds no secret."""

from __future__ import annotations

import base64

import pytest
from tests.certificates import self_signed

from pointsman.control.masking import MASK, Mask, secrets_of
from pointsman.schema.problem import ObjectId
from pointsman.schema.registry import BY_PATH

_, KEY = self_signed("x")


@pytest.mark.parametrize(
    "text",
    [
        "said hunter22 twice: hunter22",
        '{"a": "pass \\"word\\""}',
        "a0" * 16,
        base64.b64encode(bytes.fromhex("a0" * 16)).decode(),
        f"before\n{KEY}after",
        KEY[: len(KEY) // 2],
        "user admin insecure-password tiny",
        "auth_pass tiny",
        "Authorization: Basic dXNlcjp0aW55",
        'password="tiny"',
        "Cookie: sid=tiny; b=tiny",
    ],
)
def test_secrets_are_masked(text: str) -> None:
    masked = Mask(["hunter22", 'pass "word"', "abc"], [bytes.fromhex("a0" * 16)]).text(text)
    assert MASK in masked
    for secret in ("hunter22", "word\\", "a0a0", "oKCg", "tiny", "dXNl", KEY.splitlines()[1]):
        assert secret not in masked


@pytest.mark.parametrize(
    "text", ["password changed", "the secret of the pool abc", "cookie JSESSIONID insert"]
)
def test_ordinary_words_stay(text: str) -> None:
    assert Mask(["abc"]).text(text) == text


def test_secrets_are_found_by_the_schema() -> None:
    objects = {
        ObjectId("monitors", "m"): {"http": {"authentication": "user:pw"}, "basic": {"note": "plain"}},
        ObjectId("ssl/server_keys", "k"): {"basic": {"private": "key", "public": "cert"}},
        ObjectId("rules", "r"): {"content": b"text"},
        ObjectId("unknown", "u"): {"basic": {"password": "x"}},
    }
    assert set(secrets_of(objects, BY_PATH)) == {"user:pw", "key"}  # type: ignore[arg-type]  # a plain dict
