from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from npmguard import remedy
from npmguard.model import Dist, Fix, Manifest, Packument, Release
from npmguard.remedy import nearest_clean

FIRST_DAY = datetime(2025, 1, 1, tzinfo=UTC)


def packument(*versions: str, name: str = "left-pad") -> Packument:
    """A package that published *versions* in this order, one a day."""
    return Packument(
        name=name,
        registry="https://registry.example/",
        releases={it: Release(Manifest(name, it), Dist("https://registry.example/t.tgz")) for it in versions},
        times={it: FIRST_DAY + timedelta(days=day) for day, it in enumerate(versions)},
    )


def fix_of(
    version: str, requirers: list[tuple[str, str]], versions: tuple[str, ...], clean: set[str] | None = None
) -> Fix:
    return nearest_clean(
        "left-pad",
        version,
        requirers,
        packument(*versions),
        lambda candidate: clean is None or candidate in clean,
    )


LINE = ("1.0.0", "1.1.0", "1.2.0", "1.3.0", "2.0.0")


@pytest.mark.parametrize(
    ("version", "spec", "clean", "expected"),
    [
        ("1.2.0", "^1.0.0", None, "1.1.0"),  # the closest earlier one
        ("1.2.0", "^1.0.0", {"1.0.0", "1.3.0"}, "1.0.0"),  # an earlier one, even if a later one is closer
        ("1.2.0", "^1.2.0", None, "1.3.0"),  # a later one where no earlier one is accepted
        ("1.2.0", "^1.0.0", {"1.3.0", "2.0.0"}, "1.3.0"),
        ("1.2.0", ">=1.2.0", {"2.0.0"}, "2.0.0"),
        ("2.0.0", "*", None, "1.3.0"),
        ("1.2.0", "", None, "1.1.0"),
        ("1.2.0", "latest", None, "1.1.0"),  # a locked version stands for any tag
        ("1.2.0", "npm:left-pad@~1.1.0", None, "1.1.0"),
        ("1.2.0", "npm:left-pad", None, "1.1.0"),
        ("1.2.0", "1.0 || ^2", None, "1.0.0"),
    ],
)
def test_the_nearest_accepted_clean_version_is_proposed(
    version: str, spec: str, clean: set[str] | None, expected: str
) -> None:
    assert fix_of(version, [("app@1.0.0", spec)], LINE, clean).version == expected


def test_every_dependent_has_to_accept_it() -> None:
    assert fix_of("1.3.0", [("a@1.0.0", "^1.0.0"), ("b@1.0.0", "<1.2.0 || 1.3.0")], LINE).version == "1.1.0"


def test_without_dependents_the_closest_clean_version_is_proposed() -> None:
    fix = fix_of("1.2.0", [], LINE)
    assert fix == Fix("1.1.0", "the closest clean version published before 1.2.0")


def test_a_lower_version_published_after_the_bad_one_is_the_last_choice() -> None:
    versions = ("1.0.0", "2.0.0", "1.0.1", "2.0.1")
    assert fix_of("2.0.0", [("a@1.0.0", "*")], versions, {"1.0.1", "2.0.1"}).version == "2.0.1"
    fix = fix_of("2.0.0", [("a@1.0.0", "*")], versions, {"1.0.1"})
    assert fix.version == "1.0.1"
    assert "published after 2.0.0" in fix.reason


def test_a_registry_without_publish_times_still_gives_a_fix() -> None:
    answer = packument(*LINE)
    bare = Packument(answer.name, answer.registry, answer.releases, times={})
    assert nearest_clean("left-pad", "1.2.0", [("a", "^1")], bare, lambda _: True).version == "1.1.0"


@pytest.mark.parametrize(
    ("version", "spec", "expected"),
    [
        ("1.0.0", "^1.0.0", None),  # 1.1.0-rc.1 is in no range
        ("1.0.0", "*", None),
        ("1.0.0", "next", None),
        ("1.0.0", ">=1.1.0-rc.0", "1.1.0-rc.1"),
        ("1.1.0-rc.2", "^1.1.0-rc.1", "1.1.0-rc.1"),
        ("1.1.0-rc.2", "next", "1.1.0-rc.1"),
    ],
)
def test_pre_releases_only_for_those_who_asked_for_them(version: str, spec: str, expected: str | None) -> None:
    versions = tuple(dict.fromkeys(("1.1.0-rc.1", version)))
    assert fix_of(version, [("a@1.0.0", spec)], versions).version == expected


@pytest.mark.parametrize(
    "spec",
    [
        "git+ssh://git@git.example/o/r.git",
        "github:o/r",
        "o/r",
        "https://files.example/left-pad.tgz",
        "file:../left-pad",
        "../left-pad",
        "workspace:^",
        "link:../left-pad",
        "npm:right-pad@^1.0.0",
        "npm:npm:left-pad@1",
        "^" + "1" * 20,
        "1.0.0 " * 100,
        "not a tag\x00",
    ],
)
def test_a_spec_that_names_no_version_of_it_is_what_blocks(spec: str) -> None:
    fix = fix_of("1.2.0", [("b@2.0.0", "^1"), ("app@1.0.0", spec)], LINE)
    assert fix.version is None
    assert fix.reason.startswith("app@1.0.0 asks for ")
    assert "no range of the registry's versions" in fix.reason
    assert "b@2.0.0" not in fix.reason


@pytest.mark.parametrize(
    ("version", "requirers", "versions", "clean", "reason"),
    [
        ("1.2.0", [("a@1.0.0", "^1")], ("1.2.0",), None, "no other version of left-pad is published"),
        (
            "1.2.0",
            [("a@1.0.0", "1.2.0"), ("b@1.0.0", "*")],
            LINE,
            {"1.1.0"},
            "a@1.0.0 asks for 1.2.0: no other published version is in that range; 1.1.0 is clean, but a@1.0.0",
        ),
        (
            "1.2.0",
            [("a@1.0.0", "<=1.2.0"), ("b@1.0.0", ">=1.2.0")],
            LINE,
            set(),
            "no published version is in all ranges at once: a@1.0.0 asks for <=1.2.0 and b@1.0.0 asks for >=1",
        ),
        (
            "1.2.0",
            [("a@1.0.0", "^1.2.0")],
            LINE,
            {"1.1.0"},
            "the only other version inside every dependent's range is not clean; 1.1.0 is clean, but a@1.0.0",
        ),
        (
            "1.2.0",
            [("a@1.0.0", "^1.0.0")],
            LINE,
            set(),
            "none of the 3 closest versions inside every dependent's range is clean",
        ),
        ("1.2.0", [], ("1.2.0", "1.3.0-rc.1"), None, "no other release of left-pad is published"),
        ("trunk", [("a@1.0.0", "*")], LINE, None, "trunk is no version that others can be compared with"),
    ],
)
def test_without_a_fix_the_reason_says_what_stands_in_the_way(
    version: str,
    requirers: list[tuple[str, str]],
    versions: tuple[str, ...],
    clean: set[str] | None,
    reason: str,
) -> None:
    fix = fix_of(version, requirers, versions, clean)
    assert fix.version is None
    assert fix.reason.startswith(reason)


def test_a_clean_version_outside_the_ranges_is_named_with_the_dependents_that_refuse_it() -> None:
    fix = fix_of("1.2.0", [("a@1.0.0", "1.2.0"), ("b@1.0.0", "*")], LINE, {"1.1.0"})
    told = "1.1.0 is clean, but a@1.0.0 asks for 1.2.0: change that range, or override the version"
    assert fix.reason.endswith(told)


def test_a_version_that_could_not_be_checked_is_no_fix_and_is_said() -> None:
    answers = {"1.1.0": None, "1.0.0": None, "1.3.0": False, "2.0.0": None}
    fix = nearest_clean("left-pad", "1.2.0", [("a", "^1")], packument(*LINE), lambda it: answers[it])
    assert fix == Fix(
        None, "none of the 3 closest versions inside every dependent's range is known to be clean"
    )


def test_no_more_versions_are_judged_than_promised() -> None:
    asked: list[str] = []

    def never(version: str) -> bool:
        asked.append(version)
        return False

    versions = tuple(f"{major}.{minor}.0" for major in (1, 2) for minor in range(60))
    nearest_clean("left-pad", "1.30.0", [("a@1.0.0", "^1.0.0")], packument(*versions), never)
    assert len(asked) == remedy.MAX_ASKED + remedy.MAX_ASKED_OUTSIDE
    assert len(set(asked)) == len(asked)
    assert asked[:3] == ["1.29.0", "1.28.0", "1.27.0"]


# What npm's own semver 7.8.5 answers to satisfies(version, spec, {loose: true}) for each of VERSIONS.
VERSIONS = (
    "0.0.3", "0.0.4", "0.1.2", "0.2.0", "1.0.0", "1.2.3-beta.2", "1.2.3-beta.10", "1.2.3", "1.2.4-0", "1.2.9",
    "1.3.0", "1.10.0", "2.0.0-0", "2.0.0", "2.3.0", "3.0.0",
)  # fmt: skip
NPM_ANSWERS = {
    "*": "0.0.3 0.0.4 0.1.2 0.2.0 1.0.0 1.2.3 1.2.9 1.3.0 1.10.0 2.0.0 2.3.0 3.0.0",
    "x": "0.0.3 0.0.4 0.1.2 0.2.0 1.0.0 1.2.3 1.2.9 1.3.0 1.10.0 2.0.0 2.3.0 3.0.0",
    "1": "1.0.0 1.2.3 1.2.9 1.3.0 1.10.0",
    "1.x": "1.0.0 1.2.3 1.2.9 1.3.0 1.10.0",
    "1.2": "1.2.3 1.2.9",
    "^1.2": "1.2.3 1.2.9 1.3.0 1.10.0",
    "^1.2.3": "1.2.3 1.2.9 1.3.0 1.10.0",
    "^0": "0.0.3 0.0.4 0.1.2 0.2.0",
    "^0.0": "0.0.3 0.0.4",
    "^0.0.3": "0.0.3",
    "^0.1.2": "0.1.2",
    "~1.2.3": "1.2.3 1.2.9",
    "~1.2": "1.2.3 1.2.9",
    "~>1.2": "1.2.3 1.2.9",
    ">1": "2.0.0 2.3.0 3.0.0",
    "<1": "0.0.3 0.0.4 0.1.2 0.2.0",
    "<=1.2": "0.0.3 0.0.4 0.1.2 0.2.0 1.0.0 1.2.3 1.2.9",
    ">1.2.x": "1.3.0 1.10.0 2.0.0 2.3.0 3.0.0",
    "1.2.3 - 2.3": "1.2.3 1.2.9 1.3.0 1.10.0 2.0.0 2.3.0",
    "1.2 - 2": "1.2.3 1.2.9 1.3.0 1.10.0 2.0.0 2.3.0",
    "^1.2.3-beta.10": "1.2.3-beta.10 1.2.3 1.2.9 1.3.0 1.10.0",
    "~1.2.3-beta.2": "1.2.3-beta.2 1.2.3-beta.10 1.2.3 1.2.9",
    ">=2.0.0-0": "2.0.0-0 2.0.0 2.3.0 3.0.0",
    "=1.2.3": "1.2.3",
    "v1.2.3": "1.2.3",
    "^ 1.2.3": "1.2.3 1.2.9 1.3.0 1.10.0",
    ">= 1.2.3  <2": "1.2.3 1.2.9 1.3.0 1.10.0",
    "1.2.3 || >=2.0.0 <2.1": "1.2.3 2.0.0",
    "||": "0.0.3 0.0.4 0.1.2 0.2.0 1.0.0 1.2.3 1.2.9 1.3.0 1.10.0 2.0.0 2.3.0 3.0.0",
    "^01.2.3": "1.2.3 1.2.9 1.3.0 1.10.0",
    "1.2.3+build": "1.2.3",
    ">1.2.3-beta.2": "1.2.3-beta.10 1.2.3 1.2.9 1.3.0 1.10.0 2.0.0 2.3.0 3.0.0",
    " ~1.2 ": "1.2.3 1.2.9",
    "<2.0.0-0": "0.0.3 0.0.4 0.1.2 0.2.0 1.0.0 1.2.3 1.2.9 1.3.0 1.10.0",
    "1.2.3beta": "",
}


@pytest.mark.parametrize("spec", NPM_ANSWERS)
def test_ranges_admit_what_they_admit_to_npm(spec: str) -> None:
    admitted = [it for it in VERSIONS if fix_of("9.9.9", [("a@1.0.0", spec)], (it, "9.9.9")).version == it]
    assert admitted == NPM_ANSWERS[spec].split()


SPEC_PIECES = (
    "v",
    "=",
    " ",
    "1",
    "0",
    ".",
    "x",
    "*",
    "^",
    "~",
    "<",
    ">",
    "-",
    "||",
    "+",
    "a",
    "1.2.3",
    "-0",
    "\t",
)


@given(
    st.lists(st.sampled_from(SPEC_PIECES), max_size=400).map("".join) | st.text(max_size=100),
    st.lists(st.sampled_from(SPEC_PIECES), min_size=1, max_size=200).map("".join) | st.text(max_size=100),
)
@settings(deadline=None)
def test_hostile_ranges_and_versions_end_in_a_fix_or_a_reason(spec: str, version: str) -> None:
    fix = fix_of("1.2.0", [("a@1.0.0", spec)], (version, *LINE))
    assert fix.version in {None, version, *LINE} - {"1.2.0"}
    assert len(fix.reason) < 600


def test_a_package_built_to_waste_time_ends_with_a_reason() -> None:
    versions = tuple(
        f"{major}.{minor}.{patch}" for major in range(10) for minor in range(20) for patch in range(10)
    )
    wide = [
        (f"dependent-{number}@1.0.0", " || ".join(f">={number}.{it}.0 <{number}.{it}.1" for it in range(9)))
        for number in range(11, 400)
    ]
    fix = fix_of("5.3.3", wide, versions)
    assert fix == Fix(None, "there are too many versions and ranges to compare; look for a version by hand")
