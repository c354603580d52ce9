"""Documents in the shape that is published for the product are read as they stand, against the real schema."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.certificates import self_signed
from tests.unit.document.test_load import write

from pointsman.document.load import load_import
from pointsman.schema.problem import ObjectId
from pointsman.schema.registry import BY_PATH

SERVICE = """\
version: 6.2
virtual_servers:
- name: example-service
  properties:
    basic: {enabled: true, port: 80, protocol: http, pool: example-pool, request_rules: [r1], response_rules: [r2]}
    ssl: {server_cert_default: example-cert}
pools:
- name: example-pool
  properties:
    basic: {monitors: ["Simple HTTP"], nodes_table: [], passive_monitoring: true}
    service_discovery:
      enabled: true
      plugin: BuiltIn-DNS_Stateless
      plugin_args: "--servicename=_http._tcp.svc.ns.svc.cluster.local"
rules:
- name: r1
  content: |
    http.setResponseHeader("X-A", "b");
ssl:
  server_keys:
  - name: example-cert
    properties:
      basic:
        public: {valueFrom: {fileRef: {name: tls/example-service/tls.crt}}}
        private: {valueFrom: {fileRef: {name: tls/example-service/tls.key}}}
"""
GLOBALS = """\
global_settings:
  properties:
    java: {enabled: false}
    fault_tolerance: {frontend_check_ips: []}
    web_cache: {size: %s}
    remote_licensing:
      registration_server: "sd:8100"
      owner: x
      owner_secret: y
      policy_id: z
      server_certificate: MIIB
version: 6.2
"""
TUNED = """\
pools:
- {name: p, properties: {basic: {nodes_table: [], monitors: [Ping]}}}
virtual_servers:
- name: my-application
  properties:
    basic: {enabled: false, pool: discard, port: 443, protocol: https}
    connection: {timeout: 40}
    ssl: {server_cert_alt_certificates: [], server_cert_host_mapping: []}
"""


def read(base: Path) -> Mapping[ObjectId, Mapping[str, Any]]:
    document = load_import(base, BY_PATH, tolerant=False)
    assert document.remarks == ()
    return document.objects


def test_a_service_with_rules_and_a_certificate(tmp_path: Path) -> None:
    """Importer 3: the published example of a service, with service discovery, file rules and referenced keys."""
    public, private = self_signed("example.com")
    write(tmp_path, {
        "config/50-service": SERVICE, "tls/example-service/tls.crt": public, "tls/example-service/tls.key": private,
    })  # fmt: skip
    objects = read(tmp_path)
    assert objects[ObjectId("ssl/server_keys", "example-cert")] == {
        "basic": {"public": public, "private": private}
    }
    assert objects[ObjectId("rules", "r1")] == {"content": b'http.setResponseHeader("X-A", "b");\n'}
    discovery = objects[ObjectId("pools", "example-pool")]["service_discovery"]
    assert discovery["plugin"] == "BuiltIn-DNS_Stateless"


@pytest.mark.parametrize(("size", "stored"), [("0", "0"), ('"10%"', "10%"), ("10%", "10%"), ("1.50", "1.50")])
def test_global_settings(tmp_path: Path, size: str, stored: str) -> None:
    """Importer 3: java, fault_tolerance, remote_licensing, and a cache size that is a number where REST says string."""
    settings = read(write(tmp_path, {"config/globals": GLOBALS % size}))[ObjectId("global_settings", "")]
    assert settings["web_cache"] == {"size": stored}
    assert settings["java"] == {"enabled": False}
    assert settings["fault_tolerance"] == {"frontend_check_ips": []}
    assert settings["remote_licensing"]["owner_secret"] == "y"


def test_without_version_and_with_values_of_an_export(tmp_path: Path) -> None:
    """Importer 3: the version may be missing, and keys at their defaults are written out by exports."""
    objects = read(write(tmp_path, {"config/exported": TUNED}))
    assert objects[ObjectId("virtual_servers", "my-application")]["connection"] == {"timeout": 40}


def test_a_chart_and_a_user_describe_one_object(tmp_path: Path) -> None:
    """Importer 4: the generated document and the user's merge by field, in the order of their names."""
    chart = (
        "virtual_servers: [{name: my-application, properties: {basic: {port: 80, pool: app, enabled: true}}}]"
    )
    user = "{virtual_servers: [{name: my-application, properties: {basic: {response_rules: [add-header]}}}]}"
    write(tmp_path, {"config/40-user": user, "config/20-chart": chart, "config/00-empty": "version: 6.2\n"})
    assert read(tmp_path)[ObjectId("virtual_servers", "my-application")] == {
        "basic": {"port": 80, "pool": "app", "enabled": True, "response_rules": ["add-header"]}
    }


def test_an_object_may_be_a_built_in_one_and_sections_may_be_empty(tmp_path: Path) -> None:
    """Importer 3: built-in monitors are there without being listed, and may be changed."""
    write(
        tmp_path,
        {
            "config/a": "monitors: [{name: Ping, properties: {basic: {delay: 5}, http: }}]\npools:\nrules: []\n"
        },
    )
    assert read(tmp_path) == {ObjectId("monitors", "Ping"): {"basic": {"delay": 5}, "http": {}}}
