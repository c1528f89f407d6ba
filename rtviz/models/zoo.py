"""The zoo: the table of models that have a friendly name, and the search for a model by any name.

The table is literal, so that `rtviz models` answers without importing torch; a test holds it against timm. To add a
model, add a row. Any other network of timm is found by its timm name (inspection.py).
"""

from __future__ import annotations

import difflib
from functools import cache

from rtviz.errors import UnknownModel
from rtviz.models.card import (
    EMBEDDED,
    EMBEDDED_FILE,
    HALF,
    IMAGENET_MEAN,
    IMAGENET_STD,
    RANDOM,
    ModelCard,
    Triple,
    resampling_of,
)
from rtviz.models.safetensors_file import card_from_metadata
from rtviz.notices import Remedy


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
    hub: str | None = "",
) -> ModelCard:
    """A row of a plain ViT.

    Args:
        size: small, base or large, as in Dosovitskiy et al. 2021.
        head: how many parameters the file has that the network goes without.
        hub: its repository on the Hugging Face hub, if that is not timm's of the same name; None: it has none.
    """
    layers, heads, width = {"small": (12, 6, 384), "base": (12, 12, 768), "large": (24, 16, 1024)}[size]
    return ModelCard(
        name=name,
        timm_name=timm_name,
        family=family,
        patch_size=patch_size,
        layers=layers,
        heads=heads,
        width=width,
        registers=registers,
        parameters=parameters,
        download_bytes=4 * (parameters + head),
        licence=licence,
        repository=f"timm/{timm_name}" if hub == "" else hub,
        official_filename=official_filename or (official_url or "").rpartition("/")[2] or None,
        official_url=official_url,
        official_sha256=official_sha256,
        mean=mean,
        std=std,
        resampling=resampling_of(family, registers),
    )


_HEAD_OF_1000 = 1000 * 384 + 1000

_CLIP_MEAN, _CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)

# The authors' own files: facebookresearch/dino, hubconf.py; facebookresearch/dinov2, README.md; facebookresearch/deit,
# models.py; bytedance/ibot, README.md; facebookresearch/mae, README.md. Of DINO's nobody published a hash; DINOv2's are
# those that finegrain-ai/refiners checks its downloads by.
_DINO = "https://dl.fbaipublicfiles.com/dino/"
_DINOV2 = "https://dl.fbaipublicfiles.com/dinov2/"
_IBOT = "https://lf3-nlp-opensource.bytetos.com/obj/nlp-opensource/archive/2022/ibot/"

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
        "dinov2-vitl14", "vit_large_patch14_dinov2.lvd142m", "DINOv2", 14, "large", 304367616,
        _DINOV2 + "dinov2_vitl14/dinov2_vitl14_pretrain.pth",
    ),
    _row(
        "dinov2-vitl14-reg", "vit_large_patch14_reg4_dinov2.lvd142m", "DINOv2", 14, "large", 304370688,
        _DINOV2 + "dinov2_vitl14/dinov2_vitl14_reg4_pretrain.pth", registers=4,
    ),
    _row(
        "dinov3-vits16", "vit_small_patch16_dinov3.lvd1689m", "DINOv3", 16, "small", 21586944,
        official_filename="dinov3_vits16_pretrain_lvd1689m-08c60483.pth", registers=4, licence="DINOv3 License",
    ),
    _row(
        "dinov3-vits16plus", "vit_small_plus_patch16_dinov3.lvd1689m", "DINOv3", 16, "small", 28683264,
        official_filename="dinov3_vits16plus_pretrain_lvd1689m-4057cbaa.pth", registers=4, licence="DINOv3 License",
    ),
    _row(
        "dinov3-vitb16", "vit_base_patch16_dinov3.lvd1689m", "DINOv3", 16, "base", 85641216,
        official_filename="dinov3_vitb16_pretrain_lvd1689m-73cec8be.pth", registers=4, licence="DINOv3 License",
    ),
    _row(
        "dinov3-vitl16", "vit_large_patch16_dinov3.lvd1689m", "DINOv3", 16, "large", 303079424,
        official_filename="dinov3_vitl16_pretrain_lvd1689m-8aa4cbdd.pth", registers=4, licence="DINOv3 License",
    ),
    # iBOT trains DINO's network with masked patches as well. All its files are called checkpoint_teacher.pth.
    _row(
        "ibot-vits16", "vit_small_patch16_224", "iBOT", 16, "small", 21665664, _IBOT + "vits_16/checkpoint_teacher.pth",
        official_filename="ibot_vits16_checkpoint_teacher.pth", hub=None,
    ),
    _row(
        "ibot-vitb16", "vit_base_patch16_224", "iBOT", 16, "base", 85798656, _IBOT + "vitb_16/checkpoint_teacher.pth",
        "734b9c49f46cd330d740f6c35d6a83517aab770a3efd86d7f1175ced582c9b7f",
        official_filename="ibot_vitb16_checkpoint_teacher.pth", hub=None,
    ),
    _row(
        "lingbot-vits16", "vit_small_patch16_lingbot.robbyant", "LingBot-Vision", 16, "small", 21596160, registers=4,
        hub="belfner/vit_small_patch16_lingbot.robbyant",
    ),
    _row(
        "lingbot-vitb16", "vit_base_patch16_lingbot.robbyant", "LingBot-Vision", 16, "base", 85659648, registers=4,
        hub="belfner/vit_base_patch16_lingbot.robbyant",
    ),
    _row(
        "mae-vitb16", "vit_base_patch16_224.mae", "MAE", 16, "base", 85798656,
        "https://dl.fbaipublicfiles.com/mae/pretrain/mae_pretrain_vit_base.pth", licence="CC BY-NC 4.0",
    ),
    _row(
        "clip-vitb16", "vit_base_patch16_clip_quickgelu_224.openai", "CLIP", 16, "base", 85799424,
        head=86193152 - 85799424, mean=_CLIP_MEAN, std=_CLIP_STD, hub="timm/vit_base_patch16_clip_224.openai",
    ),
    _row(
        "siglip2-vitb16", "vit_base_patch16_siglip_224.v2_webli", "SigLIP 2", 16, "base", 92884224, mean=HALF, std=HALF,
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
        if name and name in card.names:
            return card
    if name == EMBEDDED:
        raise _unknown(name, "this build of rtviz has no embedded model")
    return _card_from_timm(name)


def embedded_card() -> ModelCard | None:
    """The card of the model that ships inside rtviz; None where this build has none."""
    return card_from_metadata(EMBEDDED_FILE) if EMBEDDED_FILE.is_file() else None


@cache
def _card_from_timm(name: str) -> ModelCard:
    from rtviz.models.inspection import inspect  # it imports torch
    from rtviz.models.timm_import import timm

    if not timm.is_model(name):
        raise _unknown(name, f"no model is called {name!r}")
    try:
        card = inspect(name)
    except ValueError as error:
        raise UnknownModel(f"no model is called {name!r}: {error}") from None
    if card is None:
        raise _unknown(
            name,
            f"{name!r} is not a vision transformer whose attention rtviz can show, one with layers in which all "
            "patches attend to all, and no convolutional network with stages either",
        )
    return card


def _unknown(name: str, why: str) -> UnknownModel:
    """What to raise for an unknown name; the message suggests close names."""
    names = [card.name for card in cards()]
    close = difflib.get_close_matches(name.lower(), names, n=3, cutoff=0.5)
    suggestion = f"; did you mean {' or '.join(close)}?" if close else ""
    return UnknownModel(why + suggestion).mended_by(Remedy.LIST_MODELS)


__all__ = ["cards", "embedded_card", "find"]
