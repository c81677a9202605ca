"""What `golf-leaderboard render` writes: site, README table, Markdown, JSON, pictures."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.check_output import write_whole
from harness.errors import SetupError
from harness.leaderboard.board_json import board_json, board_text
from harness.leaderboard.frontier_plot import write_plots
from harness.leaderboard.progression import Basis, EntryRule, progression
from harness.leaderboard.readme_table import table_markdown, with_table

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.leaderboard.board_sources import Board
    from harness.ruleset import Limits

README_LIMIT_BYTES = 10_000_000
_RULE_WORDS = {
    EntryRule.TEXT: "A row enters with at least 0.005 nats, shown at p < 0.01 (the README's rule).",
    EntryRule.PRACTICE: (
        "A row enters as organisers decided: p < 0.25 by a one-sided Welch test from the chain's first pull "
        "request on, 0.005 nats per token before it."
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderOptions:
    """Where to write what. `readme` is a file whose table between the markers is replaced."""

    out: Path
    formats: tuple[str, ...]
    rule: EntryRule
    basis: Basis
    as_of: str
    rules_dir: Path
    title: str
    pull_url: str = ""
    readme: Path | None = None


def render(board: Board, limits: Limits, options: RenderOptions, note: Callable[[str], None]) -> None:
    """Write everything asked for. Raises `SetupError`; what could not be written is as it was."""
    steps = progression(board.rows, limits, rule=options.rule, basis=options.basis)
    document = board_json(
        steps, origin=board.origin, rule=options.rule, basis=options.basis, as_of=options.as_of
    )
    table = table_markdown(board.rows, options.pull_url)
    if options.readme is not None:
        note(_replace_table(options.readme, table))
    pictures = [f"frontier.{form}" for form in ("svg", "png") if form in options.formats]
    if "html" in options.formats:
        from harness.leaderboard.site.pages import Site, slugs
        from harness.leaderboard.site.site_writer import write_site

        site = Site(
            steps=steps,
            slug=slugs(board.rows),
            reports=board.reports,
            rules_dir=options.rules_dir,
            limits=limits,
            pull_url=options.pull_url,
            read_log=board.read_log,
        )

        def plots(folder: Path) -> None:
            write_plots(steps, [folder / name for name in dict.fromkeys(["frontier.svg", *pictures])])
            if "markdown" in options.formats:
                write_whole(table, folder / "leaderboard.md")

        count = write_site(
            options.out,
            site,
            document,
            title=options.title,
            rule_words=_RULE_WORDS[options.rule],
            plots=plots,
        )
        note(f"{count:,} files in {options.out}, {len(steps):,} rows; open {options.out / 'index.html'}")
        return
    _loose_files(options, board_text(document), table)
    write_plots(steps, [options.out / name for name in pictures])
    note(f"{', '.join(options.formats)} in {options.out}")


def _loose_files(options: RenderOptions, text: str, table: str) -> None:
    try:
        options.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SetupError(f"{options.out}: {error.strerror}; choose another --out") from error
    if "json" in options.formats:
        write_whole(text, options.out / "leaderboard.json")
    if "markdown" in options.formats:
        write_whole(table, options.out / "leaderboard.md")


def _replace_table(path: Path, table: str) -> str:
    """Replace the table of a README in one step; in words what was done."""
    try:
        data = path.read_bytes()
        if len(data) > README_LIMIT_BYTES:
            raise SetupError(f"{path} has {len(data):,} bytes: not a README; nothing was written")
        before = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise SetupError(f"{path} is not UTF-8 ({error}); nothing was written") from error
    except OSError as error:
        raise SetupError(f"{path}: {error.strerror}; name the README with --readme") from error
    after = with_table(before, table)
    if after == before:
        return f"{path}: the table is as it was"
    mode = path.stat().st_mode & 0o777
    target = path.resolve()
    with tempfile.NamedTemporaryFile("wb", dir=target.parent, prefix=f".{target.name}-", delete=False) as new:
        new.write(after.encode("utf-8"))
    written = Path(new.name)
    written.chmod(mode)
    written.replace(target)
    return f"{path}: the table was replaced"
