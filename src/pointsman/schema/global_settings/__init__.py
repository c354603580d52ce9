"""Settings of the whole cluster, one object whose sections stand in the modules beside this one.

Invariant: every section has a default, so that a cluster nobody configured has complete settings.
"""

from __future__ import annotations

from pointsman.schema.global_settings.administration import Admin, Auth, RestApi, Security, Snmp, Soap
from pointsman.schema.global_settings.cloud import Autoscaler, DnsAutoscale, Ec2, Gce
from pointsman.schema.global_settings.cluster import Bgp, ClusterComms, FaultTolerance, Glb, Ospfv2
from pointsman.schema.global_settings.content import Aptimizer, Java, Kerberos, Trafficscript, WebCache
from pointsman.schema.global_settings.log import (
    Auditlog,
    Eventing,
    HistoricalActivity,
    Log,
    LogExport,
    PeriodicLog,
    TransactionExport,
)
from pointsman.schema.global_settings.ssl import Ssl, SslHardware
from pointsman.schema.global_settings.system import (
    Appliance,
    Bandwidth,
    Basic,
    Fips,
    RemoteLicensing,
    Telemetry,
    Watchdog,
    Zoneinfo,
)
from pointsman.schema.global_settings.traffic import (
    Connection,
    Dns,
    Ftp,
    Http,
    Ip,
    Protection,
    RecentConnections,
    Session,
)
from pointsman.schema.resource import Kind, Resource, ResourceType


class GlobalSettings(Resource):
    """Settings that hold for every traffic manager of the cluster."""

    basic: Basic = Basic()
    admin: Admin = Admin()
    appliance: Appliance = Appliance()
    aptimizer: Aptimizer = Aptimizer()
    auditlog: Auditlog = Auditlog()
    auth: Auth = Auth()
    autoscaler: Autoscaler = Autoscaler()
    bandwidth: Bandwidth = Bandwidth()
    bgp: Bgp = Bgp()
    cluster_comms: ClusterComms = ClusterComms()
    connection: Connection = Connection()
    dns: Dns = Dns()
    dns_autoscale: DnsAutoscale = DnsAutoscale()
    ec2: Ec2 = Ec2()
    eventing: Eventing = Eventing()
    fault_tolerance: FaultTolerance = FaultTolerance()
    fips: Fips = Fips()
    ftp: Ftp = Ftp()
    gce: Gce = Gce()
    glb: Glb = Glb()
    historical_activity: HistoricalActivity = HistoricalActivity()
    http: Http = Http()
    ip: Ip = Ip()
    java: Java = Java()
    kerberos: Kerberos = Kerberos()
    log: Log = Log()
    log_export: LogExport = LogExport()
    ospfv2: Ospfv2 = Ospfv2()
    periodic_log: PeriodicLog = PeriodicLog()
    protection: Protection = Protection()
    recent_connections: RecentConnections = RecentConnections()
    remote_licensing: RemoteLicensing = RemoteLicensing()
    rest_api: RestApi = RestApi()
    security: Security = Security()
    session: Session = Session()
    snmp: Snmp = Snmp()
    soap: Soap = Soap()
    ssl: Ssl = Ssl()
    ssl_hardware: SslHardware = SslHardware()
    telemetry: Telemetry = Telemetry()
    trafficscript: Trafficscript = Trafficscript()
    transaction_export: TransactionExport = TransactionExport()
    watchdog: Watchdog = Watchdog()
    web_cache: WebCache = WebCache()
    zoneinfo: Zoneinfo = Zoneinfo()


GLOBAL_SETTINGS = ResourceType(
    path="global_settings",
    title="Global Settings",
    plural="Global Settings",
    kind=Kind.SINGLETON,
    model=GlobalSettings,
)
