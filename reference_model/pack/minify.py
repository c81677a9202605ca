"""The same program in fewer bytes, by python-minifier (https://dflook.github.io/python-minifier/).

What must survive is said here: field annotations (dataclasses, get_type_hints) and class names, which
messages and fingerprints of this package print.
"""

from __future__ import annotations

import ast

from harness.errors import SetupError


def minified(text: str) -> str:
    """The script without comments, docstrings and annotations of functions, its locals and globals short.

    Raises SetupError when python-minifier is not installed.
    """
    try:
        import python_minifier
    except ImportError:
        raise SetupError(
            "--minify needs python-minifier: pip install 'golf-harness[pack]' (or leave --minify out)"
        ) from None
    classes = [node.name for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ClassDef)]
    annotations = python_minifier.RemoveAnnotationsOptions(
        remove_variable_annotations=True,
        remove_return_annotations=True,
        remove_argument_annotations=True,
        remove_class_attribute_annotations=False,
    )
    shorter = python_minifier.minify(
        text,
        remove_annotations=annotations,
        remove_literal_statements=True,
        rename_globals=True,
        preserve_globals=[*classes, "main"],
        remove_asserts=False,
        remove_debug=False,
        hoist_literals=True,
    )
    return str(shorter).rstrip("\n") + "\n"
