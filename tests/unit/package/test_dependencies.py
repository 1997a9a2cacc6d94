"""Which declared dependencies no code names."""

from __future__ import annotations

import json
from typing import Any

import pytest

from npmguard.config import Limits
from npmguard.detect.analyse import is_source
from npmguard.package.dependencies import unnamed_dependencies
from npmguard.package.tarball import read_archive
from tests.tarballs import tarball


def unnamed(files: dict[str, str], *dependencies: str, **manifest: Any) -> tuple[str, ...]:
    shipped = {"name": "a", "version": "1.0.0", "dependencies": dict.fromkeys(dependencies, "1"), **manifest}
    packed = {"package.json": json.dumps(shipped), **files}
    archive = read_archive(tarball({path: it.encode() for path, it in packed.items()}), Limits(), is_source)
    return unnamed_dependencies(archive)


def test_a_dependency_that_no_code_names_is_told_and_others_are_not() -> None:
    files = {"index.js": "require('alpha'); import('@s/beta/sub')", "README.md": "uses gamma"}
    assert unnamed(files, "alpha", "@s/beta", "gamma", "delta") == ("delta", "gamma")


@pytest.mark.parametrize("path", ["a.mjs", "lib/deep/b.cjs", "c.d.ts", "src/d.tsx", "bin/tool"])
def test_a_name_in_any_file_of_code_is_a_use(path: str) -> None:
    assert unnamed({"index.js": "1", path: "#!/usr/bin/env node\nrequire('alpha')"}, "alpha") == ()


def test_optional_ones_and_types_are_not_asked_for() -> None:
    assert (
        unnamed({"index.js": "1"}, "alpha", "@types/node", optionalDependencies={"alpha": "1", "beta": "1"})
        == ()
    )


def test_nothing_is_said_of_a_package_without_code_or_with_code_that_was_not_kept() -> None:
    assert unnamed({"README.md": "x"}, "alpha") == ()
    shipped = json.dumps({"name": "a", "version": "1.0.0", "dependencies": {"alpha": "1"}}).encode()
    packed = tarball({"package.json": shipped, "a.js": b"1", "b.js": b"require('alpha')"})
    archive = read_archive(packed, Limits(), lambda path, _: path != "b.js")
    assert unnamed_dependencies(archive) == ()
