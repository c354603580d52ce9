"""Health checks that HAProxy runs itself: one active monitor, passive checks, and the agent our verdicts go through.

Invariant: what HAProxy runs means the same as our own check of that monitor; a monitor with any setting that HAProxy
cannot honour exactly is not run by it.

Facts (HAProxy 2.8.25): a server with an agent nobody answers can be set up and down through `set server agent`, and is
up only while its native check succeeds too. Checks use TLS where the server does; `no-check-ssl` would change that but
is not accepted for a server added at run time, while a `connect` rule without `ssl` holds for all.
"""

from __future__ import annotations

import re

from pointsman.compiler.escape import decode
from pointsman.compiler.haproxy.quote import format_word, word
from pointsman.compiler.monitor import Watch
from pointsman.compiler.plan import Line, Origin
from pointsman.schema.monitor import Monitor
from pointsman.schema.pool import Pool
from pointsman.schema.problem import ObjectId

# Our verdicts arrive through the agent's state; the agent itself (port 1, once a day) is never there.
AGENT = ("agent-check", "agent-addr", "127.0.0.1", "agent-port", "1", "agent-inter", "1d")

# A check of a TLS server that goes no further than the TCP connection: a handshake without the server name that
# requests bring along could fail where traffic would not.
_CLEAR_CONNECTION = ("option tcp-check", "tcp-check connect")

_LONGEST_EXCHANGE = 2048
_DEFAULT_RESPONSE_LENGTH = 2048
_PLAIN_PATH = re.compile(r"/[!-~]*")
_PLAIN_HOST = re.compile(r"[A-Za-z0-9._:\[\]-]+")
_REPEAT = re.compile(r"(?<!\\)[*+]")
_COMMON_ESCAPES = frozenset("nrtdsw.+*?()[]^$|/-")


def runs_natively(monitor: Monitor) -> bool:
    """Whether HAProxy can run the monitor with exactly the meaning that our own check gives it."""
    basic = monitor.basic
    if basic.back_off or basic.scope != "pernode" or basic.verbose:
        return False
    match basic.type:
        case "connect":
            return True
        case "http":
            http = monitor.http
            return (
                not http.body_regex
                and not http.authentication
                and _PLAIN_PATH.fullmatch(http.path) is not None
                and _PLAIN_HOST.fullmatch(http.host_header) is not None
                and _portable(http.status_regex)
            )
        case "tcp_transaction":
            tcp = monitor.tcp
            return (
                len(decode(tcp.write_string)) <= _LONGEST_EXCHANGE
                and len(decode(tcp.close_string)) <= _LONGEST_EXCHANGE
                and tcp.max_response_len == _DEFAULT_RESPONSE_LENGTH
                and _portable(tcp.response_regex)
                and _quick(tcp.response_regex)
            )
        case _:
            return False


def check_lines(pool_name: str, pool: Pool, watch: Watch) -> tuple[Line, ...]:
    """The backend's lines for its health checks. They stand in every backend of the pool, because a server added at
    run time cannot follow another's health and is checked for itself.
    """
    if watch.native is None:
        if not pool.basic.passive_monitoring:
            return ()
        # Without a time of its own a check would wait as long as its interval, an hour, for a host that is silent.
        texts = [f"timeout check {pool.connection.max_connect_time}s"]
        if pool.ssl.enable:
            texts += _CLEAR_CONNECTION
        origin = Origin(ObjectId("pools", pool_name), ("basic", "passive_monitoring"))
        return tuple(Line(text, origin) for text in texts)
    name, monitor = watch.native
    clear = pool.ssl.enable and not monitor.basic.use_ssl
    origin = Origin(ObjectId("monitors", name))
    return tuple(
        Line(text, origin) for text in (f"timeout check {monitor.basic.timeout}s", *_exchange(monitor, clear))
    )


def _exchange(monitor: Monitor, clear: bool) -> list[str]:
    """The lines of a check; `clear` when it goes without TLS to a server that has TLS on."""
    match monitor.basic.type:
        case "http":
            http = monitor.http
            return [
                "option httpchk",
                *(["http-check connect"] if clear else []),
                f"http-check send meth GET uri {word(http.path)} ver HTTP/1.1 hdr Host {format_word(http.host_header)}",
                # Without an expectation HAProxy would want 2xx or 3xx.
                f"http-check expect rstatus {word(http.status_regex or '.')}",
            ]
        case "tcp_transaction":
            tcp = monitor.tcp
            lines = ["option tcp-check", *(["tcp-check connect"] if clear else [])]
            if sent := decode(tcp.write_string):
                lines.append(f"tcp-check send-binary {sent.hex()}")
            if tcp.response_regex:
                lines.append(f"tcp-check expect rstring {word(tcp.response_regex)}")
            if sent := decode(tcp.close_string):
                lines.append(f"tcp-check send-binary {sent.hex()}")
            return lines
        case _:
            return list(_CLEAR_CONNECTION) if clear else []


def server_options(pool: Pool, watch: Watch) -> tuple[str, ...]:
    """The words by which a server is checked; empty when nothing watches it."""
    options: list[str] = []
    passive = (
        *("observe", "layer4", "error-limit", str(pool.basic.node_connection_attempts)),
        *("on-error", "mark-down"),
    )
    if watch.native is not None:
        basic = watch.native[1].basic
        options += ("check", "inter", f"{basic.delay}s", "fall", str(basic.failures), "rise", "1")
        options += _check_encryption(pool, watch.native[1])
        if pool.basic.passive_monitoring:
            options += passive
    elif pool.basic.passive_monitoring:
        # Seldom checked while up: the traffic itself is the check. Tried again at the retry interval once down;
        # `fastinter` is what brings the next check forward when traffic marks a server down (2.8).
        again = f"{pool.node.retry_fail_time}s"
        options += ("check", "inter", "1h", "fastinter", again, "downinter", again, "rise", "1", "fall", "1")
        options += passive
    if watch.judged:
        options += AGENT
    return tuple(options)


def _check_encryption(pool: Pool, monitor: Monitor) -> tuple[str, ...]:
    if not monitor.basic.use_ssl:
        return ()
    host = monitor.http.host_header.partition(":")[0]
    sni = ("check-sni", word(host)) if monitor.basic.type == "http" and re.search("[A-Za-z]", host) else ()
    # Where traffic goes in clear, the check's certificate is not verified; else it is as for traffic.
    return ("check-ssl", *sni) if pool.ssl.enable else ("check-ssl", *sni, "verify", "none")


def _portable(pattern: str) -> bool:
    """Whether a regular expression means the same to Python and PCRE. Extensions, named classes, back-references and
    repeated groups are left to Python.
    """
    if re.search(r"\(\?|\[\[|\[:|\[\.|\[=|\{", pattern) or re.search(r"\)[*+?]", pattern):
        return False
    if any(escaped not in _COMMON_ESCAPES for escaped in re.findall(r"\\(.)", pattern)):
        return False
    return pattern.isascii() and len(_REPEAT.findall(pattern)) <= 3


def _quick(pattern: str) -> bool:
    """Whether a search through whatever a node sends takes linear time: HAProxy evaluates it on a thread that serves
    traffic. Measured on 16 kB of "a": `a*a*b` stops the thread for 1.6 s, `a.*b` for 0.2 s, `^a+b` for none.
    """
    if pattern in ("", ".", ".+", ".*") or not _REPEAT.search(pattern):
        return True
    if len(_REPEAT.findall(pattern)) > 1:
        return False
    # From the beginning, or from the beginning of a line to its end: no byte is looked at twice.
    if pattern.startswith(r"(^|\n)"):
        return "|" not in pattern[6:] and (r"[^\n]+" in pattern or r"[^\n]*" in pattern)
    return pattern.startswith("^") and "|" not in pattern
