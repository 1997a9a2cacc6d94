"""What mail judgement knows of brands, phrases and hosts: ``rules/{brands,phrases,links}/*.yaml``.

They end in ``.yaml`` so that the loader of detection rules (``.yml``) does not take them for rules.
"""

from __future__ import annotations

import datetime as dt
from functools import cache
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import msgspec

from npmguard.errors import RuleError

LANGUAGES = ("de", "en", "es", "fr", "ja", "ru", "zh")
PhraseKind = Literal["demand", "pressure", "lure", "voice", "roles", "context"]

_Struct = TypeVar("_Struct", bound=msgspec.Struct)


class Labels(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Domain labels that stand for a brand.

    A plain one is an ordinary word or abbreviation elsewhere too. An exclusive one (distinctive as well) is so
    much the brand's that nobody names a tool or a site for it with an addition.
    """

    distinctive: tuple[str, ...] = ()
    exclusive: tuple[str, ...] = ()
    plain: tuple[str, ...] = ()


class BrandDomain(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A domain that the brand owns, subdomains included; ``mail``: it sends.

    ``source`` is a page that attests it, and ``checked`` the day on which somebody looked.
    """

    domain: str
    mail: bool
    source: str
    checked: dt.date


class RelatedDomain(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A domain of somebody else that resembles the brand's by right or by chance."""

    domain: str
    why: str


class Brand(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A package registry or code host.

    ``names`` is what people call it. ``content`` are its domains that serve what users put there: its own, and
    no place to sign in. ``also_imitated`` are labels of owned domains that are imitated as well. A
    ``self_hosted`` brand is software that others run under their own domains.
    """

    id: str
    title: str
    names: tuple[str, ...]
    labels: Labels
    domains: tuple[BrandDomain, ...]
    self_hosted: bool
    content: tuple[str, ...] = ()
    related: tuple[RelatedDomain, ...] = ()
    also_imitated: tuple[str, ...] = ()


class Campaign(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One phishing campaign against publishers; ``date`` is the day of the report in ``sources``."""

    id: str
    date: dt.date
    title: str
    sources: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)]
    checked: dt.date
    domains: tuple[str, ...] = ()
    emails: tuple[str, ...] = ()
    urls: tuple[str, ...] = ()


class Campaigns(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The phishing campaigns that ship with npmguard."""

    campaigns: tuple[Campaign, ...]


class Redirector(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A host whose links spell their target: in a parameter of ``query``, or in the path."""

    host: str
    form: Literal["plain", "path", "dashes", "proofpoint-2", "proofpoint-3", "bing"]
    path: str = ""
    query: tuple[str, ...] = ()


class Hosts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Hosts that hide a target, that say nothing, or that anybody may send from; and the words of lures."""

    redirectors: tuple[Redirector, ...]
    redirect_parameters: frozenset[str]
    shorteners: frozenset[str]
    trackers: frozenset[str]
    neutral: frozenset[str]
    freemail: frozenset[str]
    lure_words: frozenset[str]


class PhraseExamples(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Sentences that the patterns of one language must find, and ones that they must not."""

    match: tuple[str, ...]
    no_match: tuple[str, ...]


class PhraseLanguage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The patterns of one language, in RE2's syntax, over lower-case text with single spaces."""

    patterns: tuple[str, ...]
    examples: PhraseExamples


class PhraseSet(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One thing that a message may say, in every language; ``{brand}`` stands for a brand's names."""

    id: str
    title: str
    kind: PhraseKind
    description: str
    languages: dict[str, PhraseLanguage]


def data_folder() -> Path:
    """The folder of the data that comes with npmguard: in the wheel, or beside the package."""
    package = Path(__file__).parents[1]
    inside = package / "rules"
    return inside if inside.is_dir() else package.parent / "rules"


@cache
def load_brands() -> tuple[Brand, ...]:
    """Every brand, sorted by id.

    Raises:
        RuleError: a file does not keep the format.
    """
    brands = tuple(_read(path, Brand) for path in _files("brands"))
    for brand in brands:
        if not brand.labels.distinctive and not brand.labels.plain:
            raise RuleError(f"brands/{brand.id}.yaml: no label stands for the brand; add one under labels")
    return brands


@cache
def load_phrases() -> tuple[PhraseSet, ...]:
    """Every phrase set, sorted by id.

    Raises:
        RuleError: a file does not keep the format, lacks a language or has examples on one side only.
    """
    sets = tuple(_read(path, PhraseSet) for path in _files("phrases"))
    for phrases in sets:
        missing = [language for language in LANGUAGES if language not in phrases.languages]
        unknown = [language for language in phrases.languages if language not in LANGUAGES]
        if missing or unknown:
            raise RuleError(
                f"phrases/{phrases.id}.yaml: languages must be {', '.join(LANGUAGES)}; see {missing + unknown}"
            )
        for language, entry in phrases.languages.items():
            if not entry.examples.match or not entry.examples.no_match:
                raise RuleError(
                    f"phrases/{phrases.id}.yaml: {language} has examples on one side only; add the other"
                )
    return sets


@cache
def load_hosts() -> Hosts:
    """What is known of hosts that are no brand's.

    Raises:
        RuleError: the file does not keep the format.
    """
    path = data_folder() / "links" / "hosts.yaml"
    return _decode(path, Hosts)


@cache
def load_campaigns() -> tuple[Campaign, ...]:
    """The phishing campaigns that ship with npmguard, as ``rules/intel/mail-campaigns.yaml`` lists them.

    Raises:
        RuleError: the file does not keep the format.
    """
    return _decode(data_folder() / "intel" / "mail-campaigns.yaml", Campaigns).campaigns


def _files(folder: str) -> tuple[Path, ...]:
    found = tuple(sorted((data_folder() / folder).glob("*.yaml")))
    if not found:
        raise RuleError(f"{data_folder() / folder}: no data files; install npmguard again")
    return found


def _read(path: Path, kind: type[_Struct]) -> _Struct:
    value = _decode(path, kind)
    if getattr(value, "id", None) != path.stem:
        raise RuleError(f"{path.parent.name}/{path.name}: id and file name differ; make them equal")
    return value


def _decode(path: Path, kind: type[_Struct]) -> _Struct:
    try:
        return msgspec.yaml.decode(path.read_bytes(), type=kind)
    except OSError as error:
        raise RuleError(f"{path}: cannot be read: {error.strerror}; install npmguard again") from error
    except msgspec.DecodeError as error:
        raise RuleError(f"{path.parent.name}/{path.name}: {error}") from error
