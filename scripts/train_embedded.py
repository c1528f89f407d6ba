#!/usr/bin/env python3
"""Trains the embedded model: a small ViT, without labels, on drawn scenes: `python scripts/train_embedded.py`.

Two views show the same drawn object on different backgrounds, in another pose and light. What the CLS token attends to
must tell which object it is: each head's attention pools the bare patches (their pixels alone, before any layer has
mixed them), and the pooled codes of the two views must find each other in the batch (InfoNCE). No patch of the
background can help in that, so attention comes to lie on the object. One head is asked for the opposite, the
background, which each view shares with a view of another object. Beside it the CLS token itself learns as in DINO
(Caron et al. 2021; teacher and student, Sinkhorn-Knopp as in SwAV and DINOv2) and by InfoNCE. A floor under the
effective number of patches that a head attends to keeps it from staring at three of them.

The network is timm's VisionTransformer, tensor for tensor. Nothing is downloaded, and no real picture is used.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import os
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402
import torch  # noqa: E402
import torch.nn.functional as F  # noqa: E402
from numpy.random import Generator  # noqa: E402
from torch import Tensor, nn  # noqa: E402
from tqdm import tqdm  # noqa: E402

from rtviz.cv import cv2  # noqa: E402
from rtviz.errors import MissingDependency  # noqa: E402
from rtviz.sources.drawing import draw_background, draw_object  # noqa: E402
from rtviz.sources.scene import TUNING_SEEDS, sample  # noqa: E402

MEAN, STD = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)


@dataclass(frozen=True)
class Recipe:
    """Sizes of the network and of the training.

    Attributes:
        floors: for each head, how broadly it must look, as a multiple of the stage's floor. Different ones, so that
            the heads differ: the first looks closely, the third takes in large things. The last is the background's.
        composers: how many threads compose views.
    """

    width: int
    floors: tuple[float, ...]
    batch: int
    objects: int
    backgrounds: int
    prototypes: int
    composers: int
    depth: int = 6
    patch_size: int = 8
    grid: int = 12

    @property
    def heads(self) -> int:
        return len(self.floors)


@dataclass(frozen=True)
class Stage:
    """A part of the curriculum.

    Attributes:
        until: share of the whole training at which it ends.
        size: side of the views in pixels.
        area: least and largest share of a view that the objects cover.
        faded: how much of their contrast the backgrounds lose.
        floor: least effective number of patches, as a share of all.
        clutter: most small, faint things that mean nothing.
        slabs: how often a plain slab stands at a border (a wall's edge, a screen).
        company: how often there are two or three objects, the same in both views.
        glass: how often an object is translucent.
        dino: weight of DINO's loss; 0 leaves the teacher out, which is a third quicker.
        whole: weight of what neither figure nor ground covers.
    """

    until: float
    size: int
    area: tuple[float, float]
    faded: float
    floor: float
    clutter: int = 0
    slabs: float = 0.0
    company: float = 0.0
    glass: float = 0.0
    dino: float = 0.5
    whole: float = 0.3


RECIPES = {
    "small": Recipe(128, (0.6, 1.1, 1.8, 3.0), 64, 8000, 5000, 1024, composers=1),
    # For a GPU. Written for one, but it has not run on one yet.
    "large": Recipe(192, (0.6, 0.8, 1.0, 1.3, 1.6, 3.0), 512, 40000, 20000, 4096, composers=12),
}
_HARD = {"clutter": 3, "slabs": 0.2, "company": 0.25, "glass": 0.2}
STAGES = {
    "small": (
        Stage(0.12, 48, (0.16, 0.45), 0.4, 0.20, dino=0.0),
        Stage(0.50, 64, (0.08, 0.42), 0.0, 0.15, **_HARD),
        # On drawn scenes the larger views cost a little (.77 at the end of 64 px, .72 at last), but what was trained
        # with them leaves walls, boards and edges of tables alone in real pictures, and holds bottles whole.
        Stage(0.86, 96, (0.05, 0.42), 0.0, 0.12, **_HARD),
        Stage(1.00, 128, (0.04, 0.40), 0.0, 0.12, **_HARD),
    ),
    "large": (
        Stage(0.05, 64, (0.16, 0.45), 0.4, 0.20, dino=0.0),
        Stage(0.50, 96, (0.08, 0.42), 0.0, 0.15, **_HARD),
        Stage(1.00, 160, (0.05, 0.35), 0.0, 0.12, **_HARD),
    ),
    "trial": (Stage(1.00, 48, (0.16, 0.45), 0.4, 0.20, dino=0.0),),  # under five minutes
}


# --- data ------------------------------------------------------------------------------------------------------------


class Pool:
    """Objects and backgrounds, drawn once and kept in the run's folder; views are composed from them on the fly.

    Attributes:
        sprites: the objects in three sizes, uint8 [count, side, side, 4], side 96, 48, 24.
        shares: the share of its square that each object covers.
        backgrounds: uint8 [count, 128, 128, 3].
    """

    def __init__(self, recipe: Recipe, seed: int, folder: Path, quiet: bool) -> None:
        kept = folder / f"drawn-{seed}-{recipe.objects}-{recipe.backgrounds}.npz"
        if not kept.exists():
            random = np.random.default_rng([seed, 3])
            objects: list[np.ndarray] = []
            with tqdm(total=recipe.objects, desc="drawing objects", disable=quiet, dynamic_ncols=True) as bar:
                while len(objects) < recipe.objects:
                    sprite = draw_object(random, 96)
                    if (sprite[..., 3] > 0.1).sum() > 300:  # not a few thin strokes
                        objects.append(np.round(sprite * 255).astype(np.uint8))
                        bar.update()
            backgrounds = [
                np.round(draw_background(random, 128, 128) * 255).astype(np.uint8)
                for _ in tqdm(range(recipe.backgrounds), desc="drawing backgrounds", disable=quiet, dynamic_ncols=True)
            ]
            part = kept.with_suffix(".part.npz")
            np.savez(part, objects=np.stack(objects), backgrounds=np.stack(backgrounds))
            os.replace(part, kept)
        with np.load(kept) as drawn:
            self.backgrounds = drawn["backgrounds"]
            self.sprites = [drawn["objects"]]
        for side in (48, 24):  # to be drawn small without aliasing
            larger = self.sprites[-1]
            self.sprites.append(
                np.stack([cv2.resize(sprite, (side, side), interpolation=cv2.INTER_AREA) for sprite in larger])
            )
        self.shares = self.sprites[0][..., 3].mean(axis=(1, 2)) / 255


def put(
    canvas: np.ndarray, pool: Pool, number: int, centre: tuple[float, float], side: float, degrees: float,
    mirrored: bool = False, light: float = 1.0, shadow: float = 0.0, opacity: float = 1.0,
) -> None:  # fmt: skip
    """One object on a canvas, float32 [size, size, 3] in 0..255, in place; `drawing.paste`, made for small pictures."""
    size = canvas.shape[0]
    sprite = pool.sprites[0 if side > 48 else 1 if side > 24 else 2][number]
    middle, scale = sprite.shape[0] / 2 - 0.5, side / sprite.shape[0]
    c, s = math.cos(math.radians(degrees)) * scale, math.sin(math.radians(degrees)) * scale
    turn = np.array([[-c if mirrored else c, s], [s if mirrored else -s, c]])
    shift = np.array(centre) - turn @ [middle, middle]
    placed = cv2.warpAffine(sprite, np.column_stack([turn, shift]), (size, size)).astype(np.float32)
    alpha = placed[..., 3] * np.float32(opacity / 255)
    if shadow:
        soft = cv2.blur(alpha, (max(3, int(side * 0.12) | 1),) * 2)
        soft = cv2.warpAffine(soft, np.array([[1, 0, side * 0.05], [0, 1, side * 0.07]]), (size, size))
        canvas *= (1 - shadow * soft)[..., None]
    canvas *= (1 - alpha)[..., None]
    canvas += placed[..., :3] * np.float32(light * opacity)


def compose(random: Generator, pool: Pool, objects: list[int], background: int, stage: Stage) -> np.ndarray:
    """One view of some objects: float32 [size, size, 3] in 0..255."""
    size, place = stage.size, pool.backgrounds[background]
    crop = int(random.uniform(0.35, 1) * place.shape[0])
    top, left = random.integers(0, place.shape[0] - crop + 1, 2)
    shrink = cv2.INTER_AREA if crop > size else cv2.INTER_LINEAR
    canvas = cv2.resize(place[top : top + crop, left : left + crop], (size, size), interpolation=shrink)
    canvas = canvas.astype(np.float32)
    if random.random() < 0.5:
        canvas = np.ascontiguousarray(canvas[:, ::-1])
    if stage.faded:
        canvas += (canvas.mean(axis=(0, 1)) - canvas) * np.float32(stage.faded)
    if random.random() < stage.slabs:
        strip = np.rot90(canvas, int(random.integers(4)))  # a view: painting it paints the canvas
        strip[: int(size * random.uniform(0.05, 0.3))] = np.clip(
            random.uniform(0, 255) + random.normal(0, 30, 3), 0, 255
        )
    for _ in range(int(random.integers(0, stage.clutter + 1))):
        x, y = random.uniform(0, size, 2)
        put(canvas, pool, int(random.integers(len(pool.shares))), (x, y), size * random.uniform(0.06, 0.16),
            random.uniform(0, 360), opacity=random.uniform(0.2, 0.7))  # fmt: skip

    low, high = stage.area
    area = math.exp(random.uniform(math.log(low), math.log(high))) / math.sqrt(len(objects))
    order = random.permutation(len(objects))
    for number, at in zip(objects, order, strict=True):
        side = min(size * math.sqrt(area / pool.shares[number]), 1.3 * size)
        room = max(0.06, 0.5 - 0.36 * side / size)
        x, y = 0.5 + random.uniform(-room, room, 2)
        if len(objects) > 1:  # side by side
            x = (at + 0.5 + random.uniform(-0.2, 0.2)) / len(objects)
        put(canvas, pool, number, (x * size, y * size), side, random.normal(0, 18), random.random() < 0.5,
            light=random.uniform(0.75, 1.2), shadow=0.0 if random.random() < 0.3 else random.uniform(0.1, 0.6),
            opacity=random.uniform(0.35, 0.85) if random.random() < stage.glass else 1.0)  # fmt: skip
    return canvas


def jitter(random: Generator, pictures: np.ndarray) -> np.ndarray:
    """Mild: hue turned by up to 0.15 rad about the grey axis, brightness by 20 %, gray for one in twenty, some noise.

    Pictures are float32 [count, height, width, 3] in 0..255; the result is in 0..1.
    """
    count = len(pictures)
    angle = random.uniform(-0.15, 0.15, count)
    c, s = np.cos(angle), np.sin(angle) / math.sqrt(3)
    k = (1 - c) / 3
    turn = np.array([[c + k, k - s, k + s], [k + s, c + k, k - s], [k - s, k + s, c + k]]).transpose(2, 1, 0)
    turn[random.random(count) < 0.05] = 1 / 3
    turn *= random.uniform(0.8, 1.2, (count, 1, 1)) / 255
    jittered = (pictures.reshape(count, -1, 3) @ turn.astype(np.float32)).reshape(pictures.shape)
    for picture in jittered[random.random(count) < 0.3]:
        picture += random.standard_normal(picture.shape, np.float32) * np.float32(random.uniform(0, 0.03))
    return np.clip(jittered, 0, 1)


def batch_of(pool: Pool, recipe: Recipe, stage: Stage, seed: int, step: int) -> Tensor:
    """The views of one step, always the same: [2 * batch, 3, size, size].

    View i and view batch + i show the same objects; view i and view batch + i + 1 stand on the same background.
    """
    random = np.random.default_rng([seed, 4, step])
    first = random.choice(len(pool.shares), recipe.batch, replace=False)
    others = random.integers(0, len(pool.shares), (recipe.batch, 2))
    company = (random.random((recipe.batch, 2)) < [stage.company, stage.company * 0.4]).sum(1)
    places = random.choice(len(pool.backgrounds), recipe.batch, replace=False)
    views = [
        compose(random, pool, [int(first[i]), *map(int, others[i, : company[i]])], places[i - view], stage)
        for view in range(2)
        for i in range(recipe.batch)
    ]
    return as_input(jitter(random, np.stack(views)))


def batches(pool: Pool, recipe: Recipe, stage: Stage, seed: int, step: int) -> Iterator[Tensor]:
    """Batches without end, composed in threads of their own while the network learns from the last one."""
    with ThreadPoolExecutor(recipe.composers, "composer") as composers:
        waiting: deque[Future[Tensor]] = deque()
        try:
            while True:
                while len(waiting) < recipe.composers + 2:
                    waiting.append(composers.submit(batch_of, pool, recipe, stage, seed, step + len(waiting)))
                yield waiting.popleft().result()
                step += 1
        finally:
            composers.shutdown(cancel_futures=True)


def as_input(pictures: np.ndarray) -> Tensor:
    """Pictures in 0..1, normalised: [count, 3, height, width]."""
    x = torch.from_numpy(pictures).permute(0, 3, 1, 2)
    return ((x - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)).contiguous()


# --- network ---------------------------------------------------------------------------------------------------------


class Attention(nn.Module):
    """Explicit: on a CPU the backward pass of the fused one is five times slower."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """([batch, tokens, width], attention of the CLS token over the patches [batch, heads, patches])."""
        batch, tokens, width = x.shape
        q, k, v = self.qkv(x).view(batch, tokens, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        attention = ((q * (width // self.heads) ** -0.5) @ k.transpose(-1, -2)).softmax(-1)
        return self.proj((attention @ v).transpose(1, 2).reshape(batch, tokens, width)), attention[:, :, 0, 1:]


class Mlp(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, 4 * width)
        self.fc2 = nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(x)))


class Block(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1, self.attn = nn.LayerNorm(width, eps=1e-6), Attention(width, heads)
        self.norm2, self.mlp = nn.LayerNorm(width, eps=1e-6), Mlp(width)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        brought, attention = self.attn(self.norm1(x))
        x = x + brought
        return x + self.mlp(self.norm2(x)), attention


class PatchEmbedding(nn.Module):
    def __init__(self, width: int, side: int) -> None:
        super().__init__()
        self.side = side
        self.proj = nn.Conv2d(3, width, side, side)

    def forward(self, x: Tensor) -> Tensor:
        """[batch, 3, height, width] -> [batch, patches, width]; as a matrix product, which is quicker than Conv2d."""
        batch, _, height, width = x.shape
        side = self.side
        patches = x.view(batch, 3, height // side, side, width // side, side).permute(0, 2, 4, 1, 3, 5)
        return F.linear(patches.reshape(batch, -1, 3 * side * side), self.proj.weight.flatten(1), self.proj.bias)


class Backbone(nn.Module):
    """timm's VisionTransformer on one page: the same names, shapes and numbers, and it shows its attention."""

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        width, self.grid = recipe.width, recipe.grid
        self.cls_token = nn.Parameter(torch.randn(1, 1, width) * 0.02)
        self.pos_embed = nn.Parameter(torch.randn(1, 1 + recipe.grid**2, width) * 0.02)
        self.patch_embed = PatchEmbedding(width, recipe.patch_size)
        self.blocks = nn.ModuleList(Block(width, recipe.heads) for _ in range(recipe.depth))
        self.norm = nn.LayerNorm(width, eps=1e-6)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                nn.init.zeros_(module.bias)

    def positions(self, side: int) -> Tensor:
        """Position embeddings of a square patch grid: [1, 1 + side * side, width]."""
        if side == self.grid:
            return self.pos_embed
        own = self.pos_embed[:, 1:].reshape(1, self.grid, self.grid, -1).permute(0, 3, 1, 2)
        grid = F.interpolate(own, (side, side), mode="bicubic", antialias=True, align_corners=False)
        return torch.cat([self.pos_embed[:, :1], grid.permute(0, 2, 3, 1).flatten(1, 2)], dim=1)

    def forward(self, x: Tensor, keep: float = 1.0) -> tuple[Tensor, list[Tensor], Tensor]:
        """Of square pictures.

        Returns:
            The CLS token, [batch, width]; its attention in each layer, [batch, heads, patches]; the bare patches,
            which no layer has mixed and no position marks, [batch, patches, width]. With `keep` below 1, only a
            random share of the patches takes part.
        """
        bare = self.patch_embed(x)
        batch, patches, width = bare.shape
        positions = self.positions(math.isqrt(patches))
        tokens = bare + positions[:, 1:]
        if keep < 1:
            chosen = torch.rand(batch, patches, device=x.device).topk(round(patches * keep), dim=1).indices
            chosen = chosen[..., None].expand(-1, -1, width)
            tokens, bare = tokens.gather(1, chosen), bare.gather(1, chosen)
        tokens = torch.cat([(self.cls_token + positions[:, :1]).expand(batch, -1, -1), tokens], dim=1)
        rows = []
        for block in self.blocks:
            tokens, attention = block(tokens)
            rows.append(attention)
        return self.norm(tokens[:, 0]), rows, bare


@dataclass
class Learnt:
    """What a learner says of a batch.

    Attributes:
        codes: of the CLS token, length 1: [batch, 128].
        scores: the codes' likeness to each prototype: [batch, prototypes].
        pooled: codes of what each head of the last two layers attends to, length 1: [batch, 2 * heads, 64].
        rows: attention of the last three layers over the patches, summing to 1: [3, batch, heads, patches].
    """

    codes: Tensor
    scores: Tensor
    pooled: Tensor
    rows: Tensor


class Learner(nn.Module):
    """The backbone with DINO's projection head, and a small one that sees single patches."""

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        self.heads = recipe.heads
        self.backbone = Backbone(recipe)
        self.projection = nn.Sequential(
            nn.Linear(recipe.width, 512), nn.BatchNorm1d(512), nn.GELU(),
            nn.Linear(512, 512), nn.BatchNorm1d(512), nn.GELU(),
            nn.Linear(512, 128),
        )  # fmt: skip
        self.prototypes = nn.Parameter(torch.randn(recipe.prototypes, 128) * 0.02)
        self.describe = nn.Sequential(
            nn.LayerNorm(recipe.width), nn.Linear(recipe.width, 256), nn.GELU(), nn.Linear(256, recipe.heads * 64)
        )

    def forward(self, x: Tensor, keep: float = 1.0) -> Learnt:
        cls, rows, bare = self.backbone(x, keep)
        codes = F.normalize(self.projection(cls).float(), dim=-1)
        attention = torch.stack(rows[-3:]).float()
        attention = attention / attention.sum(-1, keepdim=True)
        described = self.describe(bare).view(*bare.shape[:2], self.heads, 64).transpose(1, 2).float()
        pooled = torch.cat([(row.unsqueeze(2) @ described).squeeze(2) for row in attention[-2:]], dim=1)
        pooled = (pooled - pooled.mean(0)) / (pooled.std(0) + 1e-4)  # what all pictures share says nothing
        return Learnt(
            codes, codes @ F.normalize(self.prototypes, dim=-1).T, F.normalize(pooled, dim=-1), attention
        )  # fmt: skip


# --- loss ------------------------------------------------------------------------------------------------------------


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


# --- scoring while it learns -----------------------------------------------------------------------------------------


@torch.no_grad()
def jaccards(backbone: Backbone, pictures: Tensor, masks: np.ndarray) -> np.ndarray:
    """Jaccard of each head's 60 % mass mask of the last layer with the truth: [pictures, heads]."""
    backbone.eval()
    rows = torch.cat([backbone(part)[1][-1].float() for part in pictures.split(16)])  # [pictures, heads, patches]
    backbone.train()
    covered = largest_mass(rows, 0.6).repeat_interleave(8, 2).repeat_interleave(8, 3).cpu().numpy()
    both = (covered & masks[:, None]).sum((2, 3))
    return np.asarray(both / (covered | masks[:, None]).sum((2, 3)))


def largest_mass(rows: Tensor, share: float) -> Tensor:
    """The patches that hold the largest part of the mass: bool [pictures, heads, side, side]."""
    ordered, order = rows.sort(dim=-1)
    kept = ordered.cumsum(-1) > (1 - share) * ordered.sum(-1, keepdim=True)
    side = math.isqrt(rows.shape[-1])
    return torch.zeros_like(kept).scatter_(-1, order, kept).view(*rows.shape[:2], side, side)


def tuning_set(count: int) -> tuple[Tensor, np.ndarray]:
    """Scenes at 224 px that neither training nor `rtviz score` sees, and the truth."""
    drawn = [sample(seed) for seed in TUNING_SEEDS[:count]]
    return as_input(np.stack([pixels.astype(np.float32) / 255 for pixels, _ in drawn])), np.stack([m for _, m in drawn])


# --- training --------------------------------------------------------------------------------------------------------


def between(start: float, end: float, progress: float) -> float:
    """Cosine from start to end."""
    return end + (start - end) * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))


class Training:
    """All that a run is, so that a killed one goes on where it was."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options, self.device = options, torch.device(options.device)
        size = options.size or ("large" if self.device.type == "cuda" else "small")
        self.recipe, self.stages = RECIPES[size], STAGES[size]
        if options.minutes < 5 or options.steps:
            few = {"objects": self.recipe.objects // 10, "backgrounds": self.recipe.backgrounds // 10}
            self.recipe, self.stages = replace(self.recipe, **few), STAGES["trial"]
        self.folder = Path(options.folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        torch.manual_seed(options.seed)
        self.student = Learner(self.recipe).to(self.device)
        self.teacher = copy.deepcopy(self.student).requires_grad_(False)
        decayed, others = [], []
        for name, parameter in self.student.named_parameters():
            decays = parameter.ndim > 1 and not name.endswith(("pos_embed", "cls_token"))
            (decayed if decays else others).append(parameter)
        groups = [{"params": decayed}, {"params": others, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.98))
        self.step, self.spent, self.log = 0, 0.0, list[dict[str, Any]]()
        self.checkpoint = self.folder / "checkpoint.pt"
        if self.checkpoint.exists() and not options.fresh:
            self.resume()

    @property
    def _identity(self) -> dict[str, Any]:
        length = {"steps": self.options.steps} if self.options.steps else {"minutes": self.options.minutes}
        return {**length, "seed": self.options.seed, "width": self.recipe.width}

    @property
    def progress(self) -> float:
        """The share of the run that is done, by steps if their number is given, else by time."""
        options = self.options
        return self.step / options.steps if options.steps else self.spent / (options.minutes * 60)

    def resume(self) -> None:
        state = torch.load(self.checkpoint, map_location=self.device, weights_only=True)
        if state["identity"] != self._identity:
            print(f"{self.folder} holds another run, {state['identity']}: starting anew", flush=True)
            return
        for name in ("student", "teacher", "optimizer"):
            getattr(self, name).load_state_dict(state[name])
        self.step, self.spent, self.log = state["step"], state["spent"], json.loads(state["log"])
        print(f"going on from step {self.step}, {self.spent / 60:.1f} minutes in", flush=True)

    def keep(self) -> None:
        """A checkpoint that is there whole or not at all."""
        state = {name: getattr(self, name).state_dict() for name in ("student", "teacher", "optimizer")}
        state |= {"identity": self._identity, "step": self.step, "spent": self.spent, "log": json.dumps(self.log)}
        torch.save(state, self.checkpoint.with_suffix(".new"))
        os.replace(self.checkpoint.with_suffix(".new"), self.checkpoint)

    def run(self) -> None:
        """Train to the end, with a log line and a checkpoint every minute, at least twelve of each."""
        options = self.options
        pool = Pool(self.recipe, options.seed, self.folder, options.quiet)
        pictures, masks = tuning_set(24)
        pictures = pictures.to(self.device)

        def score(**known: Any) -> None:
            found = jaccards(self.teacher.backbone, pictures, masks)
            heads = [round(float(value), 3) for value in found.mean(0)]
            best = round(float(found.max(1).mean()), 4)
            line = {"minute": round(self.spent / 60, 2), "step": self.step, **known, "best": best, "heads": heads}
            self.log.append(line)
            tqdm.write(json.dumps(line))
            sys.stdout.flush()

        if not self.log:
            score()
        torch.manual_seed(options.seed + self.step)
        mixed = torch.autocast(self.device.type, torch.bfloat16, enabled=options.precision == "bf16")
        bar = tqdm(total=100, desc="training", unit="%", disable=options.quiet, dynamic_ncols=True)
        kept = scored = (self.spent, self.progress)

        def due(last: tuple[float, float]) -> bool:
            return self.spent - last[0] > 60 or self.progress - last[1] > 1 / 12

        clock = time.perf_counter()
        for stage in self.stages:
            if self.progress >= stage.until:
                continue
            stream = batches(pool, self.recipe, stage, options.seed, self.step)
            for views in stream:
                progress = self.progress
                self._rate(progress)
                with mixed:
                    loss, parts = loss_of(
                        self.student, self.teacher, views.to(self.device), self.recipe, stage, progress
                    )  # fmt: skip
                self.optimizer.zero_grad(set_to_none=True)
                loss.backward()
                nn.utils.clip_grad_norm_(self.student.parameters(), 3.0)
                self.optimizer.step()
                with torch.no_grad():
                    slow = 1 - between(0.98, 1.0, progress)
                    torch._foreach_lerp_(list(self.teacher.parameters()), list(self.student.parameters()), slow)
                self.step += 1
                # With waiting for views, scoring and keeping, but not with the night that a laptop slept.
                self.spent += min(time.perf_counter() - clock, 20)
                clock = time.perf_counter()
                bar.update(int(100 * self.progress) - bar.n)
                bar.set_postfix({name: f"{value:.2f}" for name, value in parts.items()}, refresh=False)
                if due(scored) or self.progress >= 1:
                    score(size=stage.size, **parts)
                    scored = (self.spent, self.progress)
                if due(kept):
                    self.keep()
                    kept = (self.spent, self.progress)
                if self.progress >= stage.until:
                    break
            stream.close()
        self.keep()
        bar.close()

    def _rate(self, progress: float) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = self.options.rate * min(1.0, (self.step + 1) / 60) * max(0.01, between(1, 0.01, progress))
        self.optimizer.param_groups[0]["weight_decay"] = between(0.1, 0.3, progress)

    def export(self) -> None:
        """The teacher's backbone, in fp16, with what is needed to build and to believe it in the header."""
        from safetensors.torch import save_file

        recipe, options = self.recipe, self.options
        commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True).stdout.strip()
        length = f"--steps {options.steps}" if options.steps else f"--minutes {options.minutes:g}"
        words = f"python scripts/train_embedded.py {length} --seed {options.seed}"
        metadata = {
            "patch_size": recipe.patch_size, "width": recipe.width, "depth": recipe.depth, "heads": recipe.heads,
            "grid": recipe.grid, "mean": json.dumps(MEAN), "std": json.dumps(STD), "command": words,
            "commit": commit or "unknown", "steps": self.step, "jaccard_best_head": self.log[-1]["best"],
        }  # fmt: skip
        state = {name: value.half().contiguous().cpu() for name, value in self.teacher.backbone.state_dict().items()}
        output = Path(options.output)
        output.parent.mkdir(parents=True, exist_ok=True)
        save_file(state, output.with_suffix(".new"), {name: str(value) for name, value in metadata.items()})
        os.replace(output.with_suffix(".new"), output)
        print(f"wrote {output}, {output.stat().st_size / 1e6:.1f} MB", flush=True)


# --- looking at it ---------------------------------------------------------------------------------------------------


def plot(log: list[dict[str, Any]], path: Path) -> None:
    """The curves, as a picture.

    Raises:
        MissingDependency: matplotlib is not installed.
    """
    try:
        import matplotlib
    except ImportError as error:
        raise MissingDependency("matplotlib", "the plot of the curves") from error
    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (upper, lower) = pyplot.subplots(2, 1, figsize=(8, 7), sharex=True, layout="constrained")
    minutes = [line["minute"] for line in log]
    upper.plot(minutes, [line["best"] for line in log], color="black", label="best head of each picture")
    for head in range(len(log[0]["heads"])):
        upper.plot(minutes, [line["heads"][head] for line in log], linewidth=1, label=f"head {head}")
    upper.set_ylabel("Jaccard on tuning scenes")
    for name in ("figure", "ground", "whole", "contrast", "dino"):
        lines = [line for line in log if name in line]
        lower.plot([line["minute"] for line in lines], [line[name] for line in lines], label=name)
    lower.set_ylabel("loss")
    lower.set_xlabel("minutes")
    for axes in (upper, lower):
        axes.legend(frameon=False)
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110)


@torch.no_grad()
def contact_sheet(backbone: Backbone, path: Path, rows: int = 8) -> None:
    """Tuning scenes, and beside each what every head of the last layer attends to."""
    device = backbone.cls_token.device
    sheet = []
    for seed in TUNING_SEEDS[100 : 100 + rows]:
        pixels, _ = sample(seed)
        attention = backbone.eval()(as_input(pixels[None].astype(np.float32) / 255).to(device))[1][-1][0].float()
        pictures = [pixels]
        for row in attention.cpu().numpy():
            side = math.isqrt(row.size)
            drawn = cv2.resize(row.reshape(side, side) / row.max(), (224, 224), interpolation=cv2.INTER_CUBIC)
            coloured = cv2.applyColorMap((drawn.clip(0, 1) * 255).astype(np.uint8), cv2.COLORMAP_INFERNO)
            pictures.append(cv2.addWeighted(pixels, 0.3, coloured[..., ::-1].copy(), 0.7, 0))
        sheet.append(np.hstack(pictures))
    cv2.imwrite(str(path), np.ascontiguousarray(np.vstack(sheet)[..., ::-1]))


def main() -> int:
    """Draw, train, score, export, and show; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=40.0, help="time to train, without the drawing (40)")
    parser.add_argument(
        "--steps", type=int, help="in place of --minutes, a short trial that is the same on every machine"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--size", choices=list(RECIPES), help="small on a CPU, large on a GPU if not given")
    parser.add_argument("--rate", type=float, default=1e-3, help="learning rate")
    parser.add_argument("--precision", choices=("bf16", "fp32"), default="bf16", help="of the matrix products (bf16)")
    parser.add_argument("--threads", type=int, help="of the matrix products; as many as there are cores")
    parser.add_argument("--folder", default="runs/embedded", help="checkpoints, log, curves; a killed run goes on here")
    parser.add_argument("--fresh", action="store_true", help="start anew, whatever the folder holds")
    parser.add_argument("--output", default=str(ROOT / "rtviz" / "models" / "embedded.safetensors"))
    parser.add_argument("--quiet", action="store_true", help="no progress bars")
    options = parser.parse_args()
    cv2.setNumThreads(1)  # each composer is a thread already
    if options.threads:
        torch.set_num_threads(options.threads)
    training = Training(options)
    training.run()
    training.export()
    (training.folder / "log.json").write_text(json.dumps(training.log, indent=1))
    contact_sheet(training.teacher.backbone, training.folder / "contact.png")
    try:
        plot(training.log, training.folder / "curves.png")
    except MissingDependency as error:
        print(f"no curves: {error}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
