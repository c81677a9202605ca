"""A comment for a pull request: verdict, findings with links to their lines, measured numbers, what is open.

Everything a submission chose (names, messages, quoted lines) is inert: no markup, links, mentions or issue
references. GitHub cuts comments at 65,536 characters, so long lists are cut with a count of what is left out.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from harness.finding import RuleVerdict
from harness.reports.escape import markdown, markdown_code, uri_path
from harness.reports.report_executed import markdown_lines
from harness.reports.report_outline import (
    STEPS_AT_LEAST,
    STEPS_AT_MOST,
    basis,
    by_rule,
    first_place,
    line_on_disk,
    open_essential,
    places_beside_steps,
    question,
    reason,
    repository_path,
    reproduce_command,
    seen,
    shown_line,
    stated,
    steps,
    subject,
    unchecked_by_reason,
    verdict_word,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.finding import Finding, Place
    from harness.report import Report, SeedMeasured

COMMENT_CHARACTERS = 65_536
FINDINGS_AT_MOST = 40
FINDINGS_PER_RULE = 5
PLACES_AT_MOST = 6
CLEAN_CHAINS_AT_MOST = 3
# One cell of the table; longer text keeps its first part, the JSON document the whole.
CELL_CHARACTERS = 600


def _link(report: Report, place: Place, repo_url: str | None) -> str:
    text = markdown_code(shown_line(place), 200)
    commit = report.submission.repo_commit
    if not repo_url or not commit or not re.fullmatch(r"[0-9a-f]{7,64}", commit):
        return text
    line = line_on_disk(place)
    until = f"-L{place.end_line}" if line and place.end_line and place.end_line > line else ""
    anchor = f"#L{line}{until}" if line else ""
    target = f"{repo_url.rstrip('/')}/blob/{commit}/{uri_path(repository_path(report.submission, place))}"
    return f"[{text}]({target}{anchor})"


def _evidence(report: Report, finding: Finding, repo_url: str | None, places_at_most: int) -> str:
    parts = []
    chain = steps(finding)
    places = places_beside_steps(finding) if chain and places_at_most > 1 else list(finding.places)
    if chain and places_at_most > 1:
        first = first_place(finding)
        where = [number for number, place in enumerate(chain, start=1) if place is first]
        parts.append(f"{len(chain):,} steps below" + (f"; look at step {where[0]} first" if where else ""))
    for place in places[:places_at_most]:
        note = f" {markdown(place.note, 200)}" if place.note else ""
        excerpt = f"<br>{markdown_code(place.excerpt.strip(), 160)}" if place.excerpt else ""
        parts.append(_link(report, place, repo_url) + note + excerpt)
    left = len(places) - PLACES_AT_MOST
    if left > 0 and places_at_most > 1:
        parts.append(f"and {left:,} more places")
    return "<br>".join(parts)


def _row(report: Report, rule: str, group: Sequence[Finding], repo_url: str | None) -> str:
    """One rule: what it said of each seed, its question once, and all places of the first finding only."""
    shown = group[:FINDINGS_PER_RULE]
    texts = [markdown(finding.message, CELL_CHARACTERS) for finding in shown]
    if len(group) > len(shown):
        texts.append(f"and {len(group) - len(shown):,} more of this rule")
    asked = dict.fromkeys(filter(None, map(question, group)))
    texts += [f"**Question:** {markdown(ask, CELL_CHARACTERS)}" for ask in list(asked)[:FINDINGS_PER_RULE]]
    if group[0].authority:
        texts.append(f"<sub>ruled by {markdown('; '.join(group[0].authority), CELL_CHARACTERS)}</sub>")
    evidence = [
        _evidence(report, finding, repo_url, PLACES_AT_MOST if number == 0 else 1)
        for number, finding in enumerate(shown)
    ]
    cells = [f"**{group[0].verdict.value}**", markdown_code(rule), "<br>".join(texts)]
    return f"| {' | '.join(cells)} | {'<br>'.join(filter(None, evidence))} |"


def _chain(report: Report, finding: Finding, repo_url: str | None) -> list[str]:
    """The numbered lines of code of a finding: where, what happens there, and the line itself."""
    chain = steps(finding)
    if not chain:
        return []
    first = first_place(finding)
    lines = ["", f"**{finding.verdict.value} {markdown_code(finding.rule)}, step by step**", ""]
    for number, place in enumerate(chain[:STEPS_AT_MOST], start=1):
        note = markdown(place.note, 200)
        said = f" **{note}**" if note and place is first else f" {note}" if note else ""
        excerpt = f"<br>{markdown_code(place.excerpt.strip(), 160)}" if place.excerpt else ""
        lines.append(f"{number}. {_link(report, place, repo_url)}{said}{excerpt}")
    if len(chain) > STEPS_AT_MOST:
        lines += ["", f"and {len(chain) - STEPS_AT_MOST:,} more steps"]
    return lines


def _findings(report: Report, repo_url: str | None) -> list[str]:
    groups = by_rule(stated(report))
    if not groups:
        return []
    lines = ["", "| verdict | rule | what was seen | where |", "|---|---|---|---|"]
    lines += [_row(report, rule, group, repo_url) for rule, _, group in groups[:FINDINGS_AT_MOST]]
    left = len(groups) - FINDINGS_AT_MOST
    if left > 0:
        lines += ["", f"Findings of {left:,} more rules are in the JSON report."]
    return lines


def _chains(report: Report, repo_url: str | None) -> list[list[str]]:
    """The chain of each rule's first finding, a block each, so that a long one costs no other."""
    groups = by_rule(stated(report))[:FINDINGS_AT_MOST]
    shown = [group[0] for _, verdict, group in groups if verdict is not RuleVerdict.INFO]
    return [_chain(report, finding, repo_url) for finding in shown]


def _clean_chains(report: Report, repo_url: str | None) -> list[list[str]]:
    """What passing rules saw line by line; the chain that several rules share is shown once, for all."""
    alike: dict[tuple[Place, ...], list[Finding]] = {}
    for finding in seen(report):
        if len(steps(finding)) > STEPS_AT_LEAST:
            alike.setdefault(finding.places, []).append(finding)
    blocks = []
    for group in list(alike.values())[:CLEAN_CHAINS_AT_MOST]:
        rules = ", ".join(markdown_code(finding.rule) for finding in group)
        title = f"**Why {rules} {'pass' if len(group) > 1 else 'passes'}, step by step**"
        blocks.append(["", title, *_chain(report, group[0], repo_url)[2:]])
    return blocks


def _number(value: float | None, form: str) -> str:
    return "-" if value is None or not math.isfinite(value) else format(value, form)


def _seed_row(seed: SeedMeasured) -> str:
    name = "-" if seed.seed is None else str(seed.seed)
    log = (
        "-" if seed.log is None else markdown_code(f"{seed.log}:{seed.line}" if seed.line else seed.log, 120)
    )
    cells = [
        name,
        _number(seed.val_bpb, ".6f"),
        _number(seed.train_seconds, ",.1f"),
        _number(seed.eval_seconds, ",.1f"),
        _number(seed.model_bytes, ",d"),
        _number(seed.total_bytes, ",d"),
        log,
    ]
    return f"| {' | '.join(cells)} |"


def _measured(report: Report) -> list[str]:
    measured = report.measured
    if not measured.seeds:
        return []
    lines = [
        "",
        "| seed | val_bpb | train s | eval s | model bytes | total bytes | log |",
        "|---:|---:|---:|---:|---:|---:|---|",
    ]
    lines += [_seed_row(seed) for seed in measured.seeds[:FINDINGS_AT_MOST]]
    if measured.mean_val_bpb is not None:
        spread = _number(measured.sample_std_val_bpb, ".6f")
        lines += ["", f"Mean val_bpb {_number(measured.mean_val_bpb, '.6f')}, sample std {spread}."]
    return lines


def _details(title: str, lines: list[str]) -> list[str]:
    if not lines:
        return []
    return ["", "<details>", f"<summary>{title}</summary>", "", *lines, "", "</details>"]


def _unchecked(report: Report) -> list[str]:
    essential = set(open_essential(report))
    lines = []
    for why, rules in unchecked_by_reason(report):
        marked = ", ".join(
            markdown_code(rule) + (" (essential)" if rule in essential else "") for rule in rules
        )
        lines.append(f"- {markdown(why, CELL_CHARACTERS)}: {marked}")
    lines += [f"- {markdown(text, CELL_CHARACTERS)}" for text in report.unseen[:FINDINGS_AT_MOST]]
    return lines


def _within(limit: int, blocks: list[list[str]]) -> str:
    """As many whole blocks, in order, as fit; says so when some do not."""
    text = ""
    dropped = False
    for block in blocks:
        addition = "\n".join(block) + "\n" if block else ""
        if len(text) + len(addition) > limit:
            dropped = True
            continue
        text += addition
    return text + ("\nParts of this report did not fit here; see the JSON report.\n" if dropped else "")


def render_markdown(report: Report, repo_url: str | None = None) -> str:
    """The comment; places link to their lines where `repo_url` and the judged commit are known."""
    head = [
        f"### golf-check: {verdict_word(report.verdict)}",
        "",
        f"{markdown(subject(report.submission), 200)} - {markdown(reason(report), CELL_CHARACTERS)}",
    ]
    passes = [f"- {markdown_code(f.rule)}: {markdown(f.message, CELL_CHARACTERS)}" for f in seen(report)]
    foot = [
        "",
        f"<sub>{markdown(basis(report))}. No finding is not a proof of legality.</sub>",
        "",
        f"Reproduce: {markdown_code(' '.join(reproduce_command(report)), 400)}",
    ]
    blocks = [
        _findings(report, repo_url),
        *_chains(report, repo_url),
        *_clean_chains(report, repo_url),
        _measured(report),
        _details("What running it showed", markdown_lines(report.dynamic) if report.dynamic else []),
        _details("What could not be seen", _unchecked(report)),
        _details("What was seen", passes[: 2 * FINDINGS_AT_MOST]),
    ]
    ends = "\n".join(head) + "\n", "\n".join(foot) + "\n"
    return ends[0] + _within(COMMENT_CHARACTERS - len(ends[0]) - len(ends[1]) - 200, blocks) + ends[1]
