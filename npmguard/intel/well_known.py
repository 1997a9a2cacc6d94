"""What stands in the code of attacks and belongs to no attacker.

``rules/intel/well-known.json`` holds hosts that everybody uses, hosts where anyone may put something, networks
and wallet addresses. It keeps them out of the indicators that are written, and of those that records bring.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import msgspec

from npmguard.errors import RuleError
from npmguard.model import Indicator, IndicatorKind
from npmguard.shipped import shipped_folder


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    schema: Literal["npmguard.well-known/1"]
    comment: str
    hosts: tuple[str, ...]
    shared: dict[str, str]
    prefixes: tuple[str, ...]
    networks: tuple[str, ...]
    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class WellKnown:
    """The data file, ready to be asked; hosts are in lower case, addresses as :func:`_folded` writes them."""

    below: frozenset[str]
    exact: frozenset[str]
    patterns: tuple[str, ...]
    shared: dict[str, re.Pattern[str]]
    prefixes: tuple[str, ...]
    networks: tuple[IPv4Network | IPv6Network, ...]
    addresses: frozenset[str]

    def covers(self, indicator: Indicator) -> bool:
        """Whether *indicator* names what is everybody's, and so tells nothing of an attack."""
        if indicator.kind is IndicatorKind.DOMAIN:
            return self.is_common_host(indicator.value)
        if indicator.kind is IndicatorKind.IP:
            return self._is_common_ip(indicator.value)
        if indicator.kind is IndicatorKind.URL:
            return self._is_common_url(indicator.value)
        return indicator.kind is IndicatorKind.ADDRESS and _folded(indicator.value) in self.addresses

    def is_common_host(self, host: str) -> bool:
        """Whether *host* is one that everybody uses, or one where anyone may put something."""
        host = host.lower().rstrip(".")
        if host in self.exact or host in self.shared or any(fnmatchcase(host, it) for it in self.patterns):
            return True
        labels = host.split(".")
        return any(".".join(labels[start:]) in self.below for start in range(len(labels)))

    def _is_common_ip(self, value: str) -> bool:
        address = ip_address(value.strip("[]"))
        return any(address in network for network in self.networks)

    def _is_common_url(self, url: str) -> bool:
        parts = urlsplit(url)
        host = (parts.hostname or "").lower()
        if url.startswith(self.prefixes):
            return True
        own = self.shared.get(host)
        if own is not None:
            return own.match(parts.path + (f"?{parts.query}" if parts.query else "")) is None
        try:
            return self._is_common_ip(host)
        except ValueError:
            return self.is_common_host(host)


@cache
def load_well_known(path: Path | None = None) -> WellKnown:
    """Read the data file that ships with npmguard, or another.

    Raises:
        RuleError: it is missing or does not keep the format.
    """
    path = path if path is not None else shipped_folder() / "intel" / "well-known.json"
    try:
        file = msgspec.json.decode(path.read_bytes(), type=_File)
        return WellKnown(
            below=frozenset(it for it in file.hosts if not it.startswith("=") and "*" not in it),
            exact=frozenset(it[1:] for it in file.hosts if it.startswith("=")),
            patterns=tuple(it for it in file.hosts if "*" in it),
            shared={host: re.compile(own) for host, own in file.shared.items()},
            prefixes=file.prefixes,
            networks=tuple(ip_network(it) for it in file.networks),
            addresses=frozenset(map(_folded, file.addresses)),
        )
    except OSError as error:
        raise RuleError(f"{path}: cannot be read: {error.strerror}; install npmguard anew") from error
    except (msgspec.DecodeError, UnicodeDecodeError, re.error, ValueError) as error:
        raise RuleError(f"{path}: {error}") from error


def _folded(address: str) -> str:
    return address.lower() if address[:2].lower() == "0x" else address
