from __future__ import annotations

from typing import TYPE_CHECKING

from harness.audit.program import Program
from harness.audit.run_profile import Setting
from harness.audit.scans.previous_token import scan_previous_token
from harness.audit.scans.scanned_program import ProgramIndex, ScannedProgram
from harness.finding import RuleVerdict
from tests.harness.audit.audit_builder import audit_of, run_profile
from tests.rules.audited import judged, primary_line

if TYPE_CHECKING:
    from pathlib import Path

    from harness.finding import Finding

RULE = "doc-boundary-isolation"
SCRIPT = """\
import os
import torch


class Settings:
    smear = bool(int(os.environ.get("SMEAR", "1")))


class Network:
    def __init__(self, h):
        self.smear = h.smear

    def attend(self, q, k, v, borders):
        return flash_attn_varlen_func(q, k, v, cu_seqlens_q=borders, cu_seqlens_k=borders)

    def forward(self, ids, borders):
        x = self.embed(ids)
        if self.smear:
            g = torch.sigmoid(self.gate(x[:, 1:]))
            x = torch.cat([x[:, :1], x[:, 1:] + g * x[:, :-1]], dim=1)
        return self.attend(x, x, x, borders)


Network(Settings).forward(None, None)
"""
MIXED = 20
MASK = "            g = g * (ids[:, 1:] != 1)\n"


def _judged(root: Path, script: str, **settings: Setting) -> Finding:
    program = Program(entry="train_gpt.py", sources={"train_gpt.py": script})
    facts = {"previous_token": scan_previous_token(ProgramIndex(ScannedProgram(program)))}
    audit = audit_of(run=run_profile(environment=settings), scans=facts)
    return judged(RULE, root, (), audit=audit, script=script)


def test_mixing_across_document_starts_asks(tmp_path: Path) -> None:
    finding = _judged(tmp_path, SCRIPT)
    assert finding.verdict is RuleVerdict.NEEDS_HUMAN
    assert primary_line(finding) == MIXED


def test_a_mask_at_document_starts_passes(tmp_path: Path) -> None:
    masked = SCRIPT.replace("            x = torch.cat", f"{MASK}            x = torch.cat")
    assert _judged(tmp_path, masked).verdict is RuleVerdict.PASS


def test_mixing_that_is_switched_off_does_not_count(tmp_path: Path) -> None:
    off = Setting(value="0", source="README.md:4", file="README.md", line=4)
    assert _judged(tmp_path, SCRIPT, SMEAR=off).verdict is RuleVerdict.NOT_APPLICABLE


def test_attention_without_document_borders_claims_nothing(tmp_path: Path) -> None:
    plain = SCRIPT.replace("flash_attn_varlen_func(q, k, v, cu_seqlens_q=borders, cu_seqlens_k=borders)", "q")
    assert _judged(tmp_path, plain).verdict is RuleVerdict.NOT_APPLICABLE


def test_a_hash_of_token_ids_is_no_mixing(tmp_path: Path) -> None:
    hashed = SCRIPT.replace("x[:, 1:] + g * x[:, :-1]", "x[:, 1:] + 31 * x[:, :-1]")
    assert _judged(tmp_path, hashed).verdict is RuleVerdict.NOT_APPLICABLE
