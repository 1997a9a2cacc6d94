"""The report of an incident in a real browser: it loads nothing, runs nothing of a package, can be filtered."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

from playwright.sync_api import expect, sync_playwright

from npmguard.model import (
    Confidence,
    Finding,
    Incident,
    IncidentRelease,
    IncidentSummary,
    Severity,
    SharedTrait,
    Verdict,
    WatchedDependent,
)
from npmguard.report import incident_html
from tests.unit.monitor.released import HOSTILE

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
FINDING = Finding("worm-publishes-itself", Severity.CRITICAL, Confidence.HIGH, HOSTILE)
WORM = tuple(
    IncidentRelease(f"worm-{n}", "1.0.1", Verdict.MALICIOUS, NOON, NOON, (FINDING,)) for n in range(499)
)
INCIDENT = Incident(
    IncidentSummary("inc-0123456789abcdef", HOSTILE, Verdict.MALICIOUS, NOON, NOON, 500, 500),
    (*WORM, IncidentRelease(HOSTILE, HOSTILE, Verdict.SUSPICIOUS, NOON)),
    (SharedTrait("url", f"https://evil.example/{HOSTILE}", 499),),
    dependents=(
        WatchedDependent(
            "package-lock.json", "worm-7", "1.0.1", affected=True, paths=(("boxes@1.0.0", "worm-7@1.0.1"),)
        ),
    ),
)


def test_an_incident_of_500_releases_is_read_and_filtered(tmp_path: Path) -> None:
    program = shutil.which("chromium")
    assert program is not None, "these tests need chromium on PATH; tests/tools/system.sh installs it"
    file = tmp_path / "incident.html"
    file.write_bytes(incident_html.render(INCIDENT))
    asked: list[str] = []
    complaints: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        page = browser.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: complaints.append(dialog.message))
        page.goto(file.as_uri())
        assert page.locator("#count").inner_text() == "500 of 500"
        page.locator("#search").fill("worm-49 1.0.1")
        expect(page.locator("#count")).to_have_text("10 of 500")
        page.locator("#search").fill("")
        page.locator("input[value=malicious]").uncheck()
        expect(page.locator("#count")).to_have_text("1 of 500")
        assert page.locator("a:not([href^='#']), img, iframe, object").count() == 0
        assert page.get_by_text("pins worm-7@1.0.1, which is part of this incident").is_visible()
        assert page.locator("svg text").all_text_contents() == ["the project", "boxes@1.0.0", "worm-7@1.0.1"]
        assert page.locator("script").count() == 1
        browser.close()
    assert asked == [file.as_uri()]
    assert complaints == []
