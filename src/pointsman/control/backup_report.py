"""Backups and restores as JSON, the same for REST, the control socket and the command line.

Pure. Invariant: no secret is in it, but fingerprints where one changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from pointsman.backup.shelf import Kept
from pointsman.control.backup_schedule import Scheduler
from pointsman.control.backups import Restored
from pointsman.control.restoring import Restoring, Wish
from pointsman.document.wire import encode_changes, encode_problem
from pointsman.schema.problem import Problem
from pointsman.schema.validate import Invalid

Json = dict[str, Any]


def kept_body(kept: Kept) -> Json:
    """One backup as its manifest describes it; `time` in Unix seconds, `size` in bytes."""
    manifest = kept.manifest
    return {
        "name": kept.name,
        "description": manifest.description,
        "time": manifest.time,
        "version": manifest.version,
        "level": manifest.level,
        "traffic_manager": manifest.traffic_manager,
        "traffic_managers": list(manifest.members),
        "size": kept.size,
        "objects": dict(manifest.counts),
        "secrets": manifest.secrets,
        "secret_fields": manifest.left_out,
        "scheduled": manifest.scheduled,
        "fault": kept.fault,
    }


def schedule_body(scheduler: Scheduler) -> Json:
    """The schedule, when the next backup is due (Unix seconds, 0: never), and why the last one failed."""
    return {**asdict(scheduler.schedule), "next": scheduler.next, "failure": scheduler.failure}


def restoring_body(restoring: Restoring) -> Json:
    """What a restore does or would do."""
    return {
        "changes": encode_changes(restoring.edit.shown),
        "remarks": [encode_problem(remark) for remark in restoring.remarks],
        "mapping": dict(restoring.mapping),
    }


def restored_body(restored: Restored) -> Json:
    """What a restore did."""
    return {
        **restoring_body(restored.restoring),
        "revision": restored.revision,
        "users": list(restored.users),
    }


def read_wish(data: Mapping[str, Any]) -> Wish:
    """The wish of a request: `only` (a list of types and objects), `mapping` (old name -> present one, or ""),
    `with_needed`, `with_users`. Raises `Invalid`.
    """
    match {"only": [], "mapping": {}, "with_needed": False, "with_users": False, **data}:
        case {
            "only": [*only], "mapping": dict(mapping), "with_needed": bool(needed), "with_users": bool(users), **others
        } if (
            not others
            and all(isinstance(text, str) for text in only)
            and all(isinstance(text, str) for pair in mapping.items() for text in pair)
        ):  # fmt: skip
            return Wish(tuple(only), needed, mapping, users)
    text = (
        'a restore takes "only" (a list of types and objects), "mapping" (names to names), "with_needed" and '
        '"with_users" (true or false)'
    )
    raise Invalid((Problem(None, (), "request.invalid", text),))
