"""The engine's process as a whole: sockets, limits, TLS defaults, and what holds for every frontend and backend.

Invariant: the engine starts from these sections alone (one listener, on a socket file, takes no port), binds no port
that another process has, and hands its listeners over to the process that follows it.
"""

from __future__ import annotations

from pointsman.compiler.facts import Facts
from pointsman.compiler.haproxy.quote import word
from pointsman.compiler.haproxy.tls import CIPHER_SUITES, CIPHERS, CURVES
from pointsman.compiler.plan import ConfigSection, Line, Origin
from pointsman.schema.global_settings import GlobalSettings
from pointsman.schema.problem import ObjectId
from pointsman.schema.sample import Proxy, Role

INTERNAL = "internal"
INTERNAL_PROXIES = {INTERNAL: Proxy(None, Role.INTERNAL)}

DESCRIPTION = "description generation-0"
"""The line in which the engine writes the number of each generation, so that a running HAProxy can be asked for it."""

_SUBJECT = ObjectId("global_settings", "")


def process_sections(
    settings: GlobalSettings, facts: Facts, further: tuple[Line, ...] = ()
) -> tuple[ConfigSection, ...]:
    """`global` with `further` lines of other features, the two `defaults` that frontends and backends name, and the
    internal listener.
    """
    own = (*_process_lines(facts), *_tls_lines(settings), *_limit_lines(settings), *further)
    return (
        ConfigSection(Line("global"), own),
        ConfigSection(Line("defaults http"), (*_default_lines("http", settings), *_http_lines())),
        ConfigSection(Line("defaults tcp"), _default_lines("tcp", settings)),
        ConfigSection(
            Line(f"frontend {INTERNAL} from http"),
            (
                Line(f"bind {word(f'unix@{facts.engine_directory}/run/internal.sock')} mode 600"),
                Line("http-request return status 200 content-type text/plain string ok"),
            ),
        ),
    )


def _process_lines(facts: Facts) -> tuple[Line, ...]:
    socket = word(f"unix@{facts.engine_directory}/run/worker.sock")
    identity = (("uid", facts.worker_user), ("gid", facts.worker_group))
    return (
        Line("default-path config"),
        Line(DESCRIPTION),
        # Its directory keeps everybody out but the engine's user and, by the group, us.
        Line(f"stats socket {socket} mode 660 level admin expose-fd listeners"),
        Line(f"server-state-file {word(f'{facts.engine_directory}/servers.state')}"),
        # What parses requests from anywhere can then not read passwords and keys of this machine.
        *(Line(f"{kind} {number}") for kind, number in identity if number),
        # Downloads outlive reloads this long.
        Line("hard-stop-after 1h"),
        Line("noreuseport"),
        # Passive checks are an hour apart, and the first ones would be spread over as long.
        Line("max-spread-checks 5s"),
        # `maxconn` is left to HAProxy, which derives it from the limit on open files; a lower one is no reason to fail.
        Line("no strict-limits"),
    )


def _limit_lines(settings: GlobalSettings) -> tuple[Line, ...]:
    lines = [_from(settings.basic.max_fds, "fd-hard-limit", "basic", "max_fds")]
    return tuple(lines)


def _tls_lines(settings: GlobalSettings) -> tuple[Line, ...]:
    ssl = settings.ssl
    options = "ssl-min-ver TLSv1.2" + ("" if ssl.tickets_enabled else " no-tls-tickets")
    return (
        Line(f"ssl-default-bind-ciphers {CIPHERS}"),
        Line(f"ssl-default-bind-ciphersuites {CIPHER_SUITES}"),
        Line(f"ssl-default-bind-curves {CURVES}"),
        Line(f"ssl-default-bind-options {options}", Origin(_SUBJECT, ("ssl", "tickets_enabled"))),
        Line(f"ssl-default-server-ciphers {CIPHERS}"),
        Line(f"ssl-default-server-ciphersuites {CIPHER_SUITES}"),
        Line("ssl-default-server-options ssl-min-ver TLSv1.2"),
        Line("tune.ssl.default-dh-param 2048"),
        _from(ssl.cache_size if ssl.cache_enabled else 0, "tune.ssl.cachesize", "ssl", "cache_size"),
        _from(ssl.cache_expiry, "tune.ssl.lifetime", "ssl", "cache_expiry"),
    )


def _default_lines(mode: str, settings: GlobalSettings) -> tuple[Line, ...]:
    lines = [
        Line(f"mode {mode}"),
        # Each frontend and backend sets its own; these stand for internal ones.
        Line("timeout client 30s"),
        Line("timeout connect 4s"),
        Line("timeout server 30s"),
        Line("load-server-state-from-file global"),
        Line("option redispatch 1"),
        # Without these HAProxy copies every byte through its buffers: four times the CPU for large bodies.
        Line("option splice-request"),
        Line("option splice-response"),
    ]
    if backlog := settings.connection.listen_queue_size:
        lines.append(_from(backlog, "backlog", "connection", "listen_queue_size"))
    return tuple(lines)


def _http_lines() -> tuple[Line, ...]:
    return (
        Line("timeout http-request 10s"),
        # A reload then ends idle connections with their next response, so that no request meets a closing one.
        Line("option idle-close-on-response"),
    )


def _from(value: int, directive: str, *path: str) -> Line:
    return Line(f"{directive} {value}", Origin(_SUBJECT, path))
