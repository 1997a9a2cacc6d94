"""The attack of September 2025 again: a lock that pins it, no network, no feed, empty caches."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.command import environment, npmguard, write_lock
from tests.servers import free_port

TWENTY = {
    "ansi-regex": "6.2.1",
    "ansi-styles": "6.2.2",
    "backslash": "0.2.1",
    "chalk": "5.6.1",
    "chalk-template": "1.1.1",
    "color": "5.0.1",
    "color-convert": "3.1.1",
    "color-name": "2.0.1",
    "color-string": "2.1.1",
    "debug": "4.4.2",
    "error-ex": "1.3.3",
    "has-ansi": "6.0.1",
    "is-arrayish": "0.3.3",
    "proto-tinker-wc": "0.1.87",
    "simple-swizzle": "0.2.3",
    "slice-ansi": "7.1.1",
    "strip-ansi": "7.1.1",
    "supports-color": "10.2.1",
    "supports-hyperlinks": "4.1.1",
    "wrap-ansi": "9.0.1",
}
GONE = {"proto-tinker-wc"}  # the registry holds no version of it any more
LOCKS = Path(__file__).parents[2] / "fixtures" / "lockfiles"


def test_twenty_of_twenty_are_known_and_what_to_install_instead(tmp_path: Path) -> None:
    lock = write_lock(tmp_path / "project", *({"name": n, "version": v} for n, v in TWENTY.items()))
    env = environment(tmp_path / "home", f"http://127.0.0.1:{free_port()}/")
    done = npmguard("scan", lock, "--offline", "--format", "json", env=env)
    assert done.code == 1
    assert {it["name"]: it["version"] for it in done.report["packages"]} == TWENTY
    assert {it["verdict"] for it in done.report["packages"]} == {"malicious"}
    assert all("2025-09-chalk-debug" in it["findings"][0]["message"] for it in done.report["packages"])


def test_a_range_that_admits_it_gets_the_version_before(tmp_path: Path) -> None:
    lock = write_lock(tmp_path / "project", *({"name": n, "version": v} for n, v in TWENTY.items()))
    document = json.loads(lock.read_text())
    for name, version in TWENTY.items():  # what the project asks for is a range, as npm writes it
        document["packages"][""]["dependencies"][name] = f"~{version.rpartition('.')[0]}.0"
    lock.write_text(json.dumps(document))
    env = environment(tmp_path / "home", f"http://127.0.0.1:{free_port()}/")
    done = npmguard("scan", lock, "--offline", "--format", "json", env=env)
    fixes = {it["name"]: it["fix"]["version"] for it in done.report["packages"]}
    assert {name for name, version in fixes.items() if version is None} == GONE
    assert (fixes["debug"], fixes["chalk"], fixes["error-ex"]) == ("4.4.1", "5.6.0", "1.3.2")
    assert not set(fixes.items()) & set(TWENTY.items())


@pytest.mark.parametrize("lock", ["pdf.js", "insomnia", "npm-cli"])
def test_a_real_lock_holds_none(tmp_path: Path, lock: str) -> None:
    env = environment(tmp_path / "home", f"http://127.0.0.1:{free_port()}/")
    done = npmguard("scan", LOCKS / lock, "--offline", "--format", "json", env=env)
    assert done.report["summary"]["malicious"] == 0
    assert done.report["summary"]["suspicious"] == 0
