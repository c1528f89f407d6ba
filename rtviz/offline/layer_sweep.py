"""The layer sweep: one frozen frame through all layers, from the first to the last."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from rtviz import views
from rtviz.cv import cv2
from rtviz.drawing import labels
from rtviz.engine.drawing import draw
from rtviz.errors import OutputUnwritable, SettingsError, lacks_heads
from rtviz.frame import Frame, Maps, Pixels
from rtviz.settings import OutputSettings, Settings
from rtviz.sinks import open_sink

# How long a layer is shown: longer towards both ends of the sweep, and the last one longest.
_LAYER_SECONDS, _SLOWER, _LAST_SECONDS = 0.35, 0.6, 1.4
# How a layer becomes the next one in a file: so many pictures between, so far apart.
_BETWEEN, _STEP_SECONDS = 3, 0.04
# A GIF grows with its pixels: wider ones are made smaller, unless a size was given.
_GIF_WIDTH = 640

LayerPrediction = Callable[[Settings], Maps]


def arrivals(layers: int) -> tuple[float, ...]:
    """When each layer is reached, in seconds from the start, and then when the sweep ends."""
    times = [0.0]
    for layer in range(layers - 1):
        place = 2 * (layer + 0.5) / (layers - 1) - 1  # -1 at the first layer, 1 at the last
        times.append(times[-1] + _LAYER_SECONDS * (1 + _SLOWER * place * place))
    return (*times, times[-1] + _LAST_SECONDS)


def possible(heads: int, anew: bool = False) -> tuple[str, ...]:
    """The views that tell the layers of a model apart, or the stages of one without heads.

    Args:
        heads: of the model.
        anew: with another forward pass for each of them, which rollout and PCA need.
    """
    by_layer = [views.find(name) for name in views.names(by_layer=True)]
    if not heads:
        return tuple(view.name for view in by_layer if not view.needs_heads)
    # Of a transformer, there is a class activation map of the last layer only.
    return tuple(view.name for view in by_layer if "cam" not in view.needs and (anew or not view.anew_by_layer))


def check_view(view: str, model: str, heads: int) -> None:
    """Refuse a view that does not tell the layers of a model apart.

    Args:
        model: its name.
        heads: of the model.

    Raises:
        SettingsError: the view is the same for every layer, or shows what the model does not have.
    """
    allowed = possible(heads, anew=True)
    if view not in allowed:
        why = f"{model} shows by the view cam what its last layer ends with" if heads else lacks_heads(model)
        raise SettingsError("view", view, f"{', '.join(allowed)} ({why})")


def sweep_settings(settings: Settings, heads: int, anew: bool = False) -> Settings:
    """The settings with a view that tells layers apart; where theirs does not, it is heatmap, or cam without heads.

    Args:
        heads, anew: as for `possible`.
    """
    if settings.view not in possible(heads, anew):
        settings = settings.replace(view=views.fallback(bool(heads)))
    if not heads and settings.cam == "grad":  # which has the map of one stage
        settings = settings.replace(cam="auto")
    return settings


def sweep(
    frame: Frame, maps: Maps, settings: Settings, predict: LayerPrediction | None = None
) -> Iterator[tuple[Pixels, Frame]]:
    """The pictures of the sweep, with the times at which they are shown. Each layer dissolves into the next, except for
    the tiles of the view heads, whose labels would show through each other.

    Args:
        maps: of the frame; they have every layer's attention.
        predict: gives the maps for other settings; called for each layer where the maps depend on it (rollout, PCA).

    Yields:
        RGB uint8 pictures as `rtviz.engine.drawing.draw` returns them, each with the number of its layer written on it,
        and a frame with their index, time and duration.
    """
    settings = sweep_settings(settings, maps.heads, anew=predict is not None)
    times = arrivals(maps.layers)
    before: Pixels | None = None
    view = views.find(settings.view)
    between = 0 if view.mosaic else _BETWEEN
    index = 0
    for layer in range(maps.layers):
        here = views.resolve_head(frame, maps, settings.replace(layer=layer))
        if view.anew_by_layer and predict is not None:
            maps = predict(here)
        picture = draw(frame, maps, here).overlay
        start = times[layer]
        if before is not None:
            for step in range(1, between + 1):
                share = step / (between + 1)
                mixed: Pixels = cv2.addWeighted(picture, share, before, 1 - share, 0)
                yield _numbered(mixed, frame, maps, here), Frame(frame.pixels, index, start, _STEP_SECONDS)
                index, start = index + 1, start + _STEP_SECONDS
        yield _numbered(picture, frame, maps, here), Frame(frame.pixels, index, start, times[layer + 1] - start)
        index, before = index + 1, picture


def _numbered(picture: Pixels, frame: Frame, maps: Maps, settings: Settings) -> Pixels:
    """A picture with its layer's number on it; a mosaic has it on every tile."""
    view = views.find(settings.view)
    if view.mosaic:
        return picture
    picture = picture.copy()
    word = view.layer_word if maps.has_attention else "stage"
    one = isinstance(settings.head, int) and "head" in view.reads and maps.has_attention
    head = f" · head {settings.head}" if one else ""
    here = picture[:, picture.shape[1] - frame.size[1] :]
    labels.say(here, f"{word} {settings.layer}{head}", f"{word} {settings.layer}", str(settings.layer))
    return picture


def save(
    path: Path,
    frame: Frame,
    maps: Maps,
    settings: Settings,
    output: OutputSettings | None = None,
    predict: LayerPrediction | None = None,
) -> None:
    """Write the sweep to a GIF or a video. A GIF is at most 640 pixels wide, unless `output` says its size.

    Args:
        frame, maps, settings, predict: as for `sweep`.

    Raises:
        SinkError: it cannot be written there, or exists.
    """
    output = output or OutputSettings()
    if path.suffix.lower() in ("", ".png", ".jpg", ".jpeg"):
        raise OutputUnwritable(f"cannot write {path}: the layers make a moving picture, a .gif, .mp4, .mkv or .webm")
    sink, written = None, 0
    try:
        for picture, moment in sweep(frame, maps, settings, predict):
            if sink is None:
                height, width = picture.shape[:2]
                if path.suffix.lower() == ".gif" and output.size is None and width > _GIF_WIDTH:
                    output = output.replace(size=(max(2, round(height * _GIF_WIDTH / width)), _GIF_WIDTH))
                sink = open_sink(path, size=(height, width), fps=1 / _STEP_SECONDS, output=output)
            # Some players leave out a last picture that lasts long: a video has them at an even pace.
            seconds = moment.duration_seconds or _STEP_SECONDS
            count = max(1, round(seconds / _STEP_SECONDS))
            steps = range(count) if path.suffix.lower() != ".gif" else sorted({0, count - 1})
            for step in steps:
                pts_seconds = moment.pts_seconds + seconds * step / count
                sink.write(picture, Frame(frame.pixels, written, pts_seconds, seconds / count))
                written += 1
        assert sink is not None
        sink.close()
    except BaseException:
        if sink is not None:
            sink.abort()
        raise


__all__ = ["arrivals", "check_view", "possible", "save", "sweep", "sweep_settings"]
