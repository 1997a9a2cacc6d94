"""From inside the sandbox nothing can be read, written, reached, started or signalled."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from npmguard.errors import SandboxError
from npmguard.model import Sandbox
from npmguard.sandbox.enter import LANDLOCK, PRIVILEGES, RLIMITS, SECCOMP, Offer, expected, offered, require
from tests.unit.sandbox.attempts import Task

ROOT = Path(__file__).parents[3]


@dataclass(frozen=True)
class World:
    """What an attempt could reach."""

    task: Task
    folder: Path

    def attempt(self, **changes: object) -> dict[str, str]:
        task = msgspec.structs.replace(self.task, **changes)
        ended = self.run(task)
        assert ended.returncode == 0, ended.stderr.decode()
        return msgspec.json.decode(ended.stdout, type=dict[str, str])

    def run(self, task: Task) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [sys.executable, "-m", "tests.unit.sandbox.attempts"],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            input=msgspec.json.encode(task),
            capture_output=True,
            check=False,
            pass_fds=[task.descriptor],
            timeout=60,
        )


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    (tmp_path / "secret").write_bytes(b"secret")
    (tmp_path / "spare").write_bytes(b"")
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.socket(socket.AF_UNIX) as local,
        tempfile.TemporaryFile() as inherited,
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as victim,
    ):
        local.bind(str(tmp_path / "socket"))
        local.listen()
        port = server.getsockname()[1]
        yield World(Task(str(tmp_path), port, victim.pid, inherited.fileno()), tmp_path)
        victim.kill()


def test_all_of_it_is_refused(world: World) -> None:
    answers = world.attempt()
    assert answers.pop("thread") == "done"  # one that works under the same rules
    assert {name: told for name, told in answers.items() if told == "done"} == {}
    assert sorted(path.name for path in world.folder.iterdir()) == ["secret", "socket", "spare"]
    assert (world.folder / "secret").read_bytes() == b"secret"


USUAL = (
    "read",
    "look",
    "list",
    "write",
    "tcp",
    "udp",
    "unix",
    "bind",
    "fork",
    "spawn",
    "signal",
    "duplicate",
    "pipe",
)


def test_without_the_sandbox_the_same_attempts_succeed(world: World) -> None:
    wanted = (*USUAL, "machine code", "memory file", "write what is open", "append")
    answers = world.attempt(free=True, only=wanted)
    assert {name: told for name, told in answers.items() if told != "done"} == {}


def test_landlock_alone_closes_the_file_system_and_tcp(world: World) -> None:
    abi = offered().landlock
    assert abi > 0, "these tests need a kernel with Landlock"
    answers = world.attempt(without=(SECCOMP, RLIMITS), only=USUAL)
    closed = (
        {"read", "list", "write"}
        | ({"tcp", "bind"} if abi >= 4 else set())
        | ({"signal"} if abi >= 6 else set())
    )
    assert {name for name, told in answers.items() if told in {"EACCES", "EPERM"}} >= closed
    assert answers["look"] == "done"  # which Landlock does not know
    assert answers["duplicate"] == "done"


def test_a_kernel_without_landlock_is_held_by_seccomp(world: World) -> None:
    answers = world.attempt(without=(LANDLOCK,))
    assert answers.pop("thread") == "done"
    assert {name: told for name, told in answers.items() if told == "done"} == {}


def test_limits_alone_stop_files_descriptors_and_memory(world: World) -> None:
    answers = world.attempt(
        without=(LANDLOCK, SECCOMP), only=("duplicate", "pipe", "write what is open", "read")
    )
    assert answers["duplicate"] in {"EMFILE", "EINVAL"}
    assert answers["pipe"] == "EMFILE"
    assert answers["read"] == "EMFILE"
    assert answers["write what is open"] == "EFBIG"


def test_a_process_that_computes_for_ever_is_ended_by_the_system(world: World) -> None:
    started = time.process_time()
    ended = world.run(msgspec.structs.replace(world.task, spin=True))
    assert ended.returncode == -signal.SIGXCPU
    assert time.process_time() >= started


def test_the_kernels_answer_is_told_before_anything_starts() -> None:
    assert expected() == expected(offered())
    whole = expected(Offer(landlock=7))
    assert whole == Sandbox(
        file_system=(LANDLOCK, SECCOMP),
        network=(LANDLOCK, SECCOMP),
        processes=(PRIVILEGES, SECCOMP),
        limits=(RLIMITS,),
    )
    require(whole)


def test_an_old_landlock_knows_no_network() -> None:
    assert expected(Offer(landlock=3)).network == (SECCOMP,)
    assert expected(Offer(landlock=4)).network == (LANDLOCK, SECCOMP)


@pytest.mark.parametrize("mean", [LANDLOCK, SECCOMP, PRIVILEGES])
def test_what_is_missing_is_told_and_refused_where_all_is_required(mean: str) -> None:
    sandbox = expected(
        Offer(landlock=0 if mean == LANDLOCK else 7, problems={mean: "Function not implemented"})
    )
    assert len(sandbox.missing) == 1
    assert sandbox.missing[0].startswith(f"{mean}: Function not implemented")
    assert mean not in {*sandbox.file_system, *sandbox.network, *sandbox.processes}
    with pytest.raises(SandboxError, match=f"required.*{mean}"):
        require(sandbox)
