"""Imports point one way, as docs/architecture.md draws it; any other arrow fails here."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "npmguard"

SIBLINGS = ("lockfile", "registry", "package", "integrity", "javascript", "intel")
FOUNDATION = ("__init__", "errors", "model", "config", "shipped", "timing")
LIBRARY = ("api", "config", "errors", "model")  # what the package's own front names

#: room -> the rooms that it may import from (itself always)
MAY_IMPORT: dict[str, tuple[str, ...]] = {
    "__init__": LIBRARY,
    "errors": (),
    "model": ("errors",),
    "shipped": (),
    "timing": (),
    "config_place": (),
    "config": ("__init__", "errors", "model", "config_place"),
    **dict.fromkeys(SIBLINGS, FOUNDATION),
    "protocol": FOUNDATION,
    "detect": (*FOUNDATION, *SIBLINGS),
    "audit": (*FOUNDATION, *SIBLINGS, "lookup", "detect"),
    "report": ("__init__", "errors", "model"),
    "outcome": FOUNDATION,
    "memory": (),
    "sandbox": FOUNDATION,
    "preload": (),
    "worker": (*FOUNDATION, *SIBLINGS, "detect", "protocol", "memory", "preload", "sandbox"),
    "pool": (*FOUNDATION, "compiled", "protocol", "sandbox"),
    "results": FOUNDATION,
    "compiled": (*FOUNDATION, "results"),
    "remedy": FOUNDATION,
    "way_out": FOUNDATION,
    "cooldown": FOUNDATION,
    "doctor": (*FOUNDATION, *SIBLINGS, "sandbox"),
    "evidence": (*FOUNDATION, *SIBLINGS, "results"),
    "target": (*FOUNDATION, *SIBLINGS),
    "maintainers": (*FOUNDATION, "registry"),
    "judgement": FOUNDATION,
    "recall": (*FOUNDATION, "registry", "judgement"),
    "sources": (*FOUNDATION, *SIBLINGS, "detect", "judgement", "lookup", "recall", "results", "sandbox"),
    "judge": (
        *(*FOUNDATION, *SIBLINGS, "detect", "audit"),
        *("pool", "compiled", "evidence", "cooldown", "judgement", "sources"),
    ),
    "scanner": (
        *(*FOUNDATION, *SIBLINGS, "detect", "audit", "judge", "judgement", "sources", "sandbox"),
        *("memory", "remedy", "target", "way_out"),
    ),
    "policy": (*FOUNDATION, "detect", "audit"),
    "accepted": (*FOUNDATION, "config_place", "detect"),
    "repository": FOUNDATION,
    "history": (*FOUNDATION, *SIBLINGS, "repository", "scanner"),
    "installed": (*FOUNDATION, *SIBLINGS, "detect", "audit", "scanner"),
    "npm_program": FOUNDATION,
    "rehearsal": (*FOUNDATION, "lockfile", "npm_program"),
    "memo": (*FOUNDATION, "detect"),
    "gate": (*FOUNDATION, "lockfile", "npm_program", "rehearsal", "api", "scanner"),
    "projects": (*FOUNDATION, *SIBLINGS, "api", "scanner"),
    "schemas": (*FOUNDATION, "accepted"),
    "api": (*FOUNDATION, *SIBLINGS, "scanner", "policy", "accepted"),
    "mail": (*FOUNDATION, "intel", "detect", "report", "lookup"),
    "lookup": (*FOUNDATION, "registry"),
    "monitor": (*FOUNDATION, *SIBLINGS, "detect", "report", "scanner", "target"),
}


def room_of(path: Path) -> str:
    relative = path.relative_to(PACKAGE)
    return relative.parts[0] if len(relative.parts) > 1 else relative.stem


def imported_rooms(path: Path) -> set[tuple[str, int]]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            module = node.module or ""
            names = [f"{module}.{alias.name}" for alias in node.names] if module == "npmguard" else [module]
        else:
            continue
        for name in names:
            parts = name.split(".")
            if parts[0] != "npmguard":
                continue
            room = parts[1] if len(parts) > 1 else "__init__"
            known = (PACKAGE / f"{room}.py").exists() or (PACKAGE / room).is_dir()
            found.add((room if known else "__init__", node.lineno))
    return found


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_one_way(path: Path) -> None:
    room = room_of(path)
    if room in {"cli", "commands", "__main__"}:
        return
    allowed = {*MAY_IMPORT[room], room}
    wrong = sorted((other, line) for other, line in imported_rooms(path) if other not in allowed)
    assert not wrong, f"{path.name} may import {sorted(allowed)} only"


NETWORK = {"requests", "urllib3", "socket", "http", "ssl", "urllib.request", "http.client"}
MAY_OPEN_SOCKETS = {
    "registry/client.py",
    "registry/transport.py",
    *("monitor/sinks/webhook.py", "monitor/sinks/mail.py"),  # alerts to whoever the user names
}


def test_only_the_registry_client_opens_sockets_for_packages() -> None:
    users = {
        str(path.relative_to(PACKAGE))
        for path in PACKAGE.rglob("*.py")
        if imported_modules(path) & NETWORK and room_of(path) != "mail"
    }
    assert users <= MAY_OPEN_SOCKETS


def imported_modules(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    return found | {name.split(".")[0] for name in found}


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_nothing_of_a_package_is_executed_unpickled_or_unpacked(path: Path) -> None:
    assert not imported_modules(path) & {"pickle", "marshal", "shelve", "dill", "cloudpickle"}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in {"eval", "exec", "compile", "__import__"}, f"line {node.lineno}"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            assert node.func.attr not in {"extractall", "extract", "unpack_archive"}, f"line {node.lineno}"
