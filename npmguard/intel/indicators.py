"""Indicators of known attacks, read and written as plain text, CSV, STIX 2.1 bundles and MISP events.

STIX 2.1 (https://docs.oasis-open.org/cti/stix/v2.1/) is written and checked by ``stix2``; its patterns are read
here, in the subset that indicators of single values use, because a pattern language over hostile files wants no
more than that. MISP's event format (https://www.misp-project.org/datamodels/) is plain JSON and is read and
written as such: ``pymisp`` brings a REST client and its dependencies along for a file of attributes.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date as Day  # noqa: N812 - a date is a field here
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote, unquote, urlsplit
from uuid import UUID, uuid5

from npmguard.errors import IndicatorError
from npmguard.model import Indicator, IndicatorKind

Format = Literal["plain", "csv", "stix", "misp"]

_NAMESPACE = UUID("3f0f0c0e-4e5a-5b0c-9d62-1c6f7a1f2d11")
EPOCH = "1970-01-01T00:00:00Z"
_MAX_INDICATORS = 1_000_000
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")
_SHA512 = re.compile(r"[0-9a-fA-F]{128}")
_DOMAIN = re.compile(
    r"(?=.{4,253}$)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)+[a-z0-9][a-z0-9-]{0,61}[a-z0-9]", re.IGNORECASE
)
_EMAIL = re.compile(r"[^\s@<>\"]{1,64}@[^\s@<>\"]{3,253}")
_WALLET = re.compile(
    r"0x[0-9a-fA-F]{40}|(?:bc1|ltc1)[02-9ac-hj-np-z]{11,87}|(?:bitcoincash:)?[qp][02-9ac-hj-np-z]{41}"
    r"|[13LM3T][1-9A-HJ-NP-Za-km-z]{24,34}|[1-9A-HJ-NP-Za-km-z]{32,44}"
)
_CLAUSE = re.compile(r"([a-z0-9-]+):([A-Za-z0-9_.'\"-]+)\s*=\s*'((?:[^'\\]|\\.)*)'")
_LONGEST = 1000  # characters of a description
_UNSEEN = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
_CI_COMMAND = re.compile(
    r"(##\w{0,20})\["
)  # of Azure Pipelines, TeamCity and GitHub, obeyed anywhere in a line
_COLUMNS = ("kind", "value", "source", "date", "description")

_STIX_PATHS: Mapping[tuple[str, str], IndicatorKind] = {
    ("domain-name", "value"): IndicatorKind.DOMAIN,
    ("url", "value"): IndicatorKind.URL,
    ("email-addr", "value"): IndicatorKind.EMAIL,
    ("email-message", "from_ref.value"): IndicatorKind.EMAIL,
    ("ipv4-addr", "value"): IndicatorKind.IP,
    ("ipv6-addr", "value"): IndicatorKind.IP,
    ("file", "hashes.SHA-256"): IndicatorKind.SHA256,
    ("file", "hashes.SHA-512"): IndicatorKind.SHA512,
    ("software", "purl"): IndicatorKind.PURL,
    ("x-package", "purl"): IndicatorKind.PURL,
    ("x-cryptocurrency-wallet", "value"): IndicatorKind.ADDRESS,
    ("cryptocurrency-wallet", "value"): IndicatorKind.ADDRESS,
}
_STIX_TYPES: Mapping[IndicatorKind, str] = {
    IndicatorKind.DOMAIN: "domain-name:value",
    IndicatorKind.URL: "url:value",
    IndicatorKind.EMAIL: "email-addr:value",
    IndicatorKind.SHA256: "file:hashes.'SHA-256'",
    IndicatorKind.SHA512: "file:hashes.'SHA-512'",
    IndicatorKind.PURL: "x-package:purl",
    IndicatorKind.ADDRESS: "x-cryptocurrency-wallet:value",
}
_MISP_KINDS: Mapping[str, IndicatorKind] = {
    "domain": IndicatorKind.DOMAIN,
    "hostname": IndicatorKind.DOMAIN,
    "url": IndicatorKind.URL,
    "uri": IndicatorKind.URL,
    "email": IndicatorKind.EMAIL,
    "email-src": IndicatorKind.EMAIL,
    "email-reply-to": IndicatorKind.EMAIL,
    "ip-src": IndicatorKind.IP,
    "ip-dst": IndicatorKind.IP,
    "sha256": IndicatorKind.SHA256,
    "sha512": IndicatorKind.SHA512,
    "btc": IndicatorKind.ADDRESS,
    "xmr": IndicatorKind.ADDRESS,
    "dash": IndicatorKind.ADDRESS,
}
_MISP_TYPES: Mapping[IndicatorKind, tuple[str, str]] = {
    IndicatorKind.DOMAIN: ("domain", "Network activity"),
    IndicatorKind.URL: ("url", "Network activity"),
    IndicatorKind.EMAIL: ("email-src", "Payload delivery"),
    IndicatorKind.IP: ("ip-dst", "Network activity"),
    IndicatorKind.SHA256: ("sha256", "Payload delivery"),
    IndicatorKind.SHA512: ("sha512", "Payload delivery"),
    IndicatorKind.PURL: ("text", "Payload delivery"),
    IndicatorKind.ADDRESS: ("text", "Financial fraud"),
}


def load_indicators(path: Path, limit: int = 64 * 1024 * 1024) -> tuple[Indicator, ...]:
    """Read one file in whichever of the four formats it is; sorted, without repeats.

    Raises:
        IndicatorError: there is no such file, it is longer than *limit* bytes, or it holds no format's content.
    """
    try:
        size = path.stat().st_size
        if size > limit:
            raise IndicatorError(
                f"{path}: {size} bytes of indicators are over the limit of {limit} (limits.indicator-bytes)"
            )
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise IndicatorError(f"{path}: cannot be read: {error.strerror}; give a file of indicators") from error
    except UnicodeDecodeError as error:
        raise IndicatorError(f"{path}: not UTF-8 text; give plain text, CSV, STIX 2.1 or MISP JSON") from error
    return parse_indicators(text, str(path))


def parse_indicators(text: str, name: str = "indicators") -> tuple[Indicator, ...]:
    """As :func:`load_indicators`, from text; *name* is named in errors and as the source where none is given.

    Raises:
        IndicatorError: *text* is in none of the formats.
    """
    if text.lstrip()[:1] in {"{", "["}:
        try:
            data = json.loads(text)
        except (json.JSONDecodeError, RecursionError) as error:
            raise IndicatorError(f"{name}: neither plain text nor valid JSON: {error}") from error
        found = _from_json(data, name)
    elif re.match(r"\s*\"?kind\"?\s*,\s*\"?value\"?", text):
        found = _from_csv(text, name)
    else:
        found = _from_plain(text, name)
    return tuple(sorted(set(found)))


def format_indicators(indicators: Iterable[Indicator], form: Format, *, created: str = EPOCH) -> str:
    """Write *indicators*, sorted, ending in a line break.

    *created* (RFC 3339) is the time that STIX and MISP ask of a document; the same input gives the same text.
    """
    ordered = sorted({_visible(indicator) for indicator in indicators})
    if form == "plain":
        return "".join(f"{indicator.value}{_comment(indicator)}\n" for indicator in ordered)
    if form == "csv":
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(_COLUMNS)
        for indicator in ordered:
            row = (
                str(indicator.kind),
                indicator.value,
                indicator.source,
                indicator.date,
                indicator.description,
            )
            writer.writerow([_cell(value) for value in row])
        return out.getvalue()
    return _to_stix(ordered, created) if form == "stix" else _to_misp(ordered, created)


def make_indicator(
    kind: IndicatorKind, value: str, source: str = "", date: str = "", description: str = ""
) -> Indicator:
    """An indicator in its kind's normal form.

    Raises:
        IndicatorError: *value* is none of *kind*.
    """
    value = value.strip()
    normal = _NORMAL[kind](value)
    if normal is None or _NORMAL[kind](normal) != normal:  # what is written has to be read again
        raise IndicatorError(f"{value[:80]!r} is no {kind}; correct it or leave it out")
    return Indicator(
        kind, normal, " ".join(source.split()), " ".join(date.split()), " ".join(description.split())
    )


def guess_kind(value: str) -> IndicatorKind | None:
    """What kind a bare value is, or None; defanged values (``hxxp``, ``[.]``) are understood."""
    value = refang(value)
    if value.startswith("pkg:"):
        return IndicatorKind.PURL
    if re.match(r"https?://", value, re.IGNORECASE):
        return IndicatorKind.URL
    if _SHA256.fullmatch(value):
        return IndicatorKind.SHA256
    if _SHA512.fullmatch(value):
        return IndicatorKind.SHA512
    if _is_ip(value):
        return IndicatorKind.IP
    if _EMAIL.fullmatch(value):
        return IndicatorKind.EMAIL
    if _ascii_domain(value) is not None:
        return IndicatorKind.DOMAIN
    if _WALLET.fullmatch(value):
        return IndicatorKind.ADDRESS
    return None


def refang(value: str) -> str:
    """*value* as it was before somebody made it harmless to click."""
    value = re.sub(r"\[\.\]|\(\.\)|\{\.\}|\[dot\]|\(dot\)", ".", value.strip(), flags=re.IGNORECASE)
    value = re.sub(
        r"^h(?:xx|\*\*|tt)ps?(?=\[?:)",
        lambda match: "https" if match[0].lower().endswith("s") else "http",
        value,
        flags=re.IGNORECASE,
    )
    return value.replace("[:]", ":").replace("[@]", "@").replace("[at]", "@").replace("[://]", "://")


# --- normal forms ----------------------------------------------------------------------------------------


def _ascii_domain(value: str) -> str | None:
    value = refang(value).strip(".").lower()
    if not value.isascii():
        try:
            value = value.encode("idna").decode("ascii")
        except UnicodeError:
            return None
    return value if _DOMAIN.fullmatch(value) and not _is_ip(value) else None


def _is_ip(value: str) -> bool:
    try:
        ip_address(value)
    except ValueError:
        return False
    return True


def _normal_url(value: str) -> str | None:
    value = refang(value)
    try:
        parts = urlsplit(value)
        host = parts.hostname
    except ValueError:
        return None
    if parts.scheme.lower() not in {"http", "https"} or not host or re.search(r"\s", value):
        return None
    return parts._replace(scheme=parts.scheme.lower(), netloc=parts.netloc.lower()).geturl()


def _normal_purl(value: str) -> str | None:
    match = re.fullmatch(r"pkg:([a-z0-9.+-]+)/([^\s?#]{1,500})(?:[?#]\S*)?", value, re.IGNORECASE)
    if match is None:
        return None
    name, at, version = match[2].rpartition("@")
    if not at or not name:
        name, version = match[2], ""
    path = quote(unquote(name), safe="/-._~")
    return f"pkg:{match[1].lower()}/{path}" + (f"@{quote(unquote(version), safe='.-_~+')}" if version else "")


def _normal_email(value: str) -> str | None:
    value = refang(value).lower()
    return value if _EMAIL.fullmatch(value) else None


def _normal_ip(value: str) -> str | None:
    value = refang(value)
    return str(ip_address(value)) if _is_ip(value) else None


def _normal_wallet(value: str) -> str | None:
    return value if re.fullmatch(r"[A-Za-z0-9:]{20,120}", value) else None


_NORMAL = {
    IndicatorKind.DOMAIN: _ascii_domain,
    IndicatorKind.URL: _normal_url,
    IndicatorKind.EMAIL: _normal_email,
    IndicatorKind.IP: _normal_ip,
    IndicatorKind.ADDRESS: _normal_wallet,
    IndicatorKind.SHA256: lambda value: value.lower() if _SHA256.fullmatch(value) else None,
    IndicatorKind.SHA512: lambda value: value.lower() if _SHA512.fullmatch(value) else None,
    IndicatorKind.PURL: _normal_purl,
}


# --- plain text and CSV ----------------------------------------------------------------------------------


def _from_plain(text: str, name: str) -> list[Indicator]:
    """One value a line; ``#`` begins a comment, which may hold ``source, date``."""
    found: list[Indicator] = []
    for number, line in enumerate(text.splitlines(), 1):
        value, _, comment = line.partition("#") if not line.lstrip().startswith("#") else ("", "", "")
        value = value.strip()
        if not value:
            continue
        if number > _MAX_INDICATORS:
            raise IndicatorError(f"{name}: more than {_MAX_INDICATORS} lines; split the file")
        # hosts files put an address in front of each name
        fields = value.split()
        if len(fields) == 2 and fields[0] in {"0.0.0.0", "127.0.0.1", "::"}:  # noqa: S104 - a hosts file's sink
            value = fields[1]
        kind = guess_kind(value)
        if kind is None:
            raise IndicatorError(f"{name}:{number}: {value[:80]!r} is no indicator; correct or remove the line")
        source, _, date = comment.strip().rpartition(", ")
        found.append(make_indicator(kind, value, source or comment or Path(name).name, date if source else ""))
    return found


def _visible(indicator: Indicator) -> Indicator:
    """*indicator* with escapes in the place of what would steer a terminal, reorder a line or command a CI job.

    Values and descriptions come from the code and the paths of attackers.
    """
    value = _spelled(indicator.value, "%{:02x}" if indicator.kind is IndicatorKind.URL else None)
    source, description = _spelled(indicator.source), _spelled(indicator.description)
    date = _spelled(indicator.date)
    return replace(indicator, value=value, source=source, date=date, description=description[:_LONGEST])


def _spelled(text: str, form: str | None = None) -> str:
    """*text* with escapes as JavaScript spells them, or its UTF-8 bytes in *form*."""
    if not text.isprintable() or _UNSEEN.search(text):
        text = "".join(
            char if char.isprintable() and not _UNSEEN.match(char) else _escape(char, form) for char in text
        )
    return _CI_COMMAND.sub(lambda match: match[1] + _escape("[", form), text)


def _escape(char: str, form: str | None) -> str:
    if form is not None:
        return "".join(map(form.format, char.encode("utf-8", "surrogatepass")))
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\u{{{code:x}}}"


def _comment(indicator: Indicator) -> str:
    told = ", ".join(part for part in (indicator.source, indicator.date) if part)
    return f"  # {told}" if told else ""


def _cell(value: str) -> str:
    """A cell that no spreadsheet takes for a formula."""
    return f"'{value}" if value.lstrip()[:1] in {"=", "+", "-", "@"} else value


def _from_csv(text: str, name: str) -> list[Indicator]:
    found: list[Indicator] = []
    try:
        reader = csv.DictReader(io.StringIO(text), strict=True)
        unknown = [column for column in reader.fieldnames or () if column not in _COLUMNS]
        if unknown:
            raise IndicatorError(
                f"{name}: unknown column {unknown[0]!r}; the columns are {', '.join(_COLUMNS)}"
            )
        for row in reader:
            cells = {key: (row.get(key) or "").removeprefix("'") for key in _COLUMNS}
            where = f"{name}:{reader.line_num}"
            try:
                kind = IndicatorKind(cells["kind"].strip().lower())
            except ValueError:
                raise IndicatorError(
                    f"{where}: {cells['kind'][:40]!r} is no kind; write one of {', '.join(IndicatorKind)}"
                ) from None
            try:
                found.append(
                    make_indicator(
                        kind,
                        cells["value"],
                        cells["source"] or Path(name).name,
                        cells["date"],
                        cells["description"],
                    )
                )
            except IndicatorError as error:
                raise IndicatorError(f"{where}: {error}") from None
    except csv.Error as error:
        raise IndicatorError(f"{name}: not valid CSV: {error}") from error
    return found


# --- STIX and MISP ---------------------------------------------------------------------------------------


def _from_json(data: Any, name: str) -> list[Indicator]:
    if isinstance(data, dict) and data.get("type") == "bundle":
        return _from_stix(data, name)
    events = data if isinstance(data, list) else [data]
    if isinstance(data, dict) and isinstance(data.get("response"), list):
        events = data["response"]
    found: list[Indicator] = []
    for event in events:
        inner = event.get("Event", event) if isinstance(event, dict) else None
        if not isinstance(inner, dict) or not ("Attribute" in inner or "Object" in inner):
            raise IndicatorError(
                f"{name}: JSON, and neither a STIX 2.1 bundle nor MISP events; see docs/mail.md for the formats"
            )
        found += _from_misp(inner, name)
    return found


def _from_stix(bundle: Mapping[str, Any], name: str) -> list[Indicator]:
    objects = bundle.get("objects", [])
    if not isinstance(objects, list):
        raise IndicatorError(f"{name}: the bundle's objects are no list")
    people = {
        str(item.get("id")): str(item.get("name", ""))
        for item in objects
        if isinstance(item, dict) and item.get("type") == "identity"
    }
    found: list[Indicator] = []
    for item in objects:
        if not isinstance(item, dict):
            continue
        source = people.get(str(item.get("created_by_ref")), "") or Path(name).name
        date = str(item.get("valid_from") or item.get("created") or "")[:10]
        date = "" if date == EPOCH[:10] else date
        described = str(item.get("description") or item.get("name") or "")
        if (
            item.get("type") == "indicator"
            and item.get("pattern_type", "stix") == "stix"
            and not item.get("revoked", False)
        ):
            for kind, value in _pattern_values(str(item.get("pattern", ""))):
                found += _lenient(kind, value, source, date, described)
        else:
            kind_here = _STIX_PATHS.get((str(item.get("type")), "value"))
            if kind_here is not None and isinstance(item.get("value"), str):
                found += _lenient(kind_here, item["value"], source, date, "")
    return found


def _pattern_values(pattern: str) -> list[tuple[IndicatorKind, str]]:
    """The values of a pattern that any one of them satisfies; one that wants several at once names none."""
    if re.search(r"\bAND\b|\bFOLLOWEDBY\b|\bNOT\b", re.sub(r"'(?:[^'\\]|\\.)*'", "''", pattern)):
        return []
    found = []
    for match in _CLAUSE.finditer(pattern[:100_000]):
        path = match[2].replace("'", "").replace('"', "")
        kind = _STIX_PATHS.get((match[1], path))
        if kind is not None:
            found.append((kind, re.sub(r"\\(.)", r"\1", match[3])))
    return found


def _from_misp(event: Mapping[str, Any], name: str) -> list[Indicator]:
    organisation = event.get("Orgc")
    source = str(organisation.get("name", "")) if isinstance(organisation, dict) else ""
    attributes = [item for item in _list(event.get("Attribute")) if isinstance(item, dict)]
    for group in _list(event.get("Object")):
        if isinstance(group, dict):
            attributes += [item for item in _list(group.get("Attribute")) if isinstance(item, dict)]
    found: list[Indicator] = []
    for attribute in attributes:
        if (
            attribute.get("to_ids") is False
            or attribute.get("deleted") is True
            or not isinstance(attribute.get("value"), str)
        ):
            continue
        value = attribute["value"]
        written = str(attribute.get("type", ""))
        kind = _MISP_KINDS.get(written)
        if kind is None and written == "domain|ip":
            kind, value = IndicatorKind.DOMAIN, value.partition("|")[0]
        if kind is None and written == "filename|sha256":
            kind, value = IndicatorKind.SHA256, value.rpartition("|")[2]
        if kind is None and written == "filename|sha512":
            kind, value = IndicatorKind.SHA512, value.rpartition("|")[2]
        if kind is None and written in {"text", "other", "link"}:
            guessed = guess_kind(value)
            kind = guessed if guessed in {IndicatorKind.PURL, IndicatorKind.ADDRESS} else None
        if kind is not None:
            date = str(attribute.get("first_seen") or event.get("date") or "")[:10]
            date = "" if date == EPOCH[:10] else date
            found += _lenient(kind, value, source or Path(name).name, date, str(attribute.get("comment") or ""))
    return found


def _lenient(kind: IndicatorKind, value: str, source: str, date: str, description: str) -> list[Indicator]:
    """One indicator, or none where a shared file holds a value that npmguard cannot use."""
    try:
        return [make_indicator(kind, value, source, date, description)]
    except IndicatorError:
        return []


def _is_day(text: str) -> bool:
    try:
        return len(text) == len(EPOCH[:10]) and str(Day.fromisoformat(text)) == text
    except ValueError:  # the 99th of a month
        return False


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _to_stix(indicators: list[Indicator], created: str) -> str:
    import stix2  # noqa: PLC0415 - heavy, and for writing only

    authors: dict[str, Any] = {}
    objects: list[Any] = []
    for source in sorted({indicator.source for indicator in indicators if indicator.source}):
        identity = f"identity--{uuid5(_NAMESPACE, source)}"
        authors[source] = stix2.Identity(
            id=identity, created=created, modified=created, name=source, identity_class="organization"
        )
        objects.append(authors[source])
    for indicator in indicators:
        path = _STIX_TYPES.get(indicator.kind) or (
            "ipv6-addr:value" if ":" in indicator.value else "ipv4-addr:value"
        )
        escaped = indicator.value.replace("\\", "\\\\").replace("'", "\\'")
        more: dict[str, Any] = {"created_by_ref": authors[indicator.source]} if indicator.source else {}
        if indicator.description:
            more["description"] = indicator.description
        objects.append(
            stix2.Indicator(
                id=f"indicator--{uuid5(_NAMESPACE, '|'.join(_identity(indicator)))}",
                created=created,
                modified=created,
                name=f"{indicator.kind} {indicator.value}"[:200],
                indicator_types=["malicious-activity"],
                pattern=f"[{path} = '{escaped}']",
                pattern_type="stix",
                valid_from=f"{indicator.date[:10]}T00:00:00Z" if _is_day(indicator.date[:10]) else created,
                **more,
            )
        )
    bundle = f"bundle--{uuid5(_NAMESPACE, ''.join(str(item['id']) for item in objects))}"
    return str(stix2.Bundle(*objects, id=bundle).serialize(pretty=True)) + "\n"


def _identity(indicator: Indicator) -> tuple[str, ...]:
    return str(indicator.kind), indicator.value, indicator.source, indicator.date


def _to_misp(indicators: list[Indicator], created: str) -> str:
    attributes = []
    for indicator in indicators:
        written, category = _MISP_TYPES[indicator.kind]
        attribute: dict[str, Any] = {
            "uuid": str(uuid5(_NAMESPACE, f"misp|{indicator.kind}|{indicator.value}")),
            "type": written,
            "category": category,
            "value": indicator.value,
            "to_ids": True,
            "comment": indicator.description,
        }
        if _is_day(indicator.date[:10]):
            attribute["first_seen"] = f"{indicator.date[:10]}T00:00:00+00:00"
        attributes.append(attribute)
    sources = sorted({indicator.source for indicator in indicators if indicator.source})
    event: dict[str, Any] = {
        "uuid": str(uuid5(_NAMESPACE, json.dumps([attribute["uuid"] for attribute in attributes]))),
        "info": "Indicators found by npmguard",
        "date": created[:10],
        "threat_level_id": "2",
        "analysis": "2",
        "distribution": "0",
        "published": False,
        "Attribute": attributes,
    }
    if len(sources) == 1:
        event["Orgc"] = {"name": sources[0], "uuid": str(uuid5(_NAMESPACE, f"org|{sources[0]}"))}
    return json.dumps({"Event": event}, indent=2, ensure_ascii=False) + "\n"
