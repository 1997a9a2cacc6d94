"""What a command runs with: its settings, its rules, a scanner."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from npmguard.commands.options import FailOnChoice, FeedChoice
from npmguard.config import Config, FailOn, load_config

if TYPE_CHECKING:
    from npmguard.detect.rule import Ruleset
    from npmguard.model import Indicator
    from npmguard.registry.npmrc import NpmConfig
    from npmguard.scanner import Progress, Scanner


def settings_of(
    directory: Path,
    config: Path | None = None,
    *,
    fail_on: FailOnChoice | None = None,
    jobs: int | None = None,
    no_cache: bool = False,
    feed: FeedChoice | None = None,
    check_domains: bool = False,
    require_sandbox: bool = False,
) -> Config:
    """The settings of the project in *directory*, or of the *config* file, under what the command line says."""
    settings = load_config(directory, config)
    if feed is not None:
        asked = msgspec.structs.replace(
            settings.feed, online=feed is not FeedChoice.OFF, required=feed is FeedChoice.REQUIRED
        )
        settings = msgspec.structs.replace(settings, feed=asked)
    if require_sandbox:
        held = msgspec.structs.replace(settings.sandbox, required=True)
        settings = msgspec.structs.replace(settings, sandbox=held)
    if check_domains:
        asking = msgspec.structs.replace(settings.domains, check=True)
        settings = msgspec.structs.replace(settings, domains=asking)
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


def with_min_age(settings: Config, min_age: str | None) -> Config:
    """The settings with ``--min-age`` in the place of theirs, if it was given."""
    if min_age is None:
        return settings
    from npmguard.cooldown import parse_age

    parse_age(min_age)
    cooldown = msgspec.structs.replace(settings.cooldown, min_age=min_age)
    return msgspec.structs.replace(settings, cooldown=cooldown)


def read_indicators(files: list[Path] | None, settings: Config) -> tuple[Indicator, ...]:
    """Everything that the ``--indicators`` files hold."""
    if not files:
        return ()
    from npmguard.intel.indicators import load_indicators

    limit = settings.limits.indicator_bytes
    return tuple(indicator for file in files for indicator in load_indicators(file, limit))


def open_scanner(
    settings: Config,
    project: Path,
    offline: bool,
    no_prefilter: bool,
    indicators: tuple[Indicator, ...] = (),
) -> Scanner:
    """A scanner for the *project*, whose npm configuration is read as npm reads it; for a ``with`` block."""
    from npmguard.registry.npmrc import load_npm_config

    return open_scanner_for(settings, load_npm_config(project, os.environ), offline, no_prefilter, indicators)


def open_scanner_for(
    settings: Config,
    npm: NpmConfig,
    offline: bool,
    no_prefilter: bool,
    indicators: tuple[Indicator, ...] = (),
) -> Scanner:
    """A scanner that asks the registries of *npm*'s configuration; for a ``with`` block."""
    from npmguard.scanner import Scanner

    return Scanner(
        settings,
        npm,
        offline=offline,
        prefilter=not no_prefilter,
        indicators=indicators,
    )


def ruleset_of(config: Path | None, folder: Path | None = None) -> Ruleset:
    """The rules in force, with those of a further *folder*."""
    from npmguard.detect.rule import load_ruleset

    folders = load_config(Path(), config).rules
    return load_ruleset((*folders, str(folder)) if folder is not None else folders)


def rule_ids(settings: Config) -> frozenset[str]:
    """The ids of every rule that a finding can be of: those of code, and those of audits."""
    from npmguard.audit.every_rule import EVERY_RULE
    from npmguard.detect.rule import load_ruleset
    from npmguard.installed import INSTALLED_RULES
    from npmguard.policy import POLICY_RULES

    code = (rule.id for rule in load_ruleset(settings.rules).rules)
    return frozenset((*code, *(rule.id for rule in (*EVERY_RULE, *POLICY_RULES, *INSTALLED_RULES))))


def progress_bar() -> AbstractContextManager[Progress | None]:
    """A bar on standard error, where a person watches."""
    if not sys.stderr.isatty():
        return nullcontext()
    from npmguard.report.progress import Bar

    return Bar()


def git_user(folder: Path) -> str:
    """The mail address that git knows its user by in *folder*; empty where it knows none."""
    git = shutil.which("git")
    if git is None:
        return ""
    command = [git, "config", "user.email"]
    try:
        answer = subprocess.run(  # noqa: S603 - fixed words
            command, cwd=folder, capture_output=True, text=True, check=False, timeout=10
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""  # whoever accepts is asked for --author then
    return answer.stdout
