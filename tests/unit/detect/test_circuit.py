from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from npmguard.detect.circuit import FALSE, TRUE, Circuit, Condition

NAMES = "abcdefg"
Tree = str | tuple[bool, tuple["Tree", ...]]
TREES: st.SearchStrategy[Tree] = st.recursive(
    st.sampled_from(NAMES),
    lambda inner: st.tuples(st.booleans(), st.lists(inner, max_size=4).map(tuple)),
    max_leaves=24,
)


def built(circuit: Circuit, tree: Tree) -> Condition:
    if isinstance(tree, str):
        return circuit.name(tree)
    every, parts = tree
    conditions = [built(circuit, part) for part in parts]
    return circuit.all_of(conditions) if every else circuit.any_of(conditions)


def holds(tree: Tree, names: frozenset[str]) -> bool:
    if isinstance(tree, str):
        return tree in names
    every, parts = tree
    return (all if every else any)(holds(part, names) for part in parts)


@given(st.lists(TREES, max_size=6), st.lists(st.frozensets(st.sampled_from([*NAMES, "other"])), max_size=6))
def test_tells_what_holds_and_nothing_else(trees: list[Tree], files: list[frozenset[str]]) -> None:
    circuit = Circuit()
    for number, tree in enumerate(trees):
        circuit.label(f"tree {number}", built(circuit, tree))

    for names in files:
        expected = [f"tree {number}" for number, tree in enumerate(trees) if holds(tree, names)]
        assert sorted(circuit.holding(names)) == expected


def test_what_needs_nothing_always_holds_and_what_nothing_can_make_true_never_does() -> None:
    circuit = Circuit()
    circuit.label("always", circuit.all_of([]))
    circuit.label("never", circuit.any_of([]))

    assert circuit.holding(()) == ["always"]
    assert circuit.all_of([TRUE, circuit.name("a"), TRUE]) == circuit.name("a")
    assert circuit.any_of([FALSE, circuit.name("a")]) == circuit.name("a")
    assert circuit.all_of([FALSE, circuit.name("a")]) == FALSE
    assert circuit.any_of([TRUE, circuit.name("a")]) == TRUE
