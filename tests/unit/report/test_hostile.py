"""Whatever text is in a report, every reporter shows it and none obeys it."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from enum import Enum
from html.parser import HTMLParser
from typing import TypeVar

import pytest
from markdown_it import MarkdownIt

from npmguard.intel.found import found_indicators
from npmguard.intel.indicators import Format, format_indicators
from npmguard.lockfile.reader import parse_lockfile
from npmguard.model import (
    AuthCheck,
    AuthOutcome,
    ChangeKind,
    Comparison,
    Exposure,
    ExposureWindow,
    FileChange,
    HistoryReport,
    Incident,
    IncidentRelease,
    IncidentSummary,
    LockChange,
    MailAuthentication,
    MailClaim,
    MailEvidence,
    MailReport,
    MailVerdict,
    MailWeight,
    ManifestDelta,
    ScanReport,
    SharedTrait,
    Verdict,
    VersionDiff,
    WatchedDependent,
    WatchEntry,
)
from npmguard.report import (
    comparison,
    cyclonedx,
    escape,
    history,
    html,
    incident,
    incident_html,
    json_v1,
    mail_json,
    mail_terminal,
    markdown,
    sarif,
    terminal,
)
from tests.unit.report.samples import BAD_DAY, RULES, on_terminal

T = TypeVar("T")

#: Text that attacks whoever reads it, by whom it is meant for.
HOSTILE = {
    "ansi": "\x1b[2J\x1b[31mred\x1b[0m",
    "c1": "\x9b2J\x9d0;title\x9c",
    "osc 8": "\x1b]8;;https://evil.example/\x07here\x1b]8;;\x1b\\",
    "title": "\x1b]0;owned\x07",
    "bells and backspaces": "safe\x08\x08\x08\x08bad\x07\x00",
    "lines": "a\r\nb\x0bc\x0cd\u2028e\u2029f\x85g",
    "html": "<img src=x onerror=alert(1)><script>alert(2)</script><a href='javascript:alert(3)'>x</a>",
    "html ends": "</script></style></textarea></title>--><svg onload=alert(1)>\"'><b>",
    "markdown": "[x](https://evil.example) ![y](https://evil.example/z.png) <https://evil.example> @admin #1",
    "markdown ends": "`` ` ``` | x |\n\n# heading\n\n- [ ] task\n\n</details><h1>y</h1>",
    "rich": "[bold red]x[/] [link=https://evil.example]y[/link] :skull:",
    "github": "x\n::set-output name=a::b\n::add-mask::c\n::stop-commands::d\n::error file=a::e",
    "github, old": "x\n##[set-env name=a]b\n##[add-mask]c",
    "azure": "##vso[task.setvariable variable=a;issecret=false]b\n##[command]c",
    "teamcity": "##teamcity[setParameter name='a' value='b']",
    "gitlab": "section_start:1700000000:s[collapsed=true]\r\x1b[0Kx\nsection_end:1700000000:s\r\x1b[0K",
    "formula =": '=HYPERLINK("https://evil.example";"x")',
    "formula +": "+1+cmd|' /C calc'!A0",
    "formula -": "-2+3",
    "formula @": "@SUM(1+1)",
    "formula tab": "\t=1+1",
    "formula return": "\r=1+1",
    "bidi": "a\u202egnp.exe\u2066b\u2069\u200f",
    "unseen": "a\u200bb\u2060c\ufeffd\u00ade\u3164f\ufe0fg\U000e0061h\u034f",
    "surrogates": "\ud83d \udcff",
    "marks": "z" + "\u0301" * 200,
    "long": "A\x1b[31m" * 10_000,
}


ALL = "\n".join(HOSTILE.values())


def poisoned(value: T, text: str) -> T:
    """*value* with *text* in the place of every string in it, but for words of a closed list."""
    if isinstance(value, Enum) or value is None:
        return value
    if isinstance(value, str):
        return text  # type: ignore[return-value]
    if isinstance(value, tuple) and not hasattr(value, "_fields"):
        return tuple(poisoned(item, text) for item in value)  # type: ignore[return-value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = [field.name for field in dataclasses.fields(value) if field.name not in _KEPT]
        changes = {name: poisoned(getattr(value, name), text) for name in fields}
        return dataclasses.replace(value, **changes)
    return value


_KEPT = {
    "kind",
    "algorithm",
    "hashes",
    "start_commit",
    "end_commit",
    "tool_version",
    "ruleset",
}  # npmguard's own
REPORT = dataclasses.replace(
    BAD_DAY,
    against="main",
    changes=(
        LockChange("a", ChangeKind.ADDED, None, "1.0.0", gained=("x",)),
        LockChange("b", ChangeKind.CHANGED, "1.0.0", "2.0.0", unknown="why"),
    ),
)
FINDING = next(finding for package in BAD_DAY.packages for finding in package.findings if finding.evidence)


def diff() -> VersionDiff:
    return VersionDiff(
        "1.0.0",
        "2.0.0",
        added=("a",),
        removed=("b",),
        changed=(FileChange("c", frozenset({1})),),
        manifest=(ManifestDelta("scripts", "a", "b", "c"),),
    )


COMPARISON = Comparison(
    "a", "1.0.0", "2.0.0", diff(), ("x",), ("y",), (FINDING,), Verdict.SUSPICIOUS, "not read"
)
EXPOSURE = Exposure(
    "lock",
    "a",
    "1.0.0",
    "sha512-x",
    Verdict.MALICIOUS,
    (FINDING,),
    (("0" * 40, "2026-01-01"),),
    (ExposureWindow("refs/heads/main", "0" * 40, "2026-01-01"),),
)
HISTORY = HistoryReport("1.0", "repo", "2020", ("lock",), 1, 1, 1, (EXPOSURE,), "2020", ("x",), ("y",))
CHECK = AuthCheck(AuthOutcome.FAIL, "d.example", "detail", source="header")
MAIL = MailReport(
    "m.eml",
    MailVerdict.PHISHING,
    "why",
    "sender",
    "subject",
    (MailClaim("npm", "npm", ("From",)),),
    (MailEvidence("code", MailWeight.STRONG, "message", "From", "excerpt"),),
    authentication=MailAuthentication(CHECK, CHECK, CHECK, CHECK),
    recipients=("r@d.example",),
    incomplete=("x",),
    watch=(WatchEntry("a", ("1.0.0",), "bob", "by mail"),),
)
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
SUMMARY = IncidentSummary("i-1", "title", Verdict.MALICIOUS, NOON, NOON, 1, 1)
INCIDENT = Incident(
    SUMMARY,
    (IncidentRelease("a", "1.0.0", Verdict.MALICIOUS, NOON, NOON, (FINDING,)),),
    (SharedTrait("domain", "drop.example", 1),),
    ("i-0",),
    (WatchedDependent("list", "a", "1.0.0", affected=True, paths=(("a@1.0.0",),), more_paths=1),),
)
LOCK = parse_lockfile(b'{"lockfileVersion":3,"packages":{"":{"name":"x"}}}', "package-lock.json")


def poisoned_report(text: str) -> ScanReport:
    return poisoned(REPORT, text)


def indicators(text: str, form: Format) -> bytes:
    document = json_v1.render(dataclasses.replace(poisoned_report(text), kind="lockfile"))
    told = json.loads(document)
    text = text.encode("utf-8", "backslashreplace").decode()  # as any JSON file has it
    for package in told["packages"]:
        package["verdict"] = "malicious"
        if package.get("specimen"):
            package["specimen"]["files"] = [
                {"path": text, "sha256": "c3" * 32, "names": [f"https://drop.example/{text}", "0x" + "9A" * 20]}
            ]
            package["specimen"]["sha512"], package["specimen"]["sha256"] = "ab" * 64, "cd" * 32
    found = found_indicators(json.dumps(told).encode(), source=text)
    assert found
    return format_indicators(found, form).encode("utf-8", "surrogatepass")


TERMINAL: dict[str, Callable[[str], bytes]] = {
    "terminal": lambda text: terminal.render_text(poisoned_report(text), to_file=True),
    "terminal, verbose": lambda text: terminal.render_text(poisoned_report(text), verbose=True, to_file=True),
    "terminal, narrow": lambda text: on_terminal(poisoned_report(text), width=20).encode(),
    "terminal, of several": lambda text: terminal.render_text(*[poisoned_report(text)] * 2, to_file=True),
    "history": lambda text: history.render_text(poisoned(HISTORY, text), verbose=True),
    "diff": lambda text: comparison.render_text(poisoned(COMPARISON, text)),
    "incident": lambda text: incident.render_text(poisoned(INCIDENT, text)),
    "incidents": lambda text: incident.render_list_text([poisoned(SUMMARY, text)]),
    "mail": lambda text: mail_terminal.render_text([poisoned(MAIL, text)], verbose=True, to_file=True),
    "errors": lambda text: f"npmguard: {escape.terminal(text)}\n".encode(),
}
JSON: dict[str, Callable[[str], bytes]] = {
    "json": lambda text: json_v1.render(poisoned_report(text)),
    "json of several": lambda text: json_v1.render_all([poisoned_report(text)] * 2),
    "sarif": lambda text: sarif.render(poisoned_report(text), RULES),
    "cyclonedx": lambda text: cyclonedx.render(poisoned_report(text), poisoned(LOCK, text), {}),
    "history json": lambda text: history.render_json(poisoned(HISTORY, text)),
    "diff json": lambda text: comparison.render_json(poisoned(COMPARISON, text)),
    "incident json": lambda text: incident.render_json(poisoned(INCIDENT, text)),
    "incidents json": lambda text: incident.render_list_json([poisoned(SUMMARY, text)]),
    "mail json": lambda text: mail_json.render([poisoned(MAIL, text)], "1.0"),
    "stix": lambda text: indicators(text, "stix"),
    "misp": lambda text: indicators(text, "misp"),
}
LINES: dict[str, Callable[[str], bytes]] = {
    "csv": lambda text: indicators(text, "csv"),
    "plain": lambda text: indicators(text, "plain"),
}
MARKDOWN: dict[str, Callable[[str], bytes]] = {
    "markdown": lambda text: markdown.render(poisoned_report(text)),
    "markdown of several": lambda text: markdown.render_all([poisoned_report(text)] * 2),
}
HTML: dict[str, Callable[[str], bytes]] = {
    "html": lambda text: html.render(poisoned_report(text)),
    "incident html": lambda text: incident_html.render(poisoned(INCIDENT, text)),
}

CI_COMMAND = re.compile(r"^\s*::[a-z-]+[^\n]*::|##(?:\w{0,20})\[", re.MULTILINE)
UNSEEN = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f"
    "\ufeff\uffa0\U000e0000-\U000e01ef\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]"
)


def every(reporters: dict[str, Callable[[str], bytes]]) -> pytest.MarkDecorator:
    """Each reporter with each text; those of several reports with all of them in one."""
    cases = {
        f"{reporter}-{name}": (render, text)
        for reporter, render in reporters.items()
        for name, text in ({"all": ALL} if "several" in reporter else HOSTILE).items()
    }
    return pytest.mark.parametrize(("render", "text"), cases.values(), ids=cases)


def inert(content: bytes) -> str:
    """The text, if no terminal and no CI runner does anything on seeing it."""
    text = content.decode("utf-8").replace("\u26a0\ufe0f", "")  # the sign of npmguard's own Markdown
    assert not UNSEEN.search(text)
    assert not CI_COMMAND.search(text)
    return text


@every({**TERMINAL, **LINES})
def test_text_is_seen_and_not_obeyed(render: Callable[[str], bytes], text: str) -> None:
    inert(render(text))


@every(JSON)
def test_json_is_data_and_inert_where_it_is_printed(render: Callable[[str], bytes], text: str) -> None:
    json.loads(inert(render(text)))


@every({"csv": LINES["csv"]})
def test_no_cell_is_a_formula(render: Callable[[str], bytes], text: str) -> None:
    for row in csv.reader(io.StringIO(render(text).decode("utf-8"))):
        assert len(row) == 5
        for cell in row:
            assert not re.match(r"[\s\x00-\x1f]*[=+@\t\r-]", cell)


@every(MARKDOWN)
def test_markdown_has_no_markup_of_a_package(render: Callable[[str], bytes], text: str) -> None:
    rendered = MarkdownIt("commonmark", {"html": True}).enable("table").render(inert(render(text)))
    page = Page()
    page.feed(rendered)
    assert page.tags <= {
        *("h2", "h3", "p", "code", "strong", "em", "ul", "li", "table", "thead", "tbody", "tr", "th", "td"),
        *("details", "summary", "sub", "br"),
    }
    assert not re.search(r"[@#]\w", page.text_outside_code)
    assert page.attributes == set()


@every(HTML)
def test_html_has_no_element_of_a_package(render: Callable[[str], bytes], text: str) -> None:
    page, plain = Page(), Page()
    page.feed(inert(render(text)))
    plain.feed(render("plain").decode())
    assert page.tags <= plain.tags
    assert page.attributes <= plain.attributes
    assert page.scripts == plain.scripts


class Page(HTMLParser):
    """What a browser would make of a page."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.scripts = ""
        self.text_outside_code = ""
        self._open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        for name, value in attrs:
            assert name not in {"href", "src"} or re.match(r"https://|#|data:image/", value or "")
        self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in self._open:
            while self._open.pop() != tag:
                pass

    def handle_comment(self, data: str) -> None:  # noqa: ARG002 - the signature of the base class
        self.text_outside_code += "\0"  # where one stands, two words are not one

    def handle_data(self, data: str) -> None:
        if "script" in self._open:
            self.scripts += data
        elif "code" not in self._open:
            self.text_outside_code += data


def test_every_reporter_is_held_to_it() -> None:
    """A module of reports that is not named here is one that nobody has tried."""
    from pathlib import Path

    here = Path(__file__).read_text(encoding="utf-8")
    modules = {
        path.stem
        for path in Path(terminal.__file__).parent.glob("*.py")
        if re.search(r"^def render", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert {name for name in modules if f"{name}.render" not in here} == set()
