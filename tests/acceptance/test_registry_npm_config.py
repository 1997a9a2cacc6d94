"""The settings that npmguard goes by are those that the installed npm reports for the same files."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from npmguard.registry.npmrc import NpmConfig, load_npm_config
from npmguard.registry.urls import HttpUrl

#: npm's own loader, asked for what it hands to the code that speaks to registries
ORACLE = """
const [npm] = process.argv.slice(1)
const Config = require(npm + '/node_modules/@npmcli/config')
const { definitions, shorthands, flatten, nerfDarts } =
  require(npm + '/node_modules/@npmcli/config/lib/definitions')
const answer = async ({ cwd, env }) => {
  process.chdir(cwd)
  const config = new Config({
    npmPath: npm, definitions, shorthands, flatten, nerfDarts, env, cwd, argv: ['node', 'npm'], warn: false,
  })
  await config.load()
  config.validate()
  return config.flat
}
process.on('log', () => {})
let queue = Promise.resolve()
require('readline').createInterface({ input: process.stdin }).on('line', line => {
  queue = queue.then(() => answer(JSON.parse(line)))
    .then(flat => ({ flat }), error => ({ error: String(error) }))
    .then(output => console.log(JSON.stringify(output)))
})
"""


@dataclass(frozen=True)
class Setting:
    """The files and variables of one case; ``{root}`` in a value is the case's folder."""

    files: Mapping[str, str] = field(default_factory=dict)
    environ: Mapping[str, str] = field(default_factory=dict)
    folder: str = "project"


PEM = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"

CASES = {
    "nothing is configured": Setting(),
    "project over user over global": Setting(
        {
            "project/.npmrc": "registry=https://project.example/\nmaxsockets=3",
            "home/.npmrc": "registry=https://user.example/\nfetch-retries=7\nmaxsockets=4",
            "prefix/etc/npmrc": "registry=https://global.example/\nfetch-timeout=1500\nfetch-retries=8",
        }
    ),
    "the environment over all, in any case": Setting(
        {"project/.npmrc": "registry=https://project.example/\nstrict-ssl=true"},
        {
            "NPM_CONFIG_REGISTRY": "https://env.example/npm/",
            "npm_config_strict_ssl": "false",
            "npm_config_proxy": "",
        },
    ),
    "variables, known, unknown and optional": Setting(
        {
            "project/.npmrc": "registry=https://${NAME}.example/\n@corp:registry=https://x.example/${UNSET}/\n"
            "@other:registry=https://y.example/${UNSET?}z/\nnoproxy=\\${NAME}"
        },
        {"NAME": "named"},
    ),
    "quotes, comments, escapes and odd white space": Setting(
        {
            "project/.npmrc": '; a comment\n# another\n  registry = "https://quoted.example/" \r\n'
            "@corp:registry=https://corp.example/ ; not a part\n@other:registry='https://other.example/a;b'\n"
            "noproxy=a.example\\;b\nmaxsockets = 9 # nine\n[section]\nregistry=https://section.example/"
        }
    ),
    "lists": Setting({"project/.npmrc": "noproxy[]=one.example\nnoproxy[]=two.example"}),
    "a comma list": Setting({"project/.npmrc": "noproxy=one.example, two.example"}),
    "user and global files elsewhere": Setting(
        {
            "a/user": "@corp:registry=https://corp.example/",
            "a/global": "@other:registry=https://other.example/",
        },
        {"npm_config_userconfig": "{root}/a/user", "npm_config_globalconfig": "{root}/a/global"},
    ),
    "the project names the user's file": Setting(
        {"project/.npmrc": "userconfig=../a/user", "a/user": "registry=https://elsewhere.example/"}
    ),
    "a prefix moves the global file": Setting(
        {"home/.npmrc": "prefix=${HOME}/own", "home/own/etc/npmrc": "registry=https://own.example/"}
    ),
    "global mode has no project": Setting(
        {"project/.npmrc": "registry=https://project.example/"}, {"npm_config_global": "true"}
    ),
    "a folder inside the project": Setting(
        {"project/.npmrc": "registry=https://project.example/", "project/src/deep/x.js": ""},
        folder="project/src/deep",
    ),
    "a workspace of the project": Setting(
        {
            "project/.npmrc": "registry=https://root.example/",
            "project/package.json": '{"name": "root", "workspaces": ["packages/*", "!packages/not"]}',
            "project/packages/one/package.json": '{"name": "one", "version": "1.0.0"}',
            "project/packages/one/.npmrc": "registry=https://workspace.example/",
        },
        folder="project/packages/one",
    ),
    "not a workspace of the project": Setting(
        {
            "project/.npmrc": "registry=https://root.example/",
            "project/package.json": '{"workspaces": {"packages": ["packages/*", "!packages/not"]}}',
            "project/packages/not/package.json": '{"name": "not", "version": "1.0.0"}',
            "project/packages/not/.npmrc": "registry=https://own.example/",
        },
        folder="project/packages/not",
    ),
    "paths": Setting({"project/.npmrc": "cache=~/elsewhere"}),
    "relative paths": Setting({"home/.npmrc": "cache=some/../cache"}),
    "proxies": Setting(
        {"home/.npmrc": "proxy=http://proxy.example:3128/\nhttps-proxy=http://secure.example:3128/"}
    ),
    "a proxy taken away again": Setting(
        {"home/.npmrc": "proxy=http://proxy.example:3128/", "project/.npmrc": "proxy=null"}
    ),
    "replace-registry-host": Setting({"project/.npmrc": "replace-registry-host=old.example"}),
    "certificates, the file over the list of a weaker file": Setting(
        {"home/.npmrc": 'ca="one\\ntwo"', "project/.npmrc": "cafile=ca.pem", "project/ca.pem": PEM + PEM}
    ),
    "certificates, the list over the file of a weaker file": Setting(
        {"home/.npmrc": "cafile=~/ca.pem", "home/ca.pem": PEM, "project/.npmrc": 'ca[]="one"\nca[]="two"'}
    ),
    "a certificate file that is not there": Setting({"home/.npmrc": "cafile=~/ca.pem\nca=one"}),
    "values that npm passes over": Setting(
        {
            "project/.npmrc": "registry=https://project.example/\nmaxsockets=many\nproxy=proxy.example",
            "home/.npmrc": "registry=user.example\nmaxsockets=5\nproxy=http://proxy.example:3128",
        }
    ),
    "strict-ssl in other words": Setting({"project/.npmrc": "strict-ssl=0"}),
    "strict-ssl with nothing behind it": Setting({"project/.npmrc": "strict-ssl"}),
    "strict-ssl that is null": Setting({"project/.npmrc": "strict-ssl=null"}),
    "credentials": Setting(
        {
            "project/.npmrc": "//one.example/:_authToken=${TOKEN}\n//two.example/npm/:_auth=\n",
            "home/.npmrc": "//two.example/npm/:_auth=dTpw\n//three.example:8443/:username=u\n"
            "//three.example:8443/:_password=cA==\n//four.example/:_authToken=${TOKEN?}${UNSET?}",
        },
        {"TOKEN": "t0ken", "npm_config_//five.example/:_authToken": "from-environment"},
    ),
    "a byte order mark": Setting({"project/.npmrc": "\ufeffregistry=https://bom.example/"}),
}


class Npm:
    """Asks the installed npm how it is configured."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def flat(self, folder: Path, environ: Mapping[str, str]) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"cwd": str(folder), "env": dict(environ)}) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        assert "flat" in answer, answer["error"]
        flat: dict[str, Any] = answer["flat"]
        return flat


@pytest.fixture(scope="module")
def npm() -> Iterator[Npm]:
    node, command = shutil.which("node"), shutil.which("npm")
    assert node is not None, "these tests need Node.js"
    assert command is not None, "these tests need npm"
    arguments = [node, "-e", ORACLE, str(Path(command).resolve().parent.parent)]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Npm(process)
        assert process.stdin is not None
        process.stdin.close()


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_npm_goes_by_the_same(case: Setting, npm: Npm, tmp_path: Path) -> None:
    folder, environ = _lay_out(case, tmp_path)
    assert _in_our_words(load_npm_config(folder, environ)) == _in_npms_words(npm.flat(folder, environ))


def test_the_npm_command_says_the_same(tmp_path: Path) -> None:
    files = {
        "project/.npmrc": "registry=https://project.example/\n@corp:registry=https://corp.example/${NAME}/",
        "home/.npmrc": "fetch-timeout=1500\nreplace-registry-host=never\nregistry=https://user.example/",
    }
    folder, environ = _lay_out(Setting(files, {"NAME": "named", "NPM_CONFIG_MAXSOCKETS": "3"}), tmp_path)
    command = shutil.which("npm")
    assert command is not None, "this test needs npm"
    keys = ["registry", "@corp:registry", "fetch-timeout", "replace-registry-host", "maxsockets", "cache"]
    done = subprocess.run(
        [command, "config", "get", *keys], cwd=folder, env=environ, capture_output=True, text=True, check=True
    )
    config = load_npm_config(folder, environ)
    assert config.fetch_timeout is not None
    assert dict(line.split("=", 1) for line in done.stdout.splitlines()) == {
        "registry": config.registry,
        "@corp:registry": config.registry_for("@corp/name"),
        "fetch-timeout": str(int(config.fetch_timeout * 1000)),
        "replace-registry-host": config.replace_registry_host,
        "maxsockets": str(config.maxsockets),
        "cache": str(config.cache),
    }


def _lay_out(case: Setting, root: Path) -> tuple[Path, dict[str, str]]:
    for name in ("project", "home", "prefix/etc"):
        (root / name).mkdir(parents=True)
    (root / "project/package.json").write_text('{"name": "project"}')
    for name, content in case.files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content, encoding="utf-8")
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(root / "home"),
        "PREFIX": str(root / "prefix"),
        "npm_config_update_notifier": "false",
        **{name: value.format(root=root) for name, value in case.environ.items()},
    }
    return root / case.folder, environ


def _in_our_words(config: NpmConfig) -> dict[str, object]:
    return {
        "registry": config.registry,
        "scopes": dict(config.scopes),
        "replace": config.replace_registry_host,
        "strict": config.strict_ssl,
        "proxy": (config.https_proxy or config.proxy or "").rstrip("/") or None,
        "noproxy": config.noproxy,
        "cache": f"{config.cache}/_cacache",
        "timeout": 300_000 if config.fetch_timeout is None else config.fetch_timeout * 1000,
        "retries": 2 if config.fetch_retries is None else config.fetch_retries,
        "sockets": 15 if config.maxsockets is None else config.maxsockets,
        "ca": "".join("".join(config.ca).split()),
        "secrets": dict(config.secrets),
    }


def _in_npms_words(flat: Mapping[str, Any]) -> dict[str, object]:
    scopes = {key.rpartition(":")[0]: value for key, value in flat.items() if key.startswith("@")}
    ca = flat.get("ca") or []
    return {
        "registry": _folder(flat["registry"]),
        "scopes": {scope: _folder(url) for scope, url in scopes.items()},
        "replace": flat["replaceRegistryHost"],
        "strict": flat["strictSSL"],
        "proxy": (flat.get("httpsProxy") or flat.get("proxy") or "").rstrip("/") or None,
        "noproxy": flat["noProxy"],
        "cache": flat["cache"],
        "timeout": flat["timeout"],
        "retries": flat["retry"]["retries"],
        "sockets": flat["maxSockets"],
        "ca": "".join("".join(ca if isinstance(ca, list) else [ca]).split()),
        "secrets": {key: value for key, value in flat.items() if key.startswith("//")},
    }


def _folder(url: str) -> str:
    """A base URL as it is used: normalised, with a ``/`` at its end."""
    text = str(HttpUrl.parse(url))
    return text if text.endswith("/") else f"{text}/"
