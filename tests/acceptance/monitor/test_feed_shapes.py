"""Whatever a feed does, each new version is judged once and none is missed."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from tests.changes import ChangingRegistry, days_ago, harmless
from tests.monitors import Clock, office
from tests.servers import Reply


def release(registry: ChangingRegistry, name: str, version: str = "1.0.0", days: float = 1.0) -> None:
    registry.release(name, version, harmless(name, version), at=days_ago(days))


def test_every_version_is_judged_and_told_once(state: str, registry: ChangingRegistry) -> None:
    for number in range(7):  # over several pages
        release(registry, f"p{number}")
    with office(state, registry) as desk:
        assert desk.once().complete
        assert desk.once().changes == 0
        assert desk.versions() == {f"p{number}@1.0.0": "done" for number in range(7)}
        assert desk.told == {f"p{number}@1.0.0": 1 for number in range(7)}


def test_what_came_before_the_first_run_is_left_alone(state: str, registry: ChangingRegistry) -> None:
    for version in ("1.0.0", "1.0.1", "1.0.2"):
        release(registry, "old", version, days=30)
    with office(state, registry) as desk:
        assert desk.once("now").complete
        release(registry, "old", "1.1.0", days=0)
        release(registry, "new", "0.0.1", days=0)
        assert desk.once("now").complete
        assert desk.versions() == {"new@0.0.1": "done", "old@1.1.0": "done"}


def test_a_date_is_found_among_the_sequences(state: str, registry: ChangingRegistry) -> None:
    for number in range(40):
        registry.sequence += 25
        release(registry, f"p{number:02}", days=40 - number)
    with office(state, registry) as desk:
        assert desk.once(days_ago(9.5).isoformat(), page_rows=100).complete
        assert list(desk.versions()) == [f"p{number:02}@1.0.0" for number in range(31, 40)]
        assert len([path for path in registry.paths if path.startswith("/p")]) < 120


def test_gaps_and_repeated_rows_change_nothing(state: str, registry: ChangingRegistry) -> None:
    release(registry, "a")
    registry.sequence += 500
    release(registry, "b")
    registry.repeated("a")
    registry.repeated("b")
    registry.sequence += 70  # the newest sequences name nothing any more
    with office(state, registry) as desk:
        assert desk.once().complete
        assert desk.told == {"a@1.0.0": 1, "b@1.0.0": 1}
        assert desk.once().complete
        assert desk.told == {"a@1.0.0": 1, "b@1.0.0": 1}


def test_rows_that_name_no_package_are_passed_over(state: str, registry: ChangingRegistry) -> None:
    registry.changed("_design/app")
    registry.changed("x" * 1000)
    registry.changed("no\ttabs")
    registry.rows += [{"seq": registry.sequence, "id": None}, {"seq": registry.sequence}]
    release(registry, "a")
    with office(state, registry) as desk:
        assert desk.once().complete
        assert desk.names() == {"a": "recheck"}


def test_a_reset_feed_is_read_on_from_where_it_was(state: str, registry: ChangingRegistry) -> None:
    registry.sequence = 9000
    for number in range(5):
        release(registry, f"p{number}")
    with office(state, registry) as desk:
        assert desk.once().complete
        registry.reset()
        release(registry, "after", days=0)
        assert desk.once().complete
        assert desk.told == {**{f"p{number}@1.0.0": 1 for number in range(5)}, "after@1.0.0": 1}


def test_a_deleted_name_is_recorded_and_not_asked_about(state: str, registry: ChangingRegistry) -> None:
    release(registry, "gone")
    registry.changed("gone", deleted=True)
    with office(state, registry) as desk:
        assert desk.once().complete
        assert desk.names() == {"gone": "gone"}
        assert registry.asked("/gone") == []
        release(registry, "gone", "1.0.1")  # and published again
        assert desk.once().complete
        assert desk.versions() == {"gone@1.0.0": "done", "gone@1.0.1": "done"}


def test_a_document_that_is_not_there_yet_is_asked_for_again(state: str, registry: ChangingRegistry) -> None:
    registry.changed("late")
    clock = Clock()
    with office(state, registry, clock=clock) as desk:
        first = desk.once()
        assert (first.complete, first.left) == (False, 1)
        registry.publish("late", "1.0.0", harmless("late", "1.0.0"))
        clock.offset = timedelta(minutes=1)
        assert desk.once().complete
        assert desk.told == {"late@1.0.0": 1}


def test_a_document_older_than_the_feed_is_read_once_more(
    state: str, registry: ChangingRegistry, tmp_path: Path
) -> None:
    release(registry, "late", "1.0.0")
    registry.changed("late")  # the feed knows of 1.0.1; the document does not
    clock = Clock()
    with office(state, registry, tmp_path / "cache", clock=clock) as desk:
        assert desk.once().complete
        registry.publish("late", "1.0.1", harmless("late", "1.0.1"))
        assert desk.once().complete
        assert list(desk.versions()) == ["late@1.0.0"]
        clock.offset = timedelta(minutes=2)
        assert desk.once().complete
        assert desk.told == {"late@1.0.0": 1, "late@1.0.1": 1}
        clock.offset = timedelta(minutes=30)
        desk.once()
        assert desk.names() == {"late": "read"}


def test_documents_are_asked_for_on_the_condition_that_they_changed(
    state: str, registry: ChangingRegistry, tmp_path: Path
) -> None:
    document = registry.publish("a", "1.0.0", harmless("a", "1.0.0"))
    fresh = {"Cache-Control": "public, max-age=300"}
    registry.route("/a", Reply.json(document, etag='"1"', headers=fresh))
    registry.changed("a")
    clock = Clock()
    for minutes in (0, 2):  # each a run of its own: the condition is kept on disk
        clock.offset = timedelta(minutes=minutes)
        with office(state, registry, tmp_path / "cache", clock=clock) as desk:
            assert desk.once().complete
    first, second = registry.asked("/a")
    assert "if-none-match" not in first.headers
    assert second.headers["if-none-match"] == '"1"'


def test_an_outage_leaves_work_that_the_next_run_does(state: str, registry: ChangingRegistry) -> None:
    for number in range(4):
        release(registry, f"p{number}")
    clock = Clock()
    with office(state, registry, clock=clock) as desk:
        registry.outage = Reply(status=503)
        assert not desk.once().complete
        registry.outage = None
        assert desk.once().complete
        release(registry, "p9")
        desk.monitor(patience=0.0)._look()  # the feed answers …
        registry.outage = Reply(status=503, headers={"Retry-After": "1"})
        assert not desk.once().complete
        registry.outage = None
        clock.offset = timedelta(hours=1)
        assert desk.once().complete
        assert desk.told == {**{f"p{number}@1.0.0": 1 for number in range(4)}, "p9@1.0.0": 1}


def test_only_watched_names_are_asked_about(state: str, registry: ChangingRegistry) -> None:
    release(registry, "mine")
    release(registry, "theirs")
    with office(state, registry) as desk:
        assert desk.once(watched=frozenset({"mine"})).complete
        assert desk.names() == {"mine": "recheck"}
        assert registry.asked("/theirs") == []
