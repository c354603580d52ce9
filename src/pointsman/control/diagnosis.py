"""Gathers what a diagnosis needs beside the status: the cluster, certificates, the disk, the licence.

Invariant: it reads and changes nothing; what takes long (certificates) is read once for each of them.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping

from cryptography import x509

from pointsman.compiler.haproxy.tls import used_keys
from pointsman.control.control import Control
from pointsman.control.disk_space import disk_of
from pointsman.control.status import Status
from pointsman.control.troubles import Around, Ending, Trouble, find_troubles
from pointsman.schema.server_key import ServerKey
from pointsman.schema.virtual_server import VirtualServer


class Diagnosis:
    """The troubles of one running traffic manager."""

    def __init__(self, control: Control, clock: Callable[[], float] = time.time) -> None:
        self._control = control
        self._clock = clock
        self._ends: Mapping[str, tuple[str, float]] = {}
        self._endings: tuple[int, tuple[Ending, ...]] = (-1, ())

    def troubles(self, status: Status) -> tuple[Trouble, ...]:
        """What is wrong at the moment of a status."""
        return find_troubles(status, self.around())

    def around(self) -> Around:
        """What the status does not tell."""
        control = self._control
        return Around(
            now=self._clock(),
            stuck=control.stuck,
            cluster=None if control.clustering is None else control.clustering.view(),
            certificates=self.certificates(),
            disk=disk_of(control.backups.home),
            lost_events=0 if control.live.events is None else control.live.events.lost,
            choice_open=control.licensing.choice_open,
        )

    def certificates(self) -> tuple[Ending, ...]:
        """When the certificates of the catalogue end; those that cannot be read are told of elsewhere."""
        snapshot = self._control.snapshot
        if self._endings[0] != snapshot.revision:
            self._endings = (snapshot.revision, tuple(self._read()))
        return self._endings[1]

    def _read(self) -> Iterator[Ending]:
        snapshot = self._control.snapshot
        used = {
            name
            for _, server in snapshot.all("virtual_servers", VirtualServer)
            if server.basic.enabled
            for name in used_keys(server)
        }
        read: dict[str, tuple[str, float]] = {}
        for name, key in snapshot.all("ssl/server_keys", ServerKey):
            public = key.basic.public
            known = self._ends.get(name)
            if known is None or known[0] != public:
                known = (public, _end_of(public))
            read[name] = known
            if known[1]:
                yield Ending(name, known[1], name in used)
        self._ends = read


def _end_of(pem: str) -> float:
    """When the first certificate of a chain ends, 0 where there is none to read."""
    with contextlib.suppress(ValueError):
        found = x509.load_pem_x509_certificates(pem.encode("utf-8", "surrogatepass"))
        return min(certificate.not_valid_after_utc.timestamp() for certificate in found)
    return 0.0
