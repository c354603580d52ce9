"""The reference pages in the tree are those that the schema makes."""

from __future__ import annotations

from pathlib import Path

import pytest
from tools.reference import NOTICE, pages, write

from pointsman.schema.counter import STATISTIC_TYPES
from pointsman.schema.registry import RESOURCE_TYPES

REFERENCE = Path(__file__).resolve().parents[2] / "docs" / "reference"
MADE = pages(RESOURCE_TYPES, STATISTIC_TYPES)


def test_no_page_is_missing_and_none_is_left_over() -> None:
    committed = {path.name for path in REFERENCE.glob("*.md")}
    assert committed == set(MADE), (
        "docs/reference does not match the schema; run make docs and commit the result"
    )


@pytest.mark.parametrize("name", sorted(MADE))
def test_a_page_is_fresh(name: str) -> None:
    path = REFERENCE / name
    committed = path.read_text(encoding="utf-8") if path.exists() else ""
    assert committed == MADE[name], (
        f"docs/reference/{name} is out of date; run make docs and commit the result"
    )


def test_making_the_pages_again_changes_nothing() -> None:
    assert pages(reversed(RESOURCE_TYPES), reversed(STATISTIC_TYPES)) == MADE


def test_only_made_pages_are_removed(tmp_path: Path) -> None:
    (tmp_path / "gone.md").write_text(f"{NOTICE}\n\n# Gone\n", encoding="utf-8")
    (tmp_path / "notes.md").write_text("# Mine\n", encoding="utf-8")
    write(tmp_path, {"pools.md": f"{NOTICE}\n"})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["notes.md", "pools.md"]


def test_every_table_row_has_as_many_cells_as_its_head() -> None:
    for name, text in MADE.items():
        width = 0
        for line in text.splitlines():
            if not line.startswith("|"):
                width = 0
                continue
            cells = line.replace("\\|", "").count("|")
            width = width or cells
            assert cells == width, f"{name}: {line}"
