"""The local commands against a running instance."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tools.instance import SOURCE, Instance, free_port

DOCUMENT = """\
version: 8.3
pools:
- name: app
  properties:
    basic:
      nodes_table:
      - {{node: "127.0.0.1:1"}}
virtual_servers:
- name: web
  properties:
    basic: {{enabled: true, port: {port}, pool: app}}
"""


def pointsman(*words: str) -> subprocess.CompletedProcess[str]:
    """Runs a command as a user would, without a terminal."""
    return subprocess.run(
        [sys.executable, "-m", "pointsman", *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
    )


def test_check_diff_apply_status(shared: Instance, tmp_path: Path) -> None:
    document = tmp_path / "web.yaml"
    document.write_text(DOCUMENT.format(port=free_port()))
    home = ("--home", str(shared.home))
    checked = pointsman("check", str(document))
    assert checked.returncode == 0, checked
    compared = pointsman("diff", str(document), *home)
    assert "web" in compared.stdout, compared
    assert "frontend" in compared.stdout
    assert shared.get("config/active/pools")["children"] == []
    applied = pointsman("apply", str(document), *home)
    assert applied.returncode in (0, 2), applied
    assert (
        shared.get("config/active/pools/app")["properties"]["basic"]["nodes_table"][0]["node"]
        == "127.0.0.1:1"
    )
    shown = pointsman("status", *home)
    assert "127.0.0.1:1" in shown.stdout, shown
    as_data = json.loads(pointsman("status", "--json", *home).stdout)
    assert as_data["services"][0]["name"] == "web"


def test_errors_have_file_and_line(shared: Instance, tmp_path: Path) -> None:
    document = tmp_path / "bad.yaml"
    document.write_text("pools:\n- name: p\n  properties:\n    basic: {passive_monitoring: 3}\n")
    checked = pointsman("check", str(document))
    assert checked.returncode == 1
    assert "bad.yaml:4" in checked.stdout + checked.stderr, checked
    assert pointsman("apply", str(document), "--home", str(shared.home)).returncode == 1


def test_no_instance_is_exit_four(tmp_path: Path) -> None:
    assert pointsman("status", "--home", str(tmp_path)).returncode == 4
