"""Settings: npmguard.toml read into one frozen :class:`Config`, where an unknown key is an error.

Every cap that bounds hostile input stands here, in one place.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from platformdirs import user_cache_path

from npmguard.config_place import json_line, steps_of, toml_line
from npmguard.errors import ConfigError

FILE_NAME = "npmguard.toml"
MANIFEST = "package.json"
SECTION = "npmguard"
_PATTERN = re.compile(r"@[^/*?\[\]\s]+/(?:\*|[^/*?\[\]\s]+)|[^@/*?\[\]\s][^/*?\[\]\s]*")
FailOn = Literal["malicious", "suspicious", "never"]


class Network(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    """How patient npmguard is with a registry. Times in seconds."""

    threads: int = 16
    connect_timeout: float = 5.0
    read_timeout: float = 20.0
    transfer_timeout: float = 300.0  # one whole answer, so that a drip of bytes ends too
    retries: int = 2
    give_up_after: float = 20.0  # a registry that never answered is not asked again after this long
    packument_max_age: float = 300.0  # where the registry's Cache-Control does not say
    contact: str = ""  # a URL or mail address for the User-Agent, for those who run a registry
    requests_per_second: float = 0.0  # to all registries together, from each process; 0 is no limit


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    """Caps on what a package may make npmguard do; over one, the package is `unverified`. Sizes in bytes."""

    packument_bytes: int = 256 * 1024**2
    tarball_bytes: int = 256 * 1024**2
    unpacked_bytes: int = 2 * 1024**3
    file_count: int = 200_000
    path_length: int = 4096
    path_bytes: int = 64 * 1024**2  # all names of one tarball: paths, folders, what is told of odd ones
    source_bytes: int = 16 * 1024**2  # one file that is parsed as JavaScript
    kept_bytes: int = 128 * 1024**2  # all source files of one package, held in memory together
    string_bytes: int = 1024**2  # one folded or decoded constant
    fold_steps: int = 200_000  # constant-folding work in one file
    layer_depth: int = 8  # code in code in code: text that is evaluated, one in another
    layer_bytes: int = 16 * 1024**2  # all text that one file evaluates, decoded
    interpreted_steps: int = 120_000_000  # work on calls of one file's own functions; 20 million a second
    interpreted_units: int = 64 * 1024**2  # characters that these calls make, together
    interpreted_depth: int = 4_000  # expressions inside one another, through all calls under way
    flow_steps: int = 200_000  # steps in which the values of one file are followed
    facts_bytes: int = 16 * 1024**2  # what a monitor keeps of one version to judge it again, uncompressed
    analysis_seconds: float = 300.0  # CPU time for one package
    analysis_bytes: int = 2 * 1024**3  # memory of one process that reads packages
    lockfile_bytes: int = 256 * 1024**2
    lockfile_depth: int = 16  # folders below the one that is scanned
    lockfile_count: int = 500  # lockfiles of one scan
    mail_bytes: int = 64 * 1024**2  # one message
    mail_text_bytes: int = 2 * 1024**2  # text and HTML of one message that are read as words
    mail_parts: int = 500
    mail_attached_bytes: int = 8 * 1024**2  # the messages attached to one message
    mail_depth: int = 12  # messages and multiparts inside one another
    mail_links: int = 1000  # links of one message that are judged
    mail_image_pixels: int = 48_000_000  # all images of one message that are searched for QR codes
    indicator_bytes: int = 64 * 1024**2  # one file of indicators
    feed_bytes: int = 2 * 1024**3  # the feed of known malware, as downloaded
    feed_unpacked_bytes: int = 16 * 1024**3
    feed_record_bytes: int = 16 * 1024**2
    feed_records: int = 2_000_000


class Cache(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    """Where results are kept between runs; ``enabled = false`` is ``--no-cache``."""

    enabled: bool = True
    directory: str | None = None

    @property
    def path(self) -> Path:
        """The cache's folder; the platform's own place unless configured."""
        return Path(self.directory) if self.directory else user_cache_path("npmguard", appauthor=False)


class Overruled(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    """A record of malware that the user knows to be wrong, by its id or an alias, until that day."""

    record: Annotated[str, msgspec.Meta(min_length=1)]
    reason: Annotated[str, msgspec.Meta(min_length=1)]
    until: date
    package: str | None = None
    version: str | None = None


class Feed(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    """Where npmguard learns of known malware."""

    url: str = "https://osv-vulnerabilities.storage.googleapis.com/npm/all.zip"
    api: str = "https://api.osv.dev/v1/"
    max_age: float = 86400.0  # seconds; an older index is not enough
    online: bool = True  # ask the API where the index is not enough, and the registries for advisories
    required: bool = True  # without an answer, a scan is incomplete
    indicators: bool = True  # look in packages for what the index's records name
    patience: float = 10.0  # seconds that asking all sources together may take
    accept: tuple[Overruled, ...] = ()


class Cooldown(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    """How old a release has to be; ``--min-age``. Exceptions are names, or ``@scope/*``."""

    min_age: Annotated[str, msgspec.Meta(pattern=r"^\s*(?:0|[0-9]{1,4}\s*[mhdwMHDW])\s*$")] = "0"
    except_: tuple[str, ...] = msgspec.field(default=(), name="except")


class Policy(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    """What the project asks of every release; what breaks it fails the scan whatever the verdict.

    Packages are named exactly, or as all of a scope (``@scope/*``).
    """

    registries: tuple[str, ...] = ()  # base URLs; none: any that npm is configured for
    scopes: dict[str, str] = {}  # scope -> base URL of the one registry that its packages may come from
    require_provenance: tuple[str, ...] = ()  # packages whose releases have to prove where they were built
    install_scripts: Literal["any"] | tuple[str, ...] = "any"  # packages that may run something at installation
    accepted: str = "npmguard-accepted.toml"  # the file of accepted findings, beside the lockfile


class Domains(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    """Questions about the mail domains of those who may publish; ``--check-domains``."""

    check: bool = False
    rdap: str = "https://data.iana.org/rdap/dns.json"  # the bootstrap of RDAP
    dns: str = ""  # ADDRESS or ADDRESS:PORT; the system's servers where empty


class Smtp(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    """Whom ``monitor`` hands mail to. The password is in the environment or in a file, never here."""

    host: str = ""
    port: int = 0  # 0: 587 for starttls, 465 for tls, 25 for none
    security: Literal["starttls", "tls", "none"] = "starttls"
    sender: str = ""
    user: str = ""
    password_env: str = "NPMGUARD_SMTP_PASSWORD"  # noqa: S105 - the name of a variable
    password_file: str = ""
    ca_file: str = ""  # certificates to trust in the place of the system's


class Alerts(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    """What ``monitor`` tells, and how long it tries. Secrets are in the environment or in files, never here."""

    threshold: Literal["malicious", "suspicious"] = "malicious"
    give_up_after: float = 7 * 86400.0  # seconds; then an alert is dead, and the status says so
    quiet: float = 3600.0  # seconds after which growth under the next step is told as well
    webhook_secret_env: str = "NPMGUARD_WEBHOOK_SECRET"  # noqa: S105 - the name of a variable
    webhook_secret_file: str = ""
    atom_entries: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 100
    finder: str = "npmguard"  # who found it, in OSV records
    smtp: Smtp = Smtp()


class SandboxSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    """How much a run depends on the sandbox around the processes that read packages; ``--require-sandbox``."""

    required: bool = False  # without all of it, nothing is read: exit 2


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    """Everything that a run can be told. ``jobs`` 0 is one analysing process a core."""

    fail_on: FailOn = "malicious"
    jobs: int = 0
    rules: tuple[str, ...] = ()  # further folders of rule files
    accept_skipped: tuple[Literal["git", "url", "file"], ...] = ()  # entries that may stay unjudged
    network: Network = Network()
    limits: Limits = Limits()
    cache: Cache = Cache()
    feed: Feed = Feed()
    cooldown: Cooldown = Cooldown()
    domains: Domains = Domains()
    policy: Policy = Policy()
    alerts: Alerts = Alerts()
    sandbox: SandboxSettings = SandboxSettings()


def load_config(directory: Path, explicit: Path | None = None) -> Config:
    """Read the settings of the project in *directory*, or the *explicit* file; defaults where there are none.

    A project has them in ``npmguard.toml`` or under ``"npmguard"`` in its package.json, not in both.

    Raises:
        ConfigError: the explicit file is missing, the file is broken, a key is unknown or a value unusable;
            the message names file and line.
    """
    path = explicit if explicit is not None else directory / FILE_NAME
    text = _read(path, required=explicit is not None)
    section = _section_of(directory / MANIFEST) if explicit is None else None
    if text is None:
        return Config() if section is None else _convert(directory / MANIFEST, *section, json_line)
    if section is not None:
        raise ConfigError(
            f'{path}: the settings are also under "{SECTION}" in {MANIFEST}; keep them in one of the two'
        )
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from error
    except RecursionError:
        raise ConfigError(f"{path}: nested too deep; the settings have at most three levels") from None
    return _convert(path, text, table, toml_line)


def has_settings(directory: Path) -> bool:
    """Whether the project in *directory* has settings of its own, in one place or the other."""
    return (directory / FILE_NAME).exists() or _section_of(directory / MANIFEST) is not None


def _read(path: Path, *, required: bool) -> str | None:
    try:
        return path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        if required:
            raise ConfigError(f"{path}: no such file; give --config an existing npmguard.toml") from None
        return None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8: {error}") from error
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error


def _section_of(manifest: Path) -> tuple[str, object] | None:
    """The text of a package.json with what it has under ``"npmguard"``; None where it has nothing.

    A package.json that cannot be read holds no settings: whoever needs it for more says what is wrong with it.
    """
    try:
        text = manifest.read_bytes().decode("utf-8-sig")
        document: object = msgspec.json.decode(text)
    except (OSError, UnicodeDecodeError, msgspec.DecodeError, RecursionError):
        return None
    if not isinstance(document, dict) or SECTION not in document:
        return None
    return text, {SECTION: document[SECTION]}


def _convert(path: Path, text: str, table: object, line_of: Callable[[str, list[str]], int | None]) -> Config:
    inside = [SECTION] if line_of is json_line else []
    try:
        if inside:
            config = msgspec.convert(table, dict[str, Config])[SECTION]
        else:
            config = msgspec.convert(table, Config)
        _check_patterns(config)
    except _BadPattern as error:
        line = line_of(text, [*inside, *error.steps])
        raise ConfigError(f"{path}:{line or 1}: {error}") from error
    except msgspec.ValidationError as error:
        message = str(error)
        steps = steps_of(message)
        if inside:
            steps = [*inside, *steps[1:]] if steps[:1] == ["..."] else [*inside, *steps]
        line = line_of(text, steps)
        place = f"{path}:{line}" if line is not None else str(path)
        raise ConfigError(f"{place}: {message}; see docs/configuration.md for the keys there are") from error
    return config


class _BadPattern(Exception):  # noqa: N818 - becomes a ConfigError with its place
    """A pattern of package names that says more than anyone means."""

    def __init__(self, pattern: str, steps: list[str]) -> None:
        super().__init__(
            f"{'.'.join(steps)}: {pattern!r} is neither a package's name nor a scope: write a name, @scope/name"
            " or @scope/* (a wildcard without a scope would take in packages of anybody)"
        )
        self.steps = steps


def _check_patterns(config: Config) -> None:
    asked = config.policy.install_scripts
    for steps, patterns in (
        (["cooldown", "except"], config.cooldown.except_),
        (["policy", "require-provenance"], config.policy.require_provenance),
        (["policy", "install-scripts"], () if isinstance(asked, str) else asked),
    ):
        for pattern in patterns:
            if not _PATTERN.fullmatch(pattern):
                raise _BadPattern(pattern, steps)
