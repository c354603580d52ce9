"""Changes below a directory are noticed, whatever way it lies there."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from pointsman.document import inotify, watch
from pointsman.document.watch import Watcher, content_digest, look

DEADLINE = 10.0
"""Five times the promise of two seconds."""


def fill(root: Path) -> Path:
    """A directory as the importer has it."""
    (root / "config").mkdir(parents=True)
    (root / "config" / "00-base").write_text("pools: []\n")
    (root / "tls").mkdir()
    (root / "tls" / "a.crt").write_text("one\n")
    return root


def project(root: Path, version: str, **files: str) -> None:
    """Puts files there as Kubernetes does: links through `..data`, which is swapped for another directory at once."""
    real = root / f"..{version}"
    for name, text in files.items():
        (real / name).parent.mkdir(parents=True, exist_ok=True)
        (real / name).write_text(text)
        # The inode of the old text stays in use: what is seen must come from where the link leads, not from chance.
        os.utime(real / name, (1, 1))
    (root / "..data_tmp").symlink_to(real.name)
    (root / "..data_tmp").rename(root / "..data")
    for name in {Path(name).parts[0] for name in files}:
        if not (root / name).is_symlink():
            (root / name).symlink_to(Path("..data") / name)


def swap(root: Path) -> None:
    project(root, "2026_02_02", extra="two")


def recreate(root: Path) -> None:
    shutil.rmtree(root)
    fill(root)


def replace_directory(root: Path) -> None:
    root.rename(root.with_name("away"))
    fill(root)


CHANGES: dict[str, Callable[[Path], object]] = {
    "a document written": lambda root: (root / "config" / "00-base").write_text("pools: [] # more\n"),
    "a document of the same size and time": lambda root: same_size(root / "config" / "00-base"),
    "a document touched": lambda root: os.utime(root / "config" / "00-base", (5, 5)),
    "a new document": lambda root: (root / "config" / "10-more").write_text("pools: []\n"),
    "a document gone": lambda root: (root / "config" / "00-base").unlink(),
    "a document renamed": lambda root: (root / "config" / "00-base").rename(root / "config" / "01-base"),
    "a file that is referred to": lambda root: (root / "tls" / "a.crt").write_text("two\n"),
    "rights": lambda root: (root / "tls" / "a.crt").chmod(0o600),
    "a new directory deep down": lambda root: (root / "tls" / "x" / "y").mkdir(parents=True),
    "all of it gone": shutil.rmtree,
    "gone and made again": recreate,
    "another directory in its place": replace_directory,
    "a swap of ..data": swap,
}


def same_size(path: Path) -> None:
    status = path.stat()
    path.write_text("pools: {}\n")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorter waits than in earnest, in proportion."""
    monkeypatch.setattr(watch, "LOOK_SECONDS", 0.1)
    monkeypatch.setattr(watch, "QUIET_SECONDS", 0.03)
    monkeypatch.setattr(watch, "MOST_SECONDS", 0.3)


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
async def test_a_change_is_noticed(
    tmp_path: Path, change: Callable[[Path], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """R29: inotify tells of whatever changes in the watched configuration, long before the next look."""
    monkeypatch.setattr(watch, "LOOK_SECONDS", 60.0)
    root = fill(tmp_path / "watched")
    project(root, "2026_01_01", extra="one")
    async with Watcher(root) as watcher, asyncio.timeout(DEADLINE):
        change(root)
        await watcher.change()


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
async def test_a_change_is_noticed_without_inotify(
    tmp_path: Path, change: Callable[[Path], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """R29: network mounts, which have no inotify, are looked at each second."""
    monkeypatch.setattr(inotify, "MOST_DIRECTORIES", 0)
    root = fill(tmp_path / "watched")
    project(root, "2026_01_01", extra="one")
    async with Watcher(root) as watcher, asyncio.timeout(DEADLINE):
        change(root)
        await watcher.change()


async def test_a_directory_that_is_not_there_yet_is_noticed(tmp_path: Path) -> None:
    """R29: a mount that comes late is noticed when it comes."""
    async with Watcher(tmp_path / "late") as watcher, asyncio.timeout(DEADLINE):
        fill(tmp_path / "late")
        await watcher.change()


async def test_writing_without_a_pause_is_noticed_too(tmp_path: Path) -> None:
    """R29: quiet is not waited for without end."""
    root = fill(tmp_path / "watched")
    done = asyncio.Event()

    async def write() -> None:
        count = 0
        while not done.is_set():
            (root / "config" / "log").write_text("#" * (count := count + 1))
            await asyncio.sleep(0.01)

    async with Watcher(root) as watcher, asyncio.timeout(DEADLINE), asyncio.TaskGroup() as group:
        group.create_task(write())
        await watcher.change()
        done.set()


def test_projected_volumes_are_seen_through_their_links(tmp_path: Path) -> None:
    """Importer 11i: a swap of `..data` changes the look, also when size and time of the files stay the same."""
    project(tmp_path, "2026_01_01", **{"config/a": "pools: []"})
    before, content = look(tmp_path), content_digest(tmp_path)
    project(tmp_path, "2026_01_02", **{"config/a": "rules: []"})
    assert look(tmp_path).digest != before.digest
    assert content_digest(tmp_path) != content
    assert (tmp_path / "config" / "a").read_text() == "rules: []"


def test_hidden_entries_do_not_count(tmp_path: Path) -> None:
    """Importer 2: editors' and other hidden files change nothing."""
    before = look(fill(tmp_path)).digest
    (tmp_path / "config" / ".a.swp").write_text("x")
    (tmp_path / ".git").mkdir()
    assert look(tmp_path).digest == before


def test_links_in_a_circle_and_out_of_the_directory_end(tmp_path: Path) -> None:
    """R29: links that lead in a circle, out of the directory or nowhere hold nothing up."""
    root = fill(tmp_path / "watched")
    (root / "config" / "up").symlink_to("..")
    (root / "config" / "self").symlink_to("self")
    (root / "config" / "root").symlink_to("/")
    (root / "config" / "nowhere").symlink_to("missing")
    found = look(root)
    assert len(found.directories) < 20
    assert look(root) == found
    assert content_digest(root) == content_digest(root)


def test_links_among_directories_make_no_forest(tmp_path: Path) -> None:
    """Each of a dozen directories leads to all of them: followed on every way that is 1,300 million places."""
    for folder in range(12):
        (tmp_path / f"d{folder}").mkdir()
        for other in range(12):
            (tmp_path / f"d{folder}" / f"to{other}").symlink_to(f"../d{other}")
    seen = look(tmp_path)
    assert len(seen.directories) == 13
    digest = content_digest(tmp_path)
    link = tmp_path / "d0" / "to1"
    link.unlink()
    link.symlink_to("../d2")
    assert look(tmp_path) != seen
    assert content_digest(tmp_path) != digest


def test_a_single_file_can_be_watched(tmp_path: Path) -> None:
    """R29: a bind mount of one file is a place like others."""
    file = tmp_path / "document"
    file.write_text("a")
    before = look(file), content_digest(file)
    file.write_text("b")
    os.utime(file, (1, 1))
    assert (look(file), content_digest(file)) != before


def test_content_is_the_same_after_a_copy(tmp_path: Path) -> None:
    """R29: what was imported before a restart is known again by its content alone."""
    root = fill(tmp_path / "one")
    shutil.copytree(root, tmp_path / "two")
    assert content_digest(root) == content_digest(tmp_path / "two")
    os.utime(root / "tls" / "a.crt", (9, 9))
    assert content_digest(root) == content_digest(tmp_path / "two")
    (root / "tls" / "a.crt").write_text("other\n")
    assert content_digest(root) != content_digest(tmp_path / "two")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_what_cannot_be_read_is_part_of_the_look(tmp_path: Path) -> None:
    """R29: a directory that becomes readable again is a change."""
    root = fill(tmp_path / "watched")
    (root / "config").chmod(0)
    before = look(root)
    (root / "config").chmod(0o700)
    assert look(root) != before
