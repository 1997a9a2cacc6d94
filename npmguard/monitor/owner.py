"""Who holds a lease: one process of one machine, told apart from a later one with the same number."""

from __future__ import annotations

import os
import secrets
from pathlib import Path


def this_owner() -> str:
    """A name for this process that no other has had or will have."""
    return f"{_machine()}|{os.getpid()}|{_started(os.getpid())}|{secrets.token_hex(4)}"


def is_dead(owner: str) -> bool:
    """Whether that process was on this machine and has ended; False where that cannot be told from here."""
    machine, _, rest = owner.partition("|")
    process, _, rest = rest.partition("|")
    started = rest.partition("|")[0]
    if machine != _machine() or not process.isdecimal() or not started:
        return False
    return _started(int(process)) != started


def _machine() -> str:
    """The host's name, with what tells apart containers that share it."""
    try:
        space = os.readlink("/proc/self/ns/pid")  # noqa: PTH115 - no path, a name
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:  # no Linux: leases there run out
        space = boot = ""
    return f"{os.uname().nodename} {boot} {space}".replace("|", " ")


def _started(process: int) -> str:
    """When it started, in the kernel's own unit; empty where there is no such process, or none is told of."""
    try:
        line = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    fields = line.rpartition(")")[2].split()
    return fields[19] if len(fields) > 19 and fields[0] not in {"Z", "X"} else ""
