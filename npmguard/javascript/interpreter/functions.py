"""Functions of the interpreted code."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from npmguard.javascript.interpreter.machine import OBJECT_UNITS, Machine
from npmguard.javascript.interpreter.model import (
    JS,
    Arr,
    Exhausted,
    Failure,
    Frame,
    Func,
    GiveUp,
    Obj,
    Signal,
    Thrown,
)
from npmguard.javascript.interpreter.properties import get
from npmguard.javascript.values import UNDEFINED, UNKNOWN, as_units

Ended: TypeAlias = Signal | tuple[JS] | None
"""How a statement ends: at its end, by a signal, or by returning the value in the tuple."""

Step: TypeAlias = Callable[[Frame], Ended]
"""A compiled statement."""

Binder: TypeAlias = Callable[[Frame, list[JS]], None]
"""Gives parameters their values from the arguments."""


class Code:
    """What is compiled of a function, when it is first called."""

    __slots__ = (
        *("arrow", "binders", "blank", "body", "compile", "cost", "height", "hoisted", "itself", "machine"),
        *("params", "ready", "text", "wants_arguments"),
    )

    def __init__(self, machine: Machine, text: bytes, compile_: Callable[[Code], None]) -> None:
        """Prepare to compile the function whose source is *text*."""
        self.machine = machine
        self.text = text
        self.compile = compile_
        self.ready = False
        self.arrow = False
        self.wants_arguments = False
        self.blank: list[JS] = []
        self.params: list[int] = []
        self.binders: list[Binder] = []
        self.itself: int | None = None
        self.hoisted: list[Callable[[Frame], None]] = []
        self.body: Step = _nothing
        self.cost = self.height = 1


def _nothing(_frame: Frame) -> Ended:
    return None


class Closure(Func):
    """A function with the variables around it."""

    __slots__ = ("code", "frame", "outer_arguments", "this")

    def __init__(self, code: Code, frame: Frame | None) -> None:
        super().__init__()
        self.code = code
        self.frame = frame
        self.this: JS = UNKNOWN
        self.outer_arguments: Arr | None = None
        if code.arrow and frame is not None:
            self.this, self.outer_arguments = frame[1], frame[2]

    def call(self, this: JS, given: list[JS]) -> JS:
        """Run it."""
        code = self.code
        if not code.ready:
            code.compile(code)
        machine = code.machine
        machine.fuel -= code.cost
        if machine.fuel < 0:
            raise Exhausted
        if machine.room < code.height:
            raise Exhausted
        if code.arrow:
            frame = [self.frame, self.this, self.outer_arguments, *code.blank]
        else:
            frame = [self.frame, this, None, *code.blank]
            if code.wants_arguments:
                frame[2] = Arr(list(given))
        for slot, value in zip(code.params, given, strict=False):
            if slot:
                frame[slot] = value
        machine.room -= code.height
        try:
            if code.itself is not None:
                frame[code.itself] = self
            for bind in code.binders:
                bind(frame, given)
            for hoist in code.hoisted:
                hoist(frame)
            ended = code.body(frame)
        finally:
            machine.room += code.height
        return ended[0] if type(ended) is tuple else UNDEFINED

    def construct(self, given: list[JS]) -> JS:
        """Make an object of it."""
        if self.code.arrow:
            raise Thrown(Failure("TypeError"))
        machine = self.code.machine
        machine.make(OBJECT_UNITS)
        proto = get(machine, self, "prototype")
        if not isinstance(proto, Obj):
            raise GiveUp
        made = Obj(proto)
        found = self.call(made, given)
        return found if isinstance(found, Obj) else made

    def source(self) -> str:
        """The text as it stands in the file."""
        return as_units(self.code.text.decode("utf-8", "replace"))
