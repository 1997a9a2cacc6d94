"""A folder on disk as the tarball that reading expects, made in memory."""

from __future__ import annotations

import io
import os
import tarfile
from typing import TYPE_CHECKING

from npmguard.errors import LimitExceeded, UsageError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from npmguard.config import Limits


def pack_directory(
    folder: Path,
    limits: Limits,
    *,
    without: Collection[str] = (),
    content_of: Mapping[str, bytes] | None = None,
) -> bytes:
    """The regular files below *folder* as an uncompressed tar with the top folder ``package``, sorted by path.

    Links are not followed and not packed, as npm does it; ``.git`` is left out, ``node_modules`` is not: code
    that is there can be run. *without* are folders to leave out, *content_of* what some files hold instead,
    both by their path below *folder*, with ``/``.

    Raises:
        UsageError: the folder holds no package.json, or a file cannot be read.
        LimitExceeded: over ``unpacked-bytes`` or ``file-count``.
    """
    if not (folder / "package.json").is_file():
        raise UsageError(f"{folder}: holds no package.json; give the folder of one package")
    packed = io.BytesIO()
    total = count = 0
    try:
        with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive:
            for path in sorted(_regular_files(folder, frozenset(without))):
                relative = os.path.relpath(path, folder).replace(os.sep, "/")
                size = os.lstat(path).st_size
                total, count = total + size, count + 1
                if total > limits.unpacked_bytes:
                    raise LimitExceeded(f"{folder}: over limits.unpacked-bytes ({limits.unpacked_bytes})")
                if count > limits.file_count:
                    raise LimitExceeded(f"{folder}: over limits.file-count ({limits.file_count})")
                with open(path, "rb") as file:  # noqa: PTH123 - os.walk gives strings
                    content = file.read()
                content = (content_of or {}).get(relative, content)
                member = tarfile.TarInfo(f"package/{relative}")
                member.size = len(content)
                member.mode = os.lstat(path).st_mode & 0o777
                archive.addfile(member, io.BytesIO(content))
    except OSError as error:
        raise UsageError(f"{error.filename or folder}: cannot be read: {error.strerror}") from error
    return packed.getvalue()


def _regular_files(folder: Path, without: frozenset[str]) -> list[str]:
    found = []
    for parent, folders, files in os.walk(folder, onerror=_refuse):
        inside = os.path.relpath(parent, folder).replace(os.sep, "/")
        prefix = "" if inside == "." else f"{inside}/"
        folders[:] = [name for name in folders if name != ".git" and prefix + name not in without]
        for name in files:
            path = os.path.join(parent, name)  # noqa: PTH118 - os.walk gives strings
            if os.path.isfile(path) and not os.path.islink(path):  # noqa: PTH113, PTH114
                found.append(path)
    return found


def _refuse(error: OSError) -> None:
    raise error
