"""The use of traffic IPs: whether this machine may hold any, which it holds, and what is told of that.

Invariant: keepalived is told that traffic is served only while it is: the engine runs and answers, a configuration is
in force, the front-end network works. Whoever holds an address was decided by the members' keepalived, never here.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from typing import Any, Protocol

from pointsman.compiler.plan import Failover, Plan, TrafficIp
from pointsman.control.status import TrafficIpView
from pointsman.monitors.front_end import FrontEnd
from pointsman.schema.condition import Condition, Standing
from pointsman.schema.event import Event, Severity
from pointsman.schema.health import NodeHealth, NodeState
from pointsman.schema.problem import ObjectId

TICK = 0.2
ENGINE_GRACE = 1.0
"""How long the engine may be gone before the addresses go: it is started again within a tenth of that."""
RETURN_SECONDS = 5.0
"""How long addresses may take to go where they belong when that is asked for."""
_HEARD_SECONDS = 1.0
_FRESH_SECONDS = 3.0
"""How long after this machine took an address its owner must be heard of, and how long ago that may be."""
_REFUSED_SECONDS = 10.0
"""How long to wait before an address is offered again that nobody took."""
_ANSWER_EVERY = 1.0
_KEEPALIVED_STARTS = 3.0
"""How long keepalived may take to run after it got a configuration, before somebody is told that it does not."""
_SECTION = "faulttolerance"
_log = logging.getLogger(__name__)


class Keepalived(Protocol):
    """What holds the addresses."""

    @property
    def running(self) -> bool:
        """Whether it runs."""

    async def apply(self, failover: Failover) -> str:
        """Has it do what the plan says; what it says against it."""

    async def hand_over(self, instances: Collection[int], addresses: Collection[str]) -> bool:
        """Gives addresses to whoever comes next; whether they have gone."""

    def serve(self, well: bool) -> None:
        """Tells it whether traffic is served here."""

    def held(self, wanted: Iterable[str]) -> frozenset[str]:
        """Which of these addresses this machine has."""

    def tidy(self) -> None:
        """Takes away what nobody looks after."""


class Engine(Protocol):
    """What carries the traffic."""

    @property
    def serving(self) -> bool:
        """Whether it runs."""

    async def answers(self, seconds: float) -> bool:
        """Whether it answers within that time."""


class TrafficIps:
    """The traffic IPs of one machine."""

    def __init__(
        self,
        *,
        name: str,
        keepalived: Keepalived | None,
        engine: Engine,
        front_end: FrontEnd,
        health: Callable[[], Mapping[tuple[str, str], NodeHealth]],
        on_event: Callable[[Event], None],
    ) -> None:
        """`name` is this machine; `health` that of nodes in use. Without `keepalived` nothing is raised."""
        self._name = name
        self._keepalived = keepalived
        self._engine = engine
        self._front_end = front_end
        self._health = health
        self._on_event = on_event
        self._plan: Failover | None = None
        self._applied: str | None = None
        self._applied_at = 0.0
        self._complaint = ""
        self._news = asyncio.Event()
        self._acting = asyncio.Lock()
        self._return_by = 0.0
        self._held: dict[str, float] = {}
        self._lowered: dict[str, float] = {}
        self._looked = False
        self._well = False
        self._why = "it has just started"
        self._well_since = 0.0
        self._served_at = 0.0
        self._answered_at = time.monotonic()
        self._front_end_worked = True
        self._back_ends_worked = True
        self._reaches_nodes = False
        self._started = time.time()
        self.others: Callable[[], Mapping[str, Mapping[str, Any]]] = dict
        """What the other members that live say of themselves, by their names (see `told`), and when that was `heard`
        (Unix time).
        """
        self.fail_back_elsewhere: Callable[[], Awaitable[None]] | None = None
        """Asks the other members to take back what belongs to them."""

    # What others ask

    @property
    def views(self) -> tuple[TrafficIpView, ...]:
        """Every traffic IP that members can raise, by group and address, with who has it."""
        plan = self._plan or Failover()
        elsewhere = {
            str(address): name
            for name, told in self.others().items()
            for address in told.get("traffic_ips", ())
        }
        return tuple(
            TrafficIpView(
                address=ip.address,
                group=ip.group,
                holder=self._name if ip.address in self._held else elsewhere.get(ip.address, ""),
                since=self._held.get(ip.address, self._lowered.get(ip.address, 0.0)),
                order=ip.order,
            )
            for ip in sorted(plan.addresses, key=lambda ip: (ip.group, ip.address))
        )

    def time_since(self, address: str) -> tuple[bool, float] | None:
        """Whether this machine has a traffic IP, and for how many seconds that has been so; None when there is none."""
        if address in self._held:
            return True, time.time() - self._held[address]
        if any(ip.address == address for ip in (self._plan or Failover()).addresses):
            return False, time.time() - self._lowered.get(address, self._started)
        return None

    @property
    def held(self) -> tuple[str, ...]:
        """The traffic IPs that this machine has now, sorted."""
        return tuple(sorted(self._held))

    @property
    def errors(self) -> tuple[str, ...]:
        """What keeps this machine from holding its traffic IPs; empty when nothing does, or when it has none."""
        plan = self._plan
        if plan is None or not plan.configuration:
            return ()
        found = [] if self._well else [f"traffic IPs are not raised here: {self._why}"]
        if self._complaint:
            found.append(f"keepalived refuses its configuration: {self._complaint}")
        elif self._keepalived is not None and not self._keepalived.running and self._should_run(plan):
            found.append("keepalived is not running; log/keepalived.log says why")
        return tuple(found)

    def _should_run(self, plan: Failover) -> bool:
        """Whether keepalived has its configuration, and has had the time to start with it."""
        return (
            self._applied == plan.configuration and time.monotonic() - self._applied_at > _KEEPALIVED_STARTS
        )

    @property
    def told(self) -> Mapping[str, Any]:
        """What this machine says of itself to the other members."""
        well_for = time.monotonic() - self._well_since if self._well else 0.0
        return {
            "traffic_ips": list(self.held),
            "reaches_nodes": self._reaches_nodes,
            "well_for": round(well_for, 1),
        }

    def conditions(self) -> tuple[Condition, ...]:
        """Remarks on the groups whose addresses this machine should be able to raise and cannot now."""
        plan = self._plan or Failover()
        groups = sorted({ip.group for ip in plan.addresses if ip.here})
        return tuple(
            Condition(ObjectId("traffic_ip_groups", group), Standing.WARNING, "not_raised", error)
            for group in groups
            for error in self.errors
        )

    @property
    def counters(self) -> Mapping[str, int]:
        """Figures of the machine's networks and traffic IPs, by their names in the statistics."""
        plan = self._plan or Failover()
        return {
            "gateway_ping_requests": self._front_end.requests,
            "gateway_ping_responses": self._front_end.responses,
            "number_inet46": len(plan.addresses),
            "number_raised_inet46": len(self._held),
        }

    async def fail_back(self, *, everywhere: bool = True) -> tuple[str, ...]:
        """Hands back now what belongs to other machines that are well, and with `everywhere` has those do so as well.

        Gives the addresses that this machine holds afterwards.
        """
        self._return_by = time.monotonic() + RETURN_SECONDS
        self._news.set()
        if everywhere and self.fail_back_elsewhere is not None:
            await self.fail_back_elsewhere()
        while self._misplaced(0.0) or not self._holds_own(everywhere):
            if time.monotonic() > self._return_by:
                break
            await asyncio.sleep(0.02)
        self._return_by = 0.0
        return self.held

    def _holds_own(self, everywhere: bool) -> bool:
        """Whether this machine has what belongs to it, as far as somebody was asked to hand it back."""
        plan = self._plan
        if plan is None or not everywhere or not self._well:
            return True
        return all(ip.address in self._held for ip in plan.addresses if ip.here and ip.order[0] == self._name)

    def _misplaced(self, after: float) -> tuple[TrafficIp, ...]:
        """What this machine holds although one before it in the order has been well for that many seconds.

        It was taken because that one could not be heard: so it must have been heard since.
        """
        plan = self._plan or Failover()
        others = self.others()
        now = time.time()

        def is_due(ip: TrafficIp) -> bool:
            since = self._held[ip.address]
            before = ip.order[: ip.order.index(self._name)] if self._name in ip.order else ()
            return any(
                told["heard"] > max(since + _HEARD_SECONDS, now - _FRESH_SECONDS)
                and isinstance(age := told.get("well_for"), int | float)
                and min(age, now - since) > after
                for told in (others[name] for name in before if name in others)
            )

        return tuple(ip for ip in plan.addresses if ip.address in self._held and is_due(ip))

    async def _hand_back(self) -> None:
        """Hands back what is due, for ever; one instance at a time, with all its addresses."""
        while True:
            await asyncio.sleep(TICK)
            plan = self._plan
            if plan is None or self._keepalived is None:
                continue
            at_once = time.monotonic() < self._return_by
            after = 0.0 if at_once else plan.return_after
            due = () if after is None else self._misplaced(after)
            for number in sorted({ip.instance for ip in due}):
                moved = [
                    ip.address for ip in plan.addresses if ip.instance == number and ip.address in self._held
                ]
                try:
                    if not await self._keepalived.hand_over((number,), moved):
                        _log.warning("nobody took %s, which belongs to another machine", ", ".join(moved))
                        await asyncio.sleep(_REFUSED_SECONDS)
                except OSError as error:
                    _log.warning("traffic IPs cannot be handed back: %s", error)

    # What is going on

    def on_plan(self, plan: Plan) -> None:
        """Takes the plan in force."""
        self._plan = plan.failover
        self._front_end.set(plan.failover.front_end, plan.failover.interval, plan.failover.timeout)
        self._news.set()

    def on_network(self) -> None:
        """Looks at the machine's addresses, which have changed."""
        self._news.set()

    async def run(self) -> None:
        """Follows all of that until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._front_end.run())
            group.create_task(self._listen())
            group.create_task(self._follow())
            group.create_task(self._hand_back())

    async def _listen(self) -> None:
        while True:
            if await self._engine.answers(_ANSWER_EVERY):
                self._answered_at = time.monotonic()
            await asyncio.sleep(_ANSWER_EVERY)

    async def _follow(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TICK):
                    await self._news.wait()
            self._news.clear()
            try:
                await self._step()
            except OSError as error:
                _log.warning("traffic IPs cannot be looked after: %s", error)
                await asyncio.sleep(1.0)

    async def _step(self) -> None:
        plan = self._plan
        if plan is None or self._keepalived is None:
            return
        self._judge(plan)
        self._keepalived.serve(self._well)
        if plan.configuration != self._applied:
            self._complaint = await self._keepalived.apply(plan)
            self._applied = None if self._complaint else plan.configuration
            self._applied_at = time.monotonic()
            if self._complaint:
                await asyncio.sleep(TICK)
        self._keepalived.tidy()
        self._notice(plan)

    def _judge(self, plan: Failover) -> None:
        """Finds out whether traffic is served here."""
        now = time.monotonic()
        if self._engine.serving:
            self._served_at = now
        self._tell_front_end(plan)
        back_ends = self._tell_back_ends()
        if now - self._served_at >= ENGINE_GRACE:
            why = "the traffic engine does not run"
        elif now - self._answered_at >= plan.silence:
            why = f"the traffic engine has not answered for {plan.silence:.0f} seconds"
        elif not self._front_end.working:
            why = f"nothing answers on the front-end network ({', '.join(self._front_end.silent) or 'no reply'})"
        elif not back_ends and any(told.get("reaches_nodes") for told in self.others().values()):
            why = "no node can be reached from here, and from another machine some can"
        else:
            why = ""
        if not why and not self._well:
            self._well_since = now
        self._well, self._why = not why, why

    def _tell_front_end(self, plan: Failover) -> None:
        working = self._front_end.working
        if working == self._front_end_worked:
            return
        self._front_end_worked = working
        silent = ", ".join(self._front_end.silent)
        if working:
            self._tell("flipperfrontendsworking", Severity.INFO, "the front-end network works again")
        elif plan.front_end == ("%gateway%",):
            self._tell(
                "pinggwfail", Severity.SERIOUS, f"the default gateway does not answer pings ({silent})"
            )
        else:
            text = f"none of the addresses that should answer pings does ({silent})"
            self._tell("pingfrontendfail", Severity.SERIOUS, text)

    def _tell_back_ends(self) -> bool:
        """Whether any node in use can be reached, or there is none."""
        states = {node.state for node in self._health().values()}
        self._reaches_nodes = NodeState.ALIVE in states
        working = NodeState.DEAD not in states or bool(
            states & {NodeState.ALIVE, NodeState.DRAINING, NodeState.UNKNOWN}
        )
        if working != self._back_ends_worked:
            self._back_ends_worked = working
            if working:
                self._tell("flipperbackendsworking", Severity.INFO, "nodes can be reached again")
            else:
                self._tell("pingbackendfail", Severity.SERIOUS, "none of the nodes in use can be reached")
        return working

    def _notice(self, plan: Failover) -> None:
        """Tells which addresses came and went."""
        assert self._keepalived is not None
        known = {ip.address: ip for ip in plan.addresses}
        held = self._keepalived.held(known)
        now = time.time()
        for address in sorted(held - self._held.keys()):
            self._held[address] = now
            if self._looked:
                self._tell_raised(known[address])
        for address in sorted(self._held.keys() - held):
            del self._held[address]
            self._lowered[address] = now
            self._tell_dropped(address, known.get(address))
        # Where the clock was set back nothing was so since later than now, and what is due is not put off until then.
        self._held = {address: min(since, now) for address, since in self._held.items()}
        self._lowered = {
            address: min(since, now) for address, since in self._lowered.items() if address in known
        }
        self._looked = True

    def _tell_raised(self, ip: TrafficIp) -> None:
        own = ip.order[0] == self._name
        tag = "flipperraiselocalworking" if own else "flipperraiseothersdead"
        why = "which belongs to this machine" if own else f"which {ip.order[0]} does not hold"
        text = f"this machine raised {ip.address}, {why}"
        self._tell(tag, Severity.INFO if own else Severity.WARN, text, ip.group, ip.address)

    def _tell_dropped(self, address: str, ip: TrafficIp | None) -> None:
        group = ip.group if ip is not None else ""
        if self._well:
            text = f"this machine gave up {address}: it belongs to another machine, or to no group any more"
            self._tell("dropipinfo", Severity.INFO, text, group, address)
        else:
            self._tell(
                "dropipwarn", Severity.WARN, f"this machine gave up {address}: {self._why}", group, address
            )

    def _tell(self, tag: str, severity: Severity, text: str, group: str = "", detail: str = "") -> None:
        subject = ObjectId("traffic_ip_groups", group) if group else None
        self._on_event(Event(_SECTION, tag, severity, subject, text, detail))
