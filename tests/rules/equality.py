"""The prefilter held to its promise over packages of any origin."""

from __future__ import annotations

from collections.abc import Iterable

from npmguard.config import Limits
from npmguard.detect.analyse import analyse_package, is_source
from npmguard.detect.rule import Ruleset
from npmguard.detect.verdict import verdict_of
from npmguard.package.tarball import read_archive


def hidden_by_prefilter(tarballs: Iterable[tuple[str, bytes]], ruleset: Ruleset, limits: Limits) -> list[str]:
    """The names of those tarballs (name, bytes) whose findings differ when every source file is parsed."""
    differing = []
    for name, tarball in tarballs:
        archive = read_archive(tarball, limits, is_source)
        filtered = analyse_package(archive, ruleset, limits)
        everything = analyse_package(archive, ruleset, limits, prefilter=False)
        same_verdict = verdict_of(filtered.findings, filtered.unverified) is verdict_of(
            everything.findings, everything.unverified
        )
        if filtered.findings != everything.findings or not same_verdict:
            differing.append(name)
    return differing
