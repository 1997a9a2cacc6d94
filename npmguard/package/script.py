"""What the text of an install script does by itself: fetch and run, send away, destroy, settle in, fetch.

Most install scripts run a file of the package (``node install.js``), and that file is judged as code. This is
about the others, whose malice stands in package.json alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import dropwhile
from typing import Final

from npmguard.package.harm import (
    destroys,
    is_fork_bomb,
    is_started_again,
    overwrites_disk,
    persists,
    stops_machine,
)
from npmguard.package.shell import MAX_DEPTH, Command, Pipeline, Script, Word, parse_shell

MAX_SCRIPT: Final = 64 * 1024  # characters; no honest script comes near


class ScriptRisk(StrEnum):
    """What a script text does, worst first."""

    RUNS_FETCHED = "runs-fetched"  # what came from the network, or out of an encoding, is run
    SENDS = "sends"  # what was found on the machine goes out
    DESTROYS = "destroys"  # the home folder, the project or a disk is deleted or overwritten
    STOPS = "stops"  # the machine is shut down
    PERSISTS = "persists"  # something is put where it is started again: a profile, a crontab, a service
    FETCHES = "fetches"  # something comes from the network; whether it is run is not seen
    UNREADABLE = "unreadable"  # too long or too deeply nested to be read


_HARM = frozenset({ScriptRisk.DESTROYS, ScriptRisk.STOPS, ScriptRisk.PERSISTS})


@dataclass(frozen=True, slots=True)
class RiskyCommand:
    """One risk, with the command that it was seen in, as words after all quoting (at most 160 characters)."""

    risk: ScriptRisk
    command: str


def script_risks(text: str) -> tuple[RiskyCommand, ...]:
    """The risky commands of one script of package.json, worst first, then in order; nothing is run.

    Quoting, escapes, variables that the script sets itself, groups, substitutions and shells started with
    ``-c`` are seen through; JavaScript given to ``node -e`` is searched for the same deeds.
    """
    if len(text) > MAX_SCRIPT:
        return (RiskyCommand(ScriptRisk.UNREADABLE, text[:_EXCERPT]),)
    order = list(ScriptRisk)
    found = dict.fromkeys(_Judge().script(parse_shell(text), 0))
    if is_fork_bomb(text):
        found[RiskyCommand(ScriptRisk.DESTROYS, " ".join(text.split())[:_EXCERPT])] = None
    if "`" in text and _NAMES_POWERSHELL.search(text):  # where it is an escape, as ^ is for cmd.exe
        found |= dict.fromkeys(_Judge().script(parse_shell(text.replace("`", "")), 0))
    return tuple(sorted(found, key=lambda it: order.index(it.risk)))


_EXCERPT = 160
_SHOWN = 40  # words and commands of an excerpt


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_FETCHERS = _words("""
    curl wget wget2 fetch aria2c axel lynx links w3m http https xh curlie nc ncat netcat socat telnet ftp tftp
    sftp scp rsync certutil bitsadmin invoke-webrequest iwr invoke-restmethod irm start-bitstransfer
""")
_NAME_LOOKUPS = _words("nslookup dig host ping drill resolve-dnsname")
_SHELLS = _words("sh bash zsh dash ksh ash fish cmd csh tcsh")
_POWERSHELLS = _words("powershell pwsh powershell_ise")
_LANGUAGES = _words("node nodejs bun deno tsx ts-node python python2 python3 perl ruby php osascript lua tclsh")
_NAMES_POWERSHELL = re.compile(r"powershell|pwsh", re.IGNORECASE)
_RUNS_FILES = _SHELLS | _LANGUAGES | {".", "source"}
_INTERPRETERS = _RUNS_FILES | _POWERSHELLS | {"eval", "iex"}
_STDIN = frozenset({"-", "/dev/stdin", "-s", "/dev/fd/0"})
_RUN_REST = _words("""
    env sudo doas nohup exec command builtin time nice ionice stdbuf setsid busybox xargs cross-env
    cross-env-shell call start then do else if elif while until ! timeout watch script unbuffer npx pnpx bunx
    dotenv
""")  # they run the command in their arguments
_CODE_FLAGS = {"php": {"-r"}, "python": {"-c"}, "python2": {"-c"}, "python3": {"-c"}}
_USUAL_CODE_FLAGS = {"-e", "--eval", "-p", "--print", "-pe", "-E", "eval"}
_SHELL_CODE_FLAG = re.compile(r"-[a-zA-Z]*c")
_NO_FILE_NAME = re.compile(r"[\s(;|]")  # in what is redirected into an interpreter: it is code itself
_ASSIGNS = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=.*", re.DOTALL)
_REMOTE = re.compile(r"(?:git\+)?(?:https?|ftp|ssh|git)://|(?:github|gitlab|bitbucket|gist):", re.IGNORECASE)
_INSTALLERS = _words("npm npx pnpm pnpx yarn bun bunx deno git pip pip3 gem cargo go")
_UPLOADERS = _words("curl wget wget2 http https xh curlie")
_UPLOAD = re.compile(
    r"-d|--data(?:-[a-z]+)?(?:=.*)?|--json(?:=.*)?|-F|--form(?:-string)?(?:=.*)?|-T|--upload-file(?:=.*)?"
    r"|--post-(?:data|file)(?:=.*)?|--body-(?:data|file)(?:=.*)?|-d@.*",
    re.DOTALL,
)
_UPLOADS_A_FILE = ("-T", "--upload", "--post-file", "--body-file", "-d@")
_LOOKS_AROUND = _words("""
    whoami hostname id env printenv export ls dir ps who last ifconfig ipconfig ip netstat ss pwd systeminfo
    base64 xxd od tar zip gzip aws gcloud az kubectl security
""")
_SHOWS_FILES = _words("cat head tail less more type grep")
_PRIVATE_FILE = re.compile(
    r"/etc/|^~|\$HOME|\.ssh|\.npmrc|\.env\b|\.aws|\.git-credentials|\.netrc|passwd|/proc/"
)
_PRIVATE_VARIABLE = re.compile(
    r"TOKEN|SECRET|PASS|_KEY|KEY_|AUTH|CRED|^USER|LOGNAME|HOSTNAME|COMPUTERNAME|^HOME$|^PWD$|SSH|AWS_|AZURE",
    re.IGNORECASE,
)
_SAVES_AS = _words("-o --output --output-document -O --out -outfile -OutFile --output-file -out")
_SAVES_UNDER_ITS_NAME = _words("-O --remote-name -OL -LO -sO -sSO -fsSLO -JO -OJ --remote-name-all")

_STRING = r"'((?:[^'\\]|\\.|\\\Z)*)(?:'|\Z)|\"((?:[^\"\\]|\\.|\\\Z)*)(?:\"|\Z)|`((?:[^`\\]|\\.|\\\Z)*)(?:`|\Z)"
_CODE_STRING = re.compile(
    _STRING, re.DOTALL
)  # an unclosed one goes on to the end, so that no input is read twice
_JOINED = re.compile(r"""(['"`])\s*\+\s*(['"`])""")
_CODE_ESCAPE = re.compile(r"\\x([0-9a-fA-F]{2})|\\u([0-9a-fA-F]{4})")
_RUNS = re.compile(
    r"child_process|\bexec(?:Sync|File|FileSync)?\s*\(|\bspawn(?:Sync)?\s*\(|\beval\s*\(|\bFunction\s*\("
    r"|\bconstructor\b|runIn(?:New|This)Context|_compile|\bsystem\s*\(|subprocess|os\.popen|\bdlopen\b"
    r"|invoke-expression|\biex\b|start-process|\bimport\s*\(\s*['\"`](?:https?|data):",
    re.IGNORECASE,
)
_REACHES_OUT = re.compile(
    r"\bfetch\s*\(|require\s*\(\s*['\"`](?:node:)?(?:https?|net|tls|dns|dgram|http2)['\"`]"
    r"|\b(?:from|import)\s*\(?\s*['\"`](?:node:)?(?:https?|net|tls|dns|dgram|http2)['\"`:]"
    r"|urllib|http\.client|requests\.(?:get|post)|Net::HTTP|LWP::|file_get_contents\s*\(\s*['\"]http"
    r"|XMLHttpRequest|net\.webclient|downloadstring|downloadfile|invoke-webrequest|invoke-restmethod|\biwr\b|\birm\b"
    r"|start-bitstransfer",
    re.IGNORECASE,
)
_DECODES = re.compile(
    r"\batob\s*\(|fromCharCode|['\"`]base64['\"`]|['\"`]hex['\"`]|b64decode|decode_base64|base64_decode"
    r"|frombase64string",
    re.IGNORECASE,
)
_CODE_LOOKS_AROUND = re.compile(
    r"process\.env\b(?!\.npm_|\.NODE_ENV|\.CI\b)|os\.(?:userInfo|hostname|networkInterfaces|homedir)|\bhomedir\s*\("
    r"|os\.environ|getpass|\$env:|/etc/passwd|\.npmrc|\.ssh/|\.aws/",
)
_CRON_TIME = re.compile(r"^\s*(?:@\w+|(?:[-*/,0-9A-Za-z]+\s+){4}[-*/,0-9A-Za-z]+)\s+(?=\S)")
_ENCODED_COMMAND = re.compile(r"-e(?:c|n|nc|nco\w*)?", re.IGNORECASE)


class _Judge:
    """One script, and the names under which it has saved what it fetched."""

    def __init__(self) -> None:
        self._saved: set[str] = set()
        self._moved = False  # whether the script has gone to another folder

    def script(self, script: Script, depth: int) -> Iterator[RiskyCommand]:
        for pipeline in script:
            yield from self._pipeline(pipeline, depth)

    def _pipeline(self, pipeline: Pipeline, depth: int) -> Iterator[RiskyCommand]:
        if depth > MAX_DEPTH:
            yield RiskyCommand(ScriptRisk.UNREADABLE, _spell(pipeline))
            return
        fed = False  # whether fetched or decoded bytes flow into the next command
        for command in pipeline:
            words = _unwrapped(command.words)
            for script in _inner_scripts(command):
                yield from self.script(script, depth + 1)
            if fed and _reads_code(words, command):
                yield RiskyCommand(ScriptRisk.RUNS_FETCHED, _spell(pipeline))
            yield from self._command(command, words, pipeline, depth)
            yield from self._harm(command, words, pipeline, depth)
            fed = fed or _gets(command, words)

    def _command(
        self, command: Command, words: list[Word], pipeline: Pipeline, depth: int
    ) -> Iterator[RiskyCommand]:
        if any(
            "/dev/tcp/" in word.text or "/dev/udp/" in word.text for word in (*command.reads, *command.writes)
        ):
            yield RiskyCommand(ScriptRisk.RUNS_FETCHED, _spell(pipeline))
        if not words:
            return
        name, arguments = _name(words[0]), words[1:]
        if (
            self._is_saved(words[0].text)
            or (name in _RUNS_FILES and any(self._is_saved(word.text) for word in arguments))
            or (name in _INTERPRETERS and any(_gets_any(word.scripts) for word in (*arguments, *command.reads)))
            or (words[0].text.startswith("$()") and _gets_any(words[0].scripts))
        ):
            yield RiskyCommand(ScriptRisk.RUNS_FETCHED, _spell(pipeline))
        if name in _FETCHERS or name in _NAME_LOOKUPS:
            yield from self._network(name, command, arguments, pipeline)
        elif name in _INSTALLERS and any(_REMOTE.search(word.text) for word in arguments):
            yield RiskyCommand(ScriptRisk.FETCHES, _spell(pipeline))
        elif name in _POWERSHELLS:
            yield from _powershell(arguments, pipeline)
            rest = dropwhile(lambda word: word.text.startswith("-"), arguments)
            inside = self._text(" ".join(word.text for word in rest), depth)
            yield from (risk for risk in inside if risk.risk in _HARM)
        elif name in {"mshta", "regsvr32", "rundll32"} and any(_REMOTE.search(it.text) for it in arguments):
            yield RiskyCommand(ScriptRisk.RUNS_FETCHED, _spell(pipeline))
        elif name == "eval":
            yield from self._text(" ".join(word.text for word in arguments), depth)
        elif name in _SHELLS or name in _LANGUAGES:
            yield from self._interpreter(name, command, arguments, pipeline, depth)

    def _harm(
        self, command: Command, words: list[Word], pipeline: Pipeline, depth: int
    ) -> Iterator[RiskyCommand]:
        """What a command destroys, stops or has started again."""
        written = [word.text for word in command.writes]
        if any(map(overwrites_disk, written)):
            yield RiskyCommand(ScriptRisk.DESTROYS, _spell(pipeline))
        name = _name(words[0]) if words else ""
        arguments = [word.text for word in words[1:]]
        if destroys(name, arguments, moved=self._moved):
            yield RiskyCommand(ScriptRisk.DESTROYS, _spell(pipeline))
        if stops_machine(name, arguments):
            yield RiskyCommand(ScriptRisk.STOPS, _spell(pipeline))
        if any(map(is_started_again, written)) or persists(name, arguments):
            yield RiskyCommand(ScriptRisk.PERSISTS, _spell(pipeline))
            for text in _said(pipeline):  # what the profile or the crontab is given to run
                yield from self._text(_CRON_TIME.sub("", text), depth)
        self._moved = self._moved or name in {"cd", "pushd", "chdir", "set-location"}

    def _interpreter(
        self, name: str, command: Command, arguments: list[Word], pipeline: Pipeline, depth: int
    ) -> Iterator[RiskyCommand]:
        code = _inline_code(name, arguments)
        redirected = [word.text for word in command.reads if _NO_FILE_NAME.search(word.text)]
        for text in redirected if code is None else [code]:
            if name in _SHELLS:
                yield from self._text(text, depth)
                continue
            risk = _code_risk(text)
            if risk is not None:
                yield RiskyCommand(risk, _spell(pipeline))
            plain = _plain_code(text)
            if _RUNS.search(plain):
                for match in _CODE_STRING.finditer(plain):
                    yield from self._text(match[1] or match[2] or match[3] or "", depth)

    def _network(
        self, name: str, command: Command, arguments: list[Word], pipeline: Pipeline
    ) -> Iterator[RiskyCommand]:
        if _sends(name, command, arguments):
            yield RiskyCommand(ScriptRisk.SENDS, _spell(pipeline))
        elif name in _FETCHERS and arguments:
            yield RiskyCommand(ScriptRisk.FETCHES, _spell(pipeline))
        self._saved.update(_base(word.text) for word in command.writes)
        named = name in {"wget", "wget2", "aria2c", "axel"} or any(
            word.text in _SAVES_UNDER_ITS_NAME for word in arguments
        )
        for flag, word in _with_next(arguments):
            if flag.text in _SAVES_AS:
                self._saved.add(_base(word.text))
            if named and "/" in flag.text:
                self._saved.add(_base(flag.text.partition("?")[0]))
        self._saved -= {"", "-", "null", "nul"}

    def _text(self, text: str, depth: int) -> Iterator[RiskyCommand]:
        yield from self.script(parse_shell(text), depth + 1)

    def _is_saved(self, text: str) -> bool:
        return bool(self._saved) and _base(text) in self._saved


def _unwrapped(words: list[Word]) -> list[Word]:
    """The words from the command that is really run: behind ``sudo -E env A=b``, ``cross-env``, ``then``."""
    at = 0
    while at < len(words):
        text, name = words[at].text, _name(words[at])
        if name in _INSTALLERS and any(_REMOTE.search(word.text) for word in words[at:]):
            break
        is_option = at > 0 and (text.startswith("-") or text.isdigit())
        if not is_option and not _ASSIGNS.fullmatch(text) and not (name in _RUN_REST and at + 1 < len(words)):
            break
        at += 1
    return words[at:]


def _said(pipeline: Pipeline) -> Iterator[str]:
    """What ``echo`` and the like put into a pipeline, groups in brackets included."""
    for command in pipeline:
        words = _unwrapped(command.words)
        if words and _name(words[0]) in {"echo", "printf", "write-output"}:
            yield " ".join(word.text for word in words[1:] if not word.text.startswith("-"))
        for inner in command.group or ():
            yield from _said(inner)


def _inner_scripts(command: Command) -> Iterable[Script]:
    for word in (*command.words, *command.reads, *command.writes):
        yield from word.scripts
    if command.group is not None:
        yield command.group


def _gets(command: Command, words: list[Word]) -> bool:
    """Whether a command's output is what came from the network or out of an encoding."""
    if command.group is not None and _gets_any([command.group]):
        return True
    if any(_gets_any(word.scripts) for word in (*command.words, *command.reads)):
        return True
    if not words:
        return False
    name, flags = _name(words[0]), {word.text for word in words[1:]}
    return (
        name in _FETCHERS
        or (name in {"base64", "base32", "basenc"} and bool(flags & {"-d", "-D", "--decode", "-di"}))
        or (name == "openssl" and bool(flags & {"-d", "-base64", "s_client"}))
        or (name == "xxd" and any(flag.startswith("-r") or flag == "-p" for flag in flags))
    )


def _gets_any(scripts: Iterable[Script]) -> bool:
    return any(
        _gets(command, _unwrapped(command.words))
        for script in scripts
        for pipeline in script
        for command in pipeline
    )


def _reads_code(words: list[Word], command: Command) -> bool:
    """Whether a command runs what is piped into it."""
    if not words:
        return command.group is not None and any(
            _reads_code(_unwrapped(inner.words), inner) for pipeline in command.group for inner in pipeline[:1]
        )
    name, arguments = _name(words[0]), words[1:]
    if not (name in _INTERPRETERS or name.startswith("$")) or _inline_code(name, arguments) is not None:
        return False
    operands = [word.text for word in arguments if not word.text.startswith("-")]
    return not operands or any(word.text in _STDIN for word in arguments)


def _inline_code(name: str, arguments: list[Word]) -> str | None:
    """The code that an interpreter is given on its command line."""
    flags = _CODE_FLAGS.get(name, _USUAL_CODE_FLAGS)
    for index, word in enumerate(arguments):
        text = word.text
        if name == "cmd" and text.lower() in {"/c", "/k", "/r"}:
            return " ".join(it.text for it in arguments[index + 1 :])
        is_flag = _SHELL_CODE_FLAG.fullmatch(text) is not None if name in _SHELLS else text in flags
        if is_flag:
            return arguments[index + 1].text if index + 1 < len(arguments) else None
        if text.startswith(("--eval=", "--print=")):
            return text.partition("=")[2]
        if not text.startswith("-"):
            return None
    return None


def _sends(name: str, command: Command, arguments: list[Word]) -> bool:
    """Whether something of this machine goes into a request: output of a command, a secret, a file."""
    for flag, word in _with_next(arguments):
        if name in _UPLOADERS and _UPLOAD.fullmatch(flag.text):
            value = flag.text.partition("=")[2] or word.text
            if value.startswith("@") or "=@" in value or flag.text.startswith(_UPLOADS_A_FILE):
                return True
        if any(_PRIVATE_VARIABLE.search(variable) for variable in flag.variables):
            return True
        if any(_tells_of_the_machine(script) for script in flag.scripts):
            return True
    return name in {"nc", "ncat", "netcat", "socat", "telnet"} and bool(command.reads)


def _with_next(words: list[Word]) -> Iterator[tuple[Word, Word]]:
    """Each word with the one behind it, which may be its value; an empty one at the end."""
    return zip(words, [*words[1:], Word()], strict=False)


def _tells_of_the_machine(script: Script) -> bool:
    for words in (_unwrapped(command.words) for pipeline in script for command in pipeline):
        name = _name(words[0]) if words else ""
        if name in _LOOKS_AROUND:
            return True
        if name in _SHOWS_FILES and any(_PRIVATE_FILE.search(word.text) for word in words[1:]):
            return True
    return False


def _powershell(arguments: list[Word], pipeline: Pipeline) -> Iterator[RiskyCommand]:
    text = " ".join(word.text for word in arguments).replace("`", "")
    if any(_ENCODED_COMMAND.fullmatch(word.text) for word in arguments):
        yield RiskyCommand(ScriptRisk.RUNS_FETCHED, _spell(pipeline))
        return
    risk = _code_risk(text)
    if risk is not None:
        yield RiskyCommand(risk, _spell(pipeline))


def _code_risk(code: str) -> ScriptRisk | None:
    """What code on a command line does, told by the calls in it."""
    code = _plain_code(code)
    runs, reaches, decodes = (
        bool(_RUNS.search(code)),
        bool(_REACHES_OUT.search(code)),
        bool(_DECODES.search(code)),
    )
    if runs and (reaches or decodes):
        return ScriptRisk.RUNS_FETCHED
    if reaches:
        return ScriptRisk.SENDS if _CODE_LOOKS_AROUND.search(code) else ScriptRisk.FETCHES
    return None


def _plain_code(code: str) -> str:
    r"""Code with ``'a' + 'b'`` joined and ``\x61`` spelled out."""
    code = _CODE_ESCAPE.sub(lambda match: chr(int(match[1] or match[2], 16)), code)
    return _JOINED.sub(lambda match: "" if match[1] == match[2] else match[0], code)


def _name(word: Word) -> str:
    name = _base(word.text).lower()
    for ending in (".exe", ".cmd", ".bat", ".com"):
        name = name.removesuffix(ending)
    return name


def _base(path: str) -> str:
    return path.replace("\\", "/").rpartition("/")[2]


def _spell(pipeline: Pipeline) -> str:
    """A pipeline as words, cut for showing."""
    parts = []
    for command in pipeline[:_SHOWN]:
        words = [word.text[:_EXCERPT] for word in command.words[:_SHOWN]] if command.group is None else ["(…)"]
        words += [f"< {word.text}" for word in command.reads] + [f"> {word.text}" for word in command.writes]
        parts.append(" ".join(words))
    return " ".join(" | ".join(parts).split())[:_EXCERPT]
