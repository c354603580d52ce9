"""The wizard that makes a copy of a service: its virtual server, and its pool where that is wanted.

Invariant: what is copied stays as it is; the copy is not started unless that is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pointsman.schema.problem import ObjectId, Problem
from pointsman.schema.registry import BY_PATH
from pointsman.schema.validate import Invalid, build
from pointsman.schema.virtual_server import VirtualServer
from pointsman.store import Change, Put
from pointsman.web.ui.objects.pages import address_of
from pointsman.web.ui.wizards import ports
from pointsman.web.ui.wizards.asking import Answers, Ask, number_of, placed
from pointsman.web.ui.wizards.trying import commands
from pointsman.web.ui.wizards.wizard import Link, Outcome, Step, Wizard, World, ask_for, problems_with

SERVERS, POOLS = "virtual_servers", "pools"


def _server(answers: Answers, world: World) -> VirtualServer | None:
    found = world.objects.get(ObjectId(SERVERS, answers.text("server")))
    return found if isinstance(found, VirtualServer) else None


async def _ask_server(answers: Answers, world: World) -> Sequence[Ask]:
    return (ask_for("server", "Virtual server", world, SERVERS, needed=True),)


def _check_server(answers: Answers, world: World) -> Mapping[str, str]:
    return {} if _server(answers, world) else {"server": "there is no such virtual server; choose another"}


async def _ask_copy(answers: Answers, world: World) -> Sequence[Ask]:
    server = _server(answers, world)
    asks = [
        Ask("name", "Name of the copy", needed=True),
        Ask(
            "port",
            "Port",
            "number",
            "Where the copy listens.",
            needed=True,
            minimum=1,
            maximum=65_535,
            default=(str(server.basic.port + 1) if server and server.basic.port < 65_535 else "",),
        ),
    ]
    if server is not None and world.has(POOLS, server.basic.pool):
        help_text = f"Otherwise it shares the pool {server.basic.pool} with the original."
        asks.append(Ask("copy_pool", "A copy of its pool too", "check", help_text))
    asks.append(Ask("start", "Start it", "check", "Otherwise it is made switched off."))
    return tuple(asks)


def _settings(answers: Answers, world: World) -> dict[str, Any]:
    settings = world.settings(SERVERS, answers.text("server"))
    basic = settings.setdefault("basic", {})
    basic |= {"port": number_of(answers.text("port")), "enabled": answers.yes("start")}
    if answers.yes("copy_pool"):
        basic["pool"] = answers.text("name")
    return settings


def _check_copy(answers: Answers, world: World) -> Mapping[str, str]:
    name, server = answers.text("name"), _server(answers, world)
    if server is None:
        return {"name": "what was to be copied is not there any more; begin again"}
    places = {("basic", "port"): "port", (): "name"}
    faults = placed(problems_with(SERVERS, name, _settings(answers, world)), places, "name")
    for type_path, what in ((SERVERS, "virtual server"), (POOLS, "pool")):
        if world.has(type_path, name) and (type_path == SERVERS or answers.yes("copy_pool")):
            faults.setdefault("name", f'there is a {what} "{name}" already; choose another name')
    port, groups = number_of(answers.text("port")), server.basic.listen_on_traffic_ips
    taken = ports.everywhere(world.objects, port, server.basic.protocol)
    if not taken and (server.basic.listen_on_any or groups):
        taken = ports.on_groups(
            world.objects, port, server.basic.protocol, () if server.basic.listen_on_any else groups
        )
    if taken:
        faults.setdefault("port", taken)
    return faults


async def _outcome(answers: Answers, world: World) -> Outcome:
    name = answers.text("name")
    identity = ObjectId(SERVERS, name)
    if faults := {**_check_server(answers, world), **_check_copy(answers, world)}:
        raise Invalid(tuple(Problem(identity, (), "wizard.stale", text) for text in faults.values()))
    settings = _settings(answers, world)
    changes: list[Change] = []
    server = _server(answers, world)
    if answers.yes("copy_pool") and server is not None:
        changes.append(Put(ObjectId(POOLS, name), world.settings(POOLS, server.basic.pool)))
    changes.append(Put(identity, settings))
    built = build(BY_PATH[SERVERS], name, settings)
    assert isinstance(built, VirtualServer)
    tries = commands(built, world.objects, world.host) if built.basic.enabled else ()
    return Outcome(
        done=f"{name} was made as a copy of {answers.text('server')}.",
        changes=tuple(changes),
        reason=f"wizard: {name} as a copy of {answers.text('server')}",
        links=(Link(f"Virtual server {name}", address_of(identity)),),
        commands=tries,
        advice="Try it:" if tries else "",
    )


def _obstacle(world: World) -> tuple[str, Link] | None:
    if world.names(SERVERS):
        return None
    return "There is no service yet.", Link("Manage a new service", "/wizards/new-service")


CLONE_SERVICE = Wizard(
    "clone-service",
    "Clone a service",
    "A copy of a virtual server with all its settings, on another port, with a copy of its pool or the same one.",
    "Virtual_Servers!Edit",
    ("Virtual_Servers!Edit", "Pools!Edit"),
    (
        Step("Service", _ask_server, _check_server, "What is copied."),
        Step("Copy", _ask_copy, _check_copy, "What is different in the copy."),
    ),
    _outcome,
    _obstacle,
    icon="copy",
)
