"""The values that the interpreter computes with, and the ways in which a computation ends early.

Strings, numbers and the special values are those of :mod:`npmguard.javascript.values`; what has an identity is
an :class:`Obj`. :data:`~npmguard.javascript.values.UNKNOWN` may be passed around, and ends the computation
where its value would matter.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from npmguard.javascript.values import Special

if TYPE_CHECKING:
    from npmguard.javascript.interpreter.machine import Machine

JS: TypeAlias = "str | bool | int | float | Special | Obj"
"""A value of JavaScript."""

Frame: TypeAlias = list[Any]
"""The variables of one activation: the frame around it, ``this``, ``arguments``, then one slot a variable."""

Run: TypeAlias = Callable[[Frame], JS]
"""A compiled expression."""

HEADER = 3  # items of a frame before its first variable


class GiveUp(Exception):  # noqa: N818 - not an error: the value is UNKNOWN then
    """The computation touches something that is not known."""


class Exhausted(GiveUp):
    """The computation needs more fuel, memory or depth than it is given."""


class Thrown(Exception):  # noqa: N818 - an exception of the interpreted code, which may catch it
    """The interpreted code throws."""

    def __init__(self, value: JS) -> None:
        super().__init__()
        self.value = value


class Signal:
    """How a statement ends that does not run to its end: ``break`` or ``continue``, with its label."""

    __slots__ = ("label", "leaves")

    def __init__(self, label: str, *, leaves: bool) -> None:
        self.label = label
        self.leaves = leaves


class Obj:
    """An object: its own properties in order, and its prototype."""

    __slots__ = ("props", "proto")

    def __init__(self, proto: Obj | None = None) -> None:
        self.props: dict[str, JS] = {}
        self.proto = proto


class Arr(Obj):
    """An array. ``holey`` where some items were never set, so that methods skip them."""

    __slots__ = ("holey", "items")

    def __init__(self, items: list[JS]) -> None:
        super().__init__()
        self.items = items
        self.holey = False


class Octets(Obj):
    """A Buffer, or else a Uint8Array."""

    __slots__ = ("buffer", "data")

    def __init__(self, data: bytearray, *, buffer: bool) -> None:
        super().__init__()
        self.data = data
        self.buffer = buffer


class Pattern(Obj):
    """A regular expression with the place where its next search starts."""

    __slots__ = ("flags", "last", "source")

    def __init__(self, source: str, flags: str) -> None:
        super().__init__()
        self.source = source
        self.flags = flags
        self.last = 0


class Func(Obj):
    """Anything that can be called."""

    __slots__ = ()

    def call(self, this: JS, given: list[JS]) -> JS:
        """What it returns."""
        raise NotImplementedError

    def construct(self, given: list[JS]) -> JS:
        """What ``new`` makes of it."""
        raise NotImplementedError

    def source(self) -> str:
        """Its text, as its ``toString`` returns it."""
        raise NotImplementedError


NativeRun: TypeAlias = Callable[["Machine", JS, list[JS]], JS]
"""A built-in function: machine, ``this``, arguments."""


class Native(Func):
    """A built-in function."""

    __slots__ = ("machine", "name", "run")

    def __init__(self, machine: Machine, name: str, run: NativeRun) -> None:
        super().__init__()
        self.machine = machine
        self.name = name
        self.run = run

    def call(self, this: JS, given: list[JS]) -> JS:
        """Run it."""
        return self.run(self.machine, this, given)

    def construct(self, given: list[JS]) -> JS:
        """Make an object of that kind, which most built-in functions do whichever way they are called."""
        if self.name not in _CONSTRUCTORS:
            raise GiveUp
        return self.run(self.machine, CONSTRUCTING, given)

    def source(self) -> str:
        """The text that Node.js and browsers give."""
        return f"function {self.name}() {{ [native code] }}"


class Failure(Obj):
    """An error of one of the built-in kinds."""

    __slots__ = ("kind",)

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind


class Prototype(Obj):
    """The prototype of one of the built-in kinds of objects."""

    __slots__ = ("kind",)

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind


class TheGlobal(Obj):
    """The global object, of which only the pure built-in functions are known."""

    __slots__ = ()


CONSTRUCTING = Obj()
"""What a built-in function gets as ``this`` where it is called by ``new``."""

ERRORS = ("Error", "EvalError", "RangeError", "ReferenceError", "SyntaxError", "TypeError", "URIError")

_CONSTRUCTORS = frozenset(
    {"Array", "Object", "RegExp", "Function", "Uint8Array", "Buffer", "TextDecoder", *ERRORS}
)
