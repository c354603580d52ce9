"""Bandwidth classes: how much may be sent to clients or to nodes, and who shares it.

Invariant: a class limits what is written only: responses to clients where a virtual server names it, requests to nodes
where a pool does.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from pointsman.schema.resource import Kind, Resource, ResourceType, Section
from pointsman.schema.value import Text, Unit


class Basic(Section):
    """The limit, and among whom it is shared."""

    maximum: Annotated[int, Field(ge=1, le=20_000_000), Unit("kbit/s")] = 10_000
    """The most that is sent, in thousands of bits of payload a second."""

    note: Text = ""
    """A description of the class for the administrator."""

    sharing: Literal["cluster", "connection", "machine"] = "cluster"
    """Who shares the limit: `cluster` divides it evenly among the traffic managers of the cluster, `machine` lets each
    of them send as much, `connection` lets each connection of a client do so."""


class Bandwidth(Resource):
    """A limit on what virtual servers send to clients, or pools to nodes."""

    basic: Basic = Basic()


BANDWIDTH = ResourceType(
    path="bandwidth",
    title="Bandwidth Class",
    plural="Bandwidth Classes",
    kind=Kind.COLLECTION,
    model=Bandwidth,
)
