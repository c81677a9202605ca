"""Packages whose work is on the network: they log nowhere, and refuse to download."""

from __future__ import annotations

from typing import Any

from harness.dynamic.child.facade.compilation import Anything
from harness.dynamic.child.facade.made_modules import is_installed, make_module
from harness.dynamic.child.facade.told import tell


class Run(Anything):
    """A run of wandb that keeps nothing."""


def _download(package: str, name: str) -> Any:
    def refused(*args: Any, **kwargs: Any) -> Any:
        wanted = ", ".join(map(str, (*args, *kwargs.values())))[:200]
        tell("net", package=package, call=name, wanted=wanted)
        raise OSError(f"{package}.{name}({wanted}): the audit has no network")

    return refused


def install_network_packages() -> None:
    """Make them importable, whatever is installed."""
    run = Run()
    make_module(
        "wandb",
        init=lambda *_, **__: run,
        log=lambda *_, **__: None,
        finish=lambda *_, **__: None,
        login=lambda *_, **__: True,
        run=None,
        config=Anything(),
        Settings=lambda *_, **__: Anything(),
    )
    downloads = (
        "hf_hub_download",
        "snapshot_download",
        "upload_file",
        "upload_folder",
        "login",
        "list_repo_files",
    )
    make_module(
        "huggingface_hub",
        **{name: _download("huggingface_hub", name) for name in downloads},
        HfApi=_download("huggingface_hub", "HfApi"),
    )
    make_module("huggingface_hub.utils", disable_progress_bars=lambda *_, **__: None)
    make_module("datasets", load_dataset=_download("datasets", "load_dataset"))
    make_module("python_minifier", minify=lambda source, *_, **__: source)
    if not is_installed("tqdm"):
        make_module("tqdm", tqdm=_plain_loop, trange=lambda *args, **_: range(*args))
        make_module("tqdm.auto", tqdm=_plain_loop, trange=lambda *args, **_: range(*args))


def _plain_loop(items: Any = (), *_: Any, **__: Any) -> Any:
    return items
