"""Calls of a file's own functions, worked out where they need nothing but the file itself.

A function can be worked out where all that it reaches by name is functions, constants and variables that
nothing else changes. What changes them before the function is used (the rotation of a table of strings) is a
call at the level of their declaration that is given one of them: it is interpreted first.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from operator import itemgetter

from tree_sitter import Node

from npmguard.config import Limits
from npmguard.javascript.bindings import CLASSES, FUNCTIONS, Binding, Definition, How
from npmguard.javascript.callsites import unwrap
from npmguard.javascript.index import Index
from npmguard.javascript.interpreter.compiler import Compiler
from npmguard.javascript.interpreter.convert import to_constant, to_js
from npmguard.javascript.interpreter.expressions import item
from npmguard.javascript.interpreter.functions import Closure, Step
from npmguard.javascript.interpreter.layout import Cell, Layout, tables
from npmguard.javascript.interpreter.machine import Machine
from npmguard.javascript.interpreter.model import HEADER, JS, Exhausted, Frame, Func, GiveUp, Thrown
from npmguard.javascript.purity import Purity, Root
from npmguard.javascript.scopes import Scopes
from npmguard.javascript.slices import Slice, slice_of
from npmguard.javascript.tree import way_to
from npmguard.javascript.values import UNDEFINED, UNKNOWN, Value

CALL_STEPS = 4  # of the fuel, one call may take this part
_CHECKED = 1  # results of each function that are worked out twice
_HOPELESS = 40  # calls of a function without any result
_STACK = 30_000  # frames of Python; the interpreter's own depth ends before

_BEFORE = re.compile(rb"[(,]\s*\Z")
_AFTER = re.compile(rb"\s*[),]")
_CHANGES = re.compile(
    rb"\s*(?:(?:\?\.|\.)\s*|\[\s*['\"`])(?:push|pop|shift|unshift|splice|sort|fill|reverse|copyWithin)\b"
    rb"|\s*(?:\.\s*[\w$]+|\[[^\]]{0,200}\])\s*(?:[-+*/%&|^?]{0,3}=(?!=)|\+\+|--)"
)


class Evaluation(Compiler):
    """Works out calls of functions of one file, remembering each.

    ``partial`` where the result of one was used although something was left out of it.
    """

    def __init__(
        self,
        index: Index,
        scopes: Scopes,
        limits: Limits,
        constant: Callable[[Binding], Value],
        fold: Callable[[Node], Value],
    ) -> None:
        """Prepare for a file; *constant* is what a name stands for otherwise, *fold* what an expression is."""
        super().__init__(Machine(limits), scopes)
        self.exhausted: list[Node] = []
        self.seconds = 0.0
        self.partial = False
        self._index = index
        self._constant = constant
        self._roots: dict[int, Root | None] = {}
        self._cells: dict[Binding, Cell] = {}
        self._started: set[Binding] = set()
        self._purity = Purity(index, scopes, constant, fold)
        self._worked_out: dict[int, Value] = {}
        self._built: dict[Binding, tuple[int, Value]] = {}
        self._share = limits.interpreted_steps // CALL_STEPS

    def close(self) -> None:
        """Let go of what refers back to this."""
        self._roots.clear()
        self._cells.clear()
        self.forget()
        self._purity.close()
        self._declared_in = None
        self._constant = _nothing_known
        del self._purity, self._index, self.scopes  # what is compiled refers to this, which so holds little

    def is_guard(self, node: Node) -> bool:
        """Whether a call makes what is only run later, for nothing that comes of it."""
        return self._purity.inert.is_guard(node)

    def is_guard_run(self, node: Node) -> bool:
        """Whether a call makes and runs what nothing comes of."""
        return self._purity.inert.is_run(node)

    def root(self, function: Node) -> Root | None:
        """The function as one that can be worked out, or None."""
        index = self.scopes.function_of_node.get(function.id)
        if index is None or index == 0:
            return None
        if index not in self._roots:
            self._roots[index] = None
            self._roots[index] = self._purity.function(index)
        return self._roots[index]

    @property
    def spent(self) -> bool:
        """Whether nothing more can be worked out in this file, since that took too much already."""
        return self.machine.fuel < 0 or self.machine.units < 0

    @property
    def decodes(self) -> bool:
        """Whether any function of the file has been worked out."""
        return any(root is not None and root.results for root in self._roots.values())

    def call(self, root: Root, given: Sequence[Value]) -> Value:
        """What the function returns for constant arguments."""
        key = tuple([(type(value), value) for value in given])
        known = root.known.get(key)
        if known is None:
            known = root.known[key] = self._called(root, given)
            if known is UNKNOWN:
                root.failures += 1
            else:
                root.results += 1
                self.partial = self.partial or root.partial
        return known

    def value(self, node: Node) -> Value:
        """What an expression is that needs nothing but the file."""
        known = self._worked_out.get(node.id)
        if known is None:
            self._worked_out[node.id] = UNKNOWN
            root = self._purity.expression(node)
            known = self._worked_out[node.id] = UNKNOWN if root is None else self._computed(root)
            self.partial = self.partial or (root is not None and root.partial and known is not UNKNOWN)
        return known

    def built(self, binding: Binding, use: int) -> Value:
        """What a variable holds at that place, after the statements before it that build it up."""
        known = self._built.get(binding)
        if known is None:
            self._built[binding] = (0, UNKNOWN)
            found = slice_of(binding, self._index, self._purity)
            value = UNKNOWN if found is None else self._run_slice(binding, found)
            known = self._built[binding] = (0 if found is None else found.end, value)
        return known[1] if use >= known[0] else UNKNOWN

    def _run_slice(self, binding: Binding, found: Slice) -> Value:
        root = self._purity.variables(found.statements[0], found.others)
        if root is None:
            return UNKNOWN
        with self._running():
            try:
                self._settle(root)
                layout = self.layout = Layout(binding.function, None, found.owned)
                steps = [self.statement(node) for node in found.statements]
                value = self._within_share(lambda: self._stepped(steps, layout, binding))
            except Exhausted:
                self.exhausted.append(found.statements[-1])
            except (GiveUp, Thrown):
                pass
            else:
                skips = root.partial or any(map(self._purity.skips, found.statements))
                self.partial = self.partial or (skips and value is not UNKNOWN)
                return value
        return UNKNOWN

    @staticmethod
    def _stepped(steps: list[Step], layout: Layout, binding: Binding) -> JS:
        """What the variable holds after the statements."""
        frame: Frame = [None, UNKNOWN, None, *([UNDEFINED] * (layout.size - HEADER))]
        for step in steps:
            if step(frame) is not None:
                raise GiveUp
        found: JS = frame[layout.slot(binding) or 0]
        return found

    # --- running -----------------------------------------------------------------------------------------

    def _called(self, root: Root, given: Sequence[Value]) -> Value:
        if root.failures > _HOPELESS and not root.results:
            return UNKNOWN
        with self._running():
            try:
                self._settle(root)
                value = self._once(root, given)
                if (
                    value is not UNKNOWN
                    and root.bindings
                    and root.results < _CHECKED
                    and not _agree(self._once(root, given), value)
                ):
                    root.failures, root.results = _HOPELESS + 1, 0
                    return UNKNOWN
            except Exhausted:
                self.exhausted.append(root.node)
            except (GiveUp, Thrown):
                pass
            else:
                return value
        return UNKNOWN

    def _once(self, root: Root, given: Sequence[Value]) -> Value:
        if root.closure is None:
            root.closure = Closure(self.code(root.node), None)
        closure, machine = root.closure, self.machine
        return self._within_share(lambda: closure.call(UNKNOWN, [to_js(machine, value) for value in given]))

    def _computed(self, root: Root) -> Value:
        with self._running():
            try:
                self._settle(root)
                run = self.expression(root.node)
                value = self._within_share(lambda: run(self._frame()))
                if self._may_differ(root) and not _agree(self._within_share(lambda: run(self._frame())), value):
                    return UNKNOWN
            except Exhausted:
                self.exhausted.append(root.node)
            except (GiveUp, Thrown):
                pass
            else:
                return value
        return UNKNOWN

    def _may_differ(self, root: Root) -> bool:
        """Whether something may be another value the next time."""
        return bool(root.functions) or any(binding in self._purity.writes() for binding in root.bindings)

    def _within_share(self, run: Callable[[], JS]) -> Value:
        """A result as a constant, with a part of the fuel only."""
        machine = self.machine
        kept = max(machine.fuel - self._share, 0)
        machine.fuel -= kept
        try:
            return to_constant(run())
        finally:
            machine.fuel += kept

    @contextmanager
    def _running(self) -> Iterator[None]:
        """Room for the interpreter's own recursion, and no variables of what is compiled around it."""
        before, began = sys.getrecursionlimit(), time.thread_time()
        saved = self.layout, self.count, self.nesting, self.deepest
        self.layout = None
        if before < _STACK:
            sys.setrecursionlimit(_STACK)
        try:
            yield
        finally:
            sys.setrecursionlimit(before)
            if before < _STACK:  # not inside another run
                self.seconds += time.thread_time() - began
            self.layout, self.count, self.nesting, self.deepest = saved

    def _settle(self, root: Root) -> None:
        """Interpret what prepares the variables that a function uses."""
        if root.settled:
            return
        root.settled = True
        calls: dict[int, tuple[Node, bool]] = {}
        for binding in root.bindings:
            if binding not in self._started:
                self._started.add(binding)
                for call, given in self._preparing(binding):
                    calls[call.start_byte] = call, given or calls.get(call.start_byte, (call, False))[1]
        for _, (call, given) in sorted(calls.items(), key=itemgetter(0)):
            self._prepare(root, call, given=given)

    def _prepare(self, root: Root, call: Node, *, given: bool) -> None:
        """Interpret a call that may change what variables hold.

        Where it gives up, its variables are not known, unless it was not *given* any of them and changed no
        table so far: then it is taken for something else.
        """
        self.layout = None
        ready = {binding: cell.ready for binding, cell in self._cells.items()}
        before = [(array, list(array.items)) for array in tables(self._cells.values())]
        try:
            self.expression(call)(self._frame())
        except (GiveUp, Thrown) as stopped:
            if isinstance(stopped, Exhausted):
                self.exhausted.append(call)
            if given or any(array.items != items for array, items in before):
                for binding in self._purity.named(call):
                    if binding in root.bindings:
                        cell = self.cell(binding)
                        cell.ready, cell.value = True, UNKNOWN
                return
            for binding, cell in self._cells.items():
                cell.ready = cell.ready and ready.get(binding, False)

    def _preparing(self, binding: Binding) -> Iterator[tuple[Node, bool]]:
        """The calls where a variable is declared that may change what it holds.

        They are given it, which is told with them, or are calls of a function where it stands that uses it and
        nothing unknown.
        """
        text, size, scopes = self.text, len(binding.name), self.scopes
        users: set[int] = set()
        for use in binding.uses:
            function = scopes.function_at(use)
            if function != binding.function:
                while function > 0 and scopes.parents[function] != binding.function:
                    function = scopes.parents[function]
                users.add(function)
            elif _AFTER.match(text, use + size) and _BEFORE.search(text[max(use - 40, 0) : use]):
                way = way_to(self._index.root, use, use + size)
                if len(way) > 2 and way[-2].type == "arguments" and way[-3].type == "call_expression":
                    callee = way[-3].child_by_field_name("function")
                    if callee is not None and self._is_local(unwrap(callee)):
                        yield way[-3], True
        for function in sorted(users):
            if function > 0 and not self._purity.is_impure(function):
                call = self._called_in_place(scopes.functions[function])
                if call is not None:
                    yield call, False

    def _called_in_place(self, function: Node) -> Node | None:
        """The call of a function expression where it stands."""
        way = way_to(self._index.root, function.start_byte, function.end_byte)
        while len(way) > 1 and (way[-1].id == function.id or way[-1].type == "parenthesized_expression"):
            way.pop()
        callee = way[-1].child_by_field_name("function") if way[-1].type == "call_expression" else None
        return way[-1] if callee is not None and unwrap(callee).id == function.id else None

    def _is_local(self, callee: Node) -> bool:
        if callee.type in FUNCTIONS:
            return True
        binding = self.scopes.binding(callee) if callee.type == "identifier" else None
        return binding is not None and any(each.how is How.FUNCTION for each in binding.definitions)

    # --- variables outside of functions ------------------------------------------------------------------

    def cell(self, binding: Binding) -> Cell:
        """The variable outside of all interpreted functions that a binding is."""
        cell = self._cells.get(binding)
        if cell is None:
            cell = self._cells[binding] = Cell(binding)
        return cell

    def resolve(self, cell: Cell) -> JS:
        """The value that a variable is declared with."""
        cell.ready, cell.value = True, UNKNOWN  # what a variable in terms of itself is
        binding = cell.binding
        declared = len(binding.definitions) - len(self._purity.writes().get(binding, ()))
        if declared == 0:
            cell.value = UNDEFINED
        elif declared == 1:
            saved = self.layout, self.count, self.nesting, self.deepest
            self.layout, self.nesting = None, 0
            try:
                cell.value = self._initial(binding, binding.definitions[0])
            except Exhausted:
                raise
            except (GiveUp, Thrown):
                cell.value = UNKNOWN
            finally:
                self.layout, self.count, self.nesting, self.deepest = saved
        return cell.value

    def _initial(self, binding: Binding, definition: Definition) -> JS:
        how, node, path = definition.how, definition.node, definition.path
        if how is How.FUNCTION and node is not None and node.type not in CLASSES:
            return Closure(self.code(node), None)
        if how is How.VALUE and node is not None and not path:
            if node.type == "object":
                return self._object_of(binding, node)
            value = self.expression(node)(self._frame())
            return value if isinstance(value, Func) or not self._is_changed(binding) else UNKNOWN
        if how is How.VALUE and node is not None:
            value = self.expression(node)(self._frame())
            for step in path:
                if step is None:
                    return UNKNOWN
                value = item(
                    self.machine,
                    value,
                    self.expression(step)(self._frame()) if isinstance(step, Node) else step,
                )
            return value
        return to_js(self.machine, self._constant(binding))

    def _object_of(self, binding: Binding, node: Node) -> JS:
        value = self.expression(node)(self._frame())
        return UNKNOWN if self._is_changed(binding) else value

    def _is_changed(self, binding: Binding) -> bool:
        """Whether an object may be changed by code that is not interpreted."""
        size = len(binding.name)
        return any(
            _CHANGES.match(self.text, use + size) and self.scopes.function_at(use) == binding.function
            for use in binding.uses
        )

    @staticmethod
    def _frame() -> Frame:
        return [None, UNKNOWN, None]


def _agree(left: Value, right: Value) -> bool:
    return left is right or (type(left) is type(right) and (left == right or left != left))  # noqa: PLR0124 - NaN


def _nothing_known(_binding: Binding) -> Value:
    return UNKNOWN
