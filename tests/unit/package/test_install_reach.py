from __future__ import annotations

import json

import pytest

from npmguard.config import Limits
from npmguard.detect.analyse import is_source
from npmguard.model import PackageArchive
from npmguard.package.install_reach import install_reach, install_shell_files
from npmguard.package.tarball import read_archive
from tests.tarballs import tarball


def archive(manifest: dict[str, object], files: dict[str, str]) -> PackageArchive:
    contents = {name: text.encode() for name, text in files.items()}
    packed = tarball({"package.json": json.dumps({"name": "a", **manifest}).encode(), **contents})
    return read_archive(packed, Limits(), is_source, hashes=False)


def reached(scripts: dict[str, str], files: dict[str, str], **manifest: object) -> list[str]:
    packed = archive({"scripts": scripts, **manifest}, files)
    return sorted(install_reach(packed, packed.manifest))


@pytest.mark.parametrize(
    "script",
    [
        "node setup.js",
        "node ./setup",
        "node --no-warnings ./setup.js || true",
        "node -e \"require('./setup')\"",
        "node -e \"import('./setup.js').catch(() => 0)\"",
        "cross-env A=1 node setup.js > /dev/null 2>&1",
        'sh -c "node setup.js"',
        "is-ci || (node setup.js)",
        "node .\\setup.js",
        "npm run build",
        "bun run setup.js",
        "./setup.js",
        "node $INIT_CWD/setup.js",
        "a",
    ],
)
@pytest.mark.parametrize("key", ["preinstall", "install", "postinstall"])
def test_a_file_that_an_install_script_runs_is_reached(script: str, key: str) -> None:
    files = {"setup.js": "1", "index.js": "2"}
    assert reached({key: script, "build": "node setup.js"}, files, bin={"a": "setup.js"}) == ["setup.js"]


@pytest.mark.parametrize("key", ["prepare", "test", "prepublishOnly", "build"])
def test_other_scripts_are_no_installation(key: str) -> None:
    assert reached({key: "node setup.js"}, {"setup.js": "1"}) == []


def test_what_a_reached_file_loads_or_starts_is_reached() -> None:
    files = {
        "setup.js": "const run = require('child_process').fork; require('./lib/a'); run('stage.js');",
        "lib/a.js": "import b from './b.mjs'; export * from '../c'; import('./d.js')",
        "lib/b.mjs": "1",
        "c/index.js": "require('..')",
        "lib/d.js": "1",
        "stage.js": "1",
        "index.js": "1",
        "other.js": "1",
    }
    assert reached({"postinstall": "node setup.js"}, files) == [
        *("c/index.js", "index.js", "lib/a.js", "lib/b.mjs", "lib/d.js", "setup.js", "stage.js")
    ]


def test_a_name_in_a_file_that_starts_nothing_is_only_a_name() -> None:
    assert reached({"install": "node setup.js"}, {"setup.js": "log('index.js')", "index.js": ""}) == [
        "setup.js"
    ]


def test_a_package_loads_its_own_files_by_its_name() -> None:
    files = {"setup.mjs": "import { go } from 'a/lib/go.js'", "lib/go.js": "1"}
    assert reached({"postinstall": "node setup.mjs"}, files) == ["lib/go.js", "setup.mjs"]


def test_commands_of_gyp_files_run_files_too() -> None:
    files = {"binding.gyp": "{'targets': [{'sources': ['<!(node gen.js)']}]}", "gen.js": "1"}
    assert reached({}, files) == ["gen.js"]


def test_files_run_each_other_without_end() -> None:
    files = {"a.js": "require('./b')", "b.js": "require('./a')"}
    assert reached({"install": "node a", "postinstall": "npm run postinstall"}, files) == ["a.js", "b.js"]


def test_shell_files_are_given_with_their_text() -> None:
    files = {
        "go.sh": 'cd "$(dirname "$0")" && . lib/more.sh',
        "lib/more.sh": "node x.js",
        "lib/x.js": "1",
        "run": "#!/usr/bin/env bash\ntrue",
        "unused.sh": "true",
    }
    packed = archive({"scripts": {"preinstall": "sh ./go.sh; ./run"}}, files)
    assert [path for path, _ in install_shell_files(packed, packed.manifest)] == ["go.sh", "lib/more.sh", "run"]
    assert "lib/x.js" in install_reach(packed, packed.manifest)
    assert dict(install_shell_files(packed, packed.manifest))["lib/more.sh"] == "node x.js"


def test_text_as_windows_saves_it_is_read() -> None:
    contents = {
        "go.ps1": "\ufeffiex x".encode("utf-16-le"),
        "package.json": b'{"scripts":{"install":"pwsh go.ps1"}}',
    }
    packed = read_archive(tarball(contents), Limits(), is_source, hashes=False)
    assert install_shell_files(packed, packed.manifest) == (("go.ps1", "iex x"),)


@pytest.mark.parametrize(
    "script",
    [
        "node " + "a " * 30000,
        "sh -c '" * 500 + "node x",
        "a='" + "x " * 500 + '\'; b="$a$a$a$a"; c="$b$b$b$b"; d="$c$c$c$c"; sh -c "$d$d$d$d"',
        "cd a;" * 20000,
    ],
)
def test_hostile_scripts_end(script: str) -> None:
    assert reached({"install": script}, {"x.js": "1"}) in ([], ["x.js"])
