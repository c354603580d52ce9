"""The pages made from the schema: every key of every type can be seen and changed, and nothing changes unasked."""

from __future__ import annotations

import html
import json
import re
import subprocess
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from tests.e2e.reader import Reader, forms_of
from tools.instance import Instance

from pointsman.schema.registry import RESOURCE_TYPES
from pointsman.schema.resource import Kind
from pointsman.web.ui.objects.kinds import PAGES

HOSTILE = "<img src=x onerror=alert(1)>/\"'&?#%{{7*7}} \u202ex"
NODES = [{"node": "127.0.0.1:9", "weight": 3}, {"node": "[::1]:10", "state": "disabled"}]


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """One traffic manager for all tests here."""
    with Instance(tmp_path_factory.mktemp("ui") / "home") as running:
        made = {"basic": {"nodes_table": NODES, "monitors": ["Ping"], "note": "two\nlines"}}
        assert running.put("pools", "app", made)[0] == 201
        assert running.put("pools", HOSTILE, made)[0] == 201
        basic = {"enabled": True, "port": 1, "pool": HOSTILE, "listen_on_any": False}
        assert running.put("virtual_servers", HOSTILE, {"basic": basic})[0] == 201
        yield running


@pytest.fixture(scope="module")
def reader(instance: Instance) -> Iterator[Reader]:
    """Somebody without JavaScript who is logged in as the administrator."""
    with Reader(instance) as reader:
        assert reader.log_in().status_code == 200
        yield reader


def revision(instance: Instance) -> int:
    """How many transactions there were."""
    found: int = instance.get("status/local_tm/applies?limit=1")["revision"]
    return found


def member(instance: Instance) -> str:
    """The traffic manager's name."""
    name: str = instance.get("config/active/traffic_managers")["children"][0]["name"]
    return name


def test_every_type_has_its_pages(reader: Reader) -> None:
    """Only licences and groups of users have pages of their own alone; other types have a list, or the one page."""
    assert {kind.path for kind in RESOURCE_TYPES} - set(PAGES) <= {"license_keys", "user_groups"}
    for pages in PAGES.values():
        assert reader.get(pages.path).status_code == 200
        if pages.kind.creatable and pages.kind.kind is not Kind.SINGLETON:
            assert reader.get(f"{pages.path}/-/new").status_code == 200


@pytest.mark.parametrize("kind", ["pools", "virtual_servers", "traffic_managers", "monitors"])
def test_a_form_sent_back_as_it_is_changes_nothing(reader: Reader, instance: Instance, kind: str) -> None:
    names = {"monitors": "Full HTTP", "traffic_managers": member(instance)}
    address = f"{PAGES[kind].path}/{quote(names.get(kind, HOSTILE), safe='')}"
    page = reader.get(address)
    assert page.status_code == 200
    found = [form for form in forms_of(page.text) if ("act", "apply") in form.buttons]
    shown = {name.rstrip("?") for form in found for name in form.names()}
    assert {key.path for key in PAGES[kind].kind.keys} <= shown
    before = revision(instance)
    for form in found:
        assert reader.send(page, form, button=("act", "apply")).status_code == 200
    assert revision(instance) == before


def test_an_object_is_made_changed_copied_and_deleted(reader: Reader, instance: Instance) -> None:
    path = "/services/pools"
    page = reader.get(f"{path}/-/new")
    form = reader.form(page, f"{path}/-/new")
    first = "basic.nodes_table#0.node"
    refused = reader.send(page, form, {"name": "made", first: "no port"}, ("act", "apply"))
    assert refused.status_code == 400
    assert 'class="fault"' in refused.text and 'value="no port"' in refused.text
    made = reader.send(page, form, {"name": "made", first: "127.0.0.1:7"}, ("act", "apply"))
    assert "Pool made was made." in made.text
    stored = instance.get("config/active/pools/made")["properties"]["basic"]
    assert [row["node"] for row in stored["nodes_table"]] == ["127.0.0.1:7"]
    form = reader.form(made, f"{path}/made", "basic.note")
    changed = reader.send(made, form, {"basic.note": "changed here"}, ("act", "apply"))
    assert "Pool made was changed." in changed.text
    assert instance.get("config/active/pools/made")["properties"]["basic"]["note"] == "changed here"
    page = reader.get(f"{path}/-/new?based_on=made")
    form = reader.form(page, f"{path}/-/new")
    assert "Pool copy was made." in reader.send(page, form, {"name": "copy"}, ("act", "apply")).text
    assert instance.get("config/active/pools/copy")["properties"]["basic"]["note"] == "changed here"
    page = reader.get(f"{path}/copy")
    form = reader.form(page, f"{path}/copy/delete")
    assert "confirm the deletion" in reader.send(page, form).text
    assert "Pool copy was deleted." in reader.send(page, form, {"confirm": "yes"}).text
    assert instance.rest("GET", "config/active/pools/copy")[0] == 404


def test_what_is_in_use_is_not_deleted(reader: Reader) -> None:
    address = f"/services/pools/{quote(HOSTILE, safe='')}"
    page = reader.get(address)
    assert "It is in use" in page.text
    form = reader.form(page, f"{address}/delete")
    refused = reader.send(page, form, {"confirm": "yes"})
    assert refused.status_code == 409
    assert "is used by" in refused.text


def test_a_change_is_looked_at_before_it_is_applied(reader: Reader, instance: Instance) -> None:
    page = reader.get("/services/pools/app")
    form = reader.form(page, "/services/pools/app", "connection.max_connect_time")
    before = revision(instance)
    review = reader.send(page, form, {"connection.max_connect_time": "7"}, ("act", "review"))
    assert "/changes/" in str(review.url)
    assert "Passes the checks" in review.text
    assert "connection.max_connect_time" in review.text
    assert revision(instance) == before
    form = next(form for form in forms_of(review.text) if form.action.endswith("/apply"))
    assert "Pool app was changed." in reader.send(review, form).text
    found = instance.get("config/active/pools/app")["properties"]["connection"]
    assert found["max_connect_time"] == 7
    assert reader.client.get(review.url).status_code == 404


def test_somebody_elses_edit_is_not_overwritten_unseen(reader: Reader, instance: Instance) -> None:
    page = reader.get("/services/pools/app")
    form = reader.form(page, "/services/pools/app", "connection.max_reply_time")
    assert instance.put("pools", "app", {"connection": {"max_reply_time": 11}})[0] == 200
    met = reader.send(page, form, {"connection.max_reply_time": "12"}, ("act", "apply"))
    assert "/changes/" in str(met.url)
    assert "meanwhile" in met.text
    found = instance.get("config/active/pools/app")["properties"]["connection"]
    assert found["max_reply_time"] == 11


def test_faults_are_told_while_one_types(reader: Reader) -> None:
    page = reader.get("/services/pools/app")
    form = reader.form(page, "/services/pools/app", "connection.max_reply_time")
    answer = reader.client.post(
        "/services/pools/app/check", data=dict(form.filled({"connection.max_reply_time": "-4"}))
    )
    assert "out of range" in json.loads(answer.text)["connection.max_reply_time"]


def test_hostile_names_are_text_and_addresses(reader: Reader) -> None:
    for path in ("/services/pools", "/services/virtual-servers", "/search?q=img"):
        text = reader.get(path).text
        assert "<img src=x" not in text
        assert "&lt;img src=x" in text
        # A form sends a name back as it is; what is shown of it turns nothing.
        assert "\u202e" not in re.sub('value="[^"]*"', "", text)
        assert quote(HOSTILE, safe="") in text


def test_a_file_is_brought_shown_and_replaced(reader: Reader, instance: Instance) -> None:
    path = "/catalogs/extra-files"
    page = reader.get(f"{path}/-/new")
    form = reader.form(page, f"{path}/-/new")
    made = reader.send(page, form, {"name": "a.txt"}, ("act", "apply"), {"file": ("a.txt", b"\0\1binary")})
    assert "was made" in made.text
    assert instance.rest("GET", "config/active/extra_files/a.txt") == (200, b"\0\1binary")
    form = reader.form(made, f"{path}/a.txt", "base")
    kept = reader.send(made, form, {}, ("act", "apply"))
    assert kept.status_code == 200
    assert instance.rest("GET", "config/active/extra_files/a.txt") == (200, b"\0\1binary")
    reader.send(
        kept, reader.form(kept, f"{path}/a.txt", "base"), {}, ("act", "apply"), {"file": ("b", b"text\n")}
    )
    page = reader.get(f"{path}/a.txt")
    assert instance.rest("GET", "config/active/extra_files/a.txt") == (200, b"text\n")
    assert reader.client.get(f"{path}/a.txt/content").content == b"text\n"


def test_the_appearance_is_chosen_and_kept(reader: Reader) -> None:
    page = reader.get("/services/pools")
    form = reader.form(page, "/theme")
    assert 'data-theme="dark"' not in page.text
    dark = reader.send(page, form, {}, ("theme", "dark"))
    assert 'data-theme="dark"' in dark.text
    assert str(dark.url).endswith("/services/pools")
    reader.send(dark, reader.form(dark, "/theme"), {}, ("theme", "auto"))


def test_search_finds_objects_settings_and_actions(reader: Reader) -> None:
    text = reader.get("/search?q=max+reply").text
    assert "Max reply time" in text
    assert "New Pool" in reader.get("/search?q=new+pool").text
    assert "/services/pools/app" in reader.get("/search?q=app").text
    assert "Nothing is called that." in reader.get("/search?q=zzzzzz").text


def test_the_commands_of_an_objects_page_run_as_they_stand(reader: Reader, instance: Instance) -> None:
    """curl gets them word for word from a shell; the port is the one where REST answers in this run."""
    name = 'it\'s "${x}" $(id) `id` a/b é'
    hidden = "?expert_keys=basic/lard_size"
    path = f"config/active/pools/{quote(name, safe='')}{hidden}"
    basic = {"nodes_table": [{"node": "127.0.0.1:1", "weight": 3}], "note": name, "lard_size": 3}
    assert instance.rest("PUT", path, {"properties": {"basic": basic}})[0] == 201
    made = instance.get(path)
    page = reader.get(f"/services/pools/{quote(name, safe='')}/as").text
    found = dict(re.findall(r'<pre id="(\w+)"[^>]*>(.*?)</pre>', page, re.DOTALL))
    assert json.loads(in_shell(found["get"]))["properties"]["basic"]["note"] == name
    assert instance.rest("DELETE", path)[0] == 204
    assert json.loads(in_shell(found["put"])) == made == instance.get(path)


def in_shell(command: str) -> str:
    """What a command of a page prints, without a terminal: curl reads the password from its input."""
    shell = ["sh", "-c", html.unescape(command)]
    done = subprocess.run(
        shell,
        input="secret-for-tests\n",
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        start_new_session=True,
    )
    return done.stdout
