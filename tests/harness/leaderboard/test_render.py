from __future__ import annotations

import json
import re
from html.parser import HTMLParser

import pytest

from harness.cli_leaderboard import main
from harness.leaderboard.readme_table import BEGIN, END
from tests.harness.leaderboard.board_samples import report

EVIL = '</script><img src=x onerror="alert(1)">\u202e{{ 7 * 7 }}'
FINDING = {
    "rule": "artifact-cap",
    "verdict": "FAIL",
    "message": f"too large {EVIL}",
    "places": [{"file": "a.log", "line": 3, "note": "here", "excerpt": "<b>Total</b> 17000000"}],
    "authority": ["A1 README"],
}


def written(tmp_path, *documents, arguments=()):
    """The folder of a site made of these reports, the first of them accepted."""
    reports, curation = tmp_path / "verdicts.jsonl", tmp_path / "leaderboard.toml"
    reports.write_text("".join(json.dumps(document) + "\n" for document in documents))
    curation.write_text(
        '[[ruling]]\npr = 1493\noutcome = "accepted"\nwhy = "fine"\nby = "Ada"\non = 2026-04-29\n'
    )
    out = tmp_path / "site"
    given = ["render", "--reports", str(reports), "--curation", str(curation), "--out", str(out), "--quiet"]
    assert main([*given, *arguments]) == 0
    return out


class Tags(HTMLParser):
    """The tags of a page and where they point."""

    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


def tags(page):
    parser = Tags()
    parser.feed(page.read_text(encoding="utf-8"))
    return parser.found


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    second = report(pr=1500, name=EVIL)
    second["findings"] = [FINDING]
    second["rules_checked"]["artifact-cap"] = "FAIL"
    return written(tmp_path_factory.mktemp("site"), report(), second)


def test_every_link_of_every_page_leads_to_a_file_of_the_site(site):
    for page in site.rglob("*.html"):
        for tag, attributes in tags(page):
            target = attributes.get("href") or attributes.get("src") or "#"
            if target.startswith(("#", "data:")):
                continue
            assert (page.parent / target.split("#")[0]).is_file(), f"{tag} {target} in {page.name}"


def test_no_page_asks_another_host(site):
    assert not any("://" in page.read_text(encoding="utf-8") for page in site.rglob("index.html"))


@pytest.mark.parametrize("name", ["index.html", "submissions/pr-1500.html", "rules/artifact-cap.html"])
def test_a_hostile_name_becomes_text(site, name):
    page = site / name
    assert not [attributes for tag, attributes in tags(page) if tag == "img" and attributes.get("src") == "x"]
    assert "\u202e" not in page.read_text(encoding="utf-8")


def test_a_hostile_name_cannot_end_the_script_of_the_data(site):
    text = (site / "assets" / "rows.js").read_text(encoding="utf-8")
    assert "<" not in text
    data = json.loads(re.fullmatch(r"window\.GOLF_BOARD=(.*);\n", text)[1])
    assert [row[data["columns"].index("pr")] for row in data["rows"]] == [1500, 1493]


def test_a_page_shows_findings_with_their_lines(site):
    text = (site / "submissions" / "pr-1500.html").read_text(encoding="utf-8")
    assert "a.log:3" in text
    assert "&lt;b&gt;Total&lt;/b&gt; 17000000" in text


def test_a_rule_names_the_rows_that_fail_it(site):
    text = (site / "rules" / "artifact-cap.html").read_text(encoding="utf-8")
    assert 'href="../submissions/pr-1500.html"' in text
    assert "<strong>1</strong> FAIL" in text


def test_the_same_board_gives_the_same_bytes(tmp_path, site):
    second = report(pr=1500, name=EVIL)
    second["findings"] = [FINDING]
    second["rules_checked"]["artifact-cap"] = "FAIL"
    again = written(tmp_path, report(), second)
    files = sorted(path.relative_to(site) for path in site.rglob("*") if path.is_file())
    assert files == sorted(path.relative_to(again) for path in again.rglob("*") if path.is_file())
    assert [name for name in files if (site / name).read_bytes() != (again / name).read_bytes()] == []


def test_a_second_render_replaces_the_first(tmp_path):
    written(tmp_path, report(), report(pr=1500))
    out = written(tmp_path, report())
    assert not (out / "submissions" / "pr-1500.html").exists()


def test_a_folder_of_somebody_else_is_left_alone(tmp_path, capsys):
    out = tmp_path / "site"
    out.mkdir()
    (out / "thesis.txt").write_text("mine")
    reports = tmp_path / "verdicts.jsonl"
    reports.write_text(json.dumps(report()) + "\n")
    assert main(["render", "--reports", str(reports), "--out", str(out)]) == 4
    assert "is left alone" in capsys.readouterr().err
    assert [path.name for path in out.iterdir()] == ["thesis.txt"]


def test_a_render_that_fails_leaves_the_old_site_whole(tmp_path, monkeypatch, capsys):
    out = written(tmp_path, report())
    before = {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()}

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("harness.leaderboard.render.write_plots", full)
    assert main(["render", "--reports", str(tmp_path / "verdicts.jsonl"), "--out", str(out)]) == 4
    assert "No space left on device" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()} == before
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".site")] == []


def test_the_table_of_a_readme_is_replaced_between_its_markers(tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text(f"# Words\n{BEGIN}\n{END}\nmore\n")
    written(tmp_path, report(), arguments=["--readme", str(readme)])
    assert "| Sharper quantiser | 1.0611 | Example Author |" in readme.read_text()
    once = readme.read_bytes()
    written(tmp_path, report(), arguments=["--readme", str(readme)])
    assert readme.read_bytes() == once


def test_a_readme_without_markers_stays_as_it_is(tmp_path, capsys):
    readme = tmp_path / "README.md"
    readme.write_text("# Words\n")
    reports = tmp_path / "verdicts.jsonl"
    reports.write_text(json.dumps(report()) + "\n")
    given = ["render", "--reports", str(reports), "--out", str(tmp_path / "site")]
    assert main([*given, "--readme", str(readme)]) == 4
    assert readme.read_text() == "# Words\n"
    assert "nothing was written" in capsys.readouterr().err


def test_single_formats_need_no_site(tmp_path):
    out = written(tmp_path, report(), arguments=["--format", "json,markdown,png"])
    assert sorted(path.name for path in out.iterdir()) == [
        "frontier.png",
        "leaderboard.json",
        "leaderboard.md",
    ]


def test_a_row_without_a_name_of_its_own_is_not_named_twice(tmp_path):
    out = written(tmp_path, report(name=None, entry=None))
    text = (out / "assets" / "rows.js").read_text(encoding="utf-8")
    data = json.loads(re.fullmatch(r"window\.GOLF_BOARD=(.*);\n", text)[1])
    assert dict(zip(data["columns"], data["rows"][0], strict=True))["name"] == ""
    assert "<h1>#1493</h1>" in (out / "submissions" / "pr-1493.html").read_text(encoding="utf-8")
