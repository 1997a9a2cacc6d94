"""Whether a release says that it lives somewhere else than its forerunner."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from npmguard.audit.note import note, short

if TYPE_CHECKING:
    from npmguard.audit.release_history import ReleaseHistory
    from npmguard.model import Finding

REPOSITORY_CHANGED = "repository-changed"
HOMEPAGE_CHANGED = "homepage-changed"

_MAX_LENGTH = 2048
_SHORTHAND = re.compile(r"(?:(github|gitlab|bitbucket):)?([\w.-]+)/([\w.-]+?)(?:\.git)?(?:#.*)?", re.ASCII)
_SCP = re.compile(r"(?:[\w.-]+@)?([\w.-]+):(?!//)/?(.+)", re.ASCII)
_HOSTS = {"github": "github.com", "gitlab": "gitlab.com", "bitbucket": "bitbucket.org"}
_CODE_HOSTS = frozenset(_HOSTS.values())


def signals(history: ReleaseHistory) -> tuple[Finding, ...]:
    """Notes on a repository of another owner and name, and on a homepage on another host.

    A repository that is renamed or handed over keeps one of owner and name as a rule. What one of the two
    releases does not state is no change.
    """
    release, baseline = history.release, history.baseline
    if baseline is None:
        return ()
    found: list[Finding] = []
    before, now = baseline.manifest.repository, release.manifest.repository
    if before is not None and now is not None and before != now:
        old, new = repository(before), repository(now)
        if old is not None and new is not None and not _related(old, new):
            found.append(
                note(
                    REPOSITORY_CHANGED,
                    f"It names another repository than {baseline.manifest.version} does.",
                    f"{short(before)} became {short(now)}",
                )
            )
    before, now = baseline.homepage, release.homepage
    if before is not None and now is not None and before != now:
        old_host, new_host = _host(before), _host(now)
        if old_host and new_host and old_host != new_host and new_host not in _CODE_HOSTS:
            found.append(
                note(
                    HOMEPAGE_CHANGED,
                    f"It names a homepage on another host than {baseline.manifest.version} does.",
                    f"{short(before)} became {short(now)}",
                )
            )
    return tuple(found)


def repository(text: str) -> tuple[str, str, str] | None:
    """Host, owner and name of a repository field in any of npm's spellings, in lower case; None for others."""
    text = text.strip()
    if len(text) > _MAX_LENGTH:
        return None
    shorthand = _SHORTHAND.fullmatch(text)
    if shorthand is not None:
        return _HOSTS[shorthand[1] or "github"], shorthand[2].lower(), shorthand[3].lower()
    bare = text.removeprefix("git+").removeprefix("scm:")
    if "://" in bare:
        host, path = _host(bare), _path(bare)
    else:
        scp = _SCP.fullmatch(bare)
        if scp is None:
            return None
        host, path = scp[1].lower(), scp[2].partition("#")[0]
    parts = [part for part in path.lower().split("/") if part]
    if not host or len(parts) < 2:
        return None
    return host, parts[0], parts[1].removesuffix(".git")


def _related(old: tuple[str, str, str], new: tuple[str, str, str]) -> bool:
    return old[1] == new[1] or old[2] == new[2]


def _host(url: str) -> str:
    try:
        host = urlsplit(url[:_MAX_LENGTH]).hostname or ""
    except ValueError:
        return ""
    return host.lower().removeprefix("www.")


def _path(url: str) -> str:
    try:
        return urlsplit(url[:_MAX_LENGTH]).path
    except ValueError:
        return ""
