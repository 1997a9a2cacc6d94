"""Asks every source once for all packages of a scan what is known of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

from npmguard.config import Feed
from npmguard.errors import CacheError, RegistryError
from npmguard.intel.advisories import ask_registries
from npmguard.intel.campaigns import load_campaigns
from npmguard.intel.feed import FeedIndex, FeedStatus
from npmguard.intel.malware import Answer, Asked, KnownMalware, Overruling, Source, Statement
from npmguard.intel.osv_api import ask_osv
from npmguard.intel.web import Web

_Statements = Mapping[str, tuple[Statement, ...]]
_DAY = 86400.0
PUBLIC_REGISTRY = "https://registry.npmjs.org/"


def gather(
    versions: Iterable[tuple[str, str]],
    *,
    feed: Feed,
    index: FeedIndex | None,
    web: Web | None,
    registry_for: Callable[[str], str],
    seconds: float,
    now: datetime,
) -> KnownMalware:
    """What the campaigns that ship with npmguard, OSV and the registries' advisories say of *versions*.

    Args:
        versions: every (name, version) that comes from a registry; names of the project's own packages are
            no business of others.
        feed: which sources to ask, and which records the user overrules.
        index: the index below the cache folder; None without a cache. While it is younger than
            ``feed.max-age`` OSV is not asked. An older one still tells what it knows.
        web: how to ask; None when offline.
        registry_for: the base URL of the registry that a package of that name comes from.
        seconds: how long all sources together may take.
        now: aware; the age of the index and the end of overrulings are seen from it.

    Never raises for what a source does: that is in :attr:`KnownMalware.answers`.
    """
    pairs = sorted(set(versions))
    names = sorted({name for name, _ in pairs})
    public = [name for name in names if registry_for(name) in {registry_for(""), PUBLIC_REGISTRY}]
    campaigns = load_campaigns()
    asking = web if feed.online else None
    status = index.status(now) if index is not None else None
    with ThreadPoolExecutor(1, thread_name_prefix="npmguard-advisories") as executor:
        advised = executor.submit(_advisories, pairs, asking, registry_for, seconds, feed)
        known, osv = _osv(names, public, feed, index, status, asking, seconds, offline=web is None)
        advisories, github = advised.result()
    statements = _merged(
        [known, _second_opinion(advisories, (known, campaigns.statements)), campaigns.statements]
    )
    overrulings, notes = _overrulings(feed, now)
    return KnownMalware(statements, campaigns.hashes, (osv, github), overrulings, notes)


def _osv(
    names: list[str],
    public: list[str],
    feed: Feed,
    index: FeedIndex | None,
    status: FeedStatus | None,
    web: Web | None,
    seconds: float,
    *,
    offline: bool,
) -> tuple[_Statements, Answer]:
    """From the index while it is fresh, else from the API, else from the old index, which is said.

    Only *public* names are sent away: a scope with a registry of its own is another's business, and what OSV
    knows is the public registry's packages.
    """
    problem = "there is no cache for an index" if status is None else status.problem or _age(status)
    held: _Statements = {}
    if index is not None and status is not None and status.problem is None:
        try:
            held = index.statements(names)
        except CacheError as error:
            problem = str(error)
        else:
            if status.is_fresh(feed.max_age):
                return held, Answer(
                    Source.OSV, Asked.ANSWERED, f"index of {status.records} records, {_age(status)}"
                )
    if not public:
        return held, Answer(Source.OSV, Asked.ANSWERED, "there is nothing to ask about")
    if web is None:
        why = "offline" if offline else "feed.online is false"
        return held, Answer(
            Source.OSV, Asked.NOT_ASKED, f"{why}, and {problem}{_do_without(feed)}", feed.required
        )
    try:
        return ask_osv(public, feed.api, web, seconds), Answer(Source.OSV, Asked.ANSWERED, f"asked {feed.api}")
    except RegistryError as error:
        return held, Answer(
            Source.OSV, Asked.FAILED, f"{error}, and {problem}{_do_without(feed)}", feed.required
        )


def _do_without(feed: Feed) -> str:
    return "; to do without, give --feed optional or set feed.required = false" if feed.required else ""


def _advisories(
    pairs: list[tuple[str, str]],
    web: Web | None,
    registry_for: Callable[[str], str],
    seconds: float,
    feed: Feed,
) -> tuple[_Statements, Answer]:
    if web is None:
        why = "offline" if feed.online else "feed.online is false"
        return {}, Answer(Source.GITHUB, Asked.NOT_ASKED, why)
    try:
        found = ask_registries(pairs, registry_for, web, seconds)
    except RegistryError as error:
        return {}, Answer(Source.GITHUB, Asked.FAILED, str(error))
    return found, Answer(Source.GITHUB, Asked.ANSWERED, "asked the registries for their advisories")


def _second_opinion(advisories: _Statements, lists: tuple[_Statements, ...]) -> _Statements:
    """The advisories, less those of all versions of a package of which another source lists the bad ones.

    The first advisory on a hijacked package often means its name, and is narrowed later.
    """
    kept: dict[str, tuple[Statement, ...]] = {}
    for name, statements in advisories.items():
        listed = any(it.bounds.listed for others in lists for it in others.get(name, ()))
        kept[name] = tuple(it for it in statements if not (listed and it.bounds.is_everything))
    return kept


def _merged(sources: Iterable[_Statements]) -> _Statements:
    merged: dict[str, list[Statement]] = {}
    for source in sources:
        for name, statements in source.items():
            merged.setdefault(name, []).extend(statements)
    return {name: tuple(statements) for name, statements in merged.items()}


def _overrulings(feed: Feed, now: datetime) -> tuple[tuple[Overruling, ...], tuple[str, ...]]:
    valid: list[Overruling] = []
    notes: list[str] = []
    for entry in feed.accept:
        if entry.until < now.date():
            notes.append(
                f"feed.accept of {entry.record} ended on {entry.until}; take it out, or look at it anew"
            )
        else:
            valid.append(Overruling(entry.record, entry.reason, entry.package, entry.version))
    return tuple(valid), tuple(notes)


def _age(status: FeedStatus) -> str:
    if status.age is None:
        return "of unknown age"
    if status.age < 0:
        return "checked at a time that is still to come"
    days = status.age / _DAY
    return f"checked {days:.0f} days ago" if days >= 2 else f"checked {status.age / 3600:.0f} hours ago"
