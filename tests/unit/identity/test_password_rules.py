"""Which passwords are taken."""

import time

import pytest

from pointsman.identity.password_rules import Rules, is_guessed_first, is_weak, why_refused


@pytest.mark.parametrize(
    "password",
    [
        "password", "Password1!", "p4ssw0rd2024", "Pa$$w0rd!", "12345678", "87654321", "qwertyuiop", "1234qwer",
        "abababab", "abcabcabc", "11111111", "adminadmin", "Summer2026!", "letmein!!", "zeus2024!", "changeme",
        "1q2w3e4r", "20260101", "secret password", "administrator", "trustno1", "ADMINPASSWORD1", "qazwsxedc",
    ],
)  # fmt: skip
def test_what_everybody_tries_first_is_refused(password: str) -> None:
    assert is_guessed_first(password)
    assert "guessed first" in why_refused("nobody", password) or "user name" in why_refused(
        "nobody", password
    )
    assert is_weak("nobody", password)


@pytest.mark.parametrize(
    "password",
    [
        "correct horse battery", "xK9#vvqL", "four unrelated words", "k7Jq2mPx", "of-the-cluster-1", "tr0ub4dor&3x",
        "19283746551029a",
        "\u65e5\u672c\u8a9e\u306e\u30d1\u30b9\u30ef\u30fc\u30c9", "p" * 40 + "assword x", "ZwQ,.-_+8hGt",
    ],
)  # fmt: skip
def test_what_nobody_tries_first_is_taken(password: str) -> None:
    assert why_refused("admin", password) == ""
    assert not is_weak("admin", password)


def test_length_user_name_and_no_composition() -> None:
    assert "8 to 1024" in why_refused("ann", "sh0rt!x")
    assert "at most" in why_refused("ann", "xy" * 600)
    assert "user name" in why_refused("annika", "xAnnikax")
    assert why_refused("ann", "onlylowerletters") == ""


def test_what_an_administrator_asks_besides() -> None:
    for rules, bad, good in (
        (Rules(min_length=12), "elevenchars", "twelve chars"),
        (Rules(min_alpha=9), "eight let1234", "nine letters 12"),
        (Rules(min_upper=2), "One capital here", "Two Capitals here"),
        (Rules(min_numeric=3), "two digits 12", "three digits 123"),
        (Rules(min_special=2), "onespecial-one", "two special--ones"),
        (Rules(consecutive=False), "letters in pairs", "no twin chars her"),
    ):
        assert why_refused("ann", bad, rules), (rules, bad)
        assert why_refused("ann", good, rules) == "", (rules, good)


def test_looking_at_a_long_password_is_quick() -> None:
    begin = time.process_time()
    for text in ("1234" * 256, "1234567890qwertz" * 2 + "!", "a" * 1024, "abc" * 300, "password" * 100):
        is_guessed_first(text)
    assert time.process_time() - begin < 0.5
