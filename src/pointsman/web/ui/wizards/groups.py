"""The wizard that makes a traffic IP group.

Invariant: it makes that one object.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pointsman.control.merge import checked
from pointsman.schema.problem import ObjectId
from pointsman.schema.registry import BY_PATH
from pointsman.schema.validate import Invalid, build
from pointsman.store import Put
from pointsman.web.ui.objects.pages import address_of
from pointsman.web.ui.wizards.asking import Answers, Ask, options_of, placed
from pointsman.web.ui.wizards.wizard import Link, Outcome, Step, Wizard, World, problems_with

GROUPS, MANAGERS = "traffic_ip_groups", "traffic_managers"


async def _ask_name(answers: Answers, world: World) -> Sequence[Ask]:
    return (
        Ask("name", "Name of the group", needed=True),
        Ask(
            "addresses",
            "Addresses",
            "area",
            "One to a line, each free in a network that the traffic managers have a part in: 192.0.2.10, 2001:db8::10.",
            needed=True,
        ),
    )


async def _ask_machines(answers: Answers, world: World) -> Sequence[Ask]:
    names = world.names(MANAGERS)
    return (
        Ask(
            "machines",
            "Traffic managers",
            "boxes",
            "Who may hold the addresses. With two, one takes over when the other fails.",
            options=options_of(names),
            default=tuple(names),
            needed=True,
        ),
        Ask(
            "together",
            "All addresses on one machine",
            "check",
            "Otherwise each machine holds its share of them.",
        ),
    )


def _settings(answers: Answers) -> dict[str, Any]:
    basic: dict[str, Any] = {"ipaddresses": list(answers.words("addresses"))}
    if answers.all("machines"):
        basic["machines"] = list(answers.all("machines"))
    if answers.yes("together"):
        basic["keeptogether"] = True
    return {"basic": basic}


def _check_name(answers: Answers, world: World) -> Mapping[str, str]:
    name = answers.text("name")
    places = {("basic", "ipaddresses"): "addresses", (): "name"}
    settings = _settings(answers)
    faults = {
        field: text
        for field, text in placed(problems_with(GROUPS, name, settings), places).items()
        if field != "addresses" or answers.words("addresses")
    }
    if world.has(GROUPS, name):
        faults["name"] = f'there is a traffic IP group "{name}" already; choose another name'
    elif not faults:
        try:
            checked(world.objects, (Put(ObjectId(GROUPS, name), settings),))
        except Invalid as error:
            faults = placed(error.problems, places)
    return faults


async def _outcome(answers: Answers, world: World) -> Outcome:
    identity = ObjectId(GROUPS, answers.text("name"))
    build(BY_PATH[GROUPS], identity.name, _settings(answers))
    return Outcome(
        done=f"The traffic IP group {identity.name} was made.",
        changes=(Put(identity, _settings(answers)),),
        reason=f"wizard: new traffic IP group {identity.name}",
        links=(
            Link(f"Traffic IP group {identity.name}", address_of(identity)),
            Link("Manage a new service on it", "/wizards/new-service"),
        ),
        advice="Its addresses are raised at once; the group's page shows who holds them.",
    )


NEW_GROUP = Wizard(
    "new-traffic-ip-group",
    "New traffic IP group",
    "Addresses that move to another traffic manager when the one that holds them fails.",
    "Traffic_IP_Groups!Edit",
    ("Traffic_IP_Groups!Edit",),
    (
        Step("Addresses", _ask_name, _check_name, "What the group is called, and which addresses it holds."),
        Step("Traffic managers", _ask_machines, lead="Who holds them."),
    ),
    _outcome,
    icon="plus",
)
