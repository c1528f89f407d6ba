#!/usr/bin/env python3
"""Feeds rtviz damaged files: each must end in success or in one line, never in a signal, a hang or a bug.

    python scripts/fuzz.py --seconds 60 --seed 1
    python scripts/fuzz.py --seconds 3600 --seed 7 --kinds video,picture --keep failures/
    python scripts/fuzz.py --again failures/video-7-1234.mkv

Small videos, pictures and checkpoints are made in every format that rtviz reads, then bytes of them are changed, above
all where their headers stand; of checkpoints the keys, shapes and number formats too. Each goes through a command, as a
user would call it, in a process of its own that may crash. Input N of a seed is always the same. What failed is kept.
Prints how many inputs were tried, and ends with 1 if any failed.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import io
import json
import os
import random
import selectors
import signal
import struct
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

KINDS = ("video", "picture", "checkpoint")
_RESTART_AFTER = 300  # inputs, so that what one leaves behind does not add up
_FIRST_SECONDS = 60  # more for the first input, which imports what there is to import
_MEMORY = 12 << 30  # bytes of addresses that the process may ask for
_TELLING = (0, 1, 2, 127, 128, 255, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)  # as sizes and counts

# --- what is damaged -------------------------------------------------------------------------------------------------


def make_videos(folder: Path) -> list[Path]:
    """A second of video with sound in many containers, as small as they come."""
    import av
    import numpy as np

    os.environ.setdefault("SVT_LOG", "0")  # it would tell its whole configuration
    made = []
    for name, codec, sound in (
        ("a.mp4", "libx264", "aac"), ("b.mov", "mpeg4", "aac"), ("c.mkv", "libx264", "ac3"), ("d.mkv", "ffv1", "flac"),
        ("e.webm", "libvpx", "libopus"), ("f.webm", "libvpx-vp9", "libopus"), ("g.avi", "mpeg4", "mp2"),
        ("h.avi", "mjpeg", "pcm_s16le"), ("i.ts", "mpeg2video", "mp2"), ("j.mpg", "mpeg1video", "mp2"),
        ("k.flv", "flv", "aac"), ("l.ogv", "libtheora", "libvorbis"), ("m.mkv", "libx265", None),
        ("n.h264", "libx264", None), ("o.y4m", "wrapped_avframe", None), ("p.wmv", "wmv2", "wmav2"),
        ("q.mxf", "mpeg2video", None), ("r.mp4", "libsvtav1", None),
    ):  # fmt: skip
        path = folder / name
        try:
            with av.open(str(path), "w", options={"fflags": "+bitexact"}) as container:
                stream: Any = container.add_stream(codec, rate=25, options={"x265-params": "log-level=none"})
                stream.width, stream.height = 64, 48
                stream.pix_fmt = {"mjpeg": "yuvj420p"}.get(codec, "yuv420p")
                voice: Any = container.add_stream(sound, rate=44100 if sound != "libopus" else 48000) if sound else None
                if voice is not None:
                    voice.layout = "stereo"
                for number in range(12):
                    pixels = np.full((48, 64, 3), 20 * number, np.uint8)
                    pixels[10:30, number : number + 20] = (200, 60, 20)
                    frame = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(format=stream.pix_fmt)
                    frame.pts = number
                    container.mux(stream.encode(frame))
                container.mux(stream.encode(None))
                if voice is not None:
                    resampler = av.AudioResampler(voice.codec_context.format, "stereo", voice.rate)
                    fifo = av.AudioFifo()
                    tone = np.sin(np.arange(voice.rate // 2) / 20).astype(np.float32)[None].repeat(2, 0) / 3
                    samples = av.AudioFrame.from_ndarray(np.ascontiguousarray(tone), format="fltp", layout="stereo")
                    samples.sample_rate = voice.rate
                    for piece in resampler.resample(samples):
                        fifo.write(piece)
                    while (read := fifo.read(voice.codec_context.frame_size or 1024)) is not None:
                        container.mux(voice.encode(read))
                    container.mux(voice.encode(None))
        except (av.error.FFmpegError, ValueError):  # this FFmpeg cannot write it
            path.unlink(missing_ok=True)
            continue
        made.append(path)
    return made


def make_pictures(folder: Path) -> list[Path]:
    """Pictures in many formats, still and moving."""
    import numpy as np
    from PIL import Image

    noise = np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8)
    smooth = Image.fromarray(noise).resize((16, 12)).resize((64, 48))
    exif = Image.Exif()
    exif[0x0112] = 6
    deep = Image.fromarray(noise[:, :, 0].astype(np.uint16) * 257)
    floats = Image.fromarray(noise[:, :, 0].astype(np.float32) / 100)
    clear = smooth.copy()
    clear.putalpha(Image.fromarray(noise[:, :, 1]))
    more: dict[str, Any] = {
        "save_all": True,
        "append_images": [smooth.rotate(angle) for angle in (5, 10, 15)],
        "duration": 40,
    }
    writes: dict[str, Callable[[Path], object]] = {
        "a.png": lambda path: smooth.save(path, exif=exif), "b.png": lambda path: deep.save(path, exif=exif),
        "c.png": lambda path: smooth.quantize(16).save(path, transparency=3),
        "d.png": lambda path: smooth.save(path, **more), "e.jpg": lambda path: smooth.save(path, exif=exif),
        "f.jpg": lambda path: smooth.convert("CMYK").save(path),
        "g.jpg": lambda path: smooth.save(path, progressive=True),
        "h.gif": lambda path: smooth.save(path, **more), "i.webp": lambda path: clear.save(path),
        "j.webp": lambda path: smooth.save(path, **more),
        "k.tif": lambda path: smooth.save(path, compression="tiff_lzw"),
        "l.tif": lambda path: floats.save(path), "m.tif": lambda path: deep.save(path, compression="tiff_deflate"),
        "n.tif": lambda path: smooth.save(path, **more), "o.bmp": lambda path: smooth.save(path),
        "p.ppm": lambda path: smooth.save(path), "q.jp2": lambda path: smooth.save(path),
        "r.ico": lambda path: smooth.save(path), "s.tga": lambda path: clear.save(path),
        "t.avif": lambda path: smooth.save(path), "u.avif": lambda path: smooth.save(path, **more),
        "v.heic": lambda path: smooth.save(path, format="HEIF"),
        "w.pgm": lambda path: path.write_bytes(b"P5 40 30 1023\n" + noise.tobytes()[:2400]),
    }  # fmt: skip
    with contextlib.suppress(ImportError):
        import pillow_heif

        pillow_heif.register_heif_opener()
    made = []
    for name, write in writes.items():
        try:
            write(folder / name)
        except (OSError, ValueError, KeyError):  # this Pillow cannot write it
            (folder / name).unlink(missing_ok=True)
            continue
        made.append(folder / name)
    for path in folder.glob("*.avif"):  # which say when they were written, and are to be the same each time
        data = bytearray(path.read_bytes())
        for box in (b"mvhd\1", b"tkhd\1", b"mdhd\1"):
            if (at := data.find(box)) > 0:
                data[at + 8 : at + 24] = bytes(16)
        path.write_bytes(data)
    return made


def make_checkpoints(folder: Path) -> list[Path]:
    """The weights of the smallest models that rtviz has, in the formats that it takes."""
    import safetensors.torch
    import torch

    import rtviz

    path = next(iter(Path(rtviz.__file__).parent.glob("models/*.safetensors")))
    state = safetensors.torch.load_file(path)
    made = [folder / "embedded.safetensors", folder / "embedded.pth", folder / "nested.pth"]
    safetensors.torch.save_file(state, made[0])
    torch.save(state, made[1])
    torch.save({"teacher": {f"backbone.{name}": value for name, value in state.items()}, "epoch": 3}, made[2])
    if importlib.util.find_spec("onnx"):
        import onnx
        from onnx import numpy_helper

        held = [numpy_helper.from_array(value.numpy(), name) for name, value in state.items()]
        graph = onnx.helper.make_graph([], "embedded", [], [], held)
        made.append(folder / "embedded.onnx")
        onnx.save(onnx.helper.make_model(graph), made[-1])
    return made


# --- damage ----------------------------------------------------------------------------------------------------------


def damaged(data: bytes, other: bytes, chance: random.Random) -> bytes:
    """The bytes of a file with one to four kinds of damage, mostly at its beginning or end, where headers stand."""
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        if not changed:
            break
        edge = min(len(changed), 2048)
        span = chance.choice(((0, min(edge, 64)), (0, edge), (len(changed) - edge, len(changed)), (0, len(changed))))
        at = chance.randrange(*span)
        length = min(chance.choice((1, 2, 4, 16, 200, 2000)), len(changed) - at)
        how = chance.randrange(9)
        if how <= 2:
            for _ in range(chance.choice((1, 1, 2, 8, 64))):
                changed[chance.randrange(*span)] = chance.randrange(256)
        elif how <= 4:
            value = struct.pack(chance.choice((">I", "<I")), chance.choice((*_TELLING, chance.getrandbits(32))))
            changed[at : at + 4] = value
        elif how == 5:
            del changed[at : at + length]
        elif how == 6:
            changed[at:at] = changed[at : at + length]
        elif how == 7:
            begin = chance.randrange(max(1, len(other)))
            changed[at : at + length] = other[begin : begin + length]
        else:
            del changed[chance.randrange(len(changed)) :]
    return bytes(changed)


def misshapen(path: Path, chance: random.Random) -> Path:
    """A checkpoint, well written, whose keys, shapes, number formats or structure are not those of a model."""
    import safetensors.torch
    import torch

    if path.suffix == ".safetensors":
        state: dict[Any, Any] = dict(safetensors.torch.load_file(path))
    else:
        state = dict(torch.load(path, weights_only=True)) if path.suffix != ".onnx" else {}
        state = state.get("teacher", state)
    tensors = path.suffix == ".safetensors"  # that hold nothing else
    for _ in range(chance.choice((1, 1, 2, 5, 40))):
        if not state:
            break
        name = chance.choice(sorted(state, key=str))
        value = state.get(name)
        how = chance.randrange(8 if tensors else 12)
        if how == 0 or not isinstance(value, torch.Tensor) or value.layout != torch.strided:
            del state[name]
        elif how == 1:
            names = (f"{name}.x", str(name).upper(), "", "blocks.99.attn.qkv.weight", "é\n" * 9)
            state[chance.choice(names)] = state.pop(name)
        elif how == 2:
            shape = chance.choice(((), (0,), (1,), (3, 0, 7), (*value.shape, 1), tuple(reversed(value.shape))))
            state[name] = torch.zeros(shape)
        elif how == 3:
            state[name] = value[: chance.randrange(len(value) + 1)].clone() if value.ndim else torch.zeros(3)
        elif how == 4:
            kind = chance.choice((torch.int8, torch.bool, torch.float64, torch.bfloat16, torch.float16, torch.int64))
            state[name] = (value.real if value.is_complex() else value).to(kind)
        elif how == 5:
            state[name] = torch.full(value.shape, chance.choice((float("nan"), float("inf"), 6e4, 0.0)))
        elif how == 6:
            for key in [key for key in state if str(key).startswith(f"blocks.{chance.randrange(8)}.")]:
                del state[key]
        elif how == 7:
            prefix = chance.choice(("module.", "backbone.", "model.", "x" * 300))
            state = {prefix + str(key): held for key, held in state.items()}
        elif how == 8:
            state[chance.choice((7, (1, 2), None, 2.5))] = value
        elif how == 9:
            state[name] = chance.choice((None, 3, "text", [1, 2], {"weight": value}, value.to_sparse()))
        elif how == 10:
            state = {chance.choice(("state_dict", "model", "teacher", "student", "anything")): state}
        else:
            state[name] = value.to(torch.complex64)
    target = path.with_name(f"misshapen{path.suffix if path.suffix != '.onnx' else '.pth'}")
    if tensors:
        state = {str(key): held.contiguous().clone() for key, held in state.items() if isinstance(held, torch.Tensor)}
        safetensors.torch.save_file(state, target)
    else:
        torch.save(chance.choice((state, state, state, [state], 3)), target)
    return target


class Corpus:
    """The files of one kind, and input N of a seed made from them."""

    def __init__(self, kind: str, folder: Path) -> None:
        self.kind = kind
        folder.mkdir(parents=True)
        make = {"video": make_videos, "picture": make_pictures, "checkpoint": make_checkpoints}[kind]
        self.files = make(folder)
        self._contents = {path: path.read_bytes() for path in self.files}

    def make(self, seed: int, number: int, folder: Path) -> Path:
        """Write input `number` into a folder."""
        chance = random.Random(f"{self.kind} {seed} {number}")
        path = chance.choice(self.files)
        if self.kind == "checkpoint" and chance.random() < 0.6:
            path = misshapen(path, chance)
            data = path.read_bytes()
        else:
            data = damaged(self._contents[path], self._contents[chance.choice(self.files)], chance)
        suffix = path.suffix
        if self.kind != "checkpoint" and chance.random() < 0.05:
            suffix = chance.choice(self.files).suffix
        target = folder / f"{self.kind}-{seed}-{number}{suffix}"
        target.write_bytes(data)
        return target


# --- the process that may crash --------------------------------------------------------------------------------------


def serve() -> None:
    """Take lines of JSON {kind, path, output} from stdin, run each as a command, and answer with what it said."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, resource.RLIM_INFINITY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    from rtviz.cli import run

    for line in sys.stdin:
        task = json.loads(line)
        said = io.StringIO()
        try:
            with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
                status: object = run(command(**task))
        except BaseException as error:
            import traceback

            status = f"raised {type(error).__name__}: " + traceback.format_exc()
        print(json.dumps({"status": status, "said": said.getvalue()}), file=answers, flush=True)


def command(kind: str, path: str, output: str) -> list[str]:
    """How a user would come to read such a file; by its name alone, so that a file that is kept does the same again."""
    name = Path(path).name.encode()
    if kind == "checkpoint":
        small = ["--end", "0.03", "--resolution", "32", "--device", "cpu", "--overwrite"]
        # One in two says of which model it is.
        model = ["--model", "embedded"] if sum(name) % 2 else []
        return ["render", "scene:?size=64x48", "-o", f"{output}.png", "--weights", path, *model, *small]
    suffix = ".png" if kind == "picture" else (".mp4", ".mkv", ".webm", ".gif")[sum(name) % 4]
    start = ["--start", "0.2"] if kind == "video" and sum(name) % 3 == 0 else []
    return ["render", path, "-o", output + suffix, "--view", "none", "--overwrite", "--end", "5", *start]


def verdict(status: object, said: str) -> str | None:
    """What is wrong with how a command ended; None if nothing is."""
    lines = [line for line in said.splitlines() if line.strip()]
    if not isinstance(status, int):
        return str(status)
    if "a bug in rtviz" in said or "Traceback" in said:
        return said
    if status == 0:
        return None
    if status not in (1, 2):
        return f"status {status}: {said}"
    errors = [line for line in lines if line.startswith("rtviz: error: ")]
    if len(errors) != 1 or lines[-1] != errors[0]:
        return f"status {status}, and not one line: {said}"
    return None


class Victim:
    """The process that runs the commands; begun anew where it died.

    Attributes:
        succeeded: the last command ended with 0, as it should.
    """

    def __init__(self, limit_seconds: float) -> None:
        self._limit = limit_seconds
        self._noise = tempfile.TemporaryFile()  # noqa: SIM115
        self._process: subprocess.Popen[str] | None = None
        self._served = 0
        self.succeeded = False

    def _begin(self) -> subprocess.Popen[str]:
        environment = {"OMP_NUM_THREADS": "1", **os.environ}
        self._served = 0
        return subprocess.Popen(
            [sys.executable, os.path.abspath(__file__), "--serve"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._noise, text=True, env=environment,
        )  # fmt: skip

    def run(self, kind: str, path: Path, output: Path) -> str | None:
        """Run one input; returns what is wrong, or None."""
        if self._process is None or self._served >= _RESTART_AFTER:
            self.close()
            self._process = self._begin()
        process = self._process
        self._served += 1
        self.succeeded = False
        assert process.stdin is not None
        assert process.stdout is not None
        print(json.dumps({"kind": kind, "path": str(path), "output": str(output)}), file=process.stdin, flush=True)
        limit = self._limit + (_FIRST_SECONDS if self._served == 1 else 0)
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            answered = selector.select(limit)
        line = process.stdout.readline() if answered else ""
        if line:
            answer = json.loads(line)
            wrong = verdict(answer["status"], answer["said"])
            self.succeeded = wrong is None and answer["status"] == 0
            return wrong
        if not answered:
            process.kill()
        self._process = None
        process.communicate()
        status = process.returncode
        if not answered:
            return f"a hang: no end within {limit:.0f} s"
        self._noise.seek(0, os.SEEK_END)
        self._noise.seek(max(0, self._noise.tell() - 2000))
        name = signal.Signals(-status).name if status < 0 else f"exit {status}"
        return f"died of {name}: {self._noise.read().decode(errors='replace')}"

    def close(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        if process is not None:
            process.communicate()
        self._noise.seek(0)
        self._noise.truncate()

    def __enter__(self) -> Victim:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()
        self._noise.close()


def main() -> int:
    """Damage, feed, count."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60, help="how long (default 60)")
    parser.add_argument("--inputs", type=int, help="stop after so many of each kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kinds", default=",".join(KINDS), help=f"of {', '.join(KINDS)} (default: all)")
    parser.add_argument("--limit", type=float, default=30, help="seconds that an input may take (default 30)")
    parser.add_argument("--keep", type=Path, default=Path("fuzz-failures"), help="folder for the inputs that failed")
    parser.add_argument("--again", type=Path, help="run one kept input, and nothing else")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    parsed = parser.parse_args()
    if parsed.serve:
        serve()
        return 0
    kinds = parsed.kinds.split(",")
    if unknown := set(kinds) - set(KINDS):
        parser.error(f"--kinds: {', '.join(sorted(unknown))} is none; allowed: {', '.join(KINDS)}")
    victim = Victim(parsed.limit)
    with tempfile.TemporaryDirectory(prefix="rtviz-fuzz-") as name, victim:
        folder = Path(name)
        if parsed.again is not None:
            kind = parsed.again.name.partition("-")[0]
            wrong = victim.run(kind if kind in KINDS else "video", parsed.again.resolve(), folder / "out")
            print(wrong or "nothing is wrong")
            return 1 if wrong else 0
        corpora = [Corpus(kind, folder / kind) for kind in kinds]
        tried, done, failed = Counter[str](), Counter[str](), Counter[str]()
        end = time.monotonic() + parsed.seconds
        number = 0
        while time.monotonic() < end and (parsed.inputs is None or number < parsed.inputs):
            for corpus in corpora:
                path = corpus.make(parsed.seed, number, folder)
                wrong = victim.run(corpus.kind, path, folder / "out")
                tried[corpus.kind] += 1
                done[corpus.kind] += victim.succeeded
                if wrong is not None:
                    failed[corpus.kind] += 1
                    parsed.keep.mkdir(parents=True, exist_ok=True)
                    (parsed.keep / path.name).write_bytes(path.read_bytes())
                    print(f"{parsed.keep / path.name}: {wrong.strip()}\n", flush=True)
                for rest in [path, *folder.glob("out*")]:
                    rest.unlink()
            number += 1
    for kind in kinds:
        refused = tried[kind] - done[kind] - failed[kind]
        print(
            f"{kind}: {tried[kind]} inputs tried: {done[kind]} done, {refused} refused in a line, {failed[kind]} failed"
        )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
