"""Virtual servers: the services that clients connect to. One module for each group of sections.

Invariant: a virtual server is complete by itself; pool, rules and certificates are named and may be missing.
"""

from __future__ import annotations

from pointsman.schema.resource import Kind, Resource, ResourceType
from pointsman.schema.virtual_server.authentication import Auth, KerberosProtocolTransition
from pointsman.schema.virtual_server.basic import Basic
from pointsman.schema.virtual_server.connection import Connection, ConnectionErrors, Tcp, Udp
from pointsman.schema.virtual_server.content import Aptimizer, Gzip, WebCache
from pointsman.schema.virtual_server.http import Cookie, Http, Http2
from pointsman.schema.virtual_server.log import (
    Log,
    RecentConnections,
    RequestTracing,
    Syslog,
    TransactionExport,
)
from pointsman.schema.virtual_server.protocol import Dns, Ftp, Rtsp, Sip, Smtp
from pointsman.schema.virtual_server.ssl import Ssl

__all__ = ["VIRTUAL_SERVER", "VirtualServer"]


class VirtualServer(Resource):
    """A service that clients connect to: address, port and protocol, and the rules and pool behind it."""

    basic: Basic
    aptimizer: Aptimizer = Aptimizer()
    auth: Auth = Auth()
    connection: Connection = Connection()
    connection_errors: ConnectionErrors = ConnectionErrors()
    cookie: Cookie = Cookie()
    dns: Dns = Dns()
    ftp: Ftp = Ftp()
    gzip: Gzip = Gzip()
    http: Http = Http()
    http2: Http2 = Http2()
    kerberos_protocol_transition: KerberosProtocolTransition = KerberosProtocolTransition()
    log: Log = Log()
    recent_connections: RecentConnections = RecentConnections()
    request_tracing: RequestTracing = RequestTracing()
    rtsp: Rtsp = Rtsp()
    sip: Sip = Sip()
    smtp: Smtp = Smtp()
    ssl: Ssl = Ssl()
    syslog: Syslog = Syslog()
    tcp: Tcp = Tcp()
    transaction_export: TransactionExport = TransactionExport()
    udp: Udp = Udp()
    web_cache: WebCache = WebCache()


VIRTUAL_SERVER = ResourceType(
    path="virtual_servers",
    title="Virtual Server",
    plural="Virtual Servers",
    kind=Kind.COLLECTION,
    model=VirtualServer,
    claims=frozenset(
        f"basic.{key}"
        for key in ("enabled", "port", "listen_on_any", "listen_on_hosts", "listen_on_traffic_ips")
    ),
)
