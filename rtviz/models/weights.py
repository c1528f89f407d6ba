"""Weights: find them (a file, a cache, the hub), read them without running code, and refuse those that do not fit."""

from __future__ import annotations

import argparse
import inspect
import logging
import os
import re
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rtviz.errors import WeightsMissing, WeightsRefused
from rtviz.models import zoo
from rtviz.models.zoo import ModelCard

if TYPE_CHECKING:
    from torch import Tensor, nn

Progress = Callable[[str, int, int | None], None]  # (what, bytes done, bytes in all); may raise to cancel

_log = logging.getLogger(__name__)

_PATIENCE_SECONDS = 8.0  # how long the hub may take to answer at all
_SUFFIXES = (".safetensors", ".pth", ".pt", ".bin")


# --- where they are --------------------------------------------------------------------------------------------------


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
    if card.name == zoo.EMBEDDED:
        return zoo.EMBEDDED_FILE if zoo.EMBEDDED_FILE.is_file() else None
    # What the hub does not have, timm has no name for: there its name is that of an architecture.
    own = (card.trained_name, card.timm_name if card.repository else card.trained_name)
    names = [name + suffix for name in dict.fromkeys(own) for suffix in _SUFFIXES]
    official = [card.official_filename] if card.official_filename else []
    candidates = [folder() / name for name in names + official]
    if card.repository:
        candidates += _in_hub_cache(card.repository, card.filename)
    candidates += [_torch_hub_cache() / name for name in official]
    return next((path for path in candidates if path.is_file()), None)


def is_here(card: ModelCard) -> bool:
    """Whether the model can be loaded without a network."""
    return card.random or find_here(card) is not None


def _in_hub_cache(repository: str, filename: str) -> list[Path]:
    """Where huggingface_hub keeps the main revision of a file, if it has one."""
    place = _hub_cache() / ("models--" + repository.replace("/", "--"))
    try:
        return [place / "snapshots" / (place / "refs" / "main").read_text().strip() / filename]
    except OSError:
        return []


def _hub_cache() -> Path:
    home = os.environ.get("HF_HOME") or _user_cache() / "huggingface"
    hub = os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE") or Path(home) / "hub"
    return Path(hub).expanduser()


def _torch_hub_cache() -> Path:
    return Path(os.environ.get("TORCH_HOME") or _user_cache() / "torch").expanduser() / "hub" / "checkpoints"


def _user_cache() -> Path:
    """Where both libraries keep their caches, on every system."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


def resolve(card: ModelCard, weights: str | Path | None = None, progress: Progress | None = None) -> Path:
    """The file with a model's weights: the one given, else the one on this machine, else the downloaded one.

    Raises:
        WeightsMissing: the given file is not there, or nothing is cached and the hub cannot be reached.
    """
    if weights is not None:
        path = Path(weights).expanduser()
        if not path.is_file():
            what = "is a folder" if path.is_dir() else "is not there"
            raise WeightsMissing(f"the weights file {path} {what}; --weights takes a safetensors or .pth file")
        return path
    return find_here(card) or fetch(card, progress)


# --- fetching them ---------------------------------------------------------------------------------------------------


def fetch(card: ModelCard, progress: Progress | None = None) -> Path:
    """Download a model's weights into the cache of huggingface_hub; a download that was cut off is resumed.

    Args:
        progress: is called with the model's name, bytes done, and bytes in all; what it raises cancels the download and
            comes out of here.

    Raises:
        WeightsMissing: nobody publishes them, or they cannot be reached; the message tells what to do by hand.
    """
    if card.repository is None and card.official_url:
        raise WeightsMissing(
            f"the weights of {card.name} are not on this machine, and the hub does not have them: fetch "
            f"{card.official_url} and put it into {folder()}, or pass it with --weights; "
            f"{_untrained_name(card)} (untrained) needs no download"
        )
    if card.repository is None:
        raise WeightsMissing(
            f"no trained weights of {card.name} are published that rtviz could fetch; pass a file with --weights, "
            f"or look with {_untrained_name(card)}, which is untrained"
        )
    import huggingface_hub
    from huggingface_hub import errors

    # Said here rather than left to the library, which reads the environment only once, when it is imported.
    arguments: dict[str, Any] = {"endpoint": _endpoint(), "cache_dir": _hub_cache()}
    stopped: list[BaseException] = []
    if "tqdm_class" in inspect.signature(huggingface_hub.hf_hub_download).parameters:
        arguments["tqdm_class"] = _reporter(card.name, progress, stopped)
    try:
        with _plain_http():
            # One question first, asked once and briefly: hf_hub_download asks six times, with growing pauses, which
            # behind a firewall that swallows packets is minutes of silence.
            huggingface_hub.get_hf_file_metadata(
                huggingface_hub.hf_hub_url(card.repository, card.filename, endpoint=_endpoint()),
                timeout=_PATIENCE_SECONDS,
            )
            return Path(huggingface_hub.hf_hub_download(card.repository, card.filename, **arguments))
    except Exception as error:
        if stopped:
            raise stopped[0] from None
        _log.debug("download of %s failed: %s", card.repository, error, exc_info=True)
        # Every way in which a network can fail, and the client library's own names for them, differ between its
        # versions: all mean that the weights are not to be had this way.
        if isinstance(error, errors.OfflineModeIsEnabled):
            reason = "HF_HUB_OFFLINE forbids to fetch them"
        elif isinstance(error, errors.GatedRepoError):
            reason = "they are behind a licence that must be accepted on their page first"
        elif isinstance(error, errors.RepositoryNotFoundError | errors.EntryNotFoundError) and not isinstance(
            error, errors.LocalEntryNotFoundError
        ):
            reason = "the hub does not have them any more"
        elif _is_disk_full(error):
            reason = "the disk is full"
        else:
            reason = "the hub cannot be reached, or the connection broke"
        raise WeightsMissing(_by_hand(card, reason)) from None


def _by_hand(card: ModelCard, reason: str) -> str:
    suffix = Path(card.filename).suffix
    ready = [f"{_untrained_name(card)} (untrained)"]
    if zoo.embedded_card() is not None:
        ready.insert(0, zoo.EMBEDDED)
    return (
        f"the weights of {card.name} are not on this machine, and {reason}: "
        f"fetch {_endpoint()}/{card.repository}/resolve/main/{card.filename} elsewhere and put it at "
        f"{folder() / (card.name + suffix)}, or pass it with --weights; "
        f"{' and '.join(ready)} need{'s' if len(ready) == 1 else ''} no download"
    )


def _untrained_name(card: ModelCard) -> str:
    return zoo.RANDOM + card.trained_name


def _endpoint() -> str:
    return (os.environ.get("HF_ENDPOINT") or "https://huggingface.co").rstrip("/")


def _is_disk_full(error: BaseException) -> bool:
    import errno

    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


@contextmanager
def _plain_http() -> Iterator[None]:
    """Download over plain HTTP, in small steps: it shows its progress, can be cancelled, and passes firewalls.

    The hub's chunked protocol (xet) goes to other hosts, and reports from threads that an exception cannot stop.
    """
    from huggingface_hub import constants

    wanted = {"HF_HUB_DISABLE_XET": True, "DOWNLOAD_CHUNK_SIZE": 256 * 1024}
    before = {name: getattr(constants, name) for name in wanted if hasattr(constants, name)}
    hub_log = logging.getLogger("huggingface_hub")
    level = hub_log.level
    for name in before:
        setattr(constants, name, wanted[name])
    hub_log.setLevel(logging.ERROR)  # its retries are no news to the user; our error says what failed
    try:
        yield
    finally:
        hub_log.setLevel(level)
        for name, value in before.items():
            setattr(constants, name, value)


def _reporter(name: str, progress: Progress | None, stopped: list[BaseException]) -> type:
    """What huggingface_hub takes for a tqdm bar, handing everything on to `progress`."""
    from tqdm import tqdm

    class Reporter(tqdm):  # type: ignore[type-arg]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            kwargs["disable"] = True  # draws nothing itself
            kwargs.pop("name", None)
            super().__init__(*args, **kwargs)
            self.total = kwargs.get("total")
            self.done = int(kwargs.get("initial") or 0)
            self._tell()

        def update(self, n: float | None = 1) -> None:
            self.done += int(n or 0)
            self._tell()

        def _tell(self) -> None:
            if progress is None:
                return
            try:
                progress(name, self.done, int(self.total) if self.total else None)
            except BaseException as error:
                stopped.append(error)
                raise

    return Reporter


# --- reading them ----------------------------------------------------------------------------------------------------


def read(path: Path) -> dict[str, Any]:
    """What a weights file holds: tensors by name, perhaps nested. No code of the file is ever run.

    Raises:
        WeightsRefused: it is damaged, or holds more than tensors and plain values.
    """
    import pickle

    import torch

    try:
        with open(path, "rb") as file:
            start = file.read(16)
    except OSError as error:
        raise WeightsRefused(f"cannot read the weights {path}: {error.strerror}") from None
    try:
        if path.suffix == ".safetensors" or start[8:9] == b"{":
            import safetensors.torch

            return dict(safetensors.torch.load_file(path))
        # Full checkpoints of DINO carry their command line along, as a Namespace: a record of plain values.
        with torch.serialization.safe_globals([argparse.Namespace]), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of an unusual pickle protocol, and then it is read or refused
            held = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise WeightsRefused(
            f"{path} is not a file of plain weights ({_first_line(error)}); rtviz never runs code from a weights file: "
            "take a safetensors file, or one with tensors only"
        ) from None
    except Exception as error:  # safetensors, zipfile, struct, pickle and torch each have their own for a damaged file
        raise WeightsRefused(f"{path} is damaged, or no weights file ({_first_line(error)})") from None
    if not isinstance(held, Mapping):
        raise WeightsRefused(f"{path} holds a {type(held).__name__}, not tensors by name")
    return dict(held)


def _first_line(error: BaseException) -> str:
    """The gist of a library's error, which may be a page long."""
    blocked = re.search(r"Unsupported (?:global|class|operand).*?(?=\n| was not|$)|GLOBAL [\w. ]+", str(error))
    text = blocked[0] if blocked else (str(error).strip().splitlines() or [type(error).__name__])[0].strip()
    if len(text) > 160:  # whole sentences, as far as there is room
        text = text[:160].rpartition(". ")[0] or text[:160].rpartition(" ")[0]
    return text


# --- fitting them ----------------------------------------------------------------------------------------------------

_WRAPPERS = re.compile(r"^(?:module|_orig_mod|model|student|teacher|backbone|encoder)\.")
_NESTS = ("teacher", "model_ema", "student", "state_dict", "model", "module")
# With one of these that it has not, it is another one; a NaFlex model keeps its embeddings together.
_TRANSFORMER = re.compile(r"blocks\.|rel_pos_bias\.|(?:embeds\.)?(?:reg_token|pos_embed|cls_token)")
# Without these the transformer is the same: they come after it, or served only its training.
_NOT_TRANSFORMER = re.compile(r"^(?:head|fc_norm|attn_pool|mask_token|pre_logits|fc|last_layer|mlp|projectors)\b")
# The same of a convolutional network, whose own layers may be called anything.
_NOT_CONVNET = re.compile(
    r"^(?:head|fc|fc_norm|classifier|head_dist|last_layer|last_linear|logits|pre_logits|mlp|norms|projectors)\b"
)


def load_into(network: nn.Module, path: Path, card: ModelCard) -> None:
    """Read a weights file into a network of timm.

    Takes timm's own files, and official ones as they are published: full checkpoints with teacher and student (the
    teacher is taken, as the papers evaluate it), wrapped names, heads, position embeddings for any square of patches.

    Raises:
        WeightsRefused: the file is unsafe or damaged, or it is of another model: weights of the transformer, or of the
            convolutional network, are missing, too many, or of another shape.
    """
    import torch

    from rtviz.models import backbone, positions

    given = plain_names(read(path))
    if not given:
        raise WeightsRefused(f"{path} holds no tensors by name; {card.name} needs its own weights")
    # A sum is finite where all its terms are: one quick pass, and nothing allocated.
    damaged = [name for name, t in given.items() if t.is_floating_point() and not t.sum(dtype=torch.float64).isfinite()]
    if damaged:
        raise WeightsRefused(f"{path} is damaged: {_some(damaged)} holds values that are not finite numbers")
    mismatch = _wrong_patches(given, network)
    if not mismatch:
        positions.accept_grid(network, given)
    try:
        converted = given if mismatch else _to_timm_names(given, network)
    except (RuntimeError, KeyError, ValueError, AssertionError, AttributeError) as error:
        # timm's conversion of a file of another architecture; the comparison below says it better if it can.
        _log.debug("%s: timm cannot convert its names: %s", path, error)
        converted = given

    # A file without the network's classifier, or with one for other classes, is as good for everything but Grad-CAM.
    wanted = network.state_dict()
    classifier = backbone.classifier_weights(network)
    if classifier and any(getattr(converted.get(name), "shape", None) != wanted[name].shape for name in classifier):
        backbone.drop_classifier(network)
        wanted = network.state_dict()
    matched = {name: tensor for name, tensor in converted.items() if name in wanted}
    missing = [name for name in wanted if name not in matched]
    unexpected = [name for name in converted if name not in wanted]
    _log.debug(
        "%s into %s: %d matched, %d missing%s, %d unexpected%s",
        path, card.name, len(matched), len(missing), _listed(missing), len(unexpected), _listed(unexpected),
    )  # fmt: skip

    if card.kind == "convnet":
        lacking = [name for name in missing if not (_NOT_CONVNET.match(name) or _is_buffer(name))]
        foreign = [name for name in unexpected if not _NOT_CONVNET.match(name)]
    else:
        lacking = [name for name in missing if not _NOT_TRANSFORMER.match(name)]
        foreign = [name for name in unexpected if _TRANSFORMER.match(name)]
    differing = [name for name, tensor in matched.items() if tensor.shape != wanted[name].shape]
    if mismatch or differing:
        name = (mismatch or differing)[0]
        has, needs = tuple(given.get(name, converted.get(name)).shape), tuple(wanted[name].shape)  # type: ignore[union-attr]
        reason = f"{name} is {_by(has)}, and {_by(needs)} is needed"
    elif lacking:
        reason = f"{len(lacking)} of {len(wanted)} weights are missing, such as {lacking[0]}"
    elif foreign:
        reason = f"it has weights that this model has not, such as {foreign[0]}"
    else:
        with torch.no_grad():
            network.load_state_dict(matched, strict=False)
        return
    raise WeightsRefused(f"{path} does not fit {card.name}: {reason}{_looks_like(given, card)}")


def plain_names(held: Mapping[str, Any]) -> dict[str, Tensor]:
    """The tensors of one network, under names without the wrappers that training puts around them.

    Of a teacher and a student the teacher is taken; of a backbone and its head the backbone.
    """
    import torch

    nested = next((key for key in _NESTS if isinstance(held.get(key), Mapping)), None)
    if nested is not None:
        return plain_names(held[nested])
    tensors = {name: value for name, value in held.items() if isinstance(name, str) and isinstance(value, torch.Tensor)}
    tensors = {re.sub(r"(^|\.)blocks\.\d+\.(\d+)\.", r"\1blocks.\2.", name): value for name, value in tensors.items()}
    while True:
        parts = {match[0] for name in tensors if (match := _WRAPPERS.match(name))}
        for part in ("teacher.", "student.", "backbone."):
            if part in parts:  # these stand beside something else, which is not wanted
                tensors = {name: tensor for name, tensor in tensors.items() if name.startswith(part)}
                break
        if not parts:
            return tensors
        tensors = {_WRAPPERS.sub("", name, count=1): tensor for name, tensor in tensors.items()}


def _to_timm_names(given: dict[str, Tensor], network: nn.Module) -> dict[str, Tensor]:
    """timm's own names, with position embeddings for the network's grid: timm knows each family's official names."""
    own = set(network.state_dict())
    if "storage_tokens" in given:  # DINOv3's official names
        for name in [name for name in given if name.endswith("qkv.bias")]:
            # Of the biases only q's and v's exist. timm's model leaves both out where they are zero, as published.
            if name.replace("qkv.bias", "q_bias") not in own:
                if given[name].count_nonzero():
                    raise ValueError(f"{name} is not zero, and this network has no such bias")
                given = {other: tensor for other, tensor in given.items() if other != name}
    convert = getattr(sys.modules[type(network).__module__], "checkpoint_filter_fn", None)
    converted = dict(convert(dict(given), network)) if convert else given
    return {name: tensor for name, tensor in converted.items() if name in own or not _is_buffer(name)}


def _is_buffer(name: str) -> bool:
    """What old checkpoints keep although it is computed: not a weight."""
    return name.endswith((".relative_position_index", ".periods", ".bias_mask", ".num_batches_tracked"))


def _wrong_patches(given: Mapping[str, Tensor], network: nn.Module) -> list[str]:
    """The patch embedding's name, if the file is for other patches or another width.

    timm would resample patches of another size without a word, and show another model than the one that was asked for.
    """
    name = "patch_embed.proj.weight"
    there, own = given.get(name), network.state_dict().get(name)
    wrong = there is not None and own is not None and there.ndim == 4 and there.shape != own.shape
    return [name] if wrong else []


def _looks_like(given: Mapping[str, Tensor], card: ModelCard) -> str:
    likely = [other.name for other in cards_that_fit(given)]
    if card.trained_name in likely:  # its own shape: another name would not help
        return ""
    return f"; it looks like {' or '.join(likely[:3])}" if likely else ""


def cards_that_fit(given: Mapping[str, Tensor]) -> list[ModelCard]:
    """The named models whose shape a file's tensors have, most likely first; for files whose name tells nothing."""
    patches = given.get("patch_embed.proj.weight")
    if patches is None:
        return _convnets_that_fit(given)
    if patches is None or patches.ndim != 4:
        return []
    layers = len({name.split(".")[1] for name in given if name.startswith("blocks.")})
    registers = next(
        (given[name].shape[1] for name in ("register_tokens", "storage_tokens", "reg_token") if name in given), 0
    )
    return [
        card
        for card in zoo.cards()
        if (card.width, card.patch_size, card.layers) == (patches.shape[0], patches.shape[-1], layers)
        and card.registers == registers
    ]


# How a named convolutional network shows in its file: blocks by stage, and what tells the last stage's width, under
# timm's name and under the authors' own.
_BLOCK = re.compile(r"(?:layer|stages\.)(\d)\.(?:blocks\.)?(\d+)\.")
_CONVNETS = {
    "resnet50": ((3, 4, 6, 3), ("layer4.2.conv3.weight",)),
    "dino-resnet50": ((3, 4, 6, 3), ("layer4.2.conv3.weight",)),
    "dinov3-convnext-tiny": ((3, 3, 9, 3), ("stages.3.blocks.2.conv_dw.weight", "stages.3.2.dwconv.weight")),
}


def _convnets_that_fit(given: Mapping[str, Tensor]) -> list[ModelCard]:
    blocks = {match.groups() for name in given if (match := _BLOCK.match(name))}
    stages = sorted({stage for stage, _ in blocks})
    counts = tuple(len([block for stage, block in blocks if stage == wanted]) for wanted in stages)
    found = []
    for card in zoo.cards():
        shape, last = _CONVNETS.get(card.name, ((), ()))
        weight = next((given[name] for name in last if name in given), None)
        if counts == shape and weight is not None and weight.shape[0] == card.width:
            found.append(card)
    classifier = any(name.startswith(("fc.", "head.fc.")) for name in given)
    return sorted(found, key=lambda card: (card.family == "supervised") != classifier)


def _some(names: list[str]) -> str:
    return names[0] + (f" and {len(names) - 1} more" if len(names) > 1 else "")


def _listed(names: Iterable[str]) -> str:
    text = ", ".join(names)
    return f" ({text})" if text else ""


def _by(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "one number"
