"""Settings: npmguard.toml read into one frozen :class:`Config`, where an unknown key is an error.

Every cap that bounds hostile input stands here, in one place.
"""

from __future__ import annotations

import tomllib
from datetime import date
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from platformdirs import user_cache_path

from npmguard.errors import ConfigError

FILE_NAME = "npmguard.toml"
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


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    """Caps on what a package may make npmguard do; over one, the package is `unverified`. Sizes in bytes."""

    packument_bytes: int = 256 * 1024**2
    tarball_bytes: int = 256 * 1024**2
    unpacked_bytes: int = 2 * 1024**3
    file_count: int = 200_000
    path_length: int = 4096
    source_bytes: int = 16 * 1024**2  # one file that is parsed as JavaScript
    kept_bytes: int = 128 * 1024**2  # all source files of one package, held in memory together
    string_bytes: int = 1024**2  # one folded or decoded constant
    fold_steps: int = 200_000  # constant-folding work in one file
    layer_depth: int = 8  # code in code in code: text that is evaluated, one in another
    layer_bytes: int = 16 * 1024**2  # all text that one file evaluates, decoded
    analysis_seconds: float = 60.0  # one package
    lockfile_bytes: int = 256 * 1024**2
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
    patience: float = 10.0  # seconds that asking all sources together may take
    accept: tuple[Overruled, ...] = ()


class Cooldown(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    """How old a release has to be; ``--min-age``. Exceptions are package names with ``*`` and ``?``."""

    min_age: Annotated[str, msgspec.Meta(pattern=r"^\s*(?:0|[0-9]{1,4}\s*[mhdwMHDW])\s*$")] = "0"
    except_: tuple[str, ...] = msgspec.field(default=(), name="except")


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


def load_config(directory: Path, explicit: Path | None = None) -> Config:
    """Read ``npmguard.toml`` of *directory*, or the *explicit* file; defaults where there is none.

    Raises:
        ConfigError: the explicit file is missing, the TOML is broken, a key is unknown or a value unusable;
            the message names the file and the place.
    """
    path = explicit if explicit is not None else directory / FILE_NAME
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        if explicit is not None:
            raise ConfigError(f"{path}: no such file; give --config an existing npmguard.toml") from None
        return Config()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    try:
        table = tomllib.loads(raw.decode("utf-8"))
        return msgspec.convert(table, Config)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from error
    except msgspec.ValidationError as error:
        raise ConfigError(f"{path}: {error}; see docs/configuration.md for the keys there are") from error
