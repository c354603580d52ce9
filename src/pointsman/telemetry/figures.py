"""How the engine's columns become the product's counters: which are read, and which sum to what.

Invariant: every counter named here exists in the schema's declaration (a test checks it); one that is declared and not
named here is not measured and reads 0. Columns are those of HAProxy's `show stat` (2.8; 3.0 adds, removes none).
"""

from __future__ import annotations

from collections.abc import Mapping

_CLASSES = {f"http{n}xx_responses": (f"hrsp_{n}xx",) for n in range(1, 6)}

FRONTEND: Mapping[str, tuple[str, ...]] = {
    "bytes_in": ("bin",),
    "bytes_out": ("bout",),
    "connection_errors": ("ereq", "eint", "ssl_failed_handshake"),
    "direct_replies": ("intercepted",),
    "discard": ("dreq", "dcon", "dses"),
    "gzip": ("comp_rsp",),
    "gzip_bytes_saved": ("compressed_away",),
    **_CLASSES,
    "http_cache_hits": ("cache_hits",),
    "http_cache_lookups": ("cache_lookups",),
    "ssl_new_session": ("ssl_full",),
    "total_http1_requests": ("h1req",),
    "total_http2_requests": ("h2req",),
    "total_http_requests": ("req_tot",),
    "total_requests": ("requests",),
}
"""Counters of a virtual server, each the sum of columns of its listeners."""

FRONTEND_GLOBAL: Mapping[str, tuple[str, ...]] = {
    "ssl_connections": ("ssl_sess",),
    "total_bytes_in": ("bin",),
    "total_bytes_out": ("bout",),
    "total_conn": ("conn_tot",),
    "total_requests": ("requests",),
    "total_transactions": ("requests",),
}
"""Counters of the traffic manager, summed over all virtual servers."""

BACKEND: Mapping[str, tuple[str, ...]] = {
    "bytes_in": ("bout",),
    "bytes_out": ("bin",),
    **_CLASSES,
    "session_migrated": ("wredis",),
    "total_conn": ("stot",),
}
"""Counters of a pool, each the sum over its variants. For a pool "in" is what nodes send."""

FINAL_ERRORS = ("econ", "eresp")
"""What failed for the client as well: no connection after all attempts; an answer that was broken off."""

ERRORS = (*FINAL_ERRORS, "wredis", "wretr")
"""Every failure at a node (HAProxy 2.8.25, tried): the last attempt of a request counts as `econ` or `eresp`, one that
is followed by another attempt as `wretr` at the same node or `wredis` at another one, whether the node refused, was
silent or broke off. A node whose clients are all served by others has `wredis` alone. A request that leaves the queue
of a node that died counts as `wredis` too.
"""

SERVER: Mapping[str, tuple[str, ...]] = {
    "bytes_from_node": ("bout",),
    "bytes_to_node": ("bin",),
    "errors": ERRORS,
    "new_conn": ("connect",),
    "pooled_conn": ("reuse",),
    "total_conn": ("stot",),
}
"""Counters of a node in one pool."""

SERVER_GLOBAL: Mapping[str, tuple[str, ...]] = {"total_backend_server_errors": ERRORS}

DERIVED = ("requests", "ssl_full", "compressed_away")
"""Columns made here for a listener: requests (connections where the engine counts no requests), full TLS handshakes,
and the bytes that compression saved."""


def _columns(*tables: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    used = {column for table in tables for columns in table.values() for column in columns}
    made = [column for column in DERIVED if column in used]
    return (SESSIONS, *sorted(used - {SESSIONS, *made}), *made)


SESSIONS = "stot"
"""The column that tells a row which began anew from one that went on; every kind of row has it."""

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "frontend": _columns(FRONTEND, FRONTEND_GLOBAL),
    "backend": _columns(BACKEND),
    "server": _columns(SERVER, SERVER_GLOBAL),
}
"""The columns kept for a row, in the order of its figures, by the row's kind; `SESSIONS` is the first."""


_FORMER = {"server": len(COLUMNS["server"]) - 2}
"""How many columns of a kind versions before 0.2 kept: `wredis` and `wretr`, the last ones of a node, are new."""


def read_on(kind: str, figures: tuple[int, ...]) -> tuple[int, ...]:
    """Figures that were stored, perhaps by a version that kept fewer columns, in the order of `COLUMNS[kind]`."""
    missing = len(COLUMNS.get(kind, ())) - len(figures)
    return (*figures, *(0,) * missing) if _FORMER.get(kind) == len(figures) else figures


def number(text: str | None) -> int:
    """A column as a whole number of zero or more; 0 when it is empty or not one."""
    return int(text) if text and text.isdecimal() else 0


def row_figures(kind: str, figures: Mapping[str, str]) -> tuple[int, ...]:
    """The figures of one row, in the order of `COLUMNS[kind]`. This runs for every row each second: keep it quick."""
    columns = COLUMNS[kind]
    made = len(DERIVED) if kind == "frontend" else 0
    texts = [figures.get(column) for column in columns[: len(columns) - made]]
    try:
        plain = [int(text) if text else 0 for text in texts]
    except ValueError:
        plain = [number(text) for text in texts]
    return (*plain, *_derived(figures)) if made else tuple(plain)


def _derived(figures: Mapping[str, str]) -> tuple[int, int, int]:
    """The columns `DERIVED` of a listener."""
    return (
        number(figures.get("req_tot" if figures.get("mode") == "http" else SESSIONS)),
        max(0, number(figures.get("ssl_sess")) - number(figures.get("ssl_reused_sess"))),
        max(0, number(figures.get("comp_in")) - number(figures.get("comp_out"))),
    )


def named(table: Mapping[str, tuple[str, ...]], kind: str, figures: tuple[int, ...]) -> dict[str, int]:
    """Counters by their product names from figures in the order of `COLUMNS[kind]`."""
    by_column = dict(zip(COLUMNS[kind], figures, strict=True))
    return {name: sum(by_column[column] for column in columns) for name, columns in table.items()}
