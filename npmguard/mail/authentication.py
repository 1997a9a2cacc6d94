"""SPF, DKIM, DMARC and ARC of one message: from a trusted Authentication-Results, or verified here.

A pass proves which domain sent a message and never whose domain that is. Offline, what no trusted header tells
is "not checked". Methods: RFC 7208 by pyspf, RFC 6376 and RFC 8617 by dkimpy, RFC 7489 here, RFC 8601 by
authres.
"""

from __future__ import annotations

import binascii
import logging
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any

from npmguard.lookup.answers import Resolver
from npmguard.lookup.dns import DnsUnreachable
from npmguard.mail.lookalike import registered_domain, to_ascii
from npmguard.mail.message import Message
from npmguard.mail.options import MailOptions
from npmguard.model import AuthCheck, AuthOutcome, MailAuthentication

_SIGNED_BYTES = 8 * 1024 * 1024  # dkimpy copies a message several times
_WHITE_RUN = 2000  # and is quadratic in runs of white space
_SIGNATURES = 5
_TIMEOUT = 5
_TRACE = re.compile(r"authentication-results|received-spf|dkim-|arc-|x-|return-path|delivered-to|domainkey")
_RECEIVED = re.compile(
    r"from\s+(?P<helo>\S+).{0,300}?\[(?:IPv6:)?(?P<ip>[0-9a-fA-F.:]{3,45})\].{0,300}?\bby\s+(?P<by>\S+)",
    re.DOTALL,
)
_OUTCOMES = {
    "pass": AuthOutcome.PASS,
    "fail": AuthOutcome.FAIL,
    "softfail": AuthOutcome.NEUTRAL,
    "neutral": AuthOutcome.NEUTRAL,
    "policy": AuthOutcome.FAIL,
    "none": AuthOutcome.NONE,
    "bestguesspass": AuthOutcome.NONE,
    "temperror": AuthOutcome.ERROR,
    "permerror": AuthOutcome.ERROR,
}
_SILENT = logging.getLogger("npmguard.mail.dkim")
_SILENT.addHandler(logging.NullHandler())
_SILENT.propagate = False


def authenticate(message: Message, options: MailOptions) -> MailAuthentication:
    """All that can be known of how *message* was sent, under *options*; never fails."""
    senders = message.addresses("from")
    author = to_ascii(senders[0].domain) if senders else ""
    told = _from_headers(message, options.authserv_ids, author)
    if options.resolver is None:
        return told
    asked = _verify(message, options, options.resolver, author)
    return MailAuthentication(
        spf=_better(asked.spf, told.spf),
        dkim=_better(asked.dkim, told.dkim),
        dmarc=_better(asked.dmarc, told.dmarc),
        arc=_better(asked.arc, told.arc),
    )


def _better(asked: AuthCheck, told: AuthCheck) -> AuthCheck:
    """What was verified here, or what a trusted server saw where nothing could be verified."""
    if told.outcome is not AuthOutcome.NOT_CHECKED and asked.outcome in {
        AuthOutcome.NOT_CHECKED,
        AuthOutcome.ERROR,
    }:
        return told
    return asked


def _aligned(domain: str, author: str, *, strict: bool = False) -> bool:
    domain, author = to_ascii(domain), to_ascii(author)
    if not domain or not author:
        return False
    return domain == author if strict else registered_domain(domain) == registered_domain(author)


# --- what a trusted server wrote down --------------------------------------------------------------------


def _from_headers(message: Message, trusted: frozenset[str], author: str) -> MailAuthentication:
    """Read the topmost Authentication-Results of a trusted server, and the ones in the same block.

    One that stands below a Received header that itself stands below the topmost was there when the message
    came in: anybody may have written it.
    """
    found: dict[str, list[AuthCheck]] = {}
    started = False
    for header in message.headers:
        if header.name == "authentication-results":
            results = _parse_results(header.raw, trusted)
            if results is not None:
                started = True
                for method, check in _checks(results, author):
                    found.setdefault(method, []).append(check)
        elif started and not _TRACE.match(header.name):
            break
    return MailAuthentication(
        **{method: _choose(found.get(method, [])) for method in ("spf", "dkim", "dmarc", "arc")}
    )


def _parse_results(raw: str, trusted: frozenset[str]) -> Any | None:
    """The header as authres reads it, if its authserv-id is trusted."""
    if not trusted:
        return None
    import authres  # noqa: PLC0415 - only where a server is trusted
    import authres.arc  # noqa: PLC0415
    import authres.dmarc  # noqa: PLC0415

    context = authres.FeatureContext(authres.dmarc, authres.arc)
    try:
        header = context.parse_value(raw[:8192])
    except (authres.AuthResError, ValueError, IndexError):
        return None
    return header if str(header.authserv_id).lower() in trusted else None


def _checks(header: Any, author: str) -> list[tuple[str, AuthCheck]]:
    found = []
    for result in header.results:
        method = str(getattr(result, "method", "")).lower()
        if method not in {"spf", "dkim", "dmarc", "arc"}:
            continue
        outcome = _OUTCOMES.get(str(result.result).lower(), AuthOutcome.NEUTRAL)
        domain = ""
        for entry in result.properties:
            name = f"{entry.type}.{entry.name}".lower()
            if name in {"header.d", "header.from", "smtp.mailfrom"} or (
                name in {"header.i", "smtp.helo"} and not domain
            ):
                domain = str(entry.value).rpartition("@")[2].strip("<>\"' ").lower()
        found.append(
            (
                method,
                AuthCheck(outcome, domain, f"said by {header.authserv_id}", _aligned(domain, author), "header"),
            )
        )
    return found


def _choose(checks: list[AuthCheck]) -> AuthCheck:
    """Of several signatures the aligned pass counts, then any pass, then the topmost."""
    if not checks:
        return AuthCheck()
    for check in checks:
        if check.outcome is AuthOutcome.PASS and check.aligned:
            return check
    return next((check for check in checks if check.outcome is AuthOutcome.PASS), checks[0])


# --- verified here ---------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Lookups:
    """The resolver as dkimpy and pyspf want it; remembers whether it was unreachable."""

    resolver: Resolver
    failed: list[str] = field(default_factory=list)

    def text(self, name: bytes | str, timeout: int = _TIMEOUT) -> bytes | None:  # noqa: ARG002 - dkimpy passes it
        """The first TXT record, its strings joined, or None."""
        return next(iter(self.texts(name)), None)

    def texts(self, name: bytes | str) -> list[bytes]:
        """Every TXT record of *name*."""
        spelled = name.decode("ascii", "replace") if isinstance(name, bytes) else name
        try:
            records = self.resolver.lookup(spelled.strip("."), "TXT")
        except DnsUnreachable as error:
            self.failed.append(str(error))
            return []
        return [
            b"".join(piece for piece in record if isinstance(piece, bytes))
            for record in records
            if isinstance(record, tuple)
        ]


def _verify(message: Message, options: MailOptions, resolver: Resolver, author: str) -> MailAuthentication:
    spf = _spf(message, options, resolver, author)
    dkim = _dkim(message, resolver, author)
    return MailAuthentication(
        spf=spf, dkim=dkim, dmarc=_dmarc(author, spf, dkim, resolver), arc=_arc(message, resolver)
    )


def _spf(message: Message, options: MailOptions, resolver: Resolver, author: str) -> AuthCheck:
    """SPF of the session that the user or the trusted server's Received header describes."""
    client, helo, sender = options.client_ip, options.helo, options.mail_from
    if client is None:
        client, helo_seen = _session(message, options.authserv_ids)
        helo = helo or helo_seen
    if client is None:
        return AuthCheck(detail="the sending server's address is not known; give --client-ip")
    try:
        ip_address(client)
    except ValueError:
        return AuthCheck(detail=f"{client} is no IP address")
    if sender is None:
        path = message.addresses("return-path")
        sender = path[0].address if path else ""
    import spf  # noqa: PLC0415 - only online

    query = _query_class(spf, resolver)(i=client, s=sender, h=helo or "unknown", timeout=_TIMEOUT, querytime=20)
    domain = sender.rpartition("@")[2] or (helo or "")
    try:
        result, _, detail = query.check()
    except (spf.TempError, spf.PermError, UnicodeError, ValueError, IndexError, AssertionError) as error:
        return AuthCheck(AuthOutcome.ERROR, domain, _one_line(error), source="verified")
    outcome = _OUTCOMES.get(str(result).lower(), AuthOutcome.NEUTRAL)
    return AuthCheck(outcome, domain, _one_line(detail), _aligned(domain, author), "verified")


def _query_class(spf: Any, resolver: Resolver) -> Any:
    """Pyspf's query, asking *resolver* instead of the system's servers."""

    class Query(spf.query):  # type: ignore[misc] # pyspf has no types
        def dns(self, name: str, qtype: str, cnames: object = None, ignore_void: bool = False) -> list[Any]:  # noqa: ARG002
            if qtype == "SPF":
                return []
            try:
                records = list(resolver.lookup(str(name).strip("."), qtype))
            except DnsUnreachable as error:
                raise spf.TempError(str(error)) from error
            if not records and not ignore_void:
                self.void_lookups += 1
                if self.void_lookups > spf.MAX_VOID_LOOKUPS:
                    raise spf.PermError(f"more than {spf.MAX_VOID_LOOKUPS} lookups found nothing")
            return records

    return Query


def _session(message: Message, trusted: frozenset[str]) -> tuple[str | None, str | None]:
    """Address and HELO of the sending server, from the topmost Received header if a trusted server wrote it."""
    for header in message.all("received")[:1]:
        match = _RECEIVED.search(header.raw[:2000])
        if match and match["by"].lower().strip(";()") in trusted:
            return match["ip"], match["helo"]
    return None, None


def _dkim(message: Message, resolver: Resolver, author: str) -> AuthCheck:
    signatures = len(message.all("dkim-signature"))
    if not signatures:
        return AuthCheck(AuthOutcome.NONE, author, "the message is not signed", source="verified")
    if not _canonical_in_time(message.raw):
        return AuthCheck(detail="the message is too long, or has too long white space, to verify its signature")
    return _choose(
        [_one_signature(message, number, resolver, author) for number in range(min(signatures, _SIGNATURES))]
    )


def _one_signature(message: Message, number: int, resolver: Resolver, author: str) -> AuthCheck:
    import dkim  # noqa: PLC0415 - only online

    lookups = _Lookups(resolver)
    domain = ""

    def run() -> bool:
        nonlocal domain
        verifier = dkim.DKIM(message.raw, logger=_SILENT, minkey=1024, timeout=_TIMEOUT)
        try:
            return bool(verifier.verify(idx=number, dnsfunc=lookups.text))
        finally:
            domain = (verifier.domain or b"").decode("ascii", "replace").lower()
            signed.update(verifier.signature_fields or {})

    signed: dict[bytes, bytes] = {}
    valid, detail = _guarded(run)
    if lookups.failed:
        return AuthCheck(AuthOutcome.ERROR, domain, lookups.failed[0], source="verified")
    if not valid:
        return AuthCheck(
            AuthOutcome.FAIL,
            domain,
            detail or "the signature does not match",
            _aligned(domain, author),
            "verified",
        )
    if b"l" in signed:
        return AuthCheck(
            AuthOutcome.NEUTRAL, domain, "the signature covers only a part of the body", source="verified"
        )
    return AuthCheck(AuthOutcome.PASS, domain, "the signature matches", _aligned(domain, author), "verified")


def _arc(message: Message, resolver: Resolver) -> AuthCheck:
    if not message.all("arc-seal"):
        return AuthCheck(AuthOutcome.NONE, "", "there is no ARC chain", source="verified")
    if not _canonical_in_time(message.raw) or len(message.all("arc-seal")) > 20:
        return AuthCheck(detail="the message is too long for its ARC chain to be verified")
    import dkim  # noqa: PLC0415 - only online

    lookups = _Lookups(resolver)
    sealed = ""

    def run() -> bool:
        nonlocal sealed
        outcome, sets, _ = dkim.ARC(message.raw, logger=_SILENT, minkey=1024, timeout=_TIMEOUT).verify(
            dnsfunc=lookups.text
        )
        sealed = sets[0].get("as-domain", b"").decode("ascii", "replace") if sets else ""
        return bool(outcome == dkim.CV_Pass)

    valid, detail = _guarded(run)
    if lookups.failed:
        return AuthCheck(AuthOutcome.ERROR, sealed, lookups.failed[0], source="verified")
    outcome = AuthOutcome.PASS if valid else AuthOutcome.FAIL
    return AuthCheck(
        outcome, sealed, detail or ("the chain is whole" if valid else "the chain is broken"), source="verified"
    )


def _guarded(run: Callable[[], bool]) -> tuple[bool, str]:
    """Run dkimpy over hostile headers: what it raises is a signature that does not verify."""
    import dkim  # noqa: PLC0415 - only online
    from dkim.util import InvalidTagValueList  # noqa: PLC0415

    try:
        return run(), ""
    except dkim.DKIMException as error:
        return False, _one_line(error)
    except (
        InvalidTagValueList,
        binascii.Error,
        ValueError,
        IndexError,
        KeyError,
        TypeError,
        AttributeError,
        OverflowError,
    ) as error:
        return False, f"the signature is malformed ({_one_line(error)})"


def _canonical_in_time(raw: bytes) -> bool:
    return len(raw) <= _SIGNED_BYTES and b" " * _WHITE_RUN not in raw.replace(b"\t", b" ")


def _dmarc(author: str, spf: AuthCheck, dkim: AuthCheck, resolver: Resolver) -> AuthCheck:
    """Alignment under the policy of From's domain, or of its registered domain."""
    if not author:
        return AuthCheck(AuthOutcome.NONE, "", "there is no From domain", source="verified")
    lookups = _Lookups(resolver)
    record = None
    for domain in dict.fromkeys((author, registered_domain(author))):
        found = [text for text in lookups.texts(f"_dmarc.{domain}") if text.lower().startswith(b"v=dmarc1")]
        if len(found) == 1:  # several are none, says RFC 7489, 6.6.3
            record = found[0].decode("utf-8", "replace")
            break
    if lookups.failed:
        return AuthCheck(AuthOutcome.ERROR, author, lookups.failed[0], source="verified")
    if record is None:
        return AuthCheck(AuthOutcome.NONE, author, "the domain publishes no policy", source="verified")
    tags = {
        name.strip().lower(): value.strip().lower()
        for name, _, value in (tag.partition("=") for tag in record.split(";"))
        if value
    }
    aligned = [
        check.outcome is AuthOutcome.PASS and _aligned(check.domain, author, strict=tags.get(tag, "r") == "s")
        for check, tag in ((dkim, "adkim"), (spf, "aspf"))
    ]
    policy = f"policy {tags.get('p', 'none')}"
    if any(aligned):
        return AuthCheck(AuthOutcome.PASS, author, policy, aligned=True, source="verified")
    if AuthOutcome.ERROR in {spf.outcome, dkim.outcome}:
        return AuthCheck(AuthOutcome.ERROR, author, "SPF or DKIM could not be asked about", source="verified")
    if AuthOutcome.NOT_CHECKED in {spf.outcome, dkim.outcome}:
        return AuthCheck(detail=f"{policy}; SPF or DKIM was not checked", domain=author)
    return AuthCheck(AuthOutcome.FAIL, author, policy, source="verified")


def _one_line(value: object) -> str:
    return " ".join(str(value).split())[:200]
