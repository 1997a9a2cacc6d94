"""``npmguard shell-init``: shell functions that put the gate before npm."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from npmguard.commands.output import emit
from npmguard.outcome import OK

_POSIX = """\
npm() {
  case "${1-}" in
    install|i|add|ci|update|exec) command npmguard npm "$@" ;;
    *) command npm "$@" ;;
  esac
}
npx() {
  command npmguard npm exec "$@"
}
"""
_FISH = """\
function npm --wraps npm
  switch "$argv[1]"
    case install i add ci update exec
      command npmguard npm $argv
    case '*'
      command npm $argv
  end
end
function npx --wraps npx
  command npmguard npm exec $argv
end
"""
_POWERSHELL = """\
function npm {
  $real = Get-Command -CommandType Application -Name npm -ErrorAction Stop | Select-Object -First 1
  if ($args.Count -gt 0 -and @('install', 'i', 'add', 'ci', 'update', 'exec') -contains $args[0]) {
    & npmguard npm @args
  } else {
    & $real.Source @args
  }
}
function npx {
  & npmguard npm exec @args
}
"""


class Shell(StrEnum):
    """A shell that the functions are written for."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"
    POWERSHELL = "powershell"


_TEXTS = {Shell.BASH: _POSIX, Shell.ZSH: _POSIX, Shell.FISH: _FISH, Shell.POWERSHELL: _POWERSHELL}


def shell_init(shell: Annotated[Shell, typer.Argument(help="bash, zsh, fish or powershell.")]) -> int:
    """Print functions that put npmguard before npm install, add, ci, update and exec, and before npx.

    eval "$(npmguard shell-init bash)" in ~/.bashrc, the same with zsh in ~/.zshrc;
    npmguard shell-init fish | source in config.fish;
    Invoke-Expression (npmguard shell-init powershell | Out-String) in $PROFILE.
    """
    emit(_TEXTS[shell].encode("ascii"), None)
    return OK
