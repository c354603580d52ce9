"""Counters under reloads, restarts of the engine and of the control plane."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from pointsman.schema.counter import STATISTICS_BY_PATH
from pointsman.schema.problem import ObjectId
from pointsman.schema.sample import Proxy, Role, Sample
from pointsman.telemetry import figures
from pointsman.telemetry.counters import KEEP_OBJECT_SECONDS, SLICE, Counters
from pointsman.telemetry.database import SCHEMA, Database

WEB = ObjectId("virtual_servers", "web")
POOL = ObjectId("pools", "nodes")
PROXIES = {
    "vs": Proxy(WEB, Role.LISTENER),
    "vs2": Proxy(WEB, Role.LISTENER),
    "p": Proxy(POOL, Role.POOL, True, {"n1": "a:80", "n2": "b:80"}),
    "p:once": Proxy(POOL, Role.POOL, False, {"n1": "a:80", "n2": "b:80"}),
    "other": Proxy(ObjectId("pools", "other"), Role.POOL, True, {"n1": "a:80"}),
    "inside": Proxy(None, Role.INTERNAL),
}


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def row(proxy: str, worker: str = "1", server: str = "", **columns: int | str) -> Sample:
    kind = "frontend" if proxy.startswith("vs") or proxy == "inside" else "backend"
    figures = {"stot": "0", "mode": "http"} | {name: str(value) for name, value in columns.items()}
    return Sample(worker, True, proxy, server, "server" if server else kind, figures)


def test_columns_become_the_products_counters() -> None:
    counters = Counters()
    counters.absorb(
        [
            row(
                "vs",
                bin=100,
                bout=900,
                stot=3,
                req_tot=10,
                hrsp_2xx=8,
                hrsp_5xx=2,
                scur=2,
                dreq=1,
                dses=2,
                h1req=9,
            ),
            row(
                "vs2",
                bin=10,
                bout=90,
                stot=1,
                req_tot=1,
                h2req=1,
                ereq=3,
                scur=1,
                conn_tot=4,
                cache_lookups=4,
            ),
            row("inside", bin=5, stot=5, req_tot=5),
            row("p", bin=50, bout=500, stot=6, wredis=1, qcur=1, qtime=4, hrsp_2xx=6),
            row("p:once", bin=5, bout=50, stot=1, hrsp_2xx=1, qtime=10),
            row(
                "p",
                server="n1",
                bin=30,
                bout=300,
                stot=4,
                econ=1,
                wretr=2,
                connect=2,
                reuse=2,
                scur=1,
                srv_icur=3,
                rtime=7,
            ),
            row("p:once", server="n1", bin=5, bout=50, stot=1, eresp=2, connect=1, rtime=9, qcur=2, wredis=4),
            row("p", server="n2", bin=20, bout=200, stot=2, rtime=100),
            row("other", server="n1", bin=1, bout=1, stot=1, rtime=5),
            row("p", server="unheard-of", stot=1000),
            row("gone", bin=1000, stot=1000),
        ],
        PROXIES,
    )
    web = counters.virtual_server("web")
    expected = {
        "bytes_in": 110,
        "bytes_out": 990,
        "total_requests": 11,
        "total_http_requests": 11,
        "total_http1_requests": 9,
        "total_http2_requests": 1,
        "http2xx_responses": 8,
        "http5xx_responses": 2,
        "current_conn": 3,
        "max_conn": 3,
        "discard": 3,
        "connection_errors": 3,
        "http_cache_hit_rate": 0,
    }
    assert {name: web[name] for name in expected} == expected
    pool = counters.pool("nodes")
    assert (pool["bytes_in"], pool["bytes_out"], pool["total_conn"]) == (550, 55, 7)
    assert (pool["session_migrated"], pool["http2xx_responses"], pool["conns_queued"]) == (1, 7, 3)
    assert (pool["min_queue_time"], pool["mean_queue_time"], pool["max_queue_time"]) == (4, 7, 10)
    assert counters.pool_node("nodes", "a:80") == {
        "bytes_from_node": 350,
        "bytes_to_node": 35,
        "total_conn": 5,
        "errors": 9,
        "new_conn": 3,
        "pooled_conn": 2,
        "current_conn": 1,
        "current_requests": 4,
        "idle_conns": 3,
        "response_min": 7,
        "response_mean": 8,
        "response_max": 9,
    }
    assert counters.node("a:80")["total_conn"] == 6
    everything = counters.traffic_manager()
    assert everything["total_bytes_in"] == 110
    assert everything["total_requests"] == 11
    assert everything["total_backend_server_errors"] == 9
    assert (everything["total_current_conn"], everything["num_idle_connections"]) == (3, 3)
    assert everything["number_child_processes"] == 1
    assert counters.names("pools") == ("nodes",), "other has nodes and no row of its own"
    assert counters.virtual_server("unknown") == counters.node("z:1") == {}


def test_tcp_counts_connections_as_requests() -> None:
    counters = Counters()
    counters.absorb([row("vs", mode="tcp", stot=7, req_tot="")], PROXIES)
    assert counters.virtual_server("web")["total_requests"] == 7


def test_a_reload_adds_the_new_worker_to_what_the_old_one_counted() -> None:
    counters = Counters()

    def total() -> int:
        return counters.virtual_server("web")["bytes_in"]

    counters.absorb([row("vs", "1", bin=100, stot=10, scur=5)], PROXIES)
    counters.absorb(
        [row("vs", "1", bin=150, stot=12, scur=4), row("vs", "2", bin=20, stot=1, scur=1)], PROXIES
    )
    assert (total(), counters.virtual_server("web")["current_conn"]) == (170, 5)
    counters.absorb([row("vs", "2", bin=30, stot=2, scur=1)], PROXIES)
    assert (total(), counters.virtual_server("web")["current_conn"]) == (180, 1)
    counters.absorb([row("vs", "1", bin=160, stot=13), row("vs", "2", bin=30, stot=2)], PROXIES)
    assert total() == 190, "an old worker that was not heard of for a while is read on"
    counters.absorb([], PROXIES)
    assert (total(), counters.virtual_server("web")["current_conn"]) == (190, 0)
    counters.absorb([row("vs", "2", bin=5, stot=1)], PROXIES)
    assert total() == 195, "a worker that began anew under an old name"
    assert counters.virtual_server("web")["max_conn"] == 5


def test_a_row_without_figures_changes_nothing() -> None:
    counters = Counters()
    counters.absorb([row("vs", bin=100, stot=10)], PROXIES)
    counters.absorb([row("vs", bin="", stot="")], PROXIES)
    counters.absorb([row("vs", bin=100, stot=10)], PROXIES)
    assert counters.virtual_server("web")["bytes_in"] == 100


def test_a_partial_reading_leaves_other_objects_alone() -> None:
    counters = Counters()
    counters.absorb([row("vs", scur=3, bin=1), row("p", server="n1", scur=2, stot=1, rtime=5)], PROXIES)
    counters.absorb([row("vs", scur=4, bin=2)], PROXIES, complete=False)
    assert counters.virtual_server("web")["current_conn"] == 4
    assert counters.pool_node("nodes", "a:80")["current_conn"] == 2
    assert set(counters.flows()) == {WEB}


def test_a_new_worker_that_counted_nothing_yet_is_not_stored() -> None:
    counters = Counters()
    counters.absorb([row("vs", stot=3, bin=9), row("p")], PROXIES)
    counters.pending()
    counters.absorb([row("vs", worker="2"), row("p", worker="2")], PROXIES)
    assert counters.pending() == []
    counters.absorb([row("vs", worker="2", stot=1), row("p", worker="2")], PROXIES)
    assert len(counters.pending()) == 2


def test_slices_add_up_to_the_whole() -> None:
    samples = [row("vs", stot=3, bin=9), row("p", stot=2)] * SLICE
    whole, sliced = Counters(), Counters()
    whole.absorb(samples, PROXIES)
    assert sum(1 for _ in sliced.absorbing(samples, PROXIES)) == 2
    assert sliced.virtual_server("web") == whole.virtual_server("web")
    assert sorted(sliced.pending()) == sorted(whole.pending())


def test_an_object_that_is_gone_is_forgotten_after_a_day() -> None:
    clock = Clock()
    counters = Counters(clock=clock)
    both = [row("vs", bin=5), row("p", bin=1), row("p", server="n1", bin=1)]
    counters.absorb(both, PROXIES)
    clock.now += KEEP_OBJECT_SECONDS
    counters.absorb([row("p", bin=1)], PROXIES)
    assert counters.virtual_server("web")["bytes_in"] == 5
    clock.now += 1
    counters.absorb([row("p", bin=1)], PROXIES)
    assert counters.virtual_server("web") == {} and counters.node("a:80") == {}
    assert counters.pool("nodes")["bytes_out"] == 1


async def test_a_restart_of_the_control_plane_loses_and_repeats_nothing(tmp_path: Path) -> None:
    database = await Database.open(tmp_path / "telemetry.db")
    before = Counters()
    before.absorb([row("vs", "1", bin=100, stot=10, scur=9), row("p", server="n1", stot=5)], PROXIES)
    await save(database, before)
    before.absorb([row("vs", "1", bin=120, stot=11)], PROXIES)
    shown = before.virtual_server("web")["bytes_in"]

    after = Counters()
    await after.restore(database)
    after.absorb([row("vs", "1", bin=130, stot=12), row("p", server="n1", stot=5)], PROXIES)
    assert after.virtual_server("web")["bytes_in"] == 130 > shown
    assert after.virtual_server("web")["max_conn"] == 9
    assert after.node("a:80")["total_conn"] == 5
    await save(database, after)
    again = Counters()
    await again.restore(database)
    again.absorb([row("vs", "7", bin=1, stot=1)], PROXIES)
    assert again.virtual_server("web")["bytes_in"] == 131, "totals outlive the engine too"
    await database.close()


async def test_an_upgrade_reads_on_what_fewer_columns_of_nodes_were_kept_of(tmp_path: Path) -> None:
    """The engine goes on through an upgrade: its counters are not counted again."""
    database = await Database.open(tmp_path / "telemetry.db")

    def as_before(connection: sqlite3.Connection) -> None:
        connection.execute(
            "INSERT INTO counter_total VALUES ('pools', 'nodes', 'a:80', 'server 0 9 5 6 4 1 2 3')"
        )
        connection.execute("INSERT INTO counter_base VALUES ('1', 'p', 'n1', '9 5 6 4 1 2 3')")

    await database.run(as_before)
    counters = Counters()
    await counters.restore(database)
    assert counters.pool_node("nodes", "a:80")["errors"] == 3
    now = {"bin": 5, "bout": 6, "connect": 4, "econ": 1, "eresp": 2, "reuse": 3, "wretr": 2}
    counters.absorb([row("p", "1", server="n1", stot=10, **now)], PROXIES)
    node = counters.pool_node("nodes", "a:80")
    assert (node["total_conn"], node["bytes_to_node"], node["pooled_conn"]) == (10, 5, 3)
    assert node["errors"] == 5
    await database.close()


async def test_totals_of_another_form_are_left_out(tmp_path: Path) -> None:
    database = await Database.open(tmp_path / "telemetry.db")

    def spoil(connection: sqlite3.Connection) -> None:
        connection.execute(
            "INSERT INTO counter_total VALUES ('virtual_servers', 'web', '', 'frontend [1, 2]')"
        )
        connection.execute("INSERT INTO counter_total VALUES ('virtual_servers', 'web2', '', '')")
        connection.execute("INSERT INTO counter_base VALUES ('1', 'vs', '', '[3]')")

    await database.run(spoil)
    counters = Counters()
    await counters.restore(database)
    assert counters.names("virtual_servers") == ()
    counters.absorb([row("vs", "1", bin=100, stot=10)], PROXIES)
    assert counters.virtual_server("web")["bytes_in"] == 100
    await database.close()


async def test_what_could_not_be_stored_is_stored_later(tmp_path: Path) -> None:
    database = await Database.open(tmp_path / "telemetry.db")
    counters = Counters()
    counters.absorb([row("vs", "1", bin=100, stot=10)], PROXIES)
    assert len(counters.pending()) == 2
    assert counters.pending() == []
    counters.not_saved()
    await save(database, counters)
    after = Counters()
    await after.restore(database)
    assert after.virtual_server("web")["bytes_in"] == 100
    await database.close()


async def save(database: Database, counters: Counters) -> None:
    statements = counters.pending()
    await database.run(lambda connection: [connection.execute(sql, values) for sql, values in statements])


STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ["traffic", "reload", "crash", "end old", "unheard", "partial", "unsaved", "restart"]
        ),
        st.integers(0, 50),
    ),
    max_size=40,
)


@given(STEPS)
def test_counters_never_go_back_and_miss_only_what_nobody_could_read(steps: list[tuple[str, int]]) -> None:
    """A model of the engine: workers only count up, come and go. `true` is what they really carried."""
    store = sqlite3.connect(":memory:")
    store.executescript(SCHEMA)
    counters = Counters()
    names = 1
    workers = {"1": {"vs": 0, "p": 0}}
    true = {"vs": 0, "p": 0}
    shown = {"vs": 0, "p": 0}
    for what, amount in steps:
        for worker in workers.values():
            for proxy in worker:
                worker[proxy] += amount
                true[proxy] += amount
        match what:
            case "reload":
                names += 1
                workers[str(names)] = {"vs": 0, "p": 0}
            case "crash":
                names += 1
                workers = {str(names): {"vs": 0, "p": 0}}
            case "end old":
                workers = {str(names): workers[str(names)]}
            case "restart":
                counters = Counters()
                counters.load(store)
        read = [
            row(proxy, worker, stot=value, bin=value * 3, req_tot=value)
            for worker, values in workers.items()
            for proxy, value in values.items()
            if not (what == "unheard" and worker == str(names)) and not (what == "partial" and proxy == "p")
        ]
        counters.absorb(read, PROXIES, complete=what != "partial")
        if what != "unsaved":
            for sql, values in counters.pending():
                store.execute(sql, values)
        now = {
            "vs": counters.virtual_server("web").get("total_requests", 0),
            "p": counters.pool("nodes").get("total_conn", 0),
        }
        assert all(shown[proxy] <= now[proxy] <= true[proxy] for proxy in now)
        shown = now
        if not {"crash", "end old", "unheard", "partial"} & {step for step, _ in steps}:
            assert now == true
    store.close()


def test_every_counter_named_is_declared() -> None:
    for path, measured in {
        "virtual_servers": {*figures.FRONTEND, "current_conn", "max_conn", "http_cache_hit_rate"},
        "pools": {*figures.BACKEND, "conns_queued", "min_queue_time", "mean_queue_time", "max_queue_time"},
        "nodes/per_pool_node": set(figures.SERVER),
        "nodes/node_inet46": set(figures.SERVER),
        "globals": {*figures.FRONTEND_GLOBAL, *figures.SERVER_GLOBAL},
    }.items():
        declared = {counter.name for counter in STATISTICS_BY_PATH[path].counters}
        assert measured <= declared, path


def test_flows_hold_what_is_drawn() -> None:
    counters = Counters()
    first = [
        row("vs", stot=3, req_tot=10, conn_tot=4, hrsp_4xx=2, ereq=1, eint=1),
        row("p", stot=8, bin=1, bout=2, hrsp_5xx=1, rtime=20),
        row("p", server="n1", stot=5, connect=3, econ=1, eresp=1, wredis=3, scur=2, rtime=12, bout=9),
        row("other", server="n1", stot=1, connect=1, rtime=20, bout=1),
    ]
    counters.absorb(first, PROXIES)
    listener, pool = counters.flows()[WEB], counters.flows()[POOL]
    assert (listener.new_connections, listener.client_errors, listener.failures) == (4, 2, 2)
    assert listener.response is None, "the engine measures it behind, not in front"
    assert (pool.new_connections, pool.failures, pool.response, pool.bytes_in) == (3, 2, 20, 2)
    ((identity, node),) = counters.node_flows()
    assert identity == ObjectId("nodes", "a:80")
    assert (node.requests, node.new_connections, node.errors, node.failures) == (6, 4, 5, 5)
    assert (node.connections, node.response, node.bytes_in) == (2, 16, 10)
    counters.absorb(first, PROXIES)
    assert counters.flows()[POOL].response is None, "no request since"
