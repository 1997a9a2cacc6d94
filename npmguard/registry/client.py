"""Asks npm's registries about packages and fetches their tarballs, from many threads at once."""

from __future__ import annotations

import re
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self, TypeVar

from npmguard.config import Limits, Network
from npmguard.errors import (
    NotInRegistry,
    RegistryError,
    RegistryProtocolError,
    RegistryUnauthorized,
    RegistryUnreachable,
)
from npmguard.model import Integrity, LockedPackage, Packument, Release
from npmguard.registry.npm_cache import read_npm_cache
from npmguard.registry.npmrc import NpmConfig
from npmguard.registry.packument import decode_packument, encode_packument
from npmguard.registry.packument_cache import Entry, PackumentCache
from npmguard.registry.patience import THROTTLE_PATIENCE, Host, Pace, backoff, failure_pause, throttle_pause
from npmguard.registry.tarball_url import packument_url, tarball_url
from npmguard.registry.urls import HttpUrl
from npmguard.timing import staged

if TYPE_CHECKING:  # the libraries beneath cost a tenth of a second that a run from caches does not need
    from npmguard.registry.transport import Exchange, Transport

#: Other documents of a registry (signing keys, attestations) are small, in bytes.
RESOURCE_BYTES: Final = 16 * 1024**2
_LONGEST_MAX_AGE = 3600.0  # seconds: no registry may pin what it once said for longer
_REMEMBERED = 64  # packuments held in memory; the cache on disk has them all
_MAX_AGE = re.compile(r"(?:^|[\s,])max-age=\"?(\d{1,9})", re.ASCII | re.IGNORECASE)
_NO_STORE = re.compile(r"(?:^|[\s,])no-store(?:$|[\s,])", re.ASCII | re.IGNORECASE)
_NO_CACHE = re.compile(r"(?:^|[\s,])no-cache(?:$|[\s,=])", re.ASCII | re.IGNORECASE)

_T = TypeVar("_T")


class RegistryClient:
    """What the registries say, and the bytes that they hand out; use as a context manager.

    A package's document comes from memory, then from the cache while it is fresh, then from the registry; a
    tarball from npm's own cache where that holds the bytes that the lock's integrity names, else from where
    npm would fetch it. Every method may be called from many threads.

    Args:
        npm: npm's configuration.
        network: how patient to be. What npm is configured with (``maxsockets``, ``fetch-retries``,
            ``fetch-timeout``) goes before it.
        limits: how big an answer may be.
        cache_dir: the folder that documents are kept in between runs; None to keep none.
        offline: ask nobody. What the caches do not hold is unreachable.
    """

    def __init__(
        self, npm: NpmConfig, network: Network, limits: Limits, cache_dir: Path | None, offline: bool = False
    ) -> None:
        self._npm = npm
        self._network = network
        self._limits = limits
        self._offline = offline
        self._retries = network.retries if npm.fetch_retries is None else min(npm.fetch_retries, 10)
        self._cache = PackumentCache(cache_dir) if cache_dir is not None else None
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._asking: dict[str, Future[Packument]] = {}
        self._remembered: OrderedDict[str, tuple[float, Packument]] = OrderedDict()
        self._hosts: dict[str, Host] = {}
        self._pace = Pace(network.requests_per_second)
        self._transport: Transport | None = None
        sockets = network.threads if npm.maxsockets is None else min(network.threads, npm.maxsockets)
        self._connections = threading.BoundedSemaphore(sockets)
        self._pool_size = sockets

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Write the cache and close the connections; who still waits for an answer is told."""
        self._closed.set()
        if self._cache is not None:
            self._cache.close()
        with self._lock:
            transport, self._transport = self._transport, None
        if transport is not None:
            transport.close()

    @property
    def notes(self) -> tuple[str, ...]:
        """What the run went on without, one line each: settings that npm passes over, a cache out of use."""
        return (*self._npm.notes, *(self._cache.notes if self._cache is not None else ()))

    @staged("fetch")
    def packument(self, name: str, *, revalidate: bool = False) -> Packument:
        """All that its registry says of the package *name*; threads that ask for one name at once ask once.

        With *revalidate* the registry is asked whether what is held still stands, however fresh it is.

        Raises:
            NotInRegistry: the registry knows no such package.
            RegistryUnauthorized: it wants a credential.
            RegistryUnreachable: it does not answer, or npmguard is offline.
            RegistryProtocolError: its answer is no packument, or over ``limits.packument-bytes``.
        """
        with self._lock:
            remembered = self._remembered.get(name) if not revalidate else None
            if remembered is not None and time.monotonic() < remembered[0]:
                self._remembered.move_to_end(name)
                return remembered[1]
            future = self._asking.get(name)
            mine = future is None
            if future is None:
                future = self._asking[name] = Future()
        if not mine:
            return future.result()
        try:
            packument = self._packument(name, revalidate=revalidate)
        except BaseException as error:  # whoever waits has to learn of it, an interrupt included
            with self._lock:
                del self._asking[name]
            future.set_exception(error)
            raise
        with self._lock:
            del self._asking[name]
            self._remembered[name] = (time.monotonic() + self._network.packument_max_age, packument)
            if len(self._remembered) > _REMEMBERED:
                self._remembered.popitem(last=False)
        future.set_result(packument)
        return packument

    def held(self, name: str) -> bytes:
        """The digest of the packument that :meth:`packument` would give without asking the registry.

        Empty where it would have to ask, or would give what the cache does not hold. Costs the same for a
        document of any size.
        """
        with self._lock:
            remembered = self._remembered.get(name)
            if remembered is not None and time.monotonic() < remembered[0]:
                return remembered[1].digest
        head = self._cache.head(self._npm.registry_for(name), name) if self._cache is not None else None
        usable = head is not None and (self._offline or head.is_fresh(self._network.packument_max_age))
        return head.digest if head is not None and usable else b""

    @staged("fetch")
    def tarball(self, package: LockedPackage, release: Release | None) -> bytes:
        """The bytes of a package's tarball; they are not compared with any hash unless npm's cache holds them.

        Raises:
            NotInRegistry: there is no such file any more.
            RegistryUnauthorized: its host wants a credential.
            RegistryUnreachable: its host does not answer, or npmguard is offline.
            RegistryProtocolError: the answer is over ``limits.tarball-bytes``, or leads astray.
        """
        integrity = self.stated(package, release)
        if self._npm.cache is not None and integrity is not None:
            content = read_npm_cache(self._npm.cache, integrity, self._limits.tarball_bytes)
            if content is not None:
                return content
        what = f"the tarball of {package.name}@{package.version}"
        url = tarball_url(self._npm, package, release)

        def read(exchange: Exchange) -> bytes:
            return exchange.tarball(self._limits.tarball_bytes, "limits.tarball-bytes")

        return self._ask(url, what, {"Accept": "*/*", "Accept-Encoding": "identity"}, read)

    def stated(self, package: LockedPackage, release: Release | None) -> Integrity | None:
        """The hashes by which a package's bytes may be taken from a cache, unfetched.

        Those of the lock; where it states no strong one, those of the registry, unless the lock has the bytes
        fetched from elsewhere: npm would install what comes from there.
        """
        own = package.integrity
        if release is None or release.dist.integrity is None or (own is not None and _has_sha512(own)):
            return own
        if package.resolved is not None:
            try:
                here = tarball_url(self._npm, replace(package, resolved=None), release)
                if tarball_url(self._npm, package, release) != here:
                    return own
            except RegistryError:
                return own  # whoever fetches it is told
        return own if own is not None and not _has_sha512(release.dist.integrity) else release.dist.integrity

    @staged("fetch")
    def resource(self, path: str, package: str | None = None) -> bytes:
        """Another document of a registry, such as its signing keys: ``-/npm/v1/keys``.

        Args:
            path: below the registry's URL, without a ``/`` at its start, already encoded.
            package: the package whose registry is meant; the default registry without one.

        Raises:
            RegistryError: as :meth:`packument`.
        """
        base = self._npm.registry_for(package) if package is not None else self._npm.registry
        registry = HttpUrl.parse(base)
        url = HttpUrl.parse(str(registry.below(path)))  # once more, to undo dot segments
        if not registry.covers(url):
            raise RegistryProtocolError(f"{path[:80]!r} leads out of the registry {base}")

        def read(exchange: Exchange) -> bytes:
            return bytes(exchange.document(RESOURCE_BYTES, "such documents"))

        headers = {"Accept": "application/json", "Accept-Encoding": "gzip"}
        return self._ask(url, f"{base}{path}", headers, read)

    # --- documents ----------------------------------------------------------------------------------------

    def _packument(self, name: str, *, revalidate: bool) -> Packument:
        registry = self._npm.registry_for(name)
        entry = self._cache.get(registry, name) if self._cache is not None else None
        held: Packument | None = None
        if entry is not None:
            try:
                held = decode_packument(name, registry, entry.projection, entry.digest)
            except RegistryProtocolError:
                entry = None  # a damaged cache is not asked twice
        fresh_enough = self._network.packument_max_age
        fresh = entry is not None and not revalidate and entry.is_fresh(fresh_enough)
        if held is not None and (self._offline or fresh):
            return held
        url = packument_url(self._npm, name)
        headers = {"Accept": "application/json", "Accept-Encoding": "gzip"}
        if entry is not None and entry.etag is not None:
            headers["If-None-Match"] = entry.etag
        elif entry is not None and entry.last_modified is not None:
            headers["If-Modified-Since"] = entry.last_modified

        def read(exchange: Exchange) -> tuple[bytes | None, Mapping[str, str]]:
            if exchange.status == 304:
                return None, exchange.headers
            document = exchange.document(self._limits.packument_bytes, "limits.packument-bytes")
            return encode_packument(name, registry, document), exchange.headers

        asked = time.time()
        projection, answer = self._ask(url, name, headers, read)
        if projection is None:
            assert entry is not None and held is not None  # noqa: PT018 - only what is held is asked about
            self._keep(registry, name, entry._replace(fetched=asked, max_age=_max_age(answer)), answer)
            return held
        new = Entry(projection, asked, _max_age(answer), answer.get("etag"), answer.get("last-modified"))
        return decode_packument(name, registry, projection, self._keep(registry, name, new, answer))

    def _keep(self, registry: str, name: str, entry: Entry, answer: Mapping[str, str]) -> bytes:
        """Put it into the cache, and give the digest by which that holds it; empty where it does not."""
        if self._cache is None or _NO_STORE.search(answer.get("cache-control", "")):
            return b""
        return self._cache.put(registry, name, entry)

    # --- asking -------------------------------------------------------------------------------------------

    def _ask(self, url: HttpUrl, what: str, headers: Mapping[str, str], read: Callable[[Exchange], _T]) -> _T:
        """Ask until there is an answer that *read* can use, as often as makes sense."""
        if self._offline:
            raise RegistryUnreachable(
                f"{what} is in no cache, and npmguard is offline; run it without --offline"
            )
        host = self._host(url)
        credentials = self._npm.credentials_for(url)
        conditional = "If-None-Match" in headers or "If-Modified-Since" in headers
        attempt = throttled = 0
        throttled_until: float | None = None
        while True:
            self._wait(host.pause_left())
            self._wait(self._pace.turn())
            if not host.ask():
                raise RegistryUnreachable(
                    f"{what}: {url.origin} is given up for now: {host.last_failure}; "
                    "check the network, and registry and proxy in .npmrc"
                )
            with self._connections:
                started = time.monotonic()
                try:
                    with self._open().get(url, headers, credentials, host.patience()) as exchange:
                        status, retry_after = exchange.status, exchange.headers.get("retry-after")
                        if status == 200 or (status == 304 and conditional):
                            host.heard()
                            result = read(exchange)
                            host.succeeded()
                            return result
                        exchange.drain()
                    reason = f"{url.origin} answers {status}"
                except RegistryUnreachable as error:
                    status, retry_after, reason = 0, None, str(error)
            if status == 429:
                host.heard()
                pause = throttle_pause(throttled, retry_after)
                throttled += 1
                throttled_until = throttled_until or started + THROTTLE_PATIENCE
                if time.monotonic() + pause > throttled_until:
                    host.failed(started, reason)
                    host.exhausted()
                    raise RegistryUnreachable(
                        f"{what}: {url.origin} answers 429, too many requests, for {THROTTLE_PATIENCE:.0f} s; "
                        "try again later, or with fewer network.threads"
                    )
                host.pause(pause)
                continue
            if status and status != 408 and status < 500:
                host.succeeded()
                raise self._refusal(url, what, status, authorised=credentials is not None)
            host.failed(started, reason)
            if attempt >= self._retries:
                host.exhausted()
                raise RegistryUnreachable(
                    f"{what}: {reason}, {attempt + 1} times over; "
                    "check the network, and registry and proxy in .npmrc"
                )
            self._wait(failure_pause(attempt, retry_after) if status else backoff(attempt))
            attempt += 1

    def _refusal(
        self, url: HttpUrl, what: str, status: int, *, authorised: bool
    ) -> NotInRegistry | RegistryUnauthorized | RegistryProtocolError:
        if status in {401, 403}:
            key = f"//{url.authority}/:_authToken"
            for registry in self._npm.registries:
                base = HttpUrl.parse(registry)
                if base.covers(url):
                    key = f"{base.nerf_dart}:_authToken"
            mend = (
                f"does not accept the credentials that .npmrc holds for it ({status}); renew {key}"
                if authorised
                else f"wants credentials ({status}); set {key} in .npmrc"
            )
            return RegistryUnauthorized(f"{what}: {url.origin} {mend}")
        if status in {404, 410}:
            private = (
                ""
                if authorised or not what.startswith("@")
                else ", or shows it only to those who are logged in"
            )
            return NotInRegistry(f"{what}: {url.origin} does not hold it ({status}){private}")
        error = RegistryProtocolError(f"{what}: {url.origin} answers {status}, which no registry should")
        error.status = status
        return error

    def _wait(self, seconds: float) -> None:
        if self._closed.wait(seconds) if seconds > 0 else self._closed.is_set():
            raise RegistryUnreachable("npmguard is closing")

    def _host(self, url: HttpUrl) -> Host:
        with self._lock:
            return self._hosts.setdefault(url.origin, Host(self._network.give_up_after))

    def _open(self) -> Transport:
        with self._lock:
            if self._transport is None:
                from npmguard.registry.transport import Transport  # noqa: PLC0415 - slow to import, see above

                self._transport = Transport(self._npm, self._network, self._pool_size)
            return self._transport


def _has_sha512(integrity: Integrity) -> bool:
    return any(item.algorithm == "sha512" for item in integrity.hashes)


def _max_age(headers: Mapping[str, str]) -> float | None:
    """For how long an answer holds (RFC 9111, section 4.2), in seconds; None where it does not say."""
    control = headers.get("cache-control", "")
    if _NO_CACHE.search(control):
        return 0.0
    match = _MAX_AGE.search(control)
    if match is None:
        return None
    age = headers.get("age", "").strip()
    spent = int(age) if age.isascii() and age.isdigit() and len(age) < 10 else 0
    return min(_LONGEST_MAX_AGE, max(0.0, float(match[1]) - spent))
