"""The entry point of the `pointsman` command.

Invariant: a command that only talks to an instance, or to none, does not import the control plane.
"""

from __future__ import annotations

from pointsman.cli.command import execute
from pointsman.cli.run import RunOptions


def _serve(options: RunOptions) -> int:
    from pointsman.daemon.process import (
        main as serve,
    )  # delayed: it imports everything, and only one command needs it

    return serve(options)


def main() -> None:
    """Runs the command line; always ends by `SystemExit`."""
    raise SystemExit(execute(_serve))


if __name__ == "__main__":
    main()
