"""The directory of an import: nothing is guessed, nothing outside it is read, and projected volumes work."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from tests.unit.document.shapes import REGISTRY
from tests.unit.document.test_load import write

from pointsman.document.fault import Faulty
from pointsman.document.load import Document, load_import
from pointsman.schema.problem import ObjectId

RULE = "rules: [{name: r, content: {valueFrom: {fileRef: {name: data/r}}}}]\n"
POOL = "pools: [{name: p, properties: {basic: {note: %s}}}]\n"


def read(base: Path, *names: str, **options: Any) -> Document:
    return load_import(base, REGISTRY, names or ("config",), **options)


def refused(base: Path, *names: str) -> str:
    with pytest.raises(Faulty) as caught:
        read(base, *names)
    return str(caught.value)


def test_documents_are_below_config_and_references_below_the_base(tmp_path: Path) -> None:
    """Importer 2: config/* are documents whatever their names; the rest is there to be referred to."""
    write(tmp_path, {
        "config/00-health-check": POOL % "one", "config/20-user": POOL % "two", "config/rule.yaml": RULE,
        "config/.hidden": "[", "config/sub/x.yaml": "[", "data/r": "x", "not-a-document.yaml": "[",
    })  # fmt: skip
    assert read(tmp_path).objects == {
        ObjectId("pools", "p"): {"basic": {"note": "two"}},
        ObjectId("rules", "r"): {"content": b"x"},
    }


def test_names_are_relative_to_the_directory_and_apply_in_their_order(tmp_path: Path) -> None:
    """Importer 1: the positional argument is a directory or files, relative to --chdir."""
    write(tmp_path, {"more/b": POOL % "b", "config/a": POOL % "a", "config/c": RULE, "data/r": "x"})
    assert read(tmp_path, "more", "config/a").objects == {ObjectId("pools", "p"): {"basic": {"note": "a"}}}
    assert read(tmp_path, "config/a", "more").objects == {ObjectId("pools", "p"): {"basic": {"note": "b"}}}
    assert 'leaves the base directory; write a path below it, without ".."' in refused(tmp_path, "../x")
    assert "leaves the base directory" in refused(tmp_path, "/etc")
    assert 'holds no "nothing"' in refused(tmp_path, "nothing")


def test_a_base_without_config_is_said(tmp_path: Path) -> None:
    """R28: a missing base directory, one without config and one without documents fail in clear words."""
    write(tmp_path, {"a.yaml": POOL % "a", "file": ""})
    base = str(tmp_path)
    assert f'{base} holds no "config"; put the documents into the directory {base}/config' in refused(
        tmp_path
    )
    assert "does not exist; name the directory that holds config/" in refused(tmp_path / "none")
    assert "is not a directory; name the directory" in refused(tmp_path / "file")
    (tmp_path / "config").mkdir()
    assert "holds no documents" in refused(tmp_path)
    assert "NUL" in refused(tmp_path / "a\0b")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_may_not_be_read_is_said(tmp_path: Path) -> None:
    """R28: an unreadable directory or document fails, naming it."""
    write(tmp_path, {"config/a": POOL % "a"})
    (tmp_path / "config" / "a").chmod(0)
    assert "config/a:1:1: cannot be read (Permission denied)" in refused(tmp_path)
    (tmp_path / "config").chmod(0)
    try:
        assert "config cannot be read (Permission denied)" in refused(tmp_path)
    finally:
        (tmp_path / "config").chmod(0o700)


def test_projected_volumes_are_read_through_their_links(tmp_path: Path) -> None:
    """Importer 2: files are symbolic links through ..data, hidden entries are ignored, and a swap is seen whole."""
    write(tmp_path, {
        "config/..2026_01/web": POOL % "old", "config/..2026_02/web": POOL % "new",
        "whole/..1/config/a": POOL % "whole",
    })  # fmt: skip
    config = tmp_path / "config"
    (config / "web").symlink_to("..data/web")
    for version, note in (("..2026_01", "old"), ("..2026_02", "new")):
        (config / "..data_tmp").symlink_to(version)
        (config / "..data_tmp").rename(config / "..data")
        assert read(tmp_path).objects == {ObjectId("pools", "p"): {"basic": {"note": note}}}
    # One volume that holds config itself: that directory is a link then.
    (tmp_path / "whole" / "..data").symlink_to("..1")
    (tmp_path / "whole" / "config").symlink_to("..data/config")
    assert read(tmp_path / "whole").objects == {ObjectId("pools", "p"): {"basic": {"note": "whole"}}}


def test_links_out_of_the_base_are_refused(tmp_path: Path) -> None:
    """Importer 6: nothing outside the base directory is read, neither as a document nor by a link to config."""
    write(tmp_path, {"outside/a": POOL % "secret", "in/config/ok": POOL % "a", "linked/x": ""})
    (tmp_path / "in" / "config" / "out").symlink_to("../../outside/a")
    text = refused(tmp_path / "in")
    assert "in/config/out:1:1: is a link out of the base directory; copy the file into it" in text
    assert "secret" not in text
    (tmp_path / "linked" / "config").symlink_to("../outside")
    assert "is a link out of the base directory" in refused(tmp_path / "linked")


def test_what_is_no_file_is_named_and_does_not_block(tmp_path: Path) -> None:
    """R28: a named pipe, a socket's place, a link to itself or nowhere among the documents."""
    write(tmp_path, {"config/a": POOL % "a"})
    os.mkfifo(tmp_path / "config" / "pipe")
    (tmp_path / "config" / "loop").symlink_to("loop")
    (tmp_path / "config" / "gone").symlink_to("nowhere")
    (tmp_path / "config" / "zero").symlink_to("/dev/zero")
    (tmp_path / "config" / "line\nbreak").write_text("[")
    lines = [line.removeprefix(f"{tmp_path}/config/") for line in refused(tmp_path).split("\n")]
    assert [line.split(" (")[0] for line in lines] == [
        "gone:1:1: cannot be read",
        r"line\nbreak:1:2: is not valid YAML",
        "loop:1:1: cannot be read",
        "pipe:1:1: is not a regular file; name a file",
        "zero:1:1: is not a regular file; name a file",
    ]
