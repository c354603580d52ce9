"""The Technical Support report: one archive that tells somebody else how this traffic manager is set up and fares.

Invariant: it is made in memory and holds no secret: those of the configuration are left out, and everything that is
text goes through a mask that knows them; every report leaves an audit event.
"""

from __future__ import annotations

import asyncio
import dataclasses
import enum
import io
import json
import os
import platform
import ssl
import sys
import tarfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pointsman.compiler.plan import Plan
from pointsman.control.control import Control
from pointsman.control.diagnosis import Diagnosis
from pointsman.control.masking import Mask, secrets_of
from pointsman.control.troubles import find_troubles, headline
from pointsman.document.export import export
from pointsman.schema.event import Event, Severity
from pointsman.schema.problem import ObjectId
from pointsman.schema.registry import BY_PATH
from pointsman.store import Author
from pointsman.store.shape import digest_of
from pointsman.telemetry.event_log import EventQuery

LOG_BYTES = 512 * 1024
"""What is taken of the end of each log."""
EVENTS = 1000
TRANSACTIONS = 200
_LOGS = ("haproxy.log", "keepalived.log", "events.log")
_FILES = "extra_files"


@dataclass(frozen=True)
class Part:
    """A file of the report, and what is in it."""

    name: str
    what: str


PARTS: tuple[Part, ...] = (
    Part("README.txt", "What this is, when and by whom it was made, and what was left out"),
    Part("versions.json", "Versions of the product, the engine, Python, OpenSSL and the system"),
    Part("machine.json", "Processors, memory, disk, clock and how long the control plane has run"),
    Part("troubles.json", "What the diagnosis finds wrong"),
    Part("status.json", "Services, pools, nodes and traffic IPs as they are, with their counters"),
    Part("conditions.json", "Remarks on objects: what is left out, and what is acted on in part"),
    Part("configuration.yaml", "The configuration without secrets and without the content of extra files"),
    Part("extra-files.json", "Names, sizes and SHA-256 of the extra files"),
    Part("engine/haproxy.cfg", "The configuration that the engine has, without certificates and keys"),
    Part("engine/keepalived.conf", "How traffic IPs are held"),
    Part("engine/plan.json", "Where it listens, and which objects its names stand for"),
    Part("applies.json", "How the last changes came into force"),
    Part("changes.json", "The last changes with who made them; secrets show as fingerprints"),
    Part("events.json", "The last events"),
    Part("cluster.json", "The members of the cluster"),
    Part("licence.json", "The licence in force, without the text of keys"),
    Part("certificates.json", "When certificates end"),
    *(Part(f"log/{name}", f"The end of {name}, without secrets") for name in _LOGS),
)


@dataclass(frozen=True)
class Report:
    """A report that was made: what it is called, and its bytes."""

    name: str
    data: bytes


class Support:
    """Makes reports of one instance."""

    def __init__(
        self, control: Control, diagnosis: Diagnosis, clock: Callable[[], float] = time.time
    ) -> None:
        self._control = control
        self._diagnosis = diagnosis
        self._clock = clock

    async def make(self, actor: Author) -> Report:
        """A report; that it was made is an event."""
        control, now = self._control, self._clock()
        status = await control.status()
        around = self._diagnosis.around()
        troubles = find_troubles(status, around)
        transactions = await control.transactions(limit=TRANSACTIONS)
        log = control.live.events
        events = () if log is None else await log.find(EventQuery(limit=EVENTS))
        plan = control.plan or Plan(())
        objects = control.objects
        files = {
            identity.name: settings.get("content", b"")
            for identity, settings in objects.items()
            if identity.type == _FILES
        }
        described = {identity: one for identity, one in objects.items() if identity.type != _FILES}
        view = None if control.clustering is None else control.clustering.view()
        name = time.strftime("support-%Y%m%d-%H%M%S", time.gmtime(now))

        def build() -> bytes:
            mask = self._mask()
            content: dict[str, str] = {
                "README.txt": self._introduction(actor, now),
                "versions.json": _json(self._versions()),
                "machine.json": _json(_machine(control, around.disk, now)),
                "troubles.json": _json({"summary": headline(status, troubles), "troubles": troubles}),
                "status.json": _json(status),
                "conditions.json": _json(status.conditions),
                "configuration.yaml": export(described, BY_PATH, "yaml", secrets="exclude").text,
                "extra-files.json": _json(_described_files(files)),
                "engine/haproxy.cfg": plan.text(),
                "engine/keepalived.conf": plan.failover.configuration,
                "engine/plan.json": _json(_plan(plan)),
                "applies.json": _json(control.applies(100)),
                "changes.json": _json(transactions),
                "events.json": _json(events),
                "cluster.json": _json(view),
                "licence.json": _json(control.licensing.view()),
                "certificates.json": _json(around.certificates),
            }
            folder = control.backups.home / "log"
            content |= {f"log/{log_name}": tail(folder / log_name, LOG_BYTES) for log_name in _LOGS}
            return pack(name, {path: mask.text(text) for path, text in content.items()}, now)

        data = await asyncio.to_thread(build)
        where = f" at {actor.surface_name} from {actor.address or 'this machine'}"
        text = f"made a Technical Support report of {len(data)} bytes{where}"
        control.record(Event("general", "audit", Severity.INFO, None, text, author=actor.name))
        return Report(f"{name}.tar.gz", data)

    def _mask(self) -> Mask:
        control = self._control
        texts = list(secrets_of(control.objects, BY_PATH))
        texts += [text for path in ("admin-password",) if (text := tail(control.backups.home / path, 2048))]
        return Mask(texts, control.secret_keys())

    def _introduction(self, actor: Author, now: float) -> str:
        identity = self._control.identity
        lines = [
            "Technical Support report of Pointsman Virtual Traffic Manager",
            "",
            f"Traffic manager: {identity.name} ({identity.uuid})",
            f"Version: {identity.version}",
            f"Made: {time.strftime('%Y-%m-%d %H:%M:%S UTC', time.gmtime(now))} by {actor.name}",
            "",
            "Left out: passwords, private keys, shared secrets, the content of extra files. Names of objects,",
            "addresses of nodes and clients, rules and notes are in it: look at it before you give it away.",
            "",
            *(f"{part.name}: {part.what}." for part in PARTS),
        ]
        return "".join(f"{line}\n" for line in lines)

    def _versions(self) -> Mapping[str, Any]:
        control = self._control
        return {
            "product": control.identity.version,
            "platform": control.identity.platform,
            "engine": control.live.engine,
            "python": sys.version,
            "openssl": ssl.OPENSSL_VERSION,
            "system": platform.platform(),
        }


def _machine(control: Control, disk: Any, now: float) -> Mapping[str, Any]:
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "processors": os.cpu_count(),
        "load": os.getloadavg(),
        "memory_bytes": pages,
        "disk": disk,
        "time": now,
        "control_plane_seconds": now - control.started,
    }


def _plan(plan: Plan) -> Mapping[str, Any]:
    return {
        "listeners": plan.listeners,
        "proxies": {
            name: {"object": proxy.subject, "role": proxy.role, "nodes": proxy.nodes}
            for name, proxy in plan.proxies.items()
        },
        "native_monitors": plan.native_monitors,
        "checks": [
            {name: getattr(check, name) for name in ("pool", "node", "monitor", "kind", "address", "port")}
            for check in plan.checks
        ],
        "certificate_lists": plan.certificate_lists,
        "traffic_ips": plan.failover.addresses,
    }


def _described_files(files: Mapping[str, bytes]) -> Mapping[str, Any]:
    return {
        name: {"bytes": len(content), "sha256": digest_of(content)} for name, content in sorted(files.items())
    }


def tail(path: Path, most: int) -> str:
    """The end of a text file; "" where there is none."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - most))
            data = file.read(most)
    except OSError:
        return ""
    text = data.decode("utf-8", "backslashreplace")
    # A line that is cut might hold the end of a secret that nothing would know.
    return text.partition("\n")[2] if size > most else text


def pack(folder: str, texts: Mapping[str, str], now: float) -> bytes:
    """A compressed archive of texts, below one folder, readable by its owner alone."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz", format=tarfile.PAX_FORMAT) as archive:
        for name, text in texts.items():
            data = text.encode("utf-8", "backslashreplace")
            entry = tarfile.TarInfo(f"{folder}/{name}")
            entry.size, entry.mtime, entry.mode = len(data), int(now), 0o600
            archive.addfile(entry, io.BytesIO(data))
    return packed.getvalue()


def _json(value: Any) -> str:
    return json.dumps(_plain(value), indent=1, ensure_ascii=True) + "\n"


def _plain(value: Any) -> Any:
    """A value of dataclasses, enums and mappings as JSON data; what has no such form as text."""
    if isinstance(value, ObjectId):
        return str(value)
    if isinstance(value, enum.Enum):
        return value.value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {one.name: _plain(getattr(value, one.name)) for one in dataclasses.fields(value) if one.repr}
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, Sequence | set | frozenset) and not isinstance(value, str | bytes):
        return [_plain(inner) for inner in _ordered(value)]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return str(value) if not isinstance(value, bytes) else f"{len(value)} bytes"


def _ordered(value: Iterable[Any]) -> Iterable[Any]:
    return sorted(value, key=str) if isinstance(value, set | frozenset) else value
