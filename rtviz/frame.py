"""What travels through rtviz: Frame, Maps and Result.

A source yields Frame, a model turns it into Maps, a view draws Maps on the frame, and the Result goes to the canvas or
to a sink. Nothing is changed after it was handed on: the arrays are made read-only here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from rtviz.errors import SettingsError
from rtviz.settings import Point, token_name

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from rtviz.markup import Annotation
    from rtviz.settings import HeadOf, Mark, Prompt, Query, Reference, Rolled, Settings, Target

    Pixels = NDArray[np.uint8]  # [height, width, 3], RGB
    Floats = NDArray[np.float32]
    Masks = NDArray[np.bool_]  # [objects, height, width]
else:
    from rtviz.late import np

    def __getattr__(name: str) -> Any:
        """The arrays' types, made when they are asked for: NumPy is not loaded before."""
        numbers = {"Pixels": "uint8", "Floats": "float32", "Masks": "bool_"}.get(name)
        if numbers is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return import_module("numpy.typing").NDArray[getattr(np, numbers)]


class _Shown:
    """Something that a notebook shows as a picture."""

    __slots__ = ()

    def _repr_png_(self) -> bytes:
        # Called by name: rtviz.notebook draws, and so stands above this module, which it imports.
        png: bytes = import_module("rtviz.notebook").png(self)
        return png


@dataclass(frozen=True, slots=True, eq=False)
class Frame(_Shown):
    """One picture of a source.

    Attributes:
        pixels: RGB uint8 [height, width, 3], C-contiguous, read-only.
        index: position in the source, counted from 0 over every frame that the source had, skipped ones included.
        pts_seconds: presentation time from the start of the source.
        duration_seconds: how long the frame is shown, where the source knows it.
        masks: of the objects that a Jaccard index is measured by, bool [objects, height, width], at any size; the
            built-in scene knows the true ones.
    """

    pixels: Pixels
    index: int = 0
    pts_seconds: float = 0.0
    duration_seconds: float | None = None
    masks: Masks | None = None

    def __post_init__(self) -> None:
        pixels = self.pixels
        if (
            not isinstance(pixels, np.ndarray)
            or pixels.dtype != np.uint8
            or pixels.ndim != 3
            or pixels.shape[2] != 3
            or not pixels.size
        ):
            given = f"{getattr(pixels, 'dtype', type(pixels).__name__)} {getattr(pixels, 'shape', '')}"
            raise ValueError(f"a frame is RGB uint8 [height, width, 3], not {given}")
        # A view of the caller's array, so that freezing it does not freeze the caller's.
        frozen = np.ascontiguousarray(pixels).view()
        frozen.flags.writeable = False
        object.__setattr__(self, "pixels", frozen)

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        height, width = self.pixels.shape[:2]
        return height, width

    def __repr__(self) -> str:
        height, width = self.size
        return f"Frame({height}x{width}, index={self.index}, pts_seconds={self.pts_seconds:.3f})"


class _HasPlace(Protocol):
    """A point on the frame, as fractions of its width and height."""

    @property
    def x(self) -> float: ...

    @property
    def y(self) -> float: ...


class Grid(NamedTuple):
    """A patch grid: its rows and columns."""

    rows: int
    columns: int

    def patch_at(self, point: _HasPlace) -> tuple[int, int]:
        """The (row, column) of the patch under a point; the right and the lower edge belong to the last patches."""
        return (
            min(max(int(point.y * self.rows), 0), self.rows - 1),
            min(max(int(point.x * self.columns), 0), self.columns - 1),
        )


@dataclass(frozen=True, slots=True)
class GradCamTarget:
    """The class that a Grad-CAM explains, and the features that it is computed from.

    Attributes:
        target: what was requested: a class's number, or "top".
        layer: whose features, counted from 0.
        number: of the class; None if the model has no classifier, and there is no map.
        name: what it is called; empty where that is not known.
        share: what the model gives it of its softmax, 0 to 1.
    """

    target: Target
    layer: int
    number: int | None = None
    name: str = ""
    share: float = 0.0


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Maps(_Shown):
    """What one forward pass showed about one frame, for one query.

    A convolutional network has stages in the place of layers, and no heads: `heads` is 0, its attention is empty, and
    the grid is that of its last stage.

    Attributes:
        attention: float32 [layers, heads, rows, columns], the query's softmax row over the patch tokens. A row sums to
            1 together with `prefix`.
        prefix: float32 [layers, heads, prefix tokens], what the same row gives to CLS (first) and the registers.
        query: whose row it is.
        model: name of the model.
        patch_size: side of a patch, in pixels of the model's input.
        input_size: (height, width) of the model's input, in pixels.
        tokens: float32 [rows, columns, width], patch tokens after the last norm; on demand.
        keys: float32 [heads, rows, columns, head width], patch keys of `keys_layer`; on demand.
        keys_layer: the layer of `keys`, counted from 0.
        cams: by method ("activation", "eigen"), float32 [rows, columns] of each stage of a convolutional network, each
            in its own grid, or of the patch tokens that a transformer ends with; on demand. "grad" has the one map
            that `explained` tells of.
        noise: how far rounding in the model's number format may move a value of attention, as a share of that value; 0
            if nothing is known of it.
        explained: which class the map "grad" is of; None if none was requested.
        labels: float32 [1 + objects, rows, columns], how much of each patch is background (first) and each of the
            marked objects that are followed; once a Tracker has seen the maps.
        lost: which of these objects are lost.
        marks: where they were marked.
        rollout: float32 [rows, columns], what each patch counts for the query through the layers; on demand.
        rolled: how that was made.
        muted: heads whose output counted as 0 in this pass, their layers counted from 0.
        unablated: the maps of the same frame with no head muted; on demand.
        rows: the fields that depend on the query, for any other query, from what the pass left in the device's memory;
            on demand.
        values: float32 [heads, rows, columns, head width], patch values of the last layer; on demand.
        attended: float32 [rows, columns], what CLS attends to in the last layer, mean over the heads, whatever is asked
            about; with the tokens of any layer, of a model that has a CLS token.
        discovery_features: which of "keys", "values" and "tokens" objects are found by in this model's family.
        norms: float32 [layers, rows, columns], the Euclidean norm of each patch's token after each layer, before the
            last norm; of all layers on demand, else of all but the last.
        prefix_norms: float32 [layers, prefix tokens], the same of CLS (first) and the registers.
        columns: float32 [layers, heads, rows, columns], what each patch gives to the query: its column of the attention
            matrix, of which each row is a softmax; on demand.
        columns_prefix: float32 [layers, heads, prefix tokens], what CLS (first) and the registers give to it.
        has_cls: whether the first of the prefix tokens, if there are any, is CLS.
        kept_layers: which layers `layer_tokens`, `layer_prefix_tokens` and `layer_keys` are of, counted from 0.
        layer_tokens: float32 [kept layers, rows, columns, width], patch tokens after each of these layers and the
            network's last norm, as DINOv2's `get_intermediate_layers` gives them; on demand.
        layer_prefix_tokens: float32 [kept layers, prefix tokens, width], the same of CLS (first) and the registers.
        layer_keys: float32 [kept layers, heads, rows, columns, head width], patch keys as they enter the softmax; on
            demand.
        references: the marked places of pictures that the view shows in the frame, references or prompts, through the
            same model.
    """

    attention: Floats
    prefix: Floats
    query: Query
    model: str
    patch_size: int
    input_size: tuple[int, int]
    tokens: Floats | None = None
    keys: Floats | None = None
    keys_layer: int | None = None
    cams: Mapping[str, tuple[Floats, ...]] = field(default_factory=lambda: MappingProxyType({}))
    labels: Floats | None = None
    lost: tuple[bool, ...] = ()
    marks: tuple[Mark, ...] = ()
    rollout: Floats | None = None
    rolled: Rolled | None = None
    muted: tuple[HeadOf, ...] = ()
    unablated: Maps | None = None
    rows: Callable[[Query], Mapping[str, Any]] | None = None
    explained: GradCamTarget | None = None
    noise: float = 0.0
    values: Floats | None = None
    attended: Floats | None = None
    discovery_features: str = "keys"
    norms: Floats | None = None
    prefix_norms: Floats | None = None
    columns: Floats | None = None
    columns_prefix: Floats | None = None
    has_cls: bool = True
    kept_layers: tuple[int, ...] = ()
    layer_tokens: Floats | None = None
    layer_prefix_tokens: Floats | None = None
    layer_keys: Floats | None = None
    references: tuple[ReferencePicture, ...] = ()

    def ask(self, query: Query) -> Maps:
        """The maps of the same pass for another query: a few products, no forward pass.

        Raises:
            ValueError: the forward pass did not keep its rows.
            SettingsError: the query is no place on the frame, or the model has no CLS token.
        """
        if self.rows is None:
            raise ValueError("these maps hold one query only: the feature 'rows' was not requested")
        unablated = None if self.unablated is None or self.unablated.rows is None else self.unablated.ask(query)
        return replace(self, query=query, unablated=unablated, **self.rows(query))

    def patch_features(self, name: str) -> Floats:
        """Each patch's "keys" or "values", of all heads together, or its "tokens": float32 [rows, columns, width].

        Raises:
            ValueError: the maps do not hold them.
        """
        held = {"keys": self.keys, "values": self.values, "tokens": self.tokens}[name]
        if held is None:
            raise ValueError(f"these maps hold no {name}: the feature {name!r} was not requested")
        return held if name == "tokens" else np.moveaxis(held, 0, 2).reshape(*self.grid, -1)

    def tokens_after(self, layer: int) -> Floats | None:
        """The patch tokens after a layer and the last norm, float32 [rows, columns, width]; None if they are not held.

        Args:
            layer: negative ones count from the end.
        """
        if not -self.layers <= layer < self.layers:
            return None
        layer %= self.layers
        if layer == self.layers - 1 and self.tokens is not None:
            return self.tokens
        if self.layer_tokens is None or layer not in self.kept_layers:
            return None
        return self.layer_tokens[self.kept_layers.index(layer)]

    def references_are(self, wanted: Sequence[Reference | Prompt]) -> bool:
        """Whether `references` are these."""
        return tuple(one.reference for one in self.references) == tuple(wanted)

    @property
    def query_place(self) -> Point | None:
        """Where the query's patch is; None of CLS and registers, which are nowhere on the frame."""
        return self.query if isinstance(self.query, Point) else None

    def explains(self, target: Target, layer: int) -> bool:
        """Whether Grad-CAM ran for this class and this layer, which the model may not have."""
        wanted = (target, explained_layer(layer, self.layers, self.heads))
        return self.explained is not None and (self.explained.target, self.explained.layer) == wanted

    @property
    def layers(self) -> int:
        return int(self.attention.shape[0])

    @property
    def heads(self) -> int:
        return int(self.attention.shape[1])

    @property
    def has_attention(self) -> bool:
        """Whether the model has attention heads; a convolutional network has none."""
        return self.heads > 0

    @property
    def prefix_names(self) -> tuple[str, ...]:
        """What the prefix tokens are called, in their order: CLS, then the registers, R0 the first."""
        registers = self.prefix.shape[2] - (1 if self.has_cls else 0)
        return (*(("CLS",) if self.has_cls else ()), *(f"R{number}" for number in range(registers)))

    def prefix_index(self, token: Query) -> int:
        """Which of the prefix tokens CLS or a register is.

        Raises:
            SettingsError: the model has no such token.
        """
        names = self.prefix_names
        name = token_name(token)
        if name not in names:
            raise SettingsError("token", str(token), f"{', '.join(names) or 'patches alone'}, which {self.model} has")
        return names.index(name)

    @property
    def grid(self) -> Grid:
        """The patch grid that the maps are laid on."""
        rows, columns = self.attention.shape[2:]
        return Grid(int(rows), int(columns))

    def __repr__(self) -> str:
        rows, columns = self.grid
        if not self.has_attention:
            return f"Maps({self.model}: {self.layers} stages, the last of {rows}x{columns} cells)"
        return (
            f"Maps({self.model}: {self.layers} layers x {self.heads} heads x {rows}x{columns} patches, "
            f"query={self.query}, {self.prefix.shape[2]} prefix tokens)"
        )


@dataclass(frozen=True, slots=True, eq=False)
class ReferencePicture:
    """A picture with a marked place, as a model sees it.

    Attributes:
        reference: where the picture is, and the mark; of a prompt also the class.
        frame: the picture.
        maps: of the picture, with the features that patches are compared by.
    """

    reference: Reference | Prompt
    frame: Frame
    maps: Maps


class NamedMasks(NamedTuple):
    """The masks that a view draws on a frame.

    Attributes:
        names: what each is of.
        colors: RGB of each.
        pixels: uint8 [masks, height, width], 255 inside and 0 outside.
    """

    names: tuple[str, ...]
    colors: tuple[tuple[int, int, int], ...]
    pixels: NDArray[np.uint8]


def rounding_noise(epsilon: float) -> float:
    """How far rounding moves a value of attention, as a share of that value, in a format in which 1 + epsilon follows
    1.

    A trained DINOv2 ViT-S/14 moves in bf16 (epsilon 2^-7) by .4 to .7 % of the attention of the mean over heads, by 1
    to 3 % of that of its worst head (five pictures of VOC2007 at 224, against fp32), which is half the sum over
    patches.
    """
    return 8 * epsilon


def explained_layer(layer: int, layers: int, heads: int) -> int:
    """The layer, counted from 0, whose features Grad-CAM takes where this one is requested: of a transformer the last;
    of a convolutional network the nearest that it has."""
    if heads or layer >= layers:
        return layers - 1
    return layer % layers if layer >= -layers else 0


@dataclass(frozen=True, slots=True, eq=False)
class Result(_Shown):
    """A drawn frame, with everything that it was made from, so that a stale one shows.

    Attributes:
        overlay: RGB uint8 [height, width, 3]: what to show, after the layout.
        frame: the source's frame.
        maps: the prediction of the model; None for a view that needs no model.
        settings: what it was drawn with.
        timings_ms: milliseconds by stage: "forward", "draw".
        panes: where several models are compared, what each of them shows; then `maps` and `settings` are those of one.
        plain: the overlay without its labels, rings and borders, for whoever shows it enlarged and paints these over
            it; None if that is not known.
        annotations: these, in pixels of the overlay.
        frame_boxes: (top, left, height, width) of the frame in the overlay, in pixels, where it has places among panes.
    """

    overlay: Pixels
    frame: Frame
    maps: Maps | None
    settings: Settings
    timings_ms: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    panes: tuple[Pane, ...] = ()
    frame_boxes: tuple[tuple[int, int, int, int], ...] = ()
    plain: Pixels | None = None
    annotations: tuple[Annotation, ...] = ()

    @property
    def unlabelled(self) -> Pixels:
        """The picture without annotations."""
        return self.overlay if self.plain is None else self.plain

    def __repr__(self) -> str:
        height, width = self.overlay.shape[:2]
        stages = ", ".join(f"{stage} {spent:.1f} ms" for stage, spent in self.timings_ms.items())
        return f"Result({height}x{width}, {self.settings.view}, {self.frame!r}{', ' + stages if stages else ''})"


@dataclass(frozen=True, slots=True, eq=False)
class Pane:
    """What one of several models shows of a frame.

    Attributes:
        result: its own; the frame of it may be smaller than the source's.
        box: (top, left, height, width) of its picture in the overlay that joins them, in pixels.
    """

    result: Result
    box: tuple[int, int, int, int]
