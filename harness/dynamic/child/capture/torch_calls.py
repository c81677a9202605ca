"""Sees what a script asks of torch: rows of tokens that go through a model, losses, gradients, steps.

A `TorchFunctionMode` around everything: calls are passed on unchanged and looked at afterwards, so results
are bit for bit those without it. Nothing in here may end the script: a fault of ours is counted and the
record says that it is incomplete.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - everybody calls it so
from torch.overrides import TorchFunctionMode

from harness.dynamic.child.capture.score_rows import Chances, norms

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from harness.dynamic.child.capture.recorder import Recorder
    from harness.dynamic.child.capture.token_streams import Segment, TokenStreams
    from harness.dynamic.child.capture.weight_sums import WeightSums

_LONGEST_LOSS = 1 << 17
_RECENT_LOSSES = 4
_MOST_ROWS = 512
"""Rows of one batch told in an event."""


class TorchCalls:
    """State shared by the modes of all threads. `source` says whose tokens went through a model last."""

    def __init__(
        self,
        recorder: Recorder,
        streams: TokenStreams,
        weights: WeightSums,
        vocab_size: int,
        drawn_weights: Sequence[int] = (),
    ) -> None:
        self.recorder = recorder
        self.streams = streams
        self.weights = weights
        self.vocab_size = vocab_size
        self._chances = Chances(drawn_weights) if drawn_weights else None
        self.source = "none"
        self.grad_source = "none"
        self.rows_shape: tuple[int, ...] = ()
        self._last_table = 0
        self._last_input = (0, 0, False)
        self._is_in_pass = False  # a loss, a gradient or a step ends it
        self._recent_losses: deque[tuple[int, torch.Tensor]] = deque(maxlen=_RECENT_LOSSES)
        self.after: dict[Any, Callable[[Any, tuple[Any, ...], dict[str, Any], Any], None]] = {
            F.embedding: self._embedding,
            torch.embedding: self._embedding_reversed,
            F.cross_entropy: self._loss,
            F.nll_loss: self._loss,
            torch.gather: self._gather,
            torch.Tensor.gather: self._gather,
            torch.take_along_dim: self._take_along,
            torch.Tensor.take_along_dim: self._take_along,
            torch.Tensor.__getitem__: self._indexed,
            torch.Tensor.backward: self._backward,
            torch.autograd.grad: self._backward,
        }

    def stepped(self, optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
        """An optimizer made a step; called by torch after any optimizer's."""
        self._is_in_pass = False
        try:
            for group in optimizer.param_groups:
                for weight in group["params"]:
                    self.weights.know(weight)
            rate = optimizer.param_groups[0].get("lr")
            self.recorder.event(
                "step",
                optimizer=type(optimizer).__name__,
                source=self.grad_source,
                rate=float(rate) if rate is not None else None,
            )
        except Exception:  # nothing here may end the script
            self.recorder.dropped("fault of a step hook")

    def _embedding(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
        table = args[1] if len(args) > 1 else kwargs["weight"]
        self._rows(args[0] if args else kwargs["input"], table)

    def _embedding_reversed(
        self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any
    ) -> None:
        self._rows(args[1] if len(args) > 1 else kwargs["indices"], args[0] if args else kwargs["weight"])

    def _rows(self, tokens: torch.Tensor, table: torch.Tensor) -> None:
        if table.dim() != 2 or table.shape[0] < self.vocab_size or tokens.numel() < 8:
            return
        # Weights that are made anew for each pass (views of one buffer, copies) are other objects each time.
        identity = (tokens.data_ptr(), tokens.numel(), torch.is_grad_enabled())
        if self._is_in_pass and identity == self._last_input and table.data_ptr() != self._last_table:
            return  # a second table for the same tokens within one forward pass
        row_length = tokens.shape[-1]
        segments = self.streams.segments(tokens.detach().cpu().numpy(), row_length)
        if not segments:
            return
        self._last_input, self._last_table, self._is_in_pass = identity, table.data_ptr(), True
        before, self.source = self.source, _source_of(segments)
        self.rows_shape = tuple(tokens.shape)
        fields: dict[str, Any] = {}
        if torch.is_grad_enabled():
            self.grad_source = self.source
        if self.source != "train":
            fields["weights"] = self.weights.digest()
        self.recorder.event(
            "fw",
            source=self.source,
            shape=list(tokens.shape),
            grad=torch.is_grad_enabled(),
            rows=[list(each) for each in segments[:_MOST_ROWS]],
            rows_left_out=max(len(segments) - _MOST_ROWS, 0),
            **fields,
        )
        if before != self.source:
            self.recorder.flush()  # a run that is killed in an evaluation is known to have come to it

    def _loss(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
        scores = args[0] if args else kwargs["input"]
        target = args[1] if len(args) > 1 else kwargs["target"]
        if target.is_floating_point() or target.numel() > _LONGEST_LOSS:
            return
        segments = self._targets(target)
        if not segments:
            return
        reduction = kwargs.get("reduction", "mean")
        if reduction == "none":
            each = result
        else:
            with torch.no_grad():
                each = func(scores.detach(), target, **{**kwargs, "reduction": "none"})
        name = "cross_entropy" if func is F.cross_entropy else "nll_loss"
        if len(args) > 2 or kwargs.get("weight") is not None or kwargs.get("label_smoothing"):
            name = "changed_loss"  # no longer -ln p of a softmax
        value = float(result.detach()) if result.numel() == 1 else None
        rows = scores.movedim(1, -1) if scores.dim() > 1 else scores
        self._told_loss(name, segments, each, reduction, value, rows, target)

    def _gather(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
        index = args[2] if len(args) > 2 else kwargs["index"]
        self._picked("gather", args[0], index, result)

    def _take_along(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
        index = args[1] if len(args) > 1 else kwargs["indices"]
        self._picked("gather", args[0], index, result)

    def _indexed(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
        key = args[1]
        if isinstance(key, tuple) and key and isinstance(key[-1], torch.Tensor):
            self._picked("index", args[0], key[-1], result)
        elif self._recent_losses and result.dim() == 1:
            self._cut(args[0], result)

    def _cut(self, whole: torch.Tensor, piece: torch.Tensor) -> None:
        """A piece of a row of losses: what is counted of it may be mixed where we see no positions."""
        start = whole.untyped_storage().data_ptr()
        for number, losses in reversed(self._recent_losses):
            if losses.untyped_storage().data_ptr() != start:
                continue
            first = piece.storage_offset() - losses.storage_offset()
            if piece.stride(0) == 1 and 0 < piece.numel() <= losses.numel() - first and first >= 0:
                self.recorder.event("cut", of=number, offset=first, size=piece.numel(), site="cut")
            return

    def _picked(self, name: str, scores: torch.Tensor, index: torch.Tensor, result: torch.Tensor) -> None:
        if (
            scores.dim() < 2
            or not self.vocab_size <= scores.shape[-1] <= self.vocab_size + 1024
            or not scores.is_floating_point()
            or index.dtype not in {torch.int64, torch.int32}
            or not 1 <= index.numel() <= _LONGEST_LOSS
            or index.numel() != result.numel()
        ):
            return
        segments = self._targets(index)
        if segments:
            self._told_loss(name, segments, result, "none", None, scores, index)

    def _targets(self, target: torch.Tensor) -> list[Segment]:
        size = target.numel()
        shape = self.rows_shape
        row = (
            shape[-1]
            if shape and size == int(np.prod(shape))
            else (target.shape[-1] if target.dim() > 1 else 0)
        )
        segments = self.streams.segments(target.detach().cpu().numpy(), row)
        return segments if any(each.split == "val" for each in segments) else []

    def _told_loss(
        self,
        name: str,
        segments: Sequence[Segment],
        each: torch.Tensor,
        reduction: str,
        value: float | None,
        scores: torch.Tensor,
        target: torch.Tensor,
    ) -> None:
        """`scores` hold a row over all tokens (the last dimension) for each target."""
        self._is_in_pass = False
        values = each.detach().reshape(-1).to(torch.float64).cpu().numpy()
        by_row = {"norm": norms(scores)} if self._chances is None else self._chances.of(scores, target)
        told: dict[str, Any] = {
            what: self._by_row(rows, f"{name} {what}", values.size) for what, rows in by_row.items()
        }
        number = self.recorder.event(
            "ce",
            fn=name,
            grad=torch.is_grad_enabled(),
            reduction=reduction,
            size=int(values.size),
            value=value,
            rows=[list(one) for one in segments],
            nll=self.recorder.array(values, site=name),
            **{"norm": None, **told},
        )
        if reduction == "none" and number is not None:
            # Kept alive, so that no other tensor comes to lie where its pieces are looked for.
            self._recent_losses.append((number, each))

    def _by_row(self, by_row: torch.Tensor, site: str, size: int) -> list[int] | None:
        """Tell one number for each row of scores, unless rows and losses do not go together."""
        if by_row.numel() != size:
            return None
        return self.recorder.array(by_row.reshape(-1).to(torch.float64).cpu().numpy(), site=site)

    def _backward(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
        self._is_in_pass = False
        self.recorder.event("backward", source=self.grad_source)


class CallMode(TorchFunctionMode):
    """Passes every call on and shows it to `TorchCalls` afterwards."""

    def __init__(self, calls: TorchCalls) -> None:
        super().__init__()
        self._calls = calls
        self._after = calls.after

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Call `func`; look at it if it is one of those we follow."""
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        look = self._after.get(func)
        if look is not None:
            try:
                with torch._C.DisableTorchFunction():  # looking is no call of the script
                    look(func, args, kwargs, result)
            except Exception as error:  # an unusual call of the script is not followed, and it goes on
                name = getattr(func, "__name__", "call")
                self._calls.recorder.dropped(f"fault at {name}: {type(error).__name__}: {error}"[:160])
        return result


class StepsBack:
    """Takes optimizer steps on validation tokens back: what a run without adaptation would score."""

    def __init__(self, calls: TorchCalls) -> None:
        self._calls = calls
        self._kept: list[tuple[torch.Tensor, torch.Tensor]] = []

    def start(self) -> Callable[[], None]:
        """Begin; the answer ends it."""
        from torch.optim.optimizer import (
            register_optimizer_step_post_hook,
            register_optimizer_step_pre_hook,
        )

        handles = [
            register_optimizer_step_pre_hook(self._keep),
            register_optimizer_step_post_hook(self._undo),
        ]

        def end() -> None:
            for handle in handles:
                handle.remove()

        return end

    def _keep(self, optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
        self._kept.clear()
        if self._calls.grad_source == "val":
            weights = [weight for group in optimizer.param_groups for weight in group["params"]]
            self._kept.extend((weight, weight.detach().clone()) for weight in weights)

    def _undo(self, optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
        with torch.no_grad():
            for weight, before in self._kept:
                weight.copy_(before)
        self._kept.clear()


def start_torch_calls(calls: TorchCalls) -> Callable[[], None]:
    """Follow torch in this thread and in all that start later; the answer ends it."""
    from torch.optim.optimizer import register_optimizer_step_post_hook

    handle = register_optimizer_step_post_hook(calls.stepped)
    mode = CallMode(calls)
    mode.__enter__()  # type: ignore[no-untyped-call]
    run = threading.Thread.run

    def run_followed(thread: threading.Thread) -> None:
        with CallMode(calls):
            run(thread)

    threading.Thread.run = run_followed  # type: ignore[method-assign, assignment]

    def end() -> None:
        threading.Thread.run = run  # type: ignore[method-assign]
        mode.__exit__(None, None, None)  # type: ignore[no-untyped-call]
        handle.remove()

    return end


def _source_of(segments: Sequence[Segment]) -> str:
    splits = {each.split for each in segments}
    if len(splits) == 1:
        return splits.pop()
    in_val = sum(each.length for each in segments if each.split == "val")
    return "val" if 2 * in_val >= sum(each.length for each in segments) else "train"
