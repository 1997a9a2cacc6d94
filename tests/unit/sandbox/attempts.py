"""A process that enters the sandbox as a worker does, and then attempts what a worker has no business with.

Run as ``python -m tests.unit.sandbox.attempts``, with a :class:`Task` as JSON on standard input; the answer
is a JSON object on standard output: for each attempt ``done``, or the name of the error that it met.
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec

from npmguard.sandbox.enter import LANDLOCK, Offer, enter, offered

_PTRACE_ATTACH = 16
_CLONE_NEWUSER = 0x10000000
_CALLS = {  # x86-64 and aarch64
    "x86_64": {
        "bpf": 321,
        "keyctl": 250,
        "io_uring_setup": 425,
        "mount": 165,
        "memfd_create": 319,
        "unshare": 272,
    },
    "aarch64": {
        "bpf": 280,
        "keyctl": 219,
        "io_uring_setup": 425,
        "mount": 40,
        "memfd_create": 279,
        "unshare": 97,
    },
}


class Task(msgspec.Struct):
    """Where the attempts aim: a folder with a secret, a port and a socket that listen, a process to signal.

    ``without`` are the means that the kernel is taken not to offer; ``free`` stays out of the sandbox; ``only``
    names the attempts to make, all where empty.
    """

    folder: str
    port: int
    victim: int
    descriptor: int
    free: bool = False
    without: tuple[str, ...] = ()
    spin: bool = False
    only: tuple[str, ...] = ()


def main() -> None:
    task = msgspec.json.decode(sys.stdin.buffer.read(), type=Task)
    library = ctypes.CDLL(None, use_errno=True)
    attempts = _attempts(task, library)
    if not task.free:
        offer = offered()
        problems = {**offer.problems, **dict.fromkeys(task.without, "taken away by a test")}
        enter(1 << 30, Offer(0 if LANDLOCK in task.without else offer.landlock, problems))
    if task.spin:
        from npmguard.sandbox.resource_limits import renew_time

        renew_time(0.0)
        while True:
            pass
    answers = {
        name: _outcome(attempt) for name, attempt in attempts.items() if not task.only or name in task.only
    }
    in_thread: dict[str, str] = {}
    try:
        thread = threading.Thread(target=lambda: in_thread.update(read=_outcome(attempts["read"])))
        thread.start()
        thread.join()
        answers["thread"] = "done"
        answers["read in a thread"] = in_thread["read"]
    except RuntimeError:
        answers["thread"] = "RuntimeError"
    sys.stdout.buffer.write(msgspec.json.encode(answers))
    sys.stdout.flush()


def _outcome(attempt: Callable[[], object]) -> str:
    try:
        attempt()
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, str(error))
    except ValueError as error:
        return type(error).__name__
    return "done"


def _attempts(task: Task, library: ctypes.CDLL) -> dict[str, Callable[[], object]]:
    folder, numbers = Path(task.folder), _CALLS[os.uname().machine]

    def call(number: int, *arguments: int) -> None:
        if library.syscall(ctypes.c_long(number), *map(ctypes.c_long, arguments)) < 0:
            raise OSError(ctypes.get_errno(), "refused")

    def fork() -> None:
        child = os.fork()
        if child == 0:
            os._exit(0)
        os.waitpid(child, 0)

    def tcp() -> None:
        with socket.socket() as client:
            client.connect(("127.0.0.1", task.port))

    def udp() -> None:
        with socket.socket(type=socket.SOCK_DGRAM) as client:
            client.sendto(b"x", ("127.0.0.1", task.port))

    def unix() -> None:
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(folder / "socket"))

    def bind() -> None:
        with socket.socket() as server:
            server.bind(("127.0.0.1", 0))

    def ptrace() -> None:
        if library.ptrace(_PTRACE_ATTACH, task.victim, None, None) < 0:
            raise OSError(ctypes.get_errno(), "refused")
        os.waitpid(task.victim, 0)

    def execute() -> None:
        os.execv("/nonexistent", ["/nonexistent"])

    def spawn() -> None:
        subprocess.run([sys.executable, "-c", ""], check=True)

    def machine_code() -> None:
        mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC).close()

    return {
        "read": (folder / "secret").read_bytes,
        "look": (folder / "secret").stat,
        "list": lambda: list(folder.iterdir()),
        "write": lambda: (folder / "new").write_bytes(b"x"),
        "append": lambda: (folder / "secret").open("ab").write(b"x"),
        "truncate": lambda: os.truncate(folder / "secret", 0),
        "make folder": (folder / "made").mkdir,
        "remove": (folder / "spare").unlink,
        "link": lambda: (folder / "link").symlink_to("secret"),
        "write what is open": lambda: os.write(task.descriptor, b"x"),
        "duplicate": lambda: os.dup(0),
        "pipe": os.pipe,
        "tcp": tcp,
        "udp": udp,
        "unix": unix,
        "bind": bind,
        "fork": fork,
        "execute": execute,
        "spawn": spawn,
        "signal": lambda: os.kill(task.victim, signal.SIGCONT),
        "signal all": lambda: os.kill(-1, 0),
        "ptrace": ptrace,
        "machine code": machine_code,
        "namespace": lambda: call(numbers["unshare"], _CLONE_NEWUSER),
        "bpf": lambda: call(numbers["bpf"], 0, 0, 0),
        "keyctl": lambda: call(numbers["keyctl"], 0, -3, 0),
        "io_uring": lambda: call(numbers["io_uring_setup"], 8, 0),
        "mount": lambda: call(numbers["mount"], 0, 0, 0, 0, 0),
        "memory file": lambda: os.memfd_create("x"),
        "become another": lambda: os.setuid(65534),
        "limits of others": lambda: resource.prlimit(task.victim, resource.RLIMIT_CORE, (0, 0)),
        "more memory": lambda: resource.setrlimit(resource.RLIMIT_DATA, (1 << 40, 1 << 40)),
    }


if __name__ == "__main__":
    main()
