"""A script that carries itself compressed: base85 text that a two-line stub unpacks and executes.

The form the challenge accepts since #1394 (2026-04-05). What counts as code is the whole file with stub and
base85.
"""

from __future__ import annotations

import base64
import lzma
import zlib

_LZMA_STUB = (
    "import lzma as L,base64 as B\n"
    'exec(L.decompress(B.b85decode("{}"),format=L.FORMAT_RAW,filters=[{{"id":L.FILTER_LZMA2}}]))\n'
)
_ZLIB_STUB = 'import zlib as Z,base64 as B\nexec(Z.decompress(B.b85decode("{}")))\n'


def self_extracting(text: str) -> str:
    """The shorter of the lzma and the zlib form."""
    return min(_with_lzma(text), _with_zlib(text), key=len)


def _with_lzma(text: str) -> str:
    data = text.encode()
    shapes = [
        lzma.compress(data, format=lzma.FORMAT_RAW, filters=[_lzma_filter(context, position)])
        for context, position in ((3, 0), (4, 0), (2, 0), (3, 2))
    ]
    return _LZMA_STUB.format(base64.b85encode(min(shapes, key=len)).decode())


def _lzma_filter(literal_context_bits: int, position_bits: int) -> dict[str, int]:
    return {
        "id": lzma.FILTER_LZMA2,
        "preset": 9 | lzma.PRESET_EXTREME,
        "dict_size": 2**23,  # the stub names none, and this is what lzma then unpacks with
        "lc": literal_context_bits,
        "lp": 0,
        "pb": position_bits,
    }


def _with_zlib(text: str) -> str:
    return _ZLIB_STUB.format(base64.b85encode(zlib.compress(text.encode(), 9)).decode())
