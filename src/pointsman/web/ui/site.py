"""The map of the site: every page that is listed somewhere, with its tab, its address and the permission it takes.

Pure. Invariant: navigation, breadcrumbs and search are made from this table alone, so a page is found by all of them or
by none; permissions are names of `user-groups` in the product's words.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Place:
    """A page of a tab. `group` is the heading it stands under in the tab's list; `words` is what else people search
    for; `permission` is what somebody must hold to read it, to write anything on it the same at level "full";
    `also` are addresses elsewhere whose pages belong to it.
    """

    path: str
    title: str
    permission: str
    group: str = ""
    words: str = ""
    also: tuple[str, ...] = ()


@dataclass(frozen=True)
class Tab:
    """One of the six tabs; the first page is the tab's own."""

    title: str
    places: tuple[Place, ...]

    @property
    def path(self) -> str:
        """Where the tab leads."""
        return self.places[0].path


HOME = Tab("Home", (Place("/", "Home", "MainIndex", words="overview dashboard start"),))

SERVICES = Tab(
    "Services",
    (
        Place("/services", "Overview", "Virtual_Servers", words="service map tree"),
        Place(
            "/services/virtual-servers", "Virtual Servers", "Virtual_Servers", words="listen port frontend"
        ),
        Place("/services/pools", "Pools", "Pools", words="nodes backend upstream"),
        Place(
            "/services/traffic-ip-groups",
            "Traffic IP Groups",
            "Traffic_IP_Groups",
            words="vip floating address failover",
        ),
        Place("/services/nodes", "Nodes", "Pools", words="servers drain disable activate remove dead"),
        Place(
            "/services/config-summary",
            "Config Summary",
            "Config_Summary",
            words="export import document yaml json",
        ),
    ),
)

CATALOGS = Tab(
    "Catalogs",
    (
        Place("/catalogs", "Overview", "Catalog"),
        Place("/catalogs/rules", "Rules", "Rules", words="trafficscript"),
        Place("/catalogs/monitors", "Monitors", "Monitors", words="health check"),
        Place("/catalogs/persistence", "Persistence", "Persistence", words="session sticky"),
        Place("/catalogs/bandwidth", "Bandwidth", "Bandwidth", words="limit rate"),
        Place("/catalogs/ssl", "SSL", "SSL", "SSL", words="tls certificates expiry timeline"),
        Place(
            "/catalogs/ssl/server-certificates",
            "Server Certificates",
            "SSL!SSL_Certs",
            "SSL",
            words="tls https upload import csr request self-signed key pkcs12",
        ),
        Place(
            "/catalogs/ssl/certificate-authorities",
            "Certificate Authorities",
            "SSL!CAs",
            "SSL",
            words="ca root trust bundle",
        ),
        Place(
            "/catalogs/ssl/sni",
            "Certificates by Host Name",
            "Virtual_Servers!Edit!SSL_Decryption",
            "SSL",
            words="sni map mapping host",
        ),
        Place(
            "/catalogs/extra-files", "Extra Files", "Extra_Files!Miscellaneous_Files", "More", words="upload"
        ),
        Place("/catalogs/custom", "Custom", "Custom", "More", words="key value list"),
    ),
)

DIAGNOSE = Tab(
    "Diagnose",
    (
        Place("/diagnose", "Cluster Diagnosis", "Diagnose", words="trouble errors wrong down why"),
        Place(
            "/diagnose/explain", "Explain a Request", "Diagnose", words="trace url which pool node route sni"
        ),
        Place("/diagnose/event-log", "Event Log", "Event_Log", words="events history live tail"),
        Place("/diagnose/audit-log", "Audit Log", "Audit_Log", words="who changed what login history"),
        Place(
            "/changes/history",
            "History of Changes",
            "Audit_Log",
            words="undo revert who changed",
            also=("/changes/undo", "/changes/restore"),
        ),
        Place(
            "/diagnose/replication",
            "Replication",
            "Diagnose!Replicate",
            words="conflict superseded lost edits",
        ),
        Place("/diagnose/support", "Technical Support", "Support_Files", words="report tsr bundle download"),
    ),
)

ACTIVITY = Tab(
    "Activity",
    (
        Place(
            "/activity",
            "Current Activity",
            "Monitoring",
            words="graph live requests bandwidth errors response time",
        ),
        Place(
            "/activity/history", "Historical Activity", "Statd", words="graph hour day week 90 days export"
        ),
        Place("/activity/stats", "Statistics", "Monitoring", words="counters table csv json haproxy stats"),
        Place("/activity/draining", "Draining Nodes", "Draining", words="drain empty remove node countdown"),
        Place("/activity/connections", "Connections", "Connections", words="clients sessions top talkers"),
        Place("/activity/map", "Map", "Map", words="share of traffic pools nodes"),
        Place("/activity/logs", "View Logs", "Log_Viewer", words="log files download search tail"),
    ),
)

SYSTEM = Tab(
    "System",
    (
        Place(
            "/system/traffic-managers",
            "Traffic Managers",
            "Traffic_Managers",
            words="cluster members join leave remove",
        ),
        Place("/system/networking", "Networking", "Networking", words="dns resolver hosts"),
        Place(
            "/system/fault-tolerance",
            "Fault Tolerance",
            "Fault_Tolerance",
            words="failover heartbeat arp bgp",
        ),
        Place("/system/security", "Security", "Security", words="password login banner tls admin rest"),
        Place("/system/snmp", "SNMP", "SNMP", words="counters"),
        Place("/system/alerting", "Alerting", "Alerting", words="mail events"),
        Place("/system/global-settings", "Global Settings", "Global_Settings"),
        Place(
            "/system/users", "Users", "Access_Management!LocalUsers", words="accounts people login suspend"
        ),
        Place(
            "/system/groups",
            "Groups",
            "Access_Management!Groups",
            words="permissions roles rights access password expiry timeout",
        ),
        Place("/system/sessions", "Sessions", "Access_Management!LocalUsers", words="logged in browsers"),
        Place("/system/licenses", "Licenses", "License_Keys", words="licence key community"),
        Place("/system/backups", "Configuration Backups", "Backup", words="restore compare download"),
        Place("/system/upgrade", "Upgrade", "Traffic_Managers", words="version level restart rollback"),
    ),
)

TABS: tuple[Tab, ...] = (HOME, SERVICES, CATALOGS, DIAGNOSE, ACTIVITY, SYSTEM)


def place_of(path: str) -> tuple[Tab, Place] | None:
    """The tab and listed page that an address belongs to: the longest that it begins with; None for pages outside."""
    best: tuple[Tab, Place] | None = None
    for tab in TABS:
        for place in tab.places:
            inside = path == place.path or (place.path != "/" and path.startswith(f"{place.path}/"))
            inside = inside or any(path.startswith(f"{other}/") for other in place.also)
            if inside and (best is None or len(place.path) > len(best[1].path)):
                best = (tab, place)
    return best
