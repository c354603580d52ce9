"""A small registry with every kind of key, so that document tests do not hang on the product's own
resources.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from pointsman.schema.extra_file import EXTRA_FILE
from pointsman.schema.resource import Kind, Resource, ResourceType, Row, Section
from pointsman.schema.rule import RULE
from pointsman.schema.server_key import SERVER_KEY
from pointsman.schema.value import Line, Lines, LineSet, Port, Secret, TableKey, Text


class NodeRow(Row):
    node: Line
    """The node."""
    weight: Annotated[int, Field(ge=1, le=100)] = 1
    """Its weight."""
    token: Annotated[Line, Secret()] = ""
    """Its secret."""


class PoolBasic(Section):
    algorithm: Literal["round_robin", "random"] = "round_robin"
    """How to choose."""
    monitors: LineSet = ()
    """Health monitors."""
    nodes_table: Annotated[tuple[NodeRow, ...], Field(strict=False), TableKey("node")] = ()
    """Nodes."""
    note: Text = ""
    """A note."""


class Pool(Resource):
    """A pool."""

    basic: PoolBasic = PoolBasic()


class ServerBasic(Section):
    enabled: bool = False
    """Whether it serves."""
    pool: Line
    """Its pool."""
    port: Port
    """Its port."""
    request_rules: Lines = ()
    """Its rules."""


class ServerConnection(Section):
    password: Annotated[Line, Secret()] = ""
    """A secret."""
    timeout: Annotated[int, Field(ge=0)] = 10
    """Seconds."""


class Server(Resource):
    """A server."""

    basic: ServerBasic
    connection: ServerConnection = ServerConnection()


class CacheSection(Section):
    size: Line = "20%"
    """A size, or a share of memory."""


class Globals(Resource):
    """Settings of the whole."""

    web_cache: CacheSection = CacheSection()


POOL = ResourceType("pools", "Pool", "Pools", Kind.COLLECTION, Pool, factory={"discard": {}})
SERVER = ResourceType("virtual_servers", "Server", "Servers", Kind.COLLECTION, Server)
GLOBALS = ResourceType("global_settings", "Globals", "Globals", Kind.SINGLETON, Globals)
REGISTRY = {kind.path: kind for kind in (EXTRA_FILE, GLOBALS, POOL, RULE, SERVER, SERVER_KEY)}
