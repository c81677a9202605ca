"""same-config: all counted seeds ran the submitted configuration.

What it checks
    The hyperparameters, machine size, clock and data that the logs of the counted seeds print, seed by seed.
Why it matters
    A mean over different configurations is the score of none of them, and picking the configuration per seed
    is a search on the validation set.
What is allowed instead
    Differences that do not change the model: seed, run id, names, paths, addresses, and what was printed by
    one run and not by another.
How it is detected
    A switch that both logs print with different values, where a switch is a name the scripts read from the
    environment or the command line. Seeds, ids, paths, names and switches of logging are left out, as are
    those of an evaluation method that ran only after the counted pass; numbers are compared as numbers.
    Warnings are: sources dumped into the logs that differ, as the difference may be a comment (#1530 was
    accepted so), other time caps or reserves, and other numbers of GPUs or train shards.
    A seed that the README counts while submission.json calls its log a reference asks a person (#2124).
What it cannot see
    Switches that are not printed, and environment variables.
Rulings
    #2124, 2026-05-02 (A2): a third seed from another configuration is refused. #52, #77 and #1530 (A3):
    seeds that ran different sources have rows.
Example
    seed 314 ran with ttt_epochs=4 where seed 42 ran with ttt_epochs=3 (train_seed314.log:14): 1 of 61
    printed switches differ. Rerun the seed with the submitted configuration.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from harness.case import failed, needs_human, not_applicable, not_checked, passed, warned
from harness.evidence.seed_evidence import Match, SeedEvidence
from harness.evidence.seed_scores import PLACES_AT_MOST, name_of, proven_seeds
from harness.finding import Place, Role
from harness.wording import listed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.case import Case
    from harness.finding import Finding, Sourced
    from harness.logs.training_log import EvalPass
    from harness.submission import Submission

RULE = "same-config"

# What may differ between runs of one configuration: who ran, where to, and how much was printed.
_FREE = re.compile(
    r"seed|run_?id|run_?name|uuid|path|dir$|dir_|file|log|wandb|host|port|addr|rank|device|time_?stamp|date"
    r"|checkpoint|save|output|artifact|name$|verbose|debug|every|resume|glob|pattern",
    re.IGNORECASE,
)
_SHOWN_AT_MOST = 6
_INPUT = re.compile(
    r"""(?:environ(?:\.get)?|getenv|_?env\w*|add_argument)\s*[(\[]\s*['"](-{0,2}[A-Za-z][\w-]{1,60})['"]"""
)
_APART = re.compile(
    r"\bnot (?:included|counted|part of|claimed)\b|\breference (?:run|log|only)\b|\bexcluded\b"
    r"|\b(?:other|different|another) (?:config\w*|settings?)\b",
    re.IGNORECASE,
)
_NESTED_AT_MOST = 12
# A clock setting changes how long a run may take, not what is run; the time rules judge the result.
_CLOCK = re.compile(r"wallclock|reserve|time_?(?:out|limit|budget)|_seconds$", re.IGNORECASE)
_METHOD = re.compile(r"(ttt|slot|ngram|ppm)_")


def _is_free(key: str, *values: str) -> bool:
    return bool(_FREE.search(key)) or any("/" in value or "\\" in value for value in values)


def _same(one: str, other: str) -> bool:
    """Equal as text, as truth values or as numbers ("3" and "3.0", "True" and "1")."""
    if one.strip() == other.strip():
        return True
    truth = {"true": 1.0, "false": 0.0}
    try:
        numbers = [truth.get(text.strip().lower()) for text in (one, other)]
        values = [
            float(text) if number is None else number
            for text, number in zip((one, other), numbers, strict=True)
        ]
    except ValueError:
        return False
    return values[0] == values[1]


def _switches(submission: Submission) -> frozenset[str]:
    """Names the scripts read from the environment or the command line, in lower case.

    A log prints much as "name: value"; only what the script takes as input is configuration.
    """
    scripts = [submission.code.entry, *submission.code.closure]
    texts = [script.text for script in scripts if script is not None and script.text]
    texts += [dump.text for log in submission.logs for dump in log.dumps[:1]]
    texts += [file.text for path, file in submission.texts.items() if path.endswith(".py")]
    return frozenset(
        name.lower().lstrip("-").replace("-", "_") for text in texts for name in _INPUT.findall(text)
    )


def _printed(seed: SeedEvidence, switches: frozenset[str]) -> dict[str, Sourced[str]]:
    """The switches a seed's runs print: those of the scored run stand over those of the training run."""
    facts: dict[str, Sourced[str]] = {}
    for run in (seed.training_run, seed.run):
        if run is not None:
            facts |= {key: value for key, value in run.hyperparameters.items() if key.lower() in switches}
    return facts


def _stated_elsewhere(case: Case) -> list[SeedEvidence]:
    """Runs of seeds that only the README's table counts: submission.json may leave one out (#2124)."""
    stated = {
        claim.seed: claim for claim in case.submission.readme_claims.per_seed if claim.val_bpb is not None
    }
    known = {seed.seed for seed in case.evidence.seeds}
    near = case.limits.number("score.claim_tolerance_bpb")
    found = []
    for run in case.evidence.unused_runs:
        seed = run.seed.value if run.seed is not None else run.seed_from_name
        claim = stated.get(seed)
        if claim is None or claim.val_bpb is None or seed in known:
            continue
        score = claim.val_bpb.value
        counted = next((each for each in run.final_passes if abs(each.val_bpb.value - score) <= near), None)
        if counted is not None:
            known.add(seed)
            found.append(
                SeedEvidence(
                    seed=seed, claim=claim, match=Match.CLAIM, run=run, training_run=run, counted=counted
                )
            )
    return found


def _different(
    one: dict[str, Sourced[str]], other: dict[str, Sourced[str]]
) -> list[tuple[str, Sourced[str], Sourced[str]]]:
    return [
        (key, one[key], other[key])
        for key in sorted(one.keys() & other.keys())
        if not _is_free(key, one[key].value, other[key].value) and not _same(one[key].value, other[key].value)
    ]


def check(case: Case) -> Iterator[Finding]:
    """Each seed against the first one that prints its configuration."""
    seeds = (*proven_seeds(case.evidence), *_stated_elsewhere(case))
    unread = [log.path for log in case.submission.logs if log.unreadable]
    if len(seeds) < 2 and unread:
        yield not_checked(RULE, f"{listed(unread, 3)} cannot be read as text: no two seeds can be compared")
        return
    if len(seeds) < 2:
        yield not_applicable(RULE, "fewer than two seeds are proven by logs")
        return
    yield from _different_sources(case.submission, seeds)
    yield from _different_scale(seeds)
    yield from _set_apart(case)
    switches = _switches(case.submission)
    printed = [(seed, facts) for seed in seeds if (facts := _printed(seed, switches))]
    if len(printed) < 2:
        yield not_checked(RULE, "fewer than two counted logs print switches that the script reads")
        return
    first, reference = printed[0]
    findings = [finding for seed, facts in printed[1:] for finding in _against(first, reference, seed, facts)]
    yield from findings
    if not findings:
        shared = set.intersection(*(set(facts) for _, facts in printed))
        yield passed(RULE, f"{len(printed)} seeds print the same {len(shared)} switches")


def _set_apart(case: Case) -> Iterator[Finding]:
    """Seeds that the README counts while submission.json says that their log does not belong to the claim."""
    json = case.submission.json
    for seed in _stated_elsewhere(case):
        run, claim = seed.run, seed.claim
        note = _note_about(json.raw, run.file.rsplit("/", 1)[-1]) if run is not None else None
        if note is None or claim is None or claim.val_bpb is None or run is None:
            continue
        yield needs_human(
            RULE,
            f'submission.json sets {run.file} apart ("{note[:160]}"), yet the README counts {name_of(seed)} '
            f"among its scores ({claim.val_bpb.file}:{claim.val_bpb.line})",
            claim.val_bpb.place("counted here"),
            Place(file=run.file, line=run.first_line, role=Role.RELATED, note="the run set apart"),
            Place(file=json.path, role=Role.RELATED, note="says so"),
            ask=f"Did {name_of(seed)} run the submitted configuration?",
        )


def _note_about(node: object, log: str, depth: int = 0) -> str | None:
    """What a JSON object that names this log says against counting it; None when nothing does."""
    if depth > _NESTED_AT_MOST:
        return None
    children = (
        list(node.values()) if isinstance(node, Mapping) else list(node) if isinstance(node, list) else []
    )
    texts = [child for child in children if isinstance(child, str)]
    if isinstance(node, Mapping) and any(log in text for text in texts):
        note = next((text for text in texts if _APART.search(text)), None)
        if note is not None:
            return " ".join(note.split())
    found = (_note_about(child, log, depth + 1) for child in children if not isinstance(child, str))
    return next((note for note in found if note is not None), None)


def _is_moot(key: str, *seeds: SeedEvidence) -> bool:
    """True for a switch of an evaluation method that the counted passes did not use (#1334)."""
    method = _METHOD.match(key.lower())
    if method is None:
        return False
    passes = [(seed.counted, seed.run) for seed in seeds]
    return all(
        counted is not None
        and method[1] not in counted.label.lower()
        and run is not None
        and all(method[1] in other.label.lower() for other in run.final_passes if _after(other, counted))
        for counted, run in passes
    )


def _after(one: EvalPass, other: EvalPass) -> bool:
    return (one.val_bpb.line or 0) > (other.val_bpb.line or 0)


def _different_scale(seeds: tuple[SeedEvidence, ...]) -> Iterator[Finding]:
    """Machine size and amount of training data are no switches, but belong to the run."""
    for what in ("world_size", "train_shards"):
        facts: list[tuple[SeedEvidence, Sourced[int]]] = []
        for seed in seeds:
            fact = getattr(seed.training_run or seed.run, what, None)
            if fact is not None:
                facts.append((seed, fact))
        if len({fact.value for _, fact in facts}) > 1:
            values = ", ".join(f"{name_of(seed)}: {fact.value}" for seed, fact in facts[:_SHOWN_AT_MOST])
            yield warned(
                RULE,
                f"the seeds ran with different {what} ({values})",
                *(
                    fact.place(f"{what} of {name_of(seed)}", Role.PRIMARY if n == 0 else Role.RELATED)
                    for n, (seed, fact) in enumerate(facts[:PLACES_AT_MOST])
                ),
            )


def _against(
    first: SeedEvidence,
    reference: dict[str, Sourced[str]],
    seed: SeedEvidence,
    facts: dict[str, Sourced[str]],
) -> Iterator[Finding]:
    different = [each for each in _different(reference, facts) if not _is_moot(each[0], first, seed)]
    if not different:
        return
    shown = [
        f"{key}={theirs.value[:40]} where {name_of(first)} ran with {key}={mine.value[:40]}"
        for key, mine, theirs in different
    ]
    _, mine, theirs = different[0]
    shared = len(reference.keys() & facts.keys())
    text = (
        f"{name_of(seed)} ran with {listed(shown, _SHOWN_AT_MOST, '; ')} ({theirs.file}:{theirs.line}): "
        f"{len(different)} of {shared} printed switches differ"
    )
    places = (
        theirs.place(f"configuration of {name_of(seed)}"),
        mine.place(f"configuration of {name_of(first)}", Role.RELATED),
    )
    if all(_CLOCK.search(key) for key, _, _ in different):
        yield warned(RULE, f"{text}: another time budget, the same model", *places)
    elif idle := next((name_of(each) for each in (first, seed) if not _trained(each)), None):
        yield needs_human(
            RULE,
            f"{text}; the log of {idle} only evaluates, so its training is not shown",
            *places,
            ask=f"Was the model that the log of {idle} evaluates trained in the submitted configuration?",
        )
    else:
        yield failed(RULE, f"{text}. Rerun the seed with the submitted configuration.", *places)


def _trained(seed: SeedEvidence) -> bool:
    """True when a log of the seed shows training: a stop, or a step beyond the first."""
    run = seed.training_run
    if run is None:
        return False
    return run.last_step.value > 0 if run.last_step is not None else run.stop is not None


def _different_sources(submission: Submission, seeds: tuple[SeedEvidence, ...]) -> Iterator[Finding]:
    """Scripts dumped into the counted logs that are not the same text."""
    counted = {run.file for seed in seeds if (run := seed.training_run or seed.run) is not None}
    dumps = [log.dumps[0] for log in submission.logs if log.path in counted and len(log.dumps) == 1]
    texts = {dump.text.strip() for dump in dumps}
    if len(texts) < 2:
        return
    first = dumps[0]
    other = next(dump for dump in dumps if dump.text.strip() != first.text.strip())
    lines = len(set(other.text.splitlines()) ^ set(first.text.splitlines()))
    yield warned(
        RULE,
        f"the script printed in {other.file} differs from that in {first.file} in {lines:,} lines: the "
        "seeds ran different code",
        Place(file=other.file, line=other.first_line, note="this script"),
        Place(file=first.file, line=first.first_line, role=Role.RELATED, note="that script"),
    )
