"""The one module that imports timm, which must neither fail nor load torch's compiler.

timm imports torchvision, for transforms that rtviz never uses, and a torchvision that was built for another torch fails
on import ("operator torchvision::nms does not exist"). rtviz declares the operators that torchvision wants to describe,
without an implementation, and the import goes on.
"""

from __future__ import annotations

import importlib
import importlib.util
import re
import sys
import warnings
from pathlib import Path
from types import ModuleType

import torch

_declared: list[torch.library.Library] = []  # a Library that is garbage-collected takes its operators along


def _import_timm() -> ModuleType:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of timm against torch: between those two
        try:
            return _import_without_compiler()
        except RuntimeError as error:
            if not re.search(r"operator torchvision::\w+ does not exist", str(error)):
                raise
        _declare_operators_of_torchvision()
        for name in [name for name in sys.modules if name.split(".")[0] in ("torchvision", "timm")]:
            del sys.modules[name]
        return _import_without_compiler()


def _import_without_compiler() -> ModuleType:
    """Import timm, and leave out torch's compiler, which takes a quarter of the time until the first overlay.

    It is wanted for two things only: torchvision asks it about devices in an operator that rtviz has no use for, and a
    NaFlex model marks a function that is not to be compiled. The answer comes when it is asked for; the mark is left
    out, so whoever compiles a NaFlex model loads its compiler (torch._dynamo) before rtviz.
    """
    names = ("torch._dynamo", "torch._dynamo.utils")
    if names[0] in sys.modules:
        return importlib.import_module("timm")
    standing_in = {name: ModuleType(name) for name in names}
    vars(standing_in[names[0]])["disable"] = lambda function, *_, **__: function
    vars(standing_in[names[1]])["is_compile_supported"] = lambda device: importlib.import_module(
        names[1]
    ).is_compile_supported(device)
    sys.modules.update(standing_in)
    try:
        return importlib.import_module("timm")
    except (ImportError, AttributeError):  # another timm wants more of it: below
        pass
    finally:
        for name in names:
            del sys.modules[name]
    return importlib.import_module("timm")


def _declare_operators_of_torchvision() -> None:
    """Declare what torchvision describes and has not: all at once, because what it has described once it may not
    describe again (torch 2.11)."""
    spec = importlib.util.find_spec("torchvision")
    assert spec is not None
    assert spec.origin is not None
    text = Path(spec.origin).with_name("_meta_registrations.py").read_text(encoding="utf-8")
    for name in re.findall(r"""register_fake\(["']torchvision::(\w+)["']\)""", text):
        if not hasattr(torch.ops.torchvision, name):
            library = torch.library.Library("torchvision", "FRAGMENT")
            library.define(f"{name}(Tensor boxes, Tensor scores, float iou_threshold) -> Tensor")
            _declared.append(library)


timm = _import_timm()

__all__ = ["timm"]
