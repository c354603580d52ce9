"""Packages: what apt is asked for, what becomes of its failures. A script stands for apt, which is not ours."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pointsman.provision.log import ProvisionLog
from pointsman.provision.outcome import CannotProvision, Exit
from pointsman.provision.packages import check_possible, install_packages, missing_packages

APT = """#!/bin/sh
echo "$(basename "$0") $*" >> "{calls}"
echo "secret: $ZEUS_PASS" >> "{calls}"
case "$*" in
*install*unheard-of*) echo "E: Unable to locate package unheard-of"; exit 100;;
*install*fatal*) kill -9 $$;;
*install*) echo "Setting up curl (8.14.1-2) ..."; exit 0;;
esac
"""


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where the stand-in for apt-get and dpkg writes how it was called."""
    made = tmp_path / "calls"
    made.touch()
    for name in ("apt-get", "dpkg"):
        script = tmp_path / "bin" / name
        script.parent.mkdir(exist_ok=True)
        script.write_text(APT.format(calls=made))
        script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setenv("ZEUS_PASS", "hush")
    yield made


def the_log(tmp_path: Path) -> ProvisionLog:
    return ProvisionLog(tmp_path / "log", screen=io.StringIO())


def test_packages_are_installed_once_for_each_container(tmp_path: Path, calls: Path) -> None:
    """R19: what is missing in this container is installed, with progress; what is there is not asked for again."""
    state = tmp_path / "state"
    assert missing_packages(("curl", "g++"), state) == ("curl", "g++")
    install_packages(("curl", "g++"), the_log(tmp_path), state)
    lines = [line for line in calls.read_text().splitlines() if line.startswith("apt-get")]
    assert lines[0].endswith(" update")
    assert lines[1].endswith(" install --no-install-recommends -- curl g++")
    assert "hush" not in calls.read_text()
    assert "apt-get install: setting up curl (8.14.1-2)" in (tmp_path / "log").read_text()
    assert missing_packages(("curl", "g++"), state) == ()
    assert missing_packages(("curl", "jq"), state) == ("jq",)
    install_packages(("jq",), the_log(tmp_path), state)
    assert missing_packages(("curl", "g++", "jq"), state) == ()


def test_an_unknown_package_is_named(tmp_path: Path, calls: Path) -> None:
    """R19: an unknown package ends the start, named; the next start begins by finishing what was interrupted."""
    state = tmp_path / "state"
    with pytest.raises(CannotProvision, match="Unable to locate package unheard-of") as failure:
        install_packages(("unheard-of",), the_log(tmp_path), state)
    assert failure.value.status is Exit.PACKAGES
    assert missing_packages(("unheard-of",), state) == ("unheard-of",)
    with pytest.raises(CannotProvision, match="apt-get install failed: it was killed by SIGKILL"):
        install_packages(("fatal",), the_log(tmp_path), state)
    calls.write_text("")
    install_packages(("curl",), the_log(tmp_path), state)
    assert calls.read_text().startswith("dpkg --configure -a\n")


def test_apt_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CannotProvision, match="apt-get cannot be run"):
        install_packages(("curl",), the_log(tmp_path), tmp_path / "state")


def test_the_guides_old_java_is_refused_clearly() -> None:
    """R19: the guide's example, a Java 7 that no Debian has, is refused with what to name instead."""
    with pytest.raises(CannotProvision, match="default-jre-headless") as failure:
        check_possible(("openjdk-7-jre-headless",))
    assert failure.value.status is Exit.PACKAGES


@pytest.mark.skipif(
    os.geteuid() == 0, reason="needs an ordinary user; the end-to-end tests of the container are root's"
)
def test_only_root_installs_packages() -> None:
    with pytest.raises(CannotProvision, match="only root"):
        check_possible(("curl",))
