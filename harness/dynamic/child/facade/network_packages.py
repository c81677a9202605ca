"""Packages whose work is on the network: they log nowhere, and refuse to download."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.dynamic.child.facade.compilation import Anything
from harness.dynamic.child.facade.made_modules import is_installed, make_module
from harness.dynamic.child.facade.told import tell

if TYPE_CHECKING:
    from collections.abc import Callable


class Run(Anything):
    """A run of wandb that keeps nothing."""


def _download(package: str, name: str) -> Any:
    def refused(*args: Any, **kwargs: Any) -> Any:
        wanted = ", ".join(map(str, (*args, *kwargs.values())))[:200]
        tell("net", package=package, call=name, wanted=wanted)
        raise OSError(f"{package}.{name}({wanted}): the audit has no network")

    return refused


def _refusing(package: str) -> Callable[[str], Any]:
    """What every name of `package` is: importable, and refused when called."""

    def named(name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _download(package, name)

    return named


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
    for package in ("huggingface_hub", "datasets"):
        make_module(package, __getattr__=_refusing(package))
    make_module("huggingface_hub.utils", disable_progress_bars=lambda *_, **__: None)
    make_module("python_minifier", minify=lambda source, *_, **__: source)
    if not is_installed("tqdm"):
        make_module("tqdm", tqdm=_plain_loop, trange=lambda *args, **_: range(*args))
        make_module("tqdm.auto", tqdm=_plain_loop, trange=lambda *args, **_: range(*args))


def _plain_loop(items: Any = (), *_: Any, **__: Any) -> Any:
    return items
