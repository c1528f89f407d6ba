"""What a user has without rtviz: last-layer attention maps after the public recipe, on the same weights.

The recipe is that of facebookresearch/dino, visualize_attention.py and video_generation.py, written here anew from what
they do: the network eager in float32, every softmax made in full, for all tokens; the last layer's rows of CLS, head by
head, upsampled by nearest; and for a video each frame through a JPEG file, PIL, and a picture that Matplotlib colours,
saved as JPEG too, from which OpenCV makes the video.
"""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

import rtviz
from rtviz.errors import RtvizError
from rtviz.models.positions import Positions
from rtviz.sources.scene import SceneSource

MASS = 0.6  # of the attention, that the masks keep: the recipe's default
# The most that its maps and rtviz's may differ, as `difference` measures. With trained weights bf16 alone makes .03.
AGREEMENT = 5e-2


class _SeenEnough(Exception):
    """The last layer's softmax is there."""


class Peer:
    """The recipe for one model.

    Args:
        model: the name of a model, as `rtviz.load` takes it: the network is made anew, with the same weights.
        device: cpu, cuda, mps.
    """

    def __init__(self, model: str, device: str) -> None:
        loaded: Any = rtviz.load(model, device=device, precision="fp32")
        self._network, self._device = loaded.network, loaded.device
        self._positions = Positions(loaded.network, loaded.card.resampling)
        self.patch_size, self._prefix = loaded.patch_size, loaded.prefix_tokens
        self._mean, self._std = (torch.tensor(three)[:, None, None] for three in (loaded.card.mean, loaded.card.std))
        for module in self._network.modules():
            if hasattr(module, "fused_attn"):
                module.fused_attn = False
        last = self._network.blocks[-1].attn
        last.attn_drop.register_forward_hook(self._keep)  # the recipe reads the last layer's softmax
        last.register_forward_hook(self._stop)  # and leaves out that layer's MLP
        self._softmax: Tensor | None = None

    def _keep(self, module: object, inputs: object, output: Tensor) -> None:
        self._softmax = output

    def _stop(self, module: object, inputs: object, output: object) -> None:
        raise _SeenEnough

    def prepare(self, frame: Any, size: tuple[int, int]) -> Tensor:
        """A frame, RGB uint8 [height, width, 3], as the network's input [1, 3, height, width], of the size (height,
        width) of rtviz's input, so that both do the same work."""
        picture = torch.from_numpy(np.array(frame)).permute(2, 0, 1).float().div(255)
        if picture.shape[1:] != size:
            picture = F.interpolate(picture[None], size, mode="bilinear", antialias=True)[0]
        return ((picture - self._mean) / self._std)[None].to(self._device)

    @torch.no_grad()
    def attention(self, prepared: Tensor) -> Tensor:
        """What CLS attends to in the last layer: float32 [heads, rows, columns], on the device."""
        rows, columns = (side // self.patch_size for side in prepared.shape[2:])
        self._softmax = None
        self._positions.fit((rows, columns))  # once for each size, where the recipe does so in each pass
        with contextlib.suppress(_SeenEnough):
            self._network.forward_features(prepared)
        assert self._softmax is not None, "the network has no softmax to be read"
        return self._softmax[0, :, 0, self._prefix :].unflatten(1, (rows, columns))

    def predict(self, frame: Any, size: tuple[int, int]) -> tuple[Any, Any]:
        """From a frame in memory to its maps in memory.

        Returns:
            The heads' attention, float32 [heads, height, width], and their masks, the same with 0 and 1.
        """
        heads = self.attention(self.prepare(frame, size))
        return self._upsampled(heads), self._upsampled(_masks(heads))

    def _upsampled(self, maps: Tensor) -> Any:
        return F.interpolate(maps[None], scale_factor=self.patch_size, mode="nearest")[0].cpu().numpy()

    def render(self, place: str, folder: Path, size: tuple[int, int], most: int) -> dict[str, float]:
        """Make a video of the heads' mean attention in the first frames of a video file.

        Args:
            place: the file.
            folder: for the frames, the pictures of their attention, and `video.mp4`.
            size: (height, width) that the network sees.
            most: frames, at most.

        Returns:
            Seconds a frame: to extract the frames, to look at them, to write the video.
        """
        from matplotlib import image
        from PIL import Image

        from rtviz.cv import cv2

        marks = [time.perf_counter()]
        video = cv2.VideoCapture(place)
        frames: list[Path] = []
        while len(frames) < most and (read := video.read())[0]:
            frames.append(folder / f"frame-{len(frames):04}.jpg")
            cv2.imwrite(str(frames[-1]), read[1])
        rate = video.get(cv2.CAP_PROP_FPS)
        video.release()
        marks.append(time.perf_counter())
        pictures = [path.with_name(path.name.replace("frame", "attention")) for path in frames]
        for path, picture in zip(frames, pictures, strict=True):
            with Image.open(path) as opened:
                heads, _ = self.predict(opened.convert("RGB"), size)
            image.imsave(picture, heads.mean(axis=0), cmap="inferno", format="jpg")
        marks.append(time.perf_counter())
        writer = cv2.VideoWriter(str(folder / "video.mp4"), cv2.VideoWriter_fourcc(*"mp4v"), rate, size[::-1])
        for picture in pictures:
            with Image.open(picture) as opened:
                writer.write(cv2.cvtColor(np.array(opened.convert("RGB")), cv2.COLOR_RGB2BGR))
        writer.release()
        marks.append(time.perf_counter())
        stages = zip(("extract", "look", "write"), marks[1:], marks, strict=False)
        return {stage: (end - begin) / len(frames) for stage, end, begin in stages}


def _masks(heads: Tensor) -> Tensor:
    """1 on the patches that hold most of a head's attention: the least ones that sum up to the rest are left out."""
    shares, order = (heads.flatten(1) / heads.sum((1, 2))[:, None]).sort(dim=1)
    kept = (shares.cumsum(dim=1) > 1 - MASS).to(heads.dtype)
    return torch.zeros_like(kept).scatter_(1, order, kept).view_as(heads)


def difference(maps: Any, expected: Any) -> float:
    """How far maps [heads, rows, columns] are from what is expected: the distance as a share, of the worst head."""
    maps, expected = (np.asarray(each, np.float64).reshape(len(each), -1) for each in (maps, expected))
    return float((np.linalg.norm(maps - expected, axis=1) / np.linalg.norm(expected, axis=1)).max())


def agreement(model: Any, peer: Peer, frame_size: tuple[int, int]) -> float:
    """How far the last layer's maps are from the peer's, on a frame of the very size that both look at.

    So both go their own way from pixels to maps; neither resizes, which each does in its own manner.

    Raises:
        RtvizError: they are too far away for times to be worth comparing.
    """
    seen = model.input_size(frame_size)
    frame = SceneSource(size=seen).frame(30).pixels
    expected = peer.attention(peer.prepare(frame, seen)).cpu().numpy()
    found = difference(model(frame).attention[-1], expected)
    if not found <= AGREEMENT:
        raise RtvizError(
            f"rtviz's maps of {model.name} are {found:.3g} away from the peer's; at most {AGREEMENT} is allowed"
        )
    return float(f"{found:.2g}")
