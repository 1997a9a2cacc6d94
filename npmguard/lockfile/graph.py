"""Who requires whom in a lock, and by which ways the project comes to a package."""

from __future__ import annotations

import heapq
from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from npmguard.lockfile.resolution import Resolver
from npmguard.model import Lockfile, LockNode, Requirement

if TYPE_CHECKING:
    import networkx as nx

COUNT_LIMIT = 1_000_000
"""Ways are counted up to here; a hostile lock can have more than there are atoms."""

_SEARCH_STEPS = 50_000  # edges looked at for one question, once the shortest way is found
_LONGEST_WAY = 200  # longer ones are counted, not shown, unless there is no shorter one
_CYCLE_STEPS = 200_000  # edges followed inside cycles, over the whole graph


@dataclass(frozen=True, slots=True)
class PathsToPackage:
    """The shortest ways from the project to a package, each without the project itself, and how many more.

    A way is a tuple of ``name@version`` that ends in the package; there is none for a package that nothing
    leads to. ``exact`` is false where ``more`` is only a lower bound.
    """

    paths: tuple[tuple[str, ...], ...]
    more: int
    exact: bool = True


class DependencyGraph:
    """The dependency graph of a lock, as npm's resolution gives it.

    Its nodes are locations. An edge leads from who asks to what npm's walk up the node_modules folders finds
    for the name asked for; where that is a link, to the folder behind it. Requirements that find nothing
    (optional packages that are not in the lock, absent peers) have no edge.
    """

    def __init__(self, lock: Lockfile) -> None:
        self._nodes = lock.nodes

    @cached_property
    def digraph(self) -> nx.DiGraph[str]:
        """The networkx graph; the edge attribute ``requirement`` says what is asked for.

        For those who ask more of the graph than this class answers: importing networkx takes longer than
        answering does.
        """
        import networkx as nx  # noqa: PLC0415 - see above

        graph: nx.DiGraph[str] = nx.DiGraph()
        graph.add_nodes_from(self._nodes)
        for source, found in self._requirements.items():
            for target, requirement in found.items():
                graph.add_edge(source, target, requirement=requirement)
        return graph

    @cached_property
    def _requirements(self) -> Mapping[str, Mapping[str, Requirement]]:
        """What each location asks for, by the location that npm finds for it."""
        resolver = Resolver(self._nodes)
        edges: dict[str, dict[str, Requirement]] = {location: {} for location in self._nodes}
        for location, node in self._nodes.items():
            for requirement in node.requires:
                found = requirement.leads_to or resolver.resolve(location, requirement.name)
                if found is None:
                    continue
                found = self._behind_links(found)
                if found != location:
                    edges[location].setdefault(found, requirement)
        return edges

    @cached_property
    def _requirers(self) -> Mapping[str, Sequence[str]]:
        """Who asks for each location."""
        sources: dict[str, list[str]] = {location: [] for location in self._nodes}
        for source, found in self._requirements.items():
            for target in found:
                sources[target].append(source)
        return sources

    def edges(self) -> Mapping[str, tuple[str, ...]]:
        """The locations that each location leads to, sorted."""
        return {location: tuple(sorted(self._requirements[location])) for location in self._nodes}

    def requirers(self, location: str) -> tuple[tuple[LockNode, Requirement], ...]:
        """Who asks for the package at *location*, and as what, sorted by the location of who asks.

        For a link: who asks for the folder behind it. Empty for a location that the lock does not have.
        """
        if location not in self._nodes:
            return ()
        location = self._behind_links(location)
        return tuple(
            (self._nodes[source], self._requirements[source][location])
            for source in sorted(self._requirers[location])
        )

    def paths_to(self, location: str, *others: str, limit: int = 5) -> PathsToPackage:
        """The *limit* shortest ways to *location*, or to any of several, and how many more there are.

        Shortest first, then by the labels. Only simple ways count, those that come by no location twice.
        Finding them is a best-first search backwards from the package, led by each location's distance from
        the project; in a graph made to be hard it gives up with fewer ways than there are, never without one.
        """
        known = dict.fromkeys(self._behind_links(it) for it in (location, *others) if it in self._nodes)
        targets = [target for target in known if target in self._distances and target]
        ways = self._shortest(targets, limit)
        paths = sorted({tuple(map(self._label, way)) for way in ways}, key=lambda path: (len(path), path))
        counts, exact = self._counts
        total = sum(counts[target] for target in targets)
        return PathsToPackage(tuple(paths), max(0, total - len(ways)), exact=exact and total < COUNT_LIMIT)

    def _behind_links(self, location: str) -> str:
        seen = set()
        while location not in seen:
            seen.add(location)
            target = self._nodes[location].target
            if target is None or target not in self._nodes:
                break
            location = target
        return location

    def _label(self, location: str) -> str:
        node = self._nodes[location]
        return node.name if node.version is None else f"{node.name}@{node.version}"

    @cached_property
    def _distances(self) -> Mapping[str, int]:
        """How many steps each location that the project leads to is away from it."""
        distances = {"": 0}
        waiting = deque([""])
        while waiting:
            location = waiting.popleft()
            for found in self._requirements[location]:
                if found not in distances:
                    distances[found] = distances[location] + 1
                    waiting.append(found)
        return distances

    def _shortest(self, targets: Sequence[str], limit: int) -> list[tuple[str, ...]]:
        found: list[tuple[str, ...]] = []
        labels: set[tuple[str, ...]] = set()
        # (length of the whole way at best, minus the length so far, the way so far)
        heap: list[tuple[int, int, tuple[str, ...]]] = [
            (self._distances[target], 0, (target,)) for target in targets
        ]
        heapq.heapify(heap)
        steps = 0
        while heap and len(labels) < limit and (steps < _SEARCH_STEPS or not found):
            _, negative_length, way = heapq.heappop(heap)
            if way[0] == "":
                found.append(way[1:])
                labels.add(tuple(map(self._label, way[1:])))
                continue
            length = 1 - negative_length
            for source in self._requirers[way[0]]:
                steps += 1
                if source in self._distances and source not in way:
                    whole = length + self._distances[source]
                    if whole <= _LONGEST_WAY:
                        heapq.heappush(heap, (whole, -length, (source, *way)))
        return found or [self._straight_way(target) for target in targets[:1]]

    def _straight_way(self, target: str) -> tuple[str, ...]:
        """One shortest way, in time that grows with its length alone."""
        way = [target]
        while (distance := self._distances[way[-1]]) > 1:
            nearer = (it for it in self._requirers[way[-1]] if self._distances.get(it) == distance - 1)
            way.append(min(nearer))
        return tuple(reversed(way))

    @cached_property
    def _counts(self) -> tuple[Mapping[str, int], bool]:
        """How many simple ways lead from the project to each location, and whether that is exact.

        A simple way enters and leaves each strongly connected component once, so that the counts follow from
        one pass over the components in topological order and the simple ways inside each. The latter are
        followed one by one within a budget; over it, one way from each place of a component to each other
        one is counted, since one there is, and the counts become lower bounds.
        """
        graph = {it: [to for to in self._requirements[it] if to] for it in self._distances}
        entering: defaultdict[str, int] = defaultdict(int, {"": 1})
        counts: dict[str, int] = {}
        budget = _CYCLE_STEPS
        for members in _components(graph):
            ending: dict[str, int] | None = None
            if budget > 0:
                ending, budget = _ways_through(graph, members, entering, budget)
            if ending is None:
                at_least = sum(entering[member] for member in members)
                ending = dict.fromkeys(members, at_least)
            for member in sorted(members):
                counts[member] = min(COUNT_LIMIT, ending.get(member, 0))
                for successor in graph[member]:
                    if successor not in members:
                        entering[successor] = min(COUNT_LIMIT, entering[successor] + counts[member])
        return counts, budget > 0


def _components(graph: Mapping[str, Sequence[str]]) -> list[set[str]]:
    """The strongly connected components, each before those that it leads to.

    Tarjan, "Depth-first search and linear graph algorithms", SIAM J. Comput. 1 (1972), without recursion.
    """
    order: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: dict[str, None] = {}
    found: list[set[str]] = []
    for start in graph:
        if start in order:
            continue
        on_way = {start: iter(graph[start])}
        order[start] = lowest[start] = len(order)
        stack[start] = None
        while on_way:
            location = next(reversed(on_way))
            step = next(on_way[location], None)
            if step is None:
                on_way.popitem()
                if on_way:
                    before = next(reversed(on_way))
                    lowest[before] = min(lowest[before], lowest[location])
                if lowest[location] == order[location]:
                    members = set()
                    while location not in members:
                        members.add(stack.popitem()[0])
                    found.append(members)
            elif step not in order:
                order[step] = lowest[step] = len(order)
                stack[step] = None
                on_way[step] = iter(graph[step])
            elif step in stack:
                lowest[location] = min(lowest[location], order[step])
    return found[::-1]


def _ways_through(
    graph: Mapping[str, Sequence[str]], members: set[str], entering: Mapping[str, int], budget: int
) -> tuple[dict[str, int] | None, int]:
    """How many simple ways end at each of *members*, if *entering* of them come in from outside.

    Also what is left of *budget*; the answer is None where it does not suffice.
    """
    ending: defaultdict[str, int] = defaultdict(int)
    for entry in sorted(member for member in members if entering[member]):
        on_way = {entry: iter(graph[entry])}
        ending[entry] += entering[entry]
        while on_way:
            step = next(on_way[next(reversed(on_way))], None)
            budget -= len(members) > 1
            if budget <= 0:
                return None, 0
            if step is None:
                on_way.popitem()
            elif step in members and step not in on_way:
                ending[step] += entering[entry]
                on_way[step] = iter(graph[step])
    return ending, budget
