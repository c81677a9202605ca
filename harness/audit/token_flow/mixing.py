"""Where lookups meet the score of a token: mixtures, gates, weights, and choices of the lower loss."""

from __future__ import annotations

import ast
from itertools import combinations
from typing import TYPE_CHECKING

from harness.audit.token_flow import choices, contents, gates, left_out
from harness.audit.token_flow.flow import (
    COMPARED,
    DISTRIBUTION,
    ENTROPY,
    ENTRY,
    PEAKS,
    SELECTION,
    SUM,
    Flow,
    kinds_of,
    mixed_of,
    replace,
)

if TYPE_CHECKING:
    from harness.audit.token_flow.walker import Walker

FLOWS_AT_MOST = 8  # of a call that takes the lowest of its arguments


def added(walker: Walker, node: ast.BinOp, left: Flow, right: Flow) -> Flow | None:
    """`left + right` as a mixture of a score and lookups; None when it is none."""
    return joined_terms(walker, node, left, right)


def joined_terms(walker: Walker, node: ast.AST, left: Flow, right: Flow) -> Flow | None:
    """A score and a lookup in one sum."""
    if SUM in left.kinds or SUM in right.kinds or not (left.scores or right.scores):
        return None
    for weight, one, other in _weighted(walker, node):
        if _meet(one, other) or (weight.scores and one.lookups | other.lookups):
            return mixed(walker, [left, right], [weight])
    if not _meet(left, right):
        return None
    return mixed(walker, [left, right], [])


def _meet(left: Flow, right: Flow) -> bool:
    return bool(
        (left.scores and right.lookups - left.lookups) or (right.scores and left.lookups - right.lookups)
    )


def mixed(walker: Walker, parts: list[Flow], weights: list[Flow], entropy: bool = False) -> Flow:
    """The mixture as a new score, recorded."""
    result = mixed_of(parts)
    kinds = kinds_of(parts) - {SELECTION, DISTRIBUTION, ENTROPY, COMPARED}
    gates = [*weights, *walker.guards]
    ident = walker.recorder.mixed(walker, result, gates, entropy=entropy)
    return replace(result, scores=result.scores | {ident}, kinds=kinds)


def _weighted(walker: Walker, node: ast.AST) -> list[tuple[Flow, Flow, Flow]]:
    """Of `(1 - a) * p + a * q`: a, p and q."""
    if not isinstance(node, ast.BinOp) or not isinstance(node.op, ast.Add):
        return []
    factors = [_factors(side) for side in (node.left, node.right)]
    found = []
    for ones, others in (factors, factors[::-1]):
        for one in ones:
            weight = _complement_of(one)
            same = [each for each in others if weight is not None and ast.dump(each) == ast.dump(weight)]
            if weight is not None and same:
                found.append(
                    (walker.evaluate(weight), _rest(walker, ones, one), _rest(walker, others, same[0]))
                )
    return found


def _rest(walker: Walker, factors: list[ast.expr], but: ast.expr) -> Flow:
    return mixed_of([contents.whole(walker, walker.evaluate(each)) for each in factors if each is not but])


def _factors(node: ast.expr) -> list[ast.expr]:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        return [*_factors(node.left), *_factors(node.right)]
    return [node]


def _complement_of(node: ast.expr) -> ast.expr | None:
    if not isinstance(node, ast.BinOp) or not isinstance(node.op, ast.Sub):
        return None
    return node.right if isinstance(node.left, ast.Constant) and node.left.value == 1 else None


def divided(walker: Walker, left: Flow, right: Flow) -> None:
    """A count divided by another: remembered, so that what the first key has more is known."""
    if left.lookups and right.lookups and not left.scores and not right.scores:
        walker.recorder.ratio(left.lookups, right.lookups)


def are_two_losses(walker: Walker, left: Flow, right: Flow) -> bool:
    """Whether both are losses or probabilities of the same single token, from different experts."""
    if SUM in left.kinds or SUM in right.kinds or not (left.scores or right.scores):
        return False
    return (
        _says_target(walker, left, right)
        and _says_target(walker, right, left)
        and (left.scores != right.scores or left.lookups != right.lookups)
    )


def _says_target(walker: Walker, flow: Flow, other: Flow) -> bool:
    if flow.scores or any(walker.recorder.drafts[one].is_target for one in flow.lookups):
        return True
    scored = {token.place for token in other.about}
    return ENTRY in flow.kinds and any(token.place in scored for token in flow.tokens)


def multiplied(walker: Walker, left: Flow, right: Flow) -> Flow | None:
    """A value times a test on tokens: a gate, when the value is mixed into the score of the same tokens.

    A loss or probability times a weight that was fitted to losses of the same window is a mixture of its own.
    """
    for gate, value in ((left, right), (right, left)):
        if value.scores and value.about and gates.is_of_the_same(walker, gate, value.about):
            return mixed(walker, [left, right], [gate.without(SUM)])
        if SELECTION not in gate.kinds or not gate.tokens or SUM in value.kinds:
            continue
        if value.lookups or value.scores:
            tokens = {token.place for token in gate.tokens}
            is_whole = any(token.place in tokens for token in value.tokens)
            walker.recorder.product(gate, value, gate.joined_at or walker.here, is_whole=is_whole)
    return None


def either(walker: Walker, test: Flow, yes: Flow, no: Flow) -> Flow:
    """`yes` where `test` holds, else `no`."""
    if gates.is_number(yes) and gates.is_number(no) and gates.tells_tokens(test):
        return gates.number_of(walker, test, mixed_of((yes, no)))
    both = mixed_of((yes, no))
    if bool(yes.scores) is not bool(no.scores):
        both = left_out.by_masks(walker, both, [test])
    if COMPARED in test.kinds and both.scores:
        both = choices.kept(walker, both, choices.UNCLEAR if SUM in yes.kinds & no.kinds else choices.LOSS)
    kinds = (yes.kinds | no.kinds) - {SELECTION}
    number = None
    if yes.number is not None and no.number is not None:
        number = yes.number if yes.number == no.number else walker.symbols.of("either", yes.number, no.number)
    result = replace(both, number=number, kinds=kinds, objects=(*yes.objects, *no.objects))
    if yes.scores and no.scores and yes.lookups != no.lookups:
        walker.recorder.gate(walker, yes.scores ^ no.scores or yes.scores, result, [test, *walker.guards])
    elif _meet(yes, no):
        result = mixed(walker, [yes, no], [test])
    elif (yes.scores or no.scores) and test.lookups - both.lookups and SUM not in kinds:
        result = mixed(walker, [gated(both, [test])], [test])
    elif {t.place for t in test.tokens} & {t.place for t in both.about} and SUM not in kinds:
        walker.recorder.unclear(walker.here, "a choice by the scored token", both.scores)
    return gated(result, [test])


def gated(value: Flow, gates: list[Flow]) -> Flow:
    """A value that is taken only where the gates let it: what they looked up is inside it."""
    seen = mixed_of(gates)
    if not seen.lookups and not seen.scores:
        return value
    return replace(value, lookups=value.lookups | seen.lookups, keys=value.keys | seen.keys)


def chosen_under_guard(walker: Walker, value: Flow) -> None:
    """A loss is stored or counted where a comparison of two losses said so."""
    if value.scores and SUM not in value.kinds:
        for guard in walker.guards:
            if COMPARED in guard.kinds:
                choices.kept(walker, value, choices.LOSS)


def lower(walker: Walker, flows: list[Flow]) -> Flow:
    """The lower or higher of values."""
    result = mixed_of(flows)
    pairs = list(combinations(flows[:FLOWS_AT_MOST], 2))
    if not walker.in_log_sum:
        if any(are_two_losses(walker, *pair) for pair in pairs):
            result = choices.kept(walker, result, choices.LOSS)
        elif any(choices.are_rivals(walker, *pair) for pair in pairs):
            result = choices.kept(walker, result, choices.UNCLEAR)
    numbers = [flow.number for flow in flows]
    number = (
        walker.symbols.of("extreme", *sorted(numbers, key=repr)) if None not in numbers and numbers else None
    )
    kinds = kinds_of(flows) - {SELECTION, ENTROPY} if flows else frozenset()
    if len([flow for flow in flows if DISTRIBUTION in flow.kinds]) > 1:
        kinds |= {PEAKS}
    return replace(result, number=number, kinds=kinds)


def scored(walker: Walker, target: Flow, logits: Flow, is_sum: bool = False) -> Flow:
    """The loss or probability of the target tokens under a distribution."""
    tokens = target.tokens or walker.tokens_of(target)
    if gates.is_of_the_same(walker, logits, tokens):
        logits = logits.without(SUM)  # a mean over the scored window knows its tokens
    ident = walker.recorder.score(walker, tokens, target.loops | logits.loops)
    kinds = frozenset({SUM}) if is_sum else frozenset()
    summed = tokens if is_sum else frozenset()
    if logits.lookups or (logits.scores and SUM not in logits.kinds):
        # Whatever went into the distribution should have been known before the token was.
        whole = replace(logits, about=tokens, tokens=frozenset())
        ident = walker.recorder.mixed(walker, replace(whole, scores=frozenset({ident})), [logits], full=True)
    loss = Flow(
        about=tokens,
        scores=frozenset({ident}) | logits.scores,
        lookups=logits.lookups,
        keys=logits.keys,
        loops=target.loops | logits.loops,
        kinds=kinds,
        summed=logits.summed | summed,
    )
    return choices.kept(walker, loss, choices.UNCLEAR) if PEAKS in logits.kinds else loss
