"""Which of a package's declared dependencies its own code never names."""

from __future__ import annotations

from npmguard.model import PackageArchive

_CODE = (".js", ".cjs", ".mjs", ".jsx", ".ts", ".cts", ".mts", ".tsx")
_TYPES = "@types/"
_MANIFEST = "package.json"
_MOST = 200  # dependencies looked for; honest packages have fewer


def unnamed_dependencies(archive: PackageArchive) -> tuple[str, ...]:
    """The ``dependencies`` whose names stand in no file of code that was read, sorted.

    A name that code puts together at run time is not seen, so that this is no proof that a dependency is not
    used. Optional dependencies, which are often chosen by platform, and packages of types are not asked for.
    Nothing is said of a package that has no code, or of whose code not all was kept.
    """
    manifest = archive.manifest
    if manifest is None:
        return ()
    code = [file.content for path, file in archive.files.items() if path.endswith(_CODE) and file.size]
    kept = [content for content in code if content is not None]
    if not kept or len(kept) < len(code):
        return ()
    kept += [file.content for path, file in archive.files.items() if _is_further(path) and file.content]
    left = [
        name
        for name in sorted(manifest.dependencies)
        if name not in manifest.optional_dependencies and not name.startswith(_TYPES)
    ][:_MOST]
    for content in sorted(kept, key=len):
        left = [name for name in left if name.encode() not in content]
        if not left:
            break
    return tuple(left)


def _is_further(path: str) -> bool:
    """Whether a file that was kept may be code although its name does not say so."""
    return not path.endswith(_CODE) and path != _MANIFEST
