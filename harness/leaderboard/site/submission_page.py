"""One submission's page: place, evidence of each seed, findings with their lines, loss curves, provenance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.leaderboard.loss_curves import curves_of
from harness.leaderboard.p_values import any_gain, any_gain_cell, margin_cell, with_margin
from harness.leaderboard.site.pages import STATUS_WORDS, number_cell, runs_words, shown_name
from harness.reports.escape import printable, uri_path
from harness.wording import count_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.evidence.significance import Comparison, NotTestable, Welch
    from harness.leaderboard.board_row import BoardRow, SeedScore
    from harness.leaderboard.loss_curves import Curve
    from harness.leaderboard.progression import Step
    from harness.leaderboard.site.pages import Site
    from harness.ruleset import Limits

_SCORES_AT_MOST = 12
# No submission has more than a dozen seeds; a folder of thousands of logs must not make a page of megabytes.
_SEEDS_AT_MOST = 60
_OUTCOME_TONES = {"breach": "bad", "clean": "entered"}
_TONES = {"FAIL": "bad", "NEEDS-HUMAN": "ask", "WARN": "ask", "INFO": "plain"}


def submission_page(site: Site, step: Step, curves: Sequence[Curve]) -> dict[str, Any]:
    """The context of the template."""
    row = step.row
    said = site.reports.shown(row.key)
    unchecked = said["unchecked"]
    return {
        "row": {
            "key": printable(row.key, 120),
            "name": shown_name(row),
            "mean": number_cell(row.mean, ".5f") if row.mean is not None else "",
            "std": number_cell(row.sample_std, ".5f") if row.sample_std is not None else "",
            "runs": runs_words(row),
            "status": step.status.value,
            "status_words": STATUS_WORDS[step.status],
            "is_record": step.is_record,
            "reason": printable(step.reason),
            "ruled_otherwise": step.ruled_otherwise,
            "verdict": row.judged.verdict if row.judged is not None else "",
        },
        "facts": _facts(row),
        "provenance": _provenance(row, site.pull_url),
        "remarks": [printable(note) for note in row.notes],
        "comparison": _comparison(step),
        "seeds": [_seed(score, site.limits) for score in row.sample[:_SEEDS_AT_MOST]],
        "more_seeds": max(0, len(row.sample) - _SEEDS_AT_MOST),
        "curves": [_curve_words(curve) for curve in curves],
        "slug": site.slug[row.key],
        "judged_words": _judged_words(row),
        "findings": [_finding(finding) for finding in said["findings"]],
        "tally": _tally(said["findings"]),
        "unchecked": [{"rule": rule, "message": printable(message, 600)} for rule, message in unchecked],
        "unchecked_words": f"{count_of(len(unchecked), 'rule')} not checked",
        "more_findings": said["more"],
        "executed": _executed(said["executed"]),
    }


def read_curves(site: Site, step: Step) -> tuple[Curve, ...]:
    """The loss curves of a row's counted runs; none where the board holds no logs."""
    return curves_of(step.row, site.read_log) if site.read_log is not None else ()


def curve_data(curves: Sequence[Curve]) -> list[dict[str, Any]]:
    """What the page's script draws."""
    return [
        {"name": _curve_name(curve), "train": curve.train, "validation": curve.validation} for curve in curves
    ]


def _curve_name(curve: Curve) -> str:
    return f"seed {curve.seed}" if curve.seed is not None else printable(curve.log, 60)


def _curve_words(curve: Curve) -> dict[str, str]:
    first, last = curve.train[0], curve.train[-1]
    words = f"training loss {first[1]:.3f} at step {first[0]:,}, {last[1]:.3f} at step {last[0]:,}"
    if curve.validation:
        step, loss = curve.validation[-1]
        words += f"; last validation in training {loss:.4f} at step {step:,}"
    return {"name": _curve_name(curve), "words": words, "log": printable(curve.log, 120)}


def _seed(score: SeedScore, limits: Limits) -> dict[str, Any]:
    return {
        "seed": "–" if score.seed is None else str(score.seed),
        "bpb": f"{score.val_bpb:.6f}",
        "loss": number_cell(score.val_loss, ".6f"),
        "bars": (
            _bar(score.train_seconds, limits.number("time.train_cap_seconds"), "s", ".1f"),
            _bar(score.eval_seconds, limits.number("time.eval_cap_seconds"), "s", ".1f"),
            _bar(score.total_bytes, limits.number("artifact.cap_bytes"), "bytes", ",d"),
        ),
        "source": printable(score.source, 120),
        "standing": score.standing.value,
    }


def _bar(value: float | None, limit: float, unit: str, form: str) -> dict[str, Any]:
    """A bar up to 125 % of the limit, which stands at four fifths, so that an excess shows."""
    if value is None:
        return {"words": "–", "share": None}
    share = max(0.0, value / limit)
    return {
        "words": f"{value:{form}} {unit}",
        "share": f"{100 * share:.1f} % of the limit",
        "width": f"{min(100.0, 80 * share):.2f}",
        "tone": "over" if share > 1.0 else "near" if share > 0.995 else "within",
    }


def _facts(row: BoardRow) -> list[dict[str, str]]:
    facts = []
    for name, told in (
        ("Author", row.author), ("GitHub", row.github_id), ("Date", row.date), ("Summary", row.summary),
        ("Opened", row.created_at), ("Evidence", row.evidence_at),
    ):  # fmt: skip
        if told is not None:
            source = f"{told.standing.value}, {printable(told.source, 120)}"
            facts.append({"name": name, "value": printable(str(told.value), 400), "source": source})
    if row.track:
        facts.append({"name": "Track", "value": printable(row.track, 80), "source": ""})
    if row.bytes_per_token:
        value = number_cell(row.bytes_per_token, ".5f")
        facts.append({"name": "Bytes per token", "value": value, "source": "from loss and score"})
    if row.ruling is not None:
        on = f" on {row.ruling.date}" if row.ruling.date else ""
        value = f"{row.ruling.outcome.value} by {row.ruling.who}{on}: {row.ruling.why}"
        facts.append({"name": "Ruling", "value": printable(value), "source": printable(row.ruling.source)})
    for runs in row.reproductions:
        on = f" on {runs.date}" if runs.date else ""
        value = f"{_scores(runs.scores)} by {runs.who}{on}"
        facts.append({"name": "Reproduction", "value": printable(value), "source": printable(runs.source)})
    return facts


def _provenance(row: BoardRow, pull_url: str) -> list[dict[str, str]]:
    """Where the evidence lies; links only where the challenge's repository is known."""
    base = pull_url.removesuffix("pull/")
    found = []
    if row.pr is not None:
        link = f"{pull_url}{row.pr}" if pull_url else ""
        found.append({"name": "Pull request", "value": f"#{row.pr}", "link": link})
    if row.folder:
        link = f"{base}tree/{row.commit}/{uri_path(row.folder)}" if base and row.commit else ""
        found.append({"name": "Folder", "value": printable(row.folder, 300), "link": link})
    if row.commit:
        link = f"{base}commit/{row.commit}" if base else ""
        found.append({"name": "Commit", "value": printable(row.commit, 64), "link": link})
    return found


def _comparison(step: Step) -> dict[str, Any] | None:
    numbers, against = step.numbers, step.against
    if numbers is None or against is None:
        return None
    gain = numbers.gain
    unit = "byte" if gain.bytes_per_token is None else "token"
    per_token = "unknown: no loss is logged" if gain.nats_per_token is None else f"{gain.nats_per_token:+.5f}"
    rows = [
        ("Gain, bits per byte", f"{gain.bpb:+.6f}"),
        ("Gain, nats per token", per_token),
        ("Gain, nats per byte", f"{gain.nats_per_byte:+.5f}"),
        ("p, any gain", f"{any_gain_cell(numbers)}{_how(any_gain(numbers), numbers)}"),
        (
            f"p, {numbers.margin_nats:g} nats per {unit}",
            f"{margin_cell(numbers)}{_how(with_margin(numbers), numbers)}",
        ),
        ("Its scores", _scores(numbers.new)),
        (f"Scores of {against.key}", _scores(numbers.old)),
    ]
    wider = step.with_reproductions
    if wider is not None:
        rows.append(
            (
                "p with reproduction runs",
                f"{any_gain_cell(wider)}: {_scores(wider.new)} against {_scores(wider.old)}",
            )
        )
    return {
        "key": printable(against.key, 120),
        "name": shown_name(against),
        "rows": [{"name": printable(name), "value": printable(value)} for name, value in rows],
    }


def _how(test: Welch | NotTestable, numbers: Comparison) -> str:
    from harness.evidence.significance import NotTestable

    if isinstance(test, NotTestable):
        return f" ({test.reason})"
    kind = "one sample" if len(numbers.old) == 1 else "Welch"
    return f" ({kind}, one-sided, t = {test.t:.3f}, {test.degrees:.2f} degrees of freedom)"


def _scores(values: Sequence[float]) -> str:
    shown = ", ".join(f"{value:.6f}" for value in values[:_SCORES_AT_MOST])
    more = len(values) - _SCORES_AT_MOST
    return f"{shown} and {more} more" if more > 0 else shown


def _judged_words(row: BoardRow) -> str:
    judged = row.judged
    if judged is None:
        return ""
    if judged.error is not None:
        return f"It could not be looked at: {printable(judged.error)}"
    words = [f"Verdict without the chain's own rules: {judged.verdict}."]
    if judged.open:
        words.append(f"Essential rules that could not be checked: {', '.join(judged.open)}.")
    return " ".join(words)


def _tally(findings: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """How many findings of each verdict, the worst first as they stand."""
    counts: dict[str, int] = {}
    for finding in findings:
        counts[finding["verdict"]] = counts.get(finding["verdict"], 0) + 1
    return [{"words": f"{count} {word}", "tone": _TONES.get(word, "plain")} for word, count in counts.items()]


def _finding(finding: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "rule": finding["rule"],
        "verdict": finding["verdict"],
        "tone": _TONES.get(finding["verdict"], "plain"),
        "message": printable(finding["message"]),
        "ask": printable(finding["ask"]),
        "authority": printable("; ".join(finding["authority"])),
        "frames": [_frame(place) for place in finding["places"]],
    }


def _executed(executed: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """What running the submission showed: its probes, and the course of the first run."""
    if executed is None:
        return None
    return {
        "summary": printable(executed["summary"]),
        "probes": [
            {
                "outcome": outcome,
                "tone": _OUTCOME_TONES.get(outcome, "plain"),
                "probe": probe,
                "sentence": printable(sentence),
            }
            for outcome, probe, sentence in executed["probes"]
        ],
        "course": [[printable(cell, 160) for cell in row[1:]] for row in executed["course"]],
    }


def _frame(place: Mapping[str, Any]) -> dict[str, Any]:
    unpacked = " (unpacked)" if place["unpacked"] else ""
    return {
        "file": printable(f"{place['file']}{unpacked}", 300),
        "line": "" if place["line"] is None else str(place["line"]),
        "note": printable(place["note"]),
        "code": printable(place["excerpt"]),
    }
