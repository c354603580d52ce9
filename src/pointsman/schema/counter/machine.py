"""Counters of a traffic manager as a whole: traffic, cryptography, machine, network, traffic IPs.

Invariant: figures of the machine are measured when they are asked for; the others are sums over all objects.
"""

from __future__ import annotations

from pointsman.schema.counter.declaration import Counter, StatisticType, gauge, state, total

CENTISECONDS = "1/100 s"
"""The unit of times here, as SNMP has it (TimeTicks)."""

_CIPHERS = (
    ("3des", "3DES"),
    ("aes", "AES"),
    ("aes_gcm", "AES in GCM mode"),
    ("des", "DES"),
    ("rc4", "RC4"),
)


def _ciphers() -> tuple[Counter, ...]:
    found = [
        total("ssl_cipher_decrypts", "Data decrypted, by any cipher.", "bytes"),
        total("ssl_cipher_encrypts", "Data encrypted, by any cipher.", "bytes"),
    ]
    for stem, label in _CIPHERS:
        found.append(total(f"ssl_cipher_{stem}_decrypts", f"Data decrypted with {label}.", "bytes"))
        found.append(total(f"ssl_cipher_{stem}_encrypts", f"Data encrypted with {label}.", "bytes"))
    for stem, label in (("dh", "Diffie-Hellman"), ("ecdh", "elliptic-curve Diffie-Hellman")):
        found.append(total(f"ssl_cipher_{stem}_agreements", f"Secrets agreed on by {label}."))
        found.append(total(f"ssl_cipher_{stem}_generates", f"Key pairs made for {label}."))
    for stem, label in (("dsa", "DSA"), ("ecdsa", "ECDSA")):
        found.append(total(f"ssl_cipher_{stem}_signs", f"Signatures made with {label}."))
        found.append(total(f"ssl_cipher_{stem}_verifies", f"Signatures checked with {label}."))
    for stem, label in (("decrypts", "private"), ("encrypts", "public")):
        found.append(total(f"ssl_cipher_rsa_{stem}", f"Operations with a {label} RSA key."))
        found.append(
            total(f"ssl_cipher_rsa_{stem}_external", f"Operations with a {label} RSA key in hardware.")
        )
    return tuple(found)


_TRAFFIC = (
    total("analytics_transactions_dropped", "Transaction records that could not be exported."),
    total("analytics_transactions_exported", "Transaction records exported."),
    gauge("analytics_transactions_memory_usage", "Memory of transaction records that wait.", "bytes"),
    gauge("data_entries", "Entries in the data that rules share."),
    gauge("data_memory_usage", "Memory of the data that rules share.", "bytes"),
    total("events_seen", "Events that happened."),
    gauge(
        "hourly_peak_bytes_in_per_second", "The most data received in one second of the last hour.", "bytes/s"
    ),
    gauge(
        "hourly_peak_bytes_out_per_second", "The most data sent in one second of the last hour.", "bytes/s"
    ),
    gauge(
        "hourly_peak_requests_per_second", "The most requests in one second of the last hour.", "per second"
    ),
    gauge(
        "hourly_peak_ssl_connections_per_second",
        "The most TLS handshakes in one second of the last hour.",
        "per second",
    ),
    gauge("num_idle_connections", "Idle connections to nodes kept for reuse."),
    gauge("number_child_processes", "Workers that carry traffic."),
    total("number_dnsa_cache_hits", "Host names resolved from memory."),
    total("number_dnsa_requests", "Host names asked for."),
    total("number_dnsptr_cache_hits", "Addresses turned into names from memory."),
    total("number_dnsptr_requests", "Addresses asked for to be turned into names."),
    gauge("time_last_config_update", "Time since the configuration last changed.", CENTISECONDS),
    total(
        "total_backend_server_errors", "Attempts at nodes that failed, also where another node then served."
    ),
    total("total_bad_dns_packets", "DNS messages that could not be read."),
    total("total_bytes_in", "Data received from clients.", "bytes"),
    total("total_bytes_out", "Data sent to clients.", "bytes"),
    total("total_conn", "Connections of clients accepted."),
    gauge("total_current_conn", "Connections of clients open now."),
    total("total_dns_responses", "DNS messages answered."),
    total("total_requests", "Requests received."),
    total("total_transactions", "Requests received or answers sent, whichever the protocol counts by."),
    total("total_udp_bytes_in_dropped", "Data from clients dropped by a bandwidth limit, over UDP.", "bytes"),
    total("total_udp_bytes_out_dropped", "Data to clients dropped by a bandwidth limit, over UDP.", "bytes"),
    gauge("up_time", "Time since the traffic manager started.", CENTISECONDS),
)

_SNMP = (
    total("number_snmp_bad_requests", "SNMP messages that could not be read."),
    total("number_snmp_get_bulk_requests", "SNMP GetBulk requests."),
    total("number_snmp_get_next_requests", "SNMP GetNext requests."),
    total("number_snmp_get_requests", "SNMP Get requests."),
    total(
        "number_snmp_unauthorised_requests", "SNMP requests from addresses or with names that may not ask."
    ),
)

_TLS = (
    total("ssl_client_cert_expired", "Client certificates that had run out."),
    total("ssl_client_cert_invalid", "Client certificates that could not be trusted."),
    total("ssl_client_cert_not_sent", "Handshakes in which a client certificate was needed and none came."),
    total("ssl_client_cert_revoked", "Client certificates that had been revoked."),
    total("ssl_connections", "TLS connections of clients."),
    total("ssl_handshake_sslv3", "Handshakes of SSL 3.0."),
    total("ssl_handshake_tlsv1", "Handshakes of TLS 1.0."),
    total("ssl_handshake_tlsv11", "Handshakes of TLS 1.1."),
    total("ssl_handshake_tlsv12", "Handshakes of TLS 1.2."),
    total("ssl_handshake_tlsv13", "Handshakes of TLS 1.3."),
    total("ssl_session_id_mem_cache_hit", "TLS sessions resumed from memory."),
    total(
        "ssl_session_id_mem_cache_miss", "TLS sessions that clients asked to resume and that were unknown."
    ),
)

_SYSTEM = (
    gauge("sys_cpu_busy_percent", "Processor time in use.", "%"),
    gauge("sys_cpu_idle_percent", "Processor time not in use.", "%"),
    gauge("sys_cpu_system_busy_percent", "Processor time spent in the kernel.", "%"),
    gauge("sys_cpu_user_busy_percent", "Processor time spent in programs.", "%"),
    gauge("sys_fds_free", "Files and sockets that may still be opened."),
    gauge("sys_mem_buffered", "Memory that buffers files.", "MB"),
    gauge("sys_mem_free", "Memory not in use.", "MB"),
    gauge("sys_mem_in_use", "Memory in use.", "MB"),
    gauge("sys_mem_swap_total", "Swap space.", "MB"),
    gauge("sys_mem_swapped", "Swap space in use.", "MB"),
    gauge("sys_mem_total", "Memory of the machine.", "MB"),
)

GLOBALS = StatisticType(
    path="globals",
    per_object=False,
    help="The traffic manager as a whole, and the machine it runs on.",
    counters=tuple(
        sorted((*_TRAFFIC, *_SNMP, *_TLS, *_ciphers(), *_SYSTEM), key=lambda counter: counter.name)
    ),
)

NETWORK_INTERFACES = StatisticType(
    path="network_interface",
    per_object=True,
    help="Traffic of one network interface of the machine.",
    counters=(
        total("collisions", "Collisions on the network."),
        total("rx_bytes", "Data received.", "bytes"),
        total("rx_errors", "Packets received with an error."),
        total("rx_packets", "Packets received."),
        total("tx_bytes", "Data sent.", "bytes"),
        total("tx_errors", "Packets that could not be sent."),
        total("tx_packets", "Packets sent."),
    ),
)

OCSP_STAPLING = StatisticType(
    path="ssl_ocsp_stapling",
    per_object=False,
    help="OCSP answers fetched in order to be stapled.",
    counters=(
        gauge("cache_count", "Answers held."),
        total("count", "Questions sent to OCSP responders."),
        total("failure_count", "Questions that got no usable answer."),
        total("good_count", "Answers that called the certificate good."),
        total("revoked_count", "Answers that called the certificate revoked."),
        total("success_count", "Questions that got an answer."),
        total("unknown_count", "Answers that did not know the certificate."),
    ),
)

FAULT_TOLERANCE = StatisticType(
    path="traffic_ips/ip_gateway",
    per_object=False,
    help="Checks of the machine's networks, and traffic IPs as a whole.",
    counters=(
        total("arp_message", "ARP announcements sent for traffic IPs."),
        total("gateway_ping_requests", "Pings sent to gateways."),
        total("gateway_ping_responses", "Pings that gateways answered."),
        total("node_ping_requests", "Pings sent to nodes."),
        total("node_ping_responses", "Pings that nodes answered."),
        gauge("number_inet46", "Traffic IPs configured."),
        gauge("number_raised_inet46", "Traffic IPs that this machine holds."),
        total("ping_response_errors", "Answers to pings that could not be read."),
    ),
)


def _traffic_ip(path: str, help: str) -> StatisticType:
    return StatisticType(
        path=path,
        per_object=True,
        help=help,
        counters=(
            state("state", "Whether this machine holds the traffic IP.", "raised", "lowered"),
            gauge("time", "Time since that last changed.", CENTISECONDS),
        ),
    )


TRAFFIC_IPS = _traffic_ip("traffic_ips/traffic_ip", "A traffic IP of IPv4, as older clients read it.")
TRAFFIC_IPS_INET46 = _traffic_ip("traffic_ips/traffic_ip_inet46", "A traffic IP.")
