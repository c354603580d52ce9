"""Which certificate answers for which host name: the map of all virtual servers, the mapping of one, and the act that
gives a certificate to a virtual server.

Invariant: what the map says is what the engine does with the mapping as it is stored; a form changes the default
certificate, the mapping and the switch for TLS, and nothing else of a virtual server.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from starlette.responses import Response
from starlette.routing import Route

from pointsman.certificates.facts import chain_facts
from pointsman.console.language.choice import say
from pointsman.control.merge import plain
from pointsman.schema.problem import ObjectId, Problem
from pointsman.schema.registry import BY_PATH
from pointsman.schema.validate import Invalid
from pointsman.schema.virtual_server import VirtualServer
from pointsman.store import Put
from pointsman.web.ui.address import listed, segment
from pointsman.web.ui.catalogs.certificate_views import Answer, answer_for, decrypting, server_map
from pointsman.web.ui.catalogs.certificates import SERVERS, SSL, address_of_certificate, found_key
from pointsman.web.ui.changes.changing import Changing
from pointsman.web.ui.changes.pending import Pending
from pointsman.web.ui.desk import Desk
from pointsman.web.ui.forms.field import field_view
from pointsman.web.ui.forms.read import read_section
from pointsman.web.ui.objects.form import judge, put_of
from pointsman.web.ui.objects.names import Names
from pointsman.web.ui.visit import Refused, Visit

SNI = f"{SSL}/sni"
READ, WRITE = "Virtual_Servers!Edit!SSL_Decryption", "Virtual_Servers!Edit!SSL_Decryption"
_KEYS = ("server_cert_default", "server_cert_host_mapping")
_PAGE = 50
_MOST_ANSWERS = 50
_MOST_CHOSEN = 1000
_SERVER = BY_PATH["virtual_servers"]


class SniMap:
    """Handlers of the pages."""

    def __init__(self, desk: Desk, changing: Changing, names: Names) -> None:
        self._desk = desk
        self._changing = changing
        self._names = names

    @property
    def routes(self) -> list[Route]:
        """Where they are."""
        desk, one, use = self._desk, f"{SNI}/{{name:object}}", f"{SERVERS}/{{name:object}}/use"
        return [
            desk.get(SNI, self.map, READ),
            desk.get(one, self.edit, READ),
            desk.post(one, self.save, WRITE),
            desk.get(use, self.choose, WRITE, write=True),
            desk.post(use, self.use, WRITE),
        ]

    async def map(self, visit: Visit) -> Response:
        """GET /catalogs/ssl/sni: every virtual server with TLS; `host` asks which certificate it gets, `q` filters."""
        snapshot = self._desk.control.snapshot
        servers = decrypting(snapshot)
        host, words = visit.query("host").strip()[:253], visit.query("q").strip()
        answers: list[Answer] = []
        if host:
            answers = [answer_for(server_map(snapshot, *one, visit.now), host) for one in servers]
            answers.sort(key=_by_fit)
        found = [one for one in servers if _holds(*one, words.lower())]
        page = visit.number("page", 1, 1, max(1, -(-len(found) // _PAGE)))
        shown = found[(page - 1) * _PAGE : page * _PAGE]
        return await self._desk.page(
            visit,
            "sni.html",
            heading=say("Certificates by Host Name"),
            maps=[server_map(snapshot, *one, visit.now) for one in shown],
            all=len(servers),
            host=host,
            words=words,
            answers=answers[:_MOST_ANSWERS],
            more_answers=max(0, len(answers) - _MOST_ANSWERS),
            page=page,
            more=page * _PAGE < len(found),
            turned=lambda number: SNI + listed({"q": words, "page": number}),
            address=address_of_certificate,
            edit=lambda name: f"{SNI}/{segment(name)}",
            may_write=visit.may(WRITE, write=True),
        )

    async def edit(self, visit: Visit) -> Response:
        """GET …/<virtual server>: its default certificate and mapping as a form."""
        return await self._edit_page(visit)

    async def _edit_page(
        self, visit: Visit, problems: Sequence[Problem] = (), typed: Mapping[str, Any] | None = None
    ) -> Response:
        name = visit.name()
        server = self._server(name)
        views = []
        for wanted in _KEYS:
            key = next(key for key in _SERVER.keys if key.path == f"ssl.{wanted}")
            value = (typed or {}).get(wanted, plain(key.read(server)))
            faults = [p for p in problems if p.path[:2] == ("ssl", wanted)]
            views.append(field_view(_SERVER, key, value, self._names, faults))
        other = [p.message for p in problems if p.path[:2] not in {("ssl", wanted) for wanted in _KEYS}]
        return await self._desk.page(
            visit,
            "sni_edit.html",
            heading=say("Certificates of {name}", name=name),
            status=400 if problems else 200,
            fields=views,
            name=name,
            faults=other,
            decrypts=server.basic.ssl_decrypt,
            action=f"{SNI}/{segment(name)}",
            server=f"/services/virtual-servers/{segment(name)}",
            base=self._desk.control.revision,
            may_write=visit.may(WRITE, write=True),
        )

    async def save(self, visit: Visit) -> Response:
        """POST …/<virtual server> with the two fields."""
        name = visit.name()
        self._server(name)
        typed = {k: v for k, v in read_section(_SERVER, "ssl", visit.form).items() if k in _KEYS}
        change: dict[str, Any] = {"ssl": typed}
        if visit.form.text("decrypt") == "true":
            change["basic"] = {"ssl_decrypt": True}
        try:
            put = self._put(name, change)
        except Invalid as error:
            return await self._edit_page(visit, error.problems, typed)
        base = visit.form.text("base")
        return await self._carry_out(
            visit,
            put,
            f"The certificates of {name} were changed.",
            SNI,
            int(base) if base.isascii() and base.isdecimal() and len(base) < 16 else None,
        )

    def _put(self, name: str, change: Mapping[str, Any]) -> Put:
        control = self._desk.control
        stored = control.settings(ObjectId(_SERVER.path, name)) or {}
        put, _ = put_of(_SERVER, name, stored, change)
        if problems := judge(control.snapshot.objects, put):
            raise Invalid(problems)
        return put

    async def _carry_out(self, visit: Visit, put: Put, done: str, onward: str, base: int | None) -> Response:
        pending = Pending(
            owner=visit.session.csrf,
            changes=(put,),
            base=base,
            title=f"Change the certificates of {put.identity.name}",
            done=done,
            back=visit.path,
            onward=onward,
        )
        if visit.form.text("act") == "review":
            return self._changing.prepare(visit, pending)
        return await self._changing.carry_out(visit, pending)

    async def choose(self, visit: Visit) -> Response:
        """GET …/<certificate>/use: for which virtual server, and for which of its clients."""
        return await self._use_page(visit)

    async def _use_page(self, visit: Visit, fault: str = "") -> Response:
        name = visit.name()
        chain = chain_facts(found_key(self._desk, name).basic.public)
        servers = [
            (one, server.basic.ssl_decrypt, server.basic.port)
            for one, server in self._desk.control.snapshot.all(_SERVER.path, VirtualServer)
        ]
        sent = visit.request.method == "POST"
        return await self._desk.page(
            visit,
            "certificate_use.html",
            heading=say("Use {name}", name=name),
            crumbs=[(name, address_of_certificate(name))],
            status=400 if fault else 200,
            name=name,
            servers=servers[:_MOST_CHOSEN],
            chosen=visit.form.text("server") if sent else visit.query("server"),
            how=visit.form.text("how") if sent else "default",
            hosts=visit.form.text("hosts") if sent else "\n".join(chain[0].names if chain else ()),
            fault=fault,
            action=f"{address_of_certificate(name)}/use",
            back=address_of_certificate(name),
        )

    async def use(self, visit: Visit) -> Response:
        """POST …/<certificate>/use with server, how ("default" or "hosts") and hosts: TLS is on there afterwards."""
        name = visit.name()
        found_key(self._desk, name)
        form = visit.form
        chosen = self._desk.control.snapshot.get(_SERVER.path, form.text("server"), VirtualServer)
        if chosen is None:
            return await self._use_page(visit, "Choose a virtual server.")
        ssl: dict[str, Any] = {}
        if form.text("how") == "hosts":
            hosts = list(dict.fromkeys(form.text("hosts").lower().replace(",", " ").split()))
            if not hosts:
                return await self._use_page(visit, "Say for which host names, one to a line.")
            rows = [row.model_dump(mode="json") for row in chosen.ssl.server_cert_host_mapping]
            kept = [row for row in rows if row["host"].lower() not in hosts]
            ssl["server_cert_host_mapping"] = kept + [{"host": host, "certificate": name} for host in hosts]
            if not chosen.ssl.server_cert_default:
                ssl["server_cert_default"] = name
        else:
            ssl["server_cert_default"] = name
        try:
            put = self._put(form.text("server"), {"basic": {"ssl_decrypt": True}, "ssl": ssl})
        except Invalid as error:
            return await self._use_page(visit, " ".join(f"{p.message}." for p in error.problems[:5]))
        done = f"{form.text('server')} presents the certificate {name} now."
        return await self._carry_out(visit, put, done, address_of_certificate(name), None)

    def _server(self, name: str) -> VirtualServer:
        found = self._desk.control.snapshot.get(_SERVER.path, name, VirtualServer)
        if found is None:
            raise Refused(f"There is no virtual server called {name}.", 404)
        return found


def _holds(name: str, server: VirtualServer, words: str) -> bool:
    if not words or words in name.lower() or words in server.ssl.server_cert_default.lower():
        return True
    return any(
        words in f"{row.host} {row.certificate}".lower() for row in server.ssl.server_cert_host_mapping
    )


def _by_fit(answer: Answer) -> tuple[bool, str]:
    return not answer.accepted, answer.server
