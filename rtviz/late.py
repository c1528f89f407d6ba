"""NumPy for the modules of which the window is made, imported when it is first used.

NumPy takes a tenth of a second of processor time to import; the window stands before that. Type checkers see NumPy:

    if TYPE_CHECKING:
        import numpy as np
    else:
        from rtviz.late import np
"""

from __future__ import annotations

from importlib import import_module
from typing import Any


class _Late:
    """A module that is imported when something of it is asked for.

    Args:
        name: of the module.
    """

    def __init__(self, name: str) -> None:
        self.__name__ = name

    def __getattr__(self, name: str) -> Any:
        value = getattr(import_module(self.__name__), name)
        setattr(self, name, value)  # the next time it is found without this function
        return value


np = _Late("numpy")

__all__ = ["np"]
