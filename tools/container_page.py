"""The reference page of a container's start, from the tables that the start itself uses.

Invariant: every known variable and every exit status is on the page.
"""

from __future__ import annotations

from pointsman.provision.log import DEFAULT_PATH
from pointsman.provision.outcome import Exit
from pointsman.provision.variable import VARIABLES, Variable

NAME = "container.md"


def parts() -> tuple[str, ...]:
    """The page's parts, each a title, a paragraph or a table."""
    return (
        "# Starting a container",
        "What `pointsman-container start` reads and how it ends. Everything that it does or cannot do is in"
        f" `{DEFAULT_PATH}` and on standard output, as lines `LEVEL: text`.",
        "## Variables",
        "All but `ZEUS_EULA` may be left out; an empty one counts as left out unless it says otherwise. They act at the"
        " first start; `ZEUS_PACKAGES` acts again in a new container with an old home. A variable that begins with"
        " `ZEUS_` and is not here is warned of.",
        _table(
            ("Variable", "What it is for", "Remarks"),
            [(f"`{v.name}`", v.purpose, _remarks(v)) for v in VARIABLES],
        ),
        "## Exit statuses",
        _table(("Status", "Meaning"), [(str(status.value), status.meaning) for status in Exit]),
    )


def _remarks(variable: Variable) -> str:
    remarks = (
        ("an addition of ours", variable.ours),
        ("secret: never shown, not passed on", variable.secret),
        ("must not be empty", not variable.may_be_empty),
        ("accepted, not yet acted on", variable.registers),
        (f"at most {variable.limit} characters", variable.limit < Variable.limit),
    )
    text = "; ".join(text for text, holds in remarks if holds)
    return f"{text.capitalize()}." if text else ""


def _table(titles: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [titles, ("---",) * len(titles), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in lines)
