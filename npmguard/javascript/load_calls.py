"""The shape ``called-on-load``: a function that the file itself calls when it is loaded.

What is called with arguments, or for what it returns, is not meant: modules of a bundle and factories are
called so. An asynchronous function that is called where it stands is meant; a plain one is how bundles wrap
whole files.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from npmguard.javascript.bindings import CLASSES, FUNCTIONS
from npmguard.javascript.callsites import arguments, unwrap
from npmguard.javascript.program import Program
from npmguard.javascript.tree import Place

_FOR_ITSELF = re.compile(rb"(?:\A|[;{})\n,&|?:!]|\bvoid|\bawait|\belse)\s*\Z")
_BEFORE = 24  # bytes before a call that tell whether its result is used
_MAX_CALLS = 200


class LoadCalls:
    """Finds what a file starts by itself."""

    def __init__(self, program: Program) -> None:
        """Prepare to search *program*."""
        self._program = program
        self._scopes = program.scopes
        self._constants = program.constants
        self._on_load = {0: True}

    def find(self) -> Iterator[Place]:
        """The calls, with the functions that they call."""
        found = 0
        text = self._program.text
        for call, callee, kind in self._program.in_time(self._program.index.calls):
            start = call.start_byte
            if not self._runs_on_load(self._scopes.function_at(start)) or arguments(call):
                continue
            if not _FOR_ITSELF.search(text[max(start - _BEFORE, 0) : start]):
                continue
            function = self._constants.function_of(callee) if kind == "identifier" else unwrap(callee)
            if function is None or function.type not in FUNCTIONS or function.type in CLASSES:
                continue
            if kind != "identifier" and not text.startswith(b"async", function.start_byte):
                continue
            target = self._scopes.function_of_node.get(function.id)
            if target:
                yield (start, call.end_byte, target)
                found += 1
                if found >= _MAX_CALLS:
                    return

    def _runs_on_load(self, function: int) -> bool:
        """Whether a function is the file itself, or one that is called where it stands by one that is."""
        way = []
        while function not in self._on_load:
            way.append(function)
            self._on_load[function] = False
            if not self._program.sites.known(function):
                break
            function = self._scopes.parents[function]
        else:
            for each in way:
                self._on_load[each] = self._on_load[function]
        return self._on_load[way[0]] if way else self._on_load[function]
