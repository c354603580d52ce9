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
from pointsman.control.certificate_expiry import CertificateExpiry
from pointsman.control.checking import Checking
from pointsman.control.clustering import Clustering
from pointsman.control.configuration import Configuration, Edited
from pointsman.control.conflicts import conflict_conditions
from pointsman.control.disk_space import disk_conditions, disk_of
from pointsman.control.draining import Draining
from pointsman.control.error import NoSuchRevision
from pointsman.control.import_report import sentence
from pointsman.control.importer import Importer
from pointsman.control.licensing import Licensing
from pointsman.control.live import Live
from pointsman.control.merge import with_changes
from pointsman.control.node_story import Story, story
from pointsman.control.node_wishes import NodeWishes
from pointsman.control.own_certificate import OwnCertificate
from pointsman.control.renaming import Renaming
from pointsman.control.status import Change as LastChange
from pointsman.control.status import DataPlane, Documents, Memory, NodeView, PoolView, Status, observe
from pointsman.control.undo import PermitRestore, permit_any
from pointsman.control.usage import Usage, Users
from pointsman.document.difference import Objects
from pointsman.schema.condition import Condition, Standing
from pointsman.schema.event import Event, Severity
from pointsman.schema.pool import Pool
from pointsman.schema.problem import ObjectId, Problem
from pointsman.schema.registry import BY_PATH
from pointsman.schema.snapshot import Snapshot
from pointsman.schema.validate import Invalid
from pointsman.store import (
    ANY_TRANSACTION,
    Author,
    Change,
    Delete,
    Glance,
    Only,
    Put,
    Store,
    Transaction,
    UnknownRevision,
)
from pointsman.store import Objects as Stored

_STORY_TRANSACTIONS = 50


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
        self._usage = Usage(configuration)
        self._expiry = CertificateExpiry(configuration, self._usage)
        self._loop = loop
        self._facts = facts
        self._on_event = on_event
        self.checking = Checking(lambda: self.snapshot, facts)
        wishes = NodeWishes(store, lambda: self.snapshot.objects, self._frozen)
        configuration.along = wishes.ended_by
        self.draining = Draining(
            live, lambda: self.snapshot, self.settings, self.edit, wishes, self._pool_in_force
        )
        self._changes: dict[str, tuple[int, Mapping[str, LastChange]]] = {}
        self.guards: list[Callable[[Author, Sequence[Change]], None]] = []
        """What refuses changes that somebody asks for, for a reason that is not in the configuration, by raising
        `ControlError`.
        """
        self.remarks: list[Callable[[], tuple[Condition, ...]]] = []
        """Who else has to say something of objects; each is asked whenever somebody looks."""
        self.permit_restore: PermitRestore = permit_any
        """What refuses to go back to an earlier configuration."""
        self._seen = Memory()
        self._node_changes: tuple[Snapshot | None, Mapping[tuple[str, str], LastChange]] = (None, {})

    @property
    def snapshot(self) -> Snapshot:
        """The configuration of the last commit."""
        return self._configuration.snapshot

    @property
    def revision(self) -> int:
        """Number of the last commit."""
        return self._store.revision

    @property
    def left_out(self) -> int:
        """How many virtual servers this machine leaves out for a fault of theirs or of its own."""
        rejected = (one.subject for one in self._loop.conditions() if one.standing is Standing.REJECTED)
        return len({subject for subject in rejected if subject.type == "virtual_servers"})

    @property
    def in_force(self) -> int:
        """The revision that the engine serves."""
        return self._loop.in_force

    def _frozen(self) -> str:
        return self._configuration.frozen()

    def _pool_in_force(self, pool: str) -> bool:
        return self.in_force >= self._store.changed_at(ObjectId("pools", pool))

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

    def changed_at(self, identity: ObjectId) -> int:
        """The revision of an object's last change, 0 where it was never heard of."""
        return self._store.changed_at(identity)

    def users_of(self, identity: ObjectId) -> tuple[ObjectId, ...]:
        """The objects that refer to this one."""
        return self._usage.users().get(identity, ())

    def users(self) -> Users:
        """The objects that refer to each one that any does refer to."""
        return self._usage.users()

    def mentions(self) -> Users:
        """The same with those that go on without it, as pools do without a monitor that they name."""
        return self._usage.mentions()

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
        self._permit(actor, (Put(identity, settings),))
        return await self._configuration.put(
            actor, identity, settings, replace=replace, reason=reason, base=base
        )

    async def put_file(
        self, actor: Author, identity: ObjectId, content: bytes, *, reason: str = ""
    ) -> Edited:
        """Creates or replaces a file object."""
        self._permit(actor, (Put(identity, {"content": content}),))
        return await self._configuration.put(
            actor, identity, {"content": content}, replace=True, reason=reason
        )

    async def delete(self, actor: Author, identity: ObjectId, *, reason: str = "") -> None:
        """Deletes an object; see `Configuration.delete`."""
        self._permit(actor, (Delete(identity),))
        await self._configuration.delete(actor, identity, reason=reason)

    async def edit(
        self, actor: Author, changes: Sequence[Change], reason: str = "", *, base: int | None = None
    ) -> int:
        """Commits several changes as one; see `Configuration.edit`."""
        self._permit(actor, changes)
        return await self._configuration.edit(actor, changes, reason, base=base)

    def _permit(self, actor: Author, changes: Sequence[Change]) -> None:
        for guard in self.guards:
            guard(actor, changes)
        if problems := self.licensing.problems(changes):
            raise Invalid(problems)

    async def restore(self, actor: Author, revision: int, reason: str = "") -> int:
        """Makes the configuration what it was at `revision`, as a new transaction; returns its revision."""

        def permit(changes: Sequence[Change]) -> None:
            self.permit_restore(actor, changes, False)

        return await self._configuration.restore(actor, revision, reason, permit)

    async def wait_in_force(self, revision: int, seconds: float) -> bool:
        """Waits until an apply has dealt with a revision; false when that took longer."""
        return await self._loop.wait_for(revision, seconds)

    def applies(self, limit: int = 100) -> tuple[Applied, ...]:
        """Records of the last applies, newest first."""
        return tuple(reversed(self._loop.records))[:limit]

    async def transactions(
        self,
        *,
        limit: int = 100,
        before: int | None = None,
        subject: ObjectId | None = None,
        only: Only = ANY_TRANSACTION,
    ) -> tuple[Transaction, ...]:
        """The log of changes, newest first, as far as `only` wants them."""
        return await self._store.transactions(limit=limit, before=before, subject=subject, only=only)

    @property
    def stored(self) -> Stored:
        """The configuration of now as the store has it, secrets in clear."""
        return self._store.objects.only(BY_PATH)

    async def objects_at(self, revision: int) -> Stored:
        """The configuration as it was after a revision, secrets in clear; raises `NoSuchRevision`."""
        try:
            return (await self._store.objects_at(revision)).only(BY_PATH)
        except UnknownRevision as error:
            raise NoSuchRevision(str(error)) from error

    async def file_content(self, sha256: str) -> bytes | None:
        """The content of a file of now or of an earlier version, by the digest that the log of changes names."""
        return await self._store.file_content(sha256)

    async def glances(
        self, *, limit: int, before: int | None = None, only: Only = ANY_TRANSACTION, most: int
    ) -> tuple[Glance, ...]:
        """The log of changes, newest first, each with what it did to `most` objects at most."""
        return await self._store.glances(limit=limit, before=before, only=only, most=most)

    async def last_change(self, identity: ObjectId, path: tuple[str, ...] = ()) -> Transaction | None:
        """The transaction that last changed an object, or with `path` a field of it; None where none is known."""
        if path:
            return (await self._store.last_changes(identity, (path,)))[0]
        found = await self._store.history(identity, 1)
        return found[0] if found else None

    async def story_of(self, pool: PoolView, node: NodeView) -> Story:
        """Why a node is in the state that it is in."""
        plan = self._loop.plan
        return await story(
            pool,
            node,
            live=self.live,
            checking=self.checking,
            native=plan.native_monitors.get(pool.name, "") if plan is not None else "",
            transactions=await self._store.history(ObjectId("pools", pool.name), _STORY_TRANSACTIONS),
        )

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
                *self._expiry.conditions(),
                *(remark for remarks in self.remarks for remark in remarks()),
                *disk_conditions(disk_of(self.backups.home), self.identity.name),
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
        snapshot = self.snapshot
        if self._node_changes[0] is not snapshot:
            changes: dict[tuple[str, str], LastChange] = {}
            for name, pool in snapshot.all("pools", Pool):
                for node, change in (await self._row_changes(name, pool)).items():
                    changes[name, node] = change
            self._node_changes = (snapshot, changes)
        return observe(
            traffic_manager=self.identity.name,
            version=self.identity.version,
            snapshot=snapshot,
            in_force=self.in_force,
            conditions=self.conditions(),
            health=self.live.health,
            figures=self.live.figures,
            changes=self._node_changes[1],
            engine={**self.live.engine, "licence": self.licensing.sentence},
            plane=self._plane(),
            documents=self._documents(),
            traffic_ips=held.views if (held := self.live.traffic_ips) is not None else (),
            traffic_ip_errors=held.errors if held is not None else (),
            memory=self._seen,
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

    def secret_keys(self) -> tuple[bytes, ...]:
        """Keys that nobody is to see: those that seal what is stored, and the one that follows from them. For
        masking.
        """
        return (*self._store.keys.values(), self._facts(self.snapshot).session_secret)

    def record(self, event: Event) -> None:
        """Puts an event that a surface observed (a login, a refused request) into the event log."""
        self._on_event(event)
