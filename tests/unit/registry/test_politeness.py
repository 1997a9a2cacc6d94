"""What those who run a registry see of npmguard, and how often."""

from __future__ import annotations

from npmguard import __version__
from npmguard.config import Limits, Network
from npmguard.registry.client import RegistryClient
from npmguard.registry.npmrc import NpmConfig
from npmguard.registry.patience import Pace
from tests.servers import RegistryServer, Reply


def test_every_request_names_the_contact() -> None:
    with RegistryServer() as server:
        server.publish("a", "1.0.0", b"content")
        network = Network(contact="https://company.example/security")
        with RegistryClient(NpmConfig(registry=server.url), network, Limits(), None) as client:
            client.packument("a")
        (request,) = server.requests
        assert request.headers["user-agent"] == f"npmguard/{__version__} (+https://company.example/security)"


def test_requests_are_spaced_evenly() -> None:
    pace = Pace(0.5)
    waits = [pace.turn() for _ in range(4)]
    assert waits[0] == 0.0
    assert waits[3] > waits[2] > waits[1] > 0
    assert [Pace(0.0).turn() for _ in range(3)] == [0.0, 0.0, 0.0]


def test_what_is_fresh_is_asked_for_again_where_that_is_wanted() -> None:
    with RegistryServer() as server:
        document = server.publish("a", "1.0.0", b"content")
        server.route("/a", Reply.json(document, headers={"Cache-Control": "public, max-age=300"}))
        with RegistryClient(NpmConfig(registry=server.url), Network(), Limits(), None) as client:
            client.packument("a")
            client.packument("a")
            assert len(server.requests) == 1
            client.packument("a", revalidate=True)
            assert len(server.requests) == 2
