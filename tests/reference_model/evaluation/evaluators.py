"""An evaluator in a thread, for evaluations that hand their scores in."""

from __future__ import annotations

import contextlib
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.scoring.client_package import PACKAGE, write_client_package
from harness.scoring.evaluator import Evaluation, ScoringSocket
from harness.scoring.sealed_scores import SealedScores
from harness.scoring.wire import SOCKET_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    import pytest

    from harness.tokens.byte_table import ByteTable


@dataclass
class Served:
    """How the evaluation ended, once the block is left."""

    evaluation: Evaluation | None = None


@contextlib.contextmanager
def evaluator(
    monkeypatch: pytest.MonkeyPatch,
    tokens: np.ndarray,
    table: ByteTable,
    *,
    longest_step: int,
    blind: tuple[int, ...] = (),
) -> Iterator[Served]:
    """Serve one evaluation of `tokens` to this process and its children."""
    served = Served()
    with tempfile.TemporaryDirectory(prefix="golf-") as place:
        write_client_package(Path(place) / "package")
        waiting = ScoringSocket(Path(place) / "socket")
        monkeypatch.setenv(SOCKET_VARIABLE, str(waiting.path))
        monkeypatch.syspath_prepend(str(Path(place) / "package"))
        monkeypatch.setenv("PYTHONPATH", str(Path(place) / "package"))
        over = threading.Event()

        def serve() -> None:
            scores = SealedScores(tokens, table, longest_step, blind)
            served.evaluation = waiting.evaluate(scores, deadline=time.monotonic() + 900, gone=over.is_set)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield served
        finally:
            over.set()
            thread.join(30)
            waiting.close()
            monkeypatch.delenv(SOCKET_VARIABLE)
            monkeypatch.delenv("PYTHONPATH")
            for name in [name for name in sys.modules if name.partition(".")[0] == PACKAGE]:
                del sys.modules[name]
