"""rtviz: a live microscope for vision transformers.

    model = rtviz.load("dino-vits16")
    maps = model(frame)                                     # frame: RGB uint8 [height, width, 3]
    maps.attention                                          # float32 [layers, heads, rows, columns]
    picture = rtviz.render_frame(frame, maps, rtviz.Settings(head=3))

Nothing heavy is imported until it is used, so that `rtviz --help` answers at once. Nothing is sent anywhere unasked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rtviz import telemetry
from rtviz._version import __version__
from rtviz.errors import RtvizError

if TYPE_CHECKING:
    from rtviz.analysis.discovery import Discovery, find_object
    from rtviz.analysis.matching import Match, find_matches
    from rtviz.analysis.prompting import PromptedClasses
    from rtviz.engine.engine import Engine, render_frame
    from rtviz.frame import Frame, Maps, Result
    from rtviz.models import Model, load
    from rtviz.settings import Settings
    from rtviz.sources import open_source

__all__ = [
    "Discovery",
    "Engine",
    "Frame",
    "Maps",
    "Match",
    "Model",
    "PromptedClasses",
    "Result",
    "RtvizError",
    "Settings",
    "__version__",
    "find_matches",
    "find_object",
    "load",
    "open_source",
    "render_frame",
]

telemetry.switch_off()

_HOMES = {
    "Discovery": "rtviz.analysis.discovery",
    "find_object": "rtviz.analysis.discovery",
    "Match": "rtviz.analysis.matching",
    "find_matches": "rtviz.analysis.matching",
    "PromptedClasses": "rtviz.analysis.prompting",
    "Engine": "rtviz.engine.engine",
    "render_frame": "rtviz.engine.engine",
    "Frame": "rtviz.frame",
    "Maps": "rtviz.frame",
    "Result": "rtviz.frame",
    "Model": "rtviz.models",
    "load": "rtviz.models",
    "Settings": "rtviz.settings",
    "open_source": "rtviz.sources",
}


def __dir__() -> list[str]:
    return sorted(__all__)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'rtviz' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOMES[name]), name)
