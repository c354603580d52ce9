"""What a restore of a backup would do: the changes for the store, what they mean, and what stays out, with why.

Pure. Invariant: either every change is given, each with the complete settings to store, or `Invalid` names every
fault; nothing is left out without a remark; licence keys, members, the administrators' group and what the backup's
version had no type for are never taken away, types that no surface shows never touched.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pointsman.backup.archive import Archive
from pointsman.backup.secret import row_label
from pointsman.compiler.check import check
from pointsman.control.described import Edit
from pointsman.control.member_mapping import MEMBERS, as_member, map_members, renamed
from pointsman.control.merge import canonical
from pointsman.document.difference import Objects, compare
from pointsman.schema.level import TYPES_SINCE
from pointsman.schema.license_key import LICENSE_KEY
from pointsman.schema.problem import ObjectId, Problem
from pointsman.schema.reference import references
from pointsman.schema.registry import BY_PATH, RESOURCE_TYPES
from pointsman.schema.resource import Kind
from pointsman.schema.snapshot import Snapshot
from pointsman.schema.user_group import ADMINISTRATORS
from pointsman.schema.validate import Invalid, build
from pointsman.store import Change, Delete, Put

GROUPS = "traffic_ip_groups"
Path = tuple[str, ...]


@dataclass(frozen=True)
class Wish:
    """What a restore is to do: everything, or `only` these (types, or objects as "type/name"), which deletes nothing.

    `needed` brings what those refer to and is not here; `mapping` says who takes whose place (old name -> present one,
    "" for nobody). `users` sets the passwords of the users as well.
    """

    only: tuple[str, ...] = ()
    needed: bool = False
    mapping: Mapping[str, str] = field(default_factory=dict)
    users: bool = False


@dataclass(frozen=True)
class Restoring:
    """The changes and how they look; `remarks` are what was left out or changed on the way; `mapping` is who takes
    whose place, with None for who finds none.
    """

    edit: Edit
    remarks: tuple[Problem, ...]
    mapping: Mapping[str, str | None]


def plan_restore(
    archive: Archive,
    stored: Objects,
    wish: Wish,
    *,
    uuid: str,
    refused: Callable[[Sequence[Change]], tuple[Problem, ...]] = lambda _: (),
    answering: frozenset[str] = frozenset(),
) -> Restoring:
    """What leads from the `stored` objects to those of the backup, on the instance with this `uuid`.

    `refused` says which licence keys are not for this instance; `answering` are traffic IPs that somebody else holds.
    Raises `Invalid`.
    """
    return _Planner(archive, stored, wish, uuid, refused, answering).plan()


class _Planner:
    def __init__(
        self,
        archive: Archive,
        stored: Objects,
        wish: Wish,
        uuid: str,
        refused: Callable[[Sequence[Change]], tuple[Problem, ...]],
        answering: frozenset[str],
    ) -> None:
        self._archive = archive
        self._stored = {
            identity: settings for identity, settings in stored.items() if identity.type in BY_PATH
        }
        self._wish = wish
        self._own = archive.manifest.uuid == uuid
        self._refused = refused
        self._answering = answering
        self._remarks: list[Problem] = []
        old = sorted(
            {i.name for i in archive.content.objects if i.type == MEMBERS} | {*archive.manifest.members}
        )
        present = sorted(i.name for i in self._stored if i.type == MEMBERS)
        self._mapping = map_members(old, present, wish.mapping)
        self._shown = {name: self._mapping.get(name) for name in old}

    def plan(self) -> Restoring:
        wanted = self._filled(self._mapped())
        chosen = self._chosen(wanted)
        if self._wish.only:  # what became of the others on the way is of no interest
            self._remarks = [remark for remark in self._remarks if remark.subject in chosen]
        built, problems = self._built({identity: wanted[identity] for identity in chosen})
        if not self._wish.only:
            built |= self._defaults(wanted)
        built = self._licensed(built)
        gone = self._gone(wanted)
        after = {**self._stored, **built}
        for identity in gone:
            del after[identity]
        problems += self._dangling(built, gone, after, wanted)
        if problems:
            raise Invalid(tuple(problems))
        changes: list[Change] = [Delete(identity) for identity in gone]
        changes += [
            Put(identity, settings)
            for identity, settings in sorted(built.items())
            if self._stored.get(identity, {} if BY_PATH[identity.type].kind is Kind.SINGLETON else None)
            != settings
        ]
        touched = {change.identity for change in changes}
        shown = compare(
            {i: s for i, s in self._stored.items() if i in touched},
            {i: s for i, s in built.items() if i in touched},
            BY_PATH,
        )
        return Restoring(Edit(tuple(changes), shown), tuple(self._remarks), self._shown)

    def _remark(self, identity: ObjectId | None, path: Path, code: str, text: str) -> None:
        self._remarks.append(Problem(identity, path, f"backup.{code}", text))

    def _mapped(self) -> dict[ObjectId, Mapping[str, Any]]:
        """The objects of the backup in the names of this cluster."""
        found: dict[ObjectId, Mapping[str, Any]] = {}
        self._sources: dict[ObjectId, ObjectId] = {}
        for source, described in self._archive.content.objects.items():
            identity, settings = source, described
            if source.type == MEMBERS:
                name = self._mapping.get(source.name)
                if name is None:
                    text = "nobody here takes its place; its settings were left out"
                    self._remark(source, (), "member_left_out", text)
                    continue
                identity = ObjectId(MEMBERS, name)
                if not (self._own and name == source.name):
                    settings = as_member(self._stored.get(identity, {}), settings)
            settings, remarks = renamed(identity, settings, self._mapping)
            self._remarks += remarks
            found[identity] = settings
            self._sources[identity] = source
        for name in sorted({i.name for i in self._stored if i.type == MEMBERS} - {*self._mapping.values()}):
            self._remark(
                ObjectId(MEMBERS, name), (), "member_stays", "takes nobody's place and stays as it is"
            )
        return found

    def _filled(self, objects: Mapping[ObjectId, Mapping[str, Any]]) -> dict[ObjectId, Mapping[str, Any]]:
        """The objects with the secrets that are stored here in the place of missing ones."""
        self._missing: dict[ObjectId, list[Path]] = {}
        targets = {source: identity for identity, source in self._sources.items()}
        filled = dict(objects)
        for source, path in self._archive.content.missing:
            identity = targets.get(source)
            if identity is None:
                continue
            held = _secret_at(identity, self._stored.get(identity, {}), path)
            if held is None:
                self._missing.setdefault(identity, []).append(path)
            else:
                filled[identity] = _with_secret(identity, filled[identity], path, held)
        return filled

    def _chosen(self, wanted: Mapping[ObjectId, Any]) -> list[ObjectId]:
        if not self._wish.only:
            return list(wanted)
        chosen: set[ObjectId] = set()
        for text in self._wish.only:
            matching = [i for i in wanted if text in (str(i), str(self._sources[i]), i.type)]
            if not matching:
                known = text in BY_PATH or any(text.startswith(f"{path}/") for path in BY_PATH)
                what = "has no such object" if known else "cannot have it: there is no such type"
                problem = Problem(
                    None, ("only", text), "backup.not_in_it", f"the backup {what}; name another"
                )
                raise Invalid((problem,))
            chosen.update(matching)
        if self._wish.needed:
            waiting = list(chosen)
            while waiting:
                for target in self._targets(waiting.pop(), wanted):
                    if target in wanted and target not in chosen and target not in self._stored:
                        chosen.add(target)
                        waiting.append(target)
        return sorted(chosen)

    @staticmethod
    def _targets(identity: ObjectId, objects: Mapping[ObjectId, Any]) -> Iterator[ObjectId]:
        for use in references(BY_PATH[identity.type], objects[identity]):
            yield use.target

    def _built(
        self, wanted: Mapping[ObjectId, Mapping[str, Any]]
    ) -> tuple[dict[ObjectId, Mapping[str, Any]], list[Problem]]:
        """Each object as it is to be stored. One that cannot be without the secrets it lacks is left out."""
        built: dict[ObjectId, Mapping[str, Any]] = {}
        problems: list[Problem] = []
        for identity, described in wanted.items():
            kind = BY_PATH[identity.type]
            missing = self._missing.get(identity, [])
            settings = self._kept_down(identity, described)
            if not missing and settings == self._stored.get(identity):
                built[identity] = settings
                continue
            try:
                made = build(kind, identity.name, settings)
                if missing and (faults := check(Snapshot({identity: made}), (identity,))):
                    raise Invalid(faults)
            except Invalid as error:
                if not missing:
                    problems.extend(error.problems)
                    continue
                outcome = "stays as it is here" if identity in self._stored else "was left out"
                for path in missing:
                    text = f"is a secret that the backup lacks, and {identity} cannot be without it: it {outcome}"
                    self._remark(identity, path, "secret_missing", text)
                continue
            for path in missing:
                text = "is a secret that the backup lacks, and none is stored here; set it"
                self._remark(identity, path, "secret_missing", text)
            built[identity] = canonical(kind, made)
        return built, problems

    def _kept_down(self, identity: ObjectId, settings: Mapping[str, Any]) -> Mapping[str, Any]:
        """A traffic IP group whose address somebody else holds, disabled."""
        if identity.type != GROUPS or not self._answering:
            return settings
        held = sorted(self._answering & {*settings.get("basic", {}).get("ipaddresses", ())})
        if not held or settings.get("basic", {}).get("enabled", True) is False:
            return settings
        text = (
            f"{', '.join(held)} answers on the network already, so the group was restored disabled; enable it when the "
            "one that holds it has let go"
        )
        self._remark(identity, ("basic", "enabled"), "address_answers", text)
        return {**settings, "basic": {**settings["basic"], "enabled": False}}

    def _defaults(self, wanted: Mapping[ObjectId, Any]) -> dict[ObjectId, Mapping[str, Any]]:
        """Singletons that were as they are when new."""
        singletons = (ObjectId(kind.path, "") for kind in RESOURCE_TYPES if kind.kind is Kind.SINGLETON)
        return {
            identity: {} for identity in singletons if identity in self._stored and identity not in wanted
        }

    def _licensed(self, built: dict[ObjectId, Mapping[str, Any]]) -> dict[ObjectId, Mapping[str, Any]]:
        """Without the licence keys that are here under that name already, or are not for this instance."""
        kept = dict(built)
        for identity in [i for i in built if i.type == LICENSE_KEY.path]:
            if identity in self._stored:
                if self._stored[identity] != built[identity] and str(identity) not in self._wish.only:
                    text = (
                        "another key of this name is installed and stays; name the key itself to restore it"
                    )
                    self._remark(identity, (), "licence_stays", text)
                    del kept[identity]
                continue
            if problems := self._refused((Put(identity, built[identity]),)):
                self._remark(identity, (), "licence_left_out", f"was left out: {problems[0].message}")
                del kept[identity]
        return kept

    def _gone(self, wanted: Mapping[ObjectId, Any]) -> list[ObjectId]:
        """What a whole restore deletes."""
        if self._wish.only:
            return []
        gone = []
        for identity in sorted(self._stored.keys() - wanted.keys()):
            kind = BY_PATH[identity.type]
            if kind.kind is Kind.SINGLETON or not kind.creatable:
                continue
            if identity.type == LICENSE_KEY.path:
                self._remark(identity, (), "licence_stays", "is not in the backup and stays")
                continue
            if TYPES_SINCE.get(identity.type, 1) > self._archive.manifest.level:
                text = "stays: the version that made the backup had nothing of the kind"
                self._remark(identity, (), "type_stays", text)
                continue
            if identity == ADMINISTRATORS:
                self._remark(identity, (), "group_stays", "belongs to the product and stays")
                continue
            gone.append(identity)
        return gone

    def _dangling(
        self,
        built: Mapping[ObjectId, Mapping[str, Any]],
        gone: Sequence[ObjectId],
        after: Mapping[ObjectId, Any],
        wanted: Mapping[ObjectId, Any],
    ) -> list[Problem]:
        """References that would lead nowhere: a fault where the backup has what is missing, else a remark."""
        problems: list[Problem] = []
        for identity in sorted(after):
            if identity not in built and not gone:
                continue
            for use in references(BY_PATH[identity.type], after[identity]):
                if use.target in after or use.target.type not in BY_PATH:
                    continue
                if identity in built and use.target in wanted and self._wish.only and not use.loose:
                    text = f"needs {use.target}, which is not here; restore it too, or ask for what is needed"
                    problems.append(Problem(identity, use.path, "backup.needed", text))
                elif identity in built or use.target in gone:
                    text = f"names {use.target}, which is not there then"
                    self._remark(identity, use.path, "dangling", text)
        return problems


def _secret_at(identity: ObjectId, settings: Mapping[str, Any], path: Path) -> Any:
    if len(path) == 2:
        return settings.get(path[0], {}).get(path[1])
    key = BY_PATH[identity.type].key(path[0], path[1])
    rows = settings.get(path[0], {}).get(path[1], ())
    for number, row in enumerate(rows):
        if key is not None and row_label(key, number, row) == path[2]:
            return row.get(path[3])
    return None


def _with_secret(
    identity: ObjectId, settings: Mapping[str, Any], path: Path, value: Any
) -> Mapping[str, Any]:
    section = dict(settings.get(path[0], {}))
    if len(path) == 2:
        section[path[1]] = value
    else:
        key = BY_PATH[identity.type].key(path[0], path[1])
        section[path[1]] = [
            {**row, path[3]: value} if key is not None and row_label(key, number, row) == path[2] else row
            for number, row in enumerate(section.get(path[1], ()))
        ]
    return {**settings, path[0]: section}


def without_missing(objects: Objects, archive: Archive, other: Objects) -> Objects:
    """The objects of an archive for a comparison: a secret that it lacks counts as what it is in `other`."""
    filled = dict(objects)
    for identity, path in archive.content.missing:
        held = _secret_at(identity, other.get(identity, {}), path)
        if held is not None and identity in filled:
            filled[identity] = _with_secret(identity, filled[identity], path, held)
    return filled
