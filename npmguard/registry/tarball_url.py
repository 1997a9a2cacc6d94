"""Where npm would fetch a locked package's tarball from.

After ``#registryResolved`` in ``@npmcli/arborist/lib/arborist/reify.js`` and ``pacote/lib/remote.js``.
"""

from __future__ import annotations

import re
from urllib.parse import quote, urlsplit

from npmguard.errors import NotInRegistry, RegistryProtocolError
from npmguard.model import LockedPackage, Release
from npmguard.registry.npmrc import NpmConfig
from npmguard.registry.urls import HttpUrl

_NAME = re.compile(r"(?:@[^/@%\\\s\x00-\x20]+/)?[^/@%\\\s\x00-\x20]+")
_MAX_NAME = 512  # npm allows 214 today; older names are longer


def tarball_url(npm: NpmConfig, package: LockedPackage, release: Release | None) -> HttpUrl:
    """The lock's URL, else the registry's, else the usual place; on the configured registry where npm moves it.

    Raises:
        RegistryProtocolError: the URL that the lock or the registry gives is not one of http or https.
        NotInRegistry: there is no URL, and no registry can hold a package of that name.
    """
    if package.resolved is not None:
        return _checked(npm, package.resolved, f"the lockfile's URL of {package.name}@{package.version}")
    if release is not None:
        return _checked(npm, release.dist.tarball, f"the registry's URL of {package.name}@{package.version}")
    check_name(package.name)
    base = package.name.rpartition("/")[2]
    path = f"{quote(package.name, safe='@/')}/-/{quote(f'{base}-{package.version}', safe='')}.tgz"
    return HttpUrl.parse(npm.registry_for(package.name)).below(path)


def packument_url(npm: NpmConfig, name: str) -> HttpUrl:
    """Where the registry of the package *name* has its document; a scope's ``/`` is written ``%2f``.

    Raises:
        NotInRegistry: no registry can hold a package of that name.
    """
    check_name(name)
    return HttpUrl.parse(npm.registry_for(name)).below(quote(name, safe="@").replace("%2F", "%2f"))


def check_name(name: str) -> None:
    """Refuse what would ask a registry for something else than a package.

    Raises:
        NotInRegistry: the name holds what no name can hold.
    """
    plain = name.rpartition("/")[2]
    if not _NAME.fullmatch(name) or len(name) > _MAX_NAME or plain in {".", ".."}:
        raise NotInRegistry(f"{name[:80]!r} is not a name that a registry can hold a package under")


def replace_host(npm: NpmConfig, url: HttpUrl) -> HttpUrl:
    """Move *url* to the configured registry where ``replace-registry-host`` says so, as npm does.

    By default a URL of registry.npmjs.org stands for whatever registry is configured. That is the default
    registry for scoped packages too, as in npm. The registry's own path is put before the URL's unless it is
    there already; pacote alone, for packages without ``resolved``, would leave it out.
    """
    rule = npm.replace_registry_host
    registry = HttpUrl.parse(npm.registry)
    prefix = registry.path.rstrip("/")
    old_host, old_prefix = _replaced(rule)
    if rule != "always" and url.host != old_host:
        return url
    if old_prefix:
        if not _is_below(url.path, old_prefix):
            return url
        path = prefix + url.path[len(old_prefix) :]
    elif prefix and not _is_below(url.path, prefix):
        path = prefix + url.path
    else:
        path = url.path
    return HttpUrl(registry.scheme, registry.host, registry.port, path or "/", url.query)


def _replaced(rule: str) -> tuple[str, str]:
    """The host, and the path prefix, that a rule other than ``always`` speaks of."""
    if rule == "npmjs":
        return "registry.npmjs.org", ""
    if "://" in rule:
        try:
            parts = urlsplit(rule)
        except ValueError:
            return rule, ""
        return (parts.hostname or ""), parts.path.rstrip("/")
    return rule, ""  # "never" is the name of no host


def _is_below(path: str, prefix: str) -> bool:
    return path == prefix or path.startswith(f"{prefix}/")


def _checked(npm: NpmConfig, text: str, what: str) -> HttpUrl:
    try:
        return replace_host(npm, HttpUrl.parse(text))
    except ValueError as error:
        raise RegistryProtocolError(f"{what} {error}, so that it is not fetched") from None
