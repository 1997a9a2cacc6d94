"""What bytes a file has that holds a shape of code that turns against its own files or the user's.

Each shape has groups of patterns as :mod:`npmguard.detect.patterns` spells them: of every group one must be
there. They are no narrower
than what :mod:`npmguard.javascript.deletions` looks for, spelled in the clear; for the loops of
:mod:`npmguard.javascript.endless` they are, since loops without a condition are in every minified file.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

_OWN_FILE = r"/__filename|argv[^\w]{1,6}1\b|import\.meta|module\.filename|main(Module)?\.filename/"
_OWN_FOLDER = r"/__dirname/"
_HOME = r"/homedir|\bHOME\b|USERPROFILE|HOMEPATH/"
_REMOVES = r"/unlink|rmSync|rmdir|rimraf|removeSync|emptyDir|deleteSync|\brm\b|\bremove\(|\btrash\b/"
_COPIES = r"/readFile|createReadStream|copyFile|\bcp(Sync)?\b/"
_MOVES = r"/rename|copyFile|\bmove(Sync)?\b|\bcp(Sync)?\b/"
_DISK = (
    r"/(rm|rmSync|rmdir|rmdirSync|rimraf|rimrafSync|sync|remove|removeSync)[\"'`]?\]?\(\s*[\"'`](\/|[a-zA-Z]:)/"
)
_FACTOR = r"[0-9][0-9e.]{0,8}"
LONG_WAITS: Final = (
    rf"/,\s*([1-9][0-9]{{2,4}}00000|[0-9.]{{1,9}}e[6-9]|{_FACTOR}(\s*\*\s*{_FACTOR}){{2,6}})\s*\)/",
)
"""A number of milliseconds that makes hours, as the last argument."""
_METHODS = {
    "Array.prototype": "filter|map|forEach|push|pop|slice|splice|concat|indexOf|includes|join|sort|find",
    "String.prototype": "split|replace|slice|indexOf|includes|substring|match|trim",
    "JSON": "parse|stringify",
    "Object": "keys|assign",
    "localStorage": "getItem|setItem",
    "Storage.prototype": "getItem|setItem",
}
_CHANCE = r"/random|getDay|getHours|getDate|getMonth|getFullYear|getUTC/"
_REPLACED = tuple(
    pattern
    for holder, methods in _METHODS.items()
    for spelled in [holder.replace(".", r"[\"'`]?\]?\.?\[?[\"'`]?")]
    for pattern in (
        rf"/\b{spelled}\s*(\.|\[\s*[\"'`])\s*({methods})([\"'`]\s*\])?\s*=[^=>]/",
        rf"/\b{spelled}\s*\[[^\]\n]{{1,60}}\]\s*=[^=>]/",
        rf"/(defineProperty|Reflect\s*\.\s*set)\s*\(\s*{spelled}\s*,\s*[\"'`]({methods})[\"'`]/",
    )
)
_FOR_EVER = (
    r"(for\s*\(\s*;\s*;[^)]{0,20}\)|while\s*\(\s*(true|1|!0|!!\[\])\s*\)|<=?\s*(Infinity|1\/0)\s*;[^)]{0,20}\))"
)

#: Shape -> groups of patterns.
SHAPE_GROUPS: Final[Mapping[str, tuple[tuple[str, ...], ...]]] = MappingProxyType(
    {
        "deletes-own-file": ((_OWN_FILE, _OWN_FOLDER), (_REMOVES,)),
        "copies-own-file": ((_OWN_FILE,), (_COPIES,)),
        "replaces-own-manifest": ((_OWN_FILE, _OWN_FOLDER), (_MOVES,), (r"/package\.json/",)),
        "deletes-home": ((_HOME, _DISK), (_REMOVES,)),
        "long-delay": ((r"/setTimeout|timers/",), LONG_WAITS),
        "corrupts-builtin": (_REPLACED, (_CHANCE,)),
        "endless-loop-at-load": ((rf"/{_FOR_EVER}(.|\n){{0,240}}(console|stdout|stderr)/",),),
    }
)
