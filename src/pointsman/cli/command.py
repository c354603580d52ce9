"""The command line as a whole: its commands, and how a failure ends it.

Invariant: wrong usage costs one clear line and exit status 1; an interrupt ends with 130 and no traceback.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import click

from pointsman import __version__
from pointsman.cli.outcome import Exit, Unreachable, clean
from pointsman.cli.run import RunOptions, make_daemon, run

INTERRUPTED = 130

COMMANDS: Mapping[str, str] = MappingProxyType(
    {
        name: f"pointsman.cli.{name.replace('-', '_')}"
        for name in (
            "apply",
            "backup",
            "certificate",
            "check",
            "cluster",
            "config-import",
            "config-snapshot",
            "diff",
            "export",
            "licence",
            "rename",
            "status",
            "traffic-ip",
            "user",
            "watch-directory",
        )
    }
)
"""Commands that import the schema and more, by the module that has a function of the same name (with underscores).
They are imported when asked for: `run` and `daemon` must start quickly."""


class _Commands(click.Group):
    """The group of all commands."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every command, in alphabetical order."""
        return sorted({*super().list_commands(ctx), *COMMANDS})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, or None."""
        if cmd_name in COMMANDS:
            found: click.Command = getattr(
                importlib.import_module(COMMANDS[cmd_name]), cmd_name.replace("-", "_")
            )
            return found
        return super().get_command(ctx, cmd_name)


def make_command(serve: Callable[[RunOptions], int]) -> click.Group:
    """The `pointsman` command; `serve` is the control plane, which only the hidden `daemon` calls."""

    @click.group(
        cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
    )
    @click.version_option(__version__, prog_name="pointsman", message="%(prog)s %(version)s")
    def pointsman() -> None:
        """Pointsman, an open virtual traffic manager.

        Exit status: 0 ok, 1 invalid, 2 applied with warnings, 3 refused by the engine, 4 no instance answers.
        """

    pointsman.add_command(run)
    pointsman.add_command(make_daemon(serve))
    return pointsman


def execute(serve: Callable[[RunOptions], int], arguments: Sequence[str] | None = None) -> int:
    """Runs the command line and returns the exit status."""
    try:
        result = make_command(serve).main(arguments, prog_name="pointsman", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        return Exit.INVALID
    except click.ClickException as error:
        context = getattr(error, "ctx", None)
        where = context.command_path if context else "pointsman"
        click.echo(f"{where}: {clean(error.format_message())}", err=True)
        return Exit.INVALID
    except Unreachable as error:
        click.echo(f"pointsman: {clean(str(error))}", err=True)
        return Exit.UNREACHABLE
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of a pipe went away (`| head`): nothing to say, and nobody to say it to.
        sys.stderr.close()
        return Exit.OK
    return int(result or 0)
