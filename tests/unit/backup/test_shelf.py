"""The directory of backups: names that lead nowhere else, files that are whole or not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from pointsman.backup.archive import Content, Manifest, write
from pointsman.backup.shelf import NameRefused, Shelf, file_name
from pointsman.schema.problem import ObjectId

NAMES = [
    "one", "before the change", "2026-11-29 (2)", "caf\u00e9", "<img src=x onerror=alert(1)>", "a%2fb", "100%",
    "x.tar", "a'b\"c;$(id)`", "CON", "a:b*c?", "~", "-rf", "\u202ex"[1:],
]  # fmt: skip
BAD = [
    "", " a", "a ", ".", "..", ".hidden", "../x", "a/b", "a\\b", "/etc/passwd", "a\0b", "a\nb", "cafe\u0301",
    "x" * 300, "\u00e9" * 60, "\u202ex", "\ud800",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_name_comes_back_from_the_disk(tmp_path: Path, name: str) -> None:
    shelf = Shelf(tmp_path)
    shelf.open()
    shelf.write(name, write(Manifest(description="d"), Content({})))
    assert [path.parent for path in tmp_path.rglob("*") if path.is_file()] == [tmp_path / "backups"]
    assert shelf.names() == [name]
    kept = shelf.look(name)
    assert kept is not None and kept.manifest.description == "d"
    assert shelf.delete(name) and not shelf.delete(name)
    assert shelf.names() == []


@pytest.mark.parametrize("name", BAD, ids=ascii)
def test_names_that_could_lead_elsewhere_are_refused(tmp_path: Path, name: str) -> None:
    shelf = Shelf(tmp_path)
    for act in (file_name, shelf.look, shelf.read, shelf.delete, lambda name: shelf.write(name, b"")):
        with pytest.raises(NameRefused):
            act(name)
    assert list(tmp_path.iterdir()) == []


def test_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    shelf.open()
    shelf.write("one", b"x")
    (file,) = shelf.directory.iterdir()
    assert (shelf.directory.stat().st_mode & 0o777, file.stat().st_mode & 0o777) == (0o700, 0o600)


def test_what_is_not_ours_is_left_alone(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    shelf.open()
    outside = tmp_path / "secret"
    outside.write_text("x")
    (shelf.directory / "link.tar").symlink_to(outside)
    (shelf.directory / "notes.txt").write_text("mine")
    (shelf.directory / "%41.tar").write_text("written otherwise than we would")
    (shelf.directory / "folder.tar").mkdir()
    shelf.open()
    assert shelf.names() == []
    assert shelf.look("link") is None and shelf.read("link") is None and not shelf.delete("link")
    assert shelf.look("folder") is None and shelf.read("folder") is None and not shelf.delete("folder")
    assert outside.read_text() == "x" and (shelf.directory / "notes.txt").exists()


def test_drafts_that_a_death_left_are_removed(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    shelf.open()
    draft = shelf.directory / ".one.tar.x7f_9"
    draft.write_bytes(b"half")
    assert shelf.names() == []
    shelf.open()
    assert not draft.exists()


def test_a_damaged_one_is_listed_with_its_fault(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    shelf.open()
    shelf.write("bad", b"no tar")
    shelf.write("good", write(Manifest(time=5), Content({})))
    assert [(kept.name, bool(kept.fault)) for kept in shelf.list()] == [("bad", True), ("good", False)]


def test_a_long_manifest_is_read(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    shelf.open()
    files = {ObjectId("rules", f"r{number}"): {"content": str(number).encode()} for number in range(300)}
    shelf.write("many", write(Manifest(), Content(files)))
    kept = shelf.look("many")
    assert kept is not None and kept.manifest.counts == {"rules": 300}
