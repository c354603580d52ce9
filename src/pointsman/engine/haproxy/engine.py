"""HAProxy as Pointsman's data plane: puts plans in force by the least act and watches what serves them.

Invariants: what is in force is read from the worker and proven, never assumed, or the next apply reloads
(which costs no request); `current` leads to a configuration that was accepted; one act happens at a time.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path

from pointsman.compiler.difference import (
    AtRunTime,
    ChangeServer,
    Nothing,
    Operation,
    Reload,
    Step,
    difference,
)
from pointsman.compiler.plan import Listener, Plan, Server
from pointsman.engine.haproxy.account import RUN, Account
from pointsman.engine.haproxy.carry import carry_held, carry_states, held_back, read_states, write_states
from pointsman.engine.haproxy.check import check_configuration, refusals
from pointsman.engine.haproxy.generation import CONFIGURATION, Generations, digest_of
from pointsman.engine.haproxy.judgement import dead_servers, tell
from pointsman.engine.haproxy.ledger import Entry, read_entry, write_entry
from pointsman.engine.haproxy.probe import refused_binds
from pointsman.engine.haproxy.runtime import NotAtRunTime, delete_lingering, describe, perform
from pointsman.engine.haproxy.sessions import read_sessions
from pointsman.engine.haproxy.socket import EngineUnreachable, answers, ask_for_reload
from pointsman.engine.haproxy.streams import read_streams
from pointsman.engine.haproxy.supervisor import Supervisor
from pointsman.engine.haproxy.worker import Worker, await_generation, meet_first
from pointsman.engine.outcome import Outcome, Verdicts
from pointsman.schema.event import Event, Severity
from pointsman.schema.problem import Problem
from pointsman.schema.sample import Sample
from pointsman.schema.stream import Sessions, Streams

_RELOAD_SECONDS_APART = 0.25
_RETURN_SECONDS = 3.0
"""How long an apply waits for an engine that has ended and is being started again."""
_START_SECONDS = 15.0
_HOPELESS_SECONDS = 1.0
"""After this long an engine that still complains about its configuration at every start will not come up."""


class HaproxyEngine:
    """The engine of one home. Call `start` first and run `run` beside; the launcher runs the processes.

    `on_event` is called with each event of the engine itself. Its processes run as `account`, for which the home was
    opened, or as the launcher itself. Raises ValueError when the home's path is too long for a socket.
    """

    def __init__(
        self, home: Path, binary: Path, on_event: Callable[[Event], None], account: Account | None = None
    ) -> None:
        self._home = home
        self._run = home / "run"
        self._binary = binary
        self._on_event = on_event
        self._account = account
        self._generations = Generations(home / "engine", account)
        self._supervisor = Supervisor(home, binary, account)
        self._worker: Worker | None = None
        self._finishing: list[Worker] = []
        self._last_words: list[Sample] = []
        self._in_force: Plan | None = None
        self._number = 0
        self._verdicts: dict[tuple[str, str], tuple[bool, str]] = {}
        self._acting = asyncio.Lock()
        self._reloaded_at = 0.0
        self._ended_at = 0.0
        self._woken = asyncio.Event()
        self._statuses = 0
        self._states_are_old = False
        self._given_up = False
        self._all_told = True
        self._disk_failed = ""

    # The surface

    @property
    def serving(self) -> bool:
        """Whether an engine of ours carries traffic now."""
        return self._worker is not None and not self._worker.ended()

    async def answers(self, seconds: float) -> bool:
        """Whether the engine that carries traffic answers a question within that time."""
        places = [place for place in self._supervisor.workers if place.exists()]
        return bool(places) and await answers(places[0], seconds)

    async def start(self) -> None:
        """Adopts a worker that runs or is being started. What it serves is proven at the first `apply`."""
        self._run.mkdir(mode=0o700, parents=True, exist_ok=True)
        (self._home / RUN).mkdir(mode=0o700, parents=True, exist_ok=True)
        if self._supervisor.is_asked_for_another_account():
            await self._supervisor.end()
        self._number = self._generations.current()
        async with self._acting:
            await self._present()

    async def run(self) -> None:
        """Watches until cancelled: workers that end, return or finish, servers to delete, health to save."""
        while True:
            try:
                async with asyncio.timeout(1.0):
                    await self._woken.wait()
            except TimeoutError:
                pass
            self._woken.clear()
            async with self._acting:
                try:
                    if await self._present() is not None:
                        await self._tidy()
                    self._disk_failed = ""
                except EngineUnreachable:
                    continue  # its end wakes us
                except OSError as error:
                    self._say_disk_failed(error)

    async def apply(self, plan: Plan) -> Outcome:
        """Puts `plan` in force: nothing, changes at run time, a reload or a start; or refuses it."""
        async with self._acting:
            try:
                try:
                    return await self._apply(plan)
                except EngineUnreachable:
                    return await self._apply(plan)  # it ended in the middle; its successor gets the whole
            except (EngineUnreachable, OSError) as error:
                message = f"the engine could not be changed: {error}; it is tried again with the next change"
                return self._refuse((Problem(None, (), "engine.unreachable", message),))

    async def _apply(self, plan: Plan) -> Outcome:
        worker = await self._present()
        if worker is None:
            return await self._begin(plan)
        match await self._step(worker, plan):
            case Nothing():
                self._in_force = plan
                return Outcome("nothing", generation=self._number)
            case AtRunTime(operations):
                return await self._change(worker, plan, operations)
            case Reload(reasons):
                return await self._reload(worker, plan, reasons)

    async def samples(self, proxies: Collection[str] = ()) -> tuple[Sample, ...]:
        """Figures of the worker that serves and of those that finish; empty while none answers."""
        rows, self._last_words = self._last_words, []
        workers = [(worker, False) for worker in self._finishing]
        if self._worker is not None:
            workers.append((self._worker, True))
        for worker, current in workers:
            try:
                own = await worker.samples(proxies, current=current)
            except EngineUnreachable:
                self._woken.set()
                continue
            rows.extend(own)
            if current and not proxies:
                statuses = hash(
                    tuple((row.proxy, row.server, row.figures.get("status")) for row in own if row.server)
                )
                self._states_are_old = self._states_are_old or statuses != self._statuses
                self._statuses = statuses
        return tuple(rows)

    async def streams(self, most: int, *, detailed: bool) -> Streams | None:
        """Who is connected to the worker that serves, `most` at most; None while it does not answer."""
        if self._worker is None:
            return None
        for place in self._supervisor.workers:
            with contextlib.suppress(EngineUnreachable):
                return await read_streams(place, most, detailed=detailed)
        return None

    async def sessions(self, pools: Collection[str], most: int) -> Mapping[str, Sessions]:
        """The sessions of pools, as `read_sessions` has them; none while no worker answers."""
        proxies = self._in_force.proxies if self._in_force is not None else {}
        for place in self._supervisor.workers:
            with contextlib.suppress(EngineUnreachable):
                return await read_sessions(place, proxies, pools, most)
        return {}

    async def judge(self, verdicts: Verdicts, reached: Collection[tuple[str, str]] = ()) -> None:
        """Sets the health of judged nodes; remembered, and given to every later worker. See `tell` for `reached`."""
        self._verdicts.update(verdicts)
        async with self._acting:
            if self._worker is None or self._in_force is None:
                return
            self._states_are_old = True
            try:
                self._all_told = await tell(self._worker, self._in_force, self._verdicts, reached)
            except EngineUnreachable:
                self._all_told = False
            self._woken.set()

    async def probe(self, listeners: Iterable[Listener]) -> Mapping[Listener, str]:
        """Which of these addresses cannot be bound now, and why; those our engine binds already can."""
        async with self._acting:
            try:
                await self._present()
            except EngineUnreachable:
                self._woken.set()
            return await self._probe(listeners)

    async def close(self) -> None:
        """Lets go of every worker; the engine keeps running."""
        async with self._acting:
            for worker in (*self._finishing, *([self._worker] if self._worker else [])):
                self._drop(worker)
            self._finishing, self._worker = [], None

    # Finding out

    @property
    def _states(self) -> Path:
        return self._home / "engine" / "servers.state"

    @property
    def _ledger(self) -> Path:
        return self._run / "applied.json"

    def _take(self, worker: Worker) -> None:
        """Makes a worker the present one and waits for its end beside everything else."""
        self._worker = worker
        asyncio.get_running_loop().add_reader(worker.pidfd, self._on_end, worker)

    def _on_end(self, worker: Worker) -> None:
        asyncio.get_running_loop().remove_reader(worker.pidfd)
        self._ended_at = time.monotonic()
        self._woken.set()

    def _drop(self, worker: Worker) -> None:
        asyncio.get_running_loop().remove_reader(worker.pidfd)
        worker.forget()

    async def _present(self) -> Worker | None:
        """The worker that serves now, or None; the first time, one that is being started is awaited."""
        former = self._worker
        if former is not None and not former.ended() and not former.talk.closed:
            return former
        since = time.monotonic()
        patience = _RETURN_SECONDS
        if self._given_up or not self._supervisor.is_asked() or not self._supervisor.pid():
            patience = 0.0
        while True:
            try:
                worker = await meet_first(self._supervisor.workers)
                break
            except EngineUnreachable:
                if time.monotonic() - since >= patience:
                    self._give_up()
                    return None
                await asyncio.sleep(0.01)
        self._given_up = False
        if former is not None and former.identity == worker.identity:
            worker.dynamic, worker.lingering, worker.told = former.dynamic, former.lingering, former.told
        ended = former is not None and former.ended()
        if former is not None:
            self._drop(former)
        self._take(worker)
        if former is not None and former.identity != worker.identity:
            await self._welcome(worker, ended)
        return worker

    def _say_disk_failed(self, error: OSError) -> None:
        """Says once that the engine's files cannot be written; traffic goes on, and it is tried again each second."""
        if not self._disk_failed:
            self._disk_failed = str(error)
            reason = f"files of the traffic engine cannot be written: {error}; free space or repair the disk"
            self._on_event(Event("general", "diskfailed", Severity.SERIOUS, None, reason))

    def _give_up(self) -> None:
        """Says once that an engine that served is gone and does not come back."""
        if self._worker is not None and not self._given_up:
            reason = "the traffic engine (HAProxy) ended and does not start again; log/haproxy.log says why"
            self._on_event(Event("general", "zxtmswerror", Severity.FATAL, None, reason))
        self._given_up = True

    async def _welcome(self, worker: Worker, ended: bool) -> None:
        """Brings a worker up to date that came without our doing, and says so when the one before had `ended`."""
        if ended:
            after = (time.monotonic() - self._ended_at) * 1000
            reason = (
                f"the traffic engine (HAProxy) ended and was started again; it answered after {after:.0f} ms"
            )
            self._on_event(Event("general", "zxtmswerror", Severity.SERIOUS, None, reason))
        if worker.generation != self._number:
            self._in_force, self._number = None, worker.generation
        if self._in_force is not None:
            await self._settle(worker, self._in_force, self._number)

    async def _step(self, worker: Worker, plan: Plan) -> Step:
        if self._in_force is not None:
            return difference(self._in_force, plan)
        if await self._prove(worker, plan):
            return Nothing()
        return Reload(("what the engine runs was not loaded by this control plane",))

    async def _prove(self, worker: Worker, plan: Plan) -> bool:
        """Whether the adopted worker serves exactly `plan`, by the ledger and the recorded digest."""
        entry = read_entry(self._ledger)
        if entry is None or entry.worker != worker.identity or entry.applied != self._generations.current():
            return False
        if await asyncio.to_thread(digest_of, plan) != self._generations.digest(entry.applied):
            return False
        worker.dynamic = set(entry.dynamic)
        known = {(section.backend, server.name) for section in plan.sections for server in section.servers}
        for line in (await worker.talk.ask("show servers state")).split("\n"):
            words = line.split(" ")
            if len(words) > 3 and not line.startswith("#") and (words[1], words[3]) not in known:
                worker.lingering[(words[1], words[3])] = None
        self._in_force, self._number = plan, entry.applied
        await self._judge_and_release(worker, plan)
        return True

    # Acting

    async def _prepare(self, plan: Plan, *, check: bool, bind: bool) -> tuple[int, tuple[Problem, ...]]:
        """Writes the plan as a new generation; its number, or what speaks against it."""
        if bind and (taken := await self._probe(plan.listeners)):
            remedy = "free it or choose another; the last good configuration stays in force"
            return 0, tuple(
                Problem(at.subject, (), "engine.bind", f"{why}; {remedy}") for at, why in taken.items()
            )
        number = await asyncio.to_thread(self._generations.write, plan)
        loaded = (self._worker.generation,) if self._worker is not None else ()
        await asyncio.to_thread(self._generations.prune, loaded)
        complaint = ""
        if check:
            complaint = await check_configuration(
                self._binary, self._generations.path(number) / CONFIGURATION, self._account
            )
        if complaint:
            await asyncio.to_thread(self._generations.remove, number)
        return number, refusals(complaint, plan) if complaint else ()

    async def _probe(self, listeners: Iterable[Listener]) -> Mapping[Listener, str]:
        bound: frozenset[tuple[str, int]] = frozenset()
        if self._worker is not None and not self._worker.ended():
            bound = await asyncio.to_thread(self._generations.listeners, self._number)
        return await asyncio.to_thread(refused_binds, tuple(listeners), bound)

    def _refuse(self, problems: tuple[Problem, ...]) -> Outcome:
        return Outcome("refused", tuple(str(problem) for problem in problems), problems, self._number)

    async def _change(self, worker: Worker, plan: Plan, operations: Sequence[Operation]) -> Outcome:
        """Changes the worker at run time, and writes the generation that it now serves for its successor."""
        # Numbers, addresses and states of known servers need no second opinion; the engine takes them or
        # says no.
        check = not all(isinstance(operation, ChangeServer) for operation in operations)
        number, problems = await self._prepare(plan, check=check, bind=False)
        if problems:
            return self._refuse(problems)
        write_entry(self._ledger, Entry(worker.identity, 0))
        self._in_force = None
        pools = {section.backend: section.pool for section in plan.sections}

        def is_up(backend: str, server: Server) -> bool:
            return self._verdicts.get((pools[backend], server.node), (True, ""))[0]

        try:
            await perform(worker, operations, is_up)
        except NotAtRunTime as reason:
            return await self._reload(worker, plan, (f"not possible at run time: {reason}",))
        await self._put_in_force(worker, plan, number)
        done = dict.fromkeys(describe(operation) for operation in operations)
        return Outcome("runtime", tuple(done), generation=number)

    async def _reload(self, worker: Worker, plan: Plan, reasons: tuple[str, ...]) -> Outcome:
        """Replaces the worker by one that loads the plan; the old one finishes what it has."""
        number, problems = await self._prepare(plan, check=True, bind=True)
        if problems:
            return self._refuse(problems)
        await asyncio.sleep(self._reloaded_at + _RELOAD_SECONDS_APART - time.monotonic())
        await self._save_states(worker, plan)
        former = self._number
        await asyncio.to_thread(self._generations.point, number)
        self._reloaded_at = time.monotonic()
        answer = await ask_for_reload(self._supervisor.master, _RETURN_SECONDS)
        successor = (
            None
            if answer.startswith("Success=0")
            else await await_generation(self._supervisor.workers[0], number, _RETURN_SECONDS)
        )
        if successor is None:
            await asyncio.to_thread(self._generations.point, former)
            self._states_are_old = True
            if not answer.startswith("Success=0"):
                # Which worker serves is not known: who answers on the socket next is asked, and gets everything.
                worker.talk.close()
                self._in_force = None
            return self._refuse(refusals(answer, plan))
        asyncio.get_running_loop().remove_reader(worker.pidfd)
        self._finishing.append(worker)
        self._take(successor)
        self._in_force, self._number = None, number
        await self._settle(successor, plan, number)
        return Outcome("reload", reasons, generation=number)

    async def _begin(self, plan: Plan) -> Outcome:
        """Has the launcher start the engine with the plan, where none runs."""
        if not self._supervisor.pid():
            message = "no launcher runs here that could start the engine; use `pointsman run`"
            return self._refuse((Problem(None, (), "engine.launcher", message),))
        number, problems = await self._prepare(plan, check=True, bind=True)
        if problems:
            return self._refuse(problems)
        write_states(
            self._states,
            carry_held(read_states(self._states), plan, dead_servers(plan, self._verdicts)),
            self._account,
        )
        former = self._number
        await asyncio.to_thread(self._generations.point, number)
        log_start = self._supervisor.log_size()
        self._supervisor.ask()
        begun = time.monotonic()
        worker = await await_generation(
            self._supervisor.workers[0],
            number,
            _START_SECONDS,
            lambda: (
                time.monotonic() - begun > _HOPELESS_SECONDS
                and "[ALERT]" in self._supervisor.log_since(log_start)
            ),
        )
        if worker is None:
            await asyncio.to_thread(self._generations.point, former)
            if former == 0:
                self._supervisor.withdraw()
            return self._refuse(refusals(self._supervisor.log_since(log_start), plan))
        if self._worker is not None:
            self._drop(self._worker)
        self._take(worker)
        self._given_up = False
        await self._settle(worker, plan, number)
        return Outcome("start", ("the engine was not running",), generation=number)

    # After an act

    async def _settle(self, worker: Worker, plan: Plan, number: int) -> None:
        """Completes a worker that has just loaded a plan."""
        await self._judge_and_release(worker, plan)
        await self._put_in_force(worker, plan, number)
        await self._save_states(worker, plan)

    async def _judge_and_release(self, worker: Worker, plan: Plan) -> None:
        """Gives a worker the verdicts, then the nodes that it held back since it loaded."""
        self._all_told = await tell(worker, plan, self._verdicts)
        held = held_back(await worker.talk.ask("show servers state"), plan)
        await worker.talk.ask_all([f"set server {backend}/{server} state ready" for backend, server in held])

    async def _put_in_force(self, worker: Worker, plan: Plan, number: int) -> None:
        """Writes down that the worker serves exactly this generation."""
        if self._generations.current() != number:
            await asyncio.to_thread(self._generations.point, number)
        self._in_force, self._number = plan, number
        self._supervisor.renew()
        write_entry(self._ledger, Entry(worker.identity, number, tuple(sorted(worker.dynamic))))
        nodes = {(section.pool, server.node) for section in plan.sections for server in section.servers}
        self._verdicts = {node: verdict for node, verdict in self._verdicts.items() if node in nodes}
        self._states_are_old = True

    async def _save_states(self, worker: Worker, plan: Plan) -> None:
        """Writes the nodes' health for the next worker to load."""
        self._states_are_old = False
        try:
            table = await worker.talk.ask("show servers state")
            dead = dead_servers(plan, self._verdicts)
            write_states(
                self._states, await asyncio.to_thread(carry_states, table, plan, dead), self._account
            )
        except BaseException:
            self._states_are_old = True
            raise

    async def _tidy(self) -> None:
        """Reads the last counters of finished workers, deletes servers without connections, saves health."""
        for worker in tuple(self._finishing):
            try:
                if not worker.ended() and not await worker.is_finished():
                    continue
                self._last_words.extend(await worker.samples(current=False))
            except EngineUnreachable:
                pass  # it was ended by force; what it counted since the last reading is lost with it
            self._finishing.remove(worker)
            worker.forget()
        if self._worker is not None and self._worker.lingering:
            await delete_lingering(self._worker)
        if self._worker is not None and self._in_force is not None and not self._all_told:
            self._all_told = await tell(self._worker, self._in_force, self._verdicts)
        if self._worker is not None and self._in_force is not None and self._states_are_old:
            await self._save_states(self._worker, self._in_force)
