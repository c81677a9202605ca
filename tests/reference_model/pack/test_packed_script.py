"""The packed script against the modular trainer: same losses, same artifact, same scores."""

from __future__ import annotations

import ast
import contextlib
import functools
import io
import os
import re
import runpy
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from harness.tokens.byte_table import byte_table_of_sentencepiece
from harness.tokens.validation_stream import load_validation_tokens
from reference_model.__main__ import main as modular_main
from reference_model.config_overrides import configured
from reference_model.pack.minify import minified
from reference_model.pack.program import packed_program
from reference_model.pack.self_extracting import self_extracting
from reference_model.presets import Size, preset
from tests.reference_model.evaluation.evaluators import evaluator
from tests.reference_model.tiny_data import make_tiny_data

if TYPE_CHECKING:
    from pathlib import Path

SETTINGS = {
    "model.vocab_size": "320",
    "schedule.iterations": "3",
    "schedule.warmdown_iters": "3",
    "data.train_batch_tokens": "512",
    "ttt.chunk_tokens": "128",
    "ttt.epochs": "1",
    "quantization.qat_threshold": "0.5",
    "averaging.swa_every": "0",
}
# Times, memory, the size of the code, and the log's own name differ between any two runs.
_VARYING = re.compile(
    r"(train_time:|step_avg:|eval_time:|total_eval_time:)[\d.]+m?s|"
    r" seal:\w+|"  # of the ledger, whose lines hold times
    r"^(peak memory|Code size|code_counted|Total submission size|logs/).*|\(limit \d+\)",
    re.MULTILINE,
)


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return make_tiny_data(tmp_path_factory.mktemp("data"), train_documents=60, val_tokens=260)


def chosen(name):
    return configured(preset(name, Size.TINY), overrides=SETTINGS)


@functools.cache
def plain_text(name):
    return packed_program(chosen(name)).text


@pytest.fixture(scope="module", params=["reference", "pr461"])
def name(request):
    return request.param


@pytest.fixture(scope="module")
def modular(name, data, tmp_path_factory):
    out = tmp_path_factory.mktemp("modular")
    words = ["--preset", name, "--size", "tiny", "--data", str(data), "--out", str(out)]
    words += ["--tokenizer", str(next(data.glob("*.model"))), "--stages", "headline"]
    words += [word for path, value in SETTINGS.items() for word in ("--set", f"{path}={value}")]
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        status = modular_main(["train", *words])
    assert status == 0
    return printed.getvalue(), (out / "final_model.ptz").read_bytes()


def run_script(text, folder, data, monkeypatch, **variables):
    (folder / "train_gpt.py").write_text(text)
    monkeypatch.chdir(folder)
    tokenizer = str(next(data.glob("*.model")))
    for name, value in {"DATA_PATH": str(data), "TOKENIZER_PATH": tokenizer, **variables}.items():
        monkeypatch.setenv(name, value)
    printed, told = io.StringIO(), io.StringIO()
    with (
        contextlib.redirect_stdout(printed),
        contextlib.redirect_stderr(told),
        pytest.raises(SystemExit) as end,
    ):
        runpy.run_path("train_gpt.py", run_name="__main__")
    return end.value.code, printed.getvalue(), told.getvalue()


def comparable(log):
    return [line for line in _VARYING.sub("", log).splitlines() if line.strip()]


# The self-extracting script holds the minified one, so these two runs prove all three forms.
FORMS = {"pr461": plain_text, "reference": lambda name: self_extracting(minified(plain_text(name)))}


def test_the_packed_script_gives_the_log_and_the_artifact_of_the_modules(
    name, modular, data, tmp_path, monkeypatch
):
    status, log, told = run_script(FORMS[name](name), tmp_path, data, monkeypatch)
    assert status == 0, told
    assert comparable(log) == comparable(modular[0])
    assert (tmp_path / "final_model.ptz").read_bytes() == modular[1]
    assert f"Code size: {(tmp_path / 'train_gpt.py').stat().st_size} bytes" in log


def test_the_script_imports_nothing_of_the_repository(name):
    imported = {
        module.partition(".")[0]
        for node in ast.walk(ast.parse(plain_text(name)))
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for module in ([node.module] if isinstance(node, ast.ImportFrom) else [a.name for a in node.names])
    }
    installed = {"torch", "numpy", "sentencepiece", "zstandard", "brotli"}
    installed.add("golf_scoring")  # put beside the script by golf-run, imported only then
    assert imported - set(sys.stdlib_module_names) <= installed


def test_a_technique_that_is_off_leaves_no_code(name):
    absent = {"SharedSidecar", "DocumentAdapters", "TokenTilt"}
    if name == "pr461":
        absent |= {"BankMuon", "ExponentialMovingAverage", "BackoffMixer", "GatedSmear"}
    defined = {node.name for node in ast.walk(ast.parse(plain_text(name))) if isinstance(node, ast.ClassDef)}
    assert not absent & defined


def test_the_baseline_holds_no_test_time_training():
    text = packed_program(preset("baseline", Size.TINY)).text
    defined = {each.name for each in ast.walk(ast.parse(text)) if isinstance(each, ast.FunctionDef)}
    assert {"evaluate_plain", "evaluate_sliding"} <= defined
    assert not {"evaluate_with_ttt", "score_and_train_chunks", "score_and_adapt_documents"} & defined


def test_a_variable_for_a_switch_that_was_baked_in_is_refused(data, tmp_path, monkeypatch):
    status, _, told = run_script(plain_text("reference"), tmp_path, data, monkeypatch, NGRAM_KIND="none")
    assert status == 2
    assert "NGRAM_KIND asks for ngram.kind = none; this script was packed with backoff" in told


def test_plain_settings_follow_the_environment_and_eval_only_scores_the_artifact(data, tmp_path, monkeypatch):
    status, log, told = run_script(
        plain_text("reference"), tmp_path, data, monkeypatch, ITERATIONS="2", SEED="7"
    )
    assert status == 0, told
    assert "step:2/2 val_loss:" in log
    assert "seed:7" in log
    variables = {"ITERATIONS": "2", "SEED": "7", "EVAL_ONLY": "final_model.ptz"}
    status, again, told = run_script(plain_text("reference"), tmp_path, data, monkeypatch, **variables)
    assert status == 0, told
    assert "train_loss" not in again
    assert [line for line in log.splitlines() if "_exact" in line] == [
        line for line in again.splitlines() if "_exact" in line
    ]


def test_trained_and_evaluated_in_two_steps_the_evaluator_seals_the_score_it_prints(
    data, tmp_path, monkeypatch
):
    (tmp_path / "train_gpt.py").write_text(plain_text("reference"))
    train_only, tokenizer_only = tmp_path / "train_only", tmp_path / "tokenizer_only"
    for folder, pattern in ((train_only, "*train*"), (tokenizer_only, "*.model")):
        folder.mkdir()
        for path in (*data.glob(pattern), *data.glob("*.model")):
            (folder / path.name).write_bytes(path.read_bytes())
    usual = {"ITERATIONS": "2", "SEED": "7", "OMP_NUM_THREADS": "1", "EVAL_STRIDE": "32"}
    usual["TOKENIZER_PATH"] = str(next(tokenizer_only.glob("*.model")))
    ran_script(tmp_path, 1, DATA_PATH=str(train_only), TRAIN_ONLY="1", **usual)
    whole = ran_script(tmp_path, 1, DATA_PATH=str(data), EVAL_ONLY="final_model.ptz", **usual)
    tokens = load_validation_tokens(data, seq_len=16, vocab_size=320)
    table = byte_table_of_sentencepiece(next(data.glob("*.model")), 320)
    with evaluator(monkeypatch, tokens, table, longest_step=200, blind=(20, 210)) as served:
        log = ran_script(tmp_path, 2, DATA_PATH=str(tokenizer_only), EVAL_ONLY="final_model.ptz", **usual)
    assert served.evaluation is not None
    assert served.evaluation.score is not None, served.evaluation.message
    assert "val_loader:evaluator tokens:259" in log
    for printed in (whole, log):
        assert final_score(printed) == pytest.approx(served.evaluation.score.val_bpb, abs=1e-6)


def ran_script(folder, ranks, **variables):
    """The script as a process, or as ranks, with the evaluator's variables where one is there."""
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(ranks)]
    done = subprocess.run(
        [sys.executable, *(torchrun if ranks > 1 else []), "train_gpt.py"],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env={**os.environ, **variables, "PYTHONPATH": os.environ.get("PYTHONPATH", "")},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def final_score(log):
    return float(log.rpartition("_exact val_loss:")[2].split("val_bpb:")[1].split()[0])


def test_two_ranks_train_with_the_self_extracting_script(data, tmp_path):
    (tmp_path / "train_gpt.py").write_text(self_extracting(plain_text("reference")))
    variables = {"DATA_PATH": str(data), "TOKENIZER_PATH": str(next(data.glob("*.model"))), "ITERATIONS": "1"}
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [*command, "train_gpt.py"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={**os.environ, **variables, "OMP_NUM_THREADS": "1", "PYTHONPATH": ""},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "world_size:2" in done.stdout
    assert "_exact val_loss:" in done.stdout
