"""Asks questions until they are answered: by a replay file where it has the answer, else by whoever is at the terminal.

Invariant: an answer is returned only after its question's check took it; a secret answer is never written anywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

T = TypeVar("T")

TRIES = 25
"""Wrong answers in a row after which nobody sensible is taken to be there."""


class Wrong(Exception):
    """An answer that does not do; the text says why and what would."""


class Stopped(Exception):
    """The dialogue cannot go on or shall not; the text says why. Nothing was changed."""


class EndOfInput(Exception):
    """There is nobody to answer any more."""


class Console(Protocol):
    """Where questions are written and answers come from."""

    def write(self, text: str) -> None:
        """Writes text as it is."""

    def read(self, prompt: str, *, secret: bool) -> str:
        """Writes the prompt and reads one line without its end; a `secret` one is not shown, however soon it is typed.

        Raises `EndOfInput`, `Wrong` for an unusable line.
        """


@dataclass(frozen=True)
class Question(Generic[T]):
    """What is asked: `key` names it in replay files, `check` turns a text into the answer or raises `Wrong`.

    `default` is what Enter takes (shown in brackets), None where an answer is needed. `decides` marks questions that a
    replay must answer itself although they have a default.
    """

    key: str
    prompt: str
    check: Callable[[str], T]
    default: str | None = None
    secret: bool = False
    decides: bool = False


class Dialogue:
    """One run through the questions."""

    def __init__(
        self,
        console: Console,
        replay: Mapping[str, str] | None = None,
        *,
        interactive: bool = True,
        loop: bool = True,
    ) -> None:
        """`interactive` asks the console what `replay` does not answer; without `loop` a wrong answer ends it."""
        self._console = console
        self._replay = dict(replay or {})
        self._interactive = interactive
        self._loop = loop

    def say(self, *lines: str) -> None:
        """Writes lines; none writes an empty one."""
        for line in lines or ("",):
            self._console.write(f"{line}\n")

    def has(self, key: str) -> bool:
        """Whether the replay file answers a question."""
        return key in self._replay

    def ask(self, question: Question[T]) -> T:
        """The answer to a question; asks again after a wrong one. Raises `Stopped`, `EndOfInput`."""
        for _ in range(TRIES):
            bracket = f" [{question.default}]" if question.default else ""
            try:
                return question.check(self._answer(question, f"{question.prompt}{bracket}: "))
            except Wrong as error:
                self.refuse(question.key, str(error))
        raise Stopped(f"{question.key}: {TRIES} answers in a row would not do")

    def refuse(self, key: str, why: str) -> None:
        """Says why an answer does not do before it is asked again; raises `Stopped` where nobody can be asked."""
        if not (self._interactive and self._loop):
            raise Stopped(f"{key}: {why}")
        self.say(why, "")

    def _answer(self, question: Question[T], prompt: str) -> str:
        asks = self._interactive and question.key not in self._replay
        if not asks:
            self._console.write(prompt)
        if question.key in self._replay:
            text = self._replay.pop(question.key)
            self.say("(from the replay file)" if question.secret else _shown(text))
        elif asks:
            text = self._console.read(prompt, secret=question.secret)
        elif question.default is None or question.decides:
            self.say()
            raise Stopped(f"{question.key}: has no answer in the replay file; add a line {question.key}=...")
        else:
            text = question.default
            self.say(f"{_shown(text)} (the default: {question.key} is not in the replay file)")
        text = text if question.secret else text.strip()
        if not text and question.default is not None:
            return question.default
        return text


def yes_or_no(text: str) -> bool:
    """The check of questions that end in Y/N."""
    match text.lower():
        case "y" | "yes":
            return True
        case "n" | "no":
            return False
    raise Wrong("Please answer Y or N.")


def one_of(*choices: str) -> Callable[[str], str]:
    """The check of questions with a few possible answers; case does not matter."""

    def check(text: str) -> str:
        for choice in choices:
            if text.lower() == choice.lower():
                return choice
        *some, last = choices
        raise Wrong(f"Please answer {', '.join(some)} or {last}.")

    return check


def _shown(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text)
