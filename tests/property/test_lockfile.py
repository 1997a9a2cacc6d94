"""Whatever the file holds, reading it ends in a lock whose counts add up, or in a LockfileError."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import networkx as nx
from hypothesis import example, given, settings
from hypothesis import strategies as st

from npmguard.errors import LockfileError
from npmguard.lockfile.entries import Entry, judge
from npmguard.lockfile.graph import DependencyGraph
from npmguard.lockfile.json_text import JsonText
from npmguard.lockfile.reader import parse_lockfile
from npmguard.lockfile.resolved import classify, redact
from npmguard.model import Integrity, LockedPackage, Lockfile, SkippedPackage

FIXTURES = Path(__file__).parents[2] / "fixtures" / "lockfiles"
SMALL = [path.read_bytes() for path in sorted(FIXTURES.glob("v*/package-lock.json"))]

NAMES = ["a", "b", "@s/c", "__proto__", "..", "", "a b", "constructor", "é", "\x00", "\U0001f600"]
names = st.sampled_from(NAMES)
locations = st.lists(st.sampled_from(["node_modules", "packages", *NAMES]), max_size=6).map(
    "/".join
) | st.lists(names, min_size=1, max_size=4).map(lambda it: "node_modules/" + "/node_modules/".join(it))
addresses = st.sampled_from(
    [
        "https://registry.npmjs.org/a/-/a-1.0.0.tgz",
        "https://r.example/@s/c/-/c-1.0.0.tgz",
        "git+ssh://git@h.example/o/r.git",
        "file:a",
        "file:a.tgz",
        "npm:a@1.0.0",
        "npm:@s/c@1.0.0",
        "https://x.example/",
        "o/r",
        "packages/a",
        "..",
        "1.0.0",
        "\x00",
    ]
)
scalars = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8) | addresses
)
values = st.recursive(
    scalars,
    lambda it: st.lists(it, max_size=3) | st.dictionaries(names | st.text(max_size=4), it, max_size=3),
    max_leaves=8,
)
requirements = st.dictionaries(names, st.sampled_from(["^1.0.0", "*"]) | scalars, max_size=3) | values
FIELDS: dict[str, st.SearchStrategy[object]] = {
    "version": st.sampled_from(["1.0.0", "2.0.0-rc.1"]) | addresses | values,
    "resolved": addresses | values,
    "integrity": st.text(max_size=20) | st.just("sha512-AAAA") | values,
    "name": names | values,
    "link": st.just(True) | values,
    "inBundle": st.booleans() | values,
    "bundled": st.booleans() | values,
    "dev": st.booleans() | values,
    "dependencies": requirements,
    "devDependencies": requirements,
    "optionalDependencies": requirements,
    "peerDependencies": requirements,
    "peerDependenciesMeta": st.dictionaries(names, values, max_size=2) | values,
    "requires": requirements,
}
entries: st.SearchStrategy[object] = st.fixed_dictionaries({}, optional=FIELDS)


def nested(children: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    return st.builds(
        lambda entry, inner: {**entry, "dependencies": inner},
        st.fixed_dictionaries({}, optional=FIELDS),
        st.dictionaries(names, children, max_size=3) | st.none(),
    )


trees = st.dictionaries(names, st.recursive(entries, nested, max_leaves=6), max_size=4)
locks = st.fixed_dictionaries(
    {"lockfileVersion": st.sampled_from([1, 2, 3])},
    optional={
        "name": values,
        "packages": st.dictionaries(locations, entries, max_size=6) | values,
        "dependencies": trees | values,
        "requires": st.booleans(),
    },
)


def read(data: bytes) -> Lockfile | None:
    try:
        return parse_lockfile(data, "lock")
    except LockfileError as error:
        assert "\n" not in str(error)  # noqa: PT017 - only its form is held here
        return None


def entries_of(lock: Lockfile) -> list[LockedPackage | SkippedPackage]:
    return [*lock.packages, *lock.skipped]


def hold(lock: Lockfile | None) -> None:
    if lock is None:
        return
    assert len(lock.packages) + len(lock.skipped) == lock.entries
    assert all(it.location in lock.nodes for it in entries_of(lock))
    assert "" in lock.nodes
    assert all(it.detail.isprintable() for it in lock.skipped)
    graph = DependencyGraph(lock)
    for location in lock.nodes:
        found = graph.paths_to(location)
        assert bool(found.paths) or found.more == 0
        graph.requirers(location)


@given(locks)
@settings(max_examples=300, deadline=None)
def test_any_lock(value: object) -> None:
    hold(read(json.dumps(value).encode()))


@given(values)
def test_any_json(value: object) -> None:
    hold(read(json.dumps(value).encode()))


@given(st.binary(max_size=200))
@example(b"\xef\xbb\xbf{}")
@example(b'{"lockfileVersion":3,"packages":{"":{},"":1}}')
def test_any_bytes(data: bytes) -> None:
    hold(read(data))


@given(st.sampled_from(SMALL), st.data())
@settings(max_examples=200, deadline=None)
def test_any_damage_to_a_real_shape(data: bytes, draw: st.DataObject) -> None:
    start = draw.draw(st.integers(0, len(data)))
    length = draw.draw(st.integers(0, 20))
    hold(read(data[:start] + draw.draw(st.binary(max_size=8)) + data[start + length :]))


@given(st.dictionaries(locations, entries, max_size=5), st.integers(0, 4), st.booleans())
@settings(deadline=None)
def test_layout_changes_nothing_but_lines(packages: object, indent: int, ascii_only: bool) -> None:
    value = {"lockfileVersion": 3, "packages": packages}
    one = read(json.dumps(value, separators=(",", ":")).encode())
    other = read(
        json.dumps(value, indent=indent or "\t", ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    )
    assert (one is None) == (other is None)
    if one is not None and other is not None:
        assert one.nodes == other.nodes
        assert [it.location for it in one.packages] == [it.location for it in other.packages]
        assert {it.line for it in entries_of(one)} <= {1}


@given(st.text(max_size=60) | addresses)
def test_any_address_is_classified_and_shown(text: str) -> None:
    source, tarball = classify(text)
    assert (tarball is not None) == (source == "registry")
    assert redact(text).isprintable()


@given(locations, st.fixed_dictionaries({}, optional=FIELDS), st.none() | st.just("node_modules/a"))
def test_any_entry_is_judged(location: str, meta: dict[str, object], bundler: str | None) -> None:
    found = judge(Entry(location, 1, meta), bundler)
    assert found.location == location


@given(st.text(max_size=100))
def test_what_an_integrity_string_prints_reads_as_the_same(text: str) -> None:
    found = Integrity.parse(text)
    if found is not None:
        assert Integrity.parse(str(found)) == found


@given(st.dictionaries(names | st.text(max_size=5), values, max_size=5))
def test_the_text_of_any_object_is_read_as_json_reads_it(value: object) -> None:
    text = json.dumps(value)
    expected = json.loads(text, parse_int=float)
    try:
        assert JsonText(text.encode(), "lock").top == expected
    except LockfileError:
        # json writes Infinity and lone surrogates, which are no JSON text
        assert "Infinity" in text or "\\ud" in text


nodes = ["n0", "n1", "n2", "n3", "n4", "n5"]
graphs = st.fixed_dictionaries({name: st.lists(st.sampled_from(nodes), unique=True) for name in ("", *nodes)})


@given(graphs, st.integers(1, 8))
@settings(deadline=None)
def test_paths_are_the_shortest_simple_ones_and_all_are_counted(
    requires: dict[str, list[str]], limit: int
) -> None:
    key: Callable[[str], str] = lambda name: f"node_modules/{name}" if name else ""  # noqa: E731
    packages = {
        key(it): {"version": "1.0.0", "dependencies": dict.fromkeys(to, "*")} for it, to in requires.items()
    }
    data = json.dumps({"lockfileVersion": 3, "packages": packages}).encode()
    graph = DependencyGraph(parse_lockfile(data, "lock"))
    plain: nx.DiGraph[str] = nx.DiGraph([(key(a), key(b)) for a, to in requires.items() for b in to if a != b])
    plain.add_nodes_from(packages)
    for name in nodes:
        ways = list(nx.all_simple_paths(plain, "", key(name)))
        found = graph.paths_to(key(name), limit=limit)
        assert found.exact
        assert len(found.paths) + found.more == len(ways)
        lengths = sorted(len(way) - 1 for way in ways)[:limit]
        assert [len(path) for path in found.paths] == lengths
        assert len(set(found.paths)) == len(found.paths)
