"""From a message to packages: what the addressed maintainer can publish of what a project locks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from npmguard.errors import UsageError
from npmguard.model import Maintainer, WatchEntry
from npmguard.report.escape import terminal

_FILES = 100_000


class _Person(msgspec.Struct):
    name: str = ""
    email: str = ""


class _Document(msgspec.Struct):
    name: str = ""
    maintainers: list[_Person | str] = []


def watch_list(
    recipients: Iterable[str],
    names: Iterable[str],
    locked: Iterable[tuple[str, str]],
    maintainers: Mapping[str, tuple[Maintainer, ...]],
) -> tuple[WatchEntry, ...]:
    """Which *locked* packages (name, version) somebody addressed can publish, sorted by package.

    A maintainer is somebody addressed if the packument's e-mail address is one of *recipients*, or their user
    name is one of *names* (given by the user).
    """
    addressed = {_plain(address) for address in recipients if "@" in address}
    known = {name.lower() for name in names}
    versions: dict[str, set[str]] = {}
    for name, version in locked:
        versions.setdefault(name, set()).add(version)
    found = []
    for name in sorted(versions):
        for person in maintainers.get(name, ()):
            by_address = _plain(person.email) in addressed and "@" in person.email
            if by_address or person.name.lower() in known:
                matched = f"address {person.email}" if by_address else "user name"
                found.append(WatchEntry(name, tuple(sorted(versions[name])), person.name, matched))
                break
    return tuple(found)


def format_watch_list(entries: Iterable[WatchEntry]) -> str:
    """One package name a line, sorted, with who can publish it as a comment."""
    return "".join(
        f"{terminal(entry.name, ascii_only=True)}  # {terminal(f'{entry.maintainer} ({entry.matched})')}\n"
        for entry in sorted(set(entries), key=lambda entry: entry.name)
    )


def read_packuments(folder: Path) -> dict[str, tuple[Maintainer, ...]]:
    """The maintainers that the packuments in *folder* (``*.json``, as a registry answers) name, by package.

    Raises:
        UsageError: the folder or a file cannot be read, or a file is no packument.
    """
    found: dict[str, tuple[Maintainer, ...]] = {}
    try:
        paths = sorted(folder.rglob("*.json"))[:_FILES]
        for path in paths:
            document = msgspec.json.decode(path.read_bytes(), type=_Document)
            if document.name:
                found[document.name] = tuple(_maintainer(person) for person in document.maintainers)
    except OSError as error:
        raise UsageError(f"{folder}: packuments cannot be read: {error.strerror}") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(f"{path}: no packument: {error}; give a folder of packuments as JSON") from error
    if not found:
        raise UsageError(f"{folder}: holds no packument (*.json with a name); give a folder that does")
    return found


def _maintainer(person: _Person | str) -> Maintainer:
    if isinstance(person, _Person):
        return Maintainer(person.name, person.email)
    name, _, rest = person.partition("<")
    return Maintainer(name.strip(), rest.partition(">")[0].strip())


def _plain(address: str) -> str:
    """*address* without case and without a ``+tag``."""
    local, _, domain = address.lower().rpartition("@")
    return f"{local.partition('+')[0]}@{domain}"
