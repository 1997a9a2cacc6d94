"""One package's code against the ruleset: which files are read, and what is found in them."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from npmguard.detect.match import MANIFEST, Candidate, FileSightings, Hit, Hits, Matcher, Sighting, View
from npmguard.detect.prefilter import Prefilter
from npmguard.errors import LimitExceeded
from npmguard.model import Evidence, FactKind, Finding, Manifest, PackageArchive, PackageFile

if TYPE_CHECKING:
    from npmguard.config import Limits
    from npmguard.detect.rule import Ruleset

_EXTENSIONS = (".js", ".cjs", ".mjs", ".jsx", ".ts", ".mts", ".cts", ".tsx")
_HASHBANG = re.compile(rb"#!.*\b(?:node|bun|deno|tsx|ts-node)\b")
_SCRIPT_WORD = re.compile(r"[^\s;&|<>()\"'`]+")
_PLACES = 3  # shown of one signal
_EXCERPT = 160
_LEAD = 24


@dataclass(frozen=True, slots=True)
class CodeAnalysis:
    """What the rules say of one package.

    ``findings`` come in order of rule, then file. ``signals`` are the ids of the signals that fired in files
    that were parsed, or on the manifest. ``partial`` lists files that could be read in part only, and why.
    ``unverified`` says why the analysis is incomplete, or is None.
    """

    findings: tuple[Finding, ...] = ()
    signals: tuple[str, ...] = ()
    partial: tuple[tuple[str, str], ...] = ()
    unverified: str | None = None


def is_source(path: str, size: int, manifest: Manifest | None) -> bool:
    """Whether a file's content is worth keeping for analysis, as far as its path tells.

    Files with a source extension are, and files that a script, bin or main of package.json names whatever
    they are called. A file without an extension is kept too: its first line may name Node.
    """
    if size == 0:
        return False
    name = path.rpartition("/")[2]
    return path.endswith(_EXTENSIONS) or "." not in name or path in named_files(manifest)


def named_files(manifest: Manifest | None) -> frozenset[str]:
    """The paths that package.json hands to Node: main, bin, and every word of a script that looks like one."""
    if manifest is None:
        return frozenset()
    words = [manifest.main or "", *manifest.bin.values()]
    for script in manifest.scripts.values():
        words.extend(_SCRIPT_WORD.findall(script))
    return frozenset(_normal(word) for word in words if word)


def analyse_package(
    archive: PackageArchive,
    ruleset: Ruleset,
    limits: Limits,
    *,
    baseline: PackageArchive | None = None,
    prefilter: bool = True,
) -> CodeAnalysis:
    """Run the rules over one package.

    With a *baseline*, every finding and every piece of evidence says whether it is new against it, and rules
    about what a version added are held to that; without one, those rules look at all there is. *prefilter*
    False parses every source file; the findings are the same, as tests hold.

    Never raises for anything in the archive: what could not be done is told in ``partial`` and
    ``unverified``, beside what was found until then.
    """
    return _Analysis(archive, ruleset, limits, baseline).run(prefilter=prefilter)
