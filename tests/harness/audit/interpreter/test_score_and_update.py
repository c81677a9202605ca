"""What was learned before a token was scored, through each mechanism a script may use."""

from __future__ import annotations

import textwrap

import pytest

from harness.audit.events import ForwardPass, Score
from tests.harness.audit.interpreter.small_programs import audit, is_late, learned

LEGAL = """
for ci in range(n):
    x, y = pair(ci * C, (ci + 1) * C + 1)
    total += score(x, y).sum()
    train(x, y)
"""
TRAIN_FIRST = """
for ci in range(n):
    x, y = pair(ci * C, (ci + 1) * C + 1)
    train(x, y)
    total += score(x, y).sum()
"""


def test_a_chunk_scored_before_it_is_learned_is_in_order() -> None:
    assert not is_late(LEGAL)


def test_a_chunk_learned_before_it_is_scored_is_late() -> None:
    assert is_late(TRAIN_FIRST)


def test_learning_the_next_chunk_is_late() -> None:
    assert is_late(LEGAL.replace("    train(x, y)", "    train(*pair((ci + 1) * C, (ci + 2) * C + 1))"))


def test_learning_all_earlier_chunks_is_in_order() -> None:
    assert not is_late(LEGAL.replace("    train(x, y)", "    train(*pair(0, (ci + 1) * C))"))


def test_an_unknown_chunk_size_is_followed() -> None:
    body = LEGAL.replace("C", "size")
    assert not is_late("size = tokens.numel() // 7\n" + body)
    assert is_late("size = tokens.numel() // 7\n" + TRAIN_FIRST.replace("C", "size"))


def test_a_position_counted_by_hand_advances() -> None:
    body = """
    pos = 0
    while pos + C < tokens.numel():
        x, y = pair(pos, pos + C + 1)
        total += score(x, y).sum()
        train(x, y)
        pos += C
    """
    assert not is_late(body)


def test_a_second_epoch_scores_what_the_first_learned() -> None:
    epochs = "".join(f"    {line}\n" for line in LEGAL.splitlines())
    assert is_late("for epoch in range(2):\n" + epochs)
    assert not is_late("for epoch in range(EPOCHS):\n" + epochs)


def test_the_state_counts_as_of_the_forward_pass() -> None:
    body = """
    for ci in range(n):
        x, y = pair(ci * C, (ci + 1) * C + 1)
        losses = model(x, y)
        optimizer.zero_grad()
        losses.mean().backward()
        optimizer.step()
        total += losses.detach().sum()
    """
    assert not is_late(body)


ACCUMULATE = """
def add(losses, into):
    into.add_(losses.sum())
"""


def test_an_accumulator_changed_in_a_helper_is_followed() -> None:
    helped = ACCUMULATE + LEGAL.replace("total += score(x, y).sum()", "add(score(x, y), total)")
    late = ACCUMULATE + TRAIN_FIRST.replace("total += score(x, y).sum()", "add(score(x, y), total)")
    assert not is_late(helped)
    assert is_late(late)


@pytest.mark.parametrize(
    "learns",
    [
        "functools.partial(train, x)(y)",
        "(lambda *given: train(*given))(x, y)",
        "train(*[x, y])",
        "torch.compile(train)(x, y)",
        "getattr(Holder(), 'go')(x, y)",
    ],
)
def test_a_call_in_disguise_is_followed(learns: str) -> None:
    head = "class Holder:\n    def go(self, *given, **named):\n        return train(*given, **named)\n"
    assert is_late(head + TRAIN_FIRST.replace("train(x, y)", learns))
    assert not is_late(head + LEGAL.replace("train(x, y)", learns))


def test_an_optimizer_closure_learns() -> None:
    learns = """def closure():
        optimizer.zero_grad()
        loss = model(x, y).mean()
        loss.backward()
        return loss
    optimizer.step(closure)"""
    assert is_late(TRAIN_FIRST.replace("train(x, y)", learns))


def test_parameters_written_in_place_learn() -> None:
    learns = """model(x, y).mean().backward()
    with torch.no_grad():
        for p in model.parameters():
            p.data.add_(p.grad, alpha=-0.1)"""
    assert is_late(TRAIN_FIRST.replace("train(x, y)", learns))
    assert not is_late(LEGAL.replace("train(x, y)", learns))


def test_a_functional_gradient_learns() -> None:
    learns = """grads = torch.autograd.grad(model(x, y).mean(), list(model.parameters()))
    for p, g in zip(model.parameters(), grads):
        p.data -= 0.1 * g"""
    assert is_late(TRAIN_FIRST.replace("train(x, y)", learns))
    assert not is_late(LEGAL.replace("train(x, y)", learns))


def test_a_delta_learned_on_the_scored_tokens_is_late() -> None:
    body = """
    for ci in range(n):
        x, y = pair(ci * C, (ci + 1) * C + 1)
        delta = torch.zeros(64, requires_grad=True)
        opt = torch.optim.AdamW([delta], lr=0.1)
        F.cross_entropy(model.logits(x) + delta, y).backward()
        opt.step()
        total += F.cross_entropy(model.logits(x) + delta, y, reduction="none").sum()
    """
    assert is_late(body)


WHOLE = "x, y = pair(0, tokens.numel())\ntrain(x, y)\n"


def test_what_was_learned_travels_through_a_file() -> None:
    body = """
    buffer = io.BytesIO()
    torch.save(model.state_dict(), buffer)
    with open("model.bin", "wb") as f:
        f.write(zlib.compress(buffer.getvalue()))
    model = Model()
    with open("model.bin", "rb") as f:
        model.load_state_dict(torch.load(io.BytesIO(zlib.decompress(f.read()))))
    total += score(x, y).sum()
    """
    assert is_late(WHOLE + textwrap.dedent(body))


def test_a_restored_snapshot_forgets() -> None:
    head = "saved = {k: v.clone() for k, v in model.state_dict().items()}\n"
    restored = head + WHOLE + "model.load_state_dict(saved)\ntotal += score(x, y).sum()\n"
    assert not is_late(restored)
    assert is_late(head + WHOLE + "total += score(x, y).sum()\n")


def test_a_list_of_scored_documents_may_be_learned() -> None:
    body = """
    done = []
    for ci in range(n):
        total += score(*pair(ci * C, (ci + 1) * C + 1)).sum()
        done.append((ci * C, C))
        for start, length in done:
            train(*pair(start, start + length))
    """
    assert not is_late(body)


def test_an_unknown_break_does_not_hide_what_follows() -> None:
    body = LEGAL.replace("    train(x, y)", "    if total.item() > 9:\n        break\n    train(x, y)")
    assert is_late(body + "\nx, y = pair(0, tokens.numel())\ntotal.zero_()\ntotal += score(x, y).sum()\n")


def test_a_loop_that_does_not_run_learns_nothing() -> None:
    body = LEGAL.replace(
        "    train(x, y)", "    for _ in range(int(os.environ.get('STEPS', '0'))):\n        train(x, y)"
    )
    assert not learned(audit(body))


def test_generated_tokens_are_not_validation() -> None:
    warm = "fake = torch.randint(0, 1024, (8, C))\ntrain(fake, fake)\n"
    assert not learned(audit(warm + "total += score(*pair(0, C)).sum()\n"))


def _forward_lines(body: str) -> tuple[set[int], set[int]]:
    """Lines of passes over validation without gradient, and those that a loss came of."""
    events = audit(body).events
    passes = {event.at.line for event in events if isinstance(event, ForwardPass)}
    return passes, {event.forward.line for event in events if isinstance(event, Score)}


def test_a_pass_that_nothing_is_taken_from_is_seen_as_unused() -> None:
    thrown_away = "with torch.no_grad():\n    model.logits(tokens[:C])\ntotal += score(*pair(0, C)).sum()\n"
    passes, scored = _forward_lines(thrown_away)
    assert len(passes - scored) == 1
    passes, scored = _forward_lines(thrown_away.replace("    model.logits(tokens[:C])", "    pass"))
    assert passes == scored


def test_a_loss_of_logits_made_without_gradient_has_none() -> None:
    body = """
    x, y = pair(0, C)
    with torch.no_grad():
        logits = model.logits(x)
    total += F.cross_entropy(logits, y)
    """
    with_gradient = body.replace("with torch.no_grad()", "if True")
    for text, expected in ((body, False), (with_gradient, True)):
        assert [one.has_gradient for one in audit(text).events if isinstance(one, Score)] == [expected]
