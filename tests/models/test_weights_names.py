"""Weights under other libraries' names and out of ONNX exports, written here by hand from small networks."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from safetensors.torch import save_file

from rtviz.errors import WeightsRefused
from rtviz.models import zoo
from rtviz.models.timm_import import timm
from rtviz.models.weights import checkpoint, fitting

State = dict[str, torch.Tensor]

WIDTH, LAYERS = 48, 2
NETWORKS = {
    "dino-vits16": "vit_small_patch16_224",
    "dinov2-vits14": "vit_small_patch14_dinov2",
    "dinov2-vits14-reg": "vit_small_patch14_reg4_dinov2",
    "dinov3-vits16": "vit_small_patch16_dinov3",
}


def small(model: str) -> torch.nn.Module:
    patch = zoo.find(model).patch_size
    return timm.create_model(
        NETWORKS[model],
        embed_dim=WIDTH,
        depth=LAYERS,
        num_heads=2,
        img_size=4 * patch,
        num_classes=0,
        dynamic_img_size=True,
    )


@pytest.fixture(scope="module")
def states() -> dict[str, State]:
    """For each family a small network's weights by timm's names, no two alike."""
    torch.manual_seed(3)
    return {
        model: {name: torch.randn_like(tensor) for name, tensor in small(model).state_dict().items()}
        for model in NETWORKS
    }


def fitted(model: str, path: Path) -> tuple[State, str | None]:
    network = small(model)
    notice = fitting.load_into(network, path, zoo.find(model))
    return dict(network.state_dict()), notice


def assert_same(got: State, expected: State) -> None:
    assert got.keys() == expected.keys()
    for name, tensor in expected.items():
        assert torch.equal(got[name], tensor), name


# --- transformers ----------------------------------------------------------------------------------------------------

OLD = {
    "norm1": "layernorm_before", "norm2": "layernorm_after", "attn.proj": "attention.output.dense",
    "mlp.fc1": "intermediate.dense", "mlp.fc2": "output.dense",
    "q": "attention.attention.query", "k": "attention.attention.key", "v": "attention.attention.value",
}  # fmt: skip
DINOV2 = OLD | {"norm1": "norm1", "norm2": "norm2", "mlp.fc1": "mlp.fc1", "mlp.fc2": "mlp.fc2"}
DINOV3 = DINOV2 | {
    "attn.proj": "attention.o_proj", "mlp.fc1": "mlp.up_proj", "mlp.fc2": "mlp.down_proj",
    "q": "attention.q_proj", "k": "attention.k_proj", "v": "attention.v_proj",
}  # fmt: skip
NEW = DINOV2 | {
    "attn.proj": "attention.o_proj", "q": "attention.q_proj", "k": "attention.k_proj", "v": "attention.v_proj",
}  # fmt: skip


def in_transformers(state: State, parts: dict[str, str], layer: str, norm: str, patches: str) -> State:
    """The same weights as transformers' classes call them: query, key and value apart, CLS among the positions."""
    out: State = {
        "embeddings.cls_token": state["cls_token"],
        f"embeddings.{patches}.weight": state["patch_embed.proj.weight"],
        f"embeddings.{patches}.bias": state["patch_embed.proj.bias"],
        f"{norm}.weight": state["norm.weight"],
        f"{norm}.bias": state["norm.bias"],
    }
    if "pos_embed" in state:
        positions = state["pos_embed"]
        if "reg_token" in state:  # timm has added CLS's own position, here 0, to CLS
            positions = torch.cat([torch.zeros(1, 1, WIDTH), positions], 1)
        out["embeddings.position_embeddings"] = positions
    if "reg_token" in state:
        out["embeddings.register_tokens"] = state["reg_token"]
    if parts is not OLD:
        out["embeddings.mask_token"] = torch.ones(1, WIDTH)
    for name, tensor in state.items():
        if not (found := re.match(r"blocks\.(\d+)\.(.*?)\.?(weight|bias|gamma|gamma_\d)$", name)):
            continue
        number, part, kind = found.groups()
        before = layer.format(number)
        if part == "attn.qkv":
            for one, third in zip("qkv", tensor.chunk(3), strict=True):
                out[f"{before}.{parts[one]}.{kind}"] = third
        elif kind.startswith("gamma"):
            out[f"{before}.layer_scale{(part + kind)[2] if part else kind[-1]}.lambda1"] = tensor
        else:
            out[f"{before}.{parts[part]}.{kind}"] = tensor
    return out


TRANSFORMERS: dict[str, tuple[str, Callable[[State], State]]] = {
    "ViTModel": (
        "dino-vits16",
        lambda state: {
            **in_transformers(state, OLD, "encoder.layer.{}", "layernorm", "patch_embeddings.projection"),
            "pooler.dense.weight": torch.ones(WIDTH, WIDTH),
            "pooler.dense.bias": torch.ones(WIDTH),
        },
    ),
    "Dinov2Model": (
        "dinov2-vits14",
        lambda state: in_transformers(state, DINOV2, "encoder.layer.{}", "layernorm", "patch_embeddings.projection"),
    ),
    "Dinov2Model of transformers 5": (
        "dinov2-vits14",
        lambda state: in_transformers(state, NEW, "encoder.layer.{}", "layernorm", "patch_embeddings.projection"),
    ),
    "Dinov2WithRegistersModel": (
        "dinov2-vits14-reg",
        lambda state: in_transformers(state, DINOV2, "encoder.layer.{}", "layernorm", "patch_embeddings.projection"),
    ),
    "DINOv3ViTModel": (
        "dinov3-vits16",
        lambda state: in_transformers(state, DINOV3, "layer.{}", "norm", "patch_embeddings"),
    ),
}


@pytest.mark.parametrize("prefix", ["", "vit.", "module.net.dinov2."])
@pytest.mark.parametrize("written", TRANSFORMERS)
def test_transformers_names_are_taken(tmp_path: Path, states: dict[str, State], written: str, prefix: str) -> None:
    model, write = TRANSFORMERS[written]
    save_file(
        {prefix + name: one.contiguous() for name, one in write(states[model]).items()}, tmp_path / "a.safetensors"
    )
    got, notice = fitted(model, tmp_path / "a.safetensors")
    assert_same(got, states[model])
    assert notice is None


def test_a_query_that_is_missing_shows(tmp_path: Path, states: dict[str, State]) -> None:
    model, write = TRANSFORMERS["Dinov2Model"]
    held = {
        name: one
        for name, one in write(states[model]).items()
        if not name.endswith("1.attention.attention.query.weight")
    }
    torch.save(held, tmp_path / "a.pth")
    with pytest.raises(WeightsRefused, match=r"1 of \d+ weights are missing, such as blocks\.1\.attn\.qkv\.weight"):
        fitted(model, tmp_path / "a.pth")


# --- averaged weights ------------------------------------------------------------------------------------------------

AVERAGED: dict[str, Callable[[State, State], object]] = {
    "state_dict_ema": lambda last, mean: {"state_dict": last, "state_dict_ema": mean, "optimizer": {"state": {}}},
    "model_ema": lambda last, mean: {"model": last, "model_ema": mean},
    "ema": lambda last, mean: {"model": last, "ema": {"module": mean}},
    "ema_model": lambda last, mean: {"model_state_dict": last, "ema_model": mean},
    "model_ema_state_dict": lambda last, mean: {"model_state_dict": last, "model_ema_state_dict": mean},
    "model_ema.module.": lambda last, mean: {
        "state_dict": {f"model.{name}": one for name, one in last.items()}
        | {f"model_ema.module.{name}": one for name, one in mean.items()}
    },
}


@pytest.mark.parametrize("written", AVERAGED)
@pytest.mark.parametrize("first", ["last", "averaged"])
def test_of_last_and_averaged_weights_the_averaged_are_taken_and_it_is_said(
    tmp_path: Path, states: dict[str, State], written: str, first: str
) -> None:
    mean = states["dino-vits16"]
    held = AVERAGED[written]({name: one + 1 for name, one in mean.items()}, mean)
    if first == "averaged":
        held = dict(reversed(held.items()))  # type: ignore[attr-defined]
    torch.save(held, tmp_path / "a.pth")
    got, notice = fitted("dino-vits16", tmp_path / "a.pth")
    assert_same(got, mean)
    assert notice is not None
    assert "the average was taken" in notice


# --- ONNX ------------------------------------------------------------------------------------------------------------


def exported(state: State, path: Path, *, scopes: str, half: bool = False, fold_tokens: bool = False) -> None:
    """An ONNX file with these weights as torch's exporters write them: those of linear layers transposed and nameless.

    Args:
        scopes: how a node tells its module: path (of torch.onnx's older exporter), metadata (of its newer one), none.
        fold_tokens: CLS and registers are repeated for the batch ahead of time, and have lost their names.
    """
    nodes, held, number = [], [], 100
    dtype = np.float16 if half else np.float32
    for name, tensor in state.items():
        array, module = tensor.numpy().astype(dtype), name.rpartition(".")[0]
        if name.endswith(".weight") and array.ndim == 2:
            number += 1
            held.append(numpy_helper.from_array(np.ascontiguousarray(array.T), f"onnx::MatMul_{number}"))
            nested = re.sub(
                r"(^|/)(blocks)\.(\d+)", r"\1\2/\2.\3", module.replace(".", "/").replace("blocks/", "blocks.")
            )
            node = helper.make_node(
                "MatMul", ["x", f"onnx::MatMul_{number}"], [f"y{number}"],
                name=f"/{nested}/MatMul" if scopes == "path" else f"node_MatMul_{number}",
            )  # fmt: skip
            if scopes == "metadata":
                entry = node.metadata_props.add()
                entry.key, entry.value = "pkg.torch.onnx.name_scopes", str(["", module, "linear"])
            nodes.append(node)
            if f"{module}.bias" in state:
                nodes.append(helper.make_node("Add", [f"{module}.bias", f"y{number}"], [f"z{number}"]))
        elif fold_tokens and name.endswith(("cls_token", "reg_token", "register_tokens")):
            number += 1
            held.append(numpy_helper.from_array(np.repeat(array, 2, 0), f"expand_{number}"))
            nodes.append(helper.make_node("Concat", [f"expand_{number}", "x"], [f"c{number}"], axis=1))
        else:
            held.append(numpy_helper.from_array(array, name))
    held.append(numpy_helper.from_array(np.array([0.125], dtype), "val_7"))  # the softmax's factor
    nodes.append(helper.make_node("Mul", ["x", "val_7"], ["scaled"], name="/blocks/blocks.0/attn/Mul"))
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, None)
    onnx.save(helper.make_model(helper.make_graph(nodes, "network", [x], [x], held)), path)


@pytest.mark.parametrize("prefix", ["", "backbone."])
@pytest.mark.parametrize(
    ("model", "scopes"),
    # Of DINOv3's query, key and value without a bias nothing but the scope tells whose they are.
    [(model, scopes) for model in NETWORKS for scopes in ("path", "metadata", "none")][:-1],
)
def test_onnx_exports_with_query_key_and_value_in_one_are_taken(
    tmp_path: Path, states: dict[str, State], model: str, scopes: str, prefix: str
) -> None:
    state = states[model]
    exported({prefix + name: one for name, one in state.items()}, tmp_path / "a.onnx", scopes=scopes)
    assert_same(fitted(model, tmp_path / "a.onnx")[0], state)


@pytest.mark.parametrize("written", TRANSFORMERS)
def test_onnx_exports_of_transformers_are_taken(tmp_path: Path, states: dict[str, State], written: str) -> None:
    model, write = TRANSFORMERS[written]
    exported(write(states[model]), tmp_path / "a.onnx", scopes="path")
    assert_same(fitted(model, tmp_path / "a.onnx")[0], states[model])


@pytest.mark.parametrize("model", NETWORKS)
def test_tokens_that_an_export_repeated_for_its_batch_are_found(
    tmp_path: Path, states: dict[str, State], model: str
) -> None:
    exported(states[model], tmp_path / "a.onnx", scopes="metadata", fold_tokens=True)
    assert_same(fitted(model, tmp_path / "a.onnx")[0], states[model])


def test_biases_that_an_export_keeps_once_name_nobody_elses_weight(tmp_path: Path, states: dict[str, State]) -> None:
    """DINOv3's q and v have biases of zero, which torch.onnx keeps as one: the v of layer 0."""
    model, write = TRANSFORMERS["DINOv3ViTModel"]
    state = write(states[model])
    shared = "layer.0.attention.v_proj.bias"
    exported(state, tmp_path / "a.onnx", scopes="metadata")
    file = onnx.load(tmp_path / "a.onnx")
    file.graph.initializer.append(numpy_helper.from_array(np.zeros(WIDTH, np.float32), shared))
    for node in [one for one in file.graph.node if one.op_type == "MatMul" and "_proj" in one.metadata_props[0].value]:
        if re.search(r"attention\.[qv]_proj", node.metadata_props[0].value):
            file.graph.node.append(helper.make_node("Add", [node.output[0], shared], [f"{node.output[0]}b"]))
    onnx.save(file, tmp_path / "a.onnx")
    assert_same(fitted(model, tmp_path / "a.onnx")[0], states[model])


def test_half_precision_is_read_as_single(tmp_path: Path, states: dict[str, State]) -> None:
    exported(states["dino-vits16"], tmp_path / "a.onnx", scopes="path", half=True)
    held = checkpoint.read(tmp_path / "a.onnx")
    assert {one.dtype for one in held.values()} == {torch.float32}
    assert torch.equal(held["cls_token"], states["dino-vits16"]["cls_token"].half().float())


def test_a_quantised_export_is_refused_and_another_one_named(tmp_path: Path) -> None:
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, None)
    nodes = [helper.make_node("DynamicQuantizeLinear", ["x"], ["a", "b", "c"])]
    onnx.save(helper.make_model(helper.make_graph(nodes, "network", [x], [x], [])), tmp_path / "model_int8.onnx")
    with pytest.raises(WeightsRefused, match=r"model_int8\.onnx is quantised .* take the export in fp32"):
        checkpoint.read(tmp_path / "model_int8.onnx")


def test_an_export_whose_names_are_garbled_is_called_damaged(tmp_path: Path, states: dict[str, State]) -> None:
    """protobuf gives bytes where a name is not UTF-8."""
    exported(states["dino-vits16"], tmp_path / "a.onnx", scopes="path")
    data = (tmp_path / "a.onnx").read_bytes()
    assert data.count(b"cls_token") > 0
    (tmp_path / "a.onnx").write_bytes(data.replace(b"cls_token", b"cls_tok\xe1n"))
    with pytest.raises(WeightsRefused, match=r"is damaged, or no ONNX file \(a name in it is not UTF-8"):
        checkpoint.read(tmp_path / "a.onnx")


# --- what is no weights file -----------------------------------------------------------------------------------------

LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4665\nsize 88297097\n"


@pytest.mark.parametrize("suffix", [".pth", ".safetensors", ".onnx"])
@pytest.mark.parametrize(
    ("content", "called"),
    [
        (LFS, r"is a Git LFS pointer, not the file of 88 MB"),
        (b"\n<!DOCTYPE html>\n<html><head><title>Sign in</title>", "is a web page, not weights"),
        (b"<html>", "is a web page, not weights"),
        (b'{"error":"Invalid username or password."}', "is the error message of a server"),
        (b"", "is empty"),
    ],
)
def test_what_was_saved_instead_of_a_file_is_called_what_it_is(
    tmp_path: Path, content: bytes, called: str, suffix: str
) -> None:
    path = tmp_path / f"dinov2{suffix}"
    path.write_bytes(content)
    with pytest.raises(WeightsRefused, match=called):
        checkpoint.read(path)
