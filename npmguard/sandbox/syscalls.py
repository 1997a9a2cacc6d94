"""The system calls that reading a package needs, by their numbers on each architecture.

The list is what the interpreter, the C library, tree-sitter, Vectorscan, yara-x, re2 and isa-l were seen to
call once all is loaded, with what glibc and musl put in the place of one another. Numbers: the kernel's
asm/unistd_64.h (x86-64) and asm-generic/unistd.h (aarch64).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

PROT_EXEC: Final = 0x4
CLONE_THREAD: Final = 0x10000
#: CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET, NEWTIME: a thread needs none.
CLONE_NEW: Final = 0x7E020080
LOCKS: Final = (1, 3, 6, 7)  # fcntl(2): F_GETFD, F_GETFL, F_SETLK, F_SETLKW
OUTPUTS: Final = (1, 2)  # the answers, and the last words


@dataclass(frozen=True, slots=True)
class Machine:
    """An architecture: its number in linux/audit.h, and its system calls by name.

    ``newest`` is the last number that is known here: the C library has a second way for what came after it, and
    takes it where it is told that the kernel lacks the first.
    """

    audit: int
    numbers: dict[str, int]
    newest: int
    first_foreign: int | None = None  # numbers from here on are those of another ABI


#: Allowed whatever the arguments; the most frequent first.
PLAIN: Final = (
    *("read", "brk", "futex", "munmap", "mremap", "madvise", "lseek", "pread64", "readv"),
    *("clock_gettime", "clock_getres", "clock_nanosleep", "nanosleep", "gettimeofday", "getrandom"),
    *("rt_sigreturn", "rt_sigprocmask", "rt_sigaction", "sigaltstack", "restart_syscall"),
    *("close", "exit", "exit_group", "sched_yield", "sched_getaffinity", "getpid", "gettid", "getrusage"),
    *("rseq", "set_robust_list", "set_tid_address", "membarrier"),
)

_NUMBERS: Final = {  # on x86-64, on aarch64
    "read": (0, 63),
    "brk": (12, 214),
    "futex": (202, 98),
    "munmap": (11, 215),
    "mremap": (25, 216),
    "madvise": (28, 233),
    "lseek": (8, 62),
    "pread64": (17, 67),
    "readv": (19, 65),
    "clock_gettime": (228, 113),
    "clock_getres": (229, 114),
    "clock_nanosleep": (230, 115),
    "nanosleep": (35, 101),
    "gettimeofday": (96, 169),
    "getrandom": (318, 278),
    "rt_sigreturn": (15, 139),
    "rt_sigprocmask": (14, 135),
    "rt_sigaction": (13, 134),
    "sigaltstack": (131, 132),
    "restart_syscall": (219, 128),
    "close": (3, 57),
    "exit": (60, 93),
    "exit_group": (231, 94),
    "sched_yield": (24, 124),
    "sched_getaffinity": (204, 123),
    "getpid": (39, 172),
    "gettid": (186, 178),
    "getrusage": (98, 165),
    "rseq": (334, 293),
    "set_robust_list": (273, 99),
    "set_tid_address": (218, 96),
    "membarrier": (324, 283),
    "write": (1, 64),
    "writev": (20, 66),
    "mmap": (9, 222),
    "mprotect": (10, 226),
    "fcntl": (72, 25),
    "tgkill": (234, 131),
    "prlimit64": (302, 261),
    "clone": (56, 220),
    "clone3": (435, 435),
    "seccomp": (317, 277),
}
_NEWEST: Final = 462  # mseal(2); numbers that new are the same everywhere

MACHINES: Final = {
    "x86_64": Machine(
        audit=0xC000003E,
        numbers={name: x86_64 for name, (x86_64, _) in _NUMBERS.items()},
        newest=_NEWEST,
        first_foreign=0x40000000,  # x32
    ),
    "aarch64": Machine(
        audit=0xC00000B7,
        numbers={name: aarch64 for name, (_, aarch64) in _NUMBERS.items()},
        newest=_NEWEST,
    ),
}
