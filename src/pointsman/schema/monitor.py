"""Health monitors: what is asked of a node, how often, and what counts as a healthy answer.

Invariant: every pattern of a monitor compiles with `re`, so that no check fails on its own configuration.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from pointsman.schema.address import EndPoint
from pointsman.schema.resource import Kind, Resource, ResourceType, Row, Section, Settings
from pointsman.schema.value import (
    Count,
    Hidden,
    Line,
    Lines,
    Reference,
    Secret,
    Since,
    Table,
    TableKey,
    Text,
    Unit,
    Unordered,
)

PATTERN_LIMIT = 1000
SUCCESS_STATUS = "^[234][0-9][0-9]$"


def _compilable(pattern: str) -> str:
    if len(pattern) > PATTERN_LIMIT:
        raise PydanticCustomError(
            "pattern",
            "is too long for a regular expression; shorten it to {limit} characters at most",
            {"limit": PATTERN_LIMIT},
        )
    try:
        with warnings.catch_warnings():
            # "[[" and the like warn of a future meaning; today's is the one that counts.
            warnings.simplefilter("ignore")
            re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise PydanticCustomError(
            "pattern",
            "is not a valid regular expression: {reason}; correct that part, or escape it with a backslash",
            {"reason": str(error)},
        ) from None
    return pattern


Pattern = Annotated[Line, AfterValidator(_compilable)]
"""A regular expression, or "" to accept anything."""


class ArgumentRow(Row):
    """One argument of a monitor program."""

    description: Line = ""
    """What the argument means, for the administrator."""

    name: Line
    """Name of the argument; the program gets it as --name=value."""

    value: Line
    """Value of the argument."""


class Basic(Section):
    """What kind of check it is, and its timing."""

    back_off: bool = True
    """Checks a node that is down less and less often, up to ten times the delay, until it answers again."""

    can_edit_ssl: Annotated[bool, Hidden(), Since("4.0")] = False
    """Whether forms let the administrator switch TLS on and off for this monitor."""

    can_use_ssl: Annotated[bool, Hidden(), Since("4.0")] = False
    """Whether checks of this kind can be made over TLS at all."""

    delay: Annotated[int, Field(ge=1, le=999_990), Unit("s")] = 3
    """Time between two checks of a node."""

    editable_keys: Annotated[Lines, Hidden(), Since("4.0")] = ()
    """The keys that forms offer for this kind of monitor."""

    factory: Annotated[bool, Hidden(), Since("4.0")] = False
    """Whether the monitor came with the product."""

    failures: Annotated[int, Field(ge=1, le=99_999)] = 3
    """How many checks in a row must fail before a node is taken out of use."""

    health_only: Annotated[bool, Since("3.10")] = False
    """Only the health that the monitor finds counts; a load that it might report is ignored."""

    machine: EndPoint = ""
    """The machine that a monitor of the whole pool watches: host:port, or a host alone for ping."""

    note: Text = ""
    """A description of the monitor for the administrator."""

    scope: Literal["pernode", "poolwide"] = "pernode"
    """Whether every node is checked for itself, or one machine stands for the whole pool."""

    timeout: Annotated[int, Field(ge=1, le=99_999), Unit("s")] = 3
    """How long a check may take before it counts as failed."""

    type: Literal["connect", "http", "ping", "program", "rtsp", "sip", "tcp_transaction"] = "ping"
    """What is done: an ICMP echo, a TCP connection, a request of a protocol, or a program of your own."""

    use_ssl: bool = False
    """Makes the check over TLS. The certificate is not verified."""

    verbose: bool = False
    """Logs every single check with its outcome, not only changes."""


class Http(Section):
    """The request of HTTP monitors and what its answer must look like."""

    authentication: Annotated[Line, Secret("clear")] = ""
    """Credentials for HTTP basic authentication, as user:password; empty sends none."""

    body_regex: Pattern = ""
    """A regular expression that must be found in the body of the answer; empty accepts any body."""

    host_header: Line = ""
    """The Host header of the request; empty sends the name of the node."""

    path: Line = "/"
    """The path that is asked for, with its query if any."""

    status_regex: Pattern = SUCCESS_STATUS
    """A regular expression that the status code of the answer must match."""


class Rtsp(Section):
    """The request of RTSP monitors and what its answer must look like."""

    body_regex: Pattern = ""
    """A regular expression that must be found in the body of the answer; empty accepts any body."""

    path: Line = "/"
    """The path of the stream that is described."""

    status_regex: Pattern = SUCCESS_STATUS
    """A regular expression that the status code of the answer must match."""


class Script(Section):
    """The program of program monitors."""

    arguments: Annotated[Table[ArgumentRow], TableKey("name"), Unordered()] = ()
    """Arguments of the program, besides the address of the node that it always gets."""

    program: Annotated[Line, Reference("monitor_scripts")] = ""
    """The monitor script that is run; exit status 0 means that the node is healthy."""


class Sip(Section):
    """The request of SIP monitors and what its answer must look like."""

    body_regex: Pattern = ""
    """A regular expression that must be found in the body of the answer; empty accepts any body."""

    status_regex: Pattern = SUCCESS_STATUS
    """A regular expression that the status code of the answer must match."""

    transport: Literal["tcp", "udp"] = "udp"
    """The transport that the request is sent over."""


class Tcp(Section):
    """The conversation of TCP transaction monitors."""

    close_string: Line = ""
    """What is sent before the connection is closed; backslash escapes such as \\r\\n are understood."""

    max_response_len: Annotated[Count, Unit("bytes")] = 2048
    """How much of the answer is read at most while its pattern is looked for; 0 for no limit."""

    response_regex: Pattern = ".+"
    """A regular expression that must be found in the answer; empty accepts any answer, also none."""

    write_string: Line = ""
    """What is sent once connected; backslash escapes such as \\r\\n are understood. Empty only listens."""


class Udp(Section):
    """How answers over UDP are received."""

    accept_all: bool = False
    """Takes an answer from any address and port, not only from the one asked."""


class Monitor(Resource):
    """A health check that pools run against their nodes."""

    basic: Basic = Basic()
    http: Http = Http()
    rtsp: Rtsp = Rtsp()
    script: Script = Script()
    sip: Sip = Sip()
    tcp: Tcp = Tcp()
    udp: Udp = Udp()


def _greeting(note: str, greeting: str) -> Settings:
    """A check of a protocol in which the server speaks first and QUIT ends the session."""
    return {
        "basic": {"delay": 5, "timeout": 5, "type": "tcp_transaction", "note": note},
        "tcp": {"close_string": r"QUIT\r\n", "response_regex": greeting},
    }


# Escapes in these strings are kept as they stand; whoever runs a check decodes them.
FACTORY: Mapping[str, Settings] = {
    "Client First": {
        "basic": {
            "delay": 5,
            "timeout": 5,
            "type": "tcp_transaction",
            "note": "Template for protocols in which the client speaks first: set what to send and expect.",
        }
    },
    "Connect": {
        "basic": {
            "delay": 2,
            "timeout": 5,
            "type": "connect",
            "note": "The node accepts a TCP connection.",
        }
    },
    "DNS": {
        "basic": {
            "delay": 5,
            "timeout": 5,
            "type": "program",
            "note": "The node resolves a name, to a given address if one is set.",
        },
        "script": {
            "arguments": [
                {"name": "request_host", "value": "", "description": "The name to resolve."},
                {
                    "name": "response_addr",
                    "value": "",
                    "description": "The address that the answer must hold; empty accepts any.",
                },
            ],
            "program": "dns.pl",
        },
    },
    "FTP": _greeting("The node greets as an FTP server.", r"(^|\n)220 [^\n]+\n"),
    "Full HTTP": {
        "basic": {
            "delay": 10,
            "timeout": 10,
            "type": "http",
            "note": "Template for asking a page of your choice and examining status and body.",
        }
    },
    "Full HTTPS": {
        "basic": {
            "delay": 5,
            "timeout": 10,
            "type": "http",
            "use_ssl": True,
            "note": "Template for asking a page of your choice over TLS and examining status and body.",
        }
    },
    "POP": _greeting("The node greets as a POP3 server.", r"^\+OK [^\n]+\n"),
    "Ping": {"basic": {"delay": 2, "timeout": 5, "note": "The node's host answers an ICMP echo request."}},
    "RTSP": {
        "basic": {
            "delay": 5,
            "failures": 5,
            "timeout": 10,
            "type": "rtsp",
            "note": "The node describes a stream over RTSP.",
        }
    },
    "SIP TCP": {
        "basic": {
            "delay": 5,
            "failures": 5,
            "timeout": 10,
            "type": "sip",
            "note": "The node answers a SIP OPTIONS request over TCP.",
        },
        "sip": {"transport": "tcp"},
    },
    "SIP TLS": {
        "basic": {
            "delay": 5,
            "failures": 5,
            "timeout": 10,
            "type": "sip",
            "use_ssl": True,
            "note": "The node answers a SIP OPTIONS request over TLS.",
        },
        "sip": {"transport": "tcp"},
    },
    "SIP UDP": {
        "basic": {
            "delay": 5,
            "failures": 5,
            "timeout": 10,
            "type": "sip",
            "note": "The node answers a SIP OPTIONS request over UDP.",
        }
    },
    "SMTP": _greeting("The node greets as an SMTP server.", r"^220 [^\n]+\n"),
    "Server First": {
        "basic": {
            "delay": 5,
            "timeout": 5,
            "type": "tcp_transaction",
            "note": "The node sends something as soon as a client has connected.",
        }
    },
    "Simple HTTP": {
        "basic": {
            "delay": 5,
            "timeout": 10,
            "type": "http",
            "note": "The node answers a request for its home page with a good status.",
        }
    },
    "Simple HTTPS": {
        "basic": {
            "delay": 5,
            "timeout": 10,
            "type": "http",
            "use_ssl": True,
            "note": "The node answers a request for its home page over TLS with a good status.",
        }
    },
}

MONITOR = ResourceType(
    path="monitors",
    title="Monitor",
    plural="Monitors",
    kind=Kind.COLLECTION,
    model=Monitor,
    factory=FACTORY,
)
