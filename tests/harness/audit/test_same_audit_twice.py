"""The same sources under the same settings give the same bytes, in whatever process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.audit.audit_sources import audit_all
from harness.audit.events import ProfileAudit
from harness.audit.token_flow.flow import Flow, replace
from tests.harness.audit.audit_builder import run_profile

if TYPE_CHECKING:
    from harness.audit.run_profile import RunProfile

SCRIPT = """
import glob, math, os
import numpy as np
import torch
import torch.nn.functional as F

def evaluate(model, tokens, optimizer, counts):
    total = torch.zeros(())
    for start in range(0, tokens.numel() - 1, 1024):
        x, y = tokens[start : start + 1024], tokens[start + 1 : start + 1025]
        loss = F.cross_entropy(model(x), y, reduction="none")
        seen = counts[x, y] / counts[x].sum()
        mixed = torch.where(seen > 0.5, -torch.log(0.5 * torch.exp(-loss) + 0.5 * seen), loss)
        total += mixed.sum()
        counts[x, y] += 1
        loss.mean().backward()
        optimizer.step()
    return total / math.log(2) / tokens.numel()

def main():
    files = sorted(glob.glob(os.environ.get("DATA", "data") + "/fineweb_val_*.bin"))
    tokens = torch.cat([torch.from_numpy(np.fromfile(one, dtype=np.uint16)) for one in files])
    model = torch.nn.Linear(8, 8)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    counts = torch.zeros(8, 8)
    print(f"val_bpb:{evaluate(model, tokens, optimizer, counts):.4f}")

main()
"""


def document() -> dict[str, Any]:
    return audit_all("train_gpt.py", {"train_gpt.py": SCRIPT}, [run_profile(), run_profile("other")])


def text() -> str:
    return json.dumps(document())


def in_another_process(hash_seed: str) -> str:
    command = "from tests.harness.audit.test_same_audit_twice import text; print(text())"
    root = Path(__file__).resolve().parents[3]
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    return subprocess.run(
        [sys.executable, "-c", command], cwd=root, env=environment, capture_output=True, text=True, check=True
    ).stdout.rstrip("\n")


def test_the_audit_of_the_same_script_is_the_same_text_again() -> None:
    assert text() == text()


def test_the_order_of_hashes_does_not_show_in_an_audit() -> None:
    assert in_another_process("1") == in_another_process("2") == text()


def test_an_audit_of_a_script_that_mixes_counts_has_events_of_both_passes() -> None:
    claim = document()["audits"][0]
    assert claim["events"]
    assert claim["token_events"]


def test_single_tokens_are_followed_in_the_claimed_run_only() -> None:
    def walk(program: Any, run: RunProfile, **budget: Any) -> ProfileAudit:
        return ProfileAudit(profile=run.name, reached=(("train_gpt.py", (len(run.name),)),))

    runs = [run_profile("default", is_claim=False), run_profile("claimed one", is_claim=True)]
    found = audit_all("train_gpt.py", {"train_gpt.py": "x = 1"}, runs, walk, follow=lambda *_: ((), True))
    assert [audit["tokens_followed"] for audit in found["audits"]] == [False, True]


def test_a_changed_copy_of_a_flow_keeps_all_other_parts() -> None:
    marks = {name: object() for name in Flow.__dataclass_fields__}
    flow = Flow(**marks)  # type: ignore[arg-type]
    changed = replace(flow, text="other")
    assert {name: getattr(changed, name) for name in marks} == {**marks, "text": "other"}
