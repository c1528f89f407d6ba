"""Weights: every published way of naming them is taken, everything else is refused, and nothing in a file runs."""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import pickle
import re
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

import rtviz
from rtviz.errors import SettingsError, UnknownModel, WeightsMissing, WeightsRefused
from rtviz.models import backbone, describe, load, pull, zoo
from rtviz.models.weights import fetching, places
from rtviz.notices import Notice, Remedy

pytestmark = pytest.mark.usefixtures("one_thread")

TINY = "vit_tiny_patch16_224"


@pytest.fixture(autouse=True)
def empty_caches(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No weights of this machine, and no network but what a test serves itself."""
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("RTVIZ_WEIGHTS", str(tmp_path / "by-hand"))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{taken.getsockname()[1]}")


def network_of(name: str, seed: int = 5) -> torch.nn.Module:
    torch.manual_seed(seed)
    network = backbone.build(zoo.find(name).timm_name)
    for parameter in network.parameters():
        parameter.data = torch.randn_like(parameter) * 0.1
    return network


@pytest.fixture(scope="module")
def tiny() -> dict[str, torch.Tensor]:
    return dict(network_of(TINY).state_dict())


def loaded(path: Path, name: str = TINY) -> dict[str, torch.Tensor]:
    return dict(load(name, weights=path, device="cpu", precision="fp32").network.state_dict())


def assert_same(got: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    assert got.keys() == expected.keys()
    for name, tensor in expected.items():
        assert torch.equal(got[name], tensor), name


def prefixed(state: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {prefix + name: tensor for name, tensor in state.items()}


# --- the ways in which checkpoints are written -----------------------------------------------------------------------


def wrong(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: tensor + 1 for name, tensor in state.items()}


HEAD = {"head.mlp.0.weight": torch.ones(3, 3), "head.last_layer.weight_g": torch.ones(3, 1)}

State = dict[str, torch.Tensor]
WRITTEN: dict[str, Callable[[State], dict[str, Any]]] = {
    "plain": lambda state: state,
    "classifier": lambda state: {**state, "head.weight": torch.ones(1000, 192), "head.bias": torch.ones(1000)},
    "module": lambda state: prefixed(state, "module."),
    "compiled": lambda state: prefixed(state, "_orig_mod."),
    "state_dict": lambda state: {"state_dict": prefixed(state, "module.encoder."), "epoch": 3},
    "model": lambda state: {"model": state},
    "DINO teacher and student": lambda state: {
        "student": prefixed({**prefixed(wrong(state), "backbone."), **HEAD}, "module."),
        "teacher": {**prefixed(state, "backbone."), **HEAD},
        "optimizer": {"state": {0: {"step": 1}}, "param_groups": [{"lr": 0.1}]},
        "epoch": 100,
        "args": argparse.Namespace(arch="vit_tiny", patch_size=16, out_dim=65536),
        "dino_loss": {"center": torch.zeros(1, 8)},
    },
    "student alone": lambda state: {"student": prefixed({**prefixed(state, "backbone."), **HEAD}, "module.")},
    "flat teacher and student": lambda state: {
        "model": {
            **prefixed(wrong(state), "student.backbone."),
            **prefixed(state, "teacher.backbone."),
            **prefixed(HEAD, "teacher.dino_"),
        }
    },
    "chunked blocks": lambda state: {  # as FSDP training of DINOv2 has them: blocks.CHUNK.BLOCK
        "teacher": prefixed(
            {
                re.sub(r"blocks\.(\d+)", lambda found: f"blocks.{int(found[1]) // 4}.{found[1]}", name): tensor
                for name, tensor in state.items()
            },
            "backbone.",
        )
    },
}  # fmt: skip


@pytest.mark.parametrize("written", WRITTEN)
def test_checkpoints_are_taken_as_they_are_written(tmp_path: Path, tiny: dict[str, torch.Tensor], written: str) -> None:
    path = tmp_path / "checkpoint.pth"
    torch.save(WRITTEN[written](tiny), path)
    got = loaded(path)
    heads = [got.pop(name) for name in ("head.weight", "head.bias") if name in got]
    assert [tuple(head.shape) for head in heads] == ([(1000, 192), (1000,)] if written == "classifier" else [])
    assert all(torch.equal(head, torch.ones_like(head)) for head in heads)
    assert_same(got, tiny)


def test_a_classifier_of_other_classes_is_left_out(tmp_path: Path, tiny: dict[str, torch.Tensor]) -> None:
    torch.save({**tiny, "head.weight": torch.ones(7, 192), "head.bias": torch.ones(7)}, tmp_path / "checkpoint.pth")
    assert_same(loaded(tmp_path / "checkpoint.pth"), tiny)


def test_safetensors_is_taken_whatever_its_suffix(tmp_path: Path, tiny: dict[str, torch.Tensor]) -> None:
    for name in ("weights.safetensors", "weights.bin"):
        save_file(tiny, tmp_path / name)
        assert_same(loaded(tmp_path / name), tiny)


def test_the_old_torch_format_is_taken(tmp_path: Path, tiny: dict[str, torch.Tensor]) -> None:
    torch.save(tiny, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    assert_same(loaded(tmp_path / "old.pth"), tiny)


def test_dinov2_official_names(tmp_path: Path) -> None:
    ours = network_of("dinov2-vits14-reg").state_dict()
    official = dict(ours)
    # As facebookresearch/dinov2 writes it: CLS has a position of its own, the registers have none.
    position = torch.randn(1, 1, 384)
    official["pos_embed"] = torch.cat([position, official["pos_embed"]], 1)
    official["cls_token"] = official["cls_token"] - position
    official["register_tokens"] = official.pop("reg_token")
    official["mask_token"] = torch.zeros(1, 384)
    torch.save(official, tmp_path / "dinov2.pth")
    got = loaded(tmp_path / "dinov2.pth", "dinov2-vits14-reg")
    torch.testing.assert_close(got.pop("cls_token"), ours.pop("cls_token"))
    assert_same(got, ours)


def test_dinov3_official_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ours = network_of("dinov3-vits16").state_dict()
    renamed = {"reg_token": "storage_tokens", "gamma_1": "ls1.gamma", "gamma_2": "ls2.gamma"}
    pattern = re.compile("|".join(renamed))
    official = {pattern.sub(lambda found: renamed[found[0]], name): tensor for name, tensor in ours.items()}
    official["mask_token"] = torch.zeros(1, 384)
    official["rope_embed.periods"] = torch.ones(16)
    for layer in range(12):
        official[f"blocks.{layer}.attn.qkv.bias"] = torch.zeros(3 * 384)
        official[f"blocks.{layer}.attn.qkv.bias_mask"] = torch.ones(3 * 384)
    torch.save(official, tmp_path / "dinov3.pth")
    assert_same(loaded(tmp_path / "dinov3.pth", "dinov3-vits16"), dict(ours))
    assert capsys.readouterr().out == ""


def test_position_embeddings_of_another_grid_are_kept(tmp_path: Path, tiny: dict[str, torch.Tensor]) -> None:
    given = {**tiny, "pos_embed": torch.randn(1, 1 + 10 * 10, 192)}
    torch.save(given, tmp_path / "other-grid.pth")
    assert_same(loaded(tmp_path / "other-grid.pth"), given)


def test_a_load_reports_what_matched(
    tmp_path: Path, tiny: dict[str, torch.Tensor], caplog: pytest.LogCaptureFixture
) -> None:
    torch.save({**tiny, "head.weight": torch.ones(2, 2)}, tmp_path / "w.pth")
    with caplog.at_level(logging.DEBUG, "rtviz.models.weights"):
        loaded(tmp_path / "w.pth")
    assert f"{len(tiny)} matched, 0 missing, 1 unexpected (head.weight)" in caplog.text


# --- what is refused -------------------------------------------------------------------------------------------------


def refused(path: Path, name: str = TINY) -> str:
    with pytest.raises(WeightsRefused) as caught:
        loaded(path, name)
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    return message


def test_missing_transformer_weights_are_refused(tmp_path: Path, tiny: dict[str, torch.Tensor]) -> None:
    given = {name: tensor for name, tensor in tiny.items() if not name.startswith("blocks.7.attn.qkv")}
    torch.save(given, tmp_path / "w.pth")
    assert "2 of 150 weights are missing, such as blocks.7.attn.qkv.weight" in refused(tmp_path / "w.pth")


def test_another_model_is_refused_and_recognised(tmp_path: Path) -> None:
    torch.save(network_of("dino-vits8").state_dict(), tmp_path / "w.pth")
    message = refused(tmp_path / "w.pth", "dino-vits16")
    assert "patch_embed.proj.weight is 384x3x8x8, and 384x3x16x16 is needed" in message
    assert "it looks like dino-vits8" in message


def test_registers_too_many_are_refused(tmp_path: Path) -> None:
    torch.save(network_of("dinov2-vits14-reg").state_dict(), tmp_path / "w.pth")
    message = refused(tmp_path / "w.pth", "dinov2-vits14")
    assert "looks like dinov2-vits14-reg" in message


def test_deeper_models_are_refused(tmp_path: Path, tiny: dict[str, torch.Tensor]) -> None:
    extra = {name.replace("blocks.11.", "blocks.12."): tensor for name, tensor in tiny.items() if "blocks.11." in name}
    torch.save({**tiny, **extra}, tmp_path / "w.pth")
    assert "weights that this model has not, such as blocks.12." in refused(tmp_path / "w.pth")


def test_numbers_that_are_none_are_refused(tmp_path: Path, tiny: dict[str, torch.Tensor]) -> None:
    torch.save({**tiny, "norm.weight": torch.full((192,), torch.nan)}, tmp_path / "w.pth")
    assert "norm.weight holds values that are not finite" in refused(tmp_path / "w.pth")


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("content", [b"", b"\x00" * 100, b"<html>not found</html>", os.urandom(5000), b"\x80\x02."])
def test_rubbish_is_refused(tmp_path: Path, suffix: str, content: bytes) -> None:
    path = tmp_path / f"w{suffix}"
    path.write_bytes(content)
    refused(path)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("share", [0.001, 0.5, 0.999])
def test_truncated_files_are_refused(tmp_path: Path, tiny: dict[str, torch.Tensor], suffix: str, share: float) -> None:
    path = tmp_path / f"w{suffix}"
    save_file(tiny, path) if suffix == ".safetensors" else torch.save(tiny, path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    refused(path)


@pytest.mark.parametrize("held", [[1, 2], {"epoch": 3}, torch.ones(3), {}])
def test_files_without_weights_are_refused(tmp_path: Path, held: object) -> None:
    torch.save(held, tmp_path / "w.pth")
    refused(tmp_path / "w.pth")


class Malicious:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, (str(self.path),))


@pytest.mark.parametrize("way", ["zip", "legacy", "pickle", "beside good weights", "as safetensors"])
def test_a_malicious_pickle_never_runs(tmp_path: Path, tiny: dict[str, torch.Tensor], way: str) -> None:
    proof = tmp_path / "it-ran"
    path = tmp_path / ("w.safetensors" if way == "as safetensors" else "w.pth")
    if way == "pickle" or way == "as safetensors":
        path.write_bytes(pickle.dumps(Malicious(proof)))
    elif way == "beside good weights":
        torch.save({"teacher": tiny, "args": Malicious(proof)}, path)
    else:
        torch.save(Malicious(proof), path, _use_new_zipfile_serialization=way == "zip")
    message = refused(path)
    assert not proof.exists()
    if way != "as safetensors":
        assert "never runs code" in message
    # The file is as dangerous as it claims to be: what a careless load would have done.
    if way != "as safetensors":
        with contextlib.suppress(RuntimeError):  # it ran, and then torch finds no weights in it
            torch.load(path, weights_only=False)
        assert proof.exists()


# --- which model a file is of ----------------------------------------------------------------------------------------


def test_a_file_alone_tells_its_model(tmp_path: Path) -> None:
    state = network_of("dino-vits8").state_dict()
    torch.save(state, tmp_path / "something.pth")
    model = load(weights=tmp_path / "something.pth", device="cpu", precision="fp32")
    assert model.name == "dino-vits8"
    assert model.notice is None


def test_a_file_of_ambiguous_shape_is_taken_for_the_first_with_a_notice(tmp_path: Path) -> None:
    state = network_of("dino-vits16").state_dict()
    torch.save(state, tmp_path / "something.pth")
    model = load(weights=tmp_path / "something.pth", device="cpu", precision="fp32")
    assert model.name == "dino-vits16"
    assert model.notice is not None
    assert "deit-vits16" in model.notice
    assert isinstance(model.notice, Notice)
    assert model.notice.remedy is Remedy.NAME_MODEL
    torch.save(state, tmp_path / "deit_small_patch16_224-cd65a155.pth")
    model = load(weights=tmp_path / "deit_small_patch16_224-cd65a155.pth", device="cpu", precision="fp32")
    assert model.name == "deit-vits16"
    assert model.notice is None


def test_a_file_of_no_known_shape_asks_for_the_model(tmp_path: Path, tiny: dict[str, torch.Tensor]) -> None:
    torch.save(tiny, tmp_path / "w.pth")
    with pytest.raises(UnknownModel, match="says which model it is of") as caught:
        load(weights=tmp_path / "w.pth", device="cpu")
    assert caught.value.remedy is Remedy.NAME_MODEL


@pytest.mark.parametrize("size", [{"image_size": "96"}, {"grid": "12x12"}])
def test_a_safetensors_file_can_describe_its_own_architecture(tmp_path: Path, size: dict[str, str]) -> None:
    from timm.models.vision_transformer import VisionTransformer

    torch.manual_seed(0)
    trained = VisionTransformer(img_size=96, patch_size=8, embed_dim=128, depth=6, num_heads=4, num_classes=0)
    metadata = {"patch_size": "8", "width": "128", "depth": "6", "heads": "4", **size}
    half = {name: tensor.half() for name, tensor in trained.state_dict().items()}
    save_file(half, tmp_path / "own.safetensors", metadata)
    model = load(weights=tmp_path / "own.safetensors", device="cpu", precision="fp32", resolution=96)
    assert (model.layers, model.heads, model.patch_size, model.card.width) == (6, 4, 8, 128)
    x = torch.randn(1, 3, 96, 96)
    trained.eval().load_state_dict({name: tensor.float() for name, tensor in half.items()})
    with torch.no_grad():
        torch.testing.assert_close(model.network.forward_features(x), trained.forward_features(x))


def test_random_models_take_no_weights(tmp_path: Path, tiny: dict[str, torch.Tensor]) -> None:
    torch.save(tiny, tmp_path / "w.pth")
    with pytest.raises(SettingsError, match="weights cannot be"):
        load("random:" + TINY, weights=tmp_path / "w.pth")


# --- where they are found, and how they are fetched ------------------------------------------------------------------


def test_a_weights_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(WeightsMissing, match=r"nowhere\.pth is not there"):
        load("dino-vits16", weights=tmp_path / "nowhere.pth")
    with pytest.raises(WeightsMissing, match="is a folder"):
        load("dino-vits16", weights=tmp_path)


@pytest.mark.parametrize("name", [f"{TINY}.safetensors", f"{TINY}.pth"])
def test_weights_put_by_hand_are_found(tmp_path: Path, tiny: dict[str, torch.Tensor], name: str) -> None:
    (tmp_path / "by-hand").mkdir()
    path = tmp_path / "by-hand" / name
    save_file(tiny, path) if path.suffix == ".safetensors" else torch.save(tiny, path)
    assert places.is_here(zoo.find(TINY))
    model = load(TINY, device="cpu", precision="fp32")
    assert_same(dict(model.network.state_dict()), tiny)
    assert pull(TINY) == path


def test_official_files_in_torch_hubs_cache_are_found(tmp_path: Path) -> None:
    folder = tmp_path / "torch" / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    assert not places.is_here(zoo.find("dino-vits8"))
    (folder / "dino_deitsmall8_pretrain.pth").touch()
    assert places.find_here(zoo.find("dino-vits8")) == folder / "dino_deitsmall8_pretrain.pth"


def test_offline_one_message_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(WeightsMissing) as caught:
        load("dino-vits16")
    message = str(caught.value)
    assert "\n" not in message
    assert f"{os.environ['HF_ENDPOINT']}/timm/vit_small_patch16_224.dino/resolve/main/model.safetensors" in message
    assert str(tmp_path / "by-hand" / "dino-vits16.safetensors") in message
    assert caught.value.remedy is Remedy.CHOOSE_WEIGHTS
    assert "random:dino-vits16 (untrained)" in message


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        "dino-vitb16",
        "dinov3-vits16",
        "dinov3-vits16plus",
        "lingbot-vits16",
        "mae-vitb16",
        "clip-vitb16",
        "siglip2-vitb16",
    ],
)
def test_a_file_without_a_name_is_known_by_its_weights(tmp_path: Path, name: str) -> None:
    """Several named models have one width, depth and patch size."""
    card = zoo.find(name)
    state = backbone.build(card.timm_name, classifier=card.has_classifier).state_dict()
    path = tmp_path / "weights.pth"
    torch.save({key: torch.zeros_like(tensor, dtype=torch.bfloat16) for key, tensor in state.items()}, path)
    found = describe(weights=path)
    same = {
        "mae-vitb16": "dino-vitb16"
    }  # of DINO's own shape and names; the first of the table is taken, and it is said
    assert found.name == same.get(name, name)


def test_a_model_that_nobody_publishes_says_so() -> None:
    card = zoo.find("vit_tiny_patch16_384").untrained()
    with pytest.raises(WeightsMissing, match=r"no trained weights .* are published"):
        fetching.fetch(card)


class Hub:
    """As much of the Hugging Face hub as a download needs, on the loopback."""

    def __init__(self, content: bytes, break_after: int | None = None) -> None:
        self.asked: list[str] = []
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args: object) -> None:
                pass

            def do_HEAD(self) -> None:
                self.head()

            def head(self) -> tuple[int, int]:
                hub.asked.append(f"{self.command} {self.path}")
                start = 0
                if self.command == "GET" and (wanted := self.headers.get("Range")):
                    start = int(wanted.removeprefix("bytes=").split("-")[0])
                    self.send_response(206)
                    self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
                else:
                    self.send_response(200)
                self.send_header("Content-Length", str(len(content) - start))
                self.send_header("ETag", '"abc"')
                self.send_header("X-Repo-Commit", "0" * 40)
                self.end_headers()
                return start, len(content)

            def do_GET(self) -> None:
                start, end = self.head()
                if break_after is not None:
                    end = min(end, break_after)
                self.wfile.write(content[start:end])
                if break_after is not None:
                    self.close_connection = True

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02})
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


Serve = Callable[..., Hub]  # (content, break_after)


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    hubs: list[Hub] = []

    def start(content: bytes, break_after: int | None = None) -> Hub:
        hub = Hub(content, break_after)
        hubs.append(hub)
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        return hub

    yield start
    for hub in hubs:
        hub.close()


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory, tiny: dict[str, torch.Tensor]) -> bytes:
    path = tmp_path_factory.mktemp("published") / "model.safetensors"
    save_file({**tiny, "head.weight": torch.zeros(1000, 192), "head.bias": torch.zeros(1000)}, path)
    return path.read_bytes()


def test_a_download_reports_its_progress_and_is_kept(
    serve: Serve, published: bytes, tiny: dict[str, torch.Tensor]
) -> None:
    hub = serve(published)
    told: list[tuple[str, int, int | None]] = []
    model = load(TINY, device="cpu", precision="fp32", progress=lambda *news: told.append(news))
    got = dict(model.network.state_dict())
    assert got.pop("head.weight").shape == (1000, 192), "a classifier that was published is kept"
    got.pop("head.bias")
    assert_same(got, tiny)
    assert {what for what, _, _ in told} == {f"{TINY} (hub)"}
    done = [done for _, done, _ in told]
    assert done == sorted(done)
    assert done[0] == 0
    assert told[-1][1:] == (len(published), len(published))
    assert len(done) > 20
    asked = len(hub.asked)
    assert places.is_here(zoo.find(TINY))
    load(TINY, device="cpu", precision="fp32")
    assert len(hub.asked) == asked  # the second time, nobody is asked
    assert all(
        "/timm/vit_tiny_patch16_224.augreg_in21k_ft_in1k/resolve/main/model.safetensors" in line for line in hub.asked
    )


class Cancelled(Exception):
    pass


def test_progress_can_cancel_a_download(serve: Serve, published: bytes) -> None:
    serve(published)
    told: list[int] = []

    def cancel(what: str, done: int, total: int | None) -> None:
        told.append(done)
        if done > 1_000_000:
            raise Cancelled

    with pytest.raises(Cancelled):
        pull(TINY, cancel)
    assert told[-1] < 2_000_000
    assert not places.is_here(zoo.find(TINY))
    assert pull(TINY).read_bytes() == published  # and later it is fetched whole


@pytest.mark.slow
def test_a_connection_that_breaks_is_one_clear_error(serve: Serve, published: bytes) -> None:
    serve(published, break_after=len(published) // 2)
    with pytest.raises(WeightsMissing, match=r"cannot be reached, or the connection broke\): fetch http://127"):
        pull(TINY)
    assert not places.is_here(zoo.find(TINY))


def test_pulling_an_untrained_model_says_there_is_nothing() -> None:
    with pytest.raises(SettingsError, match="nothing to fetch"):
        pull("random:dino-vits16")


def test_without_a_name_an_untrained_model_looks_and_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(zoo, "EMBEDDED_FILE", tmp_path / "absent.safetensors")
    model = rtviz.load(device="cpu", precision="fp32")
    assert model.name == "random:dino-vits16"
    assert isinstance(model.notice, Notice)
    assert "untrained" in model.notice
    assert model.notice.remedy is Remedy.FETCH_MODEL


def test_what_no_weights_file_should_hold_is_refused_in_a_line(tmp_path: Path, tiny: dict[str, torch.Tensor]) -> None:
    """Each of these raised something else in torch, or in timm."""
    odd = {
        "sparse": {**tiny, "norm.weight": tiny["norm.weight"].to_sparse()},
        "nested": {"teacher": {**tiny, "norm.weight": tiny["norm.weight"].to_sparse()}},
        "complex": {**tiny, "norm.weight": tiny["norm.weight"].to(torch.complex64)},
        "flat": {**tiny, "pos_embed": torch.zeros(3)},
        "registers": {**tiny, "register_tokens": torch.zeros(())},
        "lines": {**tiny, "blocks.0\n" + "x" * 300: torch.full((2,), float("nan"))},
        "claim": {**tiny, "pos_embed": torch.zeros(1).expand(1, 100_000_000, 384)},  # of one number
    }
    for name, state in odd.items():
        torch.save(state, tmp_path / f"{name}.pth")
        for model in (TINY, None):
            with pytest.raises((WeightsRefused, UnknownModel)) as caught:
                load(model, weights=tmp_path / f"{name}.pth", device="cpu", precision="fp32")
            assert "\n" not in str(caught.value)
            assert len(str(caught.value)) < 600
    deep = b"[" * 100_000
    (tmp_path / "deep.safetensors").write_bytes(len(deep).to_bytes(8, "little") + deep)
    with pytest.raises((WeightsRefused, UnknownModel)):
        load(None, weights=tmp_path / "deep.safetensors", device="cpu", precision="fp32")
