"""Answers that every part of the tree gives: listings of children, and refusals of paths and methods.

Pure. Invariant: every refusal has the product's error shape.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pointsman.web.answer import Answer, error_answer, json_answer
from pointsman.web.api.path import href
from pointsman.web.api.request import SAFE

METHODS = ("GET", "HEAD", "PUT", "DELETE")


def list_children(path: Sequence[str], children: Iterable[tuple[str, bool]]) -> Answer:
    """A directory at `path`: names of its children, each with whether it is a directory too."""
    entries = [
        {"name": name, "href": href((*path, name), directory=directory)} for name, directory in children
    ]
    return json_answer(200, {"children": entries})


def not_found(method: str, path: Sequence[str]) -> Answer:
    """404; with `error_info` for changes, which some clients read without looking."""
    text = f"there is nothing at {href(path, directory=False)}"
    return error_answer(404, "resource.not_found", text, None if method in SAFE else {})


def not_allowed(method: str, allowed: Iterable[str] = METHODS) -> Answer:
    """405 with the methods that would do."""
    methods = ", ".join(allowed)
    text = f"{method} is not possible here; use {methods}"
    return error_answer(405, "http.method_not_allowed", text, {}, (("allow", methods),))


def read_only(method: str, path: Sequence[str]) -> Answer:
    """403 for a change where the tree is as it is."""
    text = f"{href(path, directory=False)} cannot be made, changed or deleted"
    return error_answer(403, "resource.forbidden", text, {})
