"""Which fields of forms matter when: the rules are about keys that there are, and lead nowhere in circles."""

from __future__ import annotations

from typing import Any

import pytest
from tests.each import each

from pointsman.schema.registry import BY_PATH
from pointsman.schema.resource import ValueKind
from pointsman.web.ui.forms.field import written
from pointsman.web.ui.forms.relevance import RELEVANCE, matters, relevance

RULES = [(kind, path) for kind, rules in RELEVANCE.items() for path in rules]


@each(RULES, lambda kind, path: f"{kind}: {path}")
def test_a_rule_names_keys_and_values_that_there_are(kind: str, path: str) -> None:
    keys = {key.path: key for key in BY_PATH[kind].keys}
    when = relevance(kind, path)
    assert when is not None
    assert path in keys
    decides = keys[when.path]
    possible = {"true", "false"} if decides.kind is ValueKind.BOOLEAN else set(decides.choices)
    assert set(when.values) < possible
    assert not keys[path].required
    seen = {path}
    while when is not None:
        assert when.path not in seen
        seen.add(when.path)
        when = relevance(kind, when.path)


def values_of(kind: str, **changed: str) -> Any:
    """The defaults of a type as a form writes them, some of them changed."""
    keys = {key.path: written(key.default) for key in BY_PATH[kind].keys}
    keys |= {path.replace("__", "."): value for path, value in changed.items()}
    return keys.__getitem__


@pytest.mark.parametrize(
    ("kind", "path", "changed", "matter"),
    [
        ("virtual_servers", "ssl.server_cert_default", {}, False),
        ("virtual_servers", "ssl.server_cert_default", {"basic__ssl_decrypt": "true"}, True),
        ("virtual_servers", "ssl.client_cert_cas", {"ssl__request_client_cert": "require"}, False),
        (
            "virtual_servers",
            "ssl.client_cert_cas",
            {"ssl__request_client_cert": "require", "basic__ssl_decrypt": "true"},
            True,
        ),
        ("virtual_servers", "web_cache.max_time", {"web_cache__enabled": "true"}, True),
        (
            "virtual_servers",
            "web_cache.max_time",
            {"web_cache__enabled": "true", "basic__protocol": "udp"},
            False,
        ),
        ("virtual_servers", "udp.timeout", {"basic__protocol": "udp"}, True),
        ("virtual_servers", "connection.timeout", {"basic__protocol": "udp"}, True),
        ("pools", "ssl.common_name_match", {"ssl__strict_verify": "true"}, False),
        ("pools", "ssl.common_name_match", {"ssl__strict_verify": "true", "ssl__enable": "true"}, True),
        ("monitors", "http.path", {}, False),
        ("monitors", "http.path", {"basic__type": "http"}, True),
        ("monitors", "udp.accept_all", {"basic__type": "sip", "sip__transport": "tcp"}, False),
        ("monitors", "udp.accept_all", {"basic__type": "sip"}, True),
        ("persistence", "basic.cookie", {"basic__type": "cookie"}, True),
        ("persistence", "basic.cookie", {}, False),
        ("bandwidth", "basic.maximum", {}, True),
    ],
)
def test_a_key_matters_while_those_above_it_do(
    kind: str, path: str, changed: dict[str, str], matter: bool
) -> None:
    assert matters(kind, path, values_of(kind, **changed)) is matter
