"""HAProxy, the engine for TCP, HTTP and TLS."""

from pointsman.engine.haproxy.binary import NoBinary, engine_facts, find_binary
from pointsman.engine.haproxy.engine import HaproxyEngine

__all__ = ["HaproxyEngine", "NoBinary", "engine_facts", "find_binary"]
