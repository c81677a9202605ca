"""Profiles of whole submissions: which settings each way of running has, and which is the claim's."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from harness.audit.profiles.contradictions import contradictions
from harness.audit.profiles.of_submission import MOST_PROFILES, profiles_of
from harness.audit.run_profile import ProfileKind, RunProfile, run_profiles
from harness.folder_tree import FolderTree
from tests.builders import ENTRY, good_log, good_readme, make_submission

if TYPE_CHECKING:
    from pathlib import Path

SCRIPT = 'import os\nTTT_ENABLED = os.environ.get("TTT_ENABLED", "0")\nttt_lr = os.environ.get("TTT_LR")\n'
RUN = "torchrun --standalone --nproc_per_node=8 train_gpt.py"
NO_LOGS: dict[str, str | None] = {
    "train_seed13__log": None, "train_seed1337__log": None, "train_seed1111__log": None,
    "train_gpt__py": SCRIPT,
}  # fmt: skip


def profiles(root: Path, **files: str | bytes | None) -> dict[str, RunProfile]:
    submission = make_submission(root, **{"train_gpt__py": SCRIPT, **files})
    return {one.name: one for one in run_profiles(submission, FolderTree(root / ENTRY))}


def logs_of(found: dict[str, RunProfile]) -> list[RunProfile]:
    return [one for one in found.values() if one.kind is ProfileKind.LOG]


def claim_of(found: dict[str, RunProfile]) -> RunProfile:
    return next(one for one in found.values() if one.is_claim)


def test_without_evidence_of_a_run_the_defaults_are_the_claim(tmp_path: Path) -> None:
    found = profiles(tmp_path, **NO_LOGS)
    assert list(found) == ["defaults"]
    assert found["defaults"].is_claim
    assert found["defaults"].world_size == 8


def test_without_logs_the_only_command_is_the_claim(tmp_path: Path) -> None:
    readme = f"{good_readme()}\n```bash\nTTT_ENABLED=1 {RUN}\n```\n"
    claim = claim_of(profiles(tmp_path, **NO_LOGS, README__md=readme))
    assert claim.kind is ProfileKind.COMMAND
    assert claim.environment["TTT_ENABLED"].value == "1"


def test_with_two_commands_and_no_log_the_defaults_are_the_claim(tmp_path: Path) -> None:
    readme = f"{good_readme()}\n```bash\nTTT_ENABLED=1 {RUN}\nTTT_ENABLED=2 {RUN}\n```\n"
    assert claim_of(profiles(tmp_path, **NO_LOGS, README__md=readme)).name == "defaults"


def test_seeds_of_one_configuration_are_one_profile(tmp_path: Path) -> None:
    (log,) = logs_of(profiles(tmp_path))
    assert log.is_claim
    assert len({log.name, *log.also}) == 3


def test_a_log_goes_over_the_command_that_made_it(tmp_path: Path) -> None:
    logs = {
        f"train_seed{seed}__log": good_log(seed, cap="ttt_enabled:True ttt_lr:0.5\n")
        for seed in (13, 1337, 1111)
    }
    readme = f"{good_readme()}\n```bash\nA_FLAG=1 TTT_LR=0.1 {RUN}\n```\n"
    (log,) = logs_of(profiles(tmp_path, README__md=readme, **logs))
    assert log.environment["A_FLAG"].source == "README.md:14"
    assert log.attributes["ttt_lr"].value == "0.5"
    assert log.attributes["ttt_lr"].file == log.log_file


def test_a_sentence_in_a_log_is_no_setting(tmp_path: Path) -> None:
    logs = {
        f"train_seed{seed}__log": good_log(seed, cap="ttt_lr: 66 layers were frozen\nworld_size:8")
        for seed in (13, 1337, 1111)
    }
    (log,) = logs_of(profiles(tmp_path, **logs))
    assert not log.attributes


def test_settings_are_found_in_tables_json_and_command_lines(tmp_path: Path) -> None:
    for number, line in enumerate(
        ["| ttt_lr | 0.25 |", '{"ttt_lr": 0.25}', "  ttt_lr = 0.25", f"+ TTT_LR=0.25 {RUN}", "TTT_LR=0.25"]
    ):
        log = good_log(13, cap=line)
        found = profiles(tmp_path / str(number), **{**NO_LOGS, "train_seed13__log": log})
        (one,) = logs_of(found)
        values = {
            name.lower(): setting.value for name, setting in {**one.environment, **one.attributes}.items()
        }
        assert values["ttt_lr"] == "0.25", line


def test_the_lines_of_a_log_are_its_witnesses(tmp_path: Path) -> None:
    (log,) = logs_of(profiles(tmp_path))
    assert any("final_int8_zlib_roundtrip_exact" in text for _, text in log.log_lines)
    assert log.claimed_values == (1.2,)


def test_a_log_against_its_command_is_a_contradiction_with_both_places(tmp_path: Path) -> None:
    logs = {f"train_seed{seed}__log": good_log(seed, cap="ttt_enabled:False") for seed in (13, 1337, 1111)}
    readme = f"{good_readme()}\n```bash\nTTT_ENABLED=1 {RUN}\n```\n"
    (one,) = contradictions(tuple(profiles(tmp_path, README__md=readme, **logs).values()))
    assert one.name == "ttt_enabled"
    assert (one.ran.value, one.stated.source) == ("False", "README.md:14")


def test_a_list_of_which_the_log_shows_a_part_is_no_contradiction(tmp_path: Path) -> None:
    logs = {f"train_seed{seed}__log": good_log(seed, cap="ttt_lr:4,5") for seed in (13, 1337, 1111)}
    readme = f"{good_readme()}\n```bash\nTTT_LR=4,5 {RUN}\n```\n"
    assert contradictions(tuple(profiles(tmp_path, README__md=readme, **logs).values())) == ()


def test_without_a_log_the_only_script_is_compared_with_the_only_command(tmp_path: Path) -> None:
    readme = f"{good_readme()}\n```bash\nTTT_ENABLED=0 {RUN}\n```\n"
    script = f"TTT_ENABLED=1 {RUN}\n"
    found = profiles(tmp_path, **{**NO_LOGS, "README__md": readme, "run__sh": script})
    (one,) = contradictions(tuple(found.values()))
    assert (one.ran.source, one.stated.source, one.is_logged) == ("run.sh:1", "README.md:14", False)


def test_profiles_over_the_limit_are_named(tmp_path: Path) -> None:
    commands = "\n".join(f"TTT_LR={number} {RUN}" for number in range(30))
    submission = make_submission(
        tmp_path, **{**NO_LOGS, "README__md": f"{good_readme()}\n```bash\n{commands}\n```\n"}
    )
    collected = profiles_of(submission)
    assert len(collected.profiles) == MOST_PROFILES
    assert "were not audited" in collected.problems[0]


def test_bytes_that_are_no_text_give_profiles(tmp_path: Path) -> None:
    noise = bytes(range(256)) * 50
    found = profiles(
        tmp_path, README__md=noise + f"\n```\nA=1 {RUN}\n```\n".encode(), train_seed13__log=noise
    )
    assert any("A" in one.environment for one in found.values())


def test_profiles_survive_json(tmp_path: Path) -> None:
    for one in profiles(tmp_path).values():
        assert RunProfile.from_json(json.loads(json.dumps(one.as_json()))) == one
