from __future__ import annotations

import ast
import base64
import bz2
import gzip
import lzma
import zlib

import brotli
import pytest
import zstandard

from harness.code.decompression import OutputBudget
from harness.code.syntax_nodes import SyntaxNodes
from harness.code.unpack import Unpacked, unpack

PROGRAM = "import torch\n\n\ndef main():\n    print('train', 1 + 1)\n\n\nmain()\n" * 3
RAW = PROGRAM.encode()
RAW_FILTERS = [{"id": lzma.FILTER_LZMA2}]


def undo(script: str, **files: bytes | None) -> Unpacked:
    tree = ast.parse(script)
    named: dict[str, bytes | None] = {name.replace("__", "."): data for name, data in files.items()}
    return unpack("train_gpt.py", script.encode(), tree, SyntaxNodes(tree), named, OutputBudget())


def b85(data: bytes) -> str:
    return base64.b85encode(data).decode()


PACKED = b85(lzma.compress(RAW))
PACKED_RAW = b85(lzma.compress(RAW, format=lzma.FORMAT_RAW, filters=RAW_FILTERS))


@pytest.mark.parametrize(
    ("expression", "layers"),
    [
        (f"lzma.decompress(base64.b85decode({PACKED!r}))", ("base85", "lzma")),
        (
            (
                f"lzma.decompress(base64.b85decode({PACKED_RAW!r}),format=lzma.FORMAT_RAW,"
                "filters=[{'id':lzma.FILTER_LZMA2}])"
            ),
            ("base85", "lzma-raw"),
        ),
        (
            (
                f"lzma.decompress(base64.b85decode({PACKED_RAW!r}),lzma.FORMAT_RAW,None,"
                "[{'id':lzma.FILTER_LZMA2,'preset':9|lzma.PRESET_EXTREME}])"
            ),
            ("base85", "lzma-raw"),
        ),
        (
            f"lzma.decompress(base64.b85decode({PACKED_RAW!r}),format=lzma.FORMAT_RAW,filters=unknown())",
            ("base85", "lzma-raw"),
        ),
        (f"zlib.decompress(base64.b64decode({base64.b64encode(zlib.compress(RAW))!r}))", ("base64", "zlib")),
        (f"zlib.decompress({zlib.compress(RAW)[2:-4]!r}, -15)", ("zlib",)),
        (f"gzip.decompress(bytes.fromhex({gzip.compress(RAW).hex()!r}))", ("hex", "gzip")),
        (f"bz2.decompress(base64.a85decode({base64.a85encode(bz2.compress(RAW))!r}))", ("ascii85", "bz2")),
        (f"bz2.decompress(base64.b32decode({base64.b32encode(bz2.compress(RAW))!r}))", ("base32", "bz2")),
        (f"brotli.decompress(base64.b85decode({b85(brotli.compress(RAW))!r}))", ("base85", "brotli")),
        (
            f"zstandard.ZstdDecompressor().decompress(base64.b85decode({b85(zstandard.compress(RAW))!r}))",
            ("base85", "zstd"),
        ),
        (f"zlib.decompress(binascii.unhexlify({zlib.compress(RAW).hex()!r}))", ("hex", "zlib")),
        (f"codecs.decode(base64.b64decode({base64.b64encode(RAW)!r}), 'utf-8')", ("base64",)),
        (f"lzma.LZMADecompressor().decompress(base64.b85decode({PACKED!r}))", ("base85", "lzma")),
    ],
)
def test_each_coding_is_undone_and_named(expression: str, layers: tuple[str, ...]) -> None:
    modules = "base64,binascii,brotli,bz2,codecs,gzip,lzma,zlib,zstandard"
    step = undo(f"import {modules}\nexec({expression})\n")
    assert step.data == RAW
    assert step.layers == layers


HEAD, TAIL = PACKED[:50], PACKED[50:]
UNPACK = f"lzma.decompress(base64.b85decode({PACKED!r}))"


@pytest.mark.parametrize(
    "lines",
    [
        ["import lzma as L,base64 as B", f"exec(L.decompress(B.b85decode({PACKED!r})).decode())"],
        ["from lzma import decompress as d;from base64 import b85decode as b", f"exec(d(b({PACKED!r})))"],
        [f"exec(__import__('lzma').decompress(__import__('base64').b85decode({PACKED!r})))"],
        ["import lzma,base64", f"p = {HEAD!r} {TAIL!r}", "exec(lzma.decompress(base64.b85decode(p)))"],
        ["import lzma,base64", f"p = {HEAD!r} + {TAIL!r}", "exec(lzma.decompress(base64.b85decode(p)))"],
        [
            "import lzma,base64",
            f"p = [{HEAD!r},{TAIL!r}]",
            "exec(lzma.decompress(base64.b85decode(''.join(p))))",
        ],
        ["import lzma,base64", f"p = {'x' + PACKED!r}[1:]", "exec(lzma.decompress(base64.b85decode(p)))"],
        ["import lzma,base64", f"s = {UNPACK}", "exec(compile(s, 't.py', 'exec'))"],
        ["import lzma,base64", f"exec({UNPACK}.replace(b'@', b''))"],
        ["import lzma,base64", f"def u(x): return lzma.decompress(base64.b85decode(x))\nexec(u({PACKED!r}))"],
        ["import lzma,base64", f"u=lambda x:base64.b85decode(x)\nexec(lzma.decompress(u({PACKED!r})))"],
        [
            "import lzma,base64",
            "s=''",
            f"for c in {[HEAD, TAIL]!r}: s+=c",
            "exec(lzma.decompress(base64.b85decode(s)))",
        ],
        [
            "import lzma,base64,runpy",
            f"open('/tmp/t.py','wb').write({UNPACK})",
            "runpy.run_path('/tmp/t.py')",
        ],
        ["import lzma,base64,builtins", f"getattr(builtins,'ex'+'ec')({UNPACK})"],
        ["import lzma,base64", "if __name__=='__main__':", f"  exec({UNPACK})"],
        [
            "import lzma,base64",
            f"d = {{'a': {HEAD!r}, 'b': {TAIL!r}}}",
            "exec(lzma.decompress(base64.b85decode(d['a']+d['b'])))",
        ],
    ],
)
def test_each_way_of_writing_a_wrapper_is_followed(lines: list[str]) -> None:
    step = undo("\n".join(lines))
    assert step.data == RAW
    assert step.layers == ("base85", "lzma")


def test_modules_kept_as_text_become_pieces() -> None:
    script = (
        f"import sys, types\nSOURCES = {{'tools.part': {PROGRAM!r}}}\n"
        "for name, text in SOURCES.items():\n    module = types.ModuleType(name)\n"
        "    exec(compile(text, name, 'exec'), module.__dict__)\n    sys.modules[name] = module\n"
        + "x = 1\n"
        * 1000
    )
    step = undo(script)
    assert step.data is None
    assert [piece.path for piece in step.pieces] == ["train_gpt.py::tools/part.py"]
    assert step.pieces[0].text == PROGRAM


def test_files_written_out_become_pieces() -> None:
    script = (
        "import base64,lzma,os,tempfile\n_d=tempfile.mkdtemp()\n"
        f"_t=lzma.decompress(base64.b85decode({PACKED!r})).decode()\n"
        "for _n,_c in zip(['run.py','k.cu'],[_t,_t+'//']):\n open(os.path.join(_d,_n),'w').write(_c)\n"
        "exec(open(os.path.join(_d,'run.py')).read())\n"
    )
    step = undo(script)
    assert step.data == RAW
    assert [piece.path for piece in step.pieces] == ["train_gpt.py::k.cu"]


def test_a_payload_in_a_file_is_asked_for() -> None:
    script = "import lzma\nexec(lzma.decompress(open('code.xz','rb').read()))\n"
    assert undo(script, code__xz=None).wanted == ("code.xz",)
    assert undo(script, code__xz=lzma.compress(RAW)).data == RAW


def test_a_script_that_only_compresses_its_model_is_not_a_wrapper() -> None:
    script = "import lzma\nblob = lzma.decompress(open('final.ptz','rb').read())\n" + "x = 1\n" * 2000
    assert undo(script) == Unpacked()


def test_a_text_made_at_run_time_in_a_real_program_is_no_problem() -> None:
    assert undo("def f(n):\n    exec(f'x = {n}')\n" + "y = 1\n" * 1000) == Unpacked()


def test_broken_data_is_undecodable_with_the_decoders_reason() -> None:
    step = undo("import zlib\nexec(zlib.decompress(b'not compressed'))\n")
    assert (step.problem, step.line) == ("undecodable", 2)
    assert "not valid zlib data" in step.message


def test_a_payload_that_depends_on_the_run_is_undecodable() -> None:
    step = undo("import zlib,os\nexec(zlib.decompress(os.environb[b'CODE']))\n")
    assert (step.problem, step.line) == ("undecodable", 2)
