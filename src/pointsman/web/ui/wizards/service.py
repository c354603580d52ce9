"""The wizard that manages a new service: a pool of nodes, and a virtual server in front of it that is started.

Invariant: it makes these two objects, in one transaction, and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pointsman.compiler.haproxy.virtual_server import mode_of
from pointsman.console.language.choice import say
from pointsman.schema.problem import ObjectId, Problem
from pointsman.schema.registry import BY_PATH
from pointsman.schema.validate import Invalid, build
from pointsman.schema.virtual_server import VirtualServer
from pointsman.store import Put
from pointsman.web.ui.objects.pages import address_of
from pointsman.web.ui.wizards import ports
from pointsman.web.ui.wizards.asking import Answers, Ask, Option, number_of, placed
from pointsman.web.ui.wizards.trying import commands
from pointsman.web.ui.wizards.wizard import Link, Outcome, Step, Wizard, World, ask_for, problems_with

POOLS, SERVERS, GROUPS, KEYS = "pools", "virtual_servers", "traffic_ip_groups", "ssl/server_keys"


def protocols() -> tuple[str, ...]:
    """What a virtual server can speak, the most common first."""
    key = BY_PATH[SERVERS].key("basic", "protocol")
    return () if key is None else ("http", *(word for word in key.choices if word != "http"))


def _called(protocol: str) -> str:
    served = mode_of(protocol) is not None
    return protocol if served else say("{protocol} (not served yet)", protocol=protocol)


async def _ask_service(answers: Answers, world: World) -> Sequence[Ask]:
    return (
        Ask(
            "name", "Name of the service", help="The virtual server and its pool are called so.", needed=True
        ),
        Ask(
            "protocol",
            "Protocol",
            "select",
            "For HTTPS that is decrypted here choose http, and a certificate in the third step.",
            options=tuple(Option(word, _called(word)) for word in protocols()),
            default=("http",),
        ),
        Ask(
            "port",
            "Port",
            "number",
            "Where clients connect: 80 for HTTP, 443 for HTTPS.",
            default=("80",),
            needed=True,
            minimum=1,
            maximum=65_535,
        ),
    )


def _check_service(answers: Answers, world: World) -> Mapping[str, str]:
    name, protocol = answers.text("name"), answers.text("protocol")
    places = {("basic", "port"): "port", ("basic", "protocol"): "protocol", (): "name"}
    settings = {"basic": {"port": number_of(answers.text("port")), "pool": "x", "protocol": protocol}}
    faults = placed(problems_with(SERVERS, name, settings), places)
    for type_path, what in ((SERVERS, "virtual server"), (POOLS, "pool")):
        if world.has(type_path, name):
            faults.setdefault("name", f'there is a {what} "{name}" already; choose another name')
    if taken := ports.everywhere(world.objects, number_of(answers.text("port")), protocol):
        faults.setdefault("port", taken)
    return faults


async def _ask_nodes(answers: Answers, world: World) -> Sequence[Ask]:
    return (
        Ask(
            "nodes",
            "Nodes",
            "area",
            "The servers that answer, one to a line or parted by commas, each with its port: 192.0.2.10:80, "
            "web1:8080, [2001:db8::1]:80.",
            needed=True,
        ),
        ask_for(
            "monitor",
            "Monitor",
            world,
            "monitors",
            help="Checks all the time whether each node is well. Without one, failed requests alone tell.",
        ),
    )


def _pool(answers: Answers) -> dict[str, Any]:
    rows = [{"node": line} for line in answers.words("nodes")]
    monitor = answers.text("monitor")
    return {"basic": {"nodes_table": rows, **({"monitors": [monitor]} if monitor else {})}}


def _check_nodes(answers: Answers, world: World) -> Mapping[str, str]:
    problems = problems_with(POOLS, answers.text("name") or "new", _pool(answers))
    faults = placed(
        problems, {("basic", "nodes_table"): "nodes", ("basic", "monitors"): "monitor", (): "nodes"}
    )
    monitor = answers.text("monitor")
    if monitor and not world.has("monitors", monitor):
        faults["monitor"] = f'there is no monitor "{monitor}"; choose another'
    return faults


async def _ask_extras(answers: Answers, world: World) -> Sequence[Ask]:
    asks = [
        ask_for(
            "group",
            "Traffic IP group",
            world,
            GROUPS,
            help="Where it listens. Without one: on every address of every traffic manager.",
            link=("/wizards/new-traffic-ip-group", "New traffic IP group"),
        )
    ]
    if answers.text("protocol") == "http":
        asks.append(
            ask_for(
                "certificate",
                "TLS certificate",
                world,
                KEYS,
                help="With one, clients speak HTTPS, and the traffic is decrypted here.",
                link=("/catalogs/ssl/server-certificates", "Server certificates"),
            )
        )
    return asks


def _check_extras(answers: Answers, world: World) -> Mapping[str, str]:
    faults: dict[str, str] = {}
    group, certificate = answers.text("group"), answers.text("certificate")
    if group and not world.has(GROUPS, group):
        faults["group"] = f'there is no traffic IP group "{group}"; choose another'
    if certificate and not world.has(KEYS, certificate):
        faults["certificate"] = f'there is no certificate "{certificate}"; choose another'
    taken = ports.on_groups(
        world.objects,
        number_of(answers.text("port")),
        answers.text("protocol"),
        [group] if group else [],
    )
    if taken:
        faults.setdefault("group", taken)
    return faults


async def _outcome(answers: Answers, world: World) -> Outcome:
    name, group = answers.text("name"), answers.text("group")
    certificate = answers.text("certificate") if answers.text("protocol") == "http" else ""
    pool, server = ObjectId(POOLS, name), ObjectId(SERVERS, name)
    basic: dict[str, Any] = {
        "enabled": True,
        "port": number_of(answers.text("port")),
        "protocol": answers.text("protocol"),
        "pool": name,
    }
    if group:
        basic |= {"listen_on_any": False, "listen_on_traffic_ips": [group]}
    if certificate:
        basic["ssl_decrypt"] = True
    settings = {"basic": basic, **({"ssl": {"server_cert_default": certificate}} if certificate else {})}
    faults = {
        **_check_service(answers, world),
        **_check_nodes(answers, world),
        **_check_extras(answers, world),
    }
    built = build(BY_PATH[SERVERS], name, settings)
    if faults:
        raise Invalid(tuple(Problem(server, (), "wizard.stale", text) for text in faults.values()))
    assert isinstance(built, VirtualServer)
    tries = commands(built, world.objects, world.host)
    return Outcome(
        done=f"The service {name} was made and started.",
        changes=(Put(pool, _pool(answers)), Put(server, settings)),
        reason=f"wizard: new service {name}",
        links=(
            Link(f"Virtual server {name}", address_of(server)),
            Link(f"Pool {name}", address_of(pool)),
            Link("All services", "/services"),
        ),
        commands=tries,
        advice="Try it from any machine that reaches this one:" if tries else "",
    )


NEW_SERVICE = Wizard(
    "new-service",
    "Manage a new service",
    "A virtual server that clients connect to, and a pool of the nodes that answer; started when you finish.",
    "Wizard!NewService",
    ("Virtual_Servers!Edit", "Pools!Edit"),
    (
        Step("Service", _ask_service, _check_service, "What it is called, and where clients connect."),
        Step("Nodes", _ask_nodes, _check_nodes, "The servers that answer its requests."),
        Step("Address and TLS", _ask_extras, _check_extras, "Both may be left as they are."),
    ),
    _outcome,
    icon="plus",
)
