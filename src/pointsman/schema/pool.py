"""Pools: groups of nodes that serve the same thing, and how traffic is spread over them.

Invariant: each node of a pool occurs once and is a host with a port; whether the host resolves is no concern
of the schema.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from pointsman.schema.address import Node, OptionalIP
from pointsman.schema.resource import Kind, Resource, ResourceType, Row, Section
from pointsman.schema.value import (
    Count,
    Hidden,
    Line,
    Lines,
    LineSet,
    Port,
    Reference,
    Since,
    Switch,
    Table,
    TableKey,
    Text,
    Unit,
    Unordered,
)

SPECIAL_POOLS = ("discard", "builtin_dns")
"""Names that mean something else where a pool is named: traffic is dropped, or answered by the traffic manager."""


class NodeRow(Row):
    """One back-end server of a pool."""

    node: Node
    """Host name or IP address and port of the server: "10.0.0.1:80", "web1:8080", "[2001:db8::1]:80"."""

    priority: Count = 1
    """Rank of the node where priority lists are on: nodes of the highest number are used first."""

    source_ip: OptionalIP = ""
    """Address of this machine that connections to the node come from; empty leaves the choice to the
    system."""

    state: Literal["active", "disabled", "draining"] = "active"
    """Whether the node gets traffic (active), only that of existing sessions (draining), or none
    (disabled)."""

    weight: Annotated[int, Field(ge=1, le=100)] = 1
    """Share of the traffic relative to the other nodes, for the weighted algorithms."""


class Basic(Section):
    """The nodes, how their health is watched, and what is done when they fail."""

    bandwidth_class: Annotated[Line, Reference("bandwidth")] = ""
    """The bandwidth class that limits what is sent to the nodes; empty for no limit."""

    failure_pool: Annotated[Line, Reference("pools")] = ""
    """The pool that takes over while every node here is down; empty to answer with an error instead."""

    lard_size: Annotated[int, Hidden(), Since("4.0")] = 0
    """Size of the memory for keeping requests of one URL on one node; 0 switches that off."""

    max_connection_attempts: Annotated[Count, Field(le=99_999)] = 0
    """How many nodes are tried for one request before it fails; 0 tries every node."""

    max_idle_connections_pernode: Annotated[Count, Field(le=999_999)] = 50
    """How many unused keepalive connections to each node are kept open for later requests."""

    max_timed_out_connection_attempts: Annotated[Count, Field(le=99_999)] = 2
    """How many nodes may run into the reply timeout for one request before it fails; 0 for no limit. Only 1 is kept as
    such: any other value permits as many as `max_connection_attempts` (without one, six)."""

    monitors: Annotated[LineSet, Reference("monitors", loose=True)] = ()
    """The monitors that watch the nodes; a node is up while all of them succeed."""

    node_close_with_rst: bool = False
    """Closes connections to nodes with a TCP reset, which frees ports at once but may lose data in flight."""

    node_connection_attempts: Annotated[int, Field(ge=1, le=100)] = 3
    """How many requests in a row must fail on a node before passive monitoring takes it out of use."""

    node_delete_behavior: Annotated[Literal["drain", "immediate"], Since("3.5")] = "immediate"
    """What happens to the connections of a removed node: they are closed at once, or may finish first."""

    node_drain_to_delete_timeout: Annotated[Count, Field(le=99_999), Unit("s"), Since("3.5")] = 0
    """How long a removed node may finish its connections before they are cut; 0 waits as long as it takes."""

    nodes_table: Annotated[Table[NodeRow], TableKey("node"), Unordered()] = ()
    """The nodes of the pool with their states, weights and priorities."""

    note: Text = ""
    """A description of the pool for the administrator."""

    passive_monitoring: bool = True
    """
    Also judges nodes by the traffic itself: one on which `node_connection_attempts` attempts in a row fail is taken out
    of use, and a connection to it is tried each `node.retry_fail_time` until one succeeds, or until a monitor that
    connects to it as traffic does has succeeded (a ping does not, nor does one in clear where traffic uses TLS).
    Without a monitor, a node that gets no requests is tried once an hour only, so the first client may be who finds it
    dead; another node serves that client.
    """

    persistence_class: Annotated[Line, Reference("persistence")] = ""
    """The session persistence class that keeps a client on its node; empty for none."""

    transparent: bool = False
    """Connects to the nodes from the client's own address; replies must be routed back through this
    machine."""


class AutoScaling(Section):
    """Growing and shrinking the pool by creating and destroying machines at a cloud provider."""

    addnode_delaytime: Annotated[Count, Unit("s"), Since("3.4")] = 0
    """How long a newly created machine is given to start before it gets traffic."""

    cloud_credentials: Annotated[Line, Reference("cloud_api_credentials")] = ""
    """The credentials that machines are created and destroyed with."""

    cluster: Line = ""
    """The VMware host or cluster on which new machines are placed."""

    data_center: Line = ""
    """The VMware data centre that new machines belong to."""

    data_store: Line = ""
    """The VMware data store that holds the disks of new machines."""

    enabled: bool = False
    """Whether the pool's nodes are managed by cloud autoscaling."""

    external: bool = True
    """Leaves all decisions to an outside system that edits the pool; otherwise they are made here."""

    extraargs: Annotated[Line, Since("4.0")] = ""
    """Further arguments handed to the cloud driver when it creates a machine."""

    hysteresis: Annotated[Count, Unit("s")] = 20
    """How long a scaling level must be crossed without a break before the pool changes its size."""

    imageid: Line = ""
    """Identifier of the image or template that new machines are made from."""

    ips_to_use: Literal["private_ips", "publicips"] = "publicips"
    """Whether new nodes are reached at their private or at their public addresses."""

    last_node_idle_time: Annotated[Count, Unit("s")] = 3600
    """How long the last remaining machine must be idle before it is destroyed, where the minimum is 0."""

    max_nodes: Count = 4
    """The most machines the pool may grow to."""

    min_nodes: Count = 1
    """The fewest machines the pool may shrink to."""

    name: Line = ""
    """First part of the names that new machines get."""

    port: Port = 80
    """The port on which new nodes are reached."""

    refractory: Annotated[Count, Unit("s")] = 180
    """How long the pool keeps its size after a change, so that the change can show its effect."""

    response_time: Annotated[Count, Unit("ms")] = 1000
    """A request counts as conforming when the node answers within this time."""

    scale_down_level: Annotated[Count, Unit("%")] = 95
    """The pool shrinks while more than this share of its requests conforms."""

    scale_up_level: Annotated[Count, Unit("%")] = 40
    """The pool grows while less than this share of its requests conforms."""

    securitygroupids: LineSet = ()
    """The Amazon EC2 security groups that new machines belong to."""

    size_id: Line = ""
    """Identifier of the machine size to create, in the provider's terms."""

    subnetids: LineSet = ()
    """The Amazon VPC subnets over which new machines are spread."""


class Connection(Section):
    """Timeouts towards the nodes, and limits on what each node gets at once."""

    max_connect_time: Annotated[int, Field(ge=1, le=99_999), Unit("s")] = 4
    """How long a connection to a node may take to be established before another node is tried."""

    max_connections_per_node: Annotated[Count, Field(le=999_999)] = 0
    """The most connections each node gets at once from this machine; 0 for no limit."""

    max_queue_size: Annotated[Count, Field(le=999_999)] = 0
    """The most requests that may wait when every node is at its connection limit; 0 for no limit."""

    max_reply_time: Annotated[int, Field(ge=1, le=99_999), Unit("s")] = 30
    """How long a node may take to begin its reply before the request is given to another node or fails."""

    max_transactions_per_node: Annotated[Count, Field(le=999_999), Since("6.2")] = 0
    """The most requests each node works on at once; idle keepalive connections do not count. 0 for no
    limit."""

    queue_timeout: Annotated[Count, Field(le=31_536_000), Unit("s")] = 10
    """How long a request may wait for a free node before it fails; 0 waits without end."""


class DnsAutoscale(Section):
    """Taking the nodes from the addresses that host names resolve to."""

    enabled: bool = False
    """Whether the nodes follow the addresses of the host names below instead of the table of nodes."""

    hostnames: LineSet = ()
    """The host names whose addresses become nodes."""

    port: Port = 80
    """The port on which every node found by name is reached."""


class Ftp(Section):
    """How FTP is spoken with the nodes."""

    support_rfc_2428: bool = False
    """Whether the nodes understand EPRT and EPSV; needed for IPv6."""


class Http(Section):
    """How HTTP connections to the nodes are used again."""

    keepalive: bool = True
    """Keeps connections to the nodes open after a reply and uses them again for later requests."""

    keepalive_non_idempotent: bool = False
    """Uses kept connections also for requests that must not be repeated, such as POST; one may then be
    lost."""


class KerberosProtocolTransition(Section):
    """Kerberos tickets that are fetched on behalf of clients."""

    principal: Annotated[Line, Reference("kerberos/principals")] = ""
    """The Kerberos principal that asks for tickets to the nodes of this pool."""

    target: Line = ""
    """Name of the service at the nodes that tickets are asked for; empty derives it from the node's host
    name."""


class LoadBalancing(Section):
    """Which node gets the next request."""

    algorithm: Literal[
        "fastest_response_time",
        "least_connections",
        "perceptive",
        "random",
        "round_robin",
        "weighted_least_connections",
        "weighted_round_robin",
    ] = "round_robin"
    """The way of choosing a node: in turn, at random, by open connections, by speed, or by several of
    these."""

    priority_enabled: bool = False
    """Uses nodes of lower priority only while too few of higher priority are up."""

    priority_nodes: Annotated[int, Field(ge=1, le=65_535)] = 1
    """How many nodes must be up before those of the next lower priority are left out."""


class NodeFailure(Section):
    """What happens to a node that fails."""

    close_on_death: bool = False
    """Closes all connections to a node when it is found to be down, instead of letting them run on."""

    retry_fail_time: Annotated[int, Field(ge=1, le=99_999), Unit("s")] = 60
    """How long a node that failed passive monitoring rests before it is tried again."""


class ServiceDiscovery(Section):
    """Taking the nodes from a program that finds them."""

    enabled: Annotated[bool, Since("5.2")] = False
    """Whether the nodes are those that the plug-in reports instead of the table of nodes."""

    interval: Annotated[Count, Unit("s"), Since("5.2")] = 10
    """Time between two runs of the plug-in."""

    plugin: Annotated[
        Line, Reference("servicediscovery", ("BuiltIn-DNS", "BuiltIn-DNS_Stateless")), Since("5.2")
    ] = ""
    """The plug-in that reports the nodes."""

    plugin_args: Annotated[Line, Since("5.2")] = ""
    """Arguments of the plug-in, as on a command line."""

    timeout: Annotated[Count, Unit("s"), Since("5.2")] = 0
    """How long the plug-in may run before it is stopped; 0 for no limit."""


class Smtp(Section):
    """How SMTP is spoken with the nodes."""

    send_starttls: bool = True
    """Asks nodes for encryption with STARTTLS where TLS to the nodes is on."""


class Ssl(Section):
    """TLS on the connections to the nodes."""

    cipher_suites: Annotated[Line, Since("5.0")] = ""
    """Permitted cipher suites, separated by commas or colons, best first; empty uses the global list."""

    client_auth: bool = False
    """Presents a client certificate to nodes that ask for one."""

    common_name_match: Annotated[LineSet, Since("3.4")] = ()
    """Names of which one must be in a node's certificate under strict verification, instead of its host
    name."""

    elliptic_curves: Annotated[Lines, Since("3.4")] = ()
    """Permitted curves for the key exchange, best first; empty uses the global list."""

    enable: bool = False
    """Encrypts the connections to the nodes with TLS."""

    enhance: bool = False
    """Tells nodes that are traffic managers too about the client's connection ahead of the TLS handshake."""

    middlebox_compatibility: Annotated[Switch, Since("6.2")] = "use_default"
    """Makes TLS 1.3 look like a resumed TLS 1.2 session, for devices on the way that block what they do not
    know."""

    send_close_alerts: bool = True
    """Ends TLS connections to nodes with a close notification, so that nodes can tell an end from a cut."""

    server_name: bool = False
    """Sends the host name in the TLS handshake (SNI), for nodes that hold several certificates."""

    session_cache_enabled: Annotated[Switch, Since("5.0")] = "use_default"
    """Resumes earlier TLS sessions with a node by their identifier, which saves the full handshake."""

    session_tickets_enabled: Annotated[Switch, Since("5.2")] = "use_default"
    """Resumes earlier TLS sessions with a node by the tickets that it issued."""

    signature_algorithms: Line = ""
    """Permitted signature algorithms, separated by commas or colons, best first; empty uses the global
    list."""

    ssl_fixed_client_certificate: Annotated[Line, Reference("ssl/client_keys"), Since("6.2")] = ""
    """The client certificate that is always presented; empty chooses one that the node's authorities
    accept."""

    strict_verify: bool = False
    """Accepts a node only with a certificate from a known authority that carries the expected name."""

    support_ssl3: Annotated[Switch, Since("5.0")] = "use_default"
    """Permits SSL 3.0 to nodes; it is broken and should stay off."""

    support_tls1: Annotated[Switch, Since("5.0")] = "use_default"
    """Permits TLS 1.0 to nodes; it is outdated."""

    support_tls1_1: Annotated[Switch, Since("5.0")] = "use_default"
    """Permits TLS 1.1 to nodes; it is outdated."""

    support_tls1_2: Annotated[Switch, Since("5.0")] = "use_default"
    """Permits TLS 1.2 to nodes."""

    support_tls1_3: Annotated[Switch, Since("6.2")] = "use_default"
    """Permits TLS 1.3 to nodes."""


class Tcp(Section):
    """TCP on the connections to the nodes."""

    nagle: bool = True
    """Gathers small writes into fuller packets (Nagle's algorithm), which costs a little time."""


class Udp(Section):
    """UDP between this machine and the nodes."""

    accept_from: Literal["all", "dest_ip_only", "dest_only", "ip_mask"] = "dest_only"
    """Where replies may come from: the address and port asked, any port there, a range of addresses, or
    anywhere."""

    accept_from_mask: Line = ""
    """The range of addresses that replies may come from, as address/bits, when chosen above."""

    response_timeout: Annotated[Count, Field(le=99_999), Unit("s"), Since("3.8")] = 0
    """How long a node may leave a datagram without reply before it counts as failed; 0 never counts it."""


class Pool(Resource):
    """A group of nodes that serve the same thing, with its load balancing, health checks and limits."""

    basic: Basic = Basic()
    auto_scaling: AutoScaling = AutoScaling()
    connection: Connection = Connection()
    dns_autoscale: DnsAutoscale = DnsAutoscale()
    ftp: Ftp = Ftp()
    http: Http = Http()
    kerberos_protocol_transition: KerberosProtocolTransition = KerberosProtocolTransition()
    load_balancing: LoadBalancing = LoadBalancing()
    node: NodeFailure = NodeFailure()
    service_discovery: ServiceDiscovery = ServiceDiscovery()
    smtp: Smtp = Smtp()
    ssl: Ssl = Ssl()
    tcp: Tcp = Tcp()
    udp: Udp = Udp()


POOL = ResourceType(
    path="pools",
    title="Pool",
    plural="Pools",
    kind=Kind.COLLECTION,
    model=Pool,
    reserved=frozenset(SPECIAL_POOLS),
)
