"""What the reader makes of every shape that an npm lock can have."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path

import pytest

from npmguard.config import Limits
from npmguard.errors import LockfileError, LockfileNotFound, LockfileSyntaxError, UnsupportedLockfile
from npmguard.lockfile.reader import find_lockfile, parse_lockfile, read_lockfile
from npmguard.model import LockedPackage, Lockfile, SkippedPackage, SkipReason

FIXTURES = Path(__file__).parents[3] / "fixtures" / "lockfiles"
REAL = {"pdf.js": 970, "insomnia": 1829, "npm-cli": 1273}
SHAPES = sorted(path.parent.name for path in FIXTURES.glob("v[123]-*/package-lock.json"))


def read(shape: str) -> Lockfile:
    return read_lockfile(FIXTURES / shape, Limits())


def entries_of(lock: Lockfile) -> list[LockedPackage | SkippedPackage]:
    return [*lock.packages, *lock.skipped]


def package(lock: Lockfile, location: str) -> LockedPackage:
    (found,) = [it for it in lock.packages if it.location == location]
    return found


def skipped(lock: Lockfile, location: str) -> SkippedPackage:
    (found,) = [it for it in lock.skipped if it.location == location]
    return found


def lock_of(packages: object, version: object = 3, **top: object) -> bytes:
    return json.dumps({"lockfileVersion": version, "packages": packages, **top}).encode()


# --- every entry is accounted for ------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "entries"), REAL.items())
def test_every_entry_of_a_real_lock_is_judged_or_skipped(name: str, entries: int) -> None:
    raw = json.loads((FIXTURES / name / "package-lock.json").read_bytes())
    lock = read(name)
    assert lock.entries == entries == len(raw["packages"]) - 1  # the project's own entry is not one of them
    assert len(lock.packages) + len(lock.skipped) == lock.entries
    locations = [it.location for it in entries_of(lock)]
    assert sorted(locations) == sorted(location for location in raw["packages"] if location)
    assert set(lock.nodes) == set(raw["packages"])


def test_what_the_real_locks_skip_and_why() -> None:
    assert read("pdf.js").skipped == ()
    insomnia = Counter(it.reason for it in read("insomnia").skipped)
    assert insomnia == {SkipReason.LINK: 5, SkipReason.WORKSPACE: 5, SkipReason.GIT: 1}
    npm = Counter(it.reason for it in read("npm-cli").skipped)
    assert npm == {SkipReason.BUNDLED: 163, SkipReason.LINK: 16, SkipReason.WORKSPACE: 16}


@pytest.mark.parametrize("name", REAL)
def test_nothing_in_a_real_lock_looks_poisoned_or_out_of_date(name: str) -> None:
    lock = read(name)
    assert [it for it in lock.packages if it.resolved_name or it.resolved_version] == []
    assert lock.missing == ()


@pytest.mark.parametrize("name", REAL)
def test_the_line_of_every_entry_of_a_real_lock_holds_its_key(name: str) -> None:
    lines = (FIXTURES / name / "package-lock.json").read_text(encoding="utf-8").split("\n")
    for it in entries_of(read(name)):
        assert lines[it.line - 1].strip() == f'"{it.location}": {{'


@pytest.mark.parametrize("shape", SHAPES)
def test_the_counts_add_up_for_every_shape(shape: str) -> None:
    lock = read(shape)
    assert len(lock.packages) + len(lock.skipped) == lock.entries
    assert {it.location for it in entries_of(lock)} <= {*lock.nodes}


def test_the_same_project_reads_the_same_from_each_lockfile_version() -> None:
    def told(shape: str) -> set[tuple[object, ...]]:
        return {
            (it.name, it.version, it.location, it.resolved, it.integrity, it.dev, it.optional)
            for it in read(shape).packages
        }

    assert told("v1-plain") == told("v2-plain") == told("v3-plain")
    assert [read(f"v{version}-plain").version for version in (1, 2, 3)] == [1, 2, 3]
    assert len(told("v3-plain")) == 7


def test_the_fields_of_a_plain_entry() -> None:
    lock = read("v3-plain")
    assert lock.name == "project"
    fsevents = package(lock, "node_modules/fsevents")
    assert (fsevents.name, fsevents.version, fsevents.alias) == ("fsevents", "2.3.3", None)
    assert fsevents.resolved == "https://registry.npmjs.org/fsevents/-/fsevents-2.3.3.tgz"
    assert fsevents.integrity is not None
    assert [it.algorithm for it in fsevents.integrity.hashes] == ["sha512"]
    assert (fsevents.optional, fsevents.dev, fsevents.has_install_script) == (True, False, True)
    assert package(lock, "node_modules/@types/ms").dev
    assert package(lock, "node_modules/finalhandler/node_modules/ms").version == "2.0.0"


# --- aliases ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", ["v1-alias", "v2-alias", "v3-alias"])
def test_case_1_an_alias_is_the_package_it_stands_for(shape: str) -> None:
    found = package(read(shape), "node_modules/string-width-cjs")
    assert (found.name, found.version, found.alias) == ("string-width", "4.2.3", "string-width-cjs")
    assert found.resolved_name is None


@pytest.mark.parametrize(
    ("shape", "location"), [("v1-alias", "node_modules/bar-alias"), ("v3-alias", "node_modules/lodash-scoped")]
)
def test_case_1_a_scoped_alias_splits_at_the_last_at_sign(shape: str, location: str) -> None:
    found = package(read(shape), location)
    assert (found.name, found.version) == ("@foo/bar", "1.2.3")


def test_case_2_an_alias_of_the_package_itself_is_not_poisoning() -> None:
    found = package(read("v3-alias-of-own-platform"), "node_modules/@openai/codex-darwin-arm64")
    assert (found.name, found.alias) == ("@openai/codex", "@openai/codex-darwin-arm64")
    assert (found.resolved_name, found.resolved_version) == (None, None)


# --- the project's own folders ---------------------------------------------------------------------------


def test_case_3_a_link_has_no_version() -> None:
    lock = read("v3-link")
    assert skipped(lock, "node_modules/x").reason is SkipReason.LINK
    assert lock.nodes["node_modules/x"].target == "packages/x"
    assert [it.name for it in lock.packages] == ["ms"]


def test_case_3_a_link_alone_is_still_a_link() -> None:
    lock = parse_lockfile(lock_of({"node_modules/x": {"resolved": "packages/x", "link": True}}), "lock")
    assert [it.reason for it in lock.skipped] == [SkipReason.LINK]


def test_case_4_a_workspace_is_never_a_registry_package() -> None:
    lock = read("v3-workspaces")
    own = {it.location: it.reason for it in lock.skipped}
    assert own == {
        "node_modules/a": SkipReason.LINK,
        "node_modules/@own/b": SkipReason.LINK,
        "packages/a": SkipReason.WORKSPACE,
        "packages/b": SkipReason.WORKSPACE,
    }
    assert {it.name for it in lock.packages} == {"debug", "ms"}
    assert [(it.name, it.kind) for it in lock.nodes[""].requires] == [
        ("a", "workspace"),
        ("@own/b", "workspace"),
    ]


def test_packages_in_a_linked_folder_beside_the_project_are_judged() -> None:
    lock = read("v3-link-outside")
    assert skipped(lock, "../shared").reason is SkipReason.WORKSPACE
    assert package(lock, "../shared/node_modules/ms").version == "2.1.3"


@pytest.mark.parametrize("entry", [{"link": True}, {"link": True, "resolved": 7}])
def test_a_link_to_nowhere_is_invalid(entry: dict[str, object]) -> None:
    lock = parse_lockfile(lock_of({"node_modules/x": entry}), "lock")
    assert [it.reason for it in lock.skipped] == [SkipReason.INVALID]


def test_a_link_to_the_project_itself() -> None:
    lock = parse_lockfile(lock_of({"node_modules/x": {"link": True, "resolved": ""}}), "lock")
    assert [(it.reason, it.detail) for it in lock.skipped] == [(SkipReason.LINK, "link to the project itself")]
    assert lock.nodes["node_modules/x"].target == ""


def test_a_link_written_on_windows() -> None:
    entries = {"node_modules/x": {"link": True, "resolved": "packages\\x"}, "packages/x": {}}
    assert parse_lockfile(lock_of(entries), "lock").nodes["node_modules/x"].target == "packages/x"


def test_a_link_into_the_store_of_linked_installs() -> None:
    lock = read("v3-store")
    assert package(lock, "node_modules/.store/ms@2.1.3-abc/node_modules/ms").name == "ms"


# --- bundles ---------------------------------------------------------------------------------------------


def test_case_5_a_bundled_package_is_left_to_its_bundlers_tarball() -> None:
    lock = read("v3-bundled")
    for location in (
        "node_modules/parent/node_modules/inner",
        "node_modules/parent/node_modules/inner/node_modules/deep",
    ):
        found = skipped(lock, location)
        assert (found.reason, found.bundler) == (SkipReason.BUNDLED, "node_modules/parent")
        assert "node_modules/parent" in found.detail
        assert found.version == "1.0.0"


def test_a_bundled_package_that_states_where_it_comes_from_is_judged_by_itself() -> None:
    found = package(read("v3-bundled"), "node_modules/parent/node_modules/told")
    assert found.in_bundle


def test_what_the_project_or_a_workspace_bundles_is_judged_by_itself() -> None:
    lock = read("v3-bundled-by-project")
    assert {it.name for it in lock.packages} == {"ms", "debug", "depd"}
    assert all(it.in_bundle for it in lock.packages)


def test_what_claims_to_come_with_a_package_that_is_not_there_is_judged_by_itself() -> None:
    entry = {"version": "1.0.0", "inBundle": True}
    lock = parse_lockfile(lock_of({"node_modules/ghost/node_modules/x": entry}), "lock")
    assert [it.name for it in lock.packages] == ["x"]


def test_bundles_in_v1() -> None:
    lock = read("v1-bundled")
    assert {it.name for it in lock.packages} == {"fsevents", "nan", "top"}
    assert {it.bundler for it in lock.skipped} == {"node_modules/fsevents"}
    assert len(lock.skipped) == 3


def test_every_bundled_package_of_npms_own_lock_has_tap_for_bundler() -> None:
    bundled = [it for it in read("npm-cli").skipped if it.reason is SkipReason.BUNDLED]
    assert {it.bundler for it in bundled} == {"node_modules/tap"}


# --- what is no registry package -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "reason"),
    [
        ("v1-git", SkipReason.GIT),
        ("v3-git", SkipReason.GIT),
        ("v3-file", SkipReason.FILE),
        ("v3-url", SkipReason.URL),
    ],
)
def test_cases_6_and_7_git_file_and_url_are_skipped_with_their_reason(shape: str, reason: SkipReason) -> None:
    lock = read(shape)
    assert lock.packages == ()
    assert {it.reason for it in lock.skipped} == {reason}
    assert all(it.detail for it in lock.skipped)


def test_case_6_the_git_address_is_told_and_the_name_is_not_looked_up() -> None:
    found = skipped(read("insomnia"), "node_modules/grpc-reflection-js")
    assert found.detail.startswith("git+ssh://git@github.com/jackkav/grpc-reflection-js.git#e7866335")


def test_no_password_or_token_of_an_address_is_told() -> None:
    details = " ".join(it.detail for shape in ("v3-git", "v3-url") for it in read(shape).skipped)
    assert "secret" not in details
    assert "git+https://***@git.example/o/https.git" in details


def test_case_7_in_v1() -> None:
    files = read("v1-file")
    assert skipped(files, "node_modules/packed").reason is SkipReason.FILE
    assert skipped(files, "node_modules/folder").reason is SkipReason.FILE
    assert package(files, "packages/folder/node_modules/ms").version == "2.0.0"
    urls = read("v1-url")
    assert skipped(urls, "node_modules/remote").reason is SkipReason.URL


def test_a_registry_address_in_place_of_the_version_says_which_package_it_is() -> None:
    lock = read("v1-url")
    assert package(lock, "node_modules/ms").version == "2.1.3"
    other = package(lock, "node_modules/other")
    assert (other.name, other.version, other.alias) == ("real", "1.0.0", "other")


# --- nothing to read -------------------------------------------------------------------------------------


def test_case_8_a_lock_without_dependencies_is_read_and_says_zero() -> None:
    lock = read("v1-empty")
    assert (lock.name, lock.version, lock.entries, lock.packages, lock.skipped) == ("x", 1, 0, (), ())


def test_case_8_a_lock_without_the_packages_that_the_project_asks_for_says_so() -> None:
    missing = read("v3-out-of-date").missing
    assert [(location, it.name, it.kind) for location, it in missing] == [
        ("", "absent", "prod"),
        ("", "absent-too", "dev"),
    ]


# --- resolved and integrity ------------------------------------------------------------------------------


def test_case_9_integrity_without_resolved() -> None:
    found = package(read("v3-no-resolved"), "node_modules/ms")
    assert found.resolved is None
    assert found.integrity is not None


def test_case_10_neither_resolved_nor_integrity_is_still_a_package_to_judge() -> None:
    lock = read("v3-nothing-stated")
    assert [(it.name, it.resolved, it.integrity) for it in lock.packages] == [
        ("ms", None, None),
        ("depd", None, None),
    ]


def test_case_11_sha1_alone() -> None:
    integrity = package(read("v3-sha1"), "node_modules/d64").integrity
    assert integrity is not None
    assert [it.algorithm for it in integrity.hashes] == ["sha1"]


def test_case_12_several_hashes_and_unknown_algorithms() -> None:
    lock = read("v3-several-hashes")
    several = package(lock, "node_modules/ms").integrity
    assert several is not None
    assert [it.algorithm for it in several.hashes] == ["sha512", "sha1"]
    assert [it.partition("-")[0] for it in several.unknown] == ["blake3"]
    unknown = package(lock, "node_modules/depd").integrity
    assert unknown is not None
    assert (unknown.hashes, unknown.unknown) == ((), ("sha3-AAAA",))


def test_case_14_every_registrys_tarballs_are_packages_of_that_name() -> None:
    lock = read("v3-registries")
    assert lock.skipped == ()
    assert [f"node_modules/{it.name}" for it in lock.packages] == [it.location for it in lock.packages]
    assert [it for it in lock.packages if it.resolved_name or it.resolved_version] == []


def test_an_address_that_names_another_package_or_version_is_seen() -> None:
    seen = {it.name: (it.resolved_name, it.resolved_version) for it in read("v3-poisoned").packages}
    assert seen == {
        "lodash": ("lodahs", "1.0.0"),
        "ms": (None, "2.0.0"),
        "other-host": (None, None),
        "odd-file": (None, "evil-1.0.0"),
        "unnamed-alias": ("string-width", None),
    }


def test_a_version_left_out_is_told_by_the_address() -> None:
    entry = {"resolved": "https://registry.npmjs.org/@a/b/-/b-1.2.3-rc.1.tgz"}
    (found,) = parse_lockfile(lock_of({"node_modules/@a/b": entry}), "lock").packages
    assert (found.name, found.version) == ("@a/b", "1.2.3-rc.1")


# --- hostile entries -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "shape", ["v3-hostile-addresses", "v3-hostile-names", "v3-hostile-versions", "v3-hostile-locations"]
)
def test_hostile_entries_are_invalid_and_say_why(shape: str) -> None:
    lock = read(shape)
    assert lock.packages == ()
    harmless = {"__proto__"}  # a folder of that name, for which npm downloads nothing
    assert {it.reason for it in lock.skipped if it.location not in harmless} == {SkipReason.INVALID}
    for it in lock.skipped:
        assert it.detail
        assert it.detail.isprintable()
        assert len(it.detail) < 300


def test_a_deeply_hostile_v1_name_is_invalid() -> None:
    entries = {name: {"version": "1.0.0"} for name in ("../../x", "__proto__")}
    data = json.dumps({"lockfileVersion": 1, "dependencies": entries}).encode()
    assert [it.reason for it in parse_lockfile(data, "lock").skipped] == [SkipReason.INVALID] * 2


def test_of_two_entries_for_one_location_npms_choice_is_judged_and_the_other_is_told() -> None:
    lock = read("v3-duplicate-location")
    assert lock.entries == 2
    assert [(it.version, it.line) for it in lock.packages] == [("6.6.6", 12)]
    assert [(it.reason, it.line) for it in lock.skipped] == [(SkipReason.INVALID, 11)]
    assert "line 12" in lock.skipped[0].detail


def test_of_two_entries_for_one_name_in_v1_npms_choice_is_judged_and_the_other_is_told() -> None:
    lock = read("v1-duplicate")
    assert lock.entries == 3
    assert package(lock, "node_modules/a").version == "2.0.0"
    assert skipped(lock, "node_modules/a").line == 4


def test_two_project_entries_are_told_too() -> None:
    data = b'{"lockfileVersion": 3, "packages": {"": {"name": "a"}, "": {"name": "b"}}}'
    lock = parse_lockfile(data, "lock")
    assert (lock.name, lock.entries, [it.location for it in lock.skipped]) == ("b", 1, [""])


def test_what_a_v2_lock_tells_npm_6_alone_is_judged_too() -> None:
    lock = read("v2-poisoned-for-npm-6")
    assert lock.entries == 4
    assert [(it.name, it.resolved, it.line) for it in lock.packages] == [
        ("ms", "https://registry.npmjs.org/ms/-/ms-2.1.3.tgz", 14),
        ("ms", "https://registry.invalid/ms/-/ms-2.1.3.tgz", 21),
        ("hidden", "https://registry.npmjs.org/hidden/-/hidden-6.6.6.tgz", 26),
    ]
    assert [it.reason for it in lock.skipped] == [SkipReason.GIT]


@pytest.mark.parametrize(("shape", "entries"), [("v2-plain", 7), ("v2-every-kind", 7), ("v2-alias", 1)])
def test_a_v2_lock_that_tells_the_same_twice_counts_it_once(shape: str, entries: int) -> None:
    assert read(shape).entries == entries


def test_packages_win_over_dependencies_whatever_the_version_says() -> None:
    data = lock_of({"node_modules/ms": {"version": "2.1.3"}}, version=1, dependencies={})
    assert [it.name for it in parse_lockfile(data, "lock").packages] == ["ms"]


def test_a_v3_lock_with_dependencies_alone_is_read_as_npm_reads_it() -> None:
    data = b'{"lockfileVersion": 3, "dependencies": {"ms": {"version": "2.1.3"}}}'
    assert [it.name for it in parse_lockfile(data, "lock").packages] == ["ms"]


def test_lines_of_a_one_line_file() -> None:
    assert [it.line for it in read("v3-one-line").packages] == [1, 1]


def test_lines_of_nested_v1_entries() -> None:
    lines = (FIXTURES / "v1-plain" / "package-lock.json").read_text(encoding="utf-8").split("\n")
    for it in read("v1-plain").packages:
        assert lines[it.line - 1].strip() == f'"{it.location.rpartition("node_modules/")[2]}": {{'


# --- finding the file ------------------------------------------------------------------------------------


def test_a_shrinkwrap_wins_over_a_package_lock_as_in_npm() -> None:
    assert find_lockfile(FIXTURES / "shrinkwrap").name == "npm-shrinkwrap.json"
    assert [it.version for it in read("shrinkwrap").packages] == ["2.1.3"]


def test_a_folder_and_its_lock_are_the_same() -> None:
    assert read("v3-plain") == read("v3-plain/package-lock.json")


def test_the_hidden_lock_of_what_is_installed() -> None:
    lock = read("v3-hidden/node_modules/.package-lock.json")
    assert [it.name for it in lock.packages] == ["debug", "ms"]
    assert [it.name for it in lock.nodes[""].requires] == ["debug"]


def test_the_hidden_lock_is_pointed_to_where_no_other_is() -> None:
    with pytest.raises(LockfileNotFound, match=r"give .*node_modules/\.package-lock\.json"):
        find_lockfile(FIXTURES / "v3-hidden")


def test_v1_takes_the_projects_requirements_from_its_package_json() -> None:
    kinds = {it.name: it.kind for it in read("v1-plain").nodes[""].requires}
    assert kinds == {"debug": "prod", "finalhandler": "prod", "fsevents": "optional", "@types/ms": "dev"}


def test_v1_tells_the_kind_of_a_requirement_by_what_it_leads_to() -> None:
    dependencies = {
        "a": {"version": "1.0.0", "requires": {"b": "1", "c": "1", "d": "1"}},
        "b": {"version": "1.0.0", "optional": True},
        "c": {"version": "1.0.0", "dev": True},
        "d": {"version": "1.0.0"},
    }
    lock = parse_lockfile(json.dumps({"lockfileVersion": 1, "dependencies": dependencies}).encode(), "lock")
    assert [it.kind for it in lock.nodes["node_modules/a"].requires] == ["optional", "dev", "prod"]


@pytest.mark.parametrize(
    "version", ["latest", "npm:", "npm:string-width", "npm:@foo/bar", "v1.0.0", "link:../x"]
)
def test_a_v1_version_that_names_no_version_is_invalid(version: str) -> None:
    data = {"lockfileVersion": 1, "dependencies": {"a": {"version": version}}}
    assert [it.reason for it in parse_lockfile(json.dumps(data).encode(), "lock").skipped] == [
        SkipReason.INVALID
    ]


def test_a_v1_folder_with_an_odd_path_keeps_its_dependencies() -> None:
    data = b"""{"lockfileVersion": 1, "dependencies": {"a": {"version": "file:/opt/a",
        "dependencies": {"b": {"version": "1.0.0"}}}}}"""
    lock = parse_lockfile(data, "lock")
    assert package(lock, "node_modules/a/node_modules/b").version == "1.0.0"
    assert skipped(lock, "node_modules/a").reason is SkipReason.FILE


def test_v1_without_package_json_presumes_what_nothing_else_asks_for() -> None:
    assert [it.name for it in read("v1-without-package-json").nodes[""].requires] == ["debug", "round"]


def test_a_broken_package_json_beside_a_v1_lock_is_named(tmp_path: Path) -> None:
    shutil.copy(FIXTURES / "v1-git" / "package-lock.json", tmp_path)
    (tmp_path / "package.json").write_text("{", encoding="utf-8")
    with pytest.raises(LockfileSyntaxError, match=r"package\.json:1:2"):
        read_lockfile(tmp_path, Limits())


@pytest.mark.parametrize(
    ("shape", "tool"),
    [("yarn", "Yarn"), ("yarn-berry", "Yarn"), ("pnpm", "pnpm"), ("bun", "Bun"), ("bun-binary", "Bun")],
)
def test_another_tools_lock_under_the_name_of_npms_is_named(shape: str, tool: str, tmp_path: Path) -> None:
    (source,) = (FIXTURES / shape).iterdir()
    shutil.copy(source, tmp_path / "package-lock.json")
    with pytest.raises(UnsupportedLockfile, match=rf"a lock of {tool}.* under the name of npm's"):
        read_lockfile(tmp_path, Limits())


def test_an_npm_lock_beside_another_tools_lock_is_read(tmp_path: Path) -> None:
    shutil.copy(FIXTURES / "yarn" / "yarn.lock", tmp_path)
    shutil.copy(FIXTURES / "v3-plain" / "package-lock.json", tmp_path)
    assert read_lockfile(tmp_path, Limits()).entries == 7


def test_a_shrinkwrap_of_npm_4_is_named() -> None:
    with pytest.raises(UnsupportedLockfile, match="npm 4 or older"):
        read("npm-4")


@pytest.mark.parametrize("version", [0, 4, 99, -1, 2.5, "3", None, True, [3]])
def test_an_unknown_lockfile_version_is_named(version: object) -> None:
    with pytest.raises(UnsupportedLockfile, match=r"unknown lockfileVersion.*lockfileVersion 1, 2, 3"):
        parse_lockfile(lock_of({"x": "of another shape"}, version=version), "lock")


@pytest.mark.parametrize("name", ["absent", "nul\0", "x" * 5000])
def test_no_such_path(tmp_path: Path, name: str) -> None:
    with pytest.raises(LockfileNotFound):
        read_lockfile(tmp_path / name, Limits())


def test_a_folder_without_a_lock_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(LockfileNotFound, match="npm install --package-lock-only"):
        read_lockfile(tmp_path, Limits())


def test_a_path_below_a_file_is_not_found(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(LockfileNotFound, match="no such file or folder"):
        read_lockfile(tmp_path / "file" / "package-lock.json", Limits())


def test_a_lock_that_is_a_folder_is_looked_into(tmp_path: Path) -> None:
    (tmp_path / "package-lock.json").mkdir()
    with pytest.raises(LockfileNotFound, match=r"no package-lock\.json"):
        read_lockfile(tmp_path, Limits())


def test_a_file_over_the_cap_names_the_cap(tmp_path: Path) -> None:
    shutil.copy(FIXTURES / "v3-plain" / "package-lock.json", tmp_path)
    with pytest.raises(LockfileError, match="lockfile-bytes"):
        read_lockfile(tmp_path, Limits(lockfile_bytes=1000))


# --- wrong shapes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            '{"lockfileVersion": 3, "packages": "none"}',
            r'lock:1:24: "packages" is the string "none" where an object',
        ),
        ('{"lockfileVersion": 3, "packages": []}', r'"packages" is a list where an object'),
        ('{"lockfileVersion": 1, "dependencies": 7}', r'"dependencies" is a number where an object'),
        (
            '{"lockfileVersion": 3,\n "packages": {"node_modules/ms": "2.1.3"}}',
            r'lock:2:15: .*"node_modules/ms" is the',
        ),
        ('{"lockfileVersion": 3, "packages": {"node_modules/ms": null}}', r'"node_modules/ms" is null'),
        ('{"lockfileVersion": 1, "dependencies": {"ms": "2.1.3"}}', r'"ms" is the string "2.1.3"'),
        (
            '{"lockfileVersion": 1, "dependencies": {"a": {"dependencies": {"b": true}}}}',
            r'the entry "b" is a boolean',
        ),
        (
            '{"lockfileVersion": 1, "dependencies": {"a": {"dependencies": "b"}}}',
            r'"dependencies" is the string "b"',
        ),
        (
            '{"lockfileVersion": 1, "dependencies": {"a": {"dependencies": {}, "dependencies": {}}}}',
            r"stands twice in one entry",
        ),
        ('{"lockfileVersion": 3, "packages": {}, "packages": {}}', r'lock:1:40: "packages" stands twice'),
        ('{"lockfileVersion": 1, "lockfileVersion": 3}', r'"lockfileVersion" stands twice'),
    ],
)
def test_a_wrong_shape_is_named_with_its_place(text: str, message: str) -> None:
    with pytest.raises(LockfileSyntaxError, match=message):
        parse_lockfile(text.encode(), "lock")


def test_empty_sections_mean_no_entries() -> None:
    for text in ('{"lockfileVersion": 3, "packages": null}', '{"lockfileVersion": 1, "dependencies": {}}'):
        assert parse_lockfile(text.encode(), "lock").entries == 0
    nested = b'{"lockfileVersion": 1, "dependencies": {"a": {"version": "1.0.0", "dependencies": null}}}'
    assert parse_lockfile(nested, "lock").entries == 1


def test_a_chain_of_nested_v1_entries_longer_than_any_path_is_refused() -> None:
    depth = 50
    opening = '{"' + "n" * 200 + '":{"version":"1.0.0","dependencies":'
    text = '{"lockfileVersion":1,"dependencies":' + opening * depth + "{}" + "}}" * depth + "}"
    with pytest.raises(LockfileSyntaxError, match="nested deeper than any folder"):
        parse_lockfile(text.encode(), "lock")


def test_metadata_of_odd_shape_hides_no_entry() -> None:
    odd = {
        "version": "1.0.0",
        "dependencies": ["a"],
        "optionalDependencies": {"b": 7},
        "peerDependencies": "c",
        "peerDependenciesMeta": [],
        "requires": True,
        "license": {"type": "MIT"},
    }
    lock = parse_lockfile(lock_of({"": odd, "node_modules/x": odd}), "lock")
    assert [it.name for it in lock.packages] == ["x"]
    assert lock.nodes["node_modules/x"].requires == ()
