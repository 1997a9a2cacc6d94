"""npm's configuration files."""

from __future__ import annotations

from npmguard.errors import NpmrcError
from npmguard.registry.npmrc import load_npm_config
from npmguard.registry.urls import HttpUrl
from tests.fuzz.harness import Harness, hold, refused, scratch_folder

_FOLDER = scratch_folder()
_SECRET = "c2VjcmV0LW9mLWZ1enppbmc6eA=="
_ENVIRON = {
    "HOME": str(_FOLDER / "home"),
    "A": "one",
    "EMPTY": "",
    "npm_config_globalconfig": str(_FOLDER / "none"),
}
_OWN = f"//registry-of-fuzzing.example/:_auth={_SECRET}\n".encode()
(_FOLDER / "home").mkdir()
(_FOLDER / "home" / ".npmrc").write_bytes(_OWN)
_ELSEWHERE = HttpUrl.parse("https://somewhere-else.example/a")


def read(data: bytes) -> str:
    """A configuration or an error of one line; a credential reaches its own host alone, and no message."""
    (_FOLDER / ".npmrc").write_bytes(data)
    try:
        config = load_npm_config(_FOLDER, _ENVIRON)
    except NpmrcError as error:
        hold(_SECRET not in str(error), "a credential in a message")
        return refused(error)
    for name in ("a", "@s/a", "@one/a"):
        HttpUrl.parse(config.registry_for(name))
    found = config.credentials_for(_ELSEWHERE)
    if found is not None and found.authorization is not None:
        hold(_SECRET not in found.authorization, "a credential for a host that it is not of")
    config.proxy_for(_ELSEWHERE)
    hold(_SECRET not in repr(config), "a credential where it would be printed")
    return f"{len(config.registries)} {found is not None} {len(config.notes)}"


HARNESS = Harness(
    read,
    words=(
        *(
            b"registry=",
            b"@s:registry=",
            b"//r.example/:_authToken=",
            b"_auth=",
            b"[section]",
            b"ca[]=",
            b"cafile=",
            b"; ",
        ),
        *(
            b"# ",
            b"=",
            b"\n",
            b'"',
            b"${A}",
            b"${A?}",
            b"${UNSET-x}",
            b"\\${",
            b"proxy=",
            b"noproxy=",
            b"strict-ssl=false",
        ),
        *(
            b"https://r.example/",
            b"http://[::1]:4873/",
            b"always-auth",
            b"prefix=~/",
            b"userconfig=",
            b"null",
            b"undefined",
        ),
    ),
    share=1500,
)
