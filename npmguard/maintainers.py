"""Who may publish the packages of a lock, as their registries say now."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import msgspec

from npmguard.errors import RegistryError
from npmguard.model import Maintainer
from npmguard.registry.client import RegistryClient
from npmguard.registry.npmrc import load_npm_config

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from npmguard.config import Config


class _Person(msgspec.Struct):
    name: str = ""
    email: str = ""


class _Document(msgspec.Struct):
    maintainers: list[_Person] | None = None


def maintainers_of(
    names: Sequence[str], config: Config
) -> tuple[Mapping[str, tuple[Maintainer, ...]], Mapping[str, str]]:
    """Ask for the maintainers of each package, and say of each that has no answer why.

    The registry is the one that npm is configured with in the working directory. A registry that names no
    maintainers (some mirrors leave them out) is a reason, not an empty answer.
    """
    known: dict[str, tuple[Maintainer, ...]] = {}
    problems: dict[str, str] = {}
    npm = load_npm_config(Path(), os.environ)
    with (
        RegistryClient(npm, config.network, config.limits, None) as client,
        ThreadPoolExecutor(config.network.threads) as executor,
    ):
        for name, answer in zip(names, executor.map(lambda name: _ask(client, name), names), strict=True):
            if isinstance(answer, str):
                problems[name] = answer
            else:
                known[name] = answer
    return known, problems


def _ask(client: RegistryClient, name: str) -> tuple[Maintainer, ...] | str:
    try:
        document = msgspec.json.decode(client.resource(quote(name, safe="@"), name), type=_Document)
    except RegistryError as error:
        return str(error)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return f"its packument cannot be read: {error}"
    if document.maintainers is None:
        return "the registry does not say who maintains it"
    return tuple(Maintainer(person.name, person.email) for person in document.maintainers)
