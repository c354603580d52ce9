"""Certificates that run out are conditions, for those that are in use."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.certificates import self_signed
from tests.running import AUTHOR, running

from pointsman.schema.problem import ObjectId
from pointsman.store import Put


def key(name: str, days: int) -> Put:
    """A certificate that ends in so many days."""
    public, private = self_signed(f"{name}.example", days)
    return Put(ObjectId("ssl/server_keys", name), {"basic": {"public": public, "private": private}})


async def test_certificates_in_use_are_named_before_their_end(tmp_path: Path) -> None:
    async with running(tmp_path) as manager:
        control = manager.control

        def said() -> dict[str, tuple[str, str]]:
            return {
                c.subject.name: (c.code, c.message)
                for c in control.conditions()
                if c.subject.type == "ssl/server_keys"
            }

        names = {"fine": 200, "soon": 20, "late": -2}
        await control.edit(AUTHOR, [*(key(name, days) for name, days in names.items()), key("idle", 1)])
        assert said() == {}
        mapping = [{"host": f"{name}.example", "certificate": name} for name in names]
        server: dict[str, Any] = {
            "basic": {"port": 443, "pool": "discard", "ssl_decrypt": True},
            "ssl": {"server_cert_default": "fine", "server_cert_host_mapping": mapping},
        }
        await control.edit(AUTHOR, [Put(ObjectId("virtual_servers", "shop"), server)])
        found = said()
        assert set(found) == {"soon", "late"}
        assert found["soon"][0] == "certificate_expiring"
        assert "in 19 days; have it renewed" in found["soon"][1]
        assert found["late"][0] == "certificate_expired"
        assert "clients refuse it" in found["late"][1]
        assert control.users()[ObjectId("ssl/server_keys", "soon")] == (ObjectId("virtual_servers", "shop"),)
        await control.edit(AUTHOR, [key("soon", 300), key("late", 300)])
        assert said() == {}
        await control.delete(AUTHOR, ObjectId("virtual_servers", "shop"))
        assert control.users_of(ObjectId("ssl/server_keys", "soon")) == ()
