"""What the expressions and declared names of a file depend on, for the labels that flow through them."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING

from tree_sitter import Node

from npmguard.javascript.bindings import CLASSES, FUNCTIONS, Binding, Definition, How
from npmguard.javascript.callsites import unwrap
from npmguard.javascript.flow_calls import FlowCalls
from npmguard.javascript.flow_graph import Bundle, Edge, Graph
from npmguard.javascript.flow_inputs import FlowInputs
from npmguard.javascript.flow_links import VALUE, Ports, local_port
from npmguard.javascript.flow_names import (
    ADDRESS,
    ELEMENT,
    RESPONSE_MEMBERS,
    Key,
    is_address,
    made_by,
    places_in,
    read_source,
)
from npmguard.javascript.flow_stores import MAX_KEYS, Keys, Stores
from npmguard.javascript.flow_words import PLACES, SECRET_MEMBERS, Source
from npmguard.javascript.index import MEMBERS
from npmguard.javascript.paths import Path, Root
from npmguard.javascript.tree import operands, operator_of, sides

if TYPE_CHECKING:
    from npmguard.javascript.program import Program
    from npmguard.javascript.reach import Reach

EMPTY = 0
"""The vertex that carries nothing."""

Target = tuple[tuple[Hashable, ...], Binding | None, int]
"""What a vertex is made of: the key of an expression or name, the name, and where that is used."""

MAX_DEFINITIONS = 32  # of one name
MAX_TEXT = 4096  # characters of a text that are looked at
_MAX_PIECES = 6  # levels of a text that is joined from others

_INERT = FUNCTIONS | {
    *("number", "regex", "true", "false", "null", "undefined", "import", "super", "meta_property"),
    *("jsx_element", "jsx_self_closing_element", "update_expression"),
}
_TELLS_NOTHING = frozenset({"typeof", "!", "void", "delete"})
_COMPARISONS = frozenset({"==", "===", "!=", "!==", "<", ">", "<=", ">=", "in", "instanceof"})


class _Entered(Bundle):
    """A call into a function: what depends on it, and the vertices of the arguments that it depends on then."""

    __slots__ = ("down", "given")

    def __init__(self, given: list[Node], *, down: bool) -> None:
        super().__init__()
        self.given = given
        self.down = down


class FlowValues:
    """Expands the vertices of one file's graph.

    A vertex is asked for on the way up, from a parameter to the calls of its function, or on the way down, from
    a call into its function. On the way down, a parameter does not lead to other calls of the function: it is
    noted that what the function returns depends on it, and each of its calls depends on its own argument then.
    """

    def __init__(self, program: Program, reach: Reach, graph: Graph, *, folded: bool) -> None:
        """Prepare to expand the vertices of *graph*; *folded* says that all strings were worked out before."""
        self._folded = folded
        self.program = program
        self.graph = graph
        self.stores = Stores(program, reach)
        self.ports = Ports(self)
        self.calls = FlowCalls(self)
        self.inputs = FlowInputs(self)
        self._down = False
        self._returns: dict[int, dict[tuple[Key, Keys], None]] = {}
        self._entered: dict[int, dict[tuple[int, bool], _Entered]] = {}
        self._nodes: dict[int, Node] = {}
        self._bindings: dict[int, Binding] = {}
        self._targets: dict[int, Target | None] = {}
        graph.vertex(())

    def close(self) -> None:
        """Let go of what refers back to this."""
        del self.ports, self.calls, self.inputs

    # --- questions ---------------------------------------------------------------------------------------

    def ask(self, node: Node, keys: Keys = ()) -> int:
        """The vertex of what is found at *keys* in the value of *node*."""
        return self.at(self.target(node), keys)

    def at(self, target: Target | None, keys: Keys) -> int:
        """The vertex of what is found at *keys* in what such a target stands for."""
        if target is None:
            return EMPTY
        key, binding, at = target
        if binding is None:
            return self._keyed(key, keys)
        return self._keyed(key, keys, down=self._down and self._is_own(binding, at))

    def target(self, node: Node) -> Target | None:
        """What the value of *node* is asked of; None where it carries nothing."""
        known = node.id
        if known not in self._targets:
            self._targets[known] = self._target(node)
        return self._targets[known]

    def _target(self, node: Node) -> Target | None:
        node = unwrap(node)
        kind = node.type
        while kind in {"sequence_expression", "assignment_expression", "spread_element"}:
            inner = node.named_children[-1] if node.named_children else None
            if inner is None:
                return None
            node = unwrap(inner)
            kind = node.type
        if kind in _INERT:
            return None
        if kind == "identifier":
            at = node.start_byte
            binding = self.program.scopes.at(at)
            if binding is not None:
                self._bindings[id(binding)] = binding
                return ("name", id(binding)), binding, at
        self._nodes[node.id] = node
        return ("node", node.id), None, 0

    def of_binding(self, binding: Binding, keys: Keys, at: int) -> int:
        """The vertex of what is found at *keys* in what a declared name holds that is used at *at*."""
        self._bindings[id(binding)] = binding
        down = self._down and self._is_own(binding, at)
        return self._keyed(("name", id(binding)), keys, down=down)

    def of_parameter(self, function: int, position: Key, keys: Keys) -> int:
        """The vertex of what a function gets at that position."""
        return self._keyed(("parameter", function, position), keys, 1)

    def of_this(self, owner: int, keys: Keys) -> int:
        """The vertex of what ``this`` of a class holds."""
        return self._keyed(("this", owner), keys, 1, down=False)

    def of_returned(self, function: int, keys: Keys, *, in_place: bool = False) -> int:
        """The vertex of what a function returns; it is called from one place only if it is *in_place*."""
        return self._keyed(("returned", function), keys, 1, down=self._down if in_place else True)

    def enter(self, vertex: int, function: int, given: list[Node]) -> None:
        """Let *vertex*, which depends on something in a function, depend on what this call gives to it."""
        groups = self._entered.setdefault(function, {})
        entered = groups.get((id(given), self._down))
        if entered is None:
            entered = groups[id(given), self._down] = _Entered(given, down=self._down)
            for position, keys in self._returns.get(function, ()):
                self.graph.extend(entered, self.inputs.asked(given, position, keys))
        self.graph.join(vertex, entered)

    def leave(self, function: int, position: Key, keys: Keys) -> None:
        """Let what was entered depend on what the function is given at that position."""
        known = self._returns.setdefault(function, {})
        if (position, keys) in known:
            return
        known[position, keys] = None
        down = self._down
        for entered in self._entered.get(function, {}).values():
            self._down = entered.down
            self.graph.extend(entered, self.inputs.asked(entered.given, position, keys))
        self._down = down

    def within(self) -> bool:
        """Go on into a function; what is given back is what :meth:`back` needs."""
        was, self._down = self._down, True
        return was

    def back(self, was: bool) -> None:
        """Go on as before."""
        self._down = was

    def _is_own(self, binding: Binding, at: int) -> bool:
        """Whether a name belongs to the function that uses it, or to one that this is written in in place."""
        if not binding.function:
            return False
        index = self.program.scopes.function_at(at)
        while index > 0 and index != binding.function:
            if self.stores.holders(index) or self.stores.names(index):
                return False
            index = self.program.scopes.parents[index]
        return True

    def _keyed(self, key: tuple[Hashable, ...], keys: Keys, cost: int = 0, *, down: bool | None = None) -> int:
        if len(keys) > MAX_KEYS:
            keys = keys[:MAX_KEYS]
        vertex = self.graph.vertex((key, keys, self._down if down is None else down), cost)
        if keys and keys[0] in SECRET_MEMBERS:
            self.graph.seed(vertex, self.graph.origins.bit(Source.SECRET_KEY, keys[0], self._place_of(key)))
        return vertex

    def twin(self, vertex: int) -> int | None:
        """The same on the other way, where it was asked for."""
        key = self.graph.key(vertex)
        if not isinstance(key, tuple) or len(key) < 3:
            return None
        return self.graph.find((*key[:2], not key[2]))

    def _place_of(self, key: tuple[Hashable, ...]) -> int:
        kind, what = key[0], key[1]
        if kind == "node" and isinstance(what, int):
            return self._nodes[what].start_byte
        if kind == "name" and isinstance(what, int):
            binding = self._bindings[what]
            return binding.uses[0] if binding.uses else 0
        return self.program.scopes.functions[what].start_byte if isinstance(what, int) and kind != "this" else 0

    # --- expansion ---------------------------------------------------------------------------------------

    def expand(self, vertex: int, key: Hashable) -> None:
        """Add the edges and labels of one vertex."""
        if not isinstance(key, tuple) or not key:
            return
        (kind, what, *rest), keys, self._down = key
        if kind == "node":
            self._expand_node(vertex, self._nodes[what], keys)
        elif kind == "name":
            self._expand_name(vertex, self._bindings[what], keys)
        elif kind == "parameter":
            self.inputs.expand(vertex, what, rest[0], keys, down=self._down)
        elif kind == "returned":
            for node in self.stores.returned(what)[:MAX_DEFINITIONS]:
                self.graph.edge(vertex, self.ask(node, keys))
        elif kind == "this":
            self.stored(vertex, self.stores.into_this(what), keys)

    def depend(self, vertex: int, node: Node, keys: Keys = (), edge: Edge = Edge.SAME) -> None:
        """Let *vertex* carry what *node* does."""
        self.graph.edge(vertex, self.ask(node, keys), edge)

    def source(self, vertex: int, source: Source, detail: str | None, at: int) -> None:
        """Let a value come from a source."""
        origins = self.graph.origins
        label = origins.content if source is Source.NETWORK else origins.bit
        self.graph.seed(vertex, label(source, detail, at))

    def text(self, vertex: int, text: str, at: int) -> None:
        """Let a path that is known for what it holds begin at a vertex."""
        if is_address(text):
            self.graph.seed(vertex, self.graph.origins.bit(ADDRESS, text.replace("\0", "*"), at))
        for meaning in places_in(text[:MAX_TEXT]):
            told = text[:MAX_TEXT].replace("\0", "*")
            if meaning in PLACES:
                label = self.graph.origins.path(f"@{meaning}", meaning, told, at)
            else:
                label = self.graph.origins.bit(f"@{meaning}", told, at)
            self.graph.seed(vertex, label)

    def _expand_node(self, vertex: int, node: Node, keys: Keys) -> None:
        kind = node.type
        if kind == "call_expression":
            self.calls.expand_call(vertex, node, keys)
        elif kind == "new_expression":
            self.calls.expand_new(vertex, node, keys)
        elif kind in MEMBERS:
            self._member(vertex, node, keys)
        elif kind == "identifier":
            self._global(vertex, node, keys)
        elif kind == "shorthand_property_identifier":
            binding = self.program.scopes.binding(node)
            if binding is not None:
                self.graph.edge(vertex, self.of_binding(binding, keys, node.start_byte))
            else:
                self._global(vertex, node, keys)
        elif kind == "this":
            self.graph.edge(vertex, self.of_this(self.stores.owner(node.start_byte), keys))
        elif kind == "object":
            self._object(vertex, node, keys)
        elif kind == "array":
            self._array(vertex, node, keys)
        elif kind in {"string", "template_string", "binary_expression"}:
            self._joined(vertex, node, keys)
        elif kind == "ternary_expression":
            for field in ("consequence", "alternative"):
                branch = node.child_by_field_name(field)
                if branch is not None:
                    self.depend(vertex, branch, keys)
        elif kind == "unary_expression":
            argument = node.child_by_field_name("argument")
            if argument is not None and operator_of(node) not in _TELLS_NOTHING:
                self.depend(vertex, argument, keys, Edge.VALUE)
        elif kind == "augmented_assignment_expression":
            for child in node.named_children:
                self.depend(vertex, child, keys)
        elif kind == "template_substitution":
            for child in node.named_children:
                self.depend(vertex, child, (), Edge.VALUE)

    # --- names -------------------------------------------------------------------------------------------

    def _expand_name(self, vertex: int, binding: Binding, keys: Keys) -> None:
        for definition in binding.definitions[:MAX_DEFINITIONS]:
            self._defined(vertex, definition, keys)
        self.stored(vertex, self.stores.into(binding), keys)
        self.inputs.filled(vertex, binding, keys)
        path = self.program.names.of_binding(binding)
        self._known(vertex, path, keys, binding.uses[0] if binding.uses else 0)

    def _defined(self, vertex: int, definition: Definition, keys: Keys) -> None:
        steps = tuple(
            ELEMENT if step is None else self.program.constants.step(step) for step in definition.path
        )
        if definition.how is How.VALUE and definition.node is not None:
            self.depend(vertex, definition.node, steps + keys)
        elif definition.how is How.PARAMETER:
            if definition.default is not None:
                self.depend(vertex, definition.default, steps[1:] + keys)
            self.graph.edge(vertex, self.of_parameter(definition.function, steps[0], steps[1:] + keys))

    def stored(self, vertex: int, stored: list[tuple[Keys, Node]], keys: Keys) -> None:
        """Let *vertex* carry what is stored at *keys*."""
        for place, value in stored:
            if all(
                one == other or one is None or other is None or ELEMENT in (one, other)
                for one, other in zip(place, keys, strict=False)
            ):
                self.depend(vertex, value, keys[len(place) :])

    def _global(self, vertex: int, node: Node, keys: Keys) -> None:
        self._known(vertex, self.program.names.path(node), keys, node.start_byte)

    def _known(self, vertex: int, path: Path, keys: Keys, at: int) -> bool:
        """Add what is known of a name; whether it is a source."""
        if not path.known:
            return False
        found = read_source(path, keys)
        if found is not None:
            self.source(vertex, *found, at)
            return True
        port = local_port(path, keys, VALUE)
        self.ports.enter(vertex, port, at)
        return port is not None

    def _member(self, vertex: int, node: Node, keys: Keys) -> None:
        path = self.program.names.path(node)
        if self._known(vertex, path, keys, node.start_byte):
            return
        if path.known and path.root is Root.GLOBAL and len(path.segments) > 1 and path.segments[0] == "process":
            return
        key = self.program.constants.property_name(node)
        made = made_by(path)
        if key in RESPONSE_MEMBERS or (made == ("XMLHttpRequest", ("response",))):
            self.source(vertex, Source.NETWORK, "XMLHttpRequest", node.start_byte)
        if key == "length":
            return
        self.depend(vertex, node.named_child(0), (key, *keys))

    # --- literals ----------------------------------------------------------------------------------------

    def _object(self, vertex: int, node: Node, keys: Keys) -> None:
        wanted = keys[0] if keys else None
        if wanted == ELEMENT:
            return
        found = False
        table = self.program.constants.table(node)
        if wanted is not None and wanted in table:
            self._held(vertex, table[wanted], keys[1:])
            found = True
        for child in node.named_children:
            if child.type == "spread_element":
                self.depend(vertex, child, keys)
            elif found:
                continue
            elif child.type == "pair":
                key, value = child.child_by_field_name("key"), child.child_by_field_name("value")
                if key is None or value is None:
                    continue
                name = None if wanted is None else self.program.constants.key(key)
                if name is None:
                    self._held(vertex, value, keys[1:])
            elif wanted is None and child.type == "shorthand_property_identifier":
                self.depend(vertex, child, keys[1:])

    def _held(self, vertex: int, value: Node, keys: Keys) -> None:
        if value.type == "method_definition":
            if any(child.type == "get" for child in value.children):
                function = self.program.scopes.function_of_node.get(value.id, 0)
                self.graph.edge(vertex, self.of_returned(function, keys))
            return
        self.depend(vertex, value, keys)

    def _array(self, vertex: int, node: Node, keys: Keys) -> None:
        items = [child for child in node.named_children if child.type != "comment"]
        wanted = keys[0] if keys else None
        if wanted is not None and wanted.isdecimal() and not any(it.type == "spread_element" for it in items):
            if int(wanted) < len(items):
                self.depend(vertex, items[int(wanted)], keys[1:])
            return
        for item in items:
            self.depend(vertex, item, keys if item.type == "spread_element" else keys[1:])

    def _joined(self, vertex: int, node: Node, keys: Keys) -> None:
        """A text, what is joined to one, and any other operation on two values."""
        kind = node.type
        if kind == "binary_expression":
            operator = operator_of(node)
            if operator in _COMPARISONS:
                return
            if operator in {"||", "??", "&&"}:
                pair = sides(node)
                for side in () if pair is None else pair[1:] if operator == "&&" else pair:
                    self.depend(vertex, side, keys)
                return
            if operator != "+":
                self._computed(vertex, node, operator)
                return
        text = self.pieces(node)
        if text.strip("\0"):
            self.text(vertex, text, node.start_byte)
        parts = operands(node) if kind == "binary_expression" else node.named_children
        for part in parts:
            if part.type not in {"string_fragment", "escape_sequence", "string"}:
                self._part(vertex, part)

    def _part(self, vertex: int, part: Node) -> None:
        """Something that a text is made of; what is constant has been looked at as part of the text."""
        inner = part.named_child(0) if part.type == "template_substitution" else part
        if self.constant(inner) is None or self.leaves_out:
            self.depend(vertex, inner, (), Edge.VALUE)

    def _computed(self, vertex: int, node: Node, operator: str) -> None:
        pair = sides(node)
        if pair is None:
            return
        if operator == "^":
            self.source(vertex, Source.DECODED, "^", node.start_byte)
        for side in pair:
            self.depend(vertex, side, (), Edge.VALUE)

    # --- texts -------------------------------------------------------------------------------------------

    def constant(self, node: Node) -> str | None:
        """The constant text that *node* stands for; of a call, only if that is known already."""
        node = unwrap(node)
        if node.type == "call_expression" and self._folded:
            return self.program.constants.settled(node)
        return self.program.constants.text(node)

    @property
    def leaves_out(self) -> bool:
        """Whether a constant may hide where a value comes from, since something was left out to work it out."""
        return self.program.constants.evaluation.partial

    def pieces(self, node: Node, depth: int = 0) -> str:
        """The text that *node* stands for, with a NUL for each part of it that is not constant."""
        constants = self.program.constants
        node = unwrap(node)
        constant = self.constant(node)
        if constant is not None:
            return constant[:MAX_TEXT]
        if depth >= _MAX_PIECES:
            return "\0"
        kind = node.type
        if kind == "binary_expression" and operator_of(node) == "+":
            return "".join(self.pieces(part, depth + 1) for part in operands(node)[:64])[:MAX_TEXT]
        if kind == "template_string":
            parts = constants.template_parts(node)[:129]
            return "".join(part if isinstance(part, str) else self.pieces(part, depth + 1) for part in parts)[
                :MAX_TEXT
            ]
        if kind == "call_expression":
            return self.calls.joined_path(node, depth + 1)
        if kind == "identifier":
            binding = self.program.scopes.binding(node)
            if binding is not None and len(binding.definitions) == 1:
                definition = binding.definitions[0]
                if definition.how is How.VALUE and definition.node is not None and not definition.path:
                    return self.pieces(definition.node, depth + 1)
        if kind == "member_expression":
            name = constants.property_name(node)
            kept = None if name is None else constants.property_node(node.named_child(0), name)
            if kept is not None and kept.type not in FUNCTIONS | CLASSES:
                return self.pieces(kept, depth + 1)
        return "\0"
