"""What an expression of a file refers to, as a normalised dotted name.

``window['fe'+'tch']``, ``self.fetch``, ``(0, top.fetch)`` and an ``f`` from ``const {fetch: f} = globalThis``
are all ``fetch``; see :class:`npmguard.model.Fact` for the form of names.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from enum import Enum
from typing import NamedTuple

from tree_sitter import Node

from npmguard.javascript import values
from npmguard.javascript.callsites import arguments, returns, unwrap
from npmguard.javascript.constants import Constants
from npmguard.javascript.index import MEMBERS
from npmguard.javascript.scopes import CLASSES, FUNCTIONS, Binding, Definition, How, Scopes, Step

MAX_SEGMENTS = 16  # of a name; of a longer chain the last ones are kept
_MAX_NESTING = 40

GLOBAL_OBJECTS = frozenset({"window", "self", "globalThis", "global", "top", "frames", "parent"})
REQUIRES = frozenset(
    {
        "require",
        "module.require",
        "process.mainModule.require",
        "require.main.require",
        "__non_webpack_require__",
        "module.constructor._load",
        "module.Module._load",
        "module._load",
        "import",
    }
)
_SAME_AS_ARGUMENT = frozenset(
    {"Object", "Object.freeze", "Object.seal", "Object.assign", "util.promisify", "promisify"}
)
_MADE = "new "  # marks, as the only segment, an instance: "new XMLHttpRequest" is no name in JavaScript
_DOTTED = re.compile(r"\s*(?:return\s+)?([A-Za-z_$][\w$]*(?:\s*\.\s*[A-Za-z_$][\w$]*)*)\s*;?\s*\Z")
_INTEROP = re.compile(rb"__esModule|\bdefault\b")


class Root(Enum):
    """What a name starts from."""

    GLOBAL = "global"
    MODULE = "module"
    THIS = "this"
    UNKNOWN = "?"


class Path(NamedTuple):
    """A root and the properties read from it; of a module, the first segment is its name."""

    root: Root
    segments: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The dotted name; empty for the global object itself."""
        if self.root is Root.GLOBAL or self.root is Root.MODULE:
            return ".".join(self.segments)
        return ".".join((self.root.value, *(each for each in self.segments if not each.startswith(_MADE))))

    @property
    def known(self) -> bool:
        """Whether it starts from a global or a module."""
        return self.root is Root.GLOBAL or self.root is Root.MODULE


NOWHERE = Path(Root.UNKNOWN)
THIS = Path(Root.THIS)
THE_GLOBAL = Path(Root.GLOBAL)


class Names:
    """Resolves the expressions of one file to paths, remembering each."""

    def __init__(self, scopes: Scopes, constants: Constants) -> None:
        """Prepare to resolve names in the file; *constants* is given the names of callees in turn."""
        self._scopes = scopes
        self._constants = constants
        self._nesting = 0
        self._known: dict[int, Path] = {}
        self._bound: dict[Binding, Path] = {}
        constants.callee_name = lambda node: self.path(node).name

    def path(self, node: Node) -> Path:
        """What *node* refers to."""
        backwards: list[str] = []
        text = self._scopes.text
        while True:
            kind = node.type
            if kind == "member_expression":
                base = node.named_child(0)
                if base is None or len(backwards) >= MAX_SEGMENTS:
                    return self._normalised(NOWHERE, backwards)
                raw = text[base.end_byte : node.end_byte].lstrip(b".? \t\r\n")
                if raw.isalnum() or _PLAIN.fullmatch(raw):
                    backwards.append(raw.decode("utf-8", "replace"))
                else:
                    backwards.append(self._constants.property_name(node) or "[]")
                node = base
            elif kind == "identifier":
                return self._from_identifier(node, backwards)
            elif kind == "this":
                return self._normalised(THIS, backwards)
            elif kind == "subscript_expression":
                base = node.named_child(0)
                if base is None or len(backwards) >= MAX_SEGMENTS:
                    return self._normalised(NOWHERE, backwards)
                backwards.append(self._constants.property_name(node) or "[]")
                node = base
            elif kind == "sequence_expression":
                node = node.named_children[-1]
            elif kind == "assignment_expression":
                right = node.child_by_field_name("right")
                if right is None:
                    return self._normalised(NOWHERE, backwards)
                node = right
            else:
                inner = unwrap(node)
                if inner.id == node.id:
                    return self._normalised(self._root(node), backwards)
                node = inner

    def target(self, node: Node) -> Path:
        """What an assignment to *node* changes: a member of its object, whatever that member was before."""
        base = node.named_child(0) if node.type in MEMBERS else None
        if base is None:
            return self.path(node)
        return self._normalised(self.path(base), [self._constants.property_name(node) or "[]"])

    def of_binding(self, binding: Binding) -> Path:
        """What a declared name refers to: where it came from, or nowhere."""
        found = self._bound.get(binding)
        if found is None:
            self._bound[binding] = NOWHERE
            definitions = binding.definitions
            if len(definitions) == 1:
                found = self._of_definition(definitions[0]) or NOWHERE
            else:
                found = self._agreed(self._of_definition(definition) for definition in definitions)
            self._bound[binding] = found
        return found

    def at(self, node: Node, path: Sequence[Step]) -> Path:
        """What the part of *node* refers to that a destructuring takes."""
        for position, step in enumerate(path):
            literal = unwrap(node)
            inner: Node | None = None
            if literal.type == "object":
                name = self._constants.step(step)
                inner = None if name is None else self._constants.table(literal).get(name)
            elif literal.type == "array" and isinstance(step, int):
                items = [child for child in literal.named_children if child.type != "comment"]
                inner = items[step] if step < len(items) else None
            else:
                return self._normalised(self._alias(node), self.steps(path[position:]))
            if inner is None:
                return NOWHERE
            node = inner
        return self._alias(node)

    def steps(self, path: Sequence[Step]) -> list[str]:
        """The segments of steps into a value, last first."""
        return [self._constants.step(step) or "[]" for step in reversed(path)]

    def joined(self, base: Path, *segments: str) -> Path:
        """The path of some properties of what *base* refers to."""
        return self._normalised(base, list(segments[::-1]))

    @staticmethod
    def module(name: str) -> Path:
        """The path of a module."""
        return _module(name)

    # --- roots -------------------------------------------------------------------------------------------

    def _alias(self, node: Node) -> Path:
        """The path of a node, unless the way to it is too long."""
        if self._nesting >= _MAX_NESTING:
            return NOWHERE
        self._nesting += 1
        try:
            return self.path(node)
        finally:
            self._nesting -= 1

    def _root(self, node: Node) -> Path:
        kind = node.type
        if kind in {"import", "super"}:
            return Path(Root.GLOBAL, (kind,))
        if kind not in _COMPOUND:
            return _instance("Function") if kind in FUNCTIONS else _INSTANCES.get(kind, NOWHERE)
        found = self._known.get(node.id)
        if found is None:
            self._known[node.id] = NOWHERE
            if self._nesting < _MAX_NESTING:
                self._nesting += 1
                found = self._known[node.id] = self._compound(node, kind)
                self._nesting -= 1
        return found or NOWHERE

    def _from_identifier(self, node: Node, backwards: list[str]) -> Path:
        name = self._scopes.name(node)
        binding = self._scopes.binding(node)
        if binding is None:
            backwards.append(name.decode("utf-8", "replace"))
            return self._normalised(THE_GLOBAL, backwards)
        base = self._bound.get(binding)
        if base is None:
            base = self.of_binding(binding) if self._nesting < _MAX_NESTING else NOWHERE
        if base.known or not backwards:
            return self._normalised(base, backwards)
        kept = self._constants.property_of(binding, backwards[-1])
        if kept is not None and kept.type not in FUNCTIONS:
            rest = backwards[:-1]
            while rest and kept.type == "object":
                inner = self._constants.table(kept).get(rest.pop())
                if inner is None:
                    return self._normalised(base, backwards)
                kept = inner
            found = self._alias(kept)
            if found.known:
                return self._normalised(found, rest)
        return self._normalised(base, backwards)

    def _compound(self, node: Node, kind: str) -> Path:
        if kind == "ternary_expression":
            return self._first(node.child_by_field_name("consequence"), node.child_by_field_name("alternative"))
        if kind == "binary_expression":
            operator = node.child_by_field_name("operator")
            sides = node.child_by_field_name("left"), node.child_by_field_name("right")
            if operator is None or operator.type not in {"||", "??", "&&"}:
                return NOWHERE
            return self._first(*(sides[::-1] if operator.type == "&&" else sides))
        if kind == "call_expression":
            return self._called(node)
        if kind == "new_expression":
            constructor = node.child_by_field_name("constructor")
            made = NOWHERE if constructor is None else self._alias(constructor)
            given = arguments(node)
            if made.name == "Proxy" and given:
                return self._alias(given[0])
            if made.known and made.name != "Function":
                return _instance(made.name)
        return NOWHERE

    def _first(self, *nodes: Node | None) -> Path:
        """The first of some alternatives that is known; nested ones are followed without recursion."""
        pending = [node for node in reversed(nodes) if node is not None]
        this = NOWHERE
        for _ in range(4 * _MAX_NESTING):
            if not pending:
                break
            node = unwrap(pending.pop())
            if node.type == "ternary_expression":
                branches = node.child_by_field_name("alternative"), node.child_by_field_name("consequence")
                pending.extend(branch for branch in branches if branch is not None)
                continue
            found = self._alias(node)
            if found.known:
                return found
            if found.root is Root.THIS and not found.segments:
                this = found
        return this

    def _agreed(self, paths: Iterable[Path | None]) -> Path:
        """The one path that all definitions give, leaving out those that give nothing."""
        given = {path for path in paths if path is not None}
        return next(iter(given)) if len(given) == 1 else NOWHERE

    def _of_definition(self, definition: Definition) -> Path | None:
        how, node, path = definition.how, definition.node, definition.path
        if how is How.MODULE and node is not None:
            module = self._constants.text(node)
            return None if module is None else self._normalised(_module(module), self.steps(path))
        if how is How.PARAMETER:
            node, path = self._constants.argument_node(definition), path[1:]
            if (
                node is not None
                and unwrap(node).type == "this"
                and self._scopes.function_at(node.start_byte) == 0
            ):
                return self._normalised(
                    THE_GLOBAL, ["[]" if step is None else str(step) for step in path[::-1]]
                )
            if node is None:
                return None
        elif how is How.FUNCTION:
            return _instance("Function")
        elif how is not How.VALUE:
            return NOWHERE
        if node is None:
            return NOWHERE
        if not path:
            kind = node.type
            if kind in FUNCTIONS:
                return _instance("Function")
            if kind in _EMPTY or unwrap(node).type in _EMPTY:
                return None
        return self.at(node, path)

    # --- calls -------------------------------------------------------------------------------------------

    def _called(self, node: Node) -> Path:
        """What a call returns, where that is one of the ways in which code gets hold of a name."""
        callee = node.child_by_field_name("function")
        if callee is None:
            return NOWHERE
        function = unwrap(callee)
        given = arguments(node)
        if function.type in FUNCTIONS:
            return self._returned(function)
        target = self._alias(callee)
        name = target.name
        if name in REQUIRES or target.segments[-1:] == ("require",) and len(target.segments) == 1:
            module = self._constants.text(given[0]) if given else None
            return NOWHERE if module is None else _module(module)
        if name in {"module.createRequire", "module.createRequireFromPath"}:
            return Path(Root.GLOBAL, ("require",))
        if target.segments and target.segments[-1] == "bind":
            return Path(target.root, target.segments[:-1])
        if name in _SAME_AS_ARGUMENT and given:
            return self._alias(given[0])
        if name in {"Object.getPrototypeOf", "Reflect.getPrototypeOf"} and given:
            return self._normalised(self._alias(given[0]), ["__proto__"])
        if name == "Reflect.get" and len(given) > 1:
            key = self._constants.text(given[1])
            return self._normalised(self._alias(given[0]), ["[]" if key is None else key])
        if name == "eval" and given:
            return _evaluated(self._constants.text(given[0]))
        if function.type in {"call_expression", "new_expression"}:
            return self._built(function)
        if function.type == "identifier":
            return self._local_call(function, given)
        return NOWHERE

    def _built(self, maker: Node) -> Path:
        """What ``Function("return this")()`` and the like return."""
        constructor = maker.child_by_field_name(
            "function" if maker.type == "call_expression" else "constructor"
        )
        given = arguments(maker)
        if constructor is None or not given or self._alias(constructor).name != "Function":
            return NOWHERE
        return _evaluated(self._constants.text(given[-1]))

    def _local_call(self, callee: Node, given: list[Node]) -> Path:
        """What a small function of the file returns; a compiler's import helper returns what it is given."""
        function = self._constants.function_of(callee)
        name = self._scopes.name(callee)
        if len(given) in {1, 2}:
            helper = re.match(rb"_*(interop|import(Default|Star)|toESM|toCommonJS)", name) is not None
            if not helper and function is not None and function.end_byte - function.start_byte < 1500:
                text = self._scopes.text[function.start_byte : function.end_byte]
                helper = _INTEROP.search(text) is not None
            if helper:
                required = self._alias(given[0])
                return required if required.root is Root.MODULE else NOWHERE
        return NOWHERE if function is None else self._returned(function)

    def _returned(self, function: Node) -> Path:
        """What every ``return`` of a small function agrees on; ``this`` is taken for the global object."""
        body = function.child_by_field_name("body")
        if body is None or function.type in CLASSES:
            return NOWHERE
        if body.type != "statement_block":
            return self._alias(body)
        found = []
        for node in returns(function):
            path = THE_GLOBAL if unwrap(node).type == "this" else self._alias(node)
            found.append(path if path.known else None)
        return self._agreed(found)

    # --- names -------------------------------------------------------------------------------------------

    def _normalised(self, base: Path, backwards: list[str]) -> Path:
        """The path of *base* followed by segments given last first, in its one spelling."""
        root, before = base
        if not before and root is not Root.GLOBAL and "constructor" not in backwards:
            return Path(root, tuple(backwards[::-1])) if backwards else base
        segments = [*before, *backwards[::-1]]
        if root is Root.GLOBAL:
            while segments and (segments[0] in GLOBAL_OBJECTS or segments[:2] == ["document", "defaultView"]):
                del segments[: 1 if segments[0] in GLOBAL_OBJECTS else 2]
        elif root is Root.MODULE:
            if len(segments) > 1 and segments[1] == "default":
                del segments[1]
        elif len(segments) > 1 and segments[0].startswith(_MADE):
            if segments[1:3] == ["constructor", "constructor"]:
                return Path(Root.GLOBAL, ("Function", *segments[3:]))
            made = segments[0].removeprefix(_MADE).split(".")
            if segments[1] == "__proto__":
                return Path(Root.GLOBAL, (*made, "prototype", *segments[2:]))
            if segments[1] == "constructor":
                return Path(Root.GLOBAL, (*made, *segments[2:]))
            del segments[0]
        if "constructor" in segments:
            for index in range(len(segments) - 1, 0, -1):
                if segments[index] == "constructor" and segments[index - 1] in _MAKERS:
                    return Path(Root.GLOBAL, ("Function", *segments[index + 1 :]))
                if segments[index - 1 : index + 1] == ["prototype", "constructor"]:
                    del segments[index - 1 : index + 1]
                    break
        return Path(root, tuple(segments[-MAX_SEGMENTS:]))


_MAKERS = frozenset(
    "constructor Function Array String Object Number Boolean RegExp Date Promise Symbol Map Set Error".split()
)
_PLAIN = re.compile(rb"#?[\w$\x80-\xff]+")
_COMPOUND = frozenset({"ternary_expression", "binary_expression", "call_expression", "new_expression"})
_EMPTY = frozenset({"undefined", "null", "object", "array", "false", "number", "unary_expression", "this"})


def _instance(constructor: str) -> Path:
    return Path(Root.UNKNOWN, (_MADE + constructor,))


_INSTANCES = {"array": _instance("Array"), "string": _instance("String"), "regex": _instance("RegExp")}


def _module(name: str) -> Path:
    return Path(Root.MODULE, (name.removeprefix("node:"),))


def _evaluated(code: str | None) -> Path:
    """What a piece of code evaluates to if it only names something."""
    match = None if code is None else _DOTTED.match(values.as_text(code))
    if match is None:
        return NOWHERE
    segments = [segment.strip() for segment in match[1].split(".")]
    if segments[0] == "this":
        del segments[0]
    while segments and segments[0] in GLOBAL_OBJECTS:
        del segments[0]
    return Path(Root.GLOBAL, tuple(segments))
