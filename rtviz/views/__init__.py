"""The views: ways to draw what a model saw. One file a view, one row here."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

from rtviz.errors import SettingsError, lacks

if TYPE_CHECKING:
    from rtviz.compose import Box
    from rtviz.frame import Frame, Maps, Pixels
    from rtviz.settings import Settings


@dataclass(frozen=True, slots=True)
class ViewInfo:
    """What the command line and the window know of a view without importing it.

    Attributes:
        name: what it is called in settings; its file in this folder has the same name.
        label: what a menu calls it.
        help: one sentence.
        key: the key that shows it directly; a capital letter is typed with Shift.
        needs: what Maps must hold: "attention", "tokens", "keys", "features" (keys, values or tokens, whatever objects
            are found by in the model's family), "labels" (of marked objects, once there are any), "cam", "rollout",
            "intact"; nothing if it needs no model.
        headless: whether it has something to show of a model without heads too, in place of attention.
        follows_pointer: whether, live, it asks about the patch under the pointer as long as none was clicked.
        by_layer: whether it shows one layer, and so another picture of each.
        reads: which of SOME_READ it is drawn by.
    """

    name: str
    label: str
    help: str
    key: str
    needs: frozenset[str]
    headless: bool = False
    follows_pointer: bool = False
    by_layer: bool = False
    reads: frozenset[str] = frozenset()

    @property
    def needs_heads(self) -> bool:
        return "attention" in self.needs and not self.headless

    @property
    def subject(self) -> str:
        """What it shows something of, and a convolutional network does not have."""
        return "patch tokens" if self.needs & {"tokens", "keys", "features", "labels"} else "attention heads"


_ATTENTION = frozenset({"attention"})
_TOKENS = frozenset({"attention", "tokens"})
_KEYS = frozenset({"attention", "keys"})
_FEATURES = frozenset({"attention", "features"})
_LABELS = frozenset({"attention", "labels"})
_CAM = frozenset({"cam"})
_ROLLOUT = frozenset({"attention", "rollout"})
_INTACT = frozenset({"attention", "intact"})

# Settings that only some views are drawn by; the others, such as colours and layout, mean something to nearly all.
SOME_READ = frozenset(
    {"query", "head", "threshold", "cam", "target", "objects", "features", "rollout", "discard", "track"}
)
_HEAD = frozenset({"query", "head"})

# A view is a file here with `draw(frame, maps, settings, memory) -> Pixels`, of the frame's own size, and a row:
_VIEWS = (
    ViewInfo("heatmap", "Heatmap", "attention as light on the dimmed frame", "e", _ATTENTION,
             by_layer=True, reads=_HEAD),
    ViewInfo("mask", "Mask", "the patches that hold the top share of the attention, outlined", "k", _ATTENTION, True,
             by_layer=True, reads=_HEAD | {"threshold"}),
    ViewInfo("heads", "Heads", "all heads of the layer beside each other", "d", _ATTENTION,
             by_layer=True, reads=_HEAD),
    ViewInfo("grid", "Grid", "all layers and heads at once", "g", _ATTENTION, reads=_HEAD | {"threshold"}),
    ViewInfo("rollout", "Rollout", "what each patch counts for the query through all layers", "w", _ROLLOUT,
             by_layer=True, reads=frozenset({"query", "rollout", "discard"})),
    ViewInfo("difference", "Difference", "what muting heads changes: more attention, less attention", "D", _INTACT,
             reads=_HEAD),
    ViewInfo("pca", "PCA", "what the patches are like, as colours: the figure's principal components", "p", _TOKENS),
    ViewInfo("similarity", "Similarity", "how like each patch is to the one under the query or the pointer", "i", _KEYS,
             follows_pointer=True, reads=frozenset({"query", "features"})),
    ViewInfo("objects", "Objects", "the object by its patches' features alone, with its box: TokenCut or LOST", "o",
             _FEATURES, reads=frozenset({"objects", "features"})),
    ViewInfo("track", "Track", "marked objects, followed by their patches' features", "t", _LABELS,
             reads=frozenset({"track"})),
    ViewInfo("cam", "CAM", "what a stage of the network responds to; for convolutional networks too", "j", _CAM,
             by_layer=True, reads=frozenset({"cam", "target"})),
    ViewInfo("none", "Frame", "the frame as it is", "n", frozenset()),
)  # fmt: skip


class Tile(NamedTuple):
    """A copy of the frame in a mosaic.

    Attributes:
        box: where it lies.
        layer, head: of what; None where it shows no single one.
    """

    box: Box
    layer: int | None
    head: int | str | None


FOLLOWED = "followed head"  # under which a Memory holds it


class Memory(dict[Hashable, Any]):
    """What views remember between the frames of one stream, such as the running range of the colours.

    A view keeps what it likes under a key that begins with its own name.
    """

    def reset(self) -> None:
        """Forget everything, as when another stream begins."""
        self.clear()


def names(by_layer: bool = False) -> tuple[str, ...]:
    """The names of all views, or of those that show one layer, in the order in which they are offered."""
    return tuple(view.name for view in _VIEWS if view.by_layer or not by_layer)


def find(name: str) -> ViewInfo:
    """The view of that name.

    Raises:
        SettingsError: there is none.
    """
    for view in _VIEWS:
        if view.name == name:
            return view
    raise SettingsError("view", name, names())


def needs(settings: Settings, discovery_features: str) -> frozenset[str]:
    """What maps must hold for the settings' view, with the features that it compares patches by as they are called.

    Args:
        discovery_features: of the model, as its card has them.
    """
    view = find(settings.view)
    if "features" not in view.reads:
        return view.needs
    return view.needs - {"keys", "features"} | {compared_by(settings, discovery_features)}


def compared_by(settings: Settings, discovery_features: str) -> str:
    """Which of "keys", "values" and "tokens" the settings' view compares patches by.

    Args:
        discovery_features: of the model, as its card and its maps have them.
    """
    if settings.features != "auto":
        return settings.features
    return discovery_features if "features" in find(settings.view).needs else "keys"


def settled(frame: Frame, maps: Maps | None, settings: Settings, memory: Memory | None = None) -> Settings:
    """The settings as they are drawn: where the head that stands out is to be followed, with its number, or with the
    mean over heads if none does.

    Args:
        frame, maps, settings, memory: as for `draw`.

    Raises:
        SettingsError: the maps have no such layer.
    """
    if settings.head != "follow":
        if memory:
            memory.pop(FOLLOWED, None)  # who follows again begins with the best head of then
        return settings
    if maps is None:
        return settings
    if not maps.heads:
        return settings.replace(head="mean")
    from rtviz.views.selection import followed

    head = followed(maps, frame, settings, memory)
    return settings.replace(head="mean" if head is None else head)


def name_head(picture: Pixels, frame: Frame, settings: Settings) -> None:
    """Write on a picture that `draw` gave which head was followed, or that none stands out: for pictures beside which
    nothing else tells it.

    Args:
        settings: as `settled` gave them.
    """
    if settings.view in _ONE_HEAD:
        from rtviz.compose import say

        texts: tuple[str, ...] = (f"head {settings.head}", f"{settings.head}")
        if settings.head == "mean":
            texts = (f"{NO_HEAD}: mean of heads", "mean of heads", "mean")
        say(picture[:, picture.shape[1] - frame.size[1] :], *texts)


NO_HEAD = "no head stands out"


_ONE_HEAD = ("heatmap", "mask", "difference")


def draw(frame: Frame, maps: Maps | None, settings: Settings, memory: Memory | None = None) -> Pixels:
    """Draw a frame as the settings say.

    Args:
        frame: what was looked at.
        maps: what the model saw of it; None only for a view that needs nothing.
        settings: view, layout, layer, head, colours.
        memory: of the stream that the frame belongs to; without one every frame stands for itself.

    Returns:
        RGB uint8 of the frame's size; twice its width for the layout "side-by-side".

    Raises:
        SettingsError: the view is unknown, or the maps have no such layer or head, or no heads at all.
    """
    view = find(settings.view)
    if maps is not None and not maps.heads and view.needs_heads:
        others = ", ".join(other.name for other in _VIEWS if not other.needs_heads)
        raise SettingsError("view", view.name, f"{others} ({lacks(maps.model, view.subject)})")
    if maps is None and view.needs:
        raise ValueError(f"the view {view.name} needs maps")
    if settings.head == "follow":
        settings = settled(frame, maps, settings, memory)
    picture: Pixels = import_module(f"rtviz.views.{view.name}").draw(frame, maps, settings, memory)
    if settings.layout == "side-by-side":
        from rtviz.compose import beside

        picture = beside(frame.pixels, picture)
    return picture


def tiles(size: tuple[int, int], maps: Maps | None, settings: Settings) -> list[Tile]:
    """The copies of the frame in what a view draws at a (height, width); none where there is only one, the whole.

    Args:
        maps, settings: as for `draw`.

    Raises:
        SettingsError: the maps have no such layer.
    """
    if maps is None or not maps.heads or settings.view not in ("heads", "grid"):
        return []
    if settings.view == "heads":
        from rtviz.views import heads
        from rtviz.views.selection import layer_of

        layer = layer_of(maps, settings)
        return [
            Tile(box, None, None) if shown == "frame" else Tile(box, layer, shown)
            for shown, box in heads.arrange(size, maps.heads)
        ]
    from rtviz.views import grid

    plan = grid.arrange(size, maps.layers, maps.heads)
    thumbnails = [
        Tile(box, layer, head) for layer, row in enumerate(plan.tiles) for head, box in enumerate(row)
    ]  # fmt: skip
    return [*(Tile(box, None, None) for box in plan.panels), *thumbnails]
