"""The errors that a user can meet.

Every message says what was wrong, what was given and what is allowed, in one line; `remedy` is what to do next.

    RtvizError                      exit status 1
    ├── SettingsError               a setting has a value that it cannot have (exit status 2)
    ├── MissingDependency           an optional package or system library is needed and absent
    ├── SourceError                 frames cannot be had
    │   ├── SourceMissing           there is nothing at that place
    │   ├── SourceUnreadable        there is something, but no picture or video that can be decoded
    │   └── SourceLost              it delivered, and then stopped: unplugged, stalled, cut off
    ├── SinkError                   results cannot be put where they are to go
    │   ├── OutputExists            a file is there, and is not to be overwritten
    │   └── OutputUnwritable        no permission, no space, no such folder, no encoder
    └── ModelError                  attention cannot be had
        ├── UnknownModel            no model has that name
        ├── WeightsMissing          the weights are neither given, nor cached, nor reachable
        │   └── LicenceNotAccepted  they are to be had once their licence was read and accepted
        ├── WeightsRefused          the file is unsafe, damaged, or belongs to another model
        ├── AttentionCaptureError           the forward pass did not show the attention of every layer
        ├── DeviceFailed            the device is absent, or out of memory
        └── DeviceLost              the device failed in the midst of it, and is of no more use to this process
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Self

from rtviz.notices import Notice, Remedy
from rtviz.words import one_line


class RtvizError(Exception):
    """Something that the user can understand and mend.

    Attributes:
        remedy: what the user can do about it, which each surface says in its own words; None if the message says it.
        subject: what the remedy is about, such as a model's name.
        causes: the errors that this one sums up.
    """

    exit_status = 1
    remedy: Remedy | None = None
    subject = ""
    causes: tuple[RtvizError, ...] = ()

    def mended_by(self, remedy: Remedy, subject: str = "") -> Self:
        """This error, with a remedy."""
        self.remedy, self.subject = remedy, subject
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        """An error from another process is as it was there; Python's own way calls `__init__` with the message alone,
        which those of the kinds that compose theirs do not take."""
        return _restored, (type(self), self.args, self.__dict__)


def _restored(kind: type[RtvizError], arguments: tuple[Any, ...], attributes: dict[str, Any]) -> RtvizError:
    error = kind.__new__(kind, *arguments)  # BaseException keeps these as `args`
    error.__dict__.update(attributes)
    return error


class SettingsError(RtvizError):
    """A setting was given a value that it cannot have.

    Args:
        wrong: what is wrong, where the value alone does not show it.
    """

    exit_status = 2

    def __init__(self, field: str, value: object, allowed: str | Iterable[str], wrong: str | None = None) -> None:
        self.field = field
        self.value = value
        self.allowed = allowed if isinstance(allowed, str) else ", ".join(allowed)
        super().__init__(f"{wrong or f'{field} cannot be {value!r}'}; allowed: {self.allowed}")


def no_heads(model: str) -> SettingsError:
    """What to raise where only attention will do, and a model has none."""
    return SettingsError("model", model, f"a vision transformer ({lacks_heads(model)})")


def no_tokens(model: str) -> SettingsError:
    """What to raise where only patch tokens will do, and a model has none."""
    return SettingsError("model", model, f"a vision transformer ({lacks(model, 'patch tokens')})")


def no_cls(model: str) -> SettingsError:
    """What to raise where only the attention of CLS will do, and a transformer has no CLS."""
    return SettingsError("model", model, f"a vision transformer with a CLS token ({model} has none)")


def lacks_heads(model: str) -> str:
    """The sentence that stands wherever heads would be."""
    return lacks(model, "attention heads")


def lacks(model: str, what: str) -> str:
    """The same of anything else that a convolutional network does not have."""
    return f"{model} has no {what}"


def no_classifier(model: str) -> SettingsError:
    """What to raise where a class is to be explained, and a model tells none apart."""
    return SettingsError("cam", "grad", f"auto, activation, eigen, which need no class ({lacks_classifier(model)})")


def lacks_classifier(model: str) -> str:
    """The sentence that stands wherever a class would be explained."""
    return f"{model} has no classifier, and Grad-CAM needs one"


class MissingDependency(RtvizError):
    """A package that this one task needs is not installed."""

    def __init__(self, package: str, purpose: str, remedy: str | None = None) -> None:
        self.package = package
        super().__init__(f"{purpose} needs {package}: {remedy or f'pip install {package}'}")


class SourceError(RtvizError):
    """Frames cannot be had from a source."""


class SourceMissing(SourceError):
    """There is nothing at the place that was named."""


class SourceUnreadable(SourceError):
    """There is something, but nothing in it can be decoded."""


class SourceLost(SourceError):
    """The source delivered frames and then stopped before its end."""


class SinkError(RtvizError):
    """Results cannot be put where they are to go."""


class OutputExists(SinkError):
    """The output is there already."""


class OutputUnwritable(SinkError):
    """The output cannot be written: permission, space, folder or encoder."""


class ModelError(RtvizError):
    """Attention cannot be had from a model."""


class UnknownModel(ModelError):
    """No model has that name."""


class WeightsMissing(ModelError):
    """The weights are not given, not cached and not reachable.

    Attributes:
        model: whose weights they are.
        link: the address of their file, for whoever fetches it by hand.
        failures: each way that was tried, and why it failed, in that order.
    """

    def __init__(
        self,
        message: str,
        *,
        model: str | None = None,
        link: str | None = None,
        failures: Iterable[tuple[str, str]] = (),
    ) -> None:
        super().__init__(message)
        self.model = model
        self.link = link
        self.failures = tuple(failures)


class LicenceNotAccepted(WeightsMissing):
    """The weights may be fetched by whoever has read and accepted their licence."""

    def __init__(self, message: str, *, licence: str = "", licence_url: str = "", **more: Any) -> None:
        super().__init__(message, **more)
        self.licence = licence
        self.licence_url = licence_url


def weights_missing(missing: Mapping[str, WeightsMissing]) -> WeightsMissing:
    """What to raise where several models were requested and these, by name, have no weights: all at once."""
    if len(missing) == 1:
        return next(iter(missing.values()))
    *names, last = missing
    summary = WeightsMissing(f"the weights of {', '.join(names)} and {last} are missing")
    summary.causes = tuple(missing.values())
    for error in summary.causes:
        summary.add_note(str(error))
    return summary


class WeightsRefused(ModelError):
    """The weights are unsafe, damaged, or made for another model.

    Attributes:
        path: the file.
        model: the model that they were to be for.
        looks_like: the named models whose shape they have, most likely first.
    """

    def __init__(
        self, message: str, *, path: Path | None = None, model: str | None = None, looks_like: Iterable[str] = ()
    ) -> None:
        super().__init__(message)
        self.path = path
        self.model = model
        self.looks_like = tuple(looks_like)


class AttentionCaptureError(ModelError):
    """The forward pass did not show the attention of every layer."""


class DeviceFailed(ModelError):
    """The requested device is absent or out of memory."""


class DeviceLost(ModelError):
    """The device failed in the midst of its work: whatever this process asks of it now will fail, too."""


def in_words(error: BaseException) -> str:
    """An error in one line: its message, a notice with its remedy, if a user can meet it; else its kind too."""
    text = one_line(" ".join(str(error).split()))
    if isinstance(error, RtvizError) and text:
        return Notice(text, error.remedy, error.subject)
    return f"{type(error).__name__}: {text}" if text else repr(error)
