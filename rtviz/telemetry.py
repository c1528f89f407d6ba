"""Keeps libraries from reporting to their makers' servers that they are used.

It takes effect where `rtviz` is imported, which is before any of these libraries is, in this process and in every one
that it starts: the environment is inherited, and the workers of Ray and of multiprocessing import rtviz too.
"""

from __future__ import annotations

import os
import sys
from typing import Any, cast

# What each library reads. Who has set one of them has decided for themselves.
_VARIABLES = {
    "DO_NOT_TRACK": "1",  # a convention that several follow
    "HF_HUB_DISABLE_TELEMETRY": "1",  # huggingface_hub; a download then says no more of this machine than it must
    "RAY_USAGE_STATS_ENABLED": "0",  # Ray
}
# Packages that do nothing else. OpenVINO sends an event when it is imported, and has no switch but a file in the home
# folder; where this package is absent, it goes on without.
_PACKAGES = ("openvino_telemetry",)


def switch_off() -> None:
    """Set what the libraries look for, and let the packages that only report seem not to be installed.

    A package that is loaded already stays: whoever loaded it did so before rtviz.
    """
    for name, value in _VARIABLES.items():
        os.environ.setdefault(name, value)
    for package in _PACKAGES:
        # Python's own way to say that a module cannot be imported: `import` then raises ModuleNotFoundError.
        sys.modules.setdefault(package, cast(Any, None))
