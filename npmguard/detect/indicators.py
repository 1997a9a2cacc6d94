"""Known indicators of attacks, looked for in one package: in its bytes, its folded strings, and its hashes.

One yara-x scan a file says whether any value stands in it at all, as lower-case text. Only where one does, the
hosts, URLs, addresses and so on in the file are read one by one and looked up, which decides where a value
begins and ends: ``evil.example`` is in ``https://a.evil.example/x`` and not in ``notevil.example`` or
``evil.example.org``.
"""

from __future__ import annotations

import re
import time
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import sha256
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

from npmguard.detect.analyse import sources
from npmguard.detect.unfold import Means, unfold
from npmguard.errors import LimitExceeded
from npmguard.model import Confidence, Evidence, Finding, Indicator, IndicatorKind, Severity

if TYPE_CHECKING:
    import yara_x

    from npmguard.config import Limits
    from npmguard.model import Fact, Hash, PackageArchive, PackageFile

RULE: Final = "known-indicator"
REMEDIATION: Final = (
    "Do not install it. Read the place that is named; where the indicator was shared by mistake, take it out of"
    " the file of indicators."
)
MOST: Final = 20
"""Findings of one package; one more says how many others there are."""

_MANIFEST = "package.json"
_TYPED = (".ts", ".mts", ".cts")
_EXCERPT = 160
_LEAD = 24
_PATTERNS_A_RULE = 500  # yara-x takes time quadratic in the patterns of one rule
_BETWEEN_CHECKS = 4096  # places looked at between two looks at the clock
_LONGEST_HOST = 253  # RFC 1035

_HOST = re.compile(rb"[A-Za-z0-9_.-]{4,}")
_SLASHES = re.compile(rb"(?:\\?/){2}")
_NETLOC = re.compile(rb"[^/?#\s\"'`<>\\(){},;]{1,300}")
_REST = re.compile(rb"[^\s\"'`<>]+")
_AT = re.compile(rb"@")
_WORD = re.compile(rb"[A-Za-z0-9_]{20,}")
_LOCAL = re.compile(rb"[^\s@<>\"'`:;,()\[\]\\/=]{1,64}\Z")
_NUMERIC = re.compile(rb"[0-9.]{7,}|[0-9A-Fa-f:]{3,}")
_CONTINUES = re.compile(rb"[A-Za-z0-9_~%-]|\.[A-Za-z0-9_]")
_ESCAPE = re.compile(rb"\\(?:x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|[bfnrtv0])|%[0-9a-fA-F]{2}")
_IN_TEXT = re.compile(rb"(?:[\"'`]|[:\"'`](?:\\?/){2}|\w@|\\|%)\Z")
_AFTER_SLASHES = re.compile(rb"(?:/|@|\[)\Z")
_CASELESS = re.compile(
    r"0x[0-9a-f]{40}|(?:bc1|ltc1)[02-9ac-hj-np-z]{11,87}|[qp][02-9ac-hj-np-z]{41}", re.IGNORECASE
)
_OBFUSCATED = re.compile(
    rb"_0x[0-9a-f]{4,6}|from(?:CharCode|CodePoint)\([^)\n]{0,60}\^|charCodeAt\([^)\n]{0,30}\)\s*\^"
)
_LITERAL = re.compile(rb"\"([^\"\n\\]{0,256})\"|'([^'\n\\]{0,256})'|`([^`\n\\]{0,256})`")

_WHAT = {
    IndicatorKind.DOMAIN: "the domain",
    IndicatorKind.URL: "the URL",
    IndicatorKind.EMAIL: "the mail address",
    IndicatorKind.IP: "the IP address",
    IndicatorKind.ADDRESS: "the wallet address",
    IndicatorKind.SHA256: "a file with the SHA-256",
    IndicatorKind.SHA512: "a file with the SHA-512",
    IndicatorKind.PURL: "the package",
}


@dataclass(frozen=True, slots=True)
class _Hit:
    """An indicator at one place of some text; ``sure`` is whether the place can be nothing but text."""

    indicator: Indicator
    start: int
    end: int
    confidence: Confidence = Confidence.HIGH
    sure: bool = True


class IndicatorMatcher:
    """A set of indicators made ready to be looked for.

    ``digest`` (SHA-256, hex) stands for all that findings depend on. ``needs_hashes`` says that archives have
    to be read with hashes, and the tarball's SHA-256 to be computed. ``packages`` are the npm packages that
    package URLs name, as (name, version); version None is every version.
    """

    def __init__(self, indicators: Iterable[Indicator]) -> None:
        """Sort *indicators* by what they name; patterns are compiled when the first file is looked at."""
        ordered = sorted(set(indicators))
        told = sha256()
        for each in ordered:
            fields = (str(each.kind), each.value, each.source, each.date, each.description, str(each.sure))
            told.update(b"".join(b"%d:%s" % (len(text), text) for text in (field.encode() for field in fields)))
        self.digest: Final = told.hexdigest()
        self._values = _Values(ordered)
        self.needs_hashes: Final = bool(self._values.hashes)
        self.packages: Final = frozenset(self._values.packages)

    def match(
        self, archive: PackageArchive, limits: Limits, tarball_hashes: tuple[Hash, ...]
    ) -> tuple[Finding, ...]:
        """What of the indicators is in one package, by path, then line; at most ``MOST`` findings and a sum.

        Raises:
            LimitExceeded: it took longer than ``analysis-seconds`` of *limits*.
            ValueError: ``needs_hashes``, and the archive was read without.
        """
        return _Match(self._values, archive, limits).run(tarball_hashes)

    def match_package(self, name: str, version: str) -> Finding | None:
        """The finding for a package version that a package URL names."""
        packages = self._values.packages
        indicator = packages.get((name, version)) or packages.get((name, None))
        return (
            None
            if indicator is None
            else _finding(indicator, Confidence.HIGH, Evidence(RULE, _known(indicator)))
        )


class _Values:
    """The indicators by kind and by the text that is looked up."""

    def __init__(self, ordered: Iterable[Indicator]) -> None:
        self.hashes: dict[str, Indicator] = {}
        self.tarballs: dict[str, Indicator] = {}
        self.packages: dict[tuple[str, str | None], Indicator] = {}
        self.domains: dict[bytes, Indicator] = {}
        self.mails: dict[bytes, Indicator] = {}
        self.ips: dict[bytes, Indicator] = {}
        self.wallets: dict[bytes, Indicator] = {}
        self.urls: dict[bytes, dict[bytes, Indicator]] = {}  # host -> the rest of the URL
        put: dict[IndicatorKind, Callable[[Indicator], object]] = {
            IndicatorKind.DOMAIN: lambda it: self.domains.setdefault(it.value.lower().encode(), it),
            IndicatorKind.EMAIL: lambda it: self.mails.setdefault(it.value.lower().encode(), it),
            IndicatorKind.SHA256: lambda it: self.hashes.setdefault(it.value.lower(), it),
            IndicatorKind.SHA512: lambda it: self.tarballs.setdefault(it.value.lower(), it),
            IndicatorKind.IP: self._put_ip,
            IndicatorKind.ADDRESS: self._put_wallet,
            IndicatorKind.URL: self._put_url,
            IndicatorKind.PURL: self._put_package,
        }
        # of one value, the one that is surer, then the one that says whose it is
        for each in sorted(ordered, key=lambda it: (not it.sure, not it.source)):
            put[each.kind](each)
        self.lengths = {host: sorted({len(rest) for rest in rests}) for host, rests in self.urls.items()}
        self.mail_hosts = frozenset(mail.partition(b"@")[2] for mail in self.mails)
        self.most_labels = max((domain.count(b".") + 1 for domain in self.domains), default=0)
        self.shortest = min(map(len, self._literals()), default=0)

    def fired(self, text: bytes) -> frozenset[str]:
        """The groups (``host``, ``mail``, ``ip``, ``wallet``) of which a value stands somewhere in *text*."""
        if len(text) < self.shortest or not self.shortest:
            return frozenset()
        results = self._scanner.scan(text.lower())
        return frozenset(rule.identifier.partition("_")[0] for rule in results.matching_rules)

    def _literals(self) -> set[bytes]:
        return {*self.domains, *self.urls, *self.mails, *self.ips, *self.wallets}

    @cached_property
    def _scanner(self) -> yara_x.Scanner:
        import yara_x  # noqa: PLC0415 - a warm scan reads no package

        groups = {
            "host": {*self.domains, *self.urls},
            "mail": set(self.mails),
            "ip": set(self.ips),
            "wallet": {value.lower() for value in self.wallets},
        }
        compiler = yara_x.Compiler()
        for name, values in groups.items():
            ordered = sorted(values)
            for start in range(0, len(ordered), _PATTERNS_A_RULE):
                some = ordered[start : start + _PATTERNS_A_RULE]
                strings = " ".join(f"$p{index} = {{{value.hex()}}}" for index, value in enumerate(some))
                compiler.add_source(f"rule {name}_{start} {{ strings: {strings} condition: any of them }}")
        scanner = yara_x.Scanner(compiler.build())
        scanner.fast_scan(True)
        return scanner

    def _put_ip(self, indicator: Indicator) -> None:
        address = ip_address(indicator.value)
        if not address.is_loopback and not address.is_unspecified:  # in feeds by mistake, in code everywhere
            self.ips.setdefault(indicator.value.lower().encode(), indicator)

    def _put_wallet(self, indicator: Indicator) -> None:
        value = indicator.value.rpartition(":")[2]
        if _CASELESS.fullmatch(value):
            value = value.lower()
        self.wallets.setdefault(value.encode(), indicator)

    def _put_url(self, indicator: Indicator) -> None:
        parts = urlsplit(indicator.value)
        rest = indicator.value.partition("//")[2][len(parts.netloc) :]
        rests = self.urls.setdefault(parts.netloc.lower().encode(), {})
        rests.setdefault(b"" if rest == "/" else rest.encode(), indicator)

    def _put_package(self, indicator: Indicator) -> None:
        kind, _, rest = indicator.value.removeprefix("pkg:").partition("/")
        if kind == "npm" and rest:
            name, _, version = rest.partition("@")  # the @ of a scope is written %40
            self.packages.setdefault((unquote(name), unquote(version) or None), indicator)


class _Search:
    """All indicators in a text, found by reading its hosts, URLs, words and numbers one by one."""

    def __init__(self, values: _Values, check: Callable[[], None]) -> None:
        self._values = values
        self._check = check

    def run(self, text: bytes) -> dict[Indicator, _Hit]:
        """The best place of each indicator: the first that is sure, or the first."""
        fired = self._values.fired(text)
        found: dict[Indicator, _Hit] = {}
        passes = (("host", self._hosts), ("host", self._urls), ("mail", self._mails), ("ip", self._ips))
        for group, each in (*passes, ("wallet", self._wallets)):
            if group in fired:
                for hit in each(text):
                    known = found.get(hit.indicator)
                    if known is None or _rank(hit) < _rank(known):
                        found[hit.indicator] = hit
        return found

    def _places(self, pattern: re.Pattern[bytes], text: bytes) -> Iterator[re.Match[bytes]]:
        for number, match in enumerate(pattern.finditer(text)):
            if not number % _BETWEEN_CHECKS:
                self._check()
            yield match

    def _hosts(self, text: bytes) -> Iterator[_Hit]:
        domains = self._values.domains
        for match in self._places(_HOST, text) if domains else ():
            if b"." not in match.group():
                continue
            for start in _starts(text, match.start()):
                run = text[start : match.end()].rstrip(b".-")
                end = start + len(run)
                labels = run[-_LONGEST_HOST - 1 :].lower().split(b".")[-self._values.most_labels :]
                for index in range(len(labels) - 1):
                    host = b".".join(labels[index:])
                    indicator = domains.get(host)
                    if indicator is not None:
                        sure = text[start : start + 1] != b"." and _precedes(_IN_TEXT, text, start)
                        whole = len(host) == len(run)
                        yield _Hit(indicator, end - len(host), end, _high(whole), sure)
                        break

    def _urls(self, text: bytes) -> Iterator[_Hit]:
        urls, lengths = self._values.urls, self._values.lengths
        for match in self._places(_SLASHES, text) if urls else ():
            netloc = _NETLOC.match(text, match.end())
            if netloc is None:
                continue
            host = netloc.group().rstrip(b".,;:)").lower()
            if host not in urls:
                continue
            longest = 2 * lengths[host][-1] + 2  # twice, for every slash may be escaped
            told = _REST.match(text, netloc.end(), netloc.end() + longest)
            rest = told.group().replace(b"\\/", b"/") if told else b""
            fitting = lengths[host][: bisect_right(lengths[host], len(rest))]
            for length in reversed(fitting):
                indicator = urls[host].get(rest[:length])
                if indicator is None:
                    continue
                if not length or not rest[length - 1 : length].isalnum() or not _CONTINUES.match(rest, length):
                    yield _Hit(indicator, match.start(), netloc.end() + length)
                    break

    def _mails(self, text: bytes) -> Iterator[_Hit]:
        for at in self._places(_AT, text):
            host = _HOST.match(text, at.end(), at.end() + _LONGEST_HOST)
            domain = host.group().rstrip(b".-") if host else b""
            if domain.lower() not in self._values.mail_hosts:
                continue
            local = _LOCAL.search(text[max(at.start() - 64, 0) : at.start()])
            if local is None:
                continue
            indicator = self._values.mails.get((local.group() + b"@" + domain).lower())
            if indicator is not None:
                start = at.start() - len(local.group())
                yield _Hit(indicator, start, at.end() + len(domain), Confidence.MEDIUM)

    def _ips(self, text: bytes) -> Iterator[_Hit]:
        for match in self._places(_NUMERIC, text):
            around = text[max(match.start() - 1, 0) : match.start()] + text[match.end() : match.end() + 1]
            run = match.group().rstrip(b".")
            indicator = self._values.ips.get(run.lower())
            if indicator is not None and not re.search(rb"[\w-]", around):
                # four numbers with dots may be a version
                sure = _precedes(_AFTER_SLASHES, text, match.start())
                yield _Hit(indicator, match.start(), match.start() + len(run), _high(sure))

    def _wallets(self, text: bytes) -> Iterator[_Hit]:
        wallets = self._values.wallets
        for match in self._places(_WORD, text):
            for start in _starts(text, match.start()):
                word = text[start : match.end()]
                indicator = wallets.get(word) or (wallets.get(word.lower()) if len(word) <= 90 else None)
                if indicator is not None and (word in wallets or _CASELESS.fullmatch(word.decode())):
                    yield _Hit(indicator, start, match.end())


class _Match:
    """One package while it is looked at."""

    def __init__(self, values: _Values, archive: PackageArchive, limits: Limits) -> None:
        self._values = values
        self._archive = archive
        self._limits = limits
        self._end = time.thread_time() + limits.analysis_seconds
        self._search = _Search(values, self._check)
        self._sources = frozenset(file.path for file in sources(archive))
        self._findings: list[Finding] = []
        self._left_out = 0
        self._left_out_high = False

    def run(self, tarball_hashes: tuple[Hash, ...]) -> tuple[Finding, ...]:
        for each in sorted(tarball_hashes):
            digest = each.digest.hex()
            known = self._values.hashes.get(digest) or self._values.tarballs.get(digest)
            if known is not None:
                self._add(_finding(known, Confidence.HIGH, Evidence(RULE, _known(known)), "The tarball is "))
        for path in sorted(self._archive.files):
            self._check()
            file = self._archive.files[path]
            if self._values.hashes:
                self._match_hash(file)
            if file.content is not None:
                for finding in sorted(self._match_content(file, file.content), key=_order):
                    self._add(finding)
        if self._left_out:
            self._findings.append(
                Finding(
                    RULE,
                    Severity.CRITICAL,
                    _high(self._left_out_high),
                    f"{self._left_out} more places of this package hold known indicators",
                    remediation=REMEDIATION,
                )
            )
        return tuple(self._findings)

    def _check(self) -> None:
        if time.thread_time() > self._end:
            raise LimitExceeded(
                "looking for indicators took longer than analysis-seconds"
                f" ({self._limits.analysis_seconds:g}); raise it in npmguard.toml to have all of it looked at"
            )

    def _add(self, finding: Finding) -> None:
        if len(self._findings) < MOST:
            self._findings.append(finding)
        else:
            self._left_out += 1
            self._left_out_high = self._left_out_high or finding.confidence is Confidence.HIGH

    def _match_hash(self, file: PackageFile) -> None:
        digest = file.sha256
        if not digest:
            if file.content is None:
                raise ValueError(f"{file.path} has no SHA-256: read the archive with hashes")
            digest = sha256(file.content).hexdigest()
        known = self._values.hashes.get(digest)
        if known is not None:
            self._add(_finding(known, Confidence.HIGH, Evidence(RULE, _known(known), file=file.path)))

    def _match_content(self, file: PackageFile, content: bytes) -> Iterator[Finding]:
        found = self._search.run(content)
        if file.path not in self._sources:
            typed = file.path.endswith(_TYPED)  # declarations: code that does not run
            yield from (self._in_clear(file, content, hit) for hit in found.values() if hit.sure or not typed)
            if file.path == _MANIFEST and not found:
                yield from self._match_scripts(content)
            return
        sure = [hit for hit in found.values() if hit.sure]
        yield from (self._in_clear(file, content, hit) for hit in sure)
        if sure and len(sure) == len(found):
            return
        if len(content) <= self._limits.source_bytes and (found or self._may_build(content)):
            yield from self._match_strings(
                file, content, {it: hit for it, hit in found.items() if not hit.sure}
            )

    def _match_scripts(self, content: bytes) -> Iterator[Finding]:
        """The scripts as JSON has them decoded."""
        scripts = self._archive.manifest.scripts if self._archive.manifest else {}
        for name in sorted(scripts):
            text = scripts[name].encode("utf-8", "replace")
            at = content.find(f'"{name}"'.encode())
            for hit in self._search.run(text).values():
                yield _finding(
                    hit.indicator,
                    hit.confidence,
                    Evidence(
                        RULE,
                        _known(hit.indicator),
                        file=_MANIFEST,
                        line=content.count(b"\n", 0, at) + 1 if at >= 0 else None,
                        excerpt=_excerpt(content, at, at + 1) if at >= 0 else None,
                        decoded=_excerpt(text, hit.start, hit.end),
                    ),
                )

    def _match_strings(
        self, file: PackageFile, content: bytes, unsure: dict[Indicator, _Hit]
    ) -> Iterator[Finding]:
        """What the strings of a source file hold once they are folded; *unsure* places are held against them.

        ``evil.example`` in code is a property of an object, unless it is in a string.
        """
        from npmguard.javascript.facts import extract_facts  # noqa: PLC0415 - brings tree-sitter with it
        from npmguard.javascript.interest import Interest  # noqa: PLC0415
        from npmguard.javascript.syntax import source_text  # noqa: PLC0415

        interest = Interest(strings=True, string_length=max(self._values.shortest, 1))
        facts = extract_facts(file.path, content, self._limits, interest)
        texts = [(fact, (fact.value or "").encode("utf-8", "replace")) for fact in facts.facts]
        places: dict[Indicator, tuple[_Hit, Fact, bytes]] = {}
        if self._values.fired(b"\n".join(text for _, text in texts)):
            for fact, text in texts:
                self._check()
                for hit in self._search.run(text).values():
                    known = places.get(hit.indicator)
                    if known is None or hit.confidence is Confidence.HIGH is not known[0].confidence:
                        places[hit.indicator] = (hit, fact, text)
        source = source_text(content)
        for indicator, (hit, fact, text) in places.items():
            evidence = Evidence(
                RULE,
                _known(indicator),
                file=file.path,
                line=fact.line,
                excerpt=_excerpt(source, fact.start, fact.end),
                decoded=_excerpt(text, hit.start, hit.end) if fact.decoded else None,
            )
            yield _finding(indicator, hit.confidence, evidence)
        if facts.partial or facts.unread:  # nothing says what those places are
            for indicator, hit in unsure.items():
                if indicator not in places:
                    yield self._in_clear(file, content, replace(hit, confidence=Confidence.MEDIUM))

    def _may_build(self, content: bytes) -> bool:
        """Whether a file could build a value of its own literals, as far as bytes tell."""
        if _OBFUSCATED.search(content):
            return True
        means = frozenset(Means) if b"reverse" in content else frozenset(Means) - {Means.REVERSED}
        built = unfold(content, means)
        pieces = [b"".join(each) for each in _LITERAL.findall(built + b"\n" + content)]
        return bool(self._values.fired(b"\n".join((built, b"".join(pieces), b".".join(pieces)))))

    def _in_clear(self, file: PackageFile, content: bytes, hit: _Hit) -> Finding:
        evidence = Evidence(
            RULE,
            _known(hit.indicator),
            file=file.path,
            line=content.count(b"\n", 0, hit.start) + 1,
            excerpt=_excerpt(content, hit.start, hit.end),
        )
        return _finding(hit.indicator, hit.confidence, evidence)


def _finding(
    indicator: Indicator, confidence: Confidence, evidence: Evidence, start: str = "It holds "
) -> Finding:
    if indicator.kind is IndicatorKind.PURL:
        start = "It is "
    if not indicator.sure:
        confidence = Confidence.MEDIUM
    return Finding(
        rule=RULE,
        severity=Severity.CRITICAL,
        confidence=confidence,
        message=f"{start}{_WHAT[indicator.kind]} {_clipped(indicator.value)}, a known indicator of an attack",
        file=evidence.file,
        line=evidence.line,
        evidence=(evidence,),
        remediation=REMEDIATION,
    )


def _known(indicator: Indicator) -> str:
    since = f", {indicator.date}" if indicator.date else ""
    about = f": {indicator.description}" if indicator.description else ""
    return _clipped(f"{indicator.kind} named by {indicator.source or 'the file of indicators'}{since}{about}")


def _order(finding: Finding) -> tuple[int, str]:
    return finding.line or 0, finding.message


def _rank(hit: _Hit) -> tuple[bool, bool, int]:
    return not hit.sure, hit.confidence is not Confidence.HIGH, hit.start


def _high(is_sure: object) -> Confidence:
    return Confidence.HIGH if is_sure else Confidence.MEDIUM


def _starts(text: bytes, start: int) -> tuple[int, ...]:
    """Where a run may begin: as it stands, and behind an escape that its first letters are part of."""
    escape = _ESCAPE.match(text, start - 1) if start else None
    return (start,) if escape is None else (escape.end(), start)


def _precedes(pattern: re.Pattern[bytes], text: bytes, at: int) -> bool:
    return pattern.search(text[max(at - 6, 0) : at]) is not None


def _excerpt(text: bytes, start: int, end: int) -> str:
    """One line around a place: a little before it on its own line, then on to the length there is."""
    begin = max(text.rfind(b"\n", 0, start) + 1, start - _LEAD)
    shown = text[begin : min(max(end, begin) + 4 * _EXCERPT, begin + 8 * _EXCERPT)].decode("utf-8", "replace")
    return _clipped(" ".join(shown.split()))


def _clipped(text: str) -> str:
    return text if len(text) <= _EXCERPT else text[: _EXCERPT - 1] + "…"
