"""Which releases make one incident, in whatever order they come."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, create_engine, select

from npmguard.monitor.alert import Trait
from npmguard.monitor.incidents import COMMON, Member, components, incident_id, join, note_clean
from npmguard.monitor.tables import incident_members, incidents, metadata
from npmguard.monitor.traits import traits_of
from tests.unit.monitor.released import NOON, report


def fresh() -> Engine:
    engine = create_engine("sqlite://")
    metadata.create_all(engine)
    return engine


@pytest.fixture
def transaction() -> Iterator[Connection]:
    engine = fresh()
    with engine.begin() as connection:
        yield connection
    engine.dispose()


def member(name: str, after: float = 0, verdict: str = "malicious", version: str = "1.0.0") -> Member:
    return Member(name, version, verdict, f"{name}: bad", NOON + timedelta(seconds=after))


def add(transaction: Connection, name: str, *values: str, after: float = 0, verdict: str = "malicious") -> str:
    its = [Trait("file", value) for value in values]
    return join(transaction, member(name, after, verdict), its).incident


def partition(transaction: Connection) -> list[frozenset[tuple[str, str]]]:
    found: dict[str, set[tuple[str, str]]] = {}
    for row in transaction.execute(select(incident_members)):
        found.setdefault(row.incident, set()).add((row.name, row.version))
    return sorted(map(frozenset, found.values()), key=min)


def test_releases_with_nothing_in_common_are_incidents_of_their_own(transaction: Connection) -> None:
    assert add(transaction, "a", "x") != add(transaction, "b", "y")


def test_a_release_joins_the_incident_whose_payload_it_has(transaction: Connection) -> None:
    first = add(transaction, "a", "x")
    assert add(transaction, "b", "x", "y") == first
    assert add(transaction, "c", "y") == first


def test_two_incidents_that_turn_out_to_be_one_go_on_as_the_older(transaction: Connection) -> None:
    younger, older = add(transaction, "a", "x", after=5), add(transaction, "b", "y", after=1)
    assert add(transaction, "c", "x", "y", after=9) == older
    rows = {row.id: row for row in transaction.execute(select(incidents))}
    assert (rows[older].releases, rows[older].packages, rows[older].merged) == (3, 3, None)
    assert (rows[younger].releases, rows[younger].merged) == (0, older)


def test_an_incident_is_as_bad_as_its_worst_release(transaction: Connection) -> None:
    add(transaction, "a", "x", verdict="suspicious")
    joined = join(transaction, member("b", 1), [Trait("file", "x")])
    assert (joined.severity_before, joined.severity) == ("suspicious", "malicious")
    assert joined.title == "b: bad"


def test_a_release_that_is_judged_again_counts_once(transaction: Connection) -> None:
    first = add(transaction, "a", "x")
    joined = join(transaction, member("a", 60), [Trait("file", "z")])
    assert (joined.incident, joined.releases) == (first, 1)


def test_releases_and_packages_are_counted(transaction: Connection) -> None:
    add(transaction, "a", "x")
    joined = join(transaction, member("a", 1, version="1.0.1"), [Trait("file", "x")])
    assert (joined.releases, joined.packages) == (2, 1)
    joined = join(transaction, member("b", 2), [Trait("file", "x")])
    assert (joined.releases, joined.packages) == (3, 2)


def test_what_many_clean_packages_have_holds_nothing_together(transaction: Connection) -> None:
    for number in range(COMMON):
        note_clean(transaction, f"clean-{number}", [Trait("file", "jquery")])
    assert add(transaction, "a", "jquery") != add(transaction, "b", "jquery")


def test_an_incident_is_parted_when_its_bond_turns_out_to_be_common(transaction: Connection) -> None:
    first = add(transaction, "a", "jquery", "x", after=1)
    for name, its in (("b", ["jquery", "x"]), ("c", ["jquery", "y"]), ("d", ["y"])):
        assert add(transaction, name, *its, after=2) == first
    for number in range(COMMON):
        note_clean(transaction, f"clean-{number}", [Trait("file", "jquery")])
    of = {row.name: row.incident for row in transaction.execute(select(incident_members))}
    assert of["a"] == of["b"] == first
    assert of["c"] == of["d"] == incident_id("c", "1.0.0")
    sizes = {row.id: row.releases for row in transaction.execute(select(incidents))}
    assert sizes[of["a"]] == sizes[of["c"]] == 2


def test_one_clean_package_with_many_versions_makes_nothing_common(transaction: Connection) -> None:
    for _ in range(COMMON * 2):
        note_clean(transaction, "clean", [Trait("file", "x")])
    assert add(transaction, "a", "x") == add(transaction, "b", "x")


Graph = st.dictionaries(
    st.sampled_from([f"p{n}" for n in range(9)]),
    st.frozensets(st.sampled_from("uvwxyz"), max_size=3),
    min_size=1,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(Graph, st.randoms(use_true_random=False), st.frozensets(st.sampled_from("uvwxyz"), max_size=2))
def test_any_order_of_arrival_gives_the_same_incidents(
    graph: dict[str, frozenset[str]], random: object, common: frozenset[str]
) -> None:
    steps: list[tuple[str, str]] = [("join", name) for name in sorted(graph)]
    steps += [("clean", f"{value}{n}") for value in sorted(common) for n in range(COMMON)]
    random.shuffle(steps)  # type: ignore[attr-defined] # hypothesis gives a Random
    engine = fresh()
    with engine.begin() as transaction:
        for after, (what, name) in enumerate(steps):
            if what == "join":
                add(transaction, name, *graph[name], after=after)
            else:
                note_clean(transaction, f"clean-{name}", [Trait("file", name[0])])
        expected = components(
            {(name, "1.0.0"): {("file", value) for value in its} for name, its in graph.items()},
            {("file", value) for value in common},
        )
        assert partition(transaction) == expected
        sizes = {
            row.id: row.releases
            for row in transaction.execute(select(incidents).where(incidents.c.merged.is_(None)))
        }
        assert sorted(sizes.values()) == sorted(map(len, expected))
    engine.dispose()


def test_traits_are_payload_indicators_and_what_is_brought_in() -> None:
    document = report(
        "a",
        files={"lib/x.js": "payload"},
        names=("https://drop.evil.example/x", "0x" + "ab" * 20, "https://registry.npmjs.org/y"),
        brings={"never-heard-of": "^1.0.0", "lodash": "^4", "other": "npm:@scope/real@1"},
    )
    found = {(trait.kind, trait.value) for trait in traits_of(document)}
    assert ("file", b"payload".hex().ljust(64, "0")) in found
    assert {("domain", "drop.evil.example"), ("url", "https://drop.evil.example/x")} <= found
    assert {value for kind, value in found if kind == "package"} == {"a", "never-heard-of", "@scope/real"}
    assert not [value for _, value in found if "npmjs" in value or value == "lodash"]
    assert "address" in {kind for kind, _ in found}
