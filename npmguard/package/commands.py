"""Commands that everybody types or that scripts rely on, which no package should put another one before.

npm puts the commands of installed packages into ``node_modules/.bin``, and that folder before all others in the
PATH of every script that it runs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

_WORDS: Final = re.compile(r"[^a-z0-9]+")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


#: The commands, in lower case.
WELL_KNOWN: Final = _words(
    """
    node npm npx yarn pnpm pnpx bun bunx deno git gh ssh scp sftp ssh-keygen ssh-add gpg curl wget sudo
    su doas sh bash zsh fish dash env ls cat cp mv rm ln chmod chown mkdir touch grep sed awk find xargs
    tar unzip ps kill id whoami hostname which docker docker-compose podman kubectl helm terraform aws
    gcloud az make cmake gcc cc clang ld python python2 python3 pip pip3 ruby gem bundle perl php
    composer java javac mvn gradle go cargo rustc rustup dotnet powershell pwsh cmd code vim vi nano tee
    crontab systemctl launchctl open xdg-open pbcopy pass op
    """
)
_OWNERS: Final[Mapping[str, str]] = {"npx": "npm", "pnpx": "pnpm", "bunx": "bun"}
_MANAGERS: Final = frozenset({"npm", "npx", "yarn", "pnpm", "pnpx", "bun", "bunx"})
_A_LAUNCHER: Final = 3  # managers that a launcher of managers brings at least


def shadowed(name: str, commands: Mapping[str, str]) -> tuple[str, ...]:
    """Those of *commands* (of a package called *name*) that take a well-known command's place, sorted.

    A package owns a command that its name says (``git`` of ``git-cli``, ``npx`` of ``npm``), and a package
    manager's launcher the managers that it launches: whoever brings three of them or more, all of one kind.
    """
    words = {word for word in _WORDS.split(name.lower()) if word}
    brought = {command.lower() for command in commands}
    taken = [
        command
        for command in sorted(commands)
        if command.lower() in WELL_KNOWN and not words & {command.lower(), _OWNERS.get(command.lower(), "")}
    ]
    if len(_MANAGERS & brought) >= _A_LAUNCHER and {command.lower() for command in taken} <= _MANAGERS:
        return ()
    return tuple(taken)
