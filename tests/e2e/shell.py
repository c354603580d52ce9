"""Runs the commands of a page for people as they stand there, against an instance on free ports.

Invariant: nothing of a page is changed but port numbers, which are replaced everywhere alike, and the commands that
start the instance, which are checked and left out because it runs already.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tools.instance import SOURCE

BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
STARTS = ("git clone", "make run", "make install", ".venv/bin/pointsman run")
"""How a line begins that starts or installs the instance."""


def blocks(page: Path, *, part: str = "", without: str = "") -> list[tuple[str, str]]:
    """The fenced blocks of a page: (language, text); only those below the heading `part`, or not those of `without`."""
    text = page.read_text(encoding="utf-8")
    if heading := part or without:
        below = re.search(rf"^## {re.escape(heading)}$.*?(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
        assert below, f"{page.name} has no part {heading!r}"
        text = below[0] if part else text.replace(below[0], "")
    return [(found[1], found[2]) for found in BLOCK.finditer(text)]


def run_page(
    page: Path,
    directory: Path,
    ports: Mapping[int, int],
    files: Mapping[str, str] | None = None,
    *,
    without: str = "",
) -> list[str]:
    """Runs the `sh` blocks of `page` in one shell in `directory` and returns what each wrote.

    `ports` maps the page's port numbers to those to use. `files` maps languages of other blocks to the file that the
    page asks to save them as. The part `without` is not run. Fails at the first command that fails.
    """
    environment = _environment(directory)
    script = ["set -e", "trap 'kill $(jobs -p) 2>/dev/null || true' EXIT"]
    for language, written in blocks(page, without=without):
        text = re.sub(r"(?<=[:\s])\d{4}\b", lambda found: str(ports.get(int(found[0]), found[0])), written)
        if files and language in files:
            (directory / files[language]).write_text(text, encoding="utf-8")
        elif language == "sh" and (rest := _without_start(text)).strip():
            script += [rest, "printf '\\036'"]
    done = subprocess.run(
        ["bash", "-c", "\n".join(script)],
        cwd=directory,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, f"a command of {page.name} failed:\n{done.stdout}"
    return done.stdout.split("\x1e")[:-1]


def _without_start(text: str) -> str:
    return "".join(line for line in text.splitlines(keepends=True) if not line.startswith(STARTS))


def _environment(directory: Path) -> dict[str, str]:
    """Makes `.venv/bin/pointsman` in `directory`, as an installation has it."""
    command = directory / ".venv" / "bin" / "pointsman"
    command.parent.mkdir(parents=True)
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m pointsman "$@"\n', encoding="utf-8")
    command.chmod(0o755)
    return {**os.environ, "PYTHONPATH": str(SOURCE)}
