"""Shorthands for tests about flows."""

from __future__ import annotations

from npmguard.javascript.interest import Interest
from npmguard.model import Fact, FactKind
from tests.javascript_facts import read

FLOWS = Interest(flows=None)


def flow_facts(code: str, path: str = "index.js") -> list[Fact]:
    """The FLOW facts of a piece of code, in order."""
    found = read(code, path, FLOWS)
    assert found.problem is None
    return [fact for fact in found.facts if fact.kind is FactKind.FLOW]


def flows(code: str, path: str = "index.js") -> set[str]:
    """Their names."""
    return {fact.name for fact in flow_facts(code, path)}
