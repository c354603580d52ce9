"""`show stat` becomes samples."""

from __future__ import annotations

from pointsman.engine.haproxy.figures import parse_samples

TABLE = """# pxname,svname,scur,status,type,check_desc,
web,FRONTEND,3,OPEN,0,,
web,sock-1,3,OPEN,3,,
pool,a,1,UP,2,"Layer4 ""check"", passed",
pool,BACKEND,2,UP,1,,
"""


def test_rows_become_samples() -> None:
    web, node, pool = parse_samples(TABLE, "7-1", current=True)
    assert (web.proxy, web.server, web.kind, web.current, web.worker) == ("web", "", "frontend", True, "7-1")
    assert web.figures["scur"] == "3"
    assert (node.proxy, node.server, node.kind) == ("pool", "a", "server")
    assert node.figures["check_desc"] == 'Layer4 "check", passed'
    assert (pool.kind, pool.figures.get("check_desc")) == ("backend", None)


def test_an_error_is_no_sample() -> None:
    assert parse_samples("No such proxy.", "7-1", current=True) == ()
