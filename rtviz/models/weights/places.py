"""Where the weights of a model lie on this machine, and where they came from. Imports neither torch nor a hub."""

from __future__ import annotations

import os
from pathlib import Path

from rtviz.errors import WeightsRefused
from rtviz.models.card import EMBEDDED, EMBEDDED_FILE, ModelCard
from rtviz.models.safetensors_file import safetensors_header

SUFFIXES = (".safetensors", ".pth", ".pt", ".bin", ".onnx")

ORIGIN = "rtviz.origin"  # the way that a file came by, in the metadata of those that rtviz wrote itself


def folder() -> Path:
    """Where a user can put weights by hand, as NAME.safetensors or NAME.pth: RTVIZ_WEIGHTS, or in the user's cache."""
    if chosen := os.environ.get("RTVIZ_WEIGHTS"):
        return Path(chosen).expanduser()
    import platformdirs  # an untrained or the built-in model asks for nothing of it

    return Path(platformdirs.user_cache_dir("rtviz", False)) / "weights"


def find_here(card: ModelCard) -> Path | None:
    """The weights of a model on this machine; None if they would have to be downloaded.

    Looks in `folder()`, then in the caches of huggingface_hub and of torch.hub. Imports neither, so that a list of
    models is quick.
    """
    return found[0] if (found := _found(card)) else None


def is_here(card: ModelCard) -> bool:
    """Whether the model can be loaded without a network."""
    return card.random or find_here(card) is not None


def find_from(card: ModelCard, way: str) -> Path | None:
    """The weights of a model that came by one way, whatever else is here."""
    return next((path for path in _found(card) if origin(path, card) == way), None)


def origin(path: Path, card: ModelCard) -> str:
    """Where the weights on this machine came from: hub, authors, index; file (put there by hand), rtviz (built in)."""
    if card.name == EMBEDDED:
        return "rtviz"
    if hub_cache() in path.parents:
        return "hub"
    if path.name == card.official_filename:
        return "authors"
    if path.suffix == ".whl":
        return "index"
    if path.suffix == ".safetensors":
        try:
            return safetensors_header(path)[0].get(ORIGIN, "file")
        except WeightsRefused:  # damaged: said when it is loaded
            pass
    return "file"


def _found(card: ModelCard) -> list[Path]:
    """All files with the weights of a model, the one to take first."""
    if card.name == EMBEDDED:
        return [EMBEDDED_FILE] if EMBEDDED_FILE.is_file() else []
    names = [name + suffix for name in dict.fromkeys(card.names) for suffix in SUFFIXES]
    official = [card.official_filename] if card.official_filename else []
    candidates = [folder() / name for name in names + official]
    if card.repository:
        candidates += _in_hub_cache(card.repository, card.filename)
    candidates += [_torch_hub_cache() / name for name in official]
    return [path for path in candidates if path.is_file()]


def _in_hub_cache(repository: str, filename: str) -> list[Path]:
    """Where huggingface_hub keeps the main revision of a file, if it has one."""
    place = hub_cache() / ("models--" + repository.replace("/", "--"))
    try:
        return [place / "snapshots" / (place / "refs" / "main").read_text().strip() / filename]
    except OSError:
        return []


def hub_cache() -> Path:
    home = os.environ.get("HF_HOME") or _user_cache() / "huggingface"
    hub = os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE") or Path(home) / "hub"
    return Path(hub).expanduser()


def _torch_hub_cache() -> Path:
    return Path(os.environ.get("TORCH_HOME") or _user_cache() / "torch").expanduser() / "hub" / "checkpoints"


def _user_cache() -> Path:
    """Where both libraries keep their caches, on every system."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
