"""Session persistence classes: how a client comes back to the node that served it before.

Invariant: a class says how a session is recognised and what happens when its node is not available; which nodes there
are is the pool's own.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from pointsman.schema.resource import Kind, Resource, ResourceType, Section
from pointsman.schema.value import Line, Since, Text


class Basic(Section):
    """How a session is recognised, and what becomes of it."""

    cookie: Line = ""
    """The name of the application's cookie, for the type `cookie`."""

    delete: bool = True
    """Whether a session whose node is not available is forgotten; with `new_node` it always is."""

    failure_mode: Literal["close", "new_node", "url"] = "new_node"
    """
    What happens when the node of a session is not available: `new_node` chooses another one, `url` sends the client
    elsewhere, `close` answers with an error.
    """

    note: Text = ""
    """A description of the class for the administrator."""

    subnet_prefix_length_v4: Annotated[int, Field(ge=0, le=31), Since("3.9")] = 0
    """
    How many bits of an IPv4 address tell clients apart, for the type `ip`: all clients of such a network share a
    session; 0 takes the whole address.
    """

    subnet_prefix_length_v6: Annotated[int, Field(ge=0, le=127), Since("3.9")] = 0
    """
    How many bits of an IPv6 address tell clients apart, for the type `ip`: all clients of such a network share a
    session; 0 takes the whole address.
    """

    transparent_always_set_cookie: Annotated[bool, Since("6.1")] = False
    """
    Whether every response sets the cookie of the type `transparent`, and not only one that begins a session.
    """

    transparent_directives: Annotated[Line, Since("6.1")] = ""
    """
    Attributes of the cookie of the type `transparent`, separated by semicolons, such as `Secure; SameSite=Lax`.
    """

    type: Literal["asp", "cookie", "ip", "j2ee", "named", "ssl", "transparent", "universal", "x_zeus"] = "ip"
    """
    How a session is recognised: `ip` by the client's address, `transparent` by a cookie that is added to responses,
    `cookie` by a cookie of the application. The others are stored, and are not acted on yet.
    """

    url: Line = ""
    """Where clients are sent with the failure mode `url`."""


class Persistence(Resource):
    """How clients of a pool come back to the node that served them before."""

    basic: Basic = Basic()


PERSISTENCE = ResourceType(
    path="persistence",
    title="Session Persistence Class",
    plural="Session Persistence Classes",
    kind=Kind.COLLECTION,
    model=Persistence,
)
