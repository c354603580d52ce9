"""The entry point of the `pointsman` command.

Invariant: a command that only talks to an instance, or to none, does not import the control plane.
"""

from __future__ import annotations

import gc

from pointsman.cli.command import execute
from pointsman.cli.run import RunOptions


def _serve(options: RunOptions) -> int:
    from pointsman.daemon.process import (
        main as serve,
    )  # delayed: it imports everything, and only one command needs it

    return serve(options)


def main() -> None:
    """Runs the command line; always ends by `SystemExit`."""
    # Modules and a configuration live long and have no cycles. With Python's usual thresholds a tenth of a start, and a
    # third of the time for thousands of objects, went into looking for some.
    gc.set_threshold(50_000, 20, 20)
    raise SystemExit(execute(_serve))


if __name__ == "__main__":
    main()
