"""Which keys have an effect today, and what is said about the others.

Invariant: a key that is set to other than its default and that nothing acts on is named in a condition; nothing is
ignored in silence. A key enters these tables in the change that gives it its effect.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, partial

from pydantic import BaseModel

from pointsman.compiler.memory import Memory
from pointsman.compiler.remark import Remarks
from pointsman.schema.problem import ObjectId
from pointsman.schema.registry import BY_PATH
from pointsman.schema.resource import FileResource, Key, Kind, Resource, ResourceType
from pointsman.schema.snapshot import Snapshot

Keys = Mapping[str, frozenset[str]]
"""Section -> keys; "nodes_table.weight" is a column of a table."""


def _keys(**sections: str) -> Keys:
    return {section: frozenset(names.split()) for section, names in sections.items()}


COMPILED: Mapping[str, Keys] = {
    "bandwidth": _keys(basic="maximum sharing"),
    "virtual_servers": _keys(
        basic="bandwidth_class connect_timeout enabled listen_on_any listen_on_hosts listen_on_traffic_ips "
        "max_concurrent_connections pool port protocol proxy_protocol ssl_decrypt",
        connection="keepalive keepalive_timeout timeout",
        http="add_cluster_ip add_x_forwarded_for add_x_forwarded_proto strip_x_forwarded_proto",
        http2="enabled",
        ssl="server_cert_default server_cert_host_mapping.certificate server_cert_host_mapping.host "
        "support_tls1 support_tls1_1 support_tls1_2 support_tls1_3",
    ),
    "persistence": _keys(
        basic="cookie failure_mode subnet_prefix_length_v4 subnet_prefix_length_v6 transparent_always_set_cookie "
        "transparent_directives type url",
    ),
    "pools": _keys(
        basic="bandwidth_class failure_pool max_connection_attempts max_idle_connections_pernode "
        "max_timed_out_connection_attempts monitors node_connection_attempts nodes_table.node nodes_table.priority "
        "nodes_table.source_ip nodes_table.state nodes_table.weight passive_monitoring persistence_class",
        connection="max_connect_time max_connections_per_node max_queue_size max_reply_time max_transactions_per_node "
        "queue_timeout",
        http="keepalive keepalive_non_idempotent",
        load_balancing="algorithm priority_enabled priority_nodes",
        node="close_on_death retry_fail_time",
        ssl="common_name_match enable server_name strict_verify support_tls1 support_tls1_1 support_tls1_2 "
        "support_tls1_3",
    ),
    "monitors": _keys(
        basic="back_off delay failures machine scope timeout type use_ssl verbose",
        http="authentication body_regex host_header path status_regex",
        tcp="close_string max_response_len response_regex write_string",
    ),
    "ssl/server_keys": _keys(basic="private public"),
    "traffic_ip_groups": _keys(
        basic="enabled ip_assignment_mode ip_mapping.ip ip_mapping.traffic_manager ipaddresses keeptogether machines "
        "mode slaves",
    ),
    "traffic_managers": _keys(basic="trafficip.name trafficip.networks", engine_health="port"),
    "global_settings": _keys(
        basic="max_fds",
        connection="listen_queue_size",
        fault_tolerance="arp_count auto_failback autofailback_delay child_timeout frontend_check_ips monitor_interval "
        "monitor_timeout",
        session="ip_cache_expiry ip_cache_size universal_cache_expiry universal_cache_size",
        ssl="cache_enabled cache_expiry cache_size support_tls1_2 support_tls1_3 tickets_enabled",
    ),
}
"""Keys whose value changes the plan."""

ELSEWHERE: Mapping[str, Keys] = {
    "bandwidth": _keys(basic="note"),
    # Lists for other tools.
    "custom": _keys(basic="string_lists"),
    # `delete` follows from the type and the failure mode, and has a condition of its own.
    "persistence": _keys(basic="delete note"),
    "virtual_servers": _keys(basic="note"),
    "pools": _keys(basic="note"),
    # The first two rows describe how forms show a monitor; SIP, RTSP and programs have a condition of their own.
    "monitors": _keys(
        basic="note health_only can_edit_ssl can_use_ssl editable_keys factory",
        rtsp="body_regex path status_regex",
        script="arguments.description arguments.name arguments.value program",
        sip="body_regex status_regex transport",
        udp="accept_all",
    ),
    "ssl/server_keys": _keys(basic="note request"),
    "traffic_ip_groups": _keys(basic="note"),
    "traffic_managers": _keys(cluster_comms="port", rest_api="port"),
    # control.access answers what users may do, control.accounts what passwords must be like, control.login_rules what
    # is asked of a login; web.ui.banners shows the texts.
    "user_groups": _keys(
        basic="description password_expire_time permissions.access_level permissions.name timeout",
        second_factor="required_for",
    ),
    "global_settings": _keys(
        rest_api="auth_timeout",
        security="login_banner login_banner_accept login_delay max_login_attempts max_login_suspension_time "
        "password_allow_consecutive_chars password_changes_per_day password_min_alpha_chars password_min_length "
        "password_min_numeric_chars password_min_special_chars password_min_uppercase_chars password_reuse_after "
        "post_login_banner track_unknown_users ui_page_banner",
    ),
}
"""Keys that need no place in the plan: they are for people or forms, or another part of the product acts on them, or
their object has a condition that says more.
"""

GUARDS: Mapping[str, Keys] = {
    "virtual_servers": _keys(
        basic="protection_class",
        auth="type",
        ssl="ca_sites client_cert_cas request_client_cert",
    ),
    "pools": _keys(ssl="client_auth"),
}
"""Keys that keep somebody out. Without their effect more is permitted than was asked for: a warning, not a notice."""

_RULES = frozenset({"request_rules", "response_rules", "completion_rules"})


def remark_on_keys(snapshot: Snapshot, memory: Memory, remarks: Remarks) -> None:
    """Adds a condition for each key of each object that is set and has no effect yet."""
    for identity, resource in snapshot.objects.items():
        kind = BY_PATH.get(identity.type)
        if kind is None or kind.kind is Kind.FILE or isinstance(resource, FileResource):
            continue
        if not _suspicious(kind, resource):
            continue  # nearly all of thousands of objects: it costs less than to remember each
        make = partial(_remark_on_object, identity, kind, resource)
        memory.recall(f"keys of {identity.type}", identity.name, (resource,), make, remarks)


def _suspicious(kind: ResourceType, resource: Resource) -> bool:
    """Whether a key was set, to whatever, that has no effect."""
    idle = _idle(kind.path)
    return any(
        not getattr(resource, section).model_fields_set.isdisjoint(idle.get(section, ()))
        for section in resource.model_fields_set
    )


@cache
def _idle(resource_type: str) -> Keys:
    """The keys of which not all has an effect, by section, as the model's fields."""
    found: dict[str, set[str]] = {}
    for key in BY_PATH[resource_type].keys:
        columns = [acts(resource_type, key.section, f"{key.name}.{column.name}") for column in key.columns]
        if not acts(resource_type, key.section, key.name) and not (columns and all(columns)):
            found.setdefault(key.section, set()).add(key.attribute)
    return {section: frozenset(names) for section, names in found.items()}


def _remark_on_object(identity: ObjectId, kind: ResourceType, resource: Resource, remarks: Remarks) -> None:
    for key in _set_keys(kind, resource):
        for path in _without_effect(identity.type, key, key.read(resource)):
            guards = key.name in GUARDS.get(identity.type, {}).get(key.section, ())
            say = remarks.warn if guards else remarks.notice
            say(identity, "not_acted_on", _message(key, path, guards), *path)


def is_idle(resource_type: str, key: Key) -> bool:
    """Whether nothing of a key has an effect, whatever it is set to."""
    names = (key.name, *(f"{key.name}.{column.name}" for column in key.columns))
    return not any(acts(resource_type, key.section, name) for name in names)


def acts(resource_type: str, section: str, name: str) -> bool:
    """Whether a key, or a column written "table.column", has an effect or needs none."""
    return any(name in table.get(resource_type, {}).get(section, ()) for table in (COMPILED, ELSEWHERE))


def _set_keys(kind: ResourceType, resource: Resource) -> list[Key]:
    """The keys that were set at all (whatever to), sorted by section and name."""
    written = {section: getattr(resource, section).model_fields_set for section in resource.model_fields_set}
    found = [key for key in kind.keys if key.attribute in written.get(key.section, ())]
    return sorted(found, key=lambda key: (key.section, key.name))


def _without_effect(resource_type: str, key: Key, value: object) -> list[tuple[str, ...]]:
    """Paths of the key, or of the cells of its rows, that are set to other than the default and have no effect."""
    if acts(resource_type, key.section, key.name) or _plain(value) == key.default:
        return []
    cells = [
        column for column in key.columns if acts(resource_type, key.section, f"{key.name}.{column.name}")
    ]
    if not cells or not isinstance(value, tuple):
        return [(key.section, key.name)]
    return [
        (key.section, key.name, str(getattr(row, key.row_key)), column.name)
        for row in value
        for column in key.columns
        if column not in cells and _plain(getattr(row, column.attribute)) != column.default
    ]


def _plain(value: object) -> object:
    """A value as it is written in JSON, to compare with a default."""
    if isinstance(value, tuple):
        return [_plain(element) for element in value]
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    return value


def _message(key: Key, path: tuple[str, ...], guards: bool) -> str:
    where = ".".join(path)
    if key.name in _RULES:
        return (
            f"{where} is stored and not yet acted on: rules do not run yet, and traffic passes without them"
        )
    if guards:
        return f"{where} is stored and not yet acted on: traffic is not restricted by it; protect the service otherwise"
    return f"{where} is stored and not yet acted on; everything runs as with its default"
