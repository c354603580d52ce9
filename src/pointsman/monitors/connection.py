"""Opens a connection to a node for a check, with or without TLS.

Invariant: certificates are not verified (a monitor asks whether the node works, as the product's do; the
pool's own TLS settings decide about trust), and a check never leaves a socket behind.
"""

from __future__ import annotations

import asyncio
import functools
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from pointsman.compiler.plan import Check
from pointsman.monitors.finding import Budget
from pointsman.monitors.pattern import INPUT_LIMIT


@functools.cache
def tls_context() -> ssl.SSLContext:
    """One context for all checks; it offers every version and cipher there is, to watch old nodes too."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    return context


async def connect(check: Check, budget: Budget) -> socket.socket:
    """A connected non-blocking socket."""
    async with budget.spend("connecting"):
        loop = asyncio.get_running_loop()
        family, kind, protocol, _, target = socket.getaddrinfo(  # numeric: no look-up, nothing blocks
            check.address,
            check.port,
            type=socket.SOCK_STREAM,
            proto=socket.IPPROTO_TCP,
            flags=socket.AI_NUMERICHOST,
        )[0]
        connection = socket.socket(family, kind | socket.SOCK_NONBLOCK, protocol)
        try:
            await loop.sock_connect(connection, target)
        except BaseException:
            connection.close()
            raise
        return connection


@asynccontextmanager
async def opened(
    check: Check, budget: Budget
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Streams to the node; closed at once when the block ends."""
    connection = await connect(check, budget)
    try:
        if check.use_ssl:
            async with budget.spend("in the TLS handshake"):
                reader, writer = await asyncio.open_connection(
                    sock=connection,
                    ssl=tls_context(),
                    server_hostname=server_name(check),
                    ssl_handshake_timeout=check.timeout + 1,
                    limit=INPUT_LIMIT,
                )
        else:
            reader, writer = await asyncio.open_connection(sock=connection, limit=INPUT_LIMIT)
    except BaseException:
        connection.close()
        raise
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


def host(check: Check) -> str:
    """What the Host header says: the monitor's own, else the node as the administrator wrote it."""
    if check.host_header:
        return check.host_header
    address = f"[{check.address}]" if ":" in check.address else check.address
    name = check.node or f"{address}:{check.port}"
    return name.removesuffix(":443" if check.use_ssl else ":80")


def server_name(check: Check) -> str:
    """The name sent as SNI: the host's; an address is not sent (RFC 6066)."""
    name = host(check)
    if name.startswith("["):
        return name[1:].partition("]")[0]
    bare = name.partition(":")[0] if name.count(":") == 1 else name
    try:
        bare.encode("idna")
    except UnicodeError:
        return check.address
    return bare or check.address
