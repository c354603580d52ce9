"""What a virtual server does to the content it delivers: compressing, caching, optimising.

Invariant: sizes are bytes, times are whole seconds.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from pointsman.schema.resource import Row, Section
from pointsman.schema.value import (
    Count,
    Hidden,
    Line,
    Lines,
    LineSet,
    Reference,
    Since,
    Table,
    TableKey,
    Unit,
    Unordered,
)


class ProfileRow(Row):
    """A web content optimisation profile and where it applies."""

    name: Annotated[Line, Reference("aptimizer/profiles")]
    """The optimisation profile."""

    urls: Annotated[Lines, Reference("aptimizer/scopes")]
    """The scopes, groups of URLs, that the profile applies to."""


class Aptimizer(Section):
    """Optimisation of web pages on their way to the client."""

    enabled: bool = False
    """Whether web pages are rewritten so that browsers load them faster."""

    profile: Annotated[Table[ProfileRow], TableKey("name"), Unordered()] = ()
    """Which profile applies to which groups of URLs."""


class Gzip(Section):
    """Compression of responses."""

    chunk: Annotated[bool, Hidden(), Since("4.0")] = False
    """Sends compressed responses in chunks without waiting for their final length."""

    compress_level: Annotated[int, Field(ge=1, le=9)] = 1
    """How hard to compress: 1 is fastest, 9 smallest."""

    enabled: bool = False
    """Compresses responses for clients that accept it."""

    etag_rewrite: Annotated[Literal["delete", "ignore", "weaken", "wrap"], Since("3.4")] = "wrap"
    """What happens to the ETag of a compressed response: marked and unmarked again, weakened, removed or
    left."""

    include_mime: LineSet = ("text/html", "text/plain")
    """Content types to compress; a * stands for any text."""

    max_size: Annotated[Count, Unit("bytes")] = 10_000_000
    """Responses larger than this are not compressed; 0 for no limit."""

    min_size: Annotated[Count, Unit("bytes")] = 1000
    """Responses smaller than this are not compressed."""

    no_size: bool = True
    """Also compresses responses whose length is not known beforehand."""


class WebCache(Section):
    """Caching of responses."""

    control_out: Line = ""
    """Value of the Cache-Control header that cached responses get on their way to clients; empty leaves
    theirs."""

    enabled: bool = False
    """Keeps cacheable responses in memory and answers later requests from there."""

    error_page_time: Annotated[Count, Field(le=999_999), Unit("s")] = 30
    """How long responses with an error status are kept."""

    max_time: Annotated[int, Field(ge=1, le=999_999), Unit("s")] = 600
    """How long a response is kept at most, whatever lifetime the node gave it."""

    refresh_time: Annotated[Count, Field(le=999_999), Unit("s")] = 2
    """How long before a response expires one request is let through to fetch it afresh."""
