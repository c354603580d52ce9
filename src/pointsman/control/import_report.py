"""What is said of an import: lines in the program's log, and the event.

Invariant: what is said is bounded, however large the documents are, and one line is one line.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from pointsman.control.import_record import ImportResult
from pointsman.document.difference import ObjectChange
from pointsman.document.fault import Fault, one_line
from pointsman.schema.event import Event, Severity

MOST_CHANGES = 50
MOST_FAULTS = 20
"""Lines of the log for one import."""
_ACTS = {"created": "Creating", "changed": "Changing", "deleted": "Deleting"}
_log = logging.getLogger(__name__)


def log_changes(changes: Sequence[ObjectChange]) -> None:
    """A line for each object that changes."""
    for change in changes[:MOST_CHANGES]:
        _log.info("%s %s", _ACTS[change.act], one_line(str(change.subject)))
    if len(changes) > MOST_CHANGES:
        _log.info("and %d more objects", len(changes) - MOST_CHANGES)


def log_result(result: ImportResult) -> None:
    """A line for each fault, remark and warning, then one that sums up."""
    level = {"ok": logging.INFO, "warnings": logging.WARNING, "failed": logging.ERROR}[result.outcome]
    for fault in result.faults[:MOST_FAULTS]:
        _log.error("%s", fault)
    if (rest := len(result.faults) - MOST_FAULTS + result.more) > 0:
        _log.error("and %d more faults", rest)
    told = [*map(str, result.remarks), *map(one_line, result.warnings)]
    for text in told[:MOST_FAULTS]:
        _log.warning("%s", text)
    if len(told) > MOST_FAULTS:
        _log.warning("and %d more warnings", len(told) - MOST_FAULTS)
    _log.log(level, "%s", one_line(sentence(result)))


def sentence(result: ImportResult) -> str:
    """What became of the import, in one sentence."""
    of = f"the documents of {result.directory}"
    if result.outcome == "failed":
        why = "were refused by the engine and undone" if result.refused else "could not be imported"
        return f"{of} {why}; the last good configuration stays: {result.cause}"
    counts = [
        f"{count} {act}"
        for count, act in (
            (result.created, "created"),
            (result.changed, "changed"),
            (result.deleted, "deleted"),
        )
        if count
    ]
    what = f"objects: {', '.join(counts)}" if counts else "nothing to change"
    text = f"{of} were imported in {result.seconds:.1f} s, revision {result.revision}; {what}"
    told = [*map(str, result.remarks), *result.warnings]
    return text + (f"; {count_of(len(told), 'warning')}: {told[0]}" if told else "")


def count_of(number: int, what: str) -> str:
    """A number with its noun."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def event_of(result: ImportResult, author: str) -> Event:
    """The event of an import that ended."""
    if result.outcome == "failed":
        return Event("general", "configimportfailed", Severity.SERIOUS, None, sentence(result), author=author)
    severity = Severity.WARN if result.outcome == "warnings" else Severity.INFO
    return Event("general", "configimport", severity, None, sentence(result), author=author)


def fault_lines(faults: Sequence[Fault], most: int) -> list[str]:
    """The faults as lines, `most` of them, and one that counts the rest."""
    rest = len(faults) - most
    return [*map(str, faults[:most]), *([f"and {count_of(rest, 'more fault')}"] if rest > 0 else [])]
