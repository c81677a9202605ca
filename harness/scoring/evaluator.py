"""The evaluator's end: hands tokens out, takes scores in, says how it ended. It trusts nothing it reads."""

from __future__ import annotations

import contextlib
import os
import random
import socket
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.errors import SetupError
from harness.scoring import wire
from harness.scoring.sealed_scores import ScoreError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy.typing as npt

    from harness.scoring.sealed_scores import SealedScore, SealedScores

# Tokens that come at once at most: twice the chunk of PR #461; a batch of 8 GPUs x 128 windows of stride 64.
LONGEST_STEP = 65_536
_LAST_WORDS_SECONDS = 5.0
_LOOKING_SECONDS = 0.1
_FOREVER_SECONDS = 1e6  # a poll takes no more milliseconds than an int holds
_FORMS = {"<f4": 4, "<f8": 8}


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """How an evaluation ended. `score` is None when it was refused; then `reason` and `message` say why.

    `reason` is that of `ScoreError`, or closed, late or malformed. `seconds` is the time from the task to
    the end, by the monotonic clock of this process.
    """

    score: SealedScore | None
    seconds: float
    reason: str = ""
    message: str = ""
    position: int | None = None


def blind_positions(count: int, tokens: int, secret: int) -> tuple[int, ...]:
    """At most `count` positions of 1 to `tokens` - 1, chosen by a secret the submission does not know."""
    chosen = random.Random(secret).sample(range(1, tokens), min(count, tokens - 1))
    return tuple(sorted(chosen))


class ScoringSocket:
    """A socket file that exactly one process of a submission may connect to.

    `path` may have about 100 bytes (a limit of the system). Raises `SetupError` where it cannot be made.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._listening.bind(str(path))
            path.chmod(0o666)  # the submission runs as another user; the folder around it is ours alone
            self._listening.listen(1)
        except OSError as error:
            self._listening.close()
            raise SetupError(
                f"{path}: the scoring socket cannot be made ({error}); it needs a folder that can be "
                "written to and a path of at most 100 bytes, such as one below /tmp"
            ) from error

    def evaluate(
        self,
        scores: SealedScores,
        *,
        deadline: float | None = None,
        tell: Callable[[int, int], None] | None = None,
        gone: Callable[[], bool] = lambda: False,
    ) -> Evaluation:
        """Wait for the submission and serve it as `evaluate` does.

        `gone` is asked while nobody has connected: when the submission has ended, nobody will.
        """
        began = time.monotonic()
        try:
            connection = self._connection(began, deadline, gone)
        finally:
            self.close()  # whoever comes later is refused by the system, and does not wait for us
        if isinstance(connection, Evaluation):
            return connection
        with connection:
            return evaluate(scores, connection.fileno(), connection.fileno(), deadline=deadline, tell=tell)

    def _connection(
        self, began: float, deadline: float | None, gone: Callable[[], bool]
    ) -> socket.socket | Evaluation:
        """The submission's connection, or how the evaluation ended without one."""
        limit = began + _FOREVER_SECONDS if deadline is None else deadline
        self._listening.settimeout(_LOOKING_SECONDS)
        while True:
            try:
                return self._listening.accept()[0]
            except TimeoutError:
                waited = time.monotonic() - began
                if time.monotonic() >= limit:
                    return Evaluation(
                        score=None, seconds=waited, reason="late",
                        message="the time limit passed before the submission asked for anything to score",
                    )  # fmt: skip
                if gone():
                    return Evaluation(
                        score=None, seconds=waited, reason="never-asked",
                        message="the submission ended without asking for anything to score",
                    )  # fmt: skip

    def close(self) -> None:
        """Take no connection any more."""
        self._listening.close()
        self.path.unlink(missing_ok=True)


def evaluate(
    scores: SealedScores,
    reads: int,
    writes: int,
    *,
    deadline: float | None = None,
    tell: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Serve one submission over two file descriptors until it is done, refused, closed or late.

    `deadline` is a time of `time.monotonic`; `tell` gets the tokens handed out and N after each step.
    """
    began = time.monotonic()
    for descriptor in (reads, writes):
        os.set_blocking(descriptor, False)  # a full pipe must not outlast the deadline
    deadline = began + _FOREVER_SECONDS if deadline is None else deadline
    try:
        _serve(scores, reads, writes, deadline, tell)
        score = scores.total()
    except ScoreError as refused:
        _say_refused(writes, refused.reason, str(refused))
        return Evaluation(
            score=None, seconds=time.monotonic() - began, reason=refused.reason, message=str(refused),
            position=refused.position,
        )  # fmt: skip
    except wire.WireError as error:
        _say_refused(writes, error.reason, str(error))
        return Evaluation(
            score=None, seconds=time.monotonic() - began, reason=error.reason, message=str(error)
        )
    return Evaluation(score=score, seconds=time.monotonic() - began)


def _serve(
    scores: SealedScores,
    reads: int,
    writes: int,
    deadline: float,
    tell: Callable[[int, int], None] | None,
) -> None:
    longest = scores.longest_step * 8 * (scores.table.vocab_size + 1)
    longest = min(longest, wire.LONGEST_PAYLOAD)
    hello = wire.receive(reads, deadline, longest=longest)
    if hello.kind != wire.HELLO or hello.number("version") != wire.VERSION:
        raise wire.WireError("malformed", f"an evaluation starts with HELO of version {wire.VERSION}")
    task = {
        "tokens": int(scores.tokens.size),
        "vocab_size": scores.table.vocab_size,
        "longest_step": scores.longest_step,
    }
    wire.send(writes, wire.Message(wire.TASK, task), deadline)
    while True:
        message = wire.receive(reads, deadline, longest=longest)
        if message.kind == wire.DONE:
            return
        if message.kind == wire.NEED:
            _hand_out(scores, message.number("end"), reads, writes, deadline)
            if tell is not None:
                tell(scores.released, int(scores.tokens.size))
        elif message.kind == wire.SCORES:
            digest = scores.seal(message.number("first"), _values(message))
            wire.send(writes, wire.Message(wire.SEALED, {"digest": digest}), deadline)
        else:
            raise wire.WireError("malformed", f"{message.kind!r} is no message of a submission")


def _hand_out(scores: SealedScores, end: int, reads: int, writes: int, deadline: float) -> None:
    """Tokens up to `end`, with a blind question before each token that was drawn for one."""
    scores.may_release(end)
    for position in scores.blind_in(end):
        if position > scores.released:
            _send_tokens(scores, position, writes, deadline)
        wire.send(writes, wire.Message(wire.BLIND, {"position": position}), deadline)
        answer = wire.receive(reads, deadline, longest=8 * (scores.table.vocab_size + 1))
        if answer.kind != wire.VECTOR or answer.number("position") != position or len(answer.payload) % 8:
            raise wire.WireError("malformed", f"the distribution of token {position:,} was due")
        scores.answer(position, np.frombuffer(answer.payload, dtype="<f8"))
    if scores.released < end:
        _send_tokens(scores, end, writes, deadline)


def _send_tokens(scores: SealedScores, end: int, writes: int, deadline: float) -> None:
    first = scores.released
    payload = scores.release(end).astype("<u4").tobytes()
    wire.send(writes, wire.Message(wire.TOKENS, {"first": first}, payload), deadline)


def _values(message: wire.Message) -> npt.NDArray[np.floating[Any]]:
    rows, columns = message.number("rows"), message.number("columns")
    form = message.fields.get("form")
    width = _FORMS.get(form) if isinstance(form, str) else None
    if width is None or rows < 0 or columns < 0 or rows * max(columns, 1) * width != len(message.payload):
        raise wire.WireError(
            "malformed", f"{len(message.payload):,} bytes are no {rows:,} x {columns:,} numbers {form!r:.20}"
        )
    values = np.frombuffer(message.payload, dtype=form)
    return values.reshape(rows, columns) if columns else values


def _say_refused(writes: int, reason: str, message: str) -> None:
    told = wire.Message(wire.REFUSED, {"reason": reason, "message": message})
    with contextlib.suppress(wire.WireError):  # when the other end is gone, the record says why
        wire.send(writes, told, time.monotonic() + _LAST_WORDS_SECONDS)
