"""Prints which edits of our small submissions the probes of the dynamic audit catch: alone and together.

    python -m benchmarks.dynamic_mutants --out ROWS.jsonl            # all, an hour on one core
    python -m benchmarks.dynamic_mutants --out ROWS.jsonl --only key # those whose name holds the word
    python -m benchmarks.dynamic_mutants --out ROWS.jsonl --table    # only the table of what is there

One JSON line a mutation is added to --out; those in it are not run again. --sandbox runs each in the sandbox
that submissions get (slower); without, scripts run in forks of one process, for they are ours.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.warm_runs import WarmRuns
from harness.dynamic.alternative_forks import forked_alternatives
from harness.dynamic.audit_run import run_child
from harness.dynamic.audit_subject import read_subject
from harness.dynamic.counterfactuals import CUT_SHARE
from harness.dynamic.events import StepEvent
from harness.dynamic.probes.access_timeline import access_timeline
from harness.dynamic.probes.artifact_independence import artifact_independence
from harness.dynamic.probes.byte_denominator import byte_denominator
from harness.dynamic.probes.coverage import coverage
from harness.dynamic.probes.documents import batch_mates, document_to_replace
from harness.dynamic.probes.doubled_stream import doubled_stream
from harness.dynamic.probes.first_unit import first_unit
from harness.dynamic.probes.noise_martingale import attributed, noise_martingale
from harness.dynamic.probes.prefix_invariance import prefix_invariance, telling_cut
from harness.dynamic.probes.probe import scored_run
from harness.dynamic.probes.processing_order import processing_order, scored_last
from harness.dynamic.probes.replay import repeated, replay
from harness.dynamic.run_ladder import climb
from harness.dynamic.tiny_data import Layout, tiny_data
from harness.folder_tree import FolderTree
from harness.probe_outcome import Outcome
from harness.sandbox.choose import choose_sandbox
from harness.submission_reader import read_submission
from tests.programs.dynamic.mutant import LEGAL
from tests.programs.dynamic.mutants import MUTANTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from harness.dynamic.audit_run import AuditRun
    from harness.dynamic.probes.probe import ProbeResult, ScoredRun
    from harness.dynamic.run_plan import RunPlan
    from harness.dynamic.tiny_data import TinyData
    from harness.sandbox.request import Sandbox
    from tests.programs.dynamic.mutant import Mutant

_OFF_BORDER = 37
_PLANTED_SHARE = 0.62
_MARKS = {"breach": "B", "clean": "c", "no-power": ".", "not-run": "-", "not-reproducible": "R"}


class Probed:
    """One script with all runs that the probes need, each made whatever the others say."""

    def __init__(self, folder: Path, sandbox: Sandbox) -> None:
        files = FolderTree(folder)
        self._subject = read_subject(folder, read_submission(files), files)
        self._sandbox = sandbox
        key = self._subject.vocabulary.key
        plain = tiny_data(key, Layout.SINGLE)
        count = plain.validation.size
        self._place = int(count * _PLANTED_SHARE)
        self._cut = int(count * CUT_SHARE) + _OFF_BORDER
        self._half = count // 2 + _OFF_BORDER
        self._data = plain.with_planted(self._place)
        self._several = tiny_data(key, Layout.SEVERAL)
        self.why_not = ""

    def results(self, *, of_documents: bool) -> Iterator[ProbeResult]:
        """Every probe's answer; none where the script could not be driven (`why_not`)."""
        attempt = climb(self._subject, self._data, self._sandbox)[-1]
        if attempt.run.cause is not None:
            self.why_not = attempt.run.cause.message
            return
        self._plan = attempt.plan
        base = scored_run("base", attempt.run, stream_tokens=self._data.validation.size, label=None)
        counts = self._data.token_bytes()
        cut = telling_cut(base) or self._cut
        suffix = self._run("suffix", self._data.with_suffix_replaced(cut))
        prefix = prefix_invariance(base, suffix, cut=cut, byte_counts=counts)
        if prefix.outcome is Outcome.CLEAN:
            yield repeated(base, suffix)
        else:
            yield replay(base, self._run("replay", self._data))
        yield prefix
        if of_documents:
            yield from self._of_documents()
        yield forked_alternatives(
            base,
            self._data,
            self._place,
            self._plan,
            self._begin_forks,
            lambda position, token: self._run("token", self._data.with_token(position, token)),
        )()
        yield coverage(base, suffix)
        yield byte_denominator(base, byte_counts=counts)
        yield from access_timeline(base)
        noise = self._data.with_noise()
        drawn = replace(self._plan, drawn_weights=tuple(noise.noise_weights().tolist()))
        by_chance = self._run("noise", noise, drawn)
        replaced = int((self._data.validation != noise.validation).sum())
        yield artifact_independence(base, by_chance, replaced=replaced)
        on_noise = noise_martingale(by_chance, chances=noise.chances())
        yield attributed(on_noise, by_chance, is_blind_to_later=prefix.outcome is Outcome.CLEAN)
        doubled = self._run("doubled", self._data.with_repetition(self._half))
        yield doubled_stream(doubled, base, half=self._half)
        adapts = any(step.source == "val" for step in base.record.of(StepEvent))
        still = self._run("unadapted", self._data, replace(self._plan, adapts=False)) if adapts else base
        yield first_unit(base, still)

    def _of_documents(self) -> Iterator[ProbeResult]:
        several = self._run("documents", self._several)
        last = scored_last(several)
        where = np.zeros(self._several.validation.size, dtype=np.bool_)
        replaced = np.zeros(0, dtype=np.int64) if last is None else last
        where[replaced] = True
        changed = self._run("last documents", self._several.with_even(where))
        yield processing_order(several, changed, replaced=replaced)
        kept = artifact_independence(several, changed, replaced=int(replaced.size))
        if kept.outcome is Outcome.BREACH:
            yield kept
        chosen = document_to_replace(several, self._several.documents())
        document = self._several.documents()[-1] if chosen is None else chosen
        where = np.zeros(self._several.validation.size, dtype=np.bool_)
        where[document.start : document.stop] = True
        yield batch_mates(
            several, self._run("document", self._several.with_replaced(where)), document=document
        )

    def _begin_forks(self, plan: RunPlan) -> Callable[[], AuditRun | None]:
        folder = self._subject.folder
        return lambda: run_child(folder, plan, self._data, self._sandbox, may_write_data=True)

    def _run(self, name: str, data: TinyData, plan: RunPlan | None = None) -> ScoredRun:
        run = run_child(self._subject.folder, plan or self._plan, data, self._sandbox)
        scored = scored_run(name, run, stream_tokens=data.validation.size, label=None)
        if run.cause is not None and not scored.why_not:
            return replace(scored, why_not=run.cause.message)
        return scored


def measured(mutant: Mutant, sandbox: Sandbox, *, of_documents: bool) -> dict[str, Any]:
    """One row of the results."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="golf-mutants-") as name:
        folder = Path(name) / "submission"
        folder.mkdir()
        (folder / "train_gpt.py").write_text(mutant.source(), encoding="utf-8")
        probed = Probed(folder, sandbox)
        answers = [
            {
                "probe": each.probe if each.condition != "no-network-at-eval" else "network",
                "condition": each.condition,
                "outcome": each.outcome.value,
                "sentence": each.sentence,
                "numbers": {key: float(value) for key, value in each.numbers.items()},
            }
            for each in probed.results(of_documents=of_documents)
        ]
    return {
        "name": mutant.name,
        "base": mutant.base,
        "breaks": mutant.breaks,
        "answers": answers,
        "why_not": probed.why_not,
        "seconds": round(time.monotonic() - began, 1),
    }


def together(row: dict[str, Any]) -> str:
    """What all probes say of a mutation."""
    breaches = [each for each in row["answers"] if each["outcome"] == "breach"]
    if not row["answers"]:
        return "not driven"
    if any(each["outcome"] == "not-reproducible" for each in row["answers"]):
        return "not reproducible"
    if row["breaks"] == LEGAL:
        return "**accused**" if breaches else "clean"
    if not breaches:
        return "**missed**"
    right = any(each["condition"] == row["breaks"] for each in breaches)
    return "caught" if right else f"caught as {breaches[0]['condition']}"


def table(rows: list[dict[str, Any]]) -> str:
    """Mutations against probes, and what each probe caught alone."""
    probes = list(dict.fromkeys(each["probe"] for row in rows for each in row["answers"]))
    lines = [
        "B breach, c clean, . no power, - not run, R not reproducible",
        "",
        "| mutation | breaks | " + " | ".join(probes) + " | together |",
        "|---|---|" + "---|" * (len(probes) + 1),
    ]
    for row in rows:
        said = {each["probe"]: _MARKS[each["outcome"]] for each in row["answers"]}
        cells = " | ".join(said.get(probe, "") for probe in probes)
        lines.append(f"| {row['name']} | {row['breaks'] or 'legal'} | {cells} | {together(row)} |")
    lines += [
        "",
        "| probe | caught | of | legal ones accused | clean on illegal ones |",
        "|---|---:|---:|---:|---:|",
    ]
    illegal = [row for row in rows if row["breaks"] != LEGAL]
    legal = [row for row in rows if row["breaks"] == LEGAL]
    for probe in probes:
        caught = sum(_has(row, probe, "breach") for row in illegal)
        accused = sum(_has(row, probe, "breach") for row in legal)
        clean = sum(_has(row, probe, "clean") for row in illegal)
        lines.append(f"| {probe} | {caught} | {len(illegal)} | {accused} | {clean} |")
    caught = sum(together(row).startswith("caught") for row in illegal)
    accused = sum(together(row) == "**accused**" for row in legal)
    lines.append(f"| together | {caught} | {len(illegal)} | {accused} of {len(legal)} | |")
    return "\n".join(lines)


def _has(row: dict[str, Any], probe: str, outcome: str) -> bool:
    return any(each["probe"] == probe and each["outcome"] == outcome for each in row["answers"])


def main() -> None:
    """Parse the command line, run, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", default="", help="parts of the names to run, separated by commas")
    parser.add_argument("--again", action="store_true", help="also those that are in --out")
    parser.add_argument("--sandbox", action="store_true", help="as submissions are run")
    parser.add_argument("--quick", action="store_true", help="several documents only where a base has them")
    parser.add_argument("--table", action="store_true", help="run nothing")
    options = parser.parse_args()
    lines = options.out.read_text(encoding="utf-8").splitlines() if options.out.exists() else []
    rows = {row["name"]: row for row in map(json.loads, lines)}
    wanted = options.only.split(",")
    due = [each for word in wanted for each in MUTANTS if word in each.name]
    due = [each for each in dict.fromkeys(due) if options.again or each.name not in rows]
    if due and not options.table:
        warm = None if options.sandbox else WarmRuns()
        for mutant in due:
            row = rows[mutant.name] = measured(
                mutant,
                warm or choose_sandbox("auto"),
                of_documents=not options.quick or mutant.base == "documents",
            )
            with options.out.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
            said = ", ".join(each["probe"] for each in row["answers"] if each["outcome"] == "breach")
            print(
                f"{row['seconds']:6.1f} s {row['name']}: {together(row)} ({said or row['why_not'] or '-'})",
                flush=True,
            )
        if warm is not None:
            warm.close()
    print(table([rows[each.name] for each in MUTANTS if each.name in rows]))


if __name__ == "__main__":
    main()
