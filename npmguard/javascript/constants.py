"""Constant folding: what an expression of a file stands for, without running anything.

The work is bounded by ``fold_steps`` and ``string_bytes`` of :class:`npmguard.config.Limits` and by a nesting
of :data:`MAX_NESTING`; :attr:`Constants.problem` says when one of them ended it.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Sequence
from typing import ClassVar

from tree_sitter import Node

from npmguard.config import Limits
from npmguard.javascript import folding, numerals, operators, values
from npmguard.javascript.bindings import CLASSES, FUNCTION_EXPRESSIONS, Binding, How, Step
from npmguard.javascript.callsites import CallSites, arguments, returns, unwrap
from npmguard.javascript.evaluation import Evaluation
from npmguard.javascript.index import MEMBERS, Index
from npmguard.javascript.objects import MAX_NESTING, Objects
from npmguard.javascript.purity import Root
from npmguard.javascript.scopes import Scopes
from npmguard.javascript.tree import operands, operation, operator_of
from npmguard.javascript.values import NULL, UNDEFINED, UNKNOWN, Regex, TooLarge, Value

FOLDED_CALLS = folding.METHODS | {name.rpartition(".")[2] for name in folding.FUNCTIONS} | {"call", "apply"}

_VOLUME = 64  # times string_bytes: how large all constants made in one file may be together
_MADE = frozenset({"binary_expression", "call_expression", "new_expression", "template_string", "array"})
_CHANGES = re.compile(
    rb"\s*(?:(?:\?\.|\.)\s*|\[\s*['\"`])(?:push|pop|shift|unshift|splice|sort|fill|copyWithin)\b"
    rb"|\s*\[[^\]]{0,200}\]\s*(?:[-+*/%&|^?]{0,3}=(?!=)|\+\+|--)"
)
_SOUP = re.compile(rb"[\[\]()!+{}0-9\s\"'-]*")
_SOUPS = frozenset({"binary_expression", "subscript_expression", "call_expression", "unary_expression"})
_CALLING_BACK = frozenset(
    {"map", "reduce", "reduceRight", "filter", "flatMap", "find", "from", "replace", "sort"}
)
_CALLED_BACK = FUNCTION_EXPRESSIONS | {"identifier", "member_expression", "subscript_expression"}
_COLLECTS = frozenset({"array", "object"})  # what a reduction starts from that does not end in a text
_REVERSES = re.compile(rb"\s*(?:(?:\?\.|\.)\s*|\[\s*['\"`])reverse\b")
_PASSED_BEFORE = re.compile(rb"[(,]\s*\Z")
_PASSED_AFTER = re.compile(rb"\s*[),]")
_GLOBALS: dict[bytes, Value] = {b"undefined": UNDEFINED, b"NaN": float("nan"), b"Infinity": float("inf")}
_WORDS: dict[str, Value] = {"true": True, "false": False, "null": NULL, "undefined": UNDEFINED}


class Constants(Objects):
    """Folds the expressions of one file, remembering each."""

    def __init__(self, index: Index, scopes: Scopes, sites: CallSites, limits: Limits) -> None:
        """Prepare to fold expressions of the file that *index*, *scopes* and *sites* tell of."""
        super().__init__(index, scopes, sites)
        self.evaluation = Evaluation(index, scopes, limits, self.of_binding, self.fold)
        self.callee_name: Callable[[Node], str] = _no_name
        self.problem: str | None = None
        self._steps = limits.fold_steps
        self._size = limits.string_bytes
        self._volume = _VOLUME * limits.string_bytes
        self._known: dict[int, Value] = {}
        self._bound: dict[Binding, Value] = {}
        self._no_soup = (0, 0)
        self._one_return: dict[int, Node | None] = {}
        self._callable: dict[Binding, Root | None] = {}

    def close(self) -> None:
        """Let go of the resolver of names and of what is interpreted, which refer back to this."""
        self.callee_name = _no_name
        self.evaluation.close()

    def text(self, node: Node) -> str | None:
        """The string that *node* stands for as Python text, or None."""
        value = self.fold(node)
        return values.as_text(value) if isinstance(value, str) else None

    def settled(self, node: Node) -> str | None:
        """The string that *node* is known to stand for, without working anything out."""
        value = self._known.get(node.id)
        return values.as_text(value) if isinstance(value, str) else None

    def spelled(self, node: Node) -> str | None:
        """What ``String(node)`` is as Python text, or None."""
        return self.spell(self.fold(node))

    def spell(self, value: Value) -> str | None:
        """What ``String(value)`` is as Python text, or None."""
        try:
            text = values.to_string(value, self._size)
        except TooLarge:
            self.give_up(f"a constant is larger than string-bytes ({self._size})")
            return None
        return None if text is None else values.as_text(text)

    def fold(self, node: Node) -> Value:
        """The constant that *node* stands for, or UNKNOWN."""
        kind = node.type
        if kind == "string":
            return self._string(node)
        if kind == "number":
            return numerals.number(self._source(node))
        folder = self._FOLDERS.get(kind)
        if folder is None:
            return self._regex(node) if kind == "regex" else _WORDS.get(kind, UNKNOWN)
        known = self._known.get(node.id)
        if known is not None:
            return known
        self._known[node.id] = UNKNOWN  # what a definition in terms of itself is
        if not self._spend():
            return UNKNOWN
        if kind in _SOUPS and self._is_soup(node):
            value = self.evaluation.value(node)
            if value is not UNKNOWN:
                self._known[node.id] = value
                return value
            if kind != "call_expression":
                self._no_soup = (node.start_byte, node.end_byte)
        self._nesting += 1
        try:
            value = folder(self, node)
            if kind in _MADE:
                self._charge(value)
        except TooLarge:
            self.give_up(f"a constant is larger than string-bytes ({self._size})")
            value = UNKNOWN
        self._nesting -= 1
        self._known[node.id] = value
        return value

    def of_binding(self, binding: Binding) -> Value:
        """The constant that a declared name stands for, or UNKNOWN."""
        known = self._bound.get(binding)
        if known is None:
            self._bound[binding] = UNKNOWN
            known = self._bound[binding] = self._of_binding(binding)
        return known

    def argument_values(self, given: Sequence[Node]) -> list[Value]:
        """The values of argument nodes, spread ones in their places; UNKNOWN where not constant."""
        found: list[Value] = []
        for argument in given:
            if argument.type == "spread_element":
                spread = self._spread(argument)
                found.extend([UNKNOWN] if spread is None else spread)
                if spread is None:
                    break  # what follows has no known position
            else:
                found.append(self.fold(argument))
        return found

    def runs(self, chain: Node) -> list[tuple[int, int, str]]:
        """The runs of two and more constant neighbours in a ``+`` chain that is not constant as a whole."""
        runs: list[tuple[int, int, str]] = []
        start = end = size = 0
        pieces: list[str] = []
        for part in [*operands(chain), None]:
            value = UNKNOWN if part is None else self.fold(part)
            number = isinstance(value, (int, float))
            piece = None if number and not pieces else self.spell(value)
            if part is not None and piece is not None and size <= self._size:
                start = start if pieces else part.start_byte
                pieces.append(piece)
                end, size = part.end_byte, size + len(piece)
                continue
            if len(pieces) > 1:
                runs.append((start, end, "".join(pieces)))
            pieces, size = [], 0
        return runs

    def template_parts(self, node: Node) -> list[str | Node]:
        """A template literal as its texts and the expressions between them, in turn."""
        text = self._scopes.text
        parts: list[str | Node] = []
        position = node.start_byte + 1
        for child in node.named_children:
            if child.type == "template_substitution":
                parts.append(values.unescape_literal(text[position : child.start_byte]))
                inner = [each for each in child.named_children if each.type != "comment"]
                parts.extend(inner[:1])
                position = child.end_byte
        parts.append(values.unescape_literal(text[position : node.end_byte - 1]))
        return parts

    def built_texts(self) -> frozenset[str]:
        """The strings that have been worked out so far, other than single literals."""
        held = (*self._known.values(), *self._bound.values())
        return frozenset([values.as_text(value) for value in held if isinstance(value, str)])

    def give_up(self, reason: str) -> None:
        """Note that something was not worked out; the first reason stays."""
        self.problem = self.problem or reason

    # --- bookkeeping -------------------------------------------------------------------------------------

    def _spend(self) -> bool:
        self._steps -= 1
        if self._steps < 0:
            self.give_up("more constant folding than fold-steps allows")
        elif self._nesting >= MAX_NESTING:
            self.give_up(f"constants nested deeper than {MAX_NESTING} levels")
            return False
        return self._steps >= 0

    def _charge(self, value: Value) -> None:
        if isinstance(value, (str, bytes, tuple)):
            self._volume -= len(value) * (8 if isinstance(value, tuple) else 1)
        if self._volume < 0:
            self._steps = 0
            self.give_up(f"constants larger together than {_VOLUME} times string-bytes")

    def _source(self, node: Node) -> str:
        return self._scopes.text[node.start_byte : node.end_byte].decode("utf-8", "replace")

    # --- literals and names ------------------------------------------------------------------------------

    def _regex(self, node: Node) -> Value:
        pattern, flags = node.child_by_field_name("pattern"), node.child_by_field_name("flags")
        source = "" if pattern is None else values.as_units(self._source(pattern))
        return Regex(source, "" if flags is None else self._source(flags))

    def _string(self, node: Node) -> Value:
        raw = self._scopes.text[node.start_byte + 1 : node.end_byte - 1]
        if b"\\" in raw and all(child.type == "string_fragment" for child in node.named_children):
            return values.as_units(raw.decode("utf-8", "replace"))  # an attribute of JSX, where it is no escape
        if b"&" in raw and any(child.type == "html_character_reference" for child in node.children):
            return values.as_units(html.unescape(raw.decode("utf-8", "replace")))
        return values.unescape_literal(raw)

    def _template(self, node: Node) -> Value:
        pieces: list[Value] = []
        for part in self.template_parts(node):
            pieces.append(part if isinstance(part, str) else self.fold(part))
            if pieces[-1] is UNKNOWN:
                return UNKNOWN
        return operators.total(("", *pieces), self._size)

    def _array(self, node: Node) -> Value:
        items: list[Value] = []
        hole = True
        for child in node.children[1:]:
            kind = child.type
            if kind in {",", "]"}:
                if hole and kind == ",":
                    items.append(UNDEFINED)
                hole = True
            elif kind == "spread_element":
                spread = self._spread(child)
                if spread is None:
                    return UNKNOWN
                items.extend(spread)
                values.check(len(items), self._size)
                hole = False
            elif child.is_named and kind != "comment":
                items.append(self.fold(child))
                hole = False
        return tuple(items)

    def _spread(self, node: Node) -> Sequence[Value] | None:
        value = self.fold(node.named_children[0]) if node.named_children else UNKNOWN
        return value if isinstance(value, (tuple, str, bytes)) else None

    def _identifier(self, node: Node) -> Value:
        binding = self._scopes.at(node.start_byte)
        if binding is None:
            return _GLOBALS.get(self._scopes.name(node), UNKNOWN)
        value = self.of_binding(binding)
        if value is UNKNOWN and binding.definitions and len(binding.uses) > 1:
            value = self.evaluation.built(binding, node.start_byte)
        return value

    def _of_binding(self, binding: Binding) -> Value:
        if len(binding.definitions) != 1:
            return UNKNOWN
        definition = binding.definitions[0]
        node, path = definition.node, definition.path
        if definition.how is How.PARAMETER:
            node, path = self.argument_node(definition), definition.path[1:]
        elif definition.how is not How.VALUE:
            return UNKNOWN
        value = UNKNOWN if node is None else self._at(node, path)
        if isinstance(value, tuple) and self._changed(binding):
            return UNKNOWN
        return value

    def _at(self, node: Node, path: Sequence[Step]) -> Value:
        for position, step in enumerate(path):
            if isinstance(step, int):
                value = self.fold(node)
                if position != len(path) - 1 or not isinstance(value, (tuple, str)):
                    return UNKNOWN
                return value[step] if step < len(value) else UNDEFINED
            name = self.step(step)
            inner = None if name is None else self.property_node(node, name)
            if inner is None:
                return UNKNOWN
            node = inner
        return self.fold(node)

    def _changed(self, binding: Binding) -> bool:
        """Whether an array may be changed after it was made: by a method, by index, or where it is passed."""
        text, name = self._scopes.text, len(binding.name)
        for use in binding.uses:
            after = text[use + name : use + name + 240]
            if _CHANGES.match(after) or (len(binding.uses) > 1 and _REVERSES.match(after)):
                return True
            if _PASSED_AFTER.match(after) and _PASSED_BEFORE.search(text[max(use - 40, 0) : use]):
                return True
        return False

    # --- expressions -------------------------------------------------------------------------------------

    def _inside(self, node: Node) -> Value:
        inner = unwrap(node)
        return UNKNOWN if inner.id == node.id else self.fold(inner)

    def _last(self, node: Node) -> Value:
        return self.fold(node.named_children[-1]) if node.named_children else UNKNOWN

    def _assigned(self, node: Node) -> Value:
        chain: list[int] = []
        right: Node | None = node
        while right is not None and right.type == "assignment_expression":
            chain.append(right.id)
            right = right.child_by_field_name("right")
        value = UNKNOWN if right is None else self.fold(right)
        self._known.update(dict.fromkeys(chain, value))  # ``a = b = … = c`` is asked for at each of its targets
        return value

    def _binary(self, node: Node) -> Value:
        """Fold a chain of operators from its innermost left side on, since generated ones are long."""
        chain: list[tuple[str, Node]] = []
        left = node
        while left.type == "binary_expression":
            parts = operation(left)
            if parts is None:
                return UNKNOWN
            left, operator, right = parts
            chain.append((operator, right))
        summed = [self.fold(left)]
        for operator, right in reversed(chain):
            if summed[-1] is UNKNOWN:
                return UNKNOWN
            if operator == "+":
                summed.append(self.fold(right))
                continue
            value = operators.total(summed, self._size)
            if operator in {"&&", "||", "??"}:
                held = operators.decides(operator, value)
                summed = [UNKNOWN if held is None else value if held else self.fold(right)]
            else:
                summed = [operators.binary(operator, value, self.fold(right))]
        return UNKNOWN if summed[-1] is UNKNOWN else operators.total(summed, self._size)

    def _unary(self, node: Node) -> Value:
        operator, argument = operator_of(node), node.child_by_field_name("argument")
        if argument is None:
            return UNKNOWN
        if operator == "!" and argument.type == "object":
            return False
        return operators.unary(operator, UNKNOWN if operator == "void" else self.fold(argument))

    def _ternary(self, node: Node) -> Value:
        condition = node.child_by_field_name("condition")
        held = None if condition is None else values.truth(self.fold(condition))
        branch = node.child_by_field_name("consequence" if held else "alternative")
        return UNKNOWN if held is None or branch is None else self.fold(branch)

    def _member(self, node: Node) -> Value:
        name, base = self.property_name(node), node.child_by_field_name("object")
        if name is None or base is None:
            return UNKNOWN
        value = self.fold(base)
        if isinstance(value, (str, tuple, bytes)):
            if name == "length":
                return len(value)
            index = values.index_of(name)
            return value[index] if index is not None and index < len(value) else UNKNOWN
        kept = self.property_node(base, name)
        return UNKNOWN if kept is None else self.fold(kept)

    # --- calls -------------------------------------------------------------------------------------------

    def _call(self, node: Node) -> Value:
        """Fold a call, and first the calls that its receiver chains: ``a.split("").reverse().join("")``."""
        chain = [node]
        method = self._method_of(node)
        while method is not None:
            receiver = unwrap(method[0])
            if receiver.type != "call_expression" or receiver.id in self._known:
                break
            chain.append(receiver)
            method = self._method_of(receiver)
        value: Value = UNKNOWN
        for link in reversed(chain):
            value = self._one_call(link)
            if link is not node:
                self._known[link.id] = value
                if not self._spend():
                    return UNKNOWN
                self._charge(value)
        return value

    def _method_of(self, call: Node) -> tuple[Node, str] | None:
        """The receiver and name of a call of a method that is folded."""
        callee = call.child_by_field_name("function")
        callee = None if callee is None else unwrap(callee)
        if callee is None or callee.type not in MEMBERS:
            return None
        base, name = callee.child_by_field_name("object"), self.property_name(callee)
        return (base, name) if base is not None and name is not None and name in folding.METHODS else None

    def _one_call(self, node: Node) -> Value:
        value = self._plain_call(node)
        return self.evaluation.value(node) if value is UNKNOWN and self._is_computed(node) else value

    def _is_computed(self, node: Node) -> bool:
        """Whether a call may be one that only interpreting it as a whole tells the value of."""
        callee = node.child_by_field_name("function")
        if callee is None:
            return False
        callee = unwrap(callee)
        if callee.type in FUNCTION_EXPRESSIONS:
            return True
        if callee.type not in MEMBERS:
            return False
        name = self.property_name(callee)
        if name in _CALLING_BACK:
            given = [unwrap(each).type for each in arguments(node)]
            return any(each in _CALLED_BACK for each in given) and given[-1] not in _COLLECTS
        return False

    def _is_soup(self, node: Node) -> bool:
        """Whether an expression is spelled with punctuation marks and digits alone, and is no mere sum."""
        text, start, end = self._scopes.text, node.start_byte, node.end_byte
        if text[start] not in b"[(!+" or self._no_soup[0] <= start < self._no_soup[1]:
            return False
        return _SOUP.fullmatch(text, start, end) is not None and text.find(b"[]", start, end) >= 0

    def _plain_call(self, node: Node) -> Value:
        callee = node.child_by_field_name("function" if node.type == "call_expression" else "constructor")
        if callee is None:
            return UNKNOWN
        callee = unwrap(callee)
        method = self._method_of(node)
        value = UNKNOWN if method is None else self._receiver(method[0])
        if method is not None and value is not UNKNOWN:
            found = self.argument_values(arguments(node))
            if UNKNOWN in found:
                return UNKNOWN
            if method[1] not in folding.CHEAP:
                self._charge(value)
            return folding.call_method(value, method[1], found, self._size)
        given = arguments(node)
        if callee.type in MEMBERS:
            name = self.property_name(callee)
            if name is None:
                return UNKNOWN
            if name not in FOLDED_CALLS:
                return self._stored_call(node, callee)
        elif callee.type not in {"identifier", "sequence_expression"}:
            return self._returned(callee, given)
        return self._function_call(callee, given)

    def _stored_call(self, node: Node, callee: Node) -> Value:
        """What a function of a local object returns, or the one that it passes the call on to."""
        passed = self.through(node)
        if passed is not None:
            return self._function_call(unwrap(passed[0]), passed[1])
        stored = self.stored_function(callee)
        return UNKNOWN if stored is None else self._evaluated(stored, arguments(node))

    def _function_call(self, callee: Node, given: Sequence[Node]) -> Value:
        name = self.callee_name(callee)
        plain, _, through = name.rpartition(".")
        if through in {"call", "apply"} and plain in folding.FUNCTIONS:
            found = self.argument_values(given)[1:]
            if through == "apply":
                found = list(found[0]) if found and isinstance(found[0], tuple) else [UNKNOWN]
            return folding.call_function(plain, found, self._size)
        if name in folding.FUNCTIONS:
            return folding.call_function(name, self.argument_values(given), self._size)
        return self._returned(callee, given)

    def root_of(self, callee: Node) -> Root | None:
        """The function of the file that a plain name means, if calls of it can be worked out."""
        binding = self._scopes.at(callee.start_byte)
        if binding is None:
            return None
        if binding not in self._callable:
            function = self.function_of(callee)
            self._callable[binding] = None if function is None else self.evaluation.root(function)
        return self._callable[binding]

    def _returned(self, callee: Node, given: Sequence[Node]) -> Value:
        """What a function of the file returns, if that is a constant."""
        function = self.function_of(callee)
        if function is None or function.type in CLASSES:
            return UNKNOWN
        value = self._evaluated(function, given)
        if value is UNKNOWN:
            if function.id not in self._one_return:
                found = returns(function)
                self._one_return[function.id] = found[0] if len(found) == 1 else None
            returned = self._one_return[function.id]
            value = UNKNOWN if returned is None else self.fold(returned)
        return value

    def _evaluated(self, function: Node, given: Sequence[Node]) -> Value:
        """What a function returns that can be worked out for constant arguments."""
        root = self.evaluation.root(function)
        if root is None:
            return UNKNOWN
        found = self.argument_values(given)
        return UNKNOWN if UNKNOWN in found else self.evaluation.call(root, found)

    def _receiver(self, base: Node) -> Value:
        """What a method is called on; a TextDecoder stands for an empty string."""
        constructor = base.child_by_field_name("constructor") if base.type == "new_expression" else None
        if constructor is not None and self.callee_name(constructor).endswith("TextDecoder"):
            return ""
        return self.fold(base)

    _FOLDERS: ClassVar[dict[str, Callable[[Constants, Node], Value]]] = {
        "identifier": _identifier,
        "template_string": _template,
        "parenthesized_expression": _inside,
        "non_null_expression": _inside,
        "as_expression": _inside,
        "satisfies_expression": _inside,
        "type_assertion": _inside,
        "sequence_expression": _last,
        "assignment_expression": _assigned,
        "binary_expression": _binary,
        "unary_expression": _unary,
        "ternary_expression": _ternary,
        "array": _array,
        "member_expression": _member,
        "subscript_expression": _member,
        "call_expression": _call,
        "new_expression": _call,
    }


def _no_name(_node: Node) -> str:
    return ""
