"""Imports that undo one another are found among all transactions, and nothing else is taken for that."""

from __future__ import annotations

from typing import Any

import pytest

from pointsman.control.import_contest import MOST_OBJECTS, Contests, Watching
from pointsman.control.import_order import AUTHOR
from pointsman.schema.problem import ObjectId
from pointsman.store import Author, Transaction
from pointsman.store.history import ChangeRecord

APP = ObjectId("pools", "app")
NOTE = ("basic", "note")
A = Watching("a", "run-a", "1", "0")
B = Watching("b", "run-b", "2", "0")


def made(origin: str, *changes: tuple[Any, ...], author: Author = AUTHOR) -> Transaction:
    """A transaction with changes of (object, path, before, after)."""
    return Transaction(1, origin, 1, 1, 0.0, author, "import of /d", tuple(ChangeRecord(*c) for c in changes))


def test_an_object_that_one_makes_and_the_other_deletes() -> None:
    contests = Contests()
    contests.on_transaction(made("run-a", (APP, (), None, "app")), False)
    assert not [*contests.between((A, B))]
    contests.on_transaction(made("run-b", (APP, (), "app", None)), True)
    (contest,) = contests.between((B, A))
    assert (contest.first, contest.second, contest.objects) == (A, B, (APP,))
    assert "a and b watch different documents" in contest.text and "pools/app" in contest.text
    assert contest.condition.subject == ObjectId("traffic_managers", "a")


@pytest.mark.parametrize(
    ("origin", "author", "after"),
    [
        ("run-a", AUTHOR, "x"),  # the member itself goes back
        ("run-b", Author("admin", "10.0.0.1", "rest"), "x"),  # a person does
        ("run-b", AUTHOR, "z"),  # the same documents have moved on, and the other member saw them first
    ],
)
def test_what_is_no_contest(origin: str, author: Author, after: str) -> None:
    contests = Contests()
    contests.on_transaction(made("run-a", (APP, NOTE, "x", "y")), False)
    contests.on_transaction(made(origin, (APP, NOTE, "y", after), author=author), True)
    assert not [*contests.between((A, B))]


def test_who_agrees_or_does_not_watch_is_not_told_of() -> None:
    contests = Contests()
    contests.on_transaction(made("run-a", (APP, NOTE, "x", "y")), False)
    contests.on_transaction(made("run-b", (APP, NOTE, "y", "x")), True)
    assert not [*contests.between((A,))]
    (contest,) = contests.between((A, Watching("b", "run-b", "1", "9")))
    assert "over different base snapshots" in contest.text
    assert not [*contests.between((A, Watching("b", "run-b", "1", "0")))]
    assert not [*contests.between((A, B))], "what was before they agreed is forgotten"


def test_memory_is_bounded() -> None:
    contests = Contests()
    for number in range(MOST_OBJECTS + 10):
        identity = ObjectId("pools", str(number))
        contests.on_transaction(made("run-a", (identity, (), None, str(number))), False)
        contests.on_transaction(made("run-b", (identity, (), str(number), None)), True)
    (contest,) = contests.between((A, B))
    assert len(contest.objects) == 10 and contest.objects[0].name == str(MOST_OBJECTS + 9)
    assert len(contests._last) == MOST_OBJECTS
