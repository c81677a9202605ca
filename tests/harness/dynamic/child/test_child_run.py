from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from harness.dynamic.child.ending import ending_name
from harness.dynamic.run_plan import RunPlan

ROOT = Path(__file__).parents[4]
SCRIPT = """
    import json, os, random, subprocess, sys, threading, time, uuid
    import torch, torch.distributed as dist
    from torch import nn
    from torch.nn.parallel import DistributedDataParallel as DDP
    said = {}
    class Sizes:
        width = 512
    said["width"] = Sizes.width
    said["knob"] = os.environ["KNOB"]
    said["argv"] = sys.argv[1:]
    said["name"] = __name__

    device = torch.device("cuda", 0)
    torch.cuda.set_device(device)
    dist.init_process_group(backend="nccl", device_id=device)
    x = torch.randn(4, 8, device=device)
    said["device"] = [str(device), x.device.type, x.is_cuda, torch.zeros(2).is_cuda, x.cpu().is_cuda]
    kept = x.cpu()
    x.add_(1.0)
    said["snapshot is a copy"] = bool((kept != x).all())
    with torch.device("cuda"):
        said["default device"] = torch.zeros(1).device.type
    said["bf16"] = str(x.bfloat16().dtype)
    with torch.autocast("cuda", dtype=torch.bfloat16):
        said["autocast"] = str((x @ x.T).dtype)
    with torch.inference_mode():
        table = torch.ones(8, device=device)
    weight = nn.Parameter(torch.ones(8, device=device))
    (weight * table).sum().backward()
    said["inference tensors train"] = weight.grad.tolist() == [1.0] * 8
    generator = torch.Generator(device).manual_seed(1)
    said["generator"] = torch.rand(2, device=device, generator=generator).tolist()

    model = nn.Linear(8, 8).to(device)
    compiled = torch.compile(model, dynamic=False)
    said["compiled"] = compiled is model and list(compiled.state_dict()) == ["weight", "bias"]
    wrapped = DDP(compiled, device_ids=[0])
    optimizer = torch.optim.AdamW(wrapped.parameters(), fused=True)
    wrapped(x).sum().backward()
    optimizer.step()
    total = torch.ones(3, device=device)
    dist.all_reduce(total, op=dist.ReduceOp.AVG)
    shard = torch.empty(3, device=device)
    work = dist.reduce_scatter_tensor(shard, total, async_op=True)
    work.wait()
    said["collectives"] = shard.tolist()

    class Doubled(torch.autograd.Function):
        @staticmethod
        def forward(ctx, value):
            return value * 2
        @staticmethod
        def backward(ctx, grad):
            return grad * torch.full((8,), 2.0, device="cuda")
    leaf = torch.ones(8, device=device, requires_grad=True)
    Doubled.apply(leaf).sum().backward()
    said["devices in a backward pass"] = leaf.grad.tolist()[0]

    @torch.library.custom_op("ours::shifted", mutates_args=(), device_types="cuda")
    def shifted(value: torch.Tensor) -> torch.Tensor:
        return value + torch.ones(1, device="cuda")
    said["devices in a custom operator"] = shifted(torch.zeros(1, device=device)).item()
    found = []
    thread = threading.Thread(target=lambda: found.append(torch.zeros(1, device="cuda").is_cuda))
    thread.start(); thread.join()
    said["devices in a thread"] = found
    torch.save({"w": x.bfloat16()}, "model.pt")
    said["loaded"] = torch.load("model.pt", map_location=device)["w"].is_cuda

    began = time.perf_counter()
    for _ in range(8):
        (model(x) ** 2).sum().backward()
    said["schedule seconds"] = time.perf_counter() - began
    first, last = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    first.record(); torch.autograd.backward((model(x) ** 2).sum()); last.record()
    said["event milliseconds"] = first.elapsed_time(last)
    said["chance"] = [uuid.uuid4().hex, random.random(), hash("a")]

    said["smi"] = "H100" in subprocess.run(["nvidia-smi"], capture_output=True, text=True).stdout
    said["refused"] = subprocess.run(["true"]).returncode
    import wandb
    wandb.init(project="x").log({"a": 1})
    from huggingface_hub import hf_hub_download
    try:
        hf_hub_download("a", "b")
    except OSError as error:
        said["network"] = str(error)
    from datasets import interleave_datasets
    from flash_attn_interface import flash_attn_func
    q = torch.randn(1, 6, 2, 8, device=device)
    said["attention"] = list(flash_attn_func(q, q, q, causal=True).shape)
    import sibling
    said["module constant"] = sibling.BUCKETS
    names = {}
    exec("BUCKETS = 1 << 22", names)
    said["exec constant"] = names["BUCKETS"]
    exec(compile("nested = f'{'a' + f\\"{'b'}\\"}'", "<packed>", "exec"))
    said["new f-string"] = nested

    import torch._dynamo, torch._inductor.config as settings
    torch._dynamo.config.cache_size_limit = 64
    settings.coordinate_descent_tuning = True
    @torch.compile(dynamic=False, fullgraph=True)
    def twice(value):
        return 2 * value
    said["compiled function"] = twice(21)
    from torch.nn.attention import SDPBackend, sdpa_kernel
    stream = torch.cuda.Stream()
    with sdpa_kernel(SDPBackend.FLASH_ATTENTION), torch.cuda.stream(stream):
        pinned = torch.arange(4).pin_memory()
        moved = pinned.to(device, non_blocking=True)
    torch.cuda.current_stream().wait_stream(stream)
    pinned.zero_()
    said["moved before refilling"] = moved.tolist()
    said["memory"] = torch.cuda.get_device_properties(0).total_memory > 80e9
    import triton, triton.language as tl
    @triton.jit
    def shifted_kernel(out, given, size: tl.constexpr):
        place = tl.program_id(0) * size + tl.arange(0, size)
        tl.store(out + place, tl.load(given + place) + 1)
    out = torch.empty(8, device=device)
    shifted_kernel[(2,)](out, torch.arange(8.0, device=device), size=4)
    said["triton"] = out.tolist()
    print("SAID " + json.dumps(said), flush=True)
    sys.exit(3)
"""


def started(folder: Path, script: str, **changes: Any) -> subprocess.Popen[str]:
    """A child that runs `script` in the new folder."""
    folder.mkdir()
    (folder / "train_gpt.py").write_text(textwrap.dedent(script))
    (folder / "sibling.py").write_text("BUCKETS = 1 << 22\n")
    (folder / "out").mkdir()
    fields: dict[str, Any] = {
        "script": str(folder / "train_gpt.py"),
        "data": str(folder),
        "out": str(folder / "out"),
        "vocab_size": 64,
        "captures": False,
        **changes,
    }
    (folder / "plan.json").write_text(json.dumps(RunPlan(**fields).as_json()))
    return subprocess.Popen(
        [sys.executable, "-m", "harness.dynamic.child", str(folder / "plan.json")],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def child(folder: Path, script: str, **changes: Any) -> tuple[dict[str, Any], dict[str, Any], str]:
    """What a script said, how it ended, and its whole output."""
    return ended(folder, started(folder, script, **changes))


def ended(
    folder: Path, process: subprocess.Popen[str], rank: int = 0
) -> tuple[dict[str, Any], dict[str, Any], str]:
    """What a child said that was started in `folder`."""
    output, _ = process.communicate()
    line = next((each for each in output.splitlines() if each.startswith("SAID ")), "SAID {}")
    ending = json.loads((folder / "out" / ending_name(rank)).read_text())
    return json.loads(line.removeprefix("SAID ")), ending, output


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], dict[str, Any], str]:
    return child(
        tmp_path_factory.mktemp("child") / "submission",
        SCRIPT,
        argv=("--steps", "3"),
        environment={"KNOB": "7"},
        literals={"width": 64, "BUCKETS": 256},
    )


@pytest.fixture(scope="module")
def said(run: tuple[dict[str, Any], dict[str, Any], str]) -> dict[str, Any]:
    assert run[0], run[2]
    return run[0]


def test_a_script_runs_as_main_with_its_arguments_and_environment(said: dict[str, Any]) -> None:
    assert (said["name"], said["argv"], said["knob"]) == ("__main__", ["--steps", "3"], "7")


def test_its_exit_status_is_told(run: tuple[dict[str, Any], dict[str, Any], str]) -> None:
    assert run[1]["status"] == 3


def test_literals_reach_the_script_its_modules_and_what_it_decodes(said: dict[str, Any]) -> None:
    assert (said["width"], said["module constant"], said["exec constant"]) == (64, 256, 256)


def test_tensors_are_where_a_script_put_them(said: dict[str, Any]) -> None:
    assert said["device"] == ["cuda:0", "cuda", True, False, False]


def test_a_copy_to_the_host_does_not_follow_the_original(said: dict[str, Any]) -> None:
    assert said["snapshot is a copy"]


def test_a_device_context_makes_tensors_on_the_gpu(said: dict[str, Any]) -> None:
    assert said["default device"] == "cuda"


@pytest.mark.parametrize("name", ["bf16", "autocast"])
def test_bfloat16_is_float32(said: dict[str, Any], name: str) -> None:
    assert said[name] == "torch.float32"


def test_tensors_made_in_inference_mode_may_be_trained_with(said: dict[str, Any]) -> None:
    assert said["inference tensors train"]


def test_a_generator_of_the_gpu_draws(said: dict[str, Any]) -> None:
    assert len(said["generator"]) == 2


def test_compiling_a_model_leaves_it_as_it_is(said: dict[str, Any]) -> None:
    assert said["compiled"]


def test_collectives_of_one_rank_give_its_own_share_back(said: dict[str, Any]) -> None:
    assert said["collectives"] == [1.0, 1.0, 1.0]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("devices in a backward pass", 2.0),
        ("devices in a custom operator", 1.0),
        ("devices in a thread", [True]),
        ("loaded", True),
    ],
)
def test_devices_are_taken_for_the_cpu_everywhere(said: dict[str, Any], name: str, value: object) -> None:
    assert said[name] == value


def test_eight_backward_passes_take_ninety_seconds_of_the_schedule(said: dict[str, Any]) -> None:
    assert said["schedule seconds"] == pytest.approx(90.0, abs=0.1)


def test_events_of_the_gpu_show_the_same_clock(said: dict[str, Any]) -> None:
    assert said["event milliseconds"] == pytest.approx(11_250.0, abs=10.0)


def test_a_compiled_function_is_called_as_it_is(said: dict[str, Any]) -> None:
    assert said["compiled function"] == 42


def test_a_batch_on_the_gpu_does_not_follow_the_buffer_it_came_from(said: dict[str, Any]) -> None:
    assert said["moved before refilling"] == [0, 1, 2, 3]


def test_the_gpu_has_the_memory_of_an_h100(said: dict[str, Any]) -> None:
    assert said["memory"]


def test_triton_kernels_run(said: dict[str, Any]) -> None:
    assert said["triton"] == [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]


def test_programs_are_answered_or_refused(said: dict[str, Any]) -> None:
    assert (said["smi"], said["refused"]) == (True, 1)


def test_the_network_is_refused(said: dict[str, Any]) -> None:
    assert "no network" in said["network"]


def test_flash_attention_can_be_imported(said: dict[str, Any]) -> None:
    assert said["attention"] == [1, 6, 2, 8]


def test_f_strings_of_python_3_12_are_understood(said: dict[str, Any]) -> None:
    assert said["new f-string"] == "ab"


def test_chance_is_the_same_in_every_run(said: dict[str, Any], tmp_path: Path) -> None:
    again = child(
        tmp_path / "submission",
        """
        import json, random, uuid
        print("SAID " + json.dumps([uuid.uuid4().hex, random.random(), hash("a")]))
        """,
    )
    assert again[0] == said["chance"]


def test_an_error_is_told_with_its_line(tmp_path: Path) -> None:
    _, ending, output = child(tmp_path / "submission", "import torch\nraise ValueError('no such knob')\n")
    assert (ending["status"], ending["error"], ending["message"]) == (1, "ValueError", "no such knob")
    assert ending["frames"][-1]["line"] == 2
    assert "no such knob" in output


TRAINS = """
    import json
    import torch
    from torch import nn
    from torch.nn import functional as F
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(1)
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.table, self.qkv, self.head = nn.Embedding(64, 16), nn.Linear(16, 48), nn.Linear(16, 64)
        def forward(self, x, y):
            q, k, v = self.qkv(self.table(x)).view(*x.shape, 2, 24).transpose(1, 2).chunk(3, dim=-1)
            mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
            out = mixed.transpose(1, 2).reshape(*x.shape, 16)
            return F.cross_entropy(self.head(F.rms_norm(out, (16,))).flatten(0, 1), y.flatten())
    model = torch.compile(Model().to(device)) if device.type == "cuda" else Model()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01, fused=device.type == "cuda", foreach=None)
    losses = []
    for step in range(4):
        tokens = torch.randint(64, (4, 17)).to(device)
        loss = model(tokens[:, :-1], tokens[:, 1:])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    print("SAID " + json.dumps([device.type, losses]))
"""


def test_a_training_run_is_that_of_plain_torch_to_the_last_bit(tmp_path: Path) -> None:
    played: Any = child(tmp_path / "submission", TRAINS)[0]
    plain = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(TRAINS)],
        env={"PATH": os.environ["PATH"], "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert played[0] == "cuda"
    assert json.loads(plain.stdout.removeprefix("SAID "))[1] == played[1]
