"""The container's command: its usage, and what is refused before anything begins."""

from __future__ import annotations

from pathlib import Path

import pytest

from pointsman.provision.command import COMMANDS, execute, pointsman_container


def test_every_command_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["--help"]) == 0
    said = capsys.readouterr().out
    assert all(name in said for name in COMMANDS)
    assert all(pointsman_container.get_command(None, name) for name in COMMANDS)  # type: ignore[arg-type] # not used


def test_an_unknown_command_is_a_matter_of_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["begin"]) == 2
    assert "begin" in capsys.readouterr().err


def test_self_register_says_that_it_is_not_built(capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["self-register", "now"]) == 1
    assert "not built yet" in capsys.readouterr().err


@pytest.mark.parametrize("given", [None, "", "ACCEPT", "yes", "accept ", "accept\n", "$(accept)"])
def test_the_licence_must_be_accepted(
    given: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """R14: without exactly ZEUS_EULA=accept the start ends with one line that names it and the licence's text."""
    monkeypatch.setenv("ZEUSHOME", str(tmp_path / "zeus"))
    monkeypatch.setenv("POINTSMAN_PROVISION_LOG", str(tmp_path / "provision.log"))
    if given is None:
        monkeypatch.delenv("ZEUS_EULA", raising=False)
    else:
        monkeypatch.setenv("ZEUS_EULA", given)
    assert execute(["start"]) == 10
    said = capsys.readouterr().out
    assert said.startswith("FATAL: ZEUS_EULA")
    assert said.count("\n") == 1
    assert str(tmp_path / "zeus" / "LICENSE") in said
    assert (tmp_path / "provision.log").read_text() == said
    assert not (tmp_path / "zeus").exists()
