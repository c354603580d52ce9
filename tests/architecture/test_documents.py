"""The pages for people: links lead somewhere, and what they name exists."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.architecture.test_house import MODULES, ROOT, tracked, tree_of
from tests.each import each

from pointsman.cli.outcome import Exit

PAGES = [path for path, _ in tracked() if path.suffix == ".md"]
LINK = re.compile(r"\]\(([^)\s]+)\)")
CODE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
BY_NAME = each(zip(PAGES), str)


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
    whole = r"(?:src|tests|tools|docs|changelog\.d)/[\w./*-]+"
    module = r"(?:schema|store|control|compiler|engine|web)/[\w/]+\.py"
    for name in re.findall(f"`({whole}|{module})`", text):
        places = (ROOT, ROOT / "src" / "pointsman", ROOT / "src" / "pointsman" / "compiler")
        assert any(list(place.glob(name.rstrip("/"))) for place in places), f"{name} does not exist"


def test_every_target_of_make_is_described() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = re.search(r"^\.PHONY: (.+)$", makefile, re.MULTILINE)
    assert targets is not None
    described = (ROOT / "CONTRIBUTING.md").read_text()
    assert [name for name in targets[1].split() if f"`make {name}" not in described] == []


def event_tags() -> Iterator[str]:
    """Every word in the place of a tag where an event is made, and the journal's and the launcher's own."""
    for path in MODULES:
        tree = tree_of(path)
        for node in ast.walk(tree):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id == "Event"
                and len(node.args) > 2
            ):
                yield from (
                    str(part.value)
                    for part in ast.walk(node.args[1])
                    if isinstance(part, ast.Constant) and re.fullmatch(r"[a-z]+(-[a-z]+)*", str(part.value))
                )
            if isinstance(node, ast.Constant) and re.fullmatch(
                r"conf(add|mod|del)|expiresoon\d*", str(node.value)
            ):
                yield str(node.value)
            if isinstance(node, ast.Constant) and re.fullmatch(
                r"(engine|control|launcher)-(exited|stopped|started|adopted|held|released)", str(node.value)
            ):
                yield str(node.value).replace("-", "")


def test_every_event_is_described() -> None:
    described = set(re.findall(r"`([\w-]+)`", (ROOT / "docs" / "guide" / "operate.md").read_text()))
    made = set(event_tags())
    assert {"nodefail", "confmod", "audit", "engineexited", "monitorok"} <= made, "the search finds nothing"
    assert sorted(made - described) == []


def test_every_exit_status_is_described() -> None:
    page = (ROOT / "docs" / "guide" / "operate.md").read_text()
    assert [status.value for status in Exit if not re.search(rf"\b{status.value} \w", page)] == []
