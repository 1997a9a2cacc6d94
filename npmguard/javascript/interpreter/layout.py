"""Where the variables of compiled code are kept."""

from __future__ import annotations

from collections.abc import Iterable

from npmguard.javascript.bindings import Binding
from npmguard.javascript.interpreter.functions import Closure
from npmguard.javascript.interpreter.model import HEADER, JS, Arr, Obj
from npmguard.javascript.values import UNDEFINED

_MAX_KEPT = 20_000  # values that are looked at for arrays


class Cell:
    """A variable outside of all functions that are interpreted, worked out when it is first asked for."""

    __slots__ = ("binding", "ready", "value")

    def __init__(self, binding: Binding) -> None:
        self.binding = binding
        self.ready = False
        self.value: JS = UNDEFINED


def tables(cells: Iterable[Cell]) -> list[Arr]:
    """The arrays that are kept in variables, and in the variables of functions that are kept in them."""
    found: list[Arr] = []
    seen: set[int] = set()
    pending: list[object] = [cell.value for cell in cells if cell.ready]
    while pending and len(seen) < _MAX_KEPT:
        value = pending.pop()
        if id(value) in seen or not isinstance(value, (Obj, list)):
            continue
        seen.add(id(value))
        if isinstance(value, list):  # a frame
            pending.extend(value)
        elif isinstance(value, Closure):
            pending.append(value.frame)
            pending.extend(value.props.values())
        elif isinstance(value, Arr):
            found.append(value)
        else:
            pending.extend(value.props.values())
    return found


class Layout:
    """The slots of the frames of one function, or of a block whose variables are new in every turn."""

    def __init__(self, function: int, parent: Layout | None, variables: Iterable[Binding]) -> None:
        """Begin with a slot for each of the variables."""
        self.function = function
        self.parent = parent
        self._slots = {binding: HEADER + at for at, binding in enumerate(variables)}
        self.size = HEADER + len(self._slots)

    def slot(self, binding: Binding) -> int | None:
        """The slot of a variable, if it is kept here."""
        return self._slots.get(binding)


def place(layout: Layout | None, binding: Binding) -> tuple[int, int] | None:
    """How many frames out, and in which slot, a variable is kept; None for one in a :class:`Cell`."""
    depth = 0
    while layout is not None:
        slot = layout.slot(binding)
        if slot is not None:
            return depth, slot
        layout = layout.parent
        depth += 1
    return None
