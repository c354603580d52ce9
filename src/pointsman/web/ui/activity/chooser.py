"""Which objects a page of graphs draws: read from its address, and offered to choose from.

Invariant: a choice is the query string and nothing else, so every graph has an address; names are looked up in the
configuration once for each revision; at most `OFFERED` are offered, and how many there are is said.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from pointsman.control.control import Control
from pointsman.schema.pool import Pool
from pointsman.schema.problem import ObjectId
from pointsman.schema.snapshot import Snapshot
from pointsman.telemetry.history import TOTAL
from pointsman.web.ui.activity.measures import MOST_SERIES
from pointsman.web.ui.visit import Visit

OFFERED = 60
"""Names of each kind that are offered at once."""
PARAMETERS: Mapping[str, str] = {"virtual_servers": "vs", "pools": "pool", "nodes": "node"}
"""The parameter of the query that names an object of a type."""
_TITLES = {"virtual_servers": "Virtual servers", "pools": "Pools", "nodes": "Nodes"}


@dataclass(frozen=True)
class Offer:
    """Names of one kind to tick; `more` are not shown."""

    title: str
    parameter: str
    names: Sequence[tuple[str, bool]]
    more: int


@dataclass(frozen=True)
class Choice:
    """What is drawn: the chosen objects, or the whole traffic manager; `remarks` say what of the query was left out."""

    identities: tuple[ObjectId, ...]
    remarks: tuple[str, ...]

    @property
    def whole(self) -> bool:
        """Whether the traffic manager as a whole is drawn."""
        return self.identities == (TOTAL,)

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """The choice as parameters of a query."""
        return [(PARAMETERS[one.type], one.name) for one in self.identities if one != TOTAL]

    def address(self, path: str, **more: object) -> str:
        """The address of a page or file with this choice."""
        query = urlencode([*self.pairs, *((key, str(value)) for key, value in more.items())])
        return f"{path}?{query}" if query else path


class Chooser:
    """Reads and offers choices."""

    def __init__(self, control: Control) -> None:
        self._control = control
        self._known: tuple[Snapshot | None, Mapping[str, Mapping[str, None]]] = (None, {})

    def _names(self) -> Mapping[str, Mapping[str, None]]:
        """Names that can be drawn by type, in order."""
        snapshot = self._control.snapshot
        if self._known[0] is not snapshot:
            nodes = {row.node for _, pool in snapshot.all("pools", Pool) for row in pool.basic.nodes_table}
            names = {
                "virtual_servers": dict.fromkeys(self._control.names("virtual_servers")),
                "pools": dict.fromkeys(self._control.names("pools")),
                "nodes": dict.fromkeys(sorted(nodes)),
            }
            self._known = (snapshot, names)
        return self._known[1]

    def read(self, visit: Visit) -> Choice:
        """The choice of a query: what does not exist is left out, as is what is too much."""
        names = self._names()
        found: dict[ObjectId, None] = {}
        remarks: list[str] = []
        for kind, parameter in PARAMETERS.items():
            for name in dict.fromkeys(visit.request.query_params.getlist(parameter)):
                if name in names[kind]:
                    found[ObjectId(kind, name)] = None
                elif name and len(remarks) < MOST_SERIES:
                    remarks.append(f"There is no {_TITLES[kind].lower()[:-1]} called {name}.")
        if len(found) > MOST_SERIES:
            remarks.append(f"{len(found)} objects were chosen; the first {MOST_SERIES} are drawn.")
        return Choice(tuple(found)[:MOST_SERIES] or (TOTAL,), tuple(remarks))

    def offers(self, choice: Choice, words: str) -> tuple[Offer, ...]:
        """What can be chosen whose name holds `words`, what is chosen first."""
        offers = []
        wanted = words.strip().lower()
        for kind, names in self._names().items():
            chosen = [one.name for one in choice.identities if one.type == kind]
            others = [name for name in names if name not in chosen and wanted in name.lower()]
            shown = [(name, True) for name in chosen] + [(name, False) for name in others[:OFFERED]]
            if shown:
                more = max(0, len(others) - OFFERED)
                offers.append(Offer(_TITLES[kind], PARAMETERS[kind], shown, more))
        return tuple(offers)
