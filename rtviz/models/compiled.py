"""A transformer's forward pass compiled by OpenVINO for one shape of input.

The network is traced with the probe in it. For int8 each weight matrix gets a scale for each row, the largest value of
which is exact, and OpenVINO quantises what is multiplied with it as it comes. Attention itself, and everything between
the products, stays in the CPU's own number format.
"""

from __future__ import annotations

import importlib.util
import threading
import warnings
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rtviz.errors import DeviceFailed, MissingDependency
from rtviz.models.probed_network import ProbedNetwork, RawOutputs

_NAMES = {"fp32": "f32", "bf16": "bf16", "fp16": "f16"}  # what OpenVINO calls number formats
# What OpenVINO calls the devices of backends: Intel's graphics and neural processors.
_DEVICES = {"openvino-gpu": "GPU", "openvino-npu": "NPU"}


def is_there() -> bool:
    """Whether OpenVINO is installed."""
    return importlib.util.find_spec("openvino") is not None


def missing() -> MissingDependency:
    """The error for where it is not installed."""
    return MissingDependency("openvino", "a compiled model", "pip install 'rtviz[openvino]'")


def version() -> str:
    """The version of OpenVINO."""
    from importlib.metadata import version

    return version("openvino")


def device_of(backend: str) -> str:
    """What OpenVINO calls the device of a backend.

    Raises:
        MissingDependency: OpenVINO is not installed.
        DeviceFailed: it finds no such device.
    """
    if not is_there():
        raise missing()
    device = _DEVICES.get(backend, "CPU")
    if device != "CPU":
        import openvino

        here = openvino.Core().available_devices
        if not any(name.partition(".")[0] == device for name in here):  # the second one is GPU.1
            raise DeviceFailed(f"{backend}: OpenVINO finds no {device} here, only {', '.join(here)}")
    return device


class Compiled:
    """The forward pass for inputs of one shape. Passes that meet wait for each other.

    Args:
        probed: in float32, without gradients, its row computed element by element: OpenVINO rounds the result of a
            matrix product to its number format, and logits of 50 in bf16 are off by .1, their softmax by a tenth. What
            stands between the products and the output it leaves in float32.
        x: [batch, 3, height, width], one input.
        precision: int8, bf16 or fp32; fp16 for bf16 on what is no CPU.
        threads: how many a pass may use.
        device: as OpenVINO calls it.

    Raises:
        MissingDependency: OpenVINO is not installed.
    """

    _held: NDArray[np.uint8] | None = None

    def __init__(self, probed: ProbedNetwork, x: Tensor, precision: str, threads: int, device: str = "CPU") -> None:
        try:
            import openvino
            from openvino.frontend import FrontEndManager
            from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder
        except ImportError as error:
            raise missing() from error
        given = probed.extent.example(x.detach().float().cpu())
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the tracer, about sizes, which are fixed here on purpose
            # As a function, whose weights become constants: each module would be made a module of TorchScript first,
            # which takes longer than all the rest.
            traced = torch.jit.trace(lambda *tensors: probed(*tensors), given, check_trace=False)
            # What convert_model does too, which besides reports to a server that a model was converted.
            frontend = FrontEndManager().load_by_framework("pytorch")
            decoder = TorchScriptPythonDecoder(traced)  # must live as long as it is read from
            model = frontend.convert(frontend.load(decoder))
        for parameter, example, kind in zip(model.inputs, given, ("f32", "i64", "i64")[: len(given)], strict=True):
            parameter.get_node().set_partial_shape(openvino.PartialShape(list(example.shape)))
            parameter.get_node().set_element_type(getattr(openvino.Type, kind))
        model.validate_nodes_and_infer_types()
        core = openvino.Core()
        if precision == "int8":
            width = _weights_to_int8(model)
            precision = "fp16"
            if device == "CPU":
                precision = "bf16" if "BF16" in core.get_property(device, "OPTIMIZATION_CAPABILITIES") else "fp32"
            settings = _settings(precision, threads, device, group_size=width)
        else:
            settings = _settings(precision, threads, device)
        self._prepare(core.compile_model(model, device, settings))

    @classmethod
    def from_bytes(cls, blob: NDArray[np.uint8], precision: str, threads: int) -> Compiled:
        """The pass that `to_bytes` gave, on a CPU, in the number format that it was compiled for.

        Args:
            blob: uint8 [bytes], writeable; it is neither copied nor written.

        Raises:
            RuntimeError: OpenVINO cannot read it.
        """
        import openvino

        one = cls.__new__(cls)
        tensor = openvino.Tensor(blob, shared_memory=True)
        one._held = blob  # as long as OpenVINO reads from it
        one._prepare(openvino.Core().import_model(tensor, "CPU", _settings(precision, threads, "CPU")))
        return one

    def to_bytes(self) -> bytes:
        """The compiled pass, weights and all."""
        return bytes(self._model.export_model().getvalue())

    def _prepare(self, model: Any) -> None:
        self._model = model
        self._request = model.create_infer_request()
        self._turn = threading.Lock()

    def __call__(self, x: Tensor, rows: Tensor, blocks: Tensor | None = None) -> RawOutputs:
        """Run one pass.

        Args:
            x: [batch, 3, height, width], of the shape that it was made for.
            rows: int64 [1], the token whose row is wanted.
            blocks: int64 [kept], the blocks whose tokens are wanted, where its extent has such.
        """
        given = [x.float().numpy(), rows.numpy(), *([] if blocks is None else [blocks.numpy()])]
        with self._turn:
            found = self._request.infer(given)
            return RawOutputs(
                *(torch.from_numpy(value.copy()) for value in found.to_tuple())
            )  # the next pass overwrites


def _settings(precision: str, threads: int, device: str, group_size: int = 0) -> dict[str, str]:
    """The options of OpenVINO. Without a group size it quantises nothing by itself."""
    settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": _NAMES[precision]}
    if device == "CPU":
        settings |= {"INFERENCE_NUM_THREADS": str(threads), "DYNAMIC_QUANTIZATION_GROUP_SIZE": str(group_size)}
    return settings


def _weights_to_int8(model: Any) -> int:
    """Put int8 in the place of every weight matrix; returns how many numbers a row of the first of them has."""
    from openvino import opset13 as ops

    width = 0
    for node in model.get_ordered_ops():
        if node.get_type_name() != "MatMul":
            continue
        weights = node.input_value(1).get_node()
        if weights.get_type_name() != "Constant" or len(weights.get_output_shape(0)) != 2:
            continue
        values = weights.data.astype(np.float32)
        across = 1 if node.get_attributes()["transpose_b"] else 0
        scale = (np.abs(values).max(axis=across, keepdims=True) / 127).clip(1e-12).astype(np.float32)
        small = ops.constant(np.rint(values / scale).astype(np.int8))
        node.input(1).replace_source_output(ops.multiply(ops.convert(small, "f32"), ops.constant(scale)).output(0))
        width = width or values.shape[across]
    return width


__all__ = ["Compiled", "device_of", "is_there", "missing", "version"]
