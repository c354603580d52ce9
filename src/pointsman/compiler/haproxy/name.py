"""Names that HAProxy knows our objects by: readable, legal, and different for different objects.

Invariant: a name depends on the object's own name alone, so that it is the same after any other change (statistics,
server state and run-time operations find their way by it). Legal are letters, digits, `-`, `_`, `.` and `:`.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata

_SLUG_LENGTH = 24
_HASH_LENGTH = 12


def slug(text: str) -> str:
    """`text` reduced to a few lower-case letters, digits, dots and hyphens; may be empty."""
    plain = unicodedata.normalize("NFKD", text[:200]).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9.]+", "-", plain.lower()).strip("-.")[:_SLUG_LENGTH].strip("-.")


def identifier(text: str) -> str:
    """A slug and 48 bits of SHA-256 of the full text: "web-3f2a9c10b5d7"."""
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_HASH_LENGTH]
    readable = slug(text)
    return f"{readable}-{digest}" if readable else digest


def frontend(virtual_server: str) -> str:
    """The frontend of a virtual server."""
    return f"vs-{identifier(virtual_server)}"


def backend(pool: str, mode: str, level: int | None, once: bool) -> str:
    """A backend of a pool: its mode ("http" or "tcp"), the lowest priority in it (None: all nodes), and whether it is
    the twin for requests that must be sent no more than once.
    """
    parts = [f"pool-{identifier(pool)}", mode]
    if level is not None:
        parts.append(f"p{level}")
    if once:
        parts.append("once")
    return ":".join(parts)


def bandwidth_class(name: str) -> str:
    """The sections that hold the rates of a bandwidth class, to which the direction is added."""
    return f"bandwidth-{identifier(name)}"


def sessions(pool: str) -> str:
    """The table that holds the sessions of a pool."""
    return f"sessions-{identifier(pool)}"


def member(traffic_manager: str) -> str:
    """A member of the cluster among the peers."""
    return f"member-{identifier(traffic_manager)}"


def server(node: str) -> str:
    """The server of a node (written "host:port")."""
    return f"node-{identifier(node)}"


def certificate(server_key: str) -> str:
    """The file of a server certificate, below the generation directory."""
    return f"certs/{identifier(server_key)}.pem"


def certificate_list(virtual_server: str) -> str:
    """The certificate list of a virtual server, below the generation directory."""
    return f"lists/{identifier(virtual_server)}.list"
