"""What a user who is not the administrator may do: read, at every surface, and nothing else."""

from __future__ import annotations

import base64
import json
import ssl
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from tests.e2e.test_cluster_page import browser_of
from tools.instance import Instance

USER = "ann"
WRITES: tuple[tuple[str, str, Any], ...] = (
    ("PUT", "config/active/pools/p", {"properties": {"basic": {}}}),
    ("PUT", "config/active/traffic_ip_groups/g", {"properties": {"basic": {}}}),
    ("PUT", "config/active/custom/c", {"properties": {"basic": {}}}),
    ("PUT", "config/active/global_settings", {"properties": {}}),
    ("PUT", "config/active/pools/p?rename", {"name": "q"}),
    ("DELETE", "config/active/monitors/Ping", None),
    ("POST", "config/active/pools", {}),
    ("PUT", "status/local_tm/history/1?restore", None),
    ("PUT", "status/local_tm/certificate", {}),
    ("PUT", "status/local_tm/name", {"address": ""}),
    ("PUT", "status/local_tm/traffic_ips?failback", None),
    ("PUT", "status/local_tm/cluster/join", {"host": "127.0.0.1", "port": 1, "fingerprint": "00" * 20}),
    ("PUT", "status/local_tm/cluster/table", {"host": "127.0.0.1", "port": 1}),
    ("PUT", "status/local_tm/cluster/leave", {}),
    ("PUT", "status/local_tm/cluster/remove", {"name": "x"}),
    ("PUT", "status/local_tm/cluster/override", {"on": True}),
    ("PUT", "status/local_tm/backups/full/b", {"properties": {}}),
    ("PUT", "status/local_tm/backups/full/b?restore", {"properties": {}}),
    ("DELETE", "status/local_tm/backups/full/b", None),
    ("PUT", "status/local_tm/backups/schedule", {"properties": {"schedule": {"every": "day"}}}),
)
FORMS = (
    "/system/traffic-managers/look",
    "/system/traffic-managers/join",
    "/system/traffic-managers/leave",
    "/system/traffic-managers/remove",
    "/system/traffic-managers/replace-name",
    "/system/backups/create",
    "/system/backups/schedule",
    "/system/backups/backup/b/describe",
    "/system/backups/backup/b/delete",
    "/system/backups/backup/b/download",
    "/system/backups/backup/b/restore",
)


@pytest.fixture
def peopled(tmp_path: Path) -> Instance:
    """An instance with a second user, whose password is the administrator's, and a backup."""
    instance = Instance(tmp_path / "home")
    with instance:
        assert instance.rest("PUT", "status/local_tm/backups/full/b", {"properties": {}})[0] == 201
    file = instance.home / "identity" / "users.json"
    users = json.loads(file.read_text())
    users["users"][USER] = {**users["users"]["admin"], "groups": ["Guest"]}
    file.write_text(json.dumps(users))
    return instance


def test_only_the_administrator_changes_anything(peopled: Instance) -> None:
    """R52, R60: every write that REST and the pages have, replayed by a user who may read."""
    with peopled as instance, browser_of(instance) as browser:
        before = instance.get("status/local_tm/history")
        token = base64.b64encode(f"{USER}:secret-for-tests".encode()).decode()
        address = f"https://127.0.0.1:{urlsplit(instance.ready['rest']).port}/api/tm/8.3/"
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with httpx.Client(base_url=address, verify=context, timeout=30) as client:
            client.headers["Authorization"] = f"Basic {token}"
            assert client.get("config/active/pools").status_code == 200
            for method, path, body in WRITES:
                answer = client.request(method, path, json=body)
                assert answer.status_code == 403, (method, path, answer.text)
                assert answer.json()["error_id"] == "auth.forbidden"
            archive = {"Accept": "application/x-tar"}
            assert client.get("status/local_tm/backups/full/b", headers=archive).status_code == 403
            assert client.get("status/local_tm/config_document").status_code == 403
            client_text = client.get("status/local_tm/history").text
        page = browser.get("/login").text
        form = {"csrf": page.partition('name="csrf" value="')[2].partition('"')[0]}
        login = {**form, "username": USER, "password": "secret-for-tests"}
        assert browser.post("/login", data=login).status_code == 303
        page = browser.get("/system/backups").text
        form = {"csrf": page.partition('name="csrf" value="')[2].partition('"')[0]}
        for path in FORMS:
            answer = browser.post(path, data={**form, "confirm": "yes", "verified": "yes"})
            assert answer.status_code == 403, (path, answer.text[-500:])
            assert "You may not change this" in answer.text
        uploaded = browser.post("/system/backups/upload", data=form, files={"file": ("x.tar", b"x")})
        assert uploaded.status_code == 403
        assert "Audit_Log" in client_text
        assert instance.get("status/local_tm/history") == before
        (kept,) = instance.get("status/local_tm/backups/full")["children"]
        assert kept["name"] == "b"
