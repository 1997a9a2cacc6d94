"""Flows of values through several files of a package, joined of the parts that each file tells."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import NamedTuple

from npmguard.javascript.flow_words import Sink, Source, flow_name
from npmguard.model import Fact, FileFacts, FlowLink, FlowPort

_MAX_ALIASES = 8  # modules that hand one export on to each other
_MAX_STEPS = 50_000  # of values from file to file, in one package
_MAX_AT_PORT = 48  # sources that are told apart at one port
_VALUE = "value"

Resolve = Callable[[str, str, Collection[str]], str | None]


class _Port(NamedTuple):
    """A port of a file: of what it exports, wherever it is used."""

    path: str
    keys: tuple[str, ...]
    role: str


class _Carried(NamedTuple):
    source: str
    detail: str | None
    place: str


def join_flows(
    files: Mapping[str, FileFacts], wanted: Collection[str], resolve: Resolve
) -> dict[str, tuple[Fact, ...]]:
    """The FLOW facts of *wanted* names that go through more than one of *files*, by the file of their sink.

    *resolve* says which file a local module means in another. The work is bounded; the order of the files does
    not matter.
    """
    return _Join(files, wanted, resolve).run() if len(files) > 1 else {}


class _Join:
    def __init__(self, files: Mapping[str, FileFacts], wanted: Collection[str], resolve: Resolve) -> None:
        self._files = files
        self._wanted = wanted
        self._resolve = resolve
        self._onward: dict[tuple[str, str], list[tuple[_Port, str, FlowLink]]] = {}
        self._carried: dict[_Port, set[_Carried]] = {}
        self._pending: deque[tuple[_Port, _Carried]] = deque()
        self._found: dict[str, dict[Fact, None]] = {}

    def run(self) -> dict[str, tuple[Fact, ...]]:
        links = [(path, link) for path in sorted(self._files) for link in self._files[path].flows.links]
        for path, link in links:
            origin = None if link.origin is None else self._port(path, link.origin)
            if origin is not None:
                self._onward.setdefault((origin.path, origin.role), []).append((origin, path, link))
        for path, link in links:
            to = None if link.to is None or not link.source else self._port(path, link.to)
            if to is not None:
                self._bring(to, _Carried(link.source, link.detail, f"{path}:{link.place}"))
        steps = 0
        while self._pending and steps < _MAX_STEPS:
            port, carried = self._pending.popleft()
            for origin, path, link in self._onward.get((port.path, port.role), ()):
                steps += 1
                if _meet(origin, port):
                    self._follow(path, link, carried)
        return {path: tuple(facts) for path, facts in self._found.items()}

    def _follow(self, path: str, link: FlowLink, carried: _Carried) -> None:
        if link.sink is not None:
            name = flow_name(Source(carried.source), Sink(link.sink.name))
            if name in self._wanted:
                args = (link.sink.args[0], carried.place, *link.sink.args[2:])
                fact = replace(link.sink, name=name, value=carried.detail, args=args)
                self._found.setdefault(path, {})[fact] = None
        elif link.to is not None:
            to = self._port(path, link.to)
            if to is not None:
                self._bring(to, carried)

    def _bring(self, port: _Port, carried: _Carried) -> None:
        known = self._carried.setdefault(port, set())
        if carried not in known and len(known) < _MAX_AT_PORT:
            known.add(carried)
            self._pending.append((port, carried))

    def _port(self, path: str, port: FlowPort) -> _Port | None:
        """The port of the file that exports something itself; None if that is not one of the files."""
        keys, module = port.keys, port.module
        for _ in range(_MAX_ALIASES):
            if module:
                target = self._resolve(path, module, self._files)
                if target is None:
                    return None
                path, module = target, ""
            alias = self._alias(path, keys)
            if alias is None:
                break
            module, keys = alias
        return None if module else _Port(path, keys, port.role)

    def _alias(self, path: str, keys: tuple[str, ...]) -> tuple[str, tuple[str, ...]] | None:
        """What an export hands on: the module that it is of, and the steps there."""
        aliases = self._files[path].flows.aliases
        for exported, module, there in sorted(aliases, key=lambda each: -len(each[0])):
            if keys[: len(exported)] != exported:
                continue
            if exported or self._has(path, module, (*there, *keys)):
                return module, (*there, *keys[len(exported) :])
        return None

    def _has(self, path: str, module: str, keys: tuple[str, ...]) -> bool:
        """Whether a module that is handed on as a whole knows an export, since there may be several such."""
        target = self._resolve(path, module, self._files)
        if target is None:
            return False
        flows = self._files[target].flows
        ports = [port for link in flows.links for port in (link.origin, link.to) if port and not port.module]
        return any(port.keys[:1] == keys[:1] for port in ports) or any(
            not exported or exported[:1] == keys[:1] for exported, _module, _there in flows.aliases
        )


def _meet(origin: _Port, port: _Port) -> bool:
    """Whether what is at *port* comes in by *origin*: a part of it may be taken, or the whole that it is in."""
    if origin.role != _VALUE:
        return origin.keys == port.keys
    size = min(len(origin.keys), len(port.keys))
    return origin.keys[:size] == port.keys[:size]
