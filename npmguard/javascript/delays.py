"""The shape ``long-delay``: a timer that is set for hours."""

from __future__ import annotations

from collections.abc import Iterator

from npmguard.javascript.callsites import arguments
from npmguard.javascript.program import Program
from npmguard.javascript.tree import Place

_TIMERS = frozenset({"setTimeout", "timers.setTimeout", "timers/promises.setTimeout", "setInterval"})
_LAST = frozenset(name.rpartition(".")[2] for name in _TIMERS)
_SHORTEST = 3 * 60 * 60 * 1000  # milliseconds; sandboxes watch for minutes


class LongDelays:
    """Finds timers of hours."""

    def __init__(self, program: Program) -> None:
        """Prepare to search *program*."""
        self._program = program

    def find(self) -> Iterator[Place]:
        """The calls that set one."""
        index, names, constants = self._program.index, self._program.names, self._program.constants
        called = self._program.called_as(_LAST)
        timers = [call for call, _callee, _kind, path in called if path.name in _TIMERS]
        for call, callee, _kind in self._program.in_time(index.calls_of((b"setTimeout",))):
            if names.path(callee).name in _TIMERS:
                timers.append(call)
        for call in timers:
            given = arguments(call)
            if not given or len(given) > 3:
                continue
            for each in given[:2]:
                delay = constants.fold(each)
                if isinstance(delay, float | int) and not isinstance(delay, bool) and delay >= _SHORTEST:
                    yield (call.start_byte, call.end_byte, None)
                    break
