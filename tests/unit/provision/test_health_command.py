"""`pointsman-container health`."""

from __future__ import annotations

from pathlib import Path

import pytest

from pointsman.provision.command import execute


def test_it_says_that_nothing_has_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ZEUSHOME", str(tmp_path))
    assert execute(["health"]) == 1
    assert "nothing has started here yet" in capsys.readouterr().out
