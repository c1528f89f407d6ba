#!/usr/bin/env python3
"""Trains the embedded model: a small ViT, without labels, on drawn scenes: `python scripts/train_embedded.py`.

Two views show the same drawn object on different backgrounds, in another pose and light. A student ViT learns to give
both the same code as its slowly moving teacher does (DINO, Caron et al. 2021, with Sinkhorn-Knopp as in SwAV and
DINOv2), and to tell its object from the others of the batch (InfoNCE). Only the object is common to the views, so the
CLS token learns to look at it. A floor under the entropy of the CLS token's attention keeps it from staring at three
patches. Nothing is downloaded, and no real picture is used.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402
import torch  # noqa: E402
import torch.nn.functional as F  # noqa: E402
from torch import Tensor, nn  # noqa: E402
from tqdm import tqdm  # noqa: E402

from rtviz.cv import cv2  # noqa: E402
from rtviz.models.backbone import timm  # noqa: E402
from rtviz.sources.drawing import draw_background, draw_object, paste  # noqa: E402
from rtviz.sources.scene import TRAINING_SEEDS, TUNING_SEEDS, sample  # noqa: E402

MEAN, STD = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)


@dataclass(frozen=True)
class Recipe:
    """Sizes of the network and of the training; `small` for a CPU, `large` for a GPU."""

    width: int
    heads: int
    batch: int
    objects: int
    backgrounds: int
    prototypes: int
    depth: int = 6
    patch_size: int = 8
    grid: int = 12


@dataclass(frozen=True)
class Stage:
    """A part of the curriculum.

    Attributes:
        until: share of the whole training at which it ends.
        size: side of the global views in pixels.
        local_size: side of the two local views; 0 for none.
        area: least and largest share of a global view that the object covers.
        faded: how much the backgrounds lose their contrast.
        floor: the entropy floor, as a share of the patches.
    """

    until: float
    size: int
    local_size: int
    area: tuple[float, float]
    faded: float
    floor: float


RECIPES = {
    "small": Recipe(width=128, heads=4, batch=64, objects=8000, backgrounds=5000, prototypes=1024),
    # For a GPU. Written for one, but it has not run on one yet.
    "large": Recipe(width=192, heads=6, batch=512, objects=40000, backgrounds=20000, prototypes=4096),
}
STAGES = {
    "small": (
        Stage(0.12, 48, 0, (0.22, 0.45), 0.6, 0.20),
        Stage(0.24, 48, 0, (0.14, 0.40), 0.2, 0.20),
        Stage(0.58, 64, 32, (0.07, 0.28), 0.0, 0.15),
        Stage(0.80, 64, 40, (0.05, 0.24), 0.0, 0.10),
        Stage(1.00, 96, 40, (0.05, 0.22), 0.0, 0.10),
    ),
    "large": (
        Stage(0.08, 64, 0, (0.22, 0.45), 0.6, 0.20),
        Stage(0.16, 96, 0, (0.14, 0.40), 0.2, 0.20),
        Stage(0.60, 96, 48, (0.08, 0.35), 0.0, 0.15),
        Stage(1.00, 160, 64, (0.06, 0.28), 0.0, 0.10),
    ),
}


# --- data ------------------------------------------------------------------------------------------------------------


class Pool:
    """Objects and backgrounds, drawn once; views are composed from them on the fly."""

    def __init__(self, recipe: Recipe, seed: int, quiet: bool) -> None:
        random = np.random.default_rng([seed, 3])
        self.objects: list[np.ndarray] = []
        for _ in tqdm(range(recipe.objects), desc="drawing objects", disable=quiet, dynamic_ncols=True):
            sprite = draw_object(random, 112)
            if (sprite[..., 3] > 0.1).sum() > 400:  # not a few thin strokes
                self.objects.append((sprite * 255).astype(np.uint8))
        self.backgrounds = [
            (draw_background(random, 160, 160) * 255).astype(np.uint8)
            for _ in tqdm(range(recipe.backgrounds), desc="drawing backgrounds", disable=quiet, dynamic_ncols=True)
        ]

    def sprite(self, number: int) -> np.ndarray:
        return self.objects[number].astype(np.float32) / 255


def compose(random: np.random.Generator, pool: Pool, number: int, size: int, area: tuple[float, float], faded: float,
            local: bool) -> np.ndarray:  # fmt: skip
    """One view of one object: float32 [size, size, 3]."""
    background = pool.backgrounds[int(random.integers(len(pool.backgrounds)))]
    crop = int(random.uniform(0.45, 1) * background.shape[0])
    top, left = random.integers(0, background.shape[0] - crop + 1, 2)
    canvas = cv2.resize(background[top : top + crop, left : left + crop], (size, size), interpolation=cv2.INTER_AREA)
    canvas = canvas.astype(np.float32) / 255
    if random.random() < 0.5:
        canvas = np.ascontiguousarray(canvas[:, ::-1])
    if faded:
        canvas += (canvas.mean(axis=(0, 1)) - canvas) * np.float32(faded)
    sprite = pool.sprite(number)
    share = float(sprite[..., 3].mean())
    if not local:
        for _ in range(int(random.integers(0, 3)) if not faded else 0):  # small, blurred clutter that means nothing
            other = pool.sprite(int(random.integers(len(pool.objects))))
            canvas_before = canvas.copy()
            paste(
                canvas,
                other,
                tuple(random.uniform(0, size, 2)),
                size * random.uniform(0.06, 0.16),
                random.uniform(0, 360),
            )
            canvas += (canvas_before - canvas) * np.float32(random.uniform(0.3, 0.8))
    side = size * math.sqrt(random.uniform(*area) / share)
    if local:  # a part of the object fills the view
        side *= random.uniform(1.3, 2.0)
        centre = (size * random.uniform(0.2, 0.8), size * random.uniform(0.2, 0.8))
    else:
        side = min(side, 1.25 * size)
        room = max(0.05, 0.5 - 0.36 * side / size)
        centre = (size * (0.5 + random.uniform(-room, room)), size * (0.5 + random.uniform(-room, room)))
    paste(
        canvas, sprite, centre, side, random.normal(0, 18), random.uniform(0.75, 1.2),
        0.0 if random.random() < 0.3 else random.uniform(0.1, 0.6), random.random() < 0.5,
    )  # fmt: skip
    return jitter(random, canvas)


def jitter(random: np.random.Generator, picture: np.ndarray) -> np.ndarray:
    """Mild: hue turned by up to 0.15 rad about the grey axis, brightness by 20 %, gray for one in twenty, some blur."""
    angle = random.uniform(-0.15, 0.15)
    c, s = math.cos(angle), math.sin(angle) / math.sqrt(3)
    k = (1 - c) / 3
    turn = np.array([[c + k, k - s, k + s], [k + s, c + k, k - s], [k - s, k + s, c + k]], np.float32)
    picture = picture @ turn.T
    if random.random() < 0.05:
        picture = np.repeat(picture.mean(axis=2, keepdims=True), 3, axis=2)
    if random.random() < 0.2:
        picture = cv2.GaussianBlur(picture, (0, 0), random.uniform(0.3, 1.0))
    picture = picture * np.float32(random.uniform(0.8, 1.2))
    if random.random() < 0.3:
        picture = picture + random.normal(0, 0.02, picture.shape).astype(np.float32)
    return np.clip(picture, 0, 1)


Batch = tuple[Tensor, Tensor | None]  # global views [2 * batch, 3, size, size], local ones [2 * batch, 3, ...]


def batches(pool: Pool, recipe: Recipe, stage: Stage, seed: int, ended: threading.Event) -> Iterator[Batch]:
    """Batches without end, composed in a thread of their own while the network learns from the last one."""
    ready: queue.Queue[Batch] = queue.Queue(3)

    def work() -> None:
        random = np.random.default_rng([seed, 4, time.time_ns() % 2**31])
        while not ended.is_set():
            numbers = random.choice(len(pool.objects), recipe.batch, replace=False)
            views = [
                compose(random, pool, int(number), stage.size, stage.area, stage.faded, False)
                for _ in range(2)
                for number in numbers
            ]
            local = [
                compose(random, pool, int(number), stage.local_size, stage.area, stage.faded, True)
                for _ in range(2 if stage.local_size else 0)
                for number in numbers
            ]
            batch = (as_input(views), as_input(local) if local else None)
            while not ended.is_set():
                try:
                    ready.put(batch, timeout=0.2)
                    break
                except queue.Full:
                    continue

    threading.Thread(target=work, daemon=True, name="composer").start()
    while True:
        yield ready.get()


def as_input(pictures: list[np.ndarray]) -> Tensor:
    """Pictures in 0..1, normalised: [count, 3, height, width]."""
    x = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2)
    return ((x - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)).contiguous()


# --- network ---------------------------------------------------------------------------------------------------------


class Learner(nn.Module):
    """A ViT with DINO's projection head, whose CLS attention can be read.

    The attention is explicit: on a CPU the backward pass of the fused one is five times slower.
    """

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        self.backbone = timm.create_model(
            "vit_tiny_patch16_224", pretrained=False, num_classes=0, img_size=recipe.grid * recipe.patch_size,
            patch_size=recipe.patch_size, embed_dim=recipe.width, depth=recipe.depth, num_heads=recipe.heads,
            dynamic_img_size=True, patch_drop_rate=0.5,
        )  # fmt: skip
        self.attention: list[Tensor] = []  # CLS rows over the patches of each layer: [batch, heads, patches]
        for block in self.backbone.blocks:
            block.attn.fused_attn = False
            block.attn.attn_drop.register_forward_hook(lambda module, inputs, output: self._keep(output))
        self.head = nn.Sequential(
            nn.Linear(recipe.width, 512), nn.BatchNorm1d(512), nn.GELU(),
            nn.Linear(512, 512), nn.BatchNorm1d(512), nn.GELU(),
            nn.Linear(512, 128),
        )  # fmt: skip
        self.prototypes = nn.Parameter(torch.randn(recipe.prototypes, 128))

    def _keep(self, attention: Tensor) -> None:
        self.attention.append(attention[:, :, 0, 1:])

    def forward(self, x: Tensor, drop: float = 0.0) -> tuple[Tensor, Tensor]:
        """(codes [batch, 128] of length 1, their likeness to each prototype [batch, prototypes])."""
        self.attention.clear()
        self.backbone.patch_drop.prob = drop
        codes = F.normalize(self.head(self.backbone(x)).float(), dim=-1)
        return codes, codes @ F.normalize(self.prototypes, dim=-1).T


@torch.no_grad()
def sinkhorn(scores: Tensor, temperature: float, rounds: int = 3) -> Tensor:
    """Soft assignments in which every prototype is used equally (Cuturi 2013; SwAV, DINOv2): [batch, prototypes]."""
    q = torch.exp((scores - scores.max()) / temperature).T
    q = q / q.sum()
    for _ in range(rounds):
        q = q / q.sum(dim=1, keepdim=True).clamp_min(1e-12) / q.shape[0]
        q = q / q.sum(dim=0, keepdim=True).clamp_min(1e-12) / q.shape[1]
    return (q * q.shape[1]).T


def entropy(rows: Tensor) -> Tensor:
    """Entropy of attention over the patches alone: [batch, heads]."""
    rows = rows / rows.sum(-1, keepdim=True).clamp_min(1e-6)
    return -(rows * rows.clamp_min(1e-8).log()).sum(-1)


def loss_of(
    student: Learner, teacher: Learner, batch: Batch, stage: Stage, progress: float
) -> tuple[Tensor, dict[str, float]]:
    """DINO + InfoNCE + entropy floor."""
    views, local = batch
    count = len(views) // 2
    with torch.no_grad():
        teacher_codes, teacher_scores = teacher(views)
        targets = sinkhorn(teacher_scores, 0.03)
    codes, scores = student(views, drop=0.5)
    floor = math.log(stage.floor * (stage.size // 8) ** 2)
    last = student.attention[-3:]
    entropies = torch.stack([entropy(rows.float()) for rows in last])  # [layers, batch, heads]
    spikes = F.relu(min(floor, math.log(last[0].shape[-1]) * 0.95) - entropies).mean()

    same = torch.arange(count, device=views.device)
    log_scores = F.log_softmax(scores / 0.1, dim=-1)
    dino = views.new_zeros(())
    contrast = views.new_zeros(())
    pairs = 0
    for of in range(2):  # the teacher's view
        target, code = targets[of * count :][:count], teacher_codes[of * count :][:count]
        other = slice((1 - of) * count, (2 - of) * count)
        dino = dino - (target * log_scores[other]).sum(-1).mean()
        contrast = contrast + F.cross_entropy(codes[other] @ code.T / 0.2, same)
        pairs += 1
    if local is not None:
        local_codes, local_scores = student(local)
        log_local = F.log_softmax(local_scores / 0.1, dim=-1)
        for of in range(2):
            target, code = targets[of * count :][:count], teacher_codes[of * count :][:count]
            for part in range(2):
                rows = slice(part * count, (part + 1) * count)
                dino = dino - 0.5 * (target * log_local[rows]).sum(-1).mean()
                contrast = contrast + 0.5 * F.cross_entropy(local_codes[rows] @ code.T / 0.2, same)
                pairs += 0.5
    loss = dino / pairs + (1 - 0.5 * progress) * contrast / pairs + 0.5 * spikes
    return loss, {
        "dino": float(dino.detach()) / pairs,
        "contrast": float(contrast.detach()) / pairs,
        "entropy": float(entropies[-1].mean().detach()),
    }


# --- scoring while it learns -----------------------------------------------------------------------------------------


@torch.no_grad()
def jaccards(learner: Learner, pictures: Tensor, masks: np.ndarray) -> np.ndarray:
    """Jaccard of each head's 60 % mass mask of the last layer with the truth: [pictures, heads]."""
    learner.eval()
    learner(pictures)
    rows = learner.attention[-1].float()  # [pictures, heads, patches]
    learner.train()
    ordered, order = rows.sort(dim=-1)
    kept = ordered.cumsum(-1) > 0.4 * ordered.sum(-1, keepdim=True)
    covered = torch.zeros_like(kept).scatter_(-1, order, kept)
    side = math.isqrt(rows.shape[-1])
    covered = covered.view(*rows.shape[:2], side, side).repeat_interleave(8, 2).repeat_interleave(8, 3).cpu().numpy()
    both = (covered & masks[:, None]).sum((2, 3))
    either = (covered | masks[:, None]).sum((2, 3))
    return np.asarray(both / either)


def tuning_set(count: int) -> tuple[Tensor, np.ndarray]:
    drawn = [sample(seed) for seed in TUNING_SEEDS[:count]]
    return as_input([pixels.astype(np.float32) / 255 for pixels, _ in drawn]), np.stack([mask for _, mask in drawn])


# --- training --------------------------------------------------------------------------------------------------------


def between(start: float, end: float, progress: float) -> float:
    """Cosine from start to end."""
    return end + (start - end) * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))


def train(options: argparse.Namespace) -> dict[str, Any]:
    """Train, log, keep checkpoints; returns the last log line."""
    device = torch.device(options.device)
    size = options.size or ("large" if device.type == "cuda" else "small")
    recipe, stages = RECIPES[size], STAGES[size]
    if options.minutes < 5:  # a trial run: less to draw
        recipe = Recipe(**{**vars(recipe), "objects": recipe.objects // 10, "backgrounds": recipe.backgrounds // 20})
    torch.manual_seed(options.seed)
    student = Learner(recipe).to(device)
    with torch.no_grad():  # near the truth at initialisation, as the papers do
        student.prototypes.normal_(0, 0.02)
    teacher = copy.deepcopy(student).requires_grad_(False)
    for module in teacher.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.train()
    teacher.attention = []
    for block in teacher.backbone.blocks:
        block.attn.attn_drop._forward_hooks.clear()
        block.attn.attn_drop.register_forward_hook(lambda module, inputs, output: teacher._keep(output))
    decayed = [p for n, p in student.named_parameters() if p.ndim > 1 and "pos_embed" not in n and "cls_token" not in n]
    others = [
        p for n, p in student.named_parameters() if not (p.ndim > 1 and "pos_embed" not in n and "cls_token" not in n)
    ]
    optimizer = torch.optim.AdamW([{"params": decayed}, {"params": others, "weight_decay": 0.0}], betas=(0.9, 0.98))

    folder = Path(options.folder)
    folder.mkdir(parents=True, exist_ok=True)
    checkpoint = folder / "checkpoint.pt"
    step, spent, log = 0, 0.0, []
    if checkpoint.exists() and not options.fresh:
        state = torch.load(checkpoint, map_location=device, weights_only=True)
        if state["minutes"] == options.minutes and state["seed"] == options.seed:
            student.load_state_dict(state["student"])
            teacher.load_state_dict(state["teacher"])
            optimizer.load_state_dict(state["optimizer"])
            step, spent, log = state["step"], state["spent"], json.loads(state["log"])
            print(f"going on from step {step}, {spent / 60:.1f} minutes in", flush=True)

    def keep() -> None:
        parts = {
            "student": student.state_dict(), "teacher": teacher.state_dict(), "optimizer": optimizer.state_dict(),
            "step": step, "spent": spent, "seed": options.seed, "minutes": options.minutes, "log": json.dumps(log),
        }  # fmt: skip
        torch.save(parts, checkpoint.with_suffix(".new"))
        os.replace(checkpoint.with_suffix(".new"), checkpoint)

    pool = Pool(recipe, options.seed + TRAINING_SEEDS.start, options.quiet)
    pictures, masks = tuning_set(24 if options.minutes < 5 else 48)
    pictures = pictures.to(device)
    if not log:
        untrained = jaccards(teacher, pictures, masks)
        log.append({"minute": 0.0, "best": float(untrained.max(1).mean()), "fixed": float(untrained.mean(0).max())})
        print(f"untrained: Jaccard best head {log[0]['best']:.3f}, fixed head {log[0]['fixed']:.3f}", flush=True)

    total = options.minutes * 60
    mixed = torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda" or options.bf16)
    bar = tqdm(
        total=100,
        desc="training",
        unit="%",
        disable=options.quiet,
        dynamic_ncols=True,
        initial=int(100 * spent / total),
    )
    last_kept = last_scored = spent
    for stage in stages:
        if spent / total >= stage.until:
            continue
        ended = threading.Event()
        for batch in batches(pool, recipe, stage, options.seed, ended):
            begin = time.perf_counter()
            progress = spent / total
            warm = min(1.0, spent / min(20.0, 0.05 * total)) if spent else 0.01
            for group in optimizer.param_groups:
                group["lr"] = options.rate * max(warm, 0.01) * max(0.01, between(1, 0.01, progress))
            optimizer.param_groups[0]["weight_decay"] = between(0.1, 0.3, progress)
            views, local = batch[0].to(device), None if batch[1] is None else batch[1].to(device)
            with mixed:
                loss, parts = loss_of(student, teacher, (views, local), stage, progress)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(student.parameters(), 3.0)
            optimizer.step()
            momentum = between(0.98, 1.0, progress)
            with torch.no_grad():
                for mine, yours in zip(teacher.parameters(), student.parameters(), strict=True):
                    mine.lerp_(yours, 1 - momentum)
            step += 1
            spent += time.perf_counter() - begin
            bar.update(int(100 * spent / total) - bar.n)
            if spent - last_scored > min(60, total / 12) or spent >= total:
                found = jaccards(teacher, pictures, masks)
                line = {
                    "minute": round(spent / 60, 2), "step": step, "size": stage.size,
                    **{name: round(value, 3) for name, value in parts.items()},
                    "best": round(float(found.max(1).mean()), 4), "fixed": round(float(found.mean(0).max()), 4),
                    "heads": [round(float(value), 3) for value in found.mean(0)],
                }  # fmt: skip
                log.append(line)
                tqdm.write(json.dumps(line))
                sys.stdout.flush()
                last_scored = spent
            if spent - last_kept > 60:
                keep()
                last_kept = spent
            if spent >= total * stage.until:
                ended.set()
                break
    keep()
    bar.close()
    export(teacher, recipe, Path(options.output), options, log)
    (folder / "log.json").write_text(json.dumps(log, indent=1))
    return dict(log[-1])


def export(
    teacher: Learner, recipe: Recipe, path: Path, options: argparse.Namespace, log: list[dict[str, Any]]
) -> None:
    """The teacher's backbone, in fp16, with what is needed to build and to believe it in the header."""
    from safetensors.torch import save_file

    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True).stdout.strip()
    words = f"python scripts/train_embedded.py --minutes {options.minutes:g} --seed {options.seed}"
    metadata = {
        "patch_size": str(recipe.patch_size), "width": str(recipe.width), "depth": str(recipe.depth),
        "heads": str(recipe.heads), "grid": str(recipe.grid), "mean": json.dumps(MEAN), "std": json.dumps(STD),
        "command": words, "commit": commit or "unknown", "jaccard_best_head": str(log[-1]["best"]),
    }  # fmt: skip
    state = {name: value.half().contiguous().cpu() for name, value in teacher.backbone.state_dict().items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(state, path, metadata)
    print(f"wrote {path}, {path.stat().st_size / 1e6:.1f} MB", flush=True)


def plot(log: list[dict[str, Any]], path: Path) -> None:
    """The curves, as a picture."""
    try:
        import matplotlib
    except ImportError:
        print("no curves: matplotlib is not installed (pip install rtviz[dev])", flush=True)
        return
    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (upper, lower) = pyplot.subplots(2, 1, figsize=(8, 7), sharex=True, layout="constrained")
    for key, label in (("best", "best head of each picture"), ("fixed", "best fixed head")):
        upper.plot([line["minute"] for line in log], [line[key] for line in log], label=label)
    upper.set_ylabel("Jaccard on tuning scenes")
    for key in ("dino", "contrast", "entropy"):
        lines = [line for line in log if key in line]
        lower.plot([line["minute"] for line in lines], [line[key] for line in lines], label=key)
    lower.set_xlabel("minutes")
    for axes in (upper, lower):
        axes.legend(frameon=False)
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110)


def main() -> int:
    """Draw, train, score, export, and show; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=40.0, help="time to train, without the drawing (40)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--size", choices=list(RECIPES), help="small on a CPU, large on a GPU if not given")
    parser.add_argument("--rate", type=float, default=1e-3, help="learning rate")
    parser.add_argument("--bf16", action="store_true", help="mixed precision on a CPU that has it")
    parser.add_argument("--folder", default="runs/embedded", help="checkpoints, log, curves; a killed run goes on here")
    parser.add_argument("--fresh", action="store_true", help="start anew, whatever the folder holds")
    parser.add_argument("--output", default=str(ROOT / "rtviz" / "models" / "embedded.safetensors"))
    parser.add_argument("--quiet", action="store_true", help="no progress bars")
    options = parser.parse_args()
    train(options)
    plot(json.loads((Path(options.folder) / "log.json").read_text()), Path(options.folder) / "curves.png")
    return 0


if __name__ == "__main__":
    sys.exit(main())
