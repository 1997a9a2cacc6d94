"""``python -m npmguard.mail``: the ``mail`` command alone, as mail systems pipe into it."""

from __future__ import annotations

import sys

import typer

from npmguard.errors import NpmguardError
from npmguard.mail.command import register
from npmguard.report.escape import terminal


def main() -> None:
    """Run the command; an error of npmguard is one line on standard error and exit code 2."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    register(app)
    try:
        app(prog_name="npmguard mail")
    except NpmguardError as error:
        sys.stderr.write(f"npmguard: {terminal(str(error))}\n")
        sys.exit(2)


if __name__ == "__main__":
    main()
