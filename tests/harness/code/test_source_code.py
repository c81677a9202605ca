from __future__ import annotations

import base64
import json
import lzma
from typing import TYPE_CHECKING

import pytest

from harness.code.source_code import read_code
from harness.errors import SetupError
from harness.folder_tree import FolderTree
from harness.submission import Code, FileEntry, FileKind

if TYPE_CHECKING:
    from pathlib import Path

TRAINER = "import torch\n\n\ndef main():\n    print('train')\n\n\nif __name__ == '__main__':\n    main()\n"


def code_of(folder: Path, **files: str | bytes) -> Code:
    """Keywords name files with '__' for '.' and '___' for '/'."""
    for name, content in files.items():
        path = folder / name.replace("___", "/").replace("__", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    tree = FolderTree(folder)
    return read_code(tree, tree.entries())


def reached(code: Code) -> dict[str, str]:
    return {source.path: source.reached_by for source in code.closure}


def test_a_plain_script_is_its_own_effective_source(tmp_path: Path) -> None:
    code = code_of(tmp_path, train_gpt__py=TRAINER)
    assert code.entry is not None
    assert (code.entry.text, code.entry.unpacked, code.entry.parses) == (TRAINER, False, True)
    assert code.shipped_bytes == len(TRAINER)
    assert code.problems == ()


def test_a_wrapped_script_is_read_unpacked_and_counted_packed(tmp_path: Path) -> None:
    packed = base64.b85encode(lzma.compress(TRAINER.encode())).decode()
    wrapper = f"import lzma as L,base64 as B\nexec(L.decompress(B.b85decode('{packed}')))\n"
    code = code_of(tmp_path, train_gpt__py=wrapper)
    assert code.entry is not None
    assert code.entry.text == TRAINER
    assert code.entry.layers == ("base85", "lzma")
    assert code.shipped_bytes == len(wrapper)


def test_an_imported_sibling_is_in_the_closure_with_the_line_that_imports_it(tmp_path: Path) -> None:
    code = code_of(tmp_path, train_gpt__py="import torch\nfrom tilt import apply\n", tilt__py="apply = 1\n")
    assert reached(code) == {"tilt.py": "import"}
    origin = code.closure[0].reached_from
    assert origin is not None
    assert (origin.file, origin.line, origin.excerpt) == ("train_gpt.py", 2, "from tilt import apply")


def test_a_data_preparation_script_nobody_imports_is_not_in_the_closure(tmp_path: Path) -> None:
    code = code_of(tmp_path, train_gpt__py=TRAINER, prepare_data__py="print('tokenize')\n")
    assert reached(code) == {}


def test_the_closure_is_transitive(tmp_path: Path) -> None:
    code = code_of(tmp_path, train_gpt__py="import a\n", a__py="from b import c\n", b__py="c = 1\n")
    assert reached(code) == {"a.py": "import", "b.py": "import"}


def test_a_package_in_a_subfolder_brings_its_init_file(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "__init__.py").write_text("from .norm import g\n")
    code = code_of(
        tmp_path,
        train_gpt__py="from model.layers import f\n",
        model___layers__py="f = 1\n",
        model___norm__py="g = 1\n",
    )
    assert sorted(reached(code)) == ["model/__init__.py", "model/layers.py", "model/norm.py"]


def test_a_folder_put_on_the_import_path_is_searched(tmp_path: Path) -> None:
    script = (
        "import os, sys\nsys.path.insert(0, os.path.join(os.path.dirname(__file__), 'src'))\nimport ngram\n"
    )
    code = code_of(tmp_path, train_gpt__py=script, src___ngram__py="x = 1\n")
    assert reached(code) == {"src/ngram.py": "import"}


def test_exec_of_a_sibling_file_reaches_it(tmp_path: Path) -> None:
    code = code_of(tmp_path, train_gpt__py="exec(open('other.py').read())\n", other__py=TRAINER)
    assert reached(code) == {"other.py": "exec"}
    assert code.shipped_bytes == 30 + len(TRAINER)


def test_run_path_through_a_variable_reaches_the_script(tmp_path: Path) -> None:
    script = (
        "import runpy\nfrom pathlib import Path\nHERE = Path(__file__).parent\n"
        "TRAINER = HERE / 'real.py'\nrunpy.run_path(str(TRAINER))\n"
    )
    assert reached(code_of(tmp_path, train_gpt__py=script, real__py=TRAINER)) == {"real.py": "exec"}


def test_a_subprocess_reaches_the_script_it_starts(tmp_path: Path) -> None:
    script = "import subprocess, sys\nsubprocess.run([sys.executable, 'stage2.py'], check=True)\n"
    assert reached(code_of(tmp_path, train_gpt__py=script, stage2__py=TRAINER)) == {"stage2.py": "exec"}


def test_a_module_name_given_as_text_is_an_import(tmp_path: Path) -> None:
    script = "import importlib\nm = importlib.import_module('cache')\nn = __import__('mixer')\n"
    code = code_of(tmp_path, train_gpt__py=script, cache__py="x = 1\n", mixer__py="y = 1\n")
    assert reached(code) == {"cache.py": "import", "mixer.py": "import"}


def test_a_native_source_compiled_at_run_time_is_counted(tmp_path: Path) -> None:
    script = (
        "import torch\nfrom torch.utils.cpp_extension import load\nk = load(name='k', sources=['k.cpp'])\n"
    )
    code = code_of(tmp_path, train_gpt__py=script, k__cpp='#include "k.h"\nint f();\n', k__h="int f();\n")
    assert reached(code) == {"k.cpp": "compile", "k.h": "compile"}


def test_a_source_named_in_a_compiler_command_is_counted(tmp_path: Path) -> None:
    script = "import os, ctypes\nos.system('gcc -O3 -shared -o /tmp/f.so fast.c')\nctypes.CDLL('/tmp/f.so')\n"
    assert reached(code_of(tmp_path, train_gpt__py=script, fast__c="int f;\n")) == {"fast.c": "compile"}


def test_a_table_opened_by_name_is_data(tmp_path: Path) -> None:
    script = "import numpy as np\nlut = np.load('table.npz')\n"
    code = code_of(tmp_path, train_gpt__py=script, table__npz=b"PK\x03\x04")
    assert reached(code) == {"table.npz": "data"}


def test_a_file_the_script_itself_writes_is_not_data(tmp_path: Path) -> None:
    script = "import torch\nout = 'final.pt'\ntorch.save({}, out)\nx = torch.load('final.pt')\n"
    assert reached(code_of(tmp_path, train_gpt__py=script, final__pt=b"PK")) == {}


def test_a_file_given_as_an_output_option_is_not_data(tmp_path: Path) -> None:
    script = "import torch\nset_default('--output-json', 'result.json')\n"
    assert reached(code_of(tmp_path, train_gpt__py=script, result__json="{}")) == {}


def test_a_tokenizer_model_is_not_counted(tmp_path: Path) -> None:
    script = "import sentencepiece\nsp = sentencepiece.SentencePieceProcessor(model_file='bpe.model')\n"
    assert reached(code_of(tmp_path, train_gpt__py=script, bpe__model=b"x")) == {}


def test_a_wrapper_may_read_its_payload_from_a_file(tmp_path: Path) -> None:
    bundle = lzma.compress(
        json.dumps({"main.py": TRAINER, "part.py": "value = 41 + 1\nprint(value)\n" * 2}).encode()
    )
    wrapper = (
        "import lzma, json, os\n"
        "with open(os.path.join(os.path.dirname(__file__), 'code.lzma'), 'rb') as f:\n"
        "    bundle = json.loads(lzma.decompress(f.read()))\n"
        "exec(compile(bundle['main.py'], 'main.py', 'exec'))\n"
    )
    code = code_of(tmp_path, train_gpt__py=wrapper, code__lzma=bundle)
    assert code.entry is not None
    assert code.entry.text == TRAINER
    assert code.entry.layers == ("file", "lzma", "json")
    assert reached(code) == {"code.lzma": "data", "train_gpt.py::part.py": "exec"}


def test_a_payload_file_that_is_absent_is_named(tmp_path: Path) -> None:
    wrapper = "import lzma\nexec(lzma.decompress(open('payload.lzma', 'rb').read()))\n"
    code = code_of(tmp_path, train_gpt__py=wrapper)
    assert [problem.kind for problem in code.problems] == ["undecodable"]
    assert "payload.lzma is not in the folder" in code.problems[0].message


def test_a_launcher_of_a_script_outside_the_folder_is_reported(tmp_path: Path) -> None:
    script = "import runpy\nrunpy.run_path('../../base/trainer.py', run_name='__main__')\n"
    code = code_of(tmp_path, train_gpt__py=script)
    assert [(problem.kind, problem.line) for problem in code.problems] == [("outside-folder", 2)]


def test_a_symlinked_script_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere.txt").write_text(TRAINER)
    folder = tmp_path / "entry"
    folder.mkdir()
    (folder / "train_gpt.py").symlink_to(tmp_path / "elsewhere.txt")
    assert code_of(folder).entry is None


class _BrokenTree:
    def entries(self) -> tuple[FileEntry, ...]:
        return (FileEntry(path="train_gpt.py", kind=FileKind.FILE, size_bytes=120),)

    def read(self, path: str, limit_bytes: int) -> bytes:
        raise SetupError("the clone lacks this object")


def test_a_blob_the_clone_lacks_is_a_problem_and_not_an_absence() -> None:
    tree = _BrokenTree()
    code = read_code(tree, tree.entries())
    assert [problem.kind for problem in code.problems] == ["missing-blob"]
    assert code.entry is not None
    assert (code.entry.text, code.entry.shipped_bytes) == (None, 120)


def test_the_same_folder_gives_the_same_code_twice(tmp_path: Path) -> None:
    first = code_of(tmp_path, train_gpt__py="import a\n", a__py="x = 1\n")
    assert first == code_of(tmp_path)


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_lines_count_the_same_for_every_line_ending(tmp_path: Path, newline: str) -> None:
    code = code_of(tmp_path, train_gpt__py=f"import os{newline}import tilt{newline}", tilt__py="x = 1\n")
    assert code.closure[0].reached_from is not None
    assert code.closure[0].reached_from.line == 2
