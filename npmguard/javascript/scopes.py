"""Which declaration a name in a file means.

One sweep over the functions, blocks and declarations of a file, in source order, builds the table; a second
over its identifiers resolves each of them. Names are kept as bytes, as the source spells them (escapes
decoded).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable

from tree_sitter import Node

from npmguard.javascript.bindings import Binding, Definition, How, pattern_names, spelled
from npmguard.javascript.declarations import Declarations
from npmguard.javascript.index import MEMBERS, Index
from npmguard.javascript.syntax import BY_START
from npmguard.javascript.tree import first_child


class Scopes:
    """The functions and bindings of one file, and what each identifier in it means.

    ``functions`` are in source order, the file itself first; ``parents`` holds the index of the function around
    each. ``mentions`` holds the bindings that each function names, ``uses`` the offsets of all names that are
    declared in the file, ``unbound`` the offsets of those that are not, by name.
    """

    def __init__(self, index: Index) -> None:
        """Build the table from the nodes of a file."""
        self.text = index.text
        declared = Declarations(index)
        self.functions = declared.functions
        self.parents = declared.parents
        self.function_of_node = declared.function_of_node
        self.bindings = declared.bindings
        self.unbound: dict[bytes, list[int]] = {}
        self.uses: list[int] = []
        self.mentions: list[set[Binding]] = [set() for _ in self.functions]
        self._scopes = declared.scopes
        self._bound = declared.bound
        self.at: Callable[[int], Binding | None] = declared.bound.get
        """The binding that the identifier means which starts at an offset; None if it is not declared."""
        self._labels = declared.labels
        self._places, self._innermost = self._boundaries()
        self._resolve(index)
        self._resolve_writes(index)

    def binding(self, identifier: Node) -> Binding | None:
        """The binding that an identifier means; None if the name is not declared in the file."""
        return self._bound.get(identifier.start_byte)

    def function_at(self, offset: int) -> int:
        """The index of the innermost function around *offset*; 0 is the file's top level."""
        return self._scopes[self._innermost[bisect_right(self._places, offset) - 1]].function

    def name(self, node: Node) -> bytes:
        """The name that an identifier node spells."""
        return spelled(self.text[node.start_byte : node.end_byte])

    def _boundaries(self) -> tuple[list[int], list[int]]:
        """The offsets at which the innermost scope changes, and the scope from there on."""
        places, innermost = [0], [0]
        stack = [0]
        scopes = self._scopes
        for position in range(1, len(scopes) + 1):
            start = scopes[position].start if position < len(scopes) else scopes[0].end
            while len(stack) > 1 and scopes[stack[-1]].end <= start:
                places.append(scopes[stack.pop()].end)
                innermost.append(stack[-1])
            if position < len(scopes):
                places.append(start)
                innermost.append(position)
                stack.append(position)
        return places, innermost

    def _resolve(self, index: Index) -> None:
        """Resolve every identifier in source order, keeping what each function mentions.

        The names in force are kept in one table, which entering a scope changes and leaving it restores, so
        that neither depth nor number of scopes makes a look-up slow.
        """
        text, scopes, bound, unbound = self.text, self._scopes, self._bound, self.unbound
        mentions = self.mentions
        identifiers = [*index.of("identifier"), *index.of("shorthand"), *self._assigned_names(index)]
        identifiers.sort(key=BY_START)
        active: dict[bytes, Binding | None] = dict(scopes[0].names)
        stack: list[tuple[int, int, list[tuple[bytes, Binding | None]]]] = [(scopes[0].end, 0, [])]
        following, beyond = 1, len(text) + 2
        next_start = scopes[1].start if len(scopes) > 1 else beyond
        end, mentioned = scopes[0].end, mentions[0]
        uses, labels, get = self.uses, self._labels, active.get
        for node in identifiers:
            start = node.start_byte
            if start >= next_start or start >= end:
                while True:
                    while stack[-1][0] <= min(next_start, start):
                        active.update(stack.pop()[2])
                    if next_start > start:
                        break
                    scope = scopes[following]
                    stack.append((scope.end, following, [(name, active.get(name)) for name in scope.names]))
                    active.update(scope.names)
                    following += 1
                    next_start = scopes[following].start if following < len(scopes) else beyond
                end = stack[-1][0]
                mentioned = mentions[scopes[stack[-1][1]].function]
            if start in bound or start in labels:
                continue
            name = text[start : node.end_byte]
            binding = get(name)
            if binding is None and b"\\" in name:
                name = spelled(name)
                binding = get(name)
            if binding is not None:
                bound[start] = binding
                binding.uses.append(start)
                uses.append(start)
                mentioned.add(binding)
            elif name in unbound:
                unbound[name].append(start)
            else:
                unbound[name] = [start]

    def _assigned_names(self, index: Index) -> list[Node]:
        """The names that destructuring assignments give a value; the grammar has a kind of its own for them."""
        found: list[Node] = []
        for _node, left, kind, _right, _compound in index.assignments:
            if kind in {"object_pattern", "array_pattern"}:
                targets = (target for target, _path in pattern_names(left, self.text))
                found.extend(
                    target for target in targets if target.type == "shorthand_property_identifier_pattern"
                )
        return found

    def _resolve_writes(self, index: Index) -> None:
        """Add assignments to the bindings that they change."""
        for _node, left, kind, right, compound in index.assignments:
            if kind == "identifier":
                self._write(left, Definition(How.OPAQUE) if compound else Definition(How.VALUE, right))
            elif kind in {"object_pattern", "array_pattern"}:
                for target, path in pattern_names(left, self.text):
                    if target.type not in MEMBERS:
                        self._write(target, Definition(How.VALUE, right, path))
        for node in index.of("update"):
            changed = first_child(node)
            if changed is not None and changed.type == "identifier":
                self._write(changed, Definition(How.OPAQUE))
        for node in index.of("block"):
            if node.type == "for_in_statement" and node.child_by_field_name("kind") is None:
                each = node.child_by_field_name("left")
                for target, _path in [] if each is None else pattern_names(each, self.text):
                    if target.type not in MEMBERS:
                        self._write(target, Definition(How.OPAQUE))

    def _write(self, target: Node, definition: Definition) -> None:
        binding = self._bound.get(target.start_byte)
        if binding is not None:
            binding.definitions.append(definition)
