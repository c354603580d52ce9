"""SSL server certificates with their private keys.

Invariant: certificate and key change together, as one value, so that no reader sees a pair that does not match.
"""

from __future__ import annotations

from typing import Annotated

from pointsman.schema.resource import Kind, Resource, ResourceType, Section
from pointsman.schema.value import Secret, Text


class Basic(Section):
    """The certificate, its key and the request it came from."""

    note: Text = ""
    """A description of the certificate for the administrator."""

    private: Annotated[Text, Secret("hash")]
    """The private key, in PEM. It is never shown again: reading gives base64 of the SHA-256 of the text sent."""

    public: Text
    """The certificate in PEM, followed by the intermediate certificates of its chain, if any."""

    request: Text = ""
    """The certificate signing request in PEM, when the certificate was asked for from a public authority."""


class ServerKey(Resource):
    """A certificate and private key that a virtual server presents to its clients."""

    basic: Basic


SERVER_KEY = ResourceType(
    path="ssl/server_keys",
    title="SSL Server Certificate",
    plural="SSL Server Certificates",
    kind=Kind.COLLECTION,
    model=ServerKey,
    together=frozenset({"basic"}),
)
