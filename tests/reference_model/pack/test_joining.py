from __future__ import annotations

import pytest

from reference_model.pack.source_edits import PackError
from tests.reference_model.pack.packages import output, packed


def test_two_modules_become_one_script_that_runs_alone(tmp_path):
    bundle = packed(
        tmp_path,
        {
            "greeting": "def greet(name):\n    return 'hello ' + name\n",
            "start": "from app.greeting import greet\ndef main():\n    print(greet('world'))\n",
        },
    )
    assert "from app" not in bundle.text
    assert output(bundle.text, tmp_path) == "hello world\n"


def test_a_name_that_two_modules_define_keeps_its_two_meanings(tmp_path):
    bundle = packed(
        tmp_path,
        {
            "one": "def _part():\n    return 1\ndef first():\n    return _part()\n",
            "two": "def _part():\n    return 2\ndef second():\n    return _part()\n",
            "start": """
                from app.one import first
                from app.two import second
                def main():
                    print(first(), second())
                """,
        },
    )
    assert output(bundle.text, tmp_path) == "1 2\n"


def test_a_name_in_an_f_string_follows_its_definition(tmp_path):
    bundle = packed(
        tmp_path,
        {
            "one": "SIZE = 1\n",
            "two": "SIZE = 2\ndef told():\n    return f'{SIZE:>3} of {len(str(SIZE))}'\n",
            "start": """
                from app.one import SIZE
                from app.two import told
                def main():
                    print(SIZE, told())
                """,
        },
    )
    assert output(bundle.text, tmp_path) == "1   2 of 1\n"


def test_an_alias_is_replaced_by_the_definition(tmp_path):
    bundle = packed(
        tmp_path,
        {
            "area": "def square(x):\n    return x * x\n",
            "start": "from app.area import square as surface\ndef main():\n    print(surface(3))\n",
        },
    )
    assert "surface" not in bundle.text
    assert output(bundle.text, tmp_path) == "9\n"


def test_a_local_of_the_definitions_name_does_not_capture_the_alias(tmp_path):
    bundle = packed(
        tmp_path,
        {
            "area": "def square(x):\n    return x * x\n",
            "start": """
                from app.area import square as surface
                def main():
                    square = 3
                    print(surface(square))
                """,
        },
    )
    assert output(bundle.text, tmp_path) == "9\n"


def test_access_through_a_module_finds_the_definition(tmp_path):
    bundle = packed(
        tmp_path,
        {
            "shapes/__init__": "",
            "shapes/area": "def square(x):\n    return x * x\nSIDES = 4\n",
            "start": """
                import app.shapes.area
                import app.shapes.area as areas
                from app.shapes import area
                def main():
                    print(areas.square(2), area.square(3), app.shapes.area.SIDES)
                """,
        },
    )
    assert output(bundle.text, tmp_path) == "4 9 4\n"


def test_an_import_inside_a_function_goes(tmp_path):
    bundle = packed(
        tmp_path,
        {
            "late": "def answer():\n    return 42\n",
            "start": """
                def main():
                    from app.late import answer

                    print(answer())
                """,
        },
    )
    assert "import answer" not in bundle.text
    assert output(bundle.text, tmp_path) == "42\n"


def test_a_function_with_nothing_but_an_import_still_has_a_body(tmp_path):
    bundle = packed(
        tmp_path,
        {
            "late": "X = 1\n",
            "start": """
                def main():
                    def loaded():
                        from app.late import X
                    loaded()
                    print('ok')
                """,
        },
    )
    assert output(bundle.text, tmp_path) == "ok\n"


def test_a_name_imported_in_two_branches_stays_a_local(tmp_path):
    bundle = packed(
        tmp_path,
        {
            "one": "def step():\n    return 1\n",
            "two": "def step():\n    return 2\n",
            "start": """
                import sys
                def main():
                    if len(sys.argv) > 5:
                        from app.one import step
                    else:
                        from app.two import step
                    print(step())
                """,
        },
    )
    assert output(bundle.text, tmp_path) == "2\n"


def test_a_definition_named_as_a_builtin_does_not_shadow_it(tmp_path):
    bundle = packed(
        tmp_path,
        {
            "own": "def any(x):\n    return 'own'\n",
            "start": """
                from app import own
                def main():
                    print(own.any([]), any([]))
                """,
        },
    )
    assert output(bundle.text, tmp_path) == "own False\n"


def test_imports_from_elsewhere_stand_once_and_clashing_ones_are_renamed(tmp_path):
    bundle = packed(
        tmp_path,
        {
            "clock": "import time\ndef now():\n    return time.time() > 0\n",
            "start": """
                from time import time
                import os.path
                from app.clock import now
                def main():
                    print(now(), time() > 0, os.path.basename('a/b'))
                """,
        },
    )
    assert output(bundle.text, tmp_path) == "True True b\n"


def test_field_types_of_dataclasses_resolve_in_the_script(tmp_path):
    bundle = packed(
        tmp_path,
        {
            "kinds": "from enum import Enum\nclass Kind(Enum):\n    A = 'a'\n",
            "start": """
                from __future__ import annotations
                import typing
                from dataclasses import dataclass
                from app.kinds import Kind
                @dataclass(frozen=True, slots=True)
                class Chosen:
                    kind: Kind
                def main():
                    print(typing.get_type_hints(Chosen)['kind'].__name__)
                """,
        },
    )
    assert output(bundle.text, tmp_path) == "Kind\n"


def test_an_unused_definition_and_its_imports_are_dropped(tmp_path):
    bundle = packed(
        tmp_path,
        {
            "start": """
                import json
                import decimal
                def _only_for_unused():
                    return decimal.Decimal(1)
                def unused():
                    return _only_for_unused()
                def main():
                    print(json.dumps([1]))
                """
        },
    )
    assert "decimal" not in bundle.text
    assert "unused" not in bundle.text
    assert bundle.definitions_dropped == ("app.start:_only_for_unused", "app.start:unused")


def test_statements_with_effects_of_a_used_module_stay(tmp_path):
    bundle = packed(
        tmp_path,
        {
            "table": "TABLE = {}\nTABLE['a'] = 1\nTABLE.update(b=2)\n",
            "start": "from app.table import TABLE\ndef main():\n    print(TABLE)\n",
        },
    )
    assert output(bundle.text, tmp_path) == "{'a': 1, 'b': 2}\n"


def test_comments_and_docstrings_stay(tmp_path):
    bundle = packed(
        tmp_path,
        {"start": '"""What it is."""\n\n\n# why\ndef main():\n    """Says."""\n    print(1)  # here\n'},
    )
    for kept in ("# What it is.", "# why", '"""Says."""', "# here"):
        assert kept in bundle.text


def test_a_class_named_in_annotations_alone_is_dropped(tmp_path):
    bundle = packed(
        tmp_path,
        {
            "start": """
                from __future__ import annotations
                from typing import TYPE_CHECKING, Protocol
                if TYPE_CHECKING:
                    from collections.abc import Iterator
                class Named(Protocol):
                    name: str
                def told(x: Named) -> Iterator[str]:
                    yield x
                def main():
                    print(*told(1))
                """
        },
    )
    assert "class Named" not in bundle.text
    assert output(bundle.text, tmp_path) == "1\n"


def test_a_module_used_as_a_value_is_refused_with_its_line(tmp_path):
    with pytest.raises(PackError, match=r"app\.start line 3: module app\.other is used as a value"):
        packed(
            tmp_path, {"other": "X = 1\n", "start": "from app import other\ndef main():\n    print(other)\n"}
        )


def test_modules_that_import_each_other_are_refused(tmp_path):
    with pytest.raises(PackError, match=r"app\.start -> app\.other -> app\.start"):
        packed(
            tmp_path,
            {
                "other": "from app.start import main\nX = 1\n",
                "start": "from app.other import X\ndef main(): pass\n",
            },
        )


def test_import_star_is_refused(tmp_path):
    with pytest.raises(PackError, match="not \\*"):
        packed(tmp_path, {"other": "X = 1\n", "start": "from app.other import *\ndef main(): pass\n"})


def test_an_unknown_entry_is_refused(tmp_path):
    with pytest.raises(PackError, match="defines no 'main'"):
        packed(tmp_path, {"start": "X = 1\n"})
