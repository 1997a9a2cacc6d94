"""Reads the changes feed of a registry, as CouchDB's replication protocol has it.

https://docs.couchdb.org/en/stable/api/database/changes.html; npm's own is
``https://replicate.npmjs.com/registry/_changes``, whose rows name packages and neither documents nor versions.
"""

from __future__ import annotations

from typing import Final, Protocol

import msgspec

from npmguard.errors import RegistryProtocolError
from npmguard.monitor.records import Change, Page

#: npm's own feed.
PUBLIC_FEED: Final = "https://replicate.npmjs.com/registry/_changes"
#: Rows that are asked for at once; npm gives up to 10,000.
PAGE_ROWS: Final = 2_000
_PAGE_BYTES: Final = 64 * 1024**2
_HEAD_BYTES: Final = 1024**2
_SECONDS: Final = 60.0
_NAME_LENGTH: Final = 300  # npm's own names have 214 at most


class Web(Protocol):
    """What gets documents; :class:`npmguard.registry.web.HttpWeb`."""

    def get(self, url: str, *, limit: int, seconds: float) -> bytes:
        """The document at *url*."""


class _Head(msgspec.Struct):
    update_seq: int


class _Row(msgspec.Struct):
    id: object
    seq: int
    deleted: bool = False


class _Answer(msgspec.Struct):
    results: list[msgspec.Raw]  # what last_seq says beside them is not relied on: rows may be fewer than asked


_HEAD = msgspec.json.Decoder(_Head)
_ROW = msgspec.json.Decoder(_Row)
_ANSWER = msgspec.json.Decoder(_Answer)


class ChangesFeed:
    """The feed at *url*, which ends in ``/_changes``; every method asks it once.

    Each raises:
        RegistryError: it does not answer, or not as such a feed does.
    """

    def __init__(self, url: str, web: Web) -> None:
        self.url = url
        self._web = web

    def head(self) -> int:
        """The sequence of the newest change."""
        base = self.url.removesuffix("_changes")
        answer = self._web.get(base, limit=_HEAD_BYTES, seconds=_SECONDS)
        try:
            return _HEAD.decode(answer).update_seq
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise RegistryProtocolError(
                f"{base} does not tell its update_seq as a number ({error}); give --changes-url a feed's URL"
            ) from None

    def page(self, since: int, rows: int = PAGE_ROWS) -> Page:
        """The changes after the sequence *since*, no more than *rows*, each name with its last one."""
        url = f"{self.url}?since={since}&limit={rows}"
        answer = self._web.get(url, limit=_PAGE_BYTES, seconds=_SECONDS)
        try:
            page = _ANSWER.decode(answer)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise RegistryProtocolError(f"{url} is no page of changes: {error}") from None
        changes: dict[str, Change] = {}
        last, odd = since, 0
        for raw in page.results:
            try:
                row = _ROW.decode(raw)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                odd += 1
                continue
            last = max(last, row.seq)
            name = row.id
            if not isinstance(name, str) or not _names_a_package(name):
                odd += 1
                continue
            changes.pop(name, None)
            changes[name] = Change(name, row.seq, row.deleted)
        if page.results and last <= since:
            raise RegistryProtocolError(f"{url} does not get on: its rows end at {last}")
        return Page(tuple(changes.values()), last, odd)


def _names_a_package(name: str) -> bool:
    """Whether it can be a package's: no document of CouchDB's own (``_design/app``), nor beyond all names."""
    return 0 < len(name) <= _NAME_LENGTH and not name.startswith("_") and name.isprintable()
