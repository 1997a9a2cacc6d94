"""The trust root of Sigstore: which certificate authorities, logs and time stampers are believed, and when.

Format: ``TrustedRoot`` of https://github.com/sigstore/protobuf-specs (sigstore_trustroot.proto), as JSON. The
root in use is the one that the installed sigstore-python ships, which is read without importing that library
(half a second) and without its network access.
"""

from __future__ import annotations

import hashlib
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from importlib import resources
from typing import Final

import msgspec

from npmguard.errors import TrustRootError

_STORE: Final = ("_store", "https%3A%2F%2Ftuf-repo-cdn.sigstore.dev", "trusted_root.json")


@dataclass(frozen=True, slots=True)
class Period:
    """A span of time; ``end`` None is open."""

    start: datetime
    end: datetime | None = None

    def covers(self, when: datetime) -> bool:
        """Whether *when* lies in it, the ends included."""
        return self.start <= when and (self.end is None or when <= self.end)


@dataclass(frozen=True, slots=True)
class LogKey:
    """A log's key: ``der`` is a SubjectPublicKeyInfo, ``url`` where the log is."""

    url: str
    der: bytes = field(repr=False)
    period: Period


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate authority or a time stamping one: its certificates (DER), from the leaf to the root."""

    certificates: tuple[bytes, ...] = field(repr=False)
    period: Period


@dataclass(frozen=True, slots=True)
class TrustRoot:
    """Whom to believe.

    ``logs`` (Rekor) and ``certificate_logs`` (certificate transparency) are keyed by log id. ``digest`` is
    the SHA-256 (hex) of the document that it was read from: what was verified by one root is not by another.
    """

    logs: Mapping[bytes, LogKey]
    certificate_logs: Mapping[bytes, LogKey]
    authorities: tuple[Authority, ...]
    timestamp_authorities: tuple[Authority, ...]
    digest: str


@cache
def shipped_trust_root() -> TrustRoot:
    """The root that the installed sigstore-python ships.

    Raises:
        TrustRootError: it is not where that library keeps it, or damaged.
    """
    return parse_trust_root(_shipped())


@cache
def shipped_trust_root_digest() -> str:
    """The ``digest`` that :func:`shipped_trust_root` has, without reading the root.

    Raises:
        TrustRootError: as above.
    """
    return hashlib.sha256(_shipped()).hexdigest()


def parse_trust_root(document: bytes) -> TrustRoot:
    """Read a ``trusted_root.json``.

    Raises:
        TrustRootError: it is not in that format.
    """
    try:
        root = _DECODER.decode(document)
        return TrustRoot(
            logs={_bytes(log.log_id.key_id): _log(log) for log in root.tlogs},
            certificate_logs={_bytes(log.log_id.key_id): _log(log) for log in root.ctlogs},
            authorities=tuple(map(_authority, root.certificate_authorities)),
            timestamp_authorities=tuple(map(_authority, root.timestamp_authorities)),
            digest=hashlib.sha256(document).hexdigest(),
        )
    except (msgspec.DecodeError, ValueError) as error:
        raise TrustRootError(
            f"the trust root of Sigstore cannot be read: {error}; install sigstore anew"
        ) from None


# --- the document ----------------------------------------------------------------------------------------


class _Camel(msgspec.Struct, rename="camel"):
    """What protobuf's JSON names in camel case."""


class _Period(_Camel):
    start: datetime
    end: datetime | None = None


class _Key(_Camel):
    raw_bytes: str
    valid_for: _Period


class _Id(_Camel):
    key_id: str


class _Log(_Camel):
    base_url: str
    public_key: _Key
    log_id: _Id


class _Certificate(_Camel):
    raw_bytes: str


class _Chain(_Camel):
    certificates: list[_Certificate]


class _Authority(_Camel):
    cert_chain: _Chain
    valid_for: _Period


class _Root(_Camel):
    tlogs: list[_Log] = []
    ctlogs: list[_Log] = []
    certificate_authorities: list[_Authority] = []
    timestamp_authorities: list[_Authority] = []


_DECODER = msgspec.json.Decoder(_Root)


@cache
def _shipped() -> bytes:
    try:
        return resources.files("sigstore").joinpath(*_STORE).read_bytes()
    except (ModuleNotFoundError, OSError) as error:
        raise TrustRootError(
            f"the installed sigstore has no trust root where it is looked for ({type(error).__name__}); "
            "install a version of it that npmguard names"
        ) from None


def _log(log: _Log) -> LogKey:
    return LogKey(log.base_url, _bytes(log.public_key.raw_bytes), _period(log.public_key.valid_for))


def _authority(authority: _Authority) -> Authority:
    certificates = tuple(_bytes(item.raw_bytes) for item in authority.cert_chain.certificates)
    return Authority(certificates, _period(authority.valid_for))


def _bytes(text: str) -> bytes:
    return b64decode(text, validate=True)


def _period(period: _Period) -> Period:
    end = None if period.end is None else period.end.astimezone(UTC)
    return Period(period.start.astimezone(UTC), end)
