"""The captured attention is the network's own: against softmax matrices that other paths make."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest
import torch
from small import shallow
from torch import Tensor
from typed import present

import rtviz
from rtviz.errors import AttentionCaptureError, SettingsError
from rtviz.models.model import Model
from rtviz.models.transformer import Transformer
from rtviz.settings import Point, Query, Register

pytestmark = pytest.mark.usefixtures("one_thread")

FAMILIES = [
    "dino-vits16",
    "dino-vits8",
    "dinov2-vits14",  # layer scale
    "dinov2-vits14-reg",  # registers
    "dinov3-vits16",  # registers, rotary embeddings, timm's EVA code
    "deit-vits16",
    "augreg-vits16",
]
OTHERS = [
    "vit_medium_patch16_gap_240",  # no CLS
    "vit_small_patch16_rope_mixed_224",  # rotary embeddings that differ from layer to layer
    "deit_tiny_distilled_patch16_224",  # CLS and a distillation token
    "vit_little_patch16_reg4_gap_256",  # q/k norm or layer scale, registers, no CLS
]


def lively(name: str, precision: str = "fp32", sharpness: float = 5) -> Model:
    """An untrained model whose rows are far from uniform, and whose every token and layer scale plays a part."""
    model = shallow(name)
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter_name, parameter in model.network.named_parameters():
            if any(part in parameter_name for part in ("qkv.weight", "q_proj.weight", "k_proj.weight")):
                parameter *= sharpness
            elif parameter.ndim == 1 or "token" in parameter_name:
                parameter += 0.3 * torch.randn_like(parameter)
    return Transformer(model.network, model.card, device="cpu", precision=precision, resolution=64)


def softmax_matrices(model: Model, x: Tensor) -> Tensor:
    """[batch, layers, heads, tokens, tokens] as the network's own unfused code makes them."""
    network = copy.deepcopy(model.network)
    matrices: list[Tensor] = []
    for block in network.blocks:
        block.attn.fused_attn = False
        block.attn.attn_drop.register_forward_hook(lambda module, inputs, output: matrices.append(inputs[0]))
    with torch.no_grad():
        network.forward_features(x)
    return torch.stack(matrices, 1)


@pytest.fixture(scope="module", params=FAMILIES + OTHERS)
def model(request: pytest.FixtureRequest) -> Model:
    return lively(request.param)


@pytest.mark.parametrize("patches", [(4, 4), (3, 6)], ids=["square", "oblong"])
def test_every_layer_and_head_equals_the_explicit_softmax(model: Model, patches: tuple[int, int]) -> None:
    rows, columns = patches
    x = torch.randn(
        2, 3, rows * model.patch_size, columns * model.patch_size, generator=torch.Generator().manual_seed(7)
    )
    prefix = model.prefix_tokens
    point = Point(0.9, 0.4)
    places: dict[Query, int] = {point: prefix + int(0.4 * rows) * columns + int(0.9 * columns)}
    if model.has_cls:
        places["cls"] = 0
    registers = prefix - int(model.has_cls)
    places |= {Register(number): int(model.has_cls) + number for number in range(registers)}
    with pytest.raises(
        SettingsError, match=f"reg{registers}'; allowed: .*because {model.name} has {registers} register"
    ):
        model.attention(x, Register(registers))
    captured = {query: model.attention(x, query) for query in places}
    explicit = softmax_matrices(model, x)
    assert explicit.shape == (2, model.layers, model.heads, prefix + rows * columns, prefix + rows * columns)
    for query, place in places.items():
        expected = explicit[:, :, :, place, prefix:].reshape(2, model.layers, model.heads, rows, columns)
        assert captured[query].shape == expected.shape
        assert captured[query].dtype == torch.float32
        torch.testing.assert_close(captured[query], expected, rtol=0, atol=1e-5)
        # The rows are not so even that anything would pass.
        assert (expected.amax((-1, -2)) / expected.mean((-1, -2))).median() > 1.3


def test_columns_equal_those_of_the_explicit_softmax(model: Model) -> None:
    """Of two frames in one pass, for the query and for another one that is asked for later."""
    frames = [np.random.default_rng(seed).integers(0, 255, (64, 96, 3), np.uint8) for seed in range(2)]
    first, later = Point(0.9, 0.4), Point(0.2, 0.8)
    explicit = softmax_matrices(model, model.prepare(frames)).numpy()
    prefix = model.prefix_tokens
    for place, maps in enumerate(model.batch(frames, first, ("columns", "rows"))):
        for asked in (maps, maps.ask(later)):
            assert asked.columns is not None
            assert asked.columns_prefix is not None
            row, column = maps.grid.patch_at(first if asked is maps else later)
            expected = explicit[place, ..., prefix + row * maps.grid.columns + column]  # [layers, heads, tokens]
            found = asked.columns.reshape(*expected.shape[:2], -1)
            np.testing.assert_allclose(found, expected[..., prefix:], rtol=0, atol=1e-5)
            np.testing.assert_allclose(asked.columns_prefix, expected[..., :prefix], rtol=0, atol=1e-5)
    assert model(frames[0], first).columns is None


def test_the_prefix_tokens_get_the_rest(model: Model) -> None:
    frame = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    maps = model(frame, Point(0.5, 0.5))
    assert maps.prefix.shape == (model.layers, model.heads, model.prefix_tokens)
    np.testing.assert_allclose(maps.attention.sum((2, 3)) + maps.prefix.sum(2), 1, atol=1e-5)


@pytest.mark.parametrize("whole", [False, True], ids=["to the last attention", "to the end"])
def test_norms_are_those_of_the_residual_stream(model: Model, whole: bool) -> None:
    """Against the tokens that timm's own `forward_intermediates` gives, before any norm."""
    frame = np.random.default_rng(0).integers(0, 255, (48, 96, 3), np.uint8)
    maps = model(frame, Point(0.5, 0.5), ("norms",) if whole else ())
    found: list[Tensor] = []  # [1, tokens, width] after each block
    with torch.no_grad():
        for block in model.network.forward_intermediates(
            model.prepare([frame]), output_fmt="NLC", intermediates_only=True, return_prefix_tokens=True
        ):
            found.append(torch.cat(block[::-1], dim=1) if isinstance(block, tuple) else block)
    expected = torch.cat(found).norm(dim=-1).numpy()
    prefix = model.prefix_tokens
    count = model.layers if whole else model.layers - 1
    assert maps.norms is not None
    assert maps.prefix_norms is not None
    assert maps.norms.shape == (count, *maps.grid)
    np.testing.assert_allclose(maps.norms, expected[:count, prefix:].reshape(count, *maps.grid), rtol=1e-5)
    np.testing.assert_allclose(maps.prefix_norms, expected[:count, :prefix], rtol=1e-5)
    assert maps.prefix_names[:1] == (("CLS",) if model.has_cls else ("R0",) if model.prefix_tokens else ())


@pytest.mark.parametrize("name", ["dino-vitb8", "dinov2-vitb14-reg"])
def test_base_models_equal_the_explicit_softmax(name: str) -> None:
    model = lively(name, sharpness=3)  # wider, so the two paths round differently by more
    x = torch.randn(1, 3, 2 * model.patch_size, 3 * model.patch_size)
    captured = model.attention(x)
    expected = softmax_matrices(model, x)[:, :, :, 0, model.prefix_tokens :].reshape(captured.shape)
    torch.testing.assert_close(captured, expected, rtol=0, atol=1e-5)


def test_attention_recomputed_by_hand_from_the_linear_layers() -> None:
    """DINO's own arithmetic (facebookresearch/dino, vision_transformer.py, Attention), not through timm's."""
    model = lively("dino-vits16")
    x = torch.randn(1, 3, 48, 80)
    captured = model.attention(x, Point(0.0, 1.0))
    inputs: list[Tensor] = []
    for block in model.network.blocks:
        block.attn.register_forward_pre_hook(lambda module, args: inputs.append(args[0]))
    with torch.no_grad():
        model.network.forward_features(x)
    for layer, (block, tokens) in enumerate(zip(model.network.blocks, inputs, strict=True)):
        qkv = tokens.double() @ block.attn.qkv.weight.double().T + block.attn.qkv.bias.double()
        q, k, _ = qkv.reshape(1, -1, 3, 6, 64).unbind(2)  # [batch, tokens, heads, head width]
        logits = torch.einsum("bihc,bjhc->bhij", q, k) / math.sqrt(64)
        row = logits.softmax(-1)[:, :, 1 + 2 * 5, 1:].reshape(1, 6, 3, 5)
        torch.testing.assert_close(captured[:, layer].double(), row, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", ["dino-vits16", "dinov2-vits14-reg", "dinov3-vits16"])
def test_bf16_is_within_two_percent(name: str) -> None:
    exact, rounded = (shallow(name, layers=12, precision=precision) for precision in ("fp32", "bf16"))
    frame = np.random.default_rng(3).integers(0, 255, (64, 96, 3), np.uint8)
    expected, got = exact(frame).attention, rounded(frame).attention
    assert got.dtype == np.float32
    error = np.linalg.norm(got - expected, axis=(2, 3)) / np.linalg.norm(expected, axis=(2, 3))
    assert error.max() < 2e-2
    assert error.max() > 0  # it did run in bf16


def test_bf16_rows_lose_nothing_in_the_softmax() -> None:
    """From the bf16 q and k on, everything is float32: against float64 on the same q and k."""
    model = lively("dino-vits16", "bf16")
    x = torch.randn(1, 3, 48, 80).bfloat16()
    captured = model.attention(x)
    outputs: list[Tensor] = []
    for block in model.network.blocks:
        block.attn.qkv.register_forward_hook(lambda module, args, output: outputs.append(output))
    with torch.no_grad():
        model.network.forward_features(x)
    for layer, qkv in enumerate(outputs):
        q, k, _ = qkv.double().reshape(1, -1, 3, 6, 64).unbind(2)
        row = (torch.einsum("bihc,bjhc->bhij", q, k) / 8).softmax(-1)[:, :, 0, 1:].reshape(1, 6, 3, 5)
        torch.testing.assert_close(captured[:, layer].double(), row, rtol=1e-4, atol=1e-6)


def test_features_are_the_tokens_after_the_last_norm_and_the_last_keys_and_values() -> None:
    model = lively("dinov2-vits14-reg")
    frame = np.random.default_rng(0).integers(0, 255, (56, 84, 3), np.uint8)
    maps = model.batch([frame], "cls", {"tokens", "keys", "values"}, 56)[0]
    plain = model.batch([frame], "cls", (), 56)[0]
    assert (plain.tokens, plain.keys, plain.keys_layer, plain.values) == (None, None, None, None)
    np.testing.assert_allclose(maps.attention, plain.attention, atol=1e-6)

    outputs: list[Tensor] = []
    model.network.blocks[-1].attn.qkv.register_forward_hook(lambda module, args, output: outputs.append(output))
    with torch.no_grad():
        tokens = model.network.forward_features(model.prepare([frame], 56))[:, 5:]
    np.testing.assert_allclose(present(maps.tokens), tokens.reshape(4, 6, 384).numpy(), atol=1e-5)
    _, keys, values = outputs[0][:, 5:].reshape(4, 6, 3, 6, 64).permute(2, 3, 0, 1, 4)
    np.testing.assert_allclose(present(maps.keys), keys.numpy(), atol=1e-5)
    np.testing.assert_allclose(present(maps.values), values.numpy(), atol=1e-5)
    for name, held in (("keys", keys), ("values", values)):  # of a patch, one head after the other
        np.testing.assert_allclose(maps.patch_features(name)[1, 2], held[:, 1, 2].reshape(-1).numpy(), atol=1e-5)
    np.testing.assert_array_equal(maps.patch_features("tokens"), present(maps.tokens))
    with pytest.raises(ValueError, match="hold no values"):
        plain.patch_features("values")
    np.testing.assert_allclose(present(maps.attended), plain.attention[-1].mean(axis=0), atol=1e-6)
    asked = model.batch([frame], Point(0.9, 0.1), {"tokens", "eigen"}, 56)[0]
    # CLS's, whatever the query is.
    np.testing.assert_allclose(present(asked.attended), present(maps.attended), atol=1e-6)
    high = (asked.cams["eigen"][0] - asked.cams["eigen"][0].mean()) * asked.attended
    assert high.sum() >= 0
    assert maps.keys_layer == model.layers - 1


def test_a_model_without_cls_answers_points_and_refuses_cls() -> None:
    model = lively("vit_medium_patch16_gap_240")
    assert model.prefix_tokens == 0
    with pytest.raises(SettingsError, match=r"query cannot be 'cls'; allowed: a point X,Y.*no CLS token"):
        model.attention(torch.zeros(1, 3, 64, 64))
    assert model.attention(torch.zeros(1, 3, 64, 64), Point(0.5, 0.5)).shape == (1, 4, 8, 4, 4)


def test_a_network_that_hides_a_layer_is_named() -> None:
    model = lively("dino-vits16")
    model.network.blocks[2].attn.fused_attn = False
    with pytest.raises(AttentionCaptureError, match="attention of 3 of the 4 layers of random:dino-vits16"):
        model.attention(torch.zeros(1, 3, 64, 64))


def test_capture_does_not_depend_on_timms_switch_for_fused_attention() -> None:
    from timm.layers.config import set_fused_attn

    try:
        set_fused_attn(False)
        model = rtviz.load("random:vit_tiny_patch16_224", device="cpu", precision="fp32", resolution=32)
    finally:
        set_fused_attn(True)
    assert model.attention(torch.zeros(1, 3, 32, 32)).shape == (1, 12, 3, 2, 2)
