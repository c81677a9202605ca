from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from harness.errors import SetupError
from harness.runs.run_record import RunStatus, record_of_json
from harness.runs.run_steps import RunStep, StepState
from harness.runs.seed_job import SeedJob
from harness.runs.track import load_track
from harness.runs.two_step_run import run_as_offered
from harness.sandbox.choose import choose_sandbox
from harness.scoring.ledger_file import verified_ledger
from harness.tokens.byte_table import byte_table_of_sentencepiece
from harness.tokens.validation_stream import load_validation_tokens
from tests.harness.runs.two_step_submissions import (
    EVALUATE,
    LIMITS,
    TOML,
    TRAIN,
    VAL_TOKENS,
    flat_bpb,
    script,
    two_steps,
)
from tests.reference_model.tiny_data import VOCAB_SIZE

if TYPE_CHECKING:
    from pathlib import Path

    from harness.runs.run_record import RunRecord

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="golf-run runs on Linux")
for package in ("inotify_simple", "sentencepiece", "numpy"):
    pytest.importorskip(package, reason="golf-run needs the extra run")


def notices(record: RunRecord) -> dict[str, str]:
    return {notice.kind: notice.message for notice in record.notices}


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunRecord, Path, list]:
    """An honest submission that prints another score than it seals."""
    events: list = []
    return *two_steps(tmp_path_factory.mktemp("usual"), script(), events=events), events


def test_the_score_is_computed_by_us_from_what_was_sealed(usual) -> None:
    record, attempt, _ = usual
    assert (record.status, record.message) == (RunStatus.FINISHED, "")
    assert record.measured is not None
    assert record.measured.val_bpb == pytest.approx(flat_bpb(attempt), abs=1e-12)
    assert record.measured.scored_tokens == VAL_TOKENS - 1
    assert record.measured.blind_questions == 16
    assert record.val_bpb == record.measured.val_bpb


def test_each_step_has_its_own_clock_and_the_artifact_is_what_was_sealed(usual) -> None:
    record, attempt, _ = usual
    assert [phase.name for phase in record.phases] == ["train", "evaluate"]
    assert all(phase.exit_code == 0 and phase.seconds > 0 for phase in record.phases)
    assert record.artifact is not None
    assert (record.artifact.model_bytes, record.artifact.code_bytes) == (1000, len(script()))
    assert (attempt / "artifact" / "model.bin").read_bytes() == b"m" * 1000


def test_the_record_says_when_the_first_tokens_to_score_were_handed_out(usual) -> None:
    record, _, _ = usual
    train, evaluate = (phase.seconds for phase in record.phases)
    assert train < record.seen["first_scoring"] < train + evaluate


def test_a_printed_score_that_was_not_sealed_is_a_finding(usual) -> None:
    record, _, _ = usual
    assert record.claimed.val_bpb == 1e-08
    assert "val_bpb 0.00000001" in notices(record)["claim-differs"]
    assert "the sealed score counts" in str([notice.message for notice in record.notices])


def test_seconds_that_training_prints_are_a_claim_too(tmp_path: Path) -> None:
    says = TRAIN + "    print('step:3/3 train_loss:2.5 train_time:9000000ms step_avg:3000000.00ms')\n"
    record, _ = two_steps(tmp_path, script(train=says))
    assert (record.claimed.val_bpb, record.claimed.train_seconds) == (1e-08, 9000.0)
    assert any("the log tells of 9000.0 s" in notice.message for notice in record.notices)


def test_the_printed_score_within_rounding_is_no_finding(tmp_path: Path, usual) -> None:
    printed = f"{flat_bpb(usual[1]):.8f}"
    record, _ = two_steps(tmp_path, script(bpb=printed))
    assert "claim-differs" not in notices(record)


def test_every_step_says_what_it_proved(usual) -> None:
    _, _, events = usual
    done = {event.step: event.proved for event in events if event.state is StepState.DONE}
    assert list(done) == [
        RunStep.COPY, RunStep.SANDBOX, RunStep.TRAINING, RunStep.SEAL, RunStep.EVALUATION, RunStep.SCORE,
    ]  # fmt: skip
    assert "model.bin 1,000 bytes sha256" in done[RunStep.SEAL]
    assert "computed by us" in done[RunStep.SCORE]
    assert "16 blind questions" in done[RunStep.SCORE]


def test_the_ledger_beside_the_record_proves_the_score_again(usual) -> None:
    record, attempt, _ = usual
    assert record.measured is not None
    assert {"score_ledger.jsonl", "sealed_scores.npy", "train.log", "evaluate.log"} <= set(record.files)
    data = attempt.parent / "data"
    tokens = load_validation_tokens(data, seq_len=1, vocab_size=VOCAB_SIZE)
    table = byte_table_of_sentencepiece(next(data.glob("*.model")), VOCAB_SIZE)
    proved = verified_ledger(attempt, tokens, table, record.measured.digest)
    assert proved.val_bpb == record.measured.val_bpb


def test_the_record_survives_its_file(usual) -> None:
    record, _, _ = usual
    assert record_of_json(record.as_json()) == record


def test_a_token_scored_twice_ends_the_run_and_names_it(tmp_path: Path) -> None:
    twice = EVALUATE + "            scoring.seal(first, np.full(1, flat))\n"
    record, _ = two_steps(tmp_path, script(evaluate=twice))
    assert (record.status, record.reason, record.measured) == (RunStatus.FAILED, "score-scored-twice", None)
    assert record.message == "token 1 was scored before"


def test_tokens_asked_for_before_the_last_ones_are_sealed_are_refused(tmp_path: Path) -> None:
    hoards = EVALUATE.replace("            scoring.seal(first", "            0 and scoring.seal(first")
    record, _ = two_steps(tmp_path, script(evaluate=hoards))
    assert (record.status, record.reason) == (RunStatus.FAILED, "score-not-sealed")
    assert "token 1 was handed out and is not scored yet" in record.message


def test_a_client_that_dies_has_no_score_and_its_ledger_is_kept(tmp_path: Path) -> None:
    dies = EVALUATE + "            os.kill(os.getpid(), 9)\n"
    record, attempt = two_steps(tmp_path, script(evaluate=dies))
    assert (record.status, record.reason, record.measured) == (RunStatus.FAILED, "script-error", None)
    assert "signal 9" in record.message
    assert (attempt / "score_ledger.jsonl").stat().st_size > 100


def test_a_client_that_leaves_quietly_has_no_score(tmp_path: Path) -> None:
    leaves = EVALUATE + "            os._exit(0)\n"
    record, _ = two_steps(tmp_path, script(evaluate=leaves))
    assert (record.status, record.reason, record.measured) == (RunStatus.FAILED, "score-closed", None)


def test_an_evaluation_that_never_asks_for_tokens_has_no_score(tmp_path: Path) -> None:
    record, _ = two_steps(tmp_path, script(evaluate="\ndef evaluate(): pass\n"))
    assert (record.status, record.reason, record.measured) == (RunStatus.FAILED, "score-never-asked", None)
    assert record.claimed.val_bpb == 1e-08


def test_an_evaluation_over_its_clock_is_ended(tmp_path: Path) -> None:
    track = load_track("smoke", LIMITS).scaled(0.025)
    hangs = EVALUATE + "            __import__('time').sleep(600)\n"
    record, _ = two_steps(tmp_path, script(evaluate=hangs), track=track)
    assert (record.status, record.reason) == (RunStatus.FAILED, "time-limit")
    assert record.message.startswith("the evaluation was ended")
    assert record.phases[1].seconds < 60


def test_an_artifact_changed_after_it_was_sealed_fails_the_run(tmp_path: Path) -> None:
    changes = EVALUATE.replace(
        "    with open_scoring",
        "    folder = os.path.dirname(os.environ['MODEL'])\n"
        "    os.rename(os.environ['MODEL'], folder + '/old')\n"
        "    os.rename(folder + '/old', os.environ['MODEL'])\n"
        "    os.chmod(os.environ['MODEL'], 0o644)\n"
        "    open(os.environ['MODEL'], 'ab').write(b'more')\n"
        "    with open_scoring",
    )
    record, _ = two_steps(tmp_path, script(evaluate=changes))
    assert (record.status, record.reason) == (RunStatus.FAILED, "artifact-changed")


@pytest.mark.parametrize("sandbox", ["bwrap", "landlock"])
def test_in_a_sandbox_the_artifact_cannot_be_changed_and_no_data_is_there(
    tmp_path: Path, sandbox: str
) -> None:
    try:
        choose_sandbox(sandbox)
    except SetupError as error:
        pytest.skip(str(error))
    tries = EVALUATE.replace(
        "    with open_scoring",
        "    try: open(os.environ['MODEL'], 'ab').write(b'more')\n"
        "    except OSError: print('refused')\n"
        "    with open_scoring",
    )
    record, attempt = two_steps(tmp_path, script(evaluate=tries), sandbox=sandbox)
    assert (record.status, record.message) == (RunStatus.FINISHED, "")
    assert record.measured is not None
    assert "refused" in (attempt / "evaluate.log").read_text()
    assert "no-network" in record.protections


def test_training_that_leaves_no_artifact_fails_before_the_evaluation(tmp_path: Path) -> None:
    record, _ = two_steps(tmp_path, script(train=TRAIN.replace('"model.bin"', '"other.bin"')))
    assert (record.status, record.reason) == (RunStatus.FAILED, "no-artifact")
    assert [phase.name for phase in record.phases] == ["train"]


def test_an_artifact_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("ours")
    links = TRAIN.replace(
        'open("model.bin", "wb").write(b"m" * 1000)', f'os.symlink("{tmp_path}/secret", "model.bin")'
    )
    record, attempt = two_steps(tmp_path, script(train=links))
    assert (record.status, record.reason) == (RunStatus.FAILED, "unsafe-artifact")
    assert not list((attempt / "artifact").iterdir())


def test_without_scoring_the_evaluation_sees_the_validation_shards_and_its_score_is_a_claim(
    tmp_path: Path,
) -> None:
    prints = (
        "\ndef evaluate():\n    names = sorted(os.listdir(os.environ['DATA_PATH']))\n"
        "    assert names == ['fineweb_val_000000.bin', 'tiny_320.model'], names\n"
    )
    toml = TOML.replace("scoring = true", "scoring = false")
    record, _ = two_steps(tmp_path, script(evaluate=prints, bpb="1.20000000"), toml=toml)
    assert (record.status, record.message) == (RunStatus.FINISHED, "")
    assert (record.measured, record.claimed.val_bpb) == (None, 1.2)
    assert any("does not offer the scoring interface" in why for why in record.not_eligible)


def test_a_second_script_that_is_not_counted_is_refused(tmp_path: Path) -> None:
    toml = TOML.replace('command = ["train_gpt.py", "evaluate"]', 'command = ["other.py"]')
    record, _ = two_steps(tmp_path, script(), toml=toml)
    assert (record.status, record.reason) == (RunStatus.FAILED, "no-protocol")
    assert "the code that is counted is train_gpt.py" in record.message


def test_an_honest_run_leaves_nothing_to_ask_about_its_data(usual) -> None:
    record, _, _ = usual
    assert set(notices(record)) == {"claim-differs"}


def test_ranks_of_torchrun_are_scored_and_their_launch_is_nothing_to_ask_about(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    only_main = "():\n    if os.environ['RANK'] != '0': return\n"
    train, evaluate = (text.replace("():\n", only_main, 1) for text in (TRAIN, EVALUATE))
    track = replace(load_track("smoke", LIMITS), ranks=2)
    record, attempt = two_steps(tmp_path, script(train=train, evaluate=evaluate), track=track)
    assert record.measured is not None, record.message
    assert record.measured.val_bpb == pytest.approx(flat_bpb(attempt), abs=1e-12)
    assert set(notices(record)) == {"claim-differs"}


def test_a_protocol_that_cannot_be_read_is_the_submission_s_fault(tmp_path: Path) -> None:
    (tmp_path / "golf_run.toml").write_text("scoring = 3")
    attempt = tmp_path / "attempt"
    attempt.mkdir()
    job = SeedJob(folder=tmp_path, name="toy", seed=1, track=load_track("smoke", LIMITS), data=tmp_path)
    record = run_as_offered(job, attempt, 1, choose_sandbox("none"))
    assert (record.status, record.reason) == (RunStatus.FAILED, "no-protocol")
    assert "scoring is 3; write true or false" in record.message


def test_validation_data_opened_in_training_is_told(tmp_path: Path) -> None:
    record, _ = two_steps(tmp_path, script(train=TRAIN.replace("fineweb_train_*", "fineweb_val_*")))
    assert "validation-in-training" in notices(record)
