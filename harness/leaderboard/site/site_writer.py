"""Writes the site beside its place and swaps it in when it is whole: the old one stays until then."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import tempfile
from collections import Counter
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness import __version__
from harness.errors import SetupError
from harness.leaderboard.board_json import board_text
from harness.leaderboard.p_values import LEGEND
from harness.leaderboard.site.pages import COLUMNS
from harness.leaderboard.site.rule_words import rule_words
from harness.leaderboard.site.submission_page import curve_data, read_curves, submission_page
from harness.reports.escape import printable
from harness.ruleset import load_ruleset

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import jinja2

    from harness.leaderboard.site.pages import Site

HERE = Path(__file__).resolve().parent
RULE_ROWS_AT_MOST = 200
_WORDS = ("FAIL", "NEEDS-HUMAN", "WARN", "PASS", "NOT-CHECKED", "NOT-APPLICABLE")
# A folder that carries this file was written by us and may be replaced; any other is left alone.
MARK = ".golf-leaderboard"
# All that ever stands at the top of a site. Anything else there was put there by somebody and must not go.
_OURS = frozenset({
    MARK, "assets", "frontier.png", "frontier.svg", "index.html", "leaderboard.json", "leaderboard.md",
    "rules", "submissions",
})  # fmt: skip


def write_site(
    out: Path,
    site: Site,
    board: Mapping[str, Any],
    *,
    title: str,
    rule_words: str,
    plots: Callable[[Path], None],
) -> int:
    """Write everything into `out`; the number of files. `plots` writes the pictures into a folder.

    Raises `SetupError` when `out` holds something else or cannot be written; then it is as it was.
    """
    out = out.absolute()
    _refuse_foreign(out)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    except OSError as error:
        raise SetupError(f"{out}: cannot be written ({error.strerror}); choose another --out") from error
    try:
        _write(made, site, board, title, rule_words)
        plots(made)
        made.chmod(0o755)
        count = sum(len(files) for _, _, files in os.walk(made))
        with _locked(out.parent):
            _refuse_foreign(out)
            _swap(made, out)
    except OSError as error:
        raise SetupError(f"{out}: {error.strerror or error}; what was there is as it was") from error
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return count


def _refuse_foreign(out: Path) -> None:
    if out.is_symlink() or (out.exists() and not out.is_dir()):
        raise SetupError(f"{out} is not a folder of ours; choose another --out")
    if not out.is_dir():
        return
    there = {path.name for path in out.iterdir()}
    foreign = sorted(there - _OURS) if MARK in there else sorted(there)
    if foreign:
        raise SetupError(
            f"{out} holds {printable(foreign[0], 80)}, which golf-leaderboard did not write, and is left "
            "alone; move that away, or choose another --out"
        )


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Only one of several renders swaps its site in at a time; the others wait for these two renames."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _swap(made: Path, out: Path) -> None:
    if not out.exists():
        made.rename(out)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{out.name}-old-", dir=out.parent))
    out.rename(old / "site")
    try:
        made.rename(out)
    except OSError:
        (old / "site").rename(out)
        raise
    finally:
        with suppress(OSError):
            shutil.rmtree(old)


def _environment() -> jinja2.Environment:
    try:
        import jinja2
    except ImportError:
        raise SetupError("pages need jinja2; run: pip install 'golf-harness[site]'") from None
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _write(
    made: Path,
    site: Site,
    board: Mapping[str, Any],
    title: str,
    rule_words: str,
) -> None:
    environment = _environment()
    environment.globals.update(
        site_title=title, version=__version__, origin=board["origin"], as_of=board["as_of"]
    )
    (made / MARK).write_text(f"{__version__}\n", encoding="utf-8")
    shutil.copytree(HERE / "assets", made / "assets")
    (made / "assets" / "rows.js").write_text(_script_data("GOLF_BOARD", site.data()), encoding="utf-8")
    (made / "leaderboard.json").write_text(board_text(dict(board)), encoding="utf-8")
    newest, older = site.chain()
    index = environment.get_template("index.html.j2").render(
        root="",
        holder=site.holder(),
        rule_words=rule_words,
        newest=newest,
        older=older,
        legend=LEGEND,
        tally=site.tally(),
        total=len(site.steps),
        columns=[{"key": key, "title": words, "number": number} for key, words, number in COLUMNS],
    )
    (made / "index.html").write_text(index, encoding="utf-8")
    _write_submissions(made / "submissions", site, environment)
    _write_rules(made / "rules", site, environment)


def _write_submissions(folder: Path, site: Site, environment: jinja2.Environment) -> None:
    page = environment.get_template("submission.html.j2")
    folder.mkdir()
    for step in site.steps:
        slug = site.slug[step.row.key]
        curves = read_curves(site, step)
        text = page.render(root="../", **submission_page(site, step, curves))
        (folder / f"{slug}.html").write_text(text, encoding="utf-8")
        if curves:
            data = _script_data("GOLF_CURVES", curve_data(curves))
            (folder / f"{slug}.js").write_text(data, encoding="utf-8")


def _script_data(name: str, data: object) -> str:
    """A script that sets the data; nothing in it can end the script or be read as markup."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    return f"window.{name}={text.replace('<', chr(92) + 'u003c')};\n"


def _write_rules(folder: Path, site: Site, environment: jinja2.Environment) -> None:
    folder.mkdir()
    rules = load_ruleset(site.rules_dir).rules
    page = environment.get_template("rule.html.j2")
    rows = []
    for rule in rules.values():
        said = site.reports.counts.get(rule.id, Counter())
        found = site.rows_against(rule.id)
        text = page.render(
            root="../",
            rule=rule_words(rule),
            counts=[{"word": word, "count": f"{said[word]:,}"} for word in _WORDS if said.get(word)],
            found=found[:RULE_ROWS_AT_MOST],
            more=max(0, len(found) - RULE_ROWS_AT_MOST),
        )
        (folder / f"{rule.id}.html").write_text(text, encoding="utf-8")
        counts = [f"{said.get(word, 0):,}" for word in _WORDS]
        rows.append({"id": rule.id, "title": rule.title, "counts": counts})
    index = environment.get_template("rules.html.j2").render(root="../", words=_WORDS, rules=rows)
    (folder / "index.html").write_text(index, encoding="utf-8")
