"""Positions at every size: relative position biases and embeddings, against networks that timm builds for that size."""

from __future__ import annotations

import copy
import dataclasses
import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import Tensor
from typed import present

from rtviz.errors import SettingsError, UnknownModel, WeightsRefused
from rtviz.models import backbone, zoo
from rtviz.models.model import Model
from rtviz.models.timm_import import timm
from rtviz.models.transformer import Transformer
from rtviz.models.weights import fitting
from rtviz.settings import Point, Query

pytestmark = pytest.mark.usefixtures("one_thread")


# Architectures of timm, and what makes them small, or brings out a part that none of timm's names has.
SMALL: dict[str, Any] = {"embed_dim": 48, "depth": 2, "num_heads": 3}
ONE_SIZE: dict[str, tuple[str, dict[str, Any]]] = {
    "beit": ("beit_base_patch16_224", SMALL),  # a table in each layer, CLS
    "beit-shared": (  # one table for all layers, and position embeddings
        "beitv2_base_patch16_224",
        {**SMALL, "use_rel_pos_bias": False, "use_shared_rel_pos_bias": True, "use_abs_pos_emb": True},
    ),
    "relpos": ("vit_relpos_small_patch16_224", SMALL),  # an MLP in each layer, no CLS
    "relpos-cls": ("vit_relpos_medium_patch16_cls_224", SMALL),  # an MLP that leaves CLS out
    "relpos-shared": ("vit_srelpos_small_patch16_224", SMALL),
    "relpos-rpn": ("vit_relpos_small_patch16_rpn_224", SMALL),
    "relpos-table": ("vit_relpos_base_patch16_clsgap_224", {**SMALL, "rel_pos_type": "bias"}),
}
ANY_SIZE: dict[str, tuple[str, dict[str, Any]]] = {
    "naflex": ("naflexvit_base_patch16_gap", {**SMALL, "pos_embed_grid_size": (4, 4)}),
    "naflex-factorized": ("naflexvit_base_patch16_parfac_gap", {**SMALL, "pos_embed_grid_size": (4, 4)}),
    "naflex-cls": (  # CLS and registers, as C-RADIO has them
        "naflexvit_base_patch16_par_gap",
        {**SMALL, "pos_embed_grid_size": (8, 8), "pos_embed_interp_mode": "bilinear", "class_token": True},
    ),
}
TRAINED = (4, 4)
GRIDS = [TRAINED, (3, 6), (7, 2), (1, 5), TRAINED]


def build(kind: str, grid: tuple[int, int] = TRAINED) -> torch.nn.Module:
    """timm's network, for one size where it is for one."""
    name, changes = {**ONE_SIZE, **ANY_SIZE}[kind]
    if kind in ONE_SIZE:
        changes = {**changes, "img_size": (16 * grid[0], 16 * grid[1])}
    return backbone.ready(timm.create_model(name, num_classes=0, **changes))


def lively(kind: str) -> torch.nn.Module:
    """The same for the trained size, with rows that are far from uniform and biases that matter."""
    torch.manual_seed(1)
    network = build(kind)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if "qkv.weight" in name:
                parameter.normal_(std=0.15)
            elif "bias_table" in name:
                parameter.normal_()
            elif "pos_embed" in name or "rel_pos.mlp" in name:
                parameter.mul_(3)
            elif parameter.ndim == 1 or "token" in name:
                parameter.add_(0.3 * torch.randn_like(parameter))
    return network


def model_of(kind: str, network: Any, precision: str = "fp32") -> Model:
    card = dataclasses.replace(
        zoo.find("dino-vits16"),
        name=kind,
        layers=len(network.blocks),
        heads=3,
        width=network.embed_dim,
        resampling="antialias",  # timm's way, as of all families that are timm's own
    )
    return Transformer(network, card, device="cpu", precision=precision, resolution=64)


def for_size(kind: str, trained: torch.nn.Module, grid: tuple[int, int]) -> torch.nn.Module:
    """timm's network for this size, with the trained weights as timm itself loads them at another size."""
    if kind in ANY_SIZE:
        return copy.deepcopy(trained)
    network = build(kind, grid)
    state = {name: tensor.clone() for name, tensor in trained.state_dict().items()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of timm's interpolation
        loaded = network.load_state_dict(timm.models.beit.checkpoint_filter_fn(state, network), strict=False)
    assert not loaded.unexpected_keys
    assert all("position_index" in name for name in loaded.missing_keys)  # which some versions of timm save
    return network


def matrices(network: Any, x: Tensor) -> Tensor:
    """[batch, layers, heads, tokens, tokens] as the network's own unfused code makes them."""
    seen: list[Tensor] = []
    for block in network.blocks:
        block.attn.fused_attn = False
        block.attn.attn_drop.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    with torch.no_grad():
        network.forward_features(x)
    return torch.stack(seen, 1)


def picture(grid: tuple[int, int]) -> Tensor:
    return torch.randn(2, 3, 16 * grid[0], 16 * grid[1], generator=torch.Generator().manual_seed(7))


@pytest.mark.parametrize("kind", [*ONE_SIZE, *ANY_SIZE])
def test_every_size_equals_the_explicit_softmax_of_a_network_for_that_size(kind: str) -> None:
    trained = lively(kind)
    model = model_of(kind, copy.deepcopy(trained))
    prefix = model.prefix_tokens
    for grid in GRIDS:
        x = picture(grid)
        explicit = matrices(for_size(kind, trained, grid), x)
        queries: dict[Query, int] = {Point(0.9, 0.4): prefix + int(0.4 * grid[0]) * grid[1] + int(0.9 * grid[1])}
        if model.has_cls:
            queries["cls"] = 0
        for query, row in queries.items():
            captured = model.attention(x, query)
            expected = explicit[:, :, :, row, prefix:].reshape(captured.shape)
            torch.testing.assert_close(captured, expected, rtol=0, atol=1e-5)
            if grid != (1, 5):  # the rows are not so even that anything would pass
                assert (expected.amax((-1, -2)) / expected.mean((-1, -2))).median() > 1.3


def test_beit_by_hand_from_its_weights_and_the_offsets() -> None:
    """BEiT's own arithmetic (microsoft/unilm, beit/modeling_finetune.py, Attention), not through timm's."""
    model = model_of("beit", lively("beit"))
    rows, columns = TRAINED
    x = picture(TRAINED)
    captured = model.attention(x, Point(0.6, 0.9))
    inputs: list[Tensor] = []
    for block in model.network.blocks:
        block.attn.register_forward_pre_hook(lambda module, args: inputs.append(args[0]))
    with torch.no_grad():
        model.network.forward_features(x)
    row, column = 3, 2
    for layer, (block, tokens) in enumerate(zip(model.network.blocks, inputs, strict=True)):
        attn = block.attn
        table = (
            attn.relative_position_bias_table.double()
        )  # the last three rows: CLS to patch, patch to CLS, CLS to CLS
        bias = [table[-2]] + [
            table[(row - r + rows - 1) * (2 * columns - 1) + (column - c + columns - 1)]
            for r in range(rows)
            for c in range(columns)
        ]
        q_weight, k_weight, _ = attn.qkv.weight.double().chunk(3)
        q = (tokens.double() @ q_weight.T + attn.q_bias.double())[:, 1 + row * columns + column].reshape(-1, 1, 3, 16)
        k = (tokens.double() @ k_weight.T).reshape(len(x), -1, 3, 16)
        logits = (q * k).sum(-1) / math.sqrt(16) + torch.stack(bias)  # [batch, tokens, heads]
        expected = logits.softmax(1)[:, 1:].mT.reshape(captured[:, layer].shape)
        torch.testing.assert_close(captured[:, layer].double(), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", ["beit-shared", "relpos-table", "relpos", "naflex"])
def test_sizes_are_remembered_and_a_move_starts_from_what_was_trained(kind: str) -> None:
    trained = lively(kind)
    model = model_of(kind, copy.deepcopy(trained))
    shapes = {name: tensor.shape for name, tensor in trained.state_dict().items()}
    query = Point(0.2, 0.9)
    before = {grid: model.attention(picture(grid), query) for grid in [TRAINED, (3, 6)]}
    for columns in range(1, 12):  # more than are remembered
        model.attention(picture((2, columns)), query)
    assert model.network.state_dict().keys() == shapes.keys()
    for grid, attention in before.items():
        assert torch.equal(model.attention(picture(grid), query), attention)
    model.to("cpu")
    assert {name: tensor.shape for name, tensor in model.network.state_dict().items()} == shapes
    for grid, attention in before.items():
        assert torch.equal(model.attention(picture(grid), query), attention)


@pytest.mark.parametrize("kind", ["beit", "relpos", "relpos-table", "naflex-cls"])
def test_bf16_is_within_three_percent(kind: str) -> None:
    trained = lively(kind)
    x, query = picture((3, 6)), Point(0.5, 0.5)
    expected = model_of(kind, copy.deepcopy(trained)).attention(x, query)
    got = model_of(kind, trained, "bf16").attention(x, query)
    assert got.dtype == torch.float32
    assert (got - expected).norm() / expected.norm() < 3e-2


def test_frames_features_and_queries_of_a_model_with_biases() -> None:
    model = model_of("beit", lively("beit"))
    frame = np.random.default_rng(0).integers(0, 255, (64, 96, 3), np.uint8)
    maps = model(frame, "cls", {"tokens", "keys", "rows"})
    assert maps.attention.shape == (2, 3, 4, 6)
    assert present(maps.tokens).shape == (4, 6, 48)
    np.testing.assert_allclose(maps.attention.sum((2, 3)) + maps.prefix.sum(2), 1, atol=1e-5)
    asked = maps.ask(Point(0.2, 0.7))
    np.testing.assert_allclose(asked.attention, model(frame, Point(0.2, 0.7)).attention, atol=1e-6)


def test_models_without_cls_refuse_the_query_and_fused_attention_may_be_off() -> None:
    from timm.layers.config import set_fused_attn

    try:
        set_fused_attn(False)
        model = model_of("relpos", lively("relpos"))
    finally:
        set_fused_attn(True)
    with pytest.raises(SettingsError, match=r"query cannot be 'cls'; allowed: a point X,Y.*no CLS token"):
        model.attention(picture((2, 2)))
    assert model.attention(picture((2, 2)), Point(0.5, 0.5)).shape == (2, model.layers, 3, 2, 2)


@pytest.mark.parametrize("kind", ["beit", "relpos", "relpos-table", "naflex"])
def test_weights_are_loaded_and_others_refused(kind: str, tmp_path: Path) -> None:
    trained = lively(kind)
    card = dataclasses.replace(zoo.find("dino-vits16"), name=kind)
    state = trained.state_dict()
    path = tmp_path / "whole.safetensors"
    safetensors.torch.save_file(state, path)
    network = build(kind)
    fitting.load_into(network, path, card)
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, state[name]), name

    sign = {"beit": "bias_table", "relpos": "rel_pos.mlp", "relpos-table": "bias_table", "naflex": "pos_embed"}[kind]
    lacking = {name: tensor for name, tensor in state.items() if sign not in name}
    safetensors.torch.save_file(lacking, path)
    with pytest.raises(WeightsRefused, match=f"does not fit {kind}: .* weights are missing, such as .*{sign}"):
        fitting.load_into(build(kind), path, card)
    more = {**state, "embeds.cls_token" if kind == "naflex" else "rel_pos_bias.table": torch.zeros(1, 1, 48)}
    safetensors.torch.save_file(more, path)
    with pytest.raises(WeightsRefused, match="it has weights that this model has not, such as"):
        fitting.load_into(build(kind), path, card)


@pytest.mark.parametrize(
    ("name", "patch_size", "layers", "heads", "width", "registers"),
    [
        ("beit_base_patch16_224.in22k_ft_in22k_in1k", 16, 12, 12, 768, 0),
        ("vit_relpos_small_patch16_224", 16, 12, 6, 384, 0),
        ("naflexvit_base_patch16_gap", 16, 12, 12, 768, 4),
    ],
)
def test_their_names_are_known(name: str, patch_size: int, layers: int, heads: int, width: int, registers: int) -> None:
    card = zoo.find(name)
    assert (card.patch_size, card.layers, card.heads, card.width, card.registers) == (
        patch_size, layers, heads, width, registers,
    )  # fmt: skip


@pytest.mark.parametrize(
    "name",
    ["samvit_base_patch16", "cait_xxs24_224", "xcit_nano_12_p16_224", "volo_d1_224", "pit_ti_224", "tnt_s_patch16_224"],
)
def test_attention_that_is_not_from_all_patches_to_all_is_refused(name: str) -> None:
    with pytest.raises(UnknownModel, match="not a vision transformer whose attention rtviz can show"):
        zoo.find(name)
