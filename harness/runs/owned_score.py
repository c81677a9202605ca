"""Serves the scoring socket while an evaluation runs in its sandbox, and says what came of it."""

from __future__ import annotations

import secrets
import shutil
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import SetupError
from harness.runs.run_files import file_digest
from harness.runs.run_record import MeasuredScore
from harness.sandbox.request import Mount
from harness.scoring.client_package import write_client_package
from harness.scoring.evaluator import LONGEST_STEP, ScoringSocket, blind_positions
from harness.scoring.ledger_file import write_ledger
from harness.scoring.sealed_scores import SealedScores
from harness.scoring.wire import SOCKET_VARIABLE
from harness.tokens.byte_table import byte_table_of_processor, open_sentencepiece
from harness.tokens.validation_stream import load_validation_tokens

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

    from harness.scoring.evaluator import Evaluation

# Tokens held back until their distribution is known: enough that a script that is lucky once is not twice.
BLIND_QUESTIONS = 16
_SCORING = "scoring"
_INSIDE = "/golf/scoring"
# The sandbox ends a step that is over its time; our own wait is a little longer, so that it says so.
_SPARE_SECONDS = 10.0
_LAST_MESSAGES_SECONDS = 60.0


class OwnedScore:
    """One evaluation over the whole validation split of `data`, asked for by the processes of one sandbox.

    Enter it when the sandbox is about to start, leave it when every process of it is dead; `evaluation` says
    then how it ended. `close` it in any case. Raises `SetupError` for data without tokens or a tokenizer.
    """

    def __init__(self, data: Path, tokenizer: Path, *, wall_seconds: float) -> None:
        table = byte_table_of_processor(open_sentencepiece(tokenizer))
        tokens = load_validation_tokens(data, seq_len=1, vocab_size=table.vocab_size)
        blind = blind_positions(BLIND_QUESTIONS, int(tokens.size), secrets.randbits(128))
        self.scores = SealedScores(tokens, table, LONGEST_STEP, blind)
        self.evaluation: Evaluation | None = None
        self.first_handed_out: float | None = None  # seconds after the evaluation began
        self._wall_seconds = wall_seconds
        self._is_over = threading.Event()
        self._failure: BaseException | None = None
        # Short, because the name of a socket may have about 100 bytes.
        self._place = Path(tempfile.mkdtemp(prefix="golf-"))
        self._place.chmod(0o755)
        write_client_package(self._place / "client")
        self._socket = ScoringSocket(self._place / "socket")

    def mounts(self) -> Mapping[str, Mount]:
        """What the sandbox shows of it."""
        return {_SCORING: Mount(host=self._place, inside=_INSIDE, is_writable=False)}

    def variables(self, seen_at: Mapping[str, str]) -> Mapping[str, str]:
        """What the command is started with."""
        place = seen_at[_SCORING]
        return {SOCKET_VARIABLE: f"{place}/socket", "PYTHONPATH": f"{place}/client"}

    def progress(self) -> Mapping[str, float]:
        """How many tokens are handed out."""
        return {"tokens": float(self.scores.released)}

    def __enter__(self) -> OwnedScore:
        """Start serving."""
        self._began = time.monotonic()
        self._deadline = self._began + self._wall_seconds + _SPARE_SECONDS
        self._thread = threading.Thread(target=self._serve, name="scoring", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take in what is left in the socket."""
        self._is_over.set()
        self._thread.join(_LAST_MESSAGES_SECONDS)
        if kind is None and self._failure is not None:
            raise self._failure
        if kind is None and self.evaluation is None:
            raise SetupError("the scoring of an evaluation that had ended did not end; run the seed again")

    def close(self) -> None:
        """Take the socket and its folder away."""
        self._socket.close()
        shutil.rmtree(self._place, ignore_errors=True)

    def measured(self) -> MeasuredScore | None:
        """The score, when each token was scored once and everything was accepted."""
        score = None if self.evaluation is None else self.evaluation.score
        if score is None:
            return None
        return MeasuredScore(
            val_loss_nats=score.val_loss_nats,
            val_bpb=score.val_bpb,
            scored_tokens=score.scored_tokens,
            scored_bytes=score.scored_bytes,
            digest=score.digest,
            blind_questions=len(score.blind),
        )

    def write_ledger(self, folder: Path) -> dict[str, str]:
        """Keep the ledger beside the record; name to digest."""
        score = None if self.evaluation is None else self.evaluation.score
        return {name: file_digest(folder / name) for name in write_ledger(folder, self.scores, score)}

    def _serve(self) -> None:
        serve: Callable[..., Evaluation] = self._socket.evaluate
        try:
            self.evaluation = serve(
                self.scores, deadline=self._deadline, gone=self._is_over.is_set, tell=self._handed_out
            )
        except BaseException as error:  # told by __exit__, in the thread that asked
            self._failure = error

    def _handed_out(self, _released: int, _total: int) -> None:
        if self.first_handed_out is None:
            self.first_handed_out = time.monotonic() - self._began
