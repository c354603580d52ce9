"""Bringing certificate authorities: one file with all of them, or an object to each.

Invariant: only certificates are stored, written anew from what was parsed; nothing else of a file gets into the
catalogue.
"""

from __future__ import annotations

from cryptography import x509
from starlette.responses import Response
from starlette.routing import Route

from pointsman.certificates.bundle import Unreadable, chain_pem, read_bundle
from pointsman.certificates.facts import facts_of, is_authority
from pointsman.console.language.choice import say
from pointsman.schema.certificate_authority import CERTIFICATE_AUTHORITY, CertificateAuthority
from pointsman.schema.problem import ObjectId
from pointsman.schema.validate import Invalid
from pointsman.store import Put
from pointsman.web.ui.address import segment
from pointsman.web.ui.catalogs.certificates import AUTHORITIES, WRITE_CAS
from pointsman.web.ui.changes.changing import Changing
from pointsman.web.ui.changes.pending import Pending
from pointsman.web.ui.desk import Desk, sentence
from pointsman.web.ui.visit import Visit

_LONGEST_NAME = 120


class Authorities:
    """Handlers of the form."""

    def __init__(self, desk: Desk, changing: Changing) -> None:
        self._desk = desk
        self._changing = changing

    @property
    def routes(self) -> list[Route]:
        """Where they are."""
        path = f"{AUTHORITIES}/-/new"
        return [
            self._desk.get(path, self.form, WRITE_CAS, write=True),
            self._desk.post(path, self.upload, WRITE_CAS),
        ]

    async def form(self, visit: Visit) -> Response:
        """GET …/-/new: the form."""
        return await self._page(visit)

    async def upload(self, visit: Visit) -> Response:
        """POST …/-/new with name, files, text and `how` ("one" or "each")."""
        form = visit.form
        name, each = form.text("name").strip(), form.text("how") == "each"
        based_on = form.text("based_on")
        if based_on and not form.files and not form.text("text").strip():
            held = self._desk.control.snapshot.get(CERTIFICATE_AUTHORITY.path, based_on, CertificateAuthority)
            parts = [held.content] if held is not None else []
        else:
            parts = [one.content for one in form.files]
            parts.append(form.text("text").encode("utf-8", "replace"))
        try:
            found = list(dict.fromkeys(read_bundle(parts).certificates))
        except Unreadable as unreadable:
            return await self._page(visit, str(unreadable))
        if not found:
            return await self._page(visit, "Choose a file with certificates of authorities, or paste them.")
        if not each and not name:
            return await self._page(visit, "Give it a name.")
        objects = self._desk.control.snapshot.objects
        taken = {identity.name for identity in objects if identity.type == CERTIFICATE_AUTHORITY.path}
        if not each and name in taken:
            return await self._page(visit, "There is an authority of that name; choose another.")
        groups = _named(found, taken) if each else {name: found}
        changes = tuple(
            Put(ObjectId(CERTIFICATE_AUTHORITY.path, called), {"content": chain_pem(group).encode()})
            for called, group in groups.items()
        )
        count = len(changes)
        pending = Pending(
            owner=visit.session.csrf,
            changes=changes,
            base=None,
            title="New certificate authorities",
            done=f"{count} certificate authorities were stored." if each else f"{name} was stored.",
            back=AUTHORITIES,
            onward=AUTHORITIES if each else f"{AUTHORITIES}/{segment(name)}",
        )
        try:
            answer = await self._changing.carry_out(visit, pending)
        except Invalid as error:
            return await self._page(visit, " ".join(sentence(p.message) for p in error.problems[:5]))
        if others := [facts_of(one).title for one in found if not is_authority(one)]:
            shown = ", ".join(others[:5])
            visit.tell(
                f"{shown}: no certificate authority by its own words, so it can vouch only for itself.",
                "warn",
            )
        return answer

    async def _page(self, visit: Visit, fault: str = "") -> Response:
        form = visit.form
        text = form.text("text")
        return await self._desk.page(
            visit,
            "authority_upload.html",
            heading=say("Upload certificate authorities"),
            status=400 if fault else 200,
            fault=fault,
            name=form.text("name") or visit.query("name"),
            based_on=form.text("based_on") or visit.query("based_on"),
            how=form.text("how", "one"),
            text="" if "PRIVATE KEY" in text else text,
            action=f"{AUTHORITIES}/-/new",
            back=AUTHORITIES,
        )


def _named(found: list[x509.Certificate], taken: set[str]) -> dict[str, list[x509.Certificate]]:
    """Each certificate with a name of its own, made from what it calls itself."""
    groups: dict[str, list[x509.Certificate]] = {}
    for certificate in found:
        title = "".join(c for c in facts_of(certificate).title if c.isprintable())[:_LONGEST_NAME].strip()
        name, number = title or "authority", 1
        while name in taken or name in groups:
            number += 1
            name = f"{title} {number}"
        groups[name] = [certificate]
    return groups
