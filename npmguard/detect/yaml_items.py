"""YAML as typed items that know their line, for error messages that say where."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NoReturn

import yaml

from npmguard.errors import RuleError

_Loader: type[yaml.SafeLoader | yaml.CSafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_STRING = "tag:yaml.org,2002:str"
_INTEGER = "tag:yaml.org,2002:int"
_BOOLEAN = "tag:yaml.org,2002:bool"
_SCALARS = frozenset(
    f"tag:yaml.org,2002:{name}" for name in ("str", "int", "bool", "float", "null", "timestamp")
)
_MAPPING = "tag:yaml.org,2002:map"
_SEQUENCE = "tag:yaml.org,2002:seq"


@dataclass(frozen=True, slots=True)
class Item:
    """One YAML value: ``value`` is a scalar's text, a mapping of items or a tuple of items."""

    file: str
    line: int
    tag: str
    value: str | Mapping[str, Item] | tuple[Item, ...]

    def fail(self, message: str) -> NoReturn:
        """Refuse this item; *message* says what is wrong and what to write."""
        raise RuleError(f"{self.file}:{self.line}: {message}")

    def fields(self, required: Iterable[str] = (), optional: Iterable[str] = ()) -> Mapping[str, Item]:
        """The entries of a mapping that has all of *required* and nothing but these and *optional*."""
        required = tuple(required)
        allowed = (*required, *optional)
        if not isinstance(self.value, Mapping):
            self.fail(f"write a mapping with {_listed(allowed)} here")
        for key, item in self.value.items():
            if key not in allowed:
                item.fail(f"unknown key {key!r}; the keys here are {_listed(allowed)}")
        for key in required:
            if key not in self.value:
                self.fail(f"{key!r} is missing; add it")
        return self.value

    def is_mapping(self) -> bool:
        """Whether this is a mapping."""
        return isinstance(self.value, Mapping)

    def is_text(self) -> bool:
        """Whether this is a string."""
        return self.tag == _STRING

    def text(self) -> str:
        """A string that is not empty."""
        if self.tag != _STRING or not isinstance(self.value, str):
            spelled = f" (put quotes around {self.value})" if isinstance(self.value, str) else ""
            self.fail(f"write a string here{spelled}")
        if not self.value.strip():
            self.fail("this is empty; write something")
        return self.value

    def texts(self) -> tuple[str, ...]:
        """One string, or a list of strings; never none."""
        if self.is_text():
            return (self.text(),)
        return tuple(item.text() for item in self.items())

    def items(self) -> tuple[Item, ...]:
        """A list that is not empty."""
        if not isinstance(self.value, tuple):
            self.fail("write a list here")
        if not self.value:
            self.fail("this list is empty; leave the key out or add an entry")
        return self.value

    def number(self, least: int) -> int:
        """A whole number of at least *least*."""
        number = int(self.value) if isinstance(self.value, str) and self.value.isdecimal() else -1
        if self.tag != _INTEGER or number < least:
            self.fail(f"write a whole number of at least {least} here")
        return number

    def flag(self) -> bool:
        """True or false."""
        if self.tag != _BOOLEAN:
            self.fail("write true or false here")
        return self.value == "true"

    def one_of(self, allowed: Iterable[str]) -> str:
        """A string out of *allowed*."""
        text = self.text()
        allowed = tuple(allowed)
        if text not in allowed:
            self.fail(f"{text!r} is not known here; write {_listed(allowed, 'or')}")
        return text


def read_yaml(file: str, content: bytes) -> Item:
    """Read one YAML document into items.

    Raises:
        RuleError: not UTF-8, not YAML, more than one document, a tag, an anchor, an alias, a key twice, or
            nested too deep; names file and line.
    """
    try:
        loader = _Loader(content.decode("utf-8"))
        try:
            root = loader.get_single_node()
            if root is None:
                raise RuleError(f"{file}:1: the file is empty; describe one rule or signal in it")
            return _item(file, root, set(), 0)
        finally:
            loader.dispose()
    except UnicodeDecodeError as error:
        raise RuleError(f"{file}: not UTF-8 at byte {error.start}; save it as UTF-8") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise RuleError(f"{file}:{line}: not valid YAML: {error.problem or error.context}") from error
    except (yaml.YAMLError, RecursionError) as error:
        reason = "nested too deep" if isinstance(error, RecursionError) else " ".join(str(error).split())
        raise RuleError(f"{file}:1: not valid YAML: {reason}") from error


def _item(file: str, node: yaml.Node, seen: set[int], depth: int) -> Item:
    line = node.start_mark.line + 1
    if id(node) in seen:
        raise RuleError(f"{file}:{line}: anchors and aliases are not used in rule files; write the value out")
    seen.add(id(node))
    if depth > 12:
        raise RuleError(f"{file}:{line}: nested too deep; a rule has at most 12 levels")
    if isinstance(node, yaml.MappingNode) and node.tag == _MAPPING:
        entries: dict[str, Item] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag != _STRING:
                raise RuleError(f"{file}:{key.start_mark.line + 1}: a key is a plain string; put it in quotes")
            if key.value in entries:
                raise RuleError(f"{file}:{key.start_mark.line + 1}: {key.value!r} stands here twice; keep one")
            entries[key.value] = _item(file, value, seen, depth + 1)
        return Item(file, line, node.tag, entries)
    if isinstance(node, yaml.SequenceNode) and node.tag == _SEQUENCE:
        return Item(file, line, node.tag, tuple(_item(file, child, seen, depth + 1) for child in node.value))
    if isinstance(node, yaml.ScalarNode) and node.tag in _SCALARS:
        return Item(file, line, node.tag, node.value)
    raise RuleError(f"{file}:{line}: the tag {node.tag} is not used in rule files; leave it out")


def _listed(words: Iterable[str], joiner: str = "and") -> str:
    *most, last = words
    return f"{', '.join(most)} {joiner} {last}" if most else last
