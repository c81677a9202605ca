"""Whether a table had counted the tokens that a pass looks up or scores, in this pass or an earlier one."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.audit.token_flow.drafts import Draft, Loops
    from harness.audit.token_flow.flow import Flow
    from harness.audit.token_flow.flow_recorder import FlowRecorder
    from harness.audit.token_flow.walker import Walker


def see_again(recorder: FlowRecorder, draft: Draft, counted: Draft, walker: Walker, key: Flow) -> None:
    """Whether the tokens looked up have been counted before."""
    passes, chosen = dict(counted.loops), _passes(counted.chosen)
    common = [loop for loop, _ in walker.loops if loop in passes]
    apart = [loop for loop, number in walker.loops if loop in passes and passes[loop] != number]
    if apart:
        moved = chosen.keys() | _passes(key.loops).keys()
        if moved & set(apart) or not key.tokens or not key.tokens <= counted.tokens:
            return  # another pass looks other tokens up
    if any(not chosen[loop] & these for loop, these in _passes(key.loops).items() if loop in chosen):
        return
    if common and counted.loops == tuple(walker.loops):
        scored = {token.place for token in draft.tokens} & recorder.targets.keys()
        if not scored & {token.place for token in counted.tokens}:
            return  # one token at a time: it counts an earlier one
    draft.already.add(counted.id)
    draft.in_turn = bool(common)


def mark_counted_ahead(recorder: FlowRecorder, walker: Walker, result: Flow) -> None:
    """Marks the lookups where an earlier pass counted a token that this pass is the first to score."""
    now = tuple(walker.loops)
    fresh = {token.place for token in result.about if recorder.first_scored.get(token.place) == now}
    read = [recorder.drafts[one] for one in result.lookups if one in recorder.drafts]
    for counted in list(recorder.drafts.values()) if fresh and read else ():
        if counted.kind != "update" or fresh.isdisjoint({token.place for token in counted.tokens}):
            continue
        passes = dict(counted.loops)
        if any(passes.get(loop, number) < number for loop, number in now):
            for lookup in read:
                lookup.already.add(counted.id)
                lookup.in_turn = True


def _passes(chosen: Loops) -> dict[int, set[int]]:
    passes: dict[int, set[int]] = {}
    for loop, number in chosen:
        passes.setdefault(loop, set()).add(number)
    return passes
