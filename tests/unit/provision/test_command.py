"""The container's command: its usage, and what is refused before anything begins."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from pointsman.cli.run import run
from pointsman.provision.command import COMMANDS, execute, pointsman_container
from pointsman.provision.start import run_words, start


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


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["bash"], "docker exec -i -t CONTAINER"),
        (["--home", "/x"], "--home"),
        (["--password-file=/x"], "--password-file"),
        (["--rest-port", "70000"], "70000"),
    ],
)
def test_wrong_words_are_refused_before_anything_begins(
    words: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("ZEUSHOME", str(tmp_path / "zeus"))
    monkeypatch.setenv("POINTSMAN_PROVISION_LOG", str(tmp_path / "provision.log"))
    monkeypatch.setenv("ZEUS_EULA", "accept")
    assert execute(["start", *words]) == 2
    wrote = capsys.readouterr().err
    assert said in wrote
    assert wrote.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_the_start_takes_the_flags_of_run() -> None:
    """All but those that the container decides, with the same types: what is taken here is never refused there."""
    own = {option.name: option for option in start.params if isinstance(option, click.Option)}
    theirs = {option.name: option for option in run.params if isinstance(option, click.Option)}
    assert set(theirs) - set(own) == {"home", "password_file"}
    assert set(own) <= set(theirs)
    assert {name for name in own if own[name].is_flag != theirs[name].is_flag} == set()


def test_flags_are_passed_on() -> None:
    assert run_words({"rest_port": 0, "name": None, "demo": True, "ready_file": "/x y"}) == [
        "--rest-port", "0", "--demo", "--ready-file", "/x y",
    ]  # fmt: skip
    assert run_words({"demo": False}) == []
