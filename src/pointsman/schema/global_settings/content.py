"""Global settings of what looks into content: rules, Java, web cache, web acceleration, Kerberos.

Invariant: each class is one section of `global_settings`; its keys stand in alphabetical order.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from pointsman.schema.resource import Section
from pointsman.schema.value import Count, Hidden, Line, Since, Unit


class Aptimizer(Section):
    """Web acceleration: the rewriting of pages so that browsers load them faster."""

    cache_entry_lifetime: Annotated[int, Unit("s"), Hidden(), Since("4.0")] = 0
    """How long a rewritten page is kept."""

    cache_entry_limit: Annotated[int, Hidden(), Since("4.0")] = 0
    """How many rewritten pages are kept."""

    default_profile: Annotated[Line, Hidden(), Since("4.0")] = ""
    """The acceleration profile for services that name none."""

    default_scope: Annotated[Line, Hidden(), Since("4.0")] = ""
    """The acceleration scope for services that name none."""

    dependent_fetch_timeout: Annotated[int, Unit("s"), Hidden(), Since("4.0")] = 0
    """How long fetching a resource that a page refers to may take."""

    enable_state_dump: Annotated[bool, Hidden(), Since("4.0")] = False
    """Whether the accelerator can be asked to write down its inner state."""

    ipc_timeout: Annotated[int, Unit("s"), Hidden(), Since("4.0")] = 0
    """How long a worker waits for the accelerator to answer."""

    max_concurrent_jobs: Annotated[int, Hidden(), Since("4.0")] = 0
    """How many pages are rewritten at the same time."""

    max_dependent_fetch_size: Line = "2MB"
    """The largest resource that is fetched in order to be put into a page: a size (`2MB`), or 0 for any."""

    max_original_content_buffer_size: Line = "2MB"
    """The largest page that is held in memory in order to be rewritten: a size (`2MB`), or 0 for any."""

    queue_buffer_size: Annotated[int, Unit("bytes"), Hidden(), Since("4.0")] = 0
    """Memory of the queue between a worker and the accelerator."""

    resource_lifetime: Annotated[int, Unit("s"), Hidden(), Since("4.0")] = 0
    """How long a resource made by the accelerator can be asked for."""

    resource_memory_limit: Annotated[int, Unit("bytes"), Hidden(), Since("4.0")] = 0
    """Memory for resources made by the accelerator."""

    watchdog_interval: Annotated[int, Field(ge=0, le=99_999), Unit("s")] = 300
    """The span of time in which failures of the accelerator are counted."""

    watchdog_limit: Annotated[int, Field(ge=0, le=99)] = 3
    """After how many failures in that span the accelerator is not started again; 0 always starts it again."""


class Java(Section):
    """Java extensions."""

    classpath: Line = ""
    """Further places where Java looks for classes, separated by colons."""

    command: Line = "java -server"
    """The command that starts Java, with its options."""

    enabled: bool = False
    """Whether rules can run Java extensions."""

    lib: Line = ""
    """Directory with Java libraries that extensions may use."""

    max_connections: Annotated[int, Field(ge=1, le=1_000_000)] = 256
    """How many requests each worker may have with Java at the same time; more wait."""

    session_age: Annotated[int, Field(ge=0, le=100_000_000), Unit("s")] = 86400
    """How long the session of a Java extension lives by default."""


class Kerberos(Section):
    """Kerberos, by which the traffic manager logs in to nodes in a user's name."""

    timeout: Annotated[int, Unit("s"), Hidden(), Since("4.0")] = 0
    """How long an answer of the key distribution centre is waited for."""

    verbose: bool = False
    """Whether every step of Kerberos is written to the event log."""


class Trafficscript(Section):
    """Limits on rules."""

    data_local_size: Line = "5%"
    """
    Memory for data that rules keep in their own worker: a size (`10MB`) or a share of all memory (`5%`). A
    change takes effect at the next restart.
    """

    data_size: Line = "5%"
    """
    Memory for data that rules share between workers: a size (`10MB`) or a share of all memory (`5%`). A
    change takes effect at the next restart.
    """

    execution_time_warning: Annotated[int, Field(ge=0, le=2_147_483_647), Unit("ms")] = 500
    """A rule that runs longer without a pause is reported; 0 reports none."""

    max_instr: Count = 100_000
    """How many instructions a rule may run before it is stopped; 0 sets no limit."""

    memory_warning: Annotated[int, Field(ge=0, le=2_147_483_647), Unit("bytes")] = 1_048_576
    """A rule that holds more memory is reported; 0 reports none."""

    regex_cache_size: Count = 57
    """How many compiled regular expressions each worker keeps."""

    regex_match_limit: Annotated[int, Field(ge=0, le=2_147_483_646)] = 10_000_000
    """How many steps matching one regular expression may take before it is given up."""

    regex_match_warn_percentage: Annotated[int, Field(ge=1, le=100), Unit("%")] = 5
    """A match that takes more than this share of the allowed steps is reported."""

    variable_pool_use: bool = False
    """
    Whether rules may pick a pool by a name that is known only when they run. While off, pools must be named
    in plain, so that every use of a pool can be seen.
    """


class WebCache(Section):
    """The cache for web content."""

    avg_path_length: Annotated[int, Field(ge=0, le=999_999), Unit("bytes")] = 512
    """
    The usual length of a cached URL; room for URLs is set aside by it. A change takes effect at the next
    restart.
    """

    blocksize: Annotated[Line, Hidden(), Since("4.0")] = ""
    """The unit in which memory of the cache is given out, as a size."""

    disk: bool = False
    """Whether the cache lives in a file instead of in memory. A change takes effect at the next restart."""

    disk_dir: Line = "%zeushome%/zxtm/internal"
    """Directory for that file; it needs as much room as the cache is large."""

    max_byte_range_segments: Annotated[int, Hidden(), Since("4.0")] = 0
    """How many ranges a request for parts of a document may name."""

    max_file_num: Annotated[int, Field(ge=1, le=2_147_483_647)] = 10_000
    """How many documents the cache holds. A change takes effect at the next restart."""

    max_file_size: Line = "2%"
    """The largest document that is cached: a size (`100kB`) or a share of the cache (`2%`)."""

    max_handles: Annotated[int, Hidden(), Since("4.0")] = 0
    """How many cached documents may be in use at the same time."""

    max_path_length: Annotated[int, Field(ge=0, le=999_999), Unit("bytes")] = 2048
    """The longest URL that is cached."""

    min_size_accept_range: Annotated[int, Unit("bytes"), Hidden(), Since("4.0")] = 0
    """The smallest document of which parts can be asked for."""

    normalize_query: bool = True
    """Whether the parameters of a query are sorted, so that their order makes no difference to the cache."""

    size: Line = "20%"
    """
    How large the cache is: a size (`500MB`) or a share of all memory (`20%`). A change takes effect at the
    next restart.
    """

    url_store_keep_free: Annotated[int, Hidden(), Since("4.0")] = 0
    """How many places for URLs are kept free for new documents."""

    url_store_max_mallocs: Annotated[int, Hidden(), Since("4.0")] = 0
    """How many times memory for URLs may be enlarged."""

    url_store_num_bins: Annotated[int, Hidden(), Since("4.0")] = 0
    """Into how many size classes memory for URLs is divided."""

    verbose: bool = False
    """Whether answers say, in a header, what the cache did with the request."""
