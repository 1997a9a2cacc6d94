from __future__ import annotations

from collections.abc import Iterator

import pytest

from npmguard.config import Network
from npmguard.intel.fixes import Fixes, FixFinder
from npmguard.registry.npmrc import NpmConfig
from npmguard.registry.web import HttpWeb
from tests.servers import RegistryServer, Reply, free_port

BULK = "/-/npm/v1/security/advisories/bulk"
QUICK = Network(connect_timeout=1.0, read_timeout=1.0, transfer_timeout=2.0, retries=0, give_up_after=2.0)


@pytest.fixture
def server() -> Iterator[RegistryServer]:
    with RegistryServer() as running:
        running.route(BULK, Reply.json({}))
        yield running


def find(server: RegistryServer, *names: str, api: str = "") -> list[Fixes]:
    with HttpWeb(NpmConfig(registry=server.url), QUICK, [api or server.url]) as web:
        finder = FixFinder(web, 2.0)
        return [finder.find(name, "1.0.0", "1.0.1", registry=server.url, api=api) for name in names]


@pytest.mark.parametrize(
    ("versions", "fixed"),
    [
        ("<1.0.1", True),
        (">=1.0.0 <1.0.1 || >=2.0.0 <2.1.0", True),
        ("=1.0.0", True),
        ("<=1.0.1", False),
        ("<1.0.0", False),
        ("=1.0.1", False),
        ("^1.0.0", False),
        ("", False),
    ],
)
def test_a_correction_is_what_holds_before_and_not_after(
    server: RegistryServer, versions: str, fixed: bool
) -> None:
    told = {
        "title": "x",
        "url": "https://github.com/advisories/GHSA-aaaa-bbbb-cccc",
        "vulnerable_versions": versions,
    }
    server.route(BULK, Reply.json({"a": [told]}))
    assert find(server, "a")[0].ids == (("GHSA-aaaa-bbbb-cccc",) if fixed else ())


def test_a_private_name_goes_to_its_own_registry_alone(server: RegistryServer) -> None:
    (found,) = find(server, "@own/a", api="")
    assert found == Fixes()
    assert server.paths == [BULK]


def test_who_does_not_answer_is_asked_once(server: RegistryServer) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}/v1/"
    found = find(server, "a", "b", "c", api=nowhere)
    assert len({each.problems for each in found}) == 1
    assert len(found[2].problems) == 1
    assert len(server.asked(BULK)) == 3


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{", b'{"vulns": 1}', b'{"vulns": [], "next_page_token": "again"}']
)
def test_what_osv_does_not_say_in_its_format_is_told(server: RegistryServer, body: bytes) -> None:
    server.route("/v1/query", Reply(body))
    (found,) = find(server, "a", api=f"{server.url}v1/")
    assert (found.ids, len(found.problems)) == ((), 1)
