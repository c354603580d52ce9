"""The pages for people: links lead somewhere, and what they name exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.architecture.test_house import ROOT, tracked

PAGES = [path for path, _ in tracked() if path.suffix == ".md"]
LINK = re.compile(r"\]\(([^)\s]+)\)")
CODE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
BY_NAME = pytest.mark.parametrize("page", PAGES, ids=str)


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as the usual renderers make them."""
    headings = re.findall(r"^#+ +(.+)$", CODE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@BY_NAME
def test_links_lead_somewhere(page: Path) -> None:
    text = (ROOT / page).read_text()
    for target in LINK.findall(CODE.sub("", text)):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, anchor = target.partition("#")
        there = (ROOT / page).parent / file if file else ROOT / page
        assert there.exists(), f"{target} leads nowhere"
        if anchor:
            assert anchor in anchors(there.read_text()), f"{target}: the page has no such heading"


@BY_NAME
def test_files_that_a_page_names_exist(page: Path) -> None:
    """Paths in backquotes that begin with a directory of this tree."""
    text = CODE.sub("", (ROOT / page).read_text())
    inside = r"`((?:src|tests|tools|docs|schema|store|control|compiler|engine|web|changelog\.d)/[\w./*-]+)`"
    for name in re.findall(inside, text):
        places = (ROOT, ROOT / "src" / "pointsman", ROOT / "src" / "pointsman" / "compiler")
        assert any(list(place.glob(name.rstrip("/"))) for place in places), f"{name} does not exist"


def test_every_target_of_make_is_described() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = re.search(r"^\.PHONY: (.+)$", makefile, re.MULTILINE)
    assert targets is not None
    described = (ROOT / "CONTRIBUTING.md").read_text()
    assert [name for name in targets[1].split() if f"`make {name}" not in described] == []
