"""From a mail to the packages that its addressee can publish, as the registry tells it."""

from __future__ import annotations

import json
from email import message_from_bytes
from email.utils import parseaddr
from pathlib import Path

from tests.command import environment, npmguard, write_lock
from tests.servers import RegistryServer, Reply

MESSAGE = Path(__file__).parents[2] / "fixtures" / "mail" / "phishing" / "bitbucket-app-password.eml"


def addressee() -> str:
    return parseaddr(message_from_bytes(MESSAGE.read_bytes())["To"])[1]


def test_the_packages_of_the_addressee_become_a_watch_list(tmp_path: Path) -> None:
    lock = write_lock(
        tmp_path / "project", *({"name": name, "version": "1.0.0"} for name in ("mine", "theirs"))
    )
    watch = tmp_path / "watch.txt"
    with RegistryServer() as server:
        for name, address in (("mine", addressee()), ("theirs", "somebody@else.example")):
            document = server.publish(name, "1.0.0")
            server.route(f"/{name}", Reply.json({**document, "maintainers": [{"name": "m", "email": address}]}))
        env = environment(tmp_path / "home", server.url)
        done = npmguard(
            "mail", MESSAGE, "--lock", lock, "--watch-list", watch, "--format", "json", env=env, cwd=tmp_path
        )
    assert done.code == 1
    assert "mine" in watch.read_text()
    assert "theirs" not in watch.read_text()
    assert "mine" in json.dumps(done.report)


def test_a_registry_that_names_no_maintainers_is_said(tmp_path: Path) -> None:
    lock = write_lock(tmp_path / "project", {"name": "mine", "version": "1.0.0"})
    with RegistryServer() as server:
        server.publish("mine", "1.0.0")
        env = environment(tmp_path / "home", server.url)
        done = npmguard("mail", MESSAGE, "--lock", lock, "--format", "json", env=env, cwd=tmp_path)
    assert "does not say who maintains it" in json.dumps(done.report)
