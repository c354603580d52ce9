"""That a node be disabled once it is empty is remembered by the product, whatever dies, and settled by all members."""

from __future__ import annotations

import os
import re
import signal
import socket
import socketserver
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from tests.e2e.reader import Reader
from tests.e2e.test_cluster import join, members
from tests.e2e.test_traffic import in_force
from tests.e2e.test_ui_services import NODES_ACT, act, confirm, nodes_of
from tools.instance import Instance, free_port, wait_for

DRAINING = "/activity/draining"
WISH = f"{DRAINING}/wish"
PATIENCE = 30.0


class Listener(socketserver.BaseRequestHandler):
    """Hears a client out and says nothing."""

    def handle(self) -> None:
        """Until the client ends."""
        while self.request.recv(1000):
            pass


@pytest.fixture
def node() -> Iterator[str]:
    """A node that keeps a connection for as long as its client."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Listener) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True).start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def serve(instance: Instance, node: str, port: int) -> None:
    """A service of connections with one node."""
    assert instance.put("pools", "held", {"basic": {"nodes_table": [{"node": node}]}})[0] == 201
    basic = {"enabled": True, "port": port, "pool": "held", "protocol": "client_first"}
    assert instance.put("virtual_servers", "held", {"basic": basic})[0] == 201
    wait_for("it is in force", lambda: in_force(instance), PATIENCE)


def connect(address: str, port: int) -> socket.socket:
    """A connection to the node."""
    connection = socket.create_connection((address, port), 10)
    connection.sendall(b"hello")
    return connection


def logged_in(instance: Instance) -> Reader:
    """The administrator, without JavaScript."""
    reader = Reader(instance)
    assert reader.log_in().status_code == 200
    return reader


def page_with(reader: Reader, words: str) -> Any:
    """The page of draining nodes, once it says that."""
    return wait_for(words, lambda: words in (page := reader.get(DRAINING)).text and page, PATIENCE)


def drain_and_wish(reader: Reader, word: str) -> None:
    """Has the node drain, and be disabled once it is empty."""
    asked = act(reader, "/services/pools/held", NODES_ACT, [word], ("do", "drain"))
    confirm(reader, asked, NODES_ACT, "drain")
    page = page_with(reader, f"disable-when-empty {word}")
    form = replace(reader.form(page, NODES_ACT), action=WISH)
    assert (
        "will be disabled when empty"
        in reader.send(page, form, {}, ("one", f"disable-when-empty {word}")).text
    )


def audited(reader: Reader, what: str) -> set[int]:
    """The changes in the audit log that say these words."""
    rows = reader.get(f"/diagnose/audit-log.json?text={quote(what)}").json()
    return {row["revision"] for row in rows}


def killed(pid: int) -> bool:
    """Whether a process has gone, or is only waited for."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def test_a_wish_outlives_the_death_of_everything_but_the_engine(tmp_path: Path, node: str) -> None:
    """The control plane is killed, then the launcher with it; the connection stays, and so does who asked for what."""
    port, word = free_port(), f"held/{quote(node, safe='')}"
    with Instance(tmp_path / "h") as instance:
        serve(instance, node, port)
        with connect("127.0.0.1", port):
            with logged_in(instance) as reader:
                page_with(reader, "No node drains")
                drain_and_wish(reader, word)
                assert len(audited(reader, "is to be disabled when it is empty")) == 1
            (control,) = instance.processes()["control"]
            os.kill(control, signal.SIGKILL)
            wait_for(
                "a new control plane",
                lambda: instance.processes()["control"] not in ([], [control]),
                PATIENCE,
            )
            wait_for("it answers", lambda: answers(instance), PATIENCE)
            (control,) = instance.processes()["control"]
            assert instance.process is not None
            instance.process.kill()
            instance.process.wait(10)
            os.kill(control, signal.SIGKILL)
            wait_for("it is gone", lambda: killed(control), PATIENCE)
            instance.start()
            with logged_in(instance) as reader:
                page = page_with(reader, 'data-label="In use"><strong>1</strong>')
                assert re.search(r"will be disabled when empty <span[^>]*>asked by admin", page.text)
            assert nodes_of(instance, "held")[node]["state"] == "draining"
        wait_for("it is disabled", lambda: nodes_of(instance, "held")[node]["state"] == "disabled", PATIENCE)
        with logged_in(instance) as reader:
            assert len(audited(reader, f"node {node} is empty and was disabled, as admin asked on")) == 1


def answers(instance: Instance) -> bool:
    """Whether the REST API answers."""
    try:
        return instance.rest("GET", "")[0] == 200
    except OSError:
        return False


def test_who_activates_the_node_takes_the_wish_away(tmp_path: Path, node: str) -> None:
    port, word = free_port(), f"held/{quote(node, safe='')}"
    with Instance(tmp_path / "h") as instance:
        serve(instance, node, port)
        with connect("127.0.0.1", port), logged_in(instance) as reader:
            drain_and_wish(reader, word)
            for state in ("active", "draining"):
                rows = [{"node": node, "state": state}]
                assert instance.put("pools", "held", {"basic": {"nodes_table": rows}})[0] == 200
            page = page_with(reader, 'data-label="In use"><strong>1</strong>')
            assert "asked by" not in page.text
            assert ("one", f"disable-when-empty {word}") in reader.form(page, NODES_ACT).buttons


def test_sessions_that_are_left_are_counted_where_that_can_be_known(tmp_path: Path, node: str) -> None:
    port = free_port()
    with Instance(tmp_path / "h") as instance:
        for kind in ("ip", "transparent"):
            assert instance.put("persistence", kind, {"basic": {"type": kind}})[0] == 201
        serve(instance, node, port)
        rows = {"nodes_table": [{"node": node}], "persistence_class": "ip"}
        assert instance.put("pools", "held", {"basic": rows})[0] == 200
        wait_for("it is in force", lambda: in_force(instance), PATIENCE)
        with connect("127.0.0.1", port), logged_in(instance) as reader:
            rows["nodes_table"] = [{"node": node, "state": "draining"}]
            assert instance.put("pools", "held", {"basic": rows})[0] == 200
            page_with(reader, "<strong>1</strong> session still bound to it")
            rows["persistence_class"] = "transparent"
            assert instance.put("pools", "held", {"basic": rows})[0] == 200
            page_with(reader, "how many there are cannot be known")


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[list[Instance]]:
    """A cluster of pm1 and pm2."""
    made = [Instance(tmp_path / f"i{n}", "--name", f"pm{n}", "--listen", f"127.0.0.{n + 1}") for n in (1, 2)]
    try:
        for instance in made:
            instance.start()
        joined = join(made[1], made[0])
        assert joined.returncode == 0, joined
        yield made
    finally:
        for instance in made:
            if instance.process is not None:
                instance.stop()


def test_a_node_is_disabled_when_it_is_empty_on_every_member(pair: list[Instance], node: str) -> None:
    """The connection is the other member's; while that one cannot be heard the page says so, and nothing is done."""
    one, two = pair
    port, word = free_port(), f"held/{quote(node, safe='')}"
    serve(one, node, port)
    wait_for("pm2 serves as well", lambda: "held" in str(two.get("config/active/virtual_servers")), PATIENCE)
    wait_for("it is in force there", lambda: in_force(two), PATIENCE)
    # Both engines listen on this machine: which of them takes the connection is the kernel's choice.
    with connect("127.0.0.1", port), logged_in(one) as reader, logged_in(two) as other:
        drain_and_wish(reader, word)
        page_with(other, "asked by admin")
        holder = wait_for("one has it", lambda: holder_of({one: reader, two: other}), PATIENCE)
        away = next(instance for instance in pair if instance is not holder)
        away.stop()
        wait_for("it is missed", lambda: missed(holder), PATIENCE)
    name = "pm1" if away is one else "pm2"
    with logged_in(holder) as reader:
        page = page_with(reader, "empty where members are heard")
        assert f"{name} cannot be heard" in page.text and f"waits for {name}" in page.text
        assert nodes_of(holder, "held")[node]["state"] == "draining"
    away.start()
    wait_for("it is disabled", lambda: nodes_of(holder, "held")[node]["state"] == "disabled", PATIENCE)
    wait_for("the other knows", lambda: nodes_of(away, "held")[node]["state"] == "disabled", PATIENCE)
    for instance in pair:
        with logged_in(instance) as reader:
            assert len(audited(reader, f"node {node} is empty on every member")) == 1


def holder_of(readers: dict[Instance, Reader]) -> Instance | None:
    """The member whose engine has the connection: to the other one it is another member's."""
    pages = {instance: reader.get(DRAINING).text for instance, reader in readers.items()}
    if not all("<strong>1</strong>" in page for page in pages.values()):
        return None
    mine = [instance for instance, page in pages.items() if "of other members" not in page]
    return mine[0] if len(mine) == 1 else None


def missed(instance: Instance) -> bool:
    """Whether another member cannot be heard."""
    return any(member["state"] == "unreachable" for member in members(instance).values())
