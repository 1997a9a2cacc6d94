"""The value types that travel through npmguard, frozen so that no stage can change another's result.

They stand in the order in which a package meets them: lock, registry, tarball, facts, findings, report.
This module imports the standard library and :mod:`npmguard.errors` only.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

_DIGEST_BYTES = {"sha512": 64, "sha384": 48, "sha256": 32, "sha1": 20, "md5": 16}  # strongest first


# --- integrity -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, order=True)
class Hash:
    """One digest of an integrity string: the algorithm's SRI name (``sha512``) and the raw digest bytes."""

    algorithm: str
    digest: bytes

    def __str__(self) -> str:
        return f"{self.algorithm}-{b64encode(self.digest).decode('ascii')}"


@dataclass(frozen=True, slots=True)
class Integrity:
    """A set of hashes of the same bytes, strongest first, as Subresource Integrity writes them.

    ``unknown`` keeps the tokens whose algorithm or encoding npmguard cannot compute, so that "nothing to
    compare" is told apart from "missing".
    """

    hashes: tuple[Hash, ...]
    unknown: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Integrity | None:
        """Read an integrity string as Subresource Integrity (W3C, section 3.5) and npm's ssri spell it.

        Tokens are parted by white space, options after ``?`` are dropped, repeats count once, and hashes of
        one algorithm keep their order. Base64 must be the one canonical spelling of a digest of the
        algorithm's length, or the token is ``unknown``. None when *text* holds no token at all.
        """
        hashes: dict[Hash, None] = {}
        unknown: dict[str, None] = {}
        for token in text.split():
            algorithm, _, encoded = token.partition("?")[0].partition("-")
            try:
                digest = b64decode(encoded, validate=True)
            except ValueError:
                digest = b""
            if len(digest) == _DIGEST_BYTES.get(algorithm) and b64encode(digest).decode("ascii") == encoded:
                hashes[Hash(algorithm, digest)] = None
            else:
                unknown[token] = None
        if not hashes and not unknown:
            return None
        strength = list(_DIGEST_BYTES)
        return cls(tuple(sorted(hashes, key=lambda it: strength.index(it.algorithm))), tuple(unknown))

    def __str__(self) -> str:
        return " ".join([*map(str, self.hashes), *self.unknown])


class IntegrityOutcome(StrEnum):
    """How one pair of integrity statements agrees; missing, weak, unverifiable are never `valid`."""

    VALID = "valid"
    WEAK = "weak"  # agrees, by sha1 or md5 alone
    MISMATCH = "mismatch"
    MISSING = "missing"  # that side states no hash
    UNVERIFIABLE = "unverifiable"  # both state hashes, none of them in common or computable
    NOT_CHECKED = "not-checked"  # that side could not be asked, or the bytes could not be had


@dataclass(frozen=True, slots=True)
class IntegrityReport:
    """The bytes against the lock and the registry; ``detail`` holds both hashes of a mismatch."""

    lock: IntegrityOutcome = IntegrityOutcome.NOT_CHECKED
    registry: IntegrityOutcome = IntegrityOutcome.NOT_CHECKED
    signature: str | None = None
    provenance: str | None = None
    detail: str | None = None


# --- lockfile --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LockedPackage:
    """An entry of the lock that names a registry tarball.

    ``name`` is the package's real name and ``alias`` the name it is installed under where that differs.
    ``location`` is the entry's key as v2/v3 spell it (``node_modules/a/node_modules/b``), for v1 too; in locks
    that know no folders it is a key of the same use (``a@1.2.3``).
    ``resolved`` is the URL as written, or None. ``line`` is the entry's 1-based line in the lockfile.

    npm downloads what ``resolved`` says, whatever the entry calls it. ``resolved_name`` and
    ``resolved_version`` are what that URL names where it is not this name or version: a poisoned lock, or a
    registry of odd habits. None means that they agree, or that the URL does not say. ``has_shrinkwrap``: the
    package brings its own npm-shrinkwrap.json, which npm obeys for everything below it.
    """

    name: str
    version: str
    location: str
    line: int
    resolved: str | None = None
    integrity: Integrity | None = None
    alias: str | None = None
    dev: bool = False
    optional: bool = False
    peer: bool = False
    in_bundle: bool = False
    has_install_script: bool = False
    has_shrinkwrap: bool = False
    resolved_name: str | None = None
    resolved_version: str | None = None


class SkipReason(StrEnum):
    """Why an entry of the lock is not judged as a registry package."""

    LINK = "link"  # a symbolic link to a folder of the project
    WORKSPACE = "workspace"  # the project's own package
    GIT = "git"
    FILE = "file"  # file: tarball or folder
    URL = "url"  # a tarball from a host that is no registry
    BUNDLED = "bundled"  # scanned inside the tarball of the package that bundles it
    PATCH = "patch"  # the project's own changes to a package whose own entry is judged
    FOREIGN = "foreign"  # an SBOM's component that is no npm package
    INVALID = "invalid"  # an entry that says too little to know what it is


@dataclass(frozen=True, slots=True)
class SkippedPackage:
    """An entry of the lock that names no registry tarball, with the reason; never passed in silence.

    ``detail`` is one phrase for people: the git URL, the link's target, the bundling parent. ``bundler`` is
    the location of the package whose tarball should hold a bundled one; npm downloads ``name@version`` after
    all where it does not.
    """

    location: str
    line: int
    reason: SkipReason
    detail: str
    name: str | None = None
    version: str | None = None
    bundler: str | None = None


@dataclass(frozen=True, slots=True)
class Requirement:
    """What one entry of the lock asks for: ``spec`` is the range, tag or alias spec as written.

    ``leads_to`` is the location of what answers it, where the lock says so itself. None: npm's walk up the
    node_modules folders finds it.
    """

    name: str
    spec: str
    kind: str  # "prod" | "dev" | "optional" | "peer" | "peer-optional" | "workspace"
    leads_to: str | None = None


@dataclass(frozen=True, slots=True)
class LockNode:
    """One entry of the lock as the dependency graph sees it; ``""`` is the project itself.

    ``target`` is the location that a link points to.
    """

    location: str
    name: str
    version: str | None
    requires: tuple[Requirement, ...] = ()
    target: str | None = None


@dataclass(frozen=True, slots=True)
class Lockfile:
    """A lockfile as read: every entry is in ``packages`` or in ``skipped``, and in ``nodes``.

    ``nodes`` is keyed by location and holds the project itself under ``""``. ``entries`` is the number of
    entries in the file, so that ``len(packages) + len(skipped) == entries`` can be checked. ``missing`` is
    what the project asks for and the lock does not hold, each with the location that asks: npm would choose
    a version at install time, so nothing can be said of it. ``manager`` is whose lock it is: ``npm``,
    ``yarn-classic``, ``yarn``, ``pnpm``, ``bun``, or ``cyclonedx`` for an SBOM. ``notes`` say, a sentence each,
    what a lock of that kind cannot tell.
    """

    path: str
    version: int
    name: str | None
    entries: int
    packages: tuple[LockedPackage, ...]
    skipped: tuple[SkippedPackage, ...]
    nodes: Mapping[str, LockNode] = field(repr=False, compare=False)
    missing: tuple[tuple[str, Requirement], ...] = ()
    manager: str = "npm"
    notes: tuple[str, ...] = ()


# --- registry --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Manifest:
    """The parts of a package.json that decide what npm does, as shipped or as the registry tells them.

    ``bin`` is normalised as npm does it: a plain string becomes ``{unscoped name: path}``. ``entries`` are the
    paths besides ``main`` by which loaders and bundlers find its code (``exports``, ``module``, ``browser``),
    sorted, with ``*`` as written; only a manifest as shipped tells them.
    """

    name: str
    version: str
    scripts: Mapping[str, str] = field(default_factory=dict)
    dependencies: Mapping[str, str] = field(default_factory=dict)
    optional_dependencies: Mapping[str, str] = field(default_factory=dict)
    peer_dependencies: Mapping[str, str] = field(default_factory=dict)
    bin: Mapping[str, str] = field(default_factory=dict)
    main: str | None = None
    gypfile: bool | None = None
    bundled: tuple[str, ...] = ()
    repository: str | None = None
    entries: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Dist:
    """Where the registry says a version's tarball is, and what it says of the bytes (sizes in bytes)."""

    tarball: str
    integrity: Integrity | None = None
    shasum: str | None = None
    file_count: int | None = None
    unpacked_size: int | None = None
    signatures: tuple[tuple[str, str], ...] = ()  # (keyid, base64 signature)
    attestations: str | None = None  # URL


@dataclass(frozen=True, slots=True)
class Release:
    """One version in a packument.

    ``publisher`` is the account that published it, ``publisher_email`` that account's address at the time.
    ``trusted_publisher`` is the kind of build service (``github``) that published it without any account's
    credentials, ``approver`` the account that let a staged release through. ``homepage`` is the manifest's.
    """

    manifest: Manifest
    dist: Dist
    published: datetime | None = None
    deprecated: str | None = None
    publisher: str | None = None
    publisher_email: str | None = None
    trusted_publisher: str | None = None
    approver: str | None = None
    homepage: str | None = None


@dataclass(frozen=True, slots=True)
class Packument:
    """All that the registry says of one package name.

    ``releases`` may be a lazy mapping: iterating over its keys is cheap, each value is decoded when asked for.
    ``times`` holds publish times (aware, UTC) of every version that the registry remembers, unpublished ones
    too. ``registry`` is the base URL that answered. ``maintainers`` holds, by version, the accounts that might
    publish the package when that version came, ``addresses`` their mail addresses;
    registries that do not say so leave them empty. ``digest`` names what the cache holds of it, and is empty
    where that holds nothing.
    """

    name: str
    registry: str
    releases: Mapping[str, Release] = field(repr=False)
    times: Mapping[str, datetime] = field(repr=False)
    dist_tags: Mapping[str, str] = field(default_factory=dict)
    unpublished: bool = False
    maintainers: Mapping[str, tuple[str, ...]] = field(default_factory=dict, repr=False)
    addresses: Mapping[str, tuple[str, ...]] = field(default_factory=dict, repr=False)
    digest: bytes = field(default=b"", repr=False)


# --- tarball ---------------------------------------------------------------------------------------------


class ArchiveProblem(StrEnum):
    """An oddity of a tarball that npm's own packing never makes."""

    DUPLICATE = "duplicate"  # the same path twice with other bytes: npm keeps the last
    REPEATED = "repeated"  # the same path twice with the same bytes
    CASE_COLLISION = "case-collision"  # paths equal but for case or Unicode normal form
    LINK = "link"  # symbolic or hard link: npm drops it
    DEVICE = "device"  # device, fifo or another special entry
    UNSAFE_PATH = "unsafe-path"  # absolute, with .., NUL or a drive letter: npm strips or drops it
    TRAILING_DATA = "trailing-data"  # bytes after the end of the archive
    BAD_HEADER = "bad-header"  # blocks that npm skips as damaged, to go on behind them


@dataclass(frozen=True, slots=True)
class ArchiveNote:
    """One oddity, at one path (as spelled in the archive)."""

    problem: ArchiveProblem
    path: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class PackageFile:
    """One regular file of a package; ``path`` is relative, with ``/``, below the stripped top folder.

    ``sha256`` is the hex digest, empty where the archive was read without hashing. ``content`` is None for
    files that no analysis reads (images, binaries).
    """

    path: str
    size: int
    sha256: str
    content: bytes | None = field(default=None, repr=False)
    executable: bool = False


@dataclass(frozen=True, slots=True)
class PackageArchive:
    """A tarball as npm would extract it, in memory, never unpacked.

    ``unpacked_size`` is in bytes, over the files as npm counts them for ``dist.unpackedSize``, and
    ``entry_count`` their number for ``dist.fileCount``: a path that comes twice counts twice in both.
    """

    files: Mapping[str, PackageFile] = field(repr=False)
    notes: tuple[ArchiveNote, ...]
    entry_count: int
    unpacked_size: int
    manifest: Manifest | None
    manifest_error: str | None = None


@dataclass(frozen=True, slots=True)
class ManifestDelta:
    """One change of a manifest: ``field`` is ``scripts``, ``dependencies``, ``bin`` …; None is "absent"."""

    field: str
    key: str
    old: str | None
    new: str | None


@dataclass(frozen=True, slots=True)
class FileChange:
    """A file present in both versions with other bytes; ``added_lines`` are 1-based lines of the new one.

    ``added_spans`` are the byte ranges of the new file (half open, sorted, apart) that the old one does not
    hold: whole lines, and in lines too long to tell anything only the statements that are new.
    """

    path: str
    added_lines: frozenset[int] = field(repr=False)
    added_spans: tuple[tuple[int, int], ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class VersionDiff:
    """What a version changed against its baseline; paths sorted.

    ``moved`` are pairs of a new path and an old path that held the same bytes: paths of ``added`` that bring
    no new code.
    """

    old_version: str
    new_version: str
    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[FileChange, ...]
    manifest: tuple[ManifestDelta, ...]
    moved: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Baseline:
    """The version compared with, and why that one."""

    version: str
    reason: str


# --- facts -----------------------------------------------------------------------------------------------


class FactKind(StrEnum):
    """What was observed; see :class:`Fact` for what ``name``, ``value`` and ``args`` mean for each."""

    CALL = "call"
    NEW = "new"
    WRITE = "write"
    READ = "read"
    STRING = "string"
    REGEX = "regex"
    MODULE = "module"
    SHAPE = "shape"
    FLOW = "flow"


@dataclass(frozen=True, slots=True)
class Fact:
    r"""One normalised observation in one file.

    ``name`` is a dotted path with the global object dropped, so that ``window['fe'+'tch'] = f``,
    ``self.fetch=f`` and ``globalThis["\x66etch"]=f`` are all WRITE ``fetch``. A required module is its root
    (``child_process.exec``). A root that is a local value of unknown origin is ``?`` (``?.replace``), ``this``
    stays ``this``, an unknown computed segment is ``[]`` (``?.[]``).

    ===========  ========================================================================================
    kind         meaning
    ===========  ========================================================================================
    CALL, NEW    ``name`` is the callee; ``args`` the constant arguments (None where not constant; a
                 regular expression argument is ``/source/flags``)
    WRITE        assignment to a member or a global, ``Object.defineProperty``, ``Object.assign``,
                 ``Reflect.set``; ``value`` is the constant assigned, ``"<function>"`` for a function, or None
    READ         a member read of a global or module root that is not itself a callee or write target
    STRING       ``value`` is the string after folding and decoding
    REGEX        ``value`` is the source between the slashes (or given to RegExp), ``args[0]`` the flags
    MODULE       ``name`` is the module required or imported
    SHAPE        ``name`` is a structural pattern of :mod:`npmguard.javascript.shapes` (``edit-distance``)
    FLOW         ``name`` is ``source>sink`` in the words of :mod:`npmguard.javascript.flow_words`; it spans
                 the sink's expression. ``value`` tells the source (an environment variable's name, a path,
                 a function). ``args`` are the sink's callee, where the source stands (``line:column``, with
                 the path and a colon before it where that is another file), the URL, host, path or command
                 that it goes to as far as it is constant, and what part of a request it is (``url``,
                 ``headers``, ``body``; None for other sinks)
    ===========  ========================================================================================

    ``function`` is the index into :attr:`FileFacts.functions` of the innermost function that holds it. A WRITE
    whose value is a function (literal, or a name that resolves to one) has that function in ``target``.
    ``decoded`` says that name or value is not spelled so in the source. ``line`` and ``column`` are 1-based,
    ``start`` and ``end`` are byte offsets.

    A fact of code that the file gives as text to ``eval`` and its like has ``start`` and ``end`` of the
    expression that evaluates it; ``inside`` is then its place in that text, see :class:`Layer`.
    """

    kind: FactKind
    name: str
    line: int
    column: int
    start: int
    end: int
    function: int
    value: str | None = None
    args: tuple[str | None, ...] = ()
    target: int | None = None
    decoded: bool = False
    inside: tuple[int, int] | None = None

    @property
    def place(self) -> tuple[int, int]:
        """Where it stands among :attr:`FileFacts.functions`: the byte range, of a layer if it is in one."""
        return (self.start, self.end) if self.inside is None else self.inside


@dataclass(frozen=True, slots=True)
class FunctionSpan:
    """A function of a file: byte offsets, the index of the function around it, and what it reaches.

    Index 0 is the file's top level (parent -1). ``reaches`` holds the indices of the functions that it calls
    or refers to by a name that resolves inside the file. ``refers`` holds the byte ranges of the initialisers
    of top-level or outer variables that it refers to (tables of addresses live there).

    Each layer is a function too, reached by the one that evaluates it, and followed by the functions in it.
    """

    start: int
    end: int
    parent: int
    reaches: tuple[int, ...] = ()
    refers: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Layer:
    """Code that a file holds as text and evaluates, decoded.

    Places in it are numbered on from the end of the file, so that no two places of a file are the same:
    ``base`` is the offset of its first byte.
    """

    base: int
    text: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, order=True)
class FlowPort:
    """Where values go from one file of a package to another.

    ``module`` is the local module as it is spelled (``./send``), or empty for what the file itself exports;
    ``keys`` are the steps to the export, with ``#`` before a method of a class. ``role`` is ``value``,
    ``returned``, or the position of a parameter.
    """

    module: str
    keys: tuple[str, ...]
    role: str


@dataclass(frozen=True, slots=True)
class FlowLink:
    """The part of a flow that is in one file, where the flow goes on in another.

    It comes from ``origin``, or from a source of values in the file: then ``source`` is the word for it, told
    more of in ``detail``, at ``place`` (``line:column``). It goes to ``to``, or to a sink: then ``sink`` is the
    fact of kind FLOW that it is, without the source in its name.
    """

    origin: FlowPort | None
    to: FlowPort | None
    source: str = ""
    detail: str | None = None
    place: str | None = None
    sink: Fact | None = None


@dataclass(frozen=True, slots=True)
class FlowExports:
    """What a file has to do with flows through other files of the package.

    ``aliases`` are exports that are something of another module: the steps to the export, the module, and the
    steps in that.
    """

    links: tuple[FlowLink, ...] = ()
    aliases: tuple[tuple[tuple[str, ...], str, tuple[str, ...]], ...] = ()


@dataclass(frozen=True, slots=True)
class FileFacts:
    """All facts of one file, in source order. ``partial`` says that syntax errors hid a part of it."""

    path: str
    facts: tuple[Fact, ...] = field(repr=False)
    functions: tuple[FunctionSpan, ...] = field(repr=False)
    partial: bool = False
    problem: str | None = None  # why the file, or a part of it, could not be read
    unread: bool = False  # refused, or not read to its end: nobody can say what it does
    layers: tuple[Layer, ...] = ()
    flows: FlowExports = FlowExports()


# --- findings --------------------------------------------------------------------------------------------


class Severity(StrEnum):
    """How bad it is if the finding is true."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class Confidence(StrEnum):
    """How sure the rule is."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class Context(StrEnum):
    """A circumstance that decides how much a finding weighs; docs/verdicts.md tells how."""

    NEW = "new-in-this-version"  # some of its evidence is not in the baseline
    FIRST = "first-release"  # the package had no release before, so that all of it is new
    INSTALL = "runs-at-installation"
    LOAD = "runs-on-load"  # of the package, or of one of its commands
    HIDDEN = "hidden-by-encoding"  # the source does not spell what the evidence says
    TRUST_LOST = "trust-lost"  # new, in a release that was not published as its forerunners were
    SETTLED = "unchanged-for-years"  # all of it is in the baseline too, and the release is old


@dataclass(frozen=True, slots=True)
class Circumstance:
    """One context of one finding, with how it is known.

    ``detail`` is a phrase for people (``scripts.postinstall > setup.js``): hostile, as it holds names of files.
    """

    context: Context
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Evidence:
    """One observation behind a finding.

    ``excerpt`` is at most 160 characters of source around the place, ``decoded`` what it stands for where the
    source hides it. Both are hostile: reporters escape them. ``added`` says whether the place is new against
    the baseline (None: there is none to compare with).
    """

    signal: str
    message: str
    file: str | None = None
    line: int | None = None
    excerpt: str | None = None
    decoded: str | None = None
    added: bool | None = None


@dataclass(frozen=True, slots=True)
class Acceptance:
    """Why people of the project live with a finding: who says so, and until which day (ISO 8601)."""

    reason: str
    author: str
    expires: str


@dataclass(frozen=True, slots=True)
class Finding:
    """What a rule or an audit says about one package version; ``message`` is one plain sentence.

    ``circumstances`` are what makes it weigh more or less, at most one of each context, in their order.
    ``policy`` says that it breaks a rule of the project's own, which its user asked to be held to whatever
    the verdict. ``accepted`` is there where the project accepted it: it counts for no verdict then.
    """

    rule: str
    severity: Severity
    confidence: Confidence
    message: str
    file: str | None = None
    line: int | None = None
    evidence: tuple[Evidence, ...] = ()
    added: bool | None = None
    remediation: str | None = None
    circumstances: tuple[Circumstance, ...] = ()
    policy: bool = False
    accepted: Acceptance | None = None

    @property
    def contexts(self) -> frozenset[Context]:
        """The circumstances without their details."""
        return frozenset(it.context for it in self.circumstances)


class Verdict(StrEnum):
    """What npmguard says of one package version."""

    MALICIOUS = "malicious"
    SUSPICIOUS = "suspicious"
    CLEAN = "clean"
    UNVERIFIED = "unverified"


@dataclass(frozen=True, slots=True)
class VerdictReason:
    """Why one finding, or what could not be checked (``rule`` None), led to a verdict: ``text`` is a sentence.

    ``verdict`` is what it amounts to by itself.
    """

    rule: str | None
    verdict: Verdict
    text: str


@dataclass(frozen=True, slots=True)
class ShellDeed:
    """What a command in a shell file does that npm runs at installation.

    ``risk`` is a value of :class:`npmguard.package.script.ScriptRisk`, ``command`` the command as words.
    """

    file: str
    risk: str
    command: str


@dataclass(frozen=True, slots=True)
class FileTrace:
    """What a flagged file can be known by elsewhere.

    ``sha256`` is in hex. ``names`` are the wallet addresses, URLs and hosts in its code, as it has them once it
    has put them together, sorted: what is common among them is for the reader to leave out.
    """

    path: str
    sha256: str
    names: tuple[str, ...] = ()


SYNTAX_ERRORS = "syntax errors hide a part of it"
"""What :attr:`TarballAnalysis.partial` says of a file that is no valid JavaScript."""


@dataclass(frozen=True, slots=True)
class TarballAnalysis:
    """All that reading one tarball told; what a worker returns and the results cache stores.

    ``hashes`` are those of the tarball's bytes. ``findings`` come from code rules. ``signals`` names every
    neutral signal that fired anywhere, sorted. ``unverified`` is why the analysis is incomplete, or None.
    ``partial`` lists files of which a part was not read or followed, and why: for syntax errors, or a cap.
    ``bundled`` lists the folders of packages inside it (``node_modules/a``), sorted. ``unnamed_dependencies``
    are those that its manifest declares and none of its code names. ``diff`` and ``baseline_signals`` are
    there when it was read together with its baseline.
    """

    hashes: tuple[Hash, ...]
    size: int
    file_count: int
    unpacked_size: int
    manifest: Manifest | None
    notes: tuple[ArchiveNote, ...]
    findings: tuple[Finding, ...]
    signals: tuple[str, ...]
    partial: tuple[tuple[str, str], ...] = ()
    unverified: str | None = None
    bundled: tuple[str, ...] = ()
    diff: VersionDiff | None = None
    baseline_signals: tuple[str, ...] | None = None
    implicit_install: str | None = None  # the root .gyp file for which npm runs node-gyp, unasked
    gyp_commands: tuple[str, ...] = ()  # the shell commands in its .gyp files
    unnamed_dependencies: tuple[str, ...] = ()
    shell_deeds: tuple[ShellDeed, ...] = ()  # of shell files that an installation runs, worst first a file
    traces: tuple[FileTrace, ...] = ()  # of the files that its findings name
    hosts_added: tuple[str, ...] | None = None  # against the baseline, where one was read
    facts: bytes | None = field(default=None, repr=False)  # see npmguard.detect.kept; empty: over the cap


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two versions of one package held against each other, for a person to read.

    ``gained`` and ``lost`` are neutral behaviours (signal ids). ``unverified`` is why something could not be
    compared, or None.
    """

    name: str
    old_version: str
    new_version: str
    diff: VersionDiff | None
    gained: tuple[str, ...]
    lost: tuple[str, ...]
    findings: tuple[Finding, ...]
    verdict: Verdict
    unverified: str | None = None


# --- report ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Fix:
    """The nearest clean version, or (``version`` None) what stands in its way, told in ``reason``.

    ``outside`` is then the nearest clean version that not every dependent's range accepts, where one is known.
    """

    version: str | None
    reason: str
    outside: str | None = None


@dataclass(frozen=True, slots=True)
class Specimen:
    """What a flagged version can be known by elsewhere: when it came, its tarball's hashes, its flagged files.

    ``published`` is the registry's word (aware), None where it has none.
    """

    published: datetime | None = None
    hashes: tuple[Hash, ...] = ()
    files: tuple[FileTrace, ...] = ()


@dataclass(frozen=True, slots=True)
class Kept:
    """What another judgement of a version needs besides its report.

    ``facts`` are None where the tarball was not read, empty where they are over the cap, see
    :mod:`npmguard.detect.kept`. ``first`` says that the package had no release before, ``lost`` how the release
    was published otherwise than those before it, ``integrity`` what is stated of its bytes.
    """

    facts: bytes | None = field(repr=False)
    first: bool
    published: datetime | None
    lost: tuple[str, ...]
    hashes: tuple[Hash, ...]
    integrity: Integrity | None


@dataclass(frozen=True, slots=True)
class PackageReport:
    """The judgement of one package version, however many places of the lock hold it.

    ``paths`` are the shortest ways from the project to it, each a tuple of ``name@version`` without the
    project itself, at most five; ``more_paths`` is how many others there are. ``line`` is the lockfile's line
    of the first location. ``reasons`` say how the verdict follows, the decisive ones alone. ``diff`` is what a
    flagged version changed against its baseline, where both could be read.
    """

    name: str
    version: str
    locations: tuple[str, ...]
    line: int
    verdict: Verdict
    baseline: Baseline | None = None
    findings: tuple[Finding, ...] = ()
    integrity: IntegrityReport = IntegrityReport()
    paths: tuple[tuple[str, ...], ...] = ()
    more_paths: int = 0
    fix: Fix | None = None
    unverified_reason: str | None = None
    notes: tuple[str, ...] = ()
    reasons: tuple[VerdictReason, ...] = ()
    specimen: Specimen | None = None
    diff: VersionDiff | None = None


class ChangeKind(StrEnum):
    """How a version in a lock stands to an earlier state of that lock."""

    ADDED = "added"  # no version of that name is gone for it
    CHANGED = "changed"  # in the place of another version
    REPLACED = "replaced"  # the same version, with other bytes or from another place
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class LockChange:
    """One version that came, went or changed; ``old`` and ``new`` are versions, None for "not there".

    ``gained`` are the behaviours (signal ids) that the new version has and the old one had not, None where
    nothing was compared; ``unknown`` is then why not, where it should have been.
    """

    name: str
    kind: ChangeKind
    old: str | None
    new: str | None
    gained: tuple[str, ...] | None = None
    unknown: str | None = None


@dataclass(frozen=True, slots=True)
class Sandbox:
    """What the kernel forbids the processes that read packages, by the means that do: each stands alone.

    ``missing`` says, a line each, which of the means could not be put in place, and why.
    """

    file_system: tuple[str, ...] = ()
    network: tuple[str, ...] = ()
    processes: tuple[str, ...] = ()
    limits: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ScanReport:
    """The result of one command over one target; packages sorted by name, then version.

    ``kind`` is ``lockfile``, ``installed``, ``tarball``, ``directory``, ``spec`` or ``specs``. ``ruleset`` is
    the digest of the rules in force. ``incomplete`` says, a line each, what the scan could not look at although
    npm would install it.
    ``seconds`` is wall time, left out of every output that must be the same for the same input.

    Where a lock was scanned ``against`` an earlier state of it, ``packages`` and ``skipped`` are what that
    state did not hold, and ``changes`` is all that differs. ``sandbox`` is what held the processes that read
    packages, or would have held them where none was needed.
    """

    tool_version: str
    ruleset: str
    kind: str
    path: str
    packages: tuple[PackageReport, ...]
    skipped: tuple[SkippedPackage, ...] = ()
    notes: tuple[str, ...] = ()
    incomplete: tuple[str, ...] = ()
    seconds: float = field(default=0.0, compare=False)
    against: str | None = None
    changes: tuple[LockChange, ...] = ()
    sandbox: Sandbox = Sandbox()

    def count(self, verdict: Verdict) -> int:
        """How many packages have that verdict."""
        return sum(package.verdict is verdict for package in self.packages)


@dataclass(frozen=True, slots=True)
class ExposureWindow:
    """A time during which a branch pinned a version; ``end`` None is "to this day". Dates are ISO 8601."""

    branch: str
    start_commit: str
    start: str
    end_commit: str | None = None
    end: str | None = None


@dataclass(frozen=True, slots=True)
class Exposure:
    """One compromised version that a lockfile pinned at some time.

    ``commits`` are those that brought it in, on any branch, each with its date, oldest first. ``windows`` are
    told for the branches that there are today, by branch, then time.
    """

    lockfile: str
    name: str
    version: str
    integrity: str
    verdict: Verdict
    findings: tuple[Finding, ...]
    commits: tuple[tuple[str, str], ...]
    windows: tuple[ExposureWindow, ...]


@dataclass(frozen=True, slots=True)
class HistoryReport:
    """What the history of a repository's lockfiles says.

    ``states`` is the number of different states of all lockfiles, ``versions`` that of the different versions
    pinned in them. ``reaches`` is the date to which a shallow clone goes back, None for a whole one.
    ``incomplete`` says, a line each, what could not be looked at or asked.
    """

    tool_version: str
    path: str
    since: str | None
    lockfiles: tuple[str, ...]
    commits: int
    states: int
    versions: int
    exposures: tuple[Exposure, ...]
    reaches: str | None = None
    incomplete: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


# --- incidents -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class IncidentSummary:
    """Flagged releases that belong together, in one line; ``verdict`` is that of the worst. Times are aware."""

    id: str
    title: str
    verdict: Verdict
    opened: datetime
    updated: datetime
    releases: int
    packages: int


@dataclass(frozen=True, slots=True)
class IncidentRelease:
    """A release of an incident: when the registry says that it came, and when it was judged."""

    name: str
    version: str
    verdict: Verdict
    seen: datetime
    published: datetime | None = None
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class SharedTrait:
    """What so many ``releases`` of an incident have; ``kind`` is ``file``, ``domain`` and the like."""

    kind: str
    value: str
    releases: int


@dataclass(frozen=True, slots=True)
class WatchedDependent:
    """What of a watch list an incident is about.

    ``source`` is a lockfile or list. ``affected`` says that it pins a release of the incident, not another
    version of its package; ``version`` is empty where the list names no version. ``paths`` are the ways that
    lead to it, as in :class:`PackageReport`.
    """

    source: str
    name: str
    version: str
    affected: bool
    paths: tuple[tuple[str, ...], ...] = ()
    more_paths: int = 0


@dataclass(frozen=True, slots=True)
class Incident:
    """All that is known of an incident: releases by time, traits shared by most first.

    ``merged`` are the ids of those that turned out to be parts of it. ``dependents`` is None where no watch
    list was given.
    """

    summary: IncidentSummary
    releases: tuple[IncidentRelease, ...]
    traits: tuple[SharedTrait, ...]
    merged: tuple[str, ...] = ()
    dependents: tuple[WatchedDependent, ...] | None = None


# --- indicators ------------------------------------------------------------------------------------------


class IndicatorKind(StrEnum):
    """What an indicator names."""

    DOMAIN = "domain"
    URL = "url"
    EMAIL = "email"
    IP = "ip"
    ADDRESS = "address"  # of a wallet
    SHA256 = "sha256"
    SHA512 = "sha512"  # of a tarball, as npm's integrity states it
    PURL = "purl"


@dataclass(frozen=True, slots=True, order=True)
class Indicator:
    """One thing known to belong to an attack: ``source`` says who knows it, ``date`` since when (ISO 8601).

    ``value`` is in the kind's normal form: domains, mail addresses and digests in lower case, domains in their
    ASCII form, a package URL with its version. ``sure`` is whether a place that holds it is enough to block.
    """

    kind: IndicatorKind
    value: str
    source: str = ""
    date: str = ""
    description: str = ""
    sure: bool = True


# --- mail ------------------------------------------------------------------------------------------------


class MailVerdict(StrEnum):
    """What npmguard says of one mail message; with ``--fail-on``, phishing counts as `malicious`."""

    PHISHING = "phishing"
    SUSPICIOUS = "suspicious"
    GENUINE = "genuine"  # claims a brand, and neither its sender nor any way out of it is another's
    UNRELATED = "unrelated"  # claims no registry and no code host


class MailWeight(StrEnum):
    """How much one piece of evidence says; only combinations of them make a verdict."""

    STRONG = "strong"
    WEAK = "weak"
    CLEARS = "clears"  # speaks for the message
    NEUTRAL = "neutral"


@dataclass(frozen=True, slots=True)
class MailEvidence:
    """One observation in a message, in plain words.

    ``code`` is a stable name (``sender-lookalike``), ``where`` the place (``From``, ``text/html part``).
    ``excerpt`` is at most 160 characters of the message: hostile, reporters escape it.
    """

    code: str
    weight: MailWeight
    message: str
    where: str = ""
    excerpt: str | None = None


@dataclass(frozen=True, slots=True)
class MailClaim:
    """A brand that the message claims to come from, and the places where it does (sorted)."""

    brand: str
    title: str
    places: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Lookalike:
    """A domain that passes for a brand's: ``domain`` is the registered domain, ``host`` the host as found.

    ``kind`` is ``other-tld``, ``typo``, ``homoglyph``, ``punycode``, ``embedded``, ``combination`` or
    ``subdomain``. ``strong`` says that no honest use of such a name is likely.
    """

    host: str
    domain: str
    brand: str
    kind: str
    imitates: str
    strong: bool
    reason: str


class AuthOutcome(StrEnum):
    """How one authentication method ended; what was not asked is never a pass and never a failure."""

    PASS = "pass"  # noqa: S105 - a result of RFC 8601
    FAIL = "fail"
    NONE = "none"  # the domain publishes nothing, or the message carries no signature
    NEUTRAL = "neutral"
    ERROR = "error"  # asked, and no usable answer came
    NOT_CHECKED = "not-checked"


@dataclass(frozen=True, slots=True)
class AuthCheck:
    """One method's outcome: ``domain`` is the domain it speaks of, ``aligned`` whether that is From's.

    ``source`` is ``header`` (a trusted Authentication-Results), ``verified`` (checked here) or empty.
    """

    outcome: AuthOutcome = AuthOutcome.NOT_CHECKED
    domain: str = ""
    detail: str = ""
    aligned: bool = False
    source: str = ""


@dataclass(frozen=True, slots=True)
class MailAuthentication:
    """SPF, DKIM, DMARC and ARC of one message."""

    spf: AuthCheck = AuthCheck()
    dkim: AuthCheck = AuthCheck()
    dmarc: AuthCheck = AuthCheck()
    arc: AuthCheck = AuthCheck()


@dataclass(frozen=True, slots=True)
class Maintainer:
    """A user who may publish a package, as its packument names them."""

    name: str
    email: str = ""


@dataclass(frozen=True, slots=True)
class WatchEntry:
    """A locked package that the addressed maintainer can publish; ``matched`` says how they were known."""

    name: str
    versions: tuple[str, ...]
    maintainer: str
    matched: str


@dataclass(frozen=True, slots=True)
class MailReport:
    """The judgement of one message.

    ``source`` is the file (with ``#n`` for the n-th message of an mbox). ``reason`` is the verdict in one
    sentence. ``incomplete`` holds why parts of the message could not be read or asked about; ``nested`` the
    judgements of the messages attached to it. ``watch`` is what to watch, where a lock was given.
    """

    source: str
    verdict: MailVerdict
    reason: str
    sender: str = ""
    subject: str = ""
    claims: tuple[MailClaim, ...] = ()
    evidence: tuple[MailEvidence, ...] = ()
    lookalikes: tuple[Lookalike, ...] = ()
    authentication: MailAuthentication = MailAuthentication()
    recipients: tuple[str, ...] = ()
    incomplete: tuple[str, ...] = ()
    nested: tuple[MailReport, ...] = ()
    watch: tuple[WatchEntry, ...] = ()
