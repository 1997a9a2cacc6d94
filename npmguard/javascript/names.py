"""What an expression of a file refers to, as a normalised dotted name.

``window['fe'+'tch']``, ``self.fetch``, ``(0, top.fetch)`` and an ``f`` from ``const {fetch: f} = globalThis``
are all ``fetch``; see :class:`npmguard.model.Fact` for the form of names.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from tree_sitter import Node

from npmguard.javascript.bindings import CLASSES, FUNCTIONS, Binding, Definition, How, Step
from npmguard.javascript.callsites import arguments, returns, unwrap
from npmguard.javascript.constants import Constants
from npmguard.javascript.index import MEMBERS
from npmguard.javascript.paths import (
    MAX_SEGMENTS,
    NOWHERE,
    REQUIRES,
    THE_GLOBAL,
    THIS,
    Path,
    Root,
    evaluated,
    extended,
    instance_of,
    module_path,
)
from npmguard.javascript.scopes import Scopes
from npmguard.javascript.tree import operator_of, sides

MAX_NESTING = 40  # of names in terms of each other

_MAX_RETURNING = 4  # functions that return what functions return
_SAME_AS_ARGUMENT = frozenset(
    {"Object", "Object.freeze", "Object.seal", "Object.assign", "util.promisify", "promisify"}
)
_RESULT_IS_NAMED = frozenset(
    {
        *(b"require", b"_load", b"createRequire", b"createRequireFromPath", b"bind", b"get", b"getPrototypeOf"),
        *(b"freeze", b"seal", b"assign", b"promisify", b"eval", b"call", b"apply"),
    }
)
"""Methods of which it is known what they return; the results of others are not looked at."""

_INTEROP = re.compile(rb"__esModule|\bdefault\b")
_INTEROP_NAME = re.compile(rb"_*(?:interop|import(?:Default|Star)|toESM|toCommonJS)")
_MAX_INTEROP = 1500  # bytes of a compiler's import helper
_PLAIN = re.compile(rb"#?[\w$\x80-\xff]+")
_COMPOUND = frozenset({"ternary_expression", "binary_expression", "call_expression", "new_expression"})
_EMPTY = frozenset({"undefined", "null", "object", "array", "false", "number", "unary_expression", "this"})
_INSTANCES = {
    "array": instance_of("Array"),
    "string": instance_of("String"),
    "regex": instance_of("RegExp"),
} | {kind: instance_of("Function") for kind in FUNCTIONS}


class Names:
    """Resolves the expressions of one file to paths, remembering each."""

    def __init__(self, scopes: Scopes, constants: Constants) -> None:
        """Prepare to resolve names in the file; *constants* is given the names of callees in turn."""
        self._scopes = scopes
        self._constants = constants
        self._nesting = 0
        self._returning = 0
        self._known: dict[int, Path] = {}
        self._bound: dict[Binding, Path] = {}
        constants.callee_name = lambda node: self.path(node).name

    def path(self, node: Node) -> Path:
        """What *node* refers to."""
        backwards: list[str] = []
        text = self._scopes.text
        while True:
            kind = node.type
            if kind in MEMBERS:
                if len(backwards) >= MAX_SEGMENTS:
                    return extended(NOWHERE, backwards)
                base = node.named_child(0)
                raw = (
                    text[base.end_byte : node.end_byte].lstrip(b".? \t\r\n")
                    if kind == "member_expression"
                    else b""
                )
                if raw.isalnum() or _PLAIN.fullmatch(raw):
                    backwards.append(raw.decode("utf-8", "replace"))
                else:
                    backwards.append(self._constants.property_name(node) or "[]")
                node = base
            elif kind == "identifier":
                return self._from_identifier(node, backwards)
            elif kind == "this":
                return extended(THIS, backwards)
            elif kind == "sequence_expression":
                node = node.named_children[-1]
            elif kind == "assignment_expression":
                right = node.child_by_field_name("right")
                if right is None:
                    return extended(NOWHERE, backwards)
                node = right
            else:
                inner = unwrap(node)
                if inner.id == node.id:
                    return extended(self._root(node, kind), backwards)
                node = inner

    def called(self, call: Node, callee: Node) -> tuple[Path, list[Node]]:
        """What a call calls, be it through a function that only passes calls on, and with which arguments."""
        inner = unwrap(callee)
        passed = self._constants.through(call) if inner.type in MEMBERS else None
        return (self.path(callee), arguments(call)) if passed is None else (self.path(passed[0]), passed[1])

    def target(self, node: Node) -> Path:
        """What an assignment to *node* changes: a member of its object, whatever that member was before."""
        if node.type not in MEMBERS:
            return self.path(node)
        return extended(self.path(node.named_child(0)), [self._constants.property_name(node) or "[]"])

    def of_binding(self, binding: Binding) -> Path:
        """What a declared name refers to: where it came from, or nowhere."""
        found = self._bound.get(binding)
        if found is not None:
            return found
        aliases = [binding]
        while (other := self._alias_of(aliases[-1])) is not None and other not in self._bound:
            self._bound[aliases[-1]] = NOWHERE  # what a name in terms of itself is
            aliases.append(other)
        for alias in reversed(aliases):  # so that a chain of aliases, however long, is no recursion
            self._bound[alias] = NOWHERE
            definitions = alias.definitions
            if len(definitions) == 1:
                found = self._of_definition(definitions[0]) or NOWHERE
            else:
                found = _agreed(self._of_definition(definition) for definition in definitions)
            self._bound[alias] = found
        return self._bound[binding]

    def at(self, node: Node, path: Sequence[Step]) -> Path:
        """What the part of *node* refers to that a destructuring takes."""
        for position, step in enumerate(path):
            literal = unwrap(node)
            if literal.type == "array" and isinstance(step, int):
                items = [child for child in literal.named_children if child.type != "comment"]
                inner = items[step] if step < len(items) else None
            else:
                name = self._constants.step(step)
                inner = None if name is None else self._constants.property_node(literal, name)
                if inner is None and literal.type != "object":
                    return extended(self._nested(node), self.steps(path[position:]))
            if inner is None:
                return NOWHERE
            node = inner
        return self._nested(node)

    def steps(self, path: Sequence[Step]) -> list[str]:
        """The segments of steps into a value, last first."""
        return [self._constants.step(step) or "[]" for step in reversed(path)]

    @staticmethod
    def joined(base: Path, *segments: str) -> Path:
        """The path of some properties of what *base* refers to."""
        return extended(base, segments[::-1])

    # --- names -------------------------------------------------------------------------------------------

    def _alias_of(self, binding: Binding) -> Binding | None:
        """The name that a declared name is just another name of."""
        if len(binding.definitions) != 1:
            return None
        how, node, path, _function, _default = binding.definitions[0]
        if how is not How.VALUE or node is None or path or node.type != "identifier":
            return None
        return self._scopes.at(node.start_byte)

    def _nested(self, node: Node) -> Path:
        """The path of a node that another one is told in terms of."""
        if not self._may_nest():
            return NOWHERE
        self._nesting += 1
        try:
            return self.path(node)
        finally:
            self._nesting -= 1

    def _may_nest(self) -> bool:
        if self._nesting >= MAX_NESTING:
            self._constants.give_up(f"names nested deeper than {MAX_NESTING} levels")
            return False
        return True

    def _from_identifier(self, node: Node, backwards: list[str]) -> Path:
        binding = self._scopes.at(node.start_byte)
        if binding is None:
            backwards.append(self._scopes.name(node).decode("utf-8", "replace"))
            return extended(THE_GLOBAL, backwards)
        base = self._bound.get(binding)
        if base is None:
            self._nesting += 1
            base = self.of_binding(binding) if self._may_nest() else NOWHERE
            self._nesting -= 1
        if not backwards:
            return base
        if base.known:
            return extended(base, backwards)
        kept = self._constants.property_of(binding, backwards[-1])
        if kept is not None and kept.type not in FUNCTIONS:
            rest = backwards[:-1]
            while rest and kept.type == "object":
                inner = self._constants.table(kept).get(rest.pop())
                if inner is None:
                    return extended(base, backwards)
                kept = inner
            found = self._nested(kept)
            if found.known:
                return extended(found, rest)
        return extended(base, backwards)

    def _of_definition(self, definition: Definition) -> Path | None:
        """What one definition gives; None if it gives nothing that could be a name."""
        how, node, path = definition.how, definition.node, definition.path
        if how is How.FUNCTION:
            return instance_of("Function")
        if how is How.MODULE and node is not None:
            module = self._constants.text(node)
            return None if module is None else extended(module_path(module), self.steps(path))
        if how is How.PARAMETER:
            node, path = self._constants.argument_node(definition), path[1:]
            if node is None:
                return None
            if unwrap(node).type == "this" and self._scopes.function_at(node.start_byte) == 0:
                return extended(
                    THE_GLOBAL, self.steps(path)
                )  # the way of UMD wrappers to say "the global object"
        elif how is not How.VALUE or node is None:
            return NOWHERE
        if not path and (node.type in _EMPTY or unwrap(node).type in _EMPTY):
            return None
        return self.at(node, path)

    def _root(self, node: Node, kind: str) -> Path:
        if kind not in _COMPOUND:
            if kind in {"import", "super"}:
                return Path(Root.GLOBAL, (kind,))
            return _INSTANCES.get(kind, NOWHERE)
        found = self._known.get(node.id)
        if found is None:
            found = self._known[node.id] = NOWHERE
            if self._may_nest():
                self._nesting += 1
                found = self._known[node.id] = self._compound(node, kind)
                self._nesting -= 1
        return found

    def _compound(self, node: Node, kind: str) -> Path:
        if kind == "call_expression":
            return self._called(node)
        if kind == "new_expression":
            return self._constructed(node)
        return self._first_known(node)

    def _first_known(self, node: Node) -> Path:
        """The first known one of the alternatives in ``?:``, ``||``, ``??``, and the last in ``&&``."""
        pending, this = [node], NOWHERE
        while pending:
            node = unwrap(pending.pop())
            if node.type == "ternary_expression":
                branches = node.child_by_field_name("alternative"), node.child_by_field_name("consequence")
                pending.extend(branch for branch in branches if branch is not None)
                continue
            pair = sides(node) if node.type == "binary_expression" else None
            if pair is not None:
                operator = operator_of(node)
                if operator in {"||", "??", "&&"}:
                    pending.extend(pair if operator == "&&" else pair[::-1])
                continue
            found = self._nested(node)
            if found.known:
                return found
            if found == THIS:
                this = found
        return this

    # --- calls -------------------------------------------------------------------------------------------

    def _constructed(self, node: Node) -> Path:
        constructor, given = node.child_by_field_name("constructor"), arguments(node)
        made = NOWHERE if constructor is None else self._nested(constructor)
        if made.name == "Proxy" and given:
            return self._nested(given[0])
        return instance_of(made.name) if made.known and made.name != "Function" else NOWHERE

    def _called(self, node: Node) -> Path:
        """What a call returns, where that is one of the ways in which code gets hold of a name."""
        callee = node.child_by_field_name("function")
        if callee is None:
            return NOWHERE
        function = unwrap(callee)
        given = arguments(node)
        if function.type in FUNCTIONS:
            return self._returned(function)
        if function.type in {"call_expression", "new_expression"}:
            built = self._built(function)
            if built is not None:
                return built
        if function.type in MEMBERS:
            passed = self._constants.through(node)
            if passed is not None:
                callee, given = passed
                function = unwrap(callee)
            elif not self._may_return_name(function):
                return NOWHERE
        target = self._nested(callee)
        name, last = target.name, target.segments[-1:]
        if name in REQUIRES:
            module = self._constants.text(given[0]) if given else None
            return NOWHERE if module is None else module_path(module)
        if name in {"module.createRequire", "module.createRequireFromPath"}:
            return Path(Root.GLOBAL, ("require",))
        if last == ("bind",):
            return Path(target.root, target.segments[:-1])
        if given:
            if name in _SAME_AS_ARGUMENT:
                return self._nested(given[0])
            if name in {"Object.getPrototypeOf", "Reflect.getPrototypeOf"}:
                return extended(self._nested(given[0]), ["__proto__"])
            if name == "Reflect.get" and len(given) > 1:
                return extended(self._nested(given[0]), [self._constants.text(given[1]) or "[]"])
            if name == "eval":
                return evaluated(self._constants.text(given[0]))
        return self._local_call(function, given) if function.type == "identifier" else NOWHERE

    def _may_return_name(self, callee: Node) -> bool:
        """Whether a method may be one of which it is known what it returns, judged without resolving it."""
        name = self._constants.property_name(callee)
        if name is None or name.encode("utf-8", "replace") in _RESULT_IS_NAMED:
            return name is not None
        base = callee.named_child(0)
        binding = self._scopes.binding(base) if base.type == "identifier" else None
        return binding is not None and self._constants.property_of(binding, name) is not None

    def _built(self, maker: Node) -> Path | None:
        """What ``Function("return this")()`` and the like return; None for any other call of a result."""
        constructor = maker.child_by_field_name(
            "function" if maker.type == "call_expression" else "constructor"
        )
        given = arguments(maker)
        if constructor is None or not given or self._nested(constructor).name != "Function":
            return None
        return evaluated(self._constants.text(given[-1]))

    def _local_call(self, callee: Node, given: list[Node]) -> Path:
        """What a small function of the file returns; a compiler's import helper returns what it is given."""
        function = self._constants.function_of(callee)
        if len(given) in {1, 2}:
            helper = _INTEROP_NAME.match(self._scopes.name(callee)) is not None
            if not helper and function is not None and function.end_byte - function.start_byte < _MAX_INTEROP:
                helper = _INTEROP.search(self._scopes.text, function.start_byte, function.end_byte) is not None
            if helper:
                required = self._nested(given[0])
                return required if required.root is Root.MODULE else NOWHERE
        return NOWHERE if function is None else self._returned(function)

    def _returned(self, function: Node) -> Path:
        """What every ``return`` of a small function agrees on; ``this`` is taken for the global object.

        Functions that only return what another one returns are passed on to that; others are followed into each
        other a few times only, since whole programs are made of functions that call functions.
        """
        found = returns(function)
        passed = {function.id}
        while len(found) == 1 and found[0].type == "call_expression" and not arguments(found[0]):
            callee = found[0].child_by_field_name("function")
            following = None if callee is None else self._constants.function_of(callee)
            if following is None or following.id in passed:
                break
            passed.add(following.id)
            function, found = following, returns(following)
        if function.type in CLASSES or self._returning >= _MAX_RETURNING:
            return NOWHERE
        self._returning += 1
        paths = [THE_GLOBAL if unwrap(node).type == "this" else self._nested(node) for node in found]
        self._returning -= 1
        return _agreed(path if path.known else None for path in paths)


def _agreed(paths: Iterable[Path | None]) -> Path:
    """The one path that all definitions give, leaving out those that give nothing."""
    given = {path for path in paths if path is not None}
    return next(iter(given)) if len(given) == 1 else NOWHERE
