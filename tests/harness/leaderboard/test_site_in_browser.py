"""The site in a real browser. Needs playwright and a Chromium (GOLF_CHROMIUM or on PATH); skipped without."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from harness.cli_leaderboard import main
from tests.harness.leaderboard.board_samples import report

playwright = pytest.importorskip("playwright.sync_api")
CHROMIUM = os.environ.get("GOLF_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
AXE = os.environ.get("GOLF_AXE")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium; name one with GOLF_CHROMIUM")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("board")
    documents = []
    for number in range(250):
        document = report(pr=100 + number, name=f"Row {number:03d} {'TTT' if number % 2 else 'GPTQ'}")
        for seed in document["measured"]["per_seed"].values():
            seed["val_bpb"] -= number * 1e-4
        document["findings"] = []
        documents.append(document)
    reports, curation = folder / "verdicts.jsonl", folder / "leaderboard.toml"
    reports.write_text("".join(json.dumps(document) + "\n" for document in documents))
    accepted = 'outcome = "accepted"\nwhy = "fine"\nby = "Ada"\non = 2026-04-29\n'
    curation.write_text(
        "".join(f"[[ruling]]\npr = {100 + number}\n{accepted}" for number in range(0, 250, 25))
    )
    out = folder / "site"
    given = ["render", "--reports", str(reports), "--curation", str(curation), "--out", str(out), "--quiet"]
    assert main(given) == 0
    return out


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as running:
        started = running.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield started
        started.close()


@pytest.fixture
def page(browser, site):
    """The first page, and everything it complained about or asked for."""
    opened = browser.new_page(viewport={"width": 1280, "height": 900})
    opened.said, opened.asked = [], []
    opened.on("console", lambda message: opened.said.append(message.text))
    opened.on("pageerror", lambda error: opened.said.append(str(error)))
    opened.on("request", lambda request: opened.asked.append(request.url))
    opened.goto((site / "index.html").as_uri())
    opened.wait_for_function("document.querySelectorAll('#rows tbody tr').length === 250")
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


def test_filters_narrow_the_table_together_and_clear(page):
    page.select_option("#technique", "TTT")
    page.fill("#find", "row 01")
    assert page.inner_text("#count") == "5 of 250 rows"
    page.click("button[type=reset]")
    page.wait_for_function("document.getElementById('count').textContent === '250 of 250 rows'")


def test_a_point_of_the_plot_tells_its_row_to_mouse_and_keyboard(page):
    page.hover("#plot a:nth-of-type(1) circle")
    assert page.inner_text("#tip").startswith("#100 Row 000 GPTQ: 1.06110")
    page.mouse.move(0, 0)
    assert page.is_hidden("#tip")
    page.focus("#plot a:nth-of-type(2)")
    assert page.inner_text("#tip").startswith("#125 ")


def test_a_row_leads_to_its_page_and_back(page):
    page.click("#rows tbody tr:first-child th a")
    assert page.inner_text("h1") == "Row 249 TTT"
    page.click(".crumbs a")
    assert page.inner_text("h1") == "Parameter Golf"


@pytest.mark.parametrize("width", [1280, 360])
def test_no_page_is_wider_than_its_window(page, site, width):
    for name in ("index.html", "submissions/pr-100.html", "rules/artifact-cap.html", "rules/index.html"):
        page.set_viewport_size({"width": width, "height": 800})
        page.goto((site / name).as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name


@pytest.mark.skipif(AXE is None, reason="name axe.min.js of axe-core with GOLF_AXE")
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["index.html", "submissions/pr-100.html", "rules/artifact-cap.html"])
def test_axe_finds_no_barrier(browser, site, name, scheme):
    context = browser.new_context(color_scheme=scheme, bypass_csp=True)
    opened = context.new_page()
    opened.goto((site / name).as_uri())
    opened.add_script_tag(content=Path(AXE or "").read_text(encoding="utf-8"))
    found = opened.evaluate(
        "axe.run().then(result => result.violations.map(one => one.id + ': ' + one.nodes[0].html))"
    )
    context.close()
    assert found == []
