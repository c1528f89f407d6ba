#!/usr/bin/env python3
"""Trains the embedded model: a small ViT, without labels, on drawn scenes: `python scripts/train_embedded.py`.

Two views show the same drawn object on different backgrounds, in another pose and light. What the CLS token attends to
must tell which object it is: each head's attention pools the bare patches (their pixels alone, before any layer has
mixed them), and the pooled codes of the two views must find each other in the batch (InfoNCE). No patch of the
background can help in that, so attention comes to lie on the object. One head is asked for the opposite, the
background, which each view shares with a view of another object. Beside it the CLS token itself learns as in DINO
(Caron et al. 2021; teacher and student, Sinkhorn-Knopp as in SwAV and DINOv2) and by InfoNCE. A floor under the
effective number of patches that a head attends to keeps it from staring at three of them.

The network is timm's VisionTransformer, tensor for tensor. Nothing is downloaded, and no real picture is used.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import torch  # noqa: E402
from embedded_training.curriculum import RECIPES, STAGES  # noqa: E402
from embedded_training.evaluation import jaccards, tuning_set  # noqa: E402
from embedded_training.losses import loss_of  # noqa: E402
from embedded_training.network import Learner  # noqa: E402
from embedded_training.pictures import contact_sheet, plot  # noqa: E402
from embedded_training.scenes import MEAN, STD, Pool, batches  # noqa: E402
from torch import nn  # noqa: E402
from tqdm import tqdm  # noqa: E402

from rtviz.cv import cv2  # noqa: E402
from rtviz.errors import MissingDependency  # noqa: E402


def between(start: float, end: float, progress: float) -> float:
    """Cosine from start to end."""
    return end + (start - end) * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))


class Training:
    """All that a run is, so that a killed one goes on where it was."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options, self.device = options, torch.device(options.device)
        size = options.size or ("large" if self.device.type == "cuda" else "small")
        self.recipe, self.stages = RECIPES[size], STAGES[size]
        if options.minutes < 5 or options.steps:
            few = replace(self.recipe, objects=self.recipe.objects // 10, backgrounds=self.recipe.backgrounds // 10)
            self.recipe, self.stages = few, STAGES["trial"]
        self.folder = Path(options.folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        torch.manual_seed(options.seed)
        self.student = Learner(self.recipe).to(self.device)
        self.teacher = copy.deepcopy(self.student).requires_grad_(False)
        decayed: list[nn.Parameter] = []
        others: list[nn.Parameter] = []
        for name, parameter in self.student.named_parameters():
            decays = parameter.ndim > 1 and not name.endswith(("pos_embed", "cls_token"))
            (decayed if decays else others).append(parameter)
        groups: list[dict[str, Any]] = [{"params": decayed}, {"params": others, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.98))
        self.step, self.spent, self.log = 0, 0.0, list[dict[str, Any]]()
        self.checkpoint = self.folder / "checkpoint.pt"
        if self.checkpoint.exists() and not options.fresh:
            self.resume()

    @property
    def _identity(self) -> dict[str, Any]:
        length = {"steps": self.options.steps} if self.options.steps else {"minutes": self.options.minutes}
        return {**length, "seed": self.options.seed, "width": self.recipe.width}

    @property
    def progress(self) -> float:
        """The share of the run that is done, by steps if their number is given, else by time."""
        options = self.options
        return self.step / options.steps if options.steps else self.spent / (options.minutes * 60)

    def resume(self) -> None:
        state = torch.load(self.checkpoint, map_location=self.device, weights_only=True)
        if state["identity"] != self._identity:
            print(f"{self.folder} holds another run, {state['identity']}: starting anew", flush=True)
            return
        for name in ("student", "teacher", "optimizer"):
            getattr(self, name).load_state_dict(state[name])
        self.step, self.spent, self.log = state["step"], state["spent"], json.loads(state["log"])
        print(f"going on from step {self.step}, {self.spent / 60:.1f} minutes in", flush=True)

    def keep(self) -> None:
        """A checkpoint that is there whole or not at all."""
        state = {name: getattr(self, name).state_dict() for name in ("student", "teacher", "optimizer")}
        state |= {"identity": self._identity, "step": self.step, "spent": self.spent, "log": json.dumps(self.log)}
        torch.save(state, self.checkpoint.with_suffix(".new"))
        os.replace(self.checkpoint.with_suffix(".new"), self.checkpoint)

    def run(self) -> None:
        """Train to the end, with a log line and a checkpoint every minute, at least twelve of each."""
        options = self.options
        pool = Pool(self.recipe, options.seed, self.folder, options.quiet)
        pictures, masks = tuning_set(24)
        pictures = pictures.to(self.device)

        def score(**known: Any) -> None:
            found = jaccards(self.teacher.backbone, pictures, masks)
            heads = [round(float(value), 3) for value in found.mean(0)]
            best = round(float(found.max(1).mean()), 4)
            line = {"minute": round(self.spent / 60, 2), "step": self.step, **known, "best": best, "heads": heads}
            self.log.append(line)
            tqdm.write(json.dumps(line))
            sys.stdout.flush()

        if not self.log:
            score()
        torch.manual_seed(options.seed + self.step)
        mixed = torch.autocast(self.device.type, torch.bfloat16, enabled=options.precision == "bf16")
        bar = tqdm(total=100, desc="training", unit="%", disable=options.quiet, dynamic_ncols=True)
        kept = scored = (self.spent, self.progress)

        def due(last: tuple[float, float]) -> bool:
            return self.spent - last[0] > 60 or self.progress - last[1] > 1 / 12

        clock = time.perf_counter()
        for stage in self.stages:
            if self.progress >= stage.until:
                continue
            stream = batches(pool, self.recipe, stage, options.seed, self.step)
            for views in stream:
                progress = self.progress
                self._rate(progress)
                with mixed:
                    loss, parts = loss_of(
                        self.student, self.teacher, views.to(self.device), self.recipe, stage, progress
                    )  # fmt: skip
                self.optimizer.zero_grad(set_to_none=True)
                loss.backward()
                nn.utils.clip_grad_norm_(self.student.parameters(), 3.0)
                self.optimizer.step()
                with torch.no_grad():
                    slow = 1 - between(0.98, 1.0, progress)
                    torch._foreach_lerp_(list(self.teacher.parameters()), list(self.student.parameters()), slow)
                self.step += 1
                # With waiting for views, scoring and keeping, but not with the night that a laptop slept.
                self.spent += min(time.perf_counter() - clock, 20)
                clock = time.perf_counter()
                bar.update(int(100 * self.progress) - bar.n)
                bar.set_postfix({name: f"{value:.2f}" for name, value in parts.items()}, refresh=False)
                if due(scored) or self.progress >= 1:
                    score(size=stage.size, **parts)
                    scored = (self.spent, self.progress)
                if due(kept):
                    self.keep()
                    kept = (self.spent, self.progress)
                if self.progress >= stage.until:
                    break
            stream.close()
        self.keep()
        bar.close()

    def _rate(self, progress: float) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = self.options.rate * min(1.0, (self.step + 1) / 60) * max(0.01, between(1, 0.01, progress))
        self.optimizer.param_groups[0]["weight_decay"] = between(0.1, 0.3, progress)

    def export(self) -> None:
        """The teacher's backbone, in fp16, with what is needed to build and to believe it in the header."""
        from safetensors.torch import save_file

        recipe, options = self.recipe, self.options
        commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True).stdout.strip()
        length = f"--steps {options.steps}" if options.steps else f"--minutes {options.minutes:g}"
        words = f"python scripts/train_embedded.py {length} --seed {options.seed}"
        metadata = {
            "patch_size": recipe.patch_size, "width": recipe.width, "depth": recipe.depth, "heads": recipe.heads,
            "grid": recipe.grid, "mean": json.dumps(MEAN), "std": json.dumps(STD), "command": words,
            "commit": commit or "unknown", "steps": self.step, "jaccard_best_head": self.log[-1]["best"],
        }  # fmt: skip
        state = {name: value.half().contiguous().cpu() for name, value in self.teacher.backbone.state_dict().items()}
        output = Path(options.output)
        output.parent.mkdir(parents=True, exist_ok=True)
        save_file(state, output.with_suffix(".new"), {name: str(value) for name, value in metadata.items()})
        os.replace(output.with_suffix(".new"), output)
        print(f"wrote {output}, {output.stat().st_size / 1e6:.1f} MB", flush=True)


def main() -> int:
    """Draw, train, score, export, and show; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=40.0, help="time to train, without the drawing (40)")
    parser.add_argument(
        "--steps", type=int, help="in place of --minutes, a short trial that is the same on every machine"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--size", choices=list(RECIPES), help="small on a CPU, large on a GPU if not given")
    parser.add_argument("--rate", type=float, default=1e-3, help="learning rate")
    parser.add_argument("--precision", choices=("bf16", "fp32"), default="bf16", help="of the matrix products (bf16)")
    parser.add_argument("--threads", type=int, help="of the matrix products; as many as there are cores")
    parser.add_argument("--folder", default="runs/embedded", help="checkpoints, log, curves; a killed run goes on here")
    parser.add_argument("--fresh", action="store_true", help="start anew, whatever the folder holds")
    parser.add_argument("--output", default=str(ROOT / "rtviz" / "models" / "embedded.safetensors"))
    parser.add_argument("--quiet", action="store_true", help="no progress bars")
    options = parser.parse_args()
    cv2.setNumThreads(1)  # each composer is a thread already
    if options.threads:
        torch.set_num_threads(options.threads)
    training = Training(options)
    training.run()
    training.export()
    (training.folder / "log.json").write_text(json.dumps(training.log, indent=1))
    contact_sheet(training.teacher.backbone, training.folder / "contact.png")
    try:
        plot(training.log, training.folder / "curves.png")
    except MissingDependency as error:
        print(f"no curves: {error}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
