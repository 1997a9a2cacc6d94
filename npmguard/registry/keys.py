"""A registry's signing keys, asked for once a day."""

from __future__ import annotations

import threading
import time
from typing import Any, Final

import msgspec

from npmguard.errors import NotInRegistry, RegistryError, RegistryProtocolError
from npmguard.registry.client import RegistryClient
from npmguard.registry.evidence import Answer, Held, NotAsked, NotHeld
from npmguard.registry.evidence_cache import EvidenceCache

PATH: Final = "-/npm/v1/keys"
KIND: Final = "keys"
_DAY = 86400.0


class SigningKeys:
    """The answers of each registry's ``/-/npm/v1/keys``; may be asked from many threads, and asks once.

    A registry that could not be asked is not asked again in this run; what it said on another day is taken
    then. Offline, what it said at any time.
    """

    def __init__(self, client: RegistryClient, cache: EvidenceCache) -> None:
        self._client = client
        self._cache = cache
        self._lock = threading.Lock()
        self._locks: dict[str, threading.Lock] = {}
        self._answers: dict[str, Answer] = {}

    def of(self, registry: str, package: str) -> Answer:
        """The keys of *registry*, the base URL that *package* comes from.

        A registry that answers 404, or 400 as Nexus does, has no keys: :class:`NotHeld`.
        """
        with self._lock:
            lock = self._locks.setdefault(registry, threading.Lock())
        with lock:
            answer = self._answers.get(registry)
            if answer is None:
                answer = self._answers[registry] = self._find(registry, package)
            return answer

    def _find(self, registry: str, package: str) -> Answer:
        kept = self._cache.get(KIND, registry)
        if kept is not None and 0 <= time.time() - kept.stored < _DAY:
            return _answer(kept.value, registry)
        answer = self._ask(registry, package)
        if isinstance(answer, NotAsked):
            return answer if kept is None else _answer(kept.value, registry)
        self._cache.put(KIND, registry, answer.document if isinstance(answer, Held) else b"")
        return answer

    def _ask(self, registry: str, package: str) -> Answer:
        try:
            document = self._client.resource(PATH, package)
        except NotInRegistry:
            return _answer(b"", registry)
        except RegistryProtocolError as error:
            return _answer(b"", registry) if error.status == 400 else NotAsked(str(error))
        except RegistryError as error:
            return NotAsked(str(error))
        if not has_list(document, "keys"):
            return NotAsked(f"{registry}{PATH} does not answer with a list of keys")
        return Held(document)


def has_list(document: bytes, name: str) -> bool:
    """Whether it is a JSON object with a list of that name: an error page is not taken for an answer."""
    try:
        value: Any = msgspec.json.decode(document)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return isinstance(value, dict) and isinstance(value.get(name), list)


def _answer(document: bytes, registry: str) -> Answer:
    return Held(document) if document else NotHeld(f"{registry} publishes no signing keys")
