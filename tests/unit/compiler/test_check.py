"""Faults that span objects are named on the object and field that a person would change."""

from __future__ import annotations

from typing import Any

from tests.certificates import self_signed

from pointsman.compiler.check import check
from pointsman.schema.certificate_authority import CERTIFICATE_AUTHORITY
from pointsman.schema.pool import POOL
from pointsman.schema.problem import ObjectId
from pointsman.schema.server_key import SERVER_KEY
from pointsman.schema.snapshot import Snapshot
from pointsman.schema.traffic_ip_group import TRAFFIC_IP_GROUP
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


def faults(public: str, private: str) -> list[tuple[str, ...]]:
    """The keys at fault in a pair."""
    identity = ObjectId("ssl/server_keys", "k")
    settings: dict[str, Any] = {"basic": {"public": public, "private": private}}
    return [p.path for p in check(Snapshot({identity: build(SERVER_KEY, "k", settings)}), [identity])]


def test_key_pairs() -> None:
    public, private = self_signed("a.example")
    other_public, other_private = self_signed("b.example")
    assert faults(public, private) == []
    assert faults(public + other_public, private) == []
    assert faults("nonsense", private) == [("basic", "public")]
    assert faults(public, other_private) == [("basic", "private")]
    for broken in ("x", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", public):
        assert faults(public, broken) == [("basic", "private")]


def test_authorities() -> None:
    public, _ = self_signed("ca.example")
    identity = ObjectId("ssl/cas", "ca")
    for content, faults in ((public.encode(), 0), (b"\x00\x01", 1), (b"", 1)):
        made = build(CERTIFICATE_AUTHORITY, "ca", {"content": content})
        assert len(check(Snapshot({identity: made}), [identity])) == faults, content


def test_traffic_ips_belong_to_one_group_once_and_passive_machines_are_machines() -> None:
    def groups(**basic: Any) -> list[tuple[tuple[str, ...], str]]:
        other = {"ipaddresses": ["192.0.2.1", "2001:db8::1"]}
        snapshot = Snapshot(
            {
                ObjectId("traffic_ip_groups", name): build(TRAFFIC_IP_GROUP, name, {"basic": settings})
                for name, settings in (("a", basic), ("b", other))
            }
        )
        return [(p.path, p.code) for p in check(snapshot, [ObjectId("traffic_ip_groups", "a")])]

    repeated = [(("basic", "ipaddresses"), "traffic_ip.repeated")]
    assert groups(ipaddresses=["192.0.2.2", "2001:db8::2"], machines=["m", "n"], slaves=["n"]) == []
    assert groups(ipaddresses=["192.0.2.1"]) == repeated
    assert groups(ipaddresses=["2001:db8:0::1"]) == repeated
    assert groups(ipaddresses=["2001:db8::2", "2001:DB8:0::2"]) == repeated
    assert groups(machines=["m"], slaves=["n"]) == [(("basic", "slaves"), "traffic_ip.not_a_machine")]
