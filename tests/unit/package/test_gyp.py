from __future__ import annotations

import json

import pytest

from npmguard.config import Limits
from npmguard.model import PackageArchive
from npmguard.package.gyp import gyp_commands, implicit_install_script
from npmguard.package.tarball import read_archive
from tests.tarballs import tarball


def archive(manifest: dict[str, object], **files: str) -> PackageArchive:
    contents = {name.replace("__", "."): text.encode() for name, text in files.items()}
    packed = tarball({"package.json": json.dumps({"name": "a", **manifest}).encode(), **contents})
    return read_archive(packed, Limits(), lambda _path, _size: False, hashes=False)


@pytest.mark.parametrize("name", ["binding__gyp", "other__gyp", "Binding__GYP"])
def test_case_25_a_gyp_file_at_the_root_is_built_unasked(name: str) -> None:
    assert implicit_install_script(archive({}, **{name: "{}"})) == name.replace("__", ".")


@pytest.mark.parametrize(
    "manifest",
    [{"gypfile": False}, {"scripts": {"install": "node x"}}, {"scripts": {"preinstall": "node x"}}],
)
def test_a_package_that_says_what_it_does_has_no_implicit_script(manifest: dict[str, object]) -> None:
    assert implicit_install_script(archive(manifest, binding__gyp="{}")) is None


def test_other_scripts_and_other_files_change_nothing() -> None:
    assert (
        implicit_install_script(archive({"scripts": {"postinstall": "x"}}, binding__gyp="{}")) == "binding.gyp"
    )
    assert implicit_install_script(archive({}, binding__gypi="{}")) is None


def test_case_25_commands_in_it_are_found() -> None:
    gyp = """
      # '<!(only a comment)'
      {'targets': [{
        'include_dirs': ["<!(node -p \\"require('node-addon-api').include\\")", '<(module_root_dir)'],
        'sources': ['<!@(node list.js (all))', '<!(no' 'de joi' # between
                    'ned.js)', '\\x3c!(node escaped.js)'],
        'actions': [{'action_name': 'x', 'inputs': [], 'action': ['node', 'gen.js', '<@(_outputs)']}],
      }]}
    """
    assert gyp_commands(archive({}, binding__gyp=gyp)) == (
        "node -p \"require('node-addon-api').include\"",
        "node escaped.js",
        "node gen.js <@(_outputs)",
        "node joined.js",
        "node list.js (all)",
    )


def test_included_files_are_read_too() -> None:
    assert gyp_commands(archive({}, common__gypi="{'x': '<!(node i.js)'}")) == ("node i.js",)


def test_an_unclosed_command_goes_on_to_the_end_of_its_string() -> None:
    assert gyp_commands(archive({}, binding__gyp="{'x': '<!(node a.js', 'y': '")) == ("node a.js",)
