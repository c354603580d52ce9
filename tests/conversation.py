"""A person at the configure script, written down: what was typed, and the transcript of what was seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pointsman.outbound.pinned import Fingerprints
from pointsman.provision.configure.dialogue import EndOfInput, Wrong
from pointsman.provision.configure.peer import AdminServer

SEEN = Fingerprints("AA:BB", "CC:DD")
SECOND = AdminServer("10.0.0.8:9090", Fingerprints("EE:FF", "00:11"))


class Person:
    """A console that types prepared lines; a line that is None is Ctrl-C."""

    def __init__(self, *lines: str | None) -> None:
        self._lines = list(lines)
        self.transcript = ""

    def write(self, text: str) -> None:
        self.transcript += text

    def read(self, prompt: str, *, secret: bool) -> str:
        self.transcript += prompt
        if not self._lines:
            raise EndOfInput
        line = self._lines.pop(0)
        if line is None:
            raise KeyboardInterrupt
        self.transcript += "\n" if secret else f"{line}\n"
        return line

    @property
    def left(self) -> list[str | None]:
        """What was not typed yet."""
        return self._lines


@dataclass
class Island:
    """A machine whose facts are given."""

    name: str = "pm1.example.com"
    names: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: {"pm1.example.com": ("10.0.0.1",)})
    own: tuple[str, ...] = ("10.0.0.1",)
    licence_keys: Mapping[str, str] = field(default_factory=lambda: {"/tmp/key": "KEY"})
    peers: tuple[str, ...] = ("other:9090",)
    others: tuple[str, ...] = ()

    def host_name(self) -> str:
        return self.name

    def resolve(self, name: str) -> tuple[str, ...]:
        return (name,) if name in self.own else self.names.get(name, ())

    def addresses(self) -> tuple[str, ...]:
        return self.own

    def has_address(self, address: str) -> bool:
        return address in self.own

    def other_names(self) -> tuple[str, ...]:
        return self.others

    def user_number(self, name: str) -> int:
        return self._number({"root": 0, "nobody": 65534, "web": 1000}, "user", name)

    def group_number(self, name: str) -> int:
        return self._number({"root": 0, "nogroup": 65534, "web": 1000}, "group", name)

    def _number(self, known: Mapping[str, int], kind: str, name: str) -> int:
        if name not in known:
            raise Wrong(f"There is no UNIX {kind} '{name}' on this machine.")
        return known[name]

    def licence_text(self) -> str:
        return "The text of the licence.\n"

    def licence_key(self, path: str) -> str:
        if path not in self.licence_keys:
            raise Wrong(f"{path}: there is no such file.")
        return self.licence_keys[path]

    def admin_servers(self, host: str, port: int) -> tuple[AdminServer, ...]:
        if f"{host}:{port}" not in self.peers:
            raise Wrong(f"ERROR: Cannot connect to remote host {host}:{port}.")
        return (AdminServer(f"{host}:{port}", SEEN), SECOND)
