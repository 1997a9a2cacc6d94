"""A CycloneDX bill of materials (JSON or XML, 1.2 to 1.7), whose npm packages are read as a lock's.

The format: https://cyclonedx.org/docs/1.6/json/ and ecma-international.org, ECMA-424. Of a document these parts
alone are read: components, their package URLs, hashes and addresses, and who depends on whom. They are read
without a schema, as many tools write what no schema allows, and every component ends judged or skipped.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import unquote

from npmguard.errors import LockfileSyntaxError, UnsupportedLockfile
from npmguard.lockfile.assembly import Assembly, is_git_archive, judge_source, object_of, text_of
from npmguard.lockfile.entries import Entry, skip
from npmguard.lockfile.json_text import JsonText
from npmguard.lockfile.printable import printable
from npmguard.lockfile.resolved import Source, classify, redact
from npmguard.lockfile.text import decode_text
from npmguard.model import Hash, LockedPackage, Lockfile, Requirement, SkippedPackage, SkipReason

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

SUPPORTED = "npmguard reads CycloneDX 1.2 to 1.7"

_MEND = "have the tool that wrote it write it anew"
_VERSIONS = frozenset({"1.2", "1.3", "1.4", "1.5", "1.6", "1.7"})
_JSON = re.compile(rb'"bomFormat"\s*:\s*"CycloneDX"')
_NAMESPACE = "http://cyclonedx.org/schema/bom/"
_ALGORITHMS = {
    "SHA-512": ("sha512", 64),
    "SHA-384": ("sha384", 48),
    "SHA-256": ("sha256", 32),
    "SHA-1": ("sha1", 20),
}
_HEX = re.compile(r"(?:[0-9a-fA-F]{2})+")
_LIBRARIES = frozenset({"library", "framework", ""})
_TARBALL = (".tgz", ".tar.gz")


@dataclass(slots=True)
class _Component:
    """One component, from either form."""

    kind: str
    name: str
    version: str
    purl: str
    ref: str
    hashes: list[tuple[str, str]] = field(default_factory=list)
    address: str | None = None
    private: bool = False


@dataclass(slots=True)
class _Document:
    version: str
    root: _Component | None
    components: list[_Component]
    dependencies: list[tuple[str, list[str]]]


def is_cyclonedx(data: bytes) -> bool:
    """Whether *data* looks like such a document."""
    return _JSON.search(data) is not None or (
        data.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"<" and _NAMESPACE.encode() in data
    )


def read_cyclonedx(data: bytes, path: str) -> Lockfile:
    """Read an SBOM.

    A component whose package URL is no npm one is skipped as ``foreign``, one that says ``private`` as the
    project's own. The hashes are taken for those of the tarball, as CycloneDX means them. There are no ranges.

    Raises:
        LockfileSyntaxError: neither JSON nor XML of that kind.
        UnsupportedLockfile: a version that is not known.
    """
    is_json = _JSON.search(data) is not None
    text = decode_text(data, path, _MEND)
    document = _read_json(data, path) if is_json else _read_xml(text, path)
    if document.version not in _VERSIONS:
        shown = printable(document.version) or "none"
        raise UnsupportedLockfile(f"{path}: unknown version of CycloneDX: {shown}; {SUPPORTED}")
    assembly = Assembly(path, "cyclonedx", int(document.version.removeprefix("1.")))
    asked = {ref: targets for ref, targets in document.dependencies if targets}
    homes: dict[str, str] = {}
    lines = _Lines(text)
    judged: list[tuple[_Component, LockedPackage | SkippedPackage]] = []
    for component in document.components:
        found = _judged(component, assembly, lines)
        if component.ref:
            homes.setdefault(component.ref, found.location)
        judged.append((component, found))
    names = {found.location: found.name or found.location for _, found in judged}

    def requirements(ref: str) -> Iterator[Requirement]:
        for location in (homes[it] for it in asked.get(ref, ()) if it in homes):
            yield Requirement(names[location], "", "prod", location)

    for component, found in judged:
        assembly.add(found, requirements(component.ref))
    if document.root is not None:
        assembly.project(document.root.name or None, requirements(document.root.ref))
    return assembly.finish(lambda _location, _asks: None, complete=False, presume=True)


def _judged(component: _Component, assembly: Assembly, lines: _Lines) -> LockedPackage | SkippedPackage:
    line = lines.of(component.ref, component.purl, component.name)
    name = _npm_name(component.purl)
    if name is None:
        entry = Entry(assembly.location(component.purl or component.name or component.ref), line, {})
        if component.purl or component.kind not in _LIBRARIES:
            what = component.purl.partition("/")[0] if component.purl else component.kind
            return skip(entry, SkipReason.FOREIGN, f"no npm package: {printable(what)}")
        detail = f'"{printable(component.name)}" has no package URL, so that nothing says what it is'
        return skip(entry, SkipReason.INVALID, detail)
    version = _purl_version(component.purl) or component.version
    entry = Entry(assembly.location(f"{name}@{version}"), line, {"version": version})
    if component.private:
        return skip(entry, SkipReason.WORKSPACE, "private: the project's own package", name, version)
    qualifiers = _qualifiers(component.purl)
    if "vcs_url" in qualifiers:
        return skip(entry, SkipReason.GIT, redact(qualifiers["vcs_url"]), name, version)
    address = qualifiers.get("download_url") or component.address
    if not _is_address(address):
        address = None
    integrity = " ".join(
        str(Hash(_ALGORITHMS[algorithm][0], bytes.fromhex(content)))
        for algorithm, content in component.hashes
        if algorithm in _ALGORITHMS
        and _HEX.fullmatch(content)
        and len(content) == 2 * _ALGORITHMS[algorithm][1]
    )
    meta = {"version": version, "resolved": address, "integrity": integrity}
    return judge_source(Entry(entry.location, line, meta), name, name)


def _is_address(address: str | None) -> bool:
    """Whether an address is one that bytes come from, and not a page about the package."""
    if not address:
        return False
    source = classify(address)[0]
    return (
        source in {Source.REGISTRY, Source.GIT, Source.FILE}
        or is_git_archive(address)
        or (source is Source.URL and address.partition("?")[0].endswith(_TARBALL))
    )


# --- package URLs (https://github.com/package-url/purl-spec) ---------------------------------------------


def _npm_name(purl: str) -> str | None:
    """``@scope/name`` or ``name`` of an npm package URL; None for any other text."""
    scheme, _, rest = purl.partition(":")
    kind, _, path = rest.lstrip("/").partition("/")
    if scheme.lower() != "pkg" or kind.lower() != "npm":
        return None
    path = path.partition("#")[0].partition("?")[0].strip("/")
    at = path.rfind("@")
    if at > 0 and "/" not in path[at:]:
        path = path[:at]
    return "/".join(unquote(part) for part in path.split("/")) or None


def _purl_version(purl: str) -> str:
    path = purl.partition("#")[0].partition("?")[0]
    at = path.rfind("@")
    return unquote(path[at + 1 :]) if at > 0 and "/" not in path[at:] else ""


def _qualifiers(purl: str) -> dict[str, str]:
    pairs = (it.partition("=") for it in purl.partition("#")[0].partition("?")[2].split("&"))
    return {key.lower(): unquote(value) for key, _, value in pairs if value}


# --- JSON ------------------------------------------------------------------------------------------------


def _read_json(data: bytes, path: str) -> _Document:
    top = JsonText(data, path, _MEND).top
    root = object_of(top.get("metadata"), "component")
    return _Document(
        version=text_of(top, "specVersion") or "",
        root=_of_json(root) if root else None,
        components=[_of_json(it) for it in _nested(top.get("components"))],
        dependencies=[
            (text_of(it, "ref") or "", [each for each in _list(it, "dependsOn") if isinstance(each, str)])
            for it in _list(top, "dependencies")
        ],
    )


def _nested(value: object) -> Iterator[object]:
    """Every component of a list, each before those inside it."""
    waiting = list(reversed(value)) if isinstance(value, list) else []
    while waiting:
        component = waiting.pop()
        yield component
        waiting.extend(reversed(_list(component, "components")))


def _of_json(value: object) -> _Component:
    name, group = text_of(value, "name") or "", text_of(value, "group")
    references = [it for it in _list(value, "externalReferences") if text_of(it, "type") == "distribution"]
    hashed = [it for holder in (value, *references) for it in _list(holder, "hashes")]
    private = any(
        text_of(it, "name") == "cdx:npm:package:private" and text_of(it, "value") == "true"
        for it in _list(value, "properties")
    )
    return _Component(
        kind=text_of(value, "type") or "",
        name=f"{group}/{name}" if group else name,
        version=text_of(value, "version") or "",
        purl=text_of(value, "purl") or "",
        ref=text_of(value, "bom-ref") or "",
        hashes=[(text_of(it, "alg") or "", text_of(it, "content") or "") for it in hashed],
        address=next((url for it in references if (url := text_of(it, "url")) is not None), None),
        private=private,
    )


def _list(holder: object, key: str) -> list[object]:
    value = holder.get(key) if isinstance(holder, dict) else None
    return value if isinstance(value, list) else []


# --- XML -------------------------------------------------------------------------------------------------


def _read_xml(text: str, path: str) -> _Document:
    from xml.etree.ElementTree import ParseError  # noqa: PLC0415 - the error of defusedxml's parser

    from defusedxml.common import DefusedXmlException  # noqa: PLC0415 - as of use
    from defusedxml.ElementTree import fromstring  # noqa: PLC0415

    try:
        top: Element = fromstring(text.encode(), forbid_dtd=True)
    except ParseError as error:
        line, column = error.position
        raise LockfileSyntaxError(f"{path}:{line}:{column + 1}: not valid XML; {_MEND}") from None
    except DefusedXmlException:
        raise LockfileSyntaxError(f"{path}: XML with a document type, which no SBOM has; {_MEND}") from None
    except (LookupError, ValueError) as error:
        raise LockfileSyntaxError(f"{path}: not valid XML: {printable(str(error))}; {_MEND}") from None
    namespace, _, tag = top.tag.removeprefix("{").partition("}")
    if tag != "bom" or not namespace.startswith(_NAMESPACE):
        raise LockfileSyntaxError(f"{path}: XML, and no bom of CycloneDX; {_MEND}")
    for element in top.iter():
        element.tag = element.tag.rpartition("}")[2]
    root = top.find("metadata/component")
    components = top.find("components")
    dependencies = top.find("dependencies")
    return _Document(
        version=namespace[len(_NAMESPACE) :],
        root=_of_xml(root) if root is not None else None,
        components=[_of_xml(it) for it in components.iter("component")] if components is not None else [],
        dependencies=[
            (it.get("ref", ""), [each.get("ref", "") for each in it.findall("dependency")])
            for it in (dependencies if dependencies is not None else ())
        ],
    )


def _of_xml(element: Element) -> _Component:
    name, group = _text(element, "name"), _text(element, "group")
    references = [
        it for it in element.findall("externalReferences/reference") if it.get("type") == "distribution"
    ]
    hashed = [it for holder in (element, *references) for it in holder.findall("hashes/hash")]
    private = any(
        it.get("name") == "cdx:npm:package:private" and (it.text or "").strip() == "true"
        for it in element.findall("properties/property")
    )
    return _Component(
        kind=element.get("type", ""),
        name=f"{group}/{name}" if group else name,
        version=_text(element, "version"),
        purl=_text(element, "purl"),
        ref=element.get("bom-ref", ""),
        hashes=[(it.get("alg", ""), (it.text or "").strip()) for it in hashed],
        address=next((url for it in references if (url := _text(it, "url"))), None),
        private=private,
    )


def _text(element: Element, tag: str) -> str:
    return (element.findtext(tag) or "").strip()


class _Lines:
    """Where a component is first named, in a text whose parsers do not say."""

    def __init__(self, text: str) -> None:
        self._lines: dict[str, int] = {}
        for number, line in enumerate(text.split("\n"), 1):
            for quoted in _QUOTED.findall(line):
                self._lines.setdefault(quoted, number)

    def of(self, *words: str) -> int:
        """The line of the first of *words* that stands in the text; 1 where none does."""
        return next((self._lines[word] for word in words if word in self._lines), 1)


_QUOTED = re.compile(r'["<>]?([^"<>]++)')
