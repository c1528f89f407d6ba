"""The one module that imports OpenCV.

opencv-python sets QT_QPA_PLATFORM_PLUGIN_PATH and QT_QPA_FONTDIR when it is imported, and a QApplication built after
that aborts under xcb. Everything in rtviz that needs OpenCV imports it from here: `from rtviz.cv import cv2`.
"""

from __future__ import annotations

import os
from typing import Any

from rtviz.errors import MissingDependency

_QT_VARIABLES = ("QT_QPA_PLATFORM_PLUGIN_PATH", "QT_QPA_FONTDIR")
_before = {name: os.environ.get(name) for name in _QT_VARIABLES}

try:
    import cv2 as _cv2
except ImportError as error:  # the package, or a system library such as libGL.so.1 or libgthread-2.0.so.0
    raise MissingDependency("opencv-python", f"drawing ({error})") from error
finally:
    for _name, _value in _before.items():
        if _value is None:
            os.environ.pop(_name, None)
        else:
            os.environ[_name] = _value

# Its type stubs give every function the widest array there is, which says nothing and has to be cast away.
cv2: Any = _cv2

__all__ = ["cv2"]
