"""Reads the weights out of an ONNX file, under the names that its network had before it was exported.

An export keeps the names of most weights. Those of linear layers it transposes, and calls them by a number; but the
bias that is added to the product keeps its name. Where there is none, the node that multiplies still stands under the
layer's path (torch.onnx: `/encoder/layer.0/mlp/fc1/MatMul`). What an export has computed ahead, such as position
embeddings cut in two, or CLS repeated for a batch, has lost its name too, and is known by its shape and its use.
"""

from __future__ import annotations

import math
import re
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise, permutations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rtviz.errors import MissingDependency, WeightsRefused

if TYPE_CHECKING:
    from torch import Tensor

_QUANTISED = re.compile(r"^(?:DynamicQuantize|Dequantize|Quantize|QLinear|MatMulInteger|MatMulNBits|ConvInteger|QGemm)")
_NUMBERED = re.compile(r"^(?:onnx::\w+?_\d+|val_\d+|\d+|_v_\d+|/.*|.*_output_\d+|.*_transposed|.*_folded)$")
_PATCHES = re.compile(r"(?:embeddings\.patch_embeddings\.(?:projection\.)?|patch_embed\.proj(?:ection)?\.)weight$")
_POSITIONS = re.compile(r"(?:position_embeddings|pos_embed)$")
_TOKENS = re.compile(r"(?:cls_token|register_tokens|storage_tokens|reg_token)$")


_MOST_TOKENS = 32  # CLS, or registers, of any model that there is; a patch grid has more


def read(path: Path, member: str | None = None) -> dict[str, Tensor]:
    """The weights of an ONNX file by name, in float32 where they are in half precision.

    Args:
        member: the ONNX file's name, if `path` is a zip archive that has it inside.

    Raises:
        MissingDependency: the package onnx is not installed.
        WeightsRefused: it is damaged, or quantised.
    """
    try:
        import onnx
    except ImportError:
        raise MissingDependency("onnx", f"reading {path.name}") from None
    import torch

    where = f"{path}/{member}" if member else str(path)
    try:
        if member is None:
            model = onnx.load(path)
        else:
            with zipfile.ZipFile(path) as archive:
                model = onnx.load_model_from_string(archive.read(member))
        graph = _Graph(model.graph)
    except FileNotFoundError as error:
        beside = Path(error.filename or "").name or "the file with its weights"
        raise WeightsRefused(f"{where} keeps its weights in {beside}, which is not beside it", path=path) from None
    except Exception as error:  # protobuf, onnx, zipfile and numpy each have their own for a damaged file
        text = (str(error).strip().splitlines() or [type(error).__name__])[0][:160]
        raise WeightsRefused(f"{where} is damaged, or no ONNX file ({text})", path=path) from None
    if quantised := next((node.op_type for node in graph.nodes if _QUANTISED.match(node.op_type)), None):
        raise WeightsRefused(
            f"{where} is quantised ({quantised}), and its weights are not those of the model any more: take the export "
            "in fp32 (model.onnx) or fp16",
            path=path,
        )
    found = graph.weights()
    if not found:
        raise WeightsRefused(f"{where} holds no weights", path=path)
    return {name: torch.from_numpy(np.array(array, order="C")) for name, array in found.items()}


class _Graph:
    """A graph's constants, and who uses them."""

    def __init__(self, graph: Any) -> None:
        from onnx import numpy_helper

        self.nodes = list(_all_nodes(graph))
        _refuse_names_of_bytes(graph, self.nodes)
        self.arrays = {one.name: numpy_helper.to_array(one) for one in graph.initializer}
        for node in self.nodes:
            if node.op_type == "Constant":
                value = next((attribute.t for attribute in node.attribute if attribute.name == "value"), None)
                if value is not None:
                    self.arrays[node.output[0]] = numpy_helper.to_array(value)
        # Equal tensors are kept once, and given their other names by Identity; others pass a Cast or a Transpose.
        for node in self.nodes:
            if node.op_type in ("Identity", "Cast", "Transpose") and node.input and node.input[0] in self.arrays:
                array = self.arrays[node.input[0]]
                if node.op_type == "Transpose":
                    order = next((list(one.ints) for one in node.attribute if one.name == "perm"), None)
                    array = array.transpose(order)
                self.arrays.setdefault(node.output[0], array)

    def weights(self) -> dict[str, Any]:
        """Arrays of floating-point numbers by the names of the network's weights."""
        arrays = {name: _single(array) for name, array in self.arrays.items() if array.dtype.kind == "f" and array.ndim}
        named = {name: array for name, array in arrays.items() if not _NUMBERED.match(name)}
        nameless = {name: array for name, array in arrays.items() if _NUMBERED.match(name)}
        patches = next((name for name in named if _PATCHES.search(name)), None)
        before = _PATCHES.sub("", patches) if patches is not None else ""
        by_bias = self._named_by_bias(named)
        for node in self.nodes:
            for name in node.input:
                if name in nameless and (called := by_bias.get(node.output[0]) or self._called(node, name, before)):
                    named.setdefault(called, nameless[name].T if self._is_transposed(node) else nameless[name])
        if patches is None:
            return named
        width = len(named[patches])
        library = "embeddings." if "embeddings." in patches else ""
        if not any(_POSITIONS.search(name) for name in named):
            positions = _positions(nameless.values(), width)
            if positions is not None:
                named[f"{before}{library}{'position_embeddings' if library else 'pos_embed'}"] = positions
        for array in self._tokens(arrays, width):
            own = "cls_token" if array.shape[1] == 1 else "register_tokens" if library else "reg_token"
            named.setdefault(f"{before}{library}{own}", array)
        return named

    def _named_by_bias(self, named: Mapping[str, Any]) -> dict[str, str]:
        """What the weight was called that makes a product, for each product to which a named bias is added."""
        added = [
            (product, name)
            for node in self.nodes
            if node.op_type == "Add"
            for name, product in permutations(node.input, 2)
            if name.endswith(".bias") and name in named
        ]
        times = Counter(name for _, name in added)  # biases that are equal, such as zeros, are kept once
        return {product: name.removesuffix("bias") + "weight" for product, name in added if times[name] == 1}

    def _tokens(self, arrays: Mapping[str, Any], width: int) -> Iterator[Any]:
        """CLS and the registers, [1, tokens, width], where they were repeated for a batch ahead of time."""
        for node in self.nodes:
            inputs = node.input if node.op_type == "Concat" else ()
            for name in inputs:
                array = arrays.get(name)
                if array is None or array.ndim != 3 or _TOKENS.search(name):
                    continue
                if array.shape[1] <= _MOST_TOKENS and array.shape[2] == width and (array == array[:1]).all():
                    yield array[:1]

    def _called(self, node: Any, name: str, before: str) -> str | None:
        """What a nameless constant was called, by the node that uses it; `before` stands before the network's names."""
        kinds = {"MatMul": "weight", "Gemm": "weight", "Conv": "weight", "Add": "bias", "Mul": "weight"}
        kind = kinds.get(node.op_type)
        if node.op_type in ("Gemm", "Conv", "LayerNormalization") and list(node.input).index(name) == 2:
            kind = "bias"
        elif node.op_type == "LayerNormalization":
            kind = "weight"
        scope = _scope(node)
        if not scope or not kind or self.arrays[name].size == 1:  # a factor, as of the softmax
            return None
        return f"{scope if scope.startswith(before) else before + scope}.{kind}"

    def _is_transposed(self, node: Any) -> bool:
        """Whether a linear layer's weight is multiplied with as it lies, not as torch keeps it."""
        if node.op_type == "Gemm":
            return not any(one.name == "transB" and one.i for one in node.attribute)
        return bool(node.op_type == "MatMul")


def _refuse_names_of_bytes(graph: Any, nodes: Sequence[Any]) -> None:
    """protobuf hands on a string that is not UTF-8 as bytes, where its type says text."""
    texts = [one.name for one in graph.initializer]
    for node in nodes:
        texts += [node.name, node.op_type, *node.input, *node.output]
        texts += [text for entry in node.metadata_props for text in (entry.key, entry.value)]
    if not all(isinstance(text, str) for text in texts):
        raise ValueError("a name in it is not UTF-8")


def _all_nodes(graph: Any) -> Iterator[Any]:
    for node in graph.node:
        yield node
        for attribute in node.attribute:  # branches and loops have graphs of their own
            if attribute.HasField("g"):
                yield from _all_nodes(attribute.g)


def _scope(node: Any) -> str | None:
    """The dotted path of the module that a node was exported from, as both exporters of torch write it."""
    for entry in node.metadata_props:
        if entry.key == "pkg.torch.onnx.name_scopes":
            scopes = re.findall(r"'([^']*)'", entry.value)  # from the whole network down to the operation
            return scopes[-2] if len(scopes) > 1 else None
    parts = node.name.strip("/").split("/")[:-1]
    # A Sequential calls its members, and stands before each: /blocks/blocks.0/attn.
    inner = [one for one, after in pairwise(parts) if not re.match(rf"{re.escape(one)}\.\d", after)]
    return ".".join([*inner, *parts[-1:]]) or None


def _single(array: Any) -> Any:
    return array.astype(np.float32) if array.dtype == np.float16 else array


def _positions(arrays: Any, width: int) -> Any:
    """Position embeddings [1, 1 + patches, width], from what an export made of them; None if it made something else.

    Patches are laid out on a square in training: their number tells them.
    """
    whole, patches, cls = None, None, None
    for array in arrays:
        if array.ndim == 4 and array.shape[:2] == (1, width) and array.shape[2] == array.shape[3] > 1:
            array = array.reshape(1, width, -1).transpose(0, 2, 1)  # as it is resampled
        if array.ndim == 4 and array.shape[0] == 1 and array.shape[3] == width and array.shape[1] == array.shape[2] > 1:
            array = array.reshape(1, -1, width)
        if array.ndim != 3 or array.shape[0] != 1 or array.shape[2] != width:
            continue
        count = array.shape[1]
        if count == 1:
            cls = array
        elif _is_square(count - 1):
            whole = array
        elif _is_square(count):
            patches = array
    if whole is not None:
        return whole
    if patches is None or cls is None:
        return None
    return np.concatenate([cls, patches], 1)


def _is_square(count: int) -> bool:
    return count > 1 and math.isqrt(count) ** 2 == count
