"""Constant folding: what an expression of a file stands for, without running anything.

The work is bounded by ``fold_steps`` and ``string_bytes`` of :class:`npmguard.config.Limits` and by a nesting
of :data:`MAX_NESTING`; :attr:`Constants.problem` says when one of them ended it.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Sequence

from tree_sitter import Node

from npmguard.config import Limits
from npmguard.javascript import values
from npmguard.javascript.callsites import CallSites, arguments, returns, unwrap
from npmguard.javascript.index import MEMBERS, Index
from npmguard.javascript.scopes import (
    CLASSES,
    FUNCTIONS,
    Binding,
    Definition,
    How,
    Scopes,
    Step,
    key_name,
    spelled,
)
from npmguard.javascript.values import NULL, UNDEFINED, UNKNOWN, Regex, TooLarge, Value

MAX_NESTING = 80
_VOLUME = 64  # times string_bytes: how large all constants made in one file may be together
_COSTLY = frozenset({"binary_expression", "call_expression", "new_expression", "template_string", "array"})

_CHANGES = re.compile(
    rb"\s*(?:(?:\?\.|\.)\s*|\[\s*['\"`])(?:push|pop|shift|unshift|splice|sort|fill|copyWithin)\b"
    rb"|\s*\[[^\]]{0,200}\]\s*(?:[-+*/%&|^?]{0,3}=(?!=)|\+\+|--)"
)
_REVERSES = re.compile(rb"\s*(?:(?:\?\.|\.)\s*|\[\s*['\"`])reverse\b")
_PASSED_BEFORE = re.compile(rb"[(,]\s*\Z")
_PASSED_AFTER = re.compile(rb"\s*[),]")

METHODS = frozenset(
    "at charAt concat join padEnd padStart repeat replace replaceAll reverse slice split subarray substr substring"
    " toLowerCase toString toUpperCase trim trimEnd trimStart valueOf charCodeAt codePointAt decode"
    " toLocaleLowerCase toLocaleUpperCase trimLeft trimRight normalize flat toReversed".split()
)
STATICS = frozenset(
    "String String.fromCharCode String.fromCodePoint String.raw atob unescape decodeURIComponent decodeURI Buffer"
    " Buffer.from Array Array.of Array.from Number parseInt Uint8Array Uint8Array.from Uint8Array.of Object"
    " JSON.parse buffer.Buffer.from buffer.Buffer".split()
)
_CHEAP = frozenset("at charAt charCodeAt codePointAt slice substr substring repeat padEnd padStart".split())
FOLDED_CALLS = METHODS | {name.rpartition(".")[2] for name in STATICS} | {"call", "apply"}


class Constants:
    """Folds the expressions of one file, remembering each."""

    def __init__(self, index: Index, scopes: Scopes, sites: CallSites, limits: Limits) -> None:
        """Prepare to fold expressions of the file that *scopes* and *sites* tell of."""
        self.callee_name: Callable[[Node], str] = _no_name
        self.problem: str | None = None
        self._scopes = scopes
        self._sites = sites
        self._index = index
        self._steps = limits.fold_steps
        self._size = limits.string_bytes
        self._volume = _VOLUME * limits.string_bytes
        self._nesting = 0
        self._known: dict[int, Value] = {}
        self._bound: dict[Binding, Value] = {}
        self._stored: dict[Binding, dict[str | None, list[Node]]] | None = None
        self._tables: dict[int, dict[str, Node]] = {}

    def close(self) -> None:
        """Let go of the resolver of names, which refers back to this."""
        self.callee_name = _no_name

    def text(self, node: Node) -> str | None:
        """The string that *node* stands for as Python text, or None."""
        value = self.fold(node)
        return values.as_text(value) if isinstance(value, str) else None

    def fold(self, node: Node) -> Value:
        """The constant that *node* stands for, or UNKNOWN."""
        kind = node.type
        if kind == "string":
            return self._string(node)
        if kind == "number":
            return values.number(self._source(node))
        folder = _FOLDERS.get(kind)
        if folder is None:
            return self._literal(node, kind)
        known = self._known.get(node.id)
        if known is not None:
            return known
        self._known[node.id] = UNKNOWN  # what a definition in terms of itself is
        if not self._spend():
            return UNKNOWN
        self._nesting += 1
        try:
            value = folder(self, node)
            if kind in _COSTLY and isinstance(value, (str, bytes, tuple)):
                self._charge(len(value))
        except TooLarge:
            self._give_up(f"a constant is larger than string-bytes ({self._size})")
            value = UNKNOWN
        self._nesting -= 1
        self._known[node.id] = value
        return value

    def strings(self, chain: Node) -> list[tuple[int, int, str]]:
        """The runs of two and more constant neighbours in a ``+`` chain that is not constant as a whole."""
        runs: list[tuple[int, int, str]] = []
        start = end = count = 0
        joined: str | None = None
        for part in [*operands(chain), None]:
            value = UNKNOWN if part is None else self.fold(part)
            piece = None if value is UNKNOWN or isinstance(value, float) else values.to_string(value)
            textual = isinstance(value, str)
            if part is not None and piece is not None and (textual or joined is not None):
                if joined is None:
                    start, count, joined = part.start_byte, 0, ""
                joined += piece
                count += 1
                end = part.end_byte
                if len(joined) > self._size:
                    break
                continue
            if joined and count > 1:
                runs.append((start, end, values.as_text(joined)))
            joined = None
        return runs

    def property_node(self, node: Node, name: str) -> Node | None:
        """The node that gives property *name* of the object that *node* stands for its value, if only one does."""
        literal, binding = self._object(node)
        return self._kept(literal, binding, name)

    def property_of(self, binding: Binding, name: str) -> Node | None:
        """The same for an object that a declared name holds."""
        literal = self._literal_of(binding)
        return None if literal is None else self._kept(literal, binding, name)

    def holders(self) -> frozenset[bytes]:
        """The names that hold an object literal."""
        return frozenset(each.name for each in self._scopes.bindings if self._literal_of(each) is not None)

    def object_literal(self, node: Node) -> Node | None:
        """The object literal that *node* stands for, if it is one."""
        return self._object(node)[0]

    def table(self, literal: Node) -> dict[str, Node]:
        """The members of an object literal by name: the values of its pairs, and its methods."""
        table = self._tables.get(literal.id)
        if table is None:
            table = self._tables[literal.id] = {}
            for child in literal.named_children:
                kind = child.type
                if kind == "pair":
                    key, value = child.child_by_field_name("key"), child.child_by_field_name("value")
                elif kind == "method_definition":
                    key, value = child.child_by_field_name("name"), child
                elif kind == "shorthand_property_identifier":
                    key, value = child, child
                else:
                    continue
                name = None if key is None else self.key(key)
                if name is not None and value is not None:
                    table[name] = value
        return table

    def key(self, key: Node) -> str | None:
        """The name that an object's key stands for, if it is constant."""
        if key.type == "shorthand_property_identifier":
            return self._scopes.name(key).decode("utf-8", "replace")
        name = key_name(key, self._scopes.text)
        if name is None:
            inner = (
                key.named_children[0] if key.type == "computed_property_name" and key.named_children else key
            )
            text = values.to_string(self.fold(inner))
            name = None if text is None else values.as_text(text)
        return name

    def step(self, step: Step) -> str | None:
        """A step into a destructured value as a property name."""
        if isinstance(step, Node):
            text = values.to_string(self.fold(step))
            return None if text is None else values.as_text(text)
        return None if step is None else str(step)

    def argument_node(self, definition: Definition) -> Node | None:
        """What the parameter of *definition* is given, by its only call or else its default."""
        position = definition.path[0]
        if not isinstance(position, int):
            return None
        return self._sites.argument(definition.function, position) or definition.default

    # --- bookkeeping -------------------------------------------------------------------------------------

    def _spend(self) -> bool:
        self._steps -= 1
        if self._steps < 0:
            self._give_up("more constant folding than fold-steps allows")
        elif self._nesting >= MAX_NESTING:
            self._give_up(f"constants nested deeper than {MAX_NESTING} levels")
            return False
        return self._steps >= 0

    def _charge(self, size: int) -> None:
        self._volume -= size
        if self._volume < 0:
            self._steps = 0
            self._give_up(f"constants larger together than {_VOLUME} times string-bytes")

    def _give_up(self, reason: str) -> None:
        self.problem = self.problem or reason

    def _source(self, node: Node) -> str:
        return self._scopes.text[node.start_byte : node.end_byte].decode("utf-8", "replace")

    def _sized(self, text: str | None) -> Value:
        if text is None:
            return UNKNOWN
        if len(text) > self._size:
            raise TooLarge
        return text

    # --- literals ----------------------------------------------------------------------------------------

    def _literal(self, node: Node, kind: str) -> Value:
        if kind in {"true", "false"}:
            return kind == "true"
        if kind == "null":
            return NULL
        if kind == "undefined":
            return UNDEFINED
        if kind == "regex":
            pattern, flags = node.child_by_field_name("pattern"), node.child_by_field_name("flags")
            source = "" if pattern is None else values.as_units(self._source(pattern))
            return Regex(source, "" if flags is None else self._source(flags))
        return UNKNOWN

    def _string(self, node: Node) -> Value:
        raw = self._scopes.text[node.start_byte + 1 : node.end_byte - 1]
        if b"&" in raw and any(child.type == "html_character_reference" for child in node.children):
            return values.as_units(html.unescape(raw.decode("utf-8", "replace")))
        return values.unescape_literal(raw)

    def _template(self, node: Node) -> Value:
        parts = self.template_parts(node)
        pieces: list[str] = []
        size = 0
        for part in parts:
            piece = part if isinstance(part, str) else values.to_string(self.fold(part))
            if piece is None:
                return UNKNOWN
            pieces.append(piece)
            size += len(piece)
            if size > self._size:
                raise TooLarge
        return "".join(pieces)

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

    # --- names -------------------------------------------------------------------------------------------

    def _identifier(self, node: Node) -> Value:
        binding = self._scopes.binding(node)
        if binding is not None:
            return self.of_binding(binding)
        name = self._scopes.name(node)
        return {b"undefined": UNDEFINED, b"NaN": float("nan"), b"Infinity": float("inf")}.get(name, UNKNOWN)

    def of_binding(self, binding: Binding) -> Value:
        """The constant that a declared name stands for, or UNKNOWN."""
        known = self._bound.get(binding)
        if known is None:
            self._bound[binding] = UNKNOWN
            known = self._bound[binding] = self._of_binding(binding)
        return known

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
        """Whether an array may be changed after it was made: by its methods, by index, or where it is passed."""
        text, name = self._scopes.text, len(binding.name)
        for use in binding.uses:
            after = text[use + name : use + name + 240]
            if _CHANGES.match(after) or (len(binding.uses) > 1 and _REVERSES.match(after)):
                return True
            if _PASSED_AFTER.match(after) and _PASSED_BEFORE.search(text[max(use - 40, 0) : use]):
                return True
        return False

    def _kept(self, literal: Node | None, binding: Binding | None, name: str) -> Node | None:
        stored = {} if binding is None else self._stores().get(binding, {})
        if None in stored:
            return None
        assigned = stored.get(name, [])
        given = None if literal is None else self.table(literal).get(name)
        if given is not None:
            return None if assigned else given
        return assigned[0] if len(assigned) == 1 else None

    def _stores(self) -> dict[Binding, dict[str | None, list[Node]]]:
        """What is assigned to the members of local objects."""
        if self._stored is None:
            self._stored = {}
            for _node, left, kind, right, _compound in self._index.assignments:
                if kind not in MEMBERS or right is None:
                    continue
                target = left.named_child(0)
                binding = (
                    None if target is None or target.type != "identifier" else self._scopes.binding(target)
                )
                if binding is not None and self._literal_of(binding) is not None:
                    self._stored.setdefault(binding, {}).setdefault(self.property_name(left), []).append(right)
        return self._stored

    def _literal_of(self, binding: Binding) -> Node | None:
        """The object literal that a name is declared with, if it is never given anything else."""
        if len(binding.definitions) != 1:
            return None
        how, node, path, _function, _default = binding.definitions[0]
        if how is How.VALUE and node is not None and not path and node.type == "object":
            return node
        return None

    def property_name(self, member: Node) -> str | None:
        """The last property that a member or subscript expression names, or None if it is not constant."""
        if member.type == "member_expression":
            return spelled(self._index.tail(member)).decode("utf-8", "replace")
        index = member.child_by_field_name("index")
        if index is None:
            return None
        value = self.fold(index)
        text = None if isinstance(value, Regex) else values.to_string(value)
        return None if text is None else values.as_text(text)

    def _object(self, node: Node) -> tuple[Node | None, Binding | None]:
        """The object literal that *node* stands for, and the binding that holds it."""
        binding: Binding | None = None
        for _ in range(MAX_NESTING):
            node = unwrap(node)
            if node.type == "object":
                return node, binding
            if node.type == "identifier":
                binding = self._scopes.binding(node)
                if binding is None or len(binding.definitions) != 1:
                    return None, None
                definition = binding.definitions[0]
                inner, path = definition.node, definition.path
                if definition.how is How.PARAMETER:
                    inner, path = self.argument_node(definition), path[1:]
                elif definition.how is not How.VALUE:
                    return None, None
                if inner is None or path:
                    return None, None
                node = inner
            elif node.type in MEMBERS and self._nesting < MAX_NESTING:
                base, name = node.child_by_field_name("object"), self.property_name(node)
                self._nesting += 4
                found = None if base is None or name is None else self.property_node(base, name)
                self._nesting -= 4
                if found is None:
                    return None, None
                node, binding = found, None
            else:
                break
        return None, None

    # --- operators ---------------------------------------------------------------------------------------

    def _inside(self, node: Node) -> Value:
        inner = unwrap(node)
        return UNKNOWN if inner.type == node.type else self.fold(inner)

    def _sequence(self, node: Node) -> Value:
        return self.fold(node.named_children[-1]) if node.named_children else UNKNOWN

    def _assigned(self, node: Node) -> Value:
        right = node.child_by_field_name("right")
        return UNKNOWN if right is None else self.fold(right)

    def _binary(self, node: Node) -> Value:
        operator = self._operator(node)
        if operator == "+":
            return self._sum(node)
        left, right = node.child_by_field_name("left"), node.child_by_field_name("right")
        if left is None or right is None:
            return UNKNOWN
        first = self.fold(left)
        if operator in {"&&", "||", "??"}:
            held = truth_of(operator, first)
            return UNKNOWN if held is None else first if held else self.fold(right)
        second = self.fold(right)
        if first is UNKNOWN or second is UNKNOWN:
            return UNKNOWN
        if operator in {"===", "==", "!==", "!="}:
            same = (
                type(first) is type(second)
                or isinstance(first, (int, float))
                and isinstance(second, (int, float))
            )
            if not same and operator in {"==", "!="}:
                return UNKNOWN
            return (same and first == second) is (operator in {"===", "=="})
        a, b = values.to_number(first), values.to_number(second)
        if a is None or b is None:
            return UNKNOWN
        if operator in {"<", ">", "<=", ">="} and not isinstance(first, str):
            return {"<": a < b, ">": a > b, "<=": a <= b, ">=": a >= b}[operator]
        return values.arithmetic(operator, a, b)

    def _sum(self, node: Node) -> Value:
        total: Value = UNDEFINED
        pieces: list[str] = []
        size = 0
        for position, operand in enumerate(operands(node)):
            value = self.fold(operand)
            if value is UNKNOWN:
                return UNKNOWN
            if not pieces and position and not isinstance(value, (str, tuple, bytes)) and not _textual(total):
                a, b = values.to_number(total), values.to_number(value)
                if a is None or b is None:
                    return UNKNOWN
                total = a + b
                continue
            if not position:
                total = value
                continue
            for part in ([] if pieces else [total]) + [value]:
                piece = values.to_string(part)
                if piece is None:
                    return UNKNOWN
                pieces.append(piece)
                size += len(piece)
            if size > self._size:
                raise TooLarge
        return "".join(pieces) if pieces else total

    def _operator(self, node: Node) -> str:
        operator = node.child_by_field_name("operator")
        return "" if operator is None else operator.type

    def _unary(self, node: Node) -> Value:
        operator, argument = self._operator(node), node.child_by_field_name("argument")
        if operator == "void":
            return UNDEFINED
        value = UNKNOWN if argument is None else self.fold(argument)
        if operator == "!":
            if argument is not None and argument.type == "object":
                return False
            held = values.truth(value)
            return UNKNOWN if held is None else not held
        if operator == "typeof":
            return "string" if isinstance(value, str) else UNKNOWN
        if operator == "+" and isinstance(value, tuple):
            return 0 if not value else UNKNOWN
        plain = values.to_number(value)
        if plain is None:
            return UNKNOWN
        return values.arithmetic("^", plain, -1) if operator == "~" else -plain if operator == "-" else plain

    def _ternary(self, node: Node) -> Value:
        condition = node.child_by_field_name("condition")
        held = None if condition is None else values.truth(self.fold(condition))
        if held is None:
            return UNKNOWN
        branch = node.child_by_field_name("consequence" if held else "alternative")
        return UNKNOWN if branch is None else self.fold(branch)

    # --- arrays, members, calls --------------------------------------------------------------------------

    def _array(self, node: Node) -> Value:
        items: list[Value] = []
        hole = True
        for child in node.children[1:]:
            if child.type == "," or child.type == "]":
                if hole and child.type == ",":
                    items.append(UNDEFINED)
                hole = True
            elif child.type == "spread_element":
                spread = self._spread(child)
                if spread is None:
                    return UNKNOWN
                items.extend(spread)
                hole = False
            elif child.is_named and child.type != "comment":
                items.append(self.fold(child))
                hole = False
        return tuple(items)

    def _spread(self, node: Node) -> Sequence[Value] | None:
        value = self.fold(node.named_children[0]) if node.named_children else UNKNOWN
        return value if isinstance(value, (tuple, str, bytes)) else None

    def _member(self, node: Node) -> Value:
        name, base = self.property_name(node), node.child_by_field_name("object")
        return UNKNOWN if name is None or base is None else self._property(base, name)

    def _property(self, base: Node, name: str) -> Value:
        value = self.fold(base)
        if isinstance(value, (str, tuple, bytes)):
            if name == "length":
                return len(value)
            index = values.index_of(name)
            return value[index] if index is not None and index < len(value) else UNKNOWN
        node = self.property_node(base, name)
        return UNKNOWN if node is None else self.fold(node)

    def _call(self, node: Node) -> Value:
        """Fold a call, and first the calls that its receiver chains: ``a.split("").reverse().join("")``."""
        chain = [node]
        method = self._method_call(node)
        while method is not None:
            receiver = unwrap(method[0])
            if receiver.type != "call_expression" or receiver.id in self._known:
                break
            chain.append(receiver)
            method = self._method_call(receiver)
        value: Value = UNKNOWN
        for link in reversed(chain):
            value = self._one_call(link)
            if link is not node:
                self._known[link.id] = value
                if not self._spend():
                    return UNKNOWN
                self._charge(len(value) if isinstance(value, (str, bytes, tuple)) else 0)
        return value

    def _method_call(self, node: Node) -> tuple[Node, str] | None:
        """The receiver and name of a call of a method that is folded."""
        callee = node.child_by_field_name("function")
        if callee is None:
            return None
        callee = unwrap(callee)
        if callee.type not in MEMBERS:
            return None
        base, name = callee.child_by_field_name("object"), self.property_name(callee)
        return (base, name) if base is not None and name is not None and name in METHODS else None

    def _one_call(self, node: Node) -> Value:
        callee = node.child_by_field_name("function" if node.type == "call_expression" else "constructor")
        if callee is None:
            return UNKNOWN
        callee = unwrap(callee)
        method = self._method_call(node)
        if method is not None:
            value = self._receiver(method[0])
            if value is not UNKNOWN:
                return self._method(value, method[1], node)
        if callee.type in MEMBERS:
            name = self.property_name(callee)
            if name is None or name not in FOLDED_CALLS:
                return UNKNOWN
        elif callee.type not in {"identifier", "sequence_expression"}:
            return self._returned(callee)
        name = self.callee_name(callee)
        for suffix in (".call", ".apply"):
            if name.endswith(suffix) and name.removesuffix(suffix) in STATICS:
                given = self.argument_values(node)[1:]
                if suffix == ".apply":
                    given = list(given[0]) if given and isinstance(given[0], tuple) else [UNKNOWN]
                return self._static(name.removesuffix(suffix), given)
        if name in STATICS:
            return self._static(name, self.argument_values(node))
        return self._returned(callee)

    def _returned(self, callee: Node) -> Value:
        """What a small function of the file returns, if that is a constant."""
        function = self.function_of(callee)
        found = [] if function is None or function.type in CLASSES else returns(function)
        return self.fold(found[0]) if len(found) == 1 else UNKNOWN

    def function_of(self, node: Node) -> Node | None:
        """The function or class that an expression is or names, if there is just one."""
        for _ in range(MAX_NESTING):
            node = unwrap(node)
            if node.type in FUNCTIONS:
                return node
            if node.type == "sequence_expression":
                node = node.named_children[-1]
                continue
            binding = self._scopes.binding(node) if node.type == "identifier" else None
            if binding is None or len(binding.definitions) != 1:
                return None
            definition = binding.definitions[0]
            inner = definition.node
            if definition.how is How.PARAMETER and len(definition.path) == 1:
                inner = self.argument_node(definition)
            elif definition.how not in {How.VALUE, How.FUNCTION} or definition.path:
                return None
            if inner is None:
                return None
            node = inner
        return None

    def _receiver(self, base: Node) -> Value:
        if base.type == "new_expression":
            constructor = base.child_by_field_name("constructor")
            if constructor is not None and self.callee_name(constructor).endswith("TextDecoder"):
                return ""
        return self.fold(base)

    def argument_values(self, node: Node) -> list[Value]:
        """The values of a call's arguments, spread ones in their places; UNKNOWN where not constant."""
        given: list[Value] = []
        for argument in arguments(node):
            if argument.type == "spread_element":
                spread = self._spread(argument)
                given.extend([UNKNOWN] if spread is None else spread)
                if spread is None:
                    break  # what follows has no known position
            else:
                given.append(self.fold(argument))
        return given

    def _static(self, name: str, given: list[Value]) -> Value:
        first = given[0] if given else UNDEFINED
        if name in {"String.fromCharCode", "String.fromCodePoint"}:
            return values.from_codes(given, points=name == "String.fromCodePoint")
        if name in {"Array", "Array.of"}:
            return (
                UNKNOWN if len(given) == 1 and not isinstance(first, str) and name == "Array" else tuple(given)
            )
        if first is UNKNOWN or UNKNOWN in given[1:2]:
            return UNKNOWN
        if name == "Array.from":
            return tuple(first) if isinstance(first, (str, tuple, bytes)) and len(given) == 1 else UNKNOWN
        if name.startswith(("Buffer", "buffer", "Uint8Array")):
            return self._buffer(name, first, given)
        if name in {"String", "Object"}:
            return self._sized(values.to_string(first)) if given else ""
        if name == "Number":
            plain = values.to_number(first)
            return UNKNOWN if plain is None else plain
        if not isinstance(first, str):
            return UNKNOWN
        if name == "atob":
            decoded = values.base64(first)
            return UNKNOWN if decoded is None else decoded.decode("latin-1")
        if name == "unescape":
            return values.unescape(first)
        if name in {"decodeURIComponent", "decodeURI"}:
            return values.percent_decode(first)
        if name == "parseInt":
            radix = values.to_number(given[1]) if len(given) > 1 else 0
            return UNKNOWN if radix is None else values.parse_int(first, radix)
        return UNKNOWN

    @staticmethod
    def _buffer(name: str, first: Value, given: list[Value]) -> Value:
        if isinstance(first, str) and not name.startswith("Uint8Array"):
            encoding = given[1] if len(given) > 1 else "utf8"
            data = values.encode_bytes(first, encoding) if isinstance(encoding, str) else None
            return UNKNOWN if data is None else data
        if isinstance(first, bytes):
            return first
        items = tuple(given) if name.endswith(".of") else first
        if not isinstance(items, tuple):
            return UNKNOWN
        codes = [values.to_number(item) for item in items]
        if any(code is None or code != code or abs(code) > 2**53 for code in codes):  # noqa: PLR0124 - NaN
            return UNKNOWN
        return bytes(int(code or 0) & 0xFF for code in codes)

    def _method(self, value: Value, name: str, node: Node) -> Value:
        given = self.argument_values(node)
        if UNKNOWN in given:
            return UNKNOWN
        if isinstance(value, (tuple, bytes)):
            return self._array_method(value, name, given)
        if isinstance(value, (bool, Regex)):
            return UNKNOWN
        if isinstance(value, (int, float)):
            radix = values.to_number(given[0]) if given else 10
            return values.in_radix(value, radix) if name == "toString" and radix is not None else UNKNOWN
        return self._string_method(value, name, given) if isinstance(value, str) else UNKNOWN

    def _array_method(self, value: tuple[Value, ...] | bytes, name: str, given: list[Value]) -> Value:
        numbers = [values.to_number(each) for each in given]
        if name in {"slice", "subarray"} and None not in numbers:
            return values.slice_like(value, "slice", [number for number in numbers if number is not None])
        if isinstance(value, bytes):
            if name != "toString" or (given and not isinstance(given[0], str)) or len(given) > 1:
                return UNKNOWN
            return values.decode_bytes(value, given[0] if given and isinstance(given[0], str) else "utf8")
        if name in {"reverse", "toReversed"}:
            return value[::-1]
        if name == "at" and len(numbers) == 1 and numbers[0] is not None:
            index = int(numbers[0])
            return value[index] if -len(value) <= index < len(value) else UNDEFINED
        if name in {"join", "toString"}:
            separator = given[0] if given and given[0] is not UNDEFINED else ","
            if not isinstance(separator, str):
                return UNKNOWN
            known = sum(len(each) for each in value if isinstance(each, str)) + len(separator) * len(value)
            return UNKNOWN if known > self._size else self._sized(values.join(value, separator))
        if name == "concat":
            joined = list(value)
            for each in given:
                joined.extend(each if isinstance(each, tuple) else (each,))
            return tuple(joined)
        return UNKNOWN

    def _string_method(self, value: str, name: str, given: list[Value]) -> Value:
        numbers = [number for each in given if (number := values.to_number(each)) is not None]
        first = given[0] if given else UNDEFINED
        if name in {"toString", "valueOf", "normalize"}:
            return value
        if name not in _CHEAP:
            self._charge(len(value))
        if name == "decode":
            return values.decode_bytes(first, "utf8") if isinstance(first, bytes) else UNKNOWN
        if name in {"toLowerCase", "toLocaleLowerCase"}:
            return value.lower()
        if name in {"toUpperCase", "toLocaleUpperCase"}:
            return self._sized(value.upper())
        if name in {"trim", "trimStart", "trimEnd", "trimLeft", "trimRight"}:
            if name == "trim":
                return value.strip()
            return value.lstrip() if name in {"trimStart", "trimLeft"} else value.rstrip()
        if name == "split":
            return values.split(value, first) if len(given) <= 1 else UNKNOWN
        if name == "concat":
            pieces = [values.to_string(each) for each in given]
            return UNKNOWN if None in pieces else self._sized(value + "".join(piece or "" for piece in pieces))
        if name in {"replace", "replaceAll"} and len(given) == 2 and isinstance(given[1], str):
            return values.replace(value, first, given[1], every=name == "replaceAll", limit=self._size)
        if name in {"padStart", "padEnd"} and isinstance(first, (int, float)):
            filler = given[1] if len(given) > 1 else " "
            if not isinstance(filler, str):
                return UNKNOWN
            return values.pad(value, first, filler, start=name == "padStart", limit=self._size)
        if len(numbers) != len(given):
            return UNKNOWN
        if name in {"slice", "substring", "substr"}:
            return values.slice_like(value, name, numbers)
        if name == "repeat" and numbers:
            return values.repeat(value, numbers[0], self._size)
        if name in {"padStart", "padEnd"} and isinstance(first, (int, float)):
            return values.pad(
                value, first, texts[0] if texts else " ", start=name == "padStart", limit=self._size
            )
        return self._character(value, name, numbers)

    @staticmethod
    def _character(value: str, name: str, numbers: list[float]) -> Value:
        index = values.index_of(numbers[0]) if numbers else 0
        if index is None or name not in {"charAt", "at", "charCodeAt", "codePointAt"}:
            return UNKNOWN
        if name == "at" and index < 0:
            index += len(value)
        if not 0 <= index < len(value):
            return "" if name == "charAt" else UNKNOWN
        if name in {"charAt", "at"}:
            return value[index]
        return ord(value[index]) if name == "charCodeAt" else ord(values.as_text(value[index : index + 2])[0])


_FOLDERS: dict[str, Callable[[Constants, Node], Value]] = {
    "identifier": Constants._identifier,
    "template_string": Constants._template,
    "parenthesized_expression": Constants._inside,
    "non_null_expression": Constants._inside,
    "as_expression": Constants._inside,
    "satisfies_expression": Constants._inside,
    "type_assertion": Constants._inside,
    "sequence_expression": Constants._sequence,
    "assignment_expression": Constants._assigned,
    "binary_expression": Constants._binary,
    "unary_expression": Constants._unary,
    "ternary_expression": Constants._ternary,
    "array": Constants._array,
    "member_expression": Constants._member,
    "subscript_expression": Constants._member,
    "call_expression": Constants._call,
    "new_expression": Constants._call,
}


def operands(chain: Node) -> list[Node]:
    """The operands of a chain of ``+``, in order, without walking it by recursion."""
    found = []
    node: Node | None = chain
    while node is not None and node.type == "binary_expression":
        operator = node.child_by_field_name("operator")
        if operator is None or operator.type != "+":
            break
        right = node.child_by_field_name("right")
        if right is not None:
            found.append(right)
        node = node.child_by_field_name("left")
    if node is not None:
        found.append(node)
    found.reverse()
    return found


def truth_of(operator: str, value: Value) -> bool | None:
    """Whether ``&&``, ``||`` or ``??`` ends with its left value; None where that is not known."""
    if operator == "??":
        return None if value is UNKNOWN else value is not NULL and value is not UNDEFINED
    held = values.truth(value)
    return None if held is None else held if operator == "||" else not held


def _no_name(_node: Node) -> str:
    return ""


def _textual(value: Value) -> bool:
    return isinstance(value, (str, tuple, bytes))
