"""The rules of the house in CONTRIBUTING.md, as far as a machine can tell."""

from __future__ import annotations

import ast
import re
import subprocess
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from tests.each import each

from pointsman import __version__

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "pointsman"
MODULES = sorted(SOURCE.rglob("*.py"))
MOST_LINES = 500
PERMITTED_HOSTS = {
    "127.0.0.1",
    "github.com",  # where vendored files say that they come from
    "localhost",
    "www.haproxy.org",
    "www.apache.org",  # the licence's text
    "www.w3.org",  # the name space of SVG
}
"""Hosts that a URL in the tree may name, besides names that are reserved for examples."""
EXAMPLE_HOST = re.compile(
    r"(^|\.)(example|test|invalid|local)$|\.example\.(com|net|org)$|^(192\.0\.2|10|127|172\.17|203\.0\.113)\."
)


def tracked() -> Iterator[tuple[Path, str]]:
    """Each text file of the tree that git knows, with its content; the files as they are on the disk."""
    words = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached"]
    listed = subprocess.run(words, capture_output=True, text=True, check=False)
    if listed.returncode != 0:
        pytest.skip("this tree is not a git checkout, so which files belong to it is not known")
    for name in sorted(filter(None, listed.stdout.split("\0"))):
        try:
            yield Path(name), (ROOT / name).read_text(encoding="utf-8")
        except (UnicodeDecodeError, FileNotFoundError, IsADirectoryError):
            continue


@cache
def tree_of(path: Path) -> ast.Module:
    """A module, parsed once for all tests."""
    return ast.parse(path.read_text(encoding="utf-8"))


def name_of(path: Path) -> str:
    return str(path.relative_to(SOURCE))


BY_NAME = each(zip(MODULES), name_of)


@BY_NAME
def test_a_module_is_short(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) < MOST_LINES


@BY_NAME
def test_a_module_opens_with_its_purpose_and_its_invariant(path: Path) -> None:
    if path.name == "__init__.py" and not tree_of(path).body:
        return
    opening = ast.get_docstring(tree_of(path))
    assert opening, "the module has no docstring"
    if path.name != "__init__.py":
        assert re.search(r"\bInvariants?\b", opening), "the docstring does not say what must hold"


def undocumented(node: ast.Module | ast.ClassDef) -> Iterator[str]:
    """Public classes and functions below `node` without docstring; a property's setter shares its getter's."""
    for child in node.body:
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        if child.name.startswith("_"):
            continue
        if ast.get_docstring(child) is None:
            yield child.name
        if isinstance(child, ast.ClassDef):
            yield from (f"{child.name}.{name}" for name in undocumented(child))


@BY_NAME
def test_public_things_are_documented(path: Path) -> None:
    assert list(undocumented(tree_of(path))) == []


@BY_NAME
def test_names_are_of_the_field(path: Path) -> None:
    vague = re.compile(r"(Manager|Helper|Util|Utils|Common)$")
    classes = [node.name for node in ast.walk(tree_of(path)) if isinstance(node, ast.ClassDef)]
    # A traffic manager is a thing of the field.
    assert [name for name in classes if vague.search(name) and name != "TrafficManager"] == []
    assert not re.search(r"(^|_)(utils?|helpers?|common|misc)$", path.stem)


@BY_NAME
def test_no_task_is_left_alone(path: Path) -> None:
    """asyncio tasks live in a TaskGroup: what is called `create_task` is a method of a group."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Attribute) and node.attr in ("create_task", "ensure_future"):
            owner = node.value.id if isinstance(node.value, ast.Name) else ast.unparse(node.value)
            assert owner.endswith("group"), f"line {node.lineno}: {owner}.{node.attr}"


def test_nothing_is_left_to_do_in_the_text() -> None:
    marks = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b")
    found = [
        f"{path}:{number}"
        for path, text in tracked()
        if path.name != "requirements.lock"
        for number, line in enumerate(text.splitlines(), 1)
        if marks.search(line)
    ]
    assert found == []


def test_no_place_of_one_machine_is_in_the_tree() -> None:
    # Home directories and the usual places of checkouts; /usr/local/zeus is the product's and meant.
    place = re.compile(r"(?<![\w.}])/(work|root|opt|home|Users|mnt|srv)/[\w.-]+")
    found = [
        f"{path}:{number}: {line.strip()[:100]}"
        for path, text in tracked()
        if path != Path("tests/architecture/test_house.py")
        for number, line in enumerate(text.splitlines(), 1)
        if place.search(line)
    ]
    assert found == []


def test_no_host_is_named_that_the_tree_does_not_need() -> None:
    url = re.compile(r"https?://(?:[^\s/@\"'`]*@)?(\[[0-9a-f:]+\]|[A-Za-z0-9][A-Za-z0-9.-]*)")
    found = {
        f"{path}: {host}"
        for path, text in tracked()
        for host in url.findall(text)
        if "." in host and host not in PERMITTED_HOSTS and not EXAMPLE_HOST.search(host)
    }
    assert found == set()


def test_the_lock_names_no_index() -> None:
    options = [line for line in (ROOT / "requirements.lock").read_text().splitlines() if line.startswith("-")]
    assert options == []


def test_the_product_knows_its_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == __version__


def test_what_is_declared_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    locked = set(re.findall(r"(?m)^([a-z0-9-]+)==", (ROOT / "requirements.lock").read_text()))
    declared = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    named = {re.split(r"[<>=;\[ ]", one)[0].lower().replace(".", "-") for one in declared}
    assert named - locked == set()


def test_every_declared_dependency_has_its_reason() -> None:
    reasons = (ROOT / "docs" / "design" / "dependencies.md").read_text()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = [re.split(r"[<>=; ]", one)[0] for one in project["dependencies"]]
    assert [name for name in named if name not in reasons] == []


def test_fragments_of_the_changelog_are_sentences() -> None:
    for fragment in sorted((ROOT / "changelog.d").glob("*")):
        text = fragment.read_text()
        assert fragment.suffix == ".md", fragment.name
        for line in text.splitlines():
            assert re.fullmatch(r"(- )?[A-Z].*\.", line), f"{fragment.name}: a line is one sentence: {line}"
