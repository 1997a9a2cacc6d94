"""The history of a project's lockfiles: which commits and branches pinned a compromised version, and when."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from npmguard import __version__
from npmguard.lockfile.pinned import Pinned, try_pinned
from npmguard.lockfile.reader import LOCKFILE_NAMES
from npmguard.model import Exposure, ExposureWindow, HistoryReport, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from npmguard.model import Finding
    from npmguard.repository import FileChange, Repository
    from npmguard.scanner import Scanner

NAMES = tuple(name for name in LOCKFILE_NAMES if name != "bun.lockb")
_BAD = frozenset({Verdict.MALICIOUS, Verdict.SUSPICIOUS})
_Bad = dict[Pinned, tuple[Verdict, "tuple[Finding, ...]"]]


def walk_history(
    repository: Repository, scanner: Scanner, *, inside: str = "", since: str | None = None
) -> HistoryReport:
    """Look for compromised versions in every state that the repository's lockfiles ever had.

    *inside* is a folder of the repository, or one lockfile, to which the walk is held; *since* a date as git
    reads it. Each state is read once and each version judged once: by the sources of known malware and by
    what was found in the same bytes before. A lock's hash still tells bytes that the registry has no more.

    Raises:
        RepositoryError: git fails, or does not understand *since*.
    """
    specs = _pathspecs(inside)
    changes = repository.changes(specs)
    recent = changes if since is None else repository.changes(specs, since=since)
    along = {branch: _Along(repository.changes(specs, branch), recent) for branch in repository.branches()}
    names: dict[str, str] = {}
    for change in (*recent, *(step for each in along.values() for step in each.standing)):
        names |= {id_: change.path for id_ in (change.old, change.new) if id_ is not None}
    states: dict[str, frozenset[Pinned]] = {}
    unread: list[str] = []
    for id_, content in repository.contents(names):
        read = try_pinned(content, f"{names[id_]} as {id_[:12]}", names[id_].rpartition("/")[2])
        if isinstance(read, str):
            unread.append(read)
            read = frozenset()
        states[id_] = read
    versions = sorted(set().union(*states.values())) if states else []
    judged = scanner.known([version.as_locked() for version in versions])
    bad: _Bad = {
        version: (verdict, findings)
        for version, (verdict, findings) in zip(versions, judged, strict=True)
        if verdict in _BAD
    }
    return HistoryReport(
        tool_version=__version__,
        path=str(repository.root),
        since=since,
        lockfiles=tuple(sorted({change.path for change in changes})),
        commits=len({change.commit for change in recent}),
        states=len(states),
        versions=len(versions),
        exposures=_exposures(along, recent, states, bad) if bad else (),
        reaches=repository.oldest() if repository.shallow else None,
        incomplete=(*sorted(unread), *scanner.unasked),
        notes=scanner.notes,
    )


def _pathspecs(inside: str) -> tuple[str, ...]:
    if inside.rpartition("/")[2] in NAMES:
        return (f":(top,literal){inside}",)
    folder = f"{inside}/" if inside else ""
    return tuple(
        spec for name in NAMES for spec in (f":(top,glob){folder}{name}", f":(top,glob){folder}**/{name}")
    )


class _Along:
    """What one branch's lockfiles went through by its first parents, as far as a walk looks back."""

    def __init__(self, changes: Sequence[FileChange], recent: Sequence[FileChange]) -> None:
        looked_at = {change.commit for change in recent}
        self.steps: dict[str, list[FileChange]] = defaultdict(list)  # by file, oldest first
        before: dict[str, FileChange] = {}
        for change in reversed(changes):
            if change.commit in looked_at:
                self.steps[change.path].append(change)
            else:
                before[change.path] = change
        #: By file, the change after which it stood when the walk begins.
        self.before = before

    @property
    def standing(self) -> tuple[FileChange, ...]:
        """The changes after which the files stood when the walk begins."""
        return tuple(self.before.values())


def _exposures(
    along: Mapping[str, _Along],
    changes: Sequence[FileChange],
    states: Mapping[str, frozenset[Pinned]],
    bad: _Bad,
) -> tuple[Exposure, ...]:
    brought: dict[tuple[str, Pinned], dict[str, str]] = defaultdict(dict)
    for change in reversed(changes):  # oldest first
        for version in _of(change.new, states, bad) - _of(change.old, states, bad):
            brought[change.path, version][change.commit] = change.date
    windows: dict[tuple[str, Pinned], list[ExposureWindow]] = defaultdict(list)
    for branch, each in along.items():
        for path in sorted({*each.steps, *each.before}):
            for version, window in _windows(branch, path, each, states, bad):
                windows[path, version].append(window)
    return tuple(
        Exposure(
            lockfile=path,
            name=version.name,
            version=version.version,
            integrity=version.integrity,
            verdict=bad[version][0],
            findings=bad[version][1],
            commits=tuple(brought.get((path, version), {}).items()),
            windows=tuple(windows.get((path, version), ())),
        )
        for path, version in sorted({*brought, *windows})
    )


def _windows(
    branch: str, path: str, along: _Along, states: Mapping[str, frozenset[Pinned]], bad: _Bad
) -> Iterator[tuple[Pinned, ExposureWindow]]:
    """The times during which a branch pinned bad versions in one file."""
    begin = along.before.get(path)
    open_: dict[Pinned, FileChange] = {}
    if begin is not None:
        open_ = dict.fromkeys(_of(begin.new, states, bad), begin)
    for step in along.steps.get(path, ()):
        after = _of(step.new, states, bad)
        for version in sorted(set(open_) - after):
            start = open_.pop(version)
            yield version, ExposureWindow(branch, start.commit, start.date, step.commit, step.date)
        open_ |= dict.fromkeys(sorted(after - set(open_)), step)
    for version, start in sorted(open_.items()):
        yield version, ExposureWindow(branch, start.commit, start.date)


def _of(id_: str | None, states: Mapping[str, frozenset[Pinned]], bad: _Bad) -> frozenset[Pinned]:
    return states.get(id_ or "", frozenset()) & bad.keys()
