"""Who requires whom, held against npm itself."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from npmguard.config import Limits
from npmguard.lockfile.graph import COUNT_LIMIT, DependencyGraph
from npmguard.lockfile.reader import parse_lockfile, read_lockfile
from npmguard.model import Lockfile

FIXTURES = Path(__file__).parents[3] / "fixtures" / "lockfiles"


def graph_of(shape: str) -> DependencyGraph:
    return DependencyGraph(read_lockfile(FIXTURES / shape, Limits()))


def lock_of(requires: Mapping[str, list[str]]) -> Lockfile:
    """A flat lock in which each key asks for the names behind it; ``""`` is the project."""
    packages = {
        f"node_modules/{name}" if name else "": {"version": "1.0.0", "dependencies": dict.fromkeys(names, "1")}
        for name, names in requires.items()
    }
    return parse_lockfile(json.dumps({"lockfileVersion": 3, "packages": packages}).encode(), "lock")


def npm_edges(project: Path, home: Path) -> set[tuple[str, str]]:
    """Each (location that asks, location found) that ``npm ls`` tells."""
    for name in ("HOME", "npm_config_cache"):
        (home / name).mkdir()
    answer = subprocess.run(
        ["npm", "ls", "--all", "--json", "--long", "--package-lock-only", "--offline"],
        cwd=project,
        env={"PATH": os.environ["PATH"], **{name: str(home / name) for name in ("HOME", "npm_config_cache")}},
        capture_output=True,
        text=True,
        check=False,  # npm ls ends with 1 where the tree has any problem, and tells the tree all the same
    )

    def location(node: Mapping[str, object]) -> str:
        found = Path(str(node["path"])).relative_to(project.resolve()).as_posix()
        return "" if found == "." else found

    def walk(node: dict[str, object]) -> Iterator[tuple[str, str]]:
        dependencies = node.get("dependencies")
        for child in (dependencies if isinstance(dependencies, dict) else {}).values():
            if "path" in child:
                yield location(node), location(child)
                yield from walk(child)

    return set(walk(json.loads(answer.stdout)))


@pytest.mark.parametrize("shape", ["v3-graph", "v3-plain", "v2-plain", "v1-plain", "v3-alias", "v3-bundled"])
def test_edges_are_those_that_npm_sees(shape: str, tmp_path: Path) -> None:
    project = tmp_path / "project"
    shutil.copytree(FIXTURES / shape, project)
    graph = graph_of(shape)
    links = {f"node_modules/{name}": f"packages/{name}" for name in ("own",)}
    expected = {(links.get(a, a), links.get(b, b)) for a, b in npm_edges(project, tmp_path)}
    assert len(expected) > 1
    assert set(graph.digraph.edges) == expected


def test_peers_optional_peers_aliases_and_workspaces() -> None:
    graph = graph_of("v3-graph")
    kinds = {(a, b): data["requirement"].kind for a, b, data in graph.digraph.edges(data=True)}
    assert kinds["", "packages/own"] == "workspace"
    assert kinds["", "node_modules/renamed"] == "prod"
    assert kinds["", "node_modules/host"] == "dev"
    assert kinds["packages/own", "node_modules/host"] == "dev"
    assert kinds["node_modules/app-tool", "node_modules/host"] == "peer"
    assert kinds["node_modules/app-tool", "node_modules/app-tool/node_modules/util"] == "prod"


def test_requirers_say_who_asks_and_for_which_range() -> None:
    found = graph_of("v3-graph").requirers("node_modules/target")
    assert [(node.location, it.name, it.spec, it.kind) for node, it in found] == [
        ("node_modules/app-tool/node_modules/util", "target", "^1.0.0", "prod"),
        ("node_modules/cycle-b", "target", "1", "prod"),
        ("node_modules/renamed", "target", "1", "prod"),
        ("packages/own", "target", "^1.0.0", "prod"),
    ]


def test_requirers_of_a_link_are_those_of_its_folder() -> None:
    graph = graph_of("v3-graph")
    assert graph.requirers("node_modules/own") == graph.requirers("packages/own")
    assert [(node.location, it.kind) for node, it in graph.requirers("packages/own")] == [("", "workspace")]


def test_requirers_of_an_unknown_location() -> None:
    assert graph_of("v3-graph").requirers("node_modules/absent") == ()


def test_paths_are_shortest_first_and_the_rest_is_counted() -> None:
    graph = graph_of("v3-graph")
    found = graph.paths_to("node_modules/target", limit=3)
    assert found.paths == (
        ("own@0.1.0", "target@1.0.0"),
        ("util@2.0.0", "target@1.0.0"),
        ("app-tool@1.0.0", "util@1.5.0", "target@1.0.0"),
    )
    # host → cycle-a → cycle-b → target, with host asked for by the project, by app-tool and by own
    assert (found.more, found.exact) == (3, True)
    assert graph.paths_to("node_modules/target", limit=10).more == 0
    assert len(graph.paths_to("node_modules/target", limit=10).paths) == 6


def test_paths_to_several_locations_of_one_package() -> None:
    graph = graph_of("v3-plain")
    found = graph.paths_to("node_modules/ms", "node_modules/finalhandler/node_modules/ms")
    assert found.paths == (("debug@4.4.0", "ms@2.1.3"), ("finalhandler@1.3.1", "debug@2.6.9", "ms@2.0.0"))


def test_a_direct_dependency_is_one_step() -> None:
    assert graph_of("v3-plain").paths_to("node_modules/fsevents").paths == (("fsevents@2.3.3",),)


@pytest.mark.parametrize("location", ["", "node_modules/absent", "../x"])
def test_no_way_leads_to_what_is_not_there(location: str) -> None:
    found = graph_of("v3-plain").paths_to(location)
    assert (found.paths, found.more) == ((), 0)


def test_a_package_that_nothing_leads_to_has_no_path() -> None:
    graph = DependencyGraph(lock_of({"": ["a"], "a": [], "extraneous": []}))
    assert graph.paths_to("node_modules/extraneous").paths == ()


def test_every_package_of_the_real_locks_is_reached() -> None:
    for name in ("pdf.js", "insomnia", "npm-cli"):
        lock = read_lockfile(FIXTURES / name, Limits())
        graph = DependencyGraph(lock)
        for it in lock.packages:
            found = graph.paths_to(it.location)
            assert found.paths, it.location
            assert found.exact
            assert all(path[-1] == f"{it.name}@{it.version}" for path in found.paths)


def test_the_shortest_ways_to_a_package_of_a_real_lock() -> None:
    found = graph_of("pdf.js").paths_to("node_modules/chalk")
    assert found.paths == (
        ("gulp-cli@3.1.0", "chalk@4.1.2"),
        ("gulp@5.0.1", "gulp-cli@3.1.0", "chalk@4.1.2"),
        ("gulp-zip@6.1.0", "gulp@5.0.1", "gulp-cli@3.1.0", "chalk@4.1.2"),
    )
    assert found.more == 0


def test_ways_without_number_are_counted_up_to_a_limit() -> None:
    layers = 60
    requires = {"": ["a0", "b0"], f"a{layers}": [], f"b{layers}": []}
    for layer in range(layers):
        both = [f"a{layer + 1}", f"b{layer + 1}"]
        requires |= {f"a{layer}": both, f"b{layer}": both}
    found = DependencyGraph(lock_of(requires)).paths_to(f"node_modules/a{layers}")
    assert len(found.paths) == 5
    assert (found.more, found.exact) == (COUNT_LIMIT - 5, False)


def test_knots_of_packages_that_all_ask_for_each_other() -> None:
    def knot(prefix: str, behind: list[str]) -> dict[str, list[str]]:
        names = [f"{prefix}{number}" for number in range(40)]
        return {it: [other for other in names if other != it] + behind for it in names}

    graph = DependencyGraph(lock_of({"": ["p0"], **knot("p", ["q0"]), **knot("q", [])}))
    found = graph.paths_to("node_modules/p39")
    assert found.paths[0] == ("p0@1.0.0", "p39@1.0.0")
    assert (len(found.paths), found.exact) == (5, False)
    behind = graph.paths_to("node_modules/q39")
    assert behind.paths[0] == ("p0@1.0.0", "q0@1.0.0", "q39@1.0.0")
    assert (behind.more, behind.exact) == (35, False)  # at least one way to each of the first knot's 40


def test_a_chain_longer_than_is_searched_still_has_its_path() -> None:
    length = 5000
    chain = {f"p{number}": [f"p{number + 1}"] for number in range(length)}
    graph = DependencyGraph(lock_of({"": ["p0"], **chain, f"p{length}": []}))
    (path,) = graph.paths_to(f"node_modules/p{length}").paths
    assert len(path) == length + 1


def test_links_in_a_circle_end() -> None:
    links = {"node_modules/a": "node_modules/b", "node_modules/b": "node_modules/a"}
    packages = {it: {"link": True, "resolved": target} for it, target in links.items()}
    data = {"lockfileVersion": 3, "packages": {"": {"dependencies": {"a": "1"}}, **packages}}
    graph = DependencyGraph(parse_lockfile(json.dumps(data).encode(), "lock"))
    assert len(graph.paths_to("node_modules/a").paths) == 1


def test_a_scan_that_asks_nothing_does_not_load_networkx() -> None:
    modules = "npmguard.lockfile.graph, npmguard.lockfile.package_lock"
    code = f"import sys, {modules}; sys.exit('networkx' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
