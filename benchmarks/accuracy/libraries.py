"""Honest libraries in every form that the fixtures are given."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from npmguard.config import Limits
from npmguard.package.tarball import read_archive
from tests.fixture_packages import pack, twins_of

LIBRARIES: Mapping[str, tuple[str, ...]] = {
    "axios@1.7.9": ("dist/node/axios.cjs",),
    "chalk@4.1.2": ("source/index.js", "source/templates.js", "source/util.js"),
    "commander@12.1.0": ("lib/command.js", "lib/option.js", "lib/help.js"),
    "dayjs@1.11.13": ("esm/index.js", "esm/utils.js", "plugin/utc.js", "plugin/timezone.js"),
    "debug@4.3.7": ("src/index.js", "src/browser.js", "src/node.js", "src/common.js"),
    "ethers@6.13.4": (
        "lib.commonjs/wallet/wallet.js",
        "lib.commonjs/wallet/mnemonic.js",
        "lib.commonjs/utils/fetch.js",
        "lib.commonjs/providers/provider-browser.js",
        "lib.commonjs/providers/provider-jsonrpc.js",
        "lib.commonjs/address/address.js",
    ),
    "express@4.21.2": ("lib/application.js", "lib/request.js", "lib/response.js", "lib/utils.js"),
    "lodash@4.17.21": ("lodash.js",),
    "node-fetch@2.7.0": ("lib/index.js",),
    "semver@7.6.3": ("classes/range.js", "classes/semver.js", "functions/coerce.js"),
}
"""Ten libraries, with the files that are judged, as paths in the package."""


def library_forms(transforms: Iterable[str]) -> Iterator[tuple[str, str, bytes]]:
    """Every library in every form: its name and version, the form, and the ``.tgz``.

    A library is transformed by itself, so that none of them costs all the work where one takes too long.
    """
    sources = {library: _sources(library, paths) for library, paths in LIBRARIES.items()}
    for transform in transforms:
        if transform == "bundle":
            continue  # needs the files that these import, too
        for library, texts in sources.items():
            name, _, version = library.rpartition("@")
            files = {path: text.encode() for path, text in _transformed(transform, texts).items()}
            files["package.json"] = json.dumps({"name": name, "version": version}).encode()
            yield library, transform, pack(files)


def _transformed(transform: str, texts: Mapping[str, str]) -> Mapping[str, str]:
    """The files of one library in one form."""
    if transform == "plain":
        return texts
    jobs = {
        path: {
            "transform": transform,
            "path": path,
            "text": text,
            "module": path.startswith("esm/"),
            "entry": path,
        }
        for path, text in texts.items()
    }
    return twins_of(transform, jobs)


def _sources(library: str, paths: Iterable[str]) -> dict[str, str]:
    wanted = frozenset(paths)
    with tempfile.TemporaryDirectory() as folder:
        command = ["npm", "pack", library, "--silent", "--pack-destination", folder]
        subprocess.run(command, check=True, capture_output=True)
        (tarball,) = Path(folder).iterdir()
        archive = read_archive(tarball.read_bytes(), Limits(), lambda path, _size: path in wanted)
    return {path: (archive.files[path].content or b"").decode() for path in sorted(wanted)}
