"""Named classes of patches by examples of what they are and are not, by the cosine similarity of patch features."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rtviz.analysis.marking import unit_of
from rtviz.analysis.matching import marked
from rtviz.frame import Floats, Frame, Grid
from rtviz.settings import Mark, Point, Prompt, Query, Settings

if TYPE_CHECKING:
    from rtviz.frame import Pixels
    from rtviz.models import Model

# Of the difference of two cosine similarities: one of .1 is a probability of .73. Label propagation has the same
# (`rtviz.analysis.propagation.TEMPERATURE`).
_TEMPERATURE = 0.1


class Example(NamedTuple):
    """Marked patches of a picture.

    Attributes:
        name: of the class that they are, or are not, of.
        positive: whether they are.
        feature: float32 [width], the mean of their unit vectors, of unit length.
        like_itself: halfway from how like the picture's patches are to that on average to how like it is to itself: a
            patch less like it is like it only as everything is.
    """

    name: str
    positive: bool
    feature: Floats
    like_itself: float

    @classmethod
    def of(cls, features: Floats, prompt: Prompt) -> Example:
        """The example that a prompt marks.

        Args:
            features: of the patches of its picture, float32 [rows, columns, width].
        """
        unit = unit_of(features)
        feature = unit_of(unit[marked(prompt.mark, Grid(*unit.shape[:2]))].mean(axis=0))
        return cls(prompt.name, prompt.positive, feature, (1 + float((unit @ feature).mean())) / 2)


def classes_of(prompts: Iterable[Prompt | Example]) -> tuple[str, ...]:
    """The names of the classes that have examples, each once, in order."""
    return tuple(dict.fromkeys(prompt.name for prompt in prompts if prompt.positive))


def probabilities(features: Floats, examples: Sequence[Example]) -> Floats:
    """How sure it is that each patch is of each class.

    A patch is as like a class as it is to the positive example that it is most like, by cosine similarity. Against
    that stands what is more like it: a negative example of the class, a positive one of another class, or the
    `like_itself` of that example. The probability is the logistic function of the difference over a temperature of
    0.1, which is the softmax over the two. Above a half it is of one class at most.

    Args:
        features: of the frame's patches, float32 [rows, columns, width].
        examples: at least one of them positive.

    Returns:
        float32 [classes, rows, columns], in the order of `classes_of(examples)`.
    """
    unit = unit_of(features)
    likeness = np.moveaxis(unit @ np.stack([one.feature for one in examples], axis=1), -1, 0)
    found = []
    for name in classes_of(examples):
        own = [one.positive and one.name == name for one in examples]
        against = [one.positive if one.name != name else not one.positive for one in examples]
        best = likeness[own].argmax(axis=0)
        alike = likeness[own].max(axis=0)
        least = np.array([one.like_itself for one in examples], np.float32)[own][best]
        other = likeness[against].max(axis=0, initial=-1)
        found.append(1 / (1 + np.exp((np.maximum(least, other) - alike) / _TEMPERATURE)))
    return np.asarray(found, np.float32)


def members(probability: Floats, confidence: float) -> NDArray[np.bool_]:
    """The patches of each class: where it is the most probable one, and its probability is above the confidence.

    Args:
        probability: of `probabilities`, [classes, rows, columns].

    Returns:
        bool [classes, rows, columns]; no patch is of two classes.
    """
    numbers = np.arange(len(probability))[:, None, None]
    return np.asarray((probability > confidence) & (probability.argmax(axis=0) == numbers))


class PromptedClasses:
    """Named classes by examples, for any picture.

        classes = rtviz.PromptedClasses(model)
        classes.add(picture, (0.5, 0.4), "cat")
        classes.add(picture, (0.8, 0.2), "cat", positive=False)
        classes.find(frame)["cat"]  # bool [rows, columns]

    Args:
        model: from `rtviz.load`, with patch tokens.
        features: what patches are compared by: "tokens", "keys" or "values".
        resolution: short side, in pixels, of what the model gets; its own if not given.
    """

    def __init__(self, model: Model, *, features: str = "tokens", resolution: int | None = None) -> None:
        self._model, self._features, self._resolution = model, features, resolution
        self._examples: list[Example] = []

    def add(
        self, picture: Pixels | Frame, mark: Mark | tuple[float, ...], name: str = "object", *, positive: bool = True
    ) -> None:
        """Give one more example.

        Args:
            picture: RGB uint8 [height, width, 3].
            mark: a point (x, y) or box (x, y, width, height) on it, as fractions of its width and height.
            positive: whether the class is there.

        Raises:
            SettingsError: the mark is not on the picture.
        """
        (checked,) = Settings.option("track").check([mark])
        self._examples.append(Example.of(self._patches(picture), Prompt("", checked, positive, name)))

    def find(self, frame: Pixels | Frame, confidence: float = 0.5) -> dict[str, NDArray[np.bool_]]:
        """The patches of each class: bool [rows, columns].

        Args:
            frame: RGB uint8 [height, width, 3].
            confidence: of which the probability must be above, 0 to 1.
        """
        masks = members(self.probabilities(frame), confidence)
        return dict(zip(classes_of(self._examples), masks, strict=True))

    def probabilities(self, frame: Pixels | Frame) -> Floats:
        """How sure it is that each patch is of each class: float32 [classes, rows, columns].

        Raises:
            ValueError: no positive example was given.
        """
        if not classes_of(self._examples):
            raise ValueError("no class has a positive example")
        return probabilities(self._patches(frame), self._examples)

    def _patches(self, picture: Pixels | Frame) -> Floats:
        pixels = picture.pixels if isinstance(picture, Frame) else picture
        query: Query = "cls" if self._model.has_cls else Point(0.5, 0.5)
        maps = self._model.batch([pixels], query, (self._features,), self._resolution)[0]
        return maps.patch_features(self._features)


__all__ = ["Example", "PromptedClasses", "classes_of", "members", "probabilities"]
