"""Shell commands that do harm by themselves, whatever they were fetched for.

The commands are words after all quoting, as :mod:`npmguard.package.shell` reads them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_REMOVERS = frozenset({"rm", "rimraf", "unlink", "srm", "shred", "trash", "remove-item", "ri"})
_WINDOWS_REMOVERS = frozenset({"del", "erase", "rd", "rmdir"})
_WITHOUT_ASKING = frozenset({"rimraf", "trash", "srm"})  # they take folders as they are
_RECURSIVE = re.compile(r"-[a-zA-Z]*[rR][a-zA-Z]*|--recursive|-[Rr]ecurse|-rec\w*")
_WINDOWS_RECURSIVE = re.compile(r"/s", re.IGNORECASE)
_HOME = (
    r"(?:~|\$\{?(?:HOME|USERPROFILE)\}?|\$env:(?:USERPROFILE|HOME\w*)|%USERPROFILE%"
    r"|%HOME(?:DRIVE|PATH)%(?:%HOMEPATH%)?)"
)
_DISK = r"(?:/|[a-zA-Z]:|%SystemDrive%|\$env:SystemDrive|/home|/Users|/root|/etc|/usr|/var|[a-zA-Z]:[\\/]Users)"
_ANY = r"(?:[\\/]*(?:\.\*|\*(?:\.\*)?|\.\[[^\]]*\]\*|\{[^}]*\*[^}]*\})?)"
_BROAD = re.compile(rf"(?:{_HOME}|{_DISK}){_ANY}", re.IGNORECASE)
_HERE = re.compile(
    r"(?:\.{1,2}|(?:\.\.[\\/])+\.{0,2}|(?:\.{1,2}[\\/])*\*(?:\.\*)?|(?:\.[\\/])|\$\{?(?:PWD|INIT_CWD)\}?[\\/]?\*?|%CD%\\?\*?)"
)
_DEVICE = re.compile(
    r"/dev/(?:sd[a-z]|hd[a-z]|nvme\d|vd[a-z]|disk\d|mmcblk\d)\w*|\\\\\.\\physicaldrive\d", re.IGNORECASE
)
_FORK_BOMB = re.compile(r":\s*\(\s*\)\s*\{\s*:\s*\|\s*:\s*&?\s*\}\s*;\s*:")
_STOPPERS = frozenset({"shutdown", "poweroff", "halt", "reboot", "stop-computer", "restart-computer"})

_STARTED_AGAIN = re.compile(
    r"(?:^|[\\/~])\.(?:bashrc|bash_profile|bash_login|bash_logout|profile|zshrc|zprofile|zshenv|zlogin|kshrc)$"
    r"|fish[\\/]config\.fish$|Microsoft\.PowerShell_profile\.ps1$"
    r"|^/etc/(?:profile|bash\.bashrc|zsh|cron|rc\.local|init\.d|systemd|ld\.so\.preload|sudoers)"
    r"|^/var/spool/cron|systemd/(?:user|system)/|\.config[\\/]autostart|Library/Launch(?:Agents|Daemons)"
    r"|\.ssh[\\/]authorized_keys|Start Menu[\\/]Programs[\\/]Startup|/\.git/hooks/|\.config/git/hooks",
    re.IGNORECASE,
)
_WRITERS = frozenset(
    {
        "cp",
        "mv",
        "ln",
        "install",
        "tee",
        "copy",
        "move",
        "xcopy",
        "rsync",
        "out-file",
        "add-content",
        "set-content",
        "copy-item",
    }
)
_RUN_KEY = re.compile(r"CurrentVersion\\+(?:Run|Policies\\+Explorer\\+Run)|Winlogon", re.IGNORECASE)
_HOOKS = re.compile(r"core\.hookspath|init\.templatedir", re.IGNORECASE)


def destroys(name: str, arguments: Sequence[str], *, moved: bool) -> bool:
    """Whether a command deletes or overwrites the home folder, the folder it runs in, or a disk.

    *moved* says that the script went to another folder before: what ``*`` means there is not known.
    """

    def broad(text: str) -> bool:
        return _BROAD.fullmatch(text) is not None or (not moved and _HERE.fullmatch(text) is not None)

    targets = [text for text in arguments if not text.startswith("-")]
    if name in _REMOVERS:
        recursive = name in _WITHOUT_ASKING or any(_RECURSIVE.fullmatch(text) for text in arguments)
        return (recursive or name == "shred") and any(map(broad, targets))
    if name in _WINDOWS_REMOVERS:
        return any(_WINDOWS_RECURSIVE.fullmatch(text) for text in arguments) and any(map(broad, targets))
    if name == "find":
        deletes = "-delete" in arguments or any(text in _REMOVERS for text in arguments)
        return deletes and bool(targets) and _BROAD.fullmatch(targets[0]) is not None
    if name == "dd":
        return any(text.startswith("of=") and _DEVICE.fullmatch(text[3:]) for text in arguments)
    if name == "format":
        return any(re.fullmatch(r"[a-zA-Z]:\\?", text) for text in arguments)
    if name == "cipher":
        return any(text.lower().startswith("/w:") for text in arguments)
    return name.startswith("mkfs") and any(_DEVICE.fullmatch(text) for text in arguments)


def overwrites_disk(path: str) -> bool:
    """Whether what is redirected to *path* overwrites a disk."""
    return _DEVICE.fullmatch(path) is not None


def is_fork_bomb(text: str) -> bool:
    """Whether a script's text holds the shell function that starts itself twice without end."""
    return _FORK_BOMB.search(text) is not None


def stops_machine(name: str, arguments: Sequence[str]) -> bool:
    """Whether a command shuts the machine down."""
    if name in _STOPPERS:
        return not any(text in {"-c", "/a", "--help"} for text in arguments)
    if name in {"init", "telinit"}:
        return bool(arguments) and arguments[0] in {"0", "6"}
    return name == "systemctl" and any(text in {"poweroff", "reboot", "halt"} for text in arguments)


def is_started_again(path: str) -> bool:
    """Whether what stands in the file at *path* is run again by the system, a shell or git."""
    return _STARTED_AGAIN.search(path) is not None


def persists(name: str, arguments: Sequence[str]) -> bool:
    """Whether a command has something started again: by cron, a service, a profile, the registry, git."""
    words = [text.lower() for text in arguments]
    match name:
        case "crontab":
            return bool(words) and not words[0].startswith(("-l", "-r"))
        case "launchctl":
            return words[:1] in (["load"], ["bootstrap"], ["submit"], ["enable"])
        case "systemctl":
            return "enable" in words
        case "schtasks":
            return "/create" in words
        case "at":
            return bool(words) and words[0] not in {"-l", "-r"}
        case "reg":
            return words[:1] == ["add"] and any(_RUN_KEY.search(text) for text in arguments)
        case "new-itemproperty" | "set-itemproperty":
            return any(_RUN_KEY.search(text) for text in arguments)
        case "register-scheduledtask" | "new-service":
            return True
        case "sc":
            return words[:1] == ["create"]
        case "git":
            return "config" in words and "--global" in words and any(_HOOKS.search(text) for text in arguments)
        case _:
            return name in _WRITERS and any(is_started_again(text) for text in arguments)
