"""Shorthands for tests about facts."""

from __future__ import annotations

from npmguard.config import Limits
from npmguard.javascript.facts import extract_facts
from npmguard.javascript.interest import Interest
from npmguard.model import Fact, FactKind, FileFacts


def read(code: str | bytes, path: str = "index.js", interest: Interest | None = None) -> FileFacts:
    source = code.encode() if isinstance(code, str) else code
    return extract_facts(path, source, Limits(), interest)


def facts(code: str | bytes, kind: FactKind, path: str = "index.js") -> list[Fact]:
    return [fact for fact in read(code, path).facts if fact.kind is kind]


def names(code: str | bytes, kind: FactKind, path: str = "index.js") -> list[str]:
    return [fact.name for fact in facts(code, kind, path)]


def strings(code: str | bytes, path: str = "index.js") -> list[str | None]:
    return [fact.value for fact in facts(code, FactKind.STRING, path)]


def one(code: str | bytes, kind: FactKind, name: str, path: str = "index.js") -> Fact:
    found = [fact for fact in facts(code, kind, path) if fact.name == name]
    assert len(found) == 1, f"{found} in {code!r}"
    return found[0]
