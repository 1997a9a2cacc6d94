"""What was judged clean a moment ago: so that installing the same again costs no second look."""

from __future__ import annotations

import time
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from npmguard.detect.ruleset import ruleset_digest

if TYPE_CHECKING:
    from npmguard.config import Config

_FOLDER = "judged"
_VALID = 3600.0  # seconds; known malware may be told of at any time
_MOST = 2000  # entries that are kept


class Memo:
    """The questions that were answered with "clean and complete" within the last hour."""

    def __init__(self, config: Config) -> None:
        """*config* says where, and whether, anything is kept between runs."""
        self._folder = config.cache.path / _FOLDER if config.cache.enabled else None
        self._scope = sha256(
            b"\0".join(
                [_program_digest(), ruleset_digest(config.rules).encode(), msgspec.msgpack.encode(config)]
            )
        )

    def key(self, arguments: Iterable[str], files: Iterable[Path]) -> str:
        """The name of a question: what npm is asked for, and the files that decide what it makes of it."""
        digest = self._scope.copy()
        for argument in arguments:
            digest.update(argument.encode("utf-8", "surrogateescape") + b"\0")
        for path in files:
            try:
                content = path.read_bytes()
            except OSError:
                content = b"absent"
            digest.update(str(path).encode("utf-8", "surrogateescape") + b"\0")
            digest.update(sha256(content).digest())
        return digest.hexdigest()

    def holds(self, key: str) -> bool:
        """Whether that question was answered with "clean" within the hour."""
        if self._folder is None:
            return False
        try:
            age = time.time() - (self._folder / key).stat().st_mtime
        except OSError:
            return False
        return 0 <= age < _VALID

    def put(self, key: str) -> None:
        """Remember that answer; a cache that cannot be written forgets it."""
        if self._folder is None:
            return
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            (self._folder / key).touch()
            entries = sorted(self._folder.iterdir(), key=lambda path: path.stat().st_mtime)
            for path in entries[:-_MOST]:
                path.unlink(missing_ok=True)
        except OSError:
            return  # the next run judges again


def _program_digest() -> bytes:
    """Of the program's own files, by path, size and time: another version asks again."""
    root = Path(__file__).parent
    digest = sha256()
    for path in sorted(root.rglob("*.py")):
        state = path.stat()
        digest.update(f"{path.relative_to(root)}\0{state.st_size}\0{state.st_mtime_ns}\0".encode())
    return digest.digest()
