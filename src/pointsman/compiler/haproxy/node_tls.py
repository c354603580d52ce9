"""TLS on the connections to nodes.

Invariant: where a pool wants its nodes verified, no connection goes to one that was not; a pool for which that cannot
be arranged is left out with the reason.
"""

from __future__ import annotations

from pointsman.compiler.certificate import Unusable, authority_certificates
from pointsman.compiler.facts import Facts
from pointsman.compiler.haproxy.quote import word
from pointsman.compiler.haproxy.tls import permitted_versions, version_words
from pointsman.compiler.node import Node, is_address
from pointsman.compiler.remark import Remarks
from pointsman.schema.certificate_authority import CertificateAuthority
from pointsman.schema.global_settings import GlobalSettings
from pointsman.schema.pool import Pool
from pointsman.schema.problem import ObjectId
from pointsman.schema.snapshot import Snapshot

AUTHORITIES_PATH = "cas/all.pem"


def authorities(snapshot: Snapshot, facts: Facts, remarks: Remarks) -> bytes:
    """Every usable certificate authority of the catalogue in one PEM text; empty when there is none."""
    found: dict[bytes, None] = {}
    for name, authority in snapshot.all("ssl/cas", CertificateAuthority):
        identity = ObjectId("ssl/cas", name)
        if identity in facts.refused:
            continue
        try:
            found.update(dict.fromkeys(authority_certificates(authority.content)))
        except Unusable as unusable:
            remarks.reject(identity, "certificate_unusable", f"the authority {unusable}")
    return b"".join(found)


def version_span(
    name: str, pool: Pool, settings: GlobalSettings, has_authorities: bool, remarks: Remarks
) -> tuple[str, str] | None:
    """The TLS versions to the nodes of a pool with TLS, or None (with a condition) when it must be left out."""
    subject = ObjectId("pools", name)
    ssl = pool.ssl
    if ssl.strict_verify and not has_authorities:
        remarks.reject(
            subject,
            "authority_missing",
            "nodes are to be verified and the catalogue holds no certificate authority, so none could be trusted; "
            "add one under ssl/cas, or switch ssl.strict_verify off",
            *("ssl", "strict_verify"),
        )
        return None
    names = _expected_names(pool)
    if ssl.strict_verify and len(names) > 1:
        remarks.warn(
            subject,
            "common_name_match_first_only",
            f'nodes are accepted with the name "{names[0]}" only: one name can be matched so far. '
            "Leave one name, or none to expect each node's own",
            *("ssl", "common_name_match"),
        )
    return permitted_versions(subject, ssl, settings, remarks)


def server_words(pool: Pool, node: Node, mode: str, span: tuple[str, str]) -> tuple[str, ...]:
    """The words of a server line for TLS to a node.

    The name asked for (SNI) is the node's host name; a node written as an IP address is asked for the request's host.
    """
    words: list[str] = ["ssl", *version_words(span)]
    if pool.ssl.strict_verify:
        expected = (*_expected_names(pool), node.host)[0]
        words += ("verify", "required", "ca-file", AUTHORITIES_PATH, "verifyhost", word(expected))
    else:
        words += ("verify", "none")
    if pool.ssl.server_name:
        if not is_address(node.host):
            words += ("sni", f"str({node.host})")
        elif mode == "http":
            words += ("sni", "req.hdr(host),host_only")
    return tuple(words)


def _expected_names(pool: Pool) -> list[str]:
    """The names of which one must be in a node's certificate; none to expect the node's own."""
    return sorted(name for name in pool.ssl.common_name_match if name)
