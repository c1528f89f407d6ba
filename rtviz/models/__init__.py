"""The models: what can look at a frame. Light to import; torch comes in only when a model is loaded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rtviz import threads

if TYPE_CHECKING:
    from rtviz.models.runner import Model
    from rtviz.models.zoo import ModelCard

Progress = Callable[[str, int, int | None], None]  # (what, bytes done, bytes in all); may raise to cancel a download

DEFAULT = "dino-vits16"

__all__ = ["DEFAULT", "Model", "Progress", "Row", "describe", "listing", "load", "pull"]


def load(
    name: str | None = None,
    *,
    weights: str | Path | None = None,
    device: str = "auto",
    precision: str = "auto",
    backend: str = "auto",
    resolution: int = 224,
    progress: Progress | None = None,
) -> Model:
    """A model, ready to look.

    Args:
        name: a name from `rtviz models`, any ViT or convnet of timm, or either, untrained, with `random:` in front. If
            not given: what the weights file looks like; else dino-vits16 if its weights are here; else the embedded
            model; else an untrained one. `notice` of the model then says which.
        weights: a safetensors or .pth file; official checkpoints are taken as they are.
        device: auto, cpu, cuda, cuda:1, mps.
        precision: auto, fp32, bf16, fp16, int8 (on a CPU, with OpenVINO).
        backend: auto, torch, openvino: what runs the model on a CPU.
        resolution: short side, in pixels, of what the model sees.
        progress: is called with the bytes of a download.

    Raises:
        UnknownModel: there is no such model.
        WeightsMissing: the weights are not here and cannot be fetched.
        WeightsRefused: the weights are unsafe, damaged, or of another model.
        SettingsError: a value is not allowed.
        DeviceFailed: the device is absent, or too small.
    """
    threads.sleep_while_waiting()
    from rtviz.models import backbone, runner, zoo
    from rtviz.models import weights as files

    card, path, notice = _choose(name, weights)
    if path is None and not card.random:
        path = files.resolve(card, None, progress)
    convnet = card.kind == "convnet"
    # What timm counts as classes of a CLIP are the dimensions that pictures and texts share.
    clip = "clip" in card.timm_name and "_ft_" not in card.timm_name
    labelled = not card.family.startswith("DINO") and not clip
    if convnet:
        network = backbone.build_convnet(card.timm_name, random=card.random, classifier=labelled)
    elif card.timm_name:
        if card.random:
            network = backbone.build_random(card.timm_name, classifier=labelled)
        else:
            network = backbone.build(card.timm_name, classifier=labelled)
    else:
        # Untrained, or with weights that do not describe themselves, it has the shape of what ships here.
        described = path is not None and path.suffix == ".safetensors" and zoo.card_from_metadata(path)
        network = backbone.build_plain(card, path if path is not None and described else zoo.EMBEDDED_FILE)
    if path is not None:
        files.load_into(network, path, card)
    kind = runner.Model
    if convnet:
        from rtviz.models.convnet import ConvNet as kind  # noqa: N813
    return kind(
        network, card, device=device, precision=precision, resolution=resolution, backend=backend, notice=notice
    )


def describe(name: str | None = None, weights: str | Path | None = None) -> ModelCard:
    """What is known of the model that `load` would take, without loading it.

    Raises:
        UnknownModel, WeightsMissing, WeightsRefused, SettingsError: as `load`.
    """
    return _choose(name, weights)[0]


def _choose(name: str | None, weights: str | Path | None) -> tuple[ModelCard, Path | None, str | None]:
    """Which model is meant, its weights file as far as it is given, and what the user must be told."""
    from rtviz.errors import SettingsError
    from rtviz.models import weights as files
    from rtviz.models import zoo

    if weights is not None:
        card = None if name is None else zoo.find(name)
        if card is not None and card.random:
            raise SettingsError("weights", str(weights), f"none with {card.name}, which is untrained")
        path = files.resolve(card or zoo.find(DEFAULT), weights)
        if card is not None:
            return card, path, None
        return _card_of_file(path)
    if name is not None:
        card = zoo.find(name)
        return card, None, _untrained_notice(card) if card.random else None
    card = zoo.find(DEFAULT)
    if files.is_here(card):
        return card, None, None
    embedded = zoo.embedded_card()
    if embedded is not None:
        return embedded, None, f"the small built-in model is looking; {_better()}"
    card = card.untrained()
    return card, None, f"{_untrained_notice(card)}; {_better()}"


def _better() -> str:
    return f"`rtviz models pull {DEFAULT}` fetches the real DINO"


def _untrained_notice(card: ModelCard) -> str:
    return f"{card.name} is untrained: its weights are random, and so are its maps"


def _card_of_file(path: Path) -> tuple[ModelCard, Path, str | None]:
    """Which model a weights file is of, by what it says, by its name, by its shape."""
    from rtviz.errors import UnknownModel
    from rtviz.models import weights as files
    from rtviz.models import zoo

    if path.suffix == ".safetensors":
        described = zoo.card_from_metadata(path)
        if described is not None:
            return described, path, None
    for card in zoo.cards():
        if path.name == card.official_filename or path.stem in (card.name, card.timm_name):
            return card, path, None
    fitting = files.cards_that_fit(files.plain_names(files.read(path)))
    if not fitting:
        raise UnknownModel(f"{path} does not tell which model it is of; say it with --model")
    card = fitting[0]
    others = ", ".join(other.name for other in fitting[1:])
    return card, path, f"{path.name} is taken for {card.name}; it could also be {others} (--model)" if others else None


def pull(name: str, progress: Progress | None = None) -> Path:
    """Fetch a model's weights ahead, if they are not here; returns where they are.

    Raises:
        UnknownModel: there is no such model.
        WeightsMissing: they cannot be fetched.
        SettingsError: an untrained model has none.
    """
    from rtviz.errors import SettingsError
    from rtviz.models import weights as files
    from rtviz.models import zoo

    card = zoo.find(name)
    if card.random:
        raise SettingsError("model", name, "a trained model; an untrained one has nothing to fetch")
    return files.resolve(card, None, progress)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of `rtviz models`.

    Attributes:
        card: the model.
        path: its weights on this machine; None if they would have to be fetched.
    """

    card: ModelCard
    path: Path | None

    def cells(self) -> tuple[str, str, str, str, str, str, str, str, str]:
        """Name, family, patch, layers, heads, parameters, download, licence, weights: as they are printed."""
        card = self.card
        download = f"{card.download_bytes / 1e6:.0f} MB" if card.download_bytes else "none"
        return (
            card.name,
            card.family,
            str(card.patch_size),
            str(card.layers),
            str(card.heads),
            f"{card.parameters / 1e6:.1f} M",
            download,
            card.licence,
            "here" if self.path else "not fetched",
        )

    def to_mapping(self) -> dict[str, Any]:
        """Names and plain values, for JSON."""
        card = self.card
        return {
            "name": card.name,
            "timm_name": card.timm_name or None,
            "family": card.family,
            "patch_size": card.patch_size,
            "layers": card.layers,
            "heads": card.heads,
            "registers": card.registers,
            "parameters": card.parameters,
            "download_bytes": card.download_bytes,
            "licence": card.licence,
            "repository": card.repository,
            "weights": str(self.path) if self.path else None,
        }


def listing() -> list[Row]:
    """The models that have a friendly name, and whether their weights are here; quick, without torch."""
    from rtviz.models import weights as files
    from rtviz.models import zoo

    return [Row(card, files.find_here(card)) for card in zoo.cards()]


def __getattr__(name: str) -> Any:
    if name == "Model":
        from rtviz.models.runner import Model

        return Model
    raise AttributeError(f"module 'rtviz.models' has no attribute {name!r}")
