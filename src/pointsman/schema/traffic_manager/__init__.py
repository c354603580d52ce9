"""The members of the cluster: one object for each, named like the machine.

Invariant: every section has a default, so that a machine nobody configured has complete settings.
"""

from __future__ import annotations

from pointsman.schema.resource import Kind, RenamedKey, Resource, ResourceType
from pointsman.schema.traffic_manager.appliance import Appliance, Ec2, Iptables, Iptrans
from pointsman.schema.traffic_manager.member import (
    Admin,
    Autodiscover,
    Basic,
    ClusterComms,
    EngineHealth,
    FaultTolerance,
    Java,
    Kerberos,
    RemoteLicensing,
    RestApi,
    Snmp,
    Soap,
)


class TrafficManager(Resource):
    """One traffic manager of the cluster, with what differs from the other members."""

    basic: Basic = Basic()
    admin: Admin = Admin()
    appliance: Appliance = Appliance()
    autodiscover: Autodiscover = Autodiscover()
    cluster_comms: ClusterComms = ClusterComms()
    ec2: Ec2 = Ec2()
    engine_health: EngineHealth = EngineHealth()
    fault_tolerance: FaultTolerance = FaultTolerance()
    iptables: Iptables = Iptables()
    iptrans: Iptrans = Iptrans()
    java: Java = Java()
    kerberos: Kerberos = Kerberos()
    remote_licensing: RemoteLicensing = RemoteLicensing()
    rest_api: RestApi = RestApi()
    snmp: Snmp = Snmp()
    soap: Soap = Soap()


TRAFFIC_MANAGER = ResourceType(
    path="traffic_managers",
    title="Traffic Manager",
    plural="Traffic Managers",
    kind=Kind.COLLECTION,
    model=TrafficManager,
    creatable=False,
    renamed=(RenamedKey(2, ("basic", "engine_health_port"), ("engine_health", "port")),),
)
