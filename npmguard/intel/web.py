"""What the sources of intelligence need of the network; they open no socket of their own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol


class Downloaded(Protocol):
    """The answer to a download: whether there was anything new, and the validators to ask with next time."""

    @property
    def modified(self) -> bool:
        """False where the other side says that nothing has changed; then nothing was written."""

    @property
    def etag(self) -> str | None:
        """The answer's ``ETag``."""

    @property
    def last_modified(self) -> str | None:
        """The answer's ``Last-Modified``."""


class Web(Protocol):
    """Asks other hosts, in bounded time and size.

    Every method raises :class:`~npmguard.errors.RegistryError` for all that may go wrong on the way.
    """

    def get(self, url: str, *, limit: int, seconds: float) -> bytes:
        """The document at *url*, of at most *limit* bytes, within *seconds*."""

    def post(self, url: str, body: bytes, *, limit: int, seconds: float) -> bytes:
        """The answer to the JSON *body*, of at most *limit* bytes, within *seconds*."""


class Downloader(Protocol):
    """Fetches what is too big for memory; its errors are those of :class:`Web`."""

    def download(self, url: str, target: Path, *, limit: int, headers: Mapping[str, str]) -> Downloaded:
        """Write what is at *url* to *target*, at most *limit* bytes; *headers* may make it conditional."""
