"""Headers that tell nodes where a request came from.

Invariant: a header that this product sets cannot be forged by the client, nor taken away on the rest of the way.
"""

from __future__ import annotations

from pointsman.schema.virtual_server import VirtualServer


def header_rules(server: VirtualServer) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Lines of an HTTP frontend, each with the key it comes from."""
    http = server.http
    rules: list[tuple[str, tuple[str, ...]]] = []
    if http.add_cluster_ip:
        path = ("http", "add_cluster_ip")
        # Many servers hand headers on as variables, in which `-` and `_` are the same: X_Cluster_Client_Ip would stand
        # beside ours.
        rules.append((f"http-request del-header {_twins('cluster', 'client', 'ip')} -m reg", path))
        rules.append(("http-request set-header X-Cluster-Client-Ip %[src]", path))
    if http.add_x_forwarded_for:
        path = ("http", "add_x_forwarded_for")
        rules.append(("http-request del-header ^x(_forwarded[-_]|-forwarded_)for$ -m reg", path))
        # Adds a header after those of earlier proxies, which reads as one list (RFC 9110, section 5.3).
        rules.append(("option forwardfor", path))
    if http.strip_x_forwarded_proto:
        path = ("http", "strip_x_forwarded_proto")
        rules.append((f"http-request del-header {_twins('forwarded', 'proto')} -m reg", path))
    if http.add_x_forwarded_proto:
        scheme = "https" if server.basic.ssl_decrypt else "http"
        absent = "" if http.strip_x_forwarded_proto else " unless { req.hdr(X-Forwarded-Proto) -m found }"
        rules.append(
            (f"http-request set-header X-Forwarded-Proto {scheme}{absent}", ("http", "add_x_forwarded_proto"))
        )
    if rules:
        # A proxy on the way drops what `Connection` names (RFC 9110, section 7.6.1).
        names = "X-Cluster-Client-Ip X-Forwarded-For X-Forwarded-Proto"
        rules.append(
            (f"http-request del-header Connection if {{ req.hdr(Connection) -i {names} }}", ("http",))
        )
    return tuple(rules)


def _twins(*parts: str) -> str:
    """The header X-Part-Part in every spelling that can be taken for it; HAProxy compares in lower case."""
    return "^x[-_]" + "[-_]".join(parts) + "$"
