"""What HAProxy says of connections."""

from __future__ import annotations

from pointsman.engine.haproxy.streams import parse_streams
from pointsman.schema.stream import Stream

BRIEF = """0x382e87c0: proto=unix_stream src=unix:1 fe=GLOBAL be=<NONE> srv=<none> ts=00 age=3s calls=2 exp=7s
0x382e8230: proto=tcpv4 src=127.0.0.1:35082 fe=vs-shop-8d be=pool-web-11:http srv=node-1 ts=00 age=1h2m calls=2 exp=2s
0x7f30e403: proto=tcpv6 src=2001:db8::1:443 fe=vs-shop-8d be=<NONE> srv=<none> ts=00 age=0s calls=1 exp=2s

"""
DETAILED = """0x382e8230: [29/Nov/2026:22:41:46.747257] id=5 proto=tcpv4 source=127.0.0.1:35082
  flags=0xc4a, conn_retries=0, conn_exp=<NEVER> conn_et=0x000 srv_conn=0x3827aad0, pend_pos=(nil) waiting=0 epoch=0
  frontend=vs-shop-8d (id=3 mode=http), listener=? (id=1) addr=127.0.0.1:58067
  backend=pool-web-11:http (id=4 mode=http) addr=127.0.0.1:53946
  server=node-1 (id=1) addr=127.0.0.1:38021
  task=0x3831fad0 (state=0x00 nice=0 calls=2 rate=0 exp=2s tid=0(1/0) age=1d3s)
  txn=0x3831fc90 flags=0x83000 meth=1 status=-1 req.st=MSG_DONE rsp.st=MSG_RPBEFORE req.f=0x4c rsp.f=0x00
      .meth=GET status=0 .sd.flg=0x05004001 .sc.flg=0x00000482 .sc.app=0x382e8230
  req=0x382e8250 (f=0x1840000 an=0x8000 pipe=0 tofwd=0 total=38)
      an_exp=<NEVER> buf=0x382e8258 data=(nil) o=0 p=0 i=0 size=0
  res=0x382e82a0 (f=0x80000000 an=0x1400000 pipe=0 tofwd=0 total=512)
0x382e87c0: [29/Nov/2026:22:41:44.919785] id=0 proto=unix_stream source=unix:1
  frontend=GLOBAL (id=0 mode=tcp), listener=? (id=1) addr=unix:1
  backend=<NONE> (id=-1 mode=-)
"""


def test_brief_lines_tell_who_and_where() -> None:
    assert parse_streams(f"\n{BRIEF}", detailed=False) == (
        Stream("127.0.0.1:35082", "vs-shop-8d", "pool-web-11:http", "node-1", 3720),
        Stream("2001:db8::1:443", "vs-shop-8d", "", "", 0),
    )


def test_details_tell_bytes_and_method_too() -> None:
    assert parse_streams(f"\n{DETAILED}", detailed=True) == (
        Stream("127.0.0.1:35082", "vs-shop-8d", "pool-web-11:http", "node-1", 86_403, 38, 512, "GET"),
    )


def test_what_is_torn_or_unknown_is_left_out() -> None:
    for text in ("", "\n", "Unknown command", "\n0x1: proto=tcpv4 src=1", "\n0x", "\n0x12: [29/"):
        assert parse_streams(text, detailed=False) == () == parse_streams(text, detailed=True)
