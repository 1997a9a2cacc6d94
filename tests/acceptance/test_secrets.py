"""No token, password or signed query that npmguard meets on its way is in anything that it writes."""

from __future__ import annotations

import base64
import json
import traceback
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from npmguard.config import Limits, Network
from npmguard.errors import NpmguardError
from npmguard.model import LockedPackage
from npmguard.registry.client import RegistryClient
from npmguard.registry.npmrc import load_npm_config
from tests.command import Result, environment, npmguard
from tests.fixture_packages import pack
from tests.servers import RegistryServer, Reply, Request, free_port, sri

CANARY = "c4nary7Xq"
PASSWORD = f"p4ss{CANARY}"
TOKEN = f"npm_{CANARY}{'Z9' * 15}"
QUERY = f"sig{CANARY}"
PACKED = pack({"package.json": b'{"name":"a","version":"1.0.0"}', "index.js": b"module.exports = 1\n"})
#: As somebody may find it: as it is, in base64 at each of three offsets, and percent-encoded.
SPELLINGS = [
    CANARY.encode(),
    quote(CANARY).encode(),
    *(base64.b64encode(b"x" * pad + CANARY.encode() + b"y" * 9)[4:10] for pad in range(3)),
]


@pytest.fixture
def server() -> Iterator[RegistryServer]:
    with RegistryServer() as running:
        yield running


def echo(request: Request) -> Reply:
    """What a careless registry says: all that it was sent."""
    told = f"no such thing, {request.headers.get('authorization')} {request.path}"
    return Reply.json({"error": told}, status=403, headers={"X-Token": told, "npm-notice": told})


def project(server: RegistryServer, folder: Path) -> Path:
    """A project whose every place for a secret holds one."""
    host = f"127.0.0.1:{server.port}"
    server.publish("a", "1.0.0", PACKED)
    for name in ("cut", "gone", "away", "moved"):
        server.publish(name, "1.0.0", PACKED)
    server.publish("echo", "1.0.0", PACKED)
    server.route("/echo/-/echo-1.0.0.tgz", echo)
    server.route("/moved/-/moved-1.0.0.tgz", Reply.redirect(f"/signed.tgz?X-Amz-Signature={QUERY}"))
    server.route("/signed.tgz?X-Amz-Signature=" + QUERY, Reply(PACKED, send_only=9))
    server.route(f"/cut/-/cut-1.0.0.tgz?token={QUERY}", Reply(PACKED, send_only=9))
    server.route("/away/-/away-1.0.0.tgz", Reply.redirect(f"http://u:{PASSWORD}@10.0.0.1/x?token={QUERY}"))
    server.route("/gone", echo)
    home = folder / "home"
    home.mkdir()
    (home / ".npmrc").write_text(
        "fetch-retries=0\nnoproxy=127.0.0.1\n"
        f"registry=http://bob:{PASSWORD}@{host}/\n"
        f"//{host}/:_authToken=${{NPM_TOKEN}}\n"
        f"//other.example/:_authToken={TOKEN}\n"
        f"//other.example/:_password={base64.b64encode(PASSWORD.encode()).decode()}\n"
        f"@scope:registry=https://u:{PASSWORD}@scoped.invalid/\n"
        f"https-proxy=http://user:{PASSWORD}@127.0.0.1:{free_port()}/\n"
    )
    place = folder / "project"
    place.mkdir()
    entries = {
        "": {"name": "project", "version": "1.0.0", "dependencies": {"a": "1.0.0"}},
        "node_modules/a": {"version": "1.0.0", "integrity": sri(PACKED)},
        **{
            f"node_modules/{name}": {
                "version": "1.0.0",
                "resolved": f"http://{host}/{name}/-/{name}-1.0.0.tgz?token={QUERY}",
                "integrity": sri(b"other"),
            }
            for name in ("cut", "gone")
        },
        **{
            f"node_modules/{name}": {"version": "1.0.0", "integrity": sri(name.encode())}
            for name in ("echo", "moved", "away")
        },
        "node_modules/@scope/b": {
            "version": "1.0.0",
            "resolved": f"https://u:{PASSWORD}@scoped.invalid/@scope/b/-/b-1.0.0.tgz",
            "integrity": sri(b"b"),
        },
        "node_modules/git": {
            "version": "1.0.0",
            "resolved": f"git+https://x:{TOKEN}@git.example/o/r.git#{'1f' * 20}",
        },
        "node_modules/url": {
            "version": "1.0.0",
            "resolved": f"https://u:{PASSWORD}@files.example/url.tgz?access_token={QUERY}&key={QUERY}",
            "integrity": sri(b"url"),
        },
    }
    document = {"name": "project", "version": "1.0.0", "lockfileVersion": 3, "packages": entries}
    (place / "package-lock.json").write_text(json.dumps(document))
    (place / "package.json").write_text('{"name":"project","version":"1.0.0"}')
    return place


def run(folder: Path, *arguments: str | Path) -> Result:
    env = environment(folder / "home", "unused", NPM_TOKEN=TOKEN, GITHUB_STEP_SUMMARY=str(folder / "summary"))
    del env["npm_config_registry"]
    return npmguard(*arguments, env=env, cwd=folder / "project")


def holds_a_secret(content: bytes) -> bool:
    return any(spelling in content for spelling in SPELLINGS)


def test_no_secret_is_in_anything_that_is_written(server: RegistryServer, tmp_path: Path) -> None:
    place = project(server, tmp_path)
    given = {place / "package-lock.json", tmp_path / "home" / ".npmrc"}
    commands: list[tuple[str | Path, ...]] = [
        ("scan", "--verbose"),
        *(
            ("scan", "--format", form, "--output", tmp_path / f"report.{form}")
            for form in ("json", "sarif", "html", "markdown", "cyclonedx")
        ),
        ("inspect", "moved@1.0.0"),
        ("diff", "a", "1.0.0", "2.0.0"),
        ("check", f"https://u:{PASSWORD}@h.invalid/x.tgz?token={QUERY}"),
        ("scan", place / f"https://u:{PASSWORD}@h.invalid/x?token={QUERY}"),
        ("doctor",),
    ]
    for command in commands:
        done = run(tmp_path, *command)
        assert not holds_a_secret(done.stdout), command
        assert not holds_a_secret(done.stderr.encode()), (command, done.stderr)
    asked = [request.headers.get("authorization") for request in server.requests]
    assert f"Bearer {TOKEN}" in asked  # the registry itself gets what is its own
    told = json.loads((tmp_path / "report.json").read_bytes())
    assert {package["name"] for package in told["packages"]} >= {"a", "cut", "gone", "echo", "moved", "away"}
    written = [path for path in tmp_path.rglob("*") if path.is_file() and path not in given]
    assert {"results.db", "packuments.db", "report.html", "summary"} <= {path.name for path in written}
    assert [path for path in written if holds_a_secret(path.read_bytes())] == []


def test_no_secret_is_in_an_error_or_its_traceback(server: RegistryServer, tmp_path: Path) -> None:
    place = project(server, tmp_path)
    environ = {"HOME": str(tmp_path / "home"), "NPM_TOKEN": TOKEN, "PATH": "", "PREFIX": str(tmp_path)}
    npm = load_npm_config(place, environ)
    assert not holds_a_secret(repr(npm).encode())
    caught: list[NpmguardError] = []
    with RegistryClient(npm, Network(retries=0, connect_timeout=1.0), Limits(), tmp_path / "cache") as registry:
        for name in ("cut", "moved", "away", "echo", "@scope/b"):
            resolved = f"{server.url}cut/-/cut-1.0.0.tgz?token={QUERY}" if name == "cut" else None
            try:
                registry.tarball(LockedPackage(name, "1.0.0", "", 1, resolved), None)
            except NpmguardError as error:
                caught.append(error)
        try:
            registry.packument("gone")
        except NpmguardError as error:
            caught.append(error)
    assert len(caught) == 6
    for it in caught:
        whole = "".join(traceback.format_exception(it))
        assert not holds_a_secret(f"{it!r} {it} {whole}".encode())
