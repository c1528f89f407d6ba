"""The values of settings that are more than a number, a word or a path: points, tokens, heads, marks, examples."""

from __future__ import annotations

from typing import Literal, NamedTuple

Head = int | Literal["mean", "max", "all", "follow"]
Target = int | Literal["top"]

NO_NAME = "object"  # what a class without a name is called
AT_TIME = "#t="  # stands between a video and the second of one of its frames


class Point(NamedTuple):
    """A place on the frame, as fractions of its width and height."""

    x: float
    y: float

    def __str__(self) -> str:
        return f"{self.x:g},{self.y:g}"


class Register(NamedTuple):
    """A register token, counted from 0."""

    number: int

    def __str__(self) -> str:
        return f"reg{self.number}"


Query = Literal["cls"] | Register | Point


def token_name(query: Query, patch: str = "this patch") -> str:
    """What a query's token is called on pictures: "CLS", "R0" (the first register), or the words for a patch."""
    if query == "cls":
        return "CLS"
    return f"R{query.number}" if isinstance(query, Register) else patch


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


class Mark(NamedTuple):
    """An object on the frame: a point on it, or, with a size, a box round it; fractions of its width and height."""

    x: float
    y: float
    width: float = 0.0
    height: float = 0.0

    def __str__(self) -> str:
        return ",".join(f"{value:g}" for value in (self if self.width and self.height else self[:2]))


class Reference(NamedTuple):
    """A marked place of a reference picture.

    Attributes:
        path: of a picture; of a video, whose first frame is meant; with "#t=SECONDS", its frame at that time.
        mark: the point or box.
    """

    path: str
    mark: Mark

    def __str__(self) -> str:
        return f"{self.path}@{self.mark}"


class Prompt(NamedTuple):
    """An example of a named class: a place of a picture that shows it, or that does not.

    Attributes:
        path: of the picture, as in `Reference`; empty: of what is processed, its first frame; "#t=SECONDS": its frame
            at that time.
        mark: the point or box.
        positive: whether the class is there.
        name: of the class.
    """

    path: str
    mark: Mark
    positive: bool = True
    name: str = NO_NAME

    @property
    def on_input(self) -> bool:
        """Whether its picture is one of what is processed."""
        return not self.path or self.path.startswith(AT_TIME)

    def __str__(self) -> str:
        return f"{self.name}{'+' if self.positive else '-'}{self.path and f'{self.path}@'}{self.mark}"


__all__ = [
    "AT_TIME",
    "NO_NAME",
    "Head",
    "HeadOf",
    "Mark",
    "Muted",
    "Point",
    "Prompt",
    "Query",
    "Reference",
    "Register",
    "Target",
    "token_name",
]  # fmt: skip
