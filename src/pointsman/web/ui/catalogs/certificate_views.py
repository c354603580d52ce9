"""Certificates of the catalogue as pages show them: rows of lists, bars of the timeline, which virtual server presents
which.

Pure. Invariant: no private key is in any of these; a certificate is parsed once for as long as it stays the same.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from cryptography import x509

from pointsman.certificates.facts import CertificateFacts, Mark, chain_facts, parsed
from pointsman.certificates.match import answers
from pointsman.schema.certificate_authority import CERTIFICATE_AUTHORITY, CertificateAuthority
from pointsman.schema.problem import ObjectId
from pointsman.schema.server_key import SERVER_KEY, ServerKey
from pointsman.schema.snapshot import Snapshot
from pointsman.schema.virtual_server import VirtualServer

LONGEST_BAR_DAYS = 400
"""Public authorities issue for no longer; what lasts longer fills the timeline."""


@dataclass(frozen=True)
class CertificateRow:
    """A certificate in a list. `users` counts the objects that use it; `facts` None where it cannot be read."""

    name: str
    facts: CertificateFacts | None
    mark: Mark
    word: str
    days: int
    users: int
    more: int

    @property
    def left(self) -> str:
        """The days left in words."""
        if self.facts is None:
            return ""
        if self.word == "expired" and self.days == 0:
            return "today"
        if self.days < 0:
            return f"{-self.days} day{'' if self.days == -1 else 's'} ago"
        return f"{self.days} day{'' if self.days == 1 else 's'}"

    @property
    def bar(self) -> float:
        """The length of its bar in the timeline, of 100."""
        return round(min(max(self.days, 0), LONGEST_BAR_DAYS) / LONGEST_BAR_DAYS * 100, 2)


def certificate_row(name: str, pem: str, users: int, now: float) -> CertificateRow:
    """A certificate, or the first one of a file of authorities that ends."""
    chain = chain_facts(pem)
    if not chain:
        return CertificateRow(name, None, "error", "cannot be read", -1, users, 0)
    facts = chain[0]
    mark, word = facts.light(now)
    return CertificateRow(name, facts, mark, word, facts.days_left(now), users, len(chain) - 1)


def server_rows(
    snapshot: Snapshot, users: Mapping[ObjectId, Sequence[ObjectId]], now: float
) -> list[CertificateRow]:
    """Every server certificate, the first to end first."""
    rows = [
        certificate_row(name, key.basic.public, len(users.get(ObjectId(SERVER_KEY.path, name), ())), now)
        for name, key in snapshot.all(SERVER_KEY.path, ServerKey)
    ]
    return sorted(rows, key=_end)


def authority_rows(
    snapshot: Snapshot, users: Mapping[ObjectId, Sequence[ObjectId]], now: float
) -> list[CertificateRow]:
    """Every file of authorities, by the certificate of it that ends first."""
    rows = []
    for name, authority in snapshot.all(CERTIFICATE_AUTHORITY.path, CertificateAuthority):
        used = len(users.get(ObjectId(CERTIFICATE_AUTHORITY.path, name), ()))
        chain = chain_facts(text_of_authority(authority))
        if not chain:
            rows.append(CertificateRow(name, None, "error", "cannot be read", -1, used, 0))
            continue
        facts = min(chain, key=lambda one: one.not_after)
        mark, word = facts.light(now)
        rows.append(CertificateRow(name, facts, mark, word, facts.days_left(now), used, len(chain) - 1))
    return sorted(rows, key=_end)


def text_of_authority(authority: CertificateAuthority) -> str:
    """The file as text."""
    return authority.content.decode("utf-8", "replace")


def _end(row: CertificateRow) -> float:
    return row.facts.not_after.timestamp() if row.facts is not None else 0.0


@dataclass(frozen=True)
class Presented:
    """A certificate that a virtual server presents: to clients that ask for `host`, or "" for all others.

    `answered` says whether the certificate holds the host; None for the default one, and for one that is not there.
    """

    host: str
    certificate: str
    row: CertificateRow | None
    answered: bool | None


@dataclass(frozen=True)
class ServerMap:
    """What one virtual server presents to whom; `enabled` whether it listens."""

    server: str
    enabled: bool
    port: int
    presented: tuple[Presented, ...]


def decrypting(snapshot: Snapshot) -> list[tuple[str, VirtualServer]]:
    """The virtual servers that decrypt TLS, by name."""
    return [
        (name, server)
        for name, server in snapshot.all("virtual_servers", VirtualServer)
        if server.basic.ssl_decrypt
    ]


def server_map(snapshot: Snapshot, name: str, server: VirtualServer, now: float) -> ServerMap:
    """What a virtual server presents to whom."""
    pairs = [("", server.ssl.server_cert_default)]
    pairs += [(row.host, row.certificate) for row in server.ssl.server_cert_host_mapping]
    presented = tuple(_presented(snapshot, host, certificate, now) for host, certificate in pairs)
    return ServerMap(name, server.basic.enabled, server.basic.port, presented)


def _presented(snapshot: Snapshot, host: str, certificate: str, now: float) -> Presented:
    key = snapshot.get(SERVER_KEY.path, certificate, ServerKey)
    if key is None:
        return Presented(host, certificate, None, None)
    row = certificate_row(certificate, key.basic.public, 0, now)
    held = row.facts.names if row.facts is not None else ()
    return Presented(host, certificate, row, any(answers(name, host) for name in held) if host else None)


@dataclass(frozen=True)
class Answer:
    """Which certificate a client gets that asks a virtual server for a host, why, and whether it will accept it."""

    server: str
    port: int
    certificate: str
    why: str
    accepted: bool
    note: str


def answer_for(one: ServerMap, host: str) -> Answer:
    """What the engine presents: the entry of the very name, else that of its pattern, else the default."""
    exact = next((p for p in one.presented if p.host and p.host.lower() == host.lower()), None)
    pattern = next((p for p in one.presented if p.host.startswith("*.") and answers(p.host, host)), None)
    usable = [p for p in (exact, pattern) if p is not None and p.row is not None]
    chosen = usable[0] if usable else one.presented[0]
    if chosen.row is None or chosen.row.facts is None:
        return Answer(
            one.server, one.port, chosen.certificate, "the default", False, "there is no such certificate"
        )
    why = "the default: no entry is for this name" if not chosen.host else f"the entry for {chosen.host}"
    covered = any(answers(name, host) for name in chosen.row.facts.names)
    if not covered:
        note = "it does not hold this name, so clients refuse it"
    elif chosen.row.mark == "error" and chosen.row.word != "expires very soon":
        note = f"it is {chosen.row.word}, so clients refuse it"
    else:
        note = "it holds this name"
    return Answer(one.server, one.port, chosen.certificate, why, note == "it holds this name", note)


def hosts_of(snapshot: Snapshot, certificate: str) -> tuple[str, ...]:
    """The host names that virtual servers present a certificate for."""
    found: dict[str, None] = {}
    for _, server in snapshot.all("virtual_servers", VirtualServer):
        if server.basic.ssl_decrypt:
            found |= {
                row.host: None
                for row in server.ssl.server_cert_host_mapping
                if row.certificate == certificate
            }
    return tuple(found)


def known_roots(snapshot: Snapshot) -> Iterable[x509.Certificate]:
    """The authorities of the catalogue, and those that this machine trusts."""
    for _, authority in snapshot.all(CERTIFICATE_AUTHORITY.path, CertificateAuthority):
        yield from parsed(authority.content)
    yield from _machine_roots()


@cache
def _machine_roots() -> tuple[x509.Certificate, ...]:
    found = []
    try:
        trusted = ssl.create_default_context().get_ca_certs(binary_form=True)
    except (OSError, ssl.SSLError):
        return ()
    for der in trusted:
        try:
            found.append(x509.load_der_x509_certificate(der))
        except ValueError:
            continue
    return tuple(found)
