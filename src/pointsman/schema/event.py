"""Things that happened, as values: the vocabulary shared by engine, monitors, control and the event log.

Invariant: tags are the product's own (`nodefail`, `poolok`, ...), so that existing alert mappings keep their meaning.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from pointsman.schema.problem import ObjectId


class Severity(enum.Enum):
    """How bad it is, in the product's words."""

    INFO = "INFO"
    WARN = "WARN"
    SERIOUS = "SERIOUS"
    FATAL = "FATAL"


@dataclass(frozen=True)
class Event:
    """One thing that happened to one object.

    `section` and `tag` name the kind ("pools", "nodefail"); `detail` names the part of the object concerned (a node's
    "address:port"), `reason` is the sentence an administrator reads, `author` who caused it ("" for the product
    itself). `at` is when it happened (Unix time), where that was long before it is logged; None for now.
    """

    section: str
    tag: str
    severity: Severity
    subject: ObjectId | None
    reason: str
    detail: str = ""
    author: str = ""
    at: float | None = None
