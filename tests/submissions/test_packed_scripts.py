"""The shipped scripts are what the modules give now, and hold what their folders say and nothing worse."""

from __future__ import annotations

import ast
import functools
import json

import pytest

from harness.runs.run_protocol import read_protocol
from submissions.build import main, out_of_date
from submissions.demo_folders import FOLDERS, DemoFolder
from submissions.recording import SUBMISSIONS, script_of

NAMES = [folder.name for folder in FOLDERS]
LEGAL = [folder.name for folder in FOLDERS if not folder.breaks]


def folder_named(name: str) -> DemoFolder:
    return next(folder for folder in FOLDERS if folder.name == name)


@functools.cache
def definitions(name: str) -> dict[str, str]:
    """Top-level functions and classes of a shipped script, as text."""
    tree = ast.parse(script_of(folder_named(name)).read_text(encoding="utf-8"))
    return {
        node.name: ast.unparse(node)
        for node in tree.body
        if isinstance(node, (ast.FunctionDef, ast.ClassDef))
    }


@pytest.mark.parametrize("name", NAMES)
def test_the_shipped_script_is_what_its_modules_give_now(name: str) -> None:
    assert out_of_date(folder_named(name)) == ""


def test_an_old_script_is_told_with_the_command_that_mends_it(
    tmp_path, monkeypatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for module in ("build", "recording"):
        monkeypatch.setattr(f"submissions.{module}.SUBMISSIONS", tmp_path / "submissions")
    assert main(["--check", "reference"]) == 1
    assert capsys.readouterr().out == (
        "submissions/reference/train_gpt.py is missing; run: python -m submissions.build\n"
    )


@pytest.mark.parametrize("name", NAMES)
def test_legal_folders_offer_two_steps_with_an_owned_score_and_ruled_out_ones_do_not(name: str) -> None:
    protocol = read_protocol(script_of(folder_named(name)).parent)
    assert (protocol is not None) == (name in LEGAL)
    assert protocol is None or (protocol.scoring and protocol.artifact == ("final_model.ptz",))


@pytest.mark.parametrize("name", LEGAL)
def test_a_legal_script_holds_no_illegal_system(name: str) -> None:
    illegal = {"adapt_then_score", "discard_then_score", "TargetKeyMixer", "target_key_mixer"}
    assert not illegal & definitions(name).keys()


def test_the_sidecar_twins_differ_in_the_order_alone() -> None:
    illegal = definitions("pr555_sparse_sidecar_adapt_then_score")
    legal = definitions("pr555_sparse_sidecar_score_first")
    assert illegal.keys() - legal.keys() == {"adapt_then_score", "train_on_all_then_score"}
    assert legal.keys() - illegal.keys() == {"score_and_train_chunks", "ttt_cosine"}
    changed = {name for name in illegal.keys() & legal.keys() if illegal[name] != legal[name]}
    assert changed == {"evaluate_with_ttt"}  # calls the other order


def test_the_ngram_twins_differ_in_order_and_mixture_alone() -> None:
    illegal, legal = definitions("pr940_ngram_backoff"), definitions("pr940_ngram_backoff_legal")
    changed = {name for name in illegal.keys() & legal.keys() if illegal[name] != legal[name]}
    assert changed == {"evaluate_with_ttt", "_mixer"}
    assert illegal.keys() - legal.keys() == {
        "discard_then_score",
        "train_past_discarded_scores",
        "_forward_only",
        "OrderKeys",
        "TargetKeyMixer",
        "target_key_mixer",
    }


@pytest.mark.parametrize("name", NAMES)
def test_the_claim_is_what_the_logs_end_with(name: str) -> None:
    claim = json.loads((SUBMISSIONS / name / "submission.json").read_text(encoding="utf-8"))
    scored = {}
    for seed in claim["seeds"]:
        log = (SUBMISSIONS / name / f"train_seed{seed}.log").read_text(encoding="utf-8")
        scored[str(seed)] = float(log.rpartition("_exact val_loss:")[2].split("val_bpb:")[1].split()[0])
    assert scored == {seed: each["val_bpb"] for seed, each in claim["seed_results"].items()}
    assert claim["val_bpb"] == round(sum(scored.values()) / len(scored), 8)
