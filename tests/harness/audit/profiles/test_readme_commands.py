"""Run commands of READMEs in every layout that submissions use."""

from __future__ import annotations

import time

import pytest

from harness.audit.profiles.readme_commands import readme_launches

RUN = "torchrun --standalone --nproc_per_node=8 train_gpt.py"


def found(text: str) -> list[dict[str, str]]:
    launches = readme_launches("README.md", text, "train_gpt.py", {})
    return [{name: one.value for name, one in launch.environment.items()} for launch in launches]


@pytest.mark.parametrize(
    "text",
    [
        f"```bash\nTTT=1 {RUN}\n```",
        f"~~~\nTTT=1 \\\n{RUN}\n~~~",
        f"Run:\n\n    TTT=1 {RUN}\n\nThen wait.",
        f"1. Run\n   ```sh\n   TTT=1 {RUN}\n   ```",
        f"```console\n$ TTT=1 {RUN}\n```",
        f"We ran `TTT=1 {RUN}` once.",
        f"```bash\nexport TTT=1\n```\ntext\n```bash\n{RUN}\n```",
        f"```\r\nTTT=1 {RUN}\r\n```\r\n",
        f"```bash\nTTT=1 {RUN}",
    ],
    ids=["fence", "tildes", "indented", "list", "prompt", "in-line", "export", "crlf", "unterminated"],
)
def test_a_command_is_found(text: str) -> None:
    assert found(text) == [{"TTT": "1"}]


def test_train_and_eval_commands_stay_apart() -> None:
    assert found(f"```\n{RUN}\n```\n```\nEVAL_ONLY=1 {RUN}\n```") == [{}, {"EVAL_ONLY": "1"}]


def test_a_listed_environment_counts_for_the_command() -> None:
    assert found(f"```\nTTT_ENABLED=1\nTTT_LR=0.1\n```\n```\n{RUN}\n```") == [
        {"TTT_ENABLED": "1", "TTT_LR": "0.1"}
    ]


def test_lists_that_contradict_each_other_count_for_nothing() -> None:
    assert found("```\nTTT=1\nA=2\n```\n```\nTTT=0\nA=2\n```") == []


def test_a_placeholder_is_no_value() -> None:
    (launch,) = readme_launches("README.md", f"```\nSEED=<seed> {RUN}\n```", "train_gpt.py", {})
    assert (launch.unknown, launch.world_size) == (("SEED",), 8)


def test_python_blocks_and_other_scripts_are_no_command() -> None:
    assert found(f"```python\nx = 1\nTTT=1 {RUN}\n```\n```\npython3 data/prepare.py --n 8\n```") == []


def test_the_line_is_that_of_the_command() -> None:
    (launch,) = readme_launches("README.md", f"# Title\n\n```bash\ncd x\n{RUN}\n```", "train_gpt.py", {})
    assert launch.source == "README.md:5"


@pytest.mark.parametrize(
    "text",
    ["```\n" * 50_000, "`torchrun" * 100_000, "    A=1\n" * 100_000, "```bash\n" + "A=1 \\\n" * 90_000],
)
def test_a_hostile_readme_ends_soon(text: str) -> None:
    start = time.process_time()
    found(text)
    assert time.process_time() - start < 5
