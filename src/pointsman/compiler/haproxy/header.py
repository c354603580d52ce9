"""Headers that tell nodes where a request came from.

Invariant: a header that this product sets cannot be forged by the client.
"""

from __future__ import annotations

from pointsman.schema.virtual_server import VirtualServer


def header_rules(server: VirtualServer) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Lines of an HTTP frontend, each with the key it comes from."""
    http = server.http
    rules: list[tuple[str, tuple[str, ...]]] = []
    if http.add_cluster_ip:
        rules.append(("http-request set-header X-Cluster-Client-Ip %[src]", ("http", "add_cluster_ip")))
    if http.add_x_forwarded_for:
        # Adds a header after those of earlier proxies, which reads as one list (RFC 9110, section 5.3).
        rules.append(("option forwardfor", ("http", "add_x_forwarded_for")))
    if http.strip_x_forwarded_proto:
        rules.append(("http-request del-header X-Forwarded-Proto", ("http", "strip_x_forwarded_proto")))
    if http.add_x_forwarded_proto:
        scheme = "https" if server.basic.ssl_decrypt else "http"
        absent = "" if http.strip_x_forwarded_proto else " unless { req.hdr(X-Forwarded-Proto) -m found }"
        rules.append(
            (f"http-request set-header X-Forwarded-Proto {scheme}{absent}", ("http", "add_x_forwarded_proto"))
        )
    return tuple(rules)
