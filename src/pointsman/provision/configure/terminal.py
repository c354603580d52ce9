"""Standard input and output as the console of the dialogue: a terminal, or pipes.

Invariant: however the program ends, a terminal shows again what is typed, and not before: between two questions for a
password, too, what is typed early stays hidden. A line costs bounded memory, and bytes that are no text never reach an
answer's control characters.
"""

from __future__ import annotations

import os
import select
import sys
import termios
from typing import Any, TextIO

from pointsman.provision.configure.dialogue import EndOfInput, Wrong
from pointsman.provision.configure.replay import LINE_LIMIT

_LOOK_SECONDS = 0.5


class Terminal:
    """Reads lines from one descriptor and writes to a stream."""

    def __init__(self, source: int = 0, screen: TextIO | None = None) -> None:
        self._source = source
        self._screen = sys.stdout if screen is None else screen
        self._typed = os.isatty(source)
        self._buffer = b""
        self._before: list[Any] | None = None

    def write(self, text: str) -> None:
        """Writes text; what the screen's encoding cannot show is written as an escape."""
        encoding = self._screen.encoding or "utf-8"
        self._screen.write(text.encode(encoding, "backslashreplace").decode(encoding))
        self._screen.flush()

    def read(self, prompt: str = "", *, secret: bool) -> str:
        """One line, after the prompt.

        From a pipe the answer is shown, unless secret, so that what is seen reads as a conversation.
        Raises `EndOfInput`; `Wrong` for a line that is too long or holds control characters.
        """
        try:
            if secret and self._typed:
                self._hide()
            else:
                self.show()
            # Only now: whoever answers at once, or pastes, must not be shown either.
            self.write(prompt)
            line = self._line()
        except (EndOfInput, KeyboardInterrupt):
            self.show()
            self.write("\n")
            raise
        text = line.decode("utf-8", "surrogateescape").removesuffix("\r")
        if secret or not self._typed:
            shown = "" if secret else "".join(c if c.isprintable() else "?" for c in text[:LINE_LIMIT])
            self.write(f"{shown}\n")
        if len(text) > LINE_LIMIT:
            raise Wrong(f"Please enter at most {LINE_LIMIT} characters.")
        if any(ord(character) < 32 or ord(character) == 127 for character in text):
            raise Wrong("The line holds control characters. Please enter it again.")
        return text

    def _line(self) -> bytes:
        """The next line without its end; of a longer one than anybody needs, its beginning."""
        kept = b""
        while b"\n" not in self._buffer:
            # Four bytes a character at most, and one character more to see that it is too long.
            kept = (kept + self._buffer)[: 4 * LINE_LIMIT + 4]
            # Ctrl-C that comes just before a read would be noticed only after it, so none is begun without need.
            while not select.select([self._source], [], [], _LOOK_SECONDS)[0]:
                pass
            self._buffer = os.read(self._source, 65_536)
            if not self._buffer:
                if kept:
                    return kept
                raise EndOfInput
        line, _, self._buffer = self._buffer.partition(b"\n")
        return (kept + line)[: 4 * LINE_LIMIT + 4]

    def show(self) -> None:
        """Shows again what is typed."""
        if self._before is not None:
            termios.tcsetattr(self._source, termios.TCSADRAIN, self._before)
            self._before = None

    def _hide(self) -> None:
        if self._before is None:
            self._before = termios.tcgetattr(self._source)
            silent = termios.tcgetattr(self._source)
            silent[3] &= ~termios.ECHO
            termios.tcsetattr(self._source, termios.TCSADRAIN, silent)
