"""New objects that are based on others, what names an object, and the order in which its settings stand."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.e2e.reader import Reader
from tools.instance import Instance, free_port

SERVERS, POOLS = "/services/virtual-servers", "/services/pools"


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """A traffic manager with a pool, its monitor, and two virtual servers."""
    with Instance(tmp_path_factory.mktemp("c") / "home") as running:
        rows = [{"node": "127.0.0.1:9", "weight": 7}]
        pool = {"basic": {"nodes_table": rows, "monitors": ["watch"], "note": "of the shop"}}
        assert running.put("monitors", "watch", {"basic": {"type": "connect"}})[0] == 201
        assert running.put("pools", "app", pool)[0] == 201
        for name, note in (("shop", "first"), ("desk", "second")):
            basic = {"port": free_port(), "pool": "app", "note": note, "listen_on_hosts": ["127.0.0.1"]}
            assert (
                running.put("virtual_servers", name, {"basic": {**basic, "listen_on_any": False}})[0] == 201
            )
        yield running


@pytest.fixture(scope="module")
def reader(instance: Instance) -> Iterator[Reader]:
    """Somebody without JavaScript who is logged in as the administrator."""
    with Reader(instance) as reader:
        assert reader.log_in().status_code == 200
        yield reader


def basic_of(instance: Instance, name: str) -> dict[str, object]:
    """The basic section of a virtual server."""
    found: dict[str, object] = instance.get(f"config/active/virtual_servers/{name}")["properties"]["basic"]
    return found


def test_a_clone_is_filled_in_and_what_is_typed_over_it_counts(reader: Reader, instance: Instance) -> None:
    page = reader.get(f"{SERVERS}/-/new?based_on=shop")
    form = reader.form(page, f"{SERVERS}/-/new")
    held = dict(form.fields)
    assert held["basic.port"] == str(basic_of(instance, "shop")["port"])
    assert held["basic.pool"] == "app"
    port = free_port()
    made = reader.send(page, form, {"name": "other", "basic.port": str(port)}, ("act", "apply"))
    assert "Virtual Server other was made." in made.text
    stored = basic_of(instance, "other")
    assert (stored["port"], stored["pool"], stored["note"]) == (port, "app", "first")
    assert stored["listen_on_hosts"] == ["127.0.0.1"]


def test_nothing_is_made_of_fields_that_are_not_those_of_the_original(
    reader: Reader, instance: Instance
) -> None:
    """Another original is chosen and the form sent at once: its values are shown first, and the name is kept."""
    page = reader.get(f"{SERVERS}/-/new?based_on=shop")
    form = reader.form(page, f"{SERVERS}/-/new")
    for button in ("apply", "fill"):
        shown = reader.send(page, form, {"name": "late", "based_on": "desk"}, ("act", button))
        assert shown.status_code == 200
        assert instance.rest("GET", "config/active/virtual_servers/late")[0] == 404
        again = reader.form(shown, f"{SERVERS}/-/new")
        held = dict(again.fields)
        assert (held["name"], held["filled"]) == ("late", "desk")
        assert held["basic.port"] == str(basic_of(instance, "desk")["port"])
    made = reader.send(shown, again, {"basic.port": str(free_port())}, ("act", "apply"))
    assert "Virtual Server late was made." in made.text
    assert basic_of(instance, "late")["note"] == "second"


def test_an_original_that_is_gone_is_named(reader: Reader) -> None:
    page = reader.get(f"{POOLS}/-/new?based_on=%3Cb%3Egone")
    assert page.status_code == 400
    assert "There is no Pool &#34;&lt;b&gt;gone&#34; to begin with" in page.text


def test_what_was_typed_survives_a_fault(reader: Reader) -> None:
    page = reader.get(f"{POOLS}/-/new?based_on=app")
    form = reader.form(page, f"{POOLS}/-/new")
    typed: dict[str, str | list[str] | None] = {"name": "x", "basic.nodes_table#0.node": "no port"}
    refused = reader.send(page, form, typed, ("act", "apply"))
    assert refused.status_code == 400
    held = dict(reader.form(refused, f"{POOLS}/-/new").fields)
    assert (held["basic.nodes_table#0.node"], held["filled"]) == ("no port", "app")
    assert held["basic.nodes_table#0.weight"] == "7"


def test_a_new_traffic_ip_group_has_every_machine_at_first(reader: Reader, instance: Instance) -> None:
    names = [one["name"] for one in instance.get("config/active/traffic_managers")["children"]]
    page = reader.get("/services/traffic-ip-groups/-/new")
    form = reader.form(page, "/services/traffic-ip-groups/-/new")
    assert [value for name, value in form.fields if name == "basic.machines"] == names


def test_a_monitor_that_a_pool_names_is_not_deleted(reader: Reader, instance: Instance) -> None:
    """A pool would go on without it, unwatched; who deletes it is told which pools those are."""
    page = reader.get("/catalogs/monitors/watch")
    assert "It is in use" in page.text
    assert f'<a href="{POOLS}/app">Pool app</a>' in page.text
    form = reader.form(page, "/catalogs/monitors/watch/delete")
    refused = reader.send(page, form, {"confirm": "yes"})
    assert refused.status_code == 409
    assert "Monitor watch is used by Pool app. Change that first." in refused.text
    assert instance.rest("GET", "config/active/monitors/watch")[0] == 200


def test_what_matters_most_stands_first(reader: Reader) -> None:
    text = reader.get(f"{POOLS}/app").text
    at = [text.index(f'id="section-{name}"') for name in ("basic", "load_balancing", "auto_scaling")]
    assert at == sorted(at)
    text = reader.get(f"{SERVERS}/shop").text
    order = (
        "basic.enabled",
        "basic.port",
        "basic.listen_on_any",
        "basic.request_rules",
        "basic.glb_services",
    )
    at = [text.index(f'data-field="{path}"') for path in order]
    assert at == sorted(at)


def test_a_list_leads_to_the_pool(reader: Reader) -> None:
    assert f'<a href="{POOLS}/app">app</a>' in reader.get(SERVERS).text


def test_words_of_the_help_are_code_not_backticks(reader: Reader) -> None:
    text = reader.get("/catalogs/persistence/-/new").text
    assert "<code>transparent</code>" in text
    assert "`" not in text.partition("<main")[2]


def test_a_rule_is_renamed_on_its_page(reader: Reader, instance: Instance) -> None:
    put = instance.rest(
        "PUT", "config/active/rules/old", b"# a rule\n", content_type="application/octet-stream"
    )
    assert put[0] == 201
    page = reader.get("/catalogs/rules/old")
    named = reader.send(page, reader.form(page, "/catalogs/rules/old/rename"), {"new_name": "new"})
    assert "is called new now" in named.text
    assert instance.rest("GET", "config/active/rules/new")[0] == 200
