"""Every error that npmguard raises on purpose, as one tree.

::

    NpmguardError
    ├── UsageError                  exit 2: the user can mend it before anything is scanned
    │   ├── ConfigError             npmguard.toml, an option or an environment variable
    │   ├── NpmrcError              an .npmrc that cannot be read as npm reads it
    │   ├── RuleError               a rule file the loader refuses
    │   ├── IndicatorError          a file of indicators that cannot be read
    │   ├── NpmError                npm is missing, too old, or could not resolve what it was asked for
    │   ├── RepositoryError         no git, no repository, or no such revision in it
    │   ├── SandboxError            the sandbox is asked for, and cannot be put in place
    │   ├── MailboxError            a message, mbox or maildir that is not there or cannot be opened
    │   └── LockfileError
    │       ├── LockfileNotFound    no lockfile at that path
    │       ├── LockfileSyntaxError not JSON, or not the shape of a lockfile; names line and column
    │       └── UnsupportedLockfile another package manager's lock, or an unknown lockfileVersion
    ├── RegistryError               one package could not be asked about: it ends `unverified`
    │   ├── RegistryUnreachable     no answer: DNS, connect, TLS, time-out, 5xx after all retries
    │   ├── RegistryUnauthorized    401 or 403: names the registry and the credential that is missing
    │   ├── NotInRegistry           404: the package or that version is not there (never was, or unpublished)
    │   └── RegistryProtocolError   an answer that is not what a registry sends
    ├── PackageError                one package could not be read: it ends `unverified`
    │   ├── TarballError            damaged: not gzip, not tar, truncated
    │   ├── ManifestError           a package.json that is not JSON, or no object
    │   └── LimitExceeded           over a cap of Config; names the cap
    ├── CacheError                  the on-disk cache cannot be used; the scan goes on without it
    ├── FeedError                   the feed of known malware could not be brought up to date; the old one stays
    ├── StoreError                  the monitor's state cannot be read or written: work stays for the next run
    ├── SinkError                   an alert could not be handed over: it stays in the outbox and is tried again
    └── TrustRootError              Sigstore's trust root is not there or damaged: provenance is unverifiable

A message says what happened, where, and what to do next, in one line, and never holds a credential.
"""


class NpmguardError(Exception):
    """Root of all errors that npmguard raises on purpose."""


class UsageError(NpmguardError):
    """Something that the user gave cannot be used; the command ends with exit code 2."""


class ConfigError(UsageError):
    """A setting is unknown or has an unusable value."""


class NpmrcError(UsageError):
    """An .npmrc file cannot be read as npm reads it."""


class RuleError(UsageError):
    """A rule file does not keep the format; raised at load, never at match."""


class IndicatorError(UsageError):
    """A file of indicators is in none of the formats that npmguard reads, or is damaged."""


class NpmError(UsageError):
    """npm itself is not there, is too old, or refused what it was asked for."""


class RepositoryError(UsageError):
    """A git repository, or a revision in it, is not there or cannot be read."""


class MailboxError(UsageError):
    """A mail message, mbox or maildir cannot be opened."""


class SandboxError(UsageError):
    """The sandbox that the settings require cannot be put in place on this machine."""


class LockfileError(UsageError):
    """The project's lockfile cannot be used."""


class LockfileNotFound(LockfileError):  # noqa: N818 - named after the field's own ENOENT wording
    """There is no lockfile at the path given."""


class LockfileSyntaxError(LockfileError):
    """The lockfile is not JSON, or not the shape of a lockfile."""


class UnsupportedLockfile(LockfileError):  # noqa: N818
    """The file is another package manager's lock, or an unknown lockfileVersion."""


class RegistryError(NpmguardError):
    """The registry did not give what one package needs."""


class RegistryUnreachable(RegistryError):  # noqa: N818
    """No usable answer came after all retries."""


class RegistryUnauthorized(RegistryError):  # noqa: N818
    """The registry wants a credential that npm's configuration does not hold for it."""


class NotInRegistry(RegistryError):  # noqa: N818
    """The registry answers, and does not hold that package or that version."""


class RegistryProtocolError(RegistryError):
    """The registry's answer is not in the registry's format; ``status`` is the HTTP one where that is why."""

    status: int | None = None


class PackageError(NpmguardError):
    """A package's bytes could not be read."""


class TarballError(PackageError):
    """The tarball is damaged: not gzip, not tar, or cut short."""


class ManifestError(PackageError):
    """The package.json of a package cannot be read."""


class LimitExceeded(PackageError):  # noqa: N818
    """The input is over a cap of Config; the message names the cap."""


class CacheError(NpmguardError):
    """The on-disk cache cannot be read or written."""


class FeedError(NpmguardError):
    """The index of known malware could not be brought up to date; the one that there was stays in use."""


class StoreError(NpmguardError):
    """The database of a monitor does not answer, is full, or refuses what is to be stored."""


class SinkError(NpmguardError):
    """An alert could not be handed over; ``retry_after`` is the seconds that its receiver asked for."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class TrustRootError(NpmguardError):
    """Sigstore's trust root is not where the installed library keeps it, or is damaged."""
