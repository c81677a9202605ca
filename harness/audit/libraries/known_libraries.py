"""Which libraries only compute, and which run code that this audit cannot read.

A call of a known library does what its handlers say, or computes something from its arguments. A module
that is neither in the folder nor known may do anything: it can reach the network and the tokens through what
it is given, and even without.
"""

from __future__ import annotations

import builtins
import sys

# Installed libraries whose calls only compute, store or report.
_COMPUTING = frozenset(
    {
        "torch",
        "torchvision",
        "torchao",
        "numpy",
        "scipy",
        "sklearn",
        "pandas",
        "pyarrow",
        "mlx",
        "jax",
        "flax",
        "optax",
        "cupy",
        "numba",
        "triton",
        "einops",
        "apex",
        "bitsandbytes",
        "deepspeed",
        "accelerate",
        "transformers",
        "transformer_engine",
        "safetensors",
        "xformers",
        "flash_attn",
        "flash_attn_interface",
        "flash_attn_3",
        "flash_attn_2_cuda",
        "flash_attn_config",
        "liger_kernel",
        "fla",
        "mamba_ssm",
        "causal_conv1d",
        "kernels",
        "tilelang",
        "sentencepiece",
        "tokenizers",
        "tiktoken",
        "datasets",
        "huggingface_hub",
        "brotli",
        "brotlicffi",
        "zstandard",
        "zstd",
        "pyzstd",
        "compression",  # of the standard library since Python 3.14
        "lz4",
        "constriction",
        "joblib",
        "msgpack",
        "tqdm",
        "wandb",
        "tensorboard",
        "tensorboardX",
        "matplotlib",
        "seaborn",
        "rich",
        "yaml",
        "dotenv",
        "requests",
        "psutil",
        "pynvml",
        "py3nvml",
        "GPUtil",
        "setproctitle",
        "typing_extensions",
        "packaging",
        "setuptools",
        "python_minifier",
        "pkg_resources",
        "google",
    }
)
_NATIVE = (
    "ctypes",
    "_ctypes",
    "cffi",
    "torch.utils.cpp_extension",
    "torch.ops.load_library",
    "cppyy",
    "pybind11",
)
_BUILTINS = frozenset(dir(builtins)) | {"WindowsError", "reveal_type"}
CALLED = "()"  # stands in a dotted name for the result of a call


def is_foreign(path: str) -> bool:
    """Whether this dotted name belongs to a module nobody can read: not in the folder, and not known."""
    root, _, rest = path.partition(".")
    if root == "builtins":
        return rest.split(".")[0].removesuffix(CALLED) not in _BUILTINS
    root = root.removesuffix(CALLED)
    return root not in _COMPUTING and root not in sys.stdlib_module_names and root != "__future__"


def is_native(path: str) -> bool:
    """Whether calls below this name run machine code of the submission."""
    return any(path == name or path.startswith((f"{name}.", f"{name}{CALLED}")) for name in _NATIVE)
