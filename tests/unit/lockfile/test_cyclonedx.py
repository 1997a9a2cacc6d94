"""What an SBOM says of npm packages, and what becomes of everything else in it."""

from __future__ import annotations

from hashlib import sha512
from pathlib import Path

import pytest

from npmguard.config import Limits
from npmguard.errors import LockfileError, LockfileSyntaxError, UnsupportedLockfile
from npmguard.lockfile.graph import DependencyGraph
from npmguard.lockfile.reader import parse_lockfile, read_lockfile
from npmguard.model import LockedPackage, Lockfile, SkipReason

FIXTURES = Path(__file__).parents[3] / "fixtures" / "sboms"
BOTH = ["every-kind.json", "every-kind.xml"]


def read(name: str) -> Lockfile:
    return read_lockfile(FIXTURES / name, Limits())


def package(lock: Lockfile, location: str) -> LockedPackage:
    (found,) = [it for it in lock.packages if it.location == location]
    return found


@pytest.mark.parametrize(
    ("name", "entries"), [("every-kind.json", 11), ("every-kind.xml", 11), ("npm-11.json", 28)]
)
def test_every_component_is_judged_or_skipped(name: str, entries: int) -> None:
    lock = read(name)
    locations = [*(it.location for it in lock.packages), *(it.location for it in lock.skipped)]
    assert (lock.manager, lock.entries, len(set(locations))) == ("cyclonedx", entries, entries)
    assert {"", *locations} == set(lock.nodes)


@pytest.mark.parametrize("name", BOTH)
def test_what_is_no_package_of_a_registry_is_skipped_with_its_reason(name: str) -> None:
    reasons = {it.location: it.reason for it in read(name).skipped}
    assert reasons == {
        "own@1.0.0": SkipReason.WORKSPACE,
        "from-git@1.0.0": SkipReason.GIT,
        "remote@1.0.0": SkipReason.URL,
        "pkg:pypi/django@5.0": SkipReason.FOREIGN,
        "debian": SkipReason.FOREIGN,
        "nameless": SkipReason.INVALID,
        "../bad@1.0.0": SkipReason.INVALID,
    }


@pytest.mark.parametrize("name", BOTH)
def test_names_versions_hashes_and_addresses(name: str) -> None:
    lock = read(name)
    scoped = package(lock, "@types/ms@2.1.0")
    assert (scoped.name, scoped.version) == ("@types/ms", "2.1.0")
    assert scoped.resolved == "https://registry.npmjs.org/@types/ms/-/ms-2.1.0.tgz"
    assert scoped.integrity is not None
    assert scoped.integrity.hashes[0].digest == sha512(b"types").digest()
    plain = package(lock, "ms@2.1.3")
    assert plain.integrity is not None
    assert [it.algorithm for it in plain.integrity.hashes] == ["sha512", "sha1"]
    assert package(lock, "inner@1.0.0").integrity is None


@pytest.mark.parametrize("name", BOTH)
def test_who_depends_on_whom(name: str) -> None:
    lock = read(name)
    graph = DependencyGraph(lock)
    assert lock.name == "project"
    assert graph.paths_to("ms@2.1.3").paths == (("debug@4.4.3", "ms@2.1.3"),)
    assert graph.paths_to("@types/ms@2.1.0").paths == (("own@1.0.0", "@types/ms@2.1.0"),)
    assert graph.paths_to("inner@1.0.0").paths == (("inner@1.0.0",),)


@pytest.mark.parametrize("name", BOTH)
def test_the_line_of_a_component_is_where_it_is_named(name: str) -> None:
    lines = (FIXTURES / name).read_text().split("\n")
    for it in read(name).packages:
        assert it.name.rpartition("/")[2] in lines[it.line - 1] or "types" in lines[it.line - 1]


def test_an_sbom_that_npm_made() -> None:
    lock = read("npm-11.json")
    assert (
        package(lock, "is-number@7.0.0").resolved
        == "https://registry.npmjs.org/is-number/-/is-number-7.0.0.tgz"
    )
    assert DependencyGraph(lock).paths_to("depd@2.0.0").paths == (("local@0.1.0", "depd@2.0.0"),)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b'{"bomFormat": "CycloneDX", "specVersion": "9.9"}', "unknown version of CycloneDX: 9.9"),
        (b'{"bomFormat": "CycloneDX"}', "unknown version of CycloneDX: none"),
        (b'<bom xmlns="http://cyclonedx.org/schema/bom/0.9"/>', "unknown version of CycloneDX: 0.9"),
    ],
)
def test_an_unknown_version_is_named(data: bytes, message: str) -> None:
    with pytest.raises(UnsupportedLockfile, match=message):
        parse_lockfile(data, "sbom")


@pytest.mark.parametrize(
    "data",
    [
        b'{"bomFormat": "CycloneDX",',
        b'<bom xmlns="http://cyclonedx.org/schema/bom/1.6">',
        b'<!DOCTYPE x [<!ENTITY a "b">]><bom xmlns="http://cyclonedx.org/schema/bom/1.6">&a;</bom>',
        b'<x xmlns="http://cyclonedx.org/schema/bom/1.6"/>',
        b'<?xml version="1.0" encoding="utf-99"?><bom xmlns="http://cyclonedx.org/schema/bom/1.6"/>',
    ],
)
def test_a_damaged_one_is_refused_in_one_line(data: bytes) -> None:
    with pytest.raises(LockfileSyntaxError) as raised:
        parse_lockfile(data, "sbom")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "components",
    [
        '{"a": 1}',
        "[null, 7, [], {}]",
        '[{"purl": 7, "name": [], "hashes": {}, "components": 7, "properties": [7]}]',
        '[{"externalReferences": [[]], "type": {}, "bom-ref": true, "group": 7}]',
        '[{"purl": "pkg:npm/", "type": "library"}, {"purl": "pkg:npm/a"}, {"purl": "pkg:npm/@/@"}]',
        '[{"purl": "pkg:npm/a@1.0.0", "hashes": [{"alg": "SHA-512", "content": "zz"}, 7]}]',
        '[{"purl": "pkg:npm/a@%00", "name": "\\u202e"}]',
    ],
)
def test_no_shape_of_a_component_breaks_the_reader(components: str) -> None:
    text = f'{{"bomFormat": "CycloneDX", "specVersion": "1.6", "components": {components}}}'
    lock = parse_lockfile(text.encode(), "sbom")
    assert lock.entries == len(lock.packages) + len(lock.skipped)
    assert all(it.integrity is None or not it.integrity.hashes for it in lock.packages)


def test_deep_nesting_is_refused_or_read() -> None:
    inner = '{"name": "a", "components": [' * 200 + "]}" * 200
    text = f'{{"bomFormat": "CycloneDX", "specVersion": "1.6", "components": [{inner}]}}'
    assert parse_lockfile(text.encode(), "sbom").entries == 200
    inner = '{"components": [' * 200_000 + "]}" * 200_000
    with pytest.raises(LockfileError, match="nested too deeply"):
        parse_lockfile(f'{{"bomFormat": "CycloneDX", "components": [{inner}]}}'.encode(), "sbom")
