from __future__ import annotations

import json

import pytest

from npmguard.errors import ManifestError
from npmguard.model import Manifest, ManifestDelta
from npmguard.package.manifest import install_scripts, manifest_differences, parse_manifest


def parsed(document: object, files: tuple[str, ...] = ()) -> Manifest:
    return parse_manifest(json.dumps(document).encode(), files)


def differences(shipped: dict[str, object], registry: dict[str, object]) -> tuple[ManifestDelta, ...]:
    both = {"name": "sample", "version": "1.0.0"}
    return manifest_differences(parsed({**both, **shipped}), parsed({**both, **registry}))


# --- reading ----------------------------------------------------------------------------------------------


def test_all_fields_are_read() -> None:
    manifest = parsed(
        {
            "name": "@acme/tool",
            "version": "1.2.3",
            "scripts": {"postinstall": "node x.js"},
            "dependencies": {"a": "^1.0.0"},
            "optionalDependencies": {"b": "*"},
            "peerDependencies": {"c": ">=1"},
            "bin": "./cli.js",
            "main": "index.js",
            "gypfile": False,
            "bundledDependencies": ["a"],
            "repository": {"type": "git", "url": "git+https://git.example/x.git"},
        }
    )
    assert manifest == Manifest(
        name="@acme/tool",
        version="1.2.3",
        scripts={"postinstall": "node x.js"},
        dependencies={"a": "^1.0.0"},
        optional_dependencies={"b": "*"},
        peer_dependencies={"c": ">=1"},
        bin={"tool": "cli.js"},
        main="index.js",
        gypfile=False,
        bundled=("a",),
        repository="git+https://git.example/x.git",
    )


def test_the_last_of_repeated_keys_counts_as_for_json_parse() -> None:
    manifest = parse_manifest(b'{"name":"shown","name":"real","scripts":{},"scripts":{"install":"node a"}}')
    assert manifest.name == "real"
    assert manifest.scripts == {"install": "node a"}


def test_a_byte_order_mark_and_broken_utf_8_are_read_as_node_reads_them() -> None:
    manifest = parse_manifest(b'\xef\xbb\xbf{"name":"a","main":"\xff.js"}')
    assert (manifest.name, manifest.main) == ("a", "\ufffd.js")


def test_half_a_surrogate_pair_becomes_text_that_can_be_written() -> None:
    manifest = parse_manifest(rb'{"name":"a\ud800","scripts":{"x\udfff":"\ud83d\ude00"}}')
    assert manifest.name == "a\ufffd"
    assert manifest.scripts == {"x\ufffd": "😀"}


@pytest.mark.parametrize(
    "document",
    [
        {
            "name": 7,
            "version": None,
            "scripts": "x",
            "dependencies": 3,
            "bin": True,
            "main": {},
            "gypfile": "no",
        },
        {"scripts": {"a": 1, "b": ["x"]}, "dependencies": {"a": {"version": "1"}}, "bin": {"a": 1, "": "x"}},
        {"bundleDependencies": 3, "repository": 4, "directories": [], "peerDependencies": ["a"]},
    ],
)
def test_values_of_a_wrong_type_are_dropped(document: dict[str, object]) -> None:
    assert parsed(document) == Manifest(name="", version="")


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ({"run": "./bin/run.js"}, {"run": "bin/run.js"}),
        ({"../../run": "../../../etc/x"}, {"run": "etc/x"}),
        ({"a\\b:run": "bin\\run.js"}, {"run": "bin/run.js"}),
        (["bin/one", "two"], {"one": "bin/one", "two": "two"}),
        ("/bin/x.js", {"sample": "bin/x.js"}),
        ({"x": "."}, {}),
    ],
)
def test_commands_are_cleaned_as_npm_does_it(value: object, read: dict[str, str]) -> None:
    assert parsed({"name": "sample", "bin": value}).bin == read


def test_a_folder_of_commands_is_filled_in_from_the_files() -> None:
    files = ("bin/a", "bin/sub/b.js", "bin/.hidden", "binary", "index.js")
    manifest = parsed({"name": "sample", "directories": {"bin": "./bin"}}, files)
    assert manifest.bin == {"a": "bin/a", "b.js": "bin/sub/b.js"}


@pytest.mark.parametrize("value", [True, {"a": "1"}, ["a"]])
def test_bundled_dependencies_have_three_spellings(value: object) -> None:
    assert parsed({"dependencies": {"a": "1"}, "bundleDependencies": value}).bundled == ("a",)


def test_dependencies_of_old_may_be_a_list() -> None:
    assert parsed({"dependencies": ["a@^1.0", "b >=2", "c"]}).dependencies == {"a": "^1.0", "b": ">=2", "c": ""}


@pytest.mark.parametrize(
    "data",
    [
        *(b"", b"{", b"null", b"[]", b'"x"', b"{'a': 1}", b'{"a": NaN}', b'{"a": "\n"}'),
        *(b"[" * 200_000, b"{" + b" " * 17_000_000),
    ],
)
def test_what_is_no_manifest_is_an_error(data: bytes) -> None:
    with pytest.raises(ManifestError):
        parse_manifest(data)


@pytest.mark.parametrize("number", ["9" * 6000, "1e999", "-0.0"])
def test_numbers_of_any_length_are_read(number: str) -> None:
    assert parse_manifest(f'{{"name":"a","x":{number}}}'.encode()).name == "a"


# --- against the registry ---------------------------------------------------------------------------------


def test_case_26_scripts_dependencies_and_commands_that_differ_are_told() -> None:
    assert differences(
        {
            "version": "1.0.1",
            "scripts": {"postinstall": "node x.js"},
            "dependencies": {"a": "1.0.0", "hidden": "1.0.0"},
            "bin": {"npm": "cli.js"},
        },
        {"scripts": {"test": "jest"}, "dependencies": {"a": "1.0.0", "shown": "1.0.0"}},
    ) == (
        ManifestDelta("version", "", "1.0.0", "1.0.1"),
        ManifestDelta("scripts", "postinstall", None, "node x.js"),
        ManifestDelta("scripts", "test", "jest", None),
        ManifestDelta("dependencies", "hidden", None, "1.0.0"),
        ManifestDelta("dependencies", "shown", "1.0.0", None),
        ManifestDelta("bin", "npm", None, "cli.js"),
    )


def test_case_22_the_build_that_the_registry_adds_is_no_difference() -> None:
    assert differences({}, {"scripts": {"install": "node-gyp rebuild"}, "gypfile": True}) == ()


def test_another_install_script_of_the_registry_is_a_difference() -> None:
    told: dict[str, object] = {"scripts": {"install": "node-gyp rebuild"}}
    assert differences({"scripts": {"install": "node x.js"}}, told) != ()
    assert differences({"scripts": {"preinstall": "node x.js"}}, told) != ()


@pytest.mark.parametrize(
    ("shipped", "registry"),
    [
        ({}, {"scripts": {"start": "node server.js"}}),
        ({"scripts": {"build": " tsc "}}, {"scripts": {"build": "tsc"}}),
        ({"scripts": {"build": "./node_modules/.bin/tsc"}}, {"scripts": {"build": "tsc"}}),
        ({"version": "v1.0.0"}, {}),
        ({"version": "1.0.0+build.5"}, {}),
        ({"version": "=1.0.0beta"}, {"version": "1.0.0-beta"}),
        ({"name": "Sample"}, {}),
        ({"bin": "./cli.js"}, {"bin": {"sample": "cli.js"}}),
        (
            {"optionalDependencies": {"a": "1"}},
            {"optionalDependencies": {"a": "1"}, "dependencies": {"a": "1"}},
        ),
        ({"dependencies": {"a": ""}}, {"dependencies": {"a": "*"}}),
        ({"dependencies": {"a": "acme/a"}}, {"dependencies": {"a": "github:acme/a"}}),
        (
            {"dependencies": {"a": "acme/a#v1"}},
            {"dependencies": {"a": "git+https://github.com/acme/a.git#v1"}},
        ),
        (
            {"dependencies": {"a": "git://github.com/acme/a.git"}},
            {"dependencies": {"a": "git+ssh://git@github.com/acme/a.git"}},
        ),
        ({"dependencies": ["a@1"]}, {"dependencies": {"a": "1"}}),
        ({"publishConfig": {"access": "public"}, "devDependencies": {"x": "1"}}, {}),
        ({"bundledDependencies": ["a"]}, {"bundleDependencies": ["a"]}),
    ],
)
def test_what_publishing_itself_changes_is_no_difference(
    shipped: dict[str, object], registry: dict[str, object]
) -> None:
    assert differences(shipped, registry) == ()


def test_a_dependency_from_another_place_is_a_difference() -> None:
    for spec in ("evil/a", "https://tarballs.example/a.tgz", "npm:other@1", "file:../a", "github:acme/b"):
        assert differences({"dependencies": {"a": "acme/a"}}, {"dependencies": {"a": spec}}) != ()


def test_install_scripts_come_in_the_order_in_which_npm_runs_them() -> None:
    scripts = {"postinstall": "c", "install": "b", "preinstall": "a", "prepare": "no", "test": "no"}
    assert list(install_scripts(parsed({"scripts": scripts})).values()) == ["a", "b", "c"]
    assert install_scripts(parsed({"scripts": {"install": "  "}})) == {}
