"""``npmguard rules``: the detection rules, to look at or to test."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from npmguard.commands.options import ConfigOption, OutputOption
from npmguard.commands.output import check_writable, emit, emit_lines
from npmguard.commands.running import ruleset_of
from npmguard.outcome import FLAGGED, OK

rules_app = typer.Typer(help="Look at the detection rules, and test them.", no_args_is_help=True)


@rules_app.command("list")
def rules_list(*, config: ConfigOption = None) -> int:
    """List every rule with its severity and title."""
    from npmguard.detect import rule_docs

    emit_lines(rule_docs.render_list(ruleset_of(config)))
    return OK


@rules_app.command("show")
def rules_show(
    rule: Annotated[str, typer.Argument(help="A rule's id.")], *, config: ConfigOption = None
) -> int:
    """Show one rule: what it finds, what it leaves alone, what to do."""
    from npmguard.detect import rule_docs

    emit_lines(rule_docs.render_one(ruleset_of(config), rule))
    return OK


@rules_app.command("test")
def rules_test(
    folder: Annotated[Path | None, typer.Argument(help="A further folder of rule files to test.")] = None,
    *,
    config: ConfigOption = None,
) -> int:
    """Run every example of every rule; exit 1 where one is missing (not found) or noisy (a false alarm)."""
    from npmguard.detect import rule_test

    result = rule_test.run(ruleset_of(config, folder))
    emit_lines(rule_test.render(result))
    return OK if result.passed else FLAGGED


@rules_app.command("docs")
def rules_docs(*, output: OutputOption = None, config: ConfigOption = None) -> int:
    """Write the page that describes every rule."""
    from npmguard.audit.every_rule import described
    from npmguard.detect import rule_docs

    check_writable(output)
    emit(rule_docs.render(ruleset_of(config), described()).encode(), output)
    return OK
