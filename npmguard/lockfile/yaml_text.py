"""YAML as package managers write it into locks: maps, lists and text, nothing else of the language."""

from __future__ import annotations

from typing import TYPE_CHECKING

from npmguard.errors import LockfileSyntaxError
from npmguard.lockfile.printable import printable

if TYPE_CHECKING:
    import yaml

_DEPTH = 64
"""Nesting beyond this is no lock's; pnpm writes six levels at most."""


class YamlMap(dict[str, object]):
    """A YAML map whose keys are text; ``lines`` holds the 1-based line of each key."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: dict[str, int] = {}


def read_documents(text: str, path: str, mend: str) -> list[YamlMap]:
    """The maps of a YAML text, one a document.

    Plain ``true``, ``false`` and nothing are what they mean, all other scalars are text. The parser is libyaml,
    whose stack is its own. Anchors, aliases, tags and merge keys are refused: no lock has them, and small ones
    stand for large ones. So is a key that stands twice in one map, of which readers take the first or the last
    as they like.

    Raises:
        LockfileSyntaxError: not YAML, not a map, or what is refused; the message names line and column.
    """
    import yaml  # noqa: PLC0415 - a scan of npm's own lock does not pay for it

    if "\0" in text:
        raise LockfileSyntaxError(f"{path}: holds a NUL character, which no lock does; {mend}")
    builder = _Builder(path, mend)
    try:
        for event in yaml.parse(text, Loader=yaml.CSafeLoader):
            builder.take(event)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f":{mark.line + 1}:{mark.column + 1}" if mark is not None else ""
        raise LockfileSyntaxError(
            f"{path}{place}: not valid YAML: {printable(str(error.problem))}; {mend}"
        ) from None
    except yaml.YAMLError as error:
        raise LockfileSyntaxError(f"{path}: not valid YAML: {printable(str(error))}; {mend}") from None
    return builder.documents


class _Builder:
    """Builds values out of parser events, with a stack of its own."""

    def __init__(self, path: str, mend: str) -> None:
        self.documents: list[YamlMap] = []
        self._path = path
        self._mend = mend
        self._stack: list[YamlMap | list[object]] = []
        self._keys: list[str | None] = []  # of each map on the stack, the key that waits for its value

    def take(self, event: yaml.Event) -> None:
        import yaml  # noqa: PLC0415

        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise self._error(event, "an anchor or alias, which no package manager writes into a lock")
        if isinstance(event, yaml.ScalarEvent):
            self._scalar(event)
        elif isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
            self._open(event, YamlMap() if isinstance(event, yaml.MappingStartEvent) else [])
        elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
            self._stack.pop()
            self._keys.pop()

    def _open(self, event: yaml.Event, value: YamlMap | list[object]) -> None:
        self._refuse_tag(event)
        if len(self._stack) >= _DEPTH:
            raise self._error(event, "nested too deeply to be a lockfile")
        if not self._stack:
            if not isinstance(value, YamlMap):
                raise self._error(event, "holds a list where a lockfile's map belongs")
            self.documents.append(value)
        else:
            self._place(event, value)
        self._stack.append(value)
        self._keys.append(None)

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        self._refuse_tag(event)
        if not self._stack:
            raise self._error(event, "holds a plain value where a lockfile's map belongs")
        top = self._stack[-1]
        if isinstance(top, YamlMap) and self._keys[-1] is None:
            key = str(event.value)
            if key in top:
                raise self._error(event, f'"{printable(key)}" stands twice; remove the wrong one')
            if key == "<<":
                raise self._error(event, "a merge key, which no package manager writes into a lock")
            top.lines[key] = _line(event)
            top[key] = None
            self._keys[-1] = key
            return
        plain = event.implicit[0] and event.style in {None, ""}
        self._place(event, _CONSTANTS.get(event.value, event.value) if plain else event.value)

    def _place(self, event: yaml.Event, value: object) -> None:
        top = self._stack[-1]
        if not isinstance(top, YamlMap):
            top.append(value)
            return
        key = self._keys[-1]
        if key is None:
            raise self._error(event, "a key that is no text")
        top[key] = value
        self._keys[-1] = None

    def _refuse_tag(self, event: yaml.Event) -> None:
        if getattr(event, "tag", None) is not None:
            raise self._error(event, "a tag, which no package manager writes into a lock")

    def _error(self, event: yaml.Event, message: str) -> LockfileSyntaxError:
        return LockfileSyntaxError(f"{self._path}:{_line(event)}: {message}; {self._mend}")


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark is not None else 1


_CONSTANTS: dict[str, object] = {"true": True, "false": False, "null": None, "~": None, "": None}
