"""The commands of README.md and of the guide do what the pages say."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tests.e2e.shell import STARTS, blocks, run_page
from tests.e2e.test_traffic import in_force
from tools.instance import Instance, free_port, wait_for

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
START = ROOT / "docs" / "guide" / "start.md"
LICENCES = ROOT / "docs" / "guide" / "licences.md"
DOCUMENTS = ROOT / "docs" / "guide" / "documents.md"
BACKUPS = ROOT / "docs" / "guide" / "backups.md"
CLUSTER = ROOT / "docs" / "guide" / "cluster.md"
USERS = ROOT / "docs" / "guide" / "users.md"
COVERED = {README, START, DOCUMENTS, LICENCES, BACKUPS, CLUSTER, USERS}
CONTAINER_PART, CONTAINER_PAGE = "In a container", ROOT / "docs" / "guide" / "docker.md"
"""What `tests/container/test_guide.py` runs, with Docker."""

pytestmark = pytest.mark.skipif(
    not shutil.which("curl") or not shutil.which("openssl"), reason="curl or openssl is not installed"
)


def rest_port(instance: Instance) -> int:
    return urlsplit(instance.ready["rest"]).port or 0


def test_the_readme(tmp_path: Path) -> None:
    with Instance(tmp_path / "var", "--demo") as instance:
        (tmp_path / "var" / "admin-password").write_text("secret-for-tests\n")
        port, other = free_port(), free_port()
        # 8080 may be somebody's; where it is, the demo was left out until it gets another port.
        assert instance.put("virtual_servers", "demo", {"basic": {"port": port}})[0] == 200
        nodes = json.loads((tmp_path / "var" / "demo.json").read_text())
        wait_for("the demo in force", lambda: in_force(instance))
        ports = {8080: port, 8088: other, 9070: rest_port(instance)}
        ports |= dict(zip((8081, 8082, 8083), nodes, strict=True))
        wrote = run_page(README, tmp_path, ports, {"yaml": "web.yaml"}, without=CONTAINER_PART)
    ask, change, documents = wrote
    assert "Hello from the demo node" in ask
    assert change.startswith("200\n")
    assert re.search(rf"127.0.0.1:{nodes[2]} +draining", change)
    assert "created" in documents
    assert "Hello from the demo node" in documents


def test_getting_started(tmp_path: Path) -> None:
    with Instance(tmp_path / "var") as instance:
        (tmp_path / "var" / "admin-password").write_text("secret-for-tests\n")
        ports = {page: free_port() for page in (8001, 8002, 8443)}
        wrote = run_page(START, tmp_path, {**ports, 9070: rest_port(instance)})
    _, _, applied, answers, drained, returned, renewed, down, records = wrote
    assert "ssl/server_keys/shop  created" in applied
    assert {answers.count("node a"), answers.count("node b")} == {2}
    assert "active -> draining" in drained
    assert returned == "200\n"
    assert "This is node" in renewed
    assert down.count("This is node a.") == 4
    assert re.search(rf"127.0.0.1:{ports[8002]} +DEAD .* connect", down, re.IGNORECASE)
    events, history = records.split("}{") if "}{" in records else records.split("\n", 1)
    assert "nodefail" in events
    assert "new certificate" in history
    assert "PRIVATE KEY" not in history


def test_licences(tmp_path: Path) -> None:
    """R62: from an issuer to a running instance with the commands of the page."""
    with Instance(tmp_path / "var") as instance:
        (tmp_path / "var" / "admin-password").write_text("secret-for-tests\n")
        wrote = run_page(LICENCES, tmp_path, {9070: rest_port(instance)})
    made, issued, listed, removed, rest, trusted = wrote
    assert "SHA-256" in made
    assert "is valid, signed by" in issued
    assert "Example Ltd" in listed
    assert "100 Mb/s" in listed
    assert "Removed licence" in removed
    assert rest.startswith("201\n")
    assert json.loads(rest.partition("\n")[2])["licence"]["keys"][0]["name"] == "example"
    assert "are taken" in trusted


def test_backups(tmp_path: Path) -> None:
    """R53, R58, R60: made, compared, restored, exported, imported with the commands of the page."""
    with Instance(tmp_path / "var") as instance:
        (tmp_path / "var" / "admin-password").write_text("secret-for-tests\n")
        wrote = run_page(BACKUPS, tmp_path, {9070: rest_port(instance)})
        assert instance.get("config/active/pools")["children"] == []
    made, restored, exported, scheduled, _ = wrote
    assert 'Made the backup "before-change".' in made
    assert restored.count("pools/shop") == 3
    assert "Nothing was changed" in restored and "Restored: 1 objects changed" in restored
    assert "The backup is whole." in exported
    assert "daily at 02:00 UTC" in scheduled
    assert (tmp_path / "shop.tar").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "downloaded.tar").stat().st_size > 1000


def test_clusters(tmp_path: Path) -> None:
    """R2, R23, R59: two instances on one machine become a cluster and part again with the commands of the page."""
    directory = tmp_path
    ports = {9170: free_port()}
    with Instance(directory / "one", "--name", "pm1") as one:
        (directory / "one" / "admin-password").write_text("secret-for-tests\n")
        ports[9090] = urlsplit(one.ready["ui"]).port or 0
        with Instance(directory / "two", "--name", "pm2", "--listen", "127.0.0.2"):
            joined, shared, parted = run_page(CLUSTER, directory, ports)
    assert re.search(r"alive +pm1 ", joined) and re.search(r"here +pm2 ", joined)
    assert "+ pools/app  created" in shared
    assert "- name: app\n" in shared.partition("version: 8.3")[2]
    assert re.search(r"alive +pm2 ", shared)
    assert "pm2" not in parted.partition("here")[2]


def test_documents(tmp_path: Path) -> None:
    """Importer 7, 11 k: the guide's document is applied, exported and no difference afterwards."""
    ((_, page),) = (block for block in blocks(DOCUMENTS) if block[0] == "yaml")
    before, _, rest = page.partition("ssl:")
    (tmp_path / "web.yaml").write_text(before + rest[rest.index("global_settings:") :])
    with Instance(tmp_path / "var"):
        applied, exported = run_page(DOCUMENTS, tmp_path, {})
    assert "valid: 3 objects" in applied
    assert "+ pools/app  created" in applied
    assert "In force" in applied
    assert "- name: hello\n" in exported
    assert exported.endswith("No difference.\n")
    assert (tmp_path / "backup.json").stat().st_mode & 0o777 == 0o600


def test_users(tmp_path: Path) -> None:
    """The guide's user is made, listed, suspended and removed on the machine itself."""
    with Instance(tmp_path / "var") as instance:
        (told,) = run_page(USERS, tmp_path, {})
        assert re.search(r"\bann\b.*\bDemo\b", told)
        assert instance.rest("GET", "config/active/pools")[0] == 200


def test_every_page_with_commands_is_run_here() -> None:
    pages = [README, *sorted((ROOT / "docs" / "guide").glob("*.md"))]
    with_commands = {page for page in pages if any(language == "sh" for language, _ in blocks(page))}
    assert with_commands <= {*COVERED, CONTAINER_PAGE}


def test_what_starts_the_product_is_what_make_does() -> None:
    """The lines that the runs above leave out exist: targets of make, and `run` of the command."""
    makefile = (ROOT / "Makefile").read_text()
    for page in COVERED:
        for _, text in (block for block in blocks(page) if block[0] == "sh"):
            for line in text.splitlines():
                if not line.startswith(STARTS):
                    continue
                for target in re.findall(r"\bmake (\w+)", line):
                    assert re.search(rf"^{target}:", makefile, re.MULTILINE), line
    shown = subprocess.run(
        ["make", "-n", "run"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout
    assert ".venv/bin/pointsman run --home var --demo" in shown
