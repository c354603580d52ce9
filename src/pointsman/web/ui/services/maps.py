"""The service map of the moment, made once for each look.

Invariant: it is never older than the look that all pages share.
"""

from __future__ import annotations

from pointsman.web.ui.desk import Desk
from pointsman.web.ui.services.tree import ServiceMap


class Maps:
    """Gives the map."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._made: ServiceMap | None = None

    async def fresh(self) -> ServiceMap:
        """The map of now."""
        status = (await self._desk.look.fresh()).status
        if self._made is None or self._made.status is not status:
            self._made = ServiceMap(status)
        return self._made
