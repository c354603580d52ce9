"""Wizards, reviews, documents and the System pages, all without JavaScript."""

from __future__ import annotations

import http.client
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from tests.certificates import self_signed
from tests.e2e.reader import PASSWORD, Form, Reader, forms_of
from tests.e2e.test_ui_access import WORDS, make_user
from tests.origin import hello
from tools.instance import Instance, free_port, wait_for

Changes = dict[str, str | list[str] | None]


@pytest.fixture(scope="module")
def origin() -> Iterator[int]:
    """The port of an origin."""
    with hello() as port:
        yield port


@pytest.fixture(scope="module")
def temporary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the traffic manager has its temporary files, and nobody else: the machine's own directory holds those of
    every instance that other tests run at the same time.
    """
    return tmp_path_factory.mktemp("tmp")


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory, temporary: Path) -> Iterator[Instance]:
    """One traffic manager for all tests here."""
    home = tmp_path_factory.mktemp("change") / "home"
    with Instance(home, before=("env", f"TMPDIR={temporary}")) as running:
        yield running


@pytest.fixture(scope="module")
def reader(instance: Instance) -> Iterator[Reader]:
    """Somebody without JavaScript who is logged in as the administrator."""
    with Reader(instance) as reader:
        assert reader.log_in().status_code == 200
        yield reader


def pool_of(instance: Instance, name: str, *nodes: str, **basic: Any) -> None:
    rows = [{"node": node} for node in nodes or ("127.0.0.1:1",)]
    assert instance.put("pools", name, {"basic": {"nodes_table": rows, **basic}})[0] in (200, 201)


def basic(instance: Instance, kind: str, name: str) -> Any:
    return instance.get(f"config/active/{kind}/{name}")["properties"]["basic"]


def revision(instance: Instance) -> int:
    found: int = instance.get("status/local_tm/applies?limit=1")["revision"]
    return found


def step(reader: Reader, page: httpx.Response, changes: Changes, act: str = "next") -> httpx.Response:
    """Answers the wizard's page."""
    forms = [form for form in forms_of(page.text) if form.action.startswith("/wizards/")]
    assert forms, page.text[:3000]
    return reader.send(page, forms[0], changes, ("act", act))


def by_action(page: httpx.Response, ending: str) -> Form:
    return next(form for form in forms_of(page.text) if form.action.endswith(ending))


def test_a_new_service_is_made_and_serves(
    reader: Reader, instance: Instance, origin: int, temporary: Path
) -> None:
    port = free_port()
    page = reader.get("/wizards/new-service")
    page = step(reader, page, {"name": "shop", "port": "70000"})
    assert page.status_code == 400
    assert "is out of range; give a number from 1 to 65535" in page.text
    assert 'value="shop"' in page.text
    page = step(reader, page, {"name": "shop", "port": str(port)})
    page = step(reader, page, {"nodes": "127.0.0.1"})
    assert page.status_code == 400 and 'class="fault"' in page.text
    page = step(reader, page, {"nodes": f"127.0.0.1:{origin}"})
    back = step(reader, page, {}, "back")
    assert f"127.0.0.1:{origin}" in back.text
    back = step(reader, back, {}, "back")
    assert 'value="shop"' in back.text and f'value="{port}"' in back.text
    page = step(reader, step(reader, step(reader, back, {}), {}), {})
    assert str(page.url).endswith("/review")
    before = revision(instance)
    assert "Engine accepts" in page.text
    assert "frontend vs-shop" in page.text
    assert "/api/tm/8.3/config/active/virtual_servers/shop" in page.text
    assert revision(instance) == before
    done = step(reader, page, {}, "finish")
    assert str(done.url).endswith("/done")
    assert revision(instance) == before + 1
    (command,) = re.findall(r"curl (http://\S+?)<", done.text)
    host = urlsplit(shlex.split(command)[0])
    assert host.port == port

    def served() -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/")
            return connection.getresponse().read() == b"hello"
        except OSError:
            return False
        finally:
            connection.close()

    wait_for("the service serves", served, 30)
    assert not list(temporary.iterdir()), "the engine's trial left something behind"


def test_a_port_that_is_taken_is_told_at_the_step(reader: Reader, instance: Instance) -> None:
    pool_of(instance, "here")
    port = free_port()
    assert instance.put("virtual_servers", "first", {"basic": {"port": port, "pool": "here"}})[0] == 201
    page = reader.get("/wizards/new-service")
    page = step(reader, page, {"name": "second", "port": str(port)})
    assert page.status_code == 400
    assert "listens on port" in page.text
    assert "there is a pool" in step(reader, page, {"name": "here", "port": "81"}).text.replace("&#34;", '"')


def test_ssl_is_decrypted_with_a_certificate_of_the_catalog(reader: Reader, instance: Instance) -> None:
    public, private = self_signed("shop.example")
    pair = {"basic": {"public": public, "private": private}}
    assert instance.put("ssl/server_keys", "shop.example", pair)[0] == 201
    pool_of(instance, "plain")
    assert (
        instance.put("virtual_servers", "plain", {"basic": {"port": free_port(), "pool": "plain"}})[0] == 201
    )
    port = free_port()
    page = step(reader, reader.get("/wizards/ssl-decrypt"), {"server": "plain"})
    page = step(reader, page, {"certificate": "shop.example", "port": str(port)})
    assert "Engine accepts" in page.text
    assert "PRIVATE KEY" not in page.text
    step(reader, page, {}, "finish")
    found = instance.get("config/active/virtual_servers/plain")["properties"]
    assert (found["basic"]["ssl_decrypt"], found["basic"]["port"]) == (True, port)
    assert found["ssl"]["server_cert_default"] == "shop.example"


def test_nodes_are_drained_disabled_reactivated_and_removed(reader: Reader, instance: Instance) -> None:
    pool_of(instance, "farm", "127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3")

    def run(slug: str, node: str, confirm: Changes) -> dict[str, str]:
        page = step(reader, reader.get(f"/wizards/{slug}?pool=farm"), {"pool": "farm"})
        review = step(reader, page, {"nodes": node})
        assert "Finish" in review.text, review.text[-3000:]
        step(reader, review, confirm, "finish")
        return {row["node"]: row["state"] for row in basic(instance, "pools", "farm")["nodes_table"]}

    assert run("drain-node", "127.0.0.1:1", {})["127.0.0.1:1"] == "draining"
    assert run("disable-node", "127.0.0.1:1", {})["127.0.0.1:1"] == "disabled"
    assert run("reactivate-node", "127.0.0.1:1", {})["127.0.0.1:1"] == "active"
    assert "127.0.0.1:2" in run("remove-node", "127.0.0.1:2", {})  # the box had no tick
    assert set(run("remove-node", "127.0.0.1:2", {"confirm": "yes"})) == {"127.0.0.1:1", "127.0.0.1:3"}
    page = step(reader, reader.get("/wizards/drain-node"), {"pool": "farm"})
    assert step(reader, page, {"nodes": "127.0.0.9:9"}).status_code == 400


def test_rules_are_switched_on_and_off_in_their_order(reader: Reader, instance: Instance) -> None:
    pool_of(instance, "ruled")
    for name in ("one", "two"):
        status, _ = instance.rest("PUT", f"config/active/rules/{name}", b"# rule", content_type="text/plain")
        assert status in (201, 204)
    rules = {"port": free_port(), "pool": "ruled", "request_rules": ["one", "/two"]}
    assert instance.put("virtual_servers", "ruled", {"basic": rules})[0] == 201
    page = step(reader, reader.get("/wizards/enable-rule"), {"server": "ruled"})
    review = step(reader, page, {"request_rules": ["1"]})
    step(reader, review, {}, "finish")
    assert basic(instance, "virtual_servers", "ruled")["request_rules"] == ["/one", "two"]


def test_a_group_and_a_clone_are_made(reader: Reader, instance: Instance) -> None:
    page = reader.get("/wizards/new-traffic-ip-group")
    page = step(reader, page, {"name": "vips", "addresses": "127.0.0.1"})
    assert page.status_code == 400 and "not a loopback" in page.text
    page = step(reader, page, {"name": "vips", "addresses": "192.0.2.77"})
    step(reader, step(reader, page, {}), {}, "finish")
    assert basic(instance, "traffic_ip_groups", "vips")["ipaddresses"] == ["192.0.2.77"]
    pool_of(instance, "model", "127.0.0.1:4")
    assert (
        instance.put("virtual_servers", "model", {"basic": {"port": free_port(), "pool": "model"}})[0] == 201
    )
    page = step(reader, reader.get("/wizards/clone-service"), {"server": "model"})
    page = step(reader, page, {"name": "twin", "port": str(free_port()), "copy_pool": "yes"})
    step(reader, page, {}, "finish")
    assert basic(instance, "virtual_servers", "twin")["pool"] == "twin"
    assert basic(instance, "pools", "twin")["nodes_table"][0]["node"] == "127.0.0.1:4"


def test_a_backup_is_made_and_the_disk_freed(reader: Reader, instance: Instance) -> None:
    log = instance.home / "log" / "haproxy.log.1"
    log.write_text("former\n")
    review = step(reader, reader.get("/wizards/backup"), {"name": "kept", "secrets": "exclude"})
    assert "without private keys" in review.text
    done = step(reader, review, {}, "finish")
    assert str(done.url).endswith("/done")
    assert "kept" in reader.get("/system/backups").text
    page = reader.get("/wizards/free-disk-space")
    assert "haproxy.log.1" in page.text and "store" not in [
        name for form in forms_of(page.text) for name in form.names()
    ]
    assert step(reader, page, {}).status_code == 400
    review = step(reader, page, {"backups": "kept", "logs": "haproxy.log.1"})
    refused = step(reader, review, {}, "finish")
    assert refused.status_code == 400 and log.exists()
    step(reader, review, {"confirm": "yes"}, "finish")
    assert not log.exists()
    assert "/system/backups/backup/kept" not in reader.get("/system/backups").text


def test_one_object_of_a_comparison_is_restored_alone(reader: Reader, instance: Instance) -> None:
    """And what else changed since the backup stays as it is; the comparison keeps what it is with."""
    for name in ("lost/1", "other"):
        pool_of(instance, name, "127.0.0.1:1", note="before")
    for backup in ("monday", "tuesday"):
        page = reader.get("/system/backups")
        reader.send(page, reader.form(page, "/system/backups/create"), {"name": backup})
    for name in ("lost/1", "other"):
        pool_of(instance, name, "127.0.0.1:1", note="after")
    one = "/system/backups/backup/monday"
    assert '<option value="tuesday" selected>' in reader.get(f"{one}/compare?with=tuesday").text
    compared = reader.get(f"{one}/compare")
    link = f"{one}/compare?only=pools%2Flost%2F1"
    assert f'href="{link}#restore">Restore this alone' in compared.text
    page = reader.get(link)
    form = reader.form(page, f"{one}/restore")
    done = reader.send(page, form, {"own_password": PASSWORD, "confirm": "yes"}, ("act", "restore"))
    assert "The configuration is that of revision" in done.text
    assert basic(instance, "pools", "lost%2F1")["note"] == "before"
    assert basic(instance, "pools", "other")["note"] == "after"


def test_wizards_that_lead_and_one_that_is_given_up(reader: Reader) -> None:
    assert str(reader.get("/wizards/restore").url).endswith("/system/backups")
    assert "/system/traffic-managers" in str(reader.get("/wizards/join-cluster").url)
    page = step(reader, reader.get("/wizards/new-service"), {"name": "never", "port": "82"})
    run = str(page.url)
    assert str(step(reader, page, {}, "cancel").url).endswith("/wizards")
    assert reader.client.get(run).status_code == 404


SUMMARY = "/services/config-summary"


def export(reader: Reader, **wish: str) -> httpx.Response:
    page = reader.get(SUMMARY)
    return reader.send(page, reader.form(page, f"{SUMMARY}/export"), {**wish})


def bring(
    reader: Reader, text: str, way: str = "merge", typed: str = "", name: str = "d.yaml"
) -> httpx.Response:
    page = reader.get(f"{SUMMARY}/import")
    form = reader.form(page, f"{SUMMARY}/import")
    return reader.send(page, form, {"way": way, "typed": typed}, files={"file": (name, text.encode())})


def test_a_document_is_exported_changed_and_imported(reader: Reader, instance: Instance) -> None:
    pool_of(instance, "documented", note="as it was")
    text = export(reader, format="yaml", secrets="hash").text
    assert "PRIVATE KEY" not in text
    same = bring(reader, text)
    assert "nothing would change" in same.text
    review = bring(reader, text.replace("as it was", "as it will be"))
    assert "Passes the checks" in review.text and "as it will be" in review.text
    assert basic(instance, "pools", "documented")["note"] == "as it was"
    done = reader.send(review, by_action(review, "/apply"))
    assert "The document was imported." in done.text
    assert basic(instance, "pools", "documented")["note"] == "as it will be"


def test_faults_of_a_document_are_told_by_line(reader: Reader) -> None:
    text = (
        "version: 8.3\npools:\n- name: bad\n  properties:\n    basic:\n      nodes_table: 7\n      notes: x\n"
    )
    page = bring(reader, text)
    assert page.status_code == 400
    assert "line 6, column" in page.text and "line 7, column" in page.text
    assert "notes: x" in page.text
    assert bring(reader, "{", name="d.json").status_code == 400


def test_a_document_replaces_everything_only_by_its_name(reader: Reader, instance: Instance) -> None:
    name = instance.get("config/active/traffic_managers")["children"][0]["name"]
    pool_of(instance, "doomed")
    text = export(reader, format="json").text
    document = json.loads(text)
    document["pools"] = [pool for pool in document["pools"] if pool["name"] != "doomed"]
    brought = json.dumps(document)
    assert bring(reader, brought, "replace", "wrong", "d.json").status_code == 400
    review = bring(reader, brought, "replace", name, "d.json")
    assert "pools/doomed" in review.text
    reader.send(review, by_action(review, "/apply"))
    assert instance.rest("GET", "config/active/pools/doomed")[0] == 404


def test_secrets_leave_only_by_a_typed_name(reader: Reader, instance: Instance) -> None:
    public, private = self_signed("out.example")
    assert instance.put("ssl/server_keys", "out", {"basic": {"public": public, "private": private}})[0] in (
        200,
        201,
    )
    refused = export(reader, secrets="include")
    assert refused.status_code == 400 and "PRIVATE KEY" not in refused.text
    name = instance.get("config/active/traffic_managers")["children"][0]["name"]
    assert "PRIVATE KEY" in export(reader, secrets="include", typed=name).text
    assert export(reader, extent="differences").status_code == 200


def test_the_summary_says_how_requests_pass(reader: Reader, instance: Instance) -> None:
    pool_of(instance, "behind", "127.0.0.1:5", monitors=["Ping"])
    assert (
        instance.put("virtual_servers", "before", {"basic": {"port": free_port(), "pool": "behind"}})[0]
        == 201
    )
    page = reader.get(f"{SUMMARY}?q=before")
    assert "127.0.0.1:5" in page.text and "/services/pools/behind" in page.text
    assert "/catalogs/monitors/Ping" in page.text


def test_settings_are_changed_on_their_page_and_found_by_the_filter(
    reader: Reader, instance: Instance
) -> None:
    page = reader.get("/system/security")
    form = reader.form(page, "/system/security", "security.login_banner")
    assert (
        "Security was changed."
        in reader.send(page, form, {"security.login_banner": "Hello"}, ("act", "apply")).text
    )
    found = instance.get("config/active/global_settings")["properties"]
    assert found["security"]["login_banner"] == "Hello"
    narrowed = reader.get("/system/global-settings?q=idle+timeout")
    form = reader.form(narrowed, "/system/global-settings", "connection.idle_timeout")
    assert "connection.listen_queue_size" not in form.names()
    reader.send(narrowed, form, {"connection.idle_timeout": "23"}, ("act", "apply"))
    found = instance.get("config/active/global_settings")["properties"]["connection"]
    assert (found["idle_timeout"], found["listen_queue_size"]) == (23, 0)
    foreign = reader.send(narrowed, form, {"section": "security"}, ("act", "apply"))
    assert foreign.status_code == 400


def test_the_other_pages_answer(reader: Reader, instance: Instance) -> None:
    upgrade = reader.get("/system/upgrade")
    assert "What runs where" in upgrade.text
    form = reader.form(upgrade, "/system/upgrade/restart")
    assert reader.send(upgrade, form).status_code == 400
    page = reader.get("/system/traffic-managers")
    (path,) = set(re.findall(r'href="(/system/traffic-managers/settings/[^"]+)"', page.text))
    assert reader.get(path).status_code == 200
    pool_of(instance, "told")
    assert "resource &#34;vtm_pool&#34;" in reader.get("/services/pools/told/as").text
    assert reader.get("/system/global-settings/as").status_code == 200


def test_who_may_only_look_changes_nothing(reader: Reader, instance: Instance) -> None:
    pool_of(instance, "looked")
    pool_of(instance, "looked", note="at")
    last = revision(instance)
    make_user(reader, "looker", "Guest")
    with Reader(instance) as guest:
        assert guest.log_in("looker", WORDS).status_code == 200
        assert "no permission for one" in guest.get("/wizards").text
        assert 'name="typed"' not in guest.get(f"/changes/restore/{last}").text
        for path in ("/wizards/new-service", "/changes/history"):
            assert guest.get(path).status_code == 403, path
        page = guest.get(f"/changes/undo/{last}")
        assert "Not permitted" in page.text
        form = guest.form(page, f"/changes/undo/{last}", "base")
        assert guest.send(page, form, {}, ("act", "apply")).status_code == 403
        token = dict(form.fields)["csrf"]
        for path, fields in {
            "/wizards/new-service": {"act": "next", "name": "x", "port": "80"},
            f"{SUMMARY}/export": {"secrets": "include"},
            "/system/upgrade/restart": {"confirm": "yes"},
            f"/changes/restore/{last}": {"typed": "x"},
            "/system/security": {"section": "security", "security.login_banner": "mine"},
        }.items():
            assert guest.client.post(path, data={**fields, "csrf": token}).status_code == 403, path
        assert bring(guest, "version: 8.3\n").status_code == 403
        assert export(guest).status_code == 403
    assert revision(instance) == last


def test_the_control_plane_is_started_again_and_traffic_goes_on(reader: Reader, instance: Instance) -> None:
    """The last one here: everybody has to log in again afterwards."""
    found = instance.processes()
    before, engine = found["control"], found["haproxy"]
    page = reader.get("/system/upgrade")
    form = reader.form(page, "/system/upgrade/restart")
    assert "starts again" in reader.send(page, form, {"confirm": "yes"}).text
    now = wait_for(
        "another control plane",
        lambda: (pids := instance.processes()["control"]) and not set(pids) & set(before) and pids,
    )
    assert now
    assert set(engine) & set(instance.processes()["haproxy"])
