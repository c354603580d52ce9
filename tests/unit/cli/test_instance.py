"""status, diff and apply against an instance, over its socket."""

from __future__ import annotations

import json
import os
import pwd
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.certificates import self_signed
from tests.unit.cli.conftest import Answer, Instance

from pointsman.schema.health import NodeHealth, NodeState
from pointsman.schema.problem import ObjectId

Pointsman = Callable[..., Answer]
WEB, APP = ObjectId("virtual_servers", "web"), ObjectId("pools", "app")

DOCUMENT = """\
version: 8.3
pools:
- name: app
  properties:
    basic:
      nodes_table:
      - {node: "127.0.0.1:8001", weight: 2}
      - {node: "127.0.0.1:8002"}
virtual_servers:
- name: web
  properties:
    basic: {enabled: true, port: 8088, protocol: http, pool: app}
"""


@pytest.fixture
def document(tmp_path: Path) -> Path:
    path = tmp_path / "web.yaml"
    path.write_text(DOCUMENT)
    return path


def test_apply_then_nothing_to_change(instance: Instance, pointsman: Pointsman, document: Path) -> None:
    home = ("--home", instance.home)
    first = pointsman("apply", document, *home)
    assert first.status == 0, first
    assert "+ virtual_servers/web" in first.out
    assert "In force (revision 2)." in first.out
    settings = instance.running.control.settings(APP)
    assert settings is not None
    assert [row["node"] for row in settings["basic"]["nodes_table"]] == ["127.0.0.1:8001", "127.0.0.1:8002"]
    again = pointsman("apply", document, *home)
    assert (again.status, again.out) == (0, "Nothing to change (revision 2).\n")
    (newest, *_) = instance.do(lambda: instance.running.control.transactions(limit=1))
    assert newest.author.name == f"local:{pwd.getpwuid(os.geteuid()).pw_name}"
    assert newest.author.surface == "cli"
    assert newest.reason == f"apply {document}"


def test_apply_merges_by_key(
    instance: Instance, pointsman: Pointsman, document: Path, tmp_path: Path
) -> None:
    home = ("--home", instance.home)
    pointsman("apply", document, *home)
    part = tmp_path / "part.json"
    part.write_text(
        json.dumps({"virtual_servers": [{"name": "web", "properties": {"basic": {"note": "later"}}}]})
    )
    answer = pointsman("apply", part, *home, "--json")
    assert answer.status == 0
    (change,) = json.loads(answer.out)["changes"]
    assert change["keys"] == [{"path": ["basic", "note"], "before": "", "after": "later"}]
    settings = instance.running.control.settings(WEB)
    assert settings is not None
    assert (settings["basic"]["port"], settings["basic"]["note"]) == (8088, "later")


def test_replace_makes_the_documents_the_whole_configuration(
    instance: Instance, pointsman: Pointsman, document: Path, tmp_path: Path
) -> None:
    home = ("--home", instance.home)
    public, private = self_signed("a.example")
    (tmp_path / "key.yaml").write_text(
        "ssl: {server_keys: [{name: k, properties: {basic: {public: "
        f"{json.dumps(public)}, private: {json.dumps(private)}}}}}}}]}}\n"
        "global_settings: {properties: {basic: {accepting_delay: 60}}}\n"
        "monitors: [{name: Ping, properties: {basic: {delay: 9}}}, {name: mine, properties: {}}]\n"
    )
    assert pointsman("apply", tmp_path / "key.yaml", *home).status == 0
    (tmp_path / "whole.yaml").write_text(
        DOCUMENT
        + f"ssl: {{server_keys: [{{name: k, properties: {{basic: {{public: {json.dumps(public)}}}}}}}]}}\n"
    )
    dry = pointsman("apply", tmp_path / "whole.yaml", *home, "--replace", "--dry-run")
    assert dry.status == 0
    assert instance.running.control.settings(ObjectId("monitors", "mine")) is not None
    done = pointsman("apply", tmp_path / "whole.yaml", *home, "--replace")
    assert done.status == 0, done
    for shown in (dry.out, done.out):
        assert "- monitors/mine" in shown
        assert "basic.delay: 9 -> " in shown
        assert "basic.accepting_delay: 60 -> 50" in shown
        assert "ssl/server_keys/k" not in shown  # the private key that is not written down stays
    control = instance.running.control
    assert control.settings(ObjectId("monitors", "mine")) is None
    assert control.settings(ObjectId("monitors", "Ping")) is not None
    assert control.settings(ObjectId("ssl/server_keys", "k")) == {
        "basic": {"public": public, "private": private}
    }


def test_diff_shows_objects_and_engine(instance: Instance, pointsman: Pointsman, document: Path) -> None:
    home = ("--home", instance.home)
    shown = pointsman("diff", document, *home)
    assert shown.status == 0
    assert "+ pools/app  created" in shown.out
    assert "+++ b/haproxy.cfg" in shown.out
    assert "+frontend " in shown.out
    assert "would reload" in shown.out
    assert instance.running.control.revision == 1
    pointsman("apply", document, *home)
    document.write_text(DOCUMENT.replace("weight: 2", "weight: 2, state: draining"))
    changed = json.loads(pointsman("diff", document, *home, "--json").out)
    assert changed["changes"][0]["keys"][0]["after"]["state"] == "draining"
    assert changed["act"] == "runtime"
    document.write_text(DOCUMENT)
    assert "No difference." in pointsman("diff", document, *home).out


def test_secrets_are_never_shown(instance: Instance, pointsman: Pointsman, tmp_path: Path) -> None:
    document = tmp_path / "m.yaml"
    lines = [
        "monitors: [{name: m, properties: {basic: {type: http}, http: {authentication: 'user:SECRET-ONE'}}}]",
        "pools: [{name: p, properties: {basic: {monitors: [m], nodes_table: [{node: '127.0.0.1:1'}]}}}]",
        "virtual_servers: [{name: v, properties: {basic: {enabled: true, port: 8099, pool: p}}}]",
    ]
    document.write_text("\n".join(lines))
    home = ("--home", instance.home)
    answers = [pointsman("diff", document, *home), pointsman("apply", document, *home)]
    document.write_text(document.read_text().replace("SECRET-ONE", "SECRET-TWO"))
    answers += [pointsman("diff", document, *home, "--json"), pointsman("apply", document, *home, "--json")]
    for answer in answers:
        assert answer.status == 0, answer
        assert "SECRET" not in answer.out + answer.err
        assert "dXNlcjpTRUNSRVQ" not in answer.out  # the same in base64
        assert "secret:" in answer.out


def test_refusals_name_file_and_line(instance: Instance, pointsman: Pointsman, tmp_path: Path) -> None:
    home = ("--home", instance.home)
    document = tmp_path / "bad.yaml"
    document.write_text(
        "pools:\n- name: a\n  properties: {basic: {failure_pool: b}}\n- name: b\n  properties:\n    basic:\n"
        "      failure_pool: a\n"
    )
    for command in ("apply", "diff"):
        answer = pointsman(command, document, *home)
        assert answer.status == 1, answer
        assert f"{document}:7:21: pools/b: basic.failure_pool: the failure pools form a circle" in answer.err
    document.write_text("virtual_servers: [{name: v, properties: {basic: {port: 80}}}]")
    answer = pointsman("apply", document, *home, "--json")
    assert answer.status == 1
    (fault,) = json.loads(answer.out)["faults"]
    assert (fault["file"], fault["line"], fault["path"]) == (str(document), 1, ["basic", "pool"])
    document.write_text("traffic_managers: [{name: other, properties: {}}]")
    assert "cannot be made by a document" in pointsman("apply", document, *home).err
    document.write_text("pools: [")
    assert pointsman("apply", document, *home).status == 1
    assert instance.running.control.revision == 1


def test_warnings_end_with_two(instance: Instance, pointsman: Pointsman, document: Path) -> None:
    document.write_text(DOCUMENT.replace("nodes_table:", "monitors: [Pingg]\n      nodes_table:"))
    answer = pointsman("apply", document, "--home", instance.home)
    assert answer.status == 2, answer
    assert "warning  pools/app.basic.monitors: there is no monitor" in answer.out
    assert "In force, with the warnings above" in answer.out


def test_a_port_in_use_is_told(instance: Instance, pointsman: Pointsman, document: Path) -> None:
    class Taken(dict):  # type: ignore[type-arg]  # every listener of the service, whatever its address
        def __contains__(self, listener: object) -> bool:
            return getattr(listener, "port", 0) == 8088

        def __getitem__(self, listener: object) -> str:
            return "port 8088 is in use; choose another"

    instance.running.engine.taken = Taken()
    answer = pointsman("apply", document, "--home", instance.home)
    assert answer.status == 2, answer
    assert "rejected  virtual_servers/web" in answer.out
    assert "port 8088 is in use" in answer.out


def test_status_says_why_since_when_and_who(instance: Instance, pointsman: Pointsman, document: Path) -> None:
    home = ("--home", instance.home)
    empty = pointsman("status", *home)
    assert (empty.status, "No service is set up yet." in empty.out) == (0, True)
    pointsman("apply", document, *home)
    dead = NodeHealth("app", "127.0.0.1:8001", NodeState.DEAD, "Ping: \x1b[31mno answer", 5.0)
    instance.running.live.health = {("app", "127.0.0.1:8001"): dead}
    shown = pointsman("status", *home)
    assert 'WARNING: Node 127.0.0.1:8001 of pool "app" is down.' in shown.out
    row = next(line for line in shown.out.splitlines() if line.startswith("127.0.0.1:8001"))
    assert "DEAD" in row
    assert "Ping: \\x1b[31mno answer" in row
    assert "d ago" in row
    assert "local:" in row
    assert "\x1b" not in shown.out
    as_data = json.loads(pointsman("status", *home, "--json").out)
    assert as_data["services"][0]["name"] == "web"
    assert as_data["pools"][0]["nodes"][0]["state"] == "dead"


def test_no_instance_is_four(pointsman: Pointsman, tmp_path: Path, document: Path) -> None:
    for words in (("status",), ("diff", document), ("apply", document)):
        answer = pointsman(*words, "--home", tmp_path / "nowhere")
        assert answer.status == 4
        assert "no instance answers at" in answer.err
        assert answer.out == ""


def test_what_else_answers_on_the_socket(pointsman: Pointsman, instance: Instance) -> None:
    mode = stat.S_IMODE((instance.home / "run" / "control.sock").stat().st_mode)
    assert mode == 0o600


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{}", b'{"objects": [1]}', b'{"objects": [{"type": "pools", "name": "p", "settings": 1}]}',
     b'{"objects": [{"type": "rules", "name": "p", "content": "*"}]}', b'{"objects": [], "wait": "x"}',
     b"[" * 100_000],
)  # fmt: skip
def test_nonsense_on_the_socket_is_refused(instance: Instance, body: bytes) -> None:
    import httpx

    transport = httpx.HTTPTransport(uds=str(instance.home / "run" / "control.sock"))
    with httpx.Client(transport=transport, base_url="http://local") as client:
        for path in ("/diff", "/apply"):
            answer = client.post(path, content=body)
            assert answer.status_code == 400
            assert answer.json()["problems"][0]["code"] == "request.invalid"
        unknown = {"objects": [{"type": "nonsense", "name": "x", "settings": {}}]}
        assert client.post("/apply", json=unknown).status_code == 400
        assert client.get("/conditions").status_code == 200


@pytest.mark.parametrize(
    ("held", "here", "said"),
    [
        (False, False, "start it with `pointsman run` or name its --home"),
        (True, False, "as long as the file"),
        (False, True, "see the container's log"),
        (True, True, "start it with"),
    ],
)
def test_who_does_not_answer_is_told_of_what_helps(
    pointsman: Pointsman, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, held: bool, here: bool, said: str
) -> None:
    """R42: in a container, where nobody runs `pointsman run`, the remedy is another."""
    home = tmp_path / "var"
    home.mkdir()
    if held:
        (home / "hold").touch()
    if here:
        monkeypatch.setenv("ZEUSHOME", str(tmp_path))
    else:
        monkeypatch.delenv("ZEUSHOME", raising=False)
    answer = pointsman("status", *(() if here else ("--home", home)))
    assert answer.status == 4
    assert said in answer.err
    assert ("start-zeus" in answer.err) == (held and here)
    assert ("pointsman run" in answer.err) == (not held and not here)
