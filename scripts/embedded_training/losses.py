"""What the network is trained to do: losses of a batch."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from embedded_training.curriculum import Recipe, Stage
from embedded_training.network import Learner


@torch.no_grad()
def sinkhorn(scores: Tensor, temperature: float, rounds: int = 3) -> Tensor:
    """Soft assignments in which every prototype is used equally (Cuturi 2013; SwAV, DINOv2): [batch, prototypes]."""
    q = torch.exp((scores - scores.max()) / temperature).T
    q = q / q.sum()
    for _ in range(rounds):
        q = q / q.sum(dim=1, keepdim=True).clamp_min(1e-12) / q.shape[0]
        q = q / q.sum(dim=0, keepdim=True).clamp_min(1e-12) / q.shape[1]
    return (q * q.shape[1]).T


def find_each_other(codes: Tensor, others: Tensor) -> Tensor:
    """InfoNCE, both ways, of codes [batch, kinds, width] whose partner has the same place in the batch."""
    likeness = torch.einsum("nkd,mkd->knm", codes, others) / 0.2
    partner = torch.arange(len(codes), device=codes.device).repeat(likeness.shape[0])
    there = F.cross_entropy(likeness.flatten(0, 1), partner)
    back = F.cross_entropy(likeness.transpose(1, 2).flatten(0, 1), partner)
    return (there + back) / 2


def nothing_left(figure: Tensor, ground: Tensor) -> Tensor:
    """How far figure and ground together are from covering every patch alike: that an object is taken in as a whole.

    Both are attention rows, [..., heads, patches], one head of the ground to any number of the figure. They are mixed
    in proportion to how many patches each covers; the result is the relative entropy of that to the uniform one.
    """
    breadth, rest = 1 / figure.square().sum(-1, keepdim=True), 1 / ground.square().sum(-1, keepdim=True)
    share = (breadth / (breadth + rest)).detach()
    covered = (share * figure + (1 - share) * ground) * figure.shape[-1]
    return -covered.clamp_min(1e-4).log().mean()


def loss_of(
    student: Learner, teacher: Learner, views: Tensor, recipe: Recipe, stage: Stage, progress: float
) -> tuple[Tensor, dict[str, float]]:
    """The loss of a batch, and its parts."""
    half = len(views) // 2
    learnt = student(views, keep=0.5)
    figure = [i for i in range(2 * recipe.heads) if i % recipe.heads < recipe.heads - 1]
    ground = [recipe.heads - 1, 2 * recipe.heads - 1]
    parts = {
        "figure": find_each_other(learnt.pooled[:half, figure], learnt.pooled[half:, figure]),
        "ground": find_each_other(learnt.pooled[:half, ground], learnt.pooled[half:, ground].roll(-1, 0)),
        "contrast": find_each_other(learnt.codes[:half, None], learnt.codes[half:, None]),
    }
    loss = parts["figure"] + 0.3 * parts["ground"] + (1 - 0.5 * progress) * parts["contrast"]
    if stage.whole:
        parts["whole"] = nothing_left(learnt.rows[-2:, :, 1:-1], learnt.rows[-2:, :, -1:])
        loss = loss + stage.whole * parts["whole"]
    if stage.dino:
        with torch.no_grad():
            targets = sinkhorn(teacher(views).scores, 0.03).roll(half, 0)  # of the other view
        parts["dino"] = -(targets * F.log_softmax(learnt.scores / 0.1, dim=-1)).sum(-1).mean()
        loss = loss + stage.dino * parts["dino"]
    # The effective number of patches, 1 / sum(a^2), sees a spike that Shannon's entropy overlooks.
    patches = learnt.rows.shape[-1]
    breadth = -learnt.rows.square().sum(-1).clamp_min(1e-8).log()  # log of that number: [3, batch, heads]
    floor = (torch.tensor(recipe.floors, device=views.device) * stage.floor * patches).clamp(2, 0.9 * patches).log()
    loss = loss + 4 * F.relu(floor - breadth).mean()
    numbers = {name: round(float(part.detach()), 3) for name, part in parts.items()}
    return loss, {**numbers, "entropy": round(float(entropy(learnt.rows[-1].detach())), 3)}


def entropy(rows: Tensor) -> Tensor:
    """Mean entropy of attention rows, as a share of the largest that there is."""
    return -(rows * rows.clamp_min(1e-8).log()).sum(-1).mean() / math.log(rows.shape[-1])
