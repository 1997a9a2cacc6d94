"""``npmguard install``, ``ci`` and ``npm``: npm with the gate before it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from npmguard.commands.options import FeedChoice, FeedOption, RequireSandboxOption
from npmguard.commands.output import say
from npmguard.commands.running import git_user, open_scanner, progress_bar, settings_of
from npmguard.errors import NotInRegistry, UsageError
from npmguard.outcome import OK, exit_code

if TYPE_CHECKING:
    from npmguard.config import Config
    from npmguard.memo import Memo
    from npmguard.model import Lockfile, ScanReport

_FILES = ("package.json", "package-lock.json", "npm-shrinkwrap.json", ".npmrc", "npmguard-accepted.toml")

PASS_ON = {"ignore_unknown_options": True, "allow_interspersed_args": False}
Arguments = Annotated[
    list[str] | None, typer.Argument(help="npm's own arguments, as they are.", metavar="[NPM ARGS]…")
]
ForceOption = Annotated[
    str | None,
    typer.Option(
        "--force-flagged",
        metavar="REASON",
        help="Install in spite of what was found; the reason is recorded in npmguard-forced.jsonl.",
    ),
]


def install(
    *,
    force_flagged: ForceOption = None,
    feed: FeedOption = None,
    require_sandbox: RequireSandboxOption = False,
    arguments: Arguments = None,
) -> int:
    """Judge what npm install would bring, then install: npmguard install express@5 --save-exact."""
    return _gated(["install", *(arguments or ())], force_flagged, feed, require_sandbox)


def ci(
    *,
    force_flagged: ForceOption = None,
    feed: FeedOption = None,
    require_sandbox: RequireSandboxOption = False,
    arguments: Arguments = None,
) -> int:
    """Judge every package of the lockfile, then run npm ci: npmguard ci --omit=dev."""
    return _gated(["ci", *(arguments or ())], force_flagged, feed, require_sandbox)


def npm(
    *,
    force_flagged: ForceOption = None,
    feed: FeedOption = None,
    require_sandbox: RequireSandboxOption = False,
    arguments: Arguments = None,
) -> int:
    """Run npm, with the gate before what installs: npmguard npm update, npmguard npm exec cowsay.

    This is what the shell functions of npmguard shell-init call.
    """
    return _gated(list(arguments or ()), force_flagged, feed, require_sandbox)


def _gated(arguments: list[str], reason: str | None, feed: FeedChoice | None, require_sandbox: bool) -> int:
    from npmguard.gate import question_of
    from npmguard.memo import Memo
    from npmguard.npm_program import Npm

    npm = Npm()
    project = Path()
    if reason is not None and not reason.strip():
        raise UsageError("--force-flagged: needs a reason; say it for whoever reads npmguard-forced.jsonl")
    question = question_of(npm, arguments, project)
    if question is None:
        return npm.run(project, *arguments)
    settings = settings_of(project, feed=feed, require_sandbox=require_sandbox)
    memo = Memo(settings)
    if memo.holds(_key(memo, arguments, project)):
        return npm.run(project, *arguments)
    with open_scanner(settings, project, False, False) as scanner, progress_bar() as progress:
        try:
            report, lock = question.judge(settings, scanner, progress)
        except NotInRegistry as error:
            raise UsageError(str(error)) from error
    _show(report)
    code = exit_code(report, settings.fail_on, settings.accept_skipped)
    if code != OK and not _forced(reason, arguments, project, report):
        return code
    if code == OK:
        memo.put(_key(memo, arguments, project))
    ended = npm.run(project, *arguments)
    if ended == OK and lock is not None:
        late = _afterwards(lock, project, settings)
        if late == OK == code:  # what is there now is what was judged
            for again in (arguments, ["install"], ["ci"]):
                memo.put(_key(memo, again, project))
        return late
    return ended


def _key(memo: Memo, arguments: Sequence[str], project: Path) -> str:
    from npmguard.rehearsal import manifests_of

    inside = manifests_of(project) if (project / "package.json").is_file() else []
    files = [*(project / name for name in _FILES), *(project / path for path in inside)]
    return memo.key((str(project.resolve()), *arguments), files)


def _forced(reason: str | None, arguments: Sequence[str], project: Path, report: ScanReport) -> bool:
    """Whether the user wants it in spite of what was found; that is written down."""
    if reason is None:
        say('npm was not run; read what was found, or give --force-flagged "why" to run it in spite of that')
        return False
    from npmguard.gate import record_forced

    path = record_forced(
        project, arguments, reason.strip(), git_user(project).strip(), report, datetime.now(UTC)
    )
    say(f"forced: {reason.strip()} (recorded in {path})")
    return True


def _afterwards(judged: Lockfile, project: Path, settings: Config) -> int:
    """Judge what npm installed beyond what was judged before; somebody may have published in between."""
    from npmguard.gate import judge_difference

    with open_scanner(settings, project, False, False) as scanner, progress_bar() as progress:
        report = judge_difference(judged, project, settings, scanner, progress)
    if report is None:
        return OK
    say("npm installed versions that were not there when the tree was judged; they were judged now:")
    _show(report)
    return exit_code(report, settings.fail_on, settings.accept_skipped)


def _show(report: ScanReport) -> None:
    """The report on standard error: standard output is npm's."""
    from npmguard.report import terminal

    text = terminal.render_text(report, to_file=not sys.stderr.isatty())
    sys.stderr.write(text.decode("utf-8", "replace"))
    sys.stderr.flush()
