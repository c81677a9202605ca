"""Tokens that come through a queue from a thread that reads ahead."""

from __future__ import annotations

from harness.audit.events import Unresolved, Update
from harness.audit.regions import Split
from tests.harness.audit.interpreter.small_programs import audit

READ_AHEAD = """
import queue, threading

class Ahead:
    def __init__(self, pattern):
        self.files = sorted(glob.glob(pattern))
        self.ready = queue.Queue(2)
        self.stopped = threading.Event()
        threading.Thread(target=self._read, args=(self.ready,), daemon=True).start()

    def _read(self, ready):
        try:
            while not self.stopped.is_set():
                read = torch.from_numpy(np.fromfile(self.files[0], dtype=np.uint16))
                ready.put((read[:-1], read[1:]))
        except BaseException as error:
            ready.put(error)

    def next(self):
        ready = self.ready.get()
        if isinstance(ready, BaseException):
            raise ready
        return (part.to("cuda") for part in ready)

ahead = Ahead("data/fineweb_train_*.bin")
for step in range(100):
    x, y = ahead.next()
    train(x, y)
total += score(*pair(0, C)).sum()
"""


def _splits_and_doubts(body: str) -> tuple[set[Split], list[str]]:
    events = audit(body).events
    learned = {event.region.split for event in events if isinstance(event, Update)}
    return learned, [event.reason for event in events if isinstance(event, Unresolved)]


def test_training_tokens_that_a_thread_read_ahead_are_followed() -> None:
    assert _splits_and_doubts(READ_AHEAD) == ({Split.TRAINING}, [])


def test_validation_tokens_from_a_queue_are_seen_and_their_order_is_left_open() -> None:
    body = READ_AHEAD.replace("fineweb_train", "fineweb_val")
    assert _splits_and_doubts(body) == ({Split.VALIDATION}, ["queue"])
