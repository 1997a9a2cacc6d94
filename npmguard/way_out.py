"""What to type to be rid of a flagged version, and what to do where it has run.

The commands and the ``overrides`` block are for people to copy. Names and versions come from packages, so that
whatever is not plainly a name or a version is refused rather than quoted.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from npmguard.model import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from npmguard.model import Finding, PackageReport, ScanReport

# Of npm's own rules (validate-npm-package-name) what needs no quoting in any shell, and is no option. Names
# with capitals are of the registry's early years.
_NAME = re.compile(r"(?:@[a-z0-9_][a-z0-9._-]*/)?[A-Za-z0-9_][A-Za-z0-9._-]*", re.ASCII)
_VERSION = re.compile(
    r"[0-9]{1,16}\.[0-9]{1,16}\.[0-9]{1,16}(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?", re.ASCII
)
_MAX_NAME = 214
_MAX_VERSION = 256
_FLAGGED: Final = frozenset({Verdict.MALICIOUS, Verdict.SUSPICIOUS})


@dataclass(frozen=True, slots=True)
class _Tool:
    """What a package manager other than npm is told: the commands' beginnings, and where overrides stand."""

    pin: str
    install: str
    show: str
    keys: tuple[str, ...]
    place: str


_TOOLS: Final = {
    "yarn-classic": _Tool(
        "yarn upgrade --exact", "yarn install", "yarn why", ("resolutions",), "package.json needs resolutions"
    ),
    "yarn": _Tool(
        "yarn up --exact", "yarn install", "yarn why", ("resolutions",), "package.json needs resolutions"
    ),
    "pnpm": _Tool(
        "pnpm add --save-exact",
        "pnpm install",
        "pnpm why",
        ("pnpm", "overrides"),
        "package.json needs pnpm.overrides (pnpm 10 and newer: overrides in pnpm-workspace.yaml)",
    ),
    "bun": _Tool("bun add --exact", "bun install", "bun why", ("overrides",), "package.json needs overrides"),
}


@dataclass(frozen=True, slots=True)
class WayOut:
    """How to be rid of one flagged version.

    ``to`` is the version to go to, None where there is none or a name is refused. ``commands`` are to be run in
    that order, in the project's folder; ``overrides`` is what has to stand in its package.json when the plain
    ``npm install`` among them is run. ``explanation`` is a sentence or two; ``if_it_ran`` is what to do where
    the version was ever installed or run, most urgent first.
    """

    name: str
    version: str
    to: str | None
    commands: tuple[str, ...]
    overrides: Mapping[str, str] = field(default_factory=dict)
    explanation: str = ""
    if_it_ran: tuple[str, ...] = ()


def way_out(
    package: PackageReport, direct: Collection[str] | None = None, manager: str = "npm"
) -> WayOut | None:
    """The way out of one package version; None where it is not flagged.

    *direct* are the names that the project's own package.json depends on. Without them, a package that the
    report's paths show to be a direct dependency counts as one under each name that it has at the top.
    *manager* is that of :attr:`npmguard.model.Lockfile.manager`; for any but npm, *direct* are the names under
    which the project asks for this very version.
    """
    if package.verdict not in _FLAGGED:
        return None
    advice = if_it_ran(package)
    target = package.fix.version or package.fix.outside if package.fix is not None else None
    reason = package.fix.reason if package.fix is not None else "no other version was looked for"

    def stuck(explanation: str) -> WayOut:
        return WayOut(package.name, package.version, None, (), explanation=explanation, if_it_ran=advice)

    if target is None:
        return stuck(f"There is no version to go to: {reason}. Take the package out, or what brings it in.")
    if not _is_name(package.name) or not _is_version(package.version) or not _is_version(target):
        return stuck(
            "Its name or version holds characters that do not belong into a command or a package.json;"
            " change it by hand."
        )
    if manager != "npm":
        tool = _TOOLS.get(manager)
        if tool is None:
            return stuck(f"{target} is {reason}. Change it in the project that the file tells of.")
        return _by_tool(package, target, sorted(filter(_is_name, direct or ())), tool, advice)
    tops = _names_at_the_top(package, direct)
    commands = [f"npm install --save-exact {_quoted(_install_spec(it, package.name, target))}" for it in tops]
    overrides = dict(_overrides(package, target, tops)) if _is_transitive(package) else {}
    if overrides:
        commands.append("npm install")
    commands.append(f"npm ls {_quoted(package.name)}")
    return WayOut(
        name=package.name,
        version=package.version,
        to=target,
        commands=tuple(commands),
        overrides=overrides,
        explanation=_explanation(package, target, direct=bool(tops), overridden=bool(overrides)),
        if_it_ran=advice,
    )


def overrides_place(manager: str) -> str:
    """Which file needs what, in words, where a way out has overrides."""
    return _TOOLS[manager].place if manager in _TOOLS else "package.json needs overrides"


def overrides_block(
    report: ScanReport,
    existing: Mapping[str, Any] | None = None,
    direct: Collection[str] | None = None,
    manager: str = "npm",
) -> str:
    """The ``overrides`` block for package.json that leads away from every flagged version, as JSON.

    Ours stand before the *existing* ones, since npm takes the first that fits, and the higher version of a
    package before the lower. *direct* as for :func:`way_out`.
    Ends in a line break; ``{"overrides": {}}`` where there is nothing to override.
    """
    found: list[tuple[str, tuple[int, ...], str, str]] = []
    for package in report.packages:
        way = way_out(package, direct, manager)
        if way is not None:
            numbers = tuple(int(it) for it in re.findall(r"[0-9]{1,16}", package.version)[:3])
            found += [(package.name, numbers, key, value) for key, value in way.overrides.items()]
    found.sort(key=lambda it: (it[0], tuple(-number for number in it[1]), it[2]))
    block: dict[str, Any] = {key: value for _, _, key, value in found}
    block.update((key, value) for key, value in (existing or {}).items() if key not in block)
    for key in reversed(_TOOLS[manager].keys if manager in _TOOLS else ("overrides",)):
        block = {key: block}
    return json.dumps(block, indent=2, ensure_ascii=True) + "\n"


# --- commands and overrides ---


def _by_tool(
    package: PackageReport, target: str, tops: list[str], tool: _Tool, advice: tuple[str, ...]
) -> WayOut:
    """The way out by another package manager, whose overrides hold for every version of a name."""
    commands = [f"{tool.pin} {_quoted(_install_spec(it, package.name, target))}" for it in tops]
    overrides = {package.name: target} if _is_transitive(package) else {}
    if overrides:
        commands.append(tool.install)
    commands.append(f"{tool.show} {_quoted(package.name)}")
    parts = [_merit(package, target)]
    if overrides:
        parts.append(
            "Other packages ask for it too: add it there first, and take it out when the dependents have moved"
            " on. It holds for every version of the package in the tree."
        )
    return WayOut(
        name=package.name,
        version=package.version,
        to=target,
        commands=tuple(commands),
        overrides=overrides,
        explanation=" ".join(parts),
        if_it_ran=advice,
    )


def _overrides(package: PackageReport, target: str, direct: Collection[str]) -> Iterator[tuple[str, str]]:
    """One entry for each name that it is installed under, for whoever asks for a range with that version in it.

    Key and value as npm reads them (``@npmcli/arborist``, ``override-set.js``): ``name@version`` applies to
    requirements whose range holds that version, and leaves other versions of the package alone. npm refuses
    an override that says something else than the project's own requirement; ``$name`` says the same.
    """
    for name in sorted({_name_at(it) for it in package.locations} or {package.name}):
        if _is_name(name):
            plain = target if name == package.name else f"npm:{package.name}@{target}"
            yield f"{name}@{package.version}", f"${name}" if name in direct else plain


def _names_at_the_top(package: PackageReport, direct: Collection[str] | None) -> list[str]:
    """The names under which the project itself asks for the version."""
    if not any(len(path) == 1 for path in package.paths) and (package.paths or package.locations):
        return []
    if not package.locations:  # no lock was read: the user named the package
        return [package.name]
    names = {_name_at(it) for it in package.locations if it.count("node_modules/") == 1}
    wanted = names if direct is None else names & set(direct)
    return sorted(filter(_is_name, wanted))


def _is_transitive(package: PackageReport) -> bool:
    return any(len(path) > 1 for path in package.paths) or package.more_paths > 0


def _name_at(location: str) -> str:
    return location.rpartition("node_modules/")[2]


def _install_spec(installed_as: str, name: str, target: str) -> str:
    return f"{name}@{target}" if installed_as == name else f"{installed_as}@npm:{name}@{target}"


def _quoted(text: str) -> str:
    """In double quotes where PowerShell would take the ``@`` at its start for its own; safe in every shell."""
    return f'"{text}"' if text.startswith("@") else text


def _is_name(text: str) -> bool:
    return len(text) <= _MAX_NAME and _NAME.fullmatch(text) is not None and "node_modules" not in text


def _is_version(text: str) -> bool:
    return len(text) <= _MAX_VERSION and _VERSION.fullmatch(text) is not None


def _explanation(package: PackageReport, target: str, *, direct: bool, overridden: bool) -> str:
    parts = [_merit(package, target)]
    if direct:
        parts.append("The exact version keeps npm from going back to the flagged one.")
    if overridden:
        parts.append(
            "Other packages ask for it too, and npm update would take the highest version of their ranges: put"
            " the overrides into package.json before npm install, and take them out when the dependents have"
            " moved on."
        )
    return " ".join(parts)


def _merit(package: PackageReport, target: str) -> str:
    reason = package.fix.reason if package.fix is not None else ""
    if package.fix is not None and package.fix.version is None:
        return f"{target} is clean, and some dependent does not ask for it: {reason}."
    return f"{target} is {reason}."


# --- after the fact ---


@dataclass(frozen=True, slots=True)
class _Reach:
    """What shows that code reached for a kind of secret, and what to do about it."""

    shown_by: re.Pattern[str]
    advice: str


def _reach(pattern: str, advice: str) -> _Reach:
    return _Reach(re.compile(pattern, re.IGNORECASE), advice)


_REACHES: Final = (
    _reach(
        r"wallet|clipper|ethereum|solana|bitcoin|address-swap|keystore|mnemonic|seed.?phrase|metamask|phantom",
        "Wallets: take every payment made through a page or program that was built with it for suspect, and"
        " compare each recipient with the one that was meant. Move funds to keys made on another machine.",
    ),
    _reach(
        r"\.npmrc|npm_token|_authtoken|registry\.npmjs|npm[ -]whoami|npm[ -]publish",
        "npm: revoke all access tokens of the account (npm token list, npm token revoke), change the password,"
        " renew two-factor codes, and look for versions of your packages that nobody published.",
    ),
    _reach(
        r"github_token|gh[ps]_|github_pat|gh auth|api\.github\.com|\.git-credentials|actions/runner",
        "GitHub and other code hosts: revoke personal access tokens, OAuth grants and deploy keys; look for new"
        " workflows, branches, repositories and runners; renew the secrets of Actions.",
    ),
    _reach(
        r"\.ssh\b|id_rsa|id_ed25519|known_hosts|private.?key",
        "SSH: make new keys, and take the old ones out of every authorized_keys and code host.",
    ),
    _reach(
        r"aws_|\.aws\b|169\.254\.169\.254|metadata\.google|gcloud|google_application_credentials|azure|\bgcp\b"
        r"|secretsmanager|\.kube\b|kubeconfig|vault",
        "Clouds: disable and renew access keys and service accounts that the machine held, end their sessions,"
        " and read the audit log for what they did since.",
    ),
    _reach(
        r"process\.env|\benv\b|environ|dotenv|\.env\b|npm_config",
        "Environment: renew every secret that stood in environment variables or .env files where it ran, on CI"
        " as well: tokens, database passwords, signing keys.",
    ),
    _reach(
        r"cookie|login data|\bchrome\b|firefox|keychain|local storage|discord|telegram",
        "Browsers and messengers: sign out of all sessions, and change the passwords that they kept.",
    ),
    _reach(
        r"docker|\.docker\b|containerd",
        "Containers: renew the credentials of image registries, and look for images that nobody pushed.",
    ),
)
_SCRIPTS = re.compile(r"install-script|at-installation|preinstall|postinstall|implicit-install", re.IGNORECASE)
_KNOWN = re.compile(r"known-malware")
_MAX_TEXT = 20_000  # characters of one finding that are looked at
_STOP = (
    "Stop what runs with it; keep a copy of node_modules, the lockfile and logs for whoever investigates, then"
    " delete node_modules and install afresh from the mended lockfile, with npm ci."
)
_EVERYTHING = (
    "Take the machine for compromised, CI runners included. From another one, renew every secret within reach"
    " of the account that ran it: npm and GitHub tokens, cloud keys, SSH keys, wallets, environment variables."
)
_BUILDS = "Build and deploy again whatever was built with it, and purge caches and CDNs that hold those builds."
_LOOK_FIRST = "A person has to look first: until somebody knows what it did, do as if it did all that it could."


def if_it_ran(package: PackageReport) -> tuple[str, ...]:
    """What to do where a flagged version was ever installed or run, by what its findings say it reached for."""
    texts = [_text(it) for it in package.findings]
    advice = [it.advice for it in _REACHES if any(it.shown_by.search(text) for text in texts)]
    first = [_STOP] if package.verdict is Verdict.MALICIOUS else [_LOOK_FIRST, _STOP]
    unbounded = any(_SCRIPTS.search(text) or _KNOWN.search(text) for text in texts)
    if unbounded or not advice:  # it could do whatever the account could
        first.append(_EVERYTHING)
    return (*first, *advice, _BUILDS)


def _text(finding: Finding) -> str:
    """All that a finding says of the code; the advice of rules is no evidence."""
    parts = [finding.rule, finding.message]
    for evidence in finding.evidence:
        parts += [evidence.signal, evidence.message, evidence.excerpt or "", evidence.decoded or ""]
    return "\n".join(parts)[:_MAX_TEXT]
