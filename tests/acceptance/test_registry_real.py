"""The registry that npm on this machine is configured with, asked for what every project has."""

from __future__ import annotations

import hashlib
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from npmguard.config import Limits, Network
from npmguard.errors import NotInRegistry
from npmguard.model import LockedPackage
from npmguard.registry.client import RegistryClient
from npmguard.registry.npmrc import load_npm_config

pytestmark = pytest.mark.network


def test_a_well_known_release_is_what_it_has_always_been(tmp_path: Path) -> None:
    npm = load_npm_config(tmp_path, os.environ)
    with RegistryClient(npm, Network(), Limits(), tmp_path) as registry:
        packument = registry.packument("ms")
        release = packument.releases["2.1.3"]
        resolved = "https://registry.npmjs.org/ms/-/ms-2.1.3.tgz"
        tarball = registry.tarball(LockedPackage("ms", "2.1.3", "node_modules/ms", 1, resolved), release)
        types = registry.packument("@types/node")
    assert packument.times["2.1.3"] < datetime.now(UTC)
    assert release.dist.integrity is not None
    strongest = release.dist.integrity.hashes[0]
    assert hashlib.new(strongest.algorithm, tarball).digest() == strongest.digest
    assert str(strongest).startswith(
        "sha512-6FlzubTLZG3J2a/NVCAleEhjzq5oxgHyaCU9yYXvcLsvoVaHJq/s5xXI6/XXP6tz7R9xAOtHnSO/"
    )
    assert len(types.releases) > 2000


def test_a_package_that_nobody_published_is_not_there(tmp_path: Path) -> None:
    npm = load_npm_config(tmp_path, os.environ)
    with (
        RegistryClient(npm, Network(), Limits(), None) as registry,
        pytest.raises(NotInRegistry, match="does not hold it"),
    ):
        registry.packument("npmguard-test-fixture-that-nobody-published")
