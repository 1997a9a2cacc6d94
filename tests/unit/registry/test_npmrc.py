from __future__ import annotations

import os
from pathlib import Path

import pytest

from npmguard.errors import NpmrcError
from npmguard.registry.npmrc import NpmConfig, load_npm_config
from npmguard.registry.urls import HttpUrl


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "package.json").write_text("{}")
    return folder


def load(project: Path, text: str | None = None, **environ: str) -> NpmConfig:
    if text is not None:
        (project / ".npmrc").write_text(text)
    home = project.parent
    return load_npm_config(project, {"HOME": str(home), "PREFIX": str(home), "PATH": "", **environ})


def test_without_node_and_npm_the_public_registry_is_asked(project: Path) -> None:
    config = load_npm_config(project, {"HOME": str(project.parent), "PATH": ""})
    assert config.registry == "https://registry.npmjs.org/"
    assert config.cache == project.parent / ".npm"
    assert config.notes == ()


def test_the_prefix_is_where_node_is(project: Path, tmp_path: Path) -> None:
    (tmp_path / "real/bin").mkdir(parents=True)
    (tmp_path / "real/etc").mkdir()
    (tmp_path / "real/bin/node").touch(mode=0o755)
    (tmp_path / "real/etc/npmrc").write_text("registry=https://global.example/")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/node").symlink_to(tmp_path / "real/bin/node")
    config = load_npm_config(project, {"HOME": str(tmp_path), "PATH": str(tmp_path / "bin")})
    assert config.registry == "https://global.example/"


def test_a_distributors_npmrc_in_npms_own_folder_is_the_weakest(project: Path, tmp_path: Path) -> None:
    npm = tmp_path / "lib/node_modules/npm"
    (npm / "bin").mkdir(parents=True)
    (npm / "bin/npm-cli.js").touch(mode=0o755)
    (npm / "npmrc").write_text("registry=https://builtin.example/\nmaxsockets=2")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/npm").symlink_to(npm / "bin/npm-cli.js")
    config = load(project, "registry=https://project.example/", PATH=str(tmp_path / "bin"))
    assert (config.registry, config.maxsockets) == ("https://project.example/", 2)


def test_the_files_read_are_told_strongest_first(project: Path, tmp_path: Path) -> None:
    (tmp_path / ".npmrc").write_text("maxsockets=1")
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/npmrc").write_text("maxsockets=2")
    config = load(project, "maxsockets=3")
    assert config.files == (project / ".npmrc", tmp_path / ".npmrc", tmp_path / "etc/npmrc")


@pytest.mark.parametrize("registry", ["nonsense", "", "ftp://h.example/", "https://", "https://a b/", "null"])
def test_a_registry_that_stops_npm_is_told_with_file_and_line(project: Path, registry: str) -> None:
    with pytest.raises(NpmrcError, match=r"project/\.npmrc:2: registry "):
        load(project, f"; a comment\nregistry={registry}\n")


@pytest.mark.parametrize("key", ["registry", "@s:registry"])
def test_a_registry_that_is_too_long_with_its_slash_is_told(project: Path, key: str) -> None:
    address = "https://r.example/".ljust(8192, "a")
    with pytest.raises(NpmrcError, match=r"\.npmrc:1: .*longer than 8192"):
        load(project, f"{key}={address}\n")


def test_a_scopes_registry_that_stops_npm_is_told_with_file_and_line(project: Path) -> None:
    with pytest.raises(NpmrcError, match=r"project/\.npmrc:1: @corp:registry "):
        load(project, "@corp:registry=${UNSET}\n")


def test_a_proxy_that_npmguard_cannot_use_is_told(project: Path) -> None:
    with pytest.raises(NpmrcError, match=r"\.npmrc:1: proxy is not http or https"):
        load(project, "proxy=socks5://u:t0p-secret@h.example/\n")
    with pytest.raises(NpmrcError, match="HTTPS_PROXY is not http or https"):
        load(project, "", HTTPS_PROXY="socks5://h.example/")


@pytest.mark.parametrize("key", ["cafile", "globalconfig", "userconfig", "prefix", "cache"])
@pytest.mark.parametrize("value", ["a\0b", "a" * 5000, "\ud7ff/\ufffd", "~/\0"])
def test_a_path_that_is_none_is_told_or_passed_over(project: Path, key: str, value: str) -> None:
    told = ""
    try:
        load(project, f"{key}={value}\n")
    except NpmrcError as error:  # npm passes some over, and stops at others
        told = str(error)
    assert "\0" not in told
    assert bool(told) or key != "cafile" or "\0" not in value


def test_a_folder_in_place_of_a_file_is_told(project: Path) -> None:
    (project / ".npmrc").mkdir()
    with pytest.raises(NpmrcError, match=r"project/\.npmrc cannot be read: it is not a file"):
        load(project)


def test_a_pipe_in_place_of_a_file_does_not_hold_the_program(project: Path) -> None:
    os.mkfifo(project / ".npmrc")
    with pytest.raises(NpmrcError, match="it is not a file"):
        load(project)


def test_a_loop_of_links_is_told(project: Path) -> None:
    (project / ".npmrc").symlink_to(project / ".npmrc")
    with pytest.raises(NpmrcError, match="cannot be read: Too many levels of symbolic links"):
        load(project)


def test_a_file_without_end_is_told(project: Path) -> None:
    with pytest.raises(NpmrcError, match="it is bigger than"):
        load(project, npm_config_userconfig="/dev/zero")


def test_dev_null_is_an_empty_file(project: Path) -> None:
    config = load(project, npm_config_userconfig="/dev/null", npm_config_globalconfig="/dev/null")
    assert config.registry == "https://registry.npmjs.org/"


def test_a_home_that_is_no_folder_holds_no_file(project: Path) -> None:
    assert load(project, HOME="/dev/null").files == ()


@pytest.mark.parametrize("key", ["_authToken", "_auth", "_password"])
def test_credentials_of_no_registry_are_passed_over_and_said(project: Path, key: str) -> None:
    config = load(project, f"{key}=t0p-secret\n")
    assert config.secrets == {}
    (note,) = config.notes
    assert note.startswith(f"{project}/.npmrc:1: {key} is bound to no registry")
    assert "t0p-secret" not in note


def test_a_token_whose_variable_is_not_set_is_said(project: Path) -> None:
    config = load(project, "//r.example/:_authToken=${NPM_TOKEN}\n")
    assert config.secrets == {"//r.example/:_authToken": "${NPM_TOKEN}"}
    (note,) = config.notes
    place = f"{project}/.npmrc:1: //r.example/:_authToken"
    assert note == f"{place} needs the environment variable NPM_TOKEN, which is not set"


def test_a_token_that_would_smuggle_in_a_header_is_refused(project: Path) -> None:
    with pytest.raises(NpmrcError, match=r"//r\.example/:_authToken holds a character") as caught:
        load(project, "//r.example/:_authToken=${TOKEN}", TOKEN="t0p-secret\r\nX-Evil: 1")
    assert "secret" not in str(caught.value)


def test_no_secret_shows_in_the_configuration(project: Path) -> None:
    config = load(
        project,
        "registry=https://user:t0p-secret@r.example/\n//r.example/npm/:_authToken=t0p-secret\n"
        "proxy=http://u:t0p-secret@h.example/\n",
        https_proxy="http://u:t0p-secret@h.example/",
    )
    credentials = config.credentials_for(HttpUrl.parse("https://r.example/npm/a"))
    assert credentials is not None
    assert credentials.authorization == "Bearer t0p-secret"
    assert "t0p-secret" not in f"{config!r} {config} {credentials!r} {config.notes}"


def test_client_certificates_are_bound_like_tokens(project: Path) -> None:
    config = load(project, "//r.example/:certfile=c.pem\n//r.example/:keyfile=/keys/k.pem\n")
    credentials = config.credentials_for(HttpUrl.parse("https://r.example/a"))
    assert credentials is not None
    assert credentials.client_certificate == (project / "c.pem", Path("/keys/k.pem"))
    assert credentials.authorization is None
    assert config.credentials_for(HttpUrl.parse("https://other.example/a")) is None


def test_a_number_that_is_none_is_passed_over_and_said(project: Path) -> None:
    config = load(project, "fetch-retries=often\n")
    assert config.fetch_retries is None
    assert "fetch-retries is not a number; npm passes over it" in config.notes[0]


def test_a_missing_extra_certificate_file_is_passed_over_and_said(project: Path) -> None:
    config = load(project, "", NODE_EXTRA_CA_CERTS="/nowhere.pem")
    assert config.extra_ca is None
    assert config.notes == ("NODE_EXTRA_CA_CERTS names a file that is not there: /nowhere.pem",)


@pytest.mark.parametrize(
    ("url", "environ", "text", "expected"),
    [
        ("https://r.example/", {"HTTPS_PROXY": "http://s.example:1"}, "", "http://s.example:1"),
        ("https://r.example/", {"http_proxy": "http://p.example:1"}, "", None),
        ("http://r.example/", {"http_proxy": "http://p.example:1"}, "", "http://p.example:1"),
        ("http://r.example/", {"http_proxy": "p.example:1"}, "", "http://p.example:1"),
        (
            "https://r.example/",
            {"HTTPS_PROXY": "http://s.example:1", "NO_PROXY": "a.example, .example"},
            "",
            None,
        ),
        (
            "https://r.example/",
            {"HTTPS_PROXY": "http://s.example:1", "NO_PROXY": "xample"},
            "",
            "http://s.example:1",
        ),
        (
            "https://r.example/",
            {"HTTPS_PROXY": "http://s.example:1"},
            "proxy=http://c.example/",
            "http://c.example/",
        ),
        (
            "https://r.example/",
            {"NO_PROXY": "example"},
            "proxy=http://c.example/\nnoproxy=x",
            "http://c.example/",
        ),
        ("https://r.example/", {}, "proxy=http://c.example/\nnoproxy=r.example", None),
        (
            "http://r.example/",
            {},
            "proxy=http://c.example/\nhttps-proxy=http://s.example/",
            "http://s.example/",
        ),
        ("https://r.example/", {}, "proxy=null", None),
    ],
)
def test_the_proxy_is_npms_choice(
    project: Path, url: str, environ: dict[str, str], text: str, expected: str | None
) -> None:
    assert load(project, text, **environ).proxy_for(HttpUrl.parse(url)) == expected


def test_patterns_of_workspaces_are_matched_in_linear_time(project: Path) -> None:
    hostile = "**/" * 40 + "*a*a*a*a*a*a*a*a*b"
    (project / "package.json").write_text(f'{{"workspaces": ["{hostile}", "{{{{{{", "[", 7]}}')
    inner = project / ("a" * 60) / ("a" * 60) / ("a" * 60)
    inner.mkdir(parents=True)
    (inner / "package.json").write_text("{}")
    (project / ".npmrc").write_text("registry=https://root.example/")
    assert load(inner).registry == "https://registry.npmjs.org/"
