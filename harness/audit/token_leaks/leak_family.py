"""What rules about n-gram tables and mixtures say of a case: leaks, clean with a witness, or neither."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.audit.events import Mixed, Unresolved
from harness.audit.score_order.evidence_chain import placed
from harness.audit.submission_audit import why_no_audit
from harness.audit.token_flow.flow_recorder import UNPLACED
from harness.audit.token_leaks.leaks import LeakKind, TokenIndex, find_leaks
from harness.case import failed, needs_human, not_checked, passed
from harness.evidence.code_facts import native_code
from harness.wording import listed

if TYPE_CHECKING:
    from harness.audit.events import Lookup, Spot
    from harness.audit.score_order.evidence_chain import Step
    from harness.audit.submission_audit import SubmissionAudit
    from harness.audit.token_leaks.leaks import Leak
    from harness.case import Case
    from harness.finding import Finding, Place

WHAT_IS_ALLOWED = (
    "Look the whole row of the vocabulary up with a key of context alone, normalise it, mix it with weights "
    "fixed before the token, and take the target's entry last"
)

_SAID = {
    LeakKind.KEY_TARGET: (
        "the count mixed into the score at {at} is looked up at {lookup} under a key that holds the token "
        "being scored: for other tokens the same sum was never made, so the result is no distribution. "
        + WHAT_IS_ALLOWED
    ),
    LeakKind.TARGET_GATE: (
        "whether or how much the table counts at {at} depends on the token being scored: a miss costs "
        "nothing. Decide weight and gate from context alone, and let an unseen token pay"
    ),
    LeakKind.ORACLE: (
        "at {at} the lower of two losses of the same token is kept: the choice is made with the answer. Mix "
        "the two with a weight fixed before the token"
    ),
    LeakKind.PSEUDO_EXPERT: (
        "an entropy is mixed at {at} as if it were the token's loss: it is the same for every token of the "
        "vocabulary, so the mixture sums to more than one. Leave this expert out, or use it as a weight"
    ),
    LeakKind.SPREAD: (
        "a token's log-probability is divided over its bytes at {spread} and mixed with a byte model at "
        "{at}: the bytes are those of the token that came, so the result is no distribution over tokens. "
        "Mix distributions over the token alphabet"
    ),
    LeakKind.COUNTED_FIRST: (
        "the table looked up at {lookup} had counted the tokens it scores (at {update}) before the score at "
        "{at} was made. Score each token first, count it afterwards, and report that pass"
    ),
    LeakKind.COUNTED_IN_TURN: (
        "in each pass of its loop the table looked up at {lookup} has counted tokens (at {update}) before "
        "the score at {at} is made with it. Score each chunk first, count it afterwards"
    ),
    LeakKind.TARGET_ONLY: (
        "the table's entry of the scored token alone is mixed into its score at {at} (looked up at {lookup})"
    ),
}
_ASK = {
    LeakKind.KEY_TARGET: "Is the token being scored part of the key of the lookup that scores it?",
    LeakKind.TARGET_GATE: "Does the weight or the gate of the mixture depend on the token being scored?",
    LeakKind.ORACLE: "Is the counted probability of each token fixed before the token is looked at?",
    LeakKind.PSEUDO_EXPERT: "Does the mixture sum to one over the vocabulary?",
    LeakKind.SPREAD: (
        "Is every token's probability, summed over the whole alphabet, one before the token is seen?"
    ),
    LeakKind.COUNTED_FIRST: "Had the table counted any token before it scored that token?",
    LeakKind.COUNTED_IN_TURN: "Had the table counted any token before it scored that token?",
    LeakKind.TARGET_ONLY: "Does the mixed score, summed over the vocabulary, come to one?",
}


def leaks_of(case: Case, *kinds: LeakKind) -> tuple[Leak, ...]:
    """The leaks of these kinds in the claimed configuration; none when nothing was audited."""
    if case.audit is None or case.audit.failure is not None:
        return ()
    return tuple(leak for leak in find_leaks(case.audit.claim) if leak.kind in kinds)


def leak_findings(case: Case, rule: str, *kinds: LeakKind) -> list[Finding]:
    """A finding for each leak: a failure when its chain is whole, else a question."""
    audit = case.audit
    if audit is None:
        return []
    found = []
    for leak in leaks_of(case, *kinds):
        message, places = _message(leak), leak_places(audit, leak)
        if leak.is_proven:
            found.append(failed(rule, message, *places))
        else:
            open_points = [doubt for doubt in leak.doubts if doubt != "policy"]
            doubt = f"; open: {listed(open_points, 2)}" if open_points else ""
            found.append(needs_human(rule, message + doubt, *places, ask=_ASK[leak.kind]))
    return found


def clean_or_open(case: Case, rule: str, clean: str) -> Finding:
    """PASS with the printed line as witness, else NOT-CHECKED with what is missing."""
    missing = why_not_clean(case)
    audit = case.audit
    if missing is not None or audit is None:
        return not_checked(rule, missing or "the static audit of the code was not run")
    sink = TokenIndex(audit.claim).witness()
    if sink is None:
        return not_checked(rule, "unresolved: the claimed number was not reached")
    count = sum(1 for event in audit.claim.token_events if isinstance(event, Mixed))
    seen = (
        f"{count} mixture{'s' if count != 1 else ''} followed" if count else "no table of tokens is mixed in"
    )
    return passed(rule, f"{clean} ({seen})", *placed(audit, [(sink.at, "the claimed number")], sink.at))


def why_not_clean(case: Case, *, of_order: bool = False) -> str | None:
    """What keeps a case without leaks from being called clean.

    With `of_order` only what may hide that a table had counted a token before it scored it: which tokens a
    key holds says nothing of that where each pass reads the table before it counts.
    """
    missing = why_no_audit(case)
    if missing is not None or case.audit is None:
        return missing or "the static audit of the code was not run"
    native = native_code(case)
    if native is not None:
        return f"unresolved: {native}"
    claim = case.audit.claim
    if not claim.tokens_followed or not claim.finished:
        return "unresolved: single tokens were not followed to the end of the script"
    hidden = [e for e in claim.events if isinstance(e, Unresolved) and e.on_path]
    if hidden:
        spots = list(dict.fromkeys(f"{each.reason} at {each.at.file}:{each.at.line}" for each in hidden))
        return f"unresolved on the path of the score: {listed(spots, 3)}"
    index = TokenIndex(claim)
    if index.witness() is None:
        return "unresolved: no score of single tokens was followed into the claimed number"
    open_points = (one for one in claim.token_events if isinstance(one, Unresolved))
    open_point = next((one for one in open_points if not (of_order and _is_of_keys_alone(index, one))), None)
    if open_point is not None:
        return f"unresolved: {open_point.reason} at {open_point.at.file}:{open_point.at.line}"
    used = {one for mixed in index.mixed.values() for one in mixed.lookups}
    unused = (one for one in index.lookups.values() if one.id not in used)
    lost = next((one for one in unused if not (of_order and _counts_later(index, one))), None)
    if lost is not None:
        return f"unresolved: what the table looked up at {lost.at.file}:{lost.at.line} does to the score"
    read = {one.state for one in index.lookups.values()}
    blind = next((one for one in index.updates.values() if one.state not in read), None)
    if blind is not None:
        return f"unresolved: what the tokens stored at {blind.at.file}:{blind.at.line} are used for"
    return None


def _is_of_keys_alone(index: TokenIndex, open_point: Unresolved) -> bool:
    """Whether the point is which tokens a key holds, of a table that counts what comes after it is read."""
    if open_point.reason != UNPLACED:
        return False
    read = [one for one in index.lookups.values() if one.at == open_point.at]
    return bool(read) and all(_counts_later(index, one) for one in read)


def _counts_later(index: TokenIndex, lookup: Lookup) -> bool:
    """Whether all is counted after the lookup, or in an earlier pass of the loop that chose its tokens."""
    every = list(index.updates.values())
    updates = [one for one in every if one.state == lookup.state] or every
    if not updates or not lookup.loops or lookup.region is None:
        return False
    outer, number = lookup.loops[0]
    is_chosen = outer in {loop for loop, _ in lookup.region.loops}
    return all(
        one.id > lookup.id
        or (is_chosen and bool(one.loops) and one.loops[0][0] == outer and one.loops[0][1] < number)
        for one in updates
    )


def leak_places(audit: SubmissionAudit, leak: Leak) -> tuple[Place, ...]:
    """From where the token enters to the printed line, in the order in which they are executed."""
    steps: list[Step] = []
    if leak.update is not None:
        steps.append((leak.update.at, "the table counts these tokens"))
    if leak.score is not None:
        steps.append((leak.score.forward, "the network's loss of the token"))
    if leak.other is not None:
        steps.append((leak.other.at, "count of the context"))
    if leak.lookup is not None:
        if leak.lookup.key_at is not None and leak.kind is LeakKind.KEY_TARGET:
            steps.append((leak.lookup.key_at, "the scored token enters the key"))
        said = "the scored token's own cell is looked up" if leak.lookup.row_target else "table looked up"
        steps.append((leak.lookup.at, said))
    if isinstance(leak.at, Mixed):
        if leak.at.spread_at is not None and leak.kind is LeakKind.SPREAD:
            steps.append((leak.at.spread_at, "log-probability divided over the bytes of the token"))
        if leak.kind is LeakKind.TARGET_GATE:
            steps += [(gate, "test on the scored token") for gate in leak.at.gates]
    steps.append((leak.at.at, _DECISIVE[leak.kind]))
    if leak.sink is not None:
        label = f" ({leak.sink.label.strip()[:60]})" if leak.sink.label.strip() else ""
        steps.append((leak.sink.at, f"the number is printed{label}"))
    return placed(audit, steps, leak.at.at)


_DECISIVE = {
    LeakKind.ORACLE: "the lower loss is kept",
    LeakKind.PSEUDO_EXPERT: "an entropy becomes an expert of the mixture",
    LeakKind.SPREAD: "mixed with a byte model",
    LeakKind.TARGET_GATE: "mixed into the score where the gate lets it",
    LeakKind.KEY_TARGET: "mixed into the score",
    LeakKind.COUNTED_FIRST: "scored with what was counted from the same tokens",
    LeakKind.COUNTED_IN_TURN: "scored with what was counted before",
    LeakKind.TARGET_ONLY: "mixed into the score",
}


def _message(leak: Leak) -> str:
    def line(spot: Spot | None) -> str:
        return f"{spot.file}:{spot.line}" if spot is not None else "?"

    spread = leak.at.spread_at if isinstance(leak.at, Mixed) else None
    return _SAID[leak.kind].format(
        at=line(leak.at.at),
        lookup=line(leak.lookup.at if leak.lookup is not None else None),
        update=line(leak.update.at if leak.update is not None else None),
        spread=line(spread),
    )
