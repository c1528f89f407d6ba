"""What to show and how: one frozen, validated schema that feeds TOML presets, command-line options and GUI controls."""

from __future__ import annotations

import dataclasses
import functools
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self, TypeVar, overload

from rtviz.errors import SettingsError, SourceMissing
from rtviz.options import (
    MOST_COMPARED,
    ChoiceOption,
    FlagOption,
    HeadOption,
    HeadsOption,
    MarksOption,
    NamesOption,
    Option,
    OutputSizeOption,
    PromptsOption,
    QueryOption,
    RealOption,
    ReferencesOption,
    TargetOption,
    TextOption,
    WholeOption,
)
from rtviz.values import (
    AT_TIME,
    Head,
    HeadOf,
    Mark,
    Muted,
    Point,
    Prompt,
    Query,
    Reference,
    Register,
    Target,
    token_name,
)

Kind = TypeVar("Kind", bound=Option)

COLORMAPS = ("inferno", "viridis", "magma", "turbo", "cividis", "gray")
LAYOUTS = ("overlay", "alone", "side-by-side")
# What texts call the choices of the settings `cam` and `objects`.
METHOD_TITLES = {
    "activation": "activation",
    "eigen": "EigenCAM",
    "grad": "Grad-CAM",
    "tokencut": "TokenCut",
    "lost": "LOST",
}
MODEL_FIELDS = ("model", "weights", "device", "precision", "backend")  # another value needs another model
MODEL_INPUT = (*MODEL_FIELDS, "resolution", "query")  # decide what a model predicts
FIGURE_WIDTH = 6.9  # inches
# Decide which masks a view draws, and how their outlines run.
MASK_FIELDS = (
    "view", "prompt", "confidence", "features", "track", "objects", "layer", "head", "threshold", "cam", "target",
    "upsampling",
)  # fmt: skip
FIGURE_FIELDS = ("layer", "threshold", "colormap", "gamma", "upsampling", "cam", "target")  # decide how figures draw
# What else decides how figures draw a view by itself.
FIGURE_VIEW_FIELDS = (
    "head", "direction", "pca_component", "pca_figure", "pca_basis", "reference", "matches", "mutual", "prompt",
    "confidence", "features",
)  # fmt: skip


MOST_COMPONENTS = 8  # of a PCA that can be shown alone


class Rolled(NamedTuple):
    """How an attention rollout was made."""

    fusion: str
    discard: float
    layer: int


def _option(kind: type[Option], default: Any, label: str, help: str, **limits: Any) -> Any:
    """A dataclass field that carries its Option; `options()` fills in the field's name."""
    return dataclasses.field(default=default, metadata={"option": kind("", label, help, default, **limits)})


class _Schema:
    """Checks every field against its Option when an instance is made."""

    __slots__ = ()
    __dataclass_fields__: ClassVar[dict[str, dataclasses.Field[Any]]]

    def __post_init__(self) -> None:
        for option in self.options():
            object.__setattr__(self, option.name, option.check(getattr(self, option.name)))

    @classmethod
    @functools.cache
    def options(cls) -> tuple[Option, ...]:
        """The options, in the order in which they are shown."""
        return tuple(
            dataclasses.replace(field.metadata["option"], name=name) for name, field in cls.__dataclass_fields__.items()
        )

    @overload
    @classmethod
    def option(cls, name: str) -> Option: ...

    @overload
    @classmethod
    def option(cls, name: str, kind: type[Kind]) -> Kind: ...

    @classmethod
    def option(cls, name: str, kind: type[Any] = Option) -> Any:
        """The option of that name.

        Args:
            kind: its class, for the type checker.

        Raises:
            SettingsError: there is none.
        """
        for option in cls.options():
            if option.name == name:
                assert isinstance(option, kind)
                return option
        raise SettingsError("an option", name, (option.name for option in cls.options()))

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Self:
        """Settings from names and values, as a TOML table gives them; dashes count as underscores.

        Raises:
            SettingsError: a name is unknown, or a value is not allowed.
        """
        named = {name.replace("-", "_"): value for name, value in values.items()}
        for name in named:
            cls.option(name)
        return cls(**named)

    def replace(self, **changes: Any) -> Self:
        """A copy with some values changed, checked like the first."""
        for name in changes:
            self.option(name)
        return dataclasses.replace(self, **changes)

    def to_mapping(self) -> dict[str, Any]:
        """Names and plain values (text, numbers, booleans), those that are not None: what TOML or JSON can hold."""
        plain: dict[str, Any] = {}
        for option in self.options():
            value = getattr(self, option.name)
            if value is None:
                continue
            plain[option.name] = option.plain(value)
        return plain


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(_Schema):
    """What to run and what to show.

    Raises:
        SettingsError: a value is not allowed; it names the field, the value and what is allowed.
    """

    model: str | None = _option(
        TextOption, None, "Model", "the model, a name from `rtviz models` or any ViT or convnet of timm", optional=True
    )
    compare: tuple[str, ...] = _option(
        NamesOption, (), "Compare", f"up to {MOST_COMPARED} more models, A,B,C, each in a pane beside the model's"
    )
    weights: str | None = _option(
        TextOption, None, "Weights", "a safetensors, .pth or .onnx file with the model's weights", optional=True
    )
    device: str = _option(TextOption, "auto", "Device", "where the model runs: auto, cpu, cuda, cuda:1, mps")
    precision: str = _option(
        ChoiceOption,
        "auto",
        "Precision",
        "number format of the model",
        choices=("auto", "fp32", "bf16", "fp16", "int8"),
    )
    backend: str = _option(
        ChoiceOption,
        "auto",
        "Backend",
        "what runs the model where there is no CUDA; those of openvino need rtviz[openvino]",
        choices=("auto", "torch", "openvino", "openvino-gpu", "openvino-npu"),
    )
    resolution: int = _option(
        WholeOption,
        224,
        "Resolution",
        "short side, in pixels, of what the model sees",
        minimum=32,
        maximum=4096,
        step=32,
    )
    query: Query = _option(
        QueryOption, "cls", "Query", "whose attention is shown: cls, reg0 (the first register), or the patch under X,Y"
    )
    second: Query = _option(
        QueryOption, "cls", "Second token",
        "the token that the view directions follows beside the query through the layers: cls, reg0, or X,Y",
    )  # fmt: skip
    direction: str = _option(
        ChoiceOption,
        "both",
        "Direction",
        "which direction the view directions shows: to (whom the query attends to), from (who attends to it), or both",
        choices=("both", "to", "from"),
    )
    layer: int = _option(
        WholeOption,
        -1,
        "Layer",
        "transformer block, or stage of a convolutional network, from 0; negative from the end",
        minimum=-1000,
        maximum=999,
        step=1,
    )
    head: Head = _option(
        HeadOption, "mean", "Head", "attention head, from 0; or mean, max, all, follow (the head that stands out)"
    )
    view: str = _option(ChoiceOption, "heatmap", "View", "the way to draw")
    layout: str = _option(
        ChoiceOption, "overlay", "Layout", "the view on its frame, alone, or beside the frame", choices=LAYOUTS
    )
    opacity: float = _option(
        RealOption, 0.65, "Opacity", "how much of the frame the view covers", minimum=0, maximum=1, step=0.05
    )
    colormap: str = _option(ChoiceOption, "inferno", "Colours", "colours of the heatmap", choices=COLORMAPS)
    gamma: float = _option(
        RealOption, 1.0, "Gamma", "below 1 lifts weak attention, above 1 hides it", minimum=0.1, maximum=5, step=0.1
    )
    threshold: float = _option(
        RealOption,
        0.6,
        "Threshold",
        "share of the attention mass that the mask keeps",
        minimum=0.01,
        maximum=1,
        step=0.05,
    )
    cam: str = _option(
        ChoiceOption,
        "auto",
        "CAM",
        "method of the view cam: activation (norm of the features), eigen (their first principal component), "
        "grad (Grad-CAM: what speaks for a class); auto: eigen for a ViT, activation for a convolutional network",
        choices=("auto", "activation", "eigen", "grad"),
    )
    target: Target = _option(
        TargetOption,
        "top",
        "Class",
        "which class Grad-CAM explains: its number, or top, the most likely one of each frame",
    )
    objects: str = _option(
        ChoiceOption, "tokencut", "Objects", "how the view objects finds one", choices=("tokencut", "lost")
    )
    features: str = _option(
        ChoiceOption,
        "auto",
        "Features",
        "what the views objects and similarity compare patches by: keys, values or tokens of the last layer; auto: "
        "similarity by keys, objects as their family's papers do (DINO and most others keys, DINOv2 values, DINOv3 "
        "tokens)",
        choices=("auto", "keys", "values", "tokens"),
    )
    jaccard: bool = _option(
        FlagOption, False, "Jaccard", "how well the best head's mask covers the scene's objects, above the picture"
    )
    rollout: str = _option(
        ChoiceOption,
        "mean",
        "Rollout",
        "how the view rollout fuses the heads of a layer",
        choices=("mean", "max", "min"),
    )
    discard: float = _option(
        RealOption, 0.9, "Discard",
        "share of each layer's attention values, the weakest, that the view rollout leaves out",
        minimum=0, maximum=0.99, step=0.05,
    )  # fmt: skip
    pca_component: int = _option(
        WholeOption, 0, "Component",
        "the one principal component that the view pca shows, from 1; 0: three as colours",
        minimum=0, maximum=MOST_COMPONENTS, step=1,
    )  # fmt: skip
    pca_figure: str = _option(
        ChoiceOption,
        "attention",
        "Figure",
        "what parts figure from ground in the view pca: attention (what CLS attends to), component (the first of all "
        "patches' principal components, above its mean)",
        choices=("attention", "component"),
    )
    pca_basis: str | None = _option(
        TextOption,
        None,
        "PCA basis",
        "a file of `rtviz pca-basis`, whose components the view pca shows instead of the frame's own",
        optional=True,
    )
    mute: tuple[Muted, ...] = _option(
        HeadsOption,
        (),
        "Mute",
        "heads whose output counts as 0, as LAYER.HEAD, or 1:LAYER.HEAD of the first model in `compare`; the view "
        "difference shows what changes",
    )
    track: tuple[Mark, ...] = _option(
        MarksOption, (), "Track", "objects to follow: points on them, or boxes round them"
    )
    reference: tuple[Reference, ...] = _option(
        ReferencesOption, (), "Reference", "places of other pictures, which the view reference finds in the frame"
    )
    matches: int = _option(
        WholeOption, 3, "Matches", "how many matches of each reference are boxed", minimum=1, maximum=20, step=1
    )
    mutual: bool = _option(
        FlagOption, False, "Mutual", "box only matches that have their own nearest neighbour at the reference"
    )
    prompt: tuple[Prompt, ...] = _option(
        PromptsOption, (), "Prompt", "examples of named classes, which the view prompts finds in the frame: CLASS+X,Y "
        "where the class is, CLASS-X,Y where it is not",
    )  # fmt: skip
    confidence: float = _option(
        RealOption, 0.5, "Confidence", "how sure the view prompts must be of a patch: 0.5, that it is more like the "
        "class than like anything else", minimum=0.05, maximum=0.95, step=0.05,
    )  # fmt: skip
    upsampling: str = _option(
        ChoiceOption,
        "smooth",
        "Upsampling",
        "from patches to pixels: smooth, nearest (true patches), guided (follows the frame's edges)",
        choices=("smooth", "nearest", "guided"),
    )
    normalization: str = _option(
        ChoiceOption,
        "steady",
        "Normalisation",
        "range of the colours: steady over time, or of each frame alone",
        choices=("steady", "frame"),
    )

    def per_model(self) -> list[Settings]:
        """The settings of each model on its own: the first, then those that it is compared with."""
        others = [self.replace(model=name, weights=None) for name in self.compare]
        return [one.replace(compare=(), mute=self.muted_in(pane)) for pane, one in enumerate((self, *others))]

    def with_prompts_on(self, place: str, start: float = 0.0) -> Settings:
        """The settings whose prompts that name no picture name one of what is processed.

        Args:
            place: what is processed.
            start: the second at which that begins.
        """
        if not any(one.on_input for one in self.prompt):
            return self
        first = f"{place}{AT_TIME}{start:g}" if start else place
        paths = {
            one: (f"{place}{one.path}" if one.path else first) if one.on_input else one.path for one in self.prompt
        }
        return self.replace(prompt=tuple(one._replace(path=path) for one, path in paths.items()))

    def cam_method(self, has_attention: bool) -> str:
        """The method of the view cam: "activation", "eigen" or "grad".

        The default differs, because a ViT's patch tokens have passed its last norm: their length says little, and is
        often largest on sky and walls. A convolutional network's features are long where its stage responds.

        Args:
            has_attention: of the maps, or of their model.
        """
        if self.cam != "auto":
            return self.cam
        return "eigen" if has_attention else "activation"

    def muted_in(self, pane: int) -> tuple[HeadOf, ...]:
        """The muted heads of one of the models that are compared, 0 the first, as for a model on its own."""
        return tuple(HeadOf(one.layer, one.head) for one in self.mute if one.pane == pane)


CODECS = ("auto", "h264", "h265", "av1", "vp9")


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputSettings(_Schema):
    """What part of the input to take, and how to write the result.

    Raises:
        SettingsError: a value is not allowed; it names the field, the value and what is allowed.
    """

    start: float = _option(RealOption, 0.0, "Start", "seconds of the input to leave out at its start", minimum=0)
    end: float | None = _option(RealOption, None, "End", "second of the input to stop at", minimum=0, optional=True)
    every: int = _option(WholeOption, 1, "Every", "take each N-th frame", minimum=1, maximum=100000)
    video_stream: int | None = _option(
        WholeOption,
        None,
        "Video track",
        "number of the video track, the first is 1; the default one, else the largest, if not given",
        minimum=1,
        maximum=1000,
        optional=True,
    )
    audio_stream: int | None = _option(
        WholeOption,
        None,
        "Sound track",
        "number of the sound track, likewise",
        minimum=1,
        maximum=1000,
        optional=True,
    )
    size: tuple[int, int] | None = _option(
        OutputSizeOption,
        None,
        "Size",
        "size of the output, WIDTHxHEIGHT, or one side as WIDTHx or xHEIGHT; the input's own if not given",
        optional=True,
    )
    codec: str = _option(ChoiceOption, "auto", "Codec", "video codec; auto is H.264, or VP9 in .webm", choices=CODECS)
    quality: int = _option(
        WholeOption, 75, "Quality", "quality of the video, 100 is visually lossless", minimum=1, maximum=100
    )
    batch: int | None = _option(
        WholeOption,
        None,
        "Batch",
        "frames in one forward pass; chosen by device if not given",
        minimum=1,
        maximum=256,
        optional=True,
    )
    overwrite: bool = _option(FlagOption, False, "Overwrite", "replace an output that exists")

    def part(self) -> dict[str, Any]:
        """What of the input to take, as `rtviz.sources.open_source` takes it."""
        return {name: getattr(self, name) for name in ("start", "end", "every", "video_stream", "audio_stream")}


def presets() -> dict[str, Path]:
    """The presets that come with rtviz: name -> TOML file."""
    folder = Path(__file__).parent / "configs"  # where an installed package has them
    if not folder.is_dir():
        folder = Path(__file__).parent.parent / "configs"  # where a checkout has them
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def load_preset(preset: str | Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The values of a TOML preset: (of Settings, of OutputSettings). The second stand in its table `[output]`.

    Args:
        preset: a file, or the name of a preset that comes with rtviz.

    Raises:
        SourceMissing: the file cannot be read.
        SettingsError: it is not TOML, a name is unknown, or a value is not allowed.
    """
    path = presets().get(str(preset), Path(preset))
    try:
        with open(path, "rb") as file:
            values = tomllib.load(file)
    except OSError as error:
        known = ", ".join(presets())
        raise SourceMissing(f"cannot read the preset {path}: {error.strerror}; presets by name: {known}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError("config", str(path), f"a TOML file ({error})") from None
    output = values.pop("output", {})
    values.pop("about", None)  # one sentence for menus
    for table in ("window", "keys"):  # the desktop app's
        values.pop(table, None)
    if not isinstance(output, dict):
        raise SettingsError("output", output, "a TOML table, [output]")
    try:
        Settings.from_mapping(values)
        OutputSettings.from_mapping(output)
    except SettingsError as error:
        raise SettingsError(f"{path}: {error.field}", error.value, error.allowed) from None
    return (
        {name.replace("-", "_"): value for name, value in values.items()},
        {name.replace("-", "_"): value for name, value in output.items()},
    )


__all__ = [
    "AT_TIME",
    "CODECS",
    "COLORMAPS",
    "FIGURE_FIELDS",
    "FIGURE_VIEW_FIELDS",
    "FIGURE_WIDTH",
    "LAYOUTS",
    "MASK_FIELDS",
    "METHOD_TITLES",
    "MODEL_FIELDS",
    "MODEL_INPUT",
    "MOST_COMPARED",
    "MOST_COMPONENTS",
    "Head",
    "HeadOf",
    "Mark",
    "Muted",
    "OutputSettings",
    "Point",
    "Prompt",
    "Query",
    "Reference",
    "Register",
    "Rolled",
    "Settings",
    "Target",
    "load_preset",
    "presets",
    "token_name",
]  # fmt: skip
