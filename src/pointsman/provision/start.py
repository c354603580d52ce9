"""`pointsman-container start`: makes a container an instance, step by step, and becomes its launcher.

Invariant: a step that was interrupted is done again or finished by the next start, a step that is done is not
repeated; nothing listens before every step is done.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import click

from pointsman.provision.log import ProvisionLog, log_path
from pointsman.provision.order import Order, OrderDamaged, read_order, write_order
from pointsman.provision.outcome import CannotProvision, Exit

DEFAULT_ROOT = Path("/usr/local/zeus")


@dataclass
class Start:
    """One start: where everything is, and what the steps have found out so far."""

    root: Path
    environment: Mapping[str, str]
    log: ProvisionLog
    order: Order | None = None

    @property
    def home(self) -> Path:
        """The instance's home."""
        return self.root / "var"


@dataclass(frozen=True)
class Step:
    """One step of the sequence; `act` raises `CannotProvision` or `OSError`."""

    name: str
    act: Callable[[Start], None]


def check_eula(start: Start) -> None:
    """Nothing happens before the licence agreement was accepted (R14)."""
    if start.environment.get("ZEUS_EULA") != "accept":
        raise CannotProvision(
            Exit.EULA,
            f"ZEUS_EULA: the licence was not accepted; read {start.root / 'LICENSE'} and set ZEUS_EULA=accept",
        )


def prepare_home(start: Start) -> None:
    """The home is there and can be written."""
    start.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    start.log.fall_back(start.home)
    start.order = read_order(start.home)


def write_down(start: Start) -> None:
    """What was decided is left to the control plane, which finishes it."""
    if start.order is None:
        start.order = Order()
        write_order(start.home, start.order)


STEPS = (
    Step("eula", check_eula),
    Step("home", prepare_home),
    Step("order", write_down),
)


@click.command(
    short_help="Provision this container and run the traffic manager.",
    context_settings={"ignore_unknown_options": True},
)
@click.argument("flags", nargs=-1, type=click.UNPROCESSED)
def start(flags: tuple[str, ...]) -> int:
    """Provision this container as its variables say, then run the traffic manager in the foreground.

    FLAGS are those of `pointsman run`.
    """
    root = Path(os.environ.get("ZEUSHOME") or DEFAULT_ROOT)
    begun = Start(root, os.environ, ProvisionLog(log_path(os.environ)))
    status = provision(begun)
    return _become(begun, flags) if status is None else status


def provision(start: Start) -> Exit | None:
    """Does every step; the exit status when one cannot be done."""
    for step in STEPS:
        try:
            step.act(start)
        except CannotProvision as failure:
            for detail in failure.details:
                start.log.error(detail)
            start.log.fatal(str(failure))
            return failure.status
        except OrderDamaged as damage:
            start.log.fatal(str(damage))
            return Exit.INSTANCE
    return None


def _become(start: Start, flags: tuple[str, ...]) -> NoReturn:
    # -P: the directory one happens to be in must not provide modules.
    words = [sys.executable, "-P", "-m", "pointsman", "run", "--home", str(start.home)]
    os.execve(words[0], [*words, "--listen", "0.0.0.0", *flags], dict(start.environment))  # noqa: S606, S104 # no shell; a container's own network
