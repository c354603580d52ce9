"""Wires the cluster into the control plane: what this instance says of itself, what follows from a change of members.

Invariant: the name in HOME/identity/instance.json follows the one that this member has in the configuration; where
that is changed elsewhere, the control plane is started again under the new one.
"""

from __future__ import annotations

import contextlib
import ipaddress
import json
import logging
import socket
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pointsman.cluster.cluster import Cluster
from pointsman.cluster.installation import Installation
from pointsman.cluster.membership import Own
from pointsman.cluster.roster import read_roster
from pointsman.compiler.facts import Facts, Member
from pointsman.control.apply import ApplyLoop
from pointsman.control.clustering import Clustering
from pointsman.control.configuration import Configuration
from pointsman.control.control import Control, Identity
from pointsman.control.draining import Peers
from pointsman.control.licensing import Licensing
from pointsman.daemon.codes import CODE, Codes
from pointsman.daemon.machine import has_address
from pointsman.daemon.places import ANYWHERE, Places
from pointsman.daemon.reach import IN_FORCE, Reach
from pointsman.daemon.watching import WATCHES, Watchers
from pointsman.identity.certificate import InstanceCertificate
from pointsman.identity.credential import ALPN
from pointsman.identity.user import Users
from pointsman.private_file import write_private
from pointsman.schema.counter import STATISTIC_TYPES
from pointsman.schema.event import Event
from pointsman.schema.level import LEVEL
from pointsman.schema.registry import RESOURCE_TYPES
from pointsman.schema.traffic_manager import TrafficManager
from pointsman.store import Author, Store
from pointsman.telemetry.event_log import EventLog
from pointsman.telemetry.history import History
from pointsman.web.answer import Message
from pointsman.web.api.app import VERSION
from pointsman.web.api.cluster import ABOUT, packed
from pointsman.web.api.request import Request
from pointsman.web.api.status import LOCAL, StatusHandler
from pointsman.web.server import Handover

_ELSEWHERE = ("192.0.2.1", 9)
"""An address that is nobody's, to learn by which of its own this machine would leave; nothing is sent."""
_log = logging.getLogger("pointsman")


def follow_name(home: Path, store: Store, identity: Identity) -> Identity:
    """The identity with the name that this member has in the configuration, should it be another one by now.

    Raises `CredentialDamaged`, `OSError`.
    """
    credential = Installation(home).credential()
    roster = read_roster(store.objects)
    if credential is None or roster.cluster != credential.name.cluster:
        return identity
    own = roster.all.get(credential.name.member)
    if own is None or own.removed or not own.name or own.name == identity.name:
        return identity
    _store_name(home, identity.uuid, own.name)
    return replace(identity, name=own.name)


def _store_name(home: Path, number: str, name: str) -> None:
    write_private(home / "identity" / "instance.json", json.dumps({"uuid": number, "name": name}).encode())


class Clustered:
    """The cluster of one control plane, and what it takes from and gives to the other parts."""

    def __init__(
        self,
        home: Path,
        identity: Identity,
        store: Store,
        users: Users,
        certificate: InstanceCertificate,
        configuration: Configuration,
        licensing: Licensing,
        loop: ApplyLoop,
        on_event: Callable[[Event], None],
    ) -> None:
        """Raises `CredentialDamaged`, `OSError`."""
        self._home = home
        self._identity = identity
        self._store = store
        self._certificate = certificate
        self._configuration = configuration
        self._licensing = licensing
        self._loop = loop
        self._places = Places(0, 0, 0, "127.0.0.1")
        self.tells: dict[str, Callable[[], Any]] = {}
        """What this member tells the others each second, by name; values as JSON has them, small."""
        self.answers: dict[str, Callable[[str, Mapping[str, Any]], Awaitable[Mapping[str, Any]]]] = {}
        """Who answers what other members ask, by the question's `about`; each gets the asker's name."""
        self.restart: Callable[[], bool] = lambda: False
        self.cluster = Cluster(
            home,
            store,
            users,
            describe=self._describe,
            limit=lambda: licensing.holding.limits.cluster_size,
            state=self._state,
            answer=self._answer,
            on_event=on_event,
            on_change=self._on_change,
        )
        self.clustering = Clustering(self.cluster, store, loop, on_event)
        configuration.frozen = lambda: self.cluster.frozen
        self.reach = Reach(self.cluster, store, loop)
        self.answers[IN_FORCE] = self.reach.answer
        self.answers[CODE] = Codes(self.cluster, users).answer
        self.handover = Handover(ALPN, self.cluster.server_context, self.cluster.accept, self.cluster.refused)

    async def begin(self, places: Places) -> None:
        """To be called when it is known where the services listen. Raises `OSError`."""
        self._places = places
        await self.cluster.begin()
        self._follow_level()

    def serve(self, control: Control, events: EventLog, history: History) -> None:
        """Has other members' questions about this one answered."""
        self.answers[ABOUT] = answer_status(control, events, history)
        self.tells["serving"] = control.live.serving
        self.watchers = Watchers(self.cluster, control.importer, self._store, control.record)
        self.tells[WATCHES] = self.watchers.tell
        control.remarks.append(self.watchers.conditions)
        self.tells["left_out"] = lambda: control.left_out
        self.tells.update(control.draining.tells)
        control.draining.peers = self._peers

    def _peers(self) -> Peers:
        members = self.cluster.view().members
        return Peers(
            first=not members or members[0].state == "here",
            told={
                member.name or member.id: member.tells if member.state == "alive" else None
                for member in members
                if member.state != "here"
            },
        )

    def facts(self, facts: Facts) -> Facts:
        """The facts with the members."""
        if not self.cluster.active:
            return facts
        members = tuple(Member(member.name, member.address) for member in self.cluster.roster.members)
        return replace(
            facts,
            cluster=members,
            cluster_certificate=self.cluster.certificate,
            cluster_authority=self.cluster.authority,
        )

    def _follow_level(self) -> None:
        """Has the store write what the member of the lowest level can read."""
        told = [member.level for member in self.cluster.roster.members if member.level]
        self._store.set_level(min(told, default=LEVEL) if self.cluster.active else LEVEL)

    def _on_change(self, why: str) -> None:
        self._follow_level()
        name = self.cluster.own_name
        if name and name != self._identity.name:
            with contextlib.suppress(OSError):
                _store_name(self._home, self._identity.uuid, name)
                _log.warning("this traffic manager is called %s now; the control plane starts again", name)
                if self.restart():
                    return
        self._loop.poke(why)

    def _describe(self) -> Own:
        places = self._places
        limits = self._licensing.holding.limits
        features = ",".join(sorted(limits.features))
        return Own(
            name=self._identity.name,
            version=self._identity.version,
            level=LEVEL,
            address=self._address(),
            control_port=places.cluster,
            rest_port=places.rest,
            ui_port=places.ui,
            admin_sha1=self._certificate.sha1,
            admin_sha256=self._certificate.sha256,
            licence=f"{limits.bandwidth}/{limits.cluster_size}/{features}",
        )

    def _address(self) -> str:
        """Where other members reach this one: the address it listens on, else the one that names it, else the one
        that the default route leaves by.

        A machine that was named by its address and has another one now is not there any more; an address that was
        chosen beside the name may be that of a router before it.
        """
        if self._places.host not in ANYWHERE:
            return self._places.host
        own = self._configuration.snapshot.get("traffic_managers", self._identity.name, TrafficManager)
        name = self._identity.name
        for named in (own.basic.nameip if own is not None else "", name):
            with contextlib.suppress(ValueError):
                address = str(ipaddress.ip_address(named))
                if named != name or has_address(address):
                    return address
        return _default_address()

    def _state(self) -> Mapping[str, Any]:
        return {
            "version": self._identity.version,
            "level": LEVEL,
            "revision": self._store.revision,
            "in_force": self._loop.in_force,
            **{name: tell() for name, tell in self.tells.items()},
        }

    async def _answer(self, asker: str, question: Mapping[str, Any]) -> Mapping[str, Any]:
        answerer = self.answers.get(str(question.get("about", "")))
        if answerer is None:
            return {"error": "this version does not know the question"}
        try:
            return await answerer(asker, question)
        except Exception:
            _log.exception("a question of %s met a fault of the program", asker)
            return {"error": "the question met a fault of the program; its log says which"}


def answer_status(
    control: Control, events: EventLog, history: History
) -> Callable[[str, Mapping[str, Any]], Awaitable[Mapping[str, Any]]]:
    """Answers what other members ask of this one's part of the status tree."""
    handler = StatusHandler(control, events, history, RESOURCE_TYPES, STATISTIC_TYPES)

    async def answer(asker: str, question: Mapping[str, Any]) -> Mapping[str, Any]:
        base = ("api", "tm", VERSION, "status")
        path = (*base, LOCAL, *map(str, question.get("path", ())))
        query = {str(name): list(map(str, values)) for name, values in question.get("query", {}).items()}
        caller = Author(str(question.get("user", "")), str(question.get("address", "")), f"member {asker}")
        audit = question.get("audit") is not False
        return packed(await handler.answer(Request("GET", path, query, {}, caller, _no_body, audit), base))

    return answer


async def _no_body() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


def _default_address() -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as trial:
        try:
            trial.connect(_ELSEWHERE)
        except OSError:
            return "127.0.0.1"
        return str(trial.getsockname()[0])
