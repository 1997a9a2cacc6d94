"""Asks hosts that are no registries, and registries for what is no package, in bounded time.

What the sources of intelligence see of the network (:mod:`npmguard.intel.web`): one question, one answer, a few
attempts, and never longer than its seconds. An outage of such a host must not hold up a scan.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple, Self, TypeVar

from npmguard.config import Network
from npmguard.errors import (
    NotInRegistry,
    RegistryError,
    RegistryProtocolError,
    RegistryUnauthorized,
    RegistryUnreachable,
)
from npmguard.registry.npmrc import NpmConfig
from npmguard.registry.patience import failure_pause, throttle_pause
from npmguard.registry.urls import HttpUrl

if TYPE_CHECKING:  # slow to import, and of no use to a scan that asks nobody
    from npmguard.registry.transport import Exchange, Transport

_JSON = {"Accept": "application/json", "Accept-Encoding": "gzip"}
_SETTING = "such answers"

_T = TypeVar("_T")


class Download(NamedTuple):
    """The answer to a download; nothing was written where nothing was ``modified``."""

    modified: bool
    etag: str | None
    last_modified: str | None


class HttpWeb:
    """Asks over npm's proxies, certificates and credentials; use as a context manager, from many threads.

    *urls* are those that the user has configured: their hosts may be inside an internal network.
    """

    def __init__(self, npm: NpmConfig, network: Network, urls: Iterable[str] = ()) -> None:
        self._npm = npm
        self._network = network
        self._trusted = [str(_parse(url)) for url in urls]
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._transport: Transport | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections; who waits for another attempt is told."""
        self._closed.set()
        with self._lock:
            transport, self._transport = self._transport, None
        if transport is not None:
            transport.close()

    def get(self, url: str, *, limit: int, seconds: float, accept: str = "application/json") -> bytes:
        """The document at *url*, of at most *limit* bytes, within *seconds*, as one of the types of *accept*.

        Raises:
            RegistryError: there is no such document, or no usable answer in time.
        """
        target, end = _parse(url), time.monotonic() + seconds

        def ask() -> AbstractContextManager[Exchange]:
            return self._open().get(
                target,
                {**_JSON, "Accept": accept},
                self._npm.credentials_for(target),
                seconds=max(0.1, end - time.monotonic()),
            )

        return self._ask(target, end, ask, lambda exchange: bytes(exchange.document(limit, _SETTING)))

    def post(self, url: str, body: bytes, *, limit: int, seconds: float) -> bytes:
        """The answer to the JSON *body*; arguments and errors are those of :meth:`get`."""
        target, end = _parse(url), time.monotonic() + seconds
        headers = {**_JSON, "Content-Type": "application/json"}

        def ask() -> AbstractContextManager[Exchange]:
            return self._open().post(
                target, body, headers, self._npm.credentials_for(target), max(0.1, end - time.monotonic())
            )

        return self._ask(target, end, ask, lambda exchange: bytes(exchange.document(limit, _SETTING)))

    def download(self, url: str, target: Path, *, limit: int, headers: Mapping[str, str]) -> Download:
        """Write what is at *url* to *target*; *headers* may make it conditional.

        Raises:
            RegistryError: as :meth:`get`; it takes no longer than ``network.transfer-timeout``.
            OSError: *target* cannot be written.
        """
        source, end = _parse(url), time.monotonic() + self._network.transfer_timeout
        conditional = "If-None-Match" in headers or "If-Modified-Since" in headers

        def ask() -> AbstractContextManager[Exchange]:
            return self._open().get(
                source,
                headers,
                self._npm.credentials_for(source),
                patience=self._network.give_up_after,
                seconds=max(0.1, end - time.monotonic()),
            )

        def read(exchange: Exchange) -> Download:
            modified = exchange.status != 304
            if not modified and not conditional:
                raise RegistryProtocolError(
                    f"{source.shown} says that nothing has changed, without being asked that"
                )
            if modified:
                exchange.save(target, limit, "limits.feed-bytes")
            return Download(modified, exchange.headers.get("etag"), exchange.headers.get("last-modified"))

        return self._ask(source, end, ask, read)

    def _ask(
        self,
        url: HttpUrl,
        end: float,
        ask: Callable[[], AbstractContextManager[Exchange]],
        read: Callable[[Exchange], _T],
    ) -> _T:
        """Ask until there is an answer that *read* can use, as long as there is time for it."""
        attempt = 0
        while True:
            heard = False
            try:
                with ask() as exchange:
                    heard = True
                    if exchange.status in {200, 304}:
                        return read(exchange)
                    status, retry_after = exchange.status, exchange.headers.get("retry-after")
                    exchange.drain()
            except RegistryUnreachable as error:
                status, retry_after, problem = 0, None, str(error)
            else:
                problem = f"{url.origin} answers {status}"
                if status not in {408, 429} and status < 500:
                    raise _refusal(url, status)
            pause = (
                throttle_pause(attempt, retry_after) if status == 429 else failure_pause(attempt, retry_after)
            )
            # who says nothing at all is not waited for again: it is no package that is missing
            if not heard or attempt >= self._network.retries or time.monotonic() + pause > end:
                raise RegistryUnreachable(f"{problem}; try again later, or look at the network and its proxy")
            if self._closed.wait(pause):
                raise RegistryUnreachable("npmguard is closing")
            attempt += 1

    def _open(self) -> Transport:
        with self._lock:
            if self._transport is None:
                from npmguard.registry.transport import Transport  # noqa: PLC0415 - see above

                self._transport = Transport(self._npm, self._network, 8, self._trusted)
            return self._transport


def _parse(url: str) -> HttpUrl:
    try:
        return HttpUrl.parse(url)
    except ValueError as error:
        raise RegistryProtocolError(f"a configured URL {error}; look at feed.url and feed.api") from None


def _refusal(url: HttpUrl, status: int) -> RegistryError:
    if status in {401, 403}:
        return RegistryUnauthorized(
            f"{url.origin} wants other credentials ({status}); set //{url.authority}/:_authToken in .npmrc"
        )
    if status in {404, 405, 410}:
        return NotInRegistry(f"{url.origin} has no {url.path} ({status})")
    return RegistryProtocolError(f"{url.origin} answers {status} to {url.path}, which npmguard has no use for")
