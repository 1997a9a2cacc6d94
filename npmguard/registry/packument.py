"""The registry's document of one package name, cut down to what npmguard reads.

Format: https://github.com/npm/registry/blob/main/docs/responses/package-metadata.md, and what registries send
beyond it. A document of several megabytes becomes a *projection*: JSON again, with the fields that matter
copied verbatim and all else (readmes, developer dependencies) left out. A version's maintainers, which seldom
change, are kept once for each run of versions that state the same. It is what the cache keeps. A release is
decoded from its slice of the projection when it is asked for, so that thousands of releases that nobody asks
about cost nothing, and a misshapen one spoils itself alone.
"""

from __future__ import annotations

import mmap
import posixpath
import re
from base64 import b64encode
from collections.abc import Callable, ItemsView, Iterator, Mapping, ValuesView
from datetime import UTC, datetime
from typing import Any

import msgspec
from msgspec import UNSET, Raw, UnsetType

from npmguard.errors import RegistryProtocolError
from npmguard.model import Dist, Integrity, Manifest, Packument, Release

#: A release's part of the projection may be so big, in bytes; npm itself refuses to publish such manifests.
MAX_RELEASE_BYTES = 4 * 1024**2
_MAX_SIGNATURES = 64
_NOT_A_RELEASE = frozenset({"created", "modified", "unpublished"})
_ACCOUNT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~!-]{0,213}", re.ASCII)
_SHA1_HEX = re.compile(r"[0-9a-fA-F]{40}", re.ASCII)
_ESCAPE = re.compile(rb"\\(?:(u[dD][89abAB]..)(?:\\u[dD][c-fC-F]..)?|(u[dD][c-fC-F]..)|.)", re.DOTALL)

_Field = Raw | UnsetType
_MAINTAINERS = "npmguard:maintainers"  # of the projection only: no registry sends it


def encode_packument(name: str, registry: str, document: bytes | mmap.mmap) -> bytes:
    """The projection of a registry's full *document* of the package *name*.

    Raises:
        RegistryProtocolError: it is not JSON, not the shape of a packument, or another package's.
    """
    try:
        return _project(name, document)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, _ShapeError) as error:
        raise RegistryProtocolError(
            f"the document of {name} from {registry} cannot be read: {_plain(error)}; "
            "ask again later, or report it to that registry"
        ) from None


def decode_packument(name: str, registry: str, projection: bytes, digest: bytes = b"") -> Packument:
    """The packument that a projection stands for, its releases still undecoded; *digest* names the projection.

    Raises:
        RegistryProtocolError: it is no projection, as a damaged cache may have it.
    """
    try:
        outline = _OUTLINE.decode(projection)
        tags = _strings(_decode(outline.dist_tags))
        times = _Times(outline.time)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RegistryProtocolError(f"the document of {name} cannot be read: {_plain(error)}") from None
    return Packument(
        name=name,
        registry=registry,
        releases=_Releases(name, outline.versions or {}, times),
        times=times,
        dist_tags=tags,
        unpublished=not outline.versions and times.unpublished,
        maintainers=_Maintainers(outline.versions or {}, outline.maintainers or {}, _accounts),
        addresses=_Maintainers(outline.versions or {}, outline.maintainers or {}, _mail_addresses),
        digest=digest,
    )


# --- the registry's shapes -------------------------------------------------------------------------------


class _ShapeError(Exception):
    """The document is JSON, and no packument."""


class _Version(msgspec.Struct, rename={"npm_user": "_npmUser"}):
    """The slices of a version's manifest that the projection keeps, in whatever shape they come."""

    name: _Field = UNSET
    version: _Field = UNSET
    scripts: _Field = UNSET
    dependencies: _Field = UNSET
    optionalDependencies: _Field = UNSET  # noqa: N815 - as npm spells it, here and below
    peerDependencies: _Field = UNSET  # noqa: N815
    bin: _Field = UNSET
    main: _Field = UNSET
    gypfile: _Field = UNSET
    bundleDependencies: _Field = UNSET  # noqa: N815
    bundledDependencies: _Field = UNSET  # noqa: N815
    repository: _Field = UNSET
    homepage: _Field = UNSET
    dist: _Field = UNSET
    deprecated: _Field = UNSET
    npm_user: _Field = UNSET
    maintainers: _Field = UNSET


class _Document(msgspec.Struct, rename={"dist_tags": "dist-tags", "maintainers": _MAINTAINERS}):
    """A packument whose every version is an object; its maintainers are those of :class:`_Maintainers`."""

    name: _Field = UNSET
    versions: dict[str, _Version] | UnsetType = UNSET
    time: _Field = UNSET
    dist_tags: _Field = UNSET
    maintainers: dict[str, Raw] | UnsetType = UNSET


class _Outline(msgspec.Struct, rename={"dist_tags": "dist-tags", "maintainers": _MAINTAINERS}):
    """A packument, or a projection, with the versions not looked into."""

    name: _Field = UNSET
    versions: dict[str, Raw] | UnsetType | None = UNSET
    time: _Field = UNSET
    dist_tags: _Field = UNSET
    maintainers: dict[str, Raw] | UnsetType = UNSET


class _Dist(msgspec.Struct):
    tarball: str
    integrity: Any = None
    shasum: Any = None
    fileCount: Any = None  # noqa: N815
    unpackedSize: Any = None  # noqa: N815
    signatures: Any = None
    attestations: Any = None


_DOCUMENT = msgspec.json.Decoder(_Document)
_OUTLINE = msgspec.json.Decoder(_Outline)
_VERSION = msgspec.json.Decoder(_Version)
_DIST = msgspec.json.Decoder(_Dist)
_TIMES = msgspec.json.Decoder(dict[str, datetime])
_ENCODER = msgspec.json.Encoder()


def _project(name: str, document: bytes | mmap.mmap) -> bytes:
    try:
        whole: _Document | _Outline = _DOCUMENT.decode(document)
    except msgspec.ValidationError:  # some version is no object, or there are no versions
        whole = _outline(document)
    except msgspec.DecodeError:
        mended = _ESCAPE.sub(_mend, document)
        if len(mended) == len(document) and mended == document[:]:
            raise
        whole = _outline(mended)
    stated = _decode(whole.name)
    if stated is not None and stated != name:
        raise _ShapeError("it is another package's")
    if whole.versions is UNSET and not _Times(whole.time).unpublished:
        raise _ShapeError("it lists no versions")
    whole.name = UNSET
    if isinstance(whole, _Document) and whole.versions:
        whole.maintainers = _part_maintainers(whole.versions)
    return _ENCODER.encode(whole)


def _part_maintainers(versions: dict[str, _Version]) -> dict[str, Raw] | UnsetType:
    """Take each version's maintainers out of it, and keep those that are not the same as of the one before."""
    kept: dict[str, Raw] = {}
    before = b""
    for version, fields in versions.items():
        raw, fields.maintainers = fields.maintainers, UNSET
        stated = b"null" if isinstance(raw, UnsetType) else bytes(raw)
        if stated != (before or b"null"):
            kept[version] = Raw(stated)
        before = stated
    return kept or UNSET


def _outline(document: bytes | mmap.mmap) -> _Outline:
    """Project version by version; what is no manifest stays as null, for the day that somebody asks for it."""
    outline = _OUTLINE.decode(document)
    if not outline.versions:
        outline.versions = UNSET if outline.versions is None else outline.versions
        return outline
    read: dict[str, _Version] = {}
    for version, raw in outline.versions.items():
        try:
            read[version] = _VERSION.decode(raw)
        except (msgspec.DecodeError, RecursionError):
            outline.versions[version] = Raw(b"null")
    outline.maintainers = _part_maintainers(read)
    outline.versions.update((version, Raw(_ENCODER.encode(fields))) for version, fields in read.items())
    return outline


def _mend(match: re.Match[bytes]) -> bytes:
    r"""Half of a surrogate pair, ``\ud83d`` alone, is legal JSON that is no text; JavaScript lets it be."""
    whole = match[0]
    if match[2] or (match[1] and len(whole) == len(rb"\ud83d")):
        return b"\\ufffd"
    return whole


# --- the projection, decoded when asked ------------------------------------------------------------------


class _Releases(Mapping[str, Release]):
    """Releases by version, in the document's order; each is decoded once."""

    def __init__(self, name: str, slices: dict[str, Raw], times: Mapping[str, datetime]) -> None:
        self._name = name
        self._slices = slices
        self._times = times
        self._decoded: dict[str, Release] = {}

    def __getitem__(self, version: str) -> Release:
        release = self._decoded.get(version)
        if release is None:
            release = _release(self._name, version, self._slices[version], self._times.get(version))
            self._decoded[version] = release
        return release

    def __contains__(self, version: object) -> bool:
        return version in self._slices

    def __iter__(self) -> Iterator[str]:
        return iter(self._slices)

    def __len__(self) -> int:
        return len(self._slices)


class _Times(Mapping[str, datetime]):
    """Publish times by version, decoded all at once when the first is asked for."""

    def __init__(self, raw: _Field) -> None:
        self._raw = raw
        self._decoded: dict[str, datetime] | None = None

    @property
    def unpublished(self) -> bool:
        """Whether the registry says that the whole package was taken down."""
        return "unpublished" in _readable_fields(self._raw)

    def _all(self) -> dict[str, datetime]:
        if self._decoded is None:
            self._decoded = {} if isinstance(self._raw, UnsetType) else _times(self._raw)
        return self._decoded

    def __getitem__(self, version: str) -> datetime:
        return self._all()[version]

    def __contains__(self, version: object) -> bool:
        return version in self._all()

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())

    def items(self) -> ItemsView[str, datetime]:
        """As of any mapping; this and the next are asked for each package, and a dictionary answers at once."""
        return self._all().items()

    def values(self) -> ValuesView[datetime]:
        """The times alone."""
        return self._all().values()


class _Maintainers(Mapping[str, tuple[str, ...]]):
    """Who might publish, by version; *changes* holds lists that are not as before, *read* takes one apart."""

    def __init__(
        self,
        versions: Mapping[str, object],
        changes: Mapping[str, Raw],
        read: Callable[[Raw], tuple[str, ...]],
    ) -> None:
        self._read = read
        self._versions = versions
        self._changes = changes
        self._expanded: dict[str, tuple[str, ...]] | None = None if changes else {}

    def _all(self) -> dict[str, tuple[str, ...]]:
        if self._expanded is None:
            expanded: dict[str, tuple[str, ...]] = {}
            accounts: tuple[str, ...] = ()
            for version in self._versions:
                change = self._changes.get(version)
                if change is not None:
                    accounts = self._read(change)
                if accounts:
                    expanded[version] = accounts
            self._expanded = expanded
        return self._expanded

    def __getitem__(self, version: str) -> tuple[str, ...]:
        return self._all()[version]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())


def _accounts(raw: Raw) -> tuple[str, ...]:
    """The accounts in a list of maintainers as the registry writes it, sorted.

    A registry that does not write its own leaves the list of the author's package.json in its place. That one
    names people and not accounts; such a list says nothing.
    """
    try:
        listed = _decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ()
    if not isinstance(listed, list):
        return ()
    names: set[str] = set()
    for item in listed:
        name = item.get("name") if isinstance(item, dict) else None
        if not isinstance(name, str) or not _ACCOUNT.fullmatch(name):
            return ()
        names.add(name)
    return tuple(sorted(names))


def _mail_addresses(raw: Raw) -> tuple[str, ...]:
    """The mail addresses in a list of maintainers that names accounts, sorted, in lower case."""
    if not _accounts(raw):
        return ()
    found = [item.get("email") for item in _decode(raw)]
    return tuple(sorted({it.lower() for it in found if isinstance(it, str) and it.count("@") == 1}))


def _times(raw: Raw) -> dict[str, datetime]:
    """What can be read as a time; nothing is known of when the other versions were published."""
    try:
        times = _TIMES.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        times = {}
        for key, value in _readable_fields(raw).items():
            try:
                times[key] = msgspec.convert(value, datetime)
            except msgspec.ValidationError:
                continue
    found = ((key, _in_utc(value)) for key, value in times.items() if key not in _NOT_A_RELEASE)
    return {key: value for key, value in found if value is not None}


def _readable_fields(raw: _Field) -> dict[str, Any]:
    """The fields of an object, or none; what is not UTF-8 in it costs its own field alone."""
    try:
        fields = (
            None if isinstance(raw, UnsetType) else msgspec.json.decode(bytes(raw).decode("utf-8", "replace"))
        )
    except (msgspec.DecodeError, RecursionError):
        return {}
    return fields if isinstance(fields, dict) else {}


def _in_utc(time: datetime) -> datetime | None:
    try:
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except OverflowError:  # the first or last day there is, somewhere else on Earth
        return None


def _release(name: str, version: str, raw: Raw, published: datetime | None) -> Release:
    shown = version[:256] if version.isprintable() else ascii(version[:256])  # a message is one line
    what = f"the registry's manifest of {name}@{shown}"
    if len(raw) > MAX_RELEASE_BYTES:
        raise RegistryProtocolError(f"{what} is bigger than {MAX_RELEASE_BYTES} bytes")
    try:
        fields = _VERSION.decode(raw)
        manifest = _manifest(name, version, fields)
        dist = _dist(fields.dist)
        deprecated = _decode(fields.deprecated)
        user = _decode(fields.npm_user)
        homepage = _decode(fields.homepage)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RegistryProtocolError(f"{what} cannot be read: {_plain(error)}") from None
    user = user if isinstance(user, dict) else {}
    trusted, approver = user.get("trustedPublisher"), user.get("approver")
    return Release(
        manifest=manifest,
        dist=dist,
        published=published,
        deprecated=deprecated if isinstance(deprecated, str) and deprecated else None,
        publisher=_text(user.get("name")),
        publisher_email=_text(user.get("email")),
        trusted_publisher=str(trusted.get("id") or "unnamed") if isinstance(trusted, dict) else None,
        approver=_text(approver.get("name")) if isinstance(approver, dict) else None,
        homepage=homepage if isinstance(homepage, str) else None,
    )


def _manifest(name: str, version: str, fields: _Version) -> Manifest:
    """Normalised as ``@npmcli/package-json`` does it, which drops what it cannot use."""
    stated_name, stated_version = _decode(fields.name), _decode(fields.version)
    main, gypfile, repository = _decode(fields.main), _decode(fields.gypfile), _decode(fields.repository)
    dependencies = _strings(_decode(fields.dependencies))
    bundled = _decode(fields.bundleDependencies)
    if isinstance(fields.bundleDependencies, UnsetType):
        bundled = _decode(fields.bundledDependencies)
    if isinstance(repository, dict):
        repository = repository.get("url")
    own_name = stated_name if isinstance(stated_name, str) else name
    return Manifest(
        name=own_name,
        version=stated_version if isinstance(stated_version, str) else version,
        scripts=_strings(_decode(fields.scripts)),
        dependencies=dependencies,
        optional_dependencies=_strings(_decode(fields.optionalDependencies)),
        peer_dependencies=_strings(_decode(fields.peerDependencies)),
        bin=_bin(own_name, _decode(fields.bin)),
        main=main if isinstance(main, str) else None,
        gypfile=gypfile if isinstance(gypfile, bool) else None,
        bundled=tuple(dependencies) if bundled is True else _names(bundled),
        repository=repository if isinstance(repository, str) else None,
    )


def _dist(raw: _Field) -> Dist:
    if isinstance(raw, UnsetType):
        raise msgspec.ValidationError("it has no dist")
    dist = _DIST.decode(raw)
    shasum = dist.shasum.lower() if isinstance(dist.shasum, str) and _SHA1_HEX.fullmatch(dist.shasum) else None
    integrity = Integrity.parse(dist.integrity) if isinstance(dist.integrity, str) else None
    if integrity is None and shasum is not None:  # as pacote has it for releases of before npm 5
        integrity = Integrity.parse(f"sha1-{b64encode(bytes.fromhex(shasum)).decode('ascii')}")
    attestations = dist.attestations.get("url") if isinstance(dist.attestations, dict) else None
    return Dist(
        tarball=dist.tarball,
        integrity=integrity,
        shasum=shasum,
        file_count=_count(dist.fileCount),
        unpacked_size=_count(dist.unpackedSize),
        signatures=_signatures(dist.signatures),
        attestations=attestations if isinstance(attestations, str) else None,
    )


def _signatures(value: Any) -> tuple[tuple[str, str], ...]:
    found = []
    for item in value[:_MAX_SIGNATURES] if isinstance(value, list) else ():
        keyid, signature = (item.get("keyid"), item.get("sig")) if isinstance(item, dict) else (None, None)
        if isinstance(keyid, str) and isinstance(signature, str):
            found.append((keyid, signature))
    return tuple(found)


def _bin(name: str, value: Any) -> dict[str, str]:
    """As ``npm-normalize-package-bin`` does it: names without folders, targets inside the package."""
    if isinstance(value, str):
        value = {name.rpartition("/")[2]: value}
    elif isinstance(value, list):
        value = {posixpath.basename(item): item for item in value if isinstance(item, str)}
    elif not isinstance(value, dict):
        return {}
    commands: dict[str, str] = {}
    for key, target in value.items():
        command = posixpath.basename(key.replace("\\", "/").replace(":", "/").rstrip("/"))
        if not isinstance(target, str) or command in {"", ".", ".."}:
            continue
        path = posixpath.normpath("/" + target.replace("\\", "/")).lstrip("/")
        if path:
            commands[command] = path
    return commands


def _names(value: Any) -> tuple[str, ...]:
    """The names of a list, or of an object's keys."""
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, (list, dict)) else ()


def _strings(value: Any) -> dict[str, str]:
    """An object's text values; npm drops the others."""
    if not isinstance(value, dict):
        return {}
    return {key: item for key, item in value.items() if isinstance(item, str)}


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _decode(raw: _Field) -> Any:
    return None if isinstance(raw, UnsetType) else msgspec.json.decode(raw)


def _plain(error: Exception) -> str:
    """The decoder's own words, which quote nothing of the input but places; or ours."""
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8"
    return str(error)
