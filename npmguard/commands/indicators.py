"""``npmguard indicators``: what a scan found, for others to look for."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from npmguard.commands.options import ConfigOption
from npmguard.commands.output import check_writable, emit
from npmguard.config import load_config
from npmguard.errors import ConfigError
from npmguard.outcome import OK


class IndicatorFormat(StrEnum):
    """How indicators are written."""

    STIX = "stix"
    MISP = "misp"
    CSV = "csv"
    PLAIN = "plain"


def indicators(
    report: Annotated[Path, typer.Argument(help="A report of scan or inspect with --format json; - is stdin.")],
    *,
    format_: Annotated[
        IndicatorFormat, typer.Option("--format", "-f", help="How to write them.")
    ] = IndicatorFormat.STIX,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write them to this file.")] = None,
    source: Annotated[str, typer.Option("--source", help="Who knows them, as each one tells.")] = "npmguard",
    suspicious: Annotated[bool, typer.Option("--suspicious", help="Of suspicious packages, too.")] = False,
    config: ConfigOption = None,
) -> int:
    """Write what a scan found for others to look for: npmguard indicators report.json --format misp."""
    from npmguard.intel.found import found_indicators, latest_day
    from npmguard.intel.indicators import EPOCH, format_indicators

    check_writable(output)
    document = _read(report, load_config(Path(), config).limits.indicator_bytes)
    found = found_indicators(document, source=source, suspicious=suspicious, name=str(report))
    text = format_indicators(found, format_.value, created=latest_day(found) or EPOCH)
    emit(text.encode("utf-8"), output)
    return OK


def _read(path: Path, limit: int) -> bytes:
    try:
        if str(path) == "-":
            content = sys.stdin.buffer.read(limit + 1)
        else:
            with path.open("rb") as file:
                content = file.read(limit + 1)
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot be read: {error.strerror}; give a report of npmguard scan --format json"
        ) from error
    if len(content) > limit:
        raise ConfigError(f"{path}: over limits.indicator-bytes ({limit}); raise it in npmguard.toml")
    return content
