"""The wizard that has a virtual server decrypt TLS with a certificate of the catalog.

Invariant: it changes one virtual server.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pointsman.schema.problem import ObjectId
from pointsman.schema.registry import BY_PATH
from pointsman.schema.validate import build
from pointsman.schema.virtual_server import VirtualServer
from pointsman.store import Put
from pointsman.web.ui.objects.pages import address_of
from pointsman.web.ui.wizards import ports
from pointsman.web.ui.wizards.asking import Answers, Ask, number_of, placed
from pointsman.web.ui.wizards.trying import commands
from pointsman.web.ui.wizards.wizard import Link, Outcome, Step, Wizard, World, ask_for, problems_with

SERVERS, KEYS = "virtual_servers", "ssl/server_keys"
INSIDE = {"https": "http", "ldaps": "ldap", "imaps": "imapv4", "pop3s": "pop3"}
"""What is spoken inside the TLS of protocols that pass it on undecrypted."""


def _candidates(world: World) -> list[str]:
    """The virtual servers that do not decrypt yet."""
    return [
        name
        for name in world.names(SERVERS)
        if isinstance(server := world.objects[ObjectId(SERVERS, name)], VirtualServer)
        and not server.basic.ssl_decrypt
        and server.basic.protocol not in ports.UDP
    ]


async def _ask_server(answers: Answers, world: World) -> Sequence[Ask]:
    return (
        ask_for(
            "server",
            "Virtual server",
            world,
            SERVERS,
            among=_candidates(world),
            needed=True,
            help="Those that do not decrypt yet.",
        ),
    )


def _server(answers: Answers, world: World) -> VirtualServer | None:
    found = world.objects.get(ObjectId(SERVERS, answers.text("server")))
    return found if isinstance(found, VirtualServer) else None


def _check_server(answers: Answers, world: World) -> Mapping[str, str]:
    if _server(answers, world) is None:
        return {"server": "there is no such virtual server any more; choose another"}
    return {}


async def _ask_certificate(answers: Answers, world: World) -> Sequence[Ask]:
    server = _server(answers, world)
    port = server.basic.port if server is not None else 443
    return (
        ask_for(
            "certificate",
            "Certificate",
            world,
            KEYS,
            needed=True,
            help="What clients see who name no host that has a certificate of its own.",
            link=("/catalogs/ssl/server-certificates", "Bring another one"),
        ),
        Ask(
            "port",
            "Port",
            "number",
            f"It listens on {port} now; clients expect HTTPS on 443.",
            default=("443" if port == 80 else str(port),),
            needed=True,
            minimum=1,
            maximum=65_535,
        ),
    )


def _settings(answers: Answers, world: World) -> dict[str, Any]:
    settings = world.settings(SERVERS, answers.text("server"))
    basic = settings.setdefault("basic", {})
    protocol = basic.get("protocol", "http")
    basic |= {
        "ssl_decrypt": True,
        "port": number_of(answers.text("port")),
        "protocol": INSIDE.get(protocol, protocol),
    }
    settings.setdefault("ssl", {})["server_cert_default"] = answers.text("certificate")
    return settings


def _check_certificate(answers: Answers, world: World) -> Mapping[str, str]:
    name, server = answers.text("server"), _server(answers, world)
    if server is None:
        return {"certificate": "the virtual server is not there any more; begin again"}
    places: dict[tuple[str, ...], str] = {
        ("basic", "port"): "port",
        ("ssl", "server_cert_default"): "certificate",
    }
    faults = placed(problems_with(SERVERS, name, _settings(answers, world)), places, "certificate")
    if not world.has(KEYS, answers.text("certificate")):
        faults["certificate"] = "there is no such certificate any more; choose another"
    port = number_of(answers.text("port"))
    groups = () if server.basic.listen_on_any else server.basic.listen_on_traffic_ips
    taken = ports.everywhere(world.objects, port, server.basic.protocol, name) or (
        ports.on_groups(world.objects, port, server.basic.protocol, groups, name)
        if server.basic.listen_on_any or groups
        else ""
    )
    if taken:
        faults.setdefault("port", taken)
    return faults


async def _outcome(answers: Answers, world: World) -> Outcome:
    name = answers.text("server")
    settings = _settings(answers, world)
    built = build(BY_PATH[SERVERS], name, settings)
    assert isinstance(built, VirtualServer)
    identity = ObjectId(SERVERS, name)
    tries = commands(built, world.objects, world.host) if built.basic.enabled else ()
    return Outcome(
        done=f"{name} decrypts TLS now.",
        changes=(Put(identity, settings),),
        reason=f"wizard: {name} decrypts TLS",
        links=(Link(f"Virtual server {name}", address_of(identity)),),
        commands=tries,
        advice="Try it; --insecure is for a certificate that your machine does not trust:" if tries else "",
    )


def _obstacle(world: World) -> tuple[str, Link] | None:
    if not _candidates(world):
        return "Every virtual server decrypts already, or there is none.", Link(
            "Manage a new service", "/wizards/new-service"
        )
    if not world.names(KEYS):
        return "There is no certificate in the catalog yet.", Link(
            "Server certificates", "/catalogs/ssl/server-certificates"
        )
    return None


SSL_DECRYPT = Wizard(
    "ssl-decrypt",
    "SSL decrypt a service",
    "A virtual server decrypts TLS with a certificate of the catalog, so that rules see the requests.",
    "Wizard!SSLDecryptService",
    ("Virtual_Servers!Edit",),
    (
        Step("Service", _ask_server, _check_server, "Which virtual server shall decrypt."),
        Step("Certificate", _ask_certificate, _check_certificate, "With what, and on which port."),
    ),
    _outcome,
    _obstacle,
    icon="lock",
)
