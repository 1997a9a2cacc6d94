from __future__ import annotations

import pytest

from npmguard.errors import NotInRegistry, RegistryProtocolError
from npmguard.model import Dist, LockedPackage, Manifest, Release
from npmguard.registry.npmrc import NpmConfig
from npmguard.registry.tarball_url import packument_url, tarball_url

NPMJS = "https://registry.npmjs.org/a/-/a-1.0.0.tgz"


def locked(resolved: str | None, name: str = "a", version: str = "1.0.0") -> LockedPackage:
    return LockedPackage(name, version, f"node_modules/{name}", 1, resolved)


def released(tarball: str) -> Release:
    return Release(Manifest("a", "1.0.0"), Dist(tarball))


@pytest.mark.parametrize(
    ("registry", "rule", "resolved", "expected"),
    [
        ("https://m.example/", "npmjs", NPMJS, "https://m.example/a/-/a-1.0.0.tgz"),
        ("https://m.example/npm/", "npmjs", NPMJS, "https://m.example/npm/a/-/a-1.0.0.tgz"),
        (
            "https://m.example/npm/",
            "npmjs",
            "https://registry.npmjs.org/npm/a.tgz",
            "https://m.example/npm/a.tgz",
        ),
        ("http://m.example:4873/", "npmjs", NPMJS, "http://m.example:4873/a/-/a-1.0.0.tgz"),
        ("https://m.example/", "npmjs", "http://registry.npmjs.org/a.tgz", "https://m.example/a.tgz"),
        ("https://m.example/", "npmjs", "https://other.example/a.tgz", "https://other.example/a.tgz"),
        ("https://m.example/", "npmjs", "https://registry.npmjs.org.evil.example/a.tgz", None),
        ("https://m.example/", "never", NPMJS, NPMJS),
        ("https://m.example/", "always", "https://other.example/a.tgz?x=1", "https://m.example/a.tgz?x=1"),
        ("https://m.example/", "other.example", "https://other.example/a.tgz", "https://m.example/a.tgz"),
        ("https://m.example/", "other.example", NPMJS, NPMJS),
        (
            "https://m.example/n/",
            "https://o.example/old",
            "https://o.example/old/a.tgz",
            "https://m.example/n/a.tgz",
        ),
        ("https://m.example/n/", "https://o.example/old", "https://o.example/older/a.tgz", None),
        ("https://registry.npmjs.org/", "npmjs", NPMJS, NPMJS),
    ],
)
def test_the_host_is_replaced_as_npm_replaces_it(
    registry: str, rule: str, resolved: str, expected: str | None
) -> None:
    npm = NpmConfig(registry=registry, replace_registry_host=rule)
    assert str(tarball_url(npm, locked(resolved), None)) == (expected or resolved)


def test_a_scoped_package_moves_to_the_default_registry_too() -> None:
    npm = NpmConfig(registry="https://m.example/", scopes={"@s": "https://scope.example/"})
    url = "https://registry.npmjs.org/@s/a/-/a-1.0.0.tgz"
    assert str(tarball_url(npm, locked(url, "@s/a"), None)) == "https://m.example/@s/a/-/a-1.0.0.tgz"


def test_the_lock_goes_before_the_registry_and_the_registry_before_the_usual_place() -> None:
    npm = NpmConfig(registry="https://m.example/", scopes={"@s": "https://scope.example/npm/"})
    release = released("https://cdn.example/a.tgz")
    assert str(tarball_url(npm, locked("https://lock.example/a.tgz"), release)) == "https://lock.example/a.tgz"
    assert str(tarball_url(npm, locked(None), release)) == "https://cdn.example/a.tgz"
    assert str(tarball_url(npm, locked(None), None)) == "https://m.example/a/-/a-1.0.0.tgz"
    scoped = tarball_url(npm, locked(None, "@s/a", "1.0.0+b/../x"), None)
    assert str(scoped) == "https://scope.example/npm/@s/a/-/a-1.0.0%2Bb%2F..%2Fx.tgz"


@pytest.mark.parametrize(
    "url", ["git+ssh://git@h.example/a.git", "https://u:p@h.example/a.tgz", "nonsense", ""]
)
def test_a_url_that_cannot_be_fetched_is_told(url: str) -> None:
    with pytest.raises(RegistryProtocolError, match=r"the lockfile's URL of a@1\.0\.0"):
        tarball_url(NpmConfig(), locked(url), None)
    with pytest.raises(RegistryProtocolError, match=r"the registry's URL of a@1\.0\.0"):
        tarball_url(NpmConfig(), locked(None), released(url))


def test_the_slash_of_a_scope_is_escaped() -> None:
    assert str(packument_url(NpmConfig(), "@s/a")) == "https://registry.npmjs.org/@s%2fa"


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a/b", "@s", "@s/", "/a", "@s/a/b", "a b", "a%2fb", "a\\b", "@s/..", "a\x00"]
)
def test_a_name_that_no_registry_can_hold_is_refused(name: str) -> None:
    with pytest.raises(NotInRegistry):
        packument_url(NpmConfig(), name)
