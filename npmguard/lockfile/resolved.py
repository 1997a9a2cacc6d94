"""What the ``resolved`` value of a lock entry points to, read as npm-package-arg reads it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import SplitResult, unquote, urlsplit

from npmguard.lockfile.identity import is_package_name, is_version
from npmguard.lockfile.printable import printable

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_GIT_SCHEMES = frozenset(
    {"git", "git+ssh", "git+https", "git+http", "git+file", "git+rsync", "git+ftp", "ssh"}
    | {"github", "gitlab", "bitbucket", "gist", "sourcehut"}
)
_GIT_ONLY_HOSTS = frozenset({"bitbucket.org", "gist.github.com", "git.sr.ht"})
_SCP = re.compile(r"[^@/\s]+@[^:./]+\.[^:/]+:.+")  # git@host.example:owner/repository
_SHORTCUT = re.compile(r"[^@:/\s.~][^@:/\s]*/[^@:/\s#]+(?:#.*)?")  # owner/repository, which npm asks GitHub for
_PATH = re.compile(r"[./~]|[A-Za-z]:|file:", re.IGNORECASE)
_NO_URL_CHARACTER = re.compile(r"[^\x21-\x7e]|\\")
_DOT_SEGMENT = re.compile(r"/(?:\.|%2e){1,2}(?:/|$)", re.IGNORECASE)
_TARBALL_SUFFIX = re.compile(r"\.(?:tgz|tar\.gz)$")
_AUTHORITY = re.compile(r"[^/?#]*")
_NO_AUTHORITY = re.compile(r"(?:npm|file):", re.IGNORECASE)
_ODD_PORT = re.compile(r":(?![0-9]*$)")


class Source(StrEnum):
    """Where npm would get an entry's bytes."""

    REGISTRY = "registry"
    GIT = "git"
    FILE = "file"
    URL = "url"
    UNKNOWN = "unknown"  # npm cannot fetch it, or would read it otherwise than a URL


@dataclass(frozen=True, slots=True)
class RegistryTarball:
    """What a tarball's URL says of itself: the registry's base URL, the package and, if told, the version.

    ``base`` has no credentials and ends in ``/``.
    """

    base: str
    name: str
    version: str | None


def classify(resolved: str) -> tuple[Source, RegistryTarball | None]:
    """Where *resolved* leads; the tarball is given for :attr:`Source.REGISTRY` alone.

    The order of the questions is npm-package-arg's: file, hosted git, URL. A URL that npm's parser (WHATWG)
    would normalise into another one (backslashes, white space, dot segments) is UNKNOWN, since it does not
    say plainly what it names.
    """
    scheme = _SCHEME.match(resolved)
    if _PATH.match(resolved):
        return Source.FILE, None
    if _SCP.fullmatch(resolved) or (scheme and scheme[1].lower() in _GIT_SCHEMES):
        return Source.GIT, None
    if not scheme:
        return (Source.GIT if _SHORTCUT.fullmatch(resolved) else Source.UNKNOWN), None
    url = _split_http(resolved)
    if url is None:
        return Source.UNKNOWN, None
    host = url.hostname or ""
    if _is_hosted_git(url, host):
        return Source.GIT, None
    tarball = _tarball(url, host)
    return (Source.URL, None) if tarball is None else (Source.REGISTRY, tarball)


def registry_tarball(url: str) -> RegistryTarball | None:
    """What *url* names, if it has the shape of a registry's tarball URL; None for any other.

    The shapes are those that registries are seen to write into locks::

        …/<name>/-/<file>-<version>.tgz              npm, Verdaccio, Artifactory, Nexus, Azure, CodeArtifact
        …/<name>/-/@scope/<file>-<version>.tgz       GitLab, Google Artifact Registry
        …/<name>/-/<version>/<file>-<version>.tgz    Font Awesome, Gitea
        …/<name>/download/<file>-<version>.tgz       registry.npm.taobao.org, cnpm
        cdn.npmmirror.com/packages/<name>/<version>/<file>.tgz
        npm.pkg.github.com/download/<name>/<version>/<digest>
        npm.jsr.io/~/<revision>/<name>/<version>.tgz
    """
    return classify(url)[1]


def redact(resolved: str) -> str:
    """*resolved* fit for a message: printable, without user, password, token or query, and short."""
    scheme, slashes, rest = resolved.partition("//")
    if not slashes:
        scheme, rest = "", resolved
    found = _AUTHORITY.match(rest)
    authority = found[0] if found else ""
    tail = rest[len(authority) :]
    user, at, host = authority.rpartition("@")
    if at and user != "git" and not _NO_AUTHORITY.match(resolved):
        authority = f"***@{host}"
    elif slashes and _ODD_PORT.search(authority):
        authority = "***"  # what stands where a port belongs may be a password that was cut off
    return printable(f"{scheme}{slashes}{authority}{tail.partition('?')[0]}")


def _split_http(text: str) -> SplitResult | None:
    """The parts of an http or https URL that npm's parser and Python's cannot read differently."""
    if _NO_URL_CHARACTER.search(text):
        return None
    try:
        url = urlsplit(text)
        host = url.hostname
    except ValueError:
        return None
    if url.scheme not in {"http", "https"} or not host or _DOT_SEGMENT.search(url.path):
        return None
    return url


def _is_hosted_git(url: SplitResult, host: str) -> bool:
    """Whether npm clones it instead of downloading it, as hosted-git-info decides by host and path."""
    parts = url.path.strip("/").split("/")
    match host := host.removeprefix("www."):
        case "github.com":
            return len(parts) <= 2 or parts[2] == "tree"
        case "gitlab.com":
            return "/-/" not in url.path and "/archive.tar.gz" not in url.path
        case _:
            return host in _GIT_ONLY_HOSTS


def _tarball(url: SplitResult, host: str) -> RegistryTarball | None:
    origin = f"{url.scheme}://{url.netloc.rpartition('@')[2].lower()}"
    path = url.path.split("/")[1:] or [""]  # a URL may end with its host
    match [host, *map(unquote, path)]:
        case ["npm.pkg.github.com", "download", scope, name, version, _]:
            return _named(origin, [], f"{scope}/{name}", version)
        case ["npm.jsr.io", "~", _, scope, name, file]:
            return _named(origin, [], f"{scope}/{name}", _TARBALL_SUFFIX.sub("", file))
        case ["cdn.npmmirror.com", "packages", *name_parts, version, file] if _TARBALL_SUFFIX.search(file):
            return _named(origin, [], "/".join(name_parts), version)
        case _:
            return _standard_tarball(origin, path)


def _standard_tarball(origin: str, path: list[str]) -> RegistryTarball | None:
    """``…/<name>/-/…`` and ``…/<name>/download/…``; the last separator counts, as in npm's version-from-tgz."""
    file = unquote(path[-1])
    for separator in ("-", "download"):
        if separator not in path or not _TARBALL_SUFFIX.search(file):
            continue
        at = len(path) - 1 - path[::-1].index(separator)
        before, between = path[:at], path[at + 1 : -1]
        if not before or len(between) > 1:
            continue
        name = unquote(before.pop())
        if "/" not in name and before and unquote(before[-1]).startswith("@"):
            name = f"{unquote(before.pop())}/{name}"
        stem = _TARBALL_SUFFIX.sub("", file).rpartition("/")[2]
        return _named(origin, before, name, stem.removeprefix(f"{name.rpartition('/')[2]}-"))
    return None


def _named(origin: str, path: list[str], name: str, version: str) -> RegistryTarball | None:
    if not is_package_name(name):
        return None
    return RegistryTarball("/".join([origin, *path, ""]), name, version or None)


def same_version(version: str, told: str | None) -> bool:
    """Whether the version *told* by a URL can be *version*; one that tells none can.

    Build metadata is left out of account, since registries drop it from file names. Files from before npm
    was strict spell ``1.0.5-beta`` as ``1.0.5beta`` or ``v1.0.5-beta``.
    """
    if told is None or version.partition("+")[0] == told.partition("+")[0]:
        return True
    return not is_version(told) and _loosely(told) == _loosely(version)


def _loosely(version: str) -> str:
    return version.removeprefix("v").replace("-", "")


def version_told(tarball: RegistryTarball) -> str | None:
    """The exact version that a tarball's URL names, for entries that do not say it themselves."""
    return tarball.version if tarball.version and is_version(tarball.version) else None
