"""Which counters nothing counts: they are there because clients of the product ask for them, and always read 0.

Invariant: no page of ours shows one as a figure, and the reference says of each that it is not counted (a test holds
this list against what is really counted). A counter leaves the list in the change that counts it.
"""

from __future__ import annotations

from collections.abc import Mapping

WHOLE = frozenset(
    {
        "actions",
        "cache/asp_session_cache",
        "cache/ip_session_cache",
        "cache/j2ee_session_cache",
        "cache/ssl_cache",
        "cache/ssl_session_cache",
        "cache/uni_session_cache",
        "cache/web_cache",
        "cloud_api_credentials",
        "connection_rate_limit",
        "events",
        "extras/user_counters_32",
        "extras/user_counters_64",
        "glb_services",
        "listen_ips",
        "locations",
        "per_location_service",
        "per_node_slm/per_node_service_level",
        "per_node_slm/per_node_service_level_inet46",
        "rule_authenticators",
        "rules",
        "service_level_monitors",
        "service_protection",
        "ssl_ocsp_stapling",
    }
)
"""Leaves of which nothing is counted."""

_CLASSES = " ".join(
    f"http_{kind}{number}xx_responses"
    for kind, first in (("cache", 2), ("generated", 2), ("server", 1))
    for number in range(first, 6)
)

_PARTS: Mapping[str, str] = {
    "bandwidth": "bytes_out guarantee",
    "globals": "analytics_transactions_dropped analytics_transactions_exported analytics_transactions_memory_usage "
    "data_entries data_memory_usage number_dnsa_cache_hits number_dnsa_requests number_dnsptr_cache_hits "
    "number_dnsptr_requests number_snmp_bad_requests number_snmp_get_bulk_requests number_snmp_get_next_requests "
    "number_snmp_get_requests number_snmp_unauthorised_requests ssl_client_cert_expired ssl_client_cert_invalid "
    "ssl_client_cert_not_sent ssl_client_cert_revoked ssl_handshake_sslv3 ssl_handshake_tlsv1 ssl_handshake_tlsv11 "
    "ssl_handshake_tlsv12 ssl_handshake_tlsv13 ssl_session_id_mem_cache_hit ssl_session_id_mem_cache_miss "
    "total_bad_dns_packets total_dns_responses total_udp_bytes_in_dropped total_udp_bytes_out_dropped",
    "pools": "http503_retries queue_timeouts",
    "traffic_ips/ip_gateway": "arp_message ping_response_errors",
    "virtual_servers": "auth_saml_redirects auth_saml_responses auth_saml_responses_accepted "
    "auth_saml_responses_rejected auth_sessions_created auth_sessions_rejected auth_sessions_used cert_status_requests "
    f"cert_status_responses connect_timed_out connection_failures data_timed_out {_CLASSES} http_rewrite_cookie "
    "http_rewrite_location keepalive_timed_out max_duration_timed_out processing_timed_out sip_rejected_requests "
    "sip_total_calls ssl_cache_lookup ssl_cache_miss ssl_cache_rejected ssl_cache_resumed ssl_cache_saved "
    "ssl_hello_retry_requested ssl_ticket_expired ssl_ticket_issued ssl_ticket_key_not_found ssl_ticket_received "
    "ssl_ticket_rejected ssl_ticket_resumed total_dgram udp_bytes_in_dropped udp_bytes_out_dropped udp_timed_out",
}
_NAMES = {path: frozenset(names.split()) for path, names in _PARTS.items()}


def is_counted(path: str, name: str) -> bool:
    """Whether something counts the counter `name` of the leaf `path`."""
    if path in WHOLE or name in _NAMES.get(path, ()):
        return False
    return not (path == "globals" and name.startswith("ssl_cipher_"))
