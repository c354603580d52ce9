"""The functions that rules can call: names, parameters, results, where they may be called.

Pure but for reading the table beside this module once. Invariant: names are found without regard to case, as the
language has it.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import resources

_PHASES = {"q": "request", "s": "response", "c": "completion", "g": "global load balancing"}
_LIKENESS = 0.78


@dataclass(frozen=True)
class Function:
    """One function. `most` is None where it takes any number of arguments; a parameter that ends with "?" may be left
    out.
    """

    name: str
    parameters: tuple[str, ...]
    fewest: int
    most: int | None
    returns: str
    phases: tuple[str, ...]
    alias: str
    meaning: str

    @property
    def signature(self) -> str:
        """Name, parameters and result, for people."""
        result = "" if self.returns == "none" else f": {self.returns}"
        inside = ", ".join(self.parameters)
        return f"{self.name}( {inside} ){result}" if inside else f"{self.name}(){result}"

    @property
    def count(self) -> str:
        """How many arguments it takes, in words."""
        if self.most is None:
            return f"{self.fewest} or more arguments"
        if self.most == self.fewest:
            return {0: "no arguments", 1: "one argument"}.get(self.most, f"{self.most} arguments")
        return f"{self.fewest} to {self.most} arguments"


@cache
def functions() -> Mapping[str, Function]:
    """All of them, by their names in lower case; those with a short name by that too."""
    found: dict[str, Function] = {}
    text = resources.files("pointsman.trafficscript").joinpath("functions.tsv").read_text("utf-8")
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        name, parameters, fewest, most, returns, phases, alias, meaning = line.split("\t")
        one = Function(
            name=name,
            parameters=tuple(part for part in parameters.split(", ") if part),
            fewest=int(fewest),
            most=int(most) if most else None,
            returns=returns,
            phases=tuple(_PHASES[letter] for letter in phases),
            alias=alias,
            meaning=meaning,
        )
        found[name.lower()] = one
        if alias:
            found.setdefault(alias.lower(), one)
    return found


def function_named(name: str) -> Function | None:
    """The function of a name, however it is written."""
    return functions().get(name.lower())


@lru_cache(1000)
def nearest(name: str) -> str:
    """The function whose name is most like this one; "" where none is."""
    known = functions()
    found = difflib.get_close_matches(name.lower()[:80], known, 1, _LIKENESS)
    return known[found[0]].name if found else ""
