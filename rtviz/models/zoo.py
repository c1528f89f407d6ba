"""The zoo: which models can look, by friendly name, with the facts that a user chooses by.

The table is literal, so that `rtviz models` answers without importing torch; a test holds it against timm. To add a
model, add a row. Any other transformer of timm is taken under its timm name, and its facts are asked from timm.
"""

from __future__ import annotations

import dataclasses
import difflib
import json
import struct
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from rtviz.errors import UnknownModel, WeightsRefused

Triple = tuple[float, float, float]
IMAGENET_MEAN: Triple = (0.485, 0.456, 0.406)
IMAGENET_STD: Triple = (0.229, 0.224, 0.225)
HALF: Triple = (0.5, 0.5, 0.5)

# How learned position embeddings are fitted to a patch grid that is not the trained one; bicubic, in each case.
# "offset": by the factor (rows + 0.1) / trained rows, and the same for columns, which also moves the places that are
#     sampled; no antialias. DINO (facebookresearch/dino, vision_transformer.py) and DINOv2 without registers
#     (facebookresearch/dinov2, dinov2/models/vision_transformer.py, interpolate_offset).
# "antialias": to the size itself, with antialias. DINOv2 with registers (dinov2/hub/backbones.py), and timm.
# "size": to the size itself, no antialias. What transformers makes of DINO, DINOv2 and their ONNX exports.
Resampling = Literal["offset", "antialias", "size"]

RANDOM = "random:"
EMBEDDED = "embedded"
EMBEDDED_FILE = Path(__file__).parent / "embedded.safetensors"


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What is known about a model before it is loaded.

    Attributes:
        name: what the user calls it; with `random:` in front, it is untrained.
        timm_name: architecture and weights, as timm names them; empty for the embedded model.
        family: "DINO", "DINOv2", "DINOv3", "supervised", or what timm's name tells.
        patch_size: side of a patch in pixels; of a convolutional network, of a cell of its last stage.
        layers, heads: of the transformer; a convolutional network has stages and no heads.
        width: of a token; of a convolutional network, of its last stage.
        registers: how many register tokens stand beside CLS.
        parameters: how many, without a classifier head.
        download_bytes: size of the weights file; computed as 4 bytes for each of its parameters (with the head, where
            the file has one), to within the file's header of some 20 kB. None: there are no published weights.
        licence: of the weights.
        repository, filename: where the Hugging Face hub has the weights; None: it does not.
        official_filename: what the authors call their own file of the same weights; accepted where it lies at hand.
        official_url: where the authors give that file to anybody; None: nowhere.
        official_sha256: its hash, or how that begins; None: nobody published it.
        mean, std: normalisation of RGB in 0..1, as in training.
        resampling: how position embeddings are fitted to other sizes than training's, as the authors' own code does.
        kind: which machinery looks with it: "transformer" or "convnet".
        random: untrained on purpose.
    """

    name: str
    timm_name: str
    family: str
    patch_size: int
    layers: int
    heads: int
    width: int
    registers: int
    parameters: int
    download_bytes: int | None
    licence: str
    repository: str | None
    filename: str = "model.safetensors"
    official_filename: str | None = None
    official_url: str | None = None
    official_sha256: str | None = None
    mean: Triple = IMAGENET_MEAN
    std: Triple = IMAGENET_STD
    resampling: Resampling = "antialias"
    kind: str = "transformer"
    random: bool = False

    @property
    def trained_name(self) -> str:
        """The name without `random:`."""
        return self.name.removeprefix(RANDOM)

    @property
    def licence_url(self) -> str | None:
        """Where the licence stands, if it must be accepted before the weights are fetched."""
        return next((url for start, url in _TO_ACCEPT.items() if self.licence.lower().startswith(start)), None)

    @property
    def discovery_features(self) -> str:
        """Which of "keys", "values" and "tokens" of the last layer TokenCut and LOST find objects by in this family.

        The papers take DINO's keys. DINOv2's keys share a large common part, so that every patch is like every other;
        Darcet et al. 2024 ("Vision Transformers Need Registers") take its values for LOST. CorLoc of a trained ViT-S/14
        on 82 pictures of VOC2007 in their own size, TokenCut and LOST: keys 0 and 29, which is what the whole picture
        reaches; values 49 and 52; tokens 52 and 45. In DINOv3's keys there is its rotary position embedding, and in its
        patch tokens none: that choice is not measured.
        """
        return _DISCOVERY_FEATURES.get(self.family, "keys")

    def untrained(self) -> ModelCard:
        """The same architecture with random weights: nothing to download."""
        return dataclasses.replace(
            self, name=RANDOM + self.trained_name, random=True, download_bytes=0, repository=None, official_url=None
        )


# Licences that bind whoever downloads, and not only whoever distributes.
_TO_ACCEPT = {"dinov3": "https://ai.meta.com/resources/models-and-libraries/dinov3-license/"}

_DISCOVERY_FEATURES = {"DINOv2": "values", "DINOv3": "tokens"}


def _row(
    name: str,
    timm_name: str,
    family: str,
    patch_size: int,
    size: str,
    parameters: int,
    official_url: str | None = None,
    official_sha256: str | None = None,
    *,
    official_filename: str | None = None,
    registers: int = 0,
    head: int = 0,
    licence: str = "Apache-2.0",
    mean: Triple = IMAGENET_MEAN,
    std: Triple = IMAGENET_STD,
) -> ModelCard:
    heads, width = {"small": (6, 384), "base": (12, 768)}[size]
    return ModelCard(
        name=name,
        timm_name=timm_name,
        family=family,
        patch_size=patch_size,
        layers=12,
        heads=heads,
        width=width,
        registers=registers,
        parameters=parameters,
        download_bytes=4 * (parameters + head),
        licence=licence,
        repository=f"timm/{timm_name}",
        official_filename=official_filename or (official_url or "").rpartition("/")[2] or None,
        official_url=official_url,
        official_sha256=official_sha256,
        mean=mean,
        std=std,
        resampling=resampling_of(family, registers),
    )


def resampling_of(family: str, registers: int) -> Resampling:
    """How a family's authors fit position embeddings to another size."""
    return "offset" if family in ("DINO", "DINOv2") and not registers else "antialias"


_HEAD_OF_1000 = 1000 * 384 + 1000

# The authors' own files: facebookresearch/dino, hubconf.py; facebookresearch/dinov2, README.md; facebookresearch/deit,
# models.py. Of DINO's nobody published a hash; DINOv2's are those that finegrain-ai/refiners checks its downloads by.
_DINO = "https://dl.fbaipublicfiles.com/dino/"
_DINOV2 = "https://dl.fbaipublicfiles.com/dinov2/"

_CARDS = (
    _row(
        "dino-vits16", "vit_small_patch16_224.dino", "DINO", 16, "small", 21665664,
        _DINO + "dino_deitsmall16_pretrain/dino_deitsmall16_pretrain.pth",
    ),
    _row(
        "dino-vits8", "vit_small_patch8_224.dino", "DINO", 8, "small", 21670272,
        _DINO + "dino_deitsmall8_pretrain/dino_deitsmall8_pretrain.pth",
    ),
    _row(
        "dino-vitb16", "vit_base_patch16_224.dino", "DINO", 16, "base", 85798656,
        _DINO + "dino_vitbase16_pretrain/dino_vitbase16_pretrain.pth",
    ),
    _row(
        "dino-vitb8", "vit_base_patch8_224.dino", "DINO", 8, "base", 85807872,
        _DINO + "dino_vitbase8_pretrain/dino_vitbase8_pretrain.pth",
    ),
    _row(
        "dinov2-vits14", "vit_small_patch14_dinov2.lvd142m", "DINOv2", 14, "small", 22056192,
        _DINOV2 + "dinov2_vits14/dinov2_vits14_pretrain.pth",
        "b938bf1bc15cd2ec0feacfe3a1bb553fe8ea9ca46a7e1d8d00217f29aef60cd9",
    ),
    _row(
        "dinov2-vits14-reg", "vit_small_patch14_reg4_dinov2.lvd142m", "DINOv2", 14, "small", 22057344,
        _DINOV2 + "dinov2_vits14/dinov2_vits14_reg4_pretrain.pth",
        "f433177089a681826f849f194ece3bb48f4d63fb38d32fc837e3dc7a4e5641fb", registers=4,
    ),
    _row(
        "dinov2-vitb14", "vit_base_patch14_dinov2.lvd142m", "DINOv2", 14, "base", 86579712,
        _DINOV2 + "dinov2_vitb14/dinov2_vitb14_pretrain.pth",
        "0b8b82f85de91b424aded121c7e1dcc2b7bc6d0adeea651bf73a13307fad8c73",
    ),
    _row(
        "dinov2-vitb14-reg", "vit_base_patch14_reg4_dinov2.lvd142m", "DINOv2", 14, "base", 86582016,
        _DINOV2 + "dinov2_vitb14/dinov2_vitb14_reg4_pretrain.pth",
        "73182a088cf94833c94b1666d1c99e02fe87e2007bff57b564fb6206e25dba71", registers=4,
    ),
    _row(
        "dinov3-vits16", "vit_small_patch16_dinov3.lvd1689m", "DINOv3", 16, "small", 21586944,
        official_filename="dinov3_vits16_pretrain_lvd1689m-08c60483.pth", registers=4, licence="DINOv3 License",
    ),
    _row(
        "deit-vits16", "deit_small_patch16_224.fb_in1k", "supervised", 16, "small", 21665664,
        "https://dl.fbaipublicfiles.com/deit/deit_small_patch16_224-cd65a155.pth", "cd65a155", head=_HEAD_OF_1000,
    ),
    _row(
        "augreg-vits16", "vit_small_patch16_224.augreg_in21k_ft_in1k", "supervised", 16, "small", 21665664,
        head=_HEAD_OF_1000, mean=HALF, std=HALF,
    ),
    # Trained with labels, by the recipe of Wightman et al., "ResNet strikes back", 2021.
    ModelCard(
        "resnet50", "resnet50.a1_in1k", "supervised", 32, 4, 0, 2048, 0, 23508032, 4 * 25610205, "Apache-2.0",
        "timm/resnet50.a1_in1k", official_filename="resnet50_a1_0-14fe96d1.pth", kind="convnet",
    ),
    ModelCard(
        "dino-resnet50", "resnet50", "DINO", 32, 4, 0, 2048, 0, 23508032, 4 * 23561205, "Apache-2.0", None,
        official_filename="dino_resnet50_pretrain.pth", kind="convnet",
        official_url=_DINO + "dino_resnet50_pretrain/dino_resnet50_pretrain.pth",
    ),
    ModelCard(
        "dinov3-convnext-tiny", "convnext_tiny.dinov3_lvd1689m", "DINOv3", 32, 4, 0, 768, 0, 27820128, 4 * 27820128,
        "DINOv3 License", "timm/convnext_tiny.dinov3_lvd1689m", kind="convnet",
        official_filename="dinov3_convnext_tiny_pretrain_lvd1689m-21b726bb.pth",
    ),
)  # fmt: skip


def cards() -> tuple[ModelCard, ...]:
    """The models that have a friendly name; the embedded one first, where its weights are."""
    embedded = embedded_card()
    return ((embedded,) if embedded else ()) + _CARDS


def find(name: str) -> ModelCard:
    """The card of a model by its friendly name, by its timm name, or, untrained, by either with `random:` in front.

    Raises:
        UnknownModel: neither the zoo nor timm has a transformer or a convolutional network of that name.
    """
    name = name.strip()
    if name.startswith(RANDOM):
        return find(name.removeprefix(RANDOM)).untrained()
    for card in cards():
        if name and name in (card.name, card.timm_name):  # the embedded model has no timm name
            return card
    if name == EMBEDDED:
        raise UnknownModel(f"this build of rtviz has no embedded model; {_near(name)}")
    return _card_from_timm(name)


def embedded_card() -> ModelCard | None:
    """The card of the model that ships inside rtviz; None where this build has none."""
    return card_from_metadata(EMBEDDED_FILE) if EMBEDDED_FILE.is_file() else None


def card_from_metadata(path: Path) -> ModelCard | None:
    """The card of a model whose safetensors file describes its own architecture; None if it does not.

    The metadata are texts: patch_size, width, depth, heads, and image_size (the side that the position embeddings were
    trained for, in pixels) or grid (the same in patches); mean and std, as JSON, are ImageNet's if not given.
    """
    metadata, shapes = safetensors_header(path)
    try:
        patch_size, width, layers, heads = (int(metadata[key]) for key in ("patch_size", "width", "depth", "heads"))
        trained_size(metadata)
        mean, std = (_triple(metadata[key]) if key in metadata else usual for key, usual in _NORMALISATION)
    except (KeyError, ValueError):
        return None
    parameters = sum(_product(shape) for shape in shapes.values())
    return ModelCard(
        EMBEDDED, "", "embedded", patch_size, layers, heads, width, 0, parameters, 0, "GPL-3.0-or-later", None,
        mean=mean, std=std,
    )  # fmt: skip


_NORMALISATION = (("mean", IMAGENET_MEAN), ("std", IMAGENET_STD))


def _triple(text: str) -> Triple:
    """Three numbers, as JSON has them.

    Raises:
        ValueError: it is something else.
    """
    first, second, third = (float(number) for number in json.loads(text))
    return first, second, third


def trained_size(metadata: dict[str, str]) -> int:
    """Side in pixels of the square that a self-describing file's position embeddings were trained for.

    Raises:
        KeyError, ValueError: the metadata do not tell.
    """
    if "image_size" in metadata:
        return int(metadata["image_size"])
    return int(metadata["grid"].lower().split("x")[0]) * int(metadata["patch_size"])


def safetensors_header(path: Path) -> tuple[dict[str, str], dict[str, list[int]]]:
    """Metadata and shapes of a safetensors file, read without loading a tensor.

    Raises:
        WeightsRefused: it is not a safetensors file.
    """
    try:
        with open(path, "rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > 100_000_000:  # safetensors' own limit
                raise ValueError("header too long")
            header: dict[str, Any] = json.loads(file.read(length))
        metadata = header.pop("__metadata__", {})
        return metadata, {name: entry["shape"] for name, entry in header.items()}
    except (OSError, struct.error, ValueError, KeyError, TypeError, AttributeError) as error:
        raise WeightsRefused(f"{path} is not a whole safetensors file ({error})") from None


def _product(shape: list[int]) -> int:
    count = 1
    for side in shape:
        count *= side
    return count


@cache
def _card_from_timm(name: str) -> ModelCard:
    from rtviz.models import convnet
    from rtviz.models.backbone import describe, timm

    if not timm.is_model(name):
        raise UnknownModel(f"no model is called {name!r}; {_near(name)}")
    try:
        facts = describe(name) or convnet.describe(name)
    except ValueError as error:
        raise UnknownModel(f"no model is called {name!r}: {error}") from None
    if facts is None:
        raise UnknownModel(
            f"{name!r} is not a vision transformer whose attention rtviz can show, one with layers in which all "
            f"patches attend to all, and no convolutional network with stages either; {_near(name)}"
        )
    return ModelCard(name=name, timm_name=name, **facts)


def _near(name: str) -> str:
    """The remedy in every message about an unknown name: close names first."""
    names = [card.name for card in cards()]
    close = difflib.get_close_matches(name.lower(), names, n=3, cutoff=0.5)
    suggestion = f"did you mean {' or '.join(close)}? " if close else ""
    return f"{suggestion}`rtviz models` lists the names, and any ViT or convnet of timm is taken by its timm name"
