"""Which versions an instance says it is, and which it takes."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

from tests.e2e.rest import CONFIG, STATUS, Client
from tests.e2e.test_import import pointsman
from tools.instance import Instance


def test_versions(shared: Instance, client: Client, tmp_path: Path) -> None:
    """R12: `tm_version` is our own; REST is served up to 8.3, documents are taken up to that version."""
    assert client.get(f"{STATUS}/local_tm/information")["information"]["tm_version"] == version("pointsman")
    assert client.names("/api/tm") == ["8.3"]
    for newer in ("8.4", "9.0", "10.0"):
        for path in (f"/api/tm/{newer}", f"/api/tm/{newer}/config/active/pools"):
            reply = client.ask("GET", path)
            assert (reply.status, reply.json["error_id"]) == (404, "resource.not_found")
            assert reply.json["error_text"]
    document = tmp_path / "document.yaml"
    for taken in ("3.0", "6.2", "8.3"):
        document.write_text(f"version: {taken}\npools:\n- name: v{taken}\n  properties: {{}}\n")
        done = pointsman("apply", document, "--home", shared.home)
        assert done.returncode == 0, done.stdout + done.stderr
        assert client.ask("GET", f"{CONFIG}/pools/v{taken}").status == 200
    for refused in ("8.4", "9.0", "10.0"):
        document.write_text(f"version: {refused}\npools:\n- name: never\n  properties: {{}}\n")
        done = pointsman("apply", document, "--home", shared.home)
        assert done.returncode != 0
        assert f"{document}:1:" in done.stderr + done.stdout
        assert refused in done.stderr + done.stdout
    assert client.ask("GET", f"{CONFIG}/pools/never").status == 404
