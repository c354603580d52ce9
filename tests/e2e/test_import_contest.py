"""Two members that watch different documents: whoever looks is told, by name, until it is mended."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.test_cluster import join
from tests.e2e.test_import import deployed, names, write
from tools.instance import Instance, wait_for

SECONDS = 30.0


@pytest.fixture
def two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Instance, Instance]]:
    """A cluster of pm1 and pm2, each of which watches a directory of its own."""
    made = []
    for number in (1, 2):
        write(tmp_path / f"d{number}", "pools", pools(f"of-{number}"))
        instance = deployed(tmp_path / f"h{number}", monkeypatch, watched=tmp_path / f"d{number}")
        instance.flags = ("--name", f"pm{number}", "--listen", f"127.0.0.{number + 1}")
        made.append(instance)
    one, other = made
    try:
        one.start()
        other.start()
        joined = join(other, one, "--replace-own")
        assert joined.returncode == 0, joined
        yield one, other
    finally:
        for instance in made:
            if instance.process is not None:
                instance.stop()


def pools(*called: str) -> dict[str, Any]:
    """A document with pools."""
    return {"pools": [{"name": name} for name in called]}


def remarks(instance: Instance) -> list[str]:
    """What a member says of documents that are contested."""
    found = instance.get("status/local_tm/conditions")["conditions"]
    return [str(one["message"]) for one in found if one["code"] == "documents.contested"]


def agreed(instance: Instance) -> bool:
    return not remarks(instance)


def told(instance: Instance, tag: str) -> bool:
    return bool(instance.get(f"status/local_tm/events?tag={tag}")["events"])


def test_members_that_undo_each_others_imports_are_named(
    two: tuple[Instance, Instance], tmp_path: Path
) -> None:
    """The remark names both and the object, at both, and goes once both watch the same."""
    one, other = two
    write(tmp_path / "d2", "pools", pools("of-2", "new-2"))
    wait_for("the second's documents are in force", lambda: "new-2" in names(other, "pools"), SECONDS)
    write(tmp_path / "d1", "pools", pools("of-1", "new-1"))
    wait_for("the first has undone it", lambda: "new-2" not in names(one, "pools"), SECONDS)
    for instance in two:
        (text,) = wait_for("both say so", partial(remarks, instance), SECONDS)
        assert text.startswith(
            "pm1 and pm2 watch different documents and undo each other's imports, last of pools/"
        )
        assert "let one of them alone watch" in text
        wait_for("that is an event", partial(told, instance, "importscontested"), SECONDS)
        assert instance.get("status/local_tm/state")["state"]["error_level"] == "warn"
    write(tmp_path / "d2", "pools", pools("of-1", "new-1"))
    for instance in two:
        wait_for("it is mended", partial(agreed, instance), SECONDS)
        wait_for("that is told", partial(told, instance, "importsagree"), SECONDS)
    assert {"of-1", "new-1"} <= {*names(one, "pools")}
