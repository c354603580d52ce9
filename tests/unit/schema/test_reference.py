"""Which objects a virtual server mentions."""

from __future__ import annotations

from pointsman.schema.pool import POOL
from pointsman.schema.problem import ObjectId
from pointsman.schema.reference import Use, references
from pointsman.schema.virtual_server import VIRTUAL_SERVER


def test_strings_lists_and_rows_are_looked_into() -> None:
    settings = {
        "basic": {"pool": "web", "port": 80, "request_rules": ["log", "/redirect"], "protection_class": ""},
        "ssl": {
            "server_cert_default": "a",
            "server_cert_host_mapping": [
                {"host": "b.example.com", "certificate": "b", "alt_certificates": ["b-ec"]}
            ],
        },
    }
    row = ("ssl", "server_cert_host_mapping", "b.example.com")
    assert set(references(VIRTUAL_SERVER, settings)) == {
        Use(("basic", "pool"), ObjectId("pools", "web")),
        Use(("basic", "request_rules"), ObjectId("rules", "log")),
        Use(("basic", "request_rules"), ObjectId("rules", "redirect")),
        Use(("ssl", "server_cert_default"), ObjectId("ssl/server_keys", "a")),
        Use((*row, "certificate"), ObjectId("ssl/server_keys", "b")),
        Use((*row, "alt_certificates"), ObjectId("ssl/server_keys", "b-ec")),
    }


def test_special_names_and_empty_ones_mention_nothing() -> None:
    assert (
        list(references(VIRTUAL_SERVER, {"basic": {"pool": "discard", "port": 80, "request_rules": ["/"]}}))
        == []
    )
    assert list(references(POOL, {"basic": {"failure_pool": "", "monitors": []}})) == []
    assert list(references(POOL, {})) == []
