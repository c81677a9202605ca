"""What a reviewer reads about a breach: one or two sentences with lines, and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.audit.score_order.breach import Shape
from harness.audit.score_order.evidence_chain import at, score_spot, update_call

if TYPE_CHECKING:
    from harness.audit.score_order.breach import Breach

SCORE_FIRST = (
    "Score each token before anything learns from it (count a chunk's loss, then train on that chunk), or "
    "report the score without this phase"
)

# {learn}: the update with its lines; {score}: the scored pass; {first}: an earlier score of the same tokens;
# {printed}: " printed at LINE" where the number is known.
_MESSAGES = {
    Shape.ADAPT_THEN_SCORE: (
        "the score{printed} is computed at {score} with a state that has already learned from the validation "
        "tokens it scores: {learn} runs before it. " + SCORE_FIRST
    ),
    Shape.DISCARDED_SCORE: (
        "the score taken before learning ({first}) is discarded: {learn} then adapts on the same validation "
        "tokens, and the score{printed} comes from a later pass at {score} with the adapted state. Report "
        "the first score, or give the later pass a state that has not seen its tokens"
    ),
    Shape.RESCORE: (
        "validation is scored and learned from once ({first}, then {learn}), and scored again at {score} "
        "with the adapted state; the score{printed} is that second one. Report the first pass"
    ),
    Shape.SWAPPED: (
        "inside each step over validation the state learns first, by {learn}, and the same tokens are scored "
        "after it at {score}{printed_too}. Move the score before the update"
    ),
    Shape.AHEAD: (
        "{learn} takes validation tokens that a later pass of the same loop scores at {score}{printed_too}. "
        "Train only on tokens whose loss is already counted"
    ),
    Shape.EPOCHS: (
        "a loop{times} repeats the same validation tokens: {learn} learns from them in one epoch, and the "
        "loss counted at {score} belongs to a later one{printed_too}. Count the loss of the first epoch, "
        "before any update"
    ),
    Shape.LOWEST_OF_PASSES: (
        "the lowest loss of several passes over the same validation tokens is kept ({selected}), and between "
        "the passes {learn} adapts on them{printed_too}. Report the first pass: choosing by the loss uses "
        "the answer"
    ),
    Shape.PREQUANT: (
        "{learn} trains on the validation tokens before the artifact is written ({export}), and the "
        "score{printed} is of the same tokens, computed at {score} from that artifact. Adapt only after a "
        "token's score is fixed"
    ),
    Shape.VAL_TRAINING: (
        "training itself reads validation tokens: {learn}; the score{printed} is of the same tokens, "
        "computed at {score}. Train on the train split"
    ),
    Shape.VAL_CALIBRATION: (
        "the quantiser's statistics come from validation tokens that are scored only afterwards: {learn}, "
        "then the score at {score}{printed_too}. Calibrate on training data inside the budget or on "
        "generated data"
    ),
    Shape.SLOT_SCORED: (
        "a shift is optimised on the loss of the very positions that are then scored with it: {learn}, and "
        "the score at {score}{printed_too}. Score the positions before the shift learns from them"
    ),
    Shape.SLOT_CONTEXT: (
        "a shift is optimised on validation tokens of the batch by {learn}, and the batch is scored with it "
        "at {score}{printed_too}"
    ),
    Shape.TABLE_FIRST: (
        "a table is filled from validation tokens before they are scored with it: {learn}, then the score at "
        "{score}{printed_too}. Score a token first, add it to the table afterwards, and report that one pass"
    ),
    Shape.TARGET_INSIDE: (
        "the logits at {score} are computed from the very tokens they score: {learn} gives the answer away, "
        "and the number{printed} is no code length. Compute the logits from earlier tokens alone"
    ),
}

# Of DISCARDED_SCORE, where not even a loss was taken from the first pass.
_UNUSED = (
    "the pass over the tokens before learning ({first}) counts for nothing: no loss is taken from its "
    "result. {learn} then adapts on the same tokens, and the score{printed} comes from a later pass at "
    "{score} with the adapted state. Count the loss of the first pass, and report that"
)

_QUESTIONS = {
    Shape.SLOT_CONTEXT: (
        "Is the shift optimised only on positions whose score is already counted, for every sample of the "
        "batch?"
    ),
    Shape.EPOCHS: "Is a token's counted loss taken after an update that used the same token?",
    Shape.LOWEST_OF_PASSES: "Is the kept loss of a token chosen among passes by its value?",
    Shape.VAL_TRAINING: "Does the training loop of the claimed run read validation tokens?",
    Shape.VAL_CALIBRATION: "Is the quantiser calibrated on validation tokens that are scored later?",
    Shape.TARGET_INSIDE: "Are the logits at {score} computed from the tokens they score?",
}
_QUESTION = "Has the state that scores a token at {score} learned from that token before, at {update}?"


def message_of(breach: Breach) -> str:
    """The sentences of the finding, with the doubts that keep it from being proven."""
    printed = f" printed at {at(breach.sink.at)}" if breach.sink is not None else ""
    template = _UNUSED if breach.unused is not None else _MESSAGES[breach.shape]
    text = template.format(
        learn=_learning(breach),
        score=at(score_spot(breach)),
        first=at(breach.first_spot) if breach.first_spot is not None else "",
        export=at(breach.export.at) if breach.export is not None else "",
        selected=at(breach.selected.at) if breach.selected is not None else "",
        times=f" ({breach.repeats} epochs)" if breach.repeats is not None else "",
        printed=printed,
        printed_too=f" and{printed}" if printed else "",
    )
    if breach.doubts and breach.shape is not Shape.SLOT_CONTEXT:
        text += f". Not proven: {'; '.join(breach.doubts)}"
    return text


def question_of(breach: Breach) -> str:
    """The one yes/no question that decides an unproven breach."""
    question = _QUESTIONS.get(breach.shape, _QUESTION)
    return question.format(score=at(score_spot(breach)), update=at(breach.update.at))


def _learning(breach: Breach) -> str:
    """The update with its line, the call that leads to it, and its epochs."""
    update = breach.update
    call = update_call(breach)
    said = [f"called from {at(call)}"] if call is not None else []
    if breach.repeats is not None and breach.shape is not Shape.EPOCHS:
        said.append(f"{breach.repeats} epochs")
    return f"{update.how} at {at(update.at)}" + (f" ({', '.join(said)})" if said else "")
