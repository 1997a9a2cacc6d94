"""What a user relies on of the sources of known malware: real sockets, every way in which they go wrong."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from npmguard.config import Feed, Limits, Network, Overruled
from npmguard.errors import FeedError
from npmguard.intel.feed import FILE_NAME, FeedIndex
from npmguard.intel.feed_update import update_feed
from npmguard.intel.gather import gather
from npmguard.intel.malware import Asked, KnownMalware
from npmguard.registry.npmrc import NpmConfig
from npmguard.registry.web import HttpWeb
from tests.feeds import osv_record, zipped
from tests.servers import RegistryServer, Reply, Request, free_port

ASKING = Feed(online=True, required=True)
NOW = datetime(2026, 5, 2, 12, tzinfo=UTC)
QUICK = Network(connect_timeout=1.0, read_timeout=1.0, transfer_timeout=2.0, retries=1, give_up_after=2.0)
BULK = "/-/npm/v1/security/advisories/bulk"
CHALK = osv_record("MAL-2026-2", "chalk", "5.6.9", aliases=["GHSA-aaaa-bbbb-cccc"])


@pytest.fixture
def server() -> Iterator[RegistryServer]:
    with RegistryServer() as running:
        yield running


def web_of(server: RegistryServer, network: Network = QUICK) -> HttpWeb:
    return HttpWeb(NpmConfig(registry=server.url), network, [server.url])


def ask(
    server: RegistryServer,
    *versions: str,
    index: FeedIndex | None = None,
    feed: Feed | None = None,
    offline: bool = False,
    now: datetime = NOW,
    seconds: float = 2.0,
) -> KnownMalware:
    feed = feed or ASKING
    with web_of(server) as web:
        return gather(
            [(label.rpartition("@")[0], label.rpartition("@")[2]) for label in versions],
            feed=msgspec.structs.replace(feed, api=f"{server.url}v1/"),
            index=index,
            web=None if offline else web,
            registry_for=NpmConfig(registry=server.url).registry_for,
            seconds=seconds,
            now=now,
        )


def osv_api(server: RegistryServer, *records: dict[str, Any]) -> None:
    """Route OSV's API over *records*, as it answers for packages without a version."""
    known: dict[str, list[dict[str, Any]]] = {}
    for record in records:
        server.route(f"/v1/vulns/{record['id']}", Reply.json(record))
        for affected in record["affected"]:
            known.setdefault(affected["package"]["name"], []).append(record)

    def answer(request: Request) -> Reply:
        queries = json.loads(request.body)["queries"]
        assert len(queries) <= 1000
        assert all(it["package"]["ecosystem"] == "npm" for it in queries)
        found = [known.get(it["package"]["name"], []) for it in queries]
        return Reply.json(
            {
                "results": [
                    {"vulns": [{"id": it["id"], "modified": it["modified"]} for it in each]} if each else {}
                    for each in found
                ]
            }
        )

    server.route("/v1/querybatch", answer)


def advisory(title: str, versions: str, **fields: object) -> dict[str, object]:
    return {
        "id": 1098000,
        "url": "https://github.com/advisories/GHSA-zzzz-zzzz-zzzz",
        "title": title,
        "severity": "critical",
        "vulnerable_versions": versions,
        "cwe": ["CWE-506"],
        "cvss": {"score": 0, "vectorString": None},
        **fields,
    }


# --- the feed --------------------------------------------------------------------------------------------


def test_a_feed_is_downloaded_indexed_and_asked(server: RegistryServer, tmp_path: Path) -> None:
    server.route("/npm/all.zip", Reply(zipped(CHALK), etag='"v1"'))
    with web_of(server) as web:
        assert update_feed(tmp_path, f"{server.url}npm/all.zip", web, Limits(), NOW).records == 1
        assert not update_feed(tmp_path, f"{server.url}npm/all.zip", web, Limits(), NOW).changed
    assert len(server.asked("/npm/all.zip")) == 2
    known = ask(server, "chalk@5.6.9", "chalk@5.6.8", index=FeedIndex(tmp_path), offline=True)
    assert known.is_malicious("chalk", "5.6.9")
    assert not known.is_malicious("chalk", "5.6.8")
    assert known.malicious_versions("chalk") == {"5.6.9", "5.6.1"}
    assert known.incomplete == ()


def test_last_modified_serves_where_there_is_no_etag(server: RegistryServer, tmp_path: Path) -> None:
    stamp = "Fri, 01 May 2026 10:00:00 GMT"

    def answer(request: Request) -> Reply:
        unchanged = request.headers.get("if-modified-since") == stamp
        return Reply(b"" if unchanged else zipped(CHALK), 304 if unchanged else 200, {"Last-Modified": stamp})

    server.route("/all.zip", answer)
    with web_of(server) as web:
        assert update_feed(tmp_path, f"{server.url}all.zip", web, Limits(), NOW).changed
        assert not update_feed(tmp_path, f"{server.url}all.zip", web, Limits(), NOW).changed


FEED = zipped(*(osv_record(f"MAL-2026-{i}", f"p{i}", "1.0.0") for i in range(1, 200)))


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (Reply(status=404), "404"),
        (Reply(status=401), "credentials"),
        (Reply(status=429, headers={"Retry-After": "3600"}), "429"),
        (Reply(status=500), "500"),
        (Reply(status=503), "503"),
        (Reply(FEED, hang=30), "stopped answering|took too long"),
        (Reply(FEED, drip=0.05), "took too long"),
        (Reply(FEED, drip_headers=0.2), "took too long"),
        (Reply(FEED, send_only=5000), "cut short"),
        (Reply(FEED, reset=True), "broke the connection"),
        (Reply(FEED[:5000]), "no whole zip"),
        (Reply(b'{"error": "not a zip"}'), "no whole zip"),
        (Reply(zipped(CHALK, members={"MAL-2026-3.json": b'{"id": '})), "cannot be read"),
        (Reply(FEED, content_length=10**12, send_only=100), "limits.feed-bytes"),
        (Reply.redirect("http://169.254.169.254/all.zip"), "private network"),
        (Reply.redirect("/all.zip"), "redirects"),
        (Reply(status=304), "without being asked"),
    ],
)
def test_a_feed_that_fails_keeps_the_old_index(
    server: RegistryServer, tmp_path: Path, reply: Reply, reason: str
) -> None:
    server.route("/good.zip", Reply(zipped(CHALK)))
    server.route("/all.zip", reply)
    with web_of(server) as web:
        update_feed(tmp_path, f"{server.url}good.zip", web, Limits(), NOW)
        before = (tmp_path / FILE_NAME).read_bytes()
        limits = msgspec.structs.replace(Limits(), feed_bytes=1_000_000)
        with pytest.raises(FeedError) as caught:
            update_feed(tmp_path, f"{server.url}all.zip", web, limits, NOW)
    assert re.search(reason, str(caught.value))
    assert "\n" not in str(caught.value)
    assert (tmp_path / FILE_NAME).read_bytes() == before


def test_a_feed_that_recovers_is_taken(server: RegistryServer, tmp_path: Path) -> None:
    server.route("/all.zip", Reply(status=503), Reply(zipped(CHALK)))
    with web_of(server) as web:
        assert update_feed(tmp_path, f"{server.url}all.zip", web, Limits(), NOW).changed


def test_nobody_there_is_one_clear_line(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}/all.zip"
    with HttpWeb(NpmConfig(), QUICK, [url]) as web, pytest.raises(FeedError, match="refused"):
        update_feed(tmp_path, url, web, Limits(), NOW)
    assert not (tmp_path / FILE_NAME).exists()


# --- without an index: OSV's API -------------------------------------------------------------------------


def test_without_an_index_the_api_is_asked(server: RegistryServer, tmp_path: Path) -> None:
    osv_api(server, CHALK)
    known = ask(server, "chalk@5.6.9", "chalk@5.6.8", "left-pad@1.0.0", index=FeedIndex(tmp_path))
    (record,) = known.judge("chalk", "5.6.9").records
    assert (record.id, record.date) == ("MAL-2026-2", "2026-04-30")
    assert not known.is_malicious("chalk", "5.6.8")
    assert known.malicious_versions("chalk") >= {"5.6.9"}
    assert known.incomplete == ()


def test_an_old_index_is_not_enough(server: RegistryServer, tmp_path: Path) -> None:
    server.route("/all.zip", Reply(zipped(CHALK)))
    with web_of(server) as web:
        update_feed(tmp_path, f"{server.url}all.zip", web, Limits(), NOW)
    osv_api(server, osv_record("MAL-2026-3", "left-pad", "9.0.0"))
    later = NOW + timedelta(days=3)
    known = ask(server, "chalk@5.6.9", "left-pad@9.0.0", index=FeedIndex(tmp_path), now=later)
    assert known.is_malicious("left-pad", "9.0.0")
    assert not known.is_malicious("chalk", "5.6.9")  # withdrawn since, as far as OSV says
    assert known.incomplete == ()


def test_at_most_a_thousand_packages_are_asked_about_at_once(server: RegistryServer) -> None:
    osv_api(server, osv_record("MAL-2026-7", "p2345", "1.0.0"))
    known = ask(server, *(f"p{i}@1.0.0" for i in range(2500)))
    assert known.is_malicious("p2345", "1.0.0")
    assert len(server.asked("/v1/querybatch")) == 3


def test_pages_are_turned_for_each_package_by_itself(server: RegistryServer) -> None:
    first = osv_record("MAL-2026-1", "a", "1.0.0")
    second = osv_record("MAL-2026-2", "a", "2.0.0")
    osv_api(server, first, second)

    def answer(request: Request) -> Reply:
        results = []
        for query in json.loads(request.body)["queries"]:
            name, token = query["package"]["name"], query.get("page_token")
            if name == "a" and token is None:
                results.append({"vulns": [{"id": "MAL-2026-1"}], "next_page_token": "more"})
            elif name == "a":
                assert token == "more"
                results.append({"vulns": [{"id": "MAL-2026-2"}]})
            else:
                assert token is None
                results.append({})
        return Reply.json({"results": results})

    server.route("/v1/querybatch", answer)
    known = ask(server, "a@1.0.0", "b@1.0.0")
    assert known.is_malicious("a", "1.0.0")
    assert known.is_malicious("a", "2.0.0")
    sent = [json.loads(it.body)["queries"] for it in server.asked("/v1/querybatch")]
    assert [len(it) for it in sent] == [2, 1]


def test_vulnerabilities_and_withdrawn_records_flag_nobody(server: RegistryServer) -> None:
    osv_api(server, {**CHALK, "withdrawn": "2026-05-01T00:00:00Z"}, {**osv_record("GHSA-1", "chalk", "5.6.9")})
    known = ask(server, "chalk@5.6.9")
    assert not known.is_malicious("chalk", "5.6.9")
    assert "/v1/vulns/GHSA-1" not in server.paths
    assert known.incomplete == ()


ENDLESS = Reply.json({"results": [{"vulns": [], "next_page_token": "again"}]})
BROKEN = [
    (Reply(status=404), "404"),
    (Reply(status=429, headers={"Retry-After": "3600"}), "429"),
    (Reply(status=500), "500"),
    (Reply(status=503), "503"),
    (Reply(b"{}", hang=30), "stopped answering|took too long"),
    (Reply(b"{" + b" " * 2000, drip=0.05), "took too long"),
    (Reply(b'{"results": [{}]}', send_only=5), "cut short"),
    (Reply(b"{}", reset=True), "broke the connection"),
    (Reply(b"<html>"), "no format"),
    (Reply(b"[" * 100_000), "no format"),
    (Reply(b"{}", content_length=10**12, send_only=1), "bigger than"),
    (Reply.redirect("http://169.254.169.254/"), "answers 302"),
]


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        *BROKEN,
        (Reply.json({"results": []}), "0 answers to 1 question"),
        (Reply.json({"results": [{"vulns": [{"id": 7}]}]}), "no format"),
        (ENDLESS, "no end of pages"),
    ],
)
def test_an_api_that_fails_is_neither_a_yes_nor_a_no(server: RegistryServer, reply: Reply, reason: str) -> None:
    server.route("/v1/querybatch", reply)
    server.route(BULK, Reply.json({}))
    known = ask(server, "chalk@5.6.9")
    osv, github = known.answers
    assert (osv.asked, github.asked) == (Asked.FAILED, Asked.ANSWERED)
    assert re.search(reason, osv.detail)
    (line,) = known.incomplete
    assert "could not be asked" in line
    assert line.isprintable()
    assert not known.is_malicious("chalk", "5.6.9")


@pytest.mark.parametrize(
    "reply", [Reply(status=503), Reply(b"{}"), Reply.json(osv_record("MAL-2026-9", "chalk"))]
)
def test_a_record_that_cannot_be_had_leaves_the_question_open(server: RegistryServer, reply: Reply) -> None:
    osv_api(server, CHALK)
    server.route("/v1/vulns/MAL-2026-2", reply)
    assert ask(server, "chalk@5.6.9").answers[0].asked is Asked.FAILED


def test_a_failing_api_leaves_the_old_index_to_tell_what_it_knows(
    server: RegistryServer, tmp_path: Path
) -> None:
    server.route("/all.zip", Reply(zipped(CHALK)))
    with web_of(server) as web:
        update_feed(tmp_path, f"{server.url}all.zip", web, Limits(), NOW)
    server.route("/v1/querybatch", Reply(status=503))
    known = ask(server, "chalk@5.6.9", index=FeedIndex(tmp_path), now=NOW + timedelta(days=9))
    assert known.is_malicious("chalk", "5.6.9")
    (line,) = known.incomplete
    assert "checked 9 days ago" in line


# --- offline ---------------------------------------------------------------------------------------------


def test_offline_without_an_index_is_not_asked(server: RegistryServer, tmp_path: Path) -> None:
    known = ask(server, "chalk@5.6.1", "left-pad@1.0.0", index=FeedIndex(tmp_path), offline=True)
    assert [it.asked for it in known.answers] == [Asked.NOT_ASKED, Asked.NOT_ASKED]
    (line,) = known.incomplete
    assert "not asked: offline" in line
    assert "npmguard feed update" in line
    assert known.is_malicious("chalk", "5.6.1")  # the campaigns that ship with npmguard
    assert server.paths == []


def test_the_user_may_do_without(server: RegistryServer) -> None:
    known = ask(server, "left-pad@1.0.0", feed=Feed(required=False), offline=True)
    assert known.incomplete == ()
    assert "not asked: offline" in known.unasked[0]
    assert known.answers[0].asked is Asked.NOT_ASKED


def test_the_user_may_forbid_to_ask(server: RegistryServer) -> None:
    known = ask(server, "left-pad@1.0.0", feed=Feed(online=False))
    assert "feed.online is false" in known.incomplete[0]
    assert server.paths == []


def test_nothing_to_ask_about_is_no_open_question(server: RegistryServer) -> None:
    assert ask(server, offline=True).incomplete == ()


def test_an_overruling_ends_on_its_day(server: RegistryServer) -> None:
    osv_api(server, CHALK)
    until = Overruled(record="GHSA-aaaa-bbbb-cccc", reason="our own build", until=date(2026, 5, 2))
    known = ask(server, "chalk@5.6.9", feed=Feed(online=True, required=True, accept=(until,)))
    assert not known.is_malicious("chalk", "5.6.9")
    assert known.judge("chalk", "5.6.9").overruled[0][1].reason == "our own build"
    overruled = Feed(online=True, required=True, accept=(until,))
    late = ask(server, "chalk@5.6.9", feed=overruled, now=NOW + timedelta(days=1))
    assert late.is_malicious("chalk", "5.6.9")
    assert "ended on 2026-05-02" in late.notes[0]


# --- advisories ------------------------------------------------------------------------------------------


def test_an_advisory_of_malware_is_a_second_source(server: RegistryServer) -> None:
    osv_api(server)
    answers = {
        "evil": [advisory("Malware in evil", ">=0.0.0")],
        "hijacked": [advisory("Embedded malware in hijacked", "=1.2.3 || =1.2.4")],
        "titled": [advisory("Malware in titled", "=1.0.0", cwe=[])],
        "weak": [advisory("Prototype pollution in weak", "<2.0.0", cwe=["CWE-1321"])],
    }
    server.route(BULK, Reply.json(answers, gzip=True))
    known = ask(server, "evil@1.0.0", "hijacked@1.2.3", "hijacked@1.2.5", "titled@1.0.0", "weak@1.0.0")
    assert known.is_malicious("evil", "1.0.0")
    assert known.is_malicious("hijacked", "1.2.3")
    assert not known.is_malicious("hijacked", "1.2.5")
    assert known.is_malicious("titled", "1.0.0")
    assert not known.is_malicious("weak", "1.0.0")
    (request,) = server.asked(BULK)
    assert json.loads(request.body)["hijacked"] == ["1.2.3", "1.2.5"]
    assert request.headers["content-type"] == "application/json"


def test_an_advisory_of_all_versions_gives_way_to_a_list(server: RegistryServer) -> None:
    """The first advisories of 8 September 2025 meant every version of debug and chalk."""
    osv_api(server, osv_record("MAL-2025-1", "hijacked", "1.2.3"))
    answers = {
        "debug": [advisory("Malware in debug", ">=0.0.0")],
        "hijacked": [advisory("Malware in hijacked", "*")],
    }
    server.route(BULK, Reply.json(answers))
    known = ask(server, "debug@4.4.1", "debug@4.4.2", "hijacked@1.0.0", "hijacked@1.2.3")
    assert not known.is_malicious("debug", "4.4.1")
    assert known.is_malicious("debug", "4.4.2")
    assert not known.is_malicious("hijacked", "1.0.0")
    assert known.is_malicious("hijacked", "1.2.3")


def test_answers_to_what_was_not_asked_are_passed_over(server: RegistryServer) -> None:
    osv_api(server)
    server.route(BULK, Reply.json({"other": [advisory("Malware in other", "*")]}))
    assert not ask(server, "left-pad@1.0.0").is_malicious("other", "1.0.0")


def test_a_private_package_is_named_to_its_own_registry_alone(server: RegistryServer) -> None:
    osv_api(server)
    server.route(BULK, Reply.json({}))
    with RegistryServer() as corporate:
        corporate.route(BULK, Reply.json({}))
        npm = NpmConfig(registry=server.url, scopes={"@corp": corporate.url})
        with HttpWeb(npm, QUICK, [server.url]) as web:
            gather(
                [("@corp/tool", "1.0.0"), ("left-pad", "1.0.0")],
                feed=Feed(api=f"{server.url}v1/", online=True, required=True),
                index=None,
                web=web,
                registry_for=npm.registry_for,
                seconds=2.0,
                now=NOW,
            )
        assert json.loads(corporate.asked(BULK)[0].body) == {"@corp/tool": ["1.0.0"]}
    assert json.loads(server.asked(BULK)[0].body) == {"left-pad": ["1.0.0"]}
    (query,) = server.asked("/v1/querybatch")
    assert b"left-pad" in query.body
    assert b"@corp" not in query.body


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        *BROKEN[:8],
        (Reply(b"<html>"), "no format"),
        (Reply.json({"chalk": [advisory("Malware in chalk", "^5")]}), "cannot be read"),
        (Reply.json({"chalk": "no list"}), "no format"),
    ],
)
def test_failing_advisories_are_told_and_hold_up_nobody(
    server: RegistryServer, reply: Reply, reason: str
) -> None:
    osv_api(server, CHALK)
    server.route(BULK, reply)
    known = ask(server, "chalk@5.6.9")
    osv, github = known.answers
    assert (osv.asked, github.asked) == (Asked.ANSWERED, Asked.FAILED)
    assert re.search(reason, github.detail)
    assert known.incomplete == ()
    assert known.is_malicious("chalk", "5.6.9")


def test_a_host_that_asks_for_patience_gets_it(server: RegistryServer) -> None:
    osv_api(server, CHALK)
    answers: list[Callable[[Request], Reply] | Reply] = [Reply(status=429, headers={"Retry-After": "1"})]
    answers += server._answers["/v1/querybatch"]
    server.route("/v1/querybatch", *answers)
    known = ask(server, "chalk@5.6.9", seconds=10)
    assert known.answers[0].asked is Asked.ANSWERED
