"""Entry point of `habitus`: finds the command, turns errors into one line and an exit code."""

from __future__ import annotations

import os
import sys
import traceback
from importlib import import_module
from typing import Any

import click

from features.errors import HabitusError
from features.kernel_cache import use_user_cache

COMMANDS = {
    "score": "Score log files: ranked users and hosts with reasons.",
    "baseline": "Show what is normal for a user or host.",
    "unlearn": "Take an incident's events out of the baselines.",
    "simulate": "Write the logs of an invented organisation.",
    "evaluate": "Count the planted campaigns that are found within a budget of alerts.",
    "train": "Learn a model from history, judge it, and register it.",
    "tune": "Look for values of a run file that find more planted campaigns.",
    "promote": "Let a challenger take the champion's place if it is no worse.",
    "rollback": "Make the former champion the champion again.",
    "labels": "Write analysts' verdicts as a data set.",
    "retrain": "Fit weights of evidence to analysts' verdicts, and register them if they help.",
    "drift": "Compare recent events with those a model was trained on.",
    "models": "List, show and fetch registered models.",
    "serve": "Take events over HTTP and syslog, and answer questions about them.",
    "alerts": "List and work on the alerts of a running service.",
    "incidents": "List, show and judge incidents: alerts of one story.",
    "explain": "Work out an alert's risk again from its receipt, and say what it is made of.",
    "keys": "Make, list and revoke the keys of collectors and people.",
    "accounts": "Make, list, disable and reset the accounts of people who sign in to the console.",
    "demo": "Serve an invented organisation, and an attack to find in it.",
    "doctor": "Check the installation and a state folder.",
}


class LazyGroup(click.Group):
    """Imports a command's module only when the command is called, so that --help is instant."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order they are shown."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, imported now."""
        if cmd_name not in COMMANDS:
            return None
        use_user_cache()
        command: click.Command = import_module(f"serving.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list, without importing anything."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(
    cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110}
)
@click.option("--verbose", is_flag=True, help="Add the traceback to an error.")
@click.version_option(package_name="habitus")
@click.pass_context
def cli(ctx: click.Context, verbose: bool) -> None:
    """Behavioural detection for users, hosts and cloud accounts."""
    ctx.obj = {"verbose": verbose}


def main(arguments: list[str] | None = None) -> Any:
    """Run the command line; exits with 0 done, 1 failed, 2 bad usage."""
    verbose = "--verbose" in (sys.argv[1:] if arguments is None else arguments)
    try:
        # outside of click's own mode, an exit code that a command asked for comes back as the result
        result = cli.main(args=arguments, prog_name="habitus", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except (click.Abort, KeyboardInterrupt):
        click.echo("stopped", err=True)
        sys.exit(1)
    except BrokenPipeError:
        # the reader of our output went away (a pager, head): nothing is wrong
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except (HabitusError, OSError) as error:
        if verbose:
            traceback.print_exc()
        click.echo(f"habitus: {error}", err=True)
        sys.exit(1)
    sys.exit(result if isinstance(result, int) else 0)


if __name__ == "__main__":
    main()
