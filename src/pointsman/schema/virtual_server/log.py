"""What a virtual server records: request log, remote log, recent connections, traces, exported transactions.

Invariant: nothing here changes the traffic itself.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from pointsman.schema.address import EndPoint
from pointsman.schema.resource import Section
from pointsman.schema.value import Hidden, Line, LineSet, Since, Unit

COMBINED_FORMAT = '%h %l %u %t "%r" %s %b "%{Referer}i" "%{User-agent}i"'
"""The combined log format of web servers."""


class Log(Section):
    """The request log on disk, and which failures become events."""

    always_flush: Annotated[bool, Hidden(), Since("4.0")] = False
    """Writes every line to disk at once instead of gathering some."""

    client_connection_failures: bool = False
    """Logs connections from clients that broke off or could not be served."""

    enabled: bool = False
    """Writes a line for each request to a file."""

    filename: Line = "%zeushome%/zxtm/log/%v.log"
    """The file to write to; %v is the virtual server's name, %{...}t the time in strftime notation."""

    format: Line = COMBINED_FORMAT
    """The form of a line, in the macros that web servers use."""

    save_all: bool = True
    """Logs every request; otherwise only those that a rule marks."""

    server_connection_failures: bool = False
    """Logs connections to nodes that failed."""

    session_persistence_verbose: bool = False
    """Logs how the node of each persistent session was chosen."""

    ssl_failures: bool = False
    """Logs TLS handshakes with clients that failed."""

    ssl_resumption_failures: Annotated[bool, Since("5.0")] = False
    """Logs attempts of clients to resume a TLS session that is no longer known."""


class RecentConnections(Section):
    """The list of recent connections shown under Activity."""

    enabled: bool = True
    """Keeps details of connections for a short while after they ended."""

    save_all: bool = False
    """Keeps every connection; otherwise only those that a rule marks."""


class RequestTracing(Section):
    """Following single requests through all steps of their processing."""

    enabled: bool = False
    """Records the steps of requests for the request tracing page."""

    trace_io: bool = False
    """Also records every single read and write on the connections."""


class Syslog(Section):
    """The request log sent to a remote syslog server."""

    enabled: bool = False
    """Sends a line for each request to a syslog server."""

    format: Line = COMBINED_FORMAT
    """The form of a line, in the macros that web servers use."""

    ip_end_point: EndPoint = ""
    """The syslog server, as host:port; without a port 514 is used."""

    msg_len_limit: Annotated[int, Field(ge=480, le=65_535), Unit("bytes")] = 2048
    """The longest message to send; longer ones are cut."""


class TransactionExport(Section):
    """Details of transactions sent to an analytics system."""

    brief: Annotated[bool, Since("4.0")] = False
    """Exports the essential figures only, without headers and the like."""

    enabled: Annotated[bool, Since("4.0")] = True
    """Exports this virtual server's transactions where exporting is on for the whole cluster."""

    hi_res: Annotated[bool, Since("4.0")] = False
    """Gives times in microseconds instead of milliseconds."""

    http_header_blacklist: Annotated[LineSet, Since("4.0")] = ("Authorization",)
    """Headers whose values are blanked out in what is exported."""
