"""Faults that span objects are named on the object and field that a person would change."""

from __future__ import annotations

from typing import Any

from tests.certificates import self_signed

from pointsman.compiler.check import check, key_pair_fault
from pointsman.schema.certificate_authority import CERTIFICATE_AUTHORITY
from pointsman.schema.pool import POOL
from pointsman.schema.problem import ObjectId
from pointsman.schema.server_key import SERVER_KEY
from pointsman.schema.snapshot import Snapshot
from pointsman.schema.validate import build


def pools(**failure: str) -> Snapshot:
    """Pools by name with their failure pools."""
    return Snapshot(
        {
            ObjectId("pools", name): build(POOL, name, {"basic": {"failure_pool": other}})
            for name, other in failure.items()
        }
    )


def test_circles_of_failure_pools() -> None:
    snapshot = pools(a="b", b="c", c="a", outside="a", alone="alone", fine="gone")
    for name in ("a", "b", "c", "alone"):
        found = check(snapshot, [ObjectId("pools", name)])
        assert [(p.path, p.code) for p in found] == [(("basic", "failure_pool"), "pool.circular")], name
    assert (
        check(snapshot, [ObjectId("pools", "outside"), ObjectId("pools", "fine"), ObjectId("pools", "none")])
        == ()
    )


def test_key_pairs() -> None:
    public, private = self_signed("a.example")
    other_public, other_private = self_signed("b.example")
    assert key_pair_fault(public, private) is None
    assert key_pair_fault(public + other_public, private) is None
    cases = {
        "public": ("nonsense", private),
        "private": (public, other_private),
    }
    for field, pair in cases.items():
        fault = key_pair_fault(*pair)
        assert fault is not None
        assert fault[0] == field
    for broken in ("", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", public):
        assert key_pair_fault(public, broken) is not None
    settings: dict[str, Any] = {"basic": {"public": public, "private": other_private}}
    identity = ObjectId("ssl/server_keys", "k")
    found = check(Snapshot({identity: build(SERVER_KEY, "k", settings)}), [identity])
    assert [p.path for p in found] == [("basic", "private")]


def test_authorities() -> None:
    public, _ = self_signed("ca.example")
    identity = ObjectId("ssl/cas", "ca")
    for content, faults in ((public.encode(), 0), (b"\x00\x01", 1), (b"", 1)):
        made = build(CERTIFICATE_AUTHORITY, "ca", {"content": content})
        assert len(check(Snapshot({identity: made}), [identity])) == faults, content
