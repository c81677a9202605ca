"""What the interpreter saw a script do, in order: the language between interpreter and rules.

Events of one profile form a tree: `loops` is the path of loop passes an event lies in (each loop body is
walked for two passes, 0 and 1), `calls` the call lines that led to it, outermost first. Everything is plain
data, so that rules can be tested on events written by hand, and so that it crosses the border of the guarded
process as JSON.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.audit.regions import Region, Split


@dataclass(frozen=True, slots=True, kw_only=True)
class Spot:
    """A line of a script: `file` relative to the submission folder; the line counts after unpacking."""

    file: str
    line: int


class StateKind(StrEnum):
    """What learns."""

    WEIGHTS = "weights"  # parameters of a network that is scored
    ADAPTER = "adapter"  # LoRA and the like: few parameters beside frozen weights
    DELTA = "delta"  # a bias or shift optimised for a batch (SLOT)
    TABLE = "table"  # counts, dictionaries, n-gram caches, mixing weights
    STATISTICS = "statistics"  # Hessians, scales, clip ranges of a quantiser
    LOGITS = "logits"  # nothing that stays: the scores of one pass, into which their own targets went


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What all events have. `id` is unique within a profile and grows with time."""

    id: int
    at: Spot
    calls: tuple[Spot, ...] = ()
    loops: tuple[tuple[int, int], ...] = ()  # (loop instance, pass 0 or 1), outermost first


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopEntered(Event):
    """A loop instance starts. `trips` is the known number of passes, None when unknown."""

    loop: int
    trips: int | None = None
    advances: bool | None = None  # whether token choices inside depend on it; None: nothing chosen inside


@dataclass(frozen=True, slots=True, kw_only=True)
class TokensRead(Event):
    """Tokens of a split come in: a shard, a token file, a loader. `path` is the pattern as far as known."""

    split: Split
    path: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Update(Event):
    """State `state` learned from `region`; `reads` are the TokensRead behind it, `how` the operation."""

    state: int
    kind: StateKind
    name: str  # the expression, for the reader: "model", "lora.A"
    region: Region
    how: str
    backward: Spot | None = None  # where the gradient was taken, for optimizer steps
    reads: tuple[int, ...] = ()
    is_target_key: bool = False  # tables: the stored key or row includes the newest token


@dataclass(frozen=True, slots=True, kw_only=True)
class Reset(Event):
    """State goes back to what it was before the listed updates: fresh, zeroed, or a snapshot restored.

    `of_optimizer`: an optimiser was made anew or took a saved state back; which steps that forgets is open.
    """

    state: int
    forgets: tuple[int, ...] = ()
    of_optimizer: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported(Event):
    """State is serialised (quantised, compressed, written); `updates` are inside what is written.

    `reads` are TokensRead whose tokens themselves are written, not only what was learned from them.
    """

    state: int
    updates: tuple[int, ...] = ()
    path: str = ""
    reads: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reloaded(Event):
    """State takes what was exported before; `updates` come with it."""

    state: int
    updates: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Score(Event):
    """Losses or log-probabilities of tokens of `region`, from the state as it was at FORWARD time.

    `updates` are all Update events whose learning was in any state or table the value depends on when the
    forward pass ran; `forward` is where it ran. The id names this score in later events.
    """

    region: Region
    forward: Spot
    states: tuple[int, ...] = ()
    updates: tuple[int, ...] = ()
    has_gradient: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ForwardPass(Event):
    """A network ran on validation tokens without a gradient, whether or not a loss came of it.

    A loss that did names this line as its `forward`; a pass that no Score names was thrown away.
    """

    region: Region
    state: int


class KeyPart(StrEnum):
    """What a lookup key was computed from."""

    TARGET = "target"  # the token whose probability the lookup contributes to
    CONTEXT = "context"  # tokens before it


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookup(Event):
    """A value read from a table. `row_target`: a row chosen by context, then one cell by the target."""

    state: int
    name: str
    key: tuple[KeyPart, ...]
    row_target: bool = False
    updates: tuple[int, ...] = ()
    is_frozen: bool = False  # the table came from a file or training, and never learns here
    is_hashed: bool = False  # keys share cells: an array of buckets, not a dictionary
    region: Region | None = None  # where its key was read, as far as loops chose it
    key_at: Spot | None = None  # where its last tokens entered the key
    already: tuple[int, ...] = ()  # updates that had counted the very tokens that are looked up
    in_turn: bool = False  # those updates lie in the same pass of a loop around both


@dataclass(frozen=True, slots=True, kw_only=True)
class Mixed(Event):
    """A score is combined with other values into a new score `score` (an id of its own).

    `scores` and `lookups` went in. `weight_parts`: what the mixing weight or the decision to mix depends on.
    `ratio`: two different lookups were divided by each other. `spread`: a token's log-probability was divided
    over its bytes or the like. `pseudo`: an ingredient is neither a log-probability nor a probability (an
    entropy, a count, a rank). `normalised`: a full distribution over the vocabulary was seen to be
    renormalised.
    """

    score: int
    scores: tuple[int, ...] = ()
    lookups: tuple[int, ...] = ()
    weight_parts: tuple[KeyPart, ...] = ()
    ratio: bool = False
    spread: bool = False
    pseudo: bool = False
    normalised: bool = False
    spread_at: Spot | None = None
    gates: tuple[Spot, ...] = ()  # tests on the scored token that let the mixture happen


@dataclass(frozen=True, slots=True, kw_only=True)
class Selected(Event):
    """One of several scores is kept by comparing values: the lower loss, the better epoch, the last pass.

    `score` is the id of the result. `by`: "loss" (compares the scores themselves), "validation-metric"
    (chooses weights, a temperature, a checkpoint by a metric over validation), "last" (overwrites).
    """

    score: int
    scores: tuple[int, ...]
    by: str
    per_token: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Accumulated(Event):
    """Scores are added into a sum that may become the reported number."""

    accumulator: int
    scores: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sink(Event):
    """A number in bits per byte is printed, logged, written or returned at the end.

    `label` is the constant text around it ("final_int8_zlib_roundtrip_exact val_loss: val_bpb:"). `scores`
    are all scores inside the number, `denominator` where its bytes were counted. `is_claim`: its label is
    that of the log line that carries the claimed score, or it is the last sink when no log says.
    """

    label: str
    scores: tuple[int, ...]
    is_claim: bool = False
    denominator: Spot | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseMark(Event):
    """A boundary of time.

    `phase` is train-start, train-stop, eval-clock-start, eval-clock-stop or artifact-written.
    """

    phase: str
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BranchProven(Event):
    """The log shows how the `if` at `at` came out: `log` is a line that only the arm taken prints.

    `setting` names what the `if` asks for, when that alone decides it: it was true or false as `taken` says.
    """

    taken: bool
    log: Spot
    setting: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BranchSilent(Event):
    """A branch of the `if` at `at`, lines `first` to `last`, prints at `missing`; the log lacks that."""

    first: int
    last: int
    missing: Spot
    label: str = ""  # what the print says
    log: str = ""  # the log's file


# The reason of an `Unresolved` event on the line of a log whose claimed score the script cannot have printed.
OTHER_CODE = "log-of-other-code"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unresolved(Event):
    """Something the interpreter could not see through. `on_path`: the reported score may depend on it."""

    reason: str  # exec, native-code, unknown-call, recursion, budget, no-entry-point, missing-module ...
    detail: str = ""
    on_path: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileAudit:
    """The events of one run profile. `finished` is False when a budget ended the walk early."""

    profile: str
    events: tuple[Event, ...] = ()
    finished: bool = True
    nodes: int = 0  # syntax nodes evaluated: the cost, and a deterministic budget
    configured: tuple[str, ...] = ()  # names of adaptation functions reached, for witnesses
    reached: tuple[tuple[str, tuple[int, ...]], ...] = ()  # lines walked by file; for the pass below only
    token_events: tuple[Event, ...] = ()  # of the pass that follows single tokens; ids of their own
    tokens_followed: bool = False  # that pass ran and got to the end
