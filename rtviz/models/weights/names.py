"""One network among a file's tensors, under the names that timm knows: the authors' or its own.

Wrappers are not listed. Every network has a tensor that tells it, as a ViT's patch projection does; what stands before
that tensor's own name is whatever training, a class or a table of the file put round the network, and is taken off.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

# The tensor that tells a vision transformer: its patch projection, under each library's name.
_PATCHES = r"(?:embeddings\.patch_embeddings\.(?:projection\.)?|patch_embed\.proj(?:ection)?\.|embeds\.proj\.)weight"
# Convolutional networks with a friendly name: of the last stage, timm's name and the authors' own.
_CONVNETS = r"(?:layer4\.2\.conv3|stages\.3\.(?:blocks\.)?2\.(?:conv_dw|dwconv))\.weight"

# What training and compiling put in the midst of names.
_INSERTED = re.compile(r"(?<![^.])(?:_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module|_forward_module)\.")

# In a prefix, words that tell which of several copies of a network it is. An average of the weights over training is
# what papers evaluate; a teacher is the student's.
_AVERAGED = frozenset({"ema", "averaged", "average", "avg", "swa", "polyak", "shadow", "momentum", "target"})


@dataclass(frozen=True)
class Network:
    """One network of a file.

    Attributes:
        tensors: by the authors' or timm's own names.
        notice: what the user must know of the choice among several; None if there was none.
    """

    tensors: dict[str, Tensor]
    notice: str | None = None


def networks(tensors: Mapping[str, Tensor], more: str | None = None) -> list[Network]:
    """The networks that a file holds, the one to take first.

    Args:
        tensors: all of the file, by full names.
        more: another name that identifies a network, for one of no known kind.
    """
    plain: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        plain.setdefault(_INSERTED.sub("", name), tensor)
    for pattern in (_PATCHES, _CONVNETS, *([re.escape(more)] if more else [])):
        matching = re.compile(rf"(?:^|.*\.){pattern}$")
        own = re.compile(rf"{pattern}$")
        prefixes = list(dict.fromkeys(own.sub("", name) for name in plain if matching.match(name)))
        if prefixes:
            break
    else:
        return [Network(_authors_names(plain))] if plain else []
    ranked = sorted(prefixes, key=_rank)  # stable: of equals, as they stand in the file
    return [
        Network(
            _authors_names({name.removeprefix(one): plain[name] for name in plain if name.startswith(one)}),
            _notice(one, ranked),
        )
        for one in ranked
    ]


def _rank(prefix: str) -> int:
    words = set(re.split(r"[._]", prefix.lower()))
    if words & _AVERAGED:
        return 0
    if "teacher" in words:
        return 1
    return 3 if "student" in words else 2


def _notice(prefix: str, prefixes: Iterable[str]) -> str | None:
    others = {_rank(one) for one in prefixes if one != prefix}
    rank = _rank(prefix)
    if rank == 0 and others - {0}:
        return f"of the last weights and their average over training, the average was taken ({prefix.rstrip('.')})"
    if rank == 1 and others - {1}:
        return f"of teacher and student, the teacher was taken ({prefix.rstrip('.')})"
    return None


# --- the names of other libraries ------------------------------------------------------------------------------------

# Hugging Face transformers, old and new: ViTModel, Dinov2Model, Dinov2WithRegistersModel, DINOv3ViTModel.
_LAYER = r"^(?:model\.|encoder\.)?layers?\.(\d+)\."
_TRANSFORMERS = [
    (r"^embeddings\.(cls_token|mask_token|register_tokens)$", r"\1"),
    (r"^embeddings\.position_embeddings$", "pos_embed"),
    (r"^embeddings\.patch_embeddings\.(?:projection\.)?", "patch_embed.proj."),
    (_LAYER + r"(?:norm1|layernorm_before)\.", r"blocks.\1.norm1."),
    (_LAYER + r"(?:norm2|layernorm_after)\.", r"blocks.\1.norm2."),
    (_LAYER + r"attention\.(?:attention\.)?(?:(q)uery|(k)ey|(v)alue|([qkv])_proj)\.", r"blocks.\1.attn.\2\3\4\5."),
    (_LAYER + r"attention\.(?:output\.dense|o_proj)\.", r"blocks.\1.attn.proj."),
    (_LAYER + r"(?:intermediate\.dense|mlp\.up_proj|mlp\.fc1)\.", r"blocks.\1.mlp.fc1."),
    (_LAYER + r"(?:output\.dense|mlp\.down_proj|mlp\.fc2)\.", r"blocks.\1.mlp.fc2."),
    (_LAYER + r"layer_scale([12])\.(?:lambda1|gamma|weight)$", r"blocks.\1.ls\2.gamma"),
    (r"^(?:layernorm|norm)\.", "norm."),
]  # fmt: skip
_NOT_ITS_OWN = re.compile(r"^(?:pooler|classifier|decoder|head|rope_embeddings|embeddings\.rope)\b")


def _authors_names(given: dict[str, Tensor]) -> dict[str, Tensor]:
    if any(name.startswith("embeddings.patch_embeddings.") for name in given):
        return _from_transformers(given)
    if not any(re.match(_PATCHES, name) for name in given):
        return given
    # FSDP training of DINOv2 keeps blocks in chunks: blocks.CHUNK.BLOCK.
    return {re.sub(r"^blocks\.\d+\.(\d+)\.", r"blocks.\1.", name): tensor for name, tensor in given.items()}


def _from_transformers(given: dict[str, Tensor]) -> dict[str, Tensor]:
    """The authors' names of what transformers calls otherwise, and query, key and value in one, as they have them."""
    import torch

    renamed = {}
    for name, tensor in given.items():
        if _NOT_ITS_OWN.match(name):
            continue
        for pattern, replacement in _TRANSFORMERS:
            new, count = re.subn(pattern, replacement, name)
            if count:
                name = new
                break
        renamed[name] = tensor
    if "pos_embed" not in renamed and "register_tokens" in renamed:  # DINOv3, which its authors call otherwise
        renamed["storage_tokens"] = renamed.pop("register_tokens")
    split = re.compile(r"^(blocks\.\d+\.attn\.)[qkv]\.(weight|bias)$")
    joined = {name: tensor for name, tensor in renamed.items() if not split.match(name)}
    for start, kind in dict.fromkeys(match.groups() for name in renamed if (match := split.match(name))):
        parts = [renamed.get(f"{start}{part}.{kind}") for part in "qkv"]
        known = next(part for part in parts if part is not None)
        # A bias that is not there is zero; a weight that is not there is missing, and shows as one.
        if kind == "bias" or all(part is not None for part in parts):
            whole = [torch.zeros_like(known) if part is None else part for part in parts]
            joined[f"{start}qkv.{kind}"] = torch.cat(whole)
    return joined
