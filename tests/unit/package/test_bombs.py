"""Under the caps as they ship, no tarball takes the reader more than a small part of a machine."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.hell_tarballs import BOMBS, SHAPES

PEAK = 400  # megabytes of the whole process; Python and the reader's libraries alone take 30
SECONDS = 60  # of limits.analysis-seconds

READ = r"""
import re, sys
from pathlib import Path
from npmguard.config import Limits
from npmguard.errors import PackageError
from npmguard.package.tarball import read_archive
for path in sys.argv[1:]:
    try:
        read_archive(Path(path).read_bytes(), Limits(), lambda path, _size: path.endswith(".js"))
        print("read")
    except PackageError as error:
        print(error)
status = Path("/proc/self/status").read_text()  # getrusage would tell of the process before exec
print(int(re.search(r"VmHWM:\s+(\d+)", status)[1]) // 1024)
"""


def read_elsewhere(*paths: Path) -> tuple[list[str], int]:
    """What a process of its own says of each tarball, and the most megabytes that it held."""
    done = subprocess.run(
        [sys.executable, "-c", READ, *map(str, paths)],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=True,
    )
    *said, peak = done.stdout.splitlines()
    return said, int(peak)


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_ends_at_its_cap(name: str, tmp_path: Path) -> None:
    make, cap = BOMBS[name]
    path = tmp_path / "bomb.tgz"
    path.write_bytes(make())
    assert path.stat().st_size < 64 * 1024**2
    (said,), peak = read_elsewhere(path)
    assert cap in said
    assert peak < PEAK


def test_odd_shapes_take_next_to_nothing(tmp_path: Path) -> None:
    for name, data in SHAPES.items():
        (tmp_path / name).write_bytes(data)
    said, peak = read_elsewhere(*sorted(tmp_path.iterdir()))
    assert len(said) == len(SHAPES)
    assert peak < PEAK / 4
