"""Asks OSV's API which records of malware there are for some packages.

``POST querybatch`` with at most 1,000 packages a call, paginated for each package by itself
(https://google.github.io/osv.dev/post-v1-querybatch/), then ``GET vulns/ID`` for each record of malware. The
packages are asked about by name alone: what is known of their other versions decides which version to
compare with and which to install instead, and the versions are evaluated here, as those of the index are.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Final
from urllib.parse import quote

import msgspec

from npmguard.errors import RegistryProtocolError, RegistryUnreachable
from npmguard.intel.malware import Statement, one_line
from npmguard.intel.osv import ECOSYSTEM, RECORD_ID, OsvRecord, parse_osv
from npmguard.intel.web import Web

QUERIES_A_CALL: Final = 1000
_CALL_BYTES = 64 * 1024**2
_RECORD_BYTES = 16 * 1024**2
_MAX_PAGES = 20  # of one call; a page holds a thousand records
_MAX_RECORDS = 5000
_THREADS = 8
_TOKEN_LENGTH = 8192


class _Vulnerability(msgspec.Struct):
    id: str


class _Result(msgspec.Struct):
    vulns: list[_Vulnerability] | None = None
    next_page_token: str | None = None


class _Batch(msgspec.Struct):
    results: list[_Result | None] | None = None


_decoder = msgspec.json.Decoder(_Batch)


def ask_osv(names: Iterable[str], api: str, web: Web, seconds: float) -> Mapping[str, tuple[Statement, ...]]:
    """What OSV's records of malware say of each of *names*, within *seconds*.

    Raises:
        RegistryError: the API cannot be reached, does not answer in time, or not in its format.
    """
    end = time.monotonic() + seconds
    base = api.rstrip("/")
    ids: set[str] = set()
    waiting = iter(sorted(set(names)))
    while chunk := list(islice(waiting, QUERIES_A_CALL)):
        ids |= _ids(chunk, base, web, end)
    if len(ids) > _MAX_RECORDS:
        raise RegistryProtocolError(f"{base} names {len(ids)} records of malware; no project has so many")

    def details(id_: str) -> OsvRecord:
        document = web.get(f"{base}/vulns/{quote(id_)}", limit=_RECORD_BYTES, seconds=_left(end, base))
        try:
            record = parse_osv(document)
            if record.record.id != id_:
                raise ValueError(f"is the record {record.record.id}")
        except ValueError as error:
            raise RegistryProtocolError(f"{base}/vulns/{id_} {error}") from None
        return record

    statements: dict[str, list[Statement]] = {}
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="npmguard-osv") as executor:
        futures = [executor.submit(details, id_) for id_ in sorted(ids)]
        try:
            records = [future.result() for future in futures]
        finally:
            executor.shutdown(wait=False, cancel_futures=True)
    for record in records:
        for name, bounds in record.packages.items():
            statements.setdefault(name, []).append(Statement(record.record, bounds))
    return {name: tuple(found) for name, found in statements.items()}


def _ids(names: list[str], base: str, web: Web, end: float) -> set[str]:
    """The ids of the records of malware for at most a thousand packages, page by page."""
    found: set[str] = set()
    waiting: list[tuple[str, str | None]] = [(name, None) for name in names]
    for _ in range(_MAX_PAGES):
        if not waiting:
            return found
        queries = [
            {"package": {"name": name, "ecosystem": ECOSYSTEM}, **({"page_token": token} if token else {})}
            for name, token in waiting
        ]
        body = msgspec.json.encode({"queries": queries})
        answer = web.post(f"{base}/querybatch", body, limit=_CALL_BYTES, seconds=_left(end, base))
        try:
            results = _decoder.decode(answer).results or []
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise RegistryProtocolError(
                f"{base}/querybatch answers in no format of OSV: {one_line(str(error), 120)}"
            ) from None
        if len(results) != len(waiting):
            raise RegistryProtocolError(
                f"{base}/querybatch gives {len(results)} answers to {len(waiting)} questions"
            )
        following: list[tuple[str, str | None]] = []
        for (name, _token), result in zip(waiting, results, strict=True):
            if result is None:
                continue
            found |= {it.id for it in result.vulns or [] if RECORD_ID.fullmatch(it.id)}
            if result.next_page_token:
                if len(result.next_page_token) > _TOKEN_LENGTH:
                    raise RegistryProtocolError(f"{base}/querybatch gives a page token without end")
                following.append((name, result.next_page_token))
        waiting = following
    raise RegistryProtocolError(f"{base}/querybatch has no end of pages")


def _left(end: float, base: str) -> float:
    left = end - time.monotonic()
    if left <= 0:
        raise RegistryUnreachable(f"{base} takes too long; try again later, or run npmguard feed update")
    return left
