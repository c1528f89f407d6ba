"""The table of the views: what the rest of the program knows of a view without importing it.

To add a view, write a module here with the row's name and

    def draw(frame: Frame, maps: Maps, settings: Settings, memory: Memory | None) -> Pixels

which returns a picture of the frame's size, and add a row to VIEWS. A mosaic also has

    def tiles(size: tuple[int, int], maps: Maps, settings: Settings) -> list[Tile]

one whose masks can be written

    def masks(frame: Frame, maps: Maps, settings: Settings, memory: Memory | None) -> NamedMasks

and a view that puts something else than the frame beside its picture, for both together

    def beside(frame: Frame, maps: Maps, settings: Settings, memory: Memory | None) -> Pixels
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from rtviz.errors import SettingsError

_BY_HEAD = ("layer {layer} · {heads}", "L{layer} · {heads}", "L{layer} {heads_short}", "L{layer}")


@dataclass(frozen=True, slots=True)
class ViewInfo:
    """A row of the table.

    Attributes:
        name: the value of the setting `view`, and the name of the module in this folder.
        label: the name in menus.
        help: one sentence.
        key: the key that shows the view; a capital letter is typed with Shift.
        needs: what Maps must hold: "attention", "layer_tokens" (patch tokens after the layer of the settings), "keys",
            "features" (keys, values or tokens, whichever finds objects in the model's family), "labels" (of marked
            objects, once there are any), "references" (of the pictures that the settings name), "prompts" (of those
            that their prompts name), "cam", "rollout", "unablated", "norms", "columns".
            A view without needs runs without a model.
        headless: whether it can also show a model that has no attention heads.
        follows_pointer: whether, in the app, it queries the patch under the pointer until one is clicked.
        by_layer: whether each layer gives another picture.
        reads: which of SOME_READ change its picture.
        mosaic: whether it draws several copies of the frame, each under its own label; its module then has `tiles`.
        own_beside: whether, in the layout side-by-side, something else than the frame stands beside its picture; its
            module then has `beside`.
        masks: whether what it draws are masks that can be written; its module then has `masks`.
        own_figure: whether a figure can show it by itself, beside the input, with what its values are.
        best_heads: whether, while a Jaccard index is shown, it shows the heads that are measured.
        hover: what pointing at a patch shows: its share of the "attention", its outline alone ("patch"), or None.
        titles: what the picture shows, in words for its title, from the longest to the shortest. `{layer}`, `{heads}`,
            `{heads_short}`, `{cam}`, `{objects}`, `{stage}` (layer or stage) and `{S}` (L or S) are filled in.
        layer_word: what stands before a layer's number when the layers are shown one after the other.
        meaning: what a newcomer sees there, in a sentence of plain words.
        paper: where the idea comes from; empty where it is nobody's.
        transient: whether it shows what a user sets anew in each session (marks, muted heads), so that the app does not
            start with it.
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
    mosaic: bool = False
    own_beside: bool = False
    masks: bool = False
    own_figure: bool = False
    best_heads: bool = False
    hover: Literal["attention", "patch"] | None = "patch"
    titles: tuple[str, ...] = _BY_HEAD
    layer_word: str = "layer"
    meaning: str = ""
    paper: str = ""
    transient: bool = False

    @property
    def needs_heads(self) -> bool:
        return "attention" in self.needs and not self.headless

    @property
    def anew_by_layer(self) -> bool:
        """Whether each layer needs a forward pass of its own."""
        return not self.needs.isdisjoint({"rollout", "layer_tokens"})

    @property
    def one_head(self) -> bool:
        """Whether the whole picture shows one head, or one combination of heads."""
        return "head" in self.reads and not self.mosaic

    @property
    def word(self) -> str:
        """The label as it stands in a sentence; an abbreviation keeps its capitals."""
        return self.label if self.label.isupper() else self.label.lower()

    @property
    def subject(self) -> str:
        """What it shows, and a convolutional network does not have."""
        return (
            "patch tokens"
            if self.needs & {"tokens", "layer_tokens", "keys", "features", "labels"}
            else "attention heads"
        )


_ATTENTION = frozenset({"attention"})
_LAYER_TOKENS = frozenset({"attention", "layer_tokens"})
_KEYS = frozenset({"attention", "keys"})
_FEATURES = frozenset({"attention", "features"})
_LABELS = frozenset({"attention", "labels"})
_REFERENCES = frozenset({"attention", "tokens", "references"})
_PROMPTS = frozenset({"attention", "tokens", "prompts"})
_CAM = frozenset({"cam"})
_ROLLOUT = frozenset({"attention", "rollout"})
_UNABLATED = frozenset({"attention", "unablated"})
_COLUMNS = frozenset({"attention", "columns"})
_NORMS = frozenset({"attention", "norms"})

# The settings that only some views read; nearly all views read the others, such as colours and layout.
SOME_READ = frozenset(
    {"query", "head", "threshold", "cam", "target", "objects", "features", "rollout", "discard", "track", "reference",
     "matches", "mutual", "prompt", "confidence", "pca_component", "pca_figure",
     "pca_basis", "second", "direction"}
)  # fmt: skip
_HEAD = frozenset({"query", "head"})

VIEWS = (
    ViewInfo("heatmap", "Heatmap", "attention as light on the dimmed frame", "e", _ATTENTION,
             by_layer=True, reads=_HEAD, hover="attention",
             meaning="Where the network looks: the brighter a patch, the more attention the query pays to it.",
             paper="Caron et al., 2021"),
    ViewInfo("mask", "Mask", "the patches that hold the top share of the attention, outlined", "k", _ATTENTION, True,
             by_layer=True, reads=_HEAD | {"threshold"}, masks=True, best_heads=True, hover="attention",
             meaning="The patches that together hold most of the attention: often the object, though nobody named it.",
             paper="Caron et al., 2021"),
    ViewInfo("heads", "Heads", "all heads of the layer beside each other", "d", _ATTENTION,
             by_layer=True, reads=_HEAD, mosaic=True, hover="attention",
             titles=("layer {layer} · all heads", "L{layer} · all heads", "L{layer} all", "L{layer}"),
             meaning="Every head of a layer looks at something else: parts, the whole object, or the background.",
             paper="Caron et al., 2021"),
    ViewInfo("grid", "Grid", "all layers and heads at once", "g", _ATTENTION, reads=_HEAD | {"threshold"},
             mosaic=True, hover="attention", titles=("all layers and heads", "all layers"),
             meaning="From the first layer to the last: early heads look at places and edges, late ones at objects.",
             paper="Caron et al., 2021"),
    ViewInfo("rollout", "Rollout", "what each patch counts for the query through all layers", "w", _ROLLOUT,
             by_layer=True, reads=frozenset({"query", "rollout", "discard"}), layer_word="up to layer",
             titles=("rollout to layer {layer}", "rollout to L{layer}", "L{layer}"),
             meaning="Attention followed back through all layers: which patches the answer is made of.",
             paper="Abnar and Zuidema, 2020"),
    ViewInfo("difference", "Difference", "what muting heads changes: more attention, less attention", "D", _UNABLATED,
             reads=_HEAD, transient=True,
             meaning="What changes when heads are switched off: orange gains attention, blue loses it.",
             paper="Michel et al., 2019"),
    ViewInfo("directions", "Directions", "whom the query attends to, and who attends to it", "A", _COLUMNS,
             by_layer=True, reads=_HEAD | {"second", "direction"}, mosaic=True, own_figure=True,
             titles=("layer {layer} · {heads} · directions", "L{layer} · directions", "L{layer}"),
             meaning="Whom a patch looks at, and who looks at it: these need not be the same.",
             paper="Vaswani et al., 2017"),
    ViewInfo("norms", "Norms", "the norm of each token after the layer, outliers marked", "N", _NORMS, by_layer=True,
             own_figure=True,
             titles=("token norms after layer {layer}", "norms after L{layer}", "L{layer}"), layer_word="after layer",
             meaning="How long each patch's vector is: large networks hide notes of their own in a few very long ones.",
             paper="Darcet et al., 2024"),
    ViewInfo("pca", "PCA", "what the patches are like, as colours: the figure's principal components", "p",
             _LAYER_TOKENS, by_layer=True, reads=frozenset({"pca_component", "pca_figure", "pca_basis"}),
             titles=("PCA after layer {layer}", "PCA after L{layer}", "PCA L{layer}"), layer_word="after layer",
             own_figure=True,
             meaning="Patches that the network finds alike have the same colour: parts of a body, or an object.",
             paper="Oquab et al., 2023"),
    ViewInfo("similarity", "Similarity", "how like each patch is to the one under the query or the pointer", "i", _KEYS,
             follows_pointer=True, reads=frozenset({"query", "features"}), titles=("Similarity",),
             meaning="Point at a patch: what lights up looks alike to the network, even in another object.",
             paper="Amir et al., 2021"),
    ViewInfo("objects", "Objects", "the object by its patches' features alone, with its box: TokenCut or LOST", "o",
             _FEATURES, reads=frozenset({"objects", "features"}), titles=("{objects}",), masks=True,
             meaning="The network was never taught what an object is; its patches alone give one away.",
             paper="Siméoni et al., 2021; Wang et al., 2022"),
    ViewInfo("track", "Track", "marked objects, followed by their patches' features", "t", _LABELS,
             reads=frozenset({"track"}), titles=("Track",), masks=True, transient=True,
             meaning="A marked object, found again in each frame by its patches alone.", paper="Jabri et al., 2020"),
    ViewInfo("reference", "Reference", "where a marked place of another picture shows, with the best matches", "P",
             _REFERENCES, reads=frozenset({"reference", "matches", "mutual", "features"}), titles=("Reference",),
             own_beside=True, own_figure=True, transient=True,
             meaning="A place of another picture, found again here: the same part of another thing counts, too.",
             paper="Amir et al., 2021"),
    ViewInfo("prompts", "Prompts", "the patches of named classes, by examples of what they are and are not", "K",
             _PROMPTS, reads=frozenset({"prompt", "confidence", "features"}), titles=("Prompts",), masks=True,
             own_beside=True, own_figure=True, transient=True,
             meaning="What is like the examples with a plus, and less like those with a minus, in the class's colour.",
             paper="Caron et al., 2021"),
    ViewInfo("cam", "CAM", "what a stage of the network responds to; for convolutional networks too", "j", _CAM,
             by_layer=True, reads=frozenset({"cam", "target"}), hover=None,
             titles=("{stage} {layer} · {cam}", "{S}{layer} {cam}", "{S}{layer}"),
             meaning="Which places excite the network most, also one without attention.",
             paper="Zhou et al., 2016; Muhammad and Yeasin, 2020"),
    ViewInfo("none", "Frame", "the frame as it is", "n", frozenset(), titles=("",)),
)  # fmt: skip

# Views that other modules select, by what they show.
FRAME = "none"
MARKS = "track"
PROMPTS = "prompts"
REFERENCES = "reference"


def names(by_layer: bool = False, masks: bool = False, own_figure: bool = False) -> tuple[str, ...]:
    """The names of all views, or of those of which each layer gives another picture, whose masks can be written, or
    that have a figure of their own, in the order of the menus."""
    return tuple(
        view.name
        for view in VIEWS
        if (view.by_layer or not by_layer) and (view.masks or not masks) and (view.own_figure or not own_figure)
    )


def find(name: str) -> ViewInfo:
    """The row of a view.

    Raises:
        SettingsError: there is no such view.
    """
    for view in VIEWS:
        if view.name == name:
            return view
    raise SettingsError("view", name, names())


def fallback(has_attention: bool) -> str:
    """The view that a model with attention heads, or one without, can always show."""
    return "heatmap" if has_attention else "cam"
