from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from harness.errors import SetupError
from harness.runs.gpus_inside import refuse_hidden_gpus
from harness.sandbox.choose import choose_sandbox
from harness.sandbox.request import SandboxRequest

if TYPE_CHECKING:
    from collections.abc import Callable


class Answering:
    """A sandbox that runs nothing and answers."""

    name = "bwrap"

    def __init__(self, answer: bytes) -> None:
        self.answer = answer
        self.asked: list[SandboxRequest] = []

    def run(self, request: SandboxRequest, on_output: Callable[[float, bytes], None]) -> Any:
        self.asked.append(request)
        on_output(0.1, self.answer)
        return type("Outcome", (), {"detail": "ended with status 1"})


def request(*, wants_gpu: bool = True) -> SandboxRequest:
    return SandboxRequest(command=("true",), environment={"A": "1"}, wants_gpu=wants_gpu)


def refuse(answer: bytes, ranks: int = 8, *, wants_gpu: bool = True) -> list[SandboxRequest]:
    sandbox: Any = Answering(answer)
    refuse_hidden_gpus(sandbox, request(wants_gpu=wants_gpu), ranks=ranks)
    return list(sandbox.asked)


def test_gpus_are_asked_for_with_the_variables_of_the_run() -> None:
    (asked,) = refuse(b"golf-gpus 8 cuInit said 0\n")
    assert (asked.environment, asked.wants_gpu) == ({"A": "1"}, True)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (b"golf-gpus 0 cuInit said 304\n", "0 of 8 GPUs can be used (cuInit said 304)"),
        (b"golf-gpus 7 cuInit said 0\n", "7 of 8 GPUs"),
        (b"golf-gpus 0 libcuda.so.1: cannot open shared object file\n", "cannot open shared object"),
        (b"Segmentation fault\n", "0 of 8 GPUs can be used (ended with status 1)"),
    ],
)
def test_fewer_gpus_inside_than_ranks_could_not_run(answer: bytes, says: str) -> None:
    with pytest.raises(SetupError) as refused:
        refuse(answer)
    assert says in str(refused.value)


def test_a_script_without_torchrun_needs_one() -> None:
    refuse(b"golf-gpus 1 cuInit said 0\n", ranks=0)
    with pytest.raises(SetupError):
        refuse(b"golf-gpus 0 cuInit said 100\n", ranks=0)


def test_a_run_on_the_processor_asks_for_none() -> None:
    assert refuse(b"", wants_gpu=False) == []


def test_the_question_can_be_asked_on_any_machine() -> None:
    sandbox = choose_sandbox("none")
    try:
        refuse_hidden_gpus(sandbox, request(), ranks=1)
    except SetupError as error:
        assert "inside sandbox none 0 of 1 GPUs can be used" in str(error)  # noqa: PT017 - a GPU may be there
