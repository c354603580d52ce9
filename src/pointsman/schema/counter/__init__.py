"""The statistics tree, declared once: every leaf, and every counter with its kind, unit and meaning.

Invariant: leaves are in path order and no two have the same path.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from pointsman.schema.counter import cache, catalogue, machine, pool, virtual_server
from pointsman.schema.counter.declaration import Counter, CounterKind, StatisticType
from pointsman.schema.counter.uncounted import is_counted

STATISTIC_TYPES: tuple[StatisticType, ...] = (
    catalogue.ACTIONS,
    catalogue.BANDWIDTH,
    cache.ASP_SESSIONS,
    cache.IP_SESSIONS,
    cache.J2EE_SESSIONS,
    cache.SSL_HANDSHAKES,
    cache.SSL_SESSIONS,
    cache.UNIVERSAL_SESSIONS,
    cache.WEB,
    catalogue.CLOUD_CREDENTIALS,
    catalogue.RATES,
    catalogue.EVENTS,
    catalogue.USER_COUNTERS_32,
    catalogue.USER_COUNTERS_64,
    catalogue.GLB_SERVICES,
    machine.GLOBALS,
    virtual_server.LISTEN_IPS,
    catalogue.LOCATIONS,
    machine.NETWORK_INTERFACES,
    pool.NODES,
    pool.NODES_INET46,
    pool.PER_POOL_NODES,
    catalogue.LOCATION_SERVICES,
    catalogue.NODE_SERVICE_LEVELS,
    catalogue.NODE_SERVICE_LEVELS_INET46,
    pool.POOLS,
    catalogue.RULE_AUTHENTICATORS,
    catalogue.RULES,
    catalogue.SERVICE_LEVELS,
    catalogue.PROTECTION,
    machine.OCSP_STAPLING,
    machine.FAULT_TOLERANCE,
    machine.TRAFFIC_IPS,
    machine.TRAFFIC_IPS_INET46,
    virtual_server.VIRTUAL_SERVERS,
)

STATISTICS_BY_PATH: Mapping[str, StatisticType] = MappingProxyType(
    {leaf.path: leaf for leaf in STATISTIC_TYPES}
)

__all__ = [
    "STATISTICS_BY_PATH",
    "STATISTIC_TYPES",
    "Counter",
    "CounterKind",
    "StatisticType",
    "is_counted",
]
