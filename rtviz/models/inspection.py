"""What timm knows about a network, and a trial pass shows, as the fields of a ModelCard."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

from rtviz.models import backbone
from rtviz.models.card import ModelCard, resampling_of
from rtviz.models.positions import Positions
from rtviz.models.probe import AttentionProbe
from rtviz.models.stages import Stages
from rtviz.models.timm_import import timm


def inspect(timm_name: str) -> ModelCard | None:
    """Returns the card of a network of timm; None if rtviz can show nothing of it.

    Raises:
        ValueError: timm has the architecture, but not the tag after the dot; the message lists the tags.
    """
    facts = inspect_transformer(timm_name) or inspect_convnet(timm_name)
    return None if facts is None else ModelCard(name=timm_name, timm_name=timm_name, **facts)


def inspect_transformer(timm_name: str) -> dict[str, Any] | None:
    """Returns the facts about a transformer of timm, as ModelCard's fields; None if it is none, or its attention cannot
    be captured.

    A forward pass on the meta device, where a network has shapes but no numbers, shows that. (Older versions of timm
    cannot build a network there, but every network can be moved.)

    Raises:
        ValueError: timm has the architecture, but not the tag after the dot; the message lists the tags.
    """
    architecture, _, tag = timm_name.partition(".")
    tags = [name.partition(".")[2] for name in timm.list_pretrained(architecture + ".*")]
    if tag and tag not in tags:
        raise ValueError(f"{architecture} has no weights {tag!r}; there are: {', '.join(tags) or 'none'}")
    try:
        network: Any = backbone.build(timm_name)
        parameters = sum(parameter.numel() for parameter in network.parameters())
        positions = Positions(network)
        network.to("meta")
        positions.fit((2, 3))
        with torch.device("meta"), torch.inference_mode():
            patch_size = backbone.patch_size_of(network)
            prefix = int(network.num_prefix_tokens)
            picture = torch.zeros(1, 3, 2 * patch_size, 3 * patch_size)
            with AttentionProbe(torch.zeros(1, dtype=torch.int64), tokens=prefix + 6) as probe:
                network.forward_features(picture)
    except (TypeError, AttributeError, AssertionError, RuntimeError, ValueError):
        return None  # a network that is no transformer fails in many ways
    layers = len(getattr(network, "blocks", ()))
    if not layers or len(probe.attention) != layers:
        return None
    facts = _published(timm_name, network)
    registers = prefix - backbone.has_cls(network)
    return {
        "patch_size": patch_size,
        "layers": layers,
        "heads": int(probe.attention[0].shape[1]),
        "width": int(network.embed_dim),
        "registers": registers,
        "parameters": parameters,
        "resampling": resampling_of(facts["family"], registers),
        **facts,
    }


def inspect_convnet(timm_name: str) -> dict[str, Any] | None:
    """Returns the facts about a convolutional network of timm, as ModelCard's fields; None if it is none.

    A forward pass on the meta device shows that, as for a transformer. A network in which places attend to places, by
    whatever way of computing it, is a hybrid: to say of it that it has no attention heads would be wrong.
    """
    shapes: list[tuple[int, ...]] = []
    try:
        network: Any = backbone.build_convnet(timm_name)
        parameters = sum(parameter.numel() for parameter in network.parameters())
        network.to("meta")
        stages = Stages(network)
        stride = stages.strides[-1]
        size = (4 * stride, 6 * stride)
        for module in stages.modules:
            module.register_forward_hook(lambda module, inputs, features: shapes.append(tuple(features.shape)))
        with torch.device("meta"), torch.inference_mode(), _SelfAttention() as attention:
            network.forward_features(torch.zeros(1, 3, *size))
    except (TypeError, AttributeError, KeyError, IndexError, AssertionError, RuntimeError, ValueError):
        return None  # a network that is no such one fails in many ways
    # [batch, channels, rows, columns] in each stage; a cell more or less where a network does not pad.
    if attention.found or len(shapes) != stages.count:
        return None
    for shape, width, reduction in zip(shapes, stages.widths, stages.strides, strict=True):
        if len(shape) != 4 or shape[1] != width:
            return None
        if any(abs(cells - side / reduction) > 2 for cells, side in zip(shape[2:], size, strict=True)):
            return None
    return {
        "kind": "convnet",
        "patch_size": stride,
        "layers": stages.count,
        "heads": 0,
        "width": stages.widths[-1],
        "registers": 0,
        "parameters": parameters,
        **_published(timm_name, network),
    }


class _SelfAttention(TorchFunctionMode):
    """Notices attention from places to places: fused, or a softmax whose last two sides are both longer than one."""

    found = False

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is F.scaled_dot_product_attention:
            self.found = True
        elif func in (F.softmax, torch.softmax, Tensor.softmax):
            x: Tensor = args[0]
            dim = kwargs.get("dim", args[1] if len(args) > 1 else None)
            self.found |= dim in (-1, x.ndim - 1) and x.ndim >= 3 and x.shape[-2] > 1
        return func(*args, **kwargs)


def _published(timm_name: str, network: Any) -> dict[str, Any]:
    """What timm knows about the weights of a network, as ModelCard's fields."""
    known = network.pretrained_cfg
    published = bool(known.get("hf_hub_id"))
    with backbone.WithoutInitialisation(), torch.random.fork_rng(devices=[]):
        whole = timm.create_model(timm_name)  # with the classifier that its weights file has
    repository = known["hf_hub_id"] if published else None
    return {
        "family": _family(timm_name, known.get("tag") or ""),
        "download_bytes": 4 * sum(tensor.numel() for tensor in whole.state_dict().values()) if published else None,
        "licence": known.get("license") or "see its repository",
        "repository": repository,
        "filename": known.get("hf_hub_filename") or "model.safetensors",
        "official_filename": (known.get("url") or "").rpartition("/")[2] or None,
        "mean": tuple(known["mean"]),
        "std": tuple(known["std"]),
    }


def _family(timm_name: str, tag: str) -> str:
    for sign, family in (("dinov3", "DINOv3"), ("dinov2", "DINOv2"), (".dino", "DINO")):
        if sign in f"{timm_name}.{tag}":
            return family
    return tag.split("_")[0] or "timm"


__all__ = ["inspect", "inspect_convnet", "inspect_transformer"]
