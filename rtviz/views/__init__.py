"""The views, ways to draw what a model predicts: the table of them, and `draw`, which calls the module of one."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from rtviz import markup
from rtviz.errors import SettingsError, lacks
from rtviz.views import registry
from rtviz.views.base import FOLLOWED, NO_HEAD, Memory, Tile
from rtviz.views.registry import FRAME, MARKS, PROMPTS, REFERENCES, SOME_READ, ViewInfo, fallback, find, names

if TYPE_CHECKING:
    from rtviz.frame import Frame, Maps, NamedMasks, Pixels
    from rtviz.settings import Settings


def draw(frame: Frame, maps: Maps | None, settings: Settings, memory: Memory | None = None) -> Pixels:
    """Draw a frame as the settings say.

    Args:
        frame: the frame that the maps are of.
        maps: what the model predicted; None only for a view that needs nothing.
        settings: view, layout, layer, head, colours.
        memory: of the frame's stream; without one each frame is drawn on its own.

    Returns:
        RGB uint8 of the frame's size; twice its width for the layout "side-by-side".

    Raises:
        SettingsError: the view is unknown, or the maps have no such layer or head, or no heads at all.
    """
    view = find(settings.view)
    if maps is not None and not maps.has_attention and view.needs_heads:
        others = ", ".join(other.name for other in registry.VIEWS if not other.needs_heads)
        raise SettingsError("view", view.name, f"{others} ({lacks(maps.model, view.subject)})")
    if maps is None and view.needs:
        raise ValueError(f"the view {view.name} needs maps")
    if settings.head == "follow":
        settings = resolve_head(frame, maps, settings, memory)
    module = import_module(f"rtviz.views.{view.name}")
    picture: Pixels
    if settings.layout == "side-by-side" and view.own_beside:
        picture = module.beside(frame, maps, settings, memory)
        return picture
    picture = module.draw(frame, maps, settings, memory)
    if settings.layout == "side-by-side":
        from rtviz.drawing.blend import beside

        markup.shift(picture.shape[1])
        picture = beside(frame.pixels, picture)
    return picture


def masks(frame: Frame, maps: Maps | None, settings: Settings, memory: Memory | None = None) -> NamedMasks:
    """The masks that a view draws on a frame.

    Args:
        frame, maps, settings, memory: as for `draw`.

    Raises:
        SettingsError: the view draws none, or the model has no heads.
    """
    view = find(settings.view)
    if not view.masks:
        raise SettingsError("view", view.name, names(masks=True))
    if maps is None:
        raise ValueError(f"the view {view.name} needs maps")
    if not maps.has_attention and view.needs_heads:
        raise SettingsError("model", maps.model, f"a model with attention heads ({lacks(maps.model, view.subject)})")
    settings = resolve_head(frame, maps, settings, memory)
    found: NamedMasks = import_module(f"rtviz.views.{view.name}").masks(frame, maps, settings, memory)
    return found


def tiles(size: tuple[int, int], maps: Maps | None, settings: Settings) -> list[Tile]:
    """The copies of the frame in the picture of a view at a (height, width); empty if the picture is the only one.

    Args:
        maps, settings: as for `draw`.

    Raises:
        SettingsError: the maps have no such layer.
    """
    view = find(settings.view)
    if maps is None or not view.mosaic or not maps.has_attention:
        return []
    found: list[Tile] = import_module(f"rtviz.views.{view.name}").tiles(size, maps, settings)
    return found


def resolve_head(frame: Frame, maps: Maps | None, settings: Settings, memory: Memory | None = None) -> Settings:
    """The settings with the number of the head that stands out in the place of "follow"; "mean" if none does.

    Args:
        frame, maps, settings, memory: as for `draw`.

    Raises:
        SettingsError: the maps have no such layer.
    """
    if settings.head != "follow":
        if memory:
            memory.pop(FOLLOWED, None)  # the next "follow" starts with the head that is best then
        return settings
    if maps is None:
        return settings
    if not maps.has_attention:
        return settings.replace(head="mean")
    from rtviz.views.selection import followed

    head = followed(maps, frame, settings, memory)
    return settings.replace(head="mean" if head is None else head)


def name_head(picture: Pixels, frame: Frame, settings: Settings) -> None:
    """Write on a picture of `draw` which head was followed, or that none stands out: for pictures without a title.

    Args:
        settings: as `resolve_head` returned them.
    """
    if find(settings.view).one_head:
        from rtviz.drawing.labels import say

        texts: tuple[str, ...] = (f"head {settings.head}", f"{settings.head}")
        if settings.head == "mean":
            texts = (f"{NO_HEAD}: mean of heads", "mean of heads", "mean")
        say(picture[:, picture.shape[1] - frame.size[1] :], *texts)


__all__ = [
    "FRAME",
    "MARKS",
    "NO_HEAD",
    "PROMPTS",
    "REFERENCES",
    "SOME_READ",
    "Memory",
    "Tile",
    "ViewInfo",
    "draw",
    "fallback",
    "find",
    "masks",
    "name_head",
    "names",
    "resolve_head",
    "tiles",
]
