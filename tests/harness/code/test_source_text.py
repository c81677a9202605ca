from __future__ import annotations

import sys

import pytest

from harness.code.source_text import decode_source, parse_source

before_312 = pytest.mark.skipif(sys.version_info >= (3, 12), reason="this Python reads new f-strings itself")


@pytest.mark.parametrize(
    "line",
    [
        'print(f"{cat}: {", ".join(x["a"])}")',
        "print(f'{x[':']:>{w}} {y!r} {z=}')",
        "print(f'{'\\n'.join(x)}')",
        "print(f'''{f\"{'a' + \"b\"}\"}''')",
        'return_value=1 if x else"plain";y=f"{d["k"]}"',
    ],
)
@before_312
def test_reused_quotes_need_a_newer_python_and_keep_their_lines(line: str) -> None:
    parsed = parse_source(f"import os\n{line}\nimport tilt\n".encode())
    assert parsed.problem == "needs-newer-python"
    assert parsed.line == 2
    assert parsed.tree is not None
    assert parsed.tree.body[-1].lineno == 3


@pytest.mark.parametrize(
    "line",
    [
        "print(f'{x[':')",
        "print(f'{1 +}')",
        "print(f'{}')",
        "print('a'b')",
        "x = = f'{d['k']}'",
        "print(f'{x')",
    ],
)
def test_a_broken_line_is_unparseable_in_every_python(line: str) -> None:
    parsed = parse_source(f"import os\n{line}\n".encode())
    assert parsed.problem == "unparseable"
    assert "line 2" in parsed.message


def test_utf16_is_decoded_by_its_mark() -> None:
    assert decode_source("x = 'é'\r\n".encode("utf-16")) == "x = 'é'\n"
