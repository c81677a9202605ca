"""The train log, in the challenge's line format: the same grammar reads it as reads everybody's.

Lines as `train_gpt.py` on main prints them (log0); what it has no line for (device, configuration, stages of
evaluation) is written in the same `name:value` manner. Rank 0 writes, others are silent.

Units on the lines: times in ms or s as named, sizes in bytes, losses in nats per token, bpb in bits per byte.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, TextIO

import torch

from harness.errors import SetupError

if TYPE_CHECKING:
    from pathlib import Path

    from reference_model.config import Config
    from reference_model.distributed import World

_RULE = "=" * 100


class RunLog:
    """Lines to standard output and to a file, each flushed before the next: a killed run keeps its log.

    A line that the file cannot take (a full disk) is told on standard error and ends the file, not the run;
    standard output that nobody reads any more (a closed pipe) likewise, where there is a file.

    `is_main` False makes every method do nothing; `quiet` keeps lines out of standard output; `appends` goes
    on with an earlier file, where a new run would replace it. Raises SetupError when the file cannot be
    written.
    """

    def __init__(
        self, path: Path | None = None, *, is_main: bool = True, quiet: bool = False, appends: bool = False
    ) -> None:
        self.path = path
        self._quiet = quiet
        self._is_main = is_main
        self._file: TextIO | None = None
        if path is not None and is_main:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                self._file = path.open("a" if appends else "w", encoding="utf-8", errors="backslashreplace")
            except OSError as error:
                raise SetupError(
                    f"cannot write the log {path}: {error.strerror}; choose another folder"
                ) from None

    def __call__(self, text: str, *, console: bool = True) -> None:
        """Write one line (or several)."""
        if not self._is_main:
            return
        if console and not self._quiet:
            self._print(text)
        if self._file is not None:
            try:
                self._file.write(text + "\n")
                self._file.flush()
            except OSError as error:
                print(f"the log {self.path} ends here: {error.strerror}", file=sys.stderr)
                self.close()

    def _print(self, text: str) -> None:
        encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
        try:  # names of files may hold bytes that are no text
            print(text.encode(encoding, "backslashreplace").decode(encoding), flush=True)
        except BrokenPipeError:
            self._quiet = True
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is buffered goes there
            if self._file is None:
                raise SetupError(
                    "standard output was closed and there is no log file (--out), so nobody would see the "
                    "result; stopped"
                ) from None

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            with contextlib.suppress(OSError):  # what could not be written stays unwritten
                self._file.close()
            self._file = None

    def __enter__(self) -> RunLog:
        """Itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    def header(self, config: Config, world: World, *, code: str | None = None) -> None:
        """Source of a packed script, software, machine, and the whole configuration as one JSON line."""
        if code is not None:
            self(code, console=False)
        self(_RULE, console=False)
        self(f"Running Python {sys.version}", console=False)
        self(f"Running PyTorch {torch.__version__}", console=False)
        if self._is_main:
            self(machine_text(world.device), console=False)
        self(_RULE, console=False)
        self(f"device:{device_name(world.device)}")
        self(f"config:{json.dumps(config.as_dict(), separators=(', ', ': '))}", console=False)

    def train_step(self, step: int, steps: int, train_loss: float, train_ms: float) -> None:
        """A training step; `train_ms` is the training clock after it."""
        self(
            f"step:{step}/{steps} train_loss:{train_loss:.4f} train_time:{train_ms:.0f}ms "
            f"step_avg:{train_ms / max(step, 1):.2f}ms"
        )

    def validation(self, step: int, steps: int, loss_and_bpb: tuple[float, float], train_ms: float) -> None:
        """A validation during training, (nats per token, bits per byte)."""
        self(
            f"step:{step}/{steps} val_loss:{loss_and_bpb[0]:.4f} val_bpb:{loss_and_bpb[1]:.4f} "
            f"train_time:{train_ms:.0f}ms step_avg:{train_ms / max(step, 1):.2f}ms"
        )

    def final_score(
        self, label: str, loss_and_bpb: tuple[float, float], seconds: float, remark: str = ""
    ) -> None:
        """A counted score: rounded with its evaluation time, then exact, as main prints both."""
        loss, bpb = loss_and_bpb
        self(
            f"{label} val_loss:{loss:.4f} val_bpb:{bpb:.4f}{remark and ' ' + remark} "
            f"eval_time:{1000 * seconds:.0f}ms"
        )
        self(f"{label}_exact val_loss:{loss:.8f} val_bpb:{bpb:.8f}")


def device_name(device: torch.device) -> str:
    """The name of the GPU, or of the processor and how many threads torch uses."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"cpu ({platform.machine()}, {os.cpu_count()} cores, {torch.get_num_threads()} threads)"


def machine_text(device: torch.device) -> str:
    """What `nvidia-smi` prints, where there is a GPU and the program; else the platform."""
    smi = shutil.which("nvidia-smi") if device.type == "cuda" else None
    if smi is not None:
        answer = subprocess.run([smi], capture_output=True, text=True, check=False, timeout=60)
        if answer.returncode == 0:
            return answer.stdout
    return platform.platform()


def memory_line(device: torch.device) -> str:
    """Peak memory of this process, MiB: of the GPU, or resident where there is none."""
    if device.type == "cuda":
        allocated, reserved = torch.cuda.max_memory_allocated(device), torch.cuda.max_memory_reserved(device)
        return f"peak memory allocated: {allocated >> 20} MiB reserved: {reserved >> 20} MiB"
    import resource  # only where it exists: no Windows

    return f"peak memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10} MiB"
