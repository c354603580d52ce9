"""What is done with server certificates: upload, replace, generate, have signed, give to a virtual server.

Invariant: a certificate is stored only together with the private key that it belongs to; what replaces one that exists
is shown beside it first, and nothing is changed before that was confirmed. A private key goes from the upload into the
store and is shown nowhere.
"""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cryptography import x509
from starlette.responses import Response
from starlette.routing import Route

from pointsman.certificates.bundle import Bundle, Unreadable, chain_pem, key_pem, read_bundle
from pointsman.certificates.chain import belongs, in_order
from pointsman.certificates.facts import chain_facts
from pointsman.certificates.make import KEYS, Key, Subject, Unfit, names_of, read_key, request, self_signed
from pointsman.certificates.match import covers
from pointsman.console.language.choice import say
from pointsman.control.merge import merge
from pointsman.schema.server_key import SERVER_KEY, ServerKey
from pointsman.schema.validate import Invalid
from pointsman.store import Put
from pointsman.web.ui.catalogs.certificate_views import hosts_of
from pointsman.web.ui.catalogs.certificates import (
    SERVERS,
    WRITE,
    address_of_certificate,
    found_key,
    identity_of,
)
from pointsman.web.ui.changes.changing import Changing
from pointsman.web.ui.changes.pending import Pending
from pointsman.web.ui.desk import Desk, back_to, sentence
from pointsman.web.ui.form_data import FormData
from pointsman.web.ui.objects.pages import in_words
from pointsman.web.ui.visit import Refused, Visit

DEFAULT_DAYS = 397
_SUBJECT = ("common_name", "organization", "unit", "locality", "state", "country")


@dataclass(frozen=True)
class _Read:
    """An upload that can be stored: chain and key in PEM, and what is to be told of it."""

    public: str
    private: str
    told: tuple[str, ...]


class CertificateActs:
    """Handlers of the forms."""

    def __init__(self, desk: Desk, changing: Changing) -> None:
        self._desk = desk
        self._changing = changing

    @property
    def routes(self) -> list[Route]:
        """Where they are."""
        desk, one = self._desk, f"{SERVERS}/{{name:object}}"
        forms = {
            f"{SERVERS}/-/new": (self.upload_form, self.upload),
            f"{SERVERS}/-/generate": (self.generate_form, self.generate),
            f"{one}/replace": (self.replace_form, self.replace),
            f"{one}/request": (self.request_form, self.make_request),
        }
        shown = [
            route
            for path, (show, act) in forms.items()
            for route in (desk.get(path, show, WRITE, write=True), desk.post(path, act, WRITE))
        ]
        return [*shown, desk.get(f"{one}/replace/{{token}}", self.confirm, WRITE, write=True)]

    async def upload_form(self, visit: Visit) -> Response:
        """GET …/-/new: the form for a new certificate."""
        return await self._upload_page(visit, visit.query("name"))

    async def upload(self, visit: Visit) -> Response:
        """POST …/-/new with name, passphrase, files and texts."""
        name = visit.form.text("name").strip()
        if identity_of(name) in self._desk.control.snapshot.objects:
            fault = (
                "There is a certificate of that name. Choose another name, or replace that one on its page."
            )
            return await self._upload_page(visit, name, fault)
        based_on = visit.form.text("based_on")
        if based_on and not visit.form.files and not visit.form.text("text").strip():
            copied = dict(found_key(self._desk, based_on).basic)
            try:
                return await self._store_new(visit, name, copied, f"copied from {based_on}")
            except Invalid as error:
                return await self._upload_page(visit, name, _words(error))
        try:
            read = await asyncio.to_thread(_read, visit.form, "")
        except Unreadable as unreadable:
            return await self._upload_page(visit, name, str(unreadable))
        basic = {"public": read.public, "private": read.private, "note": visit.form.text("note").strip()}
        try:
            return await self._store_new(visit, name, basic, "uploaded", read.told)
        except Invalid as error:
            return await self._upload_page(visit, name, _words(error))

    async def _store_new(
        self, visit: Visit, name: str, basic: Mapping[str, Any], done: str, told: tuple[str, ...] = ()
    ) -> Response:
        pending = Pending(
            owner=visit.session.csrf,
            changes=(Put(identity_of(name), {"basic": {k: v for k, v in basic.items() if v}}),),
            base=None,
            title=f"New server certificate: {name}",
            done=f"The certificate {name} was {done}. Virtual servers can present it now.",
            back=SERVERS,
            onward=address_of_certificate(name),
        )
        answer = await self._changing.carry_out(visit, pending)
        for text in told:
            visit.tell(text, "warn")
        facts = chain_facts(basic["public"])[0]
        if not facts.not_before.timestamp() <= visit.now < facts.not_after.timestamp():
            visit.tell(
                f"Clients refuse it: it is {facts.light(visit.now)[1]}. Replace it by a valid one.", "warn"
            )
        return answer

    async def _upload_page(self, visit: Visit, name: str, fault: str = "", of: str = "") -> Response:
        heading = f"Replace {of}" if of else "Upload a certificate"
        crumbs = [(of, address_of_certificate(of))] if of else []
        return await self._desk.page(
            visit,
            "certificate_upload.html",
            heading=heading,
            crumbs=crumbs,
            status=400 if fault else 200,
            name=name,
            of=of,
            based_on="" if of else visit.form.text("based_on") or visit.query("based_on"),
            note=visit.form.text("note"),
            text=_without_keys(visit.form.text("text")),
            fault=fault,
            action=f"{address_of_certificate(of)}/replace" if of else f"{SERVERS}/-/new",
            back=address_of_certificate(of) if of else SERVERS,
            waits=bool(of and found_key(self._desk, of).basic.request),
        )

    async def replace_form(self, visit: Visit) -> Response:
        """GET …/<name>/replace: the form for a certificate in the place of this one."""
        found_key(self._desk, visit.name())
        return await self._upload_page(visit, "", of=visit.name())

    async def replace(self, visit: Visit) -> Response:
        """POST …/<name>/replace with passphrase, files and texts: leads to the page that shows both."""
        name = visit.name()
        held = found_key(self._desk, name)
        try:
            read = await asyncio.to_thread(_read, visit.form, held.basic.private)
        except Unreadable as unreadable:
            return await self._upload_page(visit, "", str(unreadable), name)
        if read.public == held.basic.public and read.private == held.basic.private:
            return await self._upload_page(visit, "", "This is the certificate that is stored already.", name)
        new: dict[str, Any] = {"public": read.public, "private": read.private}
        if read.private != held.basic.private:
            new["request"] = ""  # it belongs to the key that goes
        token = self._keep(visit, name, new, read.told)
        return back_to(f"{address_of_certificate(name)}/replace/{token}")

    def _keep(self, visit: Visit, name: str, new: Mapping[str, Any], told: tuple[str, ...]) -> str:
        control = self._desk.control
        stored = control.settings(identity_of(name)) or {}
        pending = Pending(
            owner=visit.session.csrf,
            changes=(Put(identity_of(name), merge(SERVER_KEY, stored, {"basic": new})),),
            base=control.revision,
            title=f"Replace the certificate {name}",
            done=f"The certificate {name} was replaced; new connections get it at once.",
            back=address_of_certificate(name),
            onward=address_of_certificate(name),
            reason="\n".join(told),
        )
        return self._changing.pendings.keep(pending)

    async def confirm(self, visit: Visit) -> Response:
        """GET …/<name>/replace/<token>: the old and the new one side by side."""
        name, token = visit.name(), visit.name("token")
        pending = self._changing.pendings.find(token, visit.session.csrf)
        change = pending.changes[0] if pending is not None else None
        if pending is None or not isinstance(change, Put) or change.identity != identity_of(name):
            raise Refused("There is no such upload any more; send the certificate again.", 404)
        held = found_key(self._desk, name)
        old = chain_facts(held.basic.public)
        new = chain_facts(change.settings["basic"]["public"])
        hosts = hosts_of(self._desk.control.snapshot, name)
        lost = [one for one in (old[0].names if old else ()) if not covers(new[0].names, one)]
        return await self._desk.page(
            visit,
            "certificate_confirm.html",
            heading=say("Replace {name}?", name=name),
            crumbs=[(name, address_of_certificate(name))],
            name=name,
            token=token,
            old=old,
            new=new,
            new_key=change.settings["basic"]["private"] != held.basic.private,
            lost=lost,
            uncovered=[host for host in hosts if not covers(new[0].names, host)],
            told=pending.reason.splitlines(),
            light=new[0].light(visit.now),
            users=[in_words(user) for user in self._desk.control.users_of(identity_of(name))],
        )

    async def generate_form(self, visit: Visit) -> Response:
        """GET …/-/generate: the form for a certificate that is made here."""
        return await self._make_page(visit, "", visit.query("name"))

    async def generate(self, visit: Visit) -> Response:
        """POST …/-/generate with name, kind of key, subject, names, days; `also=request` makes a request as well."""
        form = visit.form
        name = form.text("name").strip()
        if identity_of(name) in self._desk.control.snapshot.objects:
            return await self._make_page(
                visit, "", name, "There is a certificate of that name; choose another.", "name"
            )
        kind = KEYS.get(form.text("key"))
        if kind is None:
            return await self._make_page(visit, "", name, "Choose a kind of key.", "key")
        days = form.text("days").strip()
        try:
            names, subject = names_of(form.text("names")), _subject(form)
            number = int(days) if days.isascii() and days.isdecimal() and len(days) < 6 else 0
            now = datetime.datetime.now(datetime.UTC)
            made = await asyncio.to_thread(
                lambda: _made(kind[1](), subject, names, number, now, form.text("also") == "request")
            )
        except Unfit as unfit:
            return await self._make_page(visit, "", name, str(unfit), unfit.field)
        try:
            answer = await self._store_new(visit, name, made, "made")
        except Invalid as error:
            return await self._make_page(visit, "", name, _words(error), "name")
        return answer

    async def request_form(self, visit: Visit) -> Response:
        """GET …/<name>/request: the form for a request that an authority signs."""
        found_key(self._desk, visit.name())
        return await self._make_page(visit, visit.name(), visit.name())

    async def make_request(self, visit: Visit) -> Response:
        """POST …/<name>/request with subject and names: makes it with the key that is stored."""
        name = visit.name()
        held = found_key(self._desk, name)
        key = read_key(held.basic.private)
        if not isinstance(key, Key):
            raise Refused(
                "The stored key is of a kind that requests are not made with here; "
                "generate another certificate."
            )
        try:
            names, subject = names_of(visit.form.text("names")), _subject(visit.form)
            made = await asyncio.to_thread(request, key, subject, names)
        except Unfit as unfit:
            return await self._make_page(visit, name, name, str(unfit), unfit.field)
        stored = self._desk.control.settings(identity_of(name)) or {}
        pending = Pending(
            owner=visit.session.csrf,
            changes=(Put(identity_of(name), merge(SERVER_KEY, stored, {"basic": {"request": made}})),),
            base=self._desk.control.revision,
            title=f"Make a request for {name}",
            done="The request was made. Send it to your authority; upload what it signs by Replace on this page.",
            back=address_of_certificate(name),
            onward=f"{address_of_certificate(name)}#request",
        )
        return await self._changing.carry_out(visit, pending)

    async def _make_page(self, visit: Visit, of: str, name: str, fault: str = "", at: str = "") -> Response:
        sent = visit.request.method == "POST"
        held = found_key(self._desk, of) if of else None
        values = {part: visit.form.text(part) for part in (*_SUBJECT, "names", "days", "key", "also")}
        if not sent:
            values |= {"days": str(DEFAULT_DAYS), "key": "ec-p256"} | _known_subject(held)
        return await self._desk.page(
            visit,
            "certificate_make.html",
            heading=say("Make a request") if of else say("Generate a certificate"),
            crumbs=[(of, address_of_certificate(of))] if of else [],
            status=400 if fault else 200,
            of=of,
            name=name,
            values=values,
            keys=[(kind, words) for kind, (words, _) in KEYS.items()],
            fault=fault,
            at=at,
            action=f"{address_of_certificate(of)}/request" if of else f"{SERVERS}/-/generate",
            back=address_of_certificate(of) if of else SERVERS,
        )


def _read(form: FormData, stored_key: str) -> _Read:
    """The certificate and key that a form brings; the stored key where it brings none. Raises `Unreadable`."""
    parts = [one.content for one in form.files] + [form.text("text").encode("utf-8", "replace")]
    bundle: Bundle = read_bundle(parts, form.text("passphrase"))
    if not bundle.certificates and bundle.requested:
        raise Unreadable(
            "This is a request for a certificate. Send it to your certificate authority, and here what that signs."
        )
    if not bundle.certificates:
        raise Unreadable(
            "There is no certificate in what was sent. Send it with its chain and its key."
            if bundle.key is not None
            else "Choose a file, or paste the certificate and its key."
        )
    key, private = bundle.key, ""
    if key is None and stored_key:
        key, private = read_key(stored_key), stored_key
    if key is None:
        raise Unreadable(
            "The private key is missing. Send it too: as another file, or below the certificate."
        )
    ordered = in_order(bundle.certificates, key)
    if not belongs(ordered.chain[0], key):
        raise Unreadable(
            "The private key belongs to none of the certificates. Send the key that the request was made with."
            if bundle.key is not None
            else "The certificate does not belong to the key that is stored here: it was signed for another request. "
            "Send the one for the request that was made here, or its own key with it."
        )
    told = []
    if ordered.moved:
        told.append(
            "The certificates came in another order; they were put right: the server's "
            "own first, then its issuers."
        )
    if ordered.extra:
        names = ", ".join(_title(one) for one in ordered.extra[:5])
        told.append(f"What does not belong to the chain was left out: {names}.")
    return _Read(chain_pem(ordered.chain), private or key_pem(key), tuple(told))


def _made(
    key: Key, subject: Subject, names: tuple[str, ...], days: int, now: datetime.datetime, with_request: bool
) -> dict[str, str]:
    made = {"public": self_signed(key, subject, names, days, now), "private": key_pem(key)}
    if with_request:
        made["request"] = request(key, subject, names)
    return made


def _title(certificate: x509.Certificate) -> str:
    found = chain_facts(chain_pem([certificate]))
    return found[0].title if found else "one that cannot be read"


def _subject(form: FormData) -> Subject:
    return Subject(**{part: form.text(part).strip() for part in _SUBJECT})


def _known_subject(held: ServerKey | None) -> dict[str, str]:
    """What a stored certificate says of its subject, for the form of a request."""
    chain = chain_facts(held.basic.public) if held is not None else ()
    if not chain:
        return {}
    return {"common_name": chain[0].common_name, "names": "\n".join(chain[0].names), **_parts(held)}


def _parts(held: ServerKey | None) -> dict[str, str]:
    oids = {
        "2.5.4.10": "organization",
        "2.5.4.11": "unit",
        "2.5.4.7": "locality",
        "2.5.4.8": "state",
        "2.5.4.6": "country",
    }
    try:
        certificate = (
            x509.load_pem_x509_certificates(held.basic.public.encode())[0] if held is not None else None
        )
        subject = certificate.subject if certificate is not None else ()
        return {
            oids[one.oid.dotted_string]: str(one.value) for one in subject if one.oid.dotted_string in oids
        }
    except ValueError:
        return {}


def _without_keys(text: str) -> str:
    """Pasted text as the form may show it again: nothing where it holds a key, which must be on no page."""
    return "" if "PRIVATE KEY" in text else text


def _words(error: Invalid) -> str:
    return " ".join(sentence(problem.message) for problem in error.problems[:5])
