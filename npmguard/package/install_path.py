r"""Where npm would write an entry of a tarball, or why it would write it nowhere.

npm (pacote) extracts with node-tar's ``strip: 1`` and never preserves absolute paths; the rules here are those
of node-tar's ``unpack.js`` and ``strip-absolute-path.js``. They are applied as on POSIX, and what another
system would take for another file is told besides.
"""

from __future__ import annotations

import posixpath
import re
import unicodedata
from dataclasses import dataclass

_MAX_DEPTH = 1024  # node-tar's own
_MAX_SEGMENT = 255  # bytes that file systems hold in one name
_ODD = re.compile(r"//|[\\:\0]|(?:^|/)\.{1,2}(?:/|$)|^/|/$|[ .](?:/|$)")
_WINDOWS_TAIL = re.compile(r"[ .]+(?=/|$)")


@dataclass(frozen=True, slots=True)
class InstallPath:
    """``path`` below the package's folder, None where npm drops the entry; ``oddity`` is what is odd in it."""

    path: str | None
    oddity: str | None = None


def install_path(entry_path: str, link: str = "") -> InstallPath:
    """Strip one top folder, whatever its name, and everything that would leave the package's folder.

    *link* is a link target that an extension header gives to a regular file: node-tar drops the file if that
    target leads out of the folder.
    """
    path = entry_path.partition("/")[2]
    if path and path.isascii() and not link and len(path) <= _MAX_SEGMENT and not _ODD.search(path):
        return InstallPath(path)
    if path.count("/") >= _MAX_DEPTH:
        return InstallPath(None, "its folders are nested too deeply, so npm drops it")
    root, path = _without_root(path)
    if ".." in path.replace("\\", "/").split("/"):
        return InstallPath(None, "it leads out of the package with .., so npm drops it")
    if link and _escapes(path, link):
        return InstallPath(None, "a header says that it links out of the package, so npm drops it")
    if "\0" in path:
        return InstallPath(None, "its name holds a NUL, so no system writes it")
    segments = [segment for segment in path.split("/") if segment not in {"", "."}]
    if not segments:
        return InstallPath(None, "it names nothing below the top folder, so npm drops it")
    oddity = None
    if root:
        oddity = "it is absolute, and npm strips that"
    elif "\\" in path or ":" in path:
        oddity = "it holds a backslash or a colon, and on Windows is another file"
    elif any(segment.endswith((" ", ".")) for segment in segments):
        oddity = "a name in it ends with a blank or a dot, and on Windows is another file"
    elif any(len(segment.encode("utf-8", "replace")) > _MAX_SEGMENT for segment in segments):
        oddity = "a name in it is longer than most file systems hold, so npm drops it on those"
    return InstallPath("/".join(segments), oddity)


def collision_key(path: str) -> str:
    """What *path* has in common with every other one that some file system takes for the same file."""
    if not path.isascii():
        path = unicodedata.normalize("NFC", unicodedata.normalize("NFD", path).casefold())
    path = path.lower().replace("\\", "/")
    return _WINDOWS_TAIL.sub("", path)


def _without_root(path: str) -> tuple[str, str]:
    """Strip roots until none is left, those of Windows too, as node-tar does it on every system."""
    stripped = ""
    while True:
        root = "/" if path.startswith("/") and not path.startswith("//?/") else _windows_root(path)
        if not root:
            return stripped, path
        stripped += root
        path = path[len(root) :]


def _windows_root(path: str) -> str:
    r"""The root of *path* as Node's ``path.win32.parse`` has it: ``\``, ``c:``, ``c:\``, ``\\host\share\``."""
    if path[:1] in {"/", "\\"}:
        unc = re.match(r"[/\\]{2}[^/\\]+[/\\]+[^/\\]+(?:[/\\]|$)", path)
        return unc[0] if unc else path[0]
    drive = re.match(r"[A-Za-z]:[/\\]?", path)
    return drive[0] if drive else ""


def _escapes(path: str, link: str) -> bool:
    parts = _without_root(link)[1].replace("\\", "/")
    if ".." not in parts.split("/"):
        return False
    resolved = posixpath.normpath(posixpath.join(posixpath.dirname(path), parts))
    return resolved == ".." or resolved.startswith("../")
