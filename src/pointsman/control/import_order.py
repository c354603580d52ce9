"""What an import of documents is asked for, and what became of it.

Invariant: values only; an order names where the documents are and never holds what is in them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from pointsman.control.desired import Desired
from pointsman.control.import_record import ImportResult
from pointsman.document.fault import Fault
from pointsman.document.load import Document
from pointsman.schema.condition import Condition
from pointsman.schema.problem import Problem
from pointsman.store import Author

WAIT_SECONDS = 60.0
AUTHOR = Author("documents", "", "import")
"""The author of imports that nobody asked for by hand; those of others have its surface."""
Restarting = Literal["", "asked", "pending"]


class Restart(Protocol):
    """What is known of settings that the control plane reads only when it starts."""

    def needed(self) -> tuple[Condition, ...]:
        """A notice for each setting that waits for a restart."""

    def ask(self) -> bool:
        """Asks for a restart of the control plane; false when nobody can do it."""


@dataclass(frozen=True)
class ImportOrder:
    """What to import: the documents `names` below `directory`.

    `strict` refuses unknown keys. `restart` false lets settings that need a restart of the control plane wait for one.
    `members_seconds` is how long the other members of a cluster are waited for, 0 for not at all.
    """

    directory: Path
    names: tuple[str, ...] = ("config",)
    strict: bool = False
    restart: bool = True
    trigger: Literal["start", "change", "command"] = "command"
    author: Author = AUTHOR
    wait_seconds: float = WAIT_SECONDS
    members_seconds: float = 0.0


@dataclass(frozen=True)
class Loaded:
    """Documents as they were read, and the digest of the whole directory just before. `begun` is monotonic time."""

    order: ImportOrder
    document: Document
    digest: str
    begun: float = field(compare=False)

    def faults(self, problems: tuple[Problem, ...]) -> tuple[Fault, ...]:
        """The problems at their places; those of no described object at the directory as a whole."""
        return tuple(
            self.document.fault(problem) or Fault(str(self.order.directory), 1, 1, problem)
            for problem in problems
        )


@dataclass(frozen=True)
class Imported:
    """What became of an import. `desired` is what was changed, None when it did not come to that.

    `timely` says that the engine dealt with it in time. `restart` is "" when no setting waits for one because of this
    import, "asked" when one was asked for, "pending" when it is left to somebody. `late` has a sentence for each other
    member that has it not in force in time.
    """

    result: ImportResult
    desired: Desired | None = None
    timely: bool = True
    restart: Restarting = ""
    late: tuple[str, ...] = ()
