"""`pointsman check`: everything that can be said of documents without an instance.

Invariant: nothing outside a temporary directory is written, no host name is looked up and no address bound.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import click

from pointsman.cli.offline import ask_engine, compile_offline, find_engine, snapshot_of
from pointsman.cli.outcome import Exit
from pointsman.cli.report import STANDINGS, show_faults
from pointsman.cli.screen import Screen, styled
from pointsman.compiler.check import check as check_objects
from pointsman.document.fault import Fault, Faulty
from pointsman.document.load import Document, load
from pointsman.document.secret_hash import refuse_hashes
from pointsman.document.wire import encode_condition, encode_fault
from pointsman.schema.condition import Condition, Standing
from pointsman.schema.problem import Problem
from pointsman.schema.registry import BY_PATH
from pointsman.schema.validate import Invalid

HASHED = "is a hash, which only the instance that holds the secret can tell; use `pointsman diff` there"
TROUBLE = (Standing.WARNING, Standing.REJECTED)


@click.command(short_help="Check documents without an instance.")
@click.argument("documents", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Answer as JSON.")
def check(documents: Path, as_json: bool) -> int:
    """Check that documents are a whole, valid configuration that HAProxy accepts.

    DOCUMENTS is a file, a directory, or a directory with a `config` directory in it. Host names are not
    looked up and ports not tried. Unknown keys and types are errors. Exit status 2 means valid, with
    warnings.
    """
    screen = Screen(as_json)
    try:
        document = load(documents, BY_PATH)
    except Faulty as error:
        show_faults(screen, error.faults)
        return Exit.INVALID
    try:
        refuse_hashes(document.objects, BY_PATH, HASHED)
    except Invalid as error:
        show_faults(screen, _faults(document, documents, error.problems))
        return Exit.INVALID
    snapshot = snapshot_of(document.objects)
    problems = check_objects(snapshot, sorted(document.objects))
    if problems:
        show_faults(screen, _faults(document, documents, problems))
        return Exit.INVALID
    engine = find_engine()
    plan = compile_offline(snapshot, engine)
    if refused := ask_engine(plan, engine):
        show_faults(screen, _faults(document, documents, refused))
        return Exit.REFUSED
    told = tuple(c for c in plan.conditions if c.standing is not Standing.APPLIED)
    trouble = any(condition.standing in TROUBLE for condition in told)
    if as_json:
        screen.data(
            {
                "valid": True,
                "objects": len(document.objects),
                "engine": "accepted" if engine.binary else "not checked",
                "conditions": [{**encode_condition(c), **_place(document, c)} for c in told],
            }
        )
    else:
        for condition in told:
            _show(screen, document, condition)
        count = f"{len(document.objects)} object" + ("" if len(document.objects) == 1 else "s")
        opinion = "HAProxy accepts them" if engine.binary else f"HAProxy was not asked: {engine.why}"
        screen.line(styled("valid", "green"), f": {count}; {opinion}.")
    return Exit.WARNINGS if trouble else Exit.OK


def _faults(document: Document, documents: Path, problems: Iterable[Problem]) -> list[Fault]:
    """Problems at their places; those of no described object at the documents as a whole."""
    return [document.fault(problem) or Fault(str(documents), 1, 1, problem) for problem in problems]


def _as_fault(document: Document, condition: Condition) -> Fault | None:
    return document.fault(Problem(condition.subject, condition.path, condition.code, condition.message))


def _place(document: Document, condition: Condition) -> dict[str, object]:
    fault = _as_fault(document, condition)
    if fault is None:
        return {}
    encoded = encode_fault(fault)
    return {name: encoded[name] for name in ("file", "line", "column")}


def _show(screen: Screen, document: Document, condition: Condition) -> None:
    standing = condition.standing.value
    fault = _as_fault(document, condition)
    text = str(fault) if fault else f"{condition.subject}: {condition.message}"
    screen.line(styled(standing, STANDINGS[standing]), f"  {text}")
