"""Who holds which traffic IP, as pages tell it.

Pure. Invariant: an address that nobody holds, or somebody else than it belongs to, is never called well.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pointsman.control.status import Status, TrafficIpView
from pointsman.schema.snapshot import Snapshot
from pointsman.schema.traffic_ip_group import TrafficIpGroup
from pointsman.web.ui.marks import BAD, Mark
from pointsman.web.ui.objects.extra import RowState


@dataclass(frozen=True)
class AddressRow:
    """A traffic IP: who has it, where it belongs, and what follows."""

    address: str
    holder: str
    home: str
    since: float
    then: tuple[str, ...]
    mark: Mark
    word: str


def rows_of(group: str, status: Status) -> tuple[AddressRow, ...]:
    """The addresses of a group that machines can raise."""
    return tuple(_row(view, status.traffic_manager) for view in status.traffic_ips if view.group == group)


def group_states(snapshot: Snapshot, status: Status) -> Mapping[str, RowState]:
    """How each group fares."""
    rows: dict[str, list[AddressRow]] = {}
    for view in status.traffic_ips:
        rows.setdefault(view.group, []).append(_row(view, status.traffic_manager))
    return {
        name: _state(group, rows.get(name, []), status)
        for name, group in snapshot.all("traffic_ip_groups", TrafficIpGroup)
    }


def _state(group: TrafficIpGroup, rows: list[AddressRow], status: Status) -> RowState:
    if not group.basic.enabled:
        return RowState("off", "disabled")
    if not group.basic.ipaddresses:
        return RowState("off", "no addresses")
    if not rows:
        return RowState("warn", "not raised", "no machine of the group can raise its addresses")
    worst = min(rows, key=lambda row: BAD[row.mark])
    if worst.mark == "ok":
        return RowState("ok", "raised")
    why = "; ".join(status.traffic_ip_errors) if not worst.holder else ""
    return RowState(worst.mark, worst.word, f"{worst.address}{f': {why}' if why else ''}")


def _row(view: TrafficIpView, here: str) -> AddressRow:
    home = view.order[0] if view.order else ""
    mark: Mark
    if not view.holder:
        mark, word = "error", "held by nobody"
    elif view.holder == home:
        mark, word = "ok", "at home"
    else:
        mark, word = "warn", "away from home"
    return AddressRow(view.address, view.holder, home, view.since, view.order[1:], mark, word)
