"""Configuration documents in a running product: deployed, watched, imported by command; what shows when they fail."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import os
import signal
import ssl
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.certificates import self_signed
from tests.e2e.test_traffic import Origins
from tools.instance import SOURCE, Instance, free_port, wait_for
from tools.traffic import Load

from pointsman.engine.haproxy.binary import find_binary
from pointsman.provision.order import ANNOUNCE, Order, read_order, write_order

DEADLINE = 10.0
"""Five times the promise of two seconds."""
Documents = dict[str, Any]


def write(directory: Path, name: str, document: Documents | str) -> None:
    """Writes a document of a configuration directory."""
    (directory / "config").mkdir(parents=True, exist_ok=True)
    text = document if isinstance(document, str) else json.dumps(document, indent=1)
    (directory / "config" / name).write_text(text)


def web(port: int, *nodes: str, **basic: Any) -> Documents:
    """A document with a service and its pool."""
    table = [{"node": node} for node in nodes]
    server = {"enabled": True, "port": port, "pool": "app", "listen_on_any": True, **basic}
    return {
        "version": 6.2,
        "pools": [{"name": "app", "properties": {"basic": {"nodes_table": table}}}],
        "virtual_servers": [{"name": "web", "properties": {"basic": server}}],
    }


def deployed(
    home: Path, monkeypatch: pytest.MonkeyPatch, *, base: Path | None = None, watched: Path | None = None
) -> Instance:
    """An instance that provisioning has made everything ready for, not started yet."""
    monkeypatch.setenv("POINTSMAN_PROVISION_LOG", str(home.parent / "provision.log"))
    write_order(home, Order(base=str(base or ""), watched=str(watched or "")))
    (home / ANNOUNCE).touch()
    return Instance(home)


def run_command(instance: Instance) -> list[str]:
    """The command that starts an instance, for tests that see how it ends."""
    words = ["--home", str(instance.home), "--password-file", str(instance.password_file), *instance.ports]
    return [sys.executable, "-m", "pointsman", "run", *words]


def status(instance: Instance) -> Any:
    return instance.get("status/local_tm/config_import")["config_import"]


def answer(port: int) -> str:
    """What the service says, or the status or failure."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/")
        response = connection.getresponse()
        body = response.read().decode()
        return body if response.status == 200 else str(response.status)
    except OSError as error:
        return type(error).__name__
    finally:
        connection.close()


def pointsman(*words: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(SOURCE), **options.pop("env", {})}
    command = [sys.executable, "-m", "pointsman", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, check=False, env=environment)


async def called(function: Callable[..., Any], *arguments: Any) -> Any:
    """Runs something that waits, while the origins in this process go on answering."""
    return await asyncio.to_thread(function, *arguments)


async def test_a_deployment_serves_its_documents_from_the_first_generation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, origins: Origins
) -> None:
    """R28, R29: base documents, then watched ones on top, are in force when the instance is ready; R30: shown so."""
    port, base, watched = free_port(), tmp_path / "base", tmp_path / "watched"
    write(base, "00-web", web(port, origins[0].node, note="base"))
    write(watched, "00-web", web(port, origins[1].node))
    instance = deployed(tmp_path / "home", monkeypatch, base=base, watched=watched)

    def serves() -> None:
        with instance:
            assert answer(port) == "b"
            assert len(instance.get("status/local_tm/applies")["applies"]) == 1
            shown = status(instance)
            assert (shown["managed"], shown["directory"]) == (True, str(watched))
            assert (shown["last"]["outcome"], shown["last"]["objects"]) == ("ok", 2)
            note = instance.get("config/active/virtual_servers/web")["properties"]["basic"]["note"]
            assert note == "base"
            told = pointsman("status", "--home", instance.home).stdout
            assert f"managed by documents: {watched}" in told
            order = read_order(instance.home)
            assert order is not None
            assert order.state == "done"

    await called(serves)
    write(base, "00-web", web(port, origins[2].node, note="too late"))

    def serves_again() -> None:
        with instance:
            assert answer(port) == "b"

    await called(serves_again)


@pytest.mark.parametrize("broken", ["base", "watched"])
def test_a_first_start_with_a_fault_fails_and_says_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    """R28, R29: broken at first start: the start fails with status 14, naming file and line; mended, it goes on."""
    port = free_port()
    directories = {"base": tmp_path / "base", "watched": tmp_path / "watched"}
    for directory in directories.values():
        write(directory, "00-web", web(port, "127.0.0.1:9"))
    faulty = (
        "pools:\n- name: app\n  properties:\n    basic: {passive_monitoring: 3, max_connection_attempts: x}\n"
    )
    write(directories[broken], "10-faulty", faulty)
    instance = deployed(tmp_path / "home", monkeypatch, **directories)
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    command = run_command(instance)
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment)
    told = done.stdout + done.stderr + (tmp_path / "provision.log").read_text()
    assert done.returncode == 14, told
    assert f"{directories[broken]}/config/10-faulty:4:" in told
    assert "passive_monitoring" in told
    assert "max_connection_attempts" in told
    (directories[broken] / "config" / "10-faulty").unlink()
    with instance:
        assert status(instance)["last"]["outcome"] == "ok"
        assert instance.get("config/active/virtual_servers")["children"][0]["name"] == "web"


async def test_watched_documents_are_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, origins: Origins
) -> None:
    """R29: a change is applied; R30: what was changed otherwise is overridden by the next import; R32: a failed import
    shows in the log, the event log, REST and the page, and the last good configuration stays.
    """
    port, watched = free_port(), tmp_path / "watched"
    write(watched, "00-web", web(port, origins[0].node))
    instance = deployed(tmp_path / "home", monkeypatch, watched=watched)

    def follow() -> None:
        with instance:
            assert answer(port) == "a"
            assert instance.put("pools", "by-hand", {"basic": {}})[0] == 201
            write(watched, "00-web", web(port, origins[1].node))
            wait_for("the change", lambda: answer(port) == "b", DEADLINE)
            assert instance.rest("GET", "config/active/pools/by-hand")[0] == 404
            # A touch is a change of a file, though not of what it says.
            assert instance.put("pools", "by-hand", {"basic": {}})[0] == 201
            os.utime(watched / "config" / "00-web")
            wait_for(
                "the touch", lambda: instance.rest("GET", "config/active/pools/by-hand")[0] == 404, DEADLINE
            )
            before = status(instance)["last"]["time"]
            write(watched, "10-broken", "pools:\n- name: [\n")
            wait_for("the failure", lambda: status(instance)["last"]["outcome"] == "failed", DEADLINE)
            shown = status(instance)["last"]
            place = f"{watched}/config/10-broken:"
            assert shown["time"] > before
            assert shown["cause"].startswith(place)
            assert (shown["faults"][0]["file"], shown["faults"][0]["line"] >= 2) == (place[:-1], True)
            assert answer(port) == "b"
            wait_for("the log", lambda: place in instance.output.read_text(), DEADLINE)
            state = instance.get("status/local_tm/state")["state"]
            assert state["error_level"] == "error"
            assert any(place in error for error in state["errors"])

            def event() -> Any:
                return instance.get("status/local_tm/events?tag=configimportfailed")["events"]

            assert place in wait_for("the event", event)[0]["reason"]
            told = pointsman("status", "--home", instance.home).stdout
            assert f"import failed: {place}" in told
            (watched / "config" / "10-broken").unlink()
            wait_for("the repair", lambda: status(instance)["last"]["outcome"] == "ok", DEADLINE)

    await called(follow)


async def test_edits_outlive_the_control_plane_until_the_documents_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R30: a crash of the control plane is no change of the documents; R29: one while it was dead is seen after."""
    watched = tmp_path / "watched"
    write(watched, "a", {"pools": [{"name": "app", "properties": {"basic": {}}}]})
    instance = deployed(tmp_path / "home", monkeypatch, watched=watched)

    def crash() -> None:
        with instance:
            assert instance.put("pools", "by-hand", {"basic": {}})[0] == 201
            (control,) = instance.processes()["control"]
            os.kill(control, signal.SIGKILL)
            wait_for("a new control plane", lambda: instance.processes()["control"] not in ([], [control]))
            wait_for("REST", lambda: reachable(instance))
            assert instance.rest("GET", "config/active/pools/by-hand")[0] == 200
        write(watched, "a", {"pools": [{"name": "other", "properties": {"basic": {}}}]})
        with instance:
            assert names(instance, "pools") == ["other"]

    await called(crash)


def reachable(instance: Instance) -> bool:
    try:
        return instance.rest("GET", "/healthz")[0] == 200
    except OSError:
        return False


def names(instance: Instance, kind: str) -> list[str]:
    return [child["name"] for child in instance.get(f"config/active/{kind}")["children"]]


async def test_a_first_start_finishes_whenever_it_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R25: the control plane killed at any moment of the first start, the next one finishes the job."""
    port = free_port()
    write(tmp_path / "base", "a", web(port, "127.0.0.1:9", note="base"))
    write(tmp_path / "watched", "b", {"pools": [{"name": "extra", "properties": {"basic": {}}}]})

    def attempt(number: int) -> None:
        home = tmp_path / f"home{number}"
        instance = deployed(home, monkeypatch, base=tmp_path / "base", watched=tmp_path / "watched")
        files = [home / "store" / "store.db", home / "import" / "base.json", home / "import" / "last.json"]
        environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
        command = run_command(instance)
        with instance.output.open("ab") as out:
            process = subprocess.Popen(command, stdout=out, stderr=out, env=environment)
        try:
            wait_for("the moment", files[number].exists, 30)
        finally:
            for kind in ("launcher", "control", "haproxy"):
                for pid in instance.processes()[kind]:
                    os.kill(pid, signal.SIGKILL)
            process.wait(10)
        with instance:
            assert names(instance, "pools") == ["app", "extra"]
            snapshot = json.loads((home / "import" / "base.json").read_text())
            described = {(item["type"], item["name"]) for item in snapshot["objects"]}
            assert ("pools", "app") in described
            assert ("pools", "extra") not in described

    for number in range(3):
        await called(attempt, number)


async def test_no_request_fails_while_documents_are_imported_again_and_again(
    instance: Instance, origins: Origins, tmp_path: Path
) -> None:
    """R29: imports under load, of every kind of change, lose no request."""
    port, other = free_port(), free_port()
    documents = tmp_path / "docs"

    def import_them(number: int) -> None:
        nodes = [origin.node for origin in origins][: 2 + number % 2]
        document = web(port, *nodes, note=str(number))
        if number % 3 == 0:
            extra = {"enabled": True, "port": other, "pool": "app"}
            document["virtual_servers"].append({"name": "extra", "properties": {"basic": extra}})
        write(documents, "web", document)
        done = pointsman("config-import", "--home", instance.home, "--chdir", documents, "config")
        assert done.returncode == 0, done

    await called(import_them, 0)
    await called(wait_for, "the service", lambda: answer(port) in "abc")
    load = Load(port, clients=8)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(load.run(60))
        for number in range(1, 9):
            await called(import_them, number)
        load.stop()
    report = running.result()
    assert report.failed == {}
    assert report.requests > 100


def test_the_command_says_how_it_went(instance: Instance, tmp_path: Path) -> None:
    """Importer 10: exit statuses 0 ok, 1 invalid, 2 applied with warnings, 4 no instance; dry run and diff."""
    documents = tmp_path / "docs"
    home = ("--home", instance.home)
    write(documents, "a", web(free_port(), "127.0.0.1:9"))

    def run(*words: str) -> tuple[int, str]:
        done = pointsman("config-import", *home, "--chdir", documents, *words)
        return done.returncode, done.stdout + done.stderr

    status_, told = run("--dry-run", "--diff", "config")
    assert (status_, names(instance, "pools")) == (0, [])
    assert "+ pools/app" in told
    assert "frontend" in told
    assert run("config")[0] == 0
    assert told_of(instance, documents)
    assert run("--json")[0] == 0
    write(documents, "b", "pools:\n- name: app\n  properties:\n    basic: {unheard_of: 1}\n")
    status_, told = run("config")
    assert (status_, f"{documents}/config/b:4:" in told) == (2, True)
    assert run("--strict", "config")[0] == 1
    write(documents, "b", "pools:\n- name: app\n  properties:\n    basic: {passive_monitoring: 1}\n")
    status_, told = run("config")
    assert (status_, f"{documents}/config/b:4:" in told) == (1, True)
    assert run("config/a", "--no-replicate", "--restart-timeout", "5")[0] == 0
    assert run("elsewhere")[0] == 1
    assert run("--restart-timeout=soon")[0] == 1
    nobody = pointsman("config-import", "--home", tmp_path / "nobody", "--chdir", documents, "config")
    assert nobody.returncode == 4
    zeus = {"ZEUSHOME": str(instance.home.parent)}
    assert pointsman("config-snapshot", env=zeus).returncode == 4  # $ZEUSHOME/var is where a container has it
    assert pointsman("config-snapshot", *home).returncode == 0
    write(documents, "a", {"pools": [{"name": "second", "properties": {"basic": {}}}]})
    (documents / "config" / "b").unlink()
    assert run("config")[0] == 0
    assert names(instance, "pools") == ["app", "second"]


def told_of(instance: Instance, documents: Path) -> bool:
    """Whether the log says of the last import what the instance remembers, and it was of those documents."""
    last = status(instance)["last"]
    lines = instance.output.read_text().splitlines()
    said = [line for line in lines if line.startswith("INFO: the documents")]
    return last["directory"] == str(documents) and any(last["text"] in line for line in said)


def test_certificates_come_from_files(instance: Instance, tmp_path: Path) -> None:
    """Importer 11g: fileRef for key and certificate, as the published manifests have them."""
    port, documents = free_port(), tmp_path / "docs"
    public, private = self_signed("site.example")
    folder = documents / "tls" / "site"
    folder.mkdir(parents=True)
    (folder / "tls.crt").write_text(public)
    (folder / "tls.key").write_text(private)
    text = (
        "ssl:\n  server_keys:\n  - name: site\n    properties:\n      basic:\n"
        "        public: {valueFrom: {fileRef: {name: tls/site/tls.crt}}}\n"
        "        private: {valueFrom: {fileRef: {name: tls/site/tls.key}}}\n"
        "virtual_servers:\n- name: secure\n  properties:\n"
        f"    basic: {{enabled: true, port: {port}, pool: discard, ssl_decrypt: true}}\n"
        "    ssl: {server_cert_default: site}\n"
    )
    write(documents, "00-secure", text)
    done = pointsman("config-import", "--home", instance.home, "--chdir", documents, "config")
    assert done.returncode == 0, done
    served = wait_for("TLS", lambda: certificate(port))
    assert served == public
    (folder / "tls.key").unlink()
    done = pointsman("config-import", "--home", instance.home, "--chdir", documents, "config")
    assert (done.returncode, "tls/site/tls.key" in done.stderr) == (1, True)
    assert f"{documents}/config/00-secure:7:" in done.stderr
    assert "PRIVATE" not in instance.output.read_text()


def certificate(port: int) -> str:
    try:
        return ssl.get_server_certificate(("127.0.0.1", port))
    except OSError:
        return ""


def test_a_setting_that_needs_a_restart_gets_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """R31: the control plane is started again for a changed port, unless --no-restart; traffic goes on."""
    first, second, third, base = free_port(), free_port(), free_port(), tmp_path / "base"
    home = tmp_path / "home"
    instance = deployed(home, monkeypatch, base=base)
    instance.ports = ("--rest-port", "0", "--ui-port", "0", "--name", "pm1")
    write(base, "a", member(first))
    documents = tmp_path / "docs"
    with instance:
        assert listens(first)
        engines = instance.processes()["haproxy"]
        write(documents, "a", member(second))
        words = ("config-import", "--home", home, "--chdir", documents)
        held = pointsman(*words, "--no-restart", "config")
        assert (held.returncode, "cluster_comms.port" in held.stdout) == (0, True), held
        assert status(instance)["pending_restart"] != []
        assert listens(first)
        write(documents, "a", member(third))
        done = pointsman(*words, "--restart-timeout", "50", "config")
        assert (done.returncode, "started again" in done.stdout) == (0, True), done
        wait_for("REST", lambda: reachable(instance))
        assert (listens(first), listens(second), listens(third)) == (False, False, True)
        assert status(instance)["pending_restart"] == []
        assert instance.processes()["haproxy"] == engines


def member(port: int) -> Documents:
    """A document that sets the port for cluster members."""
    return {
        "traffic_managers": [{"name": "pm1", "properties": {"cluster_comms": {"port": port}}}],
    }


def listens(port: int) -> bool:
    return certificate(port) != ""


async def test_what_the_engine_refuses_as_a_whole_is_taken_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, origins: Origins
) -> None:
    """R32, importer 10: exit status 3; the revision before is in force again, also when the control plane was killed
    before the engine's verdict; a watched directory that goes away is a failed import, and is taken in again.
    """
    port, other, watched = free_port(), free_port(), tmp_path / "watched"
    wrapper, slow, begun = tmp_path / "haproxy", tmp_path / "slow", tmp_path / "begun"
    wrapper.write_text(
        "#!/bin/sh\n"
        f'case " $* " in *" -c "*) if grep -q ":{other}" "$3"; then\n'
        f"touch {begun}; while [ -e {slow} ]; do sleep 0.05; done; echo '[ALERT] : no.' >&2; exit 1; fi;; esac\n"
        f'exec {find_binary()} "$@"\n'
    )
    wrapper.chmod(0o755)
    monkeypatch.setenv("POINTSMAN_HAPROXY", str(wrapper))
    write(watched, "a", web(port, origins[0].node))
    instance = deployed(tmp_path / "home", monkeypatch, watched=watched)

    def last() -> Any:
        with contextlib.suppress(OSError):
            return status(instance)["last"]

    def failed() -> Any:
        return (found := last()) and found["outcome"] == "failed" and found

    def refuse() -> None:
        with instance:
            write(tmp_path / "docs", "a", web(other, origins[1].node))
            done = pointsman("config-import", "--home", instance.home, "--chdir", tmp_path / "docs", "config")
            assert done.returncode == 3, done
            assert "no." in done.stderr
            assert answer(port) == "a"
            assert instance.get("config/active/virtual_servers/web")["properties"]["basic"]["port"] == port
            tag = "status/local_tm/events?tag=configimportfailed"
            wait_for("the event", lambda: instance.get(tag)["events"])
            begun.unlink()
            slow.touch()
            write(watched, "a", web(other, origins[1].node))
            wait_for("the engine is asked", begun.exists)
            (control,) = instance.processes()["control"]
            before = last()
            os.kill(control, signal.SIGKILL)
            slow.unlink()
            told = wait_for(
                "the end", lambda: (found := failed()) and found["time"] > before["time"] and found, 30
            )
            assert told["refused"]
            assert answer(port) == "a"
            assert instance.get("config/active/virtual_servers/web")["properties"]["basic"]["port"] == port
            watched.rename(tmp_path / "aside")
            wait_for("it is gone", lambda: "does not exist" in last()["cause"], DEADLINE)
            write(tmp_path / "aside", "a", web(port, origins[2].node))
            (tmp_path / "aside").rename(watched)
            wait_for("it is back", lambda: answer(port) == "c", DEADLINE)

    await called(refuse)
