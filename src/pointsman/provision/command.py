"""The `pointsman-container` command: what is run in and around a container's start.

Invariant: wrong usage costs one clear line and exit status 2; a command imports what it needs only when it is asked
for, so that a start that is refused is refused at once.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import click

from pointsman.provision.outcome import Exit

INTERRUPTED = 130

COMMANDS: Mapping[str, str] = MappingProxyType(
    {
        "cert": "pointsman.provision.cert:cert",
        "configure": "pointsman.provision.configure.command:configure",
        "health": "pointsman.provision.health_command:health",
        "restart-zeus": "pointsman.provision.configure.command:restart_zeus",
        "self-register": "pointsman.provision.self_register:self_register",
        "start": "pointsman.provision.start:start",
        "start-zeus": "pointsman.provision.configure.command:start_zeus",
        "stop-zeus": "pointsman.provision.configure.command:stop_zeus",
    }
)
"""The commands, and where the click command of each is: module and name."""


class _Commands(click.Group):
    """The group of all commands."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every command, in alphabetical order."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, or None."""
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name].partition(":")
        found: click.Command = getattr(importlib.import_module(module), name)
        return found


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
def pointsman_container() -> None:
    """Start and set up Pointsman in a container."""


def execute(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line and returns the exit status."""
    try:
        result = pointsman_container.main(arguments, prog_name="pointsman-container", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        return Exit.USAGE
    except click.ClickException as error:
        context = getattr(error, "ctx", None)
        where = context.command_path if context else "pointsman-container"
        click.echo(f"{where}: {error.format_message()}", err=True)
        return Exit.USAGE
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of a pipe went away: nothing to say, and nobody to say it to.
        sys.stderr.close()
        return Exit.OK
    return int(result or 0)


def main() -> None:
    """Runs the command line; always ends by `SystemExit`."""
    raise SystemExit(execute())


if __name__ == "__main__":
    main()
