"""The DNS, asked only where the user said ``--online`` or ``--check-domains``."""

from __future__ import annotations

from npmguard.errors import NpmguardError, UsageError
from npmguard.lookup.answers import Resolver

_LIFETIME = 5.0


class DnsUnreachable(NpmguardError):  # noqa: N818 - named as RegistryUnreachable is
    """No DNS server gave an answer."""


class DnsResolver(Resolver):
    """Asks the system's DNS servers, or one *server* (``127.0.0.1:5353``), and remembers the answers.

    Raises:
        UsageError: *server* is no address.
    """

    def __init__(self, server: str | None = None) -> None:
        import dns.exception  # noqa: PLC0415 - only online
        import dns.resolver  # noqa: PLC0415

        self._answers: dict[tuple[str, str], tuple[tuple[bytes, ...] | str | tuple[int, str], ...]] = {}
        try:
            self._resolver = dns.resolver.Resolver(configure=server is None)
            if server is not None:
                host, _, port = server.rpartition(":") if server.count(":") == 1 else (server, "", "")
                self._resolver.nameservers = [host.strip("[]")]
                self._resolver.port = int(port) if port else 53
        except (dns.exception.DNSException, ValueError) as error:
            raise UsageError(f"no usable DNS server ({error}); give --dns-server ADDRESS[:PORT]") from error
        self._resolver.lifetime = _LIFETIME
        self._resolver.timeout = _LIFETIME / 2

    def lookup(self, name: str, kind: str) -> tuple[tuple[bytes, ...] | str | tuple[int, str], ...]:
        """The records of *kind*; empty where the name or the kind does not exist.

        Raises:
            DnsUnreachable: no server answered.
        """
        key = (name.lower(), kind)
        if key not in self._answers:
            self._answers[key] = self._ask(name, kind)
        return self._answers[key]

    def _ask(self, name: str, kind: str) -> tuple[tuple[bytes, ...] | str | tuple[int, str], ...]:
        import dns.exception  # noqa: PLC0415 - only online
        import dns.resolver  # noqa: PLC0415

        try:
            answer = self._resolver.resolve(name, kind, search=False)
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return ()
        except (dns.exception.Timeout, dns.resolver.NoNameservers) as error:
            raise DnsUnreachable(f"DNS gives no answer about {name[:100]} {kind}") from error
        except (dns.exception.DNSException, UnicodeError, ValueError):
            return ()  # no name that DNS can be asked about
        records: list[tuple[bytes, ...] | str | tuple[int, str]] = []
        for record in answer:
            if kind == "TXT":
                records.append(tuple(record.strings))
            elif kind == "MX":
                records.append((int(record.preference), record.exchange.to_text(omit_final_dot=True)))
            elif kind in {"PTR", "NS"}:
                records.append(record.target.to_text(omit_final_dot=True))
            else:
                records.append(record.to_text())
        return tuple(records)
