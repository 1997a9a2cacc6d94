"""A Lockfile put together from entries that know no folders."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from npmguard.lockfile.entries import Entry, judge_installed, skip
from npmguard.lockfile.printable import printable
from npmguard.lockfile.resolved import redact, registry_tarball
from npmguard.model import LockedPackage, Lockfile, LockNode, Requirement, SkippedPackage, SkipReason

_MUST_BE_LOCKED = frozenset({"prod", "dev"})
_KINDS = (
    ("dependencies", "prod"),
    ("devDependencies", "dev"),
    ("optionalDependencies", "optional"),
)
_GIT_TARBALL_HOSTS = ("https://codeload.github.com/", "https://api.github.com/repos/")

Find = Callable[[str, Requirement], str | None]
"""Answers which location a requirement of the entry at a location leads to."""


class Assembly:
    """Gathers what a lock holds, then joins who asks with what answers.

    Args:
        path: how results name the file.
        manager: whose lock it is, see :attr:`npmguard.model.Lockfile.manager`.
        version: the format's version.
    """

    def __init__(self, path: str, manager: str, version: int) -> None:
        self.path = path
        self.notes: list[str] = []
        self.name: str | None = None
        self._manager = manager
        self._version = version
        self._judged: list[LockedPackage | SkippedPackage] = []
        self._nodes: dict[str, LockNode] = {"": LockNode("", "", None)}
        self._members: list[str] = []
        self._taken: dict[str, int] = {}

    def location(self, wanted: str) -> str:
        """*wanted*, made printable, without credentials, and unlike any location that is there already."""
        found = plain = (redact(wanted) if "//" in wanted else printable(wanted)) or "?"
        while found in self._taken:
            self._taken[plain] += 1
            found = f"{plain}#{self._taken[plain]}"
        self._taken[found] = 1
        return found

    def project(self, name: str | None, requires: Iterable[Requirement]) -> None:
        """Say what the project itself is called and asks for."""
        self.name = name or self.name
        self._nodes[""] = LockNode("", name or "", None, (*self._nodes[""].requires, *requires))

    def add(
        self,
        judged: LockedPackage | SkippedPackage,
        requires: Iterable[Requirement] = (),
        *,
        target: str | None = None,
        member: bool = False,
    ) -> None:
        """Take in an entry with what it asks for; its location is one that :meth:`location` gave.

        *target* is the location that a link leads to. *member* says that it is a workspace of the project.
        """
        self._judged.append(judged)
        name = judged.name or judged.location
        self._nodes[judged.location] = LockNode(judged.location, name, judged.version, tuple(requires), target)
        if member:
            self._members.append(judged.location)

    @property
    def workspaces(self) -> list[str]:
        """The locations of the project's workspaces that were taken in."""
        return list(self._members)

    def finish(self, find: Find, *, complete: bool = True, presume: bool = False) -> Lockfile:
        """The lock.

        Args:
            find: answers what a requirement leads to.
            complete: whether what the project's folders ask for must be there.
            presume: whether the project is taken to ask for what nothing else leads to.
        """
        nodes = {
            location: replace(
                node,
                requires=tuple(self._linked(location, it, find) for it in node.requires),
                target=node.target if node.target in self._nodes else None,
            )
            for location, node in self._nodes.items()
        }
        missing = [
            (location, requirement)
            for location in (("", *self._members) if complete else ())
            for requirement in nodes[location].requires
            if requirement.leads_to is None and requirement.kind in _MUST_BE_LOCKED
        ]
        if presume:
            root = nodes[""]
            nodes[""] = replace(root, requires=(*root.requires, *_presumed(nodes)))
        return Lockfile(
            path=self.path,
            version=self._version,
            name=self.name,
            entries=len(self._judged),
            packages=tuple(it for it in self._judged if isinstance(it, LockedPackage)),
            skipped=tuple(it for it in self._judged if isinstance(it, SkippedPackage)),
            nodes=nodes,
            missing=tuple(missing),
            manager=self._manager,
            notes=tuple(self.notes),
        )

    def _linked(self, location: str, requirement: Requirement, find: Find) -> Requirement:
        if requirement.leads_to is not None:
            return requirement
        found = find(location, requirement)
        return replace(requirement, leads_to=found) if found in self._nodes else requirement


def judge_source(entry: Entry, name: str, installed: str) -> LockedPackage | SkippedPackage:
    """What an entry is by its ``resolved`` address, where that may be one of a git host's archives.

    Package managers other than npm write those for ``github:owner/repository``.
    """
    resolved = entry.meta.get("resolved")
    if isinstance(resolved, str) and is_git_archive(resolved):
        version = entry.meta.get("version")
        told = version if isinstance(version, str) else None
        return skip(entry, SkipReason.GIT, redact(resolved), name, told)
    return judge_installed(entry, name, installed)


def is_git_archive(address: str) -> bool:
    """Whether *address* is that of an archive which a git host makes of a commit."""
    return address.startswith(_GIT_TARBALL_HOSTS) or (
        address.startswith("https://gitlab.com/") and "/archive.tar.gz" in address
    )


def name_of_address(address: str) -> str | None:
    """The package whose registry tarball *address* is; None for any other."""
    tarball = registry_tarball(address)
    return tarball.name if tarball is not None else None


def requirements(manifest: object, *, with_dev: bool = True) -> list[Requirement]:
    """What an object with the sections of a package.json asks for; other shapes ask for nothing."""
    return [
        Requirement(name, spec, kind)
        for section, kind in _KINDS
        if with_dev or kind != "dev"
        for name, spec in object_of(manifest, section).items()
        if isinstance(spec, str)
    ]


def object_of(holder: object, key: str) -> dict[str, object]:
    """The object under *key*, empty where *holder* or the value is of another kind."""
    value = holder.get(key) if isinstance(holder, dict) else None
    return value if isinstance(value, dict) else {}


def text_of(holder: object, key: str) -> str | None:
    """The text under *key*, None where *holder* or the value is of another kind, or empty."""
    value = holder.get(key) if isinstance(holder, dict) else None
    return value if isinstance(value, str) and value else None


def split_descriptor(text: str) -> tuple[str, str]:
    """``@scope/name@range`` as name and range; the range is empty where there is none."""
    at = text.find("@", 1)
    return (text, "") if at < 0 else (text[:at], text[at + 1 :])


def split_alias(spec: str, prefix: str = "npm:") -> tuple[str, str] | None:
    """The name and range that an alias's spec (``npm:name@range``) stands for; None for any other spec."""
    if not spec.startswith(prefix):
        return None
    name, range_ = split_descriptor(spec[len(prefix) :])
    # "npm:^1.0.0" is a range of the same package, and a name starts with neither sign nor digit and has no dots
    return (name, range_) if range_ or _may_be_a_name(name) else None


def _may_be_a_name(text: str) -> bool:
    return text.startswith("@") and "/" in text


def _presumed(nodes: dict[str, LockNode]) -> list[Requirement]:
    """Every entry that nothing leads to, then one for each cycle left over."""
    asked = {it.leads_to for node in nodes.values() for it in node.requires}
    seen: set[str] = set()
    _follow([it.leads_to for it in nodes[""].requires if it.leads_to], nodes, seen)
    presumed = []
    others = [location for location in nodes if location]
    for location in [*(it for it in others if it not in asked), *(it for it in others if it in asked)]:
        if location not in seen:
            presumed.append(Requirement(nodes[location].name, "*", "prod", location))
            _follow([location], nodes, seen)
    return presumed


def _follow(waiting: list[str], nodes: dict[str, LockNode], seen: set[str]) -> None:
    while waiting:
        at = waiting.pop()
        if at not in seen:
            seen.add(at)
            waiting.extend(it.leads_to for it in nodes[at].requires if it.leads_to)
