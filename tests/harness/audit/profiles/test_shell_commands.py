"""Shell texts are read, never run: which command starts the script, and with what environment."""

from __future__ import annotations

import time

import pytest

from harness.audit.profiles.launches import Launch, launches_of_script


def launches(text: str, **scripts: str) -> list[Launch]:
    named = {name.replace("__", "."): content for name, content in scripts.items()}
    return launches_of_script("run.sh", text, "train_gpt.py", {"run.sh": text, **named})


def values(text: str, **scripts: str) -> dict[str, str]:
    (launch,) = launches(text, **scripts)
    return {name: setting.value for name, setting in launch.environment.items()}


RUN = "torchrun --standalone --nproc_per_node=8 train_gpt.py"


def test_assignments_before_a_command_are_its_environment() -> None:
    assert values(f"TTT_ENABLED=1 \\\n  TTT_LR='0.002' \\\n  {RUN}") == {
        "TTT_ENABLED": "1",
        "TTT_LR": "0.002",
    }


def test_a_setting_names_the_line_it_stands_on() -> None:
    (launch,) = launches(f"# run\nA=1 \\\nB=2 \\\n{RUN}")
    assert launch.environment["B"].source == "run.sh:3"


def test_a_plain_assignment_is_no_environment_until_exported() -> None:
    assert values(f"A=1\nB=2\nexport A\n{RUN}") == {"A": "1"}


def test_an_assignment_before_one_command_does_not_reach_the_next() -> None:
    first, second = launches(f"TTT_EVAL_ONLY=1 {RUN}\n{RUN}")
    assert "TTT_EVAL_ONLY" in first.environment
    assert not second.environment


def test_defaults_of_unset_variables_are_taken() -> None:
    assert values(f'export LR="${{LR:-${{BASE:-0.02}}}}"\n{RUN}') == {"LR": "0.02"}


def test_env_and_other_prefixes_are_seen_through() -> None:
    assert values(f"nohup env A=1 timeout 900 {RUN} > x.log 2>&1 &") == {"A": "1"}


def test_a_loop_over_seeds_gives_one_launch_per_seed() -> None:
    found = launches(f"for S in 1 2 3; do SEED=$S {RUN} | tee train_seed$S.log; done")
    assert [launch.environment["SEED"].value for launch in found] == ["1", "2", "3"]
    assert found[2].written_to == ("train_seed3.log",)


def test_what_only_a_running_shell_knows_is_unknown() -> None:
    (launch,) = launches(f'RUN_ID="r_$(date +%s)" A=1 {RUN}')
    assert launch.unknown == ("RUN_ID",)
    assert set(launch.environment) == {"A"}


def test_what_a_branch_may_have_set_is_unknown_behind_it() -> None:
    (launch,) = launches(f'if [ "$1" = ttt ]; then export TTT_ENABLED=1; fi\n{RUN}')
    assert launch.unknown == ("TTT_ENABLED",)


def test_functions_and_arrays_are_followed() -> None:
    text = f'COMMON=(A=1 "B=x y")\nrun() {{\n  env "${{COMMON[@]}}" SEED=$1 {RUN}\n}}\nrun 7\n'
    assert values(text) == {"A": "1", "B": "x y", "SEED": "7"}


def test_a_script_of_the_folder_is_read_where_it_is_started() -> None:
    inner = f'SEED="${{SEED:-42}}" {RUN}'
    assert values("SEED=3 bash inner.sh", inner__sh=inner) == {"SEED": "3"}


@pytest.mark.parametrize(
    "text",
    [
        f'echo "{RUN}"',
        f"# {RUN}",
        "cat <<EOF\n" + RUN + "\nEOF",
        "python3 prepare_data.py --out train_gpt.py",
        "pip install torchrun train_gpt.py",
    ],
)
def test_text_about_the_command_is_no_command(text: str) -> None:
    assert launches(text) == []


def test_arguments_and_processes_are_told() -> None:
    (launch,) = launches("python -m torch.distributed.run --nproc_per_node 4 x/train_gpt.py --seed 42 --ttt")
    assert (launch.world_size, launch.argv) == (4, ("--seed", "42", "--ttt"))


@pytest.mark.parametrize(
    "text",
    ["$(" * 40_000, "${A:-" * 20_000, "'\"`" * 30_000, "a=(" * 30_000, "<<A\n" * 20_000, "{ " * 30_000,
     "for a in b; do " * 4_000, "if x; then " * 4_000, "f() { f; f; }\nf\n" * 300, "bash run.sh\n" * 5_000],
    ids=["substitutions", "defaults", "quotes", "arrays", "heredocs", "braces", "loops", "ifs", "calls",
         "self"],
)  # fmt: skip
def test_hostile_text_ends_soon(text: str) -> None:
    start = time.process_time()
    launches(text + "\n" + RUN)
    assert time.process_time() - start < 5
