"""Markdown is read on GitHub: hostile text makes no markup there, and no report is too long for it."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from markdown_it import MarkdownIt

from npmguard.model import ChangeKind, LockChange
from npmguard.report import markdown
from npmguard.report.escape import markdown as escape_markdown
from npmguard.report.escape import markdown_code
from tests.unit.report.samples import BAD_DAY

HOSTILE = (
    "[click](https://evil.example) ![x](https://evil.example/x.png) <img src=x onerror=alert(1)> @everyone #1"
    " `code` **bold** | cell | <!-- x --> https://evil.example www.evil.example ~~gone~~ \n# heading\n- item"
)


def rendered(text: str) -> str:
    html: str = MarkdownIt("gfm-like", {"html": True}).render(text)
    return html


@pytest.mark.parametrize("escaped", [escape_markdown(HOSTILE), markdown_code(HOSTILE)])
def test_hostile_text_is_no_markup(escaped: str) -> None:
    html = rendered(escaped)
    assert re.findall(r"<(?!/?(?:p|code)\b|!-- -->)[^>]*>", html) == []
    outside = re.sub(r"<code>.*?</code>", "", html)
    assert not re.search(r"@\w|#\d", outside)


def test_a_code_span_cannot_be_left() -> None:
    assert rendered(markdown_code("a ``` b `` c ` d")).count("<code>") == 1


def test_the_whole_report_has_no_markup_of_a_package() -> None:
    html = rendered(markdown.render(BAD_DAY).decode())
    assert "<img" not in html
    assert "<a " not in html
    assert "onerror=alert(1)&gt;" in html or "onerror=alert\\" in html or "onerror" not in html


def test_a_long_report_stays_under_githubs_limit_and_says_what_is_missing() -> None:
    many = tuple(replace(BAD_DAY.packages[4], name=f"p{n}") for n in range(400))
    changed = tuple(LockChange(f"p{n}", ChangeKind.ADDED, None, "1.0.0") for n in range(400))
    text = markdown.render(replace(BAD_DAY, packages=many, changes=changed, against="main")).decode()
    assert len(text) < 65_536
    assert "further parts did not fit" in text
    assert "and 300 more changes" in text


def test_the_same_report_gives_the_same_bytes() -> None:
    assert markdown.render(BAD_DAY) == markdown.render(BAD_DAY)
