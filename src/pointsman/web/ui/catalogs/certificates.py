"""The pages that show certificates: the overview of SSL, the lists, what one certificate says, and what is downloaded.

Invariant: a private key is on no page and in no download.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding
from starlette.responses import Response
from starlette.routing import Route

from pointsman.certificates.bundle import chain_pem
from pointsman.certificates.chain import belongs, examine, in_order
from pointsman.certificates.facts import chain_facts, parsed
from pointsman.certificates.make import read_key
from pointsman.console.language.choice import say
from pointsman.schema.certificate_authority import CERTIFICATE_AUTHORITY, CertificateAuthority
from pointsman.schema.condition import Condition, Standing
from pointsman.schema.problem import ObjectId
from pointsman.schema.server_key import SERVER_KEY, ServerKey
from pointsman.web.ui.address import listed, segment
from pointsman.web.ui.catalogs.certificate_views import (
    CertificateRow,
    authority_rows,
    decrypting,
    hosts_of,
    known_roots,
    server_rows,
    text_of_authority,
)
from pointsman.web.ui.desk import Desk
from pointsman.web.ui.objects.extra import Panel
from pointsman.web.ui.objects.kinds import PAGES
from pointsman.web.ui.objects.listing import PAGE_SIZE
from pointsman.web.ui.visit import Refused, Visit

SSL = "/catalogs/ssl"
SERVERS = f"{SSL}/server-certificates"
AUTHORITIES = f"{SSL}/certificate-authorities"
READ, WRITE = "SSL!SSL_Certs", "SSL!SSL_Certs!Edit"
READ_CAS, WRITE_CAS = "SSL!CAs", "SSL!CAs!Edit"
_TIMELINE = 60


@dataclass(frozen=True)
class _Shown:
    """A list's page of rows."""

    rows: Sequence[CertificateRow]
    count: int
    page: int

    @property
    def more(self) -> bool:
        return self.page * PAGE_SIZE < self.count


class Certificates:
    """Handlers of the pages."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    @property
    def routes(self) -> list[Route]:
        """Where they are."""
        desk = self._desk
        return [
            desk.get(SSL, self.overview, "SSL"),
            desk.get(SERVERS, self.list, READ),
            desk.get(f"{SERVERS}/{{name:object}}/download", self.download, READ),
            desk.get(AUTHORITIES, self.list_authorities, READ_CAS),
        ]

    async def overview(self, visit: Visit) -> Response:
        """GET /catalogs/ssl: how many there are, which end when, and where to go."""
        control = self._desk.control
        users = control.users()
        rows = server_rows(control.snapshot, users, visit.now)
        authorities = authority_rows(control.snapshot, users, visit.now)
        return await self._desk.page(
            visit,
            "certificates.html",
            heading=say("SSL"),
            rows=rows[:_TIMELINE],
            left_out=max(0, len(rows) - _TIMELINE),
            soon=sum(row.mark == "warn" for row in rows),
            bad=sum(row.mark == "error" for row in rows),
            unused=sum(not row.users for row in rows),
            count=len(rows),
            authorities=authorities,
            bad_authorities=sum(row.mark != "ok" for row in authorities),
            maps=len(decrypting(control.snapshot)),
            address=address_of_certificate,
            may_write=visit.may(WRITE, write=True),
        )

    async def list(self, visit: Visit) -> Response:
        """GET: the server certificates, the first to end first; `q` filters by name, host and issuer."""
        control = self._desk.control
        rows = server_rows(control.snapshot, control.users(), visit.now)
        return await self._list(visit, rows, SERVERS, "server", SERVER_KEY.path, WRITE)

    async def list_authorities(self, visit: Visit) -> Response:
        """GET: the files of certificate authorities."""
        control = self._desk.control
        rows = authority_rows(control.snapshot, control.users(), visit.now)
        return await self._list(visit, rows, AUTHORITIES, "authority", CERTIFICATE_AUTHORITY.path, WRITE_CAS)

    async def _list(
        self, visit: Visit, rows: Sequence[CertificateRow], path: str, kind: str, type_path: str, write: str
    ) -> Response:
        words = visit.query("q").strip()
        found = [row for row in rows if _holds(row, words.lower())] if words else rows
        if visit.query("show") == "unused":
            found = [row for row in found if not row.users]
        page = visit.number("page", 1, 1, max(1, -(-len(found) // PAGE_SIZE)))
        shown = _Shown(found[(page - 1) * PAGE_SIZE : page * PAGE_SIZE], len(found), page)
        return await self._desk.page(
            visit,
            "certificate_list.html",
            heading=say(PAGES[type_path].kind.plural),
            kind=kind,
            pages=PAGES[type_path],
            shown=shown,
            all=len(rows),
            words=words,
            path=path,
            rejected=self._rejected(type_path),
            address=lambda name: f"{path}/{segment(name)}",
            turned=lambda number: path + listed({"q": words, "show": visit.query("show"), "page": number}),
            may_write=visit.may(write, write=True),
        )

    def _rejected(self, type_path: str) -> dict[str, Condition]:
        """What certificates fare badly with besides their end, which the list shows itself."""
        return {
            c.subject.name: c
            for c in self._desk.control.conditions()
            if c.subject.type == type_path
            and c.standing in (Standing.REJECTED, Standing.WARNING)
            and not c.code.startswith("certificate_expir")
        }

    async def download(self, visit: Visit) -> Response:
        """GET …/<name>/download?what=certificate|chain|der|request: what everybody may know of it."""
        key = found_key(self._desk, visit.name())
        certificates = parsed(key.basic.public)
        what = visit.query("what", "chain")
        content: bytes
        if what == "request" and key.basic.request:
            content, name = key.basic.request.encode("utf-8", "replace"), "request.csr"
        elif what == "chain" and certificates:
            content, name = chain_pem(certificates).encode(), "chain.pem"
        elif what == "certificate" and certificates:
            content, name = chain_pem(certificates[:1]).encode(), "certificate.pem"
        elif what == "der" and certificates:
            content, name = certificates[0].public_bytes(Encoding.DER), "certificate.cer"
        else:
            raise Refused("This certificate has nothing of that kind to download.", 404)
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        return Response(content, media_type="application/octet-stream", headers=headers)

    def panels(self, visit: Visit, name: str) -> tuple[Panel, ...]:
        """What the page of a server certificate shows above its settings."""
        key = found_key(self._desk, name)
        snapshot = self._desk.control.snapshot
        chain = parsed(key.basic.public)
        private = read_key(key.basic.private)
        fits = chain != [] and private is not None and belongs(chain[0], private)
        values: dict[str, Any] = {
            "chain": chain_facts(key.basic.public),
            "findings": examine(
                chain, visit.now, roots=known_roots(snapshot), hosts=hosts_of(snapshot, name), key_fits=fits
            ),
            "request": key.basic.request,
            "address": address_of_certificate(name),
            "may_write": visit.may(WRITE, write=True),
            "server": True,
            "ordered": not chain or not in_order(chain, private).moved,
        }
        return (Panel("certificate_panel.html", values),)

    def authority_panels(self, visit: Visit, name: str) -> tuple[Panel, ...]:
        """What the page of a file of authorities shows above it."""
        found = self._desk.control.snapshot.get(CERTIFICATE_AUTHORITY.path, name, CertificateAuthority)
        values: dict[str, Any] = {
            "chain": chain_facts(text_of_authority(found)) if found is not None else (),
            "findings": (),
            "request": "",
            "address": f"{AUTHORITIES}/{segment(name)}",
            "may_write": visit.may(WRITE_CAS, write=True),
            "server": False,
            "ordered": True,
        }
        return (Panel("certificate_panel.html", values),)


def found_key(desk: Desk, name: str) -> ServerKey:
    """A server certificate by name; raises `Refused`."""
    found = desk.control.snapshot.get(SERVER_KEY.path, name, ServerKey)
    if found is None:
        raise Refused(f"There is no server certificate called {name}.", 404)
    return found


def address_of_certificate(name: str) -> str:
    """The page of a server certificate."""
    return f"{SERVERS}/{segment(name)}"


def identity_of(name: str) -> ObjectId:
    """A server certificate."""
    return ObjectId(SERVER_KEY.path, name)


def _holds(row: CertificateRow, words: str) -> bool:
    if words in row.name.lower():
        return True
    facts = row.facts
    return facts is not None and any(
        words in text.lower()
        for text in (facts.subject, facts.issuer, facts.sha1, facts.sha256, *facts.names)
    )
