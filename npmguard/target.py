"""What an argument of the command line names: a tarball, a folder or a package of the registry."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import nodesemver

from npmguard.errors import NotInRegistry, UsageError

if TYPE_CHECKING:
    from npmguard.model import Packument

_SPEC = re.compile(r"(?P<name>(?:@[a-z0-9-~][a-z0-9-._~]*/)?[a-zA-Z0-9-~][a-zA-Z0-9-._~]*)(?:@(?P<wanted>.*))?")
_MAX_WANTED = 256


def parse_spec(text: str) -> tuple[str, str]:
    """Split ``name``, ``name@version``, ``name@range`` or ``name@tag``; no version means the tag ``latest``.

    Raises:
        UsageError: the text names no package of a registry.
    """
    match = _SPEC.fullmatch(text)
    if match is None or len(match["wanted"] or "") > _MAX_WANTED:
        raise UsageError(
            f"{text!r}: not a package spec; give a tarball, a folder, or name@version (name@range, name@tag)"
        )
    return match["name"], match["wanted"] or "latest"


def pick_version(packument: Packument, wanted: str) -> str:
    """The version that npm would pick for a tag, an exact version or a range.

    As npm-pick-manifest: a dist-tag by its name, else the ``latest`` version where it satisfies the range,
    else the highest one that does.

    Raises:
        NotInRegistry: nothing published satisfies it.
    """
    if wanted in packument.dist_tags:
        return packument.dist_tags[wanted]
    if wanted in packument.releases:
        return wanted
    versions = list(packument.releases)
    latest = packument.dist_tags.get("latest")
    try:
        if latest in packument.releases and nodesemver.satisfies(latest, wanted, loose=True):
            return str(latest)
        best = nodesemver.max_satisfying(versions, wanted, loose=True)
    except ValueError:
        best = None
    if best is None:
        raise NotInRegistry(
            f"{packument.name}@{wanted} is not in the registry {packument.registry}: none of its"
            f" {len(versions)} versions and no dist-tag matches"
        )
    return str(best)
