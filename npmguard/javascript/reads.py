"""Facts about what is read of globals and modules."""

from __future__ import annotations

from tree_sitter import Node

from npmguard.javascript.bindings import Definition, How
from npmguard.javascript.draft import Draft, place_of
from npmguard.javascript.paths import NOWHERE, Path, Root, module_path
from npmguard.model import FactKind


class Reads:
    """Draws the READ facts of one file; calls and writes must have been drawn before."""

    def __init__(self, draft: Draft) -> None:
        """Prepare to add to *draft*."""
        self._draft = draft
        self._program = draft.program
        self._names = draft.program.names
        self._relevance = draft.relevance
        self._wanted = draft.relevance.reads

    def draw(self) -> None:
        """Add members that are read, plain mentions of globals, and destructured members."""
        if self._wanted == frozenset():
            return
        nodes = self._relevance.likely_members(self._wanted)
        for node in self._program.in_time([*nodes, *self._program.index.of("subscript")]):
            self._member(node)
        for name, offsets in self._program.scopes.unbound.items():
            if self._wanted is None or name in self._wanted:
                self._global(name, offsets)
        for binding in self._program.in_time(self._program.scopes.bindings):
            for definition in binding.definitions:
                if definition.path and definition.node is not None:
                    self._destructured(definition, definition.node)

    def _member(self, node: Node) -> None:
        if not self._draft.is_read(node.start_byte, node.end_byte):
            return
        path = self._names.path(node)
        if not path.known or len(path.segments) < (1 if path.root is Root.GLOBAL else 2):
            return
        if self._relevance.wants(path.name, self._wanted):
            decoded = self._draft.hides(path, node)
            self._draft.add(FactKind.READ, path.name, node, at=place_of(node), decoded=decoded)

    def _global(self, name: bytes, offsets: list[int]) -> None:
        """Plain mentions of a global (``ethereum`` is ``window.ethereum``)."""
        path = self._names.joined(Path(Root.GLOBAL), name.decode("utf-8", "replace"))
        if not self._relevance.wants(path.name, self._wanted):
            return
        for offset in offsets:
            span = (offset, self._end_of_name(offset, len(name)))
            if self._draft.is_read(*span):
                self._draft.add(FactKind.READ, path.name, span, decoded=self._draft.is_hidden(path.name, span))

    def _end_of_name(self, offset: int, size: int) -> int:
        """Where a name ends in the source, which escapes make longer."""
        text = self._program.text
        if b"\\" not in text[offset : offset + size]:
            return offset + size
        node = self._program.index.root.named_descendant_for_byte_range(offset, offset + 1)
        return offset + size if node is None else node.end_byte

    def _destructured(self, definition: Definition, node: Node) -> None:
        """``const {ethereum} = window`` and ``import {readFile} from "fs"``."""
        last = definition.path[-1]
        if (
            self._wanted is not None
            and isinstance(last, str)
            and last.encode("utf-8", "replace") not in self._wanted
        ):
            return
        if definition.how is How.MODULE:
            module = self._program.constants.text(node)
            base = NOWHERE if module is None else module_path(module)
            path = self._names.joined(base, *reversed(self._names.steps(definition.path)))
        elif definition.how is How.VALUE:
            path = self._names.at(node, definition.path)
        else:
            return
        if path.known and self._relevance.wants(path.name, self._wanted):
            self._draft.add(FactKind.READ, path.name, node)
