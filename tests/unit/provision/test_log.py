"""The provision log: one line an entry, readable by its owner alone, and a place for it in any case."""

from __future__ import annotations

import contextlib
import io
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pointsman.provision.log import ProvisionLog, log_path, one_line


def test_entries_go_to_the_file_and_to_the_screen(tmp_path: Path) -> None:
    """R26: entries have the form `LEVEL: text` and are on the screen too."""
    screen = io.StringIO()
    log = ProvisionLog(tmp_path / "provision.log", screen=screen)
    log.info("one")
    log.warn("two")
    log.error("three")
    log.fatal("four")
    assert screen.getvalue() == "INFO: one\nWARN: two\nERROR: three\nFATAL: four\n"
    assert (tmp_path / "provision.log").read_text() == screen.getvalue()


def test_only_the_owner_reads_it_whatever_it_was(tmp_path: Path) -> None:
    """R18: the log, which may hold a generated password, is 0600."""
    path = tmp_path / "provision.log"
    path.write_text("INFO: earlier\n")
    path.chmod(0o644)
    ProvisionLog(path, screen=io.StringIO()).info("later")
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_text() == "INFO: earlier\nINFO: later\n"


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("")
    (tmp_path / "provision.log").symlink_to(tmp_path / "victim")
    log = ProvisionLog(tmp_path / "provision.log", screen=io.StringIO())
    log.fall_back(tmp_path)
    assert (tmp_path / "victim").read_text() == ""


def test_it_falls_back_and_keeps_what_was_said_before(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    log = ProvisionLog(tmp_path / "file" / "provision.log", screen=io.StringIO())
    log.info("before")
    log.fall_back(tmp_path / "home")
    log.info("after")
    assert log.path == tmp_path / "home" / "log" / "provision.log"
    before, warning, after = log.path.read_text().splitlines()
    assert (before, after) == ("INFO: before", "INFO: after")
    assert warning.startswith(f"WARN: {tmp_path}/file/provision.log cannot be written")
    assert log.path.stat().st_mode & 0o777 == 0o600


@contextlib.contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """As on a disk that is full: no file grows beyond `size` bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_stops_only_what_must_be_kept(tmp_path: Path) -> None:
    """R18, R26: lines are lost whole, the screen has them and says why; a password that cannot be kept is none."""
    screen = io.StringIO()
    path = tmp_path / "provision.log"
    log = ProvisionLog(path, screen=screen)
    log.info("before")
    with files_of_at_most(path.stat().st_size + 5):
        log.info("lost")
        log.info("lost as well")
        with pytest.raises(OSError, match="File too large") as failed:
            log.keep("the password")
    assert failed.value.filename == str(path)
    log.info("after")
    assert path.read_text() == "INFO: before\nINFO: after\n"
    assert screen.getvalue().count("cannot be written") == 1
    assert "INFO: lost as well\n" in screen.getvalue()


def test_a_closed_screen_does_not_matter(tmp_path: Path) -> None:
    screen = io.StringIO()
    screen.close()
    ProvisionLog(tmp_path / "log", screen=screen).info("said")
    assert (tmp_path / "log").read_text() == "INFO: said\n"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.characters(), max_size=300))
def test_no_text_makes_a_second_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "log").unlink(missing_ok=True)
    screen = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    ProvisionLog(tmp_path / "log", screen=screen).info(text)
    content = (tmp_path / "log").read_text(encoding="utf-8")
    assert len(content.splitlines()) == 1
    assert content.startswith("INFO: ")
    assert content[:-1].isprintable()


def test_huge_entries_are_cut() -> None:
    assert len(one_line("x" * 200_000)) < 5000


@pytest.mark.parametrize(
    ("given", "path"), [({}, "/var/log/provision.log"), ({"POINTSMAN_PROVISION_LOG": "/x"}, "/x")]
)
def test_where_it_belongs(given: dict[str, str], path: str) -> None:
    assert log_path(given) == Path(path)
