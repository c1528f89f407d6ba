"""The one door to timm: importing it, building a network, and asking it for the facts of one.

timm imports torchvision, for transforms that rtviz never uses, and a torchvision that was built for another torch fails
on import ("operator torchvision::nms does not exist"). That must not keep anybody from looking at attention, so the
operators that torchvision wants to describe are declared here, without an implementation, and the import goes on.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import re
import sys
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from rtviz.models.zoo import ModelCard, resampling_of, safetensors_header, trained_size

_declared: list[torch.library.Library] = []  # a Library that is garbage-collected takes its operators along


def _import_timm() -> ModuleType:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of timm against torch: between those two
        try:
            return _import_without_compiler()
        except RuntimeError as error:
            if not re.search(r"operator torchvision::\w+ does not exist", str(error)):
                raise
        _declare_operators_of_torchvision()
        for name in [name for name in sys.modules if name.split(".")[0] in ("torchvision", "timm")]:
            del sys.modules[name]
        return _import_without_compiler()


def _import_without_compiler() -> ModuleType:
    """Import timm, and leave out torch's compiler, which takes a quarter of the time until the first overlay.

    It is wanted for two things only: torchvision asks it about devices in an operator that rtviz has no use for, and a
    NaFlex model marks a function that is not to be compiled. The answer comes when it is asked for; the mark is left
    out, so whoever compiles a NaFlex model loads its compiler (torch._dynamo) before rtviz.
    """
    names = ("torch._dynamo", "torch._dynamo.utils")
    if names[0] in sys.modules:
        return importlib.import_module("timm")
    standing_in = {name: ModuleType(name) for name in names}
    vars(standing_in[names[0]])["disable"] = lambda function, *_, **__: function
    vars(standing_in[names[1]])["is_compile_supported"] = lambda device: importlib.import_module(
        names[1]
    ).is_compile_supported(device)
    sys.modules.update(standing_in)
    try:
        return importlib.import_module("timm")
    except (ImportError, AttributeError):  # another timm wants more of it: below
        pass
    finally:
        for name in names:
            del sys.modules[name]
    return importlib.import_module("timm")


def _declare_operators_of_torchvision() -> None:
    """Declare what torchvision describes and has not: all at once, because what it has described once it may not
    describe again (torch 2.11)."""
    spec = importlib.util.find_spec("torchvision")
    assert spec is not None
    assert spec.origin is not None
    text = Path(spec.origin).with_name("_meta_registrations.py").read_text(encoding="utf-8")
    for name in re.findall(r"""register_fake\(["']torchvision::(\w+)["']\)""", text):
        if not hasattr(torch.ops.torchvision, name):
            library = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
            library.define(  # type: ignore[no-untyped-call]
                f"{name}(Tensor boxes, Tensor scores, float iou_threshold) -> Tensor"
            )
            _declared.append(library)


timm = _import_timm()


def build(timm_name: str, *, classifier: bool = False) -> nn.Module:
    """A network of timm, for any input size, whose weights are yet to be loaded; with the classifier that timm has for
    it, if that is wanted.

    Raises:
        TypeError: this architecture does not take inputs of any size.
    """
    with _Uninitialised():
        return _create(timm_name, classifier)


def build_random(timm_name: str, *, classifier: bool = False) -> nn.Module:
    """The same with random weights, as timm initialises them: the same ones each time.

    Raises:
        TypeError: this architecture does not take inputs of any size.
    """
    return _create(timm_name, classifier)


def build_convnet(timm_name: str, *, random: bool = False, classifier: bool = False) -> nn.Module:
    """A network of timm that takes inputs of any size as it is; with a classifier, as the others are built."""
    with contextlib.nullcontext() if random else _Uninitialised(), torch.random.fork_rng(devices=[]):  # as in _create
        torch.manual_seed(0)
        network: nn.Module = timm.create_model(timm_name, **_WITHOUT_CLASSIFIER if not classifier else {})
    return ready(network)


_WITHOUT_CLASSIFIER = {"num_classes": 0}


def _create(timm_name: str, classifier: bool) -> nn.Module:
    with torch.random.fork_rng(devices=[]):  # whoever loads a model keeps their own sequence of random numbers
        torch.manual_seed(0)
        switch: dict[str, Any] = {} if _module_of(timm_name) in _WITHOUT_SWITCH else {"dynamic_img_size": True}
        switch |= {} if classifier else _WITHOUT_CLASSIFIER
        network: nn.Module = timm.create_model(timm_name, **switch)
    return ready(network)


def classifier_weights(network: Any) -> tuple[str, ...]:
    """The names, in its state dict, of what a network tells classes apart by; none if it does not."""
    if not getattr(network, "num_classes", 0):
        return ()
    told = network.pretrained_cfg.get("classifier") or ()
    modules = (told,) if isinstance(told, str) else tuple(told)
    return tuple(name for name in network.state_dict() if name.startswith(tuple(f"{module}." for module in modules)))


def drop_classifier(network: Any) -> None:
    """Leave only what sees."""
    network.reset_classifier(0)


# timm's transformers that have no switch for inputs of any size: NaFlex models take them anyway, the others once their
# positions are fitted. Each of their layers attends from all patches to all.
_WITHOUT_SWITCH = ("beit", "naflexvit", "vision_transformer_relpos")


def _module_of(timm_name: str) -> str:
    """The module of timm that an architecture is written in."""
    return str(timm.models.model_entrypoint(timm_name).__module__.rpartition(".")[2])


class _Uninitialised(TorchFunctionMode):
    """Leaves out the drawing of random weights, which takes longer than loading the real ones over them."""

    _DRAWING = frozenset(
        getattr(torch.Tensor, name) for name in ("uniform_", "normal_", "erfinv_", "mul_", "add_", "div_", "clamp_")
    )

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in self._DRAWING and isinstance(args[0], nn.Parameter):
            return args[0]
        return func(*args, **(kwargs or {}))


def build_plain(card: ModelCard, path: Path) -> nn.Module:
    """A plain vision transformer with CLS token and learned position embeddings, as a file's metadata describe it.

    Its weights are random, the same ones each time.
    """
    from timm.models.vision_transformer import VisionTransformer

    metadata, shapes = safetensors_header(path)
    with torch.random.fork_rng(devices=[]):  # as in _create
        torch.manual_seed(0)
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
    """Only for looking: evaluation mode, no gradients, and fused attention, whatever timm's global switch says."""
    module: Any
    for module in network.modules():
        if hasattr(module, "fused_attn"):
            module.fused_attn = True
    return network.eval().requires_grad_(False)


def patch_embedding(network: Any) -> Any:
    """The module that makes tokens of patches; in a NaFlex model it adds the prefix tokens too."""
    return network.embeds if hasattr(network, "embeds") else network.patch_embed


def patch_size_of(network: Any) -> int:
    """Side of a patch in pixels; of a hybrid too, whose patches are cut from the features of a convolutional stem."""
    embedding = patch_embedding(network)
    if hasattr(embedding, "feat_ratio"):
        return int(embedding.feat_ratio())
    side = embedding.patch_size
    return int(side[0] if isinstance(side, tuple) else side)


def has_cls(network: Any) -> bool:
    return any(getattr(holder, "cls_token", None) is not None for holder in (network, patch_embedding(network)))


def last_norm(network: Any, tokens: Tensor) -> Tensor:
    """What `forward_features` gave, normed. Models that average their tokens put the last norm behind the average; here
    it is wanted on each token."""
    if isinstance(network.norm, nn.Identity) and isinstance(getattr(network, "fc_norm", None), nn.Module):
        normed: Tensor = network.fc_norm(tokens)
        return normed
    return tokens


def describe(timm_name: str) -> dict[str, Any] | None:
    """The facts of a timm transformer, as ModelCard's fields; None if it is nothing whose attention can be captured.

    It is tried, on the meta device, where a network has shapes but no numbers. (Older versions of timm cannot make a
    network there, but every network can be moved.)

    Raises:
        ValueError: timm has the architecture, but not the tag after the dot; the message lists the tags.
    """
    from rtviz.models.positions import Positions
    from rtviz.models.probe import AttentionProbe

    architecture, _, tag = timm_name.partition(".")
    tags = [name.partition(".")[2] for name in timm.list_pretrained(architecture + ".*")]
    if tag and tag not in tags:
        raise ValueError(f"{architecture} has no weights {tag!r}; there are: {', '.join(tags) or 'none'}")
    try:
        network: Any = build(timm_name)
        parameters = sum(parameter.numel() for parameter in network.parameters())
        positions = Positions(network)
        network.to("meta")
        positions.fit((2, 3))
        with torch.device("meta"), torch.inference_mode():
            patch_size = patch_size_of(network)
            prefix = int(network.num_prefix_tokens)
            picture = torch.zeros(1, 3, 2 * patch_size, 3 * patch_size)
            with AttentionProbe(torch.zeros(1, dtype=torch.int64), tokens=prefix + 6) as probe:
                network.forward_features(picture)
    except (TypeError, AttributeError, AssertionError, RuntimeError, ValueError):
        return None  # the many ways in which a network that is no transformer can fail to be treated as one
    layers = len(getattr(network, "blocks", ()))
    if not layers or len(probe.attention) != layers:
        return None
    known = published(timm_name, network)
    registers = prefix - has_cls(network)
    return {
        "patch_size": patch_size,
        "layers": layers,
        "heads": int(probe.attention[0].shape[1]),
        "width": int(network.embed_dim),
        "registers": registers,
        "parameters": parameters,
        "resampling": resampling_of(known["family"], registers),
        **known,
    }


def published(timm_name: str, network: Any) -> dict[str, Any]:
    """What timm knows about the weights of a network, as ModelCard's fields."""
    known = network.pretrained_cfg
    published = bool(known.get("hf_hub_id"))
    with _Uninitialised(), torch.random.fork_rng(devices=[]):
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


__all__ = [
    "build", "build_convnet", "build_plain", "build_random", "classifier_weights", "describe", "drop_classifier",
    "has_cls", "patch_embedding", "patch_size_of", "published", "ready", "timm",
]  # fmt: skip
