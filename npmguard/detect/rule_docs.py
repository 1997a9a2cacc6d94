"""The rules as pages for people; docs/rules.md is generated from here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from npmguard.detect.rule import Match, Rule, Ruleset, Runs, Scope, Signal
from npmguard.errors import UsageError

_SCOPES = {
    Scope.FUNCTION: "within what one function reaches",
    Scope.FILE: "within one file",
    Scope.PACKAGE: "anywhere in the package",
}


def render(ruleset: Ruleset, others: Iterable[tuple[str, str, str]] = ()) -> str:
    """The page of all rules, one heading (so one anchor) a rule id, and of the signals that they combine.

    *others* are findings that come from elsewhere than a rule file, as (id, title, description).
    """
    lines = [
        "# Rules",
        "",
        "This page is generated from the rule files by `npmguard rules docs`; change the files, not the page.",
        "How a rule file is written: [writing-rules.md](writing-rules.md).",
        "What a verdict means: [verdicts.md](verdicts.md).",
    ]
    families = sorted({rule.family for rule in ruleset.rules})
    for family in families:
        lines += ["", f"## Family {family}"]
        for rule in ruleset.rules:
            if rule.family == family:
                lines += ["", *_rule(rule)]
    extra = sorted(others)
    if extra:
        lines += ["", "## Findings of audits"]
        for name, title, description in extra:
            lines += ["", f"### {name}", "", f"**{title}**", "", description.strip()]
    lines += ["", "## Signals", "", "Neutral patterns; none is reported alone."]
    for signal in ruleset.signals.values():
        lines += ["", *_signal(signal)]
    return "\n".join(lines) + "\n"


def render_list(ruleset: Ruleset) -> str:
    """Every rule on one line: id, severity, confidence, title."""
    width = max((len(rule.id) for rule in ruleset.rules), default=0)
    return "".join(
        f"{rule.id:<{width}}  {rule.severity:<8}  {rule.confidence:<6}  {rule.title}\n"
        for rule in ruleset.rules
    )


def render_one(ruleset: Ruleset, name: str) -> str:
    """The page of one rule or signal.

    Raises:
        UsageError: there is none of that id.
    """
    for rule in ruleset.rules:
        if rule.id == name:
            return "\n".join(_rule(rule)) + "\n"
    if name in ruleset.signals:
        return "\n".join(_signal(ruleset.signals[name])) + "\n"
    raise UsageError(f"no rule or signal is named {name!r}; `npmguard rules list` lists the rules")


def _rule(rule: Rule) -> Iterator[str]:
    yield f"### {rule.id}"
    yield ""
    yield f"**{rule.title}**"
    yield ""
    where = _SCOPES[rule.scope] + (", only where the version added it" if rule.added else "")
    where += ", only in what npm runs at installation" if rule.runs is Runs.INSTALL else ""
    where += ", only where the version before had none of it anywhere" if rule.introduced else ""
    yield f"Severity {rule.severity}, confidence {rule.confidence}; {where}."
    yield ""
    yield rule.description.strip()
    yield ""
    yield f"Fires on: {_combination(rule.match)}."
    yield ""
    yield f"False alarms: {rule.false_positives.strip()}"
    yield ""
    yield f"What to do: {rule.remediation.strip()}"
    if rule.references:
        yield ""
        yield "References: " + ", ".join(f"<{reference}>" for reference in rule.references)


def _signal(signal: Signal) -> Iterator[str]:
    yield f"### {signal.id}"
    yield ""
    yield f"**{signal.title}**"
    yield ""
    yield signal.description.strip()


def _combination(match: Match) -> str:
    """The match in words; signals link to their own heading."""
    parts = [_entry(entry) for entry in match.all]
    if match.any:
        choices = " or ".join(_entry(entry) for entry in match.any)
        parts.append(f"({choices})" if len(match.any) > 1 and (parts or match.none) else choices)
    text = " and ".join(parts)
    if match.none:
        text += " and not " + " nor ".join(_entry(entry) for entry in match.none)
    return text


def _entry(entry: object) -> str:
    return f"({_combination(entry)})" if isinstance(entry, Match) else f"[{entry}](#{entry})"
