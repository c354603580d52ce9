"""Demo nodes: frontends of the engine itself that answer like small web servers.

Invariant: they listen on loopback only.
"""

from __future__ import annotations

from collections.abc import Mapping

from pointsman.compiler.plan import ConfigSection, Line, Listener
from pointsman.schema.sample import Proxy, Role

_ADDRESS = "127.0.0.1"


def demo_listeners(ports: tuple[int, ...]) -> tuple[Listener, ...]:
    """Where the demo nodes listen."""
    return tuple(Listener(_ADDRESS, port, None) for port in ports)


def demo_sections(ports: tuple[int, ...]) -> tuple[ConfigSection, ...]:
    """One frontend for each demo node."""
    return tuple(
        ConfigSection(
            Line(f"frontend demo-{port} from http"),
            (
                Line(f"bind {_ADDRESS}:{port}"),
                Line(f"http-request return status 200 content-type text/plain file {_path(port)}"),
            ),
        )
        for port in ports
    )


def demo_files(ports: tuple[int, ...]) -> Mapping[str, bytes]:
    """What the demo nodes answer, below the generation directory."""
    return {_path(port): f"Hello from the demo node {_ADDRESS}:{port}.\n".encode() for port in ports}


def demo_proxies(ports: tuple[int, ...]) -> Mapping[str, Proxy]:
    """What the engine's names stand for: nothing of the administrator's."""
    return {f"demo-{port}": Proxy(None, Role.INTERNAL) for port in ports}


def _path(port: int) -> str:
    return f"demo/{port}.txt"
