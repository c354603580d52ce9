"""Configuration documents in the life of the control plane: before the first generation, after it, and from then on.

Invariant: base documents are applied once in the life of an instance, before anything is served; an instance that was
provisioned with documents it cannot use does not start the first time, and serves the last good ones ever after.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from pointsman.control.error import ControlError
from pointsman.control.import_order import ImportOrder
from pointsman.control.import_record import MOST_FAULTS, NoBase, has_base
from pointsman.control.import_report import fault_lines
from pointsman.control.importer import Importer
from pointsman.document.fault import Faulty
from pointsman.provision.order import Order
from pointsman.store import Store

STATUS_DOCUMENTS = 14
"""Exit status of a first start whose documents cannot be used."""
FURNISHED = 1
"""The revision of the objects that an instance is born with."""
_log = logging.getLogger("pointsman")


class DocumentsRefused(Exception):
    """Why the first start fails, one fault a line."""


class Documents:
    """What provisioning ordered of documents; `order` is None for an instance that nobody provisioned."""

    def __init__(self, home: Path, importer: Importer, store: Store, order: Order | None) -> None:
        self._home = home
        self._importer = importer
        self._store = store
        self._first = order is not None and order.state == "begun"
        self._base: ImportOrder | None = None
        self._watched: ImportOrder | None = None
        if order is not None and order.state != "cleared":
            if order.base:
                self._base = ImportOrder(Path(order.base), trigger="start")
            if order.watched:
                self._watched = ImportOrder(
                    Path(order.watched),
                    trigger="start",
                    restart=order.restart,
                    members_seconds=order.restart_seconds if order.replicate else 0.0,
                )
                importer.watched = self._watched.directory

    async def begin(self) -> None:
        """Imports what is due before the first generation, without waiting for the engine. Raises
        `DocumentsRefused`, `OSError`, `StoreError`.
        """
        if self._first:
            furnished = await self._store.objects_at(min(FURNISHED, self._store.revision))
            try:
                await self._importer.deploy(self._base, self._watched, furnished)
            except Faulty as error:
                lines = fault_lines(error.faults, MOST_FAULTS)
                raise DocumentsRefused(self._refusal("cannot be used", lines)) from None
            except (NoBase, ControlError) as error:
                raise DocumentsRefused(f"{self._named()}: cannot be imported: {error}") from None
            return
        if not has_base(self._home):
            if self._base is not None or self._watched is not None:
                _log.warning("the base snapshot is missing; the present configuration takes its place")
            try:
                await self._importer.take_snapshot()
            except OSError as error:  # a full disk: only imports hang on it
                _log.error("no base snapshot can be written (%s); free space", error.strerror)
        elif (cause := self._importer.base_fault()) is not None:
            _log.error("%s; until then no documents can be imported", cause)
        await self._importer.resume(self._watched)

    async def conclude(self) -> None:
        """Says what became of that, once the apply loop runs. Raises `DocumentsRefused`, `OSError`."""
        result = await self._importer.conclude()
        if self._first and result is not None and result.outcome == "failed":
            self._importer.begin_anew()
            lines = fault_lines(result.faults, MOST_FAULTS)
            raise DocumentsRefused(self._refusal("are refused by the engine", lines))

    def _refusal(self, what: str, lines: Sequence[str]) -> str:
        return "\n".join([f"{self._named()}: {what}, see above; correct them and start again", *lines])

    def _named(self) -> str:
        ordered = (order.directory for order in (self._base, self._watched) if order is not None)
        return f"the documents in {' and '.join(map(str, ordered))}"

    async def follow(self) -> None:
        """Imports whenever a watched document changes, for ever; returns at once when none is watched."""
        if self._watched is not None:
            await self._importer.follow(self._watched)
