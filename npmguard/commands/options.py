"""The options that several commands share, each with its help text."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Format(StrEnum):
    """How a report is written."""

    TERMINAL = "terminal"
    JSON = "json"
    SARIF = "sarif"
    MARKDOWN = "markdown"
    CYCLONEDX = "cyclonedx"
    HTML = "html"


class FailOnChoice(StrEnum):
    """The lowest verdict that makes the exit code 1."""

    MALICIOUS = "malicious"
    SUSPICIOUS = "suspicious"
    NEVER = "never"


class FeedChoice(StrEnum):
    """How much a scan relies on the sources of known malware beyond what ships with npmguard."""

    REQUIRED = "required"
    OPTIONAL = "optional"
    OFF = "off"


FailOnOption = Annotated[
    FailOnChoice | None, typer.Option("--fail-on", help="Lowest verdict that exits with 1.")
]
FormatOption = Annotated[Format, typer.Option("--format", "-f", help="How to write the report.")]
OutputOption = Annotated[Path | None, typer.Option("--output", "-o", help="Write the report to this file.")]
ConfigOption = Annotated[Path | None, typer.Option("--config", help="Settings; default: npmguard.toml there.")]
JobsOption = Annotated[
    int | None, typer.Option("--jobs", "-j", min=1, help="Analysing processes; default: cores.")
]
OfflineOption = Annotated[bool, typer.Option("--offline", help="Use what npm's and npmguard's caches hold.")]
NoCacheOption = Annotated[bool, typer.Option("--no-cache", help="Neither read nor write npmguard's caches.")]
NoPrefilterOption = Annotated[bool, typer.Option("--no-prefilter", help="Parse every source file.")]
FeedOption = Annotated[
    FeedChoice | None,
    typer.Option(
        "--feed",
        envvar="NPMGUARD_FEED",
        help="Known malware: required (no answer: exit 3), optional, or off (nobody is asked).",
    ),
]
CheckDomainsOption = Annotated[
    bool, typer.Option("--check-domains", help="Ask RDAP and DNS about maintainers' mail domains.")
]
MinAgeOption = Annotated[str | None, typer.Option("--min-age", help="Hold younger releases: 12h, 7d, 2w.")]
FixOverridesOption = Annotated[
    bool, typer.Option("--fix-overrides", help="Print the overrides for package.json in place of the report.")
]
IndicatorsOption = Annotated[
    list[Path] | None,
    typer.Option("--indicators", help="Domains, URLs, addresses, hashes to find: plain, CSV, STIX, MISP."),
]
TimingsOption = Annotated[bool, typer.Option("--timings", help="Tell on standard error what each stage cost.")]
TimingsOutputOption = Annotated[
    Path | None, typer.Option("--timings-output", help="Write what each stage cost to this file, as JSON.")
]
RequireSandboxOption = Annotated[
    bool,
    typer.Option(
        "--require-sandbox", help="Exit with 2 where the sandbox around what reads packages is not whole."
    ),
]
VerboseOption = Annotated[bool, typer.Option("--verbose", "-v", help="List skipped entries and notes, too.")]
AgainstOption = Annotated[
    str | None,
    typer.Option("--against", help="Judge only what the lock brings in against this revision or older lock."),
]
SummaryOption = Annotated[
    bool,
    typer.Option(
        "--summary/--no-summary",
        help="Add the report as Markdown to the file that GITHUB_STEP_SUMMARY names, where it is set.",
    ),
]
InstalledOption = Annotated[
    bool, typer.Option("--installed", help="Hold node_modules against the tarballs that the lock pins.")
]
