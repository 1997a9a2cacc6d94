from __future__ import annotations

import json
import mmap
import pickle
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from npmguard.errors import RegistryProtocolError
from npmguard.model import Integrity, Packument, Release
from npmguard.registry.packument import MAX_RELEASE_BYTES, decode_packument, encode_packument
from tests.servers import sri

REGISTRY = "https://registry.example/"


def read(document: object, name: str = "a") -> Packument:
    raw = document if isinstance(document, bytes) else json.dumps(document).encode()
    return decode_packument(name, REGISTRY, encode_packument(name, REGISTRY, raw))


def release(manifest: dict[str, Any], name: str = "a") -> Release:
    """The release that a registry's manifest makes."""
    manifest = {"dist": {"tarball": "https://registry.example/a.tgz"}, **manifest}
    return read({"name": name, "versions": {"1.0.0": manifest}}, name).releases["1.0.0"]


def test_a_whole_release_is_read() -> None:
    found = release(
        {
            "name": "a",
            "version": "1.0.0",
            "scripts": {"postinstall": "node x.js"},
            "dependencies": {"b": "^1.0.0"},
            "optionalDependencies": {"c": "1"},
            "peerDependencies": {"d": ">=2"},
            "devDependencies": {"left": "out"},
            "bin": "./cli.js",
            "main": "index.js",
            "gypfile": True,
            "repository": {"type": "git", "url": "git+https://h.example/a.git"},
            "deprecated": "use b",
            "_npmUser": {"name": "someone", "email": "someone@h.example"},
            "dist": {
                "tarball": "https://registry.example/a/-/a-1.0.0.tgz",
                "integrity": sri(b"bytes"),
                "shasum": "0" * 40,
                "fileCount": 3,
                "unpackedSize": 1234,
                "signatures": [{"keyid": "SHA256:x", "sig": "MEUC"}],
                "attestations": {"url": "https://registry.example/-/npm/v1/attestations/a@1.0.0"},
            },
        }
    )
    manifest, dist = found.manifest, found.dist
    assert manifest.scripts == {"postinstall": "node x.js"}
    assert manifest.dependencies == {"b": "^1.0.0"}
    assert manifest.optional_dependencies == {"c": "1"}
    assert manifest.peer_dependencies == {"d": ">=2"}
    assert manifest.bin == {"a": "cli.js"}
    assert (manifest.main, manifest.gypfile) == ("index.js", True)
    assert manifest.repository == "git+https://h.example/a.git"
    assert (found.deprecated, found.publisher) == ("use b", "someone")
    assert dist.tarball == "https://registry.example/a/-/a-1.0.0.tgz"
    assert dist.integrity == Integrity.parse(sri(b"bytes"))
    assert (dist.shasum, dist.file_count, dist.unpacked_size) == ("0" * 40, 3, 1234)
    assert dist.signatures == (("SHA256:x", "MEUC"),)
    assert dist.attestations == "https://registry.example/-/npm/v1/attestations/a@1.0.0"


@pytest.mark.parametrize(
    "time", ["2024-12-06T17:55:20.963Z", "2024-12-06T17:55:20.963000+00:00", "2024-12-06T18:55:20.963+01:00"]
)
def test_publish_times_are_read_in_every_spelling(time: str) -> None:
    document = {
        "versions": {"1.0.0": {"dist": {"tarball": "https://registry.example/a.tgz"}}},
        "time": {"created": time, "modified": time, "1.0.0": time, "0.9.0": time},
    }
    packument = read(document)
    expected = datetime(2024, 12, 6, 17, 55, 20, 963000, tzinfo=UTC)
    assert dict(packument.times) == {"1.0.0": expected, "0.9.0": expected}
    assert packument.releases["1.0.0"].published == expected


def test_a_time_that_is_none_is_left_out() -> None:
    document = {"versions": {}, "time": {"1": "2024-01-01T00:00:00", "2": "soon", "3": None, "4": 5}}
    assert dict(read(document).times) == {"1": datetime(2024, 1, 1, tzinfo=UTC)}


@pytest.mark.parametrize(
    "time",
    [
        b'"2024-01-01\xb0"',
        b'"0001-01-01T00:00:00+14:00"',
        b'"9999-12-31T23:59:59-14:00"',
        b'"2024-13-01"',
        b"[" * 9,
    ],
)
def test_a_time_that_cannot_be_read_costs_its_own_version_alone(time: bytes) -> None:
    time = time + b"]" * time.count(b"[")
    document = b'{"versions":{},"time":{"1":"2024-01-01T00:00:00Z","2":%b,"3":"2024-01-01T00:00:00"}}' % time
    assert dict(read(document).times) == dict.fromkeys("13", datetime(2024, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize("damage", [b'{"1":"\xff"}', b'{"1":' + b"[" * 90_000 + b"]" * 90_000 + b"}"])
def test_times_that_cannot_be_read_say_nothing(damage: bytes) -> None:
    for document in (b'{"versions":{},"time":%b}', b'{"time":%b,"versions":{"1":{"dist":{"tarball":"x"}}}}'):
        try:
            packument = read(document % damage)
        except RegistryProtocolError:
            continue  # nesting that the reader of the whole document refuses
        assert dict(packument.times) == {}
        assert packument.unpublished is False


@pytest.mark.parametrize("odd", [["a@a.example"], {"a": 1}, 7, None, "two@at@signs"])
def test_an_address_that_is_none_is_left_out(odd: object) -> None:
    people = [{"name": "a", "email": odd}, {"name": "b", "email": "B@b.example"}]
    document = {"versions": {"1.0.0": {"dist": {"tarball": "x"}, "maintainers": people}}}
    assert dict(read(document).addresses) == {"1.0.0": ("b@b.example",)}


def test_a_document_without_times_has_none() -> None:
    assert dict(read({"versions": {}}).times) == {}
    assert dict(read({"versions": {}, "time": [1]}).times) == {}


def test_an_unpublished_package_is_told() -> None:
    document = {
        "name": "a",
        "time": {
            "created": "2020-01-01T00:00:00Z",
            "1.0.0": "2020-01-01T00:00:00Z",
            "unpublished": {"time": "2020-02-01T00:00:00Z", "versions": ["1.0.0"]},
        },
    }
    packument = read(document)
    assert packument.unpublished
    assert len(packument.releases) == 0
    assert list(packument.times) == ["1.0.0"]
    assert not read({"versions": {}}).unpublished


def test_tags_and_the_order_of_versions_are_kept() -> None:
    packument = read({"dist-tags": {"latest": "2.0.0", "odd": 7}, "versions": {"2.0.0": {}, "1.0.0": {}}})
    assert packument.dist_tags == {"latest": "2.0.0"}
    assert list(packument.releases) == ["2.0.0", "1.0.0"]
    assert "1.0.0" in packument.releases
    assert "3.0.0" not in packument.releases
    assert packument.releases.get("3.0.0") is None


@pytest.mark.parametrize(
    ("manifest", "bundled"),
    [
        ({"bundleDependencies": ["b"]}, ("b",)),
        ({"bundledDependencies": ["b", 7]}, ("b",)),
        ({"bundleDependencies": ["b"], "bundledDependencies": ["c"]}, ("b",)),
        ({"bundleDependencies": True, "dependencies": {"b": "1", "c": "2"}}, ("b", "c")),
        ({"bundleDependencies": {"b": "1"}}, ("b",)),
        ({"bundleDependencies": False}, ()),
        ({"bundleDependencies": "b"}, ()),
        ({}, ()),
    ],
)
def test_bundled_dependencies_are_read_as_npm_reads_them(
    manifest: dict[str, Any], bundled: tuple[str, ...]
) -> None:
    assert release(manifest).manifest.bundled == bundled


@pytest.mark.parametrize(
    ("commands", "expected"),
    [
        ("cli.js", {"a": "cli.js"}),
        ("../../etc/passwd", {"a": "etc/passwd"}),
        (["bin/one", "two"], {"one": "bin/one", "two": "two"}),
        ({"../x": "./y", "d:\\z": "w", "..": "v", "n": 7, "": "u"}, {"x": "y", "z": "w"}),
        (None, {}),
        (7, {}),
        ("", {}),
    ],
)
def test_commands_are_read_as_npm_reads_them(commands: object, expected: dict[str, str]) -> None:
    assert release({"bin": commands}, name="@scope/a").manifest.bin == expected


def test_what_npm_drops_from_a_manifest_is_dropped() -> None:
    found = release(
        {
            "scripts": {"install": ["not", "text"], "test": "true"},
            "dependencies": ["b"],
            "main": ["x"],
            "gypfile": "yes",
            "repository": ["x"],
            "deprecated": False,
            "_npmUser": "someone",
            "name": 7,
            "version": None,
        }
    )
    assert found.manifest.scripts == {"test": "true"}
    assert found.manifest.dependencies == {}
    assert (found.manifest.main, found.manifest.gypfile, found.manifest.repository) == (None, None, None)
    assert (found.manifest.name, found.manifest.version) == ("a", "1.0.0")
    assert (found.deprecated, found.publisher) == (None, None)


@pytest.mark.parametrize(
    ("dist", "integrity"),
    [
        ({"integrity": f"{sri(b'x')} {sri(b'x', 'sha1')}"}, f"{sri(b'x')} {sri(b'x', 'sha1')}"),
        ({"shasum": "11F6AD8EC52A2984ABAAFD7C3B516503785C2072"}, sri(b"x", "sha1")),
        ({"shasum": "nonsense"}, None),
        (
            {"integrity": ["x"], "shasum": 7, "fileCount": -1, "unpackedSize": True, "signatures": {"x": 1}},
            None,
        ),
        ({"signatures": ["x", {"keyid": 7, "sig": "x"}, {}], "attestations": "x"}, None),
    ],
)
def test_the_integrity_of_a_release(dist: dict[str, Any], integrity: str | None) -> None:
    found = release({"dist": {"tarball": "https://registry.example/a.tgz", **dist}}).dist
    assert found.integrity == (None if integrity is None else Integrity.parse(integrity))
    assert (found.file_count, found.unpacked_size, found.signatures, found.attestations) == (
        None,
        None,
        (),
        None,
    )


@pytest.mark.parametrize(
    "misshapen",
    [
        b'"text"', b"null", b"7", b"[]", b"{}", b'{"dist": null}', b'{"dist": {}}', b'{"dist": {"tarball": 7}}',
        b'{"dist": {"tarball": "\xff"}}', b'{"dist": {"tarball": "x"}, "scripts": {"x": "\xff"}}',
    ],
)  # fmt: skip
def test_a_misshapen_release_spoils_itself_alone(misshapen: bytes) -> None:
    whole = b'{"dist": {"tarball": "https://registry.example/a.tgz"}}'
    packument = read(b'{"versions": {"1.0.0": %s, "1.0.1": %s, "1.0.2": %s}}' % (whole, misshapen, whole))
    assert list(packument.releases) == ["1.0.0", "1.0.1", "1.0.2"]
    assert packument.releases["1.0.0"].dist == packument.releases["1.0.2"].dist
    with pytest.raises(RegistryProtocolError, match=r"the registry's manifest of a@1\.0\.1 cannot be read"):
        packument.releases["1.0.1"]


def test_a_bloated_release_spoils_itself_alone() -> None:
    bloated = {"scripts": {"x": "y" * MAX_RELEASE_BYTES}, "dist": {"tarball": "x"}}
    packument = read({"versions": {"1.0.0": {"dist": {"tarball": "x"}}, "1.0.1": bloated}})
    assert packument.releases["1.0.0"].dist.tarball == "x"
    with pytest.raises(RegistryProtocolError, match="is bigger than"):
        packument.releases["1.0.1"]


def test_half_a_surrogate_pair_spoils_nothing() -> None:
    """Registries cut descriptions in the middle of an emoji; JavaScript does not mind."""
    document = (
        rb'{"name": "a", "description": "cut \ud83d", "versions": {"1.0.0": {"description": "\ude00",'
        rb'"scripts": {"x": "\ud83d\ude00 \\ud83d \ud83d\ud83d\ude00"}, "dist": {"tarball": "x"}}}}'
    )
    scripts = read(document).releases["1.0.0"].manifest.scripts
    assert scripts == {"x": "\U0001f600 \\ud83d \ufffd\U0001f600"}


@pytest.mark.parametrize(
    ("document", "why"),
    [
        (b"", "truncated"),
        (b"<html>", "invalid character"),
        (b"[]", "Expected `object`, got `array`"),
        (b"{}", "it lists no versions"),
        (b'{"versions": null}', "it lists no versions"),
        (b'{"versions": []}', "Expected"),
        (b'{"versions": {}} trailing', "trailing characters"),
        (b'{"name": "b", "versions": {}}', "it is another package's"),
        (b'{"name": ["a"], "versions": {}}', "it is another package's"),
        (b'{"x": ' + b"[" * 100_000, "nested too deeply"),
        (b'{"versions": {"1.0.0": {"x": ' + b"[" * 100_000, "nested too deeply"),
        (b'{"versions": {"\xff": {}}}', "UTF-8|invalid"),
    ],
)
def test_what_is_no_packument_is_told(document: bytes, why: str) -> None:
    with pytest.raises(
        RegistryProtocolError, match=f"the document of a from {REGISTRY} cannot be read: .*({why})"
    ):
        read(document)


def test_the_projection_leaves_out_what_nobody_reads(tmp_path: Path) -> None:
    document = {
        "name": "a",
        "readme": "x" * 100_000,
        "versions": {
            "1.0.0": {"readme": "y" * 100_000, "devDependencies": {"b": "1"}, "dist": {"tarball": "x"}}
        },
    }
    path = tmp_path / "document"
    path.write_bytes(json.dumps(document).encode())
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        projection = encode_packument("a", REGISTRY, mapped)
    assert len(projection) < 200
    assert decode_packument("a", REGISTRY, projection).releases["1.0.0"].dist.tarball == "x"


@pytest.mark.parametrize("projection", [b"", b"\x00", b"[]", b'{"versions": {"1.0.0": ', b'{"versions": 7}'])
def test_a_damaged_projection_is_told(projection: bytes) -> None:
    with pytest.raises(RegistryProtocolError, match="the document of a cannot be read"):
        decode_packument("a", REGISTRY, projection)


def test_a_release_can_travel_between_processes() -> None:
    found = release({"scripts": {"x": "y"}})
    assert pickle.loads(pickle.dumps(found)) == found


def test_a_release_is_decoded_once() -> None:
    packument = read({"versions": {"1.0.0": {"dist": {"tarball": "x"}}}})
    assert packument.releases["1.0.0"] is packument.releases["1.0.0"]


def test_who_published_and_from_where() -> None:
    user = {"name": "GitHub Actions", "email": "b@h.example", "trustedPublisher": {"id": "github"}}
    found = release({"_npmUser": user, "homepage": "https://h.example/a"})
    assert (found.publisher, found.trusted_publisher) == ("GitHub Actions", "github")
    assert found.homepage == "https://h.example/a"
    assert (found.publisher_email, found.approver) == ("b@h.example", None)
    staged = release({"_npmUser": {"name": "ann", "email": 3, "approver": {"name": "ben"}}})
    assert (staged.publisher, staged.publisher_email, staged.approver) == ("ann", None, "ben")
    silent = release({"_npmUser": {"name": "someone", "trustedPublisher": True}, "homepage": 3})
    assert (silent.publisher, silent.trusted_publisher, silent.homepage) == ("someone", None, None)


def maintained(*lists: object) -> Packument:
    dist = {"tarball": "https://registry.example/a.tgz"}
    versions = {
        f"1.0.{index}": {"dist": dist, **({} if it is None else {"maintainers": it})}
        for index, it in enumerate(lists)
    }
    return read({"name": "a", "versions": versions})


def test_each_version_knows_its_own_maintainers_though_they_are_kept_once() -> None:
    ann, ben = {"name": "ann", "email": "ann@h.example"}, {"name": "ben", "email": "ben@h.example"}
    found = maintained(None, [ann], [ann], [ben, ann], [ben], None, [{"name": "carl"}], [ann])
    assert dict(found.maintainers) == {
        "1.0.1": ("ann",),
        "1.0.2": ("ann",),
        "1.0.3": ("ann", "ben"),
        "1.0.4": ("ben",),
        "1.0.6": ("carl",),
        "1.0.7": ("ann",),
    }


def test_maintainers_in_a_shape_of_their_own_spoil_nothing() -> None:
    found = maintained({"name": "ann"}, [None, 3], [{"name": 4}], "ann", [{"name": ["x"]}], [{"name": "ann"}])
    assert dict(found.maintainers) == {"1.0.5": ("ann",)}
    assert len(found.releases) == 6
    assert found.releases["1.0.0"].dist.tarball == "https://registry.example/a.tgz"


def test_people_whom_an_author_lists_are_no_accounts() -> None:
    found = maintained(["Ann <ann@h.example>"], [{"name": "Ann Example"}, {"name": "ben"}])
    assert dict(found.maintainers) == {}


def test_maintainers_are_read_beside_a_version_that_is_no_object() -> None:
    dist = {"tarball": "https://registry.example/a.tgz"}
    versions = {"1.0.0": 7, "1.0.1": {"dist": dist, "maintainers": [{"name": "ann"}]}}
    assert dict(read({"name": "a", "versions": versions}).maintainers) == {"1.0.1": ("ann",)}


def test_a_version_that_is_a_line_break_is_told_in_one_line() -> None:
    packument = read({"versions": {"1\n2": {}}})
    with pytest.raises(RegistryProtocolError, match=r"^[^\n]*1\\n2[^\n]*$"):
        packument.releases["1\n2"]
