"""Runs a page for people on a Docker Engine: its commands as they stand there, in order, in one shell.

Invariant: nothing of a page is changed but what would meet somebody else's on a shared machine (names of containers,
networks and volumes, addresses of a network, ports on loopback), everywhere alike, and the name of the image; and what
makes the image is left out, because it is made already.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.shell import STARTS, blocks

ROOT = Path(__file__).resolve().parents[2]
MAKES_THE_IMAGE = (*STARTS, "make image")
IMAGE = "pointsman:0.2.0"
SUBNET = "172.30.7"
NAMES = re.compile(r"\b(?:vtm[1-4]|node[12]|keys|shop)\b")
"""Of containers, networks and volumes."""
LOOPBACK_PORT = re.compile(r"(?<=127\.0\.0\.1:)\d{4,5}\b|(?<=-port )\d{4,5}\b")
_END = "\x1e"
# What differs from one run to the next, where a page shows what is written.
_FINGERPRINT = re.compile(r"(?:[0-9A-F]{2}:){2,}(?:[0-9A-F]{2}|\.\.\.)")
_ADDRESS = re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}\b")


@dataclass(frozen=True)
class Places:
    """What takes the place of a page's image, subnet and ports, and what stands before each of its names."""

    prefix: str
    image: str
    subnet: str
    ports: Mapping[int, int]

    def put(self, text: str) -> str:
        """The text with everything replaced."""
        text = text.replace(IMAGE, self.image).replace(f"{SUBNET}.", f"{self.subnet}.")
        text = LOOPBACK_PORT.sub(lambda found: str(self.ports[int(found[0])]), text)
        # Everywhere, also in documents and URLs, where they are names of hosts.
        return NAMES.sub(lambda found: self.prefix + found[0], text)


@dataclass(frozen=True)
class Shown:
    """What a block of commands wrote, and the block of text behind it that shows what to expect ("" for none)."""

    commands: str
    wrote: str
    text: str

    def missing(self) -> list[str]:
        """Lines of the text that nothing of what was written looks like; `...` stands for anything."""
        wrote = [_alike(line) for line in self.wrote.splitlines()]
        return [
            line
            for line in self.text.splitlines()
            if not any(re.search(_pattern(line), one) for one in wrote)
        ]


def _alike(line: str) -> str:
    return " ".join(_ADDRESS.sub("ADDRESS", _FINGERPRINT.sub("FINGERPRINT", line)).split())


def _pattern(line: str) -> str:
    return ".*".join(map(re.escape, _alike(line).split("...")))


def run(
    page: Path,
    directory: Path,
    places: Places,
    environment: Mapping[str, str],
    typed: Mapping[str, tuple[str, str]],
    *,
    part: str = "",
    seconds: float = 600,
) -> list[Shown]:
    """Runs the `sh` and `console` blocks of a page, or of the part below the heading `part`, in `directory`.

    `typed` says for each command of a `console` block, by its last word, what to wait for and what to type then. Fails
    at the first command that fails.
    """
    script = ["set -e"]
    commands: list[str] = []
    texts: list[str] = []
    for language, text in blocks(page, part=part):
        if language == "text":
            texts[-1] = text
            continue
        if language == "console":
            lines = [_interactive(line, typed) for line in text.splitlines() if line.startswith("$ ")]
        else:
            lines = [line for line in text.splitlines(True) if not line.startswith(MAKES_THE_IMAGE)]
        commands.append("".join(lines))
        texts.append("")
        script += [places.put(commands[-1]), f"printf '{_END}'"]
    done = subprocess.run(
        ["bash", "-c", "\n".join(script)],
        cwd=directory,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=seconds,
        check=False,
    )
    assert done.returncode == 0, f"a command of {page.name} failed:\n{done.stdout}"
    wrote = done.stdout.split(_END)[:-1]
    told = [text.replace(places.prefix, "") for text in wrote]
    return [Shown(*one) for one in zip(commands, told, texts, strict=True)]


def _interactive(line: str, typed: Mapping[str, tuple[str, str]]) -> str:
    command = line.removeprefix("$ ")
    prompt, answer = typed[command.split()[-1]]
    program = shlex.join([sys.executable, str(ROOT / "tests" / "container" / "typed.py"), prompt, answer])
    return f"{program} {command}\n"
