from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from reference_model.__main__ import main
from tests.reference_model.tiny_data import VOCAB_SIZE, make_tiny_data

ROOT = Path(__file__).parents[2]
QUICK = [
    "--preset=baseline", "--size=tiny", f"--set=model.vocab_size={VOCAB_SIZE}",
    "--set=data.train_batch_tokens=256", "--set=data.spans_per_step=2", "--set=schedule.iterations=3",
]  # fmt: skip


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_data(tmp_path_factory.mktemp("data"), val_tokens=300)


def started(arguments: list[str], **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "reference_model", *arguments],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def two_ranks(arguments: list[str]) -> list[subprocess.Popen[str]]:
    port = free_port()
    return [
        started(
            arguments,
            RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE="2", MASTER_ADDR="127.0.0.1", MASTER_PORT=port,
        )
        for rank in range(2)
    ]  # fmt: skip


def test_help_needs_no_torch() -> None:
    program = (
        "import sys, reference_model.__main__ as command\n"
        "try: command.main(['train', '--help'])\n"
        "except SystemExit: sys.exit('torch' in sys.modules)"
    )
    answer = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, check=False)
    assert answer.returncode == 0


def test_presets_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["presets"]) == 0
    listed = capsys.readouterr().out
    assert re.search(
        r"^pr940 +11 +512 +786,432 +2,048 +muon +6/6 +zstd +chunk_adamw +backoff$", listed, re.MULTILINE
    )


def test_settings_are_listed_with_the_variables_of_packed_scripts(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["presets", "--settings"]) == 0
    assert re.search(r"^optimizer\.matrix_lr +0\.04 +MATRIX_LR$", capsys.readouterr().out, re.MULTILINE)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--preset=pr1"], "no preset is called 'pr1'"),
        (["--set=model.depth=3"], "no setting is called 'model.depth'"),
        (["--set=model.num_heads=3"], "not a multiple of model.num_heads 3"),
    ],
)
def test_wrong_configurations_exit_with_2(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status = main(["train", f"--data={tmp_path}", f"--out={tmp_path}", "--size=tiny", *arguments])
    assert status == 2
    assert message in capsys.readouterr().err


def test_missing_data_exits_with_4(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", f"--data={tmp_path / 'none'}", f"--out={tmp_path}", "--size=tiny", "--quiet"]) == 4
    assert "golf-data" in capsys.readouterr().err


def test_a_damaged_artifact_exits_with_1(
    data_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "final_model.ptz").write_bytes(b"nothing")
    assert main(["evaluate", str(tmp_path / "final_model.ptz"), f"--data={data_dir}", "--quiet", *QUICK]) == 1
    assert "final_model.ptz" in capsys.readouterr().err


def test_an_artifact_over_the_cap_exits_with_1(
    data_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = [f"--data={data_dir}", f"--out={tmp_path}", "--quiet", "--code-bytes=15990000", *QUICK]
    assert main(["train", *options]) == 1
    assert re.search(r"over the cap: [\d,]+ bytes of model and 15,990,000 of code", capsys.readouterr().err)


def test_a_trained_artifact_is_scored_again_alike(
    data_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", f"--data={data_dir}", f"--out={tmp_path}", "--seed=5", *QUICK]) == 0
    trained = capsys.readouterr().out
    artifact = str(tmp_path / "final_model.ptz")
    assert main(["evaluate", artifact, f"--data={data_dir}", *QUICK]) == 0
    scored = capsys.readouterr().out
    exact = re.search(r"^final_\S+_exact .*$", trained, re.MULTILINE)
    assert "seed:5" in trained
    assert exact is not None
    assert exact[0] in scored
    assert "train_loss" not in scored


def test_a_stopped_run_exits_with_130_and_resumes(data_dir: Path, tmp_path: Path) -> None:
    options = ["train", f"--data={data_dir}", f"--out={tmp_path}", *QUICK, "--set=schedule.iterations=100000"]
    run = started(options)
    assert run.stdout is not None
    while not run.stdout.readline().startswith("step:2/"):
        assert run.poll() is None
    run.send_signal(signal.SIGINT)
    _, told = run.communicate(timeout=60)
    assert run.returncode == 130
    assert "--resume goes on from" in told
    assert (tmp_path / "checkpoint.pt").exists()


def test_two_ranks_train_as_one(data_dir: Path, tmp_path: Path) -> None:
    options = [f"--data={data_dir}", *QUICK, "--set=run.compute=float32"]
    assert main(["train", f"--out={tmp_path / 'one'}", "--quiet", *options]) == 0
    ranks = two_ranks(["train", f"--out={tmp_path / 'two'}", *options])
    assert [rank.wait(timeout=120) for rank in ranks] == [0, 0]
    one, two = ((tmp_path / name / "train.log").read_text(encoding="utf-8") for name in ("one", "two"))
    losses = [[float(x) for x in re.findall(r"train_loss:([\d.]+)", text)] for text in (one, two)]
    assert losses[0] == pytest.approx(losses[1], abs=2e-4)
    assert "world_size:2 grad_accum_steps:1" in two


def test_a_rank_that_dies_ends_the_others_with_a_message(data_dir: Path, tmp_path: Path) -> None:
    options = [f"--data={data_dir}", f"--out={tmp_path}", *QUICK, "--set=schedule.iterations=100000"]
    main_rank, other = two_ranks(["train", *options, "--rank-timeout=20"])
    assert main_rank.stdout is not None
    while not main_rank.stdout.readline().startswith("step:2/"):
        assert main_rank.poll() is None
    other.kill()
    _, told = main_rank.communicate(timeout=60)  # bounded: --rank-timeout, not the default of ten minutes
    other.communicate()
    assert main_rank.returncode == 4
    assert "rank 0 of 2 lost another rank" in told
