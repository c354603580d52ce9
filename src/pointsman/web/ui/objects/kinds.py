"""Where the pages of each resource type are, what they take, and what a list of its objects shows.

Invariant: every type of the registry that people make objects of has an entry; a type without one has no pages.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pointsman.console.language.choice import say
from pointsman.schema.registry import BY_PATH
from pointsman.schema.resource import ResourceType

Cells = Callable[[Any], tuple[str, ...]]
"""What a list shows of an object, a text to each column."""


@dataclass(frozen=True)
class SectionGroup:
    """Sections of an object that stand under a heading."""

    title: str
    sections: tuple[str, ...]


@dataclass(frozen=True)
class ObjectPages:
    """The pages of a resource type.

    `permission` is what reading takes, the same with "!Edit" (where the product has that) what writing takes;
    `essentials` are the keys that a new object is asked for, of which those in `begins` name every object of a type at
    first; `what` tells somebody who has none what they are for, and `wizard` leads there. On an object's page the
    sections and keys of `leading` come before the others. `targets` are the types that a column of the list names
    objects of. Where there are `groups`, the pages show the sections of these alone, and the page is called `name`.
    """

    type: str
    path: str
    permission: str
    what: str
    columns: tuple[str, ...] = ()
    cells: Cells = lambda resource: ()
    essentials: tuple[str, ...] = ()
    edit: str = ""
    name: str = ""
    groups: tuple[SectionGroup, ...] = ()
    leading: tuple[str, ...] = ()
    begins: Mapping[str, str] = field(default_factory=dict)
    targets: Mapping[str, str] = field(default_factory=dict)
    wizard: str = ""

    @property
    def kind(self) -> ResourceType:
        """The declaration."""
        return BY_PATH[self.type]

    @property
    def writing(self) -> str:
        """The permission that changes take."""
        return self.edit or f"{self.permission}!Edit"

    @property
    def title(self) -> str:
        """One object, in words."""
        return self.name or self.kind.title

    @property
    def sections(self) -> tuple[str, ...]:
        """The sections that the pages show."""
        if self.groups:
            return tuple(section for group in self.groups for section in group.sections)
        order = {path: place for place, path in enumerate(self.first)}
        return tuple(sorted(self.kind.sections, key=lambda section: order.get(section, len(order))))

    @property
    def first(self) -> tuple[str, ...]:
        """The sections and keys that come before the others."""
        return self.leading or self.essentials


def _first(values: tuple[str, ...], most: int = 3) -> str:
    return ", ".join(values[:most]) + (f" and {len(values) - most} more" if len(values) > most else "")


KINDS: tuple[ObjectPages, ...] = (
    ObjectPages(
        "virtual_servers",
        "/services/virtual-servers",
        "Virtual_Servers",
        "A virtual server is where clients connect: it listens on a port, applies rules, and hands requests to a pool.",
        ("Port", "Protocol", "Pool", "Enabled"),
        lambda one: (
            str(one.basic.port),
            one.basic.protocol,
            one.basic.pool,
            "yes" if one.basic.enabled else "no",
        ),
        ("basic.port", "basic.protocol", "basic.pool", "basic.enabled"),
        leading=(
            *("basic", "ssl", "connection", "http", "http2", "tcp", "udp", "gzip", "web_cache", "cookie"),
            *("connection_errors", "log", "syslog", "request_tracing", "recent_connections"),
            *(
                "basic.enabled",
                "basic.protocol",
                "basic.port",
                "basic.pool",
                "basic.note",
                "basic.listen_on_any",
            ),
            *("basic.listen_on_traffic_ips", "basic.listen_on_hosts", "basic.ssl_decrypt"),
            *(
                "basic.request_rules",
                "basic.response_rules",
                "basic.completion_rules",
                "basic.rules_on_connect",
            ),
            *("basic.max_concurrent_connections", "basic.bandwidth_class", "basic.connect_timeout"),
            *("ssl.server_cert_default", "ssl.server_cert_host_mapping", "ssl.server_cert_alt_certificates"),
            *("ssl.request_client_cert", "ssl.client_cert_cas", "ssl.client_cert_headers"),
            *("gzip.enabled", "web_cache.enabled", "log.enabled", "syslog.enabled", "http2.enabled"),
        ),
        targets={"Pool": "pools"},
        wizard="/wizards/new-service",
    ),
    ObjectPages(
        "pools",
        "/services/pools",
        "Pools",
        "A pool is a group of nodes, the servers that answer; it balances load over them and notices when one fails.",
        ("Nodes", "Algorithm", "Monitors"),
        lambda one: (
            str(len(one.basic.nodes_table)),
            say(one.load_balancing.algorithm.replace("_", " ")),
            _first(one.basic.monitors),
        ),
        ("basic.nodes_table", "basic.monitors", "load_balancing.algorithm"),
        leading=(
            *("basic", "load_balancing", "connection", "node", "http", "ssl", "tcp", "udp"),
            *("basic.nodes_table", "basic.note", "basic.monitors", "basic.passive_monitoring"),
            *("basic.persistence_class", "basic.failure_pool", "basic.bandwidth_class"),
            *("basic.node_connection_attempts", "basic.max_connection_attempts"),
            *(
                "connection.max_connect_time",
                "connection.max_reply_time",
                "connection.max_connections_per_node",
            ),
            *("connection.max_queue_size", "connection.queue_timeout"),
            *("ssl.enable", "ssl.strict_verify", "ssl.server_name", "ssl.common_name_match"),
        ),
        wizard="/wizards/new-service",
    ),
    ObjectPages(
        "traffic_ip_groups",
        "/services/traffic-ip-groups",
        "Traffic_IP_Groups",
        "A traffic IP group holds addresses that move to another traffic manager when the one that has them fails.",
        ("Addresses", "Traffic managers", "Enabled"),
        lambda one: (
            _first(one.basic.ipaddresses),
            _first(one.basic.machines),
            "yes" if one.basic.enabled else "no",
        ),
        ("basic.ipaddresses", "basic.machines"),
        leading=(
            *(
                "basic.enabled",
                "basic.ipaddresses",
                "basic.machines",
                "basic.slaves",
                "basic.note",
                "basic.mode",
            ),
            *("basic.keeptogether", "basic.ip_assignment_mode", "basic.ip_mapping"),
        ),
        begins={"basic.machines": "traffic_managers"},
        wizard="/wizards/new-traffic-ip-group",
    ),
    ObjectPages(
        "rules",
        "/catalogs/rules",
        "Rules",
        "A rule looks at requests or responses and acts on them. Rules are kept here and used by virtual servers.",
    ),
    ObjectPages(
        "monitors",
        "/catalogs/monitors",
        "Monitors",
        "A monitor checks the health of a pool's nodes.",
        ("Type", "Delay", "Timeout", "Failures"),
        lambda one: (
            say(one.basic.type.replace("_", " ")),
            f"{one.basic.delay} s",
            f"{one.basic.timeout} s",
            str(one.basic.failures),
        ),
        ("basic.type", "basic.delay", "basic.timeout", "basic.failures"),
        leading=(
            *("basic", "http", "tcp", "rtsp", "sip", "udp", "script"),
            *("basic.type", "basic.note", "basic.delay", "basic.timeout", "basic.failures", "basic.back_off"),
            *("basic.scope", "basic.machine", "basic.use_ssl", "basic.verbose", "basic.health_only"),
            *("http.path", "http.host_header", "http.status_regex", "http.body_regex"),
        ),
    ),
    ObjectPages(
        "persistence",
        "/catalogs/persistence",
        "Persistence",
        "A session persistence class brings a client back to the node that served it before.",
        ("Type", "When its node is gone"),
        lambda one: (one.basic.type, say(one.basic.failure_mode.replace("_", " "))),
        ("basic.type",),
        leading=(
            *("basic.type", "basic.note", "basic.cookie", "basic.transparent_directives"),
            *("basic.transparent_always_set_cookie", "basic.subnet_prefix_length_v4"),
            *("basic.subnet_prefix_length_v6", "basic.failure_mode", "basic.url", "basic.delete"),
        ),
    ),
    ObjectPages(
        "bandwidth",
        "/catalogs/bandwidth",
        "Bandwidth",
        "A bandwidth class limits how fast virtual servers and pools that use it send.",
        ("Limit", "Sharing"),
        lambda one: (f"{one.basic.maximum} kbit/s", one.basic.sharing),
        ("basic.maximum", "basic.sharing"),
    ),
    ObjectPages(
        "ssl/server_keys",
        "/catalogs/ssl/server-certificates",
        "SSL!SSL_Certs",
        "A server certificate with its private key lets virtual servers decrypt TLS.",
    ),
    ObjectPages(
        "ssl/cas",
        "/catalogs/ssl/certificate-authorities",
        "SSL!CAs",
        "A certificate authority is whom certificates of nodes and clients are checked against.",
    ),
    ObjectPages(
        "extra_files",
        "/catalogs/extra-files",
        "Extra_Files!Miscellaneous_Files",
        "An extra file is anything that rules and error pages need.",
        edit="Extra_Files!Miscellaneous_Files",
    ),
    ObjectPages(
        "custom",
        "/catalogs/custom",
        "Custom",
        "A custom configuration set keeps lists of words for rules and tools of your own.",
        edit="Custom",
    ),
    ObjectPages(
        "traffic_managers",
        "/system/traffic-managers/settings",
        "Traffic_Managers",
        "The settings of each traffic manager of the cluster.",
        edit="Traffic_Managers",
    ),
    ObjectPages(
        "user_groups",
        "/system/groups",
        "Access_Management!Groups",
        "A group says what its users may see and change, and how long they stay logged in.",
        ("Description",),
        lambda one: (one.basic.description,),
        ("basic.description", "basic.timeout", "basic.password_expire_time"),
    ),
    ObjectPages(
        "global_settings",
        "/system/global-settings",
        "Global_Settings",
        "What holds for the whole cluster and stands on no page of its own.",
        edit="Global_Settings",
        groups=(
            SectionGroup(
                "System", ("basic", "appliance", "remote_licensing", "telemetry", "watchdog", "zoneinfo")
            ),
            SectionGroup(
                "Connections",
                ("bandwidth", "connection", "ftp", "http", "protection", "recent_connections", "session"),
            ),
            SectionGroup("TLS", ("ssl", "ssl_hardware")),
            SectionGroup(
                "Content and rules", ("aptimizer", "java", "kerberos", "trafficscript", "web_cache")
            ),
            SectionGroup(
                "Logs",
                (
                    "auditlog",
                    "historical_activity",
                    "log",
                    "log_export",
                    "periodic_log",
                    "transaction_export",
                ),
            ),
            SectionGroup("Clouds and locations", ("autoscaler", "dns_autoscale", "ec2", "gce", "glb")),
        ),
    ),
)

SETTINGS: tuple[ObjectPages, ...] = (
    ObjectPages(
        "global_settings",
        "/system/networking",
        "Networking",
        "How the traffic managers find names and routes. Addresses and ports of each are among its own settings.",
        edit="Networking",
        name="Networking",
        groups=(SectionGroup("", ("dns", "ip")),),
    ),
    ObjectPages(
        "global_settings",
        "/system/fault-tolerance",
        "Fault_Tolerance",
        "How members of the cluster watch one another, and how traffic IPs move.",
        edit="Fault_Tolerance",
        name="Fault Tolerance",
        groups=(SectionGroup("", ("fault_tolerance", "cluster_comms", "bgp", "ospfv2")),),
    ),
    ObjectPages(
        "global_settings",
        "/system/security",
        "Security",
        "Who gets in, and how the administration is protected: logins, passwords, TLS of the admin server, REST.",
        edit="Security",
        name="Security",
        groups=(SectionGroup("", ("security", "admin", "auth", "fips", "rest_api", "soap")),),
    ),
    ObjectPages(
        "global_settings",
        "/system/snmp",
        "SNMP",
        "What holds for SNMP on every traffic manager. Addresses and communities are among the settings of each.",
        edit="SNMP",
        name="SNMP",
        groups=(SectionGroup("", ("snmp",)),),
    ),
    ObjectPages(
        "global_settings",
        "/system/alerting",
        "Alerting",
        "How often what happens is told by mail, and how often that is tried.",
        edit="Alerting",
        name="Alerting",
        groups=(SectionGroup("", ("eventing",)),),
    ),
)
"""Pages that show a part of an object which has a page for the rest: no section is on two of them."""

PAGES: Mapping[str, ObjectPages] = {pages.type: pages for pages in KINDS}


def pages_of_section(type_path: str, section: str) -> ObjectPages | None:
    """The pages on which a section of a type is."""
    found = (pages for pages in (*SETTINGS, *KINDS) if pages.type == type_path and section in pages.sections)
    return next(found, None)
