"""Documents become validated objects, merged by field; what is wrong is said with file, line, object and
field.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from tests.unit.document.shapes import REGISTRY

from pointsman.document.fault import Faulty
from pointsman.document.load import Document, load, load_text
from pointsman.schema.problem import ObjectId, Problem
from pointsman.schema.registry import BY_PATH

WEB = ObjectId("virtual_servers", "web")


def write(base: Path, files: dict[str, str | bytes]) -> Path:
    for name, content in files.items():
        path = base / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return base


def faults(path: Path, **options: Any) -> list[str]:
    """The faults as text, without the directory."""
    with pytest.raises(Faulty) as caught:
        load(path, REGISTRY, **options)
    return [str(fault).removeprefix(f"{path}/") for fault in caught.value.faults]


PUBLISHED = """\
version: 6.2
virtual_servers:
- name: web
  properties:
    basic: {enabled: true, port: 80, pool: p, request_rules: [r1]}
pools:
- name: p
  properties:
    basic: {monitors: ["Simple HTTP", Ping, Ping], nodes_table: []}
rules:
- name: r1
  content: |
    http.setResponseHeader("X-A", "b");
ssl:
  server_keys:
  - name: cert
    properties:
      basic:
        public:  {valueFrom: {fileRef: {name: tls/tls.crt}}}
        private: {valueFrom: {fileRef: {name: tls/tls.key}}}
global_settings:
  properties:
    web_cache: {size: 0}
"""


def test_the_published_shape(tmp_path: Path) -> None:
    files = {"config/10-all": PUBLISHED, "tls/tls.crt": "CERT\nMORE\n", "tls/tls.key": "KEY\nMORE\n"}
    document = load(write(tmp_path, files), REGISTRY)  # type: ignore[arg-type]  # dict is invariant
    assert document.objects == {
        WEB: {"basic": {"enabled": True, "port": 80, "pool": "p", "request_rules": ["r1"]}},
        ObjectId("pools", "p"): {"basic": {"monitors": ["Simple HTTP", "Ping"], "nodes_table": []}},
        ObjectId("rules", "r1"): {"content": b'http.setResponseHeader("X-A", "b");\n'},
        ObjectId("ssl/server_keys", "cert"): {"basic": {"public": "CERT\nMORE\n", "private": "KEY\nMORE\n"}},
        ObjectId("global_settings", ""): {"web_cache": {"size": "0"}},
    }


def test_json_and_yaml_are_the_same(tmp_path: Path) -> None:
    as_json = '{"pools": [\n\t{"name": "p", "properties": {"basic": {"note": "\\ud83d\\ude00"}}}]}'
    as_yaml = "pools: [{name: p, properties: {basic: {note: \U0001f600}}}]"
    as_flow = "{pools: [{name: p, properties: {basic: {note: \U0001f600}}}]}"
    found = [
        load(write(tmp_path / name, {name: text}) / name, REGISTRY).objects
        for name, text in (
            ("a.json", as_json),
            ("configmap-key", as_json),
            ("b.yml", as_yaml),
            ("c", as_flow),
        )
    ]
    assert all(objects == found[0] for objects in found)


def test_later_files_win_by_field_and_lists_are_replaced(tmp_path: Path) -> None:
    write(tmp_path, {
        "20-user.yaml": "virtual_servers: [{name: web, properties: {basic: {port: 81, request_rules: [c]}}}]",
        "00-chart.yaml": "virtual_servers: [{name: web, properties: {basic: {pool: p, port: 80, "
        "request_rules: [a, b]}, connection: {timeout: 4}}}]",
        ".hidden": "nonsense: [",
        "..data/10.yaml": "nonsense: [",
        "data/rule.ts": "nonsense: [",
    })  # fmt: skip
    document = load(tmp_path, REGISTRY)
    assert document.objects[WEB] == {
        "basic": {"pool": "p", "port": 81, "request_rules": ["c"]},
        "connection": {"timeout": 4},
    }


def test_every_fault_is_named_at_once(tmp_path: Path) -> None:
    write(tmp_path, {
        "1.yaml": """\
version: 9.1
pool: []
pools:
- name: p
  properties:
    basic:
      algoritm: random
      nodes_table:
      - {node: "a:80", weight: 500}
      - {node: "b:80", weight: light}
      monitors: ping
- properties: {}
- name: p
- name: "x\\ny"
virtual_servers:
- name: web
  propertees: {}
  properties:
    basic: {port: eighty, pool: null}
    nosection: {a: 1}
rules:
- name: r
- name: s
  content: [1]
global_settings: []
""",
        "2.json": '{"pools": [}',
        "3.yaml": b"pools: \xff\n",
    })  # fmt: skip
    assert faults(tmp_path) == [
        "1.yaml:1:10: version 9.1 is newer than 8.3, the newest known here; export the document for 8.3 or "
        "upgrade Pointsman",
        '1.yaml:2:1: there is no resource type "pool"; remove it, or did you mean "pools"?',
        '1.yaml:7:17: pools/p: basic.algoritm: no such key; remove it, or did you mean "algorithm"?',
        "1.yaml:9:32: pools/p: basic.nodes_table.a:80.weight: is out of range; give a number from 1 to 100",
        "1.yaml:10:32: pools/p: basic.nodes_table.b:80.weight: has the wrong type; give a whole number, "
        "without quotes",
        "1.yaml:11:17: pools/p: basic.monitors: has the wrong type; give a list",
        "1.yaml:12:3: an object of pools needs a name; give it one",
        "1.yaml:13:9: pools/p: the object is already there in line 4; join the two",
        r"1.yaml:14:9: pools/x\ny: a name must not hold control characters or line breaks; remove them",
        "1.yaml:17:3: virtual_servers/web: an object has no \"propertees\"; write its keys below properties:",
        "1.yaml:19:19: virtual_servers/web: basic.port: has the wrong type; give a whole number, "
        "without quotes",
        "1.yaml:19:33: virtual_servers/web: basic.pool: has no value; write one or remove the key",
        "1.yaml:20:5: virtual_servers/web: nosection: no such section; remove it, or did you mean "
        '"connection"?',
        "1.yaml:22:9: rules/r: content: a value is needed and there is no default; set it",
        "1.yaml:24:12: rules/s: content: must be text, {base64: ...} or {valueFrom: {fileRef: {name: ...}}}; "
        "write one of these",
        "1.yaml:25:18: global_settings: an object is a mapping with properties; write it so",
        "2.json:1:12: is not valid JSON (a value is missing); correct it",
        "3.yaml:1:1: is not text in UTF-8; convert the file",
    ]  # fmt: skip


@pytest.mark.parametrize("version", ["6.2", "8.3", "8", '"8.3"', "3.10"])
def test_versions_up_to_the_newest_are_accepted(tmp_path: Path, version: str) -> None:
    load(write(tmp_path, {"a": f"version: {version}\n"}), REGISTRY)


@pytest.mark.parametrize("version", ["8.4", "8.10", "9", "latest", "[8]", "-1", "8.3.1", "1e1"])
def test_other_versions_are_refused(tmp_path: Path, version: str) -> None:
    assert "a:1:10: version" in faults(write(tmp_path, {"a": f"version: {version}\n"}))[0]


def test_missing_required_keys_may_be_somebody_elses(tmp_path: Path) -> None:
    write(tmp_path, {"a": "virtual_servers: [{name: web, properties: {basic: {request_rules: [r]}}}]"})
    assert len(faults(tmp_path)) == 2
    assert load(tmp_path, REGISTRY, complete=False).objects[WEB] == {"basic": {"request_rules": ["r"]}}


def test_references(tmp_path: Path) -> None:
    write(tmp_path, {
        "config/a": """\
pools:
- name: p
  properties:
    basic:
      note: {valueFrom: {fileRef: {name: note}}}
      monitors: {valueFrom: {fileRef: {name: lists/monitors}}}
extra_files:
- name: f
  content: {valueFrom: {fileRef: {name: binary}}}
- name: g
  content: {base64: "/wA="}
- name: h
  content: 404
""",
        "note": "one line\n", "lists/monitors": "Ping\n\nHTTP\n", "binary": b"\xff\x00",
    })  # fmt: skip
    objects = load(tmp_path, REGISTRY).objects
    assert objects[ObjectId("pools", "p")] == {"basic": {"note": "one line", "monitors": ["Ping", "HTTP"]}}
    assert [objects[ObjectId("extra_files", name)]["content"] for name in "fgh"] == [
        b"\xff\x00",
        b"\xff\x00",
        b"404",
    ]
    # One document of that directory is read with the same base.
    assert load(tmp_path / "config" / "a", REGISTRY).objects == objects


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("../secret", "leaves the base directory"),
        ("/etc/passwd", "leaves the base directory"),
        ("a/../../secret", "leaves the base directory"),
        ("out", "is a link out of the base directory"),
        ("outdir/secret", "is a link out of the base directory"),
        ("missing", "does not exist below"),
        ("loop", "does not exist below"),
        ("config", "is not a regular file"),
        ("pipe", "is not a regular file"),
        ("", "leaves the base directory"),
        ("x\\0y", "leaves the base directory"),
    ],
)
def test_references_stay_inside(tmp_path: Path, name: str, words: str) -> None:
    base = tmp_path / "base"
    write(tmp_path, {"secret": "s", "base/config/a": "rules:\n- name: r\n  content:\n    valueFrom: "
                     f'{{fileRef: {{name: "{name}"}}}}\n'})  # fmt: skip
    (base / "out").symlink_to("../secret")
    (base / "outdir").symlink_to("..")
    (base / "loop").symlink_to("loop")
    os.mkfifo(base / "pipe")
    text = faults(base)[0]
    assert text.startswith("config/a:4:33: rules/r: content: ")
    assert words in text


def test_projected_volumes_are_followed(tmp_path: Path) -> None:
    write(tmp_path, {
        "config/..2026/web.yaml": "rules: [{name: r, content: {valueFrom: {fileRef: {name: tls/key}}}}]",
        "tls/..2026/key": "K",
    })  # fmt: skip
    for folder, name in (("config", "web.yaml"), ("tls", "key")):
        (tmp_path / folder / "..data").symlink_to("..2026")
        (tmp_path / folder / name).symlink_to(f"..data/{name}")
    assert load(tmp_path, REGISTRY).objects == {ObjectId("rules", "r"): {"content": b"K"}}


@pytest.mark.parametrize(
    "value",
    ["{valueFrom: x}", "{valueFrom: {secretRef: {name: a}}}", "{valueFrom: {fileRef: {name: a, x: 1}}}"],
)
def test_other_references_are_refused(tmp_path: Path, value: str) -> None:
    write(tmp_path, {"config/a": f"rules: [{{name: r, content: {value}}}]", "a": "x"})
    assert "valueFrom must be" in faults(tmp_path)[0]


def test_directories_without_documents_and_missing_paths(tmp_path: Path) -> None:
    assert "holds no documents" in faults(tmp_path)[0]
    assert "does not exist" in faults(tmp_path / "nowhere")[0]


def test_a_later_problem_finds_its_text(tmp_path: Path) -> None:
    write(
        tmp_path, {"a": "pools:\n- name: p\n  properties:\n    basic:\n      nodes_table:\n      - node: n\n"}
    )
    document: Document = load(tmp_path, REGISTRY)
    pool = ObjectId("pools", "p")
    lines = [
        fault.line
        for path in (("basic", "nodes_table", "n", "weight"), ("basic", "nodes_table"), ("basic", "note"), ())
        if (fault := document.fault(Problem(pool, path, "x", "y")))
    ]
    assert lines == [6, 6, 4, 2]
    assert document.fault(Problem(WEB, (), "x", "y")) is None


def test_a_document_that_is_brought_refers_to_nothing_of_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "secret").write_text("hidden")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HIDDEN", "hidden")
    for reference in ("fileRef: {name: secret}", "envRef: {name: HIDDEN}"):
        value = f"{{valueFrom: {{{reference}}}}}"
        text = f"version: 8.3\npools:\n- name: p\n  properties:\n    basic:\n      note: {value}\n"
        with pytest.raises(Faulty) as caught:
            load_text(text.encode(), "d.yaml", BY_PATH)
        assert "hidden" not in str(caught.value)
        assert caught.value.faults[0].line == 6
    found = load_text(
        b"version: 8.3\npools:\n- name: p\n  properties:\n    basic: {note: n}\n", "d.yaml", BY_PATH
    )
    assert found.objects[ObjectId("pools", "p")] == {"basic": {"note": "n"}}
