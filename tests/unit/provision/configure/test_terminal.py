"""The console on a terminal and on pipes: what is shown, what is hidden, what is bounded."""

from __future__ import annotations

import io
import os
import pty
import termios
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from pointsman.provision.configure.dialogue import EndOfInput, Wrong
from pointsman.provision.configure.replay import LINE_LIMIT
from pointsman.provision.configure.terminal import Terminal


@contextmanager
def piped(content: bytes) -> Iterator[tuple[Terminal, io.StringIO]]:
    """A console that reads `content` from a pipe, and what it writes."""
    read, write = os.pipe()

    def feed() -> None:
        with os.fdopen(write, "wb") as stream:
            stream.write(content)

    feeder = threading.Thread(target=feed)
    feeder.start()
    screen = io.StringIO()
    try:
        yield Terminal(read, screen), screen
    finally:
        os.close(read)
        feeder.join(10)


def test_from_a_pipe_answers_are_shown_but_secrets() -> None:
    """R43: with piped input the prompts are printed and what is seen reads as a conversation, without secrets."""
    with piped(b"accept\r\nhidden\nlast") as (terminal, screen):
        terminal.write("Word: ")
        assert terminal.read(secret=False) == "accept"
        terminal.write("Password: ")
        assert terminal.read(secret=True) == "hidden"
        assert terminal.read(secret=False) == "last"
        with pytest.raises(EndOfInput):
            terminal.read(secret=False)
    assert screen.getvalue() == "Word: accept\nPassword: \nlast\n\n"


def test_a_line_is_bounded() -> None:
    """R43: a line of any length costs bounded memory and is refused; the next one is read."""
    with piped(b"x" * 3_000_000 + b"\n" + b"y" * LINE_LIMIT + b"\nz\n") as (terminal, screen):
        with pytest.raises(Wrong, match="at most"):
            terminal.read(secret=False)
        assert terminal.read(secret=False) == "y" * LINE_LIMIT
        assert terminal.read(secret=False) == "z"
    assert len(screen.getvalue()) < 3 * LINE_LIMIT


@pytest.mark.parametrize("junk", [b"\x1b[2J\n", b"a\x00b\n", b"\x7f\n"])
def test_control_characters_are_refused(junk: bytes) -> None:
    with piped(junk) as (terminal, screen), pytest.raises(Wrong, match="control characters"):
        terminal.read(secret=False)
    assert "\x1b" not in screen.getvalue()


def test_bytes_that_are_no_text_are_tolerated() -> None:
    """R43: bytes that are no UTF-8 do not end the program."""
    with piped(b"\xff\xfeweb\n") as (terminal, screen):
        assert terminal.read(secret=False) == "\udcff\udcfeweb"
    assert screen.getvalue() == "??web\n"


def test_a_screen_of_another_encoding_shows_escapes() -> None:
    screen = io.TextIOWrapper(io.BytesIO(), encoding="ascii", write_through=True)
    Terminal(0, screen).write("Zürich \udcff\n")
    screen.seek(0)
    assert screen.read() == "Z\\xfcrich \\udcff\n"


def test_a_terminal_does_not_show_secrets_and_is_put_right_again() -> None:
    """R43: on a terminal a password is not echoed, and afterwards the terminal echoes as before."""
    leader, follower = pty.openpty()
    try:
        screen = io.StringIO()
        terminal = Terminal(follower, screen)
        os.write(leader, b"seen\n")
        assert terminal.read(secret=False) == "seen"
        echoing = termios.tcgetattr(follower)[3]
        prompted: list[bool] = []

        class Screen(io.StringIO):
            def write(self, text: str, /) -> int:
                prompted.append(bool(text.strip()) and bool(termios.tcgetattr(follower)[3] & termios.ECHO))
                return super().write(text)

        terminal = Terminal(follower, Screen())
        reader = threading.Thread(target=lambda: found.append(terminal.read("Password: ", secret=True)))
        found: list[str] = []
        reader.start()
        until_silent(follower)
        os.write(leader, b"hidden\n")
        reader.join(10)
        assert found == ["hidden"]
        assert prompted[0] is False, "what is typed at the prompt is shown"
        os.write(leader, b"typed early\n")
        assert terminal.read("Again: ", secret=True) == "typed early"
        terminal.show()
        assert termios.tcgetattr(follower)[3] == echoing
        echoed = os.read(leader, 1000)
        assert b"seen" in echoed
        assert b"hidden" not in echoed
        assert b"early" not in echoed
    finally:
        os.close(leader)
        os.close(follower)


def until_silent(terminal: int) -> None:
    """Waits until the terminal echoes nothing."""
    for _ in range(1000):
        if not termios.tcgetattr(terminal)[3] & termios.ECHO:
            return
        threading.Event().wait(0.005)
    raise AssertionError("the terminal still echoes")
