from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from harness.errors import SetupError
from harness.runs.package_writer import write_package
from harness.runs.run_files import folder_digest
from harness.runs.run_record import Artifact, SealedFile
from harness.runs.run_summary import RunSummary, SeedResult
from tests.harness.runs.test_run_summary import record
from tests.harness.runs.toy_runs import toy_submission

if TYPE_CHECKING:
    from pathlib import Path

    from harness.runs.run_record import RunRecord


def written(tmp_path: Path, *, name: str = "toy", **changed: object) -> tuple[Path, RunRecord]:
    folder = tmp_path / name
    if not folder.exists():
        toy_submission(tmp_path, name=name)
    files = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    artifact = Artifact(
        files=(SealedFile(name="m", size=7, sha256="ab"),), model_bytes=7, code_bytes=5, cap_bytes=100
    )
    facts: dict[str, Any] = {"submission": name, "artifact": artifact, "seen": {"steps_before": 40}}
    facts["digests"] = {"code": folder_digest(folder, files)}
    done = replace(record(13), **{**facts, **changed})
    attempt = tmp_path / "runs" / name / "13" / "attempts" / "1"
    attempt.mkdir(parents=True, exist_ok=True)
    (attempt / "train.log").write_text("step:40/40\n")
    summary = RunSummary(name=name, track=done.track, results=(SeedResult(seed=13, record=done),))
    return write_package(summary, folder, tmp_path / "runs"), done


def test_the_claim_holds_the_numbers_of_the_records(tmp_path: Path) -> None:
    place, done = written(tmp_path)
    claim = json.loads((place / "submission.json").read_text())
    assert (claim["val_bpb"], claim["bytes_total"], claim["seeds"]) == (1.1, 12, [13])
    assert claim["seed_results"]["13"]["run_record"] == done.record_id
    assert claim["seed_results"]["13"]["steps"] == 40
    assert "| 13 | 1.10000000 | 10.0 | 10.0 | 40 | 12 |" in (place / "README.md").read_text()
    assert (place / "train_seed13.log").read_text() == "step:40/40\n"


def test_an_eligible_run_goes_to_the_record_track_and_others_do_not(tmp_path: Path) -> None:
    place, _ = written(tmp_path)
    assert place.parent.name == "track_10min_16mb"
    place, _ = written(tmp_path, not_eligible=("no GPU",))
    assert place.parent.name == "track_non_record_16mb"
    assert "Not a record run: no GPU" in (place / "README.md").read_text()
    assert len(list(place.parents[1].glob("*/*"))) == 1  # the older one is replaced


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("toy", "2026-05-02_toy"),
        ("2026-01-01_Mine", "2026-01-01_Mine"),
        ("a b|c", "2026-05-02_a-b-c"),
    ],
)
def test_the_folder_is_named_as_the_challenge_s_are(tmp_path: Path, name: str, folder: str) -> None:
    assert written(tmp_path, name=name)[0].name == folder


def test_claims_and_logs_of_earlier_runs_are_not_carried_over(tmp_path: Path) -> None:
    folder = toy_submission(tmp_path)
    (folder / "train_seed1.log").write_text("old")
    (folder / "README.md").write_text("old numbers")
    told = {"author": "A. Author", "github_id": "aa", "name": "Name", "blurb": "Words.", "val_bpb": 0.5}
    (folder / "submission.json").write_text(json.dumps(told))
    (folder / "kernels").mkdir()
    (folder / "kernels" / "fast.py").write_text("pass\n")
    place, _ = written(tmp_path)
    assert not (place / "train_seed1.log").exists()
    assert (place / "kernels" / "fast.py").is_file()
    claim = json.loads((place / "submission.json").read_text())
    assert (claim["author"], claim["blurb"], claim["val_bpb"]) == ("A. Author", "Words.", 1.1)


def test_code_that_changed_since_it_ran_makes_no_folder(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="is no longer what ran"):
        written(tmp_path, digests={"code": "0" * 64})


def test_words_of_a_submission_are_inert_in_the_readme(tmp_path: Path) -> None:
    folder = toy_submission(tmp_path)
    told = {"name": "<script>x</script>", "blurb": "[a](http://b) | c"}
    (folder / "submission.json").write_text(json.dumps(told))
    text = (written(tmp_path)[0] / "README.md").read_text()
    assert "<script>" not in text
    assert "](http" not in text
