"""HAProxy's complaints come back on the object and field they are about."""

from __future__ import annotations

from pointsman.compiler.plan import ConfigSection, Line, Origin, Plan
from pointsman.engine.haproxy.check import refusals
from pointsman.schema.problem import ObjectId
from pointsman.schema.sample import Proxy, Role

POOL = ObjectId("pools", "app")
PLAN = Plan(
    (
        ConfigSection(Line("global"), (Line("description generation-0"),)),
        ConfigSection(
            Line("backend pool-app:http", Origin(POOL)),
            (Line("balance by-horoscope", Origin(POOL, ("load_balancing", "algorithm"))),),
        ),
    ),
    proxies={"pool-app:http": Proxy(POOL, Role.POOL)},
)


def test_a_line_leads_to_its_object_and_field() -> None:
    complaint = (
        "[NOTICE]   (7) : haproxy version is 2.8.25\n"
        "[ALERT]    (7) : config : parsing [/h/engine/gen-2/haproxy.cfg:5] : 'balance' knows this and that.\n"
        "[ALERT]    (7) : config : Error(s) found in configuration file : /h/engine/gen-2/haproxy.cfg\n"
        "[ALERT]    (7) : config : Fatal errors found in configuration.\n"
    )
    (problem,) = refusals(complaint, PLAN)
    assert problem.subject == POOL
    assert problem.path == ("load_balancing", "algorithm")
    assert problem.message.startswith("the engine refuses this: 'balance' knows this and that.; change")


def test_a_name_leads_to_its_object() -> None:
    (problem,) = refusals("[ALERT]    (7) : config : backend 'pool-app:http' has no such server.\n", PLAN)
    assert (problem.subject, problem.path) == (POOL, ())


def test_a_failed_bind_leads_to_its_line() -> None:
    complaint = (
        "Success=0\n--\n[ALERT]    (7) : Binding [/h/engine/current/haproxy.cfg:4] for frontend x: "
        "cannot bind socket (Address already in use) for [0.0.0.0:80]\n"
        "[ALERT]    (7) : [/usr/bin/haproxy.main()] Some protocols failed to start their listeners! Exiting.\n"
    )
    (problem,) = refusals(complaint, PLAN)
    assert problem.subject == POOL
    assert "Address already in use" in problem.message


def test_what_cannot_be_mapped_is_still_said() -> None:
    (problem,) = refusals("[ALERT]    (7) : config : out of memory\n", PLAN)
    assert problem.subject is None
    assert "out of memory" in problem.message
    (problem,) = refusals("", PLAN)
    assert "no reason given" in problem.message
