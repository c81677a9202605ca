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
    from collections.abc import Callable, Mapping, Sequence

    from harness.leaderboard.board_sources import Board
    from harness.leaderboard.progression import Step
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
    # Read before anything is written: with broken markers nothing is. Written last, when the rest stands.
    readme = _new_readme(options.readme, table) if options.readme is not None else None
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
    else:
        texts = {}
        if "json" in options.formats:
            texts["leaderboard.json"] = board_text(document)
        if "markdown" in options.formats:
            texts["leaderboard.md"] = table
        _write_loose(options.out, texts, steps, pictures)
        note(f"{', '.join(options.formats)} in {options.out}")
    if options.readme is not None and readme is not None:
        note(_write_readme(options.readme, readme))


def _write_loose(out: Path, texts: Mapping[str, str], steps: Sequence[Step], pictures: Sequence[str]) -> None:
    """Single files into a folder that may hold others: each is made beside its place and then put there."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".golf-leaderboard-", dir=out) as name:
            made = Path(name)
            for text_name, text in texts.items():
                (made / text_name).write_text(text, encoding="utf-8", newline="\n")
            write_plots(steps, [made / picture for picture in pictures])
            for one in (*texts, *pictures):
                (made / one).replace(out / one)
    except OSError as error:
        raise SetupError(f"{out}: {error.strerror or error}; choose another --out") from error


def _new_readme(path: Path, table: str) -> bytes:
    """The README with its table replaced. Raises `SetupError` where it has no place for one."""
    try:
        data = path.read_bytes()
        if len(data) > README_LIMIT_BYTES:
            raise SetupError(f"{path} has {len(data):,} bytes: not a README; nothing was written")
        before = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise SetupError(f"{path} is not UTF-8 ({error}); nothing was written") from error
    except OSError as error:
        raise SetupError(f"{path}: {error.strerror}; name the README with --readme") from error
    return with_table(before, table).encode("utf-8")


def _write_readme(path: Path, after: bytes) -> str:
    """Put the README in place in one step; in words what was done."""
    target = path.resolve()
    written: Path | None = None
    try:
        if target.read_bytes() == after:
            return f"{path}: the table is as it was"
        mode = target.stat().st_mode & 0o777
        with tempfile.NamedTemporaryFile("wb", dir=target.parent, prefix=".readme-", delete=False) as new:
            written = Path(new.name)
            new.write(after)
        written.chmod(mode)
        written.replace(target)
    except OSError as error:
        if written is not None:
            written.unlink(missing_ok=True)
        raise SetupError(f"{path}: {error.strerror}; it is as it was, everything else is written") from error
    return f"{path}: the table was replaced"
