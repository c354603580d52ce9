"""References: what a file or a variable becomes in each kind of key, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.unit.document.shapes import REGISTRY
from tests.unit.document.test_load import faults, write

from pointsman.document.load import load
from pointsman.schema.problem import ObjectId

FILES: dict[str, str | bytes] = {
    "one": "one line\n", "two": " a \n\n  b\n", "number": "7\n", "yes": "true\n", "bad": b"\xff", "empty": "",
    "list.json": '["a@x", "b@y"]', "rows.yaml": "- {node: n, weight: 5}\n- node: m\n",
    "nested.yaml": "valueFrom: {fileRef: {name: one}}", "wrong.json": '["a",\n ]', "stray.yaml": "- {nod: 1}\n",
}  # fmt: skip


def value(tmp_path: Path, key: str, reference: str) -> Any:
    write(tmp_path, FILES)
    kind, section, name = key.split(".")
    text = f"{kind}: [{{name: x, properties: {{{section}: {{{name}: {{valueFrom: {reference}}}}}}}}}]\n"
    write(tmp_path, {"config/a": text})
    return load(tmp_path, REGISTRY, complete=False).objects[ObjectId(kind, "x")][section][name]


@pytest.mark.parametrize(
    ("key", "options", "expected"),
    [
        ("pools.basic.note", "name: one", "one line"),
        ("pools.basic.note", "name: one, trim: false", "one line\n"),
        ("pools.basic.note", "name: two", " a \n\n  b\n"),
        ("pools.basic.note", "name: two, format: text, trim: true", "a \n\n  b"),
        ("pools.basic.monitors", "name: two", [" a ", "  b"]),
        ("pools.basic.monitors", "name: two, trim: true", ["a", "b"]),
        ("pools.basic.monitors", "name: two, format: lines, trim: true", ["a", "b"]),
        ("pools.basic.monitors", "name: list.json, format: json", ["a@x", "b@y"]),
        ("pools.basic.monitors", "name: list.json, format: yaml", ["a@x", "b@y"]),
        (
            "pools.basic.nodes_table",
            "name: rows.yaml, format: yaml",
            [{"node": "n", "weight": 5}, {"node": "m"}],
        ),
        ("virtual_servers.basic.port", "name: number", 7),
        ("virtual_servers.basic.enabled", "name: 'yes'", True),
        ("virtual_servers.basic.port", "name: number, format: json", 7),
        ("pools.basic.note", "name: number", "7"),
        ("pools.basic.note", "name: empty", ""),
    ],
)
def test_files(tmp_path: Path, key: str, options: str, expected: Any) -> None:
    """Importer 6: fileRef with format and trim, for strings, lists, tables, numbers and truth values."""
    assert value(tmp_path, key, f"{{fileRef: {{{options}}}}}") == expected


def test_variables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Importer 6: envRef names a variable of the process that imports."""
    monkeypatch.setenv("SERVICE_PORT", "8080")
    monkeypatch.setenv("MAILS", '["a@x"]')
    assert value(tmp_path, "virtual_servers.basic.port", "{envRef: {name: SERVICE_PORT}}") == 8080
    assert value(tmp_path, "pools.basic.monitors", "{envRef: {name: MAILS, format: json}}") == ["a@x"]
    write(tmp_path, {"config/a": "rules: [{name: r, content: {valueFrom: {envRef: {name: MAILS}}}}]"})
    assert load(tmp_path, REGISTRY).objects[ObjectId("rules", "r")] == {"content": b'["a@x"]'}


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        ("{envRef: {name: ZEUS_PASS}}", 'the variable "ZEUS_PASS" belongs to the product itself'),
        ("{envRef: {name: ZEUS_REGISTER_SECRET}}", "belongs to the product itself"),
        ("{envRef: {name: POINTSMAN_X}}", "belongs to the product itself"),
        ("{envRef: {name: NOT_SET_HERE}}", 'the environment variable "NOT_SET_HERE" is not set'),
        ("{envRef: {name: 'A=B'}}", "is no name of an environment variable"),
        ("{envRef: {name: X, default: y}}", "valueFrom must be"),
        ("{envRef: NAME}", "valueFrom must be"),
        ("{fileRef: {format: text}}", "valueFrom must be"),
        ("{fileRef: {name: one, format: toml}}", "format must be one of text, lines, json, yaml"),
        ("{fileRef: {name: one, trim: yes}}", "trim must be true or false"),
        ("{fileRef: {name: list.json, format: json, trim: true}}", "trim has no meaning for the format json"),
        (
            "{fileRef: {name: nested.yaml, format: yaml}}",
            "nested.yaml:1:1: pools/x: basic.note: a file that is",
        ),
        (
            "{fileRef: {name: wrong.json, format: json}}",
            "wrong.json:2:2: pools/x: basic.note: is not valid JSON",
        ),
        ("{fileRef: {name: empty, format: yaml}}", '"empty" holds no value'),
        ("{fileRef: {name: bad}}", 'what "bad" refers to is not text in UTF-8'),
        ("{fileRef: {name: list.json, format: json}}", "basic.note: has the wrong type; give a string"),
        ("{fileRef: {name: one}, envRef: {name: X}}", "valueFrom must be"),
    ],
)
def test_references_that_are_refused(tmp_path: Path, reference: str, words: str) -> None:
    """Importer 6: a reference that cannot be followed names its place, or the place in what it refers to."""
    write(tmp_path, FILES)
    write(
        tmp_path,
        {"config/a": f"pools: [{{name: x, properties: {{basic: {{note: {{valueFrom: {reference}}}}}}}}}]"},
    )
    (text,) = faults(tmp_path)
    assert words in text
    assert "pools/x: basic.note: " in text


def test_what_is_referred_to_is_judged_by_the_schema_at_its_own_place(tmp_path: Path) -> None:
    """Importer 6: a fault in a table that comes from a file names file and line of that file."""
    text = "pools: [{name: x, properties: {basic: {nodes_table: {valueFrom: %s}}}}]"
    write(tmp_path, FILES)
    write(tmp_path, {"config/a": text % "{fileRef: {name: stray.yaml, format: yaml}}"})
    assert any("stray.yaml:1:" in fault and "no such column" in fault for fault in faults(tmp_path))
    document = load(write(tmp_path, {"stray.yaml": "- {node: n, nod: 1}"}), REGISTRY, tolerant=True)
    assert "stray.yaml:1:13: pools/x: basic.nodes_table.n.nod: is left out" in str(document.remarks[0])


def test_a_table_given_as_text_is_told_to_name_its_format(tmp_path: Path) -> None:
    """Importer 6: text is never guessed to be a table."""
    text = "pools: [{name: x, properties: {basic: {nodes_table: {valueFrom: {fileRef: {name: rows.yaml}}}}}}]"
    write(tmp_path, FILES)
    assert "add format: yaml or format: json" in faults(write(tmp_path, {"config/a": text}))[0]
