"""Statements and functions compiled to Python functions over frames."""

from __future__ import annotations

from abc import ABC
from collections.abc import Callable
from typing import ClassVar

from tree_sitter import Node

from npmguard.javascript.bindings import FUNCTION_DECLARATIONS, Binding
from npmguard.javascript.interpreter import properties
from npmguard.javascript.interpreter.arrays import items_of
from npmguard.javascript.interpreter.coerce import same, truth
from npmguard.javascript.interpreter.expressions import Expressions, inner_of, item, put, wants_arguments
from npmguard.javascript.interpreter.functions import Binder, Closure, Code, Ended, Step
from npmguard.javascript.interpreter.layout import Layout, place
from npmguard.javascript.interpreter.machine import ITEM_UNITS, OBJECT_UNITS
from npmguard.javascript.interpreter.model import (
    JS,
    Arr,
    Exhausted,
    Frame,
    GiveUp,
    Obj,
    Run,
    Signal,
    Thrown,
)
from npmguard.javascript.tree import operator_of
from npmguard.javascript.values import NULL, UNDEFINED, UNKNOWN

_BREAK, _CONTINUE = Signal("", leaves=True), Signal("", leaves=False)
_MEMBERS = frozenset({"member_expression", "subscript_expression"})
_FUNCTION_INSIDE = ("=>", "function")

Assign = Callable[[Frame, JS], None]


def _unknown(_frame: Frame) -> Ended:
    raise GiveUp


def _empty(_frame: Frame) -> Ended:
    return None


class Compiler(Expressions, ABC):
    """Compiles functions and the statements in them."""

    def code(self, node: Node) -> Code:
        """A function that is written in the code compiled; it is compiled itself when it is first called."""
        layout = self.layout

        def compile_(code: Code) -> None:
            self.compile_function(node, code, layout)

        code = Code(self.machine, self.text[node.start_byte : node.end_byte], compile_)
        code.arrow = node.type == "arrow_function"
        return code

    def compile_function(self, node: Node, code: Code, around: Layout | None) -> None:
        """Compile what a function does."""
        saved = self.layout, self.count, self.nesting, self.deepest
        index = self.scopes.function_of_node.get(node.id, -1)
        layout = self.layout = Layout(index, around, self._variables().get(index, ()))
        self.count, self.nesting, self.deepest = 1, 0, 0
        try:
            code.wants_arguments = not code.arrow and wants_arguments(code.text)
            body = node.child_by_field_name("body")
            if (
                index < 0
                or body is None
                or any(child.type in {"async", "*", "get", "set"} for child in node.children)
            ):
                code.body = _unknown
            else:
                self._body(node, code, layout, body)
        finally:
            code.cost, code.height = self.count, 3 + self.deepest
            self.layout, self.count, self.nesting, self.deepest = saved
        code.blank = [UNDEFINED] * (layout.size - 3)
        code.ready = True

    def _variables(self) -> dict[int, list[Binding]]:
        """The variables of each function of the file."""
        if self._declared_in is None:
            self._declared_in = {}
            for binding in self.scopes.bindings:
                self._declared_in.setdefault(binding.function, []).append(binding)
        return self._declared_in

    def _body(self, node: Node, code: Code, layout: Layout, body: Node) -> None:
        name = node.child_by_field_name("name")
        if name is not None and node.type == "function_expression":
            own = self.scopes.binding(name)
            code.itself = None if own is None else layout.slot(own)
        self._parameters(node, code, layout)
        if body.type == "statement_block":
            code.body = self.block(body, code.hoisted)
            return
        value = self.expression(body)

        def returned(frame: Frame) -> Ended:
            return (value(frame),)

        code.body = returned

    def _parameters(self, node: Node, code: Code, layout: Layout) -> None:
        single = node.child_by_field_name("parameter")
        listed = node.child_by_field_name("parameters")
        parameters = [single] if single is not None else [] if listed is None else inner_of(listed)
        for position, parameter in enumerate(parameters):
            binding = self.scopes.binding(parameter) if parameter.type == "identifier" else None
            slot = None if binding is None else layout.slot(binding)
            code.params.append(slot or 0)
            if slot is None:
                code.binders.append(self._parameter(parameter, position))

    def _parameter(self, parameter: Node, position: int) -> Binder:
        if parameter.type == "rest_pattern":
            assign, machine = self.target(inner_of(parameter)[0]), self.machine

            def rest(frame: Frame, given: list[JS]) -> None:
                machine.make(OBJECT_UNITS + ITEM_UNITS * len(given))
                assign(frame, Arr(given[position:]))

            return rest
        assign = self.target(parameter)

        def bind(frame: Frame, given: list[JS]) -> None:
            assign(frame, given[position] if position < len(given) else UNDEFINED)

        return bind

    # --- targets of assignments --------------------------------------------------------------------------

    def target(self, node: Node) -> Assign:
        """What gives the target of an assignment, or a pattern, its value."""
        kind = node.type
        if kind in {"identifier", "shorthand_property_identifier_pattern"}:
            binding = self.scopes.binding(node)
            return _no_target if binding is None else self._variable_target(binding)
        if kind in _MEMBERS:
            base, name, machine = *self.member_parts(node), self.machine
            return lambda frame, value: put(machine, base(frame), name(frame), value)
        if kind in {"assignment_pattern", "object_assignment_pattern"}:
            left, default = node.child_by_field_name("left"), node.child_by_field_name("right")
            return self._defaulted(_no_target if left is None else self.target(left), self.expression(default))
        if kind == "array_pattern":
            return self._array_pattern(node)
        return self._object_pattern(node) if kind == "object_pattern" else _no_target

    def _variable_target(self, binding: Binding) -> Assign:
        found = place(self.layout, binding)
        if found is None:
            cell, resolve = self.cell(binding), self.resolve

            def to_cell(_frame: Frame, value: JS) -> None:
                if not cell.ready:
                    resolve(cell)
                cell.value = value

            return to_cell
        depth, slot = found

        def assign(frame: Frame, value: JS) -> None:
            for _ in range(depth):
                frame = frame[0]
            frame[slot] = value

        return assign

    @staticmethod
    def _defaulted(assign: Assign, default: Run) -> Assign:
        def run(frame: Frame, value: JS) -> None:
            if value is UNKNOWN:
                raise GiveUp
            assign(frame, default(frame) if value is UNDEFINED else value)

        return run

    def _array_pattern(self, node: Node) -> Assign:
        parts: list[tuple[int, Assign, bool]] = []
        position = 0
        for child in node.children:
            if child.type == ",":
                position += 1
            elif child.is_named and child.type != "comment":
                rest = child.type == "rest_pattern"
                parts.append((position, self.target(inner_of(child)[0] if rest else child), rest))
        machine = self.machine

        def run(frame: Frame, value: JS) -> None:
            items = list(items_of(machine, value))
            for at, assign, rest in parts:
                if rest:
                    machine.make(OBJECT_UNITS + ITEM_UNITS * len(items))
                    assign(frame, Arr(items[at:]))
                else:
                    assign(frame, items[at] if at < len(items) else UNDEFINED)

        return run

    def _object_pattern(self, node: Node) -> Assign:
        parts: list[tuple[Run, Assign]] = []
        for child in inner_of(node):
            if child.type == "pair_pattern":
                value = child.child_by_field_name("value")
                assign = _no_target if value is None else self.target(value)
                parts.append((self.key(child.child_by_field_name("key")), assign))
            elif child.type in {"shorthand_property_identifier_pattern", "object_assignment_pattern"}:
                name = child.child_by_field_name("left") if child.type == "object_assignment_pattern" else child
                if name is None:
                    return _no_target
                parts.append(
                    (self.constant(self.scopes.name(name).decode("utf-8", "replace")), self.target(child))
                )
            else:
                return _no_target
        machine = self.machine

        def run(frame: Frame, value: JS) -> None:
            for name, assign in parts:
                assign(frame, item(machine, value, name(frame)))

        return run

    # --- statements --------------------------------------------------------------------------------------

    def statement(self, node: Node | None) -> Step:
        """Compile a statement."""
        if node is None:
            return _unknown
        self.count += 1
        self.nesting += 1
        self.deepest = max(self.deepest, self.nesting)
        try:
            compiler = self._STATEMENTS.get(node.type)
            return _unknown if compiler is None or self.nesting > 300 else compiler(self, node)
        finally:
            self.nesting -= 1

    def block(self, node: Node, hoisted: list[Callable[[Frame], None]] | None = None) -> Step:
        """Compile a list of statements; functions declared in it go to *hoisted*, or before the others."""
        first: list[Callable[[Frame], None]] = [] if hoisted is None else hoisted
        steps: list[Step] = []
        for child in inner_of(node):
            if child.type in FUNCTION_DECLARATIONS:
                first.append(self._declared(child))
            elif child.type not in {"empty_statement", "hash_bang_line"}:
                steps.append(self.statement(child))
        if hoisted is None and first:
            return _after(first, _in_turn(steps))
        return _in_turn(steps)

    def _declared(self, node: Node) -> Callable[[Frame], None]:
        name = node.child_by_field_name("name")
        code, machine = self.code(node), self.machine
        assign = _no_target if name is None else self.target(name)

        def hoist(frame: Frame) -> None:
            machine.make(OBJECT_UNITS)
            assign(frame, Closure(code, frame))

        return hoist

    def _expression_statement(self, node: Node) -> Step:
        inner = inner_of(node)
        run = self.expression(inner[0] if inner else None)

        def step(frame: Frame) -> Ended:
            run(frame)
            return None

        return step

    def _declaration(self, node: Node) -> Step:
        steps: list[Step] = []
        lexical = node.type == "lexical_declaration"
        for declarator in inner_of(node):
            name, value = declarator.child_by_field_name("name"), declarator.child_by_field_name("value")
            if name is None or (value is None and not lexical):
                continue
            assign = self.target(name)
            run = self.constant(UNDEFINED) if value is None else self.expression(value)
            steps.append(_assigning(assign, run))
        return _in_turn(steps)

    def _return(self, node: Node) -> Step:
        inner = inner_of(node)
        if not inner:
            return lambda _frame: (UNDEFINED,)
        run = self.expression(inner[0])
        return lambda frame: (run(frame),)

    def _if(self, node: Node) -> Step:
        condition = self.expression(node.child_by_field_name("condition"))
        then = self.statement(node.child_by_field_name("consequence"))
        alternative = node.child_by_field_name("alternative")
        if alternative is None:
            return lambda frame: then(frame) if truth(condition(frame)) else None
        otherwise = self.statement(inner_of(alternative)[0])
        return lambda frame: then(frame) if truth(condition(frame)) else otherwise(frame)

    def _block_statement(self, node: Node) -> Step:
        return self.block(node)

    def _throw(self, node: Node) -> Step:
        run = self.expression(inner_of(node)[0])

        def step(frame: Frame) -> Ended:
            raise Thrown(run(frame))

        return step

    def _jump(self, node: Node) -> Step:
        label = node.child_by_field_name("label")
        leaves = node.type == "break_statement"
        plain = _BREAK if leaves else _CONTINUE
        signal = plain if label is None else Signal(self._raw(label), leaves=leaves)
        return lambda _frame: signal

    def _labeled(self, node: Node) -> Step:
        label, body = node.child_by_field_name("label"), node.child_by_field_name("body")
        if label is None or body is None:
            return _unknown
        name = self._raw(label)
        step = self._loop(body, name) if body.type in self._LOOPS else self.statement(body)

        def run(frame: Frame) -> Ended:
            ended = step(frame)
            return None if type(ended) is Signal and ended.label == name and ended.leaves else ended

        return run

    def _try(self, node: Node) -> Step:
        body = self.statement(node.child_by_field_name("body"))
        handler, finalizer = node.child_by_field_name("handler"), node.child_by_field_name("finalizer")
        run = body
        if handler is not None:
            parameter = handler.child_by_field_name("parameter")
            assign = None if parameter is None else self.target(parameter)
            caught = self.statement(handler.child_by_field_name("body"))

            def catching(frame: Frame) -> Ended:
                try:
                    return body(frame)
                except Thrown as thrown:
                    value = thrown.value
                if assign is not None:
                    assign(frame, value)
                return caught(frame)

            run = catching
        if finalizer is None:
            return run
        last = self.statement(inner_of(finalizer)[0])

        def finally_(frame: Frame) -> Ended:
            try:
                ended = run(frame)
            except Thrown:
                instead = last(frame)
                if instead is not None:
                    return instead
                raise
            instead = last(frame)
            return ended if instead is None else instead

        return finally_

    def _switch(self, node: Node) -> Step:
        value = self.expression(node.child_by_field_name("value"))
        body = node.child_by_field_name("body")
        tests: list[tuple[Run, int]] = []
        steps: list[Step] = []
        default: int | None = None
        first: list[Callable[[Frame], None]] = []
        for case in [] if body is None else inner_of(body):
            test = case.child_by_field_name("value")
            if test is None:
                default = len(steps)
            else:
                tests.append((self.expression(test), len(steps)))
            for child in inner_of(case):
                if test is not None and child.id == test.id:
                    continue
                if child.type in FUNCTION_DECLARATIONS:
                    first.append(self._declared(child))
                else:
                    steps.append(self.statement(child))

        def run(frame: Frame) -> Ended:
            for hoist in first:
                hoist(frame)
            chosen = value(frame)
            start = next((at for test, at in tests if same(chosen, test(frame))), default)
            for step in [] if start is None else steps[start:]:
                ended = step(frame)
                if ended is not None:
                    return None if ended is _BREAK else ended
            return None

        return run

    # --- loops -------------------------------------------------------------------------------------------

    def _loop(self, node: Node, label: str = "") -> Step:
        return self._LOOPS[node.type](self, node, label)

    def _turn(self, node: Node, label: str) -> tuple[Callable[[Frame], Ended], int]:
        """Compile the body of a loop: it says how the whole loop ends, if it does; and what a turn costs."""
        before = self.count
        body = self.statement(node.child_by_field_name("body"))
        if b"continue" not in self.text[node.start_byte : node.end_byte]:
            return body, self.count - before + 2

        def turn(frame: Frame) -> Ended:
            ended = body(frame)
            if type(ended) is Signal and (not ended.label or ended.label == label) and not ended.leaves:
                return None
            return ended

        return turn, self.count - before + 2

    def _while(self, node: Node, label: str) -> Step:
        before = self.count
        condition = self.expression(node.child_by_field_name("condition"))
        extra = self.count - before
        inner, turn, cost = self._in_layout(node, label)
        cost += extra
        machine = self.machine
        first = node.type == "do_statement"

        def run(frame: Frame) -> Ended:
            if not first and not truth(condition(frame)):
                return None
            while True:
                machine.fuel -= cost
                if machine.fuel < 0:
                    raise Exhausted
                ended = turn(frame if inner is None else inner.frame(frame))
                if ended is not None:
                    return None if ended is _BREAK else ended
                if not truth(condition(frame)):
                    return None

        return run

    def _for(self, node: Node, label: str) -> Step:
        declared = node.child_by_field_name("initializer")
        block = self._own_block(node)
        around = self.layout
        if block is not None:
            self.layout = block.layout
        before = self.count
        start = None if declared is None else self._initializer(declared)
        condition = self._optional_expression(node.child_by_field_name("condition"))
        increment = self._optional_expression(node.child_by_field_name("increment"))
        turn, cost = self._turn(node, label)
        self.layout = around
        cost += self.count - before
        machine = self.machine

        def run(frame: Frame) -> Ended:
            if block is not None:
                frame = block.frame(frame)
            if start is not None:
                start(frame)
            while condition is None or truth(condition(frame)):
                machine.fuel -= cost
                if machine.fuel < 0:
                    raise Exhausted
                ended = turn(frame)
                if ended is not None:
                    return None if ended is _BREAK else ended
                if block is not None:
                    frame = list(frame)
                if increment is not None:
                    increment(frame)
            return None

        return run

    def _initializer(self, node: Node) -> Step | None:
        if node.type == "empty_statement":
            return None
        if node.type in {"variable_declaration", "lexical_declaration"}:
            return self._declaration(node)
        if node.type == "expression_statement":
            return self._expression_statement(node)
        run = self.expression(node)

        def step(frame: Frame) -> Ended:
            run(frame)
            return None

        return step

    def _optional_expression(self, node: Node | None) -> Run | None:
        if node is None or node.type == "empty_statement":
            return None
        if node.type == "expression_statement":
            node = inner_of(node)[0]
        return self.expression(node)

    def _for_in(self, node: Node, label: str) -> Step:
        left, right = node.child_by_field_name("left"), node.child_by_field_name("right")
        operator = operator_of(node)
        if (
            left is None
            or operator not in {"in", "of"}
            or any(child.type == "await" for child in node.children)
        ):
            return _unknown
        listed = self.expression(right)
        block = self._own_block(node)
        around = self.layout
        if block is not None:
            self.layout = block.layout
        assign = self.target(left)
        turn, cost = self._turn(node, label)
        self.layout = around
        machine = self.machine

        def run(frame: Frame) -> Ended:
            value = listed(frame)
            position = 0
            source = items_of(machine, value) if operator == "of" else _names(value)
            while position < len(source):
                machine.fuel -= cost
                if machine.fuel < 0:
                    raise Exhausted
                inner = frame if block is None else block.frame(frame)
                assign(inner, source[position])
                position += 1
                ended = turn(inner)
                if ended is not None:
                    return None if ended is _BREAK else ended
            return None

        return run

    def _in_layout(self, node: Node, label: str) -> tuple[_Block | None, Callable[[Frame], Ended], int]:
        """The body of a loop, in a frame of its own where functions in it keep its variables."""
        block = self._own_block(node)
        around = self.layout
        if block is not None:
            self.layout = block.layout
        turn, cost = self._turn(node, label)
        self.layout = around
        return block, turn, cost

    def _own_block(self, node: Node) -> _Block | None:
        """A layout for a loop whose body makes functions: each turn has variables of its own."""
        text = self.text[node.start_byte : node.end_byte]
        layout = self.layout
        if layout is None or not any(word.encode() in text for word in _FUNCTION_INSIDE):
            return None
        owned = self._lexical(node)
        ordered = sorted(owned, key=lambda binding: binding.uses[:1])
        return _Block(Layout(layout.function, layout, ordered)) if owned else None

    def _lexical(self, node: Node) -> set[Binding]:
        """The variables that a loop declares by ``let`` and ``const``, in it but not in functions in it."""
        found: set[Binding] = set()
        pending = [node]
        while pending:
            inner = pending.pop()
            kind = inner.type
            if kind == "lexical_declaration" or (kind == "for_in_statement" and _is_lexical(inner)):
                names = (
                    [each.child_by_field_name("name") for each in inner_of(inner)]
                    if kind == "lexical_declaration"
                    else [inner.child_by_field_name("left")]
                )
                for name in names:
                    found.update(self._names_in(name))
            if kind not in _FUNCTIONS:
                pending.extend(inner.named_children)
        return found

    def _names_in(self, pattern: Node | None) -> set[Binding]:
        found: set[Binding] = set()
        pending = [] if pattern is None else [pattern]
        while pending:
            node = pending.pop()
            if node.type in {"identifier", "shorthand_property_identifier_pattern"}:
                binding = self.scopes.binding(node)
                if binding is not None:
                    found.add(binding)
            pending.extend(node.named_children)
        return found

    _LOOPS: ClassVar[dict[str, Callable[[Compiler, Node, str], Step]]] = {
        "while_statement": _while,
        "do_statement": _while,
        "for_statement": _for,
        "for_in_statement": _for_in,
    }
    _STATEMENTS: ClassVar[dict[str, Callable[[Compiler, Node], Step]]] = {
        "expression_statement": _expression_statement,
        "variable_declaration": _declaration,
        "lexical_declaration": _declaration,
        "return_statement": _return,
        "if_statement": _if,
        "statement_block": _block_statement,
        "throw_statement": _throw,
        "break_statement": _jump,
        "continue_statement": _jump,
        "labeled_statement": _labeled,
        "try_statement": _try,
        "switch_statement": _switch,
        "empty_statement": lambda _self, _node: _empty,
        "while_statement": _loop,
        "do_statement": _loop,
        "for_statement": _loop,
        "for_in_statement": _loop,
    }


class _Block:
    """A block with a frame of its own in every turn."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout

    def frame(self, around: Frame) -> Frame:
        return [around, around[1], around[2], *([UNDEFINED] * (self.layout.size - 3))]


_FUNCTIONS = frozenset(
    {
        "function_expression",
        "arrow_function",
        "generator_function",
        "function_declaration",
        "generator_function_declaration",
        "method_definition",
        "class",
        "class_declaration",
    }
)


def _is_lexical(loop: Node) -> bool:
    keyword = loop.child_by_field_name("kind")
    return keyword is not None and keyword.type in {"let", "const"}


def _no_target(_frame: Frame, _value: JS) -> None:
    raise GiveUp


def _assigning(assign: Assign, run: Run) -> Step:
    def step(frame: Frame) -> Ended:
        assign(frame, run(frame))
        return None

    return step


def _in_turn(steps: list[Step]) -> Step:
    if not steps:
        return _empty
    if len(steps) == 1:
        return steps[0]

    def run(frame: Frame) -> Ended:
        for step in steps:
            ended = step(frame)
            if ended is not None:
                return ended
        return None

    return run


def _after(first: list[Callable[[Frame], None]], then: Step) -> Step:
    def run(frame: Frame) -> Ended:
        for hoist in first:
            hoist(frame)
        return then(frame)

    return run


def _names(value: JS) -> list[JS]:
    """What ``for … in`` goes over."""
    if isinstance(value, Obj) and value.proto is not None:
        raise GiveUp
    if value is UNDEFINED or value is NULL:
        return []
    return list(properties.keys(value))
