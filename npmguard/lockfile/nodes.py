"""The entries of a lock as nodes of the dependency graph, each with what it asks for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from npmguard.lockfile.entries import Entry
from npmguard.lockfile.identity import installed_name, is_version
from npmguard.lockfile.resolution import Resolver
from npmguard.model import LockNode, Requirement

_MUST_BE_LOCKED = frozenset({"prod", "dev"})


def build_nodes(entries: Iterable[Entry], root: Mapping[str, object] | None) -> dict[str, LockNode]:
    """Every location with its requirements, the project itself first, under ``""``.

    Args:
        entries: the entries, none of them replaced.
        root: what the project says of itself, in the fields of a package.json. Where that is not known (v1
            without a package.json, a hidden lock), the project is taken to ask for every top-level package
            that no other one leads to.
    """
    by_location = {entry.location: entry for entry in entries}
    resolver = Resolver(by_location)
    nodes: dict[str, LockNode] = {"": _node("", root or {}, _requirements(root or {}, with_dev=True))}
    for location, entry in by_location.items():
        is_folder = installed_name(location) is None
        requires = _requirements(entry.meta, with_dev=is_folder) or _legacy_requirements(
            entry, by_location, resolver
        )
        if entry.target is not None and entry.meta.get("link"):
            requires = ()
        elif entry.target is not None and entry.target not in by_location:
            # v1 tells of a linked folder in the link's own entry, v2 and v3 give it one of its own
            nodes[entry.target] = LockNode(entry.target, entry.real_name or entry.target, None, requires)
            requires = ()
        nodes[location] = _node(location, entry.meta, requires, entry.target)
    requires = nodes[""].requires
    requires = (*requires, *_workspaces(nodes, requires)) if root is not None else _presumed_requirements(nodes)
    nodes[""] = _node("", root or {}, requires)
    return nodes


def find_missing(nodes: Mapping[str, LockNode], resolver: Resolver) -> tuple[tuple[str, Requirement], ...]:
    """What the project and the linked folders inside it ask for without the lock holding any such package.

    Left out are optional and peer dependencies, which npm leaves out itself, and folders beside the project,
    whose dependencies npm does not install.
    """
    folders = {node.target for node in nodes.values() if node.target is not None}
    own = [location for location in nodes if not location or location in folders]
    return tuple(
        (location, requirement)
        for location in own
        if installed_name(location) is None and not location.startswith("..")
        for requirement in nodes[location].requires
        if requirement.kind in _MUST_BE_LOCKED and resolver.resolve(location, requirement.name) is None
    )


def _node(
    location: str, meta: Mapping[str, object], requires: tuple[Requirement, ...], target: str | None = None
) -> LockNode:
    stated, version = meta.get("name"), meta.get("version")
    name = stated if isinstance(stated, str) and stated else installed_name(location)
    return LockNode(
        location,
        name or location.rpartition("/")[2],
        version if isinstance(version, str) and is_version(version) else None,
        requires,
        target,
    )


def _requirements(meta: Mapping[str, object], *, with_dev: bool) -> tuple[Requirement, ...]:
    """What an entry asks for; of several kinds for one name the last counts, in arborist's order.

    A section that is no object of strings asks for nothing: these are explanations of the tree, and no
    package is judged or passed over by them.
    """
    found: dict[str, Requirement] = {}
    optional_peers = _section(meta, "peerDependenciesMeta")
    for name, spec in _section(meta, "peerDependencies").items():
        about = optional_peers.get(name)
        is_optional = isinstance(about, dict) and bool(about.get("optional"))
        _add(found, name, spec, "peer-optional" if is_optional else "peer")
    sections = [("dependencies", "prod"), ("optionalDependencies", "optional")]
    if with_dev:
        sections.append(("devDependencies", "dev"))
    for section, kind in sections:
        for name, spec in _section(meta, section).items():
            _add(found, name, spec, kind)
    return tuple(found.values())


def _legacy_requirements(
    entry: Entry, by_location: Mapping[str, Entry], resolver: Resolver
) -> tuple[Requirement, ...]:
    """v1's ``requires``, where the kind is told by what it leads to, as arborist's conversion does."""
    found: dict[str, Requirement] = {}
    for name, spec in _section(entry.meta, "requires").items():
        location = resolver.resolve(entry.target or entry.location, name)
        meta = by_location[location].meta if location is not None else {}
        kind = "prod"
        if meta.get("optional") and not entry.meta.get("optional"):
            kind = "optional"
        elif meta.get("dev") and not entry.meta.get("dev"):
            kind = "dev"
        _add(found, name, spec, kind)
    return tuple(found.values())


def _workspaces(nodes: Mapping[str, LockNode], asked: tuple[Requirement, ...]) -> list[Requirement]:
    """The project's workspaces: folders of it that a top-level link leads to without being asked for."""
    names = {requirement.name for requirement in asked}
    return [
        Requirement(name, f"file:{node.target}", "workspace")
        for location, node in nodes.items()
        if node.target
        and not node.target.startswith("..")
        and (name := location.removeprefix("node_modules/")) == installed_name(location)
        and name not in names
    ]


def _presumed_requirements(nodes: Mapping[str, LockNode]) -> tuple[Requirement, ...]:
    """Every top-level package that no other one leads to, then one for each cycle left over."""
    resolver = Resolver(nodes)
    leads_to: dict[str, list[str]] = {}
    for location, node in nodes.items():
        found = [resolver.resolve(location, requirement.name) for requirement in node.requires]
        leads_to[location] = [
            target for target in (*found, node.target) if target is not None and target in nodes
        ]
    asked = {target for targets in leads_to.values() for target in targets}
    top = [location for location in nodes if location == f"node_modules/{installed_name(location)}"]
    seen: set[str] = set()
    presumed = []
    for location in [*(it for it in top if it not in asked), *(it for it in top if it in asked)]:
        if location in seen:
            continue
        presumed.append(Requirement(location.removeprefix("node_modules/"), "*", "prod"))
        waiting = [location]
        while waiting:
            at = waiting.pop()
            if at not in seen:
                seen.add(at)
                waiting.extend(leads_to[at])
    return tuple(presumed)


def _section(meta: Mapping[str, object], name: str) -> dict[str, object]:
    section = meta.get(name)
    return section if isinstance(section, dict) else {}


def _add(found: dict[str, Requirement], name: str, spec: object, kind: str) -> None:
    if isinstance(spec, str):
        found.pop(name, None)
        found[name] = Requirement(name, spec, kind)
