"""Resource types for the store's tests: one of everything that the store treats in its own way."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Strict

from pointsman.schema.extra_file import EXTRA_FILE
from pointsman.schema.resource import Kind, Resource, ResourceType, Row, Section
from pointsman.schema.rule import RULE
from pointsman.schema.server_key import SERVER_KEY
from pointsman.schema.value import Line, Lines, LineSet, Reference, Secret, TableKey


class NodeRow(Row):
    """A node."""

    node: Line
    state: Literal["active", "disabled"] = "active"
    weight: int = 1
    token: Annotated[Line, Secret()] = ""


class PlainRow(Row):
    """A node without a secret."""

    node: Line
    state: Literal["active", "disabled"] = "active"
    weight: int = 1


class MapRow(Row):
    """A host name and the certificate for it."""

    host: Line
    certificate: Annotated[Line, Reference("ssl/server_keys")]
    others: Annotated[Lines, Reference("ssl/server_keys")] = ()


class PairRow(Row):
    """A row of a table that has no key."""

    name: Line
    value: Line = ""


class SiteBasic(Section):
    """What a site is."""

    enabled: bool = True
    port: int = 80
    ratio: float = 1.0
    note: Line = ""
    pool: Annotated[Line, Reference("sites", ("discard",))] = ""
    rules: Annotated[Lines, Reference("rules", off_mark="/")] = ()
    words: Lines = ()
    monitors: Annotated[LineSet, Reference("sites")] = ()
    tags: LineSet = ()
    nodes: Annotated[tuple[PlainRow, ...], Strict(False), TableKey("node")] = ()
    pairs: Annotated[tuple[PairRow, ...], Strict(False)] = ()


class SiteSafe(Section):
    """What of a site is secret or refers to certificates."""

    password: Annotated[Line, Secret()] = ""
    codes: Annotated[Lines, Secret()] = ()
    nodes: Annotated[tuple[NodeRow, ...], Strict(False), TableKey("node")] = ()
    certificates: Annotated[tuple[MapRow, ...], Strict(False), TableKey("host")] = ()


class Site(Resource):
    """A site."""

    basic: SiteBasic = SiteBasic()
    safe: SiteSafe = SiteSafe()


class GlobalBasic(Section):
    """What holds everywhere."""

    limit: int = 0


class Global(Resource):
    """The singleton."""

    basic: GlobalBasic = GlobalBasic()


SITE = ResourceType(
    path="sites",
    title="Site",
    plural="Sites",
    kind=Kind.COLLECTION,
    model=Site,
    factory={"Built-in": {}},
)
GLOBAL = ResourceType(path="globals", title="Global", plural="Globals", kind=Kind.SINGLETON, model=Global)

REGISTRY = {kind.path: kind for kind in (SITE, GLOBAL, RULE, EXTRA_FILE, SERVER_KEY)}
