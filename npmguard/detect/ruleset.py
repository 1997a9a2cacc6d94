"""Which rule files are in force, named by one digest that costs no parsing."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

from npmguard.errors import RuleError
from npmguard.shipped import shipped_folder

SUFFIX = ".yml"
_FILE_BYTES = 256 * 1024


def rule_files(extra_folders: Iterable[str] = ()) -> tuple[tuple[Path, bytes], ...]:
    """Read every rule file of the shipped folder and of *extra_folders*, in order of folder, then path.

    Raises:
        RuleError: a folder is missing, holds no rule file, or a file cannot be read or is too long.
    """
    files: list[tuple[Path, bytes]] = []
    for folder in (shipped_folder(), *map(Path, extra_folders)):
        paths = sorted(folder.rglob(f"*{SUFFIX}"), key=lambda path: path.relative_to(folder).parts)
        if not paths:
            raise RuleError(
                f"{folder}: no rule files (*{SUFFIX}) in this folder; give a folder that holds some"
            )
        for path in paths:
            try:
                content = path.read_bytes()
            except OSError as error:
                raise RuleError(f"{path}: cannot be read: {error.strerror}") from error
            if len(content) > _FILE_BYTES:
                raise RuleError(f"{path}: longer than {_FILE_BYTES} bytes; a rule file describes one rule")
            files.append((path, content))
    return tuple(files)


def digest_of(files: Iterable[tuple[Path, bytes]]) -> str:
    """Digest of rule files: changes when a byte of any rule changes, not when a folder moves."""
    digest = sha256()
    for path, content in files:
        digest.update(f"{path.name}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def ruleset_digest(extra_folders: Iterable[str] = ()) -> str:
    """The digest of the ruleset that :func:`npmguard.detect.rule.load_ruleset` would load.

    Raises:
        RuleError: as :func:`rule_files`; what is inside the files is not looked at.
    """
    return digest_of(rule_files(extra_folders))
