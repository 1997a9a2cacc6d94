"""Facts about what is written to globals, modules and members of anything."""

from __future__ import annotations

from collections.abc import Sequence

from tree_sitter import Node

from npmguard.javascript.bindings import FUNCTIONS, Step, pattern_names
from npmguard.javascript.callsites import arguments, returns, unwrap
from npmguard.javascript.draft import Draft, place_of
from npmguard.javascript.index import MEMBERS
from npmguard.javascript.paths import Path
from npmguard.javascript.reach import Reach
from npmguard.javascript.tree import first_child
from npmguard.javascript.wrapping import Hook, Wrapping
from npmguard.model import FactKind

FUNCTION_VALUE = "<function>"
DEFINERS = frozenset(
    {
        "Object.assign",
        "Object.defineProperty",
        "Object.defineProperties",
        "Reflect.defineProperty",
        "Reflect.set",
    }
)
ACCESSOR_DEFINERS = frozenset({"__defineGetter__", "__defineSetter__"})

_PATTERNS = frozenset({"object_pattern", "array_pattern"})
_MAY_BE_FUNCTION = FUNCTIONS | {
    *("identifier", "call_expression", "new_expression", "parenthesized_expression", "assignment_expression"),
    *("ternary_expression", "binary_expression", "sequence_expression", "await_expression", *MEMBERS),
}
_MAX_FOLLOWED = 32  # expressions that are looked at for the function that is written


class Writes:
    """Draws the WRITE facts of one file, and remembers what is given a function for the shapes."""

    def __init__(self, draft: Draft, reach: Reach, wrapping: Wrapping | None) -> None:
        """Prepare to add to *draft*; hooks are remembered if *wrapping* is there to judge them."""
        self.hooks: list[Hook] = []
        self._draft = draft
        self._program = draft.program
        self._constants = draft.program.constants
        self._names = draft.program.names
        self._relevance = draft.relevance
        self._wanted = draft.relevance.writes
        self._reach = reach
        self._wrapping = wrapping

    @property
    def needs_definers(self) -> bool:
        """Whether calls that define members matter."""
        return self._wanted != frozenset() or self._wrapping is not None

    def draw(self) -> None:
        """Add the assignments that are wanted."""
        for node, left, kind, right, _compound in self._program.in_time(self._program.index.assignments):
            if kind in MEMBERS:
                self._assign(left, kind, node, right)
                continue
            target = left if kind == "identifier" else unwrap(left)
            self._draft.consume(target)
            if target.type not in _PATTERNS:
                self._assign(target, target.type, node, right)
                continue
            for part, path in pattern_names(target, self._program.text):
                self._draft.consume(part)
                self._assign(part, part.type, node, self._element(right, path))
        for node in self._program.in_time(self._program.index.of("block")):
            if node.type == "for_in_statement" and node.child_by_field_name("kind") is None:
                left_side = node.child_by_field_name("left")
                for part, _path in (
                    [] if left_side is None else pattern_names(unwrap(left_side), self._program.text)
                ):
                    self._draft.consume(part)
                    self._assign(part, part.type, part, None)

    def define(self, name: str, call: Node, given: list[Node]) -> None:
        """Add the writes that a call of one of DEFINERS makes."""
        if name in {"Object.assign", "Object.defineProperties"}:
            for source in given[1:]:
                literal = self._constants.object_literal(source)
                for key, value in ({} if literal is None else self._constants.table(literal)).items():
                    described = self._described(value) if name == "Object.defineProperties" else None
                    self.write_by_call(call, given[0], key, described or value)
        elif len(given) > 2:
            written = given[2] if name == "Reflect.set" else self._described(given[2])
            self.write_by_call(call, given[0], self._constants.text(given[1]), written)

    def write_by_call(self, call: Node, holder: Node, key: str | None, value: Node | None) -> None:
        """Add the write of a member that a call makes, if it is wanted."""
        path = self._names.joined(self._names.path(holder), "[]" if key is None else key)
        constant, function = self._written(value)
        self._remember(path, call, None, value, function)
        if self._relevance.wants(path.name, self._wanted):
            decoded = key is not None and self._draft.is_hidden(key, call)
            self._draft.add(FactKind.WRITE, path.name, call, value=constant, target=function, decoded=decoded)

    def _assign(self, target: Node, kind: str, node: Node, right: Node | None) -> None:
        if kind not in MEMBERS:
            if kind != "identifier" or self._program.scopes.binding(target):
                return
        elif not self._relevance.maybe(target, kind, self._wanted) and not self._may_be_hook(
            target, kind, right
        ):
            return
        path = self._names.target(target)
        name = path.name
        wanted = self._relevance.wants(name, self._wanted)
        value, function = self._written(right) if wanted or self._may_wrap(path, right) else (None, None)
        self._remember(path, node, target, right, function)
        if wanted:
            at, decoded = place_of(target), self._draft.hides(path, target)
            self._draft.add(FactKind.WRITE, name, node, at=at, value=value, target=function, decoded=decoded)

    # --- hooks -------------------------------------------------------------------------------------------

    def _may_be_hook(self, target: Node, kind: str, right: Node | None) -> bool:
        """Whether an assignment that is not wanted as a fact may matter for shapes, judged cheaply."""
        if self._wrapping is None or right is None or right.type not in _MAY_BE_FUNCTION:
            return False
        if kind != "member_expression" or right.type == "new_expression":
            return True
        last = self._program.index.tail(target)
        return b"\\" in last or self._wrapping.may_wrap(last.decode("utf-8", "replace"))

    def _may_wrap(self, path: Path, value: Node | None) -> bool:
        """Whether it matters for shapes that a member is given that value."""
        if self._wrapping is None or value is None or not path.segments:
            return False
        return value.type == "new_expression" or self._wrapping.may_wrap(path.segments[-1])

    def _remember(
        self, path: Path, node: Node, target: Node | None, value: Node | None, function: int | None
    ) -> None:
        if function is not None and value is not None and self._may_wrap(path, value):
            made = unwrap(value)
            given = arguments(made) if made.type == "new_expression" else []
            proxied = self._names.path(given[0]) if given else None
            self.hooks.append(Hook(path, node, target, function, proxied))

    # --- values ------------------------------------------------------------------------------------------

    def _element(self, right: Node | None, path: Sequence[Step]) -> Node | None:
        """The part of a literal that a destructuring assignment takes."""
        for step in path:
            right = None if right is None else unwrap(right)
            if right is None:
                break
            if right.type == "array" and isinstance(step, int):
                items = [node for node in right.named_children if node.type != "comment"]
                right = items[step] if step < len(items) else None
            elif right.type == "object":
                right = self._constants.table(right).get(self._constants.step(step) or "")
            else:
                return None
        return right

    def _described(self, descriptor: Node) -> Node | None:
        """The value of a property descriptor, what its getter returns, or its setter."""
        literal = self._constants.object_literal(descriptor)
        found = {} if literal is None else self._constants.table(literal)
        getter = found.get("get")
        if "value" in found or getter is None:
            return found.get("value") or found.get("set")
        function = self._constants.function_of(getter)
        given = [] if function is None else returns(function)
        inner = self._constants.function_of(given[0]) if len(given) == 1 else None
        return inner or getter

    def _written(self, node: Node | None) -> tuple[str | None, int | None]:
        """The constant that is written, or FUNCTION_VALUE with the index of the function."""
        if node is None:
            return None, None
        function = self._function_written(node)
        return (self._constants.spelled(node), None) if function is None else (FUNCTION_VALUE, function)

    def _function_written(self, node: Node) -> int | None:
        pending = [node]
        for _ in range(_MAX_FOLLOWED):
            if not pending:
                break
            node = unwrap(pending.pop())
            function = self._constants.function_of(node)
            if function is not None:
                return self._program.scopes.function_of_node.get(function.id)
            kind = node.type
            if kind == "assignment_expression":
                pending.extend(_fields(node, "right"))
            elif kind in {"ternary_expression", "binary_expression"}:
                pending.extend(_fields(node, "alternative", "consequence", "right", "left"))
            elif kind == "call_expression":
                pending.extend(reversed(self._made_by(node)))
            elif kind == "new_expression":
                pending.extend(self._trap(node))
            elif kind in MEMBERS:
                base, name = first_child(node), self._constants.property_name(node)
                kept = None if base is None or name is None else self._constants.property_node(base, name)
                if kept is not None:
                    pending.append(kept)
                elif name is not None:
                    stored = self._reach.stored(name.encode("utf-8", "replace"))
                    if len(stored) == 1 and not self._names.path(node).known:
                        return stored[0]
        return None

    def _made_by(self, call: Node) -> list[Node]:
        """Where the function that a call returns may be written: bound, returned, or handed to a wrapper."""
        callee = first_child(call)
        callee = None if callee is None else unwrap(callee)
        if callee is None:
            return []
        if callee.type == "member_expression" and self._program.index.tail(callee) == b"bind":
            return _fields(callee, "object")
        function = self._constants.function_of(callee)
        if function is None:
            return []
        handed = [node for node in arguments(call) if node.type in FUNCTIONS]
        return [node for node in returns(function) if self._constants.function_of(node)] + handed

    def _trap(self, new: Node) -> list[Node]:
        """The trap of a Proxy that runs when the wrapped function is called."""
        constructor = new.child_by_field_name("constructor")
        given = arguments(new)
        if constructor is None or len(given) < 2 or self._names.path(constructor).name != "Proxy":
            return []
        literal = self._constants.object_literal(given[1])
        traps = {} if literal is None else self._constants.table(literal)
        return [traps[key] for key in ("get", "construct", "apply") if key in traps]


def _fields(node: Node, *fields: str) -> list[Node]:
    return [child for field in fields if (child := node.child_by_field_name(field)) is not None]
