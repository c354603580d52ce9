"""What became of an attempt to bring a plan into force."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pointsman.schema.problem import Problem

Act = Literal["nothing", "runtime", "reload", "start", "refused"]


@dataclass(frozen=True)
class Outcome:
    """`reasons` say why that act was needed; `refused` holds the engine's complaints, mapped to objects where known.

    `generation` is the number of the generation in force afterwards (also after a refusal).
    """

    act: Act
    reasons: tuple[str, ...]
    refused: tuple[Problem, ...]
    generation: int
