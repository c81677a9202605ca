"""The f-strings of Python 3.12 keep their text, expressions and lines on an older Python."""

from __future__ import annotations

import ast
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.code.new_f_strings import FStringError, FStrings
from harness.code.source_text import parse_text


def tree_of(text: str) -> ast.Module:
    """The tree by way of our own f-string reader, whether or not this Python needs it."""
    strings = FStrings(text)
    tree = ast.parse(strings.plain)
    strings.restore(tree)
    return ast.fix_missing_locations(tree)


@pytest.mark.parametrize(
    "line",
    [
        "f'val_bpb:{bpb:.4f} step:{step}/{steps}'",
        "f'{a!r:>{width}} {{kept}} {b=} {c = !s} {d=:.2f}'",
        "f'a' 'b' f\"{c}\" r'\\d'",
        "f'tab\\t{x}\\n' f'\\N{BULLET} {y}'",
        "rf'\\d{x}\\s' fr'{y}'",
        "f'{x:{a}.{b}}'",
        "f'{ {1: 2}[1] } {(lambda: 3)()}'",
        'f"it\'s {x}"',
        "f''",
        "f'{x!r}' if f'{y}' else [f'{z}', {f'{k}': f'{v}'}]",
        "f'''\n{\nx\n}\n'''",
        "print(f'{a}', sep=f'{b}')",
        "f'{x != y} {a == b} {c >= d}'",
    ],
)
def test_old_f_strings_give_the_tree_that_the_parser_gives(line: str) -> None:
    assert ast.dump(tree_of(line)) == ast.dump(ast.parse(line))


@pytest.mark.parametrize(
    ("new", "old"),
    [
        ("f'{x['a']}'", "f'{x[\"a\"]}'"),
        ("f'{', '.join(y)}: {f'{z}'}'", "f\"{', '.join(y)}: {f'{z}'}\""),
        ('f"{d["k"]:>{w["n"]}}"', "f\"{d['k']:>{w['n']}}\""),
        ("f'{a # why\n}'", "f'''{a}'''"),
    ],
)
def test_reused_quotes_give_the_tree_of_the_same_text_in_other_quotes(new: str, old: str) -> None:
    assert ast.dump(tree_of(new)) == ast.dump(ast.parse(old))


def test_an_expression_keeps_its_line() -> None:
    tree = tree_of("x = 1\ny = f'{a['b']}'\nz = f'''\n{c['d']}'''\nlast = 2\n")
    lines = {node.id: node.lineno for node in ast.walk(tree) if isinstance(node, ast.Name)}
    assert lines == {"x": 1, "y": 2, "a": 2, "z": 3, "c": 4, "last": 5}


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="this Python reads new f-strings itself")
def test_a_text_with_new_f_strings_is_read_whole() -> None:
    parsed = parse_text("def f():\n    print(f'{x['a']} bpb')\n    g()\n")
    assert parsed.problem == "needs-newer-python"
    assert parsed.tree is not None
    assert "f\"{x['a']} bpb\"" in ast.unparse(parsed.tree)


def test_plain_strings_and_comments_stay_as_they_are() -> None:
    text = "# it's {a}\nx = r'\\'' + rb\"{\" + '''{'''\ny = return_\"z\"\n"
    assert FStrings(text).plain == text


def test_the_number_of_lines_stays() -> None:
    assert FStrings("x = f'''{\n1\n}\n'''\ny = 2\n").plain.count("\n") == 5


@given(st.text(alphabet="f'\"{}\\n\n:!=a#r", max_size=40))
def test_no_text_does_anything_but_parse_or_be_refused(text: str) -> None:
    try:
        plain = FStrings(text).plain
    except (FStringError, SyntaxError, ValueError):
        return
    assert plain.count("\n") >= text.count("\n")
