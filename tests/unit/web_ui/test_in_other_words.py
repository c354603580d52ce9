"""Changes as REST calls, and objects in the words of other tools: complete, pasteable, and without secrets."""

from __future__ import annotations

import json
import shlex
from typing import Any

from pointsman.document.load import load_text
from pointsman.schema.problem import ObjectId
from pointsman.schema.registry import BY_PATH
from pointsman.schema.resource import Kind
from pointsman.store import Delete, Put, Rename
from pointsman.web.ui.changes.followers import with_followers
from pointsman.web.ui.changes.judgement import effect, left_without
from pointsman.web.ui.changes.rest_calls import LEFT_OUT, calls_of
from pointsman.web.ui.objects.copy_as import TERRAFORM, copies

HOSTILE = 'it\'s "${x}" $(id) `id` %{y} /é'
POOL = ObjectId("pools", HOSTILE)
ROWS = [{"node": "a:1", "weight": 3}]
SETTINGS: dict[str, Any] = {"basic": {"nodes_table": ROWS, "note": HOSTILE}, "ssl": {"enable": True}}
KEY = ObjectId("ssl/server_keys", "k")
PAIR = {"basic": {"public": "the certificate", "private": "the private key", "request": ""}}


def body(text: str) -> Any:
    return json.loads(text)["properties"]


def test_a_new_object_is_put_with_what_is_set() -> None:
    (call,) = calls_of([Put(POOL, SETTINGS)], {})
    assert call.method == "PUT"
    assert call.path.startswith("/api/tm/8.3/config/active/pools/it%27s%20%22")
    found = body(call.body)
    assert found["basic"]["note"] == HOSTILE
    assert found["ssl"] == {"enable": True}


def test_a_change_names_what_differs_and_defaults_that_come_back() -> None:
    changed = {"basic": {"nodes_table": ROWS, "monitors": ["Ping"]}}
    (call,) = calls_of([Put(POOL, changed)], {POOL: SETTINGS})
    assert body(call.body) == {"basic": {"monitors": ["Ping"], "note": ""}, "ssl": {"enable": False}}


def test_no_secret_is_in_a_call() -> None:
    calls = calls_of(
        [Put(KEY, PAIR), Put(ObjectId("rules", "r"), {"content": b"-----BEGIN PRIVATE KEY-----"})], {}
    )
    assert body(calls[0].body)["basic"]["private"] == LEFT_OUT
    assert "PRIVATE KEY" not in calls[1].body


def test_deleting_and_renaming() -> None:
    calls = calls_of([Delete(POOL), Rename(POOL, "q")], {POOL: SETTINGS})
    assert (calls[0].method, calls[0].body) == ("DELETE", "")
    assert "cannot rename" in calls[1].note


def test_a_command_survives_a_shell_whatever_the_name() -> None:
    found = {copy.slug: copy for copy in copies(POOL, SETTINGS, "https://h:9070", "o'brien")}
    words = shlex.split(found["put"].text)
    assert words[:4] == ["curl", "--insecure", "--user", "o'brien"]
    assert body(words[words.index("--data") + 1])["basic"]["note"] == HOSTILE
    assert words[-1].startswith("https://h:9070/api/tm/8.3/config/active/pools/")


def test_documents_say_the_object_and_nothing_secret() -> None:
    for form in ("yaml", "json"):
        found = {copy.slug: copy for copy in copies(POOL, SETTINGS, "https://h", "admin")}
        document = load_text(found[form].text.encode(), f"d.{form}", BY_PATH)
        assert document.objects[POOL]["basic"]["note"] == HOSTILE
    for copy in copies(KEY, PAIR, "https://h", "admin"):
        assert "the private key" not in copy.text


def test_terraform_does_not_take_text_for_a_template() -> None:
    found = {copy.slug: copy.text for copy in copies(POOL, SETTINGS, "https://h", "admin")}["terraform"]
    assert found.startswith('resource "vtm_pool" "it_s')
    assert "$${x}" in found and "%%{y}" in found
    assert 'nodes_table {\n    node = "a:1"\n    weight = 3\n  }' in found
    assert "ssl_enable = true" in found


def in_terraform(identity: ObjectId, settings: dict[str, Any]) -> str:
    return {copy.slug: copy.text for copy in copies(identity, settings, "https://h", "admin")}["terraform"]


def test_terraform_gets_characters_whole() -> None:
    """JSON may escape a character as two halves; HCL refuses that."""
    assert 'note = "é \U0001f600"' in in_terraform(POOL, {"basic": {"note": "é \U0001f600"}})


def test_terraform_gets_no_escape_that_it_does_not_know() -> None:
    """HCL knows neither the \\b nor the \\f of JSON; a backslash before such a letter is none of them."""
    text = in_terraform(POOL, {"basic": {"note": "\b\f\n\\b\\f"}})
    assert r'note = "\u0008\u000c\n\\b\\f"' in text


def test_terraform_gets_none_of_our_own_keys() -> None:
    """The provider refuses a whole block for one argument that it does not know."""
    for resource_type in TERRAFORM:
        kind = BY_PATH[resource_type]
        ours = [key for key in kind.keys if "an addition of this product" in key.help]
        for key in ours:
            name = "" if kind.kind is Kind.SINGLETON else "o"
            assert key.section not in in_terraform(
                ObjectId(resource_type, name), {key.section: {key.name: key.default}}
            )


def test_terraform_names_what_the_provider_cannot_do_without() -> None:
    """Its resource for certificates requires all four arguments; the key comes from a variable."""
    text = in_terraform(KEY, PAIR)
    assert text.startswith('variable "k_private" {\n  type = string\n  sensitive = true\n}\n')
    assert "private = var.k_private" in text and 'note = ""' in text and 'request = ""' in text
    assert "the private key" not in text


def test_terraform_leaves_out_keys_that_the_provider_does_not_know() -> None:
    server = ObjectId("virtual_servers", "v")
    settings = {"basic": {"port": 1, "pool": "p", "rules_on_connect": True}, "ssl": {"max_key_size": 2048}}
    assert in_terraform(server, settings) == (
        'resource "vtm_virtual_server" "v" {\n  name = "v"\n  pool = "p"\n  port = 1\n}\n'
    )


def test_terraform_spells_names_as_the_provider_does() -> None:
    member = in_terraform(ObjectId("traffic_managers", "1.2.3.4"), {"basic": {"adminMasterXMLIP": "1.1.1.1"}})
    assert member.startswith('resource "vtm_traffic_manager" "_1_2_3_4" {\n  name = "1.2.3.4"\n')
    assert 'adminmasterxmlip = "1.1.1.1"' in member
    settings = in_terraform(ObjectId("global_settings", ""), {"basic": {"max_fds": 100000}})
    assert settings == 'resource "vtm_global_settings" "settings" {\n  max_fds = 100000\n}\n'
    rows = [{"name": "Pools", "access_level": "full"}]
    group = in_terraform(ObjectId("user_groups", "g"), {"basic": {"permissions": rows}})
    assert 'permissions {\n    access_level = "full"\n    name = "Pools"\n  }' in group


def test_a_command_names_the_hidden_keys_that_it_sets() -> None:
    """REST takes a hidden key only where the query names it."""
    settings = {"basic": {"lard_size": 3, "note": "n"}}
    found = {copy.slug: copy.text for copy in copies(ObjectId("pools", "p"), settings, "https://h", "admin")}
    assert shlex.split(found["put"])[-1].endswith("/pools/p?expert_keys=basic/lard_size")
    assert shlex.split(found["get"])[-1].endswith("/pools/p")


def test_who_still_needs_what_is_deleted_is_named() -> None:
    server = ObjectId("virtual_servers", "v")
    objects = {POOL: SETTINGS, server: {"basic": {"port": 1, "pool": POOL.name}}}
    (sentence,) = left_without(objects, (Delete(POOL),))
    assert "virtual_servers/v still needs it" in sentence
    assert left_without(objects, (Delete(POOL), Delete(server))) == ()
    assert left_without(objects, (Delete(POOL), Put(server, {"basic": {"port": 1, "pool": "discard"}}))) == ()


def test_what_mentions_a_renamed_object_is_shown_to_follow() -> None:
    server, rule = ObjectId("virtual_servers", "v"), ObjectId("rules", "r")
    objects: dict[ObjectId, Any] = {
        POOL: SETTINGS,
        rule: {"content": b"http.getPath();"},
        server: {"basic": {"port": 1, "pool": POOL.name, "request_rules": ["/r", "s"]}},
    }
    told = effect(objects, with_followers(objects, (Rename(POOL, "new"), Rename(rule, "t"))))
    assert [(change.subject, change.act) for change in told] == [
        (POOL, "renamed"),
        (rule, "renamed"),
        (server, "changed"),
    ]
    keys = {key.path: (key.before, key.after) for key in told[2].keys}
    assert keys[("basic", "pool")] == (POOL.name, "new")
    assert keys[("basic", "request_rules")] == (["/r", "s"], ["/t", "s"])
