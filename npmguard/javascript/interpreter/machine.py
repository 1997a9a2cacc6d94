"""What a computation may use: fuel, memory and depth."""

from __future__ import annotations

from npmguard.config import Limits
from npmguard.javascript.interpreter.model import Exhausted, Native, Obj, Prototype, TheGlobal

OBJECT_UNITS = 32  # what an object counts for, in characters
ITEM_UNITS = 8  # what an item of an array counts for


class Machine:
    """The budget of all computations in one file.

    ``fuel`` is counted in nodes of the syntax tree that are computed, ``units`` in characters that are made,
    ``size`` caps one string, and ``room`` is how many compiled nodes may be inside one another.
    """

    __slots__ = ("fuel", "globe", "namespaces", "natives", "prototypes", "room", "size", "units")

    def __init__(self, limits: Limits) -> None:
        self.fuel = limits.interpreted_steps
        self.units = limits.interpreted_units
        self.room = limits.interpreted_depth
        self.size = limits.string_bytes
        self.globe = TheGlobal()
        self.natives: dict[tuple[str, str], Native] = {}
        self.namespaces: dict[str, Obj] = {}
        self.prototypes: dict[str, Prototype] = {}

    def spend(self, fuel: int) -> None:
        """Take from the fuel; raises :class:`Exhausted` where there is none left."""
        self.fuel -= fuel
        if self.fuel < 0:
            raise Exhausted

    def make(self, units: int) -> None:
        """Count something that is made, which takes time too; raises :class:`Exhausted` over the caps."""
        self.units -= units
        self.fuel -= units >> 4
        if self.units < 0 or self.fuel < 0:
            raise Exhausted

    def text(self, size: int) -> None:
        """Count a string that is made."""
        if size > self.size:
            raise Exhausted
        self.make(size)
