"""The pages of one resource type: the list, one object with all its sections, a new one, a copy, deletion.

Invariant: every key of a type can be seen and changed here; a page that knows more of a type adds to these, and does
not replace what they can do.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from inspect import isawaitable
from typing import Any

from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from pointsman.console.language.choice import say
from pointsman.control.control import Control
from pointsman.control.error import NotFound
from pointsman.control.fate import Fate
from pointsman.control.merge import plain
from pointsman.schema.condition import Standing
from pointsman.schema.problem import ObjectId, Problem
from pointsman.schema.registry import BY_PATH
from pointsman.schema.resource import FileResource, Kind, Resource
from pointsman.schema.snapshot import AnyResource
from pointsman.schema.validate import Invalid
from pointsman.store import Put
from pointsman.web.ui.address import segment
from pointsman.web.ui.changes.changing import Changing, undo_link
from pointsman.web.ui.changes.pending import Pending
from pointsman.web.ui.desk import Desk, back_to
from pointsman.web.ui.forms.field import FieldView
from pointsman.web.ui.forms.read import read_section
from pointsman.web.ui.objects.copy_as import copies
from pointsman.web.ui.objects.extra import NOTHING, Extra
from pointsman.web.ui.objects.files import FILE_TEXT_LIMIT, text_of
from pointsman.web.ui.objects.form import SectionView, essential_views, judge, matching, put_of, section_views
from pointsman.web.ui.objects.kinds import PAGES, ObjectPages
from pointsman.web.ui.objects.late import gone_since, late, lost, revision_of
from pointsman.web.ui.objects.listing import ObjectList
from pointsman.web.ui.objects.names import Names
from pointsman.web.ui.objects.renaming import Renaming
from pointsman.web.ui.visit import Refused, Visit

_NAMED = 8
"""Users of an object that a refusal names before it counts the others."""


class TypePages:
    """Handlers of the pages of one type; `extra` is what its list and its object's page have besides."""

    def __init__(
        self,
        desk: Desk,
        changing: Changing,
        names: Names,
        pages: ObjectPages,
        extra: Extra = NOTHING,
    ) -> None:
        self._desk = desk
        self._changing = changing
        self._names = names
        self._pages = pages
        self._panels = extra.panels
        self._list = ObjectList(desk, names, pages, extra.live)
        self._kind = pages.kind
        self._file = self._kind.kind is Kind.FILE
        self._single = self._kind.kind is Kind.SINGLETON

    @property
    def routes(self) -> list[Route]:
        """Where they are."""
        desk, path, read, write = self._desk, self._pages.path, self._pages.permission, self._pages.writing
        if self._single:
            return [
                desk.get(path, self.show, read),
                desk.post(path, self.save, write),
                desk.post(f"{path}/check", self.check, read),
                desk.get(f"{path}/as", self.copy_as, read),
            ]
        one = f"{path}/{{name:object}}"
        making = [
            desk.get(f"{path}/-/new", self.new, write, write=True),
            desk.post(f"{path}/-/new", self.create, write),
            desk.post(f"{path}/-/check", self.check, read),
            desk.post(f"{one}/delete", self.delete, write),
            *Renaming(desk, self._changing, self._pages).routes,
        ]
        return [
            desk.get(path, self._list.show, read),
            *(making if self._kind.creatable else ()),
            desk.get(one, self.show, read),
            desk.post(one, self.save, write),
            desk.post(f"{one}/check", self.check, read),
            desk.get(f"{one}/as", self.copy_as, read),
            *([desk.get(f"{one}/content", self.content, read)] if self._file else ()),
        ]

    def address(self, name: str) -> str:
        """The page of an object."""
        return self._pages.path if self._single else f"{self._pages.path}/{segment(name)}"

    async def new(self, visit: Visit) -> Response:
        """GET …/-/new: the few things a new object needs; `based_on` names one to copy."""
        return await self._new_page(visit, visit.query("name"), visit.query("based_on"), fill=True)

    async def create(self, visit: Visit) -> Response:
        """POST …/-/new with name and fields; `act=fill` fills them with what `based_on` has, and makes nothing yet, as
        does a form whose fields are not those of the object that it is based on.
        """
        name, based_on = visit.form.text("name").strip(), visit.form.text("based_on").strip()
        if not self._file and (visit.form.text("act") == "fill" or based_on != visit.form.text("filled")):
            return await self._new_page(visit, name, based_on, fill=True)
        identity = ObjectId(self._kind.path, name)
        control = self._desk.control
        if identity in control.snapshot.objects:
            problem = Problem(identity, (), "name.taken", "there is one of that name; choose another")
            return await self._new_page(visit, name, based_on, (problem,))
        try:
            change = self._made(visit, name, based_on)
            put = put_of(self._kind, name, None, change)[0] if not self._file else Put(identity, change)
            if problems := judge(control.snapshot.objects, put):
                raise Invalid(problems)
        except Invalid as error:
            return await self._new_page(visit, name, based_on, error.problems)
        return await self._carry_out(
            visit,
            put,
            f"New {self._kind.title}: {name}",
            f"{self._kind.title} {name} was made.",
            self.address(name),
        )

    async def show(self, visit: Visit) -> Response:
        """GET …/<name>: the object with every section; one that was renamed is found by its old address, too."""
        if gone := await self._gone(visit):
            if gone.now is None:
                raise Refused(lost(ObjectId(self._kind.path, visit.name()), gone), 404)
            visit.tell(f"{self._kind.title} {visit.name()} is called {gone.now.name} now.")
            return back_to(self.address(gone.now.name))
        return await self._object_page(visit)

    async def save(self, visit: Visit) -> Response:
        """POST …/<name> with section and its fields: changes that section, or prepares the change."""
        if gone := await self._gone(visit):
            return await self._save_late(visit, gone)
        name = self._name(visit)
        section = visit.form.text("section")
        typed = {} if self._file else {section: read_section(self._kind, section, visit.form)}
        try:
            if self._file:
                held = self._found(visit)
                assert isinstance(held, FileResource)
                put = Put(ObjectId(self._kind.path, name), {"content": self._brought(visit, held.content)})
            else:
                if section not in self._pages.sections:
                    raise Refused("The form names no section of this object. Open the page again.")
                stored = self._desk.control.settings(ObjectId(self._kind.path, name)) or {}
                put, _ = put_of(self._kind, name, stored, typed)
            if problems := judge(self._desk.control.snapshot.objects, put):
                raise Invalid(problems)
        except Invalid as error:
            return await self._object_page(visit, error.problems, typed, 400)
        what = f"{self._pages.title} {name}".strip()
        return await self._carry_out(visit, put, f"Change {what}", f"{what} was changed.", self.address(name))

    async def _save_late(self, visit: Visit, gone: Fate) -> Response:
        """What was typed, about what became of the object, to be decided about."""
        control, before = self._desk.control, ObjectId(self._kind.path, visit.name())
        identity, section, base = gone.now or before, visit.form.text("section"), revision_of(visit)
        held = (await control.objects_at(base)).get(before) if base is not None else None
        if gone.now is not None:
            held = control.settings(gone.now)
        if base is None or held is None or (not self._file and section not in self._pages.sections):
            raise Refused(lost(before, gone), 404)
        if self._file:
            put = Put(identity, {"content": self._brought(visit, held["content"])})
        else:
            typed = {section: read_section(self._kind, section, visit.form)}
            put, _ = put_of(self._kind, identity.name, held, typed)
        return self._changing.prepare(visit, late(visit, before, gone, put, self._pages.path))

    async def check(self, visit: Visit) -> Response:
        """POST …/check with the fields of one section: what is wrong with them, as JSON by field, for the script."""
        section = visit.form.text("section")
        if self._file or section not in self._pages.sections:
            return PlainTextResponse("{}", media_type="application/json")
        name = visit.request.path_params.get("name", "") or visit.form.text("name") or "new"
        stored = None if self._single else self._desk.control.settings(ObjectId(self._kind.path, str(name)))
        typed = {section: read_section(self._kind, section, visit.form)}
        problems: Sequence[Problem] = ()
        try:
            put, _ = put_of(self._kind, "" if self._single else str(name), stored or {}, typed)
            problems = judge(self._desk.control.snapshot.objects, put)
        except Invalid as error:
            problems = error.problems
        found: dict[str, str] = {}
        for problem in problems:
            found.setdefault(".".join(problem.path[:2]), problem.message)
        return PlainTextResponse(json.dumps(found), media_type="application/json")

    async def delete(self, visit: Visit) -> Response:
        """POST …/<name>/delete with confirm."""
        name = self._name(visit)
        if visit.form.text("confirm") != "yes":
            raise Refused("Please confirm the deletion by the box beside the button.")
        identity = ObjectId(self._kind.path, name)
        control = self._desk.control
        # Asked here, for a deletion as one of several changes would leave what refers to it without its target.
        if users := named_users(control, identity):
            words = ", ".join(user for user, _ in users[:_NAMED])
            more = f" and {len(users) - _NAMED} more" if len(users) > _NAMED else ""
            raise Refused(f"{in_words(identity)} is used by {words}{more}. Change that first.", 409)
        await control.delete(visit.author, identity)
        revision = control.revision
        await control.wait_in_force(revision, 3.0)
        visit.tell(f"{self._kind.title} {name} was deleted.", link=undo_link(revision))
        return back_to(self._pages.path)

    async def content(self, visit: Visit) -> Response:
        """GET …/<name>/content: the file."""
        found = self._found(visit)
        assert isinstance(found, FileResource)
        return Response(
            found.content,
            media_type="application/octet-stream",
            headers={"Content-Disposition": "attachment"},
        )

    async def copy_as(self, visit: Visit) -> Response:
        """GET …/<name>/as: the object in the words of other tools."""
        name, control = self._name(visit), self._desk.control
        identity = ObjectId(self._kind.path, name)
        address = f"https://{visit.host}:{self._desk.rest_port()}"
        return await self._desk.page(
            visit,
            "object_as.html",
            heading=say("{name} as code", name=name or say(self._pages.title)),
            crumbs=[(name, self.address(name))] if name else [],
            copies=copies(identity, control.settings(identity) or {}, address, visit.user),
        )

    async def _carry_out(self, visit: Visit, put: Put, title: str, done: str, onward: str) -> Response:
        pending = Pending(
            owner=visit.session.csrf,
            changes=(put,),
            base=revision_of(visit),
            title=title,
            done=done,
            back=onward if put.identity in self._desk.control.snapshot.objects else self._pages.path,
            onward=onward,
            reason=visit.form.text("reason").strip(),
        )
        if visit.form.text("act") == "review":
            return self._changing.prepare(visit, pending)
        return await self._changing.carry_out(visit, pending)

    def _made(self, visit: Visit, name: str, based_on: str) -> dict[str, Any]:
        """The settings of a new object: a copy's, with what was typed over them."""
        copied = self._desk.control.settings(ObjectId(self._kind.path, based_on)) if based_on else None
        if based_on and copied is None:
            raise NotFound(ObjectId(self._kind.path, based_on))
        if self._file:
            return {"content": self._brought(visit, (copied or {}).get("content", b""))}
        made: dict[str, Any] = {section: dict(keys) for section, keys in (copied or {}).items()}
        for section, typed in self._typed(visit).items():
            made.setdefault(section, {}).update(typed)
        return made

    def _brought(self, visit: Visit, fallback: bytes = b"") -> bytes:
        """The content that a form brings: a file, or text that was typed."""
        if visit.form.file:
            return visit.form.file
        if "text" in visit.form:
            return visit.form.text("text").replace("\r\n", "\n").encode("utf-8", "replace")
        return fallback

    async def _gone(self, visit: Visit) -> Fate | None:
        """What became of the object since the page was made that a form comes from; None where it is there."""
        if self._single:
            return None
        return await gone_since(visit, self._desk.control, ObjectId(self._kind.path, visit.name()))

    def _name(self, visit: Visit) -> str:
        name = "" if self._single else visit.name()
        if not self._single and ObjectId(self._kind.path, name) not in self._desk.control.snapshot.objects:
            raise Refused(f"There is no {self._kind.title.lower()} called {name}.", 404)
        return name

    def _found(self, visit: Visit) -> AnyResource:
        return self._desk.control.snapshot.objects[ObjectId(self._kind.path, self._name(visit))]

    async def _new_page(
        self,
        visit: Visit,
        name: str,
        based_on: str,
        problems: Sequence[Problem] = (),
        *,
        fill: bool = False,
    ) -> Response:
        """The form for a new object, with what was typed into it, or (`fill`) with what it begins with."""
        known = ObjectId(self._kind.path, based_on) in self._desk.control.snapshot.objects
        views: tuple[FieldView, ...] = ()
        if not self._file:
            typed = self._beginning(based_on) if fill else self._typed(visit)
            views = essential_views(self._kind, self._pages.essentials, self._names, problems, typed)
        shown = {view.name for view in views}
        faults = [str(p.message) for p in problems if ".".join(p.path[:2]) not in shown]
        if based_on and not known:
            faults.append(f'There is no {self._kind.title} "{based_on}" to begin with; choose another.')
        return await self._desk.page(
            visit,
            "object_new.html",
            heading=say("New {title}", title=say(self._kind.title)),
            status=400 if faults or problems else 200,
            pages=self._pages,
            fields=views,
            name=name,
            based_on=based_on if known else "",
            others=self._names(self._kind.path),
            file=self._file,
            text=visit.form.text("text"),
            faults=faults,
        )

    def _beginning(self, based_on: str) -> dict[str, dict[str, Any]]:
        """What the fields of a new object hold at first: what the object has that it is based on."""
        begun: dict[str, dict[str, Any]] = {}
        copied = self._desk.control.snapshot.objects.get(ObjectId(self._kind.path, based_on))
        for key in self._kind.keys:
            if isinstance(copied, Resource):
                begun.setdefault(key.section, {})[key.name] = plain(key.read(copied))
            elif target := self._pages.begins.get(key.path):
                begun.setdefault(key.section, {})[key.name] = list(self._names(target))
        return begun

    def _typed(self, visit: Visit) -> dict[str, dict[str, Any]]:
        """What was typed into the fields, by section."""
        found = ((section, read_section(self._kind, section, visit.form)) for section in self._kind.sections)
        return {section: typed for section, typed in found if typed}

    async def _object_page(
        self,
        visit: Visit,
        problems: Sequence[Problem] = (),
        typed: dict[str, Any] | None = None,
        status: int = 200,
    ) -> Response:
        name = self._name(visit)
        resource = self._found(visit)
        identity = ObjectId(self._kind.path, name)
        control = self._desk.control
        sections: tuple[SectionView, ...] = ()
        content = b""
        if isinstance(resource, FileResource):
            content = resource.content
        else:
            assert isinstance(resource, Resource)
            sections = section_views(self._kind, resource, self._names, problems, typed, self._pages.first)
            order = {section: place for place, section in enumerate(self._pages.sections)}
            # What does something comes first, but within the groups of a page of settings.
            last = not self._pages.groups
            sections = tuple(
                sorted(
                    (one for one in sections if one.name in order),
                    key=lambda one: (one.idle and last, order[one.name]),
                )
            )
            if words := visit.query("q").strip().lower():
                sections = matching(sections, words)
        shown = {view.name for section in sections for view in section.fields}
        panels = self._panels(visit, name)
        return await self._desk.page(
            visit,
            "object.html",
            heading=name or say(self._pages.title),
            status=status,
            pages=self._pages,
            name=name,
            words=visit.query("q"),
            group_of={group.sections[0]: group.title for group in self._pages.groups},
            address=self.address(name),
            sections=sections,
            faults=[str(p.message) for p in problems if ".".join(p.path[:2]) not in shown],
            conditions=[c for c in control.conditions(identity) if c.standing is not Standing.APPLIED],
            users=named_users(control, identity) if name else [],
            base=control.revision,
            may_write=visit.may(self._pages.writing, write=True),
            deletable=self._kind.creatable and not self._single,
            file=self._file,
            text=text_of(content),
            text_limit=FILE_TEXT_LIMIT,
            size=len(content),
            panels=await panels if isawaitable(panels) else panels,
        )


def named_users(control: Control, identity: ObjectId) -> list[tuple[str, str]]:
    """What names an object, each in words and with its page."""
    return [(in_words(user), address_of(user)) for user in control.mentions().get(identity, ())]


def in_words(identity: ObjectId) -> str:
    """An object as people call it: Virtual Server shop."""
    return f"{say(BY_PATH[identity.type].title)} {identity.name}".strip()


def address_of(identity: ObjectId) -> str:
    """The page of an object; "" where its type has none."""
    pages = PAGES.get(identity.type)
    if pages is None:
        return ""
    return f"{pages.path}/{segment(identity.name)}" if identity.name else pages.path
