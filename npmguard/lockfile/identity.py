"""npm's rules for what may be a package name, a version and an entry's location."""

from __future__ import annotations

import re

# validate-npm-package-name, "valid for old packages": what encodeURIComponent leaves alone. A leading hyphen,
# which newer npm refuses, is kept: the registry holds a package named "-".
_NAME = re.compile(r"(?:@[A-Za-z0-9_.!~*'()-]+/(?!\.)|(?![._]))[A-Za-z0-9_.!~*'()-]+")
_NAME_LENGTH = 214
_RESERVED = frozenset({"node_modules", "favicon.ico"})

# The regular expression that semver.org gives for Semantic Versioning 2.0.0.
_VERSION = re.compile(
    r"(?:0|[1-9][0-9]*)\.(?:0|[1-9][0-9]*)\.(?:0|[1-9][0-9]*)"
    r"(?:-(?:0|[1-9][0-9]*|[0-9]*[a-zA-Z-][0-9a-zA-Z-]*)(?:\.(?:0|[1-9][0-9]*|[0-9]*[a-zA-Z-][0-9a-zA-Z-]*))*)?"
    r"(?:\+[0-9a-zA-Z-]+(?:\.[0-9a-zA-Z-]+)*)?"
)
_VERSION_LENGTH = 256  # node-semver's own cap

_INSTALLED = re.compile(r"(?:.*/)?node_modules/((?:@[^/]+/)?[^/]+)", re.DOTALL)
_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\\]")
LOCATION_LENGTH = 4096
"""The longest location that is worked with, in characters: PATH_MAX of Linux."""


def is_package_name(name: str) -> bool:
    """Whether a registry could hold a package of that name, scope included."""
    return len(name) <= _NAME_LENGTH and _NAME.fullmatch(name) is not None and name.lower() not in _RESERVED


def is_version(version: str) -> bool:
    """Whether *version* is one exact version as Semantic Versioning 2.0.0 spells it."""
    return len(version) <= _VERSION_LENGTH and _VERSION.fullmatch(version) is not None


def is_clean_location(location: str) -> bool:
    """Whether *location* is a relative path in the one spelling that npm writes.

    ``..`` may lead (a linked folder beside the project) and stand nowhere else: npm resolves the path before
    it installs there, so that another spelling could hide what a reader compares by name. A backslash parts
    folders on Windows alone, so it could hide a package there.
    """
    if len(location) > LOCATION_LENGTH or _UNSAFE.search(location):
        return False
    segments = location.split("/")
    while segments and segments[0] == "..":
        segments.pop(0)
    return all(segment not in {"", ".", ".."} for segment in segments)


def installed_name(location: str) -> str | None:
    """The name under which the package at *location* is installed; None for a folder outside node_modules."""
    match = _INSTALLED.fullmatch(location)
    return match[1] if match else None
