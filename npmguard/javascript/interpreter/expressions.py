"""Expressions compiled to Python functions over frames."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from sys import getrefcount
from typing import ClassVar

from tree_sitter import Node

from npmguard.javascript import numerals, values
from npmguard.javascript.bindings import Binding
from npmguard.javascript.interpreter import coerce, properties
from npmguard.javascript.interpreter.arrays import items_of
from npmguard.javascript.interpreter.coerce import EXACT, number, tidy, truth
from npmguard.javascript.interpreter.functions import Closure, Code
from npmguard.javascript.interpreter.layout import Cell, Layout, place
from npmguard.javascript.interpreter.machine import ITEM_UNITS, OBJECT_UNITS, Machine
from npmguard.javascript.interpreter.model import (
    JS,
    Arr,
    Exhausted,
    Failure,
    Frame,
    Func,
    GiveUp,
    Obj,
    Octets,
    Pattern,
    Run,
    Thrown,
)
from npmguard.javascript.interpreter.operators import OPERATORS, Operator, add, less, remainder
from npmguard.javascript.scopes import Scopes
from npmguard.javascript.tree import operator_of, sides
from npmguard.javascript.values import NULL, UNDEFINED, UNKNOWN

MAX_NESTING = 400  # levels of an expression that are compiled

_WORDS: dict[str, JS] = {"true": True, "false": False, "null": NULL, "undefined": UNDEFINED}
_CONSTANT_NAMES: dict[bytes, JS] = {b"undefined": UNDEFINED, b"NaN": float("nan"), b"Infinity": float("inf")}
_ALONE = 3  # references to a text that only one variable holds, while it is looked at
_ARGUMENTS = re.compile(rb"\barguments\b")


def given_up(_frame: Frame) -> JS:
    """What is compiled of anything that is not interpreted."""
    raise GiveUp


def inner_of(node: Node) -> list[Node]:
    """The named children without comments."""
    return [child for child in node.named_children if child.type != "comment"]


class Expressions(ABC):
    """Compiles expressions of one file.

    Beside each compiled function, it is remembered which of them only read a variable of their own frame or are
    constants, so that what uses them need not call them.
    """

    def __init__(self, machine: Machine, scopes: Scopes) -> None:
        """Prepare to compile code of the file that *scopes* tells of."""
        self.machine = machine
        self.scopes = scopes
        self.text = scopes.text
        self.layout: Layout | None = None
        self.count = 0
        self.nesting = 0
        self.deepest = 0
        self._declared_in: dict[int, list[Binding]] | None = None
        self._slots: dict[Run, int] = {}
        self._constants: dict[Run, JS] = {}

    @abstractmethod
    def cell(self, binding: Binding) -> Cell:
        """The variable outside of all interpreted functions that a binding is."""

    @abstractmethod
    def resolve(self, cell: Cell) -> JS:
        """The value of a cell that is not ready."""

    @abstractmethod
    def code(self, node: Node) -> Code:
        """A function that is written in the code compiled."""

    @abstractmethod
    def target(self, node: Node) -> Callable[[Frame, JS], None]:
        """What gives the target of an assignment its value."""

    @abstractmethod
    def is_guard(self, node: Node) -> bool:
        """Whether a call makes what is only run later, for nothing that comes of it."""

    @abstractmethod
    def is_guard_run(self, node: Node) -> bool:
        """Whether a call makes and runs what nothing comes of."""

    def expression(self, node: Node | None) -> Run:
        """Compile an expression."""
        if node is None:
            return given_up
        self.count += 1
        self.nesting += 1
        self.deepest = max(self.deepest, self.nesting)
        try:
            compiler = self._COMPILERS.get(node.type)
            if compiler is None or self.nesting > MAX_NESTING:
                return self.constant(_WORDS[node.type]) if node.type in _WORDS else given_up
            return compiler(self, node)
        finally:
            self.nesting -= 1

    def constant(self, value: JS) -> Run:
        """A compiled constant."""

        def run(_frame: Frame) -> JS:
            return value

        self._constants[run] = value
        return run

    def forget(self) -> None:
        """Let go of what is remembered of compiled expressions."""
        self._slots.clear()
        self._constants.clear()

    # --- literals and names ------------------------------------------------------------------------------

    def _raw(self, node: Node) -> str:
        return self.text[node.start_byte : node.end_byte].decode("utf-8", "replace")

    def _string(self, node: Node) -> Run:
        return self.constant(values.unescape_literal(self.text[node.start_byte + 1 : node.end_byte - 1]))

    def _number(self, node: Node) -> Run:
        raw = self._raw(node)
        return given_up if raw.endswith("n") else self.constant(tidy(numerals.number(raw)))

    def _regex(self, node: Node) -> Run:
        pattern, flags = node.child_by_field_name("pattern"), node.child_by_field_name("flags")
        source = "" if pattern is None else values.as_units(self._raw(pattern))
        letters = "" if flags is None else self._raw(flags)
        machine = self.machine

        def run(_frame: Frame) -> JS:
            machine.make(OBJECT_UNITS)
            return Pattern(source, letters)

        return run

    def _template(self, node: Node) -> Run:
        parts: list[Run] = []
        position = node.start_byte + 1
        for child in node.named_children:
            if child.type == "template_substitution":
                parts.append(self.constant(values.unescape_literal(self.text[position : child.start_byte])))
                inner = inner_of(child)
                parts.append(self.expression(inner[0] if inner else None))
                position = child.end_byte
        parts.append(self.constant(values.unescape_literal(self.text[position : node.end_byte - 1])))
        machine = self.machine

        def run(frame: Frame) -> JS:
            pieces = [coerce.text(machine, part(frame)) for part in parts]
            machine.text(sum(map(len, pieces)))
            return "".join(pieces)

        return run

    def _identifier(self, node: Node) -> Run:
        binding = self.scopes.binding(node)
        if binding is None:
            return self._unbound(self.scopes.name(node))
        return self.variable(binding)

    def variable(self, binding: Binding) -> Run:
        """Compile the reading of a variable."""
        found = place(self.layout, binding)
        if found is None:
            cell, resolve = self.cell(binding), self.resolve

            def from_cell(_frame: Frame) -> JS:
                return cell.value if cell.ready else resolve(cell)

            return from_cell
        depth, slot = found
        if not depth:

            def own(frame: Frame) -> JS:
                return frame[slot]  # type: ignore[no-any-return]  # frames hold values

            self._slots[own] = slot
            return own
        if depth == 1:

            def outer(frame: Frame) -> JS:
                return frame[0][slot]  # type: ignore[no-any-return]

            return outer

        def outermost(frame: Frame) -> JS:
            for _ in range(depth):
                frame = frame[0]
            return frame[slot]  # type: ignore[no-any-return]

        return outermost

    def _unbound(self, name: bytes) -> Run:
        if name in _CONSTANT_NAMES:
            return self.constant(_CONSTANT_NAMES[name])
        if name == b"arguments":

            def arguments(frame: Frame) -> JS:
                while frame is not None:
                    if frame[2] is not None:
                        return frame[2]  # type: ignore[no-any-return]
                    frame = frame[0]
                raise GiveUp

            return arguments
        machine, known = self.machine, name.decode("utf-8", "replace")

        def run(_frame: Frame) -> JS:
            return properties.builtin(machine, known)

        return run

    def _this(self, _node: Node) -> Run:
        def run(frame: Frame) -> JS:
            return frame[1]  # type: ignore[no-any-return]

        return run

    def _array(self, node: Node) -> Run:
        parts: list[tuple[Run, bool]] = []
        hole = True
        for child in node.children[1:]:
            kind = child.type
            if kind in {",", "]"}:
                if hole and kind == ",":
                    return given_up
                hole = True
            elif child.is_named and kind != "comment":
                spread = kind == "spread_element"
                parts.append((self.expression(inner_of(child)[0] if spread else child), spread))
                hole = False
        machine = self.machine
        made = self._values(parts)

        def run(frame: Frame) -> JS:
            items = made(frame)
            machine.make(OBJECT_UNITS + ITEM_UNITS * len(items))
            return Arr(items)

        return run

    def _values(self, parts: list[tuple[Run, bool]]) -> Callable[[Frame], list[JS]]:
        """Compile a list of items or arguments, some of which may be spread."""
        if not any(spread for _, spread in parts):
            runs = [run for run, _ in parts]
            if not runs:
                return lambda _frame: []
            if len(runs) == 1:
                only = runs[0]
                return lambda frame: [only(frame)]
            if len(runs) == 2:
                first, second = runs
                return lambda frame: [first(frame), second(frame)]
            return lambda frame: [run(frame) for run in runs]
        machine = self.machine

        def spreading(frame: Frame) -> list[JS]:
            found: list[JS] = []
            for run, spread in parts:
                if spread:
                    items = items_of(machine, run(frame))
                    machine.make(ITEM_UNITS * len(items))
                    found.extend(items)
                else:
                    found.append(run(frame))
            return found

        return spreading

    def _object(self, node: Node) -> Run:
        parts: list[tuple[Run, Run | None]] = []  # None: spread
        for child in inner_of(node):
            kind = child.type
            if kind == "pair":
                key = child.child_by_field_name("key")
                parts.append((self.key(key), self.expression(child.child_by_field_name("value"))))
            elif kind == "shorthand_property_identifier":
                name = self.constant(self.scopes.name(child).decode("utf-8", "replace"))
                parts.append((name, self._identifier(child)))
            elif kind == "method_definition" and self._is_plain_method(child):
                parts.append((self.key(child.child_by_field_name("name")), self._function(child)))
            elif kind == "spread_element":
                parts.append((self.expression(inner_of(child)[0]), None))
            else:
                return given_up
        machine = self.machine

        def run(frame: Frame) -> JS:
            machine.make(OBJECT_UNITS)
            made = Obj()
            for first, value in parts:
                if value is None:
                    source = first(frame)
                    for name in properties.keys(source):
                        properties.set_(machine, made, name, properties.get(machine, source, name))
                    continue
                key = coerce.key(machine, first(frame))
                properties.set_(machine, made, key, value(frame))
            return made

        return run

    @staticmethod
    def _is_plain_method(node: Node) -> bool:
        return all(child.is_named for child in node.children)

    def key(self, node: Node | None) -> Run:
        """Compile the key of an object literal or pattern."""
        if node is None:
            return given_up
        kind = node.type
        if kind == "computed_property_name":
            return self.expression(inner_of(node)[0])
        if kind == "property_identifier":
            return self.constant(self.scopes.name(node).decode("utf-8", "replace"))
        return self.expression(node) if kind in {"string", "number"} else given_up

    def _function(self, node: Node) -> Run:
        code, machine = self.code(node), self.machine

        def run(frame: Frame) -> JS:
            machine.make(OBJECT_UNITS)
            return Closure(code, frame)

        return run

    # --- operators ---------------------------------------------------------------------------------------

    def _inside(self, node: Node) -> Run:
        inner = inner_of(node)
        return self.expression(inner[0]) if len(inner) == 1 else self._sequence(node)

    def _sequence(self, node: Node) -> Run:
        runs = [self.expression(child) for child in inner_of(node)]
        if len(runs) == 2:
            first, second = runs

            def both(frame: Frame) -> JS:
                first(frame)
                return second(frame)

            return both

        def run(frame: Frame) -> JS:
            value: JS = UNDEFINED
            for each in runs:
                value = each(frame)
            return value

        return run

    def _unary(self, node: Node) -> Run:
        operator, argument = operator_of(node), node.child_by_field_name("argument")
        if argument is None:
            return given_up
        if operator == "delete":
            return self._delete(argument)
        run = self.expression(argument)
        made = self._unary_of(operator, run)
        if run not in self._constants or made is given_up:
            return made
        try:
            return self.constant(made([]))
        except (GiveUp, Thrown):
            return made

    def _unary_of(self, operator: str, run: Run) -> Run:
        machine = self.machine
        if operator == "!":
            return lambda frame: not truth(run(frame))
        if operator == "-":
            return lambda frame: _negative(number(machine, run(frame)))
        if operator == "+":
            return lambda frame: number(machine, run(frame))
        if operator == "~":
            return lambda frame: ~coerce.int32(machine, run(frame))
        if operator == "typeof":
            return lambda frame: coerce.type_of(run(frame))
        if operator == "void":

            def void(frame: Frame) -> JS:
                run(frame)
                return UNDEFINED

            return void
        return given_up

    def _delete(self, argument: Node) -> Run:
        if argument.type not in {"member_expression", "subscript_expression"}:
            return given_up
        base, name, machine = *self.member_parts(argument), self.machine
        return lambda frame: properties.delete(base(frame), coerce.key(machine, name(frame)))

    def _binary(self, node: Node) -> Run:
        """Compile a chain of operators from its innermost left side on, since generated ones are long."""
        chain: list[tuple[str, Node]] = []
        left = node
        while left.type == "binary_expression":
            pair = sides(left)
            if pair is None:
                return given_up
            chain.append((operator_of(left), pair[1]))
            left = pair[0]
        if len(chain) > 2 and chain[0][0] in _SIGNS and self._is_check(node):
            return self._checksum(node)
        run = self.expression(left)
        if len(chain) > 24 and all(operator == "+" for operator, _ in chain):
            return self._sum([run, *(self.expression(right) for _, right in reversed(chain))])
        for operator, right in reversed(chain):
            self.nesting += 1
            run = self._operation(operator, run, self.expression(right))
        self.deepest = max(self.deepest, self.nesting)
        self.nesting -= len(chain)
        return run if len(chain) <= MAX_NESTING else given_up

    def _sum(self, runs: list[Run]) -> Run:
        first, *rest = runs
        machine = self.machine

        def run(frame: Frame) -> JS:
            value = first(frame)
            for each in rest:
                value = add(machine, value, each(frame))
            return value

        return run

    def _is_check(self, node: Node) -> bool:
        """Whether a chain adds up numbers that are read from texts, as the rotation of a string table does."""
        pending, read = [node], 0
        while pending:
            inner = pending.pop()
            kind = inner.type
            if kind == "binary_expression" and operator_of(inner) in _ARITHMETIC:
                pending.extend(sides(inner) or ())
            elif kind in {"parenthesized_expression", "unary_expression"} and operator_of(inner) in {
                "",
                "-",
                "+",
            }:
                pending.extend(inner_of(inner))
            elif kind == "call_expression":
                callee = inner.child_by_field_name("function")
                if callee is None or callee.type != "identifier" or self.scopes.binding(callee) is not None:
                    return False
                if self.scopes.name(callee) != b"parseInt":
                    return False
                read += 1
            elif kind != "number":
                return False
        return read > 2

    def _checksum(self, node: Node) -> Run:
        """Such a sum, which is over at the first text that is no number: nothing makes a number of it again."""
        backwards: list[tuple[Operator, Run]] = []
        while node.type == "binary_expression" and operator_of(node) in _SIGNS:
            left, right = sides(node) or (node, node)
            backwards.append((OPERATORS[operator_of(node)], self._operand(right)))
            node = left
        first, rest, machine = self._operand(node), backwards[::-1], self.machine

        def run(frame: Frame) -> JS:
            total = first(frame)
            for apply, operand in rest:
                if total != total:  # noqa: PLR0124 - NaN
                    return total
                total = apply(machine, total, operand(frame))
            return total

        return run

    def _operand(self, node: Node) -> Run:
        """A product in such a sum, over at the first NaN too."""
        while node.type == "parenthesized_expression":
            node = inner_of(node)[0]
        pair = sides(node) if node.type == "binary_expression" else None
        if pair is None:
            return self.expression(node)
        apply, machine = OPERATORS[operator_of(node)], self.machine
        left, right = self._operand(pair[0]), self._operand(pair[1])

        def run(frame: Frame) -> JS:
            value = left(frame)
            return value if value != value else apply(machine, value, right(frame))  # noqa: PLR0124 - NaN

        return run

    def _operation(self, operator: str, left: Run, right: Run) -> Run:
        machine = self.machine
        if operator == "&&":

            def both(frame: Frame) -> JS:
                value = left(frame)
                return right(frame) if truth(value) else value

            return both
        if operator == "||":

            def either(frame: Frame) -> JS:
                value = left(frame)
                return value if truth(value) else right(frame)

            return either
        if operator == "??":

            def given(frame: Frame) -> JS:
                value = left(frame)
                if value is UNKNOWN:
                    raise GiveUp
                return right(frame) if value is UNDEFINED or value is NULL else value

            return given
        apply = OPERATORS.get(operator)
        return given_up if apply is None else self._applied(machine, apply, left, right)

    def _applied(self, machine: Machine, apply: Operator, left: Run, right: Run) -> Run:
        first, second = self._slots.get(left), self._slots.get(right)
        if right in self._constants:
            constant = self._constants[right]
            if left in self._constants:
                return self._folded(machine, apply, self._constants[left], constant)
            if type(constant) is int and constant > 0 and apply in _QUICK:
                return self._quick(apply, left, constant)
            if first is not None:
                return lambda frame: apply(machine, frame[first], constant)
            return lambda frame: apply(machine, left(frame), constant)
        if first is not None:
            if second is not None:
                return lambda frame: apply(machine, frame[first], frame[second])
            return lambda frame: apply(machine, frame[first], right(frame))
        if second is not None:
            return lambda frame: apply(machine, left(frame), frame[second])
        return lambda frame: apply(machine, left(frame), right(frame))

    def _quick(self, apply: Operator, left: Run, right: int) -> Run:
        """The operators of loops over bytes, with a number on their right."""
        machine = self.machine

        def remaining(frame: Frame) -> JS:
            value = left(frame)
            return value % right if type(value) is int and value >= 0 else remainder(machine, value, right)

        def smaller(frame: Frame) -> JS:
            value = left(frame)
            return value < right if type(value) is int else less(machine, value, right)

        return remaining if apply is remainder else smaller

    def _folded(self, machine: Machine, apply: Operator, left: JS, right: JS) -> Run:
        try:
            return self.constant(apply(machine, left, right))
        except (GiveUp, Thrown):
            return lambda _frame: apply(machine, left, right)

    def _ternary(self, node: Node) -> Run:
        condition = self.expression(node.child_by_field_name("condition"))
        then = self.expression(node.child_by_field_name("consequence"))
        otherwise = self.expression(node.child_by_field_name("alternative"))
        return lambda frame: then(frame) if truth(condition(frame)) else otherwise(frame)

    # --- members and calls -------------------------------------------------------------------------------

    def member_parts(self, node: Node) -> tuple[Run, Run]:
        """The compiled object and property name of a member or subscript expression."""
        base = self.expression(node.child_by_field_name("object"))
        if node.type == "member_expression":
            prop = node.child_by_field_name("property")
            if prop is None or prop.type != "property_identifier":
                return base, given_up
            return base, self.constant(self.scopes.name(prop).decode("utf-8", "replace"))
        return base, self.expression(node.child_by_field_name("index"))

    def _member(self, node: Node) -> Run:
        base, name = self.member_parts(node)
        machine = self.machine
        optional = node.child_by_field_name("optional_chain") is not None
        if optional or _in_optional(node):
            return self._optional(node)
        if name in self._constants:
            known = self._constants[name]
            if known == "length":
                return lambda frame: _length(machine, base(frame))
            if isinstance(known, str):
                return lambda frame: properties.get(machine, base(frame), known)
        first, second = self._slots.get(base), self._slots.get(name)
        if first is not None:
            return self._own_item(first, second, name)
        return lambda frame: item(machine, base(frame), name(frame))

    def _own_item(self, holder: int, key: int | None, name: Run) -> Run:
        """An item of what a variable of the frame holds, at once where it is an array."""
        machine = self.machine
        if key is not None:

            def known(frame: Frame) -> JS:
                base, index = frame[holder], frame[key]
                if type(base) is Arr and type(index) is int and 0 <= index < len(base.items):
                    return base.items[index]
                return item(machine, base, index)

            return known

        def run(frame: Frame) -> JS:
            base = frame[holder]
            index = name(frame)
            if type(base) is Arr and type(index) is int and 0 <= index < len(base.items):
                return base.items[index]
            return item(machine, base, index)

        return run

    def _optional(self, node: Node) -> Run:
        """A member or call in a chain that may end early at ``?.``."""
        run = self._link(node)

        def whole(frame: Frame) -> JS:
            value = run(frame)
            return UNDEFINED if value is _SHORT else value

        return whole

    def _link(self, node: Node) -> Run:
        """A link of such a chain; the marker says that it ended early."""
        machine = self.machine
        is_call = node.type == "call_expression"
        callee = node.child_by_field_name("function" if is_call else "object")
        if callee is None:
            return given_up
        base = self._link(callee) if callee.type in _CHAINED else self.expression(callee)
        optional = node.child_by_field_name("optional_chain") is not None
        if not is_call:
            name = self.member_parts(node)[1]

            def member(frame: Frame) -> JS:
                value = base(frame)
                if value is _SHORT or (optional and (value is UNDEFINED or value is NULL)):
                    return _SHORT
                return item(machine, value, name(frame))

            return member
        if callee.type in {"member_expression", "subscript_expression"} and not optional:
            holder_node = callee.child_by_field_name("object")
            name, given = self.member_parts(callee)[1], self._given(node)
            holder = (
                given_up
                if holder_node is None
                else self._link(holder_node)
                if holder_node.type in _CHAINED
                else self.expression(holder_node)
            )
            skips = callee.child_by_field_name("optional_chain") is not None

            def method(frame: Frame) -> JS:
                value = holder(frame)
                if value is _SHORT or (skips and (value is UNDEFINED or value is NULL)):
                    return _SHORT
                return called(item(machine, value, name(frame)), value, given(frame))

            return method
        if optional:
            return given_up
        given = self._given(node)

        def call(frame: Frame) -> JS:
            value = base(frame)
            return _SHORT if value is _SHORT else called(value, UNDEFINED, given(frame))

        return call

    def _given(self, node: Node) -> Callable[[Frame], list[JS]]:
        arguments = node.child_by_field_name("arguments")
        if arguments is None:
            return self._values([])
        if arguments.type != "arguments":
            return lambda _frame: [given_up(_frame)]
        parts = []
        for child in inner_of(arguments):
            spread = child.type == "spread_element"
            parts.append((self.expression(inner_of(child)[0] if spread else child), spread))
        return self._values(parts)

    def _call(self, node: Node) -> Run:
        if _in_optional(node):
            return self._optional(node)
        callee = node.child_by_field_name("function")
        if callee is None or callee.type in {"import", "super"}:
            return given_up
        if self.is_guard(node):
            return _guard
        return (
            _tried(self._plain_call(node, callee))
            if self.is_guard_run(node)
            else self._plain_call(node, callee)
        )

    def _plain_call(self, node: Node, callee: Node) -> Run:
        while callee.type == "parenthesized_expression" and len(inner_of(callee)) == 1:
            callee = inner_of(callee)[0]
        given, machine = self._given(node), self.machine
        if callee.type not in {"member_expression", "subscript_expression"}:
            function = self.expression(callee)

            def plain(frame: Frame) -> JS:
                value = function(frame)
                if isinstance(value, Func):
                    return value.call(UNKNOWN, given(frame))
                return called(value, UNKNOWN, given(frame))

            return plain
        base, name = self.member_parts(callee)
        known = self._constants.get(name)
        if not isinstance(known, str):

            def computed(frame: Frame) -> JS:
                holder = base(frame)
                return called(item(machine, holder, name(frame)), holder, given(frame))

            return computed
        if known == "charCodeAt":
            return self._char_code(base, given)
        quick = properties.METHODS["String"].get(known)

        def method(frame: Frame) -> JS:
            holder = base(frame)
            if quick is not None and isinstance(holder, str):
                return quick(machine, holder, given(frame))
            function = properties.get(machine, holder, known)
            if isinstance(function, Func):
                return function.call(holder, given(frame))
            return called(function, holder, given(frame))

        return method

    def _char_code(self, base: Run, given: Callable[[Frame], list[JS]]) -> Run:
        """``base.charCodeAt(index)``, which is most of what decoders do."""
        machine = self.machine

        def run(frame: Frame) -> JS:
            holder, found = base(frame), given(frame)
            if type(holder) is str and found:
                index = found[0]
                if type(index) is int and 0 <= index < len(holder):
                    return ord(holder[index])
            return called(properties.get(machine, holder, "charCodeAt"), holder, found)

        return run

    def _new(self, node: Node) -> Run:
        constructor = self.expression(node.child_by_field_name("constructor"))
        given = self._given(node)

        def run(frame: Frame) -> JS:
            function = constructor(frame)
            if not isinstance(function, Func):
                return called(function, UNDEFINED, [])
            return function.construct(given(frame))

        return run

    # --- assignments -------------------------------------------------------------------------------------

    def _assignment(self, node: Node) -> Run:
        left, right = node.child_by_field_name("left"), node.child_by_field_name("right")
        if left is None:
            return given_up
        while left.type == "parenthesized_expression":
            left = inner_of(left)[0]
        if left.type in {"member_expression", "subscript_expression"}:
            return self._member_assignment(left, self.expression(right))
        value = self.expression(right)
        binding = self.scopes.binding(left) if left.type == "identifier" else None
        found = None if binding is None else place(self.layout, binding)
        if found is not None and not found[0]:
            slot = found[1]

            def own(frame: Frame) -> JS:
                result = frame[slot] = value(frame)
                return result

            return own
        assign = self.target(left)

        def run(frame: Frame) -> JS:
            result = value(frame)
            assign(frame, result)
            return result

        return run

    def _member_assignment(self, left: Node, value: Run) -> Run:
        base, name, machine = *self.member_parts(left), self.machine
        first, second = self._slots.get(base), self._slots.get(name)
        if first is not None and second is not None:

            def own(frame: Frame) -> JS:
                holder, key = frame[first], frame[second]
                result = value(frame)
                if type(holder) is Arr and type(key) is int and 0 <= key < len(holder.items):
                    holder.items[key] = result
                else:
                    put(machine, holder, key, result)
                return result

            return own

        def run(frame: Frame) -> JS:
            holder, key = base(frame), name(frame)
            result = value(frame)
            put(machine, holder, key, result)
            return result

        return run

    def _augmented(self, node: Node) -> Run:
        left, operator = node.child_by_field_name("left"), operator_of(node).removesuffix("=")
        if left is None:
            return given_up
        right = self.expression(node.child_by_field_name("right"))
        if operator in {"&&", "||", "??"}:
            return self._conditional_assignment(left, operator, right)
        apply = OPERATORS.get(operator)
        if apply is None:
            return given_up
        machine = self.machine
        if left.type in {"member_expression", "subscript_expression"}:
            base, name = self.member_parts(left)

            def member(frame: Frame) -> JS:
                holder, key = base(frame), name(frame)
                result = apply(machine, item(machine, holder, key), right(frame))
                put(machine, holder, key, result)
                return result

            return member
        binding = self.scopes.binding(left)
        found = None if binding is None else place(self.layout, binding)
        if operator == "+" and found is not None and not found[0]:
            return self._appended(found[1], right)
        read, assign = self.expression(left), self.target(left)

        def run(frame: Frame) -> JS:
            result = apply(machine, read(frame), right(frame))
            assign(frame, result)
            return result

        return run

    def _appended(self, slot: int, right: Run) -> Run:
        """``text += piece`` of a variable of its own, where Python need not copy the text each time."""
        machine = self.machine

        def run(frame: Frame) -> JS:
            before = frame[slot]
            piece = right(frame)
            if type(before) is str and type(piece) is str and frame[slot] is before:
                size = len(piece)
                machine.units -= size if getrefcount(before) <= _ALONE else size + len(before)
                if machine.units < 0 or len(before) + size > machine.size:
                    machine.text(machine.size + 1)
                frame[slot] = None
                before += piece
                frame[slot] = before
                return before
            result = frame[slot] = add(machine, before, piece)
            return result

        return run

    def _conditional_assignment(self, left: Node, operator: str, right: Run) -> Run:
        read, assign = self.expression(left), self.target(left)

        def run(frame: Frame) -> JS:
            value = read(frame)
            if value is UNKNOWN:
                raise GiveUp
            nothing = value is UNDEFINED or value is NULL
            if nothing if operator == "??" else truth(value) == (operator == "&&"):
                value = right(frame)
                assign(frame, value)
            return value

        return run

    def _update(self, node: Node) -> Run:
        argument = node.child_by_field_name("argument")
        if argument is None:
            return given_up
        step = 1 if operator_of(node) == "++" else -1
        prefix = node.children[0].type in {"++", "--"}
        machine = self.machine
        if argument.type in {"member_expression", "subscript_expression"}:
            base, name = self.member_parts(argument)

            def member(frame: Frame) -> JS:
                holder, key = base(frame), name(frame)
                before = number(machine, item(machine, holder, key))
                after = tidy(before + step)
                put(machine, holder, key, after)
                return after if prefix else before

            return member
        binding = self.scopes.binding(argument)
        found = None if binding is None else place(self.layout, binding)
        if found is not None and not found[0]:
            slot = found[1]

            def own(frame: Frame) -> JS:
                before = frame[slot]
                if type(before) is not int or not -EXACT < before < EXACT:
                    before = number(machine, before)
                    after = tidy(before + step)
                else:
                    after = before + step
                frame[slot] = after
                return after if prefix else before

            return own
        read, assign = self.expression(argument), self.target(argument)

        def run(frame: Frame) -> JS:
            before = number(machine, read(frame))
            after = tidy(before + step)
            assign(frame, after)
            return after if prefix else before

        return run

    _COMPILERS: ClassVar[dict[str, Callable[[Expressions, Node], Run]]] = {
        "string": _string,
        "number": _number,
        "regex": _regex,
        "template_string": _template,
        "identifier": _identifier,
        "shorthand_property_identifier": _identifier,
        "this": _this,
        "array": _array,
        "object": _object,
        "function_expression": _function,
        "arrow_function": _function,
        "parenthesized_expression": _inside,
        "non_null_expression": _inside,
        "as_expression": _inside,
        "satisfies_expression": _inside,
        "sequence_expression": _sequence,
        "unary_expression": _unary,
        "binary_expression": _binary,
        "ternary_expression": _ternary,
        "member_expression": _member,
        "subscript_expression": _member,
        "call_expression": _call,
        "new_expression": _new,
        "assignment_expression": _assignment,
        "augmented_assignment_expression": _augmented,
        "update_expression": _update,
    }


_QUICK = frozenset({remainder, less})
_SIGNS = frozenset({"+", "-"})
_ARITHMETIC = frozenset({"+", "-", "*", "/", "%"})
_CHAINED = frozenset({"member_expression", "subscript_expression", "call_expression"})
_SHORT = Obj()  # the value of a chain that ended at ``?.``


def _in_optional(node: Node) -> bool:
    """Whether a chain of members and calls has a ``?.`` in it."""
    inner: Node | None = node
    while inner is not None and inner.type in _CHAINED:
        if inner.child_by_field_name("optional_chain") is not None:
            return True
        inner = inner.child_by_field_name("function" if inner.type == "call_expression" else "object")
    return False


def _negative(value: float) -> float:
    return -value if value else -0.0 if type(value) is int else -value


def _length(machine: Machine, base: JS) -> JS:
    if type(base) is Arr:
        return len(base.items)
    return len(base) if isinstance(base, str) else properties.get(machine, base, "length")


def item(machine: Machine, base: JS, key: JS) -> JS:
    """``base[key]``."""
    if type(key) is int:
        if type(base) is Arr:
            items = base.items
            if 0 <= key < len(items):
                return items[key]
        elif type(base) is str:
            if 0 <= key < len(base):
                return base[key]
        elif type(base) is Octets and 0 <= key < len(base.data):
            return base.data[key]
    if base is UNDEFINED or base is NULL:
        raise Thrown(Failure("TypeError"))
    return properties.get(machine, base, coerce.key(machine, key))


def put(machine: Machine, base: JS, key: JS, value: JS) -> None:
    """``base[key] = value``."""
    if type(base) is Arr and type(key) is int and key >= 0:
        properties.set_item(machine, base, key, value)
    else:
        properties.set_(machine, base, coerce.key(machine, key), value)


class _Guard(Func):
    """What a call stands for that is run for nothing that it returns."""

    __slots__ = ()

    def call(self, this: JS, given: list[JS]) -> JS:  # noqa: ARG002 - as every function is called
        """Nothing."""
        return UNDEFINED


def _tried(run: Run) -> Run:
    """A call that is run as far as it goes."""

    def tried(frame: Frame) -> JS:
        try:
            return run(frame)
        except Exhausted:
            raise
        except GiveUp:
            return UNDEFINED

    return tried


def _guard(_frame: Frame) -> JS:
    return _Guard()


def called(function: JS, this: JS, given: list[JS]) -> JS:
    """``function(…given)``."""
    if isinstance(function, Func):
        return function.call(this, given)
    if function is UNKNOWN:
        raise GiveUp
    raise Thrown(Failure("TypeError"))


def wants_arguments(text: bytes) -> bool:
    """Whether the source of a function may use ``arguments``."""
    return _ARGUMENTS.search(text) is not None
