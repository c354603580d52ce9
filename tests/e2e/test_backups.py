"""Backups of a running instance over REST and by command: R52, R53, R54, R58, R60, R61."""

from __future__ import annotations

import base64
import contextlib
import http.client
import io
import json
import os
import shutil
import signal
import tarfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.certificates import self_signed
from tests.e2e.rest import CONFIG, STATUS, Client
from tools.instance import Instance, wait_for

from pointsman.backup.archive import Content, Manifest, write
from pointsman.cli.command import execute

FULL = f"{STATUS}/local_tm/backups/full"
TAR = "application/x-tar"


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str


def command(instance: Instance, *words: str) -> Ended:
    """`pointsman backup` in this process: starting one each time would take longer than all the rest."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = execute(lambda options: 1, ["backup", *words, "--home", str(instance.home)])
    return Ended(status, out.getvalue(), err.getvalue())


def configuration(client: Client) -> dict[str, Any]:
    """Everything that REST shows of the types that the tests touch."""
    found = {}
    for kind in ("pools", "virtual_servers", "ssl/server_keys"):
        for name in client.names(f"{CONFIG}/{kind}"):
            found[f"{kind}/{name}"] = client.get(f"{CONFIG}/{kind}/{name}")
    return found


@pytest.fixture(scope="module")
def made(client: Client) -> Client:
    """An instance with a service, a certificate and the backup "first"."""
    public, private = self_signed("www.example")
    client.make("pools/web", basic={"nodes_table": [{"node": "127.0.0.1:9"}]})
    client.make("virtual_servers/web", basic={"pool": "web", "port": 18099, "enabled": False})
    client.make("ssl/server_keys/www", basic={"public": public, "private": private})
    reply = client.ask("PUT", f"{FULL}/first", {"properties": {"backup": {"description": "as it was"}}})
    assert reply.status == 201, reply
    assert reply.json["properties"]["backup"]["description"] == "as it was"
    return client


def test_the_protocol_of_the_product(made: Client) -> None:
    """R52: create, list, read, download, upload, restore and delete as published clients do it."""
    assert {"name": "full", "href": f"{FULL}/"} in made.get(f"{STATUS}/local_tm/backups")["children"]
    assert {"name": "first", "href": f"{FULL}/first"} in made.get(FULL)["children"]
    backup = made.get(f"{FULL}/first")["properties"]["backup"]
    assert backup.keys() == {"description", "time_stamp", "version"}
    assert isinstance(backup["time_stamp"], int)
    same = made.ask("PUT", f"{FULL}/first", {"properties": {"backup": backup}})
    assert same.status == 200 and same.json["properties"]["backup"] == backup
    tar = made.ask("GET", f"{FULL}/first", accept=TAR)
    assert (tar.status, tar.headers["content-type"]) == (200, TAR)
    with tarfile.open(fileobj=io.BytesIO(tar.body)) as archive:
        assert archive.getnames()[0] == "manifest.json"
    assert made.ask("PUT", f"{FULL}/second", tar.body, content_type=TAR).status == 201
    assert made.ask("PUT", f"{FULL}/second", tar.body, content_type=TAR).status == 204
    assert made.ask("POST", f"{FULL}/third", tar.body, content_type=TAR).status == 201
    assert made.get(f"{FULL}/third")["properties"]["backup"] == backup
    before = configuration(made)
    made.make("virtual_servers/web", basic={"note": "changed"})
    made.make("pools/more", basic={})
    restored = made.ask("PUT", f"{FULL}/third?restore", {"properties": {}})
    assert restored.status == 200 and restored.json["properties"]["backup"] == backup
    assert configuration(made) == before
    for name in ("second", "third"):
        assert made.ask("DELETE", f"{FULL}/{name}").status == 204
    assert made.ask("DELETE", f"{FULL}/third").status == 404
    assert made.ask("GET", f"{FULL}/third").status == 404
    assert made.ask("PUT", f"{FULL}/third?restore", {"properties": {}}).status == 404
    assert made.ask("PUT", FULL, {}).status == 403
    assert made.ask("POST", f"{FULL}/x", {"properties": {}}).status == 405
    assert made.ask("POST", f"{CONFIG}/pools/x", b"", content_type=TAR).status == 405


@pytest.mark.parametrize(
    "name", ["..%2f..%2fevil", "%2e%2e", ".hidden", "a%2Fb", "a%5Cb", "a%00b", "%ff", "x" * 300]
)
def test_names_lead_nowhere_else(made: Client, shared: Instance, name: str) -> None:
    files = set(shared.home.rglob("*.tar"))
    for method, body in (("PUT", {"properties": {}}), ("PUT", b"x"), ("DELETE", None), ("GET", None)):
        sort = TAR if isinstance(body, bytes) else "application/json"
        reply = made.ask(method, f"{FULL}/{name}", body, content_type=sort if body is not None else None)
        assert reply.status in (400, 404), (method, reply)
        assert isinstance(reply.json["error_text"], str)
    assert set(shared.home.rglob("*.tar")) == files


BAD_BODIES: list[Any] = [
    [], {"properties": []}, {"properties": {"other": {}}}, {"properties": {"backup": 1}}, {"more": 1},
    {"properties": {"backup": {"unknown": 1}}}, {"properties": {"backup": {"description": 1}}},
]  # fmt: skip
BAD_WISHES: list[Any] = [
    {"only": "pools"}, {"mapping": []}, {"dry_run": 1}, {"passphrase": 1}, {"more": 1}, {"only": [1]},
]  # fmt: skip


def test_bodies_that_are_none(made: Client) -> None:
    for body in BAD_BODIES:
        assert made.ask("PUT", f"{FULL}/bad", body).status == 400, body
    for wish in BAD_WISHES:
        assert made.ask("PUT", f"{FULL}/first?restore", {"properties": {"restore": wish}}).status == 400, wish
    for data in (b"", b"junk", bytes(2048), write(Manifest(version="99.1.0"), Content({}))):
        reply = made.ask("PUT", f"{FULL}/bad", data, content_type=TAR)
        assert (reply.status, reply.json["error_id"]) == (400, "backup.refused")
    assert "bad" not in made.names(FULL)


def test_additions_of_ours_are_there(made: Client) -> None:
    """R52, R60: compare, describe, verify, dry run, part, passphrase."""
    made.make("virtual_servers/web", basic={"note": "compared"})
    (change,) = made.get(f"{FULL}/first?compare")["changes"]
    assert change["subject"] == {"type": "virtual_servers", "name": "web"}
    assert made.get(f"{FULL}/first?compare=first")["changes"] == []
    assert made.get(f"{FULL}/first?describe")["backup"]["objects"]["pools"] >= 1
    assert made.get(f"{FULL}/first?verify")["missing"] == []
    wish = {"dry_run": True, "only": ["virtual_servers/web"]}
    reply = made.ask("PUT", f"{FULL}/first?restore", {"properties": {"restore": wish}})
    assert reply.status == 200 and len(reply.json["restore"]["changes"]) == 1
    assert made.get(f"{CONFIG}/virtual_servers/web")["properties"]["basic"]["note"] == "compared"
    reply = made.ask("PUT", f"{FULL}/first?restore", {"properties": {"restore": {**wish, "dry_run": False}}})
    assert reply.status == 200 and reply.json["restore"]["revision"] == made.revision()
    sealed = {"description": "sealed", "passphrase": "open sesame"}
    assert made.ask("PUT", f"{FULL}/sealed", {"properties": {"backup": sealed}}).status == 201
    assert made.get(f"{FULL}/sealed?verify")["missing"] == [["ssl/server_keys/www", "basic", "private"]]
    wrong = made.ask(
        "PUT", f"{FULL}/sealed?restore", {"properties": {"restore": {"passphrase": "another one"}}}
    )
    assert wrong.status == 400 and "passphrase" in wrong.json["error_text"]
    right = made.ask("PUT", f"{FULL}/sealed?restore", {"properties": {}}, pointsman_passphrase="open sesame")
    assert right.status == 200
    tar = made.ask("GET", f"{FULL}/sealed", accept=TAR)
    assert b"PRIVATE KEY" not in tar.body
    plain = made.ask("GET", f"{FULL}/first", accept=TAR, pointsman_new_passphrase="open sesame")
    assert plain.status == 200 and b"PRIVATE KEY" not in plain.body
    schedule = {"every": "daily", "time": "04:00", "keep": 3}
    reply = made.ask("PUT", f"{STATUS}/local_tm/backups/schedule", {"properties": {"schedule": schedule}})
    assert reply.status == 200, reply
    shown = made.get(f"{STATUS}/local_tm/backups/schedule")["properties"]["schedule"]
    assert {key: shown[key] for key in schedule} == schedule
    assert made.ask("DELETE", f"{FULL}/sealed").status == 204


def test_files_are_for_the_instance_alone(made: Client, shared: Instance) -> None:
    files = [*(shared.home / "backups").iterdir()]
    assert files and {path.stat().st_mode & 0o777 for path in files} == {0o600}
    assert (shared.home / "backups").stat().st_mode & 0o777 == 0o700


def test_the_command_does_it_too(made: Client, shared: Instance, tmp_path: Path) -> None:
    """R52, R60: create, compare, restore in part and whole, export, verify, import, delete; exit statuses."""
    before = configuration(made)
    passphrase = tmp_path / "passphrase"
    passphrase.write_text("open sesame\n")
    done = command(shared, "create", "by hand", "--description", "x", "--passphrase-file", str(passphrase))
    assert done.returncode == 0, done.stderr
    assert "sealed" in done.stdout
    made.make("virtual_servers/web", basic={"note": "by hand"})
    made.make("pools/extra", basic={})
    compared = command(shared, "compare", "by hand")
    assert "virtual_servers/web" in compared.stdout and "pools/extra" in compared.stdout
    dry = command(shared, "restore", "by hand", "--dry-run", "--passphrase-file", str(passphrase))
    assert dry.returncode == 0 and "Nothing was changed" in dry.stdout, dry
    part = command(shared, "restore", "by hand", "--only", "virtual_servers")
    assert (part.returncode, "Restored" in part.stdout) == (0, True), part
    assert "pools/extra" in configuration(made)
    whole = command(shared, "restore", "by hand", "--passphrase-file", str(passphrase), "--json")
    assert whole.returncode == 0, whole
    assert json.loads(whole.stdout)["in_force"]
    assert configuration(made) == before
    out = tmp_path / "out.tar"
    assert command(shared, "export", "by hand", str(out)).returncode == 0
    assert out.stat().st_mode & 0o777 == 0o600
    checked = command(shared, "verify", str(out))
    assert checked.returncode == 0 and "basic.private" in checked.stdout
    assert (
        "basic.private"
        not in command(shared, "verify", str(out), "--passphrase-file", str(passphrase)).stdout
    )
    assert command(shared, "import", str(out), "--name", "again").returncode == 0
    assert command(shared, "verify", "again").returncode == 0
    assert "again" in command(shared, "list").stdout
    assert "by hand" not in command(shared, "show", "again").stdout
    assert command(shared, "delete", "again").returncode == 0
    (tmp_path / "cut.tar").write_bytes(out.read_bytes()[:-2000])
    for words in (("delete", "again"), ("show", "none"), ("verify", str(tmp_path / "cut.tar")),
                  ("import", str(tmp_path / "cut.tar")), ("import", str(tmp_path / "none")), ("create", "../x"),
                  ("restore", "first", "--map", "a=b"), ("restore", "first", "--map", "a"),
                  ("schedule", "--daily", "--off"), ("schedule", "--time", "9")):  # fmt: skip
        ended = command(shared, *words)
        assert (ended.returncode, ended.stdout) == (1, ""), (words, ended)
        assert len(ended.stderr.splitlines()) <= 2 and "Traceback" not in ended.stderr
    assert "sunday at 05:30" in command(shared, "schedule", "--weekly", "sunday", "--time", "05:30").stdout
    assert "No backups" in command(shared, "schedule", "--off").stdout


def test_another_instance_takes_its_place(made: Client, tmp_path: Path) -> None:
    """R53, R58, R60: downloaded here, uploaded and restored there, under another name, without and with secrets."""
    bare = made.ask("GET", f"{FULL}/first?secrets=exclude", accept=TAR)
    whole = made.ask("GET", f"{FULL}/first", accept=TAR)
    assert b"PRIVATE KEY" not in bare.body
    before = configuration(made)
    with Instance(tmp_path / "other", "--name", "successor") as other:
        client = Client(other)
        own = client.get(f"{CONFIG}/traffic_managers/successor")
        assert client.ask("PUT", f"{FULL}/bare", bare.body, content_type=TAR).status == 201
        reply = client.ask("PUT", f"{FULL}/bare?restore", {"properties": {}})
        assert reply.status == 200, reply
        (remark,) = reply.json["restore"]["remarks"]
        assert remark["subject"] == {"type": "ssl/server_keys", "name": "www"}
        assert remark["path"] == ["basic", "private"]
        assert client.names(f"{CONFIG}/ssl/server_keys") == []
        assert client.ask("PUT", f"{FULL}/whole", whole.body, content_type=TAR).status == 201
        reply = client.ask("PUT", f"{FULL}/whole?restore", {"properties": {}})
        assert (reply.status, reply.json["restore"]["remarks"]) == (200, [])
        assert [*reply.json["restore"]["mapping"].values()] == ["successor"]
        assert configuration(client) == before
        assert client.names(f"{CONFIG}/traffic_managers") == ["successor"]
        assert client.get(f"{CONFIG}/traffic_managers/successor") == own
        assert client.ask("GET", "/api").status == 200, "its passwords are its own"
        with_users = {"properties": {"restore": {"with_users": True}}}
        reply = client.ask("PUT", f"{FULL}/whole?restore", with_users)
        assert reply.status == 200 and reply.json["restore"]["users"] == ["admin"]


def test_only_the_administrator_takes_one_away(made: Client) -> None:
    nobody = base64.b64encode(b"admin:wrong").decode()
    reply = made.ask("GET", f"{FULL}/first", accept=TAR, authorization=f"Basic {nobody}")
    assert (reply.status, b"manifest" in reply.body) == (401, False)
    foreign = made.ask("PUT", f"{FULL}/first?restore", {"properties": {}}, origin="https://evil.example")
    assert foreign.status == 403
    audit = f"{STATUS}/local_tm/events?tag=audit&text=downloaded"
    told = wait_for("the downloads are in the audit", lambda: made.get(audit)["events"])
    assert told[0]["author"] == "admin"


def test_a_full_disk_leaves_what_was_there(instance: Instance) -> None:
    """507 and nothing half-written; configuration and the backups that are there go on."""
    client = Client(instance)
    assert client.ask("PUT", f"{FULL}/one", {"properties": {}}).status == 201
    directory = instance.home / "backups"
    one = (directory / "one.tar").read_bytes()
    shutil.rmtree(directory)
    directory.write_text("in the way")  # every write below fails, as on a full disk
    reply = client.ask("PUT", f"{FULL}/two", {"properties": {}})
    assert (reply.status, reply.json["error_id"]) == (507, "storage.failed"), reply
    assert client.names(FULL) == []
    client.make("pools/p", basic={})
    directory.unlink()
    directory.mkdir(mode=0o700)
    (directory / "one.tar").write_bytes(one)
    assert client.names(FULL) == ["one"]
    assert client.ask("PUT", f"{FULL}/two", {"properties": {}}).status == 201


def test_a_death_while_writing_leaves_whole_ones(instance: Instance) -> None:
    """Killed at any moment: each backup is there whole or not at all, and no draft stays behind."""
    client = Client(instance)
    assert client.ask("PUT", f"{CONFIG}/extra_files/big", os.urandom(4_000_000)).status == 201
    for turn, pause in enumerate((0.0, 0.05, 0.15)):
        (control,) = instance.processes()["control"]
        with ThreadPoolExecutor(1) as writer:
            done = writer.submit(_write_many, client, f"{turn}-")
            time.sleep(pause)  # the moment of the death is what varies
            os.kill(control, signal.SIGKILL)
            done.result(30)
        wait_for("the next one", partial(_another_than, instance, control), 30)
        wait_for("it answers", lambda: _answers(client), 30)
    for name in client.names(FULL):
        assert client.get(f"{FULL}/{name}?verify")["backup"]["fault"] == "", name
    left = [path.name for path in (instance.home / "backups").iterdir() if path.name.startswith(".")]
    assert left == []


def _write_many(client: Client, prefix: str) -> None:
    with contextlib.suppress(OSError, http.client.HTTPException):
        for number in range(50):
            client.ask("PUT", f"{FULL}/{prefix}{number}", {"properties": {}})


def _another_than(instance: Instance, control: int) -> bool:
    return instance.processes()["control"] not in ([control], [])


def _answers(client: Client) -> bool:
    try:
        return client.ask("GET", FULL).status == 200
    except (OSError, http.client.HTTPException):
        return False
