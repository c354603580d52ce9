"""Strategies that generate the settings of objects from the declarations of their types.

Invariant: what `settings_of` draws is accepted by `build`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

from pointsman.schema.resource import Key, ResourceType, ValueKind

# Alphabets are written out: the whole of Unicode takes Hypothesis a second to prepare and finds nothing more.
WORDS = st.text("aZ09 -_/.,:;#'\"\\$%&{}<>*!?é日🚦\u202e", max_size=12)
ANY_TEXT = st.text('aZ0 -/.:#"\\\0\t\r\n\x7f\u2028é🚦\ud800', max_size=8)
LABELS = st.text("abcxyz019", min_size=1, max_size=8)
HOSTS = st.one_of(
    st.ip_addresses(v=4).map(str),
    st.lists(LABELS, min_size=1, max_size=3).map(lambda labels: ".".join((*labels, "test"))),
)
PORTS = st.integers(1, 65_535)
NODES = st.one_of(
    st.tuples(HOSTS, PORTS).map(lambda pair: f"{pair[0]}:{pair[1]}"),
    st.tuples(st.ip_addresses(v=6), PORTS).map(lambda pair: f"[{pair[0]}]:{pair[1]}"),
)
PATTERNS = st.sampled_from(["", ".+", "^2..$", r"\d+\.\d+", "(ok|fine)", r"(^|\n)220 [^\n]+\n"])
TRAFFIC_IPS = st.one_of(
    st.ip_addresses(network="192.0.2.0/24").map(str), st.ip_addresses(network="2001:db8::/32").map(str)
)
END_POINTS = st.one_of(st.just(""), HOSTS, NODES)

# Keys whose values must have a form that their kind does not tell. A range of ports has its lower end fixed.
FORMS: Mapping[str, st.SearchStrategy[Any]] = {
    "pools basic.node": NODES,
    "pools basic.source_ip": st.one_of(st.just(""), st.ip_addresses().map(str)),
    "virtual_servers basic.listen_on_hosts": st.lists(HOSTS, max_size=4),
    "virtual_servers ssl.host": st.one_of(HOSTS, HOSTS.map(lambda host: f"*.{host}")),
    "virtual_servers ssl.issuer": WORDS.filter(bool),
    "virtual_servers ssl.certificate": WORDS.filter(bool),
    "virtual_servers syslog.ip_end_point": END_POINTS,
    "virtual_servers ftp.port_range_low": st.just(0),
    "virtual_servers rtsp.streaming_port_range_low": st.just(0),
    "virtual_servers sip.streaming_port_range_low": st.just(0),
    "user_groups basic.name": WORDS.filter(bool),
    "monitors basic.machine": END_POINTS,
    "traffic_ip_groups basic.ip": TRAFFIC_IPS,
    "traffic_ip_groups basic.ipaddresses": st.lists(TRAFFIC_IPS, max_size=4),
    "monitors http.body_regex": PATTERNS,
    "monitors http.status_regex": PATTERNS,
    "monitors rtsp.body_regex": PATTERNS,
    "monitors rtsp.status_regex": PATTERNS,
    "monitors sip.body_regex": PATTERNS,
    "monitors sip.status_regex": PATTERNS,
    "monitors tcp.response_regex": PATTERNS,
}


@st.composite
def settings_of(draw: st.DrawFn, kind: ResourceType) -> dict[str, dict[str, Any]]:
    """Settings of an object of `kind`: every required key and a few of the others."""
    keys = st.lists(st.sampled_from(kind.keys), max_size=6, unique_by=lambda key: key.path)
    chosen = {key.path: key for key in (*draw(keys), *(key for key in kind.keys if key.required))}
    settings: dict[str, dict[str, Any]] = {}
    for key in chosen.values():
        settings.setdefault(key.section, {})[key.name] = draw(values_of(kind, key))
    return settings


def values_of(kind: ResourceType, key: Key) -> st.SearchStrategy[Any]:
    """Permitted values of a key or of a table's column."""
    if (form := FORMS.get(f"{kind.path} {key.path}")) is not None:
        return form
    if key.choices:
        return st.sampled_from(key.choices)
    match key.kind:
        case ValueKind.BOOLEAN:
            return st.booleans()
        case ValueKind.INTEGER:
            return st.integers(key.minimum, key.maximum)
        case ValueKind.NUMBER:
            return st.floats(key.minimum, key.maximum, allow_nan=False, allow_infinity=False)
        case ValueKind.STRING:
            return WORDS
        case ValueKind.LIST:
            return st.lists(WORDS, max_size=4)
        case ValueKind.TABLE:
            columns = {column.name: values_of(kind, column) for column in key.columns}
            required = {
                name: columns.pop(name)
                for name in [c.name for c in key.columns if c.required or c.name == key.row_key]
            }
            rows = st.fixed_dictionaries(required, optional=columns)
            return st.lists(rows, max_size=4, unique_by=lambda row: row[key.row_key])


ANY_JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), ANY_TEXT),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(ANY_TEXT, inner, max_size=3)),
    max_leaves=6,
)
"""Any value that JSON can hold."""
