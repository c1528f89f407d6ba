"""Positions: position embeddings and biases, fitted once to each input size instead of once to each frame."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate
from torch.overrides import TorchFunctionMode

from rtviz.models import backbone
from rtviz.models.card import Resampling

_SIZES_REMEMBERED = 8

Fit = list[tuple[nn.Module, str, Any]]  # which attribute of which module becomes what

# What timm's modules of relative position bias read in a forward pass. No module has all of them.
_OF_A_BIAS = (
    "window_size",
    "window_area",
    "bias_shape",
    "relative_position_bias_table",
    "relative_position_index",
    "rel_coords_log",
)


class Positions:
    """The positions of one network: position embeddings, which are added to the tokens, and relative position biases,
    which are added to the products of queries and keys.

    Args:
        network: a transformer of timm, with its weights, as it was trained. It takes inputs of any size from here on,
            each after it was fitted to that size.
        resampling: how position embeddings are fitted to another patch grid than the trained one.
    """

    def __init__(self, network: Any, resampling: Resampling = "antialias") -> None:
        self._network = network
        self._resampling = resampling
        self._embedding: Any = backbone.patch_embedding(network)
        self._embedding.strict_img_size = False  # else timm refuses any size but that of training
        self._trained: Fit = []
        self._embeddings: Tensor | None = None
        if getattr(network, "pos_embed", None) is not None:
            self._embeddings = _kept(network.pos_embed)
            self._trained_grid: tuple[int, int] = tuple(self._embedding.grid_size)
            self._trained += [
                (network, "pos_embed", self._embeddings),
                (self._embedding, "grid_size", self._trained_grid),
            ]
        self._biases: list[tuple[Any, dict[str, Any]]] = []
        for module in network.modules():
            if getattr(module, "relative_position_index", None) is not None:
                trained = {name: _kept(getattr(module, name)) for name in _OF_A_BIAS if hasattr(module, name)}
                self._biases.append((module, trained))
                self._trained += [(module, name, value) for name, value in trained.items()]
        self._remembered: OrderedDict[tuple[int, int], Fit] = OrderedDict()
        self._grid: tuple[int, int] | None = None
        self._fitting = threading.Lock()
        _remember_rotary_embeddings(network, self._embedding)
        _remember_added_embeddings(self._embedding)

    def restore(self) -> None:
        """Put back the trained values, in float32, before the network goes to another device or number format."""
        _put(self._trained)
        self._remembered.clear()
        self._grid = None

    def fit(self, grid: tuple[int, int]) -> None:
        """Fit the network to this patch grid, on its device and in its number format."""
        with self._fitting:
            if grid == self._grid:
                return
            if grid not in self._remembered:
                self._remembered[grid] = self._embeddings_for(grid) + self._biases_for(grid)
                while len(self._remembered) > _SIZES_REMEMBERED:
                    self._remembered.popitem(last=False)
            self._remembered.move_to_end(grid)
            _put(self._remembered[grid])
            self._grid = grid

    def _embeddings_for(self, grid: tuple[int, int]) -> Fit:
        if self._embeddings is None:
            return []
        count = _prefix_embeddings(self._network)
        prefix, patches = self._embeddings[:, :count], self._embeddings[:, count:]
        fitted = torch.cat([prefix, resample(patches, self._trained_grid, grid, self._resampling)], 1)
        like = next(self._network.parameters())
        # timm resamples on each forward pass, unless it finds that the embeddings are for this grid already.
        return [(self._network, "pos_embed", fitted.to(like)), (self._embedding, "grid_size", grid)]

    def _biases_for(self, grid: tuple[int, int]) -> Fit:
        """A bias has a row for each offset between two patches: of a table (Swin, BEiT), or of what an MLP makes of the
        offset's coordinates (Swin v2). The table is resized to the offsets on this grid, as BEiT is fine-tuned at other
        sizes; the MLP gets this grid's coordinates.
        """
        from timm.layers.pos_embed_rel import (
            gen_relative_log_coords,
            gen_relative_position_index,
            resize_rel_pos_bias_table,
        )

        rows, columns = grid
        like = next(self._network.parameters())
        indices: dict[bool, Tensor] = {}  # which row is for which pair of tokens; large, and the same in every layer
        fit: Fit = []
        for module, trained in self._biases:
            values: dict[str, Any] = {"window_size": grid, "window_area": rows * columns}
            with_cls = False
            if "rel_coords_log" in trained:
                # The mode of all transformers that timm has a name for: it does not depend on the trained window.
                values["rel_coords_log"] = gen_relative_log_coords(grid, mode="cr").to(like)
            else:
                table = trained["relative_position_bias_table"]  # [offsets, heads]
                # Three rows more where there is CLS: from it to a patch, from a patch to it, and to itself.
                more = len(table) - _offsets(trained["window_size"])
                with_cls = more > 0
                with _IndexedAsMeant():
                    resized = resize_rel_pos_bias_table(table, grid, (_offsets(grid) + more, table.shape[1]))
                values["relative_position_bias_table"] = resized.to(like)
            if with_cls not in indices:
                indices[with_cls] = gen_relative_position_index(grid, class_token=with_cls).view(-1).to(like.device)
            values["relative_position_index"] = indices[with_cls]
            if "bias_shape" in trained:
                tokens = rows * columns + with_cls
                values["bias_shape"] = (tokens, tokens, trained["bias_shape"][-1])
            fit += [(module, name, value) for name, value in values.items() if name in trained]
        return fit


def resample(embeddings: Tensor, trained: tuple[int, int], grid: tuple[int, int], resampling: Resampling) -> Tensor:
    """The patches' position embeddings [1, patches, width], float32, for another patch grid.

    On the grid of training they stay what they are, in every family's code.
    """
    if grid == trained:
        return embeddings
    planes = embeddings.mT.reshape(1, -1, *trained)
    if resampling == "offset":
        # torch derives the sampled positions from this factor, not from the two sizes.
        factors = tuple((wanted + 0.1) / had for wanted, had in zip(grid, trained, strict=True))
        planes = interpolate(planes, scale_factor=factors, mode="bicubic")
    else:
        planes = interpolate(planes, size=grid, mode="bicubic", antialias=resampling == "antialias")
    return planes.flatten(2).mT


def accept_grid(network: Any, tensors: Mapping[str, Tensor]) -> None:
    """Let a network take the position embeddings of a file as they are, where they are for another square of patches.

    timm would resample them to its own grid while it loads them, and they would be resampled again for each input.
    """
    given, own = tensors.get("pos_embed"), getattr(network, "pos_embed", None)
    if given is None or own is None or given.ndim != 3:
        return
    prefix = _prefix_embeddings(network)
    # DINOv2 with registers publishes CLS's embedding with the patches', and timm adds it to the CLS token.
    patches = given.shape[1] - prefix
    if patches < 1:
        return
    if math.isqrt(patches) ** 2 != patches:
        patches = given.shape[1] - 1
    side = math.isqrt(patches)
    if side**2 == patches != own.shape[1] - prefix:
        network.pos_embed = nn.Parameter(own.new_empty(1, prefix + patches, own.shape[2]), requires_grad=False)
        backbone.patch_embedding(network).grid_size = (side, side)


def _prefix_embeddings(network: Any) -> int:
    """How many position embeddings come before the patches'."""
    return 0 if getattr(network, "no_embed_class", False) else int(network.num_prefix_tokens)


class _IndexedAsMeant(TorchFunctionMode):
    """timm's interpolation indexes with a list of tensors, one for each dimension, and means a tuple.

    torch warns that it will take such a list for one tensor, which gives other numbers. It also warns of a copy.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is Tensor.__getitem__ and isinstance(args[1], list):
            args = (args[0], tuple(args[1]))
        elif func is torch.bucketize:
            args = (args[0].contiguous(), *args[1:])
        return func(*args, **(kwargs or {}))


def _offsets(grid: tuple[int, int]) -> int:
    """How many offsets there are between two patches of a grid."""
    return (2 * grid[0] - 1) * (2 * grid[1] - 1)


def _kept(value: Any) -> Any:
    """A copy that stays as it is when the network is moved or fitted again."""
    if not isinstance(value, Tensor):
        return value
    value = value.detach().cpu()  # where timm resizes tables
    return value.float() if value.is_floating_point() else value


def _put(fit: Fit) -> None:
    for module, name, value in fit:
        is_parameter = isinstance(getattr(module, name), nn.Parameter)
        setattr(module, name, nn.Parameter(value, requires_grad=False) if is_parameter else value)


# --- what timm computes on each forward pass --------------------------------------------------------------------------


def _remember_rotary_embeddings(network: Any, embedding: Any) -> None:
    """timm computes rotary embeddings anew on each forward pass of any-size models; they depend on the grid alone."""
    rope = getattr(network, "rope", None)
    if rope is None:
        return
    compute = rope.get_embed
    remembered: OrderedDict[Any, Tensor] = OrderedDict()

    def get_embed(shape: Any = None) -> Any:
        weight = embedding.proj.weight
        key = (None if shape is None else tuple(shape), weight.device, weight.dtype)
        return _once(remembered, key, lambda: compute(shape))

    rope.get_embed = get_embed


def _remember_added_embeddings(embedding: Any) -> None:
    """NaFlex models resample position embeddings on each forward pass, for any size, and add them to the tokens."""
    for name in ("_apply_learned_pos_embed", "_apply_factorized_pos_embed"):
        if hasattr(embedding, name):
            setattr(embedding, name, _added_from_memory(getattr(embedding, name)))


def _added_from_memory(add: Callable[..., None]) -> Callable[..., None]:
    remembered: OrderedDict[Any, Tensor] = OrderedDict()

    def added_to_nothing(tokens: Tensor, grid_size: Any) -> Tensor:
        embeddings = torch.zeros_like(tokens[:1])
        add(embeddings, grid_size=grid_size)
        return embeddings

    def add_from_memory(tokens: Tensor, grid_size: Any) -> None:  # [batch, patches, width], changed in place
        key = (tuple(grid_size), tokens.device, tokens.dtype)
        tokens += _once(remembered, key, lambda: added_to_nothing(tokens, grid_size))

    return add_from_memory


def _once(remembered: OrderedDict[Any, Tensor], key: Any, compute: Callable[[], Tensor]) -> Tensor:
    if key not in remembered:
        remembered[key] = compute()
        while len(remembered) > _SIZES_REMEMBERED:
            remembered.popitem(last=False)
    return remembered[key]
