"""Global settings of the traffic manager as a process: memory, sockets, processes, the machine it runs on.

Invariant: each class is one section of `global_settings`; its keys stand in alphabetical order.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from pointsman.schema.resource import Section
from pointsman.schema.value import Count, Hidden, Line, LineSet, Port, Secret, Since, Text, Unit


class Basic(Section):
    """Memory, sockets and limits of the traffic manager as a whole."""

    accepting_delay: Annotated[int, Field(ge=5, le=999), Unit("ms")] = 50
    """How often a worker that is not accepting connections looks whether it should start to."""

    afm_cluster_timeout: Annotated[int, Unit("s"), Hidden(), Since("4.0")] = 0
    """How long members of the application firewall's own cluster wait for one another."""

    afm_control_timeout: Annotated[int, Unit("s"), Hidden(), Since("4.0")] = 0
    """How long a command to the application firewall may take before it counts as failed."""

    afm_enabled: bool = False
    """Whether the application firewall runs, so that rules can pass requests through it."""

    child_control_command_timeout: Annotated[int, Unit("s"), Hidden(), Since("4.0")] = 0
    """How long a worker process may take over a command from its parent."""

    child_control_kill_timeout: Annotated[int, Unit("s"), Hidden(), Since("4.0")] = 0
    """How long a worker process that ignores commands is waited for before it is killed."""

    chunk_size: Annotated[int, Field(ge=1, le=999_999), Unit("bytes")] = 16384
    """How much data is read from or written to a connection at once."""

    client_first_opt: bool = False
    """
    Whether the kernel holds back new connections to client-first services until the client has sent
    something, so that idle connections cost nothing. Not every operating system can.
    """

    cluster_identifier: Annotated[Line, Since("3.6")] = ""
    """Names this cluster to a Services Director. It is set when the cluster registers."""

    cpu_starvation_check_interval: Annotated[int, Unit("ms"), Hidden(), Since("4.0")] = 0
    """How often it is measured whether the traffic manager gets its share of processor time."""

    cpu_starvation_check_tolerance: Annotated[int, Unit("ms"), Hidden(), Since("4.0")] = 0
    """How late such a measurement may come before a lack of processor time is reported."""

    http2_conn_frame_queue_limit: Annotated[int, Hidden(), Since("7.1")] = 0
    """How many control frames may wait on one HTTP/2 connection before it is closed as abusive."""

    http2_no_cipher_blacklist_check: Annotated[bool, Hidden(), Since("4.0")] = False
    """Whether HTTP/2 is spoken over ciphers that its standard rules out."""

    internal_config_logging: Annotated[bool, Hidden(), Since("4.0")] = False
    """Whether each step of taking over a new configuration is written to the event log."""

    license_servers: Annotated[LineSet, Since("3.5")] = ()
    """Licence servers to ask when a key needs one, as `host:port`."""

    max_fds: Annotated[int, Field(ge=100, le=9_999_999)] = 1_048_576
    """
    How many files and sockets the traffic manager may hold open. Each proxied connection needs two; a change
    takes effect at the next restart.
    """

    max_tcp_buff_mem: Annotated[Line, Since("8.2")] = "0"
    """
    How much memory the kernel may use for the buffers of TCP connections: a size (`512MB`), a share of all
    memory (`20%`), or 0 to leave the kernel's own limit.
    """

    monitor_memory_size: Annotated[int, Field(ge=4096, le=999_999)] = 4096
    """
    How many nodes, pools and locations can be watched, counted each for itself. The room is set aside at the
    start; a change takes effect at the next restart.
    """

    rate_class_limit: Count = 25000
    """How many rate classes there can be. A change takes effect at the next restart."""

    shared_pool_size: Line = "10MB"
    """
    Memory shared between workers, for instance for counters and event queues: a size (`10MB`) or a share of
    all memory (`1%`). A change takes effect at the next restart.
    """

    slm_class_limit: Count = 1024
    """How many service level monitors there can be. A change takes effect at the next restart."""

    so_rbuff_size: Annotated[Count, Unit("bytes")] = 0
    """Size of a socket's receive buffer; 0 leaves it to the operating system."""

    so_wbuff_size: Annotated[Count, Unit("bytes")] = 0
    """Size of a socket's send buffer; 0 leaves it to the operating system."""

    socket_optimizations: Literal["auto", "no", "yes"] = "auto"
    """
    Whether network features peculiar to this operating system are used to save work; `auto` where known to be
    safe.
    """

    storage_shared: Annotated[bool, Hidden(), Since("4.0")] = False
    """Whether members keep their files on storage that all of them see."""

    tip_class_limit: Count = 10000
    """How many traffic IP groups there can be. A change takes effect at the next restart."""


class Appliance(Section):
    """Settings of every machine that was installed as an appliance."""

    bootloader_password: Annotated[Line, Secret("empty")] = ""
    """Password asked for before the boot menu of an appliance can be edited; empty asks for none."""

    return_path_routing_enabled: bool = False
    """
    Whether answers leave by the gateway through which the request came in. Gateways are recognised by the
    hardware addresses in `ip.appliance_returnpath`.
    """


class Bandwidth(Section):
    """How the bandwidth of the licence and of bandwidth classes is shared out."""

    license_sharing: Annotated[Line, Hidden(), Since("4.0")] = ""
    """Whether the bandwidth that a licence allows is shared by the cluster or belongs to each machine."""

    pooled_min_write: Annotated[int, Unit("bytes"), Hidden(), Since("4.0")] = 0
    """The smallest piece written to a connection that shares a bandwidth class."""


class Fips(Section):
    """Operation under FIPS 140-2."""

    enabled: bool = False
    """
    Whether only cryptography validated under FIPS 140-2 is used. A change takes effect at the next restart.
    """


class RemoteLicensing(Section):
    """Registration with a Services Director, which then issues the licence."""

    comm_channel_enabled: Annotated[bool, Since("6.2")] = True
    """
    Whether a connection to the Services Director is kept open, so that it reaches this cluster through
    firewalls.
    """

    comm_channel_port: Annotated[Port, Since("6.2")] = 8102
    """TCP port of the Services Director to which that connection is made."""

    owner: Annotated[Line, Since("3.10")] = ""
    """The owner, as known to the Services Director, on whose behalf the cluster registers."""

    owner_secret: Annotated[Line, Secret("empty"), Since("3.10")] = ""
    """The secret that proves the owner to the Services Director."""

    policy_id: Annotated[Line, Since("3.10")] = ""
    """The auto-accept policy by which the Services Director is asked to approve the registration."""

    registration_server: Annotated[Line, Since("3.8")] = ""
    """
    Address and port of the Services Director's REST service, as `host:port`; empty means no registration.
    """

    script_timeout: Annotated[int, Unit("s"), Hidden(), Since("4.0")] = 0
    """How long the registration program may run."""

    server_certificate: Annotated[Text, Since("3.8")] = ""
    """The certificate in PEM that the Services Director has to present."""

    server_certificate_secondary: Annotated[Text, Hidden(), Since("6.2")] = ""
    """The certificate in PEM of the standby Services Director."""


class Telemetry(Section):
    """Reports on the use of the product to its maker. Pointsman never sends any, whatever is stored here."""

    autotest_schedule: Annotated[bool, Hidden(), Since("6.1")] = False
    """Whether reports are sent at the pace of automatic tests."""

    enabled: Annotated[bool, Since("5.2")] = True
    """Whether anonymous usage data may be sent. The key is kept for existing clients and has no effect."""

    internal_use: Annotated[Line, Hidden(), Since("5.2")] = ""
    """Marks an installation as the maker's own."""

    test_schedule: Annotated[bool, Hidden(), Since("5.2")] = False
    """Whether reports are sent at the pace of manual tests."""

    url: Annotated[Line, Hidden(), Since("5.2")] = ""
    """Where reports would be sent."""


class Watchdog(Section):
    """Supervision of the traffic manager's own processes."""

    timeout: Annotated[int, Field(ge=3, le=3600), Unit("s"), Since("6.2")] = 5
    """How long a process may go without a sign of life before it is started again."""


class Zoneinfo(Section):
    """Time zones."""

    directory: Annotated[Line, Hidden(), Since("8.1")] = ""
    """Directory with the time zone database; empty means the operating system's."""
