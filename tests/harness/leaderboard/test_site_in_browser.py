"""The site in a real browser. Needs playwright and a Chromium (GOLF_CHROMIUM or on PATH); skipped without."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from harness.leaderboard.board_row import Outcome, RowRuling
from harness.leaderboard.board_sources import Board
from harness.leaderboard.kept_reports import KeptReports
from harness.leaderboard.progression import Basis, EntryRule
from harness.leaderboard.render import RenderOptions, render
from harness.leaderboard.report_rows import row_and_report
from harness.ruleset import RULES_DIR, load_ruleset
from tests.harness.leaderboard.board_samples import report
from tests.harness.reports.report_samples import executed

playwright = pytest.importorskip("playwright.sync_api")
CHROMIUM = os.environ.get("GOLF_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
AXE = os.environ.get("GOLF_AXE")
PATIENCE_MS = 180_000  # for a machine that does other work too
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium; name one with GOLF_CHROMIUM")


LOG = "".join(
    f"step:{step}/300 train_loss:{9 - step / 60:.4f} train_time:{step}ms\n" for step in range(1, 300)
)
FINDING = {
    "rule": "artifact-cap",
    "verdict": "FAIL",
    "message": "too large",
    "places": [{"file": "a.log", "line": 3, "note": "here", "excerpt": "Total 17000000"}],
    "authority": ["A1 README"],
}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """250 rows that fall steadily: every 25th accepted, the odd ones TTT, the last one rejected."""
    folder = tmp_path_factory.mktemp("board")
    rows, reports = [], KeptReports()
    for number in range(250):
        document = report(pr=100 + number, name=f"Row {number:03d} {'TTT' if number % 2 else 'GPTQ'}")
        document["rules_checked"] = {"artifact-cap": "FAIL" if number == 249 else "PASS"}
        document["essential"] = []
        for seed in document["measured"]["per_seed"].values():
            seed["val_bpb"] -= number * 1e-4
        document["findings"] = [FINDING] if number == 249 else []
        document["dynamic"] = executed() if number == 249 else None
        if number == 7:
            document["submission"]["track"] = "non-record"
        row, packed = row_and_report(document)
        if number % 25 == 0:
            ruling = RowRuling(outcome=Outcome.ACCEPTED, who="Ada", why="fine", source="#1")
            row = replace(row, ruling=ruling)
        rows.append(row)
        reports.add(row.key, packed)
    ruleset = load_ruleset()
    options = RenderOptions(
        out=folder / "site",
        formats=("html",),
        rule=EntryRule.PRACTICE,
        basis=Basis.RULINGS,
        as_of=ruleset.newest.isoformat(),
        rules_dir=RULES_DIR,
        title="Parameter Golf",
        pull_url="https://example.org/pull/",
    )
    board = Board(rows=tuple(rows), reports=reports, read_log=lambda *_: LOG.encode())
    render(board, ruleset.limits(ruleset.newest), options, lambda _: None)
    return folder / "site"


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as running:
        started = running.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"], timeout=PATIENCE_MS
        )
        yield started
        started.close()


@pytest.fixture
def page(browser, site):
    """The first page, and everything it complained about or asked for."""
    opened = browser.new_page(viewport={"width": 1280, "height": 900})
    opened.set_default_timeout(PATIENCE_MS)
    opened.said, opened.asked = [], []
    opened.on("console", lambda message: opened.said.append(message.text))
    opened.on("pageerror", lambda error: opened.said.append(str(error)))
    opened.on("request", lambda request: opened.asked.append(request.url))
    opened.goto((site / "index.html").as_uri())
    # By locators: to wait for a function evaluates a string, which the site's own policy forbids.
    opened.locator("#rows tbody tr").nth(249).wait_for(state="attached")
    yield opened
    opened.close()


def first_rows(page, count=3):
    """The row names of the table's first rows."""
    return page.eval_on_selector_all(
        "#rows tbody th a", f"links => links.slice(0, {count}).map(one => one.textContent)"
    )


def test_nothing_is_complained_about_and_no_other_host_is_asked(page, site):
    assert page.said == []
    assert [url for url in page.asked if not url.startswith((site.as_uri(), "data:"))] == []


def test_a_head_sorts_up_then_down_and_says_so(page):
    page.click("th[data-key=mean] button")
    assert first_rows(page) == ["#349", "#348", "#347"]
    assert page.get_attribute("th[data-key=mean]", "aria-sort") == "ascending"
    page.click("th[data-key=mean] button")
    assert first_rows(page) == ["#100", "#101", "#102"]
    assert page.get_attribute("th[data-key=mean]", "aria-sort") == "descending"


@pytest.mark.parametrize(
    ("filtered", "option", "count"),
    [
        ("track", "non-record", 1),
        ("verdict", "reject", 1),
        ("status", "rejected", 1),
        ("technique", "TTT", 125),
    ],
)
def test_each_filter_keeps_its_rows(page, filtered, option, count):
    page.select_option(f"#{filtered}", option)
    assert page.inner_text("#count") == f"{count} of 250 rows"


def test_filters_narrow_the_table_together_and_clear(page):
    page.select_option("#technique", "TTT")
    page.fill("#find", "row 01")
    assert page.inner_text("#count") == "5 of 250 rows"
    page.click("button[type=reset]")
    playwright.expect(page.locator("#count")).to_have_text("250 of 250 rows", timeout=PATIENCE_MS)


def test_the_keyboard_sorts_filters_and_opens_a_row(page):
    page.focus("th[data-key=mean] button")
    page.keyboard.press("Enter")
    assert page.get_attribute("th[data-key=mean]", "aria-sort") == "ascending"
    page.focus("#find")
    page.keyboard.type("#105")
    assert first_rows(page) == ["#105"]
    page.focus("#rows tbody a")
    page.keyboard.press("Enter")
    page.wait_for_url("**/submissions/pr-105.html")
    assert page.inner_text("h1") == "Row 005 TTT"


def test_the_first_stop_of_the_keyboard_skips_to_the_content(page):
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"


def test_a_point_of_the_plot_tells_its_row_to_mouse_and_keyboard(page):
    page.hover("#plot a:nth-of-type(1) circle")
    assert page.inner_text("#plot-tip").startswith("#100 Row 000 GPTQ\n1.06110")
    page.mouse.move(0, 0)
    assert page.is_hidden("#plot-tip")
    page.focus("#plot a:nth-of-type(2)")
    assert page.inner_text("#plot-tip").startswith("#120 ")


def test_a_rejected_row_is_a_cross_and_the_zoom_shows_the_newest_records(page):
    assert page.get_attribute("#plot path.rejected", "d").startswith("M")
    whole = page.locator("#plot a").count()
    page.click("#zoom button:nth-of-type(2)")
    assert page.get_attribute("#zoom button:nth-of-type(2)", "aria-pressed") == "true"
    assert page.locator("#plot a").count() == min(15, whole)


def test_a_submissions_page_draws_its_curves_and_shows_its_findings(page, site):
    page.goto((site / "submissions" / "pr-349.html").as_uri())
    assert page.locator("#curves path.curve").count() == 2
    page.locator("#curves").scroll_into_view_if_needed()
    page.hover("#curves svg")
    assert "seed 1: " in page.inner_text("#curves-tip")
    assert page.inner_text(".frame figcaption") == "a.log:3 here"
    assert page.inner_text(".probes tbody tr:first-child").startswith("prefix-invariance\tBREACH".lower())
    page.click("text=The first run, in order")
    assert page.locator(".course tbody tr").count() == 5
    assert page.get_attribute("a[rel=noreferrer]", "href") == "https://example.org/pull/349"
    assert page.said == []


def test_a_row_leads_to_its_page_and_back(page):
    page.click("#rows tbody tr:first-child th a")
    assert page.inner_text("h1") == "Row 249 TTT"
    page.click(".crumbs a")
    assert page.inner_text("h1") == "Parameter Golf"


@pytest.mark.parametrize("width", [1280, 360])
def test_no_page_is_wider_than_its_window(page, site, width):
    for name in ("index.html", "submissions/pr-349.html", "rules/artifact-cap.html", "rules/index.html"):
        page.set_viewport_size({"width": width, "height": 800})
        page.goto((site / name).as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name


@pytest.mark.skipif(AXE is None, reason="name axe.min.js of axe-core with GOLF_AXE")
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["index.html", "submissions/pr-349.html", "rules/artifact-cap.html"])
def test_axe_finds_no_barrier(browser, site, name, scheme):
    context = browser.new_context(color_scheme=scheme, bypass_csp=True)
    opened = context.new_page()
    opened.set_default_timeout(PATIENCE_MS)
    opened.goto((site / name).as_uri())
    opened.add_script_tag(content=Path(AXE or "").read_text(encoding="utf-8"))
    found = opened.evaluate(
        "axe.run().then(result => result.violations.map(one => one.id + ': ' + one.nodes[0].html))"
    )
    context.close()
    assert found == []
