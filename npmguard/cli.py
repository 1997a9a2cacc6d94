"""The command line: arguments to Config, one call, a reporter, an exit code."""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from npmguard import __version__
from npmguard.commands.accept import accept
from npmguard.commands.check import check
from npmguard.commands.diff import diff
from npmguard.commands.doctor import doctor
from npmguard.commands.feed import feed_app
from npmguard.commands.gated import PASS_ON, ci, install, npm
from npmguard.commands.history import history
from npmguard.commands.indicators import indicators
from npmguard.commands.inspect import inspect
from npmguard.commands.monitor import monitor_app
from npmguard.commands.output import say
from npmguard.commands.rules import rules_app
from npmguard.commands.scan import scan
from npmguard.commands.shell import shell_init
from npmguard.config import Config, Limits
from npmguard.errors import FeedError, NpmguardError, PackageError, RegistryError, StoreError
from npmguard.mail.command import register as register_mail
from npmguard.outcome import INCOMPLETE, INTERRUPTED, OK, USAGE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from npmguard.model import Lockfile, Maintainer

_OBJECTS = (
    50_000  # between collections: values of this program hold no cycles, and looking for them takes a tenth
)

app = typer.Typer(
    name="npmguard",
    help="Says which npm dependency versions are compromised, how it knows, and what to install instead.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for command in (scan, check, inspect, diff, history, accept, doctor, indicators):
    app.command()(command)
for gated in (install, ci, npm):
    app.command(context_settings=PASS_ON)(gated)
app.command("shell-init")(shell_init)
app.add_typer(rules_app, name="rules")
app.add_typer(feed_app, name="feed")
app.add_typer(monitor_app, name="monitor")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"npmguard {__version__}")
        raise typer.Exit


@app.callback()
def root(
    *,
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version and end.", is_eager=True, callback=_print_version),
    ] = False,
) -> None:
    """Say which npm dependency versions are compromised, how it knows, and what to install instead."""


def _read_lock(path: Path, limits: Limits) -> Lockfile:
    from npmguard.lockfile.reader import find_lockfile, read_lockfile

    return read_lockfile(find_lockfile(path), limits)


def _maintainers(
    names: tuple[str, ...], config: Config
) -> tuple[Mapping[str, tuple[Maintainer, ...]], Mapping[str, str]]:
    from npmguard.maintainers import maintainers_of

    return maintainers_of(names, config)


register_mail(app, read_lock=_read_lock, maintainers=_maintainers)


def main() -> NoReturn:
    """Run the command line; the process ends with the contract's exit code, never with a traceback."""
    gc.set_threshold(_OBJECTS)
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command and return its exit code."""
    try:
        code = app(arguments, standalone_mode=False)
    except typer.TyperException as error:
        message = error.format_message()
        if message.startswith("Usage:"):  # no command was given: the help itself is the answer
            sys.stderr.write(f"{message}\n")
        else:
            say(f"{message} Try npmguard --help, or --help after a command.")
        return USAGE
    except (FeedError, RegistryError, PackageError, StoreError) as error:
        say(str(error))
        return INCOMPLETE
    except NpmguardError as error:
        say(str(error))
        return USAGE
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    if code == INTERRUPTED:  # typer turns Ctrl-C into this, too
        _interrupted()
    return code if isinstance(code, int) else OK


def _interrupted() -> NoReturn:
    """End at once: threads that wait for a registry's answer would hold the process otherwise."""
    say("interrupted; no worker is left running, and the caches are whole")
    sys.stderr.flush()
    os._exit(INTERRUPTED)


if __name__ == "__main__":
    main()
