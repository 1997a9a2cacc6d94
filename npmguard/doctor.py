"""What an installation of npmguard can do from here, and what to do about the rest.

Every probe reads: nothing is repaired, nothing of a project is run, and npm is looked at rather than started.
"""

from __future__ import annotations

import os
import platform
import shutil
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol
from urllib.parse import quote

import msgspec

from npmguard.errors import (
    NotInRegistry,
    RegistryError,
    RegistryProtocolError,
    RegistryUnauthorized,
)
from npmguard.intel.feed import FeedIndex
from npmguard.registry.urls import HttpUrl
from npmguard.sandbox.enter import LANDLOCK, SECCOMP, offered

if TYPE_CHECKING:
    from npmguard.config import Config
    from npmguard.registry.npmrc import NpmConfig

#: A release with attestations of both kinds, on every registry that mirrors npm's.
ATTESTED: Final = "sigstore@1.0.0"
_FREE_BYTES: Final = 256 * 1024**2
_CHECK_SECONDS: Final = 5.0  # of one database
_MAX_MANIFEST: Final = 1024**2
_OLDEST_NPM: Final = 7  # the first to write lockfiles of version 2


class State(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARN = "warn"  # npmguard works, and says less than it could
    FAIL = "fail"  # scans will end incomplete or not at all
    UNKNOWN = "unknown"  # it could not be found out


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at; ``advice`` is one line of what to do, empty where nothing is."""

    name: str
    state: State
    detail: str
    advice: str = ""


class Client(Protocol):
    """As much of :class:`~npmguard.registry.client.RegistryClient` as a check needs."""

    def resource(self, path: str, package: str | None = None) -> bytes:
        """A document of a registry that is no package."""


def run_checks(config: Config, npm: NpmConfig, client: Client, *, now: datetime) -> tuple[Check, ...]:
    """Look at everything once; never raises for what it finds. *now* (aware) is what ages are counted from.

    Give it the client that evidence is asked with (:func:`npmguard.registry.evidence.evidence_client`), which
    gives up within seconds.
    """
    checks = [_python(), _npm(), _npm_cache(npm)]
    for registry, package in _registries(npm):
        reached = _registry(client, registry, package)
        checks.append(reached)
        if reached.state in {State.FAIL, State.UNKNOWN}:
            continue
        if npm.credentials_for(HttpUrl.parse(registry)) is not None:
            checks.append(_credentials(client, registry, package))
        checks.append(_keys(client, registry, package))
        if package is None:
            checks.append(_attestations(client, registry))
    checks.append(_feed(config, now))
    checks += _caches(config)
    checks += _sandbox()
    return tuple(checks)


def render(checks: tuple[Check, ...]) -> str:
    """The checks for people, one a line with its advice below, and a line that sums up.

    Texts from outside are as they came; who shows them escapes them.
    """
    width = max((len(it.name) for it in checks), default=0)
    lines = []
    for check in checks:
        lines.append(f"{check.state.value:<7}  {check.name:<{width}}  {_one_line(check.detail)}")
        if check.advice:
            lines.append(f"{'':<7}  {'':<{width}}  -> {_one_line(check.advice)}")
    counts = [f"{sum(it.state is state for it in checks)} {state.value}" for state in State]
    return "\n".join([*lines, "", ", ".join(counts)]) + "\n"


def worst(checks: tuple[Check, ...]) -> State:
    """The worst state: fail before warn before unknown before ok."""
    found = {it.state for it in checks}
    return next((it for it in (State.FAIL, State.WARN, State.UNKNOWN) if it in found), State.OK)


# --- registries ---


def _registries(npm: NpmConfig) -> Iterator[tuple[str, str | None]]:
    """Each registry with a package name that leads there; None for the default one."""
    yield npm.registry, None
    seen = {npm.registry}
    for scope, registry in sorted(npm.scopes.items()):
        if registry not in seen:
            seen.add(registry)
            yield registry, f"{scope}/npmguard-doctor"


def _registry(client: Client, registry: str, package: str | None) -> Check:
    name = f"registry {registry}"
    try:
        client.resource("-/ping", package)
    except NotInRegistry:  # it answers, and has no such page: many registries do not
        return Check(name, State.OK, "answers")
    except RegistryUnauthorized as error:
        return Check(name, State.FAIL, str(error), "log in with npm login, or put the token into .npmrc")
    except RegistryProtocolError as error:
        return Check(name, State.WARN, str(error), "check that the address in .npmrc is that of a registry")
    except RegistryError as error:
        return Check(
            name, State.FAIL, str(error), "check the network, and registry, proxy and cafile in .npmrc"
        )
    return Check(name, State.OK, "answers")


def _credentials(client: Client, registry: str, package: str | None) -> Check:
    """Whether the registry takes what .npmrc holds for it; who that is stays out of the answer."""
    name = f"credentials {registry}"
    try:
        client.resource("-/whoami", package)
    except NotInRegistry:
        return Check(name, State.UNKNOWN, "it does not say who is logged in")
    except RegistryUnauthorized as error:
        return Check(name, State.FAIL, str(error), "log in with npm login, or renew the token in .npmrc")
    except RegistryError as error:
        return Check(name, State.UNKNOWN, str(error), "ask again later")
    return Check(name, State.OK, "are accepted")


def _keys(client: Client, registry: str, package: str | None) -> Check:
    from npmguard.integrity.signature import parse_keys  # noqa: PLC0415 - only this check needs it

    name = f"signing keys {registry}"
    try:
        keys = parse_keys(client.resource("-/npm/v1/keys", package))
    except NotInRegistry:
        return Check(
            name,
            State.WARN,
            "it publishes none, so that signatures of its packages are unverifiable",
            "ask whoever runs it to pass on /-/npm/v1/keys; integrity is checked all the same",
        )
    except RegistryError as error:
        return Check(name, State.UNKNOWN, str(error), "ask again later; integrity is checked all the same")
    usable = sum(it.problem is None for it in keys)
    if usable == 0:
        return Check(name, State.WARN, f"none of {len(keys)} can be used", "ask whoever runs the registry")
    return Check(name, State.OK, f"{usable} of {len(keys)} can be used")


def _attestations(client: Client, registry: str) -> Check:
    name = f"attestations {registry}"
    try:
        document = client.resource(f"-/npm/v1/attestations/{ATTESTED}")
        listed = _ATTESTATIONS.decode(document).attestations
    except NotInRegistry:
        return Check(
            name,
            State.WARN,
            f"it has none for {ATTESTED}, so that provenance cannot be checked",
            "ask whoever runs it to pass on /-/npm/v1/attestations",
        )
    except RegistryError as error:
        return Check(name, State.UNKNOWN, str(error), "ask again later; integrity is checked all the same")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Check(name, State.WARN, "its answer is not in the format of npm's", "ask whoever runs it")
    return Check(name, State.OK, f"{len(listed)} for {ATTESTED}")


class _Attestations(msgspec.Struct):
    attestations: list[msgspec.Raw]


_ATTESTATIONS = msgspec.json.Decoder(_Attestations)


# --- what is kept ---


def _feed(config: Config, now: datetime) -> Check:
    name = "feed of known malware"
    status = FeedIndex(config.cache.path).status(now)
    if status.problem is not None:
        open_question = config.feed.required and not config.feed.online
        instead = "scans ask the API" if config.feed.online else "scans know past campaigns only"
        return Check(
            name,
            State.FAIL if open_question else State.WARN,
            f"{status.problem.removesuffix('; run npmguard feed update')}; {instead}",
            "run npmguard feed update",
        )
    detail = (
        f"{status.records} records, the newest of {status.newest or 'no known date'}, {_age(status.age)} old"
    )
    if not status.is_fresh(config.feed.max_age):
        return Check(
            name,
            State.WARN,
            f"{detail}; feed.max-age is {_age(config.feed.max_age)}",
            "run npmguard feed update",
        )
    return Check(name, State.OK, detail)


def _caches(config: Config) -> Iterator[Check]:
    name, folder = "cache folder", config.cache.path
    if not config.cache.enabled:
        yield Check(name, State.WARN, "switched off: every scan fetches everything", "set cache.enabled = true")
        return
    try:
        existing = next(it for it in (folder, *folder.parents) if it.exists())
        if not existing.is_dir():
            yield Check(name, State.FAIL, f"{existing} is no folder", "set cache.directory to a folder")
            return
        _try_to_write(existing)
        free = shutil.disk_usage(existing).free
    except OSError as error:
        yield Check(
            name,
            State.WARN,
            f"{folder} cannot be written: {error.strerror}",
            "set cache.directory in npmguard.toml to a folder that can",
        )
        return
    if free < _FREE_BYTES:
        yield Check(
            name, State.WARN, f"{folder} has {free // 1024**2} MB left", "make room, or set cache.directory"
        )
    else:
        yield Check(name, State.OK, f"{folder} can be written")
    for path in sorted(folder.glob("*.db")):
        yield _database(path)


def _try_to_write(folder: Path) -> None:
    """Make a file without a name there, which is gone when it is closed."""
    with tempfile.TemporaryFile(dir=folder):
        pass


def _database(path: Path) -> Check:
    name = f"cache {path.name}"
    advice = f"delete {path}; what it held is fetched again"
    try:
        size = path.stat().st_size
        with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, timeout=1.0)) as database:
            end = time.monotonic() + _CHECK_SECONDS
            database.set_progress_handler(lambda: int(time.monotonic() > end), 10_000)
            (answer,) = database.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.OperationalError as error:
        return Check(
            name, State.UNKNOWN, f"could not be looked at: {error}", "try again when no scan is running"
        )
    except (sqlite3.Error, OSError) as error:
        return Check(name, State.FAIL, f"is damaged: {error}", advice)
    if answer != "ok":
        return Check(name, State.FAIL, f"is damaged: {answer}", advice)
    return Check(name, State.OK, f"sound, {size // 1024} KB")


# --- this machine ---


def _python() -> Check:
    return Check("python", State.OK, f"{platform.python_version()} on {sys.platform}")


def _npm() -> Check:
    """The version of npm, as its own package.json has it."""
    found = shutil.which("npm")
    if found is None:
        return Check(
            "npm", State.WARN, "is not on PATH; scans do not need it", "install Node.js for npmguard install"
        )
    version = _npm_version(Path(found))
    if version is None:
        return Check("npm", State.UNKNOWN, f"{found}; its version could not be read")
    major = version.partition(".")[0]
    if major.isdigit() and int(major) < _OLDEST_NPM:
        return Check(
            "npm", State.WARN, f"{version} at {found} writes lockfiles of version 1", "npm install --global npm"
        )
    return Check("npm", State.OK, f"{version} at {found}")


def _npm_version(program: Path) -> str | None:
    try:
        real = program.resolve(strict=True)
    except (OSError, RuntimeError):
        return None
    candidates = [it / "package.json" for it in list(real.parents)[:3]]
    candidates.append(real.parent / "node_modules" / "npm" / "package.json")  # as Windows has it
    for path in candidates:
        try:
            with path.open("rb") as file:
                stated = _MANIFEST.decode(file.read(_MAX_MANIFEST))
        except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            continue
        if stated.name == "npm":
            return stated.version[:64]
    return None


class _NpmManifest(msgspec.Struct):
    name: str
    version: str


_MANIFEST = msgspec.json.Decoder(_NpmManifest)


def _npm_cache(npm: NpmConfig) -> Check:
    name = "npm's cache"
    if npm.cache is None:
        return Check(name, State.UNKNOWN, "its place is not known")
    if not npm.cache.is_dir():
        return Check(name, State.OK, f"{npm.cache} is not there: tarballs are fetched")
    if not os.access(npm.cache, os.R_OK | os.X_OK):
        return Check(
            name,
            State.WARN,
            f"{npm.cache} cannot be read: tarballs are fetched",
            "give this account the right to read it, or set cache in .npmrc",
        )
    return Check(name, State.OK, f"{npm.cache} can be read")


def _sandbox() -> Iterator[Check]:
    """What the processes that read packages will be held by; the kernel is asked, and nothing is restricted."""
    offer = offered()
    for mean, detail, advice in (
        (LANDLOCK, f"ABI {offer.landlock}", "use a kernel of 5.13 or later, with landlock among its lsm"),
        (SECCOMP, "filters are available", "use a kernel of 4.14 or later, on x86-64 or aarch64"),
    ):
        problem = offer.problems.get(mean)
        name = f"sandbox: {mean}"
        if problem is None:
            yield Check(name, State.OK, detail)
        else:
            yield Check(name, State.WARN, f"packages are read without it: {problem}", advice)


def _age(seconds: float | None) -> str:
    if seconds is None:
        return "of unknown age"
    for size, unit in ((86400, "day"), (3600, "hour"), (60, "minute")):
        count = int(seconds // size)
        if count > 0:
            return f"{count} {unit}{'s' if count > 1 else ''}"
    return "less than a minute"


def _one_line(text: str) -> str:
    return " ".join(text.split())
