"""Keys whose tokens are reached by arithmetic: windows that hold the scored token, and their legal twins."""

from __future__ import annotations

from tests.programs.edits import Edit, Expected, Twin

_DICT_KEY = "            context = tuple(ids[max(0, pos - order) : pos].tolist())\n"
_HASH_KEY = "            ctx_hash ^= ids[np.maximum(positions - 1 - k, 0)].astype(np.uint64) * primes[k]\n"
_TORCH_KEY = """\
        for back in range(order):
            key = key * 31 + F.pad(x, (back, 0))[:seq_len]
"""
_BASES = {"dict-cache": (_DICT_KEY, 12), "hash-rows": (_HASH_KEY, 12), "torch-tables": (_TORCH_KEY, 8)}

_TABLE_READ = {
    "dict-cache": "seen = totals[context]",
    "hash-rows": "rows = (full_table[ctx_key] + 0.5)",
    "torch-tables": "rows = counts[key] + 0.1",
}


def _twins(
    name: str, base: str, legal: str, illegal: str, said: Expected = Expected.VIOLATION
) -> tuple[Twin, Twin]:
    old, indent = _BASES[base]

    def twin(title: str, code: str, expected: Expected, shows: str) -> Twin:
        lines = "".join(f"{' ' * indent}{line}\n" for line in code.splitlines())
        return Twin(
            name=title,
            base=base,
            edits=(Edit(old, lines),),
            breach="ngram-key-target",
            expected=expected,
            shows=shows,
        )

    return (
        twin(f"{name}-before-the-scored-token", legal, Expected.CLEAN, ""),
        twin(f"{name}-with-the-scored-token", illegal, said, _TABLE_READ[base]),
    )


_OPEN = Expected.UNRESOLVED

KEY_PLACE_TWINS: tuple[Twin, ...] = (
    *_twins(
        "a-slice",
        "dict-cache",
        "context = tuple(ids[pos - 3 : pos].tolist())",
        "context = tuple(ids[pos - 2 : pos + 1].tolist())",
    ),
    *_twins(
        "a-slice-that-ends-nowhere",
        "dict-cache",
        "context = tuple(ids[:pos].tolist())",
        "context = tuple(ids[pos - 2 :].tolist())",
        _OPEN,
    ),
    *_twins(
        "all-but-the-last-of-a-window",
        "dict-cache",
        "window = ids[pos - 3 : pos + 1]\ncontext = tuple(window[:-1].tolist())",
        "window = ids[pos - 3 : pos + 1]\ncontext = tuple(window[1:].tolist())",
    ),
    *_twins(
        "a-comprehension-over-distances",
        "dict-cache",
        "context = tuple(int(ids[pos - back]) for back in range(1, order))",
        "context = tuple(int(ids[pos - back]) for back in range(0, order))",
        _OPEN,
    ),
    *_twins(
        "a-loop-over-places",
        "dict-cache",
        "context = 0\nfor at in range(order):\n    context = context * 31 + int(ids[pos - order + at])",
        "context = 0\nfor at in range(order + 1):\n    context = context * 31 + int(ids[pos - order + at])",
        _OPEN,
    ),
    *_twins(
        "a-window-folded-to-a-number",
        "dict-cache",
        "context = int(np.dot(ids[pos - 3 : pos], np.array([1, 31, 961])))",
        "context = int(np.dot(ids[pos - 2 : pos + 1], np.array([1, 31, 961])))",
    ),
    *_twins(
        "tokens-written-into-a-text",
        "dict-cache",
        'context = f"{ids[pos - 2]}_{ids[pos - 1]}"',
        'context = f"{ids[pos - 1]}_{ids[pos]}"',
    ),
    *_twins(
        "positions-cut-at-nought",
        "hash-rows",
        "ctx_hash ^= ids[np.clip(positions - 1 - k, 0, None)].astype(np.uint64) * primes[k]",
        "ctx_hash ^= ids[np.clip(positions - k, 0, None)].astype(np.uint64) * primes[k]",
        _OPEN,
    ),
    *_twins(
        "slices-that-move-back",
        "hash-rows",
        "ctx_hash ^= ids[start - k : start - k + seq_len].astype(np.uint64) * primes[k]",
        "ctx_hash ^= ids[start + 1 - k : start + 1 - k + seq_len].astype(np.uint64) * primes[k]",
        _OPEN,
    ),
    *_twins(
        "differences-of-a-running-sum",
        "hash-rows",
        "total = np.cumsum(ids)\nctx_hash ^= (total[positions - 1] - total[positions - 4]).astype(np.uint64)",
        "total = np.cumsum(ids)\nctx_hash ^= (total[positions] - total[positions - 3]).astype(np.uint64)",
    ),
    *_twins(
        "a-rolled-array-with-its-edge-cleared",
        "hash-rows",
        "prev = np.roll(ids, k + 1)\nprev[: k + 1] = 0\nctx_hash ^= prev[positions].astype(np.uint64)",
        "prev = np.roll(ids, k)\nprev[:k] = 0\nctx_hash ^= prev[positions].astype(np.uint64)",
        _OPEN,
    ),
    *_twins(
        "a-pad-in-front",
        "torch-tables",
        "pad = torch.zeros(1, dtype=x.dtype, device=device)\nkey = torch.cat([pad, x[:-1]]) * 31 + x",
        "pad = torch.zeros(1, dtype=x.dtype, device=device)\nkey = torch.cat([x[1:], pad]) * 31 + x",
    ),
    *_twins(
        "windows-unfolded",
        "torch-tables",
        "key = (F.pad(x, (2, 0)).unfold(0, 3, 1) * 31).sum(-1)",
        "key = (F.pad(x, (0, 2)).unfold(0, 3, 1) * 31).sum(-1)",
        _OPEN,
    ),
    *_twins(
        "an-array-rolled-on",
        "torch-tables",
        "prev = torch.roll(x, 1)\nprev[0] = 0\nkey = prev * 31 + x",
        "prev = torch.roll(x, -1)\nprev[-1] = 0\nkey = prev * 31 + x",
    ),
    *_twins(
        "a-narrowed-window",
        "torch-tables",
        "key = local.narrow(0, 0, seq_len) * 31",
        "key = local.narrow(0, 1, seq_len) * 31",
    ),
)
