"""check, and diff of documents with documents: no instance, real HAProxy where there is one."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.certificates import self_signed
from tests.unit.cli.conftest import Answer
from tests.unit.cli.test_instance import DOCUMENT

Pointsman = Callable[..., Answer]


@pytest.fixture
def document(tmp_path: Path) -> Path:
    path = tmp_path / "web.yaml"
    path.write_text(DOCUMENT)
    return path


def test_a_valid_document(pointsman: Pointsman, document: Path) -> None:
    answer = pointsman("check", document)
    assert (answer.status, answer.err) == (0, "")
    assert answer.out == "valid: 2 objects; HAProxy accepts them.\n"
    assert json.loads(pointsman("check", document, "--json").out) == {
        "valid": True,
        "objects": 2,
        "engine": "accepted",
        "conditions": [],
    }


def test_a_directory_with_references(pointsman: Pointsman, tmp_path: Path) -> None:
    public, private = self_signed("a.example")
    for name, text in {
        "config/10-web": DOCUMENT,
        "config/20-tls": "ssl: {server_keys: [{name: k, properties: {basic: {"
        "public: {valueFrom: {fileRef: {name: tls/tls.crt}}}, "
        "private: {valueFrom: {fileRef: {name: tls/tls.key}}}}}}]}\n"
        "virtual_servers: [{name: web, properties: {basic: {ssl_decrypt: true}, ssl: {server_cert_default: k}}}]",
        "tls/tls.crt": public,
        "tls/tls.key": private,
    }.items():  # fmt: skip
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert pointsman("check", tmp_path).status == 0
    (tmp_path / "tls/tls.key").write_text(self_signed("b.example")[1])
    answer = pointsman("check", tmp_path)
    assert answer.status == 1
    assert f"{tmp_path}/config/20-tls:1:" in answer.err
    assert "ssl/server_keys/k: basic.private: does not belong to the certificate" in answer.err


PUBLISHED = """\
version: 6.2
virtual_servers:
- name: example-service
  properties:
    basic: {enabled: true, port: 8443, protocol: http, pool: example-pool, request_rules: [r1], ssl_decrypt: true}
    ssl: {server_cert_default: example-cert}
pools:
- name: example-pool
  properties:
    basic: {monitors: ["Simple HTTP"], nodes_table: [], passive_monitoring: true}
    service_discovery: {enabled: true, plugin: BuiltIn-DNS_Stateless, plugin_args: "--servicename=a.example"}
rules:
- name: r1
  content: |
    http.setResponseHeader("X-A", "b");
ssl:
  server_keys:
  - name: example-cert
    properties:
      basic:
        public:  {valueFrom: {fileRef: {name: tls/tls.crt}}}
        private: {valueFrom: {fileRef: {name: tls/tls.key}}}
global_settings:
  properties:
    java: {enabled: false}
    fault_tolerance: {frontend_check_ips: []}
    web_cache: {size: 0}
    remote_licensing: {registration_server: "sd:8100", owner: x, owner_secret: y, policy_id: z, server_certificate: M}
"""


def test_documents_in_the_published_shape_are_valid(pointsman: Pointsman, tmp_path: Path) -> None:
    public, private = self_signed("a.example")
    for name, text in {"config/web": PUBLISHED, "tls/tls.crt": public, "tls/tls.key": private}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    answer = pointsman("check", tmp_path)
    assert answer.status in (0, 2), answer
    assert "valid: 5 objects" in answer.out
    assert "web_cache.size is stored and not yet acted on" in answer.out


def test_faults_are_told_all_at_once_with_their_lines(pointsman: Pointsman, document: Path) -> None:
    document.write_text(DOCUMENT.replace("port: 8088", "prot: 8088").replace("weight: 2", "weight: 0"))
    answer = pointsman("check", document)
    assert (answer.status, answer.out) == (1, "")
    lines = answer.err.splitlines()
    assert lines[0].startswith(f"{document}:7:42: pools/app: basic.nodes_table.127.0.0.1:8001.weight: ")
    assert any("virtual_servers/web: basic.prot: no such key" in line for line in lines)
    faults = json.loads(pointsman("check", document, "--json").out)["faults"]
    assert len(faults) == len(lines)


def test_circles_of_failure_pools(pointsman: Pointsman, document: Path) -> None:
    document.write_text(DOCUMENT.replace("nodes_table:", "failure_pool: app\n      nodes_table:"))
    answer = pointsman("check", document)
    assert answer.status == 1
    assert f"{document}:6:21: pools/app: basic.failure_pool: the failure pools form a circle" in answer.err


def test_dangling_references_are_warnings(pointsman: Pointsman, document: Path) -> None:
    document.write_text(DOCUMENT.replace("pool: app", "pool: nowhere"))
    answer = pointsman("check", document)
    assert answer.status == 2
    assert f"{document}:" in answer.out
    assert "nowhere" in answer.out


def test_no_engine_is_said(pointsman: Pointsman, document: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POINTSMAN_HAPROXY", "/nowhere/haproxy")
    answer = pointsman("check", document)
    assert answer.status == 0
    assert "HAProxy was not asked: POINTSMAN_HAPROXY" in answer.out


def test_diff_of_documents(pointsman: Pointsman, document: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.yaml"
    other.write_text(DOCUMENT.replace("8088", "8089"))
    answer = pointsman("diff", other, "--against", document)
    assert answer.status == 0
    assert "basic.port: 8088 -> 8089" in answer.out
    assert "-    bind *:8088" in answer.out
    assert "+    bind *:8089" in answer.out
    same = pointsman("diff", document, "--against", document)
    assert same.out == "No difference.\n"
    assert json.loads(pointsman("diff", document, "--against", document, "--json").out)["act"] == "nothing"


def test_control_characters_in_a_document_do_not_reach_the_terminal(
    pointsman: Pointsman, tmp_path: Path
) -> None:
    document = tmp_path / "x.yaml"
    document.write_text('pools: [{name: "a\\e[31mb\\u202ec", properties: {}}]')
    answer = pointsman("check", document)
    assert answer.status == 1
    assert "\x1b" not in answer.err
    assert "\u202e" not in answer.err
    assert "a\\x1b[31mb\\u202ec" in answer.err
