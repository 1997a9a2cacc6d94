"""Where values go between the files of a package: what a file exports, and what it takes from others."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from tree_sitter import Node

from npmguard.javascript.bindings import CLASSES, FUNCTIONS, Binding, How
from npmguard.javascript.callsites import arguments, unwrap
from npmguard.javascript.flow_names import ELEMENT, Callee, module_of
from npmguard.javascript.flow_stores import bounded
from npmguard.javascript.relevance import HEAD
from npmguard.model import FlowPort

if TYPE_CHECKING:
    from npmguard.javascript.flow_stores import Keys
    from npmguard.javascript.flow_values import FlowValues
    from npmguard.javascript.paths import Path
    from npmguard.javascript.program import Program

PORT = "@port"  # a label that begins in another file
VALUE, RETURNED = "value", "returned"
METHOD = "#"

_MAX_EXPORTS = 400
_MAX_CALLS = 2_000  # of functions of other files
_MAX_ARGUMENTS = 6
_MAX_DEPTH = 2  # of objects that are exported in objects
_UNBOUND_HEADS = frozenset({b"require", b"await", b"import", b"0"})
_LOCAL = re.compile(rb"""["'`]\.\.?/""")
_SPELLED = (b"module", b"exports", b"this")


class Leaving(NamedTuple):
    """Something that leaves the file for another: the port, and the vertex of what goes there."""

    port: FlowPort
    vertex: int


def local_port(path: Path, keys: Keys, role: str) -> FlowPort | None:
    """The port by which something of a local module comes in; None for other names."""
    module = module_of(path)
    if module is None or not module.startswith("."):
        return None
    known = []
    for key in (*path.segments[1:], *keys):
        if key is None or key in {"*", "[]"}:
            break
        known.append(key)
    return FlowPort(module, tuple(known), role)


class Ports:
    """The ports of one file by which values come in."""

    def __init__(self, values: FlowValues) -> None:
        """Begin with none."""
        self._values = values
        self._known: list[FlowPort] = []
        self._numbers: dict[FlowPort, int] = {}
        self.exported: dict[int, tuple[str, ...]] = {}

    def of(self, number: str | None) -> FlowPort:
        """The port that the detail of a label tells."""
        return self._known[int(number or 0)]

    def enter(self, vertex: int, port: FlowPort | None, at: int) -> None:
        """Let what comes in by *port* begin at a vertex."""
        if port is None:
            return
        number = self._numbers.setdefault(port, len(self._known))
        if number == len(self._known):
            self._known.append(port)
        self._values.graph.seed(vertex, self._values.graph.origins.bit(PORT, str(number), at))

    def parameter(self, vertex: int, function: int, position: str | None, at: int) -> None:
        """Let what another file gives to an exported function begin at a vertex."""
        keys = self.exported.get(function)
        if keys is not None and position is not None and position.isdecimal():
            self.enter(vertex, FlowPort("", keys, position), at)

    def imported_class(self, callee: Callee) -> FlowPort | None:
        """The port of what a method returns, of an object whose class another file exports."""
        receiver = callee.receiver
        if receiver is None or not callee.method or callee.path.known:
            return None
        node = unwrap(receiver)
        if node.type == "identifier":
            binding = self._values.program.scopes.binding(node)
            node = (None if binding is None else _held(binding)) or node
        made = node.child_by_field_name("constructor") if node.type == "new_expression" else None
        if made is None:
            return None
        return local_port(self._values.program.names.path(made), (METHOD, callee.method), RETURNED)


class FlowLinks:
    """Asks what leaves one file for others, and tells under which names it exports its functions."""

    def __init__(self, values: FlowValues, *, imports: bool) -> None:
        """Find the exports of the file of *values*; *imports* says that it is known to import local modules."""
        self._imports = imports or _LOCAL.search(values.program.text) is not None
        self._values = values
        self._program: Program = values.program
        self._ports = values.ports
        self.leaving: list[Leaving] = []
        self.aliases: list[tuple[tuple[str, ...], str, tuple[str, ...]]] = []
        self._exported: list[tuple[tuple[str, ...], Node]] = []
        for keys, node in self._exports():
            if len(self._exported) < _MAX_EXPORTS:
                self._export(keys, node, 0)

    def ask(self) -> None:
        """Ask what is exported, returned by what is exported, and given to what is imported."""
        for function, keys in self._ports.exported.items():
            if METHOD in keys or self._program.scopes.functions[function].type != "method_definition":
                self._leave(FlowPort("", keys, RETURNED), self._values.of_returned(function, ()))
        for keys, node in self._exported:
            self._leave(FlowPort("", keys, VALUE), self._values.ask(node))
        if not self._imports:
            return
        for callee in self._imported_calls():
            port = local_port(callee.path, (), VALUE) or self._ports.imported_class(callee)
            if port is None:
                continue
            for position, argument in enumerate(callee.given[:_MAX_ARGUMENTS]):
                if argument.type not in {"string", "number", "spread_element"}:
                    role = FlowPort(port.module, port.keys, str(position))
                    self._leave(role, self._values.ask(argument))

        self._passed_on()

    def _passed_on(self) -> None:
        """Ask what functions of other files get that are callbacks here."""
        for binding in bounded(self._program.scopes.bindings):
            if not binding.uses or binding.definitions[:1] == []:
                continue
            if binding.definitions[0].how not in {How.MODULE, How.VALUE}:
                continue
            port = local_port(self._program.names.of_binding(binding), (), "0")
            for call, at in [] if port is None else self._values.inputs.passed_to(binding):
                vertex = self._values.graph.vertex((("handed", call.id, at), (), False))
                self._values.inputs.handed(vertex, call, at, "0", ())
                if port is not None:
                    self._leave(port, vertex)

    def _leave(self, port: FlowPort, vertex: int) -> None:
        if vertex:
            self.leaving.append(Leaving(port, vertex))

    # --- what is taken -----------------------------------------------------------------------------------

    def _imported_calls(self) -> Iterator[Callee]:
        index, scopes, names = self._program.index, self._program.scopes, self._program.names
        found = 0
        calls = [(call, node) for call, node, _kind in index.every_call()]
        for new in index.of("new"):
            constructor = new.child_by_field_name("constructor")
            if constructor is not None:
                calls.append((new, constructor))
        for call, node in bounded(calls):
            head = HEAD.match(self._program.text, node.start_byte)
            if head is None:
                continue
            binding = scopes.at(head.start(1))
            if binding is None:
                if head[1] not in _UNBOUND_HEADS:
                    continue
            elif not _is_new(binding) and module_of(names.of_binding(binding)) is None:
                continue
            callee = self._values.calls.callee(call)
            if callee is not None and callee.given:
                yield callee
                found += 1
                if found >= _MAX_CALLS:
                    return

    # --- what is given -----------------------------------------------------------------------------------

    def _export(self, keys: tuple[str, ...], node: Node, depth: int) -> None:
        constants, scopes = self._program.constants, self._program.scopes
        if keys[:1] == ("default",):
            keys = keys[1:]
        named = node.type in {"identifier", "shorthand_property_identifier"}
        binding = scopes.binding(node) if named else None
        names = self._program.names
        alias = local_port(names.path(node) if binding is None else names.of_binding(binding), (), VALUE)
        if alias is not None:
            self.aliases.append((keys, alias.module, alias.keys))
            return
        if binding is not None:
            for place, value in self._values.stores.into(binding):
                if depth < _MAX_DEPTH and all(place) and ELEMENT not in place:
                    self._export((*keys, *(key for key in place if key)), value, depth + 1)
            node = _held(binding) or node
        function = node if node.type in FUNCTIONS else constants.function_of(node)
        if function is not None:
            index = scopes.function_of_node.get(function.id, 0)
            self._ports.exported.setdefault(index, keys)
            if function.type in CLASSES:
                self._class(keys, function)
            return
        literal = constants.object_literal(node)
        if literal is not None and depth < _MAX_DEPTH:
            for name, value in constants.table(literal).items():
                self._export((*keys, name), value, depth + 1)
            spread = (child for child in literal.named_children if child.type == "spread_element")
            self._exported.extend((keys, child) for child in spread)
            return
        if node.type not in {"string", "number", "true", "false", "null"}:
            self._exported.append((keys, node))

    def _class(self, keys: tuple[str, ...], node: Node) -> None:
        body = node.child_by_field_name("body")
        for member in [] if body is None else body.named_children:
            name = member.child_by_field_name("name") if member.type == "method_definition" else None
            key = None if name is None else self._program.constants.key(name)
            if key is None:
                continue
            index = self._program.scopes.function_of_node.get(member.id, 0)
            if key == "constructor":
                self._ports.exported[index] = keys
            else:
                static = any(child.type == "static" for child in member.children)
                self._ports.exported.setdefault(index, (*keys, key) if static else (*keys, METHOD, key))

    def _exports(self) -> Iterator[tuple[tuple[str, ...], Node]]:
        """Everything that the file exports: the steps to it, and the node that it is."""
        yield from self._assigned()
        yield from self._defined()
        for node in self._program.index.of("module"):
            if node.type == "export_statement":
                yield from self._export_statement(node)

    def _assigned(self) -> Iterator[tuple[tuple[str, ...], Node]]:
        text = self._program.text
        for _node, left, kind, right, compound in bounded(self._program.index.assignments):
            if right is None or compound or not kind.endswith("_expression"):
                continue
            if not text.startswith(_SPELLED, left.start_byte):
                continue
            path = self._program.names.target(left)
            keys = path.segments
            if keys[:2] == ("module", "exports"):
                keys = keys[2:]
            elif keys[:1] == ("exports",):
                keys = keys[1:]
            else:
                continue
            value = right
            while value.type == "assignment_expression" and (inner := value.child_by_field_name("right")):
                value = inner
            if keys != ("__esModule",) and "[]" not in keys:
                yield keys, unwrap(value)

    def _defined(self) -> Iterator[tuple[tuple[str, ...], Node]]:
        """Exports by ``Object.defineProperty``, and those that a compiler's helper hands on."""
        constants, text = self._program.constants, self._program.text
        for call, _callee, _kind in bounded(self._program.index.method_calls.get(b"defineProperty", [])):
            given = arguments(call)
            if len(given) > 2 and text[given[0].start_byte : given[0].end_byte] in {
                b"exports",
                b"module.exports",
            }:
                key, literal = constants.text(given[1]), constants.object_literal(given[2])
                getter = None if literal is None else constants.table(literal).get("get")
                function = None if getter is None else self._program.scopes.function_of_node.get(getter.id)
                if function is not None and key is not None:
                    for node in self._values.stores.returned(function):
                        yield (key,), unwrap(node)
        for call, callee, kind in bounded(self._program.index.calls):
            if kind == "identifier" and text[callee.start_byte : callee.end_byte].endswith(b"__exportStar"):
                yield from (((), unwrap(node)) for node in arguments(call)[:1])

    def _export_statement(self, node: Node) -> Iterator[tuple[tuple[str, ...], Node]]:
        source = node.child_by_field_name("source")
        module = None if source is None else self._program.constants.text(source)
        if module is not None:
            self._handed_on(node, module)
            return
        default = any(child.type == "default" for child in node.children)
        declared = node.child_by_field_name("declaration")
        value = node.child_by_field_name("value")
        if value is not None:
            yield (), unwrap(value)
        if declared is not None:
            if default:
                yield (), declared
            else:
                yield from self._declared(declared)
        for clause in node.named_children:
            for specifier in clause.named_children if clause.type == "export_clause" else ():
                name, alias = specifier.child_by_field_name("name"), specifier.child_by_field_name("alias")
                if name is not None:
                    yield (self._spelled(alias or name),), name

    def _declared(self, node: Node) -> Iterator[tuple[tuple[str, ...], Node]]:
        name = node.child_by_field_name("name")
        if name is not None:
            yield (self._spelled(name),), node
        for declarator in node.named_children:
            if declarator.type == "variable_declarator":
                name, value = declarator.child_by_field_name("name"), declarator.child_by_field_name("value")
                if name is not None and value is not None and name.type == "identifier":
                    yield (self._spelled(name),), name

    def _handed_on(self, node: Node, module: str) -> None:
        if not module.startswith("."):
            return
        for clause in node.named_children:
            if clause.type == "namespace_export":
                names = [self._spelled(child) for child in clause.named_children[:1]]
                self.aliases.append((tuple(names), module, ()))
                return
            if clause.type == "export_clause":
                for specifier in clause.named_children:
                    name, alias = specifier.child_by_field_name("name"), specifier.child_by_field_name("alias")
                    if name is not None:
                        steps = tuple(
                            () if each == "default" else (each,)
                            for each in (self._spelled(alias or name), self._spelled(name))
                        )
                        self.aliases.append((steps[0], module, steps[1]))
                return
        self.aliases.append(((), module, ()))

    def _spelled(self, node: Node) -> str:
        return self._program.text[node.start_byte : node.end_byte].decode("utf-8", "replace").strip("\"'")


def _held(binding: Binding) -> Node | None:
    """What a name is declared with, if it is never given anything else."""
    if len(binding.definitions) != 1:
        return None
    definition = binding.definitions[0]
    held = definition.how in {How.VALUE, How.FUNCTION} and not definition.path
    return unwrap(definition.node) if held and definition.node is not None else None


def _is_new(binding: Binding) -> bool:
    """Whether a name may hold an object of a class that another file exports."""
    node = binding.definitions[0].node if len(binding.definitions) == 1 else None
    return node is not None and node.type == "new_expression"
