"""The one door to every lockfile: which reader a file is for, and what it says."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from npmguard.config import Limits
from npmguard.errors import LockfileError, LockfileNotFound, UnsupportedLockfile
from npmguard.lockfile.foreign import UNSUPPORTED_BY_FILE_NAME, tool_of_content
from npmguard.lockfile.json_text import JsonText
from npmguard.lockfile.package_lock import FILE_NAMES, HIDDEN_FILE_NAME, read_package_lock
from npmguard.model import Lockfile

Manifest = Callable[[], Mapping[str, object] | None]
"""Reads the package.json beside a lock, where there is one."""

_MAKE_ONE = "npm install --package-lock-only makes one"
_PIECE = 1024**2


class LockfileReader(Protocol):
    """Reads the lock of one package manager.

    ``manager`` is the value of :attr:`npmguard.model.Lockfile.manager`, ``file_names`` what that manager calls
    its lock, the one that it prefers first.
    """

    @property
    def manager(self) -> str:
        """Whose locks it reads."""

    @property
    def file_names(self) -> tuple[str, ...]:
        """What they are called."""

    def can_read(self, data: bytes) -> bool:
        """Whether *data* looks like such a lock, whatever its name is."""

    def read(self, data: bytes, path: str, manifest: Manifest) -> Lockfile:
        """What the lock in *data* says; *path* is how results and messages name it.

        Raises:
            LockfileError: it cannot be read as such a lock.
        """


@dataclass(frozen=True, slots=True)
class _Npm:
    manager: str = "npm"
    file_names: tuple[str, ...] = (*FILE_NAMES, HIDDEN_FILE_NAME)

    def can_read(self, data: bytes) -> bool:
        return tool_of_content(data) is None

    def read(self, data: bytes, path: str, manifest: Manifest) -> Lockfile:
        return read_package_lock(data, path, manifest)


@dataclass(frozen=True, slots=True)
class _YarnClassic:
    manager: str = "yarn-classic"
    file_names: tuple[str, ...] = ("yarn.lock",)

    def can_read(self, data: bytes) -> bool:
        return tool_of_content(data) == "Yarn"

    def read(self, data: bytes, path: str, manifest: Manifest) -> Lockfile:
        from npmguard.lockfile.yarn_classic import read_yarn_classic  # noqa: PLC0415 - as of use, here and below

        return read_yarn_classic(data, path, manifest())


@dataclass(frozen=True, slots=True)
class _Yarn:
    manager: str = "yarn"
    file_names: tuple[str, ...] = ("yarn.lock",)

    def can_read(self, data: bytes) -> bool:
        return b"\n__metadata:" in data or data.removeprefix(b"\xef\xbb\xbf").startswith(b"__metadata:")

    def read(self, data: bytes, path: str, manifest: Manifest) -> Lockfile:  # noqa: ARG002 - it tells all itself
        from npmguard.lockfile.yarn_berry import read_yarn_berry  # noqa: PLC0415

        return read_yarn_berry(data, path)


@dataclass(frozen=True, slots=True)
class _Pnpm:
    manager: str = "pnpm"
    file_names: tuple[str, ...] = ("pnpm-lock.yaml", "pnpm-lock.yml")

    def can_read(self, data: bytes) -> bool:
        return tool_of_content(data) == "pnpm"

    def read(self, data: bytes, path: str, manifest: Manifest) -> Lockfile:  # noqa: ARG002
        from npmguard.lockfile.pnpm import read_pnpm  # noqa: PLC0415

        return read_pnpm(data, path)


@dataclass(frozen=True, slots=True)
class _Bun:
    manager: str = "bun"
    file_names: tuple[str, ...] = ("bun.lock", "bun.lockb")

    def can_read(self, data: bytes) -> bool:
        return tool_of_content(data) == "Bun"

    def read(self, data: bytes, path: str, manifest: Manifest) -> Lockfile:  # noqa: ARG002
        from npmguard.lockfile.bun import read_bun  # noqa: PLC0415

        return read_bun(data, path)


@dataclass(frozen=True, slots=True)
class _Sbom:
    manager: str = "cyclonedx"
    file_names: tuple[str, ...] = ()

    def can_read(self, data: bytes) -> bool:
        from npmguard.lockfile.cyclonedx import is_cyclonedx  # noqa: PLC0415

        return is_cyclonedx(data)

    def read(self, data: bytes, path: str, manifest: Manifest) -> Lockfile:  # noqa: ARG002
        from npmguard.lockfile.cyclonedx import read_cyclonedx  # noqa: PLC0415

        return read_cyclonedx(data, path)


READERS: tuple[LockfileReader, ...] = (_Sbom(), _Npm(), _Yarn(), _YarnClassic(), _Pnpm(), _Bun())
"""Every reader; the first that can read a file does."""

LOCKFILE_NAMES: tuple[str, ...] = tuple(
    dict.fromkeys(name for it in READERS for name in it.file_names if name != HIDDEN_FILE_NAME)
)
"""What a project's lockfile may be called, npm's own names first."""


def find_lockfile(path: Path) -> Path:
    """The lockfile that *path* means: the file itself, or the one that the folder has, npm's own first.

    Raises:
        LockfileNotFound: there is nothing at *path*, or no lock in the folder.
        UnsupportedLockfile: the file, or all that the folder has, is a lock that nothing here reads.
    """
    try:
        if path.is_dir():
            return _find_in_folder(path)
        if not path.exists():
            raise LockfileNotFound(
                f"{path}: no such file or folder; give a project's folder or its package-lock.json"
            )
    except (OSError, ValueError) as error:
        raise LockfileNotFound(f"{path}: cannot be read: {_reason(error)}") from error
    if tool := UNSUPPORTED_BY_FILE_NAME.get(path.name):
        raise _unsupported(str(path), tool)
    return path


def locks_in(folder: Path) -> Iterator[Path]:
    """Every lockfile that stands in *folder* itself; of npm's two the one that npm reads."""
    seen: set[str] = set()
    for reader in READERS:
        found = next((folder / it for it in reader.file_names if (folder / it).is_file()), None)
        if found is not None and found.name != HIDDEN_FILE_NAME and found.name not in seen:
            seen.add(found.name)
            yield found


def read_lockfile(path: Path, limits: Limits) -> Lockfile:
    """Find and read the lockfile of *path*, a file or a folder.

    Some locks do not say what the project itself asks for; the package.json beside them is read for that, where
    there is one.

    Raises:
        LockfileError: as :func:`find_lockfile` and :func:`parse_lockfile` say; or the file cannot be read, or
            is over ``limits.lockfile_bytes``.
    """
    path = find_lockfile(path)
    manifest = path.parent / "package.json"
    if path.name == HIDDEN_FILE_NAME:
        manifest = path.parent.parent / "package.json"

    def read_manifest() -> Mapping[str, object] | None:
        if not manifest.is_file():
            return None
        return JsonText(_read_bytes(manifest, limits), str(manifest)).top

    data = _read_bytes(path, limits)
    return reader_of(data, path.name).read(data, str(path), read_manifest)


def parse_lockfile(data: bytes, path: str, name: str | None = None) -> Lockfile:
    """Read the bytes of a lockfile; *path* is how results and messages name it, *name* what the file is called.

    Raises:
        LockfileSyntaxError: not the shape of a lockfile; the message names the line.
        UnsupportedLockfile: a lock that nothing here reads, or an unknown version of one.
    """
    return reader_of(data, name or path.rpartition("/")[2]).read(data, path, lambda: None)


def reader_of(data: bytes, name: str) -> LockfileReader:
    """The reader for a file of that *name*, by its content where the name is no lock's.

    A name decides before the content does: a file is what the package manager that looks for this name makes
    of it, whatever else it is made to look like. The last resort is the reader that says what
    is wrong with the file.
    """
    named = [it for it in READERS if name in it.file_names]
    if len(named) == 1:
        return named[0]
    candidates = named or READERS
    fallback = named[-1] if named else _Npm()
    return next((it for it in candidates if it.can_read(data)), fallback)


def _find_in_folder(folder: Path) -> Path:
    found = next(locks_in(folder), None)
    if found is not None:
        return found
    for name, tool in UNSUPPORTED_BY_FILE_NAME.items():
        if (folder / name).is_file():
            raise _unsupported(str(folder / name), tool)
    if (folder / "node_modules" / HIDDEN_FILE_NAME).is_file():
        hidden = folder / "node_modules" / HIDDEN_FILE_NAME
        raise LockfileNotFound(f"{folder}: no package-lock.json; give {hidden} to check what is installed")
    raise LockfileNotFound(
        f"{folder}: no package-lock.json, npm-shrinkwrap.json, yarn.lock, pnpm-lock.yaml or bun.lock;"
        f" {_MAKE_ONE}"
    )


def _read_bytes(path: Path, limits: Limits) -> bytes:
    """The file's bytes; read in pieces, since a pipe or a device does not say its size."""
    pieces = bytearray()
    try:
        with path.open("rb") as file:
            while piece := file.read(_PIECE):
                pieces += piece
                if len(pieces) > limits.lockfile_bytes:
                    raise LockfileError(
                        f"{path}: over {limits.lockfile_bytes:,} bytes; raise lockfile-bytes under [limits] "
                        "of npmguard.toml if that is right"
                    )
    except (OSError, ValueError) as error:
        raise LockfileNotFound(f"{path}: cannot be read: {_reason(error)}") from error
    return bytes(pieces)


def _reason(error: OSError | ValueError) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def _unsupported(path: str, tool: str) -> UnsupportedLockfile:
    return UnsupportedLockfile(
        f"{path}: a lock of {tool}, which npmguard does not read; it reads those of npm, Yarn, pnpm and Bun;"
        f" {_MAKE_ONE}"
    )
