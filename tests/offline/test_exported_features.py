"""`rtviz export --what`: each array against the network itself, run layer by layer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import zarr

from rtviz import cli
from rtviz.models import load
from rtviz.sources import open_source

SCENE = "scene:?seed=3&size=96x64&seconds=0.2"
LOOKING = ["--resolution", "64", "--precision", "fp32", "--device", "cpu", "--backend", "torch"]
pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize("name", ["random:vit_tiny_patch16_224", "random:vit_small_patch14_reg4_dinov2"])
def test_what_is_exported_is_what_the_network_computes(tmp_path: Path, name: str) -> None:
    out = tmp_path / "maps.zarr"
    line = ["export", SCENE, "-o", str(out), "--model", name, *LOOKING, "--quiet"]
    assert cli.run([*line, "--what", "tokens,cls,keys,norms,attention", "--layers", "0,-1"]) == 0
    store: Any = zarr.open_group(str(out), mode="r")
    model = load(name, device="cpu", precision="fp32", resolution=64)
    with open_source(SCENE) as source:
        frames = list(source)
    network: Any = model.network
    x = model.prepare([frames[1].pixels])
    keys: list[torch.Tensor] = []
    with torch.inference_mode():
        for block in network.blocks:
            block.attn.qkv.register_forward_hook(lambda module, given, qkv: keys.append(qkv))
        outputs = network.forward_intermediates(x, norm=False, output_fmt="NLC", return_prefix_tokens=True)[1]
    del keys[len(network.blocks) :]
    heads, prefix = model.heads, model.prefix_tokens
    assert store["index"].shape == (len(frames),)
    rows, columns = store["tokens"].shape[2:4]
    for place, layer in enumerate((0, model.layers - 1)):
        patches, first = outputs[layer]
        whole = torch.cat([first, patches], dim=1)[0]
        normed = network.norm(whole).detach().numpy()
        assert store["tokens"][1, place].reshape(rows * columns, -1) == pytest.approx(normed[prefix:], abs=4e-3)
        assert store["prefix_tokens"][1, place] == pytest.approx(normed[:prefix], abs=1e-4)
        norms = whole.norm(dim=-1).numpy()
        assert store["norms"][1, place].ravel() == pytest.approx(norms[prefix:], rel=1e-4)
        assert store["prefix_norms"][1, place] == pytest.approx(norms[:prefix], rel=1e-4)
        key = keys[layer][0].reshape(-1, 3, heads, model.card.width // heads)[prefix:, 1].transpose(0, 1)
        found = store["keys"][1, place].reshape(heads, rows * columns, -1)
        assert found == pytest.approx(key.detach().numpy(), abs=4e-3)
    assert store["attention"].shape == (len(frames), 2, heads, rows, columns)
    facts = dict(store.attrs)
    assert facts["layers"] == [0, model.layers - 1]
    assert facts["patch_pixels"] == [64 / rows, 96 / columns]
    assert facts["axes_of"]["keys"] == ["frames", "layers", "heads", "rows", "columns", "head width"]
    assert len(facts["prefix_tokens"]) == prefix


def test_a_picture_as_an_npz(tmp_path: Path) -> None:
    out = tmp_path / "maps.npz"
    line = ["export", "scene:?size=96x64&seconds=0.03", "-o", str(out), "--model", "embedded", *LOOKING, "--quiet"]
    assert cli.run([*line, "--what", "cls"]) == 0
    held = np.load(out)
    assert set(held) == {"prefix_tokens", "pts_seconds", "index", "facts"}
    assert held["prefix_tokens"].shape[0] == 6
    assert json.loads(str(held["facts"]))["layers"] == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (["--what", "logits"], "what cannot be 'logits'; allowed: attention, tokens, cls, keys, norms"),
        (["--what", ""], "allowed: attention"),
        (["--layers", "first"], "layers cannot be 'first'"),
        (["--what", "tokens", "--layers", "6"], "layers cannot be 6; allowed: -6 to 5"),
        (["--layers", "6"], "layers cannot be 6; allowed: -6 to 5"),
    ],
)
def test_what_cannot_be_exported_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], line: list[str], says: str
) -> None:
    out = tmp_path / "maps.zarr"
    assert cli.run(["export", SCENE, "-o", str(out), "--model", "embedded", *LOOKING, *line]) == 2
    errors = [told for told in capsys.readouterr().err.splitlines() if "error:" in told]
    assert len(errors) == 1
    assert says in errors[0]
    assert not out.exists()
