"""The HTML report in a real browser: what a reader sees, does with the keyboard, and is not done to."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Dialog, Page, expect, sync_playwright

from npmguard.model import FileChange, ManifestDelta, PackageReport, ScanReport, Verdict, VersionDiff
from npmguard.report import html
from npmguard.report.path_graph import path_graph
from tests.unit.report.samples import BAD_DAY

DIFF = VersionDiff(
    "5.6.0",
    "5.6.1",
    added=("<script>alert(1)</script>.js",),
    removed=("old.js",),
    changed=(FileChange("source/index.js", frozenset({1, 2, 3})),),
    manifest=(ManifestDelta("scripts", "postinstall", None, "node <b>x</b>.js"),),
)
MANY = tuple(
    PackageReport(f"package-{n}", f"1.0.{n}", (f"node_modules/package-{n}",), n, Verdict.CLEAN)
    for n in range(2000)
)
REPORT = replace(
    BAD_DAY,
    packages=(
        *(replace(each, diff=DIFF) if each.name == "palette-lite" else each for each in BAD_DAY.packages),
        *MANY,
    ),
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    program = shutil.which("chromium")
    assert program is not None, "these tests need chromium on PATH; tests/tools/system.sh installs it"
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield running
        running.close()


class Opened:
    """One report in one page, with everything that it asked for and complained about."""

    def __init__(self, browser: Browser, folder: Path, report: ScanReport) -> None:
        file = folder / "report.html"
        file.write_bytes(html.render(report))
        self.page: Page = browser.new_page()
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.dialogs: list[str] = []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", self._dismiss)
        self.page.goto(file.as_uri())

    def _dismiss(self, dialog: Dialog) -> None:
        self.dialogs.append(dialog.message)
        dialog.dismiss()

    def expect_count(self, number: int) -> None:
        """Wait until the table says that it shows that many."""
        expect(self.page.locator("#count")).to_have_text(f"{number} of {len(REPORT.packages)}")

    @property
    def shown(self) -> int:
        return self.page.locator("#packages tbody tr:visible").count()


@pytest.fixture
def opened(browser: Browser, tmp_path: Path) -> Iterator[Opened]:
    report = Opened(browser, tmp_path, REPORT)
    yield report
    report.page.close()


def test_it_loads_nothing_and_nothing_of_a_package_runs(opened: Opened) -> None:
    opened.page.wait_for_timeout(200)
    assert [url for url in opened.requests if not url.startswith("file:")] == []
    assert opened.complaints == []
    assert opened.dialogs == []
    assert opened.page.locator("img, iframe, object, link[href]").count() == 0
    assert opened.page.locator("a:not([href^='#'])").count() == 0
    assert opened.page.locator("script").count() == 1


def test_the_policy_allows_no_script_but_the_reports_own(opened: Opened) -> None:
    opened.page.evaluate("""() => {
      const script = document.createElement('script');
      script.textContent = 'window.taken = true';
      document.body.append(script);
    }""")
    assert opened.page.evaluate("window.taken") is None
    assert any("Content Security Policy" in text for text in opened.complaints)


def test_the_table_is_filtered_by_text_and_verdict(opened: Opened) -> None:
    opened.expect_count(len(REPORT.packages))
    search = opened.page.locator("#search")
    search.fill("package-19 1.0.1999")
    opened.expect_count(1)
    assert opened.shown == 1
    search.fill("")
    opened.page.locator("input[value=clean]").uncheck()
    expected = sum(package.verdict is not Verdict.CLEAN for package in REPORT.packages)
    opened.expect_count(expected)
    assert opened.shown == expected
    opened.page.locator("#only-findings").check()
    with_findings = sum(bool(p.findings) and p.verdict is not Verdict.CLEAN for p in REPORT.packages)
    opened.page.wait_for_function(
        f"document.getElementById('count').textContent.startsWith('{with_findings} of')"
    )


def test_the_keyboard_is_enough(opened: Opened) -> None:
    page = opened.page
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "search"
    page.keyboard.type("palette-lite")
    opened.expect_count(1)
    page.keyboard.press("Escape")
    opened.expect_count(len(REPORT.packages))
    page.locator("#packages th button").nth(1).focus()
    page.keyboard.press("Enter")
    assert page.locator("#packages th").nth(1).get_attribute("aria-sort") == "ascending"
    page.keyboard.press("Enter")
    assert page.locator("#packages th").nth(1).get_attribute("aria-sort") == "descending"
    summary = page.locator("summary", has_text="What changed since 5.6.0")
    summary.focus()
    page.keyboard.press("Enter")
    assert page.get_by_text("scripts.postinstall: absent").is_visible()


def test_two_thousand_packages_stay_responsive(opened: Opened) -> None:
    """A filter touches the rows that change and nothing else: the page is laid out once for each key."""
    opened.page.evaluate("""() => {
      window.changes = 0;
      new MutationObserver(list => { window.changes += list.length; })
        .observe(document.querySelector('#packages'), { attributes: true, subtree: true });
    }""")
    names = [package.name for package in MANY]
    seen = len(REPORT.packages)
    for text in ("package-1", "package-12", "package-123"):
        opened.page.locator("#search").fill(text)
        found = sum(text in name for name in names)
        opened.expect_count(found)
        assert opened.page.evaluate("window.changes") == len(REPORT.packages) - found
        seen = found
    assert seen == 11


def test_decoded_code_stands_beside_what_hides_it(opened: Opened) -> None:
    pair = opened.page.locator(".pair", has_text="what it stands for").first
    assert "x66etch" in pair.locator("pre").nth(0).inner_text()
    assert pair.locator("pre").nth(1).inner_text() == "fetch"
    assert pair.locator(".tok-k").count() > 0


def test_the_ways_into_the_tree_are_drawn(opened: Opened) -> None:
    card = opened.page.locator("section", has_text="palette-lite@5.6.1").first
    graph = card.locator("svg")
    labels = graph.locator("text").all_text_contents()
    assert labels.count("the project") == 1
    assert labels.count("palette-lite@5.6.1") == 3
    boxes = [graph.locator("rect").nth(n).bounding_box() for n in range(graph.locator("rect").count())]
    places = [(round(box["x"]), round(box["y"])) for box in boxes if box is not None]
    assert len(set(places)) == len(boxes) == len(labels)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_in_both_schemes(browser: Browser, tmp_path: Path, scheme: str) -> None:
    file = tmp_path / "report.html"
    file.write_bytes(html.render(REPORT))
    page = browser.new_page(color_scheme="dark" if scheme == "dark" else "light")
    page.goto(file.as_uri())
    for selector in ("h1", ".dim", ".badge.clean", ".badge.critical", "pre", ".tok-c, .tok-k"):
        ratio = page.evaluate(CONTRAST, selector)
        assert ratio >= 4.5, f"{selector} in {scheme}: {ratio:.1f}"
    page.close()


CONTRAST = """selector => {
  const rgb = text => text.match(/[\\d.]+/g).slice(0, 4).map(Number);
  const light = ([r, g, b]) => {
    const linear = v => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
    const [x, y, z] = [r, g, b].map(v => linear(v / 255));
    return .2126 * x + .7152 * y + .0722 * z;
  };
  const element = document.querySelector(selector);
  let back = element;
  let colour = rgb(getComputedStyle(back).backgroundColor);
  while (colour[3] === 0) { back = back.parentElement; colour = rgb(getComputedStyle(back).backgroundColor); }
  const [a, b] = [light(rgb(getComputedStyle(element).color)), light(colour)];
  return (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
}"""


def test_the_same_report_gives_the_same_bytes() -> None:
    assert html.render(REPORT) == html.render(REPORT)


def test_a_long_way_is_cut_in_its_middle() -> None:
    drawn = str(path_graph("the project", [[f"p{n}@1.0.0" for n in range(40)]]))
    assert drawn.count("<rect") == 12
    assert re.search(r"… 30 more …", drawn)
    assert ">p39@1.0.0<" in drawn
