"""How a virtual server treats HTTP/1 and HTTP/2 requests, and the addresses and cookies in responses.

Invariant: sizes are bytes, times are whole seconds.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from pointsman.schema.resource import Section
from pointsman.schema.value import Count, Hidden, Line, Lines, LineSet, Since, Unit


class Cookie(Section):
    """Changes to the cookies that nodes set."""

    domain: Literal["no_rewrite", "set_to_named", "set_to_request"] = "no_rewrite"
    """What the domain of cookies becomes: left as it is, the one named below, or the host of the request."""

    new_domain: Line = ""
    """The domain to give to cookies when a named one is chosen."""

    path_regex: Line = ""
    """A regular expression for the part of a cookie's path to replace; empty leaves paths alone."""

    path_replace: Line = ""
    """What replaces that part of the path; $1 to $9 stand for the groups of the expression."""

    secure: Literal["no_modify", "set_secure", "unset_secure"] = "no_modify"
    """Whether the Secure attribute of cookies is left, added, or removed."""


class Http(Section):
    """Headers that are added and rewritten, and HTTP upgrades."""

    add_cluster_ip: Annotated[bool, Since("5.0")] = True
    """Adds the header X-Cluster-Client-Ip with the client's address to requests."""

    add_x_forwarded_for: Annotated[bool, Since("5.0")] = False
    """Appends the client's address to the header X-Forwarded-For of requests."""

    add_x_forwarded_proto: Annotated[bool, Since("5.0")] = False
    """Adds the header X-Forwarded-Proto, http or https, to requests."""

    auto_upgrade_protocols: Annotated[Lines, Hidden(), Since("5.2")] = ()
    """Protocols named in an Upgrade header for which the connection is passed through untouched; empty for
    any."""

    autodetect_upgrade_headers: Annotated[bool, Since("5.0")] = True
    """Recognises upgrades such as WebSocket and passes the connection through once the node agreed."""

    chunk_overhead_forwarding: Literal["eager", "lazy"] = "lazy"
    """Passes chunk framing that carries no data at once, or together with the next data."""

    location_regex: Line = ""
    """A regular expression for Location headers to rewrite; empty leaves them to the setting below."""

    location_replace: Line = ""
    """What a Location header that matched becomes; $1 to $9 stand for the groups of the expression."""

    location_rewrite: Literal["always", "if_host_matches", "never"] = "if_host_matches"
    """When redirects by nodes are pointed back at this service: always, where they name the request's host,
    never."""

    mime_default: Line = "text/plain"
    """The content type that nodes send for want of a better one, which detection may then correct."""

    mime_detect: bool = False
    """Works out the content type of responses that have none or the default one."""

    strip_x_forwarded_proto: Annotated[bool, Since("5.0")] = True
    """Removes the header X-Forwarded-Proto as sent by clients, who could claim anything."""


class Http2(Section):
    """HTTP/2 from clients."""

    connect_timeout: Annotated[Count, Field(le=99_999), Unit("s"), Since("3.6")] = 0
    """How long a client may take to begin HTTP/2 on its connection; 0 takes the virtual server's own
    limit."""

    data_frame_size: Annotated[int, Field(ge=100, le=16_777_206), Unit("bytes"), Since("3.6")] = 4096
    """Preferred size of the DATA frames that responses are sent in."""

    enabled: Annotated[bool, Since("3.6")] = True
    """Offers HTTP/2 to clients on connections that are decrypted here."""

    header_table_size: Annotated[int, Field(ge=4096, le=1_048_576), Unit("bytes"), Since("3.6")] = 4096
    """Memory per connection for the table that compresses request headers."""

    headers_index_blacklist: Annotated[LineSet, Since("3.6")] = ()
    """Headers that never enter the compression table, because their values are secret or always new."""

    headers_index_default: Annotated[bool, Since("3.6")] = True
    """Whether headers in neither of the two lists may enter the compression table."""

    headers_index_whitelist: Annotated[LineSet, Since("3.6")] = ()
    """Headers that may enter the compression table although the default says no."""

    headers_size_limit: Annotated[Count, Unit("bytes"), Since("3.10")] = 262_144
    """The most that all headers of a request may amount to when unpacked; 0 for no limit."""

    http2_client_buffer_multiplier: Annotated[Count, Field(le=200), Since("8.2")] = 0
    """How many client buffers one HTTP/2 connection may fill with all its streams; 0 for the usual one."""

    http2_server_buffer_multiplier: Annotated[Count, Field(le=200), Since("8.2")] = 0
    """How many server buffers one HTTP/2 connection may fill with all its streams; 0 for the usual one."""

    idle_timeout_no_streams: Annotated[Count, Field(le=99_999), Unit("s"), Since("3.6")] = 120
    """How long a connection on which no request is open may stay idle; 0 for no limit."""

    idle_timeout_open_streams: Annotated[Count, Field(le=99_999), Unit("s"), Since("3.6")] = 600
    """How long a connection with open requests may pass no data; 0 for no limit."""

    max_concurrent_streams: Annotated[int, Field(ge=1, le=999_999), Since("3.6")] = 200
    """How many requests a client may have open at once on a connection."""

    max_frame_size: Annotated[int, Field(ge=16_384, le=16_777_215), Unit("bytes"), Since("3.6")] = 16_384
    """The largest frame that clients may send."""

    max_header_padding: Annotated[Count, Field(le=256), Unit("bytes"), Since("3.6")] = 0
    """The most random padding added to response headers to hide their true length."""

    merge_cookie_headers: Annotated[bool, Since("3.6")] = True
    """Joins the Cookie headers of a request into one, as HTTP/1 nodes expect."""

    stream_window_size: Annotated[int, Field(ge=1, le=2_147_483_647), Unit("bytes"), Since("3.6")] = 65_535
    """How much of one request's body a client may send ahead of being read."""
