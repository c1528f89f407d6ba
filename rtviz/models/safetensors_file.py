"""What a safetensors file says about itself: its metadata, the shapes of its tensors, the card of its model."""

from __future__ import annotations

import json
import math
import struct
from pathlib import Path
from typing import Any

from rtviz.errors import WeightsRefused
from rtviz.models.card import EMBEDDED, IMAGENET_MEAN, IMAGENET_STD, ModelCard, Triple


def card_from_metadata(path: Path) -> ModelCard | None:
    """The card of a model whose safetensors file describes its own architecture; None if it does not.

    The metadata are texts: patch_size, width, depth, heads, and image_size (the side that the position embeddings were
    trained for, in pixels) or grid (the same in patches); mean and std, as JSON, are ImageNet's if not given.
    """
    metadata, shapes = safetensors_header(path)
    try:
        patch_size, width, layers, heads = (int(metadata[key]) for key in ("patch_size", "width", "depth", "heads"))
        trained_size(metadata)
        mean, std = (_triple(metadata[key]) if key in metadata else usual for key, usual in _NORMALISATION)
    except (KeyError, ValueError):
        return None
    parameters = sum(math.prod(shape) for shape in shapes.values())
    return ModelCard(
        EMBEDDED, "", "embedded", patch_size, layers, heads, width, 0, parameters, 0, "GPL-3.0-or-later", None,
        mean=mean, std=std,
    )  # fmt: skip


_NORMALISATION = (("mean", IMAGENET_MEAN), ("std", IMAGENET_STD))


def _triple(text: str) -> Triple:
    """Three numbers, as JSON has them.

    Raises:
        ValueError: it is something else.
    """
    first, second, third = (float(number) for number in json.loads(text))
    return first, second, third


def trained_size(metadata: dict[str, str]) -> int:
    """Side in pixels of the square that a self-describing file's position embeddings were trained for.

    Raises:
        KeyError, ValueError: the metadata do not say.
    """
    if "image_size" in metadata:
        return int(metadata["image_size"])
    return int(metadata["grid"].lower().split("x")[0]) * int(metadata["patch_size"])


def safetensors_header(path: Path) -> tuple[dict[str, str], dict[str, list[int]]]:
    """Metadata and shapes of a safetensors file, read without loading a tensor.

    Raises:
        WeightsRefused: it is not a safetensors file.
    """
    try:
        with open(path, "rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > 100_000_000:  # safetensors' own limit
                raise ValueError("header too long")
            header: dict[str, Any] = json.loads(file.read(length))
        metadata = header.pop("__metadata__", {})
        return metadata, {name: entry["shape"] for name, entry in header.items()}
    except (OSError, struct.error, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise WeightsRefused(f"{path} is not a whole safetensors file ({error})") from None
