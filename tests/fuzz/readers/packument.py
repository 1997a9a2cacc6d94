"""The registry's documents of packages."""

from __future__ import annotations

from npmguard.errors import RegistryProtocolError
from npmguard.registry.packument import decode_packument, encode_packument
from tests.fuzz.harness import Harness, refused

_REGISTRY = "https://registry.npmjs.org/"


def read(data: bytes) -> str:
    """A packument whose every release can be read or is refused by name, or an error of one line."""
    try:
        projection = encode_packument("sample", _REGISTRY, data)
        packument = decode_packument("sample", _REGISTRY, projection)
    except RegistryProtocolError as error:
        return refused(error)
    outcomes = []
    for version in packument.releases:
        try:
            release = packument.releases[version]
        except RegistryProtocolError as error:
            outcomes.append(refused(error))
        else:
            outcomes.append(str(release.dist.integrity is None))
    for mapping in (packument.times, packument.maintainers, packument.addresses):
        for key in mapping:
            mapping[key]
    return " ".join((str(packument.unpublished), *sorted(set(outcomes))))


HARNESS = Harness(
    read,
    "json",
    words=(
        b'"name":"sample"',
        b'"versions":{',
        b'"time":{',
        b'"dist":{',
        b'"maintainers":[',
        b'"dist-tags":',
        b'"signatures":[',
    ),
    share=2000,
)
