"""The wizard that switches the rules of a virtual server on and off.

Invariant: the order of the rules stays, and none is added or taken away.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pointsman.schema.problem import ObjectId, Problem
from pointsman.schema.validate import Invalid
from pointsman.schema.virtual_server import VirtualServer
from pointsman.store import Put
from pointsman.web.ui.objects.pages import address_of
from pointsman.web.ui.wizards.asking import Answers, Ask, Option
from pointsman.web.ui.wizards.wizard import Link, Outcome, Step, Wizard, World, ask_for

SERVERS = "virtual_servers"
OFF = "/"
PLACES = (
    ("request_rules", "Request rules"),
    ("response_rules", "Response rules"),
    ("completion_rules", "Completion rules"),
)


def _rules(server: VirtualServer) -> list[tuple[str, tuple[str, ...]]]:
    return [(key, getattr(server.basic, key)) for key, _ in PLACES]


def _candidates(world: World) -> list[str]:
    return [
        name
        for name in world.names(SERVERS)
        if isinstance(server := world.objects[ObjectId(SERVERS, name)], VirtualServer)
        and any(rules for _, rules in _rules(server))
    ]


def _server(answers: Answers, world: World) -> VirtualServer | None:
    found = world.objects.get(ObjectId(SERVERS, answers.text("server")))
    return found if isinstance(found, VirtualServer) else None


async def _ask_server(answers: Answers, world: World) -> Sequence[Ask]:
    return (ask_for("server", "Virtual server", world, SERVERS, among=_candidates(world), needed=True),)


def _check_server(answers: Answers, world: World) -> Mapping[str, str]:
    return {} if _server(answers, world) else {"server": "there is no such virtual server; choose another"}


async def _ask_rules(answers: Answers, world: World) -> Sequence[Ask]:
    server = _server(answers, world)
    if server is None:
        return ()
    asks = []
    for key, label in PLACES:
        rules = getattr(server.basic, key)
        if not rules:
            continue
        options = tuple(
            Option(str(number), rule.removeprefix(OFF), "off now" if rule.startswith(OFF) else "on now")
            for number, rule in enumerate(rules)
        )
        on = tuple(str(number) for number, rule in enumerate(rules) if not rule.startswith(OFF))
        asks.append(Ask(key, label, "boxes", "With a tick: on.", options=options, default=on))
    return tuple(asks)


async def _outcome(answers: Answers, world: World) -> Outcome:
    name, server = answers.text("server"), _server(answers, world)
    identity = ObjectId(SERVERS, name)
    if server is None:
        text = "there is no such virtual server any more; begin again"
        raise Invalid((Problem(identity, (), "wizard.stale", text),))
    settings = world.settings(SERVERS, name)
    for key, rules in _rules(server):
        if rules:
            on = set(answers.all(key))
            names = [rule.removeprefix(OFF) for rule in rules]
            settings.setdefault("basic", {})[key] = [
                rule if str(number) in on else f"{OFF}{rule}" for number, rule in enumerate(names)
            ]
    return Outcome(
        done=f"The rules of {name} are as you chose.",
        changes=(Put(identity, settings),),
        reason=f"wizard: rules of {name} on and off",
        links=(Link(f"Virtual server {name}", address_of(identity)),),
    )


def _obstacle(world: World) -> tuple[str, Link] | None:
    if _candidates(world):
        return None
    return "No virtual server has a rule.", Link("Rules", "/catalogs/rules")


ENABLE_RULE = Wizard(
    "enable-rule",
    "Enable or disable a rule",
    "Switches rules of a virtual server on and off, without taking them out of their order.",
    "Wizard!EnableRule",
    ("Virtual_Servers!Edit",),
    (
        Step("Service", _ask_server, _check_server, "Whose rules."),
        Step("Rules", _ask_rules, lead="Which of them run."),
    ),
    _outcome,
    _obstacle,
    icon="code",
)
