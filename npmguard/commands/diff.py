"""``npmguard diff``: what a version changed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from npmguard.commands.options import (
    ConfigOption,
    Format,
    FormatOption,
    NoCacheOption,
    OfflineOption,
    OutputOption,
    RequireSandboxOption,
)
from npmguard.commands.output import check_writable, emit
from npmguard.commands.running import open_scanner, settings_of
from npmguard.errors import ConfigError
from npmguard.outcome import INCOMPLETE, OK


def diff(
    name: Annotated[str, typer.Argument(help="A package of the registry.")],
    old: Annotated[str, typer.Argument(help="The earlier version, range or tag.")],
    new: Annotated[str, typer.Argument(help="The later version, range or tag.")],
    *,
    format_: FormatOption = Format.TERMINAL,
    output: OutputOption = None,
    config: ConfigOption = None,
    offline: OfflineOption = False,
    no_cache: NoCacheOption = False,
    require_sandbox: RequireSandboxOption = False,
) -> int:
    """Show what a version changed: files, behaviours, manifest: npmguard diff debug 4.4.1 4.4.3."""
    from npmguard.report import comparison

    if format_ is Format.SARIF:
        raise ConfigError("diff: --format sarif is for scans; use terminal or json")
    settings = settings_of(Path(), config, jobs=1, no_cache=no_cache, require_sandbox=require_sandbox)
    check_writable(output)
    with open_scanner(settings, Path(), offline, no_prefilter=True) as scanner:
        result = scanner.compare(name, old, new)
    render = comparison.render_json if format_ is Format.JSON else comparison.render_text
    emit(render(result), output)
    return INCOMPLETE if result.unverified else OK
