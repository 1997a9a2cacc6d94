"""The answers of the filter to each call, from an interpreter of classic BPF, for each architecture."""

from __future__ import annotations

import pytest

from npmguard.sandbox.seccomp import ALLOW, KILL, LACKS, REFUSE, Instruction, encode, filter_for
from npmguard.sandbox.syscalls import MACHINES, PLAIN

PID = 4242
WRITABLE, EXECUTABLE = 3, 7  # PROT_READ | PROT_WRITE, and PROT_EXEC too
THREAD = 0x3D0F00  # what pthread_create asks of clone
FOREIGN = {  # x86-64, aarch64
    "openat": (257, 56),
    "socket": (41, 198),
    "connect": (42, 203),
    "execve": (59, 221),
    "ptrace": (101, 117),
    "kill": (62, 129),
    "mount": (165, 40),
    "bpf": (321, 280),
    "io_uring_setup": (425, 425),
    "newfstatat": (262, 79),
    "prctl": (157, 167),
    "seccomp": (317, 277),
    "process_vm_writev": (311, 271),
    "pidfd_open": (434, 434),
    "landlock_create_ruleset": (444, 444),
}


def answer(program: list[Instruction], audit: int, number: int, *arguments: int) -> int:
    """What the kernel would make of one call."""
    words = [*arguments, 0, 0, 0, 0, 0, 0][:6]
    data = number.to_bytes(4, "little") + audit.to_bytes(4, "little") + bytes(8)
    data += b"".join(word.to_bytes(8, "little") for word in words)
    value, at = 0, 0
    while True:
        code, true, false, operand = program[at]
        at += 1
        match code:
            case 0x20:
                value = int.from_bytes(data[operand : operand + 4], "little")
            case 0x06:
                return operand
            case 0x15:
                at += true if value == operand else false
            case 0x35:
                at += true if value >= operand else false
            case 0x45:
                at += true if value & operand else false
            case _:
                raise AssertionError(f"no such instruction: {code:#x}")


@pytest.mark.parametrize("name", MACHINES)
def test_what_reading_needs_is_allowed_and_the_rest_refused(name: str) -> None:
    machine = MACHINES[name]
    program = filter_for(machine, PID)

    def told(call: str, *arguments: int) -> int:
        return answer(program, machine.audit, machine.numbers[call], *arguments)

    assert {told(call) for call in PLAIN} == {ALLOW}
    assert [told("write", fd) for fd in (0, 1, 2, 3)] == [REFUSE, ALLOW, ALLOW, REFUSE]
    assert [told(call, 0, 0, prot) for call in ("mmap", "mprotect") for prot in (WRITABLE, EXECUTABLE)] == [
        *(ALLOW, REFUSE),
        *(ALLOW, REFUSE),
    ]
    assert [told("fcntl", 3, command) for command in (0, 1, 3, 4, 6, 7)] == [
        *(REFUSE, ALLOW, ALLOW),
        *(REFUSE, ALLOW, ALLOW),
    ]
    assert told("tgkill", PID) == ALLOW
    assert told("tgkill", 1) == REFUSE
    assert told("prlimit64", 0) == ALLOW
    assert told("prlimit64", 1) == REFUSE
    assert told("clone", THREAD) == ALLOW
    assert told("clone", 17) == REFUSE  # SIGCHLD: a fork
    assert told("clone", THREAD | 0x40000000) == REFUSE  # in a network of its own
    assert told("clone3") == LACKS
    allowed = {
        number for number in range(machine.newest + 1) if answer(program, machine.audit, number) == ALLOW
    }
    assert allowed <= {machine.numbers[call] for call in (*PLAIN, "mmap", "mprotect", "prlimit64")}


@pytest.mark.parametrize("name", MACHINES)
@pytest.mark.parametrize("call", FOREIGN)
def test_what_nobody_asked_for_is_refused(name: str, call: str) -> None:
    machine = MACHINES[name]
    number = FOREIGN[call][list(MACHINES).index(name)]
    assert answer(filter_for(machine, PID), machine.audit, number, PID) == REFUSE


@pytest.mark.parametrize("name", MACHINES)
def test_a_call_of_a_later_kernel_is_told_to_be_missing(name: str) -> None:
    machine = MACHINES[name]
    assert answer(filter_for(machine, PID), machine.audit, machine.newest + 1) == LACKS


def test_another_architectures_numbers_end_the_process() -> None:
    i386 = 0x40000003
    assert answer(filter_for(MACHINES["x86_64"], PID), i386, 11) == KILL
    x32 = 0x40000000
    machine = MACHINES["x86_64"]
    assert answer(filter_for(machine, PID), machine.audit, x32 + 1, 1) == REFUSE


def test_a_process_that_compiles_patterns_may_make_machine_code() -> None:
    machine = MACHINES["x86_64"]
    program = filter_for(machine, PID, compiles=True)
    assert answer(program, machine.audit, machine.numbers["mmap"], 0, 0, EXECUTABLE) == ALLOW


def test_an_instruction_is_eight_bytes_as_the_kernel_has_them() -> None:
    assert encode([(0x20, 0, 0, 4), (0x15, 1, 2, 0xC000003E)]) == bytes.fromhex(
        "2000000004000000150001023e0000c0"
    )
