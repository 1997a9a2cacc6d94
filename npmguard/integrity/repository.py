"""Source repositories, however their addresses are spelled."""

from __future__ import annotations

import re
from typing import Final

_HOSTS: Final = {"github": "github.com", "gitlab": "gitlab.com", "bitbucket": "bitbucket.org"}
_SHORTHAND = re.compile(r"(?:(github|gitlab|bitbucket):)?([A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+)")
_SCP = re.compile(r"(?:[\w.-]{1,64}@)?([A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,8}):(?!/)(.+)")
_URL = re.compile(r"(?:git\+)?(?:https?|ssh|git)://(?:[^@/]{0,256}@)?([A-Za-z0-9.-]{1,253})(?::\d{1,5})?/(.+)")
_MAX_LENGTH = 2048


def repository_key(address: str) -> str | None:
    """``host/path`` of a repository in one spelling, so that addresses can be compared; None for none of one.

    It reads what npm reads in ``repository``: ``owner/name``, ``github:owner/name``, URLs of git, https and
    ssh with or without ``git+`` and ``.git``, ``git@host:owner/name``. A branch (``#main``, ``@refs/…``) and a
    folder of GitHub's, GitLab's or Bitbucket's web pages are left out. Letters are in lower case: none of
    these hosts tells repositories apart by case.
    """
    text = address.strip()
    if not text or len(text) > _MAX_LENGTH:
        return None
    text = re.split(r"[#?]|@refs/", text, maxsplit=1)[0]
    if match := _SHORTHAND.fullmatch(text):
        host, path = _HOSTS[match[1] or "github"], match[2]
    elif match := _URL.fullmatch(text) or _SCP.fullmatch(text):
        host, path = match[1], match[2]
    else:
        return None
    host = host.lower().removeprefix("www.").rstrip(".")
    parts = [part for part in path.lower().split("/") if part]
    if host in {"github.com", "bitbucket.org"}:
        parts = parts[:2]
    elif "-" in parts:
        parts = parts[: parts.index("-")]  # GitLab's own pages are behind /-/
    if len(parts) < 2 or not {".", ".."}.isdisjoint(parts):
        return None
    parts[-1] = parts[-1].removesuffix(".git")
    return "/".join((host, *parts)) if parts[-1] else None
