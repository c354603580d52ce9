"""Where commands look for their instance."""

from __future__ import annotations

from pathlib import Path

import pytest

from pointsman.cli.target import default_home


@pytest.mark.parametrize(
    ("zeushome", "home"), [(None, "var"), ("", "var"), ("/usr/local/zeus", "/usr/local/zeus/var")]
)
def test_a_container_says_where_its_home_is(
    monkeypatch: pytest.MonkeyPatch, zeushome: str | None, home: str
) -> None:
    monkeypatch.delenv("ZEUSHOME", raising=False)
    if zeushome is not None:
        monkeypatch.setenv("ZEUSHOME", zeushome)
    assert default_home() == Path(home)
