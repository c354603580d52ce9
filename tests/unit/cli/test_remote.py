"""Commands against REST over TLS, as from another machine."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.certificates import self_signed
from tests.unit.cli.conftest import PASSWORD, Answer, Instance

from pointsman.schema.health import NodeHealth, NodeState
from pointsman.schema.problem import ObjectId

Pointsman = Callable[..., Answer]

DOCUMENT = """\
virtual_servers:
- {name: "a/b", properties: {basic: {enabled: true, port: 8088, pool: "p q"}}}
pools:
- name: p q
  properties:
    basic: {nodes_table: [{node: "127.0.0.1:1"}, {node: "127.0.0.1:2", state: draining}], monitors: [Ping]}
rules:
- {name: r, content: "one();"}
"""


@pytest.fixture
def target(instance: Instance, tmp_path: Path) -> tuple[str | Path, ...]:
    password = tmp_path / "password"
    password.write_text(f"{PASSWORD}\n")
    return ("--url", instance.url, "--password-file", password, "--fingerprint", instance.fingerprint)


def test_apply_diff_status(
    instance: Instance, pointsman: Pointsman, target: tuple[str | Path, ...], tmp_path: Path
) -> None:
    public, private = self_signed("a.example")
    key = {"name": "k", "properties": {"basic": {"public": public, "private": private}}}
    document = tmp_path / "d.yaml"
    document.write_text(DOCUMENT + "ssl: {server_keys: [" + json.dumps(key) + "]}")
    shown = pointsman("diff", document, *target)
    assert shown.status == 0, shown
    assert "+ rules/r" in shown.out
    assert private.splitlines()[1] not in shown.out
    done = pointsman("apply", document, *target)
    assert done.status == 0, done
    assert "In force" in done.out
    control = instance.running.control
    assert control.settings(ObjectId("rules", "r")) == {"content": b"one();"}
    assert control.settings(ObjectId("virtual_servers", "a/b")) is not None
    again = pointsman("apply", document, *target)
    assert (again.status, "Nothing to change" in again.out) == (0, True), again
    dead = NodeHealth("p q", "127.0.0.1:1", NodeState.DEAD, "Ping: no answer", 5.0)
    instance.running.live.health = {("p q", "127.0.0.1:1"): dead}
    status = pointsman("status", *target)
    assert status.status == 0, status
    assert "node 127.0.0.1:1 is down: Ping: no answer" in status.out
    row = next(line for line in status.out.splitlines() if line.startswith("127.0.0.1:1 "))
    assert "DEAD" in row
    assert "DOWN" in next(line for line in status.out.splitlines() if line.startswith("a/b"))


def test_refusals_name_the_line_and_what_was_done_before(
    pointsman: Pointsman, target: tuple[str | Path, ...], tmp_path: Path
) -> None:
    document = tmp_path / "d.yaml"
    document.write_text(
        "rules: [{name: r, content: x}]\npools:\n- name: p\n  properties:\n    basic:\n      failure_pool: p\n"
    )
    answer = pointsman("apply", document, *target)
    assert answer.status == 1
    assert f"{document}:6:21: pools/p: basic.failure_pool: the failure pools form a circle" in answer.err
    assert "these were applied before the refusal: rules/r" in answer.err
    assert "--replace needs one transaction" in pointsman("apply", document, *target, "--replace").err


def test_the_password_goes_only_where_it_belongs(
    instance: Instance, pointsman: Pointsman, target: tuple[str | Path, ...]
) -> None:
    url, password = target[1], target[3]
    for words, told in (
        (("--url", url, "--password-file", password), "name its --fingerprint"),
        (("--url", url, "--password-file", password, "--fingerprint", "AA:" * 19 + "AA"), "do not trust it"),
        (("--url", url, "--password-file", password, "--fingerprint", "AA"), "20 or 32 bytes"),
        (("--url", "http://192.0.2.1:9070", "--password-file", password), "use https"),
        (("--url", "ftp://x", "--password-file", password), "is not a REST address"),
        ((*target, "--user", "nobody"), "refuses user and password"),
        (("--url", "https://127.0.0.1:1", "--password-file", password), "does not answer"),
    ):
        answer = pointsman("status", *words)
        assert answer.status == 4, (words, answer)
        assert told in answer.err
        assert len(answer.err.splitlines()) == 1
    assert not [event for event in instance.running.events if "admin" in event.reason]
