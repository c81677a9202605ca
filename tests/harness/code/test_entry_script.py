from __future__ import annotations

from harness.code.entry_script import Choice, Script, choose_entry, training_facts

TRAINER = "import torch\nimport os\nLR = os.environ.get('LR')\nopt.step()\nprint('val_bpb')\n"


def choose(*others: str, **scripts: str) -> Choice:
    """Keywords name scripts without '.py', '___' for '/'."""
    listed = [Script(path=name.replace("___", "/") + ".py", text=text) for name, text in scripts.items()]
    return choose_entry(listed, [*(script.path for script in listed), *others])


def test_train_gpt_at_the_top_is_the_entry_whatever_lies_beside_it() -> None:
    choice = choose(train_gpt="x = 1\n", train_other=TRAINER)
    assert (choice.path, choice.problem) == ("train_gpt.py", "")


def test_the_only_other_script_is_the_entry() -> None:
    choice = choose(train_gpt_mlx=TRAINER)
    assert (choice.path, choice.problem) == ("train_gpt_mlx.py", "")
    assert "only script at the top" in choice.why


def test_a_training_script_wins_over_its_helpers() -> None:
    choice = choose(train_v5=TRAINER, prepare_data="import os\n", plot_results="import torch\n")
    assert (choice.path, choice.problem) == ("train_v5.py", "")
    assert "imports torch or mlx" in choice.why


def test_a_script_that_another_imports_is_not_the_entry() -> None:
    choice = choose(trainer=TRAINER, run="import torch\nfrom trainer import go\n")
    assert choice.path == "run.py"


def test_two_equal_trainers_are_ambiguous_and_both_are_named() -> None:
    choice = choose(train_a=TRAINER, train_b=TRAINER)
    assert choice.problem == "ambiguous-entry"
    assert "train_a.py" in choice.message
    assert "train_b.py" in choice.message


def test_the_cuda_script_wins_over_its_mlx_copy() -> None:
    choice = choose(train_run=TRAINER + "if __name__ == '__main__': pass\n", train_mlx=TRAINER)
    assert choice.path == "train_run.py"


def test_a_wrapper_named_submission_wins_over_the_readable_scripts_it_packs() -> None:
    choice = choose(submission="exec(open('code.bin').read())\n", train_mega=TRAINER * 10)
    assert (choice.path, choice.problem) == ("submission.py", "")


def test_a_nested_train_gpt_is_found() -> None:
    choice = choose(src___train_gpt=TRAINER, src___model="x = 1\n")
    assert (choice.path, choice.problem) == ("src/train_gpt.py", "")


def test_two_nested_train_gpt_at_one_depth_are_ambiguous() -> None:
    assert choose(a___train_gpt=TRAINER, b___train_gpt=TRAINER).problem == "ambiguous-entry"


def test_an_empty_train_gpt_is_a_problem_even_when_another_script_is_read() -> None:
    choice = choose(train_gpt="  \n", train_real=TRAINER)
    assert (choice.path, choice.problem) == ("train_real.py", "empty-entry")


def test_an_empty_script_alone_is_an_empty_entry() -> None:
    choice = choose(train_gpt="")
    assert (choice.path, choice.problem) == ("train_gpt.py", "empty-entry")


def test_a_folder_without_python_has_no_script() -> None:
    choice = choose("README.md", "submission.json")
    assert (choice.path, choice.problem) == (None, "no-script")
    assert "no Python file among 2 files" in choice.message


def test_a_notebook_is_named_as_what_is_there_instead() -> None:
    choice = choose("train.ipynb")
    assert choice.problem == "no-script"
    assert "train.ipynb" in choice.message


def test_training_facts_are_read_from_the_text() -> None:
    assert training_facts("import torch\n") == ("imports torch or mlx",)
    assert training_facts("print('hello')\n") == ()
