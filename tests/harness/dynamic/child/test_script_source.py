from __future__ import annotations

import ast
import linecache

import pytest

from harness.dynamic.child.script_source import ScriptSource


def source() -> ScriptSource:
    return ScriptSource(("/nowhere",))


def test_the_text_of_decoded_code_is_found_by_its_file_name() -> None:
    code = source().compiled("value = 1\nraise ValueError(value)\n", "<decoded>")
    assert linecache.getline(code.co_filename, 2) == "raise ValueError(value)\n"


def test_two_decoded_texts_do_not_share_a_name() -> None:
    both = source()
    first, second = (both.compiled(f"a = {number}\n", "<shared>") for number in (1, 2))
    assert first.co_filename != second.co_filename
    assert linecache.getline(first.co_filename, 1) == "a = 1\n"


def test_transforms_see_every_source_with_its_name() -> None:
    seen: list[str] = []

    def transform(tree: ast.Module, filename: str) -> ast.Module:
        seen.append(filename)
        return ast.parse("a = 5")

    scripts = source()
    scripts.transforms.append(transform)
    names: dict[str, object] = {}
    exec(scripts.compiled(b"a = 1", "train_gpt.py"), names)
    assert (seen, names["a"]) == (["train_gpt.py"], 5)


def test_what_is_no_python_is_a_syntax_error() -> None:
    with pytest.raises(SyntaxError, match="line 1"):
        source().compiled("def :\n", "train_gpt.py")


def test_f_strings_of_python_3_12_keep_the_lines_below_them() -> None:
    code = source().compiled("a = f'{'x'}'\nb = 1 / 0\n", "train_gpt.py")
    with pytest.raises(ZeroDivisionError) as caught:
        exec(code, {})
    assert caught.traceback[-1].lineno == 1  # counted from 0
