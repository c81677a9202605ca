"""Names of library functions that differ in nothing a token pass has to know."""

from __future__ import annotations

# The value stays what it is: another type, shape or device.
SAME = frozenset(
    [
        "cpu",
        "numpy",
        "astype",
        "to",
        "long",
        "int",
        "float",
        "double",
        "half",
        "bfloat16",
        "bool",
        "reshape",
        "view",
        "flatten",
        "contiguous",
        "detach",
        "item",
        "tolist",
        "squeeze",
        "unsqueeze",
        "ravel",
        "expand",
        "permute",
        "transpose",
        "type",
        "cuda",
        "pin_memory",
        "asarray",
        "array",
        "tensor",
        "from_numpy",
        "as_tensor",
        "ascontiguousarray",
        "reversed",
        "iter",
        "next",
        "requires_grad_",
        "nan_to_num",
        "uint64",
        "int64",
        "uint32",
        "int32",
        "uint16",
        "uint8",
        "float64",
        "float32",
        "intp",
        "logsumexp",
        "any",
        "all",
        "fill_",
    ]
)
# Each element by itself.
ELEMENTWISE = frozenset(
    [
        "exp",
        "log",
        "log1p",
        "expm1",
        "sqrt",
        "sigmoid",
        "abs",
        "round",
        "tanh",
        "log2",
        "log10",
        "clamp",
        "clip",
        "clamp_",
        "clamp_min",
        "clamp_max",
        "neg",
        "exp_",
        "log_",
        "square",
        "pow",
    ]
)
SUMS = frozenset(["sum", "mean", "cumsum", "average", "nansum", "fsum"])
# The lowest, the highest or the middle of several values, or where it is.
ORDER_STATISTICS = frozenset(
    [
        "sort",
        "sorted",
        "msort",
        "partition",
        "topk",
        "kthvalue",
        "quantile",
        "nanquantile",
        "percentile",
        "nanpercentile",
        "median",
        "nanmedian",
        "aminmax",
        "cummin",
        "cummax",
        "nanmin",
        "nanmax",
        "nsmallest",
        "nlargest",
        "heappop",
        "argmin",
        "argmax",
        "argsort",
        "argpartition",
    ]
)
NEW_ARRAYS = frozenset(
    [
        "zeros",
        "ones",
        "empty",
        "full",
        "zeros_like",
        "ones_like",
        "empty_like",
        "full_like",
        "new_zeros",
        "new_full",
        "new_empty",
    ]
)
# New data.
READS = frozenset(["fromfile", "frombuffer", "memmap", "load", "read", "read_bytes", "loads"])
# A function or model around another.
WRAPPERS = frozenset(
    ["compile", "jit", "njit", "no_grad", "inference_mode", "DistributedDataParallel", "DDP", "wraps"]
)
# Modules whose functions return settings, names and times, nothing made of tokens.
WITHOUT_DATA = frozenset(
    [
        "argparse",
        "dataclasses",
        "datetime",
        "glob",
        "inspect",
        "logging",
        "platform",
        "subprocess",
        "sys",
        "time",
        "typing",
        "uuid",
    ]
)
