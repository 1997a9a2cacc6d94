"""The inert fixture packages as tarballs, plain or minified.

``cases()`` lists them, ``load_case`` gives one as the bytes of a ``.tgz``. The twins are made by terser,
esbuild, swc and javascript-obfuscator when they are first asked for, and kept in an ignored folder.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import re
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tests.node_tools import CACHE, ROOT, SCRIPTS, locked, run_script, tools_folder

PACKAGES = ROOT / "fixtures" / "packages"

TRANSFORMS = ("plain", "terser", "esbuild", "bundle", "obfuscator")
"""The forms of a fixture: as committed; each file minified; one bundle; obfuscated with a string array."""

OBFUSCATIONS = ("low", "medium", "high", "base64", "rc4", "self-defending")
"""javascript-obfuscator's presets, and its string array encoded, wrapped, split, and guarded."""

ALL_TRANSFORMS = (*TRANSFORMS, "swc", *OBFUSCATIONS)


def form_before(transform: str) -> str:
    """The form of the version before an attacker's: what hides code comes with the attack, a build does not."""
    return "plain" if transform in {"obfuscator", *OBFUSCATIONS} else transform


_SCRIPT_SUFFIXES = (".js", ".mjs", ".cjs", ".ts")
_MTIME = 499162500  # 1985-10-26T08:15:00Z, the time that npm gives every file


@dataclass(frozen=True, slots=True, order=True)
class Case:
    """One folder of ``fixtures/packages``: a package with its sides (``before``, ``after``; or ``package``)."""

    name: str
    sides: tuple[str, ...]

    @property
    def benign(self) -> bool:
        """Whether every version of it has to stay clean."""
        return "after" not in self.sides

    @property
    def package(self) -> str:
        """The name of the package."""
        return f"npmguard-fixture-{self.name}"


@cache
def cases(*, benign: bool | None = None) -> tuple[Case, ...]:
    """All cases, or only the benign look-alikes, or only the others; sorted by name."""
    found = (
        Case(folder.name, tuple(side for side in ("before", "after", "package") if (folder / side).is_dir()))
        for folder in PACKAGES.iterdir()
        if folder.is_dir()
    )
    return tuple(sorted(case for case in found if benign is None or case.benign is benign))


def load_case(case: str | Case, side: str, transform: str = "plain") -> bytes:
    """One side of a case as a ``.tgz``; the same arguments give the same bytes."""
    name = case.name if isinstance(case, Case) else case
    files = case_files(name, side, transform)
    return pack(files, executable=[path for path in files if path.startswith("bin/")])


def variants(case: str | Case, side: str = "after") -> dict[str, bytes]:
    """Every form of one side of a case, as ``.tgz`` bytes by the transform's name."""
    return {transform: load_case(case, side, transform) for transform in TRANSFORMS}


def case_files(case: str, side: str, transform: str = "plain") -> dict[str, bytes]:
    """The files of one side of a case by path in the package; TypeScript becomes ``.js`` unless plain."""
    folder = PACKAGES / case / side
    files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in _files(folder)}
    if transform == "plain":
        return files
    manifest = json.loads(files["package.json"])
    twins = _twins(transform)
    result = {path: content for path, content in files.items() if not _is_script(path)}
    result |= {
        _untyped(path): twins[f"{case}/{side}/{path}"].encode("utf-8")
        for path in (_entries(manifest, files) if transform == "bundle" else files)
        if _is_script(path)
    }
    result["package.json"] = _json(
        {key: _untyped(value) if key in {"main", "types"} else value for key, value in manifest.items()}
    )
    return result


def pack(files: Mapping[str, bytes], *, executable: Iterable[str] = (), top: str = "package") -> bytes:
    """A deterministic ``.tgz`` of *files*, below the folder *top*, as ``npm pack`` makes it."""
    runnable = frozenset(executable)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for path in sorted(files):
            member = tarfile.TarInfo(f"{top}/{path}")
            member.size = len(files[path])
            member.mtime = _MTIME
            member.mode = 0o755 if path in runnable else 0o644
            tar.addfile(member, io.BytesIO(files[path]))
    return gzip.compress(buffer.getvalue(), mtime=0)


def repack(tarball: bytes, **changes: Any) -> bytes:
    """The tarball with some keys of its package.json set anew (``name``, ``version``, ``dependencies`` …)."""
    files = {}
    executable = []
    with tarfile.open(fileobj=io.BytesIO(tarball), mode="r:gz") as tar:
        for member in tar:
            content = tar.extractfile(member)
            if content is None:
                continue
            path = member.name.partition("/")[2]
            files[path] = content.read()
            if member.mode & 0o100:
                executable.append(path)
    files["package.json"] = _json({**json.loads(files["package.json"]), **changes})
    return pack(files, executable=executable)


def manifest_of(tarball: bytes) -> dict[str, Any]:
    """The package.json inside a tarball made by this module."""
    with tarfile.open(fileobj=io.BytesIO(tarball), mode="r:gz") as tar:
        content = tar.extractfile("package/package.json")
        if content is None:
            raise ValueError("package/package.json is no regular file")
        manifest: dict[str, Any] = json.load(content)
        return manifest


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _is_script(path: str) -> bool:
    return path.endswith(_SCRIPT_SUFFIXES) or path.startswith("bin/")


def _untyped(path: str) -> str:
    return path.removesuffix(".ts") + ".js" if path.endswith(".ts") else path


def _entries(manifest: Mapping[str, Any], files: Mapping[str, bytes]) -> list[str]:
    """What is started by itself: main, commands, and the scripts that package.json and .gyp files name."""
    texts = [*manifest.get("scripts", {}).values()]
    texts += [content.decode("utf-8") for path, content in files.items() if path.endswith(".gyp")]
    words = [word.removeprefix("./") for text in texts for word in re.findall(r"[\w./-]+", text)]
    named = [path for word in words for path in (word, f"{word}.js") if path in files and _is_script(path)]
    return list(dict.fromkeys([manifest["main"], *manifest.get("bin", {}).values(), *named]))


def _json(value: object) -> bytes:
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode("utf-8")


@cache
def _twins(transform: str) -> dict[str, str]:
    """The twins of all scripts of all cases by ``case/side/path``: one run of Node.js serves every test."""
    if transform not in ALL_TRANSFORMS:
        raise ValueError(f"unknown transform {transform!r}; there are {', '.join(ALL_TRANSFORMS)}")
    jobs = {}
    for case in cases():
        for side in case.sides:
            folder = PACKAGES / case.name / side
            manifest = json.loads((folder / "package.json").read_bytes())
            scripts = {path.relative_to(folder).as_posix(): path for path in _files(folder)}
            for path, file in scripts.items():
                if _is_script(path):
                    jobs[f"{case.name}/{side}/{path}"] = {
                        "transform": transform,
                        "path": path,
                        "text": file.read_text(encoding="utf-8"),
                        "module": path.endswith(".mjs") or manifest.get("type") == "module",
                        "entry": str(file),
                    }
    return twins_of(transform, jobs)


def twins_of(transform: str, jobs: Mapping[str, Mapping[str, object]]) -> dict[str, str]:
    """The answers of ``minify.mjs`` to *jobs* (its docstring tells their form), by key; made once and kept."""
    script = SCRIPTS / "minify.mjs"
    told = json.dumps(jobs, sort_keys=True)
    digest = hashlib.sha256(
        "\0".join([told, script.read_text("utf-8"), tools_folder().name]).encode()
    ).hexdigest()
    kept = CACHE / f"twins-{transform}-{digest[:16]}.json"
    with locked(f"twins-{transform}"):
        if not kept.exists():
            making = kept.with_suffix(".making")
            making.write_text(run_script(script.name, text=json.dumps(list(jobs.values()))), encoding="utf-8")
            making.rename(kept)
    answers: list[str] = json.loads(kept.read_text(encoding="utf-8"))
    return dict(zip(jobs, answers, strict=True))


@cache
def families() -> dict[str, tuple[str, ...]]:
    """The cases of every family of attacks, by the family's name, as ``families.json`` tells them."""
    told: dict[str, list[str]] = json.loads((PACKAGES / "families.json").read_bytes())
    return {family: tuple(names) for family, names in told.items()}


def family_of(case: Case) -> str:
    """The family of attacks whose shape a case has; ``benign`` where it has to stay clean."""
    if case.benign:
        return "benign"
    return next(family for family, names in families().items() if case.name in names)
