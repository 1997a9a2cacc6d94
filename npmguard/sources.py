"""What one run asks, and what it remembers: registries, caches, what is known of malware.

A run that remembers every judgement needs nothing else, so nothing here is slow to import.
"""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from functools import cached_property
from hashlib import sha256
from typing import TYPE_CHECKING

import msgspec

from npmguard.detect.ruleset import ruleset_digest
from npmguard.errors import CacheError
from npmguard.intel.malware import KnownMalware
from npmguard.model import Verdict
from npmguard.recall import Grounds, Recall
from npmguard.registry.client import RegistryClient
from npmguard.registry.evidence import Held, NotAsked
from npmguard.registry.evidence_source import EvidenceSource
from npmguard.sandbox.enter import expected, require

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from npmguard.config import Config
    from npmguard.detect.indicators import IndicatorMatcher
    from npmguard.judgement import Judgement
    from npmguard.lookup.mail_domains import MailDomains
    from npmguard.model import Indicator, LockedPackage
    from npmguard.registry.npmrc import NpmConfig
    from npmguard.results import ResultsCache


class Sources:
    """The connections and caches of one run; every method may be called from many threads.

    Raises:
        SandboxError: the settings require the sandbox, and this machine does not have all of it.
    """

    def __init__(
        self,
        config: Config,
        npm: NpmConfig,
        *,
        offline: bool = False,
        prefilter: bool = True,
        indicators: tuple[Indicator, ...] = (),
        facts: bool = False,
    ) -> None:
        if config.sandbox.required:
            require(expected())
        self.config = config
        self.npm = npm
        self.now = datetime.now(UTC)  # one time for the whole run
        self.offline = offline
        self.prefilter = prefilter
        self.facts = facts
        self.ruleset = ruleset_digest(config.rules)
        self._directory = config.cache.path if config.cache.enabled else None
        self.client = RegistryClient(npm, config.network, config.limits, self._directory, offline=offline)
        self.evidence = EvidenceSource(npm, config.network, config.limits, self._directory, offline=offline)
        self._own_notes: list[str] = []
        self.domains = _mail_domains(config, npm, self.now) if config.domains.check and not offline else None
        if config.domains.check and offline:
            self._own_notes.append("maintainers' domains: not asked: offline")
        self.indicators = (*indicators, *self._of_the_feed())
        self.matcher = _matcher(self.indicators)
        self._asker = ThreadPoolExecutor(1, thread_name_prefix="npmguard-known")
        self._asked: Future[KnownMalware] | None = None
        self._lock = threading.Lock()
        self._opened_results: ResultsCache | None = None

    def close(self) -> None:
        """Write the caches, close the connections."""
        self._asker.shutdown(wait=False, cancel_futures=True)
        with self._lock:
            if self._opened_results is not None:
                self._opened_results.close()
        self.evidence.close()
        self.client.close()

    @property
    def results(self) -> ResultsCache:
        """Analyses of tarballs that were read before."""
        with self._lock:
            if self._opened_results is None:
                from npmguard.results import ResultsCache  # noqa: PLC0415 - not where every judgement stands

                scope = self.ruleset + self._known_indicators
                self._opened_results = ResultsCache(self._directory, scope, self.config.limits)
            return self._opened_results

    @property
    def notes(self) -> tuple[str, ...]:
        """What the run went on without, one line each."""
        known = self.known()
        return (
            *self._own_notes,
            *(self.domains.notes if self.domains is not None else ()),
            *self.client.notes,
            *(self._opened_results.notes if self._opened_results is not None else ()),
            *self.evidence.notes,
            *known.notes,
            *known.unasked,
        )

    # --- known malware ------------------------------------------------------------------------------------

    def ask_about(self, packages: Iterable[LockedPackage]) -> None:
        """Ask once for all packages of the run, while their tarballs are fetched."""
        pairs = {(package.name, package.version) for package in packages}
        self._asked = self._asker.submit(self._gather, pairs)

    def known(self) -> KnownMalware:
        """What the sources that were asked say; waits for them."""
        if self._asked is None:
            self.ask_about(())
        return self._asked.result() if self._asked is not None else KnownMalware()

    def _of_the_feed(self) -> tuple[Indicator, ...]:
        """What the records in the index name beside packages; nothing where there is no index."""
        settings = self.config
        if not (settings.cache.enabled and settings.feed.indicators):
            return ()
        from npmguard.intel.feed import FeedIndex  # noqa: PLC0415 - see _gather

        index = FeedIndex(settings.cache.path)
        if not index.is_there():
            return ()
        try:
            return index.indicators()
        except CacheError as error:
            self._own_notes.append(f"indicators of the feed: {error}")
            return ()

    def _gather(self, pairs: set[tuple[str, str]]) -> KnownMalware:
        from npmguard.intel.feed import FeedIndex  # noqa: PLC0415 - in a thread of its own, beside other work
        from npmguard.intel.gather import gather  # noqa: PLC0415 - as above
        from npmguard.registry.web import HttpWeb  # noqa: PLC0415 - as above

        settings = self.config
        index = FeedIndex(settings.cache.path) if settings.cache.enabled else None
        with HttpWeb(self.npm, settings.network, (settings.feed.url, settings.feed.api)) as web:
            return gather(
                pairs,
                feed=settings.feed,
                index=index,
                web=None if self.offline else web,
                registry_for=self.npm.registry_for,
                seconds=settings.feed.patience,
                now=self.now,
            )

    # --- judgements that still stand ----------------------------------------------------------------------

    def recall(self, package: LockedPackage) -> Judgement | None:
        """The judgement of an earlier run, where all that it rests on is as it was; no registry is asked.

        Nothing is recalled of a version or of bytes that a source of known malware names, whatever it says.
        """
        if self._recall is None or not _is_pinned(package) or not (own := self.client.held(package.name)):
            return None
        registry = self.npm.registry_for(package.name)
        found = self._recall.get(package, registry)
        if found is None:
            return None
        grounds, judgement = found
        stands = (
            judgement.verdict is Verdict.CLEAN
            and grounds.program == self._recall.program
            and grounds.since <= self.now
            and (package.name, own) in grounds.documents
            and all(name == package.name or self.client.held(name) == it for name, it in grounds.documents)
            and self._keys_digest(package.name, registry) == grounds.keys
            and self._malicious_beside(package) == grounds.malicious
        )
        return judgement if stands else None

    def remember(
        self, package: LockedPackage, judgement: Judgement, documents: Mapping[str, bytes], since: datetime
    ) -> None:
        """Keep a judgement of a clean version for later runs, with what it rests on; see :class:`Grounds`."""
        if self._recall is None or not _is_pinned(package) or judgement.verdict is not Verdict.CLEAN:
            return
        registry = self.npm.registry_for(package.name)
        keys = self._keys_digest(package.name, registry)
        if keys is None or not all(documents.values()) or since > self.now:
            return
        malicious = self._malicious_beside(package)
        if malicious is not None:
            grounds = Grounds(tuple(sorted(documents.items())), keys, since, malicious, self._recall.program)
            self._recall.put(package, registry, grounds, judgement)

    def _malicious_beside(self, package: LockedPackage) -> tuple[str, ...] | None:
        """Other versions of it that are known to be malware; None where this one, or its bytes, are named."""
        known = self.known()
        told = known.judge(package.name, package.version, package.integrity)
        if told.records or told.overruled:
            return None
        return tuple(sorted(known.malicious_versions(package.name)))

    @cached_property
    def _recall(self) -> Recall | None:
        """None where facts are wanted, which judgements lack, strangers are asked, or others may write it."""
        if self.facts or self.domains is not None or not self.evidence.cache.is_private:
            return None
        modes = bytes((self.offline, self.prefilter))
        scope = msgspec.msgpack.encode((modes, self._known_indicators, self.config))
        return Recall(self.evidence.cache, scope, self.ruleset.encode())

    @property
    def _known_indicators(self) -> str:
        return self.matcher.digest if self.matcher is not None else ""

    def _keys_digest(self, name: str, registry: str) -> bytes | None:
        """Names the registry's answer about its signing keys; None where it could not be asked."""
        answer = self.evidence.keys.of(registry, name)
        if isinstance(answer, NotAsked):
            return None
        return sha256(answer.document if isinstance(answer, Held) else b"").digest()


def _is_pinned(package: LockedPackage) -> bool:
    """Whether the lock itself says by a strong hash which bytes are meant."""
    return package.integrity is not None and any(it.algorithm == "sha512" for it in package.integrity.hashes)


def _mail_domains(config: Config, npm: NpmConfig, now: datetime) -> MailDomains:
    from npmguard.lookup.dns import DnsResolver  # noqa: PLC0415 - asked for by few, and libraries of an extra
    from npmguard.lookup.mail_domains import MailDomains  # noqa: PLC0415
    from npmguard.lookup.rdap import RdapClient  # noqa: PLC0415
    from npmguard.registry.web import HttpWeb  # noqa: PLC0415

    folder = config.cache.path / "rdap" if config.cache.enabled else None
    web = HttpWeb(npm, config.network, (config.domains.rdap,))
    rdap = RdapClient(folder, config.domains.rdap, web=web)
    return MailDomains(rdap, DnsResolver(config.domains.dns or None), now)


def _matcher(indicators: tuple[Indicator, ...]) -> IndicatorMatcher | None:
    if not indicators:
        return None
    from npmguard.detect.indicators import IndicatorMatcher  # noqa: PLC0415 - brings yara-x with it

    return IndicatorMatcher(indicators)
