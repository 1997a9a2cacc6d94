"""The files of an archive as the code in it may read them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Protocol

from npmguard.model import PackageArchive, PackageFile

_MOST_NAMES = 500  # beyond which files are looked for by their endings
_LICENCES = re.compile(r"(?i)(?:licen[cs]e|copying|notice|changelog|history|authors|readme)[^/]*\Z")


class ArchiveFiles:
    """Gives contents, and remembers which were asked for and had not been kept."""

    def __init__(self, archive: PackageArchive, largest: int) -> None:
        """Give the files of *archive* of up to *largest* bytes."""
        self.missing: set[str] = set()
        self._files = archive.files
        self._largest = largest

    def content(self, path: str) -> bytes | None:
        """The content of a file; None where there is none, or it was not kept."""
        file = self._files.get(path)
        if file is None or not file.size or file.size > self._largest:
            return None
        if file.content is None:
            self.missing.add(path)
        return file.content


class Mentions:
    """Tells which sources name, in the clear, a file of their package that is no source."""

    def __init__(self, others: Iterable[str]) -> None:
        """Look for the files of those paths."""
        names = {path.rpartition("/")[2] for path in others}
        names = {name for name in names if not _LICENCES.match(name)}
        if len(names) > _MOST_NAMES:
            endings = {name[name.rfind(".") :] if "." in name else name for name in names}
            parts = [r"/[\w.-]*" + re.escape(ending) for ending in sorted(endings)[:_MOST_NAMES]]
        else:
            parts = [("[/\"'`]" if "." in name else "/") + re.escape(name) for name in sorted(names)]
        self._search = _compiled("|".join(parts)) if parts else None

    def named_in(self, file: PackageFile) -> bool:
        """Whether that source names one of them at the end of a quoted text."""
        if self._search is None or not file.content:
            return False
        return self._search.search(file.content) is not None


class _Pattern(Protocol):
    def search(self, text: bytes, /) -> object | None: ...


def _compiled(names: str) -> _Pattern:
    import re2  # noqa: PLC0415 - a warm scan reads no package

    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.log_errors = False
    compiled: _Pattern = re2.compile(rf"(?:{names})[\"'`]".encode(), options)
    return compiled
