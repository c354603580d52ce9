"""Edits that met others, undo and the way back through the history, all without JavaScript."""

from __future__ import annotations

import re

import httpx
import pytest
from tests.e2e.reader import Reader
from tests.e2e.test_ui_change import Changes, basic, by_action, pool_of, revision
from tools.instance import Instance, free_port, wait_for


@pytest.fixture(scope="module")
def instance(shared: Instance) -> Instance:
    """One traffic manager for all tests here."""
    return shared


@pytest.fixture(scope="module")
def reader(admin: Reader) -> Reader:
    """Somebody without JavaScript who is logged in as the administrator."""
    return admin


def test_a_conflict_is_decided_field_by_field(reader: Reader, instance: Instance) -> None:
    pool_of(instance, "contested", note="old")
    page = reader.get("/services/pools/contested")
    form = reader.form(page, "/services/pools/contested", "basic.note")
    assert instance.put("pools", "contested", {"basic": {"note": "theirs", "monitors": ["Ping"]}})[0] == 200
    changes: Changes = {"basic.note": "mine", "basic.passive_monitoring": None}
    met = reader.send(page, form, changes, ("act", "apply"))
    assert "/changes/" in str(met.url)
    assert "admin by REST from 127.0.0.1" in met.text
    fields = by_action(met, "/merge")
    assert {name for name in fields.names() if name.startswith("pick")} == {"pick0"}
    picks: Changes = {name: "theirs" for name in fields.names() if name.startswith("pick")}
    review = reader.send(met, fields, picks)
    assert "Passes the checks" in review.text
    reader.send(review, by_action(review, "/apply"))
    found = basic(instance, "pools", "contested")
    assert (found["note"], found["passive_monitoring"]) == ("theirs", False)


def test_edits_of_different_fields_are_kept_together(reader: Reader, instance: Instance) -> None:
    pool_of(instance, "shared")
    page = reader.get("/services/pools/shared")
    form = reader.form(page, "/services/pools/shared", "connection.max_reply_time")
    assert instance.put("pools", "shared", {"basic": {"note": "theirs"}})[0] == 200
    met = reader.send(page, form, {"connection.max_reply_time": "17"}, ("act", "apply"))
    assert "Both changes are kept together" in met.text
    reader.send(met, by_action(met, "/apply"))
    found = instance.get("config/active/pools/shared")["properties"]
    assert (found["basic"]["note"], found["connection"]["max_reply_time"]) == ("theirs", 17)


def test_an_edit_of_what_was_renamed_meanwhile_goes_to_the_new_name(
    reader: Reader, instance: Instance
) -> None:
    """Whether it is applied at once or was waiting for its review; also what else was changed there is kept."""
    pool_of(instance, "before", note="old")
    page = reader.get("/services/pools/before")
    form = reader.form(page, "/services/pools/before", "basic.note")
    waiting = reader.form(page, "/services/pools/before", "connection.max_reply_time")
    review = reader.send(page, waiting, {"connection.max_reply_time": "17"}, ("act", "review"))
    other = reader.form(page, "/services/pools/before/rename")
    assert reader.send(page, other, {"new_name": "after"}, ("act", "apply")).status_code == 200
    assert instance.put("pools", "after", {"basic": {"monitors": ["Ping"]}})[0] == 200
    met = reader.send(page, form, {"basic.note": "mine"}, ("act", "apply"))
    assert "admin renamed the pool before to after" in met.text
    reader.send(met, by_action(met, "/apply"))
    met = reader.send(review, by_action(review, "/apply"))
    reader.send(met, by_action(met, "/apply"))
    found = instance.get("config/active/pools/after")["properties"]
    assert (found["basic"]["note"], found["basic"]["monitors"]) == ("mine", ["Ping"])
    assert found["connection"]["max_reply_time"] == 17
    assert instance.rest("GET", "config/active/pools/before")[0] == 404
    assert "Pool before is called after now." in reader.get("/services/pools/before").text


def test_an_edit_of_what_was_deleted_meanwhile_is_not_lost(reader: Reader, instance: Instance) -> None:
    """It is asked whether the object stays deleted or is made again with the edit."""
    for choice, status in (("theirs", 404), ("mine", 200)):
        pool_of(instance, "doomed", "127.0.0.1:1", note="old")
        page = reader.get("/services/pools/doomed")
        form = reader.form(page, "/services/pools/doomed", "basic.note")
        assert instance.rest("DELETE", "config/active/pools/doomed")[0] == 204
        met = reader.send(page, form, {"basic.note": "mine"}, ("act", "apply"))
        assert "Somebody deleted what you change" in met.text and "made again, with my change" in met.text
        after = reader.send(met, by_action(met, "/merge"), {"pick0": choice})
        if choice == "mine":
            reader.send(after, by_action(after, "/apply"))
            assert basic(instance, "pools", "doomed")["note"] == "mine"
            assert basic(instance, "pools", "doomed")["nodes_table"][0]["node"] == "127.0.0.1:1"
        else:
            assert "nothing was changed" in after.text
            assert "admin deleted the pool doomed" in reader.get("/services/pools/doomed").text
        assert instance.rest("GET", "config/active/pools/doomed")[0] == status


def test_two_edits_of_a_rule_are_kept_or_shown_line_by_line(reader: Reader, instance: Instance) -> None:
    path, old = "config/active/rules/contested", [f"# line {number}" for number in range(8)]

    def rule(*lines: str) -> None:
        answer = instance.rest("PUT", path, "\n".join(lines).encode(), content_type="text/plain")
        assert answer[0] in (200, 201, 204), answer

    rule(*old)
    page = reader.get("/catalogs/rules/contested")
    form = reader.form(page, "/catalogs/rules/contested", "text")
    rule("# theirs", *old[1:])
    mine = "\r\n".join([*old[:-1], "# mine"])
    met = reader.send(page, form, {"text": mine}, ("act", "apply"))
    assert "Both changes are kept together" in met.text
    reader.send(met, by_action(met, "/apply"))
    page = reader.get("/catalogs/rules/contested")
    form = reader.form(page, "/catalogs/rules/contested", "text")
    assert "# theirs" in page.text and "# mine" in page.text
    rule("# again theirs", *old[1:])
    met = reader.send(page, form, {"text": "# again <b>mine</b>"}, ("act", "apply"))
    assert "+# again theirs" in met.text and "+# again &lt;b&gt;mine&lt;/b&gt;" in met.text
    other = reader.get("/catalogs/rules/contested")
    renamed = reader.form(other, "/catalogs/rules/contested/rename")
    reader.send(other, renamed, {"new_name": "settled"}, ("act", "apply"))
    met = reader.send(page, form, {"text": "# again mine"}, ("act", "apply"))
    assert "admin renamed the rule contested to settled" in met.text


def undo(reader: Reader, path: str) -> httpx.Response:
    page = reader.get(path)
    return reader.send(page, reader.form(page, path, "base"), {}, ("act", "apply"))


def link_to_undo(page: httpx.Response) -> str:
    (path,) = re.findall(r'href="(/changes/undo/\d+)">Undo', page.text)
    return str(path)


def test_making_changing_and_deleting_are_undone_and_redone(reader: Reader, instance: Instance) -> None:
    path = "/services/pools"
    page = reader.get(f"{path}/-/new")
    form = reader.form(page, f"{path}/-/new")
    made = reader.send(
        page, form, {"name": "brief", "basic.nodes_table#0.node": "127.0.0.1:7"}, ("act", "apply")
    )
    gone = undo(reader, link_to_undo(made))
    assert instance.rest("GET", "config/active/pools/brief")[0] == 404
    undo(reader, link_to_undo(gone))
    assert basic(instance, "pools", "brief")["nodes_table"][0]["node"] == "127.0.0.1:7"
    page = reader.get(f"{path}/brief")
    form = reader.form(page, f"{path}/brief", "basic.note")
    changed = reader.send(page, form, {"basic.note": "changed"}, ("act", "apply"))
    undone = undo(reader, link_to_undo(changed))
    assert basic(instance, "pools", "brief")["note"] == ""
    undo(reader, link_to_undo(undone))
    assert basic(instance, "pools", "brief")["note"] == "changed"
    page = reader.get(f"{path}/brief")
    deleted = reader.send(page, reader.form(page, f"{path}/brief/delete"), {"confirm": "yes"})
    undo(reader, link_to_undo(deleted))
    assert basic(instance, "pools", "brief")["note"] == "changed"


def test_an_undo_that_would_take_what_is_needed_is_refused(reader: Reader, instance: Instance) -> None:
    pool_of(instance, "needed")
    made = revision(instance)
    assert (
        instance.put("virtual_servers", "needs", {"basic": {"port": free_port(), "pool": "needed"}})[0] == 201
    )
    page = reader.get(f"/changes/undo/{made}")
    assert "virtual_servers/needs still needs it" in page.text
    assert ("act", "apply") not in reader.form(page, f"/changes/undo/{made}", "base").buttons
    form = reader.form(page, f"/changes/undo/{made}", "base")
    assert reader.send(page, form, {}, ("act", "apply")).status_code == 409
    assert basic(instance, "pools", "needed")


def test_what_is_left_out_here_is_no_part_of_a_change(reader: Reader, instance: Instance) -> None:
    pool_of(instance, "aside", "127.0.0.1:1")
    server = {"enabled": True, "port": free_port(), "pool": "aside", "listen_on_any": False}
    elsewhere = {**server, "listen_on_hosts": ["192.0.2.9"]}
    assert instance.put("virtual_servers", "absent", {"basic": elsewhere})[0] == 201
    try:
        wait_for("it is left out", lambda: "192.0.2.9 is not on this machine" in reader.get("/diagnose").text)
        pool_of(instance, "idle", "127.0.0.1:2")
        page = reader.get(f"/changes/undo/{revision(instance)}")
        assert "pools/idle" in page.text and "vs-absent" not in page.text
        assert "configuration stays as it is" in page.text
        assert 'aria-label="Breadcrumb"' in page.text and ">History of Changes</a></li></ol>" in page.text
    finally:
        for path in ("virtual_servers/absent", "pools/aside", "pools/idle"):
            instance.rest("DELETE", f"config/active/{path}")


def test_the_history_leads_back_to_before_a_change(reader: Reader, instance: Instance) -> None:
    pool_of(instance, "first", note="kept")
    pool_of(instance, "second")
    target = revision(instance)
    pool_of(instance, "third")
    history = reader.get("/changes/history")
    assert f"/changes/undo/{target}" in history.text and "pools/third" in history.text
    page = reader.get(f"/changes/restore/{target}")
    form = reader.form(page, f"/changes/restore/{target}")
    assert reader.send(page, form, {"typed": "wrong"}).status_code == 400
    name = instance.get("config/active/traffic_managers")["children"][0]["name"]
    reader.send(page, form, {"typed": name})
    assert instance.rest("GET", "config/active/pools/third")[0] == 404
    assert instance.rest("GET", "config/active/pools/second")[0] == 404
    assert basic(instance, "pools", "first")["note"] == "kept"
