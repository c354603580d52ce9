"""The explicit list of resource types: REST routes, forms, documents and the store all follow it.

Invariant: a type that is not in the list does not exist for any of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from pointsman.schema.bandwidth import BANDWIDTH
from pointsman.schema.certificate_authority import CERTIFICATE_AUTHORITY
from pointsman.schema.cluster import CLUSTER_TYPES
from pointsman.schema.custom import CUSTOM
from pointsman.schema.extra_file import EXTRA_FILE
from pointsman.schema.global_settings import GLOBAL_SETTINGS
from pointsman.schema.license_key import LICENSE_KEY
from pointsman.schema.monitor import MONITOR
from pointsman.schema.persistence import PERSISTENCE
from pointsman.schema.pool import POOL
from pointsman.schema.resource import ResourceType
from pointsman.schema.rule import RULE
from pointsman.schema.server_key import SERVER_KEY
from pointsman.schema.traffic_ip_group import TRAFFIC_IP_GROUP
from pointsman.schema.traffic_manager import TRAFFIC_MANAGER
from pointsman.schema.user_group import USER_GROUP
from pointsman.schema.virtual_server import VIRTUAL_SERVER

RESOURCE_TYPES: tuple[ResourceType, ...] = (
    BANDWIDTH,
    CUSTOM,
    EXTRA_FILE,
    GLOBAL_SETTINGS,
    LICENSE_KEY,
    MONITOR,
    PERSISTENCE,
    POOL,
    RULE,
    CERTIFICATE_AUTHORITY,
    SERVER_KEY,
    TRAFFIC_IP_GROUP,
    TRAFFIC_MANAGER,
    USER_GROUP,
    VIRTUAL_SERVER,
)

BY_PATH: Mapping[str, ResourceType] = MappingProxyType({kind.path: kind for kind in RESOURCE_TYPES})

INTERNAL_TYPES: tuple[ResourceType, ...] = CLUSTER_TYPES
"""What the members of a cluster keep about themselves (paths below "cluster/"): stored and replicated like
configuration, and shown by no surface as such.
"""

STORED: Mapping[str, ResourceType] = MappingProxyType(
    {kind.path: kind for kind in (*RESOURCE_TYPES, *INTERNAL_TYPES)}
)
"""What the store knows."""
