"""The backbone, which is timm's VisionTransformer tensor for tensor, and the heads that only training has."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from embedded_training.curriculum import Recipe


class Attention(nn.Module):
    """Explicit where gradients flow: on a CPU the backward pass of the fused one is five times slower."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """([batch, tokens, width], attention of the CLS token over the patches [batch, heads, patches])."""
        batch, tokens, width = x.shape
        q, k, v = self.qkv(x).view(batch, tokens, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        asking = q if torch.is_grad_enabled() else q[:, :, :1]
        attention = ((asking * (width // self.heads) ** -0.5) @ k.transpose(-1, -2)).softmax(-1)
        mixed = attention @ v if torch.is_grad_enabled() else F.scaled_dot_product_attention(q, k, v)
        return self.proj(mixed.transpose(1, 2).reshape(batch, tokens, width)), attention[:, :, 0, 1:]


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
