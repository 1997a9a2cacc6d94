"""A release's attestations, as its registry holds them."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

from npmguard.errors import NotInRegistry, RegistryError
from npmguard.registry.client import RegistryClient
from npmguard.registry.evidence import Answer, Held, NotAsked, NotHeld
from npmguard.registry.keys import has_list
from npmguard.registry.tarball_url import check_name

PATH: Final = "-/npm/v1/attestations/"


def attestations(client: RegistryClient, name: str, version: str) -> Answer:
    """Ask the registry that *name* comes from; worth it only where the packument's ``dist`` announces some.

    As npm does, the registry that is configured is asked and not the URL that the packument names.
    """
    what = f"the attestations of {name}@{version}"
    try:
        check_name(name)
        path = f"{PATH}{quote(name, safe='@').replace('%2F', '%2f')}@{quote(version, safe='')}"
        document = client.resource(path, name)
    except NotInRegistry:
        return NotHeld(f"{what} are announced, and the registry does not hold them")
    except RegistryError as error:
        return NotAsked(str(error))
    if not has_list(document, "attestations"):
        return NotAsked(f"{what}: the registry does not answer with a list of attestations")
    return Held(document)
