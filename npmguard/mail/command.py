"""The ``mail`` command: options to MailOptions, messages through the judge, a report, an exit code."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from npmguard import __version__
from npmguard.config import Config, FailOn, Limits, load_config
from npmguard.errors import MailboxError, UsageError
from npmguard.intel.indicators import Format, format_indicators, load_indicators
from npmguard.model import Lockfile, MailReport, MailVerdict, Maintainer

OK, FLAGGED, INCOMPLETE = 0, 1, 3

#: Reads a lockfile: :mod:`npmguard.lockfile`'s reader, handed in because mail does not import it.
LockReader = Callable[[Path, Limits], Lockfile]
#: Package names -> their maintainers, and why a name has none: the registry client's, handed in likewise.
MaintainerSource = Callable[
    [tuple[str, ...], Config], tuple[Mapping[str, tuple[Maintainer, ...]], Mapping[str, str]]
]

_NEEDED = (
    "authres",
    "confusable_homoglyphs",
    "dkim",
    "dns",
    "PIL",
    "rapidfuzz",
    "selectolax",
    "spf",
    "stix2",
    "tldextract",
    "zxingcpp",
)


class MailFormat(StrEnum):
    """How the judgement is written."""

    TERMINAL = "terminal"
    JSON = "json"


class MailFailOn(StrEnum):
    """The lowest verdict that makes the exit code 1; phishing is malicious."""

    MALICIOUS = "malicious"
    SUSPICIOUS = "suspicious"
    NEVER = "never"


class IndicatorFormat(StrEnum):
    """How found lookalike domains are written."""

    PLAIN = "plain"
    CSV = "csv"
    STIX = "stix"
    MISP = "misp"


Files = Annotated[
    list[Path] | None,
    typer.Argument(metavar="FILE…", help="Messages (.eml), or - for standard input.", show_default=False),
]
MboxOption = Annotated[list[Path] | None, typer.Option("--mbox", help="Judge every message of this mbox.")]
MaildirOption = Annotated[
    list[Path] | None, typer.Option("--maildir", help="Judge every message of this maildir.")
]
HeaderOption = Annotated[
    bool, typer.Option("--header", help="Filter: print the message with an X-NpmGuard-Verdict header.")
]
FailOnOption = Annotated[MailFailOn | None, typer.Option("--fail-on", help="Lowest verdict that exits with 1.")]
FormatOption = Annotated[MailFormat, typer.Option("--format", "-f", help="How to write the report.")]
OutputOption = Annotated[Path | None, typer.Option("--output", "-o", help="Write the report to this file.")]
OnlineOption = Annotated[
    bool, typer.Option("--online", help="Ask DNS (SPF, DKIM, DMARC, ARC) and RDAP (age of domains).")
]
DnsOption = Annotated[
    str | None, typer.Option("--dns-server", metavar="ADDRESS[:PORT]", help="Ask this DNS server.")
]
RdapOption = Annotated[str | None, typer.Option("--rdap-bootstrap", metavar="URL", help="Instead of IANA's.")]
AuthservOption = Annotated[
    list[str] | None,
    typer.Option("--authserv-id", help="Believe Authentication-Results that this server wrote."),
]
OwnDomainOption = Annotated[
    list[str] | None, typer.Option("--own-domain", help="A domain of yours: links to it lead nowhere else.")
]
ClientIpOption = Annotated[
    str | None, typer.Option("--client-ip", help="Address of the server that sent it, for SPF.")
]
HeloOption = Annotated[str | None, typer.Option("--helo", help="What that server called itself.")]
MailFromOption = Annotated[str | None, typer.Option("--mail-from", help="The envelope's sender.")]
IndicatorsOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--indicators", help="Mailboxes, URLs and domains of known campaigns: plain, CSV, STIX 2.1, MISP."
    ),
]
WriteIndicatorsOption = Annotated[
    Path | None, typer.Option("--write-indicators", help="Write found lookalike domains to this file.")
]
IndicatorFormatOption = Annotated[
    IndicatorFormat, typer.Option("--indicator-format", help="How to write them.")
]
LockOption = Annotated[
    Path | None, typer.Option("--lock", help="Say which packages of this lockfile the addressee can publish.")
]
PackumentsOption = Annotated[
    Path | None, typer.Option("--packuments", help="Take maintainers from packuments in this folder.")
]
MaintainerOption = Annotated[
    list[str] | None, typer.Option("--maintainer", help="Registry user name of the addressee.")
]
WatchListOption = Annotated[
    Path | None, typer.Option("--watch-list", help="Write the packages to watch to this file.")
]
ConfigOption = Annotated[Path | None, typer.Option("--config", help="Settings; default: npmguard.toml here.")]
VerboseOption = Annotated[
    bool, typer.Option("--verbose", "-v", help="Show unrelated messages and all evidence, too.")
]


def register(
    app: typer.Typer, *, read_lock: LockReader | None = None, maintainers: MaintainerSource | None = None
) -> None:
    """Add the ``mail`` command to *app*; *read_lock* and *maintainers* serve ``--lock``."""

    @app.command(name="mail")
    def mail(
        files: Files = None,
        *,
        mbox: MboxOption = None,
        maildir: MaildirOption = None,
        header: HeaderOption = False,
        fail_on: FailOnOption = None,
        format_: FormatOption = MailFormat.TERMINAL,
        output: OutputOption = None,
        online: OnlineOption = False,
        dns_server: DnsOption = None,
        rdap_bootstrap: RdapOption = None,
        authserv_id: AuthservOption = None,
        own_domain: OwnDomainOption = None,
        client_ip: ClientIpOption = None,
        helo: HeloOption = None,
        mail_from: MailFromOption = None,
        indicators: IndicatorsOption = None,
        write_indicators: WriteIndicatorsOption = None,
        indicator_format: IndicatorFormatOption = IndicatorFormat.PLAIN,
        lock: LockOption = None,
        packuments: PackumentsOption = None,
        maintainer: MaintainerOption = None,
        watch_list: WatchListOption = None,
        config: ConfigOption = None,
        verbose: VerboseOption = False,
    ) -> None:
        """Judge mail that claims to come from a package registry or code host: is it phishing?"""
        require_libraries()
        settings = load_config(Path(), config)
        given = _Given(tuple(files or ()), tuple(mbox or ()), tuple(maildir or ()))
        judge = Judge(
            settings,
            indicators=tuple(indicators or ()),
            authserv_ids=tuple(authserv_id or ()),
            own_domains=tuple(own_domain or ()),
            session=(client_ip, helo, mail_from),
            online=online,
            dns_server=dns_server,
            rdap_bootstrap=rdap_bootstrap,
        )
        if header:
            raise typer.Exit(_filter(given, judge, fail_on))
        reports = judge.all(given.messages(settings))
        if lock is not None:
            reports = _watched(
                reports, lock, packuments, tuple(maintainer or ()), settings, read_lock, maintainers
            )
        _write(reports, format_, output, verbose=verbose)
        _write_findings(reports, write_indicators, indicator_format.value, watch_list)
        raise typer.Exit(exit_code(reports, fail_on.value if fail_on else settings.fail_on))


def require_libraries() -> None:
    """Say what to install where the libraries of the ``mail`` extra are not there.

    Raises:
        UsageError: names the libraries and the command.
    """
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise UsageError(
            f"`npmguard mail` lacks libraries ({', '.join(missing)}); run: pip install 'npmguard[mail]'"
        )


def exit_code(reports: Iterable[MailReport], fail_on: FailOn) -> int:
    """0, 1 (flagged at or over *fail_on*) or 3 (something could not be read or asked); flagged wins."""
    reports = tuple(reports)
    flagged = {
        "malicious": {MailVerdict.PHISHING},
        "suspicious": {MailVerdict.PHISHING, MailVerdict.SUSPICIOUS},
        "never": set(),
    }[fail_on]
    if any(report.verdict in flagged for report in reports):
        return FLAGGED
    return INCOMPLETE if any(report.incomplete for report in reports) else OK


class _Given:
    """The messages that the command line names."""

    def __init__(self, files: tuple[Path, ...], mboxes: tuple[Path, ...], maildirs: tuple[Path, ...]) -> None:
        if not files and not mboxes and not maildirs:
            raise UsageError(
                "no message given; name a file, - for standard input, --mbox FILE or --maildir FOLDER"
            )
        self.files = files
        self.mboxes = mboxes
        self.maildirs = maildirs

    def messages(self, settings: Config) -> Iterator[tuple[str, bytes]]:
        """Each message with its name, one in memory at a time."""
        from npmguard.mail.mailbox import read_file, read_maildir, read_mbox, read_stdin  # noqa: PLC0415 - this command only

        limit = settings.limits.mail_bytes
        for path in self.files:
            yield (str(path), read_stdin(limit) if str(path) == "-" else read_file(path, limit))
        for mbox in self.mboxes:
            yield from read_mbox(mbox, limit)
        for maildir in self.maildirs:
            yield from read_maildir(maildir, limit)


class Judge:
    """The judge with everything that a run was told."""

    def __init__(
        self,
        settings: Config,
        *,
        indicators: tuple[Path, ...] = (),
        authserv_ids: tuple[str, ...] = (),
        own_domains: tuple[str, ...] = (),
        session: tuple[str | None, str | None, str | None] = (None, None, None),
        online: bool = False,
        dns_server: str | None = None,
        rdap_bootstrap: str | None = None,
    ) -> None:
        from npmguard.lookup.dns import DnsResolver  # noqa: PLC0415 - this command only
        from npmguard.lookup.rdap import BOOTSTRAP, RdapClient  # noqa: PLC0415
        from npmguard.mail.options import MailOptions  # noqa: PLC0415

        if (dns_server or rdap_bootstrap) and not online:
            raise UsageError("--dns-server and --rdap-bootstrap need --online: nothing is asked without it")
        folder = settings.cache.path / "rdap" if settings.cache.enabled else None
        self.rdap = RdapClient(folder, rdap_bootstrap or BOOTSTRAP) if online else None
        known = [
            indicator
            for path in indicators
            for indicator in load_indicators(path, settings.limits.indicator_bytes)
        ]
        self.options = MailOptions(
            own_domains=frozenset(domain.lower().strip(".") for domain in own_domains),
            authserv_ids=frozenset(name.lower() for name in authserv_ids),
            client_ip=session[0],
            helo=session[1],
            mail_from=session[2],
            indicators=tuple(known),
            limits=settings.limits,
            resolver=DnsResolver(dns_server) if online else None,
            age=self.rdap,
        )

    def one(self, source: str, raw: bytes) -> MailReport:
        """Judge one message."""
        from npmguard.mail.judge import judge_message  # noqa: PLC0415 - this command only

        return judge_message(raw, self.options, source)

    def all(self, messages: Iterable[tuple[str, bytes]]) -> tuple[MailReport, ...]:
        """Judge every message, in order."""
        return tuple(self.one(source, raw) for source, raw in messages)


def _filter(given: _Given, judge: Judge, fail_on: MailFailOn | None) -> int:
    """Print the one message with its verdict; the exit code is 0 unless ``--fail-on`` was given.

    procmail and sieve throw the output of a filter away that does not exit with 0.
    """
    from npmguard.mail.header import mark  # noqa: PLC0415 - this command only
    from npmguard.mail.mailbox import read_file, read_stdin  # noqa: PLC0415

    if len(given.files) != 1 or given.mboxes or given.maildirs:
        raise UsageError("--header filters one message; give - or one file")
    path = given.files[0]
    raw = read_stdin() if str(path) == "-" else read_file(path)
    report = judge.one(str(path), raw)
    try:
        sys.stdout.buffer.write(mark(raw, report))
        sys.stdout.buffer.flush()
    except BrokenPipeError as error:  # a filter that lost a message must not say that all is well
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise MailboxError(
            "standard output was closed before the message was through; deliver it unfiltered"
        ) from error
    return exit_code((report,), fail_on.value) if fail_on else OK


def _watched(
    reports: tuple[MailReport, ...],
    lock: Path,
    packuments: Path | None,
    names: tuple[str, ...],
    settings: Config,
    read_lock: LockReader | None,
    source: MaintainerSource | None,
) -> tuple[MailReport, ...]:
    """Add to each message at or over `suspicious` what its addressee can publish of the locked packages."""
    from npmguard.mail.watch import read_packuments, watch_list  # noqa: PLC0415 - this command only

    if read_lock is None:
        raise UsageError("--lock is not available in this installation of npmguard mail; run `npmguard mail`")
    locked = tuple((package.name, package.version) for package in read_lock(lock, settings.limits).packages)
    asked = tuple(sorted({name for name, _ in locked}))
    problems: Mapping[str, str] = {}
    if packuments is not None:
        known: Mapping[str, tuple[Maintainer, ...]] = read_packuments(packuments)
        problems = {name: "no packument in the folder" for name in asked if name not in known}
    elif source is not None:
        known, problems = source(asked, settings)
    else:
        raise UsageError("--lock needs to know who maintains the packages; give --packuments FOLDER")
    unknown: tuple[str, ...] = ()
    if problems:
        first = min(problems)
        count = f"{len(problems)} of {len(asked)}"
        unknown = (f"the maintainers of {count} locked packages are not known ({first}: {problems[first]})",)
    return tuple(
        replace(
            report,
            watch=watch_list(_addressees(report), names, locked, known),
            incomplete=(*report.incomplete, *unknown),
        )
        if report.verdict in {MailVerdict.PHISHING, MailVerdict.SUSPICIOUS}
        else report
        for report in reports
    )


def _addressees(report: MailReport) -> tuple[str, ...]:
    """Whom the message addresses, the attached messages' addressees too."""
    return (*report.recipients, *(address for inner in report.nested for address in _addressees(inner)))


def _write(reports: tuple[MailReport, ...], form: MailFormat, output: Path | None, *, verbose: bool) -> None:
    from npmguard.report import mail_json, mail_terminal  # noqa: PLC0415 - one of them is needed

    if form is MailFormat.JSON:
        content = mail_json.render(reports, __version__)
    else:
        content = mail_terminal.render_text(reports, verbose=verbose, to_file=output is not None)
    _put(content, output)


def _write_findings(
    reports: tuple[MailReport, ...], indicators: Path | None, form: Format, watch: Path | None
) -> None:
    from npmguard.mail.findings import found_indicators  # noqa: PLC0415 - this command only
    from npmguard.mail.watch import format_watch_list  # noqa: PLC0415

    if indicators is not None:
        _put(format_indicators(found_indicators(reports), form).encode("utf-8"), indicators)
    if watch is not None:
        _put(format_watch_list(entry for report in reports for entry in report.watch).encode("utf-8"), watch)


def _put(content: bytes, path: Path | None) -> None:
    if path is None:
        try:
            sys.stdout.buffer.write(content)
            sys.stdout.buffer.flush()
        except BrokenPipeError:  # the reader has seen enough; the exit code still tells the result
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return
    try:
        path.write_bytes(content)
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror}; give a file that can") from error
