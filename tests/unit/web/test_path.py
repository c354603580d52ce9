"""Paths and the tree of configuration."""

from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.schema.extra_file import EXTRA_FILE
from pointsman.schema.global_settings import GLOBAL_SETTINGS
from pointsman.schema.problem import ObjectId
from pointsman.schema.server_key import SERVER_KEY
from pointsman.web.api.path import BadPath, href, split_path
from pointsman.web.api.tree import Collection, ConfigTree, Directory, Leaf, Nowhere

TREE = ConfigTree((EXTRA_FILE, GLOBAL_SETTINGS, SERVER_KEY))


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), min_size=1), st.booleans())
def test_names_survive_the_way_into_a_path_and_back(names: list[str], directory: bool) -> None:
    path = href(names, directory=directory)
    assert path.isascii() and path.isprintable() and " " not in path and '"' not in path
    assert path.endswith("/") is directory
    assert split_path(path.encode()) == tuple(names)
    assert [unquote(part) for part in path.strip("/").split("/")] == names


@pytest.mark.parametrize(
    ("raw", "segments"),
    [
        (b"/", ()),
        (b"", ()),
        (b"/a/b", ("a", "b")),
        (b"/a/b/", ("a", "b")),
        (b"/a%2Fb/c", ("a/b", "c")),
        (b"//a", ("", "a")),
        (b"/a//", ("a", "")),
        (b"/%2e%2e/x", ("..", "x")),
        (b"/a+b", ("a+b",)),
    ],
)
def test_segments_are_split_before_they_are_decoded(raw: bytes, segments: tuple[str, ...]) -> None:
    assert split_path(raw) == segments


def test_what_is_no_utf8_is_refused() -> None:
    with pytest.raises(BadPath):
        split_path(b"/%ff")


def test_the_tree_follows_the_registry() -> None:
    assert TREE.find(()) == Directory((("extra_files", True), ("global_settings", False), ("ssl", True)))
    assert TREE.find(("ssl",)) == Directory((("server_keys", True),))
    assert TREE.find(("extra_files",)) == Collection(EXTRA_FILE)
    assert TREE.find(("ssl", "server_keys", "a/b")) == Leaf(SERVER_KEY, ObjectId("ssl/server_keys", "a/b"))
    assert TREE.find(("global_settings",)) == Leaf(GLOBAL_SETTINGS, ObjectId("global_settings", ""))


@pytest.mark.parametrize(
    ("path", "parent"),
    [
        (("nonsense",), True),
        (("nonsense", "x"), False),
        (("ssl", "x"), True),
        (("ssl", "x", "y"), False),
        (("global_settings", "x"), True),
        (("global_settings", "x", "y"), False),
        (("extra_files", "a", "b"), True),
        (("extra_files", "a", "b", "c"), False),
        (("",), True),
    ],
)
def test_nothing_else_is_there(path: tuple[str, ...], parent: bool) -> None:
    assert TREE.find(path) == Nowhere(parent)
