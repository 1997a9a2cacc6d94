"""What values carry, worked out over a graph that is grown backwards from where they go.

A vertex stands for the labels of one expression, declared name or other place; it is expanded once, into
edges from what it depends on. When nothing is left to expand (or the fuel is used up), the labels are carried
along the edges until nothing changes. Labels are bits, so that a set of them is one number.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Sequence
from enum import Enum
from itertools import chain
from typing import NamedTuple

MAX_OF_A_KIND = 96  # origins that are told apart; further ones share the last one


class Edge(Enum):
    """How labels go from one vertex to another."""

    SAME = "same"  # it is the same value
    VALUE = "value"  # it is made of that value: whatever is known of the value as an object is lost
    READ = "read"  # it is what the file of that path holds
    RECEIVE = "receive"  # it is what that connection brings
    PART = "part"  # it is a path with that in it: what was fetched names a file, and is not what it holds


_SAME, _VALUE = Edge.SAME, Edge.VALUE


class Origin(NamedTuple):
    """Where a label begins: a kind, what is told of it, and the byte offset."""

    kind: str
    detail: str | None
    at: int


class Origins:
    """The labels of one file.

    A path or a connection has a label that is not told, but reading the file, or receiving from the connection,
    gives the label that follows it. A connection is an *object*: it is lost where something is made of it.
    """

    def __init__(self) -> None:
        """Begin with none."""
        self.known: list[Origin] = []
        self.objects = 0
        self.paths = 0
        self.connections = 0
        self.contents = 0
        self._bits: dict[Origin, int] = {}
        self._of_kind: dict[str, list[int]] = {}

    def bit(self, kind: str, detail: str | None, at: int) -> int:
        """The label of that origin."""
        return self._bit(Origin(kind, detail, at))

    def thing(self, kind: str, detail: str | None, at: int) -> int:
        """The label of an object that something is done with."""
        bit = self._bit(Origin(kind, detail, at))
        self.objects |= bit
        return bit

    def content(self, kind: str, detail: str | None, at: int) -> int:
        """The label of something that was fetched, which is lost in a path that it is a part of."""
        bit = self._bit(Origin(kind, detail, at))
        self.contents |= bit
        return bit

    def path(self, kind: str, held: str, detail: str | None, at: int) -> int:
        """The label of a path to a file; reading that gives a label of the kind *held*."""
        bit = self._bit(Origin(kind, detail, at), Origin(held, detail, at))
        self.paths |= bit
        return bit

    def connection(self, kind: str, brought: str, detail: str | None, at: int) -> int:
        """The label of a connection; what comes over it has a label of the kind *brought*."""
        bit = self._bit(Origin(kind, detail, at), Origin(brought, detail, at))
        self.connections |= bit
        self.objects |= bit
        return bit

    def of(self, mask: int) -> list[Origin]:
        """The origins whose labels are in *mask*, in order."""
        found = []
        while mask:
            low = mask & -mask
            found.append(self.known[low.bit_length() - 1])
            mask ^= low
        return found

    def _bit(self, origin: Origin, following: Origin | None = None) -> int:
        bit = self._bits.get(origin)
        if bit is None:
            alike = self._of_kind.setdefault(origin.kind, [])
            if len(alike) >= MAX_OF_A_KIND:
                return alike[-1]
            bit = self._bits[origin] = 1 << len(self.known)
            alike.append(bit)
            self.known.extend([origin] if following is None else [origin, following])
        return bit


class Bundle:
    """Vertices each of which carries what each of some others does: edges that are not told one by one."""

    __slots__ = ("used", "users")

    def __init__(self) -> None:
        """Begin with none."""
        self.users: list[int] = []
        self.used: list[int] = []


class Graph:
    """The vertices that matter for the questions asked, and how labels go between them.

    Going through a vertex may cost something (the call of a function does): what costs more than *reach* in all
    is not followed, since every part of a large program hangs together with every other in the end.
    """

    def __init__(self, fuel: int, reach: int) -> None:
        """Begin with none; there are at most about *fuel* vertices and edges."""
        self.origins = Origins()
        self.exhausted = False
        self.masks: list[int] = []
        self._fuel = fuel
        self._reach = reach
        self._level = 0
        self._ids: dict[Hashable, int] = {}
        self._keys: list[Hashable] = []
        self._costs: list[int] = []
        self._pending: list[deque[tuple[int, Hashable]]] = [deque() for _ in range(reach + 2)]
        self._users: list[list[tuple[int, Edge]]] = []
        self._same: list[list[int]] = []  # what a vertex stands for the same value as
        self._joined: dict[int, list[Bundle]] = {}  # by those that use them
        self._bundles: dict[int, list[Bundle]] = {}  # by those that are used
        self._seeds: dict[int, int] = {}

    def vertex(self, key: Hashable, cost: int = 0) -> int:
        """The vertex of that key, which is made and left for expansion if there is none."""
        found = self._ids.get(key)
        if found is None:
            found = self._ids[key] = len(self._costs)
            self._costs.append(cost)
            self._keys.append(key)
            self._users.append([])
            self._same.append([])
            level = self._level + cost
            if level <= self._reach:
                self._pending[level].append((found, key))
        return found

    def find(self, key: Hashable) -> int | None:
        """The vertex of that key, if there is one."""
        return self._ids.get(key)

    def key(self, vertex: int) -> Hashable:
        """The key of a vertex."""
        return self._keys[vertex]

    def edge(self, user: int, used: int, edge: Edge = _SAME) -> None:
        """Let *user* carry what *used* carries."""
        if used:
            self._fuel -= 1
            self._users[used].append((user, edge))
            if edge is _SAME:
                self._same[user].append(used)

    def edges(self, user: int, used: Sequence[int]) -> None:
        """Let *user* carry what each of *used* does, none of which carries nothing: they are the same value."""
        for each in used:
            self.edge(user, each)

    def join(self, user: int, bundle: Bundle) -> None:
        """Let *user* carry what the vertices that *bundle* uses do, now and later; it is the same value."""
        self._fuel -= len(bundle.used)
        bundle.users.append(user)
        self._joined.setdefault(user, []).append(bundle)

    def extend(self, bundle: Bundle, used: Sequence[int]) -> None:
        """Let the users of *bundle* carry what each of *used* does, none of which carries nothing."""
        self._fuel -= len(used) * len(bundle.users)
        bundle.used += used
        for each in used:
            self._bundles.setdefault(each, []).append(bundle)

    def seed(self, vertex: int, label: int) -> None:
        """Let a label begin at a vertex."""
        self._seeds[vertex] = self._seeds.get(vertex, 0) | label

    def same_as(self, vertex: int, limit: int) -> list[int]:
        """The vertices that stand for the same value as *vertex*, backwards, itself first; at most *limit*."""
        found = {vertex: None}
        queue = deque([vertex])
        while queue and len(found) < limit:
            each = queue.popleft()
            bundled = chain.from_iterable(bundle.used for bundle in self._joined.get(each, ()))
            for used in chain(self._same[each], bundled):
                if used not in found:
                    found[used] = None
                    queue.append(used)
        return list(found)[:limit]

    def settle(self, expand: Callable[[int, Hashable], None], in_time: Callable[[], bool]) -> None:
        """Expand what is left, nearest first, then carry labels until nothing changes."""
        steps = 0
        for level, pending in enumerate(self._pending):
            self._level = level
            while pending:
                steps += 1
                if self._fuel <= 0 or (not steps & 255 and not in_time()):
                    self.exhausted = True
                    pending.clear()
                    break
                self._fuel -= 1
                expand(*pending.popleft())
        self._level = 0
        self._carry()

    def _carry(self) -> None:
        """Carry every label from where it begins, by what it costs to get somewhere."""
        masks = self.masks = [0] * len(self._costs)
        objects, paths, connections = self.origins.objects, self.origins.paths, self.origins.connections
        whole = ~(objects | self.origins.contents)
        users, costs = self._users, self._costs
        arriving: list[dict[int, int]] = [{} for _ in range(self._reach + 1)]
        arriving[0].update(self._seeds)
        for level, new in enumerate(arriving):
            while new:
                vertex = next(iter(new))
                mask = new.pop(vertex) & ~masks[vertex]
                if not mask:
                    continue
                masks[vertex] |= mask
                for user, edge in users[vertex]:
                    carried = mask
                    if edge is _SAME:
                        pass
                    elif edge is _VALUE:
                        carried = mask & ~objects
                    elif edge is Edge.PART:
                        carried = mask & whole
                    elif edge is Edge.READ:
                        carried = (mask & paths) << 1
                    elif edge is Edge.RECEIVE:
                        carried = (mask & connections) << 1
                    to = level + costs[user]
                    if carried and to <= self._reach and carried & ~masks[user]:
                        arriving[to][user] = arriving[to].get(user, 0) | carried
                for bundle in self._bundles.get(vertex, ()):
                    for user in bundle.users:
                        to = level + costs[user]
                        if to <= self._reach and mask & ~masks[user]:
                            arriving[to][user] = arriving[to].get(user, 0) | mask
