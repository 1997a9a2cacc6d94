"""Facts of one source file: what it calls, writes, reads, imports, and the strings it holds.

Nothing is run. The tree is searched by one compiled query, and Python looks only at nodes that can become one
of the facts asked for.
"""

from __future__ import annotations

import gc
import re
from bisect import bisect_right
from collections.abc import Sequence
from operator import itemgetter
from typing import NamedTuple

from tree_sitter import Node

from npmguard.config import Limits
from npmguard.javascript import values
from npmguard.javascript.callsites import arguments, returns, unwrap
from npmguard.javascript.constants import FOLDED_CALLS
from npmguard.javascript.edit_distance import EDIT_DISTANCE, EditDistances
from npmguard.javascript.index import MEMBERS, without_types
from npmguard.javascript.interest import EVERYTHING, Interest
from npmguard.javascript.most_similar import MOST_SIMILAR, Choices
from npmguard.javascript.names import NOWHERE, REQUIRES, Path, Root
from npmguard.javascript.program import Program
from npmguard.javascript.reach import Reach
from npmguard.javascript.scopes import CLASSES, FUNCTIONS, How, Step, pattern_names
from npmguard.javascript.shapes import REWRITES_RECIPIENT, WRAPS_ORIGINAL, Hook, Recipients, Shape, Wrapping
from npmguard.javascript.syntax import Captures, captures, is_declaration, parse
from npmguard.model import Fact, FactKind, FileFacts, FunctionSpan

FUNCTION_VALUE = "<function>"
MAX_ARGUMENTS = 16  # of a call that a fact keeps

_PATTERNS = frozenset({"object_pattern", "array_pattern"})
_CONTINUES = re.compile(
    rb"(?:\s|/\*[^*]{0,200}\*/)*(?:\?\.(?!\d)|\.(?!\.\.)|\[|\(|`"
    rb"|(?:\+|-|\*\*?|/|%|<<|>>>?|&&?|\|\|?|\^|\?\?)?=(?![=>]))"
)
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
    collecting = gc.isenabled()
    gc.disable()  # a tree makes many objects and no cycles; looking for those takes as long as parsing
    try:
        return _extract(path, source, limits, interest or EVERYTHING)
    finally:
        if collecting:
            gc.enable()


def _extract(path: str, source: bytes, limits: Limits, interest: Interest) -> FileFacts:
    parsed = parse(path, source, limits)
    nodes = captures(parsed)
    nothing = FileFacts(path, (), (FunctionSpan(0, len(parsed.text), -1),), parsed.partial, parsed.problem)
    if parsed.tree is None:
        return nothing
    if parsed.grammar.typed:
        nodes = without_types(nodes)
        if is_declaration(path) and not _runs(nodes):
            return nothing
    typed = parsed.grammar.typed
    program = Program(parsed.text, parsed.tree.root_node, nodes, limits, parsed.deadline, typed=typed)
    reach = Reach(program.index, program.scopes)
    spans = reach.spans()
    facts = _Drawing(program, reach, spans, interest).facts()
    late = f"not analysed within {limits.analysis_seconds:.0f} s" if program.late else None
    program.close()
    return FileFacts(path, facts, spans, parsed.partial, program.constants.problem or late)


def _runs(nodes: Captures) -> bool:
    """Whether there is code that runs, which a real declaration file has not."""
    if any(nodes.get(kind) for kind in ("call", "new", "assignment", "augmented")):
        return True
    return any(node.type not in CLASSES for node in nodes.get("function", ()))


class _Found(NamedTuple):
    """A fact before its place is known as line and column; ``at`` is the offset that they tell."""

    at: int
    kind: FactKind
    name: str
    start: int
    end: int
    function: int
    value: str | None = None
    args: tuple[str | None, ...] = ()
    target: int | None = None
    decoded: bool = False


class _Drawing:
    """The facts of one file, being drawn."""

    def __init__(
        self, program: Program, reach: Reach, spans: tuple[FunctionSpan, ...], interest: Interest
    ) -> None:
        self._program = program
        self._text = program.text
        self._index = program.index
        self._scopes = program.scopes
        self._constants = program.constants
        self._names = program.names
        self._reach = reach
        self._spans = spans
        self._interest = interest
        self._hooks: list[Hook] = []
        self._wrapping: Wrapping | None = None
        if interest.shapes is None or WRAPS_ORIGINAL in interest.shapes:
            self._wrapping = Wrapping(program, spans)
        self._found: list[_Found] = []
        self._consumed: set[tuple[int, int]] = set()
        self._summed: set[int] = set()
        self._wanted_calls = _encoded(interest.calls)
        self._wanted_news = _encoded(interest.news)
        self._wanted_writes = _encoded(interest.writes)
        self._wanted_reads = _encoded(interest.reads)
        self._wanted_modules = _encoded(interest.modules)
        self._hidden: frozenset[bytes] = frozenset()
        self._holders = program.constants.holders()
        if None not in (interest.calls, interest.news, interest.reads):
            self._find_hidden()

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
        self._shapes()
        return self._placed()

    # --- what may be of interest -------------------------------------------------------------------------

    def _find_hidden(self) -> None:
        """Find the properties under which local objects may keep something of interest by another name."""
        if not self._holders:
            return
        kept: set[str | None] = set()
        plain: set[bytes] = set()
        for key, _value, kind, name in self._index.pairs:
            if kind not in _INERT:
                if name is not None:
                    plain.add(name)
                else:
                    kept.add(self._constants.key(key))
        for _node, left, kind, right, _compound in self._index.assignments:
            if kind in MEMBERS and right is not None and right.type not in _INERT and self._held(left):
                kept.add(self._constants.property_name(left))
        plain.update(name.encode("utf-8", "replace") for name in kept if name is not None)
        self._hidden = frozenset(plain)

    def _held(self, member: Node) -> bool:
        """Whether the object of *member* may be a local object literal."""
        head = _HEAD.match(self._text, member.start_byte)
        return head is None or head[1] in self._holders or head[1] == b"await" or b"\\" in head[1]

    def _maybe(self, node: Node, kind: str, wanted: frozenset[bytes]) -> bool:
        """Whether the name of *node* may end in a segment that is wanted, judged cheaply."""
        if kind == _MEMBER:
            name = self._index.tail(node)
            return name in wanted or b"\\" in name or (name in self._hidden and self._held(node))
        if kind == "identifier":
            name = self._text[node.start_byte : node.end_byte]
            if name in wanted or b"\\" in name:
                return True
            binding = self._scopes.binding(node)
            if binding is None:
                return False
            path = self._names.of_binding(binding)
            return path.known and bool(path.segments) and path.segments[-1].encode("utf-8", "replace") in wanted
        return True

    @staticmethod
    def _wants(name: str, wanted: frozenset[bytes] | None) -> bool:
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
        start = node.start_byte
        function = self._scopes.function_at(start)
        at = start if at is None else at
        self._found.append(_Found(at, kind, name, start, node.end_byte, function, value, args, target, decoded))

    def _placed(self) -> tuple[Fact, ...]:
        """The facts with their lines and columns, in source order."""
        text = self._text
        lines = [0, *(match.end() for match in re.finditer(rb"\n", text))]
        ascii_only = text.isascii()
        last_line = last = characters = 0
        placed = []
        for at, kind, name, start, end, function, value, args, target, decoded in sorted(
            self._found, key=_PLACE
        ):
            line = bisect_right(lines, at)
            begin = lines[line - 1]
            column = at - begin
            if not ascii_only:
                if line != last_line:
                    last_line, last, characters = line, begin, 0
                characters += len(text[last:at].decode("utf-8", "replace"))
                last = at
                column = characters
            placed.append(
                Fact(kind, name, line, column + 1, start, end, function, value, args, target, decoded)
            )
        placed.sort(key=lambda fact: (fact.start, -fact.end, fact.kind.value, fact.name, fact.value or ""))
        return tuple(placed)

    def _decoded(self, path: Path, node: Node) -> bool:
        """Whether a segment of the name is not spelled in the expression itself."""
        own: list[str] = []
        inner: Node | None = unwrap(node)
        while inner is not None and inner.type in MEMBERS and len(own) < 16:
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
            inner = node.child_by_field_name(field) if node.type in MEMBERS else None
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
        for node, left, kind, right, _compound in self._program.in_time(self._index.assignments):
            if kind in MEMBERS:
                self._write(left, kind, node, right)
                continue
            target = unwrap(left)
            self._consume(target)
            if target.type in _PATTERNS:
                for part, path in pattern_names(target, self._text):
                    self._consume(part)
                    self._write(part, part.type, node, self._element(right, path))
            else:
                self._write(target, target.type, node, right)
        for node in self._program.in_time(self._index.of("block")):
            if node.type == "for_in_statement" and node.child_by_field_name("kind") is None:
                left = node.child_by_field_name("left")
                for part, _ in [] if left is None else pattern_names(unwrap(left), self._text):
                    self._consume(part)
                    self._write(part, part.type, part, None)

    def _write(self, target: Node, kind: str, node: Node, right: Node | None) -> None:
        wanted = self._wanted_writes
        if kind not in MEMBERS:
            if kind != "identifier" or self._scopes.binding(target):
                return
        elif wanted is not None and not self._maybe(target, kind, wanted):
            if self._wrapping is None or right is None or right.type not in _MAY_BE_FUNCTION:
                return
            if kind == _MEMBER and right.type != "new_expression":
                last = self._index.tail(target)
                if b"\\" not in last and not self._wrapping.may_wrap(last.decode("utf-8", "replace")):
                    return
        path = self._names.target(target)
        name = path.name
        wants = self._wants(name, wanted)
        value, function = self._written(right) if wants or self._may_hook(path, right) else (None, None)
        self._hook(path, node, target, right, function)
        if wants:
            decoded = self._decoded(path, target)
            self._add(
                FactKind.WRITE, name, node, at=self._at(target), value=value, target=function, decoded=decoded
            )

    def _may_hook(self, path: Path, value: Node | None) -> bool:
        """Whether it matters for shapes that a member is given that value."""
        if self._wrapping is None or value is None or not path.segments:
            return False
        return value.type == "new_expression" or self._wrapping.may_wrap(path.segments[-1])

    def _hook(
        self, path: Path, node: Node, target: Node | None, value: Node | None, function: int | None
    ) -> None:
        """Remember a member that is given a function."""
        if function is not None and value is not None and self._may_hook(path, value):
            made = unwrap(value)
            given = arguments(made) if made.type == "new_expression" else []
            proxied = self._names.path(given[0]) if given else None
            self._hooks.append(Hook(path, node, target, function, proxied))

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

    def _define(self, name: str, call: Node, given: list[Node]) -> None:
        """The writes that a call makes: ``Object.defineProperty`` and its kin."""
        if name in {"Object.assign", "Object.defineProperties"} and len(given) > 1:
            for source in given[1:]:
                literal = self._constants.object_literal(source)
                for key, value in ({} if literal is None else self._constants.table(literal)).items():
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
        found = {} if literal is None else self._constants.table(literal)
        for key in ("value", "get", "set"):
            if key in found:
                got = found[key]
                if key == "get":
                    function = self._constants.function_of(got)
                    given = [] if function is None else returns(function)
                    inner = self._constants.function_of(given[0]) if len(given) == 1 else None
                    return inner or got
                return got
        return None

    def _written_by_call(self, call: Node, holder: Node, key: str | None, value: Node | None) -> None:
        base = self._names.path(holder)
        path = self._names.joined(base, "[]" if key is None else key)
        constant, function = self._written(value)
        self._hook(path, call, None, value, function)
        if not self._wants(path.name, self._wanted_writes):
            return
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
            function = self._constants.function_of(node)
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
            elif kind in MEMBERS:
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
        if callee.type == "member_expression" and self._index.tail(callee) == b"bind":
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

    # --- calls -------------------------------------------------------------------------------------------

    def _calls(self) -> None:
        wanted = self._wanted_calls
        if wanted is not None:
            wanted |= _THROUGH
            if self._interest.regexes:
                wanted |= {b"RegExp"}
            if self._wanted_writes != frozenset() or self._wrapping is not None:
                wanted |= _WRITERS
            if self._wanted_modules != frozenset():
                wanted |= _LOADERS
        if wanted is None:
            calls = self._index.every_call()
        else:
            methods = self._index.method_calls
            likely = [name for name in methods if name in wanted or name in self._hidden or b"\\" in name]
            calls = self._index.calls + self._index.calls_of(likely)
        for call, callee, kind in self._program.in_time(calls):
            if wanted is None or self._maybe(callee, kind, wanted):
                self._call(call, callee)
        if self._program.typed:  # type arguments may stand between callee and parenthesis
            for _call, callee, _kind in self._index.every_call():
                self._consumed.add((callee.start_byte, callee.end_byte))

    def _call(self, call: Node, callee: Node) -> None:
        path, given = self._effective(self._names.path(callee), arguments(call))
        self._consume(callee)
        name = path.name
        if given:
            if name in REQUIRES:
                self._required(call, given[0])
            elif name in _DEFINERS:
                self._define(name, call, given)
            elif path.segments[-1:] in {("__defineGetter__",), ("__defineSetter__",)} and len(given) > 1:
                holder = callee.child_by_field_name("object")
                if holder is not None:
                    self._written_by_call(call, holder, self._constants.text(given[0]), given[1])
            elif name == "RegExp":
                self._built_regex(call, given)
        if self._wants(name, self._wanted_calls):
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
        wanted = self._wanted_news
        likely = None if wanted is None else wanted | {b"RegExp"}
        for node in self._program.in_time(self._index.of("new")):
            constructor = node.child_by_field_name("constructor")
            if constructor is None:
                continue
            self._consume(constructor)
            if likely is not None and not self._maybe(constructor, constructor.type, likely):
                continue
            path = self._names.path(constructor)
            if path.name == "RegExp":
                self._built_regex(node, arguments(node))
            if self._wants(path.name, wanted):
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
        for node in self._index.of("module"):
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
        wanted = self._wanted_modules
        if wanted is None or module.encode("utf-8", "replace") in wanted:
            spelled = self._text[source.start_byte : source.end_byte]
            decoded = module.encode("utf-8", "replace") not in spelled
            self._add(FactKind.MODULE, module, node, at=source.start_byte, decoded=decoded)

    # --- reads -------------------------------------------------------------------------------------------

    def _reads(self) -> None:
        wanted = self._wanted_reads
        if wanted == frozenset():
            return
        members = self._index.members
        likely = (
            members
            if wanted is None
            else [name for name in members if name in wanted or name in self._hidden or b"\\" in name]
        )
        found = [node for name in likely for node in members[name]]
        if wanted is not None:
            found = [node for node in found if self._maybe(node, _MEMBER, wanted)]
        for node in self._program.in_time([*found, *self._index.of("subscript")]):
            self._read(node)
        for name, offsets in self._scopes.unbound.items():
            if wanted is None or name in wanted:
                self._read_globals(name, offsets)
        for binding in self._scopes.bindings:
            for how, node, path, _function, _default in binding.definitions:
                if not path or node is None or (how is not How.VALUE and how is not How.MODULE):
                    continue
                last = path[-1]
                if (
                    wanted is not None
                    and isinstance(last, str)
                    and last.encode("utf-8", "replace") not in wanted
                ):
                    continue
                if how is How.MODULE:
                    module = self._constants.text(node)
                    base = NOWHERE if module is None else self._names.module(module)
                    read = self._names.joined(base, *reversed(self._names.steps(path)))
                else:
                    read = self._names.at(node, path)
                if read.known and self._wants(read.name, wanted):
                    self._add(FactKind.READ, read.name, node)

    def _read(self, node: Node) -> None:
        start, end = node.start_byte, node.end_byte
        if (start, end) in self._consumed or _CONTINUES.match(self._text, end):
            return
        path = self._names.path(node)
        if not path.known or len(path.segments) < (1 if path.root is Root.GLOBAL else 2):
            return
        if self._wants(path.name, self._wanted_reads):
            self._add(FactKind.READ, path.name, node, at=self._at(node), decoded=self._decoded(path, node))

    def _read_globals(self, name: bytes, offsets: list[int]) -> None:
        """Plain mentions of a global (``ethereum`` is ``window.ethereum``)."""
        text = name.decode("utf-8", "replace")
        path = self._names.joined(Path(Root.GLOBAL), text)
        if not self._wants(path.name, self._wanted_reads):
            return
        root = self._index.root
        for offset in offsets:
            end = offset + len(name)
            if (offset, end) in self._consumed or _CONTINUES.match(self._text, end):
                continue
            node = root.named_descendant_for_byte_range(offset, end)
            if node is not None and node.start_byte == offset:
                self._add(FactKind.READ, path.name, node)

    # --- strings and regular expressions -----------------------------------------------------------------

    def _strings(self) -> None:
        for node in self._program.in_time(self._likely_strings()):
            value = self._constants.fold(node)
            if isinstance(value, str):
                self._string(value, node)
        for node in self._program.in_time(self._index.of("template")):
            parts = self._constants.template_parts(node)
            for part in parts:
                if isinstance(part, str) and (part or len(parts) == 1):
                    self._string(part, node)
        self._folded_strings()

    def _likely_strings(self) -> list[Node]:
        """The string literals whose values may be wanted, judged by their spelling."""
        interest, text = self._interest, self._text
        nodes = self._index.of("string")
        least = interest.string_length
        if least <= 1:
            return nodes
        exact = {value.encode("utf-8", "replace") for value in interest.string_values}
        search = None if interest.string_pattern is None else interest.string_pattern.search
        likely = []
        for node in nodes:
            raw = text[node.start_byte + 1 : node.end_byte - 1]
            if len(raw) >= least or raw in exact or b"\\" in raw or b"&" in raw:
                likely.append(node)
            elif search is not None and search(raw):
                likely.append(node)
        return likely

    def _string(self, value: str, node: Node, end: int | None = None) -> None:
        text = values.as_text(value)
        if not self._interest.wants_string(text):
            return
        spelled = self._text[node.start_byte : end or node.end_byte]
        self._add(FactKind.STRING, "", node, value=text, decoded=text.encode("utf-8", "replace") not in spelled)

    def _folded_strings(self) -> None:
        """Strings that are worked out: the outermost constant expressions, and constant neighbours in a sum."""
        candidates = list(self._index.operations("+"))
        for call, callee, _kind in self._index.calls_of(
            name for name in self._index.method_calls if name in _FOLDED
        ):
            if self._foldable(callee):
                candidates.append(call)
        for call, callee, kind in self._index.calls:
            if kind != "identifier" or self._text[callee.start_byte : callee.end_byte] in _FOLDED_GLOBALS:
                candidates.append(call)
        for node in self._index.of("template"):
            if b"${" in self._text[node.start_byte : node.end_byte]:
                candidates.append(node)
        candidates.sort(key=lambda node: (node.start_byte, -node.end_byte))
        covered = 0
        for node in self._program.in_time(candidates):
            if node.end_byte <= covered:
                continue
            value = self._constants.fold(node)
            if isinstance(value, str):
                covered = node.end_byte
                self._string(value, node)
            elif value is values.UNKNOWN and node.type == "binary_expression":
                self._partial_sum(node)

    def _foldable(self, callee: Node) -> bool:
        """Whether what a method is called on may be constant, judged by how it starts."""
        head = _HEAD.match(self._text, callee.start_byte)
        if head is None:
            return True
        binding = self._scopes.at(head.start(1))
        if binding is None:
            return head[1] in _FOLDED_ROOTS or b"\\" in head[1]
        if binding.name in self._holders or self._constants.of_binding(binding) is not values.UNKNOWN:
            return True
        return self._names.of_binding(binding).known

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
                self._found.append(
                    _Found(start, FactKind.STRING, "", start, end, function, text, decoded=decoded)
                )

    def _shapes(self) -> None:
        wanted = self._interest.shapes
        found: list[Shape] = []
        if self._wrapping is not None:
            found.extend(self._wrapping.find(self._hooks))
        for name, search in _SEARCHES.items():
            if wanted is None or name in wanted:
                found.extend(search(self._program).find())
        for name, start, end, target in found:
            function = self._scopes.function_at(start)
            self._found.append(_Found(start, FactKind.SHAPE, name, start, end, function, target=target))

    def _regexes(self) -> None:
        for node in self._program.in_time(self._index.of("regex")):
            value = self._constants.fold(node)
            if isinstance(value, values.Regex):
                self._regex(node, values.as_text(value.source), value.flags)

    def _built_regex(self, node: Node, given: list[Node]) -> None:
        """A regular expression made of constant strings."""
        if not self._interest.regexes or not given or given[0].type == "regex":
            return
        source, flags, *_ = *self._constant_arguments(given), None, None
        if source is not None:
            self._regex(node, source, flags or "")

    def _regex(self, node: Node, source: str, flags: str) -> None:
        if len(source) >= self._interest.regex_length:
            spelled = self._text[node.start_byte : node.end_byte]
            decoded = source.encode("utf-8", "replace") not in spelled
            self._add(FactKind.REGEX, "", node, value=source, args=(flags,), decoded=decoded)


_SEARCHES: dict[str, type[Recipients | EditDistances | Choices]] = {
    REWRITES_RECIPIENT: Recipients,
    EDIT_DISTANCE: EditDistances,
    MOST_SIMILAR: Choices,
}
_MAY_BE_FUNCTION = FUNCTIONS | frozenset(
    "identifier call_expression new_expression member_expression subscript_expression parenthesized_expression"
    " assignment_expression ternary_expression binary_expression sequence_expression await_expression".split()
)
_MEMBER = "member_expression"
_PLACE = itemgetter(0)
_DEFINERS = frozenset(
    {
        "Object.assign",
        "Object.defineProperty",
        "Object.defineProperties",
        "Reflect.defineProperty",
        "Reflect.set",
    }
)
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
_FOLDED_ROOTS = frozenset(
    b"String Buffer Array Number Uint8Array Object JSON atob unescape decodeURIComponent decodeURI parseInt"
    b" require module process window self globalThis global top frames parent new await Function eval".split()
)
_HEAD = re.compile(rb"[\s(]*([\w$\x80-\xff\\]+)")
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
