"""Class activation maps without a class, from the feature map alone. (With a class: gradcam.py.)"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

# So many steps leave no visible difference, even where the first two components are nearly as strong.
_STEPS = 24


def activation(features: Tensor, attended: Tensor | None = None) -> Tensor:
    """How strong the features are at each place: their Euclidean norm.

    Args:
        features: [batch, channels, rows, columns].
        attended: as for `eigen`; changes nothing.

    Returns:
        float32 [batch, rows, columns].
    """
    return torch.linalg.vector_norm(features, dim=1, dtype=torch.float32)


def eigen(features: Tensor, attended: Tensor | None = None) -> Tensor:
    """The first principal component of the features: how far each place lies along it.

    EigenCAM (Muhammad & Yeasin, "Eigen-CAM: Class Activation Map using Principal Components", 2020), with the features
    centred first, as the library pytorch-grad-cam does it. A principal component has no sign of its own: it is turned
    so that the places that are attended to lie at its high end, and those with strong features where there is no
    attention. (The last norm leaves a ViT's tokens all about equally long: their lengths mean nothing.)

    Args:
        features: [batch, channels, rows, columns].
        attended: [batch, rows, columns], how much CLS attends to each place; None where there is no CLS.

    Returns:
        float32 [batch, rows, columns].
    """
    batch, channels, rows, columns = features.shape
    places = features.flatten(2).float().mT  # [batch, places, channels]
    norm = torch.linalg.vector_norm(places, dim=2)  # [batch, places]
    places = places - places.mean(dim=1, keepdim=True)
    # Products of places are as good as products of channels, and quicker where there are fewer places.
    if rows * columns <= channels:
        value, vector = _leading(places @ places.mT, norm - norm.mean(dim=1, keepdim=True))
        along = vector * value.clamp_min(0).sqrt()[:, None]
    else:
        start = (norm - norm.mean(dim=1, keepdim=True))[:, None] @ places
        _, vector = _leading(places.mT @ places, start[:, 0])
        along = (places @ vector[..., None])[..., 0]
    high = norm if attended is None else attended.flatten(1).to(along)
    upright = (along * (high - high.mean(dim=1, keepdim=True))).sum(dim=1, keepdim=True) >= 0
    return torch.where(upright, along, -along).reshape(batch, rows, columns)


def _leading(products: Tensor, start: Tensor) -> tuple[Tensor, Tensor]:
    """The largest eigenvalue [batch] and its unit vector [batch, side] of positive matrices [batch, side, side].

    By Lanczos' method: the best approximation among start, A start, A² start, ... All eigenvectors, of which one is
    wanted, take several times as long as the forward pass's last stage.
    """
    side = products.shape[-1]
    # A little of everything, so that nothing is orthogonal to the start by accident.
    ripple = torch.cos(torch.arange(side, device=products.device, dtype=torch.float32)) / side**0.5
    vector = _unit(_unit(start) + 0.1 * ripple)
    basis = [vector]
    for _ in range(min(_STEPS, side) - 1):
        vector = (products @ vector[..., None])[..., 0]
        vector = _unit(_apart(vector, basis))
        vector = _unit(_apart(vector, basis))  # twice: once is not enough in float32
        basis.append(vector)
    known = torch.stack(basis, dim=-1)  # [batch, side, steps]
    small = known.mT @ (products @ known)
    values, vectors = torch.linalg.eigh((small + small.mT) / 2)
    leading = (known @ vectors[..., -1:])[..., 0]
    return values[..., -1], _unit(leading)


def _apart(vector: Tensor, basis: list[Tensor]) -> Tensor:
    known = torch.stack(basis, dim=-1)
    return vector - (known @ (known.mT @ vector[..., None]))[..., 0]


def _unit(vector: Tensor) -> Tensor:
    return vector / torch.linalg.vector_norm(vector, dim=-1, keepdim=True).clamp_min(1e-12)


METHODS: dict[str, Callable[[Tensor, Tensor | None], Tensor]] = {"activation": activation, "eigen": eigen}

__all__ = ["METHODS", "activation", "eigen"]
