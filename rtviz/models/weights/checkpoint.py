"""Reads a file of weights: safetensors, what torch saves, ONNX. No code of a file is ever run."""

from __future__ import annotations

import argparse
import pickle
import re
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rtviz.errors import WeightsRefused

if TYPE_CHECKING:
    from torch import Tensor

_REPEATED_BYTES = 1 << 28  # a tensor may repeat what the file holds once, but not without a limit
_DEEPEST = 8  # more than that nobody nests; a file that does is no checkpoint


def read(path: Path) -> dict[str, Tensor]:
    """The tensors of a file by their full names: those in nested tables are called TABLE.NAME.

    Raises:
        WeightsRefused: it is damaged, no file of weights, or holds more than tensors and plain values.
    """
    try:
        with open(path, "rb") as file:
            start = file.read(1024)
    except OSError as error:
        raise WeightsRefused(f"cannot read the weights {path}: {error.strerror}", path=path) from None
    if wrong := _something_else(start, path):
        raise WeightsRefused(f"{path} {wrong}", path=path)
    if path.suffix == ".onnx":
        from rtviz.models.weights import onnx_file

        return onnx_file.read(path)
    try:
        if path.suffix == ".safetensors" or start[8:9] == b"{":
            import safetensors.torch

            return dict(safetensors.torch.load_file(path))
        held = _unpickled(path)
    except pickle.UnpicklingError as error:
        raise WeightsRefused(
            f"{path} is not a file of plain weights ({_first_line(error)}); rtviz never runs code from a weights file: "
            "take a safetensors file, or one with tensors only",
            path=path,
        ) from None
    except Exception as error:  # safetensors, zipfile, struct, pickle and torch each have their own for a damaged file
        raise WeightsRefused(f"{path} is damaged, or no weights file ({_first_line(error)})", path=path) from None
    if not isinstance(held, Mapping):
        raise WeightsRefused(f"{path} holds a {type(held).__name__}, not tensors by name", path=path)
    flat = dict(_flat(held, "", 0))
    for name, tensor in flat.items():
        if not _is_plain(tensor):
            kind = f"{tensor.layout}, {tensor.dtype} on {tensor.device}".replace("torch.", "")
            raise WeightsRefused(
                f"{path}: {shown(name)} is {kind}; only dense tensors of real numbers are taken", path=path
            )
        if tensor.nbytes > max(tensor.untyped_storage().nbytes(), _REPEATED_BYTES):
            size = "x".join(map(str, tensor.shape))
            raise WeightsRefused(f"{path}: {shown(name)} claims {size} values, which the file does not hold", path=path)
    return flat


def shown(name: str) -> str:
    """A name from a file, which may be anything, as it can stand in a line."""
    plain = name if name.isprintable() else repr(name)
    return plain if len(plain) <= 80 else f"{plain[:77]}..."


def _is_plain(tensor: Tensor) -> bool:
    import torch

    return (
        tensor.layout == torch.strided
        and tensor.device.type == "cpu"
        and not (tensor.is_quantized or tensor.is_complex() or tensor.is_nested)
    )


def _unpickled(path: Path) -> Any:
    import torch

    # Full checkpoints of DINO carry their command line along, as a Namespace: a record of plain values.
    with torch.serialization.safe_globals([argparse.Namespace]), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of an unusual pickle protocol, and then it is read or refused
        return torch.load(path, map_location="cpu", weights_only=True)


def _flat(held: Mapping[Any, Any], before: str, depth: int) -> Iterator[tuple[str, Tensor]]:
    import torch

    for key, value in held.items():
        if not isinstance(key, str):  # an optimiser's, by number
            continue
        if isinstance(value, torch.Tensor):
            yield before + key, value.detach()
        elif isinstance(value, Mapping) and depth < _DEEPEST:
            yield from _flat(value, f"{before}{key}.", depth + 1)


def _something_else(start: bytes, path: Path) -> str | None:
    """What a file is that only pretends to hold weights, by how it begins."""
    text = start.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith(b"version https://git-lfs"):
        size = re.search(rb"size (\d+)", text)
        of = f" of {int(size[1]) / 1e6:.0f} MB" if size else ""
        return f"is a Git LFS pointer, not the file{of} that it stands for: `git lfs pull` fetches that"
    if text.startswith((b"<!doctype", b"<html", b"<?xml", b"<head", b"<body")):
        return "is a web page, not weights: what was saved is a download page, a login or an error message"
    if not start:
        return "is empty, not weights: its download was cut off"
    if path.suffix == ".safetensors" and start[:4] == b"PK\x03\x04":
        return "is what torch.save writes, or another zip archive, and no safetensors file: call it .pth"
    if text.startswith(b"{") and b'"error"' in text[:200]:
        return "is the error message of a server, not weights"
    return None


def _first_line(error: BaseException) -> str:
    """The gist of a library's error, which may be a page long."""
    blocked = re.search(r"Unsupported (?:global|class|operand).*?(?=\n| was not|$)|GLOBAL [\w. ]+", str(error))
    text = blocked[0] if blocked else (str(error).strip().splitlines() or [type(error).__name__])[0].strip()
    if len(text) > 160:  # whole sentences, as far as there is room
        text = text[:160].rpartition(". ")[0] or text[:160].rpartition(" ")[0]
    return text
