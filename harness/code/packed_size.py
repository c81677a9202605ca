"""How many bytes a submission's code takes when packed into one self-extracting script.

Accepted rows from #1530 (2026-04-11) on count such a size while they commit the readable script. Ours is
computed from what is committed: with every comment and name kept it is 8 to 29 % above the logged size of 11
accepted rows; of the text that `harness.code.minified_source` prints it is 0 to 5 % below.
"""

from __future__ import annotations

import lzma
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

# A wrapper of the usual kind around the base85 text; its length is added to every packed size.
STUB = (
    "import lzma as L,base64 as B\n"
    'exec(L.decompress(B.b85decode(""),format=L.FORMAT_RAW,filters=[{"id":L.FILTER_LZMA2}]))\n'
)
# Beyond it the size says nothing: even packed it would not fit beside a model.
PACK_LIMIT_BYTES = 16 * 2**20
_SMALL_BYTES = 2**20


def packed_size(parts: Iterable[bytes]) -> int | None:
    """Bytes of one lzma+base85 wrapper around all parts; None when there is nothing or far too much."""
    data = b"\n".join(parts)
    if not data.strip() or len(data) > PACK_LIMIT_BYTES:
        return None
    preset = 9 if len(data) <= _SMALL_BYTES else 6  # PRESET_EXTREME gains nothing on scripts
    dictionary = max(2**16, 1 << (len(data) - 1).bit_length())  # the preset's own takes 674 MB
    filters = [{"id": lzma.FILTER_LZMA2, "preset": preset, "dict_size": dictionary}]
    packed = lzma.compress(data, format=lzma.FORMAT_RAW, filters=filters)
    return len(STUB) + base85_length(len(packed))


def base85_length(size: int) -> int:
    """Characters that `size` bytes take in base85: five for four, a rest of n takes n + 1."""
    whole, rest = divmod(size, 4)
    return whole * 5 + (rest + 1 if rest else 0)
