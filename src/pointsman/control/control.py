"""The facade that REST, UI and command line call: every use case of a running traffic manager.

Invariant: every surface goes through here, so a permission, a check or an audit entry cannot be missed by one of them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pointsman.compiler.facts import Facts
from pointsman.compiler.plan import Plan
from pointsman.control.apply import Applied, ApplyLoop
from pointsman.control.backups import Backups
from pointsman.control.clustering import Clustering
from pointsman.control.configuration import Configuration, Edited
from pointsman.control.conflicts import conflict_conditions
from pointsman.control.import_report import sentence
from pointsman.control.importer import Importer
from pointsman.control.licensing import Licensing
from pointsman.control.live import Live
from pointsman.control.merge import with_changes
from pointsman.control.own_certificate import OwnCertificate
from pointsman.control.renaming import Renaming
from pointsman.control.status import Change as LastChange
from pointsman.control.status import DataPlane, Documents, Status, observe
from pointsman.document.difference import Objects
from pointsman.schema.condition import Condition, Standing
from pointsman.schema.event import Event, Severity
from pointsman.schema.pool import Pool
from pointsman.schema.problem import ObjectId, Problem
from pointsman.schema.snapshot import Snapshot
from pointsman.schema.validate import Invalid
from pointsman.store import Author, Change, Put, Store, Transaction


@dataclass(frozen=True)
class Identity:
    """Who this instance is: its name as a cluster member, the product's version, and an id made at installation."""

    name: str
    version: str
    uuid: str
    platform: str


class Control:
    """One running traffic manager."""

    def __init__(
        self,
        *,
        identity: Identity,
        store: Store,
        configuration: Configuration,
        loop: ApplyLoop,
        live: Live,
        licensing: Licensing,
        importer: Importer,
        certificate: OwnCertificate,
        backups: Backups,
        renaming: Renaming,
        facts: Callable[[Snapshot], Facts],
        on_event: Callable[[Event], None],
        clustering: Clustering | None = None,
    ) -> None:
        self.identity = identity
        self.clustering = clustering
        """None where an instance cannot be in a cluster."""
        self.importer = importer
        self.certificate = certificate
        self.backups = backups
        self.renaming = renaming
        self.live = live
        self.licensing = licensing
        self.started = time.time()
        self._store = store
        self._configuration = configuration
        self._loop = loop
        self._facts = facts
        self._on_event = on_event
        self._changes: dict[str, tuple[int, Mapping[str, LastChange]]] = {}

    @property
    def snapshot(self) -> Snapshot:
        """The configuration of the last commit."""
        return self._configuration.snapshot

    @property
    def revision(self) -> int:
        """Number of the last commit."""
        return self._store.revision

    @property
    def in_force(self) -> int:
        """The revision that the engine serves."""
        return self._loop.in_force

    @property
    def plan(self) -> Plan | None:
        """The plan in force."""
        return self._loop.plan

    @property
    def objects(self) -> Objects:
        """What is configured, of every type and name; secrets in clear."""
        return self._configuration.objects

    def base(self) -> Objects | None:
        """What documents are laid over on this instance, None where there is no such thing; reads a file."""
        return self.importer.base()

    def settings(self, identity: ObjectId) -> Mapping[str, Any] | None:
        """What is stored for an object (only what differs from the defaults), or None."""
        return self._configuration.settings(identity)

    def names(self, type_path: str) -> tuple[str, ...]:
        """Names of a type's objects, sorted."""
        return self._configuration.names(type_path)

    def users_of(self, identity: ObjectId) -> tuple[ObjectId, ...]:
        """The objects that refer to this one."""
        return self._configuration.users_of(identity)

    async def put(
        self,
        actor: Author,
        identity: ObjectId,
        settings: Mapping[str, Any],
        *,
        replace: bool = False,
        reason: str = "",
        base: int | None = None,
    ) -> Edited:
        """Creates or changes an object; see `Configuration.put`."""
        return await self._configuration.put(
            actor, identity, settings, replace=replace, reason=reason, base=base
        )

    async def put_file(
        self, actor: Author, identity: ObjectId, content: bytes, *, reason: str = ""
    ) -> Edited:
        """Creates or replaces a file object."""
        self._permit((Put(identity, {"content": content}),))
        return await self._configuration.put(
            actor, identity, {"content": content}, replace=True, reason=reason
        )

    async def delete(self, actor: Author, identity: ObjectId, *, reason: str = "") -> None:
        """Deletes an object; see `Configuration.delete`."""
        await self._configuration.delete(actor, identity, reason=reason)

    async def edit(
        self, actor: Author, changes: Sequence[Change], reason: str = "", *, base: int | None = None
    ) -> int:
        """Commits several changes as one; see `Configuration.edit`."""
        self._permit(changes)
        return await self._configuration.edit(actor, changes, reason, base=base)

    def _permit(self, changes: Sequence[Change]) -> None:
        if problems := self.licensing.problems(changes):
            raise Invalid(problems)

    async def restore(self, actor: Author, revision: int, reason: str = "") -> int:
        """Makes the configuration what it was at `revision`, as a new transaction; returns its revision."""
        return await self._configuration.restore(actor, revision, reason)

    async def wait_in_force(self, revision: int, seconds: float) -> bool:
        """Waits until an apply has dealt with a revision; false when that took longer."""
        return await self._loop.wait_for(revision, seconds)

    def applies(self, limit: int = 100) -> tuple[Applied, ...]:
        """Records of the last applies, newest first."""
        return tuple(reversed(self._loop.records))[:limit]

    async def transactions(
        self, *, limit: int = 100, before: int | None = None, subject: ObjectId | None = None
    ) -> tuple[Transaction, ...]:
        """The log of changes, newest first."""
        return await self._store.transactions(limit=limit, before=before, subject=subject)

    def conditions(self, identity: ObjectId | None = None) -> tuple[Condition, ...]:
        """Remarks on one object, or on all."""
        unreadable = tuple(
            Condition(p.subject or subject, Standing.REJECTED, p.code, p.message, p.path)
            for subject, problems in self._configuration.unreadable.items()
            for p in problems
        )
        return tuple(
            c
            for c in (
                *self._loop.conditions(),
                *unreadable,
                *conflict_conditions(self._store.conflicts),
                *self.importer.conditions(),
                *self.licensing.conditions(),
                *self.certificate.conditions(),
                *(self.live.traffic_ips.conditions() if self.live.traffic_ips is not None else ()),
                *(self.clustering.conditions() if self.clustering is not None else ()),
            )
            if identity is None or c.subject == identity
        )

    def preview(self, changes: Sequence[Change]) -> Plan:
        """The plan that the configuration would have with `changes`; raises `Invalid`. Nothing is stored."""
        objects, _ = with_changes(self.snapshot.objects, changes)
        snapshot = Snapshot(objects, self.revision, self.snapshot.claims)
        return self._loop.preview(snapshot, self._facts(snapshot))

    async def fail_back(self, actor: Author) -> tuple[str, ...]:
        """Has every machine take back now the traffic IPs that belong to it; those that this one has afterwards."""
        text = f"{actor.name} asked for traffic IPs to go back where they belong"
        self._on_event(Event("general", "audit", Severity.INFO, None, text, author=actor.name))
        held = self.live.traffic_ips
        return await held.fail_back() if held is not None else ()

    async def status(self) -> Status:
        """Services, pools and nodes as they are now, with who last changed each node."""
        changes: dict[tuple[str, str], LastChange] = {}
        for name, pool in self.snapshot.all("pools", Pool):
            for node, change in (await self._row_changes(name, pool)).items():
                changes[name, node] = change
        return observe(
            traffic_manager=self.identity.name,
            version=self.identity.version,
            snapshot=self.snapshot,
            in_force=self.in_force,
            conditions=self.conditions(),
            health=self.live.health,
            figures=self.live.figures,
            changes=changes,
            engine={**self.live.engine, "licence": self.licensing.sentence},
            plane=self._plane(),
            documents=self._documents(),
            traffic_ips=held.views if (held := self.live.traffic_ips) is not None else (),
            traffic_ip_errors=held.errors if held is not None else (),
        )

    @property
    def stuck(self) -> tuple[Problem, ...]:
        """Why the newest configuration could not be brought into force at all; empty when it could."""
        return self._loop.stuck

    def _plane(self) -> DataPlane:
        plan = self._loop.plan
        return DataPlane(
            serving=self.live.serving(),
            listening=None if plan is None else plan.serving,
            refused="; ".join(problem.message for problem in self._loop.stuck),
        )

    def _documents(self) -> Documents | None:
        """What status says of documents; None on an instance that never had any."""
        importer = self.importer
        if importer.watched is None and importer.last is None:
            return None
        last = importer.last
        return Documents(
            directory=str(importer.watched or ""),
            outcome="" if last is None else last.outcome,
            sentence="" if last is None else sentence(last),
            cause="" if last is None else last.cause,
            time=0.0 if last is None else last.time,
            objects=0 if last is None else last.objects,
            pending=importer.pending(),
        )

    async def _row_changes(self, name: str, pool: Pool) -> Mapping[str, LastChange]:
        """Who last changed each node of a pool. Asked of the store again only when the pool has changed."""
        identity = ObjectId("pools", name)
        changed_at = self._store.changed_at(identity)
        known = self._changes.get(name)
        if known is None or known[0] != changed_at:
            nodes = [row.node for row in pool.basic.nodes_table]
            paths = [("basic", "nodes_table", node) for node in nodes]
            found = await self._store.last_changes(identity, paths)
            last = {
                node: LastChange(transaction.author.name, transaction.time)
                for node, transaction in zip(nodes, found, strict=True)
                if transaction is not None
            }
            known = self._changes[name] = (changed_at, last)
        return known[1]

    def record(self, event: Event) -> None:
        """Puts an event that a surface observed (a login, a refused request) into the event log."""
        self._on_event(event)
