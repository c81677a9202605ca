"""Runs a plan and writes its results: one report or many, streamed where the format allows it.

JSON lines, one-line text and concise output are written as results come, in the order of the targets, so an
interrupted batch leaves everything already judged in the file. SARIF, GitHub annotations and a JSON object
need all results and are written at the end.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from harness.batch import in_order, judge_all, judge_single
from harness.errors import SetupError
from harness.exit_status import exit_status
from harness.reports.report_json import document_text, from_json
from harness.ruleset import RULES_DIR, load_ruleset
from harness.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from harness.check import CheckOptions
    from harness.git.pull_request import Clone
    from harness.report import Report
    from harness.result_cache import ResultCache
    from harness.targets import Target

# Text written to a file is for reading in an editor or a review, wider than an unknown terminal.
_FILE_COLUMNS = 100
_STREAMED = {"text", "concise", "jsonl", "markdown"}


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputOptions:
    """How results are written. `output` None means standard output; `show_passes` is for text."""

    format: str = "text"
    output: Path | None = None
    show_passes: bool = False
    statistics: bool = False
    quiet: bool = False
    exit_zero_on_review: bool = False
    fail_on: str | None = None
    jobs: int = 1


@contextlib.contextmanager
def _sink(path: Path | None, *, streamed: bool) -> Iterator[IO[str]]:
    """Standard output, or the file: line by line when streamed, else replaced in one step when complete."""
    if path is None:
        yield sys.stdout
        return
    try:
        if streamed:
            with path.open("w", encoding="utf-8", newline="\n") as file:
                yield file
            return
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            try:
                yield file
            except BaseException:
                Path(name).unlink(missing_ok=True)
                raise
        mask = os.umask(0)
        os.umask(mask)
        Path(name).chmod(0o666 & ~mask)
        Path(name).replace(path)
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            raise
        raise SetupError(
            f"cannot write --output {path}: {error.strerror}; name a writable file, or leave --output out"
        ) from error


def write_whole(text: str, path: Path | None) -> None:
    """Write a finished text to standard output, or to a file in one step. Raises `SetupError`."""
    with _sink(path, streamed=False) as sink:
        sink.write(text)


class CheckOutput:
    """One run of golf-check over its targets."""

    def __init__(
        self,
        options: OutputOptions,
        targets: Sequence[Target],
        *,
        is_batch: bool,
        note: Callable[[str], None],
    ) -> None:
        """`is_batch` changes the text format to one line a submission, and the exit status."""
        self.options = options
        self.targets = targets
        self.is_batch = is_batch
        self.note = note
        self._rules_dir = RULES_DIR

    def _repo_url(self) -> str | None:
        """Where the judged commits can be looked at, for links to lines."""
        url = load_ruleset(self._rules_dir).tables.get("challenge", {}).get("repository")
        return url if isinstance(url, str) else None

    def run(self, clone: Clone | None, check: CheckOptions, cache: ResultCache | None) -> int:
        """Judge, write, and return the exit status."""
        self._rules_dir = check.rules_dir
        from harness.reports.batch_summary import BatchSummary

        summary = BatchSummary()
        streamed = self.options.format in _STREAMED
        verdicts: list[Verdict] = []
        kept: list[dict[str, Any]] = []
        bugs: list[str] = []
        with _sink(self.options.output, streamed=streamed) as sink:
            for document in self._documents(clone, check, cache):
                summary.add(document)
                verdicts.append(Verdict(document["verdict"]))
                bugs += document.get("rule_errors") or []
                if streamed:
                    sink.write(self._rendered(document))
                    sink.flush()
                else:
                    kept.append(document)
            if not streamed:
                sink.write(self._rendered_together(kept, summary.to_json()))
            if self.options.statistics and self.options.format in {"text", "concise"}:
                from harness.reports.batch_summary import render_batch_summary

                sink.write("\n" + render_batch_summary(summary))
        if self.options.statistics and self.options.format not in {"text", "concise"}:
            from harness.reports.batch_summary import render_batch_summary

            print(render_batch_summary(summary), file=sys.stderr)
        self._report_bugs(bugs)
        return exit_status(
            verdicts,
            has_bug=bool(bugs),
            fails=self._fails(),
            zero_on_review=self.options.exit_zero_on_review,
        )

    def _fails(self) -> bool:
        fail_on = self.options.fail_on or ("never" if self.is_batch else "fail")
        return fail_on == "fail"

    def _report_bugs(self, bugs: Sequence[str]) -> None:
        if not bugs:
            return
        print(bugs[0], file=sys.stderr)
        rules = ", ".join(sorted({bug.split(":", 1)[0] for bug in bugs}))
        print(
            f"golf-check: {len(bugs):,} checks crashed ({rules}); they count as NOT-CHECKED. This is a bug "
            "of golf-check: please report it with the traceback above.",
            file=sys.stderr,
        )

    def _documents(
        self, clone: Clone | None, check: CheckOptions, cache: ResultCache | None
    ) -> Iterator[dict[str, Any]]:
        """Reports as JSON documents, in the order of the targets."""
        if len(self.targets) == 1:
            yield judge_single(
                self.targets[0], clone, check, cache, lambda name: self.note(f"runs the submission: {name}")
            )
            return
        results = judge_all(self.targets, clone, check, jobs=self.options.jobs, cache=cache)
        with self._progress() as advance:
            for result in in_order(advance(results)):
                yield result.document

    @contextlib.contextmanager
    def _progress(self) -> Iterator[Callable[[Any], Iterator[Any]]]:
        """A progress bar on standard error when it is a terminal, a line every tenth otherwise."""
        from harness.progress import shown_progress

        with shown_progress(len(self.targets), "judged", quiet=self.options.quiet) as advance:
            yield advance

    def _rendered(self, document: dict[str, Any]) -> str:
        report = from_json(document)
        if self.options.format == "jsonl":
            from harness.reports.report_json import render_jsonl

            return render_jsonl(report)
        if self.options.format == "markdown":
            from harness.reports.report_markdown import render_markdown

            return render_markdown(report, self._repo_url()) + "\n"
        if self.options.format == "concise":
            from harness.reports.report_concise import render_concise

            return render_concise(report)
        return self._text(report)

    def _text(self, report: Report) -> str:
        if self.is_batch:
            from harness.reports.report_outline import reason, subject, verdict_word

            return f"{verdict_word(report.verdict):<16} {subject(report.submission)}  {reason(report)}\n"
        from harness.reports.report_text import Display, render_text

        shows = self.options.show_passes
        if self.options.output is not None:
            return render_text(report, Display(width=_FILE_COLUMNS, show_passes=shows))
        return render_text(report, Display.for_stream(sys.stdout, show_passes=shows))

    def _rendered_together(self, documents: Sequence[dict[str, Any]], summary: dict[str, Any]) -> str:
        if self.options.format == "json":
            if len(self.targets) == 1:
                together: dict[str, Any] = documents[0]
            else:
                together = {"schema_version": 1, "reports": list(documents), "summary": summary}
            return document_text(together)
        reports = [from_json(document) for document in documents]
        if self.options.format == "sarif":
            from harness.reports.report_sarif import render_sarif

            return render_sarif(reports, ruleset=load_ruleset(self._rules_dir), repo_url=self._repo_url())
        from harness.reports.report_github import render_github

        return render_github(reports)
