"""npmguard: says which npm dependency versions are compromised, and how it knows.

The library::

    import npmguard

    report = npmguard.scan("path/to/project")
    for package in report.packages:
        if package.verdict is not npmguard.Verdict.CLEAN:
            print(package.name, package.version, package.verdict)

:func:`scan` and :func:`inspect` are what the command line calls; :mod:`npmguard.model` holds every type that
they give back, :mod:`npmguard.config` the settings, :mod:`npmguard.errors` what they raise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from npmguard.api import inspect, scan
    from npmguard.config import Config, load_config
    from npmguard.errors import NpmguardError
    from npmguard.model import Finding, PackageReport, ScanReport, Verdict

__version__ = "0.1.0"

__all__ = [
    "Config",
    "Finding",
    "NpmguardError",
    "PackageReport",
    "ScanReport",
    "Verdict",
    "inspect",
    "load_config",
    "scan",
]

_HOMES = {
    "Config": "npmguard.config",
    "Finding": "npmguard.model",
    "NpmguardError": "npmguard.errors",
    "PackageReport": "npmguard.model",
    "ScanReport": "npmguard.model",
    "Verdict": "npmguard.model",
    "inspect": "npmguard.api",
    "load_config": "npmguard.config",
    "scan": "npmguard.api",
}


def __getattr__(name: str) -> object:
    """Import a public name when it is first asked for: a command pays for what it uses."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415 - see above

    value: object = getattr(import_module(home), name)
    return value
