"""Normalised names of what code refers to: a root, and the properties read from it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple

MAX_SEGMENTS = 16  # of a name; of a longer chain the last ones are kept

GLOBAL_OBJECTS = frozenset({"window", "self", "globalThis", "global", "top", "frames", "parent"})
REQUIRES = frozenset(
    {
        "require",
        "import",
        "module.require",
        "process.mainModule.require",
        "require.main.require",
        "__non_webpack_require__",
        "module.constructor._load",
        "module.Module._load",
        "module._load",
    }
)
"""The names by which modules are loaded; ``module`` is both the global and Node's module of that name."""

_MADE = "new "  # marks, as a first segment, an instance: "new XMLHttpRequest" is no name in JavaScript
_MAKERS = frozenset(
    {
        *(
            "constructor",
            "Function",
            "Array",
            "String",
            "Object",
            "Number",
            "Boolean",
            "RegExp",
            "Date",
            "Promise",
        ),
        *("Symbol", "Map", "Set", "Error"),
    }
)
_WITH_METHODS = frozenset(_MADE + name for name in ("Array", "String", "RegExp", "Function"))
_DOTTED = re.compile(r"\s*(?:return\s+)?([A-Za-z_$][\w$]*(?:\s*\.\s*[A-Za-z_$][\w$]*)*)\s*;?\s*\Z")


class Root(Enum):
    """What a name starts from."""

    GLOBAL = "global"
    MODULE = "module"
    THIS = "this"
    UNKNOWN = "?"


class Path(NamedTuple):
    """A root and the properties read from it; of a module, the first segment is its name."""

    root: Root
    segments: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The dotted name; empty for the global object itself."""
        root, segments = self
        joined = ".".join(segments)
        if root is Root.GLOBAL or root is Root.MODULE:
            return joined
        if _MADE in joined:
            joined = ".".join([each for each in segments if not each.startswith(_MADE)])
        start = "?" if root is Root.UNKNOWN else "this"
        return f"{start}.{joined}" if joined else start

    @property
    def known(self) -> bool:
        """Whether it starts from a global or a module."""
        return self.root is Root.GLOBAL or self.root is Root.MODULE


NOWHERE = Path(Root.UNKNOWN)
THIS = Path(Root.THIS)
THE_GLOBAL = Path(Root.GLOBAL)


def extended(base: Path, backwards: Sequence[str]) -> Path:
    """The path of *base* followed by segments given last first, in its one spelling."""
    root, before = base
    if not before and root is not Root.GLOBAL and "constructor" not in backwards:
        return Path(root, tuple(backwards[::-1])) if backwards else base
    segments = [*before, *backwards[::-1]]
    if root is Root.GLOBAL:
        while segments and (segments[0] in GLOBAL_OBJECTS or segments[:2] == ["document", "defaultView"]):
            del segments[: 1 if segments[0] in GLOBAL_OBJECTS else 2]
    elif root is Root.MODULE:
        if len(segments) > 1 and segments[1] == "default":
            del segments[1]
    elif len(segments) > 1 and segments[0].startswith(_MADE):
        return _of_instance(segments)
    return Path(*_without_constructors(root, segments))


def instance_of(constructor: str) -> Path:
    """The path of a new object, whose properties tell its constructor."""
    return Path(Root.UNKNOWN, (_MADE + constructor,))


def module_path(name: str) -> Path:
    """The path of a module."""
    return Path(Root.MODULE, (name.removeprefix("node:"),))


def evaluated(code: str | None) -> Path:
    """What a piece of code evaluates to, if it only names something."""
    match = None if code is None else _DOTTED.match(code)
    if match is None:
        return NOWHERE
    segments = [segment.strip() for segment in match[1].split(".")]
    if segments[0] == "this":
        del segments[0]
    return extended(THE_GLOBAL, segments[::-1])


def _of_instance(segments: list[str]) -> Path:
    """``new X().constructor`` is ``X``, and ``new X().__proto__`` is ``X.prototype``."""
    made = segments[0].removeprefix(_MADE).split(".")
    if segments[1:3] == ["constructor", "constructor"]:
        return Path(Root.GLOBAL, ("Function", *segments[3:]))
    if segments[2:3] == ["constructor"] and segments[0] in _WITH_METHODS and segments[1] != "length":
        return Path(Root.GLOBAL, ("Function", *segments[3:]))
    if segments[1] == "constructor":
        return Path(Root.GLOBAL, (*made, *segments[2:]))
    if segments[1] == "__proto__":
        return Path(Root.GLOBAL, (*made, "prototype", *segments[2:]))
    return Path(*_without_constructors(Root.UNKNOWN, segments[1:]))


def _without_constructors(root: Root, segments: list[str]) -> tuple[Root, tuple[str, ...]]:
    """``X.constructor.constructor`` is ``Function``, and ``X.prototype.constructor`` is ``X``."""
    if "constructor" in segments:
        for index in range(len(segments) - 1, 0, -1):
            if segments[index] == "constructor" and segments[index - 1] in _MAKERS:
                return Root.GLOBAL, ("Function", *segments[index + 1 :])
            if segments[index - 1 : index + 1] == ["prototype", "constructor"]:
                del segments[index - 1 : index + 1]
                break
    return root, tuple(segments[-MAX_SEGMENTS:])
