"""The flags of `run`: what is passed on, and what ends in one line and status 1."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import pytest
from tests.unit.cli.conftest import Answer, serve_nothing

import pointsman as package
from pointsman.cli.command import execute
from pointsman.cli.run import RunOptions, Unusable, check_options

Pointsman = Callable[..., Answer]


def flags(where: Path, **given: object) -> dict[str, object]:
    """Flags as click gives them."""
    return {field.name: None for field in fields(RunOptions)} | {"home": where, "demo": False} | given


def test_the_flags_survive_the_way_through_the_launcher(tmp_path: Path) -> None:
    password = tmp_path / "password"
    password.write_text("secret\n")
    seen: list[RunOptions] = []

    def serve(options: RunOptions) -> int:
        seen.append(options)
        return 7

    first = check_options(
        flags(
            tmp_path / "home", name="pm-1.example", listen="::1", rest_port=0, ui_port=9090, control_port=9080,
            password_file=password, ready_file=tmp_path / "ready", demo=True,
        )
    )  # fmt: skip
    assert execute(serve, ["daemon", *first.arguments()]) == 7
    assert execute(serve, ["daemon", *RunOptions(tmp_path / "home").arguments()]) == 7
    assert seen == [first, RunOptions(tmp_path / "home")]


def test_run_becomes_the_launcher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Became(Exception):
        pass

    became: list[list[str]] = []

    def exec_(program: str, words: list[str]) -> None:
        became.append([program, *words])
        raise Became

    monkeypatch.setattr("os.execv", exec_)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Became):
        execute(serve_nothing, ["run", "--demo", "--rest-port", "0"])
    home = str(tmp_path / "var")
    python = [sys.executable, "-P", "-m"]
    assert became == [
        [sys.executable, *python, "pointsman.launcher", "--home", home, "--", *python, "pointsman", "daemon",
         "--home", home, "--rest-port", "0", "--demo"]
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"listen": "somewhere"}, "--listen somewhere: is not an IP address"),
        ({"name": "a b"}, "--name 'a b': is not a host name"),
        ({"name": "-a"}, "is not a host name"),
        ({"rest_port": 9000, "ui_port": 9000}, "must differ"),
        ({"password_file": Path("/nowhere/password")}, "--password-file /nowhere/password: cannot be read"),
        ({"password_file": Path("/dev/null")}, "its first line is empty"),
        ({"ready_file": Path("/tmp")}, "is a directory"),
        ({"home": Path("/dev/null/home")}, "--home /dev/null/home: cannot be used"),
        ({"home": Path("/tmp/" + "x" * 120)}, "too long for sockets"),
        ({"home": Path("/tmp/a\nb")}, "line break"),
    ],
)
def test_flags_that_cannot_work(tmp_path: Path, given: dict[str, object], words: str) -> None:
    with pytest.raises(Unusable, match=re.escape(words)):
        check_options(flags(tmp_path, **given))


@pytest.mark.parametrize(
    "words",
    [
        ("run", "--rest-port", "70000"),
        ("run", "--rest-port", "x"),
        ("run", "--frob"),
        ("run", "extra"),
        ("run", "--home", "/dev/null/home"),
        ("daemon", "--listen", "x"),
        ("frob",),
        ("status", "--url", "https://x"),
        ("status", "--fingerprint", "AA"),
        ("check",),
    ],
)
def test_wrong_usage_is_one_line_and_status_one(pointsman: Pointsman, words: tuple[str, ...]) -> None:
    answer = pointsman(*words)
    assert answer.status == 1
    assert answer.out == ""
    assert len(answer.err.splitlines()) == 1
    assert answer.err.startswith("pointsman")


def test_a_home_is_made_private(tmp_path: Path) -> None:
    check_options(flags(tmp_path / "new" / "home"))
    assert (tmp_path / "new" / "home").stat().st_mode & 0o777 == 0o700
    assert list((tmp_path / "new" / "home").iterdir()) == []
    with socket.socket(socket.AF_UNIX) as probe:
        probe.bind(str(tmp_path / "new" / "home" / "probe"))


def test_version_and_help(pointsman: Pointsman) -> None:
    from pointsman import __version__

    assert pointsman("--version").out == f"pointsman {__version__}\n"
    listed = pointsman("--help").out
    assert all(name in listed for name in ("apply", "check", "diff", "run", "status"))
    assert "daemon" not in listed
    assert pointsman("run", "--help").status == 0
    assert pointsman().status == 1


def test_garbage_is_rarely_looked_for_from_the_beginning() -> None:
    """What a command imports and reads is no garbage, and looking for some in it makes every start slower."""
    code = (
        "import gc, pointsman.__main__ as command\n"
        "command.execute = lambda serve: print(gc.get_threshold())\n"
        "command.main()"
    )
    source = Path(str(package.__file__)).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=True, env={"PYTHONPATH": str(source)}
    )
    assert done.stdout == b"(50000, 20, 20)\n"


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("command", "pydantic rich httpx yaml pointsman.schema.registry"),
        ("apply", "pointsman.compiler.compile pointsman.engine.haproxy"),
        ("config_import", "pointsman.schema.registry pointsman.compiler.compile"),
        ("diff", "pointsman.compiler.compile pointsman.engine.haproxy"),
        ("status", "pointsman.schema.registry pointsman.compiler.compile"),
    ],
)
def test_a_command_imports_only_what_it_needs(module: str, absent: str) -> None:
    code = f"import sys, pointsman.cli.{module}; print([m for m in {absent.split()} if m in sys.modules])"
    source = Path(str(package.__file__)).parents[1]
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=True, env={"PYTHONPATH": str(source)}
    )
    assert found.stdout == b"[]\n"
