"""The kinds of values that a setting can have: how each is parsed, checked and formatted."""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from rtviz.errors import SettingsError
from rtviz.values import NO_NAME, Mark, Muted, Point, Prompt, Query, Reference, Register

MOST_COMPARED = 3  # models beside the first one
_MOST_MARKS = 8
_MOST_REFERENCES = 4
MOST_PROMPTS = 64
_SIDES = (2, 16384)  # the shortest and the longest that a size may have


class _Refused(Exception):
    """A value is not allowed; `why` where the value alone does not show it."""

    def __init__(self, why: str = "") -> None:
        super().__init__(why)
        self.why = why


# Kinds without fields of their own are plain classes: to make a data class takes a millisecond of every start.
@dataclass(frozen=True, slots=True)
class Option(ABC):
    """One setting: what the command line and the GUI are made from. A subclass for each kind of value.

    Attributes:
        name: the field's name; the command-line flag is `--name` with dashes.
        label: what a control is called.
        help: one sentence.
        default: the value when none is given.
        optional: None is allowed.
    """

    name: str
    label: str
    help: str
    default: Any
    optional: bool = False

    @property
    def flag(self) -> str:
        """Its flag on the command line."""
        return "--" + self.name.replace("_", "-")

    @property
    @abstractmethod
    def allowed(self) -> str:
        """The values that are allowed, in words."""

    @property
    def metavar(self) -> str:
        """What stands for a value in the help of the command line."""
        return type(self).__name__.removesuffix("Option").upper()

    def parse(self, text: str) -> Any:
        """The value that a text means, checked.

        Raises:
            SettingsError: the text means nothing that is allowed.
        """
        try:
            value = self._read(text.strip())
        except (ValueError, KeyError):
            raise SettingsError(self.name, text, self.allowed) from None
        return self.check(value)

    def check(self, value: Any) -> Any:
        """The value in its one form (a query as Point, a size as (height, width)).

        Raises:
            SettingsError: the value is not allowed.
        """
        if value is None and self.optional:
            return None
        try:
            return self._checked(value)
        except _Refused as refused:
            wrong = f"{self.name}: {refused.why}" if refused.why else None
        except (TypeError, ValueError):  # of a conversion
            wrong = None
        raise SettingsError(self.name, value, self.allowed, wrong)

    def plain(self, value: Any) -> Any:
        """The value as text, number or boolean, as TOML and JSON can hold it."""
        return value

    def _read(self, text: str) -> Any:
        """The value that a text means, not checked yet; ValueError or KeyError if it means none."""
        return text

    @abstractmethod
    def _checked(self, value: Any) -> Any:
        """The value in its one form; _Refused, TypeError or ValueError if it is not allowed."""


class TextOption(Option):
    """A text that is not empty."""

    __slots__ = ()

    @property
    def allowed(self) -> str:
        return "a text"

    def _checked(self, value: Any) -> str:
        if not isinstance(value, (str, Path)) or not str(value):
            raise _Refused
        return str(value)


class FlagOption(Option):
    """True or False."""

    __slots__ = ()

    @property
    def allowed(self) -> str:
        return "true, false"

    def _read(self, text: str) -> bool:
        return {"true": True, "false": False}[text.lower()]

    def _checked(self, value: Any) -> bool:
        if not isinstance(value, bool):
            raise _Refused
        return value


@dataclass(frozen=True, slots=True)
class ChoiceOption(Option):
    """One of some words.

    Attributes:
        choices: the words; empty for views, whose names stand in their own registry.
    """

    choices: tuple[str, ...] = ()

    @property
    def allowed(self) -> str:
        return ", ".join(self.choices) or "a text"

    def _checked(self, value: Any) -> str:
        if not isinstance(value, str) or (self.choices and value not in self.choices):
            raise _Refused
        return value


@dataclass(frozen=True, slots=True)
class NumberOption(Option):
    """A number.

    Attributes:
        minimum, maximum: inclusive.
        step: what one key press or one notch changes.
    """

    minimum: float | None = None
    maximum: float | None = None
    step: float | None = None

    noun: ClassVar[str]

    @property
    def allowed(self) -> str:
        if self.minimum is not None and self.maximum is not None:
            return f"{self.noun} from {self.minimum:g} to {self.maximum:g}"
        return self.noun + (f" of at least {self.minimum:g}" if self.minimum is not None else "")

    @property
    def metavar(self) -> str:
        if self.minimum is None or self.maximum is None:
            return type(self).__name__.removesuffix("Option").upper()
        return f"{self.minimum:g}-{self.maximum:g}"

    def _within(self, value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            raise _Refused
        if (self.minimum is not None and value < self.minimum) or (self.maximum is not None and value > self.maximum):
            raise _Refused
        return value


class WholeOption(NumberOption):
    """A whole number."""

    __slots__ = ()

    noun: ClassVar[str] = "a whole number"

    def _read(self, text: str) -> int:
        return int(text)

    def _checked(self, value: Any) -> int:
        number = self._within(value)
        if number != int(number):
            raise _Refused
        return int(number)


class RealOption(NumberOption):
    """A real number."""

    __slots__ = ()

    noun: ClassVar[str] = "a number"

    def _read(self, text: str) -> float:
        return float(text)

    def _checked(self, value: Any) -> float:
        return float(self._within(value))


class _IndexOption(Option):
    """A number from 0, or a word."""

    __slots__ = ()

    words: ClassVar[tuple[str, ...]]

    def _read(self, text: str) -> int | str:
        return text if text in self.words else int(text)

    def _checked(self, value: Any) -> int | str:
        if value in self.words or (isinstance(value, int) and not isinstance(value, bool) and value >= 0):
            return value
        raise _Refused


class HeadOption(_IndexOption):
    """A head: its number, or how heads are fused or chosen."""

    __slots__ = ()

    words: ClassVar[tuple[str, ...]] = ("mean", "max", "all", "follow")

    @property
    def allowed(self) -> str:
        return f"a head's number from 0, {', '.join(self.words)}"


class TargetOption(_IndexOption):
    """A class: its number, or the most likely one."""

    __slots__ = ()

    words: ClassVar[tuple[str, ...]] = ("top",)

    @property
    def allowed(self) -> str:
        return "top, or a class's number from 0"

    def _checked(self, value: Any) -> int | str:
        return _IndexOption._checked(self, int(value) if isinstance(value, str) and value.isdecimal() else value)


class QueryOption(Option):
    """The CLS token, a register, or the patch under a point."""

    __slots__ = ()

    @property
    def allowed(self) -> str:
        return "cls, reg0 (the first register) and so on, or X,Y as fractions of width and height from 0 to 1"

    def plain(self, value: Any) -> str:
        return str(value)

    def _checked(self, value: Any) -> Query:
        if isinstance(value, str):
            if value.lower() == "cls":
                return "cls"
            if value.lower().startswith("reg"):
                value = Register(int(value[3:]))
            else:
                value = value.split(",")
        if isinstance(value, Register):
            if value.number < 0:
                raise _Refused
            return value
        x, y = (float(part) for part in value)
        if not (0 <= x <= 1 and 0 <= y <= 1):
            raise _Refused
        return Point(x, y)


class SizeOption(Option):
    """A size in pixels: (height, width), or "WIDTHxHEIGHT" as text."""

    __slots__ = ()

    @property
    def allowed(self) -> str:
        return f"WIDTHxHEIGHT in pixels, each from {_SIDES[0]} to {_SIDES[1]}"

    def plain(self, value: Any) -> str:
        return f"{value[1]}x{value[0]}"

    def _checked(self, value: Any) -> tuple[int, int]:
        if isinstance(value, str):
            width, height = (int(part) for part in value.lower().split("x"))
        else:
            height, width = (int(part) for part in value)
        if not all(_SIDES[0] <= side <= _SIDES[1] for side in (height, width)):
            raise _Refused
        return height, width


class OutputSizeOption(SizeOption):
    """A size in pixels of which one side may be left to follow the other: "x720" is (720, 0), "1280x" is (0, 1280)."""

    __slots__ = ()

    @property
    def allowed(self) -> str:
        return f"WIDTHxHEIGHT, WIDTHx or xHEIGHT in pixels, each from {_SIDES[0]} to {_SIDES[1]}"

    def plain(self, value: Any) -> str:
        return f"{value[1] or ''}x{value[0] or ''}"

    def _checked(self, value: Any) -> tuple[int, int]:
        if isinstance(value, str):
            width, height = (int(part or 0) for part in value.lower().split("x"))
        else:
            height, width = (int(part) for part in value)
        given = [side for side in (height, width) if side]
        if not given or not all(_SIDES[0] <= side <= _SIDES[1] for side in given):
            raise _Refused
        return height, width


class NamesOption(Option):
    """A few names of models."""

    __slots__ = ()

    @property
    def allowed(self) -> str:
        return f"at most {MOST_COMPARED} names of models, separated by commas"

    def plain(self, value: Any) -> str:
        return ",".join(value)

    def _checked(self, value: Any) -> tuple[str, ...]:
        names = value.split(",") if isinstance(value, str) else value
        if not isinstance(names, (list, tuple)) or not all(isinstance(name, str) for name in names):
            raise _Refused
        names = tuple(name.strip() for name in names)
        if names == ("",):
            return ()
        if not all(names) or len(names) > MOST_COMPARED:
            raise _Refused
        return names


class HeadsOption(Option):
    """Heads of layers, of the first model or of those that are compared with it."""

    __slots__ = ()

    @property
    def allowed(self) -> str:
        return (
            "heads as LAYER.HEAD, separated by commas, such as 10.3,10.5; those of the models in `compare` as "
            f"1:LAYER.HEAD to {MOST_COMPARED}:LAYER.HEAD"
        )

    def plain(self, value: Any) -> str:
        return ",".join(map(str, value))

    def _checked(self, value: Any) -> tuple[Muted, ...]:
        if isinstance(value, str):
            value = [_head_of(part) for part in value.split(",") if part.strip()]
        heads = tuple(Muted(*(int(number) for number in one)) for one in value)
        if not all(one.head >= 0 and 0 <= one.pane <= MOST_COMPARED for one in heads):
            raise _Refused
        return heads


def _head_of(text: str) -> tuple[str, str, str]:
    """The layer, head and pane of LAYER.HEAD or PANE:LAYER.HEAD."""
    pane, _, which = text.rpartition(":")
    layer, head = which.split(".")
    return layer, head, pane or "0"


class MarksOption(Option):
    """Points and boxes on the frame."""

    __slots__ = ()

    @property
    def allowed(self) -> str:
        return (
            f"at most {_MOST_MARKS} points X,Y or boxes X,Y,WIDTH,HEIGHT on the frame, as fractions of its width and "
            "height from 0 to 1, with ; between"
        )

    def plain(self, value: Any) -> str:
        return ";".join(map(str, value))

    def _checked(self, value: Any) -> tuple[Mark, ...]:
        if isinstance(value, str):
            value = [part.split(",") for part in value.split(";") if part.strip()]
        marks = _distinct(Mark(*(float(number) for number in part)) for part in value)
        if len(marks) > _MOST_MARKS:
            raise _Refused(f"{len(marks)} marks")
        for mark in marks:
            _check_mark(mark)
        return marks


class ReferencesOption(Option):
    """Marked places of reference pictures."""

    __slots__ = ()

    @property
    def allowed(self) -> str:
        return (
            f"at most {_MOST_REFERENCES} of PICTURE@X,Y or PICTURE@X,Y,WIDTH,HEIGHT, as fractions of the picture's "
            "width and height from 0 to 1, with ; between"
        )

    def plain(self, value: Any) -> str:
        return ";".join(map(str, value))

    def _checked(self, value: Any) -> tuple[Reference, ...]:
        if isinstance(value, str):
            parts = [part.rpartition("@") for part in value.split(";") if part.strip()]
            value = [(path.strip(), [float(number) for number in mark.split(",")]) for path, _, mark in parts]
        references = tuple(dict.fromkeys(Reference(path, Mark(*mark)) for path, mark in value))
        if len(references) > _MOST_REFERENCES:
            raise _Refused(f"{len(references)} references")
        for reference in references:
            if not reference.path:
                raise _Refused("no picture is named")
            _check_mark(reference.mark)
        return references


class PromptsOption(Option):
    """Examples of named classes."""

    __slots__ = ()

    _FORM: ClassVar[re.Pattern[str]] = re.compile(
        r"(?P<name>[^+;@-]*)(?P<sign>[+-])((?P<path>.*)@)?(?P<mark>[^@]*)", re.DOTALL
    )

    @property
    def allowed(self) -> str:
        return (
            f"at most {MOST_PROMPTS} of CLASS+X,Y where the class is and CLASS-X,Y where it is not, or boxes "
            "X,Y,WIDTH,HEIGHT, on the first frame; on another picture CLASS+PICTURE@X,Y; as fractions of width and "
            "height from 0 to 1, with ; between"
        )

    def plain(self, value: Any) -> str:
        return ";".join(map(str, value))

    def _checked(self, value: Any) -> tuple[Prompt, ...]:
        if isinstance(value, str):
            value = [self._prompt(part) for part in value.split(";") if part.strip()]
        prompts = tuple(
            dict.fromkeys(Prompt(str(path), Mark(*mark), bool(sign), str(name)) for path, mark, sign, name in value)
        )
        if len(prompts) > MOST_PROMPTS:
            raise _Refused(f"{len(prompts)} prompts")
        for prompt in prompts:
            if not prompt.name.strip() or not set("+-;@").isdisjoint(prompt.name):
                raise _Refused(f"the class {prompt.name!r} is empty or has one of + - ; @ in its name")
            _check_mark(prompt.mark)
        return prompts

    def _prompt(self, text: str) -> Prompt:
        form = self._FORM.fullmatch(text.strip())
        if form is None:
            raise ValueError(text)
        mark = Mark(*(float(number) for number in form["mark"].split(",")))
        return Prompt(form["path"] or "", mark, form["sign"] == "+", form["name"].strip() or NO_NAME)


def _distinct(marks: Iterable[Mark]) -> tuple[Mark, ...]:
    """The marks, each once: the same mark twice is one object."""
    return tuple(dict.fromkeys(marks))


def _check_mark(mark: Mark) -> None:
    numbers = ",".join(f"{number:g}" for number in mark)
    if not (0 <= mark.x <= 1 and 0 <= mark.y <= 1):
        raise _Refused(f"{mark.x:g},{mark.y:g} is not on the frame")
    if min(mark.width, mark.height) < 0 or (mark.width > 0) != (mark.height > 0):
        raise _Refused(f"the box {numbers} has a side of {min(mark.width, mark.height):g}")
    if max(mark.x + mark.width, mark.y + mark.height) > 1 + 1e-9:
        end = f"{mark.x + mark.width:g},{mark.y + mark.height:g}"
        raise _Refused(f"the box {numbers} ends beyond the frame, at {end}")


__all__ = [
    "MOST_COMPARED",
    "MOST_PROMPTS",
    "ChoiceOption",
    "FlagOption",
    "HeadOption",
    "HeadsOption",
    "MarksOption",
    "NamesOption",
    "NumberOption",
    "Option",
    "OutputSizeOption",
    "PromptsOption",
    "QueryOption",
    "RealOption",
    "ReferencesOption",
    "SizeOption",
    "TargetOption",
    "TextOption",
    "WholeOption",
]  # fmt: skip
