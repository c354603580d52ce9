"""What documents mean without any instance: the configuration they describe, compiled, and HAProxy's opinion
of it.

Invariant: nothing is asked of the network: host names are taken to resolve, ports to be free.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pointsman.compiler.compile import compile_plan
from pointsman.compiler.difference import AtRunTime, Nothing, Reload, Step, difference
from pointsman.compiler.facts import EngineFacts, Facts
from pointsman.compiler.listing import compare_listings, listing, secrets_of
from pointsman.compiler.plan import Plan
from pointsman.control.resolve import names_in
from pointsman.document.difference import Objects, compare
from pointsman.document.wire import encode_changes
from pointsman.engine.haproxy.binary import NoBinary, engine_facts, find_binary
from pointsman.engine.haproxy.check import check_configuration, refusals
from pointsman.engine.haproxy.generation import CONFIGURATION, Generations
from pointsman.schema.problem import ObjectId, Problem
from pointsman.schema.registry import BY_PATH, RESOURCE_TYPES
from pointsman.schema.resource import Kind
from pointsman.schema.snapshot import Snapshot
from pointsman.schema.validate import build

ASSUMED_ENGINE = EngineFacts((2, 8, 0))
"""The oldest HAProxy we support, where none is installed."""
ASSUMED_ADDRESS = "192.0.2.1"
"""What every host name resolves to (RFC 5737: an address for documentation)."""


@dataclass(frozen=True)
class Engine:
    """The HAProxy of this machine; `binary` None when there is none, and `why` says so."""

    facts: EngineFacts
    binary: Path | None
    why: str = ""


def find_engine() -> Engine:
    """The HAProxy that would be used here."""
    try:
        binary = find_binary()
        return Engine(asyncio.run(engine_facts(binary)), binary)
    except NoBinary as error:
        return Engine(ASSUMED_ENGINE, None, str(error))


def snapshot_of(objects: Objects) -> Snapshot:
    """The configuration of an instance that holds `objects` (valid ones) and what every instance has."""
    whole: dict[ObjectId, Mapping[str, Any]] = {}
    for kind in RESOURCE_TYPES:
        if kind.kind is Kind.SINGLETON:
            whole[ObjectId(kind.path, "")] = {}
        for name, settings in kind.factory.items():
            whole[ObjectId(kind.path, name)] = settings
    for identity, described in objects.items():
        if identity in whole and "content" not in described:
            given = whole[identity]
            merged = {section: {**given.get(section, {}), **keys} for section, keys in described.items()}
            whole[identity] = {**given, **merged}
        else:
            whole[identity] = dict(described)
    return Snapshot({i: build(BY_PATH[i.type], i.name, settings) for i, settings in whole.items()}, 1)


def compile_offline(snapshot: Snapshot, engine: Engine) -> Plan:
    """The engine's configuration as a fresh instance would have it."""
    facts = Facts(
        engine=engine.facts,
        traffic_manager="offline",
        engine_directory="/run/pointsman",
        addresses=dict.fromkeys(names_in(snapshot), (ASSUMED_ADDRESS,)),
    )
    return compile_plan(snapshot, facts)


def ask_engine(plan: Plan, engine: Engine) -> tuple[Problem, ...]:
    """What `haproxy -c` has against a plan; nothing where there is no HAProxy."""
    if engine.binary is None:
        return ()
    with tempfile.TemporaryDirectory(prefix="pointsman-check-") as directory:
        generations = Generations(Path(directory))
        number = generations.write(plan)
        generations.point(number)
        complaint = asyncio.run(
            check_configuration(engine.binary, Path(directory) / "current" / CONFIGURATION)
        )
    return refusals(complaint, plan) if complaint else ()


def compare_offline(before: Objects, after: Objects) -> dict[str, Any]:
    """The same answer that an instance's `diff` gives, from one set of documents to another."""
    engine = find_engine()
    snapshots = snapshot_of(before), snapshot_of(after)
    old, new = (compile_offline(snapshot, engine) for snapshot in snapshots)
    secrets = secrets_of(snapshots[0]) | secrets_of(snapshots[1])
    act, reasons = _act(difference(old, new))
    return {
        "changes": encode_changes(compare(before, after, BY_PATH)),
        "engine": compare_listings(listing(old, secrets), listing(new, secrets)),
        "act": act,
        "reasons": list(reasons),
    }


def _act(step: Step) -> tuple[str, tuple[str, ...]]:
    match step:
        case Nothing():
            return "nothing", ()
        case AtRunTime():
            return "runtime", ()
        case Reload(reasons):
            return "reload", reasons
