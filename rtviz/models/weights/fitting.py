"""Puts a file's weights into a network of timm, if they are that network's; tells which named model a file is of."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from rtviz.errors import WeightsRefused
from rtviz.models import zoo
from rtviz.models.card import ModelCard
from rtviz.models.weights import names
from rtviz.models.weights.checkpoint import read, shown

if TYPE_CHECKING:
    from torch import Tensor, nn

_log = logging.getLogger(__name__)

# With one of these that it has not, it is another one; a NaFlex model keeps its embeddings together.
_TRANSFORMER = re.compile(
    r"blocks\.|norm_pre\.|rel_pos_bias\.|(?:embeds\.)?(?:reg_token|register_tokens|storage_tokens|pos_embed|cls_token)"
)
# Without these the transformer is the same: they come after it, or served only its training.
_NOT_TRANSFORMER = re.compile(r"^(?:head|fc_norm|attn_pool|mask_token|pre_logits|fc|last_layer|mlp|projectors)\b")
# The same of a convolutional network, whose own layers may be called anything.
_NOT_CONVNET = re.compile(
    r"^(?:head|fc|fc_norm|classifier|head_dist|last_layer|last_linear|logits|pre_logits|mlp|norms|projectors)\b"
)


def load_into(network: nn.Module, path: Path, card: ModelCard) -> str | None:
    """Read a weights file into a network of timm.

    Takes timm's own files, official ones as they are published, those of transformers, ONNX exports of all of these,
    and checkpoints that have one of them anywhere inside: wrapped names, teacher and student, averages over training,
    heads, position embeddings for any square of patches.

    Returns:
        What the user must know of it, such as which of several copies was taken; None if there is nothing.

    Raises:
        WeightsRefused: the file is unsafe or damaged, or it is of another model: weights of the transformer, or of the
            convolutional network, are missing, too many, or of another shape.
    """
    return fit_into(network, read(path), path, card)


def fit_into(network: nn.Module, tensors: Mapping[str, Tensor], path: Path, card: ModelCard) -> str | None:
    """The same with what was read from a file already."""
    import torch

    wanted = network.state_dict()
    first = next((name for name in wanted if name.endswith(".weight")), None)
    found = names.networks(tensors, first)
    if not found:
        raise WeightsRefused(
            f"{path} holds no tensors by name; {card.name} needs its own weights", path=path, model=card.name
        )
    # Of several copies, those of this model's shape come first: beside a student there may be a larger teacher.
    chosen = next((one for one in found if _has_shape(one.tensors, wanted)), found[0])
    given = chosen.tensors
    # A sum is finite where all its terms are: one quick pass, and nothing allocated.
    damaged = [name for name, t in given.items() if t.is_floating_point() and not t.sum(dtype=torch.float64).isfinite()]
    if damaged:
        raise WeightsRefused(
            f"{path} is damaged: {_some(damaged)} holds values that are not finite numbers", path=path, model=card.name
        )
    if adapter := next((name for name in given if re.search(r"\.(?:lora_\w+|base_layer)\.", name)), None):
        raise WeightsRefused(
            f"{path} keeps adapters beside the weights ({adapter}): merge them first", path=path, model=card.name
        )
    if problem := _fit(network, given, path, card):
        likely = [other.name for other in cards_that_fit(given)]
        if card.trained_name in likely:  # its own shape: another name would not help
            likely = []
        looks = f"; it looks like {' or '.join(likely[:3])}" if likely else ""
        raise WeightsRefused(
            f"{path} does not fit {card.name}: {problem}{looks}", path=path, model=card.name, looks_like=likely
        )
    return f"{path.name}: {chosen.notice}" if chosen.notice else None


def _has_shape(given: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> bool:
    """Whether a network of a file has the patches, the width and the layers of the one that is wanted."""
    patches = "patch_embed.proj.weight"
    if patches not in given or patches not in wanted:
        return patches not in wanted
    return given[patches].shape == wanted[patches].shape and _layers(given) == _layers(wanted)


def _layers(given: Iterable[str]) -> int:
    return len({name.split(".")[1] for name in given if name.startswith("blocks.")})


def fits(card: ModelCard, given: Mapping[str, Tensor]) -> bool:
    """Whether a file's tensors are all that a named model needs, by their names and shapes."""
    from rtviz.models import backbone

    if not card.timm_name:  # the embedded model: no other has its shape
        return True
    build = backbone.build_convnet if card.kind == "convnet" else backbone.build
    network = build(card.timm_name, classifier=card.has_classifier)
    return isinstance(_matched(network, dict(given), Path(), card), dict)


def _fit(network: nn.Module, given: dict[str, Tensor], path: Path, card: ModelCard) -> str | None:
    """Load what fits; why it does not fit, if so."""
    import torch

    matched = _matched(network, given, path, card)
    if isinstance(matched, str):
        return matched
    with torch.no_grad():
        network.load_state_dict(matched, strict=False)
    return None


def _matched(network: nn.Module, given: dict[str, Tensor], path: Path, card: ModelCard) -> dict[str, Tensor] | str:
    """The weights of the network under its own names; or why the file does not have them. A classifier that the file
    has not is dropped from the network, and its position embeddings get the grid of the file's."""
    from rtviz.models import backbone, positions

    mismatch = _wrong_patches(given, network)
    if not mismatch:
        positions.accept_grid(network, given)
    try:
        converted = given if mismatch else _to_timm_names(given, network)
    except Exception as error:
        # timm's conversion stumbles over a file of another architecture, or a tensor of a shape that none has, in as
        # many ways as there are; the comparison below says it better if it can.
        _log.debug("%s: timm cannot convert its names: %s", path, error)
        converted = given

    # A file without the network's classifier, or with one for other classes, is as good for everything but Grad-CAM.
    wanted = network.state_dict()
    classifier = backbone.classifier_weights(network)
    if classifier and any(getattr(converted.get(name), "shape", None) != wanted[name].shape for name in classifier):
        backbone.drop_classifier(network)
        wanted = network.state_dict()
    matched = {name: tensor for name, tensor in converted.items() if name in wanted}
    missing = [name for name in wanted if name not in matched]
    unexpected = [name for name in converted if name not in wanted]
    _log.debug(
        "%s into %s: %d matched, %d missing%s, %d unexpected%s",
        path, card.name, len(matched), len(missing), _listed(missing), len(unexpected), _listed(unexpected),
    )  # fmt: skip

    if card.kind == "convnet":
        lacking = [name for name in missing if not (_NOT_CONVNET.match(name) or _is_buffer(name))]
        foreign = [name for name in unexpected if not _NOT_CONVNET.match(name)]
    else:
        lacking = [name for name in missing if not _NOT_TRANSFORMER.match(name)]
        foreign = [name for name in unexpected if _TRANSFORMER.match(name)]
    differing = [name for name, tensor in matched.items() if tensor.shape != wanted[name].shape]
    if mismatch or differing:
        name = (mismatch or differing)[0]
        has, needs = tuple(given.get(name, converted.get(name)).shape), tuple(wanted[name].shape)  # type: ignore[union-attr]
        return f"{name} is {_by(has)}, and {_by(needs)} is needed"
    if lacking:
        return f"{len(lacking)} of {len(wanted)} weights are missing, such as {lacking[0]}"
    if foreign:
        return f"it has weights that this model has not, such as {shown(foreign[0])}"
    return matched


def _to_timm_names(given: dict[str, Tensor], network: nn.Module) -> dict[str, Tensor]:
    """timm's own names, with position embeddings for the network's grid: timm knows each family's official names."""
    own = set(network.state_dict())
    if "storage_tokens" in given:  # DINOv3's official names
        for name in [name for name in given if name.endswith("qkv.bias")]:
            # Of the biases only q's and v's exist. timm's model leaves both out where they are zero, as published.
            if name.replace("qkv.bias", "q_bias") not in own:
                if given[name].count_nonzero():
                    raise ValueError(f"{name} is not zero, and this network has no such bias")
                given = {other: tensor for other, tensor in given.items() if other != name}
    if "register_tokens" in given:  # by the mask token timm knows DINOv2's official names, and an export has none
        given = {"mask_token": given["register_tokens"][:, 0], **given}
    convert = getattr(sys.modules[type(network).__module__], "checkpoint_filter_fn", None)
    converted = dict(convert(dict(given), network)) if convert else given
    return {name: tensor for name, tensor in converted.items() if name in own or not _is_buffer(name)}


def _is_buffer(name: str) -> bool:
    """What old checkpoints keep although it is computed: not a weight."""
    return name.endswith((".relative_position_index", ".periods", ".bias_mask", ".num_batches_tracked"))


def _wrong_patches(given: Mapping[str, Tensor], network: nn.Module) -> list[str]:
    """The patch embedding's name, if the file is for other patches or another width.

    timm would resample patches of another size without a word, and show another model than the one that was requested.
    """
    name = "patch_embed.proj.weight"
    there, own = given.get(name), network.state_dict().get(name)
    wrong = there is not None and own is not None and there.ndim == 4 and there.shape != own.shape
    return [name] if wrong else []


def cards_that_fit(given: Mapping[str, Tensor]) -> list[ModelCard]:
    """The named models whose shape a file's tensors have, most likely first; for files whose name tells nothing."""
    patches = given.get("patch_embed.proj.weight")
    if patches is None:
        return _convnets_that_fit(given)
    if patches.ndim != 4:
        return []
    layers = _layers(given)
    registers = next(
        (
            given[name].shape[1]
            for name in ("register_tokens", "storage_tokens", "reg_token")
            if name in given and given[name].ndim > 1
        ),
        0,
    )
    return [
        card
        for card in zoo.cards()
        if (card.width, card.patch_size, card.layers) == (patches.shape[0], patches.shape[-1], layers)
        and card.registers == registers
    ]


# How a named convolutional network shows in its file: blocks by stage, and what tells the last stage's width, under
# timm's name and under the authors' own.
_BLOCK = re.compile(r"(?:layer|stages\.)(\d)\.(?:blocks\.)?(\d+)\.")
_CONVNETS = {
    "resnet50": ((3, 4, 6, 3), ("layer4.2.conv3.weight",)),
    "dino-resnet50": ((3, 4, 6, 3), ("layer4.2.conv3.weight",)),
    "dinov3-convnext-tiny": ((3, 3, 9, 3), ("stages.3.blocks.2.conv_dw.weight", "stages.3.2.dwconv.weight")),
}


def _convnets_that_fit(given: Mapping[str, Tensor]) -> list[ModelCard]:
    blocks = {match.groups() for name in given if (match := _BLOCK.match(name))}
    stages = sorted({stage for stage, _ in blocks})
    counts = tuple(len([block for stage, block in blocks if stage == wanted]) for wanted in stages)
    found = []
    for card in zoo.cards():
        shape, last = _CONVNETS.get(card.name, ((), ()))
        weight = next((given[name] for name in last if name in given), None)
        if counts == shape and weight is not None and weight.shape[0] == card.width:
            found.append(card)
    classifier = any(name.startswith(("fc.", "head.fc.")) for name in given)
    return sorted(found, key=lambda card: (card.family == "supervised") != classifier)


def _some(names: list[str]) -> str:
    return shown(names[0]) + (f" and {len(names) - 1} more" if len(names) > 1 else "")


def _listed(names: Iterable[str]) -> str:
    text = ", ".join(names)
    return f" ({text})" if text else ""


def _by(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "one number"
