"""Networks of timm: built, with or without weights, and made ready for inference."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from rtviz.models.card import ModelCard
from rtviz.models.safetensors_file import safetensors_header, trained_size
from rtviz.models.timm_import import timm


def build(timm_name: str, *, classifier: bool = False) -> nn.Module:
    """Build a network of timm that takes inputs of any size; its weights are yet to be loaded.

    Args:
        timm_name: architecture and weights, as timm names them.
        classifier: keep the classifier that timm gives it.

    Raises:
        TypeError: this architecture does not take inputs of any size.
    """
    with WithoutInitialisation():
        return _create(timm_name, classifier)


def build_random(timm_name: str, *, classifier: bool = False) -> nn.Module:
    """As `build`, with random weights as timm initialises them: the same ones each time.

    Raises:
        TypeError: this architecture does not take inputs of any size.
    """
    return _create(timm_name, classifier)


def build_convnet(timm_name: str, *, random: bool = False, classifier: bool = False) -> nn.Module:
    """Build a convolutional network of timm, which takes inputs of any size as it is.

    Args:
        timm_name, classifier: as for `build`.
        random: with random weights, as `build_random` makes them; else its weights are yet to be loaded.
    """
    with contextlib.nullcontext() if random else WithoutInitialisation(), _seeded():
        network: nn.Module = timm.create_model(timm_name, **_WITHOUT_CLASSIFIER if not classifier else {})
    return ready(network)


@contextlib.contextmanager
def _seeded() -> Iterator[None]:
    """Random numbers are the same each time, and the caller keeps its own sequence."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


_WITHOUT_CLASSIFIER = {"num_classes": 0}


def _create(timm_name: str, classifier: bool) -> nn.Module:
    with _seeded():
        switch: dict[str, Any] = {} if _module_of(timm_name) in _WITHOUT_SWITCH else {"dynamic_img_size": True}
        switch |= {} if classifier else _WITHOUT_CLASSIFIER
        network: nn.Module = timm.create_model(timm_name, **switch)
    return ready(network)


def classifier_weights(network: Any) -> tuple[str, ...]:
    """The names of the classifier's weights in a network's state dict; none if it has no classifier."""
    if not getattr(network, "num_classes", 0):
        return ()
    names = network.pretrained_cfg.get("classifier") or ()
    modules = (names,) if isinstance(names, str) else tuple(names)
    return tuple(name for name in network.state_dict() if name.startswith(tuple(f"{module}." for module in modules)))


def drop_classifier(network: Any) -> None:
    """Remove a network's classifier."""
    network.reset_classifier(0)


# timm's transformers that have no switch for inputs of any size: NaFlex models take them anyway, the others once their
# positions are fitted. Each of their layers attends from all patches to all.
_WITHOUT_SWITCH = ("beit", "naflexvit", "vision_transformer_relpos")


def _module_of(timm_name: str) -> str:
    """The module of timm that an architecture is written in."""
    return str(timm.models.model_entrypoint(timm_name).__module__.rpartition(".")[2])


class WithoutInitialisation(TorchFunctionMode):
    """Skips the drawing of random weights, which takes longer than loading the real ones over them."""

    # torch's own initialisers come as one call each, inside which the mode no longer counts; timm's are methods' calls.
    _DRAWING = frozenset(
        [getattr(torch.Tensor, name) for name in ("uniform_", "normal_", "erfinv_", "mul_", "add_", "div_", "clamp_")]
        + [getattr(nn.init, name) for name in ("uniform_", "normal_", "kaiming_uniform_")]
    )

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in self._DRAWING:
            tensor = args[0] if args else kwargs["tensor"]
            if isinstance(tensor, nn.Parameter):
                return tensor
        return func(*args, **kwargs)


def build_plain(card: ModelCard, path: Path) -> nn.Module:
    """Build a plain vision transformer, with CLS token and learned position embeddings, from a file's metadata.

    Its weights are random, the same ones each time.
    """
    from timm.models.vision_transformer import VisionTransformer

    metadata, shapes = safetensors_header(path)
    with _seeded():
        network = VisionTransformer(
            img_size=trained_size(metadata),
            patch_size=card.patch_size,
            embed_dim=card.width,
            depth=card.layers,
            num_heads=card.heads,
            mlp_ratio=shapes["blocks.0.mlp.fc1.weight"][0] / card.width,
            init_values=1.0 if "blocks.0.ls1.gamma" in shapes else None,
            num_classes=0,
            qkv_bias=True,
            dynamic_img_size=True,
        )
    return ready(network)


def ready(network: nn.Module) -> nn.Module:
    """Prepare a network for inference: evaluation mode, no gradients, fused attention whatever timm's switch says."""
    module: Any
    for module in network.modules():
        if hasattr(module, "fused_attn"):
            module.fused_attn = True
    return network.eval().requires_grad_(False)


def patch_embedding(network: Any) -> Any:
    """Returns the module that turns patches into tokens; in a NaFlex model it adds the prefix tokens too."""
    return network.embeds if hasattr(network, "embeds") else network.patch_embed


def patch_size_of(network: Any) -> int:
    """Side of a patch in pixels; of a hybrid too, whose patches are cut from the features of a convolutional stem."""
    embedding = patch_embedding(network)
    if hasattr(embedding, "feat_ratio"):
        return int(embedding.feat_ratio())
    side = embedding.patch_size
    return int(side[0] if isinstance(side, tuple) else side)


def has_cls(network: Any) -> bool:
    """Whether a transformer has a CLS token."""
    return any(getattr(holder, "cls_token", None) is not None for holder in (network, patch_embedding(network)))


def last_norm(network: Any, tokens: Tensor) -> Tensor:
    """Apply the last norm to what `forward_features` returns, where the network does not do that itself: models that
    average their tokens put the norm behind the average.

    Args:
        network: a transformer of timm.
        tokens: [batch, tokens, width].
    """
    return normed(network, tokens) if isinstance(network.norm, nn.Identity) else tokens


def normed(network: Any, tokens: Tensor) -> Tensor:
    """The last norm of what a block ends with, [batch, tokens, width], wherever the network has that norm."""
    behind_average = isinstance(network.norm, nn.Identity) and isinstance(getattr(network, "fc_norm", None), nn.Module)
    found: Tensor = (network.fc_norm if behind_average else network.norm)(tokens)
    return found


def after_blocks(network: Any, ends: Sequence[Tensor], blocks: Tensor) -> Tensor:
    """Tokens after some blocks and the last norm, as timm's `get_intermediate_layers(norm=True)` gives them.

    Args:
        network: a transformer of timm.
        ends: [batch, tokens, width], the output of each block.
        blocks: int64 [kept], which of them. A tensor, so that one compiled pass serves every layer.

    Returns:
        [batch, kept, tokens, width].
    """
    return normed(network, torch.stack(list(ends), dim=1).index_select(1, blocks))


__all__ = [
    "WithoutInitialisation", "after_blocks", "build", "build_convnet", "build_plain", "build_random",
    "classifier_weights", "drop_classifier", "has_cls", "last_norm", "patch_embedding", "patch_size_of", "ready",
]  # fmt: skip
