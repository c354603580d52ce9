"""The wizards that drain, disable, reactivate or remove nodes of a pool.

Invariant: each changes the rows of the chosen nodes in one pool, and no other row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pointsman.control.node_acts import NodeSetting, takes_last, with_state, without_nodes
from pointsman.schema.pool import NodeRow, Pool
from pointsman.schema.problem import ObjectId, Problem
from pointsman.schema.validate import Invalid
from pointsman.web.ui.objects.pages import address_of
from pointsman.web.ui.wizards.asking import Answers, Ask, Option
from pointsman.web.ui.wizards.wizard import MOST_OPTIONS, Link, Outcome, Step, Wizard, World, ask_for

POOLS = "pools"


@dataclass(frozen=True)
class _Act:
    """What is done: the `state` that nodes get (None removes them), for nodes of which states, and how it is told of
    one node and of several.
    """

    slug: str
    title: str
    what: str
    permission: str
    state: NodeSetting | None
    of: tuple[str, ...]
    done: tuple[str, str]
    advice: str = ""
    danger: bool = False


_ACTS = (
    _Act(
        "drain-node",
        "Drain a node",
        "A node finishes the sessions that it has, and gets no new ones.",
        "Wizard!DrainNode",
        "draining",
        ("active", "disabled"),
        ("drains", "drain"),
        "Activity > Draining Nodes shows when their last session has ended.",
    ),
    _Act(
        "disable-node",
        "Disable a node",
        "A node gets no requests at all, until it is reactivated.",
        "Wizard!DisableNode",
        "disabled",
        ("active", "draining"),
        ("is disabled", "are disabled"),
    ),
    _Act(
        "reactivate-node",
        "Reactivate a node",
        "A node that drains or is disabled gets traffic again.",
        "Wizard!ReactivateNode",
        "active",
        ("disabled", "draining"),
        ("is active again", "are active again"),
    ),
    _Act(
        "remove-node",
        "Remove a node",
        "A node leaves its pool. Drain it first where sessions matter.",
        "Wizard!RemoveNode",
        None,
        ("active", "disabled", "draining"),
        ("was removed", "were removed"),
        danger=True,
    ),
)


def _wizard(act: _Act) -> Wizard:
    def rows(answers: Answers, world: World) -> list[NodeRow]:
        pool = world.objects.get(ObjectId(POOLS, answers.text("pool")))
        table = pool.basic.nodes_table if isinstance(pool, Pool) else ()
        return [row for row in table if row.state in act.of]

    def candidates(world: World) -> list[str]:
        return [
            name
            for name in world.names(POOLS)
            if isinstance(pool := world.objects[ObjectId(POOLS, name)], Pool)
            and any(row.state in act.of for row in pool.basic.nodes_table)
        ]

    async def ask_pool(answers: Answers, world: World) -> Sequence[Ask]:
        return (ask_for("pool", "Pool", world, POOLS, among=candidates(world), needed=True),)

    def check_pool(answers: Answers, world: World) -> Mapping[str, str]:
        if not rows(answers, world):
            return {
                "pool": "there is no such pool, or no node in it that this could be done to; choose another"
            }
        return {}

    async def ask_nodes(answers: Answers, world: World) -> Sequence[Ask]:
        found = rows(answers, world)
        if len(found) > MOST_OPTIONS:
            return (Ask("nodes", "Nodes", "area", "One to a line, as they stand in the pool.", needed=True),)
        options = tuple(Option(row.node, row.node, row.state) for row in found)
        only = (found[0].node,) if len(found) == 1 else ()
        return (Ask("nodes", "Nodes", "boxes", options=options, default=only, needed=True),)

    def check_nodes(answers: Answers, world: World) -> Mapping[str, str]:
        there = {row.node for row in rows(answers, world)}
        if strange := [node for node in answers.words("nodes") if node not in there]:
            return {"nodes": f"{strange[0][:80]} is no node of the pool that this could be done to"}
        return {}

    def warnings(name: str, chosen: set[str], world: World) -> tuple[str, ...]:
        identity = ObjectId(POOLS, name)
        pool = world.objects[identity]
        if act.state == "active" or not isinstance(pool, Pool) or not world.control.users_of(identity):
            return ()
        if not takes_last(pool, chosen):
            return ()
        return (
            f'Pool "{name}" is then left without a node that takes new requests: what it serves fails, or goes to its '
            "failure pool.",
        )

    async def outcome(answers: Answers, world: World) -> Outcome:
        name = answers.text("pool")
        identity = ObjectId(POOLS, name)
        chosen = set(answers.words("nodes"))
        if fault := {**check_pool(answers, world), **check_nodes(answers, world)}:
            raise Invalid(tuple(Problem(identity, (), "wizard.stale", text) for text in fault.values()))
        settings = world.settings(POOLS, name)
        change = (
            without_nodes(name, settings, chosen)
            if act.state is None
            else with_state(name, settings, chosen, act.state)
        )
        some = ", ".join(sorted(chosen)[:5]) + (" and more" if len(chosen) > 5 else "")
        told = f"Node {some}" if len(chosen) == 1 else f"Nodes {some}"
        return Outcome(
            done=f'{told} of pool "{name}" {act.done[len(chosen) > 1]}.',
            changes=(change,),
            warnings=warnings(name, chosen, world),
            reason=f"wizard: {act.title.lower()}",
            links=(Link(f"Pool {name}", address_of(identity)),),
            advice=act.advice,
        )

    def obstacle(world: World) -> tuple[str, Link] | None:
        if candidates(world):
            return None
        return "No pool has a node that this could be done to.", Link("Pools", "/services/pools")

    return Wizard(
        act.slug,
        act.title,
        act.what,
        act.permission,
        ("Pools!Edit",),
        (
            Step("Pool", ask_pool, check_pool, "Which pool it is in."),
            Step("Nodes", ask_nodes, check_nodes, "Which of its nodes."),
        ),
        outcome,
        obstacle,
        icon="drain" if act.state == "draining" else "wand",
        danger=act.danger,
    )


NODE_WIZARDS: tuple[Wizard, ...] = tuple(map(_wizard, _ACTS))
