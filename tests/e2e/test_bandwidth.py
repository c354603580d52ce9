"""Bandwidth classes as an administrator meets them: made, named, counted, kept while in use."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.test_traffic import in_force
from tools.instance import Instance, free_port, wait_for


def test_a_class_by_rest(tmp_path: Path) -> None:
    with Instance(tmp_path / "home") as instance:
        assert instance.put("bandwidth", "gold", {"basic": {"maximum": 500, "sharing": "machine"}})[0] == 201
        assert instance.put("pools", "app", {"basic": {"nodes_table": [{"node": "127.0.0.1:1"}]}})[0] == 201
        web = {
            "enabled": True,
            "port": free_port(),
            "pool": "app",
            "bandwidth_class": "gold",
            "listen_on_any": False,
            "listen_on_hosts": ["127.0.0.1"],
        }
        assert instance.put("virtual_servers", "web", {"basic": web})[0] == 201
        wait_for("in force", lambda: in_force(instance))
        assert instance.get("status/local_tm/conditions/virtual_servers/web")["conditions"] == []
        written = (tmp_path / "home" / "engine" / "current" / "haproxy.cfg").read_text()
        assert written.count("filter bwlim-out ") == 1
        figures = instance.get("status/local_tm/statistics/bandwidth/gold")["statistics"]
        assert figures == {"bytes_out": 0, "guarantee": 0, "maximum": 500}
        status, body = instance.rest("DELETE", "config/active/bandwidth/gold")
        assert (status, "web" in str(body)) == (409, True), body
        assert instance.put("bandwidth", "gold", {"basic": {"maximum": 0}})[0] == 400
