"""Position embeddings at other sizes than training's, by each family's own rule: maps against a transformer that is
written here from the papers' formulas, in NumPy and float64."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from numpy.typing import NDArray

from rtviz.models import backbone, zoo
from rtviz.models.card import ModelCard
from rtviz.models.timm_import import timm
from rtviz.models.transformer import Transformer
from rtviz.models.weights import fitting
from rtviz.settings import Point, Query

pytestmark = [
    pytest.mark.usefixtures("one_thread"),
    pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning"),
]

Doubles = NDArray[np.float64]
Grid = tuple[int, int]

TRAINED: Grid = (4, 4)
GRIDS: list[Grid] = [(4, 4), (2, 8), (3, 6), (5, 5), (9, 2)]  # the first two have as many patches
LAYERS, HEADS, WIDTH = 2, 3, 48
# How the authors of each family resample.
RULES = {
    "dino-vits16": "offset",
    "dinov2-vits14": "offset",
    "dinov2-vits14-reg": "antialias",
    "deit-vits16": "antialias",
    "dinov3-vits16": "rotary",
}


# --- the oracle ------------------------------------------------------------------------------------------------------


def cubic(x: NDArray[Any], a: float) -> Doubles:
    """Keys, "Cubic convolution interpolation for digital image processing", 1981."""
    x = np.abs(x)
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = a * (((x - 5) * x + 8) * x - 4)
    return np.where(x < 1, near, np.where(x < 2, far, 0))


def resampling_matrix(had: int, wanted: int, rule: str) -> Doubles:
    """[wanted, had]: what each of the old places counts for each of the new ones, along one side."""
    matrix = np.zeros((wanted, had))
    step = had / (wanted + 0.1) if rule == "offset" else had / wanted
    wider = max(step, 1.0) if rule == "antialias" else 1.0
    for place in range(wanted):
        centre = (place + 0.5) * step - 0.5
        if rule == "antialias":  # the kernel covers what falls into a new place, and is cut off at the border
            old = np.arange(max(0, math.ceil(centre - 2 * wider)), min(had, math.floor(centre + 2 * wider) + 1))
            weights = cubic((old - centre) / wider, a=-0.5)
            matrix[place, old] = weights / weights.sum()
        else:  # four neighbours, of which those outside are the ones at the border
            old = math.floor(centre) + np.arange(-1, 3)
            np.add.at(matrix[place], old.clip(0, had - 1), cubic(old - centre, a=-0.75))
    return matrix


def resample(positions: Doubles, trained: Grid, grid: Grid, rule: str) -> Doubles:
    """[patches, width] to another grid; on the trained one nothing changes."""
    if grid == trained:
        return positions
    rows, columns = (resampling_matrix(had, wanted, rule) for had, wanted in zip(trained, grid, strict=True))
    return np.einsum("ra,cb,abw->rcw", rows, columns, positions.reshape(*trained, -1)).reshape(-1, positions.shape[-1])


def norm(x: Doubles, state: dict[str, Doubles], name: str, rule: str) -> Doubles:
    smallest = 1e-5 if rule == "rotary" else 1e-6
    x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + smallest)
    return x * state[f"{name}.weight"] + state[f"{name}.bias"]


def turned(x: Doubles, grid: Grid, prefix: int) -> Doubles:
    """Rotary positions of DINOv3 (facebookresearch/dinov3, dinov3/layers/rope_position_encoding.py, whose base is 100):
    the patches' part of [heads, tokens, head width]."""
    quarter = x.shape[-1] // 4
    periods = 100.0 ** (np.arange(quarter) / quarter)
    rows, columns = ((np.arange(side) + 0.5) / side * 2 - 1 for side in grid)
    places = np.stack(np.meshgrid(rows, columns, indexing="ij"), -1).reshape(-1, 2)
    angles = np.tile((2 * np.pi * places[:, :, None] / periods).reshape(len(places), -1), 2)
    first, second = np.split(x[:, prefix:], 2, -1)
    patches = x[:, prefix:] * np.cos(angles) + np.concatenate([-second, first], -1) * np.sin(angles)
    return np.concatenate([x[:, :prefix], patches], 1)


def attention(weights: dict[str, torch.Tensor], x: torch.Tensor, row: int, trained: Grid, rule: str) -> Doubles:
    """[layers, heads, rows, columns] of one picture [3, height, width], from the weights alone."""
    state = {name: value.double().numpy() for name, value in weights.items()}
    kernel = state["patch_embed.proj.weight"]
    side = kernel.shape[-1]
    grid = x.shape[1] // side, x.shape[2] // side
    cut = x.double().numpy().reshape(3, grid[0], side, grid[1], side).transpose(1, 3, 0, 2, 4)
    tokens = cut.reshape(grid[0] * grid[1], -1) @ kernel.reshape(len(kernel), -1).T + state["patch_embed.proj.bias"]
    prefix = [state["cls_token"][0]]
    if rule == "rotary":
        prefix.append(state["reg_token"][0])
    elif "reg_token" in state:
        prefix.append(state["reg_token"][0])
        tokens = tokens + resample(state["pos_embed"][0], trained, grid, rule)
    else:
        prefix[0] = prefix[0] + state["pos_embed"][0, :1]
        tokens = tokens + resample(state["pos_embed"][0, 1:], trained, grid, rule)
    count = sum(map(len, prefix))
    tokens = np.concatenate([*prefix, tokens])
    found = []
    for layer in range(LAYERS):
        at = f"blocks.{layer}."
        qk_inputs = norm(tokens, state, f"{at}norm1", rule)
        qkv = qk_inputs @ state[f"{at}attn.qkv.weight"].T + state.get(f"{at}attn.qkv.bias", 0)
        q, k, v = qkv.reshape(len(tokens), 3, HEADS, -1).transpose(1, 2, 0, 3)
        if rule == "rotary":
            q, k = turned(q, grid, count), turned(k, grid, count)
        shares = np.exp(q @ k.swapaxes(1, 2) / math.sqrt(q.shape[-1]))
        shares /= shares.sum(-1, keepdims=True)
        found.append(shares[:, row, count:].reshape(HEADS, *grid))
        mixed = (shares @ v).transpose(1, 0, 2).reshape(len(tokens), -1)
        mixed = mixed @ state[f"{at}attn.proj.weight"].T + state[f"{at}attn.proj.bias"]
        tokens = tokens + mixed * state.get(f"{at}ls1.gamma", state.get(f"{at}gamma_1", 1))
        hidden = norm(tokens, state, f"{at}norm2", rule) @ state[f"{at}mlp.fc1.weight"].T + state[f"{at}mlp.fc1.bias"]
        hidden *= 0.5 * (1 + torch.erf(torch.from_numpy(hidden / math.sqrt(2))).numpy())
        hidden = hidden @ state[f"{at}mlp.fc2.weight"].T + state[f"{at}mlp.fc2.bias"]
        tokens = tokens + hidden * state.get(f"{at}ls2.gamma", state.get(f"{at}gamma_2", 1))
    return np.stack(found)


# --- the networks ----------------------------------------------------------------------------------------------------


def card_of(name: str) -> ModelCard:
    return dataclasses.replace(zoo.find(name), layers=LAYERS, heads=HEADS, width=WIDTH)


def build(card: ModelCard, grid: Grid = TRAINED) -> Any:
    """A small network of the card's architecture, with maps that are far from even and positions that matter."""
    torch.manual_seed(1)
    size = {"img_size": grid[0] * card.patch_size, "dynamic_img_size": True}
    shape = {"embed_dim": WIDTH, "depth": LAYERS, "num_heads": HEADS, "num_classes": 0}
    network = backbone.ready(timm.create_model(card.timm_name.partition(".")[0], **shape, **size))
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if "qkv.weight" in name:
                parameter.normal_(std=0.3)
            elif "pos_embed" in name:
                parameter.normal_()
            elif "gamma" in name:
                parameter.uniform_(0.5, 1.5)
            elif parameter.ndim == 1 or "token" in name:
                parameter.add_(0.3 * torch.randn_like(parameter))
    return network


def worst(found: Any, true: Doubles) -> float:
    """The largest difference in proportion to its map's maximum."""
    return float((np.abs(found - true).max((-1, -2)) / true.max((-1, -2))).max())


# --- what must hold --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", ["torch", "openvino"])
@pytest.mark.parametrize("name", RULES)
def test_maps_at_every_size_are_the_authors_own(name: str, backend: str) -> None:
    card = card_of(name)
    network = build(card)
    weights = {key: value.clone() for key, value in network.state_dict().items()}
    model = Transformer(network, card, device="cpu", precision="fp32", backend=backend)
    generator = torch.Generator().manual_seed(7)
    others = {"offset": "antialias", "antialias": "offset"}
    apart = []
    for grid in GRIDS if backend == "torch" else GRIDS[1:3]:
        height, width = (side * card.patch_size for side in grid)
        frame = torch.randint(0, 256, (height, width, 3), generator=generator, dtype=torch.uint8).numpy()
        model.resolution = min(height, width)
        queries: dict[Query, int] = {
            "cls": 0,
            Point(0.6, 0.7): model.prefix_tokens + int(0.7 * grid[0]) * grid[1] + int(0.6 * grid[1]),
        }
        for query, row in queries.items():
            found = model(frame, query)
            assert (found.grid, model.backend) == (grid, backend)
            x = model.prepare([frame])[0]
            true = attention(weights, x, row, TRAINED, RULES[name])
            assert worst(found.attention, true) < 1e-4
            if other := others.get(RULES[name]):
                apart.append(worst(attention(weights, x, row, TRAINED, other), true))
    if apart:  # another rule would not have passed
        assert max(apart) > 0.01


@pytest.mark.parametrize("name", ["dino-vits16", "dinov2-vits14-reg"])
def test_a_file_for_another_patch_grid_is_resampled_once(name: str, tmp_path: Path) -> None:
    """The official files of both families are read into networks of other sizes, too."""
    card, trained = card_of(name), (6, 6)
    weights = {key: value.clone() for key, value in build(card, trained).state_dict().items()}
    path = tmp_path / "official.safetensors"
    official = dict(weights)
    if card.registers:  # CLS's embedding is published apart from CLS, and a token that only training masks with
        first = torch.full((1, 1, WIDTH), 0.3)
        official["cls_token"] = weights["cls_token"] - first
        official["pos_embed"] = torch.cat([first, weights["pos_embed"]], 1)
        official["register_tokens"] = official.pop("reg_token")
        official["mask_token"] = torch.zeros(1, WIDTH)
    safetensors.torch.save_file(official, path)
    network = build(card, TRAINED)
    fitting.load_into(network, path, card)
    model = Transformer(network, card, device="cpu", precision="fp32", backend="torch", resolution=3 * card.patch_size)
    rule = RULES[name]
    for grid in (trained, TRAINED, (3, 5)):
        height, width = (side * card.patch_size for side in grid)
        frame = np.random.default_rng(1).integers(0, 256, (height, width, 3), np.uint8)
        model.resolution = min(height, width)
        true = attention(weights, model.prepare([frame])[0], 0, trained, rule)
        assert worst(model(frame).attention, true) < 1e-4


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("vit_base_patch8_224.dino", "offset"),
        ("vit_small_patch14_dinov2", "offset"),
        ("random:vit_small_patch14_reg4_dinov2", "antialias"),
        ("random:dinov2-vitb14", "offset"),
        ("embedded", "antialias"),
        ("vit_small_patch16_224", "antialias"),
    ],
)
def test_every_name_of_a_family_has_its_rule(name: str, rule: str) -> None:
    assert zoo.find(name).resampling == rule
