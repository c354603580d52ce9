"""Which keys matter only while another key has certain values.

Pure. Invariant: a key that is not listed always matters; hiding one changes nothing of what is stored in it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pointsman.schema.registry import BY_PATH


@dataclass(frozen=True)
class When:
    """Matters while the key `path` ("basic.type") has one of `values`, as a form writes them ("true" for a switch)."""

    path: str
    values: tuple[str, ...]


Rule = tuple[When, tuple[str, ...]]
_TCP = (
    "client_first", "dns_tcp", "ftp", "http", "https", "imaps", "imapv2", "imapv3", "imapv4", "ldap", "ldaps", "pop3",
    "pop3s", "rtsp", "server_first", "siptcp", "smtp", "ssl", "stream", "telnet",
)  # fmt: skip
_UDP = ("dns", "sipudp", "udp", "udpstreaming")
_ON = ("true",)


def _section(type_path: str, section: str, *, but: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Every key of a section, except some."""
    return tuple(
        key.path for key in BY_PATH[type_path].keys if key.section == section and key.name not in but
    )


def _rules(*rules: Rule) -> Mapping[str, When]:
    return {path: when for when, paths in rules for path in paths}


def _protocol(*protocols: str) -> When:
    return When("basic.protocol", protocols)


_SERVER = "virtual_servers"
_POOL = "pools"
_MONITOR = "monitors"

RELEVANCE: Mapping[str, Mapping[str, When]] = {
    "persistence": _rules(
        (When("basic.type", ("cookie",)), ("basic.cookie",)),
        (
            When("basic.type", ("ip",)),
            ("basic.subnet_prefix_length_v4", "basic.subnet_prefix_length_v6"),
        ),
        (
            When("basic.type", ("transparent",)),
            ("basic.transparent_always_set_cookie", "basic.transparent_directives"),
        ),
        (When("basic.failure_mode", ("url",)), ("basic.url",)),
        (When("basic.failure_mode", ("close", "url")), ("basic.delete",)),
    ),
    _MONITOR: _rules(
        (When("basic.scope", ("poolwide",)), ("basic.machine",)),
        (When("basic.type", ("program",)), ("basic.health_only", *_section(_MONITOR, "script"))),
        (When("basic.type", ("connect", "http", "rtsp", "sip", "tcp_transaction")), ("basic.use_ssl",)),
        (When("basic.type", ("http",)), _section(_MONITOR, "http")),
        (When("basic.type", ("rtsp",)), _section(_MONITOR, "rtsp")),
        (When("basic.type", ("sip",)), _section(_MONITOR, "sip")),
        (When("basic.type", ("tcp_transaction",)), _section(_MONITOR, "tcp")),
        (When("sip.transport", ("udp",)), _section(_MONITOR, "udp")),
    ),
    "traffic_ip_groups": _rules(
        (
            When("basic.mode", ("singlehosted",)),
            ("basic.ip_assignment_mode", "basic.keeptogether"),
        ),
        (When("basic.mode", ("multihosted",)), ("basic.multicast", "basic.hash_source_port")),
        (
            When("basic.mode", ("rhi",)),
            (
                "basic.rhi_bgp_metric_base",
                "basic.rhi_bgp_passive_metric_offset",
                "basic.rhi_ospfv2_metric_base",
                "basic.rhi_ospfv2_passive_metric_offset",
                "basic.rhi_protocols",
            ),
        ),
    ),
    _SERVER: _rules(
        (
            When("basic.listen_on_any", ("false",)),
            ("basic.listen_on_hosts", "basic.listen_on_traffic_ips"),
        ),
        (When("basic.proxy_protocol", _ON), ("basic.proxy_protocol_optional",)),
        (_protocol(*_TCP), ("basic.proxy_protocol", "basic.ssl_decrypt", *_section(_SERVER, "tcp"))),
        (_protocol(*_UDP), _section(_SERVER, "udp")),
        (
            _protocol("http"),
            (
                *(
                    "aptimizer.enabled",
                    "auth.type",
                    "cookie.domain",
                    "cookie.path_regex",
                    "cookie.path_replace",
                ),
                *(
                    "cookie.secure",
                    "connection.keepalive",
                    "gzip.enabled",
                    "http2.enabled",
                    "web_cache.enabled",
                ),
                "kerberos_protocol_transition.enabled",
                *_section(_SERVER, "http"),
            ),
        ),
        (_protocol("dns", "dns_tcp"), _section(_SERVER, "dns")),
        (_protocol("ftp"), _section(_SERVER, "ftp")),
        (_protocol("rtsp"), _section(_SERVER, "rtsp")),
        (_protocol("siptcp", "sipudp"), _section(_SERVER, "sip")),
        (_protocol("smtp"), _section(_SERVER, "smtp")),
        (_protocol("server_first"), ("connection.server_first_banner",)),
        (When("connection.keepalive", _ON), ("connection.keepalive_timeout",)),
        (When("aptimizer.enabled", _ON), _section(_SERVER, "aptimizer", but=("enabled",))),
        (When("auth.type", ("saml_sp",)), _section(_SERVER, "auth", but=("type",))),
        (When("cookie.domain", ("set_to_named",)), ("cookie.new_domain",)),
        (When("gzip.enabled", _ON), _section(_SERVER, "gzip", but=("enabled",))),
        (When("http.mime_detect", _ON), ("http.mime_default",)),
        (When("http2.enabled", _ON), _section(_SERVER, "http2", but=("enabled",))),
        (
            When("kerberos_protocol_transition.enabled", _ON),
            _section(_SERVER, "kerberos_protocol_transition", but=("enabled",)),
        ),
        (When("log.enabled", _ON), ("log.always_flush", "log.filename", "log.format", "log.save_all")),
        (When("recent_connections.enabled", _ON), ("recent_connections.save_all",)),
        (When("request_tracing.enabled", _ON), ("request_tracing.trace_io",)),
        (When("basic.ssl_decrypt", _ON), _section(_SERVER, "ssl")),
        (
            When("ssl.request_client_cert", ("request", "require")),
            ("ssl.client_cert_cas", "ssl.client_cert_headers"),
        ),
        (When("ssl.ocsp_enable", _ON), ("ssl.ocsp_issuers", "ssl.ocsp_max_response_age")),
        (When("syslog.enabled", _ON), _section(_SERVER, "syslog", but=("enabled",))),
        (When("transaction_export.enabled", _ON), _section(_SERVER, "transaction_export", but=("enabled",))),
        (When("web_cache.enabled", _ON), _section(_SERVER, "web_cache", but=("enabled",))),
    ),
    _POOL: _rules(
        (When("basic.node_delete_behavior", ("drain",)), ("basic.node_drain_to_delete_timeout",)),
        (When("auto_scaling.enabled", _ON), _section(_POOL, "auto_scaling", but=("enabled",))),
        (When("dns_autoscale.enabled", _ON), _section(_POOL, "dns_autoscale", but=("enabled",))),
        (When("service_discovery.enabled", _ON), _section(_POOL, "service_discovery", but=("enabled",))),
        (When("http.keepalive", _ON), ("http.keepalive_non_idempotent",)),
        (When("load_balancing.priority_enabled", _ON), ("load_balancing.priority_nodes",)),
        (When("ssl.enable", _ON), _section(_POOL, "ssl", but=("enable",))),
        (When("ssl.client_auth", _ON), ("ssl.ssl_fixed_client_certificate",)),
        (When("ssl.strict_verify", _ON), ("ssl.common_name_match",)),
        (When("udp.accept_from", ("ip_mask",)), ("udp.accept_from_mask",)),
    ),
}
"""Of two rules about a key the later one holds; the key that it names may have one in turn, which then holds too."""


def relevance(type_path: str, path: str) -> When | None:
    """When a key of a resource type matters; None for always."""
    return RELEVANCE.get(type_path, {}).get(path)


def matters(type_path: str, path: str, value: Callable[[str], str]) -> bool:
    """Whether a key matters when the others are as `value` gives them, written as a form writes them."""
    when = relevance(type_path, path)
    return when is None or (value(when.path) in when.values and matters(type_path, when.path, value))
