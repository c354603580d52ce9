"""No text from the configuration can add a line or a word to what HAProxy reads."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.compiling import haproxy

from pointsman.compiler.haproxy.quote import Unquotable, entry_word, format_word, word

HOSTILE = st.text("aZ0 -_/.,:;#'\"\\$%&{}[]<>()*!?~`|^=+@é日🚦\u202e\u00a0\u2028\u0085", max_size=20)
ANYTHING = st.text("a '\"\\#$\x00\x01\t\r\n\x0b\x1f\x7f\ud800", max_size=6)


@given(HOSTILE)
@example("")
@example("'")
@example("it's \\' '' \"$HOME\" # no comment")
def test_a_word_is_read_back_as_it_was(text: str) -> None:
    # Strong quotes and a backslash before a quote mean the same to HAProxy as to a POSIX shell.
    assert shlex.split(word(text), comments=True) == [text]


@given(ANYTHING)
def test_what_no_word_can_hold_is_refused(text: str) -> None:
    control = any(ord(c) < 0x20 or ord(c) == 0x7F or 0xD800 <= ord(c) < 0xE000 for c in text)
    try:
        written = word(text)
    except Unquotable:
        assert control
    else:
        assert not control
        assert written.isprintable()


@settings(max_examples=15, deadline=None)
@given(st.lists(HOSTILE.filter(bool), min_size=20, max_size=60))
def test_haproxy_takes_each_as_one_word(tmp_path_factory: pytest.TempPathFactory, texts: list[str]) -> None:
    # `setenv` takes exactly two words: with one word too many or too few, or a second line, this is refused.
    lines = [f"    setenv V{number} {word(text)}" for number, text in enumerate(texts)]
    rest = "defaults\n    mode http\nfrontend f\n    bind unix@/tmp/never-bound.sock\n"
    rest += "    timeout client 1s\n" + "".join(
        f"    http-request set-header X {format_word(t)}\n" for t in texts
    )
    path = tmp_path_factory.mktemp("quote") / "haproxy.cfg"
    path.write_text("global\n" + "\n".join(lines) + "\n" + rest)
    done = check(path)
    assert done.returncode == 0, done.stderr


def test_one_word_more_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "haproxy.cfg"
    path.write_text("global\n    setenv V a b\n")
    assert "setenv" in check(path).stderr


def check(path: Path) -> subprocess.CompletedProcess[str]:
    """The real HAProxy on a configuration file."""
    return subprocess.run(
        [haproxy(), "-c", "-f", path], capture_output=True, text=True, timeout=30, check=False
    )


@given(HOSTILE)
def test_a_list_entry_is_plain_or_refused(text: str) -> None:
    try:
        written = entry_word(text)
    except Unquotable:
        return
    assert written == text
    assert written
    assert not set(written) & set(" #[]!'\"\\")
