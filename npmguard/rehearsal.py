"""An installation rehearsed: the lock that npm would write, made in a throw-away folder."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from npmguard.errors import LockfileNotFound, UsageError
from npmguard.lockfile.reader import parse_lockfile, read_lockfile
from npmguard.model import Lockfile, SkippedPackage, SkipReason

if TYPE_CHECKING:
    from npmguard.config import Limits
    from npmguard.npm_program import Npm

LOCK = "package-lock.json"
_LOCKS = ("npm-shrinkwrap.json", LOCK)
_MANIFEST = "package.json"
_DEPENDENCIES = ("dependencies", "devDependencies", "optionalDependencies", "peerDependencies")
# As npm-package-arg tells a git host: by scheme, by host's shorthand, or as user/repository.
_GIT = re.compile(
    r"(?:git(?:\+[a-z]+)?:|git@|(?:github|gitlab|bitbucket|gist):)|.*\.git(?:#.*)?$|[\w.-]+/[\w.-]+(?:#.*)?$"
)
_FILE = re.compile(r"(?:file:|\.{1,2}(?:/|$)|/|~/)|.*\.(?:tgz|tar\.gz|tar)$", re.IGNORECASE)
_URL = re.compile(r"https?:", re.IGNORECASE)
_UNRESOLVED = "leads to a git host: nobody resolved or scanned it"
_EMPTY = b'{"lockfileVersion": 3, "packages": {"": {}}}'


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What npm would make of a project: the lock before, the lock after, and both files' bytes after."""

    before: Lockfile
    after: Lockfile
    lock: bytes


def split_specs(specs: Sequence[str]) -> tuple[list[str], list[str]]:
    """Those of *specs* that npm finds in a registry or as a tarball, and those that lead to a git host.

    Files are made absolute, for npm runs elsewhere.

    Raises:
        UsageError: a spec is an option, is empty, or names a file that is not there.
    """
    usual: list[str] = []
    git: list[str] = []
    for spec in specs:
        if not spec.strip() or spec.startswith("-"):
            raise UsageError(
                f"{spec!r}: not a package spec; give name, name@range, name@tag, a tarball or its URL"
            )
        target = _target_of(spec)
        if _URL.match(target):
            (git if target.split("#")[0].endswith(".git") else usual).append(spec)
        elif _FILE.match(target):
            usual.append(_absolute(spec, target))
        elif _GIT.match(target):
            git.append(spec)
        else:
            usual.append(spec)
    return usual, git


def rehearse_specs(npm: Npm, specs: Sequence[str], project: Path, limits: Limits) -> Lockfile:
    """The lock of a project that depends on *specs* and on nothing else, with *project*'s npm configuration.

    What leads to a git host is not resolved, and is among the skipped entries.

    Raises:
        UsageError: a spec cannot be used.
        NotInRegistry, RegistryUnreachable, NpmError: as npm says.
    """
    usual, git = split_specs(specs)
    with tempfile.TemporaryDirectory(prefix="npmguard-") as name:
        folder = Path(name)
        (folder / _MANIFEST).write_text('{"name": "rehearsal", "version": "0.0.0"}\n', encoding="utf-8")
        _copy(project, folder, [".npmrc"])
        if usual:
            npm.resolve(folder, "install", *usual)
        lock = _read(folder, limits)
    skipped = tuple(
        SkippedPackage(spec, 1, SkipReason.GIT, "leads to a git host: nobody resolved or scanned it")
        for spec in git
    )
    return replace(
        lock, path=" ".join(specs), skipped=(*lock.skipped, *skipped), entries=lock.entries + len(skipped)
    )


def rehearse(npm: Npm, arguments: Sequence[str], project: Path, limits: Limits) -> Rehearsal:
    """What ``npm`` with *arguments* would make of *project*'s lock; the project is not touched.

    Raises:
        UsageError: the project has no package.json, or a lock that cannot be read.
        NotInRegistry, RegistryUnreachable, NpmError: as npm says.
    """
    if not (project / _MANIFEST).is_file():
        raise UsageError(f"{project}: holds no package.json; run this in the project, or use npmguard check")
    before = _read(project, limits)
    with tempfile.TemporaryDirectory(prefix="npmguard-") as name:
        folder = Path(name)
        _copy(project, folder, [".npmrc", *_LOCKS])
        for manifest in manifests_of(project):
            target = folder / manifest
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(_with_absolute_files(project / manifest))
        npm.resolve(folder, *[_absolute_argument(each, project) for each in arguments])
        after = _read(folder, limits)
        lock = next(((folder / each).read_bytes() for each in _LOCKS if (folder / each).exists()), _EMPTY)
    return Rehearsal(before, replace(after, path=str(project / LOCK)), lock)


def manifests_of(project: Path) -> list[Path]:
    """package.json of the project and of its workspaces, relative to it.

    Raises:
        UsageError: the project's own cannot be read.
    """
    found = [Path(_MANIFEST)]
    document = _document(project / _MANIFEST)
    workspaces = document.get("workspaces")
    if isinstance(workspaces, Mapping):
        workspaces = workspaces.get("packages")
    for pattern in workspaces if isinstance(workspaces, list) else ():
        if isinstance(pattern, str) and not pattern.startswith(("/", "!")) and ".." not in pattern:
            found += [
                path.relative_to(project)
                for path in sorted(project.glob(f"{pattern.removeprefix('./').rstrip('/')}/{_MANIFEST}"))
                if "node_modules" not in path.relative_to(project).parts
            ]
    return list(dict.fromkeys(found))


def _read(folder: Path, limits: Limits) -> Lockfile:
    if not any((folder / name).exists() for name in _LOCKS):
        return replace(parse_lockfile(_EMPTY, str(folder / LOCK)), missing=())
    try:
        return read_lockfile(folder, limits)
    except LockfileNotFound:
        return replace(parse_lockfile(_EMPTY, str(folder / LOCK)), missing=())


def _document(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"{path}: cannot be read as JSON: {error}") from error
    if not isinstance(document, dict):
        raise UsageError(f"{path}: not a JSON object")
    return document


def _with_absolute_files(path: Path) -> bytes:
    """A package.json whose ``file:`` dependencies still lead where they led."""
    document = _document(path)
    for field in _DEPENDENCIES:
        entries = document.get(field)
        if not isinstance(entries, dict):
            continue
        for name, spec in entries.items():
            if isinstance(spec, str) and spec.startswith(("file:", "link:", "./", "../")):
                scheme = spec.partition(":")[0] if spec.startswith(("file:", "link:")) else "file"
                entries[name] = f"{scheme}:{(path.parent / spec.removeprefix(f'{scheme}:')).resolve()}"
    return json.dumps(document).encode("utf-8")


def _copy(source: Path, target: Path, names: Sequence[str]) -> None:
    for name in names:
        if (source / name).is_file():
            shutil.copy(source / name, target / name)


def _target_of(spec: str) -> str:
    """What a spec asks for, behind an alias or a name: ``a@npm:b@1`` asks for ``b@1``."""
    at = spec.find("@", 1)
    if at < 0 or _URL.match(spec) or spec.startswith(("git", "file:", ".", "/", "~/")):
        return spec
    return spec[at + 1 :].removeprefix("npm:")


def _absolute(spec: str, target: str) -> str:
    path = Path(target.removeprefix("file:")).expanduser()
    if not path.exists():
        raise UsageError(f"{target}: no such file; give a package spec, or a tarball that is there")
    return spec.removesuffix(target) + f"file:{path.resolve()}"


def _absolute_argument(argument: str, project: Path) -> str:
    if argument.startswith("-") or not _FILE.match(_target_of(argument)):
        return argument
    target = _target_of(argument)
    path = (project / target.removeprefix("file:")).expanduser()
    return argument.removesuffix(target) + f"file:{path.resolve()}" if path.exists() else argument
