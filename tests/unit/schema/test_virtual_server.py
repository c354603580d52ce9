"""Virtual servers: defaults, references and the rules between their keys."""

from __future__ import annotations

from typing import Any

import pytest

from pointsman.schema.resource import ValueKind
from pointsman.schema.validate import Invalid, build
from pointsman.schema.virtual_server import VIRTUAL_SERVER, VirtualServer


def virtual_server(**sections: Any) -> VirtualServer:
    basic = {"pool": "web", "port": 80} | sections.pop("basic", {})
    built = build(VIRTUAL_SERVER, "one", {"basic": basic, **sections})
    assert isinstance(built, VirtualServer)
    return built


def refusal(**sections: Any) -> tuple[tuple[str, ...], str]:
    with pytest.raises(Invalid) as refused:
        virtual_server(**sections)
    (problem,) = refused.value.problems
    return problem.path, problem.message


def test_the_declaration_is_whole() -> None:
    assert len(VIRTUAL_SERVER.keys) == 184
    assert [key.path for key in VIRTUAL_SERVER.keys if key.required] == ["basic.pool", "basic.port"]
    assert sum(key.hidden for key in VIRTUAL_SERVER.keys) == 8


def test_defaults() -> None:
    made = virtual_server()
    assert not made.basic.enabled and made.basic.listen_on_any
    assert made.basic.protocol == "http"
    assert made.connection.timeout == 300
    assert made.gzip.include_mime == ("text/html", "text/plain")
    assert made.transaction_export.http_header_blacklist == ("Authorization",)


def test_rule_lists_keep_order_repetition_and_disabled_rules() -> None:
    made = virtual_server(basic={"request_rules": ["log", "/redirect", "log"]})
    assert made.basic.request_rules == ("log", "/redirect", "log")
    for name in ("request_rules", "response_rules", "completion_rules"):
        key = VIRTUAL_SERVER.key("basic", name)
        assert key is not None and key.reference is not None and key.kind is ValueKind.LIST
        assert (key.reference.type, key.reference.off_mark, key.unordered) == ("rules", "/", False)


def test_special_pools_need_no_object() -> None:
    key = VIRTUAL_SERVER.key("basic", "pool")
    assert key is not None and key.reference is not None
    assert [key.reference.target(name) for name in ("web", "discard", "builtin_dns")] == ["web", None, None]


@pytest.mark.parametrize("port", [0, 65_536, -1])
def test_ports_have_a_range(port: int) -> None:
    assert refusal(basic={"port": port})[0] == ("basic", "port")


def test_listening_hosts_are_addresses() -> None:
    hosts = ["10.0.0.1", "::1", "edge.example.com"]
    assert virtual_server(basic={"listen_on_hosts": hosts}).basic.listen_on_hosts == tuple(hosts)
    path, message = refusal(basic={"listen_on_hosts": ["10.0.0.1", "10.0.0.2:80 ssl"]})
    assert path == ("basic", "listen_on_hosts", "1")
    assert message.endswith("correct the address")


def test_certificates_by_host() -> None:
    rows = [{"host": "*.example.com", "certificate": "wild"}, {"host": "a.example.com", "certificate": "a"}]
    table = virtual_server(ssl={"server_cert_host_mapping": rows}).ssl.server_cert_host_mapping
    assert [(row.host, row.certificate, row.alt_certificates) for row in table] == [
        ("*.example.com", "wild", ()),
        ("a.example.com", "a", ()),
    ]


@pytest.mark.parametrize(
    ("table", "row", "column", "label"),
    [
        ("server_cert_host_mapping", {"host": "", "certificate": "a"}, "host", "0"),
        ("server_cert_host_mapping", {"host": "a b", "certificate": "a"}, "host", "a b"),
        ("server_cert_host_mapping", {"host": "a", "certificate": ""}, "certificate", "a"),
        ("ocsp_issuers", {"issuer": ""}, "issuer", "0"),
        (
            "ca_sites",
            {"host": "", "client_cas": [], "request_cert": "request", "cert_headers": "all"},
            "host",
            "0",
        ),
    ],
)
def test_rows_name_what_they_are_for(table: str, row: dict[str, Any], column: str, label: str) -> None:
    path, message = refusal(ssl={table: [row]})
    assert path == ("ssl", table, label, column)
    assert "; " in message


def test_client_certificate_settings_are_kept_by_host() -> None:
    key = VIRTUAL_SERVER.key("ssl", "ca_sites")
    assert key is not None
    assert (key.row_key, key.since) == ("host", "8.3")


RANGES = [
    ("ftp", "port_range"),
    ("rtsp", "streaming_port_range"),
    ("sip", "streaming_port_range"),
]


@pytest.mark.parametrize(("section", "stem"), RANGES)
def test_a_range_of_ports_is_not_inverted(section: str, stem: str) -> None:
    path, message = refusal(**{section: {f"{stem}_low": 2000, f"{stem}_high": 1999}})
    assert path == (section, f"{stem}_low")
    assert message == "is above the upper end 1999 of the range; lower it, or raise the other end"


@pytest.mark.parametrize(("section", "stem"), RANGES)
@pytest.mark.parametrize(("low", "high"), [(2000, 2000), (2000, 3000), (2000, 0), (0, 2000)])
def test_other_ranges_of_ports_are_accepted(section: str, stem: str, low: int, high: int) -> None:
    virtual_server(**{section: {f"{stem}_low": low, f"{stem}_high": high}})


def test_a_bad_upper_port_does_not_hide_behind_the_range() -> None:
    assert refusal(ftp={"port_range_low": 2000, "port_range_high": 70_000})[0] == ("ftp", "port_range_high")
