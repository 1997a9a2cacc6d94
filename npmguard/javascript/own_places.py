"""What an expression means of the program's own places: its file, its folder, the user's home, the disk."""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import StrEnum
from typing import Final

from tree_sitter import Node

from npmguard.javascript.bindings import How
from npmguard.javascript.callsites import arguments, unwrap
from npmguard.javascript.program import Program
from npmguard.javascript.tree import operands, operator_of, sides

_MAX_STEPS = 16  # from an expression to what it stands for
_OWN_FILES: Final = frozenset(
    {"__filename", "import.meta.url", "import.meta.filename", "import.meta.path", "module.filename"}
    | {"require.main.filename", "process.mainModule.filename", "process.argv.1"}
)
_OWN_FOLDERS: Final = frozenset({"__dirname", "import.meta.dirname", "import.meta.dir"})
_HOMES: Final = frozenset(
    {"process.env.HOME", "process.env.USERPROFILE", "process.env.HOMEPATH", "Bun.env.HOME", "Deno.env.HOME"}
)
_HOME_CALLS: Final = frozenset({"os.homedir", "os.default.homedir"})
_DISK = re.compile(r"(?:/|~|[A-Za-z]:|/home|/Users|/root|[A-Za-z]:[\\/]+Users)[\\/]*\*{0,2}")
_NOTHING_MORE = re.compile(r"[./\\]*\*{0,2}(?:[/\\]\*{1,2})?")  # what leads to no other place when joined
_JOINERS: Final = frozenset({"join", "resolve", "normalize", "toNamespacedPath"})
_SAME: Final = frozenset(
    {
        "fileURLToPath",
        "pathToFileURL",
        "realpathSync",
        "realpath",
        "String",
        "toString",
        "native",
        "trim",
        "slice",
    }
)
_SPECIAL: Final = frozenset({"package.json"})


class Place(StrEnum):
    """A place that says whose files are touched."""

    OWN_FILE = "own-file"
    OWN_FOLDER = "own-folder"
    OWN_MANIFEST = "own-manifest"
    HOME = "home"  # the user's, or all users', or the whole disk


class OwnPlaces:
    """Tells what expressions of one program stand for."""

    def __init__(self, program: Program) -> None:
        """Prepare to look at expressions of *program*."""
        self._program = program
        self._names = program.names
        self._scopes = program.scopes
        self._constants = program.constants

    def of(self, node: Node, steps: int = _MAX_STEPS) -> Place | None:
        """The place that *node* stands for, and nothing below it; None for all others."""
        if steps <= 0:
            return None
        node = unwrap(node)
        match node.type:
            case "identifier":
                return self._of_identifier(node, steps)
            case "member_expression" | "subscript_expression":
                return self._of_name(self._names.path(node).name) or self._of_member(node, steps)
            case "call_expression":
                return self._of_call(node, steps)
            case "new_expression":
                given = arguments(node)
                return self._joined(given[::-1], steps) if given else None
            case "await_expression":
                return self.of(node.named_children[0], steps - 1) if node.named_children else None
            case "binary_expression" | "ternary_expression":
                return self._of_alternatives(node, steps)
            case "template_string":
                return self._joined(self._constants.template_parts(node), steps)
            case _:
                text = self._constants.text(node)
                return Place.HOME if text is not None and _DISK.fullmatch(text) else None

    def _of_identifier(self, node: Node, steps: int) -> Place | None:
        binding = self._scopes.binding(node)
        if binding is None:
            return self._of_name(self._names.path(node).name)
        values = [each for each in binding.definitions if each.how in {How.VALUE, How.PARAMETER}]
        if len(values) != 1:
            return None
        definition = values[0]
        given = definition.node
        if definition.how is How.PARAMETER:
            given = self._constants.argument_node(definition)
        elif definition.path:  # const { HOME } = process.env
            return self._of_name(self._names.path(node).name)
        return None if given is None else self.of(given, steps - 1)

    @staticmethod
    def _of_name(name: str) -> Place | None:
        if name in _OWN_FILES:
            return Place.OWN_FILE
        if name in _OWN_FOLDERS:
            return Place.OWN_FOLDER
        return Place.HOME if name in _HOMES else None

    def _of_member(self, node: Node, steps: int) -> Place | None:
        """``new URL(import.meta.url).pathname``, ``os.userInfo().homedir``."""
        name = self._constants.property_name(node)
        if name == "homedir":
            return Place.HOME
        base = node.named_children[0]
        if base.type == "meta_property":
            return self._of_name(f"import.meta.{name}")
        return self.of(base, steps - 1) if name in {"pathname", "href", "root"} else None

    def _of_call(self, node: Node, steps: int) -> Place | None:
        callee = node.child_by_field_name("function")
        if callee is None:
            return None
        path, given = self._names.path(callee), arguments(node)
        last = path.segments[-1] if path.segments else ""
        if path.name in _HOME_CALLS or last == "homedir":
            return Place.HOME
        if last in _JOINERS:
            return self._joined(given, steps)
        if last == "dirname" and given:
            return Place.OWN_FOLDER if self.of(given[0], steps - 1) is Place.OWN_FILE else None
        if last in _SAME:
            same = given[0] if given else callee.child_by_field_name("object")
            return None if same is None else self.of(same, steps - 1)
        return None

    def _of_alternatives(self, node: Node, steps: int) -> Place | None:
        if node.type == "ternary_expression":
            branches = [node.child_by_field_name(name) for name in ("consequence", "alternative")]
            places = (self.of(each, steps - 1) for each in branches if each is not None)
            return next((each for each in places if each is not None), None)
        operator, pair = operator_of(node), sides(node)
        if pair is None:
            return None
        if operator == "+":
            return self._joined(operands(node), steps)
        if operator in {"||", "??", "&&"}:
            return next((found for each in pair if (found := self.of(each, steps - 1)) is not None), None)
        return None

    def _joined(self, parts: Sequence[str | Node], steps: int) -> Place | None:
        """A place with only such parts around it that lead nowhere else."""
        place: Place | None = None
        for part in parts:
            text = part if isinstance(part, str) else self._constants.text(part)
            if text is not None and place is not None and text.strip("./\\") in _SPECIAL:
                place = Place.OWN_MANIFEST if place is Place.OWN_FOLDER else None
                if place is None:
                    return None
                continue
            if text == "" or (text is not None and place is not None and _NOTHING_MORE.fullmatch(text)):
                if ".." in text:
                    return None
                continue
            if place is not None or isinstance(part, str):
                return None
            place = self.of(part, steps - 1)
            if place is None:
                return None
        return place
