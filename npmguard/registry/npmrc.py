"""npm's own configuration, as far as it decides which registry is asked and how.

Read as npm 10 and 11 read it (``@npmcli/config``, and ``npm-registry-fetch/lib/auth.js`` for credentials). From
the strongest to the weakest: ``npm_config_*`` of the environment, the project's ``.npmrc``, the user's, the
global one, the one in npm's own folder, defaults. Where npm itself stops, :class:`~npmguard.errors.NpmrcError`
is raised; where npm passes over a value with a warning, so does this, and says so in :attr:`NpmConfig.notes`.
"""

from __future__ import annotations

import binascii
import os
import re
import shutil
import stat
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec

from npmguard.errors import NpmrcError
from npmguard.registry.ini import WHITE_SPACE, Value, as_text, decode
from npmguard.registry.urls import HttpUrl

DEFAULT_REGISTRY: Final = "https://registry.npmjs.org/"
_MAX_FILE_BYTES = 4 * 1024**2
_MAX_PACKAGE_JSON_BYTES = 16 * 1024**2

_PATHS = frozenset({"cache", "cafile", "globalconfig", "prefix", "userconfig"})
_BOOLEANS = frozenset({"global", "strict-ssl"})
_NUMBERS = frozenset({"fetch-retries", "fetch-timeout", "maxsockets"})
_LISTS = frozenset({"ca", "noproxy"})
_STRINGS = _PATHS | {"ca", "noproxy", "replace-registry-host"}
_UNSCOPED_CREDENTIALS = ("_auth", "_authToken", "_authtoken", "-authtoken", "_password", "username")
_SECRET_NAMES = ("_authToken", "_auth", "_password")

_VARIABLE = re.compile(r"(?<!\\)(\\*)\$\{([^${}?]+)(\?)?\}")
_LITERALS: dict[str, bool | None] = {"true": True, "false": False, "null": None, "undefined": None}


@dataclass(frozen=True, slots=True)
class Credentials:
    """What npm's configuration holds for one registry: an ``Authorization`` header, a client certificate.

    ``key`` is where it is bound to, as written: ``//host/path/``.
    """

    key: str
    authorization: str | None = field(default=None, repr=False)
    client_certificate: tuple[Path, Path] | None = None  # certificate file, key file


@dataclass(frozen=True, slots=True)
class NpmConfig:
    """The part of npm's configuration that a registry client needs. Times in seconds.

    ``registry`` and the values of ``scopes`` (keys with their ``@``) are base URLs that end in ``/``. ``ca``
    holds PEM certificates that take the place of the usual ones; ``extra_ca`` is Node.js's own list of
    further ones. ``cache`` is npm's cache folder. What is None was not configured. ``secrets`` maps keys like
    ``//host/path/:_authToken`` to their values. ``files`` are the files read, strongest first; ``notes`` says
    what was passed over, one line each.
    """

    registry: str = DEFAULT_REGISTRY
    scopes: Mapping[str, str] = field(default_factory=dict)
    replace_registry_host: str = "npmjs"
    strict_ssl: bool = True
    ca: tuple[str, ...] = field(default=(), repr=False)
    extra_ca: Path | None = None
    proxy: str | None = field(default=None, repr=False)
    https_proxy: str | None = field(default=None, repr=False)
    noproxy: str = ""
    environment_proxies: Mapping[str, str] = field(default_factory=dict, repr=False)
    cache: Path | None = None
    fetch_timeout: float | None = None
    fetch_retries: int | None = None
    maxsockets: int | None = None
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    files: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()

    def registry_for(self, name: str) -> str:
        """The base URL of the registry that a package of that name comes from."""
        scope = name.partition("/")[0] if name.startswith("@") else None
        return self.scopes.get(scope, self.registry) if scope else self.registry

    @property
    def registries(self) -> tuple[str, ...]:
        """Every registry that is configured, the default one first."""
        return (self.registry, *sorted(set(self.scopes.values()) - {self.registry}))

    def credentials_for(self, url: HttpUrl) -> Credentials | None:
        """What may be sent to *url*: the credentials whose host and path are the longest that cover it.

        Stricter than npm in two ways. It sends a registry's credentials to every path of its host; here the
        path counts. And nothing is sent over plain http, unless a registry there is configured as http.
        """
        if url.scheme == "http" and not any(
            self._origin_of(registry) == url.origin for registry in self.registries
        ):
            return None
        key = f"//{url.authority}{url.path}"
        while len(key) > len("//"):
            found = self._credentials_at(key)
            if found is not None:
                return found
            # both //host/path/:_authToken and //host/path:_authToken are spellings in use
            key = key[:-1] if key.endswith("/") else key[: key.rindex("/") + 1]
        return None

    def proxy_for(self, url: HttpUrl) -> str | None:
        """The proxy that npm would ask for *url*, as a URL that may hold credentials; None for none."""
        variables = self.environment_proxies
        proxy = self.https_proxy or self.proxy or variables.get("https_proxy")
        if not proxy and url.scheme == "http":
            proxy = variables.get("http_proxy") or variables.get("proxy")
        if not proxy:
            return None
        labels = url.host.split(".")[::-1]
        for entry in (self.noproxy or variables.get("no_proxy", "")).split(","):
            suffix = [label for label in entry.strip(WHITE_SPACE).split(".") if label][::-1]
            if suffix and labels[: len(suffix)] == suffix:
                return None
        return proxy

    @staticmethod
    def _origin_of(registry: str) -> str:
        return HttpUrl.parse(registry).origin

    def _credentials_at(self, key: str) -> Credentials | None:
        values = {
            name: self.secrets.get(f"{key}:{name}")
            for name in ("_authToken", "_auth", "username", "_password", "certfile", "keyfile")
        }
        authorization = None
        if values["_authToken"]:
            authorization = f"Bearer {values['_authToken']}"
        elif values["_auth"]:
            authorization = f"Basic {values['_auth']}"
        elif values["username"] and values["_password"]:
            pair = f"{values['username']}:{_decode_base64(values['_password'])}"
            authorization = f"Basic {b64encode(pair.encode()).decode('ascii')}"
        certificate = None
        if values["certfile"] and values["keyfile"]:
            certificate = (Path(values["certfile"]), Path(values["keyfile"]))
        if authorization is None and certificate is None:
            return None
        return Credentials(key, authorization, certificate)


def load_npm_config(project: Path, environ: Mapping[str, str]) -> NpmConfig:
    """Read what npm would be configured with when it runs in the folder *project*.

    Args:
        project: the folder of the project; relative paths in the configuration start here, as npm is run here.
        environ: the environment, ``os.environ`` as a rule.

    Raises:
        NpmrcError: a file cannot be read, or a value in it stops npm too; names the file and the line.
    """
    return _Loader(project.resolve(), environ).load()


@dataclass(frozen=True, slots=True)
class _Layer:
    """One source of settings: ``name`` for messages, ``lines`` where its keys stand."""

    name: str
    values: Mapping[str, Value]
    lines: Mapping[str, int] = field(default_factory=dict)
    is_file: bool = False

    def place(self, key: str) -> str:
        line = self.lines.get(key)
        return self.name if line is None else f"{self.name}:{line}"


class _Loader:
    """Collects the layers, weakest first, then takes from them what :class:`NpmConfig` holds."""

    def __init__(self, project: Path, environ: Mapping[str, str]) -> None:
        self._project = project
        self._environ = environ
        self._home = Path(environ.get("HOME") or Path.home())
        self._notes: list[str] = []
        self._layers: dict[str, _Layer] = {}

    def load(self) -> NpmConfig:
        node = shutil.which("node", path=self._environ.get("PATH"))
        prefix = self._environ.get("PREFIX") or self._node_prefix(node)
        self._add("default", {"prefix": prefix, "userconfig": str(self._home / ".npmrc")})
        npm_folder = self._npm_folder(prefix)
        if npm_folder is not None:
            self._add_file("builtin", npm_folder / "npmrc")
        self._add("env", self._from_environment(), "the environment")
        user_file = Path(str(self._get("userconfig")))
        if self._get("global") is not True and self._get("location") != "global":
            project_file = self._local_prefix() / ".npmrc"
            if project_file != user_file:
                self._add_file("project", project_file)
        self._add_file("user", Path(str(self._get("userconfig"))))
        global_file = self._get("globalconfig") or self._resolve(f"{self._get('prefix')}/etc/npmrc")
        self._add_file("global", Path(str(global_file)))
        return self._config()

    # --- layers -------------------------------------------------------------------------------------------

    def _by_strength(self) -> Iterator[_Layer]:
        for kind in ("env", "project", "user", "global", "builtin", "default"):
            if kind in self._layers:
                yield self._layers[kind]

    def _get(self, key: str) -> Value:
        return next((layer.values[key] for layer in self._by_strength() if key in layer.values), None)

    def _add(self, kind: str, raw: Mapping[str, Value], name: str = "") -> None:
        values = {(k := self._expand(key)): self._coerce(k, value) for key, value in raw.items()}
        self._layers[kind] = _Layer(name or kind, values)

    def _add_file(self, kind: str, path: Path) -> None:
        if any(layer.name == str(path) for layer in self._layers.values()):
            return  # npm refuses to read one file as two kinds; nothing is lost by passing over it
        text = _read(path, _MAX_FILE_BYTES)
        if text is None:
            return
        raw = decode(text)
        values = {(k := self._expand(key)): self._coerce(k, value) for key, value in raw.values.items()}
        lines = {self._expand(key): line for key, line in raw.lines.items()}
        self._layers[kind] = _Layer(str(path), values, lines, is_file=True)

    def _from_environment(self) -> dict[str, Value]:
        settings: dict[str, Value] = {}
        for variable, value in self._environ.items():
            key = variable[len("npm_config_") :]
            if not variable.lower().startswith("npm_config_") or not value or not key:
                continue
            if not key.startswith("//"):
                key = (key[0] + key[1:].replace("_", "-")).lower()
            settings[key] = value
        return settings

    def _expand(self, text: str) -> str:
        """Put the values of environment variables in, as ``@npmcli/config/lib/env-replace.js`` does."""

        def replace(match: re.Match[str]) -> str:
            escapes, name, optional = match.groups()
            if len(escapes) % 2:
                return match[0][(len(escapes) + 1) // 2 :]
            fallback = "" if optional else f"${{{name}}}"
            return escapes[len(escapes) // 2 :] + self._environ.get(name, fallback)

        return _VARIABLE.sub(replace, text)

    def _coerce(self, key: str, value: Value, *, element: bool = False) -> Value:
        """Give a value its type, as ``@npmcli/config/lib/parse-field.js`` does."""
        is_list = key in _LISTS and not element
        if isinstance(value, list):
            return [self._coerce(key, item, element=True) for item in value] if is_list else value
        if not isinstance(value, str):
            return value
        text = value.strip(WHITE_SPACE)
        if is_list:
            return [self._coerce(key, item, element=True) for item in text.split("\n\n")]
        if key in _BOOLEANS and not text:
            return True
        if key not in _STRINGS and key not in _NUMBERS and text in _LITERALS:
            return _LITERALS[text]
        text = self._expand(text)
        return self._resolve(text) if key in _PATHS else text

    def _resolve(self, path: str) -> str:
        return os.path.normpath(self._home / path[2:] if path.startswith("~/") else self._project / path)

    # --- where the files are ------------------------------------------------------------------------------

    def _node_prefix(self, node: str | None) -> str:
        if node is None:
            return "/usr/local"
        prefix = str(Path(node).resolve().parent.parent)
        destination = self._environ.get("DESTDIR")
        return os.path.normpath(f"{destination}/{prefix}") if destination else prefix

    def _npm_folder(self, prefix: str) -> Path | None:
        """The folder of the npm package itself, which may hold a distributor's ``npmrc``."""
        npm = shutil.which("npm", path=self._environ.get("PATH"))
        candidates = [Path(npm).resolve().parent.parent] if npm is not None else []
        candidates.append(Path(prefix) / "lib" / "node_modules" / "npm")
        return next((folder for folder in candidates if (folder / "bin" / "npm-cli.js").is_file()), None)

    def _local_prefix(self) -> Path:
        """The project's root: the nearest folder upwards with a package.json or node_modules.

        When that is a workspace of a project further up, it is that project.
        """
        found: Path | None = None
        for folder in (self._project, *self._project.parents):
            manifest = folder / "package.json"
            has_manifest = manifest.is_file()
            if found is None:
                if has_manifest or (folder / "node_modules").is_dir():
                    found = folder
            elif has_manifest and _is_workspace(found, folder, manifest):
                return folder
        return found or self._project

    # --- what is taken from them --------------------------------------------------------------------------

    def _config(self) -> NpmConfig:
        self._note_unscoped_credentials()
        secrets = self._secrets()
        return NpmConfig(
            registry=self._default_registry(secrets),
            scopes=self._scopes(secrets),
            replace_registry_host=str(self._get("replace-registry-host") or "npmjs"),
            strict_ssl=self._strict_ssl(),
            ca=self._ca(),
            extra_ca=self._extra_ca(),
            proxy=self._proxy("proxy"),
            https_proxy=self._proxy("https-proxy"),
            noproxy=self._noproxy(),
            environment_proxies=self._environment_proxies(),
            cache=Path(cache) if isinstance(cache := self._get("cache"), str) else self._home / ".npm",
            fetch_timeout=None if (timeout := self._number("fetch-timeout")) is None else timeout / 1000,
            fetch_retries=None if (retries := self._number("fetch-retries")) is None else int(retries),
            maxsockets=None if (sockets := self._number("maxsockets")) is None else max(1, int(sockets)),
            secrets=secrets,
            files=tuple(Path(layer.name) for layer in self._by_strength() if layer.is_file),
            notes=tuple(self._notes),
        )

    def _default_registry(self, secrets: dict[str, str]) -> str:
        for layer in self._by_strength():
            if "registry" in layer.values:
                text = as_text(layer.values["registry"])
                return _base_url(text, layer.place("registry"), "registry", secrets)
        return DEFAULT_REGISTRY

    def _scopes(self, secrets: dict[str, str]) -> dict[str, str]:
        scopes: dict[str, str] = {}
        for layer in self._by_strength():
            for key, value in layer.values.items():
                scope, _, name = key.rpartition(":")
                if name.lower() == "registry" and scope.startswith("@") and scope not in scopes and value:
                    scopes[scope] = _base_url(as_text(value), layer.place(key), key, secrets)
        return scopes

    def _secrets(self) -> dict[str, str]:
        secrets: dict[str, str] = {}
        for layer in self._by_strength():
            for key, value in layer.values.items():
                if not key.startswith("//") or key in secrets:
                    continue
                text = "" if value is None or value is False else as_text(value)
                if key.endswith((":certfile", ":keyfile")) and text:
                    text = os.path.normpath(self._project / text)
                if key.endswith((":_authToken", ":_auth")) and not all(" " <= it <= "~" for it in text):
                    raise NpmrcError(
                        f"{layer.place(key)}: {_shown(key)} holds a character that a header cannot carry; "
                        "copy the value again"
                    )
                if key.endswith(_SECRET_NAMES) and (missing := _VARIABLE.search(text)):
                    self._notes.append(
                        f"{layer.place(key)}: {_shown(key)} needs the environment variable {missing[2]}, "
                        "which is not set"
                    )
                secrets[key] = text
        return secrets

    def _note_unscoped_credentials(self) -> None:
        for layer in self._by_strength():
            for key in _UNSCOPED_CREDENTIALS:
                if layer.values.get(key):
                    self._notes.append(
                        f"{layer.place(key)}: {key} is bound to no registry: npm refuses it, npmguard does "
                        f"not send it; write //host/path/:{key.lstrip('-')}, or run: npm config fix"
                    )

    def _strict_ssl(self) -> bool:
        for layer in self._by_strength():
            if "strict-ssl" not in layer.values:
                continue
            value = layer.values["strict-ssl"]
            strict = bool(value)
            if isinstance(value, str):
                number = _as_number(value)
                strict = bool(number) if number is not None else value not in {"null", "false"}
            if not strict:
                self._notes.append(
                    f"{layer.place('strict-ssl')}: strict-ssl is off, so that anybody on the way can answer "
                    "in the registry's name"
                )
            return strict
        return True

    def _ca(self) -> tuple[str, ...]:
        certificates: Value = None
        for layer in reversed(list(self._by_strength())):
            for key, value in layer.values.items():
                if key == "ca":
                    certificates = value
                elif key == "cafile" and isinstance(value, str) and value:
                    text = _read(Path(value), _MAX_FILE_BYTES, f"{layer.place(key)}: cafile ")
                    if text is None:
                        self._pass_over(layer, key, f"names a file that is not there: {value}")
                    elif text.strip():
                        certificates = text
        items = certificates if isinstance(certificates, list) else [certificates]
        return tuple(item for item in items if isinstance(item, str) and item.strip())

    def _extra_ca(self) -> Path | None:
        value = self._environ.get("NODE_EXTRA_CA_CERTS")
        if not value:
            return None
        path = self._project / value
        if not path.is_file():
            self._notes.append(f"NODE_EXTRA_CA_CERTS names a file that is not there: {path}")
            return None
        return path

    def _proxy(self, key: str) -> str | None:
        for layer in self._by_strength():
            if key not in layer.values or layer.values[key] == "":
                continue
            value = layer.values[key]
            if value is None or value is False:
                return None
            text = as_text(value)
            if ":" not in text:
                self._pass_over(layer, key, "is not a URL")
                continue
            return _proxy_url(text, f"{layer.place(key)}: {key}")
        return None

    def _environment_proxies(self) -> dict[str, str]:
        proxies: dict[str, str] = {}
        for variable, value in self._environ.items():
            name = variable.lower()
            if name == "no_proxy":
                proxies[name] = value
            elif name in {"http_proxy", "https_proxy", "proxy"} and value:
                proxies[name] = _proxy_url(value if "://" in value else f"http://{value}", variable)
        return proxies

    def _noproxy(self) -> str:
        value = self._get("noproxy")
        items = value if isinstance(value, list) else [value]
        return ",".join(item for item in items if isinstance(item, str))

    def _number(self, key: str) -> float | None:
        for layer in self._by_strength():
            value = layer.values.get(key)
            if value is None or isinstance(value, (bool, list, dict)):
                continue
            number = _as_number(str(value))
            if number is not None and number >= 0:
                return number
            self._pass_over(layer, key, "is not a number")
        return None

    def _pass_over(self, layer: _Layer, key: str, why: str) -> None:
        self._notes.append(f"{layer.place(key)}: {key} {why}; npm passes over it, and so does npmguard")


def _read(path: Path, limit: int, what: str = "") -> str | None:
    """The text of a file as Node.js decodes it; None where there is none.

    Raises:
        NpmrcError: it cannot be read, is neither a file nor a device, or is too big to be what it should be.
    """
    try:
        # a pipe would otherwise hold the program until someone writes to it
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            kind = os.fstat(descriptor).st_mode
            if not (stat.S_ISREG(kind) or stat.S_ISCHR(kind)):
                raise NpmrcError(f"{what}{path} cannot be read: it is not a file")
            with os.fdopen(descriptor, "rb", closefd=False) as file:
                data = file.read(limit + 1)
        finally:
            os.close(descriptor)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise NpmrcError(f"{what}{path} cannot be read: {error.strerror}; mend its permissions") from None
    except ValueError as error:  # a zero byte
        raise NpmrcError(f"{what}{str(path)!r} cannot be read: it is no path ({error})") from None
    if len(data) > limit:
        raise NpmrcError(f"{what}{path} cannot be read: it is bigger than {limit} bytes")
    return data.decode("utf-8", "replace")


def _base_url(text: str, place: str, key: str, secrets: dict[str, str]) -> str:
    """A registry's URL with its ``/`` at the end; credentials in it are moved to where they can be bound."""
    try:
        url, userinfo = HttpUrl.parse_with_userinfo(text)
        base = str(HttpUrl.parse(str(url) if url.path.endswith("/") else f"{url.origin}{url.path}/"))
    except ValueError as error:
        raise NpmrcError(f"{place}: {key} {error}; give it as https://host/path/") from None
    if userinfo is not None:
        bound = f"//{url.authority}{url.path.rstrip('/')}/:_auth"
        secrets.setdefault(bound, b64encode(userinfo.encode()).decode("ascii"))
    return base


def _proxy_url(text: str, what: str) -> str:
    try:
        HttpUrl.parse_with_userinfo(text)
    except ValueError as error:
        raise NpmrcError(f"{what} {error}; npmguard can use http and https proxies") from None
    return text


def _is_workspace(folder: Path, root: Path, manifest: Path) -> bool:
    """Whether *folder* is a workspace of the project in *root*; a package.json that is none names nothing."""
    try:
        with manifest.open("rb") as file:
            document = msgspec.json.decode(file.read(_MAX_PACKAGE_JSON_BYTES))
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    patterns = document.get("workspaces") if isinstance(document, dict) else None
    if isinstance(patterns, dict):
        patterns = patterns.get("packages")
    if not isinstance(patterns, list):
        return False
    import re2  # noqa: PLC0415 - rarely needed; it matches in linear time, and the patterns are the project's own

    path = folder.relative_to(root).as_posix()
    member = False
    for pattern in patterns:
        if not isinstance(pattern, str):
            continue
        bare = pattern.lstrip("!").removeprefix("./").strip("/")
        try:
            matches = re2.fullmatch(_glob(bare), path)
        except re2.error:
            continue
        if matches:
            member = not (len(pattern) - len(pattern.lstrip("!"))) % 2
    return member


def _glob(pattern: str) -> str:
    """A regular expression for the globs that workspaces are named with: ``*``, ``**``, ``?``, ``{a,b}``."""
    out = []
    depth = 0
    for part in re.findall(r"\*\*/?|.", pattern, re.DOTALL):
        if part.startswith("**"):
            out.append("(?:.*/)?" if part.endswith("/") else ".*")
        elif part == "*":
            out.append("[^/]*")
        elif part == "?":
            out.append("[^/]")
        elif part == "{":
            depth += 1
            out.append("(?:")
        elif part == "}" and depth:
            depth -= 1
            out.append(")")
        elif part == "," and depth:
            out.append("|")
        else:
            out.append(re.escape(part))
    return "".join(out) + ")" * depth


def _as_number(text: str) -> float | None:
    text = text.strip(WHITE_SPACE)
    if not text:
        return 0.0
    if not re.fullmatch(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", text, re.ASCII):
        return None
    number = float(text)
    return number if number < float("inf") else None


def _decode_base64(text: str) -> str:
    """As Node.js decodes it: characters of neither alphabet are passed over, padding is not asked for."""
    kept = re.sub(r"[^A-Za-z0-9+/]", "", text.partition("=")[0].replace("-", "+").replace("_", "/"))
    kept = kept[:-1] if len(kept) % 4 == 1 else kept
    try:
        return b64decode(kept + "=" * (-len(kept) % 4)).decode("utf-8", "replace")
    except binascii.Error:
        return ""


def _shown(key: str) -> str:
    """A key as it may stand in a message: a password may hide in the host part of a mistyped one."""
    return re.sub(r"//[^/]*@", "//", key)
