"""The submission's end of an evaluation whose score the evaluator computes.

    from golf_scoring import open_scoring

    with open_scoring() as scoring:
        while scoring.released < scoring.total:
            end = min(scoring.released + 32_768, scoring.total)
            tokens = scoring.tokens_until(end, predict=distribution_of_next)
            scoring.seal(first, log_probabilities)     # of tokens first .. first + n - 1
            adapt(tokens)                              # whatever is sealed may be learned from

Tokens come in order; the next ones are handed out when every one handed out before is sealed. Now and then
the evaluator holds tokens back and asks for the whole distribution of the first one it holds back: `predict`
gets all tokens before it and answers with log-probabilities over the vocabulary. What is sealed for that
token later must be the same number.

Needs numpy and the standard library. Shapes: N tokens of the stream, V vocabulary.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from . import wire

if TYPE_CHECKING:
    from types import TracebackType

Predict = Callable[[npt.NDArray[np.uint32]], npt.NDArray[np.floating[Any]]]


class ScoringError(RuntimeError):
    """The evaluator ended the evaluation; the message says at which token and why."""


class Scoring:
    """One evaluation. `total` is N, `vocab_size` V, `longest_step` how many tokens come at a time at most."""

    def __init__(self, reads: int, writes: int) -> None:
        self._reads, self._writes = reads, writes
        self._send(wire.Message(wire.HELLO, {"version": wire.VERSION}))
        task = self._receive(wire.TASK)
        self.total, self.vocab_size = task.number("tokens"), task.number("vocab_size")
        self.longest_step = task.number("longest_step")
        self.released = 0
        self._tokens: npt.NDArray[np.uint32] = np.zeros(self.total, dtype=np.uint32)

    @property
    def tokens(self) -> npt.NDArray[np.uint32]:
        """All tokens handed out so far (a view that cannot be written to)."""
        view = self._tokens[: self.released]
        view.flags.writeable = False
        return view

    def tokens_until(self, end: int, predict: Predict) -> npt.NDArray[np.uint32]:
        """Tokens 0 .. end-1; those before the newest ones must be sealed.

        `predict` maps tokens 0 .. t-1 to the V log-probabilities of token t, by the state of now.
        Raises `ScoringError`.
        """
        self._send(wire.Message(wire.NEED, {"end": int(end)}))
        while self.released < end:
            message = self._receive(wire.TOKENS, wire.BLIND)
            if message.kind == wire.TOKENS:
                new = np.frombuffer(message.payload, dtype="<u4")
                self._tokens[self.released : self.released + new.size] = new
                self.released += int(new.size)
                continue
            answer = np.ascontiguousarray(predict(self.tokens), dtype="<f8").reshape(-1)
            fields = {"position": self.released}
            self._send(wire.Message(wire.VECTOR, fields, answer.tobytes()))
        return self.tokens

    def seal(self, first: int, log_probabilities: npt.ArrayLike) -> str:
        """Hand in natural log-probabilities of tokens `first`, `first` + 1, ...; they are final.

        Either one number for each token (n) or the distributions (n x V). Token 0 has no score. Returns the
        digest of everything sealed so far. Raises `ScoringError`.
        """
        values = np.asarray(log_probabilities)
        form = "<f4" if values.dtype == np.float32 else "<f8"
        values = np.ascontiguousarray(values, dtype=form)
        rows, columns = (values.shape[0], 0) if values.ndim == 1 else values.shape
        fields = {"first": int(first), "rows": int(rows), "columns": int(columns), "form": form}
        self._send(wire.Message(wire.SCORES, fields, values.tobytes()))
        return str(self._receive(wire.SEALED).fields.get("digest", ""))

    def close(self) -> None:
        """Say that everything is scored."""
        self._send(wire.Message(wire.DONE))

    def __enter__(self) -> Scoring:
        """The evaluation itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close, unless the block failed: then nothing is said to be complete."""
        if kind is None:
            self.close()

    def _send(self, message: wire.Message) -> None:
        try:
            wire.send(self._writes, message)
        except wire.WireError as error:
            raise ScoringError(str(error)) from error

    def _receive(self, *kinds: bytes) -> wire.Message:
        try:
            message = wire.receive(self._reads)
        except wire.WireError as error:
            raise ScoringError(str(error)) from error
        if message.kind == wire.REFUSED:
            raise ScoringError(str(message.fields.get("message", "refused")))
        if message.kind not in kinds:
            raise ScoringError(f"the evaluator sent {message.kind!r} where {kinds!r} was due")
        return message


def open_scoring() -> Scoring:
    """The evaluation this process was started for; one process of a run opens it, for all its ranks.

    Raises `ScoringError` outside an evaluation: the variable GOLF_SCORING_SOCKET names its socket.
    """
    path = os.environ.get(wire.SOCKET_VARIABLE, "")
    if not path:
        raise ScoringError(f"{wire.SOCKET_VARIABLE} is not set: this run is not scored by an evaluator")
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.connect(path)
    except OSError as error:
        connection.close()
        raise ScoringError(f"the evaluator's socket {path} does not answer ({error})") from error
    descriptor = connection.detach()
    return Scoring(descriptor, descriptor)
