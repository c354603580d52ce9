"""What changes would mean for the engine, as the control socket tells it.

Pure. Invariant: no secret is shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pointsman.compiler.difference import AtRunTime, Nothing, Reload, difference
from pointsman.compiler.listing import compare_listings, compare_plans, listing, secrets_of
from pointsman.compiler.plan import Plan
from pointsman.control.control import Control
from pointsman.control.merge import with_changes
from pointsman.schema.snapshot import Snapshot
from pointsman.store import Change


def engine_difference(control: Control, plan: Plan, changes: Sequence[Change]) -> dict[str, Any]:
    """`engine`: the generated configuration as a unified diff; `act` that leads from the one in force to `plan`, and
    its `reasons`.
    """
    current = control.plan
    secrets = secrets_of(control.snapshot) | secrets_of(
        Snapshot(with_changes(control.snapshot.objects, changes)[0])
    )
    if current is None:
        text = compare_listings({}, listing(plan, secrets))
        return {"engine": text, "act": "start", "reasons": ["nothing is in force yet"]}
    text = compare_plans(current, plan, secrets)
    match difference(current, plan):
        case Nothing():
            return {"engine": text, "act": "nothing", "reasons": []}
        case AtRunTime():
            return {"engine": text, "act": "runtime", "reasons": []}
        case Reload(reasons):
            return {"engine": text, "act": "reload", "reasons": list(reasons)}
