"""Messages between the evaluator and a submission that is scored: one header, one block of numbers.

A message is `<4s I Q` (a kind of four letters, the length of a JSON object, that of a payload), then both.
Numbers travel as little-endian numpy arrays. Used on both ends, so it needs nothing but the standard library.
Lengths are capped before anything is allocated, and every wait has a deadline: the other end is not trusted.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import struct
import time
from dataclasses import dataclass, field
from typing import Any

VERSION = 1
# Names the socket; a path, as torchrun hands no file descriptors on to its ranks.
SOCKET_VARIABLE = "GOLF_SCORING_SOCKET"
_HEADER = struct.Struct("<4sIQ")
_LONGEST_JSON = 1 << 16
LONGEST_PAYLOAD = 1 << 30
_PIECE = 1 << 16

# evaluator to submission
TASK = b"TASK"  # what is to be scored
TOKENS = b"TOKN"  # {first}: uint32 tokens from `first` on
BLIND = b"BLND"  # {position}: answer with the distribution of that token, which was not handed out yet
SEALED = b"SEAL"  # {digest}: the scores are written down
REFUSED = b"DENY"  # {reason, message}: the evaluation is over
# submission to evaluator
HELLO = b"HELO"
NEED = b"NEED"  # {end}: hand out tokens up to, not including, `end`
SCORES = b"SCOR"  # {first, rows, columns}: float32 or float64 log-probabilities
VECTOR = b"VECT"  # {position}: the answer to BLIND
DONE = b"DONE"


class WireError(Exception):
    """The other end closed, was too slow, or sent no message. `reason` is closed, late or malformed."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True)
class Message:
    """One message: `kind` as above, `fields` of its JSON object, and the payload's bytes."""

    kind: bytes
    fields: dict[str, Any] = field(default_factory=dict)
    payload: bytes = b""

    def number(self, name: str) -> int:
        """A whole number among the fields. Raises `WireError` (malformed) for anything else."""
        value = self.fields.get(name)
        if isinstance(value, bool) or not isinstance(value, int):
            raise WireError("malformed", f"{self.kind!r} needs a whole number {name}, not {value!r:.60}")
        return value


def send(descriptor: int, message: Message, deadline: float | None = None) -> None:
    """Write a whole message; `deadline` is a time of `time.monotonic`. Raises `WireError`."""
    told = json.dumps(message.fields, allow_nan=False).encode() if message.fields else b""
    rest = memoryview(_HEADER.pack(message.kind, len(told), len(message.payload)) + told + message.payload)
    try:
        while rest:
            _wait(descriptor, deadline, select.POLLOUT)
            with contextlib.suppress(BlockingIOError):
                rest = rest[os.write(descriptor, rest[:_PIECE]) :]
    except OSError as error:
        raise WireError("closed", f"the other end of the scoring socket is gone ({error})") from error


def receive(descriptor: int, deadline: float | None = None, *, longest: int = LONGEST_PAYLOAD) -> Message:
    """Read a whole message with a payload of at most `longest` bytes. Raises `WireError`."""
    kind, json_length, payload_length = _HEADER.unpack(_read(descriptor, _HEADER.size, deadline))
    if json_length > _LONGEST_JSON or payload_length > longest:
        raise WireError(
            "malformed",
            f"a message {kind!r} with {json_length:,} bytes of fields and {payload_length:,} of numbers; "
            f"at most {_LONGEST_JSON:,} and {longest:,} are read",
        )
    told = _read(descriptor, json_length, deadline)
    try:
        fields = json.loads(told) if told else {}
    except (ValueError, RecursionError) as error:
        raise WireError("malformed", f"the fields of a message {kind!r} are no JSON") from error
    if not isinstance(fields, dict):
        raise WireError("malformed", f"the fields of a message {kind!r} are no JSON object")
    return Message(kind, fields, _read(descriptor, payload_length, deadline))


def _read(descriptor: int, length: int, deadline: float | None) -> bytes:
    parts = bytearray()
    while len(parts) < length:
        _wait(descriptor, deadline, select.POLLIN)
        try:
            part = os.read(descriptor, min(_PIECE, length - len(parts)))
        except BlockingIOError:
            continue
        except OSError as error:
            raise WireError("closed", f"the scoring socket cannot be read ({error})") from error
        if not part:
            raise WireError("closed", "the other end closed the scoring socket")
        parts += part
    return bytes(parts)


def _wait(descriptor: int, deadline: float | None, what: int) -> None:
    """Return when the descriptor is ready; without a deadline reading and writing wait by themselves."""
    if deadline is None:
        return
    poll = select.poll()
    poll.register(descriptor, what)
    if not poll.poll(max(deadline - time.monotonic(), 0.0) * 1000):
        raise WireError("late", "the time limit passed while waiting for the other end of the scoring socket")
