"""The one door to timm.

timm imports torchvision, for transforms that rtviz never uses, and a torchvision that was built for another torch fails
on import ("operator torchvision::nms does not exist"). That must not keep anybody from looking at attention, so the
operators that torchvision wants to describe are declared here, without an implementation, and the import goes on.
"""

from __future__ import annotations

import importlib
import re
import sys
from types import ModuleType

import torch

_MISSING_OPERATOR = re.compile(r"operator torchvision::(\w+) does not exist")
_declared: list[torch.library.Library] = []  # a Library that is garbage-collected takes its operators along


def _import_timm() -> ModuleType:
    while True:
        try:
            return importlib.import_module("timm")
        except RuntimeError as error:
            missing = _MISSING_OPERATOR.search(str(error))
            if missing is None or len(_declared) > 50:
                raise
            library = torch.library.Library("torchvision", "FRAGMENT")
            library.define(f"{missing[1]}(Tensor boxes, Tensor scores, float iou_threshold) -> Tensor")
            _declared.append(library)
            for name in [name for name in sys.modules if name.split(".")[0] in ("torchvision", "timm")]:
                del sys.modules[name]


timm = _import_timm()

__all__ = ["timm"]
