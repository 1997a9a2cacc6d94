"""Facts of one source file: what it calls, writes, reads, imports, and the strings it holds.

Nothing is run. The tree is searched by one compiled query, and Python looks only at nodes that can become one
of the facts asked for.
"""

from __future__ import annotations

import re
import time
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import chain

from tree_sitter import Node

from npmguard.config import Limits
from npmguard.javascript import values
from npmguard.javascript.callsites import CallSites, arguments, members, unwrap
from npmguard.javascript.constants import FOLDED_CALLS, Constants, operands
from npmguard.javascript.interest import EVERYTHING, Interest
from npmguard.javascript.names import NOWHERE, REQUIRES, Names, Path, Root, returns
from npmguard.javascript.reach import Reach, tail
from npmguard.javascript.scopes import BY_START, FUNCTIONS, How, Scopes, key_name, pattern_names
from npmguard.javascript.syntax import Captures, Parsed, captures, parse
from npmguard.model import Fact, FactKind, FileFacts, FunctionSpan

FUNCTION_VALUE = "<function>"
MAX_ARGUMENTS = 16  # of a call that a fact keeps

_MEMBERS = frozenset({"member_expression", "subscript_expression"})
_PATTERNS = frozenset({"object_pattern", "array_pattern"})
_CONTINUES = re.compile(rb"(?:\s|/\*[^*]{0,200}\*/)*(?:\?\.(?!\d)|\.(?!\.\.)|\[|\(|`)")
_THROUGH = frozenset({b"call", b"apply", b"bind"})
_WRITERS = frozenset(
    {b"defineProperty", b"defineProperties", b"assign", b"set", b"__defineGetter__", b"__defineSetter__"}
)
_LOADERS = frozenset({b"require", b"_load", b"import"})


def extract_facts(path: str, source: bytes, limits: Limits, interest: Interest | None = None) -> FileFacts:
    """Draw the facts of *interest* (all, if None) from the source file at *path* of a package.

    Never raises for what the bytes are: what cannot be read is told in ``partial`` and ``problem``. A CALL, NEW,
    READ or WRITE spans its whole expression, and its line and column are those of the last segment of its
    name, so that a long chain of calls is not all on its first line. Columns count characters. Offsets refer
    to :func:`npmguard.javascript.syntax.source_text` of the source. Calls of local values of unknown origin
    (``f()``) are no facts. A class counts as a function, whose methods are inside it.

    ``functions`` does not depend on the interest.
    """
    parsed = parse(path, source, limits)
    nodes = captures(parsed)
    if parsed.tree is None:
        return FileFacts(path, (), (FunctionSpan(0, len(parsed.text), -1),), parsed.partial, parsed.problem)
    if parsed.grammar.typed:
        nodes = _without_types(nodes)
    scopes = Scopes(parsed.text, parsed.tree.root_node, nodes)
    sites = CallSites(scopes, nodes)
    constants = Constants(scopes, sites, nodes, limits)
    names = Names(scopes, sites, constants)
    reach = Reach(scopes, nodes)
    drawn = _Drawing(parsed, nodes, scopes, sites, constants, names, reach, interest or EVERYTHING)
    facts = drawn.facts()
    late = f"not analysed within {limits.analysis_seconds:.0f} s" if drawn.late else None
    return FileFacts(path, facts, reach.spans(), parsed.partial, parsed.problem or constants.problem or late)


def _without_types(nodes: Captures) -> Captures:
    """The nodes that are left when TypeScript's types are erased."""
    spans: list[tuple[int, int]] = []
    for node in sorted(nodes.pop("erased", []), key=BY_START):
        if not spans or node.start_byte >= spans[-1][1]:
            spans.append((node.start_byte, node.end_byte))
    for node in nodes.get("module", ()):
        if node.type == "import_statement" and any(child.type == "type" for child in node.children):
            spans.append((node.start_byte, node.end_byte))
    spans.sort()
    starts = [start for start, _ in spans]

    def kept(node: Node) -> bool:
        index = bisect_right(starts, node.start_byte) - 1
        return index < 0 or node.start_byte >= spans[index][1]

    return {kind: [node for node in found if kept(node)] for kind, found in nodes.items()}


class _Drawing:
    """The facts of one file, being drawn."""

    def __init__(
        self,
        parsed: Parsed,
        nodes: Captures,
        scopes: Scopes,
        sites: CallSites,
        constants: Constants,
        names: Names,
        reach: Reach,
        interest: Interest,
    ) -> None:
        self.late = False
        self._text = parsed.text
        self._deadline = parsed.deadline
        self._nodes = nodes
        self._scopes = scopes
        self._sites = sites
        self._constants = constants
        self._names = names
        self._reach = reach
        self._interest = interest
        self._found: list[tuple[int, Fact]] = []
        self._consumed: set[tuple[int, int]] = set()
        self._summed: set[int] = set()
        self._wanted = {kind: _encoded(interest.names_of(kind)) for kind in _NAMED}
        self._hidden = self._hidden_names()

    def facts(self) -> tuple[Fact, ...]:
        """Draw them all, in source order."""
        self._writes()
        self._calls()
        self._constructions()
        self._modules()
        self._reads()
        if self._interest.strings:
            self._strings()
        if self._interest.regexes:
            self._regexes()
        return self._placed()

    # --- what may be of interest -------------------------------------------------------------------------

    def _in_time(self, nodes: Sequence[Node]) -> Iterator[Node]:
        for index, node in enumerate(nodes):
            if not index & 1023 and time.monotonic() > self._deadline:
                self.late = True
                return
            yield node

    def _hidden_names(self) -> frozenset[bytes] | None:
        """Properties of this file under which something of interest is kept by another name; None for "any"."""
        if None in self._wanted.values():
            return None
        wanted = frozenset(chain.from_iterable(names or () for names in self._wanted.values()))
        kept = set()
        for pair in self._nodes.get("pair", ()):
            key, value = pair.child_by_field_name("key"), pair.child_by_field_name("value")
            if (
                key is not None
                and value is not None
                and value.type not in _INERT
                and self._leads_to(value, wanted)
            ):
                kept.add((key_name(key, self._text) or "").encode())
        for assignment in self._nodes.get("assignment", ()):
            left, right = assignment.child_by_field_name("left"), assignment.child_by_field_name("right")
            if left is None or right is None or left.type not in _MEMBERS or right.type in _INERT:
                continue
            if self._leads_to(right, wanted):
                kept.add((self._constants.property_name(left) or "").encode())
        return frozenset(kept)

    def _leads_to(self, node: Node, wanted: frozenset[bytes]) -> bool:
        if node.type == "identifier":
            name = self._text[node.start_byte : node.end_byte]
            if name not in wanted and name in self._scopes.unbound:
                return False
        elif node.type == "member_expression":
            name = tail(self._text, node.end_byte)
            if name not in wanted and not (name.startswith(b"#") or b"\\" in name):
                return False
        path = self._names.path(node)
        return path.known and bool(path.segments) and path.segments[-1].encode() in wanted

    def _maybe(self, node: Node, kind: FactKind, also: frozenset[bytes] = frozenset()) -> bool:
        """Whether the name of *node* may end in a segment that is wanted, judged cheaply."""
        wanted, hidden = self._wanted[kind], self._hidden
        if wanted is None or hidden is None:
            return True
        shape = node.type
        if shape == "member_expression":
            name = tail(self._text, node.end_byte)
            return (
                name in wanted or name in also or name in hidden or b"\\" in name or not _PLAIN.fullmatch(name)
            )
        if shape == "identifier":
            name = self._text[node.start_byte : node.end_byte]
            if name in wanted or name in also or b"\\" in name:
                return True
            if name in self._scopes.unbound:
                binding = self._scopes.lookup(name, node.start_byte)
                return binding is not None
            return True
        return True

    def _wants(self, path: Path, kind: FactKind) -> bool:
        wanted = self._wanted[kind]
        name = path.name
        if not name or name in {"?", "this"}:
            return False
        return wanted is None or name.rpartition(".")[2].encode("utf-8", "replace") in wanted

    # --- facts -------------------------------------------------------------------------------------------

    def _add(
        self,
        kind: FactKind,
        name: str,
        node: Node,
        *,
        at: int | None = None,
        value: str | None = None,
        args: tuple[str | None, ...] = (),
        target: int | None = None,
        decoded: bool = False,
    ) -> None:
        start, end = node.start_byte, node.end_byte
        function = self._scopes.function_at(start)
        fact = Fact(kind, name, 0, 0, start, end, function, value, args, target, decoded)
        self._found.append((start if at is None else at, fact))

    def _placed(self) -> tuple[Fact, ...]:
        """The facts with their lines and columns, in source order."""
        text = self._text
        lines = [0, *(match.end() for match in re.finditer(rb"\n", text))]
        ascii_only = text.isascii()
        last_line = last = characters = 0
        placed = []
        for at, fact in sorted(self._found, key=lambda item: item[0]):
            line = bisect_right(lines, at)
            begin = lines[line - 1]
            if ascii_only:
                column = at - begin
            else:
                if line != last_line:
                    last_line, last, characters = line, begin, 0
                characters += len(text[last:at].decode("utf-8", "replace"))
                last = at
                column = characters
            placed.append(
                Fact(
                    fact.kind, fact.name, line, column + 1, fact.start, fact.end, fact.function,
                    fact.value, fact.args, fact.target, fact.decoded,
                )
            )  # fmt: skip
        placed.sort(key=lambda fact: (fact.start, -fact.end, fact.kind.value, fact.name, fact.value or ""))
        return tuple(placed)

    def _decoded(self, path: Path, node: Node) -> bool:
        """Whether a segment of the name is not spelled in the expression itself."""
        own: list[str] = []
        inner: Node | None = unwrap(node)
        while inner is not None and inner.type in _MEMBERS and len(own) < 16:
            own.append("")
            base = inner.child_by_field_name("object")
            inner = None if base is None else unwrap(base)
        spelled = self._text[node.start_byte : node.end_byte]
        segments = path.segments[-max(len(own), 1) :]
        return any(
            segment != "[]" and segment.encode("utf-8", "replace") not in spelled for segment in segments
        )

    @staticmethod
    def _at(node: Node) -> int:
        """Where the last segment of a name is spelled."""
        node = unwrap(node)
        for field in ("property", "index"):
            inner = node.child_by_field_name(field) if node.type in _MEMBERS else None
            if inner is not None:
                return inner.start_byte
        return node.start_byte

    def _consume(self, node: Node) -> None:
        """Remember that a callee or target is not read."""
        while True:
            self._consumed.add((node.start_byte, node.end_byte))
            if node.type == "sequence_expression":
                node = node.named_children[-1]
                continue
            inner = unwrap(node)
            if inner.id == node.id:
                return
            node = inner

    # --- writes ------------------------------------------------------------------------------------------

    def _writes(self) -> None:
        for node in self._in_time([*self._nodes.get("assignment", ()), *self._nodes.get("augmented", ())]):
            left, right = node.child_by_field_name("left"), node.child_by_field_name("right")
            if left is None:
                continue
            left = unwrap(left)
            self._consume(left)
            if left.type in _PATTERNS:
                for target, path in pattern_names(left, self._text):
                    self._consume(target)
                    self._write(target, node, _element(right, path, self._text))
                continue
            operator = node.child_by_field_name("operator")
            partly = operator is not None and operator.type not in {"||=", "&&=", "??="}
            self._write(left, node, None if partly else right)
        for node in self._in_time(self._nodes.get("block", ())):
            if node.type == "for_in_statement" and node.child_by_field_name("kind") is None:
                left = node.child_by_field_name("left")
                if left is not None:
                    for target, _ in pattern_names(left, self._text):
                        self._consume(target)
                        self._write(target, target, None)

    def _write(self, target: Node, node: Node, right: Node | None) -> None:
        target = unwrap(target)
        if target.type in _MEMBERS:
            if not self._maybe(target, FactKind.WRITE):
                return
        elif target.type != "identifier" or self._scopes.lookup(self._scopes.name(target), target.start_byte):
            return
        path = self._names.path(target)
        if self._wants(path, FactKind.WRITE):
            value, function = self._written(right)
            decoded = self._decoded(path, target)
            self._add(
                FactKind.WRITE,
                path.name,
                node,
                at=self._at(target),
                value=value,
                target=function,
                decoded=decoded,
            )

    def _define(self, name: str, call: Node, given: list[Node]) -> None:
        """The writes that a call makes: ``Object.defineProperty`` and its kin."""
        if name in {"Object.assign", "Object.defineProperties"} and len(given) > 1:
            for source in given[1:]:
                literal = self._constants.object_literal(source)
                for key, value in [] if literal is None else members(literal, self._text):
                    described = value
                    if name == "Object.defineProperties":
                        described = self._described(value) or value
                    self._written_by_call(call, given[0], key, described)
        elif name in {"Object.defineProperty", "Reflect.defineProperty"} and len(given) > 2:
            self._written_by_call(call, given[0], self._constants.text(given[1]), self._described(given[2]))
        elif name == "Reflect.set" and len(given) > 2:
            self._written_by_call(call, given[0], self._constants.text(given[1]), given[2])

    def _described(self, descriptor: Node) -> Node | None:
        """The value, getter or setter of a property descriptor."""
        literal = self._constants.object_literal(descriptor)
        found = {} if literal is None else dict(members(literal, self._text))
        for key in ("value", "get", "set"):
            if key in found:
                got = found[key]
                if key == "get":
                    function = self._names.function_of(got)
                    given = [] if function is None else returns(function)
                    inner = self._names.function_of(given[0]) if len(given) == 1 else None
                    return inner or got
                return got
        return None

    def _written_by_call(self, call: Node, holder: Node, key: str | None, value: Node | None) -> None:
        base = self._names.path(holder)
        path = self._names.joined(base, "[]" if key is None else key)
        if not self._wants(path, FactKind.WRITE):
            return
        constant, function = self._written(value)
        spelled = self._text[call.start_byte : call.end_byte]
        decoded = key is not None and key.encode("utf-8", "replace") not in spelled
        self._add(FactKind.WRITE, path.name, call, value=constant, target=function, decoded=decoded)

    def _written(self, node: Node | None) -> tuple[str | None, int | None]:
        """The constant that is written, or FUNCTION_VALUE with the index of the function."""
        if node is None:
            return None, None
        function = self._function_written(node)
        if function is not None:
            return FUNCTION_VALUE, function
        value = values.to_string(self._constants.fold(node))
        return (None if value is None else values.as_text(value)), None

    def _function_written(self, node: Node) -> int | None:
        pending = [node]
        for _ in range(32):
            if not pending:
                return None
            node = unwrap(pending.pop())
            kind = node.type
            function = self._names.function_of(node)
            if function is not None:
                return self._scopes.function_of_node.get(function.id)
            if kind == "assignment_expression":
                pending.extend(_fields(node, "right"))
            elif kind in {"ternary_expression", "binary_expression"}:
                pending.extend(_fields(node, "alternative", "consequence", "right", "left"))
            elif kind == "call_expression":
                pending.extend(reversed(self._made_by(node)))
            elif kind == "new_expression":
                pending.extend(self._trap(node))
            elif kind in _MEMBERS:
                name, base = self._constants.property_name(node), node.child_by_field_name("object")
                kept = None if name is None or base is None else self._constants.property_node(base, name)
                if kept is not None:
                    pending.append(kept)
                elif name is not None:
                    stored = self._reach.stored(name.encode("utf-8", "replace"))
                    if len(stored) == 1 and not self._names.path(node).known:
                        return stored[0]
        return None

    def _made_by(self, call: Node) -> list[Node]:
        """Where the function that a call returns may be written: bound, returned, or handed to a wrapper."""
        callee = call.child_by_field_name("function")
        if callee is None:
            return []
        callee = unwrap(callee)
        if callee.type == "member_expression" and tail(self._text, callee.end_byte) == b"bind":
            return _fields(callee, "object")
        function = self._names.function_of(callee)
        if function is None:
            return []
        handed = [node for node in arguments(call) if node.type in FUNCTIONS]
        return [node for node in returns(function) if self._names.function_of(node)] + handed

    def _trap(self, new: Node) -> list[Node]:
        """The trap of a Proxy that runs when the wrapped function is called."""
        constructor = new.child_by_field_name("constructor")
        given = arguments(new)
        if constructor is None or len(given) < 2 or self._names.path(constructor).name != "Proxy":
            return []
        literal = self._constants.object_literal(given[1])
        traps = {} if literal is None else dict(members(literal, self._text))
        return [traps[key] for key in ("get", "construct", "apply") if key in traps]

    # --- calls -------------------------------------------------------------------------------------------

    def _calls(self) -> None:
        wanted = self._wanted[FactKind.CALL]
        also = _THROUGH | (_WRITERS if self._wanted[FactKind.WRITE] != frozenset() else frozenset())
        if self._wanted[FactKind.MODULE] != frozenset():
            also |= _LOADERS
        for index, (call, callee) in enumerate(self._sites.calls):
            if not index & 1023 and time.monotonic() > self._deadline:
                self.late = True
                return
            if wanted is not None and not self._maybe(callee, FactKind.CALL, also):
                continue
            self._call(call, callee)

    def _call(self, call: Node, callee: Node) -> None:
        path, given = self._effective(self._names.path(callee), arguments(call))
        self._consume(callee)
        name = path.name
        if name in REQUIRES and given:
            self._required(call, given[0])
        if given is not None:
            self._define(name, call, given)
            if path.segments[-1:] in {("__defineGetter__",), ("__defineSetter__",)} and len(given) > 1:
                holder = callee.child_by_field_name("object")
                if holder is not None:
                    self._written_by_call(call, holder, self._constants.text(given[0]), given[1])
        if self._wants(path, FactKind.CALL):
            self._add(
                FactKind.CALL,
                name,
                call,
                at=self._at(callee),
                args=self._constant_arguments(given),
                decoded=self._decoded(path, callee),
            )

    def _effective(self, path: Path, given: list[Node] | None) -> tuple[Path, list[Node] | None]:
        """The function that is called through ``call``, ``apply`` and ``Reflect.apply``, and its arguments."""
        for _ in range(4):
            last = path.segments[-1:]
            if path.name in {"Function.prototype.call.call", "Function.prototype.apply.call"} and given:
                path = Path(path.root, (*self._names.path(given[0]).segments, path.segments[-2]))
                given = given[1:]
            elif last == ("call",) and (len(path.segments) > 1 or not path.known):
                path, given = Path(path.root, path.segments[:-1]), None if given is None else given[1:]
            elif last == ("apply",) and path.name == "Reflect.apply":
                if not given:
                    break
                path, given = self._names.path(given[0]), _spread(given[2:3])
            elif last == ("apply",) and (len(path.segments) > 1 or not path.known):
                path, given = (
                    Path(path.root, path.segments[:-1]),
                    None if given is None else _spread(given[1:2]),
                )
            else:
                break
        return path, given

    def _constant_arguments(self, given: list[Node] | None) -> tuple[str | None, ...]:
        found: list[str | None] = []
        for node in [] if given is None else given[:MAX_ARGUMENTS]:
            inner = node.named_children[0] if node.type == "spread_element" and node.named_children else node
            value = self._constants.fold(inner)
            if inner is not node:
                if not isinstance(value, tuple):
                    found.append(None)
                    break
                found.extend(map(_text, value))
            else:
                found.append(None if isinstance(value, (tuple, bytes)) else _text(value))
        return tuple(found[:MAX_ARGUMENTS])

    def _constructions(self) -> None:
        for node in self._in_time(self._nodes.get("new", ())):
            constructor = node.child_by_field_name("constructor")
            if constructor is None or not self._maybe(constructor, FactKind.NEW):
                continue
            path = self._names.path(constructor)
            self._consume(constructor)
            if self._wants(path, FactKind.NEW):
                self._add(
                    FactKind.NEW,
                    path.name,
                    node,
                    at=self._at(constructor),
                    args=self._constant_arguments(arguments(node)),
                    decoded=self._decoded(path, constructor),
                )

    # --- modules -----------------------------------------------------------------------------------------

    def _modules(self) -> None:
        for node in self._nodes.get("module", ()):
            source = node.child_by_field_name("source")
            if source is None:
                clauses = [child for child in node.named_children if child.type == "import_require_clause"]
                source = clauses[0].child_by_field_name("source") if clauses else None
            if source is not None:
                self._required(node, source)

    def _required(self, node: Node, source: Node) -> None:
        name = self._constants.text(source)
        if name is None:
            return
        module = name.removeprefix("node:")
        wanted = self._wanted[FactKind.MODULE]
        if wanted is None or module.encode("utf-8", "replace") in wanted:
            spelled = self._text[source.start_byte : source.end_byte]
            decoded = module.encode("utf-8", "replace") not in spelled
            self._add(FactKind.MODULE, module, node, at=source.start_byte, decoded=decoded)

    # --- reads -------------------------------------------------------------------------------------------

    def _reads(self) -> None:
        wanted = self._wanted[FactKind.READ]
        if wanted == frozenset():
            return
        for node in self._in_time([*self._nodes.get("member", ()), *self._nodes.get("subscript", ())]):
            if self._maybe(node, FactKind.READ):
                self._read(node, self._names.path(node), node)
        for name, offsets in self._scopes.unbound.items():
            if wanted is None or name in wanted:
                self._read_globals(name, offsets)
        for binding in self._scopes.bindings:
            for how, node, path, _function, _default in binding.definitions:
                if node is None or not path or how not in {How.VALUE, How.MODULE}:
                    continue
                if how is How.MODULE:
                    name = self._constants.text(node)
                    read = (
                        NOWHERE
                        if name is None
                        else self._names.joined(self._names.module(name), *map(str, path))
                    )
                else:
                    read = self._names.at(node, path)
                if read.known and self._wants(read, FactKind.READ):
                    self._add(FactKind.READ, read.name, node, decoded=self._decoded(read, node))

    def _read(self, node: Node, path: Path, spelled: Node) -> None:
        if not path.known or len(path.segments) < (1 if path.root is Root.GLOBAL else 2):
            return
        if (node.start_byte, node.end_byte) in self._consumed or _CONTINUES.match(self._text, node.end_byte):
            return
        if self._wants(path, FactKind.READ):
            self._add(FactKind.READ, path.name, node, at=self._at(node), decoded=self._decoded(path, spelled))

    def _read_globals(self, name: bytes, offsets: list[int]) -> None:
        """Plain mentions of a global (``ethereum`` is ``window.ethereum``)."""
        text = name.decode("utf-8", "replace")
        path = self._names.joined(Path(Root.GLOBAL), text)
        if not self._wants(path, FactKind.READ):
            return
        root = self._scopes.functions[0]
        for offset in offsets:
            end = offset + len(name)
            if (offset, end) in self._consumed or _CONTINUES.match(self._text, end):
                continue
            node = root.named_descendant_for_byte_range(offset, end)
            if node is not None and node.start_byte == offset:
                self._add(FactKind.READ, path.name, node)

    # --- strings and regular expressions -----------------------------------------------------------------

    def _strings(self) -> None:
        for node in self._in_time(self._nodes.get("string", ())):
            self._literal(node)
        for node in self._in_time(self._nodes.get("template", ())):
            parts = self._constants.template_parts(node)
            for part in parts:
                if isinstance(part, str) and (part or len(parts) == 1):
                    self._string(part, node)
        self._folded_strings()

    def _literal(self, node: Node) -> None:
        interest = self._interest
        size = node.end_byte - node.start_byte - 2
        if size < interest.string_length and interest.string_pattern is None and not interest.string_values:
            return
        value = self._constants.fold(node)
        if isinstance(value, str):
            self._string(value, node)

    def _string(self, value: str, node: Node, end: int | None = None) -> None:
        text = values.as_text(value)
        if not self._interest.wants_string(text):
            return
        spelled = self._text[node.start_byte : end or node.end_byte]
        self._add(FactKind.STRING, "", node, value=text, decoded=text.encode("utf-8", "replace") not in spelled)

    def _folded_strings(self) -> None:
        """Strings that are worked out: the outermost expression that is constant, or constant neighbours in a sum."""
        candidates = [
            node
            for node in self._nodes.get("binary", ())
            if (operator := node.child_by_field_name("operator")) is not None and operator.type == "+"
        ]
        for call, callee in self._sites.calls:
            kind = callee.type
            if kind == "member_expression":
                if tail(self._text, callee.end_byte) in _FOLDED:
                    candidates.append(call)
            elif kind != "identifier" or self._text[callee.start_byte : callee.end_byte] in _FOLDED_GLOBALS:
                candidates.append(call)
        candidates += [
            node
            for node in self._nodes.get("template", ())
            if b"${" in self._text[node.start_byte : node.end_byte]
        ]
        candidates.sort(key=lambda node: (node.start_byte, -node.end_byte))
        covered = 0
        for node in self._in_time(candidates):
            if node.end_byte <= covered:
                continue
            value = self._constants.fold(node)
            if isinstance(value, str):
                covered = node.end_byte
                self._string(value, node)
            elif node.type == "binary_expression" and value is values.UNKNOWN:
                self._partial_sum(node)

    def _partial_sum(self, node: Node) -> None:
        """Constant neighbours in a sum, of which only the outermost node is looked at."""
        if node.id in self._summed:
            return
        inner: Node | None = node
        while inner is not None and inner.type == "binary_expression" and inner.id not in self._summed:
            self._summed.add(inner.id)
            inner = inner.child_by_field_name("left")
        for start, end, text in self._constants.strings(node):
            if self._interest.wants_string(text):
                decoded = text.encode("utf-8", "replace") not in self._text[start:end]
                function = self._scopes.function_at(start)
                fact = Fact(FactKind.STRING, "", 0, 0, start, end, function, text, decoded=decoded)
                self._found.append((start, fact))

    def _regexes(self) -> None:
        for node in self._in_time(self._nodes.get("regex", ())):
            value = self._constants.fold(node)
            if isinstance(value, values.Regex):
                self._regex(node, values.as_text(value.source), value.flags)
        for call, callee in self._sites.calls:
            if tail(self._text, callee.end_byte) == b"RegExp" or callee.type not in {
                "identifier",
                "member_expression",
            }:
                self._built_regex(call, callee)
        for node in self._nodes.get("new", ()):
            constructor = node.child_by_field_name("constructor")
            if constructor is not None:
                self._built_regex(node, constructor)

    def _built_regex(self, node: Node, constructor: Node) -> None:
        if self._names.path(constructor).name != "RegExp":
            return
        given = self._constant_arguments(arguments(node))
        if given and given[0] is not None and arguments(node)[0].type != "regex":
            flags = given[1] if len(given) > 1 and given[1] is not None else ""
            self._regex(node, given[0], flags)

    def _regex(self, node: Node, source: str, flags: str) -> None:
        if len(source) >= self._interest.regex_length:
            spelled = self._text[node.start_byte : node.end_byte]
            decoded = source.encode("utf-8", "replace") not in spelled
            self._add(FactKind.REGEX, "", node, value=source, args=(flags,), decoded=decoded)


_NAMED = (FactKind.CALL, FactKind.NEW, FactKind.WRITE, FactKind.READ, FactKind.MODULE, FactKind.SHAPE)
_INERT = FUNCTIONS | {
    "string",
    "number",
    "object",
    "array",
    "true",
    "false",
    "null",
    "template_string",
    "regex",
}
_PLAIN = re.compile(rb"#?[\w$\x80-\xff]+")
_FOLDED = frozenset(name.encode() for name in FOLDED_CALLS)
_FOLDED_GLOBALS = frozenset({b"atob", b"unescape", b"decodeURIComponent", b"decodeURI", b"String"})


def _encoded(names: frozenset[str] | None) -> frozenset[bytes] | None:
    return None if names is None else frozenset(name.encode() for name in names)


def _text(value: values.Value) -> str | None:
    text = values.to_string(value)
    return None if text is None else values.as_text(text)


def _fields(node: Node, *fields: str) -> list[Node]:
    return [child for field in fields if (child := node.child_by_field_name(field)) is not None]


def _spread(array: Sequence[Node]) -> list[Node] | None:
    """The elements of an array literal given to ``apply``; None if it is something else."""
    if not array or array[0].type != "array":
        return None
    return [node for node in array[0].named_children if node.type != "comment"]


def _element(right: Node | None, path: Sequence[str | int | None], text: bytes) -> Node | None:
    """The part of a literal that a destructuring assignment takes."""
    for step in path:
        if right is None:
            return None
        right = unwrap(right)
        if isinstance(step, int) and right.type == "array":
            items = [node for node in right.named_children if node.type != "comment"]
            right = items[step] if step < len(items) else None
        elif isinstance(step, str) and right.type == "object":
            right = dict(members(right, text)).get(step)
        else:
            return None
    return right
