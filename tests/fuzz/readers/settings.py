"""The settings, the policy and the accepted findings of a project."""

from __future__ import annotations

from npmguard.accepted import read_acceptances
from npmguard.config import load_config
from npmguard.errors import ConfigError
from tests.fuzz.harness import Harness, refused, scratch_folder

_FOLDER = scratch_folder()
_JSON = b"{"


def read(data: bytes) -> str:
    """Settings or an error of one line, from each of the three files that hold them."""
    toml, manifest = _FOLDER / "npmguard.toml", _FOLDER / "package.json"
    is_json = data.lstrip()[:1] == _JSON
    toml.unlink(missing_ok=True)
    manifest.unlink(missing_ok=True)
    (manifest if is_json else toml).write_bytes(data)
    outcomes = []
    try:
        load_config(_FOLDER)
    except ConfigError as error:
        outcomes.append(refused(error))
    if not is_json:
        try:
            read_acceptances(toml)
        except ConfigError as error:
            outcomes.append(refused(error))
    return " ".join(outcomes)


HARNESS = Harness(
    read,
    words=(
        *(
            b"[limits]",
            b"[policy]",
            b"[cooldown]",
            b"[[accept]]",
            b"[feed]",
            b"fail-on = ",
            b"rules = [",
            b'"npmguard": {',
        ),
        *(
            b"min-age = ",
            b'"7d"',
            b"except = ",
            b"1979-05-27T07:32:00Z",
            b"inf",
            b"nan",
            b"0x",
            b"'''",
            b'"""',
            b"[[",
            b"]]",
        ),
        *(b"tarball-bytes = ", b"until = ", b"integrity = ", b"reason = ", b"=", b".", b"\n"),
    ),
    share=1500,
)
