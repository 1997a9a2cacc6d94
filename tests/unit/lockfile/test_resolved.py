"""What npm would fetch for an address, told before anything is fetched."""

from __future__ import annotations

import pytest

from npmguard.lockfile.resolved import RegistryTarball, Source, classify, redact, registry_tarball, same_version

NPM = "https://registry.npmjs.org/"


@pytest.mark.parametrize(
    ("url", "tarball"),
    [
        (f"{NPM}ms/-/ms-2.1.3.tgz", RegistryTarball(NPM, "ms", "2.1.3")),
        (f"{NPM}@types/node/-/node-22.1.0.tgz", RegistryTarball(NPM, "@types/node", "22.1.0")),
        (f"{NPM}@types%2fnode/-/node-22.1.0.tgz", RegistryTarball(NPM, "@types/node", "22.1.0")),
        (f"{NPM}%40types/node/-/node-22.1.0.tgz", RegistryTarball(NPM, "@types/node", "22.1.0")),
        (
            "HTTP://Registry.Example:8080/a/-/a-1.0.0.tgz",
            RegistryTarball("http://registry.example:8080/", "a", "1.0.0"),
        ),
        (
            "https://user:secret@registry.example/api/npm/a/-/a-1.0.0.tgz?token=secret#x",
            RegistryTarball("https://registry.example/api/npm/", "a", "1.0.0"),
        ),
        (
            "https://gitlab.com/api/v4/projects/1/packages/npm/@o/a/-/@o/a-1.0.0.tgz",
            RegistryTarball("https://gitlab.com/api/v4/projects/1/packages/npm/", "@o/a", "1.0.0"),
        ),
        (
            "https://npm.icons.example/@o/a/-/6.4.0/a-6.4.0.tgz",
            RegistryTarball("https://npm.icons.example/", "@o/a", "6.4.0"),
        ),
        (
            "https://registry.example/a/download/a-1.0.0.tgz?cache=0",
            RegistryTarball("https://registry.example/", "a", "1.0.0"),
        ),
        (
            "https://npm.pkg.github.com/download/@o/a/1.0.0/abcdef",
            RegistryTarball("https://npm.pkg.github.com/", "@o/a", "1.0.0"),
        ),
        (
            "https://npm.jsr.io/~/11/@jsr/std__path/1.0.8.tgz",
            RegistryTarball("https://npm.jsr.io/", "@jsr/std__path", "1.0.8"),
        ),
        (
            "https://cdn.npmmirror.com/packages/@o/a/1.0.0/a-1.0.0.tgz",
            RegistryTarball("https://cdn.npmmirror.com/", "@o/a", "1.0.0"),
        ),
        (f"{NPM}a/-/b-1.0.0.tgz", RegistryTarball(NPM, "a", "b-1.0.0")),
        (f"{NPM}a/-/b/-/b-1.0.0.tgz", RegistryTarball(f"{NPM}a/-/", "b", "1.0.0")),
    ],
)
def test_a_registrys_tarball_says_its_name_and_version(url: str, tarball: RegistryTarball) -> None:
    assert registry_tarball(url) == tarball


@pytest.mark.parametrize(
    ("resolved", "source"),
    [
        ("git+ssh://git@github.com/o/r.git#main", Source.GIT),
        ("git://git.example/o/r", Source.GIT),
        ("github:o/r", Source.GIT),
        ("o/r", Source.GIT),
        ("o/r#semver:^1.0.0", Source.GIT),
        ("git@github.com:o/r.git", Source.GIT),
        ("https://github.com/o/r", Source.GIT),
        ("https://www.github.com/o/r.git", Source.GIT),
        # these look like a registry's tarball and are cloned by npm all the same
        ("https://github.com/o/r/tree/a/-/a-1.0.0.tgz", Source.GIT),
        ("https://bitbucket.org/o/r/-/r-1.0.0.tgz", Source.GIT),
        ("https://git.sr.ht/~o/r/a/-/a-1.0.0.tgz", Source.GIT),
        ("https://gitlab.com/o/r/%2D/r-1.0.0.tgz", Source.GIT),
        ("file:a.tgz", Source.FILE),
        ("FILE:../a", Source.FILE),
        ("./a", Source.FILE),
        ("../a", Source.FILE),
        ("/a", Source.FILE),
        ("~/a", Source.FILE),
        ("C:\\a", Source.FILE),
        ("https://files.example/a-1.0.0.tgz", Source.URL),
        ("https://github.com/o/r/archive/v1.tar.gz", Source.URL),
        ("https://codeload.github.com/o/r/tar.gz/main", Source.URL),
        (f"{NPM}a/-/a-1.0.0.zip", Source.URL),
        (f"{NPM}-/a-1.0.0.tgz", Source.URL),
        (f"{NPM}a/-/x/y/a-1.0.0.tgz", Source.URL),
        (f"{NPM}.hidden/-/.hidden-1.0.0.tgz", Source.URL),
        ("npm:a@1.0.0", Source.UNKNOWN),
        ("workspace:a", Source.UNKNOWN),
        ("1.0.0", Source.UNKNOWN),
        ("latest", Source.UNKNOWN),
        ("https:registry.npmjs.org/a/-/a-1.0.0.tgz", Source.UNKNOWN),
        ("https:///registry.npmjs.org/a/-/a-1.0.0.tgz", Source.UNKNOWN),
        (f"{NPM}b/../a/-/a-1.0.0.tgz", Source.UNKNOWN),
        (f"{NPM}b/%2E%2e/a/-/a-1.0.0.tgz", Source.UNKNOWN),
        (f"{NPM}b/.%2e/a/-/a-1.0.0.tgz", Source.UNKNOWN),
        (f"{NPM}a/-/a-1.0.0.tgz\n", Source.UNKNOWN),
        (f" {NPM}a/-/a-1.0.0.tgz", Source.UNKNOWN),
        ("https://registry.npmjs.org\\@x.invalid/a/-/a-1.0.0.tgz", Source.UNKNOWN),
        ("https://régistry.example/a/-/a-1.0.0.tgz", Source.UNKNOWN),
        ("https://[::1/a/-/a-1.0.0.tgz", Source.UNKNOWN),
        ("data:text/plain,a", Source.UNKNOWN),
        ("", Source.UNKNOWN),
    ],
)
def test_what_is_no_registry_tarball(resolved: str, source: Source) -> None:
    assert classify(resolved) == (source, None)


@pytest.mark.parametrize(
    ("resolved", "shown"),
    [
        ("git+ssh://git@github.com/o/r.git#abc", "git+ssh://git@github.com/o/r.git#abc"),
        ("https://user:secret@files.example/a.tgz", "https://***@files.example/a.tgz"),
        ("https://token@files.example/a.tgz", "https://***@files.example/a.tgz"),
        ("https://files.example/a.tgz?sig=secret#frag", "https://files.example/a.tgz"),
        ("user:secret@git.example:o/r", "***@git.example:o/r"),
        ("git@git.example:o/r", "git@git.example:o/r"),
        ("https://user:pass?word@files.example/a.tgz", "https://***"),
        ("https://files.example:8080/@o/a", "https://files.example:8080/@o/a"),
        ("npm:a@1.0.0", "npm:a@1.0.0"),
        ("file:a@1.0.0.tgz", "file:a@1.0.0.tgz"),
        ("https://a:b@c@files.example/a.tgz", "https://***@files.example/a.tgz"),
        ("https://files.example/\x1b[31m\u202e", "https://files.example/\\x1b[31m\\u202e"),
    ],
)
def test_an_address_is_shown_without_its_secrets(resolved: str, shown: str) -> None:
    assert redact(resolved) == shown


@pytest.mark.parametrize(
    ("version", "told"),
    [
        ("1.0.0", None),
        ("1.0.0", "1.0.0"),
        ("1.0.0+a", "1.0.0"),
        ("1.0.5-beta", "1.0.5beta"),
        ("1.0.0", "v1.0.0"),
    ],
)
def test_the_version_of_a_file_name_is_the_same(version: str, told: str | None) -> None:
    assert same_version(version, told)


@pytest.mark.parametrize(
    ("version", "told"),
    [
        ("1.0.0", "1.0.1"),
        ("1.0.10", "1.0.1-0"),
        ("1.0.0-a", "1.0.0"),
        ("1.0.0", "x-1.0.0"),
        ("1.0.0", "1.0.0-a+b"),
    ],
)
def test_the_version_of_a_file_name_is_another(version: str, told: str) -> None:
    assert not same_version(version, told)


def test_a_long_address_is_cut() -> None:
    assert len(redact("https://files.example/" + "a" * 1000)) == 201


@pytest.mark.parametrize(
    "address", ["https://h.example", "https://h.example?a.tgz", "http://h.example:80#a.tgz"]
)
def test_an_address_that_ends_with_its_host_is_no_registry_tarball(address: str) -> None:
    assert classify(address) == (Source.URL, None)
