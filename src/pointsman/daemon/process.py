"""The control plane's process: wires every part together, serves until told to stop, and lets go in order.

This is the composition root, the only module that knows all others. Invariant: the ready file exists only while REST
and the page answer and a generation is in force.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import signal
import sqlite3
import time
from collections.abc import Callable

from pointsman.cli.banner import banner, demo_words
from pointsman.cli.run import RunOptions
from pointsman.cluster.installation import CredentialDamaged
from pointsman.compiler.facts import EngineFacts, Facts
from pointsman.compiler.plan import Plan
from pointsman.control.apply import ApplyLoop
from pointsman.control.configuration import Configuration
from pointsman.control.control import Control
from pointsman.control.first_start import DEMO, demo_ports, furnish
from pointsman.control.group_guard import guard_groups
from pointsman.control.importer import Importer
from pointsman.control.journal import events_of, left_out
from pointsman.control.licensing import Licensing
from pointsman.control.live import Live
from pointsman.control.login_rules import govern_logins
from pointsman.control.own_certificate import OwnCertificate
from pointsman.control.renaming import Renaming
from pointsman.control.resolve import REFRESH, Mentioned, Resolver
from pointsman.control.statistics import Statistics
from pointsman.control.watch import Watch
from pointsman.daemon.account import engine_account
from pointsman.daemon.activity import begin_to_hear, look_after
from pointsman.daemon.backups import open_backups
from pointsman.daemon.cluster import Clustered, follow_name
from pointsman.daemon.deferred import load_soon, local, page
from pointsman.daemon.documents import STATUS_DOCUMENTS, Documents, DocumentsRefused
from pointsman.daemon.edition import edition_of
from pointsman.daemon.identify import identify
from pointsman.daemon.log_line import begin_log
from pointsman.daemon.machine import can_ping, first_line, has_ipv6
from pointsman.daemon.memory import keep_small
from pointsman.daemon.places import Apps, Places, ReadyFile, listen
from pointsman.daemon.provisioned import announce, tell_failure
from pointsman.daemon.restart import Restart
from pointsman.daemon.session_secret import session_secret
from pointsman.daemon.traffic_ips import Failover
from pointsman.engine.haproxy.binary import NoBinary, engine_facts, find_binary
from pointsman.engine.haproxy.engine import HaproxyEngine
from pointsman.identity.called import IdentityDamaged
from pointsman.identity.certificate import CertificateRefused, InstanceCertificate
from pointsman.identity.machine import machine_addresses
from pointsman.identity.user import PasswordRefused, Users
from pointsman.identity.user_file import UsersFileError
from pointsman.licence.key import Refused
from pointsman.provision.order import OrderDamaged, read_order
from pointsman.schema.event import Event, Severity
from pointsman.schema.registry import STORED
from pointsman.schema.snapshot import Snapshot
from pointsman.schema.traffic_manager import TrafficManager
from pointsman.store import Store, StoreError, StoreInUse, Transaction
from pointsman.telemetry.counters import Counters
from pointsman.telemetry.database import Database
from pointsman.telemetry.event_log import EventLog, EventQuery
from pointsman.telemetry.history import History
from pointsman.telemetry.machine import Machine
from pointsman.telemetry.response_times import ResponseTimes
from pointsman.telemetry.tracker import HealthTracker
from pointsman.web.api.app import make_app as make_api
from pointsman.web.cluster import make_cluster_app
from pointsman.web.join import with_joins
from pointsman.web.local.limit import BODY_LIMIT as LOCAL_BODY_LIMIT
from pointsman.web.server import CannotListen, Server

ENGINE_FAILED = "zxtmswerror"
"""The tag of events that tell of an engine which ended."""
_log = logging.getLogger("pointsman")


class CannotStart(Exception):
    """Why this instance cannot run; one sentence with the remedy, and the exit status."""

    def __init__(self, text: str, status: int) -> None:
        super().__init__(text)
        self.status = status


def main(options: RunOptions) -> int:
    """Runs the control plane until it is told to stop; returns the exit status."""
    begin_log()
    os.umask(0o077)
    gc.disable()  # until the configuration is read
    try:
        asyncio.run(_Daemon(options).run())
    except CannotStart as error:
        tell_failure(options.home, str(error))
        return error.status
    return 0


class _Daemon:
    """One run of the control plane. Parts are made in `_open`, run in `_serve`."""

    def __init__(self, options: RunOptions) -> None:
        self._options = options
        self._home = options.home
        self._stop = asyncio.Event()
        self._state = "starting"
        self._ipv6 = has_ipv6()
        self._can_ping = can_ping()
        self._early: list[Event] = []
        self._record: Callable[[Event], None] = self._early.append

    def _on_event(self, event: Event) -> None:
        self._record(event)
        if event.tag == ENGINE_FAILED and self._state == "running":
            self._loop.poke("the engine ended")

    def _health(self) -> str:
        if self._state != "running":
            return self._state
        return "ok" if self._engine.serving else "engine"

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        if self._options.ready_file is not None:
            self._options.ready_file.unlink(missing_ok=True)
        async with contextlib.AsyncExitStack() as stack:
            try:
                await self._open(stack)
            except (StoreError, sqlite3.Error, OSError) as error:
                raise CannotStart(
                    f"cannot use {self._home}: {error}; free space or repair the disk", 1
                ) from None
            await self._serve()

    async def _open(self, stack: contextlib.AsyncExitStack) -> None:
        home = self._home
        (home / "log").mkdir(mode=0o700, exist_ok=True)
        try:
            self._order = read_order(home)
            self._binary = binary = find_binary()
            # First of all: it asks the kernel in a child, for which there must not be threads.
            self._account = engine_account(home, binary, self._order)
            self._engine_facts: EngineFacts = await engine_facts(binary)
            self._store = await Store.open(home / "store", STORED)
        except StoreInUse as error:
            raise CannotStart(str(error), 4) from None
        except (StoreError, NoBinary, OrderDamaged) as error:
            raise CannotStart(str(error), 1) from None
        stack.push_async_callback(self._store.close)
        try:
            ordered = self._order.name if self._order else ""
            self._identity = await identify(home, self._store, flag=self._options.name, ordered=ordered)
            self._identity = follow_name(home, self._store, self._identity)
            self._edition = edition_of(home, self._identity.name, self._order)
            given = first_line(self._options.password_file)
            self._users, self._first = await Users.open(home, on_event=self._on_event, given=given)
            self._certificate = InstanceCertificate.open(
                home / "identity", self._identity.name, machine_addresses()
            )
        except (
            IdentityDamaged,
            CredentialDamaged,
            Refused,
            UsersFileError,
            PasswordRefused,
            CertificateRefused,
            OSError,
        ) as error:
            raise CannotStart(str(error), 1) from None
        await self._open_telemetry(stack)
        try:
            self._engine = HaproxyEngine(home, binary, self._on_event, self._account.whole)
        except ValueError as error:
            raise CannotStart(str(error), 1) from None
        stack.push_async_callback(self._engine.close)
        self._heard = begin_to_hear(home, self._account)
        stack.callback(self._heard.close)
        await self._engine.start()
        self._demo = demo_ports(home) if self._options.demo else ()
        await furnish(self._store, self._identity.name, self._demo)
        self._wire(stack)
        try:
            await self._documents.begin()
        except DocumentsRefused as error:
            raise CannotStart(str(error), STATUS_DOCUMENTS) from None

    async def _open_telemetry(self, stack: contextlib.AsyncExitStack) -> None:
        self._database = await Database.open(self._home / "telemetry.db")
        stack.push_async_callback(self._database.close)
        if (aside := self._database.set_aside) is not None:
            text = f"the history was damaged and is set aside as {aside}; a new one was begun"
            self._on_event(Event("general", "telemetrydamaged", Severity.WARN, None, text))
        self._counters = Counters()
        await self._counters.restore(self._database)
        self._tracker = HealthTracker()
        await self._tracker.restore(self._database)
        self._times = ResponseTimes(self._database)
        self._history = History(self._database, self._times)
        self._events = EventLog(self._database, self._home / "log" / "events.log")
        told = [
            await self._events.find(EventQuery(tag=tag, limit=1000))
            for tag in ("confleftout", "confrecovered")
        ]
        self._left_out = left_out(logged for found in told for logged in found)

    def _wire(self, stack: contextlib.AsyncExitStack) -> None:
        self._mentioned = Mentioned()
        self._resolver = Resolver(self._home / "run" / "names.json")
        stack.callback(self._resolver.close)
        self._live = Live()
        self._watch = Watch(
            engine=self._engine,
            counters=self._counters,
            tracker=self._tracker,
            history=self._history,
            event_log=self._events,
            live=self._live,
            remembered=self._tracker.remembered,
            launcher_events=self._home / "run" / "launcher-events.jsonl",
            machine=Machine(),
            heard=self._heard,
            times=self._times,
        )
        self._record = self._watch.on_event
        for event in self._early:
            self._watch.on_event(event)
        self._configuration = Configuration(self._store, self._on_change)
        self._licensing = Licensing(
            self._home,
            self._configuration,
            self._edition,
            self._on_event,
            self._on_limits,
        )
        self._loop = ApplyLoop(
            self._engine,
            lambda: self._configuration.snapshot,
            self._facts,
            self._on_plan,
            self._on_event,
            self._left_out,
        )
        self._importer = Importer(self._home, self._store, self._configuration, self._loop, self._on_event)
        self._documents = Documents(self._home, self._importer, self._store, self._order)
        self._own_certificate = OwnCertificate(
            self._home, self._identity.name, self._certificate, self._on_event
        )
        self._clustered = Clustered(
            self._home,
            self._identity,
            self._store,
            self._users,
            self._certificate,
            self._configuration,
            self._licensing,
            self._loop,
            self._on_event,
        )
        self._control = Control(
            identity=self._identity,
            store=self._store,
            configuration=self._configuration,
            loop=self._loop,
            live=self._live,
            licensing=self._licensing,
            importer=self._importer,
            certificate=self._own_certificate,
            backups=open_backups(
                self._home,
                self._identity,
                self._store,
                self._configuration,
                self._licensing,
                self._users,
                self._on_event,
            ),
            renaming=Renaming(self._home, self._identity.name, self._store, self._on_event),
            facts=self._known_facts,
            on_event=self._on_event,
            clustering=self._clustered.clustering,
        )
        guard_groups(self._control, self._users)
        govern_logins(self._control, self._users)
        self._importer.behind = self._clustered.reach.behind
        self._failover = Failover(
            self._home,
            self._identity.name,
            self._engine,
            self._binary.name,
            lambda: self._live.health,
            lambda: self._configuration.snapshot,
            self._on_event,
            self._loop.poke,
        )
        self._live.traffic_ips = self._failover.traffic_ips
        self._live.serving = lambda: self._engine.serving
        self._clustered.serve(self._control, self._events, self._history)
        self._failover.share(self._clustered)
        self._live.figures = Statistics(
            self._counters,
            self._history,
            Machine(),
            lambda: self._configuration.snapshot,
            lambda: self._live.health,
            self._tracker.failures,
            self._own_figures,
            self._failover.traffic_ips,
            lambda: self._watch.pings,
        )
        version = ".".join(map(str, self._engine_facts.version))
        look_after(self._live, self._engine, version, self._loop, self._counters, self._home)
        self._changed_at = time.time()

    def _own_figures(self) -> dict[str, int]:
        since = time.time() - self._changed_at
        return {"events_seen": self._events.seen, "time_last_config_update": int(since * 100)}

    def _on_change(self, reason: str, transaction: Transaction) -> None:
        self._changed_at = transaction.time
        for event in events_of(transaction):
            self._on_event(event)
        self._licensing.on_transaction(transaction)
        self._loop.poke(reason)

    def _on_limits(self, reason: str) -> None:
        self._loop.poke(reason)

    def _on_plan(self, plan: Plan) -> None:
        self._watch.on_plan(plan)
        self._failover.traffic_ips.on_plan(plan)

    # Facts

    async def _facts(self, snapshot: Snapshot) -> Facts:
        names = self._mentioned.names_in(snapshot)
        await self._resolver.addresses(names)
        return self._facts_with(names)

    def _known_facts(self, snapshot: Snapshot) -> Facts:
        return self._facts_with(self._mentioned.names_in(snapshot))

    def _facts_with(self, names: frozenset[str]) -> Facts:
        plan = self._loop.plan or Plan(())
        facts = Facts(
            engine=self._engine_facts,
            traffic_manager=self._identity.name,
            engine_directory=str(self._home / "engine"),
            addresses=self._resolver.known(names),
            demo_ports=self._demo,
            bandwidth=self._licensing.holding.limits.bandwidth,
            worker_user=self._account.worker.user,
            worker_group=self._account.worker.group,
            ipv6=self._ipv6,
            can_ping=self._can_ping,
            times_socket=str(self._heard.path) if self._heard.listens else "",
            interfaces=self._failover.network.interfaces(),
            cannot_raise=self._failover.cannot_raise,
            serving=plan.serving,
            own_ports=plan.own_ports,
            session_secret=session_secret(self._store.keys),
        )
        return self._clustered.facts(facts)

    async def _keep_names_fresh(self) -> None:
        while True:
            await asyncio.sleep(REFRESH)
            if await self._resolver.refresh(self._mentioned.names_in(self._configuration.snapshot)):
                self._loop.poke("a host name resolves to other addresses")

    # Serving

    async def _serve(self) -> None:
        try:
            server, places = self._listen()
        except CannotListen as error:
            raise CannotStart(str(error), 1) from None
        refused: DocumentsRefused | None = None
        try:
            async with asyncio.TaskGroup() as group:
                work = (server, self._engine, self._watch, self._failover, self._control.draining)
                tasks = [group.create_task(part.run()) for part in (*work, self._clustered.watchers)]
                tasks += [group.create_task(self._keep_names_fresh()), group.create_task(keep_small())]
                await self._clustered.begin(places)
                tasks.append(group.create_task(self._clustered.cluster.run()))
                await self._licensing.begin()
                await self._begin()
                gc.freeze()
                gc.enable()
                tasks += [
                    group.create_task(part.run())
                    for part in (
                        self._loop,
                        self._licensing,
                        self._own_certificate,
                        self._control.backups.schedule,
                    )
                ]
                try:
                    await self._documents.conclude()
                except DocumentsRefused as error:
                    refused = error
                    self._stop.set()
                else:
                    self._state = "running"
                    self._announce(places)
                    ready = ReadyFile(self._options.ready_file, self._home, places, self._certificate)
                    tasks.append(group.create_task(ready.follow_launcher()))
                    tasks.append(group.create_task(load_soon((self._page, self._local))))
                    tasks.append(group.create_task(self._documents.follow()))
                await self._stop.wait()
                self._state = "stopping"
                self._withdraw()
                await server.close()
                for task in tasks:
                    task.cancel()
        finally:
            self._withdraw()
            await self._watch.flush()
        if refused is not None:
            raise CannotStart(str(refused), STATUS_DOCUMENTS)

    async def _begin(self) -> None:
        """Brings what is stored into force, and the engine in the mind of nodes that were dead."""
        snapshot = self._configuration.snapshot
        await self._watch.remind(self._loop.first(snapshot, await self._facts(snapshot)))
        await self._loop.apply(("start",))

    def _listen(self) -> tuple[Server, Places]:
        server = Server(lambda: self._certificate.context)
        bound: list[Places] = []
        self._page = page(
            self._control, self._users, self._health, lambda: bound[0].rest, self._home / "languages"
        )
        self._local = local(self._control, self._users)
        apps = Apps(
            api=make_api(
                control=self._control,
                users=self._users,
                events=self._events,
                history=self._history,
                health=self._health,
            ),
            page=with_joins(self._page, self._clustered.cluster),
            cluster=make_cluster_app(self._health),
        )
        own = self._configuration.snapshot.get("traffic_managers", self._identity.name, TrafficManager)
        bind_only = self._order.bind if self._order else ""
        places = listen(server, apps, self._home, self._options, own, bind_only, self._clustered.handover)
        bound.append(places)
        self._importer.restart = Restart(
            self._home, self._identity.name, self._options, lambda: self._configuration.snapshot
        )
        self._clustered.restart = self._importer.restart.ask
        self._control.renaming.restart = self._importer.restart.ask
        server.listen_unix(self._local, self._home / "run" / "control.sock", body_limit=LOCAL_BODY_LIMIT)
        return server, places

    def _announce(self, places: Places) -> None:
        with contextlib.suppress(OSError):
            (self._home / "run" / "control.ready").touch(mode=0o600)
        if self._first.ignored:
            _log.warning(
                "--password-file is ignored: the password was set at the first start; change it in the product"
            )
        remark = self._account.remark
        if self._order is not None:
            announce(self._home, places, self._certificate, self._licensing.sentence, remark)
            return
        if remark:
            _log.warning("%s", remark)
        urls = places.url(places.rest), places.url(places.ui) + "/"
        print(banner(*urls, self._certificate, self._home, self._first, self._licensing.sentence), flush=True)
        if self._options.demo:
            conditions = self._control.conditions(DEMO)
            print(demo_words(self._configuration.snapshot, conditions, self._home), flush=True)

    def _withdraw(self) -> None:
        if self._options.ready_file is not None:
            with contextlib.suppress(OSError):
                self._options.ready_file.unlink(missing_ok=True)
