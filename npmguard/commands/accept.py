"""``npmguard accept``: write down that the project lives with a finding."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from npmguard.commands.options import ConfigOption
from npmguard.commands.output import say
from npmguard.commands.running import git_user, rule_ids, settings_of
from npmguard.errors import UsageError
from npmguard.outcome import OK

if TYPE_CHECKING:
    from npmguard.accepted import Entry
    from npmguard.model import Lockfile

_DAYS = re.compile(r"([0-9]{1,4})d")


def accept(
    package: Annotated[str, typer.Argument(help="name@version, as the lockfile holds it.")],
    rule: Annotated[str, typer.Argument(help="The id of the rule whose findings are accepted.")],
    path: Annotated[Path, typer.Argument(help="The lockfile, or the folder that holds it.")] = Path(),
    *,
    reason: Annotated[str, typer.Option("--reason", help="Why the project lives with it.")],
    expires: Annotated[str, typer.Option("--expires", help="The last day: 2027-01-31, or 90d.")] = "90d",
    author: Annotated[str | None, typer.Option("--author", help="Who says so; default: git's user.")] = None,
    config: ConfigOption = None,
) -> int:
    """Accept a rule's findings in one version: npmguard accept a@1.2.3 too-young --reason "read the diff"."""
    from npmguard.accepted import Entry, read_acceptances
    from npmguard.lockfile.reader import find_lockfile, read_lockfile

    found = find_lockfile(path)
    settings = settings_of(found.parent, config)
    known = rule_ids(settings)
    if rule not in known:
        raise UsageError(f"{rule}: no such rule; npmguard rules list names those of code, docs/rules.md all")
    file = found.parent / settings.policy.accepted
    lock = read_lockfile(found, settings.limits)
    name, _, version = package.rpartition("@")
    last = _day(expires, datetime.now(UTC).date())
    entry = Entry(
        package=name,
        version=version,
        integrity=_integrity(lock, name, version),
        rule=rule,
        reason=_given(reason, "--reason"),
        author=_given(author if author is not None else git_user(found.parent), "--author"),
        expires=last,
    )
    if read_acceptances(file).of(name, version, rule) is not None:
        raise UsageError(f"{file}: already accepts {rule} in {package}; change the entry there")
    _append(file, entry)
    say(f"{file}: {rule} in {package} is accepted until {entry.expires}; commit the file")
    return OK


def _append(file: Path, entry: Entry) -> None:
    from npmguard.accepted import render_entry

    try:
        old = file.read_text("utf-8") if file.exists() else ""
        temporary = file.with_name(f".{file.name}.new")
        temporary.write_text(f"{old.rstrip()}\n\n{render_entry(entry)}".lstrip(), encoding="utf-8")
        temporary.replace(file)
    except OSError as error:
        raise UsageError(f"{file}: could not be written: {error.strerror}") from error


def _integrity(lock: Lockfile, name: str, version: str) -> str:
    held = [each for each in lock.packages if (each.name, each.version) == (name, version)]
    if not held:
        raise UsageError(f"{lock.path}: holds no {name}@{version}; give name@version as the report spells it")
    stated = next((each.integrity for each in held if each.integrity is not None), None)
    if stated is None:
        raise UsageError(
            f"{lock.path}: states no integrity of {name}@{version}, so an acceptance could hold for any bytes;"
            " run npm install with a current npm first"
        )
    return str(stated)


def _day(text: str, today: date) -> date:
    days = _DAYS.fullmatch(text)
    try:
        day = today + timedelta(int(days[1])) if days else date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"--expires {text}: not a day; write 2027-01-31, or 90d") from None
    if day < today:
        raise UsageError(f"--expires {text}: that day is over; an acceptance is for the time to come")
    return day


def _given(text: str, option: str) -> str:
    if not text.strip():
        raise UsageError(f"{option}: may not be empty; say it for whoever reads the file next")
    return text.strip()
