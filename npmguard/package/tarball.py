"""The hostile-safe reader of a package's tarball: what npm would extract, in memory, never unpacked."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import TYPE_CHECKING

from npmguard.errors import LimitExceeded, ManifestError
from npmguard.model import ArchiveNote, ArchiveProblem, Manifest, PackageArchive, PackageFile
from npmguard.package.gunzip import Gunzip
from npmguard.package.gyp import GYP_SUFFIXES
from npmguard.package.install_path import collision_key, install_path
from npmguard.package.manifest import parse_manifest
from npmguard.package.node_tar import DIRECTORY_TYPES, FILE_TYPES, LINK_TYPES, Entry, NodeTar
from npmguard.timing import staged

if TYPE_CHECKING:
    from npmguard.config import Limits

_MANIFEST = "package.json"
_MAX_GYP = 1024 * 1024
_NAME_COST = 64  # bytes that holding a name takes besides its own
_NOTE_COST = 1024  # and telling of an odd one, here and in the process that asked
_WIDEST = 4  # bytes a character
_HEADERS_A_FILE = 4  # a long name, a long link name and a PAX header may come with each entry


@staged("tar")
def read_archive(
    data: bytes, limits: Limits, keep: Callable[[str, int], bool], *, hashes: bool = True
) -> PackageArchive:
    """Read a package's tarball as ``npm install`` would extract it.

    Content is held of package.json, of .gyp files and of the files for which ``keep(path, size)`` is true; of
    all others only the size is known, and the SHA-256 unless *hashes* is false (a quarter of the time that
    reading takes, and only needed for :func:`npmguard.package.diff.diff_archives`).

    Raises:
        TarballError: npm could not extract it either: damaged, cut short, not a tar.
        LimitExceeded: over ``tarball-bytes``, ``unpacked-bytes``, ``file-count``, ``path-length``,
            ``path-bytes`` or ``kept-bytes`` of *limits*.
    """
    extraction = _Extraction(data, limits, keep, hashes=hashes)
    if extraction.unsure and not hashes:  # a path came twice: whether with other bytes takes the hashes
        extraction = _Extraction(data, limits, keep, hashes=True)
    return extraction.archive()


class _Extraction:
    """One walk through one tarball, with what it left behind."""

    def __init__(self, data: bytes, limits: Limits, keep: Callable[[str, int], bool], *, hashes: bool) -> None:
        self.unsure = False
        self._limits = limits
        self._keep = keep
        self._hashes = hashes
        self._files: dict[str, PackageFile] = {}
        self._notes: list[ArchiveNote] = []
        self._keys: dict[str, str] = {}  # collision key -> path
        self._folders: set[str] = set()
        self._ignore_files: set[str] = set()  # paths of .npmignore files, as the archive spells them
        self._renamed: set[str] = set()  # paths of .npmignore files that were .gitignore
        self._kept = 0
        self._names = 0  # bytes of all names that are held
        self._entries = 0
        self._size = 0
        compressed = Gunzip(data, limits)
        self._tar = NodeTar(iter(compressed), limits.file_count * _HEADERS_A_FILE, limits.path_bytes)
        for entry in self._tar:
            self._take(entry)
        for trailing, what in (
            (self._tar.trailing, "bytes follow the end of the archive"),
            (compressed.trailing, "bytes follow the end of the compressed data"),
        ):
            if trailing:
                self._note(ArchiveProblem.TRAILING_DATA, "", what)
        if self._tar.skipped_blocks:
            skipped = f"{self._tar.skipped_blocks} blocks are no headers, and npm goes on behind them"
            self._note(ArchiveProblem.BAD_HEADER, "", skipped)
        if self._tar.resumed:
            self._note(ArchiveProblem.BAD_HEADER, "", "entries follow a mark of the archive's end")

    def archive(self) -> PackageArchive:
        manifest, error = self._manifest()
        return PackageArchive(
            files=self._files,
            notes=tuple(self._notes),
            entry_count=self._entries,
            unpacked_size=self._size,
            manifest=manifest,
            manifest_error=error,
        )

    def _manifest(self) -> tuple[Manifest | None, str | None]:
        file = self._files.get(_MANIFEST)
        if file is None or file.content is None:
            return None, "the tarball holds no package.json"
        try:
            return parse_manifest(file.content, self._files), None
        except ManifestError as error:
            return None, str(error)

    def _take(self, entry: Entry) -> None:
        """File one entry away, as pacote's filter and node-tar's checks would have it extracted."""
        if len(entry.path) > self._limits.path_length:
            raise LimitExceeded(
                f"the tarball holds a path over the cap limits.path-length ({self._limits.path_length});"
                " raise it in npmguard.toml to have this package read"
            )
        if entry.type not in FILE_TYPES:
            if entry.type in LINK_TYPES:
                self._note(ArchiveProblem.LINK, entry.path, f"to {entry.link}")
            elif entry.type not in DIRECTORY_TYPES:
                self._note(ArchiveProblem.DEVICE, entry.path, "an entry that is no file, folder or link")
            return
        self._entries += 1
        self._size += entry.size
        entry_path = self._with_ignore_file_renamed(entry.path)
        if entry_path is None:
            return
        where = install_path(entry_path, entry.link)
        if where.oddity:
            self._note(ArchiveProblem.UNSAFE_PATH, entry.path, where.oddity)
        if where.path is None or self._blocked(where.path, entry.path):
            return
        self._put(where.path, entry, renamed=entry_path is not entry.path)

    def _with_ignore_file_renamed(self, path: str) -> str | None:
        """A .gitignore is written as .npmignore, or dropped (None) where there is one: pacote's rule."""
        name = path.rpartition("/")[2]
        if name == ".npmignore":
            self._ignore_files.add(path)
        elif name == ".gitignore":
            renamed = path.removesuffix(".gitignore") + ".npmignore"
            return None if renamed in self._ignore_files else renamed
        return path

    def _blocked(self, path: str, spelled: str) -> bool:
        """Whether a file stands where a folder is needed, or the other way round: npm keeps the first."""
        if path in self._folders:
            self._note(ArchiveProblem.UNSAFE_PATH, spelled, "a folder stands there already, so npm drops it")
            return True
        new: list[str] = []
        folder = path.rpartition("/")[0]
        while folder and folder not in self._folders:
            if folder in self._files:
                self._note(ArchiveProblem.UNSAFE_PATH, spelled, "a file stands above it, so npm drops it")
                return True
            self._hold(folder)
            new.append(folder)
            folder = folder.rpartition("/")[0]
        self._folders.update(new)
        return False

    def _put(self, path: str, entry: Entry, *, renamed: bool) -> None:
        content, digest = self._read(path, entry)
        file = PackageFile(path, entry.size, digest, content, executable=entry.mode & 0o111 != 0)
        earlier = self._files.get(path)
        if earlier is None:
            if len(self._files) >= self._limits.file_count:
                raise LimitExceeded(
                    f"the tarball holds more files than the cap limits.file-count ({self._limits.file_count});"
                    " raise it in npmguard.toml to have this package read"
                )
            self._hold(path)
            other = self._keys.setdefault(collision_key(path), path)
            if other != path:
                self._note(ArchiveProblem.CASE_COLLISION, entry.path, f"{other} on some systems")
        else:
            self._kept -= len(earlier.content or b"")
            if not renamed and path not in self._renamed:
                self._note_duplicate(earlier, file, entry.path)
        if renamed:
            self._renamed.add(path)
        else:
            self._renamed.discard(path)
        self._files[path] = file

    def _note_duplicate(self, earlier: PackageFile, file: PackageFile, spelled: str) -> None:
        if earlier.content is not None and file.content is not None:
            same = earlier.content == file.content
        else:
            same = earlier.size == file.size and earlier.sha256 == file.sha256
            self.unsure = True
        if same:
            self._note(ArchiveProblem.REPEATED, spelled, "twice with the same bytes")
        else:
            self._note(ArchiveProblem.DUPLICATE, spelled, "twice with other bytes, of which npm keeps the last")

    def _read(self, path: str, entry: Entry) -> tuple[bytes | None, str]:
        asked_for = path == _MANIFEST or (path.lower().endswith(GYP_SUFFIXES) and entry.size <= _MAX_GYP)
        if asked_for or self._keep(path, entry.size):
            self._kept += entry.size
            if self._kept > self._limits.kept_bytes:
                raise LimitExceeded(
                    "the files to be read have more bytes together than the cap limits.kept-bytes"
                    f" ({self._limits.kept_bytes}); raise it in npmguard.toml to have this package read"
                )
            content = self._tar.body()
            return content, sha256(content).hexdigest() if self._hashes else ""
        if not self._hashes:
            return None, ""
        hasher = sha256()
        self._tar.hash_body(hasher)
        return None, hasher.hexdigest()

    def _note(self, problem: ArchiveProblem, path: str, detail: str) -> None:
        self._hold(path, detail, cost=_NOTE_COST)
        self._notes.append(ArchiveNote(problem, path, detail))

    def _hold(self, *names: str, cost: int = _NAME_COST) -> None:
        """Count names against their cap: a few bytes of a tarball can stand for a thousand nested folders."""
        self._names += cost + sum(len(name) if name.isascii() else _WIDEST * len(name) for name in names)
        if self._names > self._limits.path_bytes:
            raise LimitExceeded(
                "the tarball's paths, with the folders above them, have more bytes together than the cap"
                f" limits.path-bytes ({self._limits.path_bytes}); raise it in npmguard.toml to have this"
                " package read"
            )
