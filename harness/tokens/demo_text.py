"""English text that every Python brings along: the topics of `help()` and the docstrings of the library.

The text changes between Python versions, so its digest is recorded wherever it is used. Licence: PSF-2.0.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import sysconfig
from pathlib import Path

from harness.errors import SetupError

# Modules of Python 3.11 to 3.14, a quarter or more of them docstrings; one that a version lacks is left out.
_MODULES = (
    "bdb",
    "codecs",
    "configparser",
    "difflib",
    "doctest",
    "ftplib",
    "ipaddress",
    "lzma",
    "os",
    "smtplib",
    "socket",
    "socketserver",
    "statistics",
    "textwrap",
    "threading",
    "turtle",
    "typing",
    "uuid",
    "wave",
)
_TOPICS_MODULE = "pydoc_data.topics"
_DEFINITIONS = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def _source_paths() -> list[Path]:
    """The topics and then the modules, as source files of this interpreter."""
    try:
        topics = importlib.util.find_spec(_TOPICS_MODULE)
    except ImportError:
        topics = None
    if topics is None or topics.origin is None or not Path(topics.origin).is_file():
        raise SetupError(
            f"this Python has no {_TOPICS_MODULE} (its documentation topics), which the demo data is made "
            f"of; use a full Python installation, or golf-data prepare with text of your own"
        )
    library = Path(sysconfig.get_path("stdlib"))
    return [Path(topics.origin), *(path for name in _MODULES if (path := library / f"{name}.py").is_file())]


def demo_text_digest() -> str:
    """SHA-256 of the source files behind the demo text, in hex: what identifies it before it is read."""
    digest = hashlib.sha256()
    for path in _source_paths():
        content = path.read_bytes()
        digest.update(f"{path.name} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()


def _topics_of(path: Path) -> list[str]:
    """The values of the dictionary `topics`, read without importing the module."""
    for statement in ast.parse(path.read_bytes()).body:
        if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Dict):
            topics = ast.literal_eval(statement.value)
            return [topics[name] for name in sorted(topics)]
    raise SetupError(f"{path}: holds no dictionary of topics")


def _docstrings_of(path: Path) -> str:
    """All docstrings of a module in the order of its lines, as one document."""
    found = [node for node in ast.walk(ast.parse(path.read_bytes())) if isinstance(node, _DEFINITIONS)]
    found.sort(key=lambda node: getattr(node, "lineno", 0))
    return "\n\n".join(text for node in found if (text := ast.get_docstring(node)))


def _without_repeats(documents: list[str]) -> list[str]:
    """Leave out documents of which half stands in longer ones: many topics are sections of another topic.

    Otherwise training documents would hold validation documents.
    """
    kept = []
    seen: set[str] = set()
    for document in sorted(documents, key=lambda text: (-len(text), text)):
        paragraphs = [paragraph.strip() for paragraph in document.split("\n\n")]
        length = sum(map(len, paragraphs))
        repeated = sum(len(paragraph) for paragraph in paragraphs if paragraph in seen)
        if 2 * repeated < length:
            kept.append(document)
            seen.update(paragraphs)
    return kept


def demo_documents() -> list[str]:
    """The documents in a fixed order that mixes topics and modules: by their SHA-256.

    Raises SetupError where this Python was installed without its documentation topics.
    """
    topics, *modules = _source_paths()
    documents = _without_repeats(_topics_of(topics) + [_docstrings_of(path) for path in modules])
    return sorted(documents, key=lambda text: hashlib.sha256(text.encode()).digest())
