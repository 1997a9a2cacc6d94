"""The package.json as shipped, read as npm reads it, and what the registry tells otherwise."""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Collection, Mapping
from typing import Any, Final, NoReturn

from npmguard.errors import ManifestError
from npmguard.model import Manifest, ManifestDelta
from npmguard.package.entries import entry_points
from npmguard.package.version import clean_version

#: The scripts that npm runs when a package is installed as a dependency, in that order.
INSTALL_SCRIPTS: Final = ("preinstall", "install", "postinstall")
#: What npm and the registry put into ``scripts.install`` for a package with a .gyp file.
GYP_INSTALL: Final = "node-gyp rebuild"

_MAX_BYTES = 16 * 1024**2
_SERVER_START = "node server.js"  # npm's default for a package with a server.js
_BIN_PREFIX = re.compile(r"^(?:\.[/\\])?node_modules[/\\].bin[\\/]")  # the step "scriptpath" strips it
_SEPARATORS = re.compile(r"[\n\r\s\t ,]+")
_OLD_SPEC = re.compile(r"\s*([^@\s><=]+)[@\s]?(.*)", re.DOTALL)
_HOSTS = {"github.com": "github", "gitlab.com": "gitlab", "bitbucket.org": "bitbucket"}
_HOSTED_URL = re.compile(
    r"(?:git\+)?(?:https?|ssh|git)://(?:[^@/\s]*@)?(github\.com|gitlab\.com|bitbucket\.org)[/:]"
    r"([\w.-]+)/([\w.-]+?)(?:\.git)?/?(#.*)?"
)
_SHORTCUT = re.compile(r"(?:(github|gitlab|bitbucket):)?([\w.-]+)/([\w.-]+?)(?:\.git)?(#.*)?")


def parse_manifest(data: bytes, files: Collection[str] = ()) -> Manifest:
    """Read a package.json as ``JSON.parse`` and npm's ``@npmcli/package-json`` would.

    A byte order mark is stripped, bytes that are no UTF-8 are replaced, the last of repeated keys counts, and
    values of a wrong type are dropped field by field. *files* are the package's paths, out of which
    ``directories.bin`` is filled in.

    Raises:
        ManifestError: it is not JSON, not an object, nested too deeply or over 16 MiB.
    """
    if len(data) > _MAX_BYTES:
        raise ManifestError(f"package.json has {len(data)} bytes; over {_MAX_BYTES} it is not read")
    text = data.decode("utf-8", "replace").removeprefix("\ufeff")
    try:
        document = json.loads(text, parse_int=float, parse_constant=_no_constant)
    except RecursionError:
        raise ManifestError("package.json is nested too deeply to be read") from None
    except ValueError as error:
        raise ManifestError(f"package.json is not JSON: {error}") from None
    if not isinstance(document, dict):
        raise ManifestError("package.json holds no object")
    return _manifest(document, files)


def manifest_differences(shipped: Manifest, registry: Manifest) -> tuple[ManifestDelta, ...]:
    """Where the manifest in the tarball (``new``) is not the one that the registry tells (``old``).

    Compared are name, version, scripts, dependencies (the optional ones among them) and bin. What npm's own
    publishing changes is no difference: the injected ``node-gyp rebuild`` of packages with a .gyp file, the
    injected ``start`` of those with a server.js, trimmed and ``node_modules/.bin``-stripped scripts, optional
    dependencies listed twice, git references spelled out, bin as a string, cleaned versions, and upper case
    in names from before npm forbade it.
    """
    deltas: list[ManifestDelta] = []
    if shipped.name.strip().lower() != registry.name.strip().lower():
        deltas.append(ManifestDelta("name", "", registry.name, shipped.name))
    if clean_version(shipped.version) != clean_version(registry.version):
        deltas.append(ManifestDelta("version", "", registry.version, shipped.version))
    told = {key: _script(value) for key, value in registry.scripts.items()}
    own = {key: _script(value) for key, value in shipped.scripts.items()}
    if told.get("start") == _SERVER_START and "start" not in own:
        del told["start"]
    if told.get("install") == GYP_INSTALL and not own.get("install") and not own.get("preinstall"):
        del told["install"]
        own.pop("install", None)
    deltas += _deltas("scripts", told, own)
    deltas += _deltas("dependencies", _all_dependencies(registry), _all_dependencies(shipped))
    deltas += _deltas("bin", _commands(registry.bin), _commands(shipped.bin))
    return tuple(deltas)


def install_scripts(manifest: Manifest) -> dict[str, str]:
    """The scripts that an installation runs, in the order in which it does."""
    return {key: manifest.scripts[key] for key in INSTALL_SCRIPTS if manifest.scripts.get(key, "").strip()}


# --- reading ---------------------------------------------------------------------------------------------


def _manifest(document: dict[str, Any], files: Collection[str]) -> Manifest:
    name = _text(document.get("name")).strip()
    dependencies = _dependencies(document.get("dependencies"))
    bundled = document.get("bundleDependencies", document.get("bundledDependencies"))
    repository = document.get("repository")
    if isinstance(repository, dict):
        repository = repository.get("url")
    main, gypfile = document.get("main"), document.get("gypfile")
    return Manifest(
        name=name,
        version=_text(document.get("version")).strip(),
        scripts=_strings(document.get("scripts")),
        dependencies=dependencies,
        optional_dependencies=_dependencies(document.get("optionalDependencies")),
        peer_dependencies=_strings(document.get("peerDependencies")),
        bin=_bin(name, document, files),
        main=_text(main) if isinstance(main, str) else None,
        gypfile=gypfile if isinstance(gypfile, bool) else None,
        bundled=tuple(dependencies) if bundled is True else _names(bundled),
        repository=_text(repository) if isinstance(repository, str) else None,
        entries=tuple(map(_text, entry_points(document))),
    )


def _bin(name: str, document: dict[str, Any], files: Collection[str]) -> dict[str, str]:
    """Commands and their paths, as npm's steps ``bin`` and ``binDir`` clean them."""
    value = document.get("bin")
    if not value:
        folders = document.get("directories")
        folder = folders.get("bin") if isinstance(folders, dict) else None
        return _bin_folder(_inside(folder), files) if isinstance(folder, str) and folder else {}
    if isinstance(value, str):
        value = {name: value} if name else {}
    elif isinstance(value, list):
        value = {posixpath.basename(item): item for item in value if isinstance(item, str)}
    commands = {}
    for key, target in _strings(value).items():
        command, path = posixpath.basename(_inside(key)), _inside(target)
        if command and path:
            commands[command] = path
    return commands


def _bin_folder(folder: str, files: Collection[str]) -> dict[str, str]:
    prefix = f"{folder}/" if folder else ""
    below = sorted(path for path in files if path.startswith(prefix))
    return {posixpath.basename(path): path for path in below if not path.removeprefix(prefix).startswith(".")}


def _inside(path: str) -> str:
    """*path* with every way out of the package cut off, npm's ``secureAndUnixifyPath``."""
    return posixpath.normpath("/" + re.sub(r"[\\:]", "/", path)).lstrip("/")


def _dependencies(value: Any) -> dict[str, str]:
    """An object of ranges; a string or a list of ``name@range``, as long ago, becomes one."""
    if isinstance(value, str):
        value = _SEPARATORS.split(value.strip())
    if isinstance(value, list):
        found = (_OLD_SPEC.fullmatch(item) for item in value if isinstance(item, str))
        value = {match[1]: match[2].strip() for match in found if match}
    return _strings(value)


def _strings(value: Any) -> dict[str, str]:
    """An object's text values; npm drops the others."""
    if not isinstance(value, dict):
        return {}
    return {_text(key): _text(item) for key, item in value.items() if isinstance(item, str)}


def _names(value: Any) -> tuple[str, ...]:
    """The names of a list, or of an object's keys."""
    return tuple(_text(it) for it in value if isinstance(it, str)) if isinstance(value, (list, dict)) else ()


def _text(value: Any) -> str:
    """A text that can be written out again: half of a surrogate pair, which JSON allows, is replaced."""
    if not isinstance(value, str):
        return ""
    return value if value.isascii() else value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON value")


# --- comparing -------------------------------------------------------------------------------------------


def _deltas(field: str, old: Mapping[str, str], new: Mapping[str, str]) -> list[ManifestDelta]:
    return [
        ManifestDelta(field, key, old.get(key), new.get(key))
        for key in sorted({*old, *new})
        if old.get(key) != new.get(key)
    ]


def _script(text: str) -> str:
    return _BIN_PREFIX.sub("", text.strip())


def _all_dependencies(manifest: Manifest) -> dict[str, str]:
    """Dependencies with the optional ones over them, which is how npm installs them."""
    merged = {**manifest.dependencies, **manifest.optional_dependencies}
    return {name: _spec(spec) for name, spec in merged.items()}


def _spec(spec: str) -> str:
    """One spelling for a range and for a hosted git repository, however it was referred to."""
    spec = " ".join(spec.split()) or "*"
    url = _HOSTED_URL.fullmatch(spec)
    if url:
        return f"{_HOSTS[url[1]]}:{url[2]}/{url[3]}{url[4] or ''}"
    shortcut = None if spec.startswith((".", "/", "~/", "@")) else _SHORTCUT.fullmatch(spec)
    if shortcut:
        return f"{shortcut[1] or 'github'}:{shortcut[2]}/{shortcut[3]}{shortcut[4] or ''}"
    return spec


def _commands(commands: Mapping[str, str]) -> dict[str, str]:
    return {posixpath.basename(_inside(key)): _inside(path) for key, path in commands.items()}
