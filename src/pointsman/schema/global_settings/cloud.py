"""Global settings of clouds and of pools that grow and shrink.

Invariant: each class is one section of `global_settings`; its keys stand in alphabetical order.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from pointsman.schema.resource import Section
from pointsman.schema.value import Hidden, Line, Secret, Since, Unit


class Autoscaler(Section):
    """Pools that make and destroy machines as load demands."""

    slm_interval: Annotated[int, Unit("s"), Hidden(), Since("4.0")] = 0
    """The span of time over which response times are judged."""

    verbose: bool = False
    """Whether every decision and every call of a cloud's interface is written to the event log."""


class DnsAutoscale(Section):
    """Pools whose nodes come from DNS."""

    resolver: Annotated[Line, Hidden(), Since("4.0")] = ""
    """The name server to ask; empty means the operating system's."""


class Ec2(Section):
    """Access to Amazon Web Services, where traffic IPs are addresses of the cloud."""

    access_key_id: Line = ""
    """Identifier of the access key for the cloud's interface."""

    action_timeout: Annotated[int, Unit("s"), Hidden(), Since("4.0")] = 0
    """How long moving an address may take."""

    awstool_timeout: Annotated[int, Field(ge=1, le=3600), Unit("s"), Since("3.10")] = 10
    """How long one call of the cloud's interface may take."""

    metadata_server: Annotated[Line, Since("5.0")] = ""
    """URL of the service that tells a machine about itself; empty means the cloud's usual one."""

    metadata_timeout: Annotated[int, Unit("s"), Hidden(), Since("4.0")] = 0
    """How long that service may take to answer."""

    query_server: Annotated[Line, Since("5.0")] = ""
    """URL of the cloud's interface; empty means the usual one of the machine's region."""

    secret_access_key: Annotated[Line, Secret("empty")] = ""
    """The secret that belongs to the access key."""

    verify_query_server_cert: bool = False
    """Whether the certificate of the cloud's interface is checked."""

    vpc_decluster_on_stop: Annotated[bool, Hidden(), Since("4.0")] = False
    """Whether a machine leaves the cluster when the cloud stops it."""


class Gce(Section):
    """Access to Google Compute Engine."""

    action_timeout: Annotated[int, Unit("s"), Hidden(), Since("6.2")] = 0
    """How long moving an address may take."""
