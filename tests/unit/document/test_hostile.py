"""Documents that mean harm: each costs seconds and megabytes at most, and is refused at its place.

The bounds on time are far above what is measured, so that only a cost that grows out of proportion fails.
"""

from __future__ import annotations

import resource
import time
from pathlib import Path

import pytest
from tests.unit.document.test_load import write

from pointsman.document.fault import FINDING_LIMIT, Faulty
from pointsman.document.interpret import OBJECT_LIMIT
from pointsman.document.load import load_import
from pointsman.document.reference import DOCUMENT_LIMIT
from pointsman.document.tree import SIZE_LIMIT, VALUE_LIMIT
from pointsman.schema.registry import BY_PATH

FULL = SIZE_LIMIT - 100
MEBI = 1024 * 1024
SECONDS = 12.0
MEBIBYTES = 300
NODES = "pools: [{name: p, properties: {basic: {nodes_table: [%s]}}}]"
KEYS = "pools: [{name: p, properties: {basic: {%s}}}]"

HOSTILE = {
    "flow numbers": ("[" + "1," * (FULL // 2) + "]", "a:1:600000: there are more than 300000 values"),
    "rows": (NODES % ('{node: "1.1.1.1:80", wieght: 1},' * 101_000), "values up to here; describe less"),
    "same rows": (NODES % ('{node: "1.1.1.1:80"},' * 11_000), "is too long; shorten it to 10000 elements"),
    "objects": ("pools: [" + ",".join(f"{{name: p{i}}}" for i in range(OBJECT_LIMIT + 1)) + "]",
                "there are more than 30000 objects up to here"),
    "nameless objects": ("pools: [" + "{}," * 5_000 + "]", "more may be wrong; correct what is named first"),
    "unknown types": ("".join(f"poolz{i}: 1\n" for i in range(20_000)), "more may be wrong"),
    "long line": ("a: " + "x" * FULL, 'a:1:1: there is no resource type "a"'),
    "long name": ("pools: [{name: " + "x" * FULL + "}]", "a:1:16: a name may have 255 bytes at most"),
    "long key": (KEYS % ("? " + "x" * (FULL - 1000) + " : 1"), "the key is longer than 1024 characters"),
    "JSON long key": ('{"' + "x" * FULL + '": 1}', "the key is longer than 1024 characters"),
    "long quoted": ('a: "' + "\\_" * (FULL // 2) + '"', "a:1:1: there is no resource type"),
    "many lines": ("a: |\n" + " x\n" * (FULL // 3), "a:1:1: there is no resource type"),
    "line separators": ("a: " + "\u2028" * (FULL // 3), "a:1:1: there is no resource type"),
    "deep": ("[" * FULL, "is nested deeper than 32 levels"),
    "deep block": ("".join(f"{' ' * depth}a:\n" for depth in range(2000)), "is nested deeper than 32 levels"),
    "questions": ("? " * (FULL // 2), "a key must be a word"),
    "dashes": ("- " * (FULL // 2), "is nested deeper than 32 levels"),
    "quotes": ("'" * FULL, "a document is a mapping of resource types"),
    "anchors": ("&a " * (FULL // 3), "a:1:4: is not valid YAML"),
    "aliases": ("pools: [&a 1" + ",*a" * MEBI + "]", "the aliases stand for more than 100000 values"),
    "tag declarations": ("".join(f"%TAG !{i}! tag:a\n" for i in range(300_000)), "a:1:1: declares tags"),
    "tags": ("!" * FULL, "a:1:1: the tag"),
    "documents": ("---\n" * (FULL // 4), "a:2:1: a second YAML document"),
    "JSON blanks": ('{"pools":' + " " * (FULL - 20), "is not valid JSON"),
    "huge number": ("pools: [{name: p, properties: {basic: {max_connection_attempts: " + "9" * 4000 + "}}}]",
                    "is out of range"),
    "JSON huge number": ("[" + "1" * FULL + "]", "is not a number that JSON knows"),
    "JSON not a number": ('{"pools": [NaN]}', "a.json:1:12: is not a number that JSON knows"),
    "NUL": ("pools:\0", "U+0000 is not allowed in YAML"),
    "tabs": ("pools:\n\t- name: p", "a:2:1: is not valid YAML"),
    "too large": (" " * (SIZE_LIMIT + 1), "a:1:1: is larger than 8388608 bytes"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_documents_are_refused_at_little_cost(tmp_path: Path, name: str) -> None:
    """R28: garbage ends with file and line, in bounded time and memory."""
    text, words = HOSTILE[name]
    file = "a.json" if name.startswith("JSON") else "a"
    write(tmp_path, {f"config/{file}": text})
    peak, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    with pytest.raises(Faulty) as caught:
        load_import(tmp_path, BY_PATH)
    assert time.process_time() - started < SECONDS
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak < MEBIBYTES * 1024
    said = str(caught.value)
    assert words in said, said[:500]
    assert all(line.startswith(f"{tmp_path}/config/{file}:") for line in said.split("\n"))
    assert len(caught.value.faults) <= FINDING_LIMIT + 1
    assert max(len(fault.problem.message) for fault in caught.value.faults) < 10_000


def test_unknown_names_without_number_are_summed_up(tmp_path: Path) -> None:
    """R28: what is left out is told a thousand times, then once that there is more."""
    write(tmp_path, {"config/a": KEYS % ",".join(f"algoritm{i}: 1" for i in range(20_000))})
    started = time.process_time()
    remarks = load_import(tmp_path, BY_PATH).remarks
    assert time.process_time() - started < SECONDS
    assert len(remarks) == FINDING_LIMIT + 1
    assert remarks[-1].problem.message == "more is unknown and left out; remove what is named first"


def test_ten_thousand_documents(tmp_path: Path) -> None:
    """R28: a directory may hold many documents; one more than the most is refused before any is read."""
    folder = write(tmp_path, {"config/last": ""}) / "config"
    for number in range(DOCUMENT_LIMIT - 1):
        (folder / f"{number:05}").write_text(f"pools: [{{name: p{number}}}]")
    started = time.process_time()
    assert len(load_import(tmp_path, BY_PATH).objects) == DOCUMENT_LIMIT - 1
    assert time.process_time() - started < SECONDS
    (folder / "more").write_text("[")
    with pytest.raises(Faulty, match=f"{DOCUMENT_LIMIT} are the most, so join some"):
        load_import(tmp_path, BY_PATH)


def test_the_limits_hold_for_all_documents_and_references_together(tmp_path: Path) -> None:
    """R28: many files, and many references to one, are no way around the limits."""
    reference = "{name: p%d, properties: {basic: {monitors: {valueFrom: {fileRef: {name: r, format: %s}}}}}}"
    write(tmp_path, {"r": "a\n" * 9_000})
    text = "pools: [" + ",".join(reference % (number, "lines") for number in range(60)) + "]"
    write(tmp_path, {"config/a": text})
    with pytest.raises(Faulty, match=f"there are more than {VALUE_LIMIT} values"):
        load_import(tmp_path, BY_PATH)
    pools = [",".join(f"{{name: p{part}-{n}}}" for n in range(OBJECT_LIMIT // 2 + 1)) for part in range(2)]
    write(tmp_path, {f"config/{part}": f"pools: [{text}]" for part, text in enumerate(pools)})
    (tmp_path / "config" / "a").unlink()
    with pytest.raises(Faulty, match=f"1:1:1: there are more than {OBJECT_LIMIT} objects up to this file"):
        load_import(tmp_path, BY_PATH)


@pytest.mark.parametrize("text", ["\ufeffpools: [{name: p}]\r\n", '\ufeff{"pools": [{"name": "p"}]}\r\n'])
def test_byte_order_marks_and_line_ends_of_windows(tmp_path: Path, text: str) -> None:
    write(tmp_path, {"config/a": text})
    assert [identity.name for identity in load_import(tmp_path, BY_PATH).objects] == ["p"]
