"""What to show and how: one frozen, validated schema that feeds TOML presets, command-line options and GUI controls."""

from __future__ import annotations

import dataclasses
import functools
import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple, Self

from rtviz.errors import SettingsError, SourceMissing

Head = int | Literal["mean", "max", "all", "follow"]
Target = int | Literal["top"]
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


class Point(NamedTuple):
    """A place on the frame, as fractions of its width and height."""

    x: float
    y: float

    def __str__(self) -> str:
        return f"{self.x:g},{self.y:g}"


Query = Literal["cls"] | Point


class HeadOf(NamedTuple):
    """One head of one layer; negative layers count from the end."""

    layer: int
    head: int

    def __str__(self) -> str:
        return f"{self.layer}.{self.head}"


class Muted(NamedTuple):
    """A head that is muted, of the first model or (`pane` from 1) of one that is compared with it."""

    layer: int
    head: int
    pane: int = 0

    def __str__(self) -> str:
        return f"{f'{self.pane}:' if self.pane else ''}{self.layer}.{self.head}"


class Rolled(NamedTuple):
    """How an attention rollout was made."""

    fusion: str
    discard: float
    layer: int


class Mark(NamedTuple):
    """An object on the frame: a point on it, or, with a size, a box round it; fractions of its width and height."""

    x: float
    y: float
    width: float = 0.0
    height: float = 0.0

    def __str__(self) -> str:
        return ",".join(f"{value:g}" for value in (self if self.width and self.height else self[:2]))


_MOST_MARKS = 8
MODEL_FIELDS = ("model", "weights", "device", "precision", "backend")  # another value needs another model
MOST_COMPARED = 3  # models beside the first one
_SIDES = (2, 16384)  # the shortest and the longest that a "size" may have


@dataclass(frozen=True, slots=True)
class Option:
    """How one setting is described, parsed and limited: what the command line and the GUI are made from.

    Attributes:
        name: the field's name; the command-line flag is `--name` with dashes.
        label: what a control is called.
        help: one sentence.
        kind: "text", "whole", "real", "choice", "flag", "query", "head", "size",
            "target", "names", "marks" or "heads".
        default: the value when nothing is said.
        choices: what a "choice" allows. The views' names live in the views' registry, so `view` leaves this empty.
        minimum, maximum: inclusive limits of numbers.
        step: what one key press or one notch changes.
        optional: None is allowed.
    """

    name: str
    label: str
    help: str
    kind: str
    default: Any
    choices: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    step: float | None = None
    optional: bool = False

    @property
    def flag(self) -> str:
        return "--" + self.name.replace("_", "-")

    @property
    def allowed(self) -> str:
        """What may stand here, in words."""
        if self.kind == "choice" and self.choices:
            return ", ".join(self.choices)
        if self.kind in ("whole", "real"):
            noun = "a whole number" if self.kind == "whole" else "a number"
            if self.minimum is not None and self.maximum is not None:
                return f"{noun} from {self.minimum:g} to {self.maximum:g}"
            return noun + (f" of at least {self.minimum:g}" if self.minimum is not None else "")
        words = {
            "query": "cls, or X,Y as fractions of width and height from 0 to 1",
            "head": "a head's number from 0, mean, max, all, follow",
            "target": "top, or a class's number from 0",
            "size": f"WIDTHxHEIGHT in pixels, each from {_SIDES[0]} to {_SIDES[1]}",
            "flag": "true, false",
            "heads": "heads as LAYER.HEAD, separated by commas, such as 10.3,10.5; those of the models in `compare` as "
            f"1:LAYER.HEAD to {MOST_COMPARED}:LAYER.HEAD",
            "marks": f"at most {_MOST_MARKS} points X,Y or boxes X,Y,WIDTH,HEIGHT on the frame, as fractions of its "
            "width and height from 0 to 1, with ; between",
            "names": f"at most {MOST_COMPARED} names of models, separated by commas",
        }
        return words.get(self.kind, "a text")

    def parse(self, text: str) -> Any:
        """The value that a text means, checked.

        Raises:
            SettingsError: the text means nothing that is allowed here.
        """
        stripped = text.strip()
        value: Any = stripped
        try:
            if self.kind == "whole":
                value = int(stripped)
            elif self.kind == "real":
                value = float(stripped)
            elif self.kind == "flag":
                value = {"true": True, "false": False}[stripped.lower()]
            elif self.kind in _WORDS and stripped not in _WORDS[self.kind]:
                value = int(stripped)
        except (ValueError, KeyError):
            raise SettingsError(self.name, text, self.allowed) from None
        return self.check(value)

    def check(self, value: Any) -> Any:
        """The value itself, brought to its one form (a query as Point, a size as (height, width)).

        Raises:
            SettingsError: the value is not allowed here.
        """
        if value is None and self.optional:
            return None
        checked = _CHECKS[self.kind](self, value)
        if isinstance(checked, _Refusal):
            wrong = f"{self.name}: {checked.why}" if checked.why else None
            raise SettingsError(self.name, value, self.allowed, wrong)
        return checked

    def plain(self, value: Any) -> Any:
        """The value as text, number or boolean: what TOML, JSON or a line of text can hold."""
        if self.kind == "query":
            return str(value)
        if self.kind == "size":
            return f"{value[1]}x{value[0]}"
        if self.kind == "marks":
            return ";".join(map(str, value))
        return ",".join(map(str, value)) if self.kind in ("names", "heads") else value


@dataclass(frozen=True, slots=True)
class _Refusal:
    """What a check gives of a value that is not allowed; and why, where the value does not show it."""

    why: str = ""


_REFUSED = _Refusal()
_WORDS = {"head": ("mean", "max", "all", "follow"), "target": ("top",)}  # what may stand in the place of a number


def _check_number(option: Option, value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return _REFUSED
    if option.kind == "whole" and value != int(value):
        return _REFUSED
    if (option.minimum is not None and value < option.minimum) or (
        option.maximum is not None and value > option.maximum
    ):
        return _REFUSED
    return int(value) if option.kind == "whole" else float(value)


def _check_choice(option: Option, value: Any) -> Any:
    return value if isinstance(value, str) and (value in option.choices or not option.choices) else _REFUSED


def _check_head(option: Option, value: Any) -> Any:
    if value in _WORDS[option.kind]:
        return value
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else _REFUSED


def _check_target(option: Option, value: Any) -> Any:
    return _check_head(option, int(value) if isinstance(value, str) and value.isdecimal() else value)


def _check_query(option: Option, value: Any) -> Any:
    if isinstance(value, str):
        if value.lower() == "cls":
            return "cls"
        value = value.split(",")
    try:
        x, y = (float(part) for part in value)
    except (TypeError, ValueError):
        return _REFUSED
    return Point(x, y) if 0 <= x <= 1 and 0 <= y <= 1 else _REFUSED


def _check_size(option: Option, value: Any) -> Any:
    try:
        if isinstance(value, str):
            width, height = (int(part) for part in value.lower().split("x"))
        else:
            height, width = (int(part) for part in value)
    except (TypeError, ValueError):
        return _REFUSED
    return (height, width) if all(_SIDES[0] <= side <= _SIDES[1] for side in (height, width)) else _REFUSED


def _check_names(option: Option, value: Any) -> Any:
    names = value.split(",") if isinstance(value, str) else value
    if not isinstance(names, (list, tuple)) or not all(isinstance(name, str) for name in names):
        return _REFUSED
    names = tuple(name.strip() for name in names)
    if names == ("",):
        return ()
    return names if all(names) and len(names) <= MOST_COMPARED else _REFUSED


def _check_heads(option: Option, value: Any) -> Any:
    try:
        if isinstance(value, str):
            value = [_head_of(part) for part in value.split(",") if part.strip()]
        heads = tuple(Muted(*(int(number) for number in one)) for one in value)
    except (TypeError, ValueError):
        return _REFUSED
    return heads if all(one.head >= 0 and 0 <= one.pane <= MOST_COMPARED for one in heads) else _REFUSED


def _head_of(text: str) -> tuple[str, str, str]:
    """LAYER.HEAD or PANE:LAYER.HEAD, taken apart."""
    pane, _, which = text.rpartition(":")
    layer, head = which.split(".")
    return layer, head, pane or "0"


def _check_marks(option: Option, value: Any) -> Any:
    if isinstance(value, str):
        value = [part.split(",") for part in value.split(";") if part.strip()]
    try:
        marks = tuple(dict.fromkeys(Mark(*(float(number) for number in part)) for part in value))  # twice is one object
    except (TypeError, ValueError):
        return _REFUSED
    wrong = next((_Refusal(why) for mark in marks if (why := _amiss(mark))), None)
    if len(marks) > _MOST_MARKS:
        wrong = _Refusal(f"{len(marks)} marks")
    return wrong or marks


def _amiss(mark: Mark) -> str:
    """What is wrong with a mark; nothing, if nothing is."""
    numbers = ",".join(f"{number:g}" for number in mark)
    if not (0 <= mark.x <= 1 and 0 <= mark.y <= 1):
        return f"{mark.x:g},{mark.y:g} is not on the frame"
    if min(mark.width, mark.height) < 0 or (mark.width > 0) != (mark.height > 0):
        return f"the box {numbers} has a side of {min(mark.width, mark.height):g}"
    if max(mark.x + mark.width, mark.y + mark.height) > 1 + 1e-9:
        return f"the box {numbers} ends beyond the frame, at {mark.x + mark.width:g},{mark.y + mark.height:g}"
    return ""


_CHECKS: dict[str, Any] = {
    "text": lambda option, value: str(value) if isinstance(value, (str, Path)) and str(value) else _REFUSED,
    "flag": lambda option, value: value if isinstance(value, bool) else _REFUSED,
    "whole": _check_number,
    "real": _check_number,
    "choice": _check_choice,
    "head": _check_head,
    "target": _check_target,
    "query": _check_query,
    "size": _check_size,
    "names": _check_names,
    "marks": _check_marks,
    "heads": _check_heads,
}


def _option(kind: str, default: Any, label: str, help: str, **limits: Any) -> Any:
    """A dataclass field that carries its Option; the field's name is filled in by `options()`."""
    return dataclasses.field(default=default, metadata={"option": Option("", label, help, kind, default, **limits)})


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

    @classmethod
    def option(cls, name: str) -> Option:
        """The option of that name.

        Raises:
            SettingsError: there is none.
        """
        for option in cls.options():
            if option.name == name:
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
        "text", None, "Model", "the model, a name from `rtviz models` or any ViT or convnet of timm", optional=True
    )
    compare: tuple[str, ...] = _option(
        "names", (), "Compare", f"up to {MOST_COMPARED} more models, A,B,C, each in a pane beside the model's"
    )
    weights: str | None = _option(
        "text", None, "Weights", "a safetensors or .pth file with the model's weights", optional=True
    )
    device: str = _option("text", "auto", "Device", "where the model runs: auto, cpu, cuda, cuda:1, mps")
    precision: str = _option(
        "choice",
        "auto",
        "Precision",
        "number format of the model; int8 needs rtviz[openvino]",
        choices=("auto", "fp32", "bf16", "fp16", "int8"),
    )
    backend: str = _option(
        "choice",
        "auto",
        "Backend",
        "what runs the model where there is no CUDA; those of openvino need rtviz[openvino]",
        choices=("auto", "torch", "openvino", "openvino-gpu", "openvino-npu"),
    )
    resolution: int = _option(
        "whole", 224, "Resolution", "short side, in pixels, of what the model sees", minimum=32, maximum=4096, step=32
    )
    query: Query = _option("query", "cls", "Query", "whose attention is shown: cls, or the patch under X,Y")
    layer: int = _option(
        "whole",
        -1,
        "Layer",
        "transformer block, or stage of a convolutional network, from 0; negative from the end",
        minimum=-1000,
        maximum=999,
        step=1,
    )
    head: Head = _option(
        "head", "mean", "Head", "attention head, from 0; or mean, max, all, follow (the head that stands out)"
    )
    view: str = _option("choice", "heatmap", "View", "the way to draw")
    layout: str = _option(
        "choice", "overlay", "Layout", "the view on its frame, alone, or beside the frame", choices=LAYOUTS
    )
    opacity: float = _option(
        "real", 0.65, "Opacity", "how much of the frame the view covers", minimum=0, maximum=1, step=0.05
    )
    colormap: str = _option("choice", "inferno", "Colours", "colours of the heatmap", choices=COLORMAPS)
    gamma: float = _option(
        "real", 1.0, "Gamma", "below 1 lifts weak attention, above 1 hides it", minimum=0.1, maximum=5, step=0.1
    )
    threshold: float = _option(
        "real", 0.6, "Threshold", "share of the attention mass that the mask keeps", minimum=0.01, maximum=1, step=0.05
    )
    cam: str = _option(
        "choice",
        "activation",
        "CAM",
        "how the view cam looks: activation (norm of the features), eigen (their first principal component), "
        "grad (Grad-CAM: what speaks for a class)",
        choices=("activation", "eigen", "grad"),
    )
    target: Target = _option(
        "target", "top", "Class", "which class Grad-CAM explains: its number, or top, the most likely one of each frame"
    )
    objects: str = _option(
        "choice", "tokencut", "Objects", "how the view objects finds one", choices=("tokencut", "lost")
    )
    features: str = _option(
        "choice",
        "auto",
        "Features",
        "what the views objects and similarity compare patches by: keys, values or tokens of the last layer; auto: "
        "similarity by keys, objects as their family's papers do (DINO and most others keys, DINOv2 values, DINOv3 "
        "tokens)",
        choices=("auto", "keys", "values", "tokens"),
    )
    jaccard: bool = _option(
        "flag", False, "Jaccard", "how well the best head's mask covers the scene's objects, above the picture"
    )
    rollout: str = _option(
        "choice", "mean", "Rollout", "how the view rollout fuses the heads of a layer", choices=("mean", "max", "min")
    )
    discard: float = _option(
        "real", 0.9, "Discard", "share of each layer's attention values, the weakest, that the view rollout leaves out",
        minimum=0, maximum=0.99, step=0.05,
    )  # fmt: skip
    mute: tuple[Muted, ...] = _option(
        "heads",
        (),
        "Mute",
        "heads whose output counts as 0, as LAYER.HEAD, or 1:LAYER.HEAD of the first model in `compare`; the view "
        "difference shows what changes",
    )
    track: tuple[Mark, ...] = _option("marks", (), "Track", "objects to follow: points on them, or boxes round them")
    upsampling: str = _option(
        "choice",
        "smooth",
        "Upsampling",
        "from patches to pixels: smooth, nearest (true patches), guided (follows the frame's edges)",
        choices=("smooth", "nearest", "guided"),
    )
    normalization: str = _option(
        "choice",
        "steady",
        "Normalisation",
        "range of the colours: steady over time, or of each frame alone",
        choices=("steady", "frame"),
    )

    def per_model(self) -> list[Settings]:
        """The settings of each model on its own: the first, then those that it is compared with."""
        others = [self.replace(model=name, weights=None) for name in self.compare]
        return [one.replace(compare=(), mute=self.muted_in(pane)) for pane, one in enumerate((self, *others))]

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

    start: float = _option("real", 0.0, "Start", "seconds of the input to leave out at its start", minimum=0)
    end: float | None = _option("real", None, "End", "second of the input to stop at", minimum=0, optional=True)
    every: int = _option("whole", 1, "Every", "take each N-th frame", minimum=1, maximum=100000)
    video_stream: int | None = _option(
        "whole",
        None,
        "Video track",
        "number of the video track, the first is 1; the default one, else the largest, if not given",
        minimum=1,
        maximum=1000,
        optional=True,
    )
    audio_stream: int | None = _option(
        "whole",
        None,
        "Sound track",
        "number of the sound track, likewise",
        minimum=1,
        maximum=1000,
        optional=True,
    )
    size: tuple[int, int] | None = _option(
        "size", None, "Size", "size of the output, WIDTHxHEIGHT; the input's own if not given", optional=True
    )
    codec: str = _option("choice", "auto", "Codec", "video codec; auto is H.264, or VP9 in .webm", choices=CODECS)
    quality: int = _option(
        "whole", 75, "Quality", "quality of the video, 100 is visually lossless", minimum=1, maximum=100
    )
    batch: int | None = _option(
        "whole",
        None,
        "Batch",
        "frames in one forward pass; chosen by device if not given",
        minimum=1,
        maximum=256,
        optional=True,
    )
    overwrite: bool = _option("flag", False, "Overwrite", "replace an output that exists")

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
