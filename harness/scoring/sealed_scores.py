"""What a submission predicted, token by token: handed in once, checked, chained, and turned into a score.

Tokens are handed out in steps. A step is handed out when every token of the steps before it is sealed, so a
score may depend on its own step at most; blind questions (tokens held back while the distribution is asked
for) look into the steps. They prove something about the tokens they ask for only: a script that answers them
honestly and cheats elsewhere is a matter for the dynamic audit.

val_loss = -sum(log p) / tokens, val_bpb = -sum(log p) / ln 2 / bytes, in float64 (`eval_val` of train_gpt.py
on main of openai/parameter-golf). Position p is the index of the predicted token, 1 to N-1; V is the size of
the vocabulary.
"""

from __future__ import annotations

import hashlib
import itertools
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.errors import SubmissionError

if TYPE_CHECKING:
    import numpy.typing as npt

    from harness.tokens.byte_table import ByteTable

# A distribution in float32 over 1,024 to 8,192 pieces sums to one within 1e-5; bfloat16 logits, normalised in
# float32, too. What is farther off was not normalised.
SUM_TOLERANCE = 1e-3
# Batches of another shape move a log-probability of a bfloat16 network by up to about 0.03 nats.
BLIND_TOLERANCE_NATS = 0.05
# log p = 0 is certainty; rounding may go a little above.
_ABOVE_ZERO = 1e-6
# Of one ledger: 62 million tokens in steps of 256, each handed out and sealed, are as many.
MOST_ENTRIES = 500_000
_SUM_AT_ONCE = 1 << 16  # numbers of Python at a time
_ROWS_AT_ONCE = 1024  # of distributions, so that checking 8,192 pieces takes 64 MiB


class ScoreError(SubmissionError):
    """What was handed in is no score. `reason` is one short word for the record, `position` the token."""

    def __init__(self, reason: str, message: str, position: int | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.position = position


@dataclass(frozen=True, slots=True, kw_only=True)
class BlindAnswer:
    """A distribution given before its token was handed out: `log_p` is what it gave the token."""

    position: int
    log_p: float
    probability_sum: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerEntry:
    """Something that crossed, in the order in which it did: `count` numbers that begin at `position`.

    `what` is released (tokens, as little-endian uint32), blind (a distribution) or sealed (log-probabilities,
    both as little-endian float64); `sha256` is of these bytes, in hex. `chain` is the SHA-256 of the chain
    before it, of the words "what position count" and of that digest.
    """

    what: str
    position: int
    count: int
    sha256: str
    chain: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedScore:
    """The score of a whole stream."""

    val_loss_nats: float
    val_bpb: float
    scored_tokens: int
    scored_bytes: int
    steps: int
    digest: str  # commits to every number and to the order in which tokens and scores crossed
    blind: tuple[BlindAnswer, ...]


@dataclass(slots=True)
class SealedScores:
    """One evaluation of `tokens` (N,); `table` says how many bytes each token stands for.

    `blind_positions` are asked for before their token is handed out. Raises ValueError for a stream without
    anything to predict.
    """

    tokens: npt.NDArray[np.integer[Any]]
    table: ByteTable
    longest_step: int
    blind_positions: tuple[int, ...] = ()
    released: int = 0
    steps: int = 0
    blind: list[BlindAnswer] = field(default_factory=list)
    entries: list[LedgerEntry] = field(default_factory=list)
    _log_p: npt.NDArray[np.float64] = field(init=False)
    _sealed: npt.NDArray[np.bool_] = field(init=False)
    _open: int = 0  # handed out and not sealed yet
    _chain: bytes = field(init=False)

    def __post_init__(self) -> None:
        """Start with nothing handed out."""
        if self.tokens.ndim != 1 or self.tokens.size < 2:
            raise ValueError(f"a stream of shape {self.tokens.shape} has nothing to predict")
        self._log_p = np.zeros(self.tokens.size)
        self._sealed = np.zeros(self.tokens.size, dtype=np.bool_)
        self._chain = chain_start(self.tokens)
        asked = {int(position) for position in self.blind_positions}
        if any(not 1 <= position < self.tokens.size for position in asked):
            raise ValueError(f"blind questions are about positions 1 to {self.tokens.size - 1}")
        self.blind_positions = tuple(sorted(asked))

    @property
    def digest(self) -> str:
        """SHA-256, in hex, over everything that crossed so far."""
        return self._chain.hex()

    def may_release(self, end: int) -> None:
        """Raise `ScoreError` unless tokens up to `end` (exclusive) may be handed out now."""
        if not self.released < end <= self.tokens.size:
            raise ScoreError(
                "out-of-range",
                f"tokens up to {end:,} were asked for; {self.released:,} of {self.tokens.size:,} are out",
            )
        if end - self.released > self.longest_step:
            raise ScoreError(
                "step-too-long",
                f"{end - self.released:,} tokens were asked for at once; at most {self.longest_step:,} come "
                "before the last ones are sealed",
            )
        if self._open:
            missing = 1 + int(np.argmin(self._sealed[1 : self.released]))
            raise ScoreError(
                "not-sealed",
                f"token {missing:,} was handed out and is not scored yet, one of {self._open:,}; score it "
                f"before asking for tokens from {self.released:,} on",
                missing,
            )

    def blind_in(self, end: int) -> tuple[int, ...]:
        """Positions to ask for before tokens up to `end` are handed out."""
        return tuple(one for one in self.blind_positions if self.released <= one < end)

    def release(self, end: int) -> npt.NDArray[np.uint32]:
        """The next tokens, up to `end`; the caller has asked `may_release`."""
        new = np.ascontiguousarray(self.tokens[self.released : end], dtype=np.uint32)
        self._open += int(new.size) - (
            self.released == 0 and new.size > 0
        )  # nothing predicts the first token
        self._extend("released", self.released, new.astype("<u4"))
        self.released = end
        return new

    def answer(self, position: int, log_probabilities: npt.NDArray[np.float64]) -> None:
        """Take the distribution (V,) of a token that is not handed out. Raises `ScoreError`."""
        if log_probabilities.shape != (self.table.vocab_size,):
            raise ScoreError(
                "malformed",
                f"{log_probabilities.size:,} log-probabilities for token {position:,}; the vocabulary has "
                f"{self.table.vocab_size:,}",
                position,
            )
        self._refuse_unusable(position, log_probabilities[None, :])
        target = float(log_probabilities[int(self.tokens[position])])
        total = float(np.exp(log_probabilities).sum())
        self.blind.append(BlindAnswer(position=position, log_p=target, probability_sum=total))
        self._extend("blind", position, log_probabilities.astype("<f8"))

    def seal(self, first: int, values: npt.NDArray[np.floating[Any]]) -> str:
        """Take log-probabilities of tokens `first` on: of the tokens (n,), or over the vocabulary (n, V).

        Returns the digest. Raises `ScoreError` and changes nothing then.
        """
        count = len(values)
        end = first + count
        if not count or first < 1 or end > self.released:
            raise ScoreError(
                "out-of-range",
                f"scores came for tokens {first:,} to {end - 1:,}; 1 to {self.released - 1:,} are handed out",
            )
        again = self._sealed[first:end]
        if again.any():
            position = first + int(np.argmax(again))
            raise ScoreError("scored-twice", f"token {position:,} was scored before", position)
        if values.ndim == 2 and values.shape[1] != self.table.vocab_size:
            raise ScoreError(
                "malformed",
                f"distributions over {values.shape[1]:,} tokens; the vocabulary has "
                f"{self.table.vocab_size:,}",
            )
        self._refuse_unusable(first, values)
        log_p = values.astype(np.float64)
        if log_p.ndim == 2:
            log_p = np.take_along_axis(log_p, self.tokens[first:end, None].astype(np.int64), axis=1)[:, 0]
            unscored = ~np.isfinite(log_p)
            if unscored.any():
                position = first + int(np.argmax(unscored))
                raise ScoreError("impossible", f"token {position:,} came though it got p = 0", position)
        self._refuse_other_than_blind(first, log_p)
        self._log_p[first:end] = log_p
        self._sealed[first:end] = True
        self._open -= count
        self.steps += 1
        self._extend("sealed", first, log_p.astype("<f8"))
        return self.digest

    def total(self) -> SealedScore:
        """The score of the stream. Raises `ScoreError` unless each token but the first was scored."""
        if not self._sealed[1:].all():
            missing = 1 + int(np.argmin(self._sealed[1:]))
            left = int((~self._sealed[1:]).sum())
            raise ScoreError(
                "unscored",
                f"token {missing:,} was never scored, one of {left:,} missing of {self.tokens.size - 1:,}",
                missing,
            )
        parts = (self._log_p[at : at + _SUM_AT_ONCE] for at in range(0, self.tokens.size, _SUM_AT_ONCE))
        nats = -math.fsum(itertools.chain.from_iterable(part.tolist() for part in parts))  # token 0 is 0
        scored_bytes = self.table.stream_bytes(self.tokens)
        if not scored_bytes:
            raise ScoreError("no-bytes", "the scored tokens stand for 0 bytes of text")
        return SealedScore(
            val_loss_nats=nats / (self.tokens.size - 1),
            val_bpb=nats / math.log(2.0) / scored_bytes,
            scored_tokens=self.tokens.size - 1,
            scored_bytes=scored_bytes,
            steps=self.steps,
            digest=self.digest,
            blind=tuple(self.blind),
        )

    @property
    def log_probabilities(self) -> npt.NDArray[np.float64]:
        """Of every token (N), as sealed; 0 where nothing is sealed. A view that cannot be written to."""
        view = self._log_p.view()
        view.flags.writeable = False
        return view

    @property
    def nats(self) -> npt.NDArray[np.float64]:
        """Nats of positions 1 to N-1 as sealed; 0 where nothing is sealed."""
        return -self._log_p[1:]

    def _refuse_unusable(self, first: int, values: npt.NDArray[np.floating[Any]]) -> None:
        if values.ndim == 1:
            self._refuse_no_log_p(first, values[:, None], ~np.isfinite(values[:, None]))
            return
        for at in range(0, len(values), _ROWS_AT_ONCE):
            rows = values[at : at + _ROWS_AT_ONCE].astype(np.float64)
            self._refuse_no_log_p(first + at, rows, np.isnan(rows))  # p = 0 is a probability
            self._refuse_other_sums(first + at, rows)

    @staticmethod
    def _refuse_no_log_p(
        first: int, rows: npt.NDArray[np.floating[Any]], wrong: npt.NDArray[np.bool_]
    ) -> None:
        wrong = wrong | (rows > _ABOVE_ZERO)
        if wrong.any():
            at = int(np.argmax(wrong.any(axis=1)))
            value = float(rows[at][wrong[at]][0])
            raise ScoreError(
                "not-finite" if not math.isfinite(value) else "above-one",
                f"token {first + at:,} got log p = {value}; it must be a finite number of at most 0",
                first + at,
            )

    @staticmethod
    def _refuse_other_sums(first: int, rows: npt.NDArray[np.float64]) -> None:
        sums = np.exp(rows).sum(axis=1)
        off = np.abs(sums - 1.0) > SUM_TOLERANCE
        if off.any():
            at = int(np.argmax(off))
            raise ScoreError(
                "not-normalised",
                f"the probabilities of token {first + at:,} sum to {sums[at]:.6f}, not to 1 (within "
                f"{SUM_TOLERANCE:g}); normalise over the whole vocabulary",
                first + at,
            )

    def _refuse_other_than_blind(self, first: int, log_p: npt.NDArray[np.float64]) -> None:
        for answer in self.blind:
            at = answer.position - first
            if 0 <= at < len(log_p):
                difference = abs(float(log_p[at]) - answer.log_p)
                if not difference <= BLIND_TOLERANCE_NATS:
                    raise ScoreError(
                        "other-than-blind",
                        f"token {answer.position:,} got {-answer.log_p:.4f} nats before it was known and "
                        f"{-float(log_p[at]):.4f} after; a score may not depend on its own token (tolerance "
                        f"{BLIND_TOLERANCE_NATS:g} nats)",
                        answer.position,
                    )

    def _extend(self, what: str, position: int, numbers: npt.NDArray[Any]) -> None:
        if len(self.entries) >= MOST_ENTRIES:
            raise ScoreError(
                "too-many-steps",
                f"{MOST_ENTRIES:,} messages crossed before token {position:,}; hand in more scores at a time",
                position,
            )
        entry = chained(self._chain, what, position, numbers)
        self._chain = bytes.fromhex(entry.chain)
        self.entries.append(entry)


def chain_start(tokens: npt.NDArray[np.integer[Any]]) -> bytes:
    """Where the chain of an evaluation of `tokens` begins: it commits to all of them."""
    stream = hashlib.sha256(np.ascontiguousarray(tokens, dtype="<u4").tobytes()).digest()
    return hashlib.sha256(b"golf sealed scores 2" + stream).digest()


def chained(chain: bytes, what: str, position: int, numbers: npt.NDArray[Any]) -> LedgerEntry:
    """The entry that follows `chain`."""
    content = hashlib.sha256(np.ascontiguousarray(numbers).tobytes()).digest()
    return LedgerEntry(
        what=what,
        position=position,
        count=len(numbers),
        sha256=content.hex(),
        chain=link(chain, what, position, len(numbers), content).hex(),
    )


def link(chain: bytes, what: str, position: int, count: int, content: bytes) -> bytes:
    """The chain after an entry whose numbers have the digest `content`."""
    return hashlib.sha256(chain + f"{what} {position} {count}".encode() + content).digest()
