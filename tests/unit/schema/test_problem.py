"""How identities and problems read."""

from __future__ import annotations

import pytest

from pointsman.schema.problem import ObjectId, Problem


def test_an_identity_is_written_as_type_and_name() -> None:
    assert str(ObjectId("pools", "web")) == "pools/web"
    assert str(ObjectId("ssl/server_keys", "a/b")) == "ssl/server_keys/a/b"
    assert str(ObjectId("global_settings", "")) == "global_settings"


@pytest.mark.parametrize(
    ("subject", "path", "text"),
    [
        (ObjectId("pools", "web"), ("basic", "note"), "pools/web: basic.note: is bad; change it"),
        (ObjectId("pools", "web"), (), "pools/web: is bad; change it"),
        (None, (), "configuration: is bad; change it"),
        (None, ("basic",), "configuration: basic: is bad; change it"),
    ],
)
def test_a_problem_says_where(subject: ObjectId | None, path: tuple[str, ...], text: str) -> None:
    assert str(Problem(subject, path, "value.invalid", "is bad; change it")) == text
