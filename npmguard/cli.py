"""The command line: arguments to Config, one call, a reporter, an exit code."""

from __future__ import annotations

import os
import sys
import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import msgspec
import typer

from npmguard import __version__
from npmguard.config import Config, FailOn, Limits, load_config
from npmguard.errors import ConfigError, FeedError, NpmguardError, PackageError, RegistryError
from npmguard.mail.command import register as register_mail
from npmguard.outcome import FLAGGED, INCOMPLETE, INTERRUPTED, OK, USAGE, exit_code
from npmguard.report.escape import terminal as escape_terminal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from npmguard.detect.rule import Ruleset
    from npmguard.model import Indicator, Lockfile, Maintainer, ScanReport
    from npmguard.report.sarif import RuleText
    from npmguard.scan import Progress, Scanner

app = typer.Typer(
    name="npmguard",
    help="Says which npm dependency versions are compromised, how it knows, and what to install instead.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
rules_app = typer.Typer(help="Look at the detection rules, and test them.", no_args_is_help=True)
feed_app = typer.Typer(help="Keep an index of known malware, for scans to use offline.", no_args_is_help=True)
app.add_typer(rules_app, name="rules")
app.add_typer(feed_app, name="feed")


class Format(StrEnum):
    """How a report is written."""

    TERMINAL = "terminal"
    JSON = "json"
    SARIF = "sarif"


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
MinAgeOption = Annotated[str | None, typer.Option("--min-age", help="Hold younger releases: 12h, 7d, 2w.")]
FixOverridesOption = Annotated[
    bool, typer.Option("--fix-overrides", help="Print the overrides for package.json in place of the report.")
]
IndicatorsOption = Annotated[
    list[Path] | None,
    typer.Option("--indicators", help="Domains, URLs, addresses, hashes to find: plain, CSV, STIX, MISP."),
]
VerboseOption = Annotated[bool, typer.Option("--verbose", "-v", help="List skipped entries and notes, too.")]


@app.command()
def scan(
    path: Annotated[Path, typer.Argument(help="A package-lock.json or the folder that holds one.")] = Path(),
    *,
    fail_on: FailOnOption = None,
    format_: FormatOption = Format.TERMINAL,
    output: OutputOption = None,
    config: ConfigOption = None,
    jobs: JobsOption = None,
    offline: OfflineOption = False,
    no_cache: NoCacheOption = False,
    no_prefilter: NoPrefilterOption = False,
    indicators: IndicatorsOption = None,
    feed: FeedOption = None,
    min_age: MinAgeOption = None,
    fix_overrides: FixOverridesOption = False,
    verbose: VerboseOption = False,
) -> int:
    """Judge every package of a lockfile: npmguard scan, npmguard scan app/ --format sarif -o npmguard.sarif."""
    from npmguard.lockfile.package_lock import find_lockfile, read_lockfile

    started = time.monotonic()
    found = find_lockfile(path)
    settings = _with_min_age(_settings(found.parent, config, fail_on, jobs, no_cache, feed), min_age)
    _writable(output)
    lock = read_lockfile(found, settings.limits)
    wanted = _indicators(indicators, settings)
    with _scanner(settings, found.parent, offline, no_prefilter, wanted) as scanner, _progress() as progress:
        report = scanner.scan(lock, progress)
    report = replace(report, seconds=time.monotonic() - started)
    if fix_overrides:
        _emit(_overrides(report, lock).encode(), output)
    else:
        _write(report, format_, output, verbose, settings)
    return exit_code(report, settings.fail_on, settings.accept_skipped)


@app.command()
def inspect(
    target: Annotated[str, typer.Argument(help="A tarball, a folder, or name@version of the registry.")],
    *,
    fail_on: FailOnOption = None,
    format_: FormatOption = Format.TERMINAL,
    output: OutputOption = None,
    config: ConfigOption = None,
    offline: OfflineOption = False,
    no_cache: NoCacheOption = False,
    no_prefilter: NoPrefilterOption = False,
    feed: FeedOption = None,
    indicators: IndicatorsOption = None,
    verbose: VerboseOption = False,
) -> int:
    """Judge one package: npmguard inspect ./left-pad-1.3.0.tgz, npmguard inspect debug@4.4.3."""
    started = time.monotonic()
    settings = _settings(Path(), config, fail_on, 1, no_cache, feed)
    _writable(output)
    with _scanner(settings, Path(), offline, no_prefilter, _indicators(indicators, settings)) as scanner:
        report = scanner.inspect(target)
    report = replace(report, seconds=time.monotonic() - started)
    _write(report, format_, output, verbose, settings)
    return exit_code(report, settings.fail_on)


@app.command()
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
) -> int:
    """Show what a version changed: files, behaviours, manifest: npmguard diff debug 4.4.1 4.4.3."""
    from npmguard.report import comparison

    if format_ is Format.SARIF:
        raise ConfigError("diff: --format sarif is for scans; use terminal or json")
    settings = _settings(Path(), config, None, 1, no_cache)
    _writable(output)
    with _scanner(settings, Path(), offline, no_prefilter=True) as scanner:
        result = scanner.compare(name, old, new)
    render = comparison.render_json if format_ is Format.JSON else comparison.render_text
    _emit(render(result), output)
    return INCOMPLETE if result.unverified else OK


@rules_app.command("list")
def rules_list(*, config: ConfigOption = None) -> int:
    """List every rule with its severity and title."""
    from npmguard.detect import rule_docs

    _emit(rule_docs.render_list(_ruleset(config)).encode(), None)
    return OK


@rules_app.command("show")
def rules_show(
    rule: Annotated[str, typer.Argument(help="A rule's id.")], *, config: ConfigOption = None
) -> int:
    """Show one rule: what it finds, what it leaves alone, what to do."""
    from npmguard.detect import rule_docs

    _emit(rule_docs.render_one(_ruleset(config), rule).encode(), None)
    return OK


@rules_app.command("test")
def rules_test(
    folder: Annotated[Path | None, typer.Argument(help="A further folder of rule files to test.")] = None,
    *,
    config: ConfigOption = None,
) -> int:
    """Run every example of every rule; exit 1 where one is missing (not found) or noisy (a false alarm)."""
    from npmguard.detect import rule_test

    result = rule_test.run(_ruleset(config, folder))
    _emit(rule_test.render(result).encode(), None)
    return OK if result.passed else FLAGGED


@rules_app.command("docs")
def rules_docs(*, output: OutputOption = None, config: ConfigOption = None) -> int:
    """Write the page that describes every rule."""
    from npmguard.audit.every_rule import described
    from npmguard.detect import rule_docs

    _writable(output)
    _emit(rule_docs.render(_ruleset(config), described()).encode(), output)
    return OK


@feed_app.command("update")
def feed_update(*, config: ConfigOption = None) -> int:
    """Download what changed in the feed; a broken download leaves the index as it was."""
    from npmguard.intel.command import render_update
    from npmguard.intel.feed import FeedIndex
    from npmguard.intel.feed_update import update_feed
    from npmguard.registry.npmrc import load_npm_config
    from npmguard.registry.web import HttpWeb

    settings, now = load_config(Path(), config), datetime.now(UTC)
    folder = settings.cache.path
    with HttpWeb(load_npm_config(Path(), os.environ), settings.network, (settings.feed.url,)) as web:
        done = update_feed(folder, settings.feed.url, web, settings.limits, now)
    _emit(render_update(done, FeedIndex(folder).status(now)).encode(), None)
    return OK


@feed_app.command("status")
def feed_status(*, config: ConfigOption = None) -> int:
    """Say how many records the index holds and how old it is; exit 3 where a scan would not rely on it."""
    from npmguard.intel.command import render_status
    from npmguard.intel.feed import FeedIndex

    settings = load_config(Path(), config)
    found = FeedIndex(settings.cache.path).status(datetime.now(UTC))
    _emit(render_status(found, settings.feed.max_age).encode(), None)
    return OK if found.is_fresh(settings.feed.max_age) else INCOMPLETE


@app.command()
def doctor(*, config: ConfigOption = None) -> int:
    """Check what a scan from here relies on: registry, keys, feed, caches, npm, sandbox."""
    from npmguard.doctor import State, render, run_checks, worst
    from npmguard.registry.evidence import evidence_client
    from npmguard.registry.npmrc import load_npm_config

    settings = load_config(Path(), config)
    npm = load_npm_config(Path(), os.environ)
    with evidence_client(npm, settings.network, settings.limits) as client:
        checks = run_checks(settings, npm, client, now=datetime.now(UTC))
    text = "".join(f"{escape_terminal(line)}\n" for line in render(checks).splitlines())
    _emit(text.encode("utf-8", "backslashreplace"), None)
    return INCOMPLETE if worst(checks) is State.FAIL else OK


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
    from npmguard.lockfile.package_lock import find_lockfile, read_lockfile

    return read_lockfile(find_lockfile(path), limits)


def _maintainers(
    names: tuple[str, ...], config: Config
) -> tuple[Mapping[str, tuple[Maintainer, ...]], Mapping[str, str]]:
    from npmguard.maintainers import maintainers_of

    return maintainers_of(names, config)


register_mail(app, read_lock=_read_lock, maintainers=_maintainers)


def main() -> NoReturn:
    """Run the command line; the process ends with the contract's exit code, never with a traceback."""
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
            _say(f"{message} Try npmguard --help, or --help after a command.")
        return USAGE
    except (FeedError, RegistryError, PackageError) as error:
        _say(str(error))
        return INCOMPLETE
    except NpmguardError as error:
        _say(str(error))
        return USAGE
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    if code == INTERRUPTED:  # typer turns Ctrl-C into this, too
        _interrupted()
    return code if isinstance(code, int) else OK


def _interrupted() -> NoReturn:
    """End at once: threads that wait for a registry's answer would hold the process otherwise."""
    _say("interrupted; no worker is left running, and the caches are whole")
    sys.stderr.flush()
    os._exit(INTERRUPTED)


def _settings(
    directory: Path,
    config: Path | None,
    fail_on: FailOnChoice | None,
    jobs: int | None,
    no_cache: bool,
    feed: FeedChoice | None = None,
) -> Config:
    settings = load_config(directory, config)
    if feed is not None:
        asked = msgspec.structs.replace(
            settings.feed, online=feed is not FeedChoice.OFF, required=feed is FeedChoice.REQUIRED
        )
        settings = msgspec.structs.replace(settings, feed=asked)
    if fail_on is not None:
        chosen: FailOn = fail_on.value
        settings = msgspec.structs.replace(settings, fail_on=chosen)
    if jobs is not None:
        settings = msgspec.structs.replace(settings, jobs=jobs)
    if no_cache:
        settings = msgspec.structs.replace(
            settings, cache=msgspec.structs.replace(settings.cache, enabled=False)
        )
    return settings


def _with_min_age(settings: Config, min_age: str | None) -> Config:
    if min_age is None:
        return settings
    from npmguard.cooldown import parse_age

    parse_age(min_age)
    cooldown = msgspec.structs.replace(settings.cooldown, min_age=min_age)
    return msgspec.structs.replace(settings, cooldown=cooldown)


def _overrides(report: ScanReport, lock: Lockfile) -> str:
    from npmguard.way_out import overrides_block

    return overrides_block(report, direct=[requirement.name for requirement in lock.nodes[""].requires])


def _indicators(files: list[Path] | None, settings: Config) -> tuple[Indicator, ...]:
    if not files:
        return ()
    from npmguard.intel.indicators import load_indicators

    limit = settings.limits.indicator_bytes
    return tuple(indicator for file in files for indicator in load_indicators(file, limit))


def _scanner(
    settings: Config,
    project: Path,
    offline: bool,
    no_prefilter: bool,
    indicators: tuple[Indicator, ...] = (),
) -> Scanner:
    from npmguard.registry.npmrc import load_npm_config
    from npmguard.scan import Scanner

    return Scanner(
        settings,
        load_npm_config(project, os.environ),
        offline=offline,
        prefilter=not no_prefilter,
        indicators=indicators,
    )


def _ruleset(config: Path | None, folder: Path | None = None) -> Ruleset:
    from npmguard.detect.rule import load_ruleset

    folders = load_config(Path(), config).rules
    return load_ruleset((*folders, str(folder)) if folder is not None else folders)


def _progress() -> AbstractContextManager[Progress | None]:
    if not sys.stderr.isatty():
        return nullcontext()
    from npmguard.report.progress import Bar

    return Bar()


def _writable(output: Path | None) -> None:
    """Refuse an output that cannot be written before hours of work are lost to it."""
    if output is None:
        return
    folder = output.parent
    if output.is_dir() or not folder.is_dir() or not os.access(output if output.exists() else folder, os.W_OK):
        raise ConfigError(f"--output {output}: cannot be written; name a file in a folder that exists")


def _write(report: ScanReport, format_: Format, output: Path | None, verbose: bool, settings: Config) -> None:
    if format_ is Format.JSON:
        from npmguard.report import json_v1

        _emit(json_v1.render(report), output)
    elif format_ is Format.SARIF:
        from npmguard.report import sarif

        _emit(sarif.render(report, _rule_texts(settings)), output)
    else:
        from npmguard.report import terminal

        _emit(terminal.render_text(report, verbose=verbose, to_file=output is not None), output)


def _rule_texts(settings: Config) -> dict[str, RuleText]:
    from npmguard.audit.every_rule import EVERY_RULE
    from npmguard.detect.rule import load_ruleset
    from npmguard.report.sarif import RuleText

    texts = {
        rule.id: RuleText(rule.title, rule.description, rule.remediation, rule.severity, rule.references)
        for rule in load_ruleset(settings.rules).rules
    }
    for audit in EVERY_RULE:
        texts[audit.id] = RuleText(audit.title, audit.description, audit.remediation, audit.severity, ())
    return texts


def _emit(content: bytes, output: Path | None) -> None:
    """Write to the file whole or not at all, or to standard output, which may be closed early."""
    if output is not None:
        temporary = output.with_name(f".{output.name}.{os.getpid()}")
        try:
            temporary.write_bytes(content)
            temporary.replace(output)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise ConfigError(f"--output {output}: could not be written: {error.strerror}") from error
        return
    try:
        sys.stdout.buffer.write(content)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader has seen enough; the exit code still tells the result
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _say(message: str) -> None:
    sys.stderr.write(f"npmguard: {escape_terminal(message)}\n")


if __name__ == "__main__":
    main()
