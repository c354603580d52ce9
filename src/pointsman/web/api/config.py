"""Configuration over REST: listings, objects and files below `config/active`, made from the registry.

Invariant: a request that is refused has stored nothing; every change goes through `control`.
"""

from __future__ import annotations

from collections.abc import Iterable

from pointsman.control.control import Control
from pointsman.control.error import CannotStore, Conflict, Forbidden, Frozen, InUse, NotFound
from pointsman.schema.problem import ObjectId, Problem
from pointsman.schema.resource import FileResource, Kind, Resource, ResourceType
from pointsman.schema.snapshot import AnyResource
from pointsman.schema.validate import Invalid
from pointsman.web.answer import JSON, OCTETS, Answer, error_answer, json_answer
from pointsman.web.api.lenient_json import NotJson, read_json
from pointsman.web.api.listing import list_children, not_allowed, not_found, read_only
from pointsman.web.api.representation import invalid_answer, read_expert_keys, show, take
from pointsman.web.api.request import JSON_LIMIT, SAFE, Request
from pointsman.web.api.tree import Collection, ConfigTree, Directory, Leaf, Nowhere


class ConfigHandler:
    """Answers requests below `config/active`."""

    def __init__(self, control: Control, types: Iterable[ResourceType]) -> None:
        self._control = control
        self._tree = ConfigTree(types)

    async def answer(self, request: Request, base: tuple[str, ...]) -> Answer:
        """The answer to a request whose path begins with `base`."""
        method, path = request.method, request.segments
        match self._tree.find(path[len(base) :]):
            case Directory(children):
                return list_children(path, children) if method in SAFE else read_only(method, path)
            case Collection(kind):
                if method not in SAFE:
                    return read_only(method, path)
                return list_children(path, ((name, False) for name in self._control.names(kind.path)))
            case Leaf(kind, identity):
                return await self._object(request, kind, identity)
            case Nowhere(parent):
                creates = parent and method not in SAFE and method != "DELETE"
                return read_only(method, path) if creates else not_found(method, path)

    async def _object(self, request: Request, kind: ResourceType, identity: ObjectId) -> Answer:
        match request.method:
            case "GET" | "HEAD":
                return self._get(request, kind, identity)
            case "PUT":
                return await self._put(request, kind, identity)
            case "DELETE":
                return await self._delete(request, identity)
            case method:
                return not_allowed(method)

    def _get(self, request: Request, kind: ResourceType, identity: ObjectId) -> Answer:
        found = self._control.snapshot.objects.get(identity)
        if found is None:
            return not_found(request.method, request.segments)
        return _shown(request, kind, found, 200)

    async def _put(self, request: Request, kind: ResourceType, identity: ObjectId) -> Answer:
        media = request.content_type
        if kind.kind is Kind.FILE:
            if media == JSON:
                return _unsupported(f"{identity} is a file; send {OCTETS}")
        elif media not in (JSON, ""):
            return _unsupported(f"{identity} is not a file; send {JSON}")
        body = await request.body()
        try:
            if kind.kind is Kind.FILE:
                edited = await self._control.put_file(request.caller, identity, body)
                return Answer(201 if edited.created else 204)
            if len(body) > JSON_LIMIT:
                text = f"the body has more than {JSON_LIMIT} bytes; send less"
                return error_answer(413, "http.body_too_large", text, {})
            expert = read_expert_keys(request.query.get("expert_keys", ()))
            settings, problems = take(kind, identity, read_json(body), expert)
            if problems:
                return invalid_answer(kind, identity, problems)
            edited = await self._control.put(request.caller, identity, settings)
        except NotJson as error:
            return error_answer(400, "json.syntax_error", str(error), {})
        except Invalid as error:
            return invalid_answer(kind, identity, error.problems)
        except Forbidden as error:
            return error_answer(403, "resource.forbidden", str(error), {})
        except Conflict as error:
            return error_answer(409, "resource.conflict", str(error), {})
        except Frozen as error:
            return error_answer(409, "cluster.frozen", str(error), {})
        except CannotStore as error:
            return _not_stored(error)
        found = self._control.snapshot.objects.get(identity)
        if found is None:
            # Deleted by somebody else between the change and this answer.
            return not_found(request.method, request.segments)
        return _shown(request, kind, found, 201 if edited.created else 200)

    async def _delete(self, request: Request, identity: ObjectId) -> Answer:
        try:
            await self._control.delete(request.caller, identity)
        except NotFound:
            return not_found(request.method, request.segments)
        except Forbidden as error:
            return error_answer(403, "resource.forbidden", str(error), {})
        except InUse as error:
            return error_answer(409, "resource.in_use", str(error), {})
        except Frozen as error:
            return error_answer(409, "cluster.frozen", str(error), {})
        except Invalid as error:
            return _refused_delete(identity, error.problems)
        except CannotStore as error:
            return _not_stored(error)
        return Answer(204)


def _shown(request: Request, kind: ResourceType, found: AnyResource, status: int) -> Answer:
    match found:
        case FileResource():
            return Answer(status, found.content, OCTETS, (("content-disposition", "attachment"),))
        case Resource():
            expert = read_expert_keys(request.query.get("expert_keys", ()))
            return json_answer(status, show(kind, found, expert))


def _not_stored(error: CannotStore) -> Answer:
    return error_answer(507, "storage.failed", str(error), {})


def _unsupported(text: str) -> Answer:
    return error_answer(415, "http.unsupported_media_type", text, {})


def _refused_delete(identity: ObjectId, problems: tuple[Problem, ...]) -> Answer:
    text = "; ".join(str(problem) for problem in problems)
    return error_answer(409, "resource.in_use", f"{identity} was not deleted: {text}", {})
