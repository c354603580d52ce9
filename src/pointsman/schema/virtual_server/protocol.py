"""Settings of single protocols: DNS, FTP, RTSP, SIP and SMTP.

Invariant: where a range of ports is given, its lower end is not above its upper end, unless one of
them is 0.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from pointsman.schema.resource import Section
from pointsman.schema.value import Count, LineSet, Reference, Since, Unit

OptionalPort = Annotated[Count, Field(le=65_535)]
"""A port, or 0 for none in particular."""


def _refuse_inverted_range(low: int, high: int) -> int:
    if low and high and low > high:
        raise PydanticCustomError(
            "port_range",
            "is above the upper end {high} of the range; lower it, or raise the other end",
            {"high": high},
        )
    return low


class Dns(Section):
    """Answering and passing on DNS requests."""

    edns_client_subnet: Annotated[bool, Since("3.6")] = True
    """Uses the client's network as named in the request (EDNS Client Subnet) where it matters who asks."""

    edns_udpsize: Annotated[int, Field(ge=512, le=4096), Unit("bytes")] = 4096
    """The largest UDP answer that our EDNS records say we can take."""

    max_udpsize: Annotated[int, Field(ge=512, le=4096), Unit("bytes")] = 4096
    """The largest answer sent over UDP; longer ones are marked as cut, so that the client asks over TCP."""

    rrset_order: Annotated[Literal["cyclic", "fixed"], Since("3.4")] = "fixed"
    """Whether records of one name are answered in their own order or turned by one each time."""

    verbose: bool = False
    """Logs every request that cannot be answered, with the reason."""

    zones: Annotated[LineSet, Reference("dns_server/zones")] = ()
    """The zones that are answered from here."""


class Ftp(Section):
    """FTP control and data connections."""

    data_source_port: OptionalPort = 0
    """The port that active data connections to clients come from; 0 for any."""

    force_client_secure: bool = True
    """Refuses data connections between a client and addresses other than the client's own."""

    force_server_secure: Annotated[bool, Since("5.0")] = True
    """Refuses data connections between a node and addresses other than the node's own."""

    port_range_high: OptionalPort = 0
    """The highest port for passive data connections; 0 leaves the choice to the system."""

    port_range_low: OptionalPort = 0
    """The lowest port for passive data connections; 0 leaves the choice to the system."""

    ssl_data: bool = True
    """Encrypts data connections of clients whose control connection is encrypted."""

    @field_validator("port_range_low")
    @classmethod
    def _below_high(cls, low: int, info: ValidationInfo) -> int:
        return _refuse_inverted_range(low, info.data.get("port_range_high", 0))


class Rtsp(Section):
    """RTSP and the media streams that it sets up."""

    streaming_port_range_high: OptionalPort = 0
    """The highest port for media streams; 0 leaves the choice to the system."""

    streaming_port_range_low: OptionalPort = 0
    """The lowest port for media streams; 0 leaves the choice to the system."""

    streaming_timeout: Annotated[Count, Field(le=99_999), Unit("s")] = 30
    """How long a media stream may pass no data before it is closed; 0 for no limit."""

    @field_validator("streaming_port_range_low")
    @classmethod
    def _below_high(cls, low: int, info: ValidationInfo) -> int:
        return _refuse_inverted_range(low, info.data.get("streaming_port_range_high", 0))


class Sip(Section):
    """SIP signalling and the calls that it sets up."""

    dangerous_requests: Literal["forbid", "forward", "node"] = "node"
    """What to do with requests that ask to be routed elsewhere: refuse, pass them there, or send them to a
    node."""

    follow_route: bool = True
    """Follows the routing information in requests; otherwise every request goes to the chosen node."""

    max_connection_mem: Annotated[Count, Field(le=16_777_216), Unit("bytes")] = 65_536
    """Memory that one client may use; 0 for no limit."""

    mode: Literal["full_gateway", "route", "sip_gateway"] = "sip_gateway"
    """Whether only the first request passes here (route), all signalling (sip_gateway), or media as well."""

    rewrite_uri: bool = False
    """Replaces the request's URI by the address of the chosen node."""

    streaming_port_range_high: OptionalPort = 0
    """The highest port for media when it passes here; 0 leaves the choice to the system."""

    streaming_port_range_low: OptionalPort = 0
    """The lowest port for media when it passes here; 0 leaves the choice to the system."""

    streaming_timeout: Annotated[Count, Field(le=99_999), Unit("s")] = 60
    """How long media may pass no data before its ports are freed; 0 for no limit."""

    timeout_messages: bool = True
    """Tells clients with a 408 answer when their transaction has timed out."""

    transaction_timeout: Annotated[Count, Field(le=99_999), Unit("s")] = 30
    """How long a transaction may go without a message before it is given up; 0 for no limit."""

    udp_associate_by_source: Annotated[bool, Since("7.0")] = True
    """Counts datagrams as one transaction only when they come from the same address and port."""

    @field_validator("streaming_port_range_low")
    @classmethod
    def _below_high(cls, low: int, info: ValidationInfo) -> int:
        return _refuse_inverted_range(low, info.data.get("streaming_port_range_high", 0))


class Smtp(Section):
    """SMTP from clients."""

    expect_starttls: bool = True
    """Takes over when clients ask for encryption with STARTTLS, where decryption is on."""
