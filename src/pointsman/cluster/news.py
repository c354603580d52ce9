"""What is told of the members: events when something turns, conditions while it holds.

Invariant: what holds is told once when it begins and once when it ends; a stranger who knocks without end costs one
event a minute.
"""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Callable

from pointsman.cluster.installation import Removed
from pointsman.cluster.membership import Own
from pointsman.cluster.view import ClusterView, MemberView
from pointsman.schema.condition import Condition, Standing
from pointsman.schema.event import Event, Severity
from pointsman.schema.problem import ObjectId

SECTION = "faulttolerance"
_KNOCK_SECONDS = 60.0
_MOST_KNOCKS = 1000
_log = logging.getLogger("pointsman.cluster")


class News:
    """Tells what turns."""

    def __init__(
        self,
        on_event: Callable[[Event], None],
        describe: Callable[[], Own],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._on_event = on_event
        self._describe = describe
        self._clock = clock
        self._knocks: OrderedDict[tuple[str, str], float] = OrderedDict()
        self._skewed: set[str] = set()
        self._twice: set[str] = set()
        self._full: set[str] = set()
        self._uneven = ""
        self._lesser: set[str] = set()
        self._too_big = False
        self._members: tuple[tuple[str, str, str], ...] | None = None

    def look(self, view: ClusterView, limit: int) -> bool:
        """Tells what turned since the last look; whether the members are others now."""
        self._look_at_skew(view)
        self._look_at_copies(view)
        self._look_at_storage(view)
        self._look_at_versions(view)
        self._look_at_licences(view, limit)
        members = tuple((member.id, member.name, member.address) for member in view.members)
        before, self._members = self._members, members
        if before is None or before == members:
            return before is None
        names, known = {m[0]: m[1] for m in members}, {m[0]: m[1] for m in before}
        for member, name in names.items():
            if member not in known:
                self._tell(Severity.INFO, "memberjoined", name, f"{name} is a member of the cluster")
        for member, name in known.items():
            if member not in names:
                self._tell(Severity.WARN, "memberleft", name, f"{name} is no member of the cluster any more")
        return True

    def presence(self, name: str, *, alive: bool) -> None:
        """A member came or went."""
        if alive:
            self._tell(Severity.INFO, "machineok", name, f"{name} can be reached")
        else:
            text = f"{name} has not been heard for 3 s; look at that machine and at the network between"
            self._tell(Severity.SERIOUS, "machinetimeout", name, text)

    def refused(self, address: str, cause: str) -> None:
        """Somebody was not let in at the cluster port."""
        now, key = self._clock(), (address, cause)
        if now - self._knocks.get(key, -_KNOCK_SECONDS) < _KNOCK_SECONDS:
            return
        self._knocks[key] = now
        self._knocks.move_to_end(key)
        if len(self._knocks) > _MOST_KNOCKS:
            self._knocks.popitem(last=False)
        text = f"a connection of {address} to the cluster port was refused: {cause}"
        _log.warning("%s", text)
        self._tell(Severity.WARN, "clusterrefused", self._describe().name, text)

    def removed(self, removed: Removed) -> None:
        """This instance was removed."""
        text = _removed_text(removed.by)
        _log.warning("%s", text)
        self._tell(Severity.SERIOUS, "memberremoved", self._describe().name, text)

    def forked(self, name: str) -> None:
        """What another member has contradicts what is here, and is merged with it."""
        text = (
            f"changes on {name} and here contradict each other, because a machine was set back to an earlier state "
            "while it ran; its whole configuration is merged with that of this traffic manager; compare the history"
        )
        self._tell(Severity.WARN, "clusterforked", name, text)

    def conditions(self, view: ClusterView, limit: int, own: str) -> tuple[Condition, ...]:
        """What holds now."""
        found: list[Condition] = []

        def add(name: str, standing: Standing, code: str, text: str) -> None:
            found.append(Condition(ObjectId("traffic_managers", name), standing, code, text))

        if view.removed:
            add(own, Standing.WARNING, "cluster.removed", _removed_text(view.removed_by))
        for member in view.members:
            if member.state == "unreachable":
                text = "it cannot be reached from here; look at that machine, or remove it from the cluster"
                add(member.name, Standing.WARNING, "cluster.unreachable", text)
            if member.unstored:
                text = _unstored_text(member.name, member.unstored)
                add(member.name, Standing.WARNING, "cluster.storage", text)
            if member.twice:
                add(member.name, Standing.WARNING, "cluster.twice", _twice_text(member.name))
            if member.skew:
                add(member.name, Standing.WARNING, "cluster.clock", _skew_text(member))
        for name in self._lesser:
            text = "its licence is another than that of most members; give all of them the same"
            add(name, Standing.WARNING, "cluster.licence", text)
        if view.frozen:
            text = f"{view.frozen}; upgrade or remove the older ones"
            add(own, Standing.WARNING, "cluster.versions", text)
        if limit and len(view.members) > limit:
            add(own, Standing.WARNING, "cluster.too_big", _too_big_text(len(view.members), limit))
        return tuple(found)

    def _look_at_skew(self, view: ClusterView) -> None:
        for member in view.members:
            if member.skew and member.id not in self._skewed:
                self._skewed.add(member.id)
                self._tell(Severity.SERIOUS, "clockskew", member.name, _skew_text(member))
            elif not member.skew and member.id in self._skewed and member.state != "unreachable":
                self._skewed.discard(member.id)
                self._tell(
                    Severity.INFO, "clockok", member.name, f"the clock of {member.name} is right again"
                )

    def _look_at_copies(self, view: ClusterView) -> None:
        twice = {member.name for member in view.members if member.twice}
        for name in twice - self._twice:
            self._tell(Severity.SERIOUS, "membertwice", name, _twice_text(name))
        self._twice = twice

    def _look_at_storage(self, view: ClusterView) -> None:
        full = {member.name: member.unstored for member in view.members if member.unstored}
        for name in full.keys() - self._full:
            self._tell(Severity.SERIOUS, "memberunstored", name, _unstored_text(name, full[name]))
        for member in view.members:
            if member.name in self._full - full.keys() and member.state != "unreachable":
                text = f"{member.name} stores again what is changed elsewhere"
                self._tell(Severity.INFO, "memberstored", member.name, text)
        self._full = set(full)

    def _look_at_versions(self, view: ClusterView) -> None:
        if view.frozen and view.frozen != self._uneven:
            text = f"{view.frozen}; the configuration cannot be changed until all run one"
            self._tell(Severity.WARN, "versionmismatch", self._describe().name, text)
        elif self._uneven and not view.frozen:
            text = "all members run one version; the configuration can be changed again"
            self._tell(Severity.INFO, "versionsequal", self._describe().name, text)
        self._uneven = view.frozen

    def _look_at_licences(self, view: ClusterView, limit: int) -> None:
        words = [member.licence for member in view.members]
        common = max(words, key=words.count, default="")
        lesser = {member.name for member in view.members if member.licence != common}
        for name in lesser - self._lesser:
            text = f"the licence of {name} is another than that of most members; give all of them the same"
            self._tell(Severity.WARN, "licensediffers", name, text, "licensekeys")
        self._lesser = lesser
        too_big = bool(limit) and len(view.members) > limit
        if too_big and not self._too_big:
            text = _too_big_text(len(view.members), limit)
            self._tell(Severity.SERIOUS, "licenseclustertoobig", self._describe().name, text, "licensekeys")
        self._too_big = too_big

    def _tell(self, severity: Severity, tag: str, name: str, text: str, section: str = SECTION) -> None:
        self._on_event(Event(section, tag, severity, ObjectId("traffic_managers", name), text))


def _removed_text(by: str) -> str:
    what = f"was removed from its cluster by {by}" if by else "is not known to its cluster any more"
    return (
        f"this traffic manager {what}; it serves its last configuration alone and holds no "
        "traffic IPs; leave the cluster, or join again"
    )


def _skew_text(member: MemberView) -> str:
    seconds = abs(member.skew)
    ahead = "ahead of" if member.skew > 0 else "behind"
    return (
        f"the clock of {member.name} is {seconds:.1f} s {ahead} the others; set it right, for example by NTP"
    )


def _twice_text(name: str) -> str:
    return (
        f"two machines run as {name}, one of them from a copy of its disk; stop one of them, and if that was the wrong "
        "one, remove the member and let the other join anew"
    )


def _unstored_text(name: str, fault: str) -> str:
    return (
        f"{name} cannot store what is changed elsewhere ({fault}); free space or repair its disk, and it catches up by "
        "itself"
    )


def _too_big_text(count: int, limit: int) -> str:
    return f"the cluster has {count} members, more than the {limit} of its licence; it serves on and takes no new one"
