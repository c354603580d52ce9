"""The way from a virtual server to its nodes: priority levels, then the failure pool, the failure pool's, and so on.

Invariant: the chain of failure pools ends, also when the configuration leads it in a circle; the last resort is a
backend without condition, which answers 503 itself when nothing in it is up.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping

from pointsman.compiler.haproxy.pool import SAFE_METHODS, Choice
from pointsman.schema.pool import Pool


def chain(first: str, pools: Mapping[str, Pool], usable: Container[str]) -> tuple[str, ...]:
    """The pools that take a virtual server's traffic in turn, beginning with `first`; those not usable are skipped.

    `pools` are all pools, so that the failure pool of one that is left out still takes over.
    """
    found: list[str] = []
    name = first
    seen: set[str] = set()
    while name in pools and name not in seen:
        seen.add(name)
        if name in usable:
            found.append(name)
        name = pools[name].basic.failure_pool
    return tuple(found)


def route_lines(choices: tuple[tuple[Choice, ...], ...]) -> Iterator[tuple[str, int]]:
    """The lines of a frontend that choose a backend, each with the index of the pool in the chain it leads to.

    `choices` holds, for each pool of the chain, its backends from the best to the one of all nodes.
    """
    flat = [(index, choice) for index, offered in enumerate(choices) for choice in offered]
    if not flat:
        return
    if any(choice.once != choice.backend for _, choice in flat):
        yield f"acl safe_method method {SAFE_METHODS}", flat[0][0]
    for place, (index, choice) in enumerate(flat[:-1]):
        # A session whose node is not among these goes on to where it is.
        here = f" !session_elsewhere_{place}" if choice.elsewhere else ""
        for condition in choice.elsewhere:
            yield f"acl session_elsewhere_{place} {condition}", index
        if choice.once != choice.backend:
            yield f"use_backend {choice.once} if !safe_method {_enough(choice.once, choice)}{here}", index
        # With a twin the condition names the method again: too few up here says nothing of the twin's.
        safe = "safe_method " if choice.once != choice.backend else ""
        yield f"use_backend {choice.backend} if {safe}{_enough(choice.backend, choice)}{here}", index
    index, choice = flat[-1]
    if choice.once != choice.backend:
        yield f"use_backend {choice.once} if !safe_method", index
    yield f"default_backend {choice.backend}", index


def _enough(backend: str, choice: Choice) -> str:
    return f"{{ nbsrv({backend}) ge {choice.enough} }}"
