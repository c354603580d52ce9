"""Who may only read is not led into a form that nobody would take from them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.e2e.reader import Reader
from tests.e2e.test_ui_access import WORDS, make_user
from tools.instance import Instance

FORMS = (
    "/services/pools/-/new",
    "/services/virtual-servers/-/new",
    "/services/pools/app/add-nodes",
    "/catalogs/monitors/-/new",
    "/catalogs/rules/-/new",
    "/catalogs/ssl/server-certificates/-/new",
    "/catalogs/ssl/server-certificates/-/generate",
    "/catalogs/ssl/certificate-authorities/-/new",
    "/system/users/-/new",
)


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """A traffic manager with a pool."""
    with Instance(tmp_path_factory.mktemp("ui") / "home") as running:
        assert running.put("pools", "app", {"basic": {"nodes_table": [{"node": "127.0.0.1:9"}]}})[0] == 201
        yield running


def test_forms_are_for_who_may_send_them(instance: Instance) -> None:
    with Reader(instance) as admin, Reader(instance) as guest:
        admin.log_in()
        assert make_user(admin, "gil", "Guest").status_code == 200
        guest.log_in("gil", WORDS)
        assert {path: admin.get(path).status_code for path in FORMS} == dict.fromkeys(FORMS, 200)
        assert {path: guest.get(path).status_code for path in FORMS} == dict.fromkeys(FORMS, 403)
        refused = guest.get(FORMS[0]).text
        assert "it takes the permission Pools!Edit in full" in refused
        assert guest.get("/services/pools/app").status_code == 200
