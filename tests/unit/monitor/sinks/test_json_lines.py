"""Alerts as JSON lines: on disk, whole, and none of them twice."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from npmguard.errors import SinkError
from npmguard.monitor.sinks.json_lines import JsonLines
from tests.unit.monitor.released import alert, hostile_alert


def ids(path: Path) -> list[str]:
    return [json.loads(line)["id"] for line in path.read_text("ascii").splitlines()]


def test_each_alert_is_a_line(tmp_path: Path) -> None:
    sink = JsonLines(tmp_path / "alerts.jsonl")
    for number in range(3):
        sink.deliver(alert(f"{number:032x}"))
    assert ids(sink.path) == [f"{number:032x}" for number in range(3)]


def test_an_alert_that_is_there_is_not_written_again(tmp_path: Path) -> None:
    sink = JsonLines(tmp_path / "alerts.jsonl")
    for _ in range(3):
        sink.deliver(alert("1" * 32))
        sink.deliver(alert("2" * 32))
    assert ids(sink.path) == ["1" * 32, "2" * 32]


def test_an_alert_whose_text_holds_the_id_of_another_does_not_pass_for_it(tmp_path: Path) -> None:
    sink = JsonLines(tmp_path / "alerts.jsonl")
    sink.deliver(alert("1" * 32, message=f'"id":"{"2" * 32}"'))
    sink.deliver(alert("2" * 32))
    assert ids(sink.path) == ["1" * 32, "2" * 32]


@pytest.mark.parametrize("kept", [1, 40, -1])
def test_a_line_that_a_crash_cut_short_is_written_anew(tmp_path: Path, kept: int) -> None:
    sink = JsonLines(tmp_path / "alerts.jsonl")
    sink.deliver(alert("1" * 32))
    whole = sink.path.stat().st_size
    sink.deliver(alert("2" * 32))
    size = sink.path.stat().st_size
    os.truncate(sink.path, size + kept if kept < 0 else whole + kept)
    sink.deliver(alert("2" * 32))
    assert ids(sink.path) == ["1" * 32, "2" * 32]


def test_a_disk_that_is_full_leaves_whole_lines(tmp_path: Path) -> None:
    """The limit on a file's size stands for the disk's: a write stops in the middle of a line."""
    path = tmp_path / "alerts.jsonl"
    JsonLines(path).deliver(alert("1" * 32))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 100, before[1]))
    try:
        with pytest.raises(SinkError, match="cannot be written: File too large"):
            JsonLines(path).deliver(alert("2" * 32))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert ids(path) == ["1" * 32]
    JsonLines(path).deliver(alert("2" * 32))
    assert ids(path) == ["1" * 32, "2" * 32]


def test_a_file_moved_away_by_a_log_rotation_is_begun_anew(tmp_path: Path) -> None:
    sink = JsonLines(tmp_path / "alerts.jsonl")
    sink.deliver(alert("1" * 32))
    sink.path.rename(tmp_path / "alerts.jsonl.1")
    sink.deliver(alert("2" * 32))
    assert ids(sink.path) == ["2" * 32]


def test_several_processes_write_one_file(tmp_path: Path) -> None:
    path = tmp_path / "alerts.jsonl"
    program = (
        "import sys; from pathlib import Path\n"
        "from npmguard.monitor.sinks.json_lines import JsonLines\n"
        "from tests.unit.monitor.released import alert\n"
        "for n in range(30): JsonLines(Path(sys.argv[1])).deliver(alert(f'{n:032x}'))\n"
    )
    root = Path(__file__).parents[4]
    running = [subprocess.Popen([sys.executable, "-c", program, str(path)], cwd=root) for _ in range(2)]
    assert [process.wait(60) for process in running] == [0, 0]
    assert sorted(ids(path)) == [f"{n:032x}" for n in range(30)]


def test_hostile_texts_stay_one_line_of_ascii(tmp_path: Path) -> None:
    sink = JsonLines(tmp_path / "alerts.jsonl")
    sink.deliver(hostile_alert())
    content = sink.path.read_bytes()
    assert content.isascii()
    assert content.count(b"\n") == 1
    assert b"\x1b" not in content
    assert json.loads(content)["affected"][0]["name"].startswith("</script>")


def test_a_folder_that_is_gone_is_told(tmp_path: Path) -> None:
    with pytest.raises(SinkError, match="No such file"):
        JsonLines(tmp_path / "gone" / "alerts.jsonl").deliver(alert())
