"""How a virtual server establishes who its clients are before requests reach a node.

Invariant: nothing here is secret; keys and identity providers are objects of their own.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from pointsman.schema.resource import Section
from pointsman.schema.value import Count, Line, Reference, Since, Unit


class Auth(Section):
    """Signing users in with SAML."""

    saml_idp: Annotated[Line, Reference("saml/trustedidps"), Since("5.2")] = ""
    """The identity provider that users are sent to for signing in."""

    saml_nameid_format: Annotated[Literal["emailaddress", "none", "unspecified"], Since("5.2")] = "none"
    """The form of user name that the identity provider is asked for."""

    saml_sp_acs_url: Annotated[Line, Since("5.2")] = ""
    """URL on this virtual server at which the identity provider's answers arrive."""

    saml_sp_entity_id: Annotated[Line, Since("5.2")] = ""
    """The entity identifier under which this service is known to the identity provider."""

    saml_time_tolerance: Annotated[Count, Field(le=3600), Unit("s"), Since("5.2")] = 5
    """By how much the identity provider's clock may differ from this one."""

    session_cookie_attributes: Annotated[Line, Since("5.2")] = "HttpOnly; SameSite=Strict"
    """Attributes of the session cookie besides its name, as written in Set-Cookie."""

    session_cookie_name: Annotated[Line, Since("5.2")] = "VS_SamlSP_Auth"
    """Name of the cookie that marks a signed-in session."""

    session_log_external_state: Annotated[bool, Since("5.2")] = False
    """Logs session state that is kept outside this machine, in the cookie, as clients present it."""

    session_timeout: Annotated[int, Field(ge=60, le=31_535_940), Unit("s"), Since("5.2")] = 7200
    """How long a session lasts before the user must sign in again."""

    type: Annotated[Literal["none", "saml_sp"], Since("5.2")] = "none"
    """Whether users must sign in, and by which method."""

    verbose: Annotated[bool, Since("5.2")] = False
    """Logs every step of signing in; for finding faults."""


class KerberosProtocolTransition(Section):
    """Fetching Kerberos tickets for clients that signed in with a certificate."""

    enabled: bool = False
    """Whether requests are passed to nodes with a Kerberos ticket of the client."""

    principal: Annotated[Line, Reference("kerberos/principals")] = ""
    """The Kerberos principal that asks for tickets on behalf of clients."""

    target: Line = ""
    """Name of the service at the nodes that tickets are asked for; empty derives it from the node's host
    name."""
