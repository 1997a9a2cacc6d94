"""A JSON text whose object members can be read one by one, each with its place in the file."""

from __future__ import annotations

import json
import re

from npmguard.errors import LockfileSyntaxError
from npmguard.lockfile.printable import printable
from npmguard.lockfile.text import decode_text

_SPACE = re.compile(r"[ \t\n\r]*")
_ESCAPE = re.compile(
    r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)"
)
_CONFLICT_MARKERS = ("<<<<<<<", "=======", ">>>>>>>")
_MEND = "restore it from version control or make it anew with npm install --package-lock-only"


def _refuse_constant(constant: str) -> object:
    raise ValueError(constant)


# Numbers become floats, as in JavaScript; Python's int() refuses numerals of more than 4,300 digits.
_DECODER = json.JSONDecoder(parse_int=float, parse_constant=_refuse_constant)


class JsonText:
    """The text of a JSON file, decoded once as a whole; ``top`` is its outermost object.

    A UTF-8 byte order mark is dropped, as npm drops it. Where a key stands twice in one object, ``top`` holds
    the last value, as JavaScript's ``JSON.parse`` does.

    Args:
        data: the file's bytes.
        path: how the messages name the file.
        mend: what the messages say to do about a file that is damaged.

    Raises:
        LockfileSyntaxError: not UTF-8, not JSON, not an object, or nested deeper than Python's stack; or text
            that npm would take for a merge conflict and so read as something else than what it says.
    """

    def __init__(self, data: bytes, path: str, mend: str = _MEND) -> None:
        self.path = path
        self._mend = mend
        self._counted = (0, 1)  # an offset and its line, so that ascending questions cost one pass in all
        self.text = decode_text(data, path, mend)
        self._refuse_conflict()
        self._refuse_lone_surrogate()
        start = self.skip_space(0)
        value, end = self.value(start)
        end = self.skip_space(end)
        if end != len(self.text):
            raise self.error(end, f"not valid JSON: extra data after the end; {self._mend}")
        if not isinstance(value, dict):
            raise self.error(start, f"holds {kind_of(value)} where a lockfile's object belongs; {self._mend}")
        self.top: dict[str, object] = value
        self.start = start

    def error(self, offset: int, message: str) -> LockfileSyntaxError:
        """An error that names file, line and column of *offset*."""
        line = self.text.count("\n", 0, offset) + 1
        column = offset - self.text.rfind("\n", 0, offset)
        return LockfileSyntaxError(f"{self.path}:{line}:{column}: {message}")

    def line(self, offset: int) -> int:
        """The 1-based line of *offset*; cheap when asked in ascending order."""
        known, line = self._counted
        if offset < known:
            known, line = 0, 1
        line += self.text.count("\n", known, offset)
        self._counted = (offset, line)
        return line

    def skip_space(self, offset: int) -> int:
        """The first offset at or after *offset* that is not JSON white space."""
        match = _SPACE.match(self.text, offset)
        return match.end() if match else offset

    def value(self, offset: int) -> tuple[object, int]:
        """The value that starts at *offset*, and the offset behind it."""
        try:
            value, end = _DECODER.raw_decode(self.text, offset)
        except json.JSONDecodeError as error:
            reason = error.msg[0].lower() + error.msg[1:]
            raise self.error(error.pos, f"not valid JSON: {reason}; {self._mend}") from None
        except ValueError as error:
            at = self.text.find(str(error), offset)
            raise self.error(
                max(at, offset), f"not valid JSON: {error} is no JSON value; {self._mend}"
            ) from None
        except RecursionError:
            raise self.error(offset, f"nested too deeply to be a lockfile; {self._mend}") from None
        return value, end

    def _refuse_conflict(self) -> None:
        """Refuse what npm's parse-conflict-json takes for a merge conflict, inside JSON strings too.

        npm would drop one side of it, so that a valid JSON text holding the three markers installs something
        else than what any other reader sees.
        """
        if all(marker in self.text for marker in _CONFLICT_MARKERS):
            at = self.text.index(_CONFLICT_MARKERS[0])
            raise self.error(at, "merge conflict markers; resolve the conflict, npm would choose a side itself")

    def _refuse_lone_surrogate(self) -> None:
        """Refuse an escape that stands for no character: it could not be printed, stored or compared."""
        for match in _ESCAPE.finditer(self.text):
            if match[1]:
                raise self.error(match.start(), f"not Unicode text: \\{match[1]} stands alone; {self._mend}")


class ObjectReader:
    """The members of one object of a :class:`JsonText`, in file order, repeats included.

    After :meth:`key` gave a key, call :meth:`value`, or read the value with another reader at ``position``
    and hand its ``position`` to :meth:`resume`. When :meth:`key` gives None, ``position`` is behind the object.
    """

    def __init__(self, json_text: JsonText, start: int) -> None:
        self._json = json_text
        self.position = start + 1
        self._first = True
        self.key_offset = start

    def key(self) -> str | None:
        """The next key, or None at the object's end. The text is known to be valid JSON by now."""
        text, at = self._json.text, self._json.skip_space(self.position)
        if text[at] == "}":
            self.position = at + 1
            return None
        if not self._first:
            at = self._json.skip_space(at + 1)  # behind the comma
        self._first = False
        self.key_offset = at
        key, at = self._json.value(at)
        at = self._json.skip_space(at)
        self.position = self._json.skip_space(at + 1)  # behind the colon
        return str(key)

    def value(self) -> object:
        """The value of the key just read."""
        value, self.position = self._json.value(self.position)
        return value

    def at_object(self) -> bool:
        """Whether the value of the key just read is an object."""
        return self._json.text[self.position] == "{"

    def resume(self, position: int) -> None:
        """Go on behind a value that another reader has read up to *position*."""
        self.position = position


def kind_of(value: object) -> str:
    """What a JSON value is, in words for messages."""
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case float():
            return "a number"
        case str():
            return f'the string "{printable(value[:40])}"'
        case list():
            return "a list"
        case _:
            return "an object"
