"""Who may do what over REST."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from pointsman.control.access import Access
from pointsman.identity.account import Account
from pointsman.identity.user import Users
from pointsman.identity.user_file import UserFile
from pointsman.schema.permission import TYPE_PERMISSIONS
from pointsman.schema.problem import ObjectId
from pointsman.schema.registry import BY_PATH
from pointsman.schema.snapshot import Snapshot
from pointsman.schema.user_group import USER_GROUP
from pointsman.schema.validate import build
from pointsman.store import Author
from pointsman.web.api.authorisation import refuse
from pointsman.web.ui.objects.kinds import KINDS

ADMIN, GUEST = Author("admin", "192.0.2.1", "rest"), Author("gus", "192.0.2.1", "rest")
DEMO, NOBODY = Author("dora", "192.0.2.1", "rest"), Author("nick", "192.0.2.1", "rest")
LOCAL = Author("local:root", "", "local")
API = ("api", "tm", "8.3")


@pytest.fixture
def access(tmp_path: Path) -> Access:
    accounts = {
        "admin": Account("x"),
        "gus": Account("x", ("Guest",)),
        "dora": Account("x", ("Demo", "Guest")),
        "nick": Account("x"),
    }
    groups = {
        ObjectId(USER_GROUP.path, name): build(USER_GROUP, name, settings)
        for name, settings in USER_GROUP.factory.items()
    }
    users = Users(tmp_path, UserFile(tmp_path / "users.json", accounts), on_event=lambda event: None)
    snapshot = Snapshot(groups)
    return Access(users, lambda: snapshot)


def ask(
    access: Access, who: Author, method: str, path: str, query: str = "", accept: str = ""
) -> tuple[int, str] | None:
    """Status and error of the refusal, None where there is none."""
    arguments = {query.partition("=")[0]: [query.partition("=")[2]]} if query else {}
    answer = refuse(access, who, method, (*API, *path.split("/")), arguments, {"accept": accept})
    return None if answer is None else (answer.status, answer.body.decode())


def test_the_administrator_and_the_machines_owner_may_everything(access: Access) -> None:
    for who in (ADMIN, LOCAL):
        for method in ("GET", "PUT", "DELETE"):
            for path in ("config/active/pools/p", "status/tm/backups/full/b", "status/tm/name", "x"):
                assert ask(access, who, method, path, "restore=") is None


@pytest.mark.parametrize("kind", sorted(BY_PATH))
def test_each_type_takes_its_permission(access: Access, kind: str) -> None:
    path = f"config/active/{kind}/x"
    assert ask(access, GUEST, "GET", path) is None
    for method in ("PUT", "DELETE", "POST"):
        refused = ask(access, GUEST, method, path)
        assert refused is not None
        assert refused[0] == 403
        assert "auth.forbidden" in refused[1]
    for method in ("GET", "PUT"):
        refused = ask(access, NOBODY, method, path)
        assert refused is not None
        assert refused[0] == 403


def test_the_tables_are_whole() -> None:
    assert set(TYPE_PERMISSIONS) == set(BY_PATH)
    for pages in KINDS:
        assert TYPE_PERMISSIONS[pages.type] == (pages.permission, pages.writing), pages.type


def test_groups_decide_and_the_most_permissive_counts(access: Access) -> None:
    assert ask(access, DEMO, "PUT", "config/active/pools/p") is None
    assert ask(access, DEMO, "PUT", "config/active/user_groups/g") is not None
    assert ask(access, DEMO, "GET", "status/tm/history") is None
    assert ask(access, GUEST, "GET", "status/tm/history") is not None
    assert ask(access, GUEST, "GET", "status/tm/events") is None
    assert ask(access, GUEST, "GET", "status/tm/statistics") is None


def test_what_carries_everything_away_takes_more(access: Access) -> None:
    """Importer 7: every user may read objects, but the whole configuration is taken away with a right of its own."""
    assert ask(access, GUEST, "GET", "status/tm/config_document") is not None
    assert ask(access, DEMO, "GET", "status/tm/config_document") is None
    assert ask(access, DEMO, "GET", "status/tm/config_document", "secrets=include") is not None
    assert ask(access, GUEST, "GET", "status/tm/backups/full/b") is None
    assert ask(access, GUEST, "GET", "status/tm/backups/full/b", accept="application/x-tar") is not None


def test_what_is_not_known_cannot_be_changed(access: Access) -> None:
    assert ask(access, GUEST, "GET", "config/active/nothing/x") is None
    for path in ("config/active/nothing/x", "status/tm/nothing", "elsewhere"):
        assert ask(access, DEMO, "PUT", path) is not None


def test_an_expired_password_opens_nothing(access: Access) -> None:
    snapshot = access._snapshot()
    group = snapshot.objects[ObjectId(USER_GROUP.path, "Guest")]
    basic = group.basic.model_copy(update={"password_expire_time": 30})  # type: ignore[union-attr]
    stricter = dataclasses.replace(
        snapshot,
        objects={
            **snapshot.objects,
            ObjectId(USER_GROUP.path, "Guest"): group.model_copy(update={"basic": basic}),
        },
    )
    access._snapshot = lambda: stricter
    refused = ask(access, GUEST, "GET", "status/tm/events")
    assert refused is not None
    assert "auth.password_expired" in refused[1]
