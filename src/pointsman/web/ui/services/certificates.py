"""The certificates that a virtual server presents, with the days that each has left.

Pure over the snapshot. Invariant: a certificate that cannot be read is said to be so, and the page goes on.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from pointsman.certificates.facts import chain_facts
from pointsman.schema.server_key import ServerKey
from pointsman.schema.snapshot import Snapshot
from pointsman.schema.virtual_server import VirtualServer
from pointsman.web.ui.marks import Mark

MOST = 50


@dataclass(frozen=True)
class CertificateLine:
    """A certificate: its name in the catalog, the hosts that it is chosen for, whom it names and how long it holds."""

    name: str
    hosts: str
    subject: str
    until: str
    mark: Mark
    word: str


def certificate_lines(server: VirtualServer, snapshot: Snapshot) -> tuple[CertificateLine, ...]:
    """Those of a virtual server, the default first."""
    ssl = server.ssl
    used = [(ssl.server_cert_default, "default")] if ssl.server_cert_default else []
    used += [(row.certificate, row.host) for row in ssl.server_cert_host_mapping if row.certificate]
    return tuple(_line(name, hosts, snapshot) for name, hosts in used[:MOST])


def _line(name: str, hosts: str, snapshot: Snapshot) -> CertificateLine:
    key = snapshot.get("ssl/server_keys", name, ServerKey)
    if key is None:
        return CertificateLine(name, hosts, "", "", "error", "there is no such certificate")
    chain = chain_facts(key.basic.public)
    if not chain:
        return CertificateLine(name, hosts, "", "", "error", "it cannot be read")
    facts, now = chain[0], time.time()
    mark, word = facts.light(now)
    if word not in ("expired", "not valid yet"):
        word = f"{facts.days_left(now)} days left"
    return CertificateLine(name, hosts, facts.subject, f"{facts.not_after:%Y-%m-%d}", mark, word)
