"""The ways by which weights are fetched over the web, one small class each: the Hugging Face hub, and the authors."""

from __future__ import annotations

import inspect
import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from rtviz.models.card import ModelCard
from rtviz.models.weights import places
from rtviz.models.weights.download import cannot_write, download
from rtviz.models.weights.watching import Report, Stopped, Watch, WayFailed, watched

_log = logging.getLogger(__name__)

# How long an answer may take to begin. Behind a firewall that swallows packets these add up.
_FIRST_SECONDS = 5.0


class Way(Protocol):
    """One way to fetch weights.

    Attributes:
        name: as `--from` takes it.
        title: what it is.
    """

    name: str
    title: str

    def offers(self, card: ModelCard) -> bool:
        """Whether a model's weights are to be had this way."""

    def link(self, card: ModelCard) -> str | None:
        """The address of the file, for whoever fetches it by hand; None if it has no fixed one."""

    def steps(self, card: ModelCard) -> Sequence[str]:
        """What to do by hand where this way is blocked, each as "do this"."""

    def packed(self, card: ModelCard) -> Path | None:
        """What lies on this machine already and has only to be unpacked; None if nothing does."""

    def fetch(self, card: ModelCard, report: Report, until: float | None) -> Path:
        """Fetch them; where they are then.

        Raises:
            WayFailed: they cannot be had this way.
        """


class Hub:
    """The Hugging Face hub, by its own client, into the cache that all its users share."""

    name = "hub"
    title = "Hugging Face hub"

    def offers(self, card: ModelCard) -> bool:
        return card.repository is not None

    def link(self, card: ModelCard) -> str:
        return f"{_endpoint()}/{card.repository}/resolve/main/{card.filename}"

    def steps(self, card: ModelCard) -> Sequence[str]:
        place = places.folder() / (card.trained_name + Path(card.filename).suffix)
        return [f"fetch {self.link(card)} elsewhere and put it at {place}"]

    def packed(self, card: ModelCard) -> None:
        return None

    def fetch(self, card: ModelCard, report: Report, until: float | None) -> Path:
        import huggingface_hub  # noqa: F401  # on a slow disk that takes longer than an answer

        return watched(lambda watch: self._download(card, watch), report, first_s=_FIRST_SECONDS, until=until)

    def _download(self, card: ModelCard, watch: Watch) -> Path:
        import huggingface_hub
        from huggingface_hub import errors

        assert card.repository is not None
        # Said here rather than left to the library, which reads the environment only once, when it is imported.
        arguments: dict[str, Any] = {"endpoint": _endpoint(), "cache_dir": places.hub_cache()}
        if "tqdm_class" in inspect.signature(huggingface_hub.hf_hub_download).parameters:
            arguments["tqdm_class"] = _reporter(watch)
        try:
            with _plain_http():
                # One question first, asked once: hf_hub_download asks six times, with growing pauses.
                found = huggingface_hub.get_hf_file_metadata(
                    huggingface_hub.hf_hub_url(card.repository, card.filename, endpoint=_endpoint()),
                    timeout=_FIRST_SECONDS,
                )
                if found.commit_hash is None:
                    raise WayFailed("what answers there is not the hub; a proxy or a login page stands before it")
                watch.tell(0, found.size)
                return Path(huggingface_hub.hf_hub_download(card.repository, card.filename, **arguments))
        except (WayFailed, Stopped):
            raise
        except Exception as error:
            if watch.stopped.is_set():
                raise Stopped from None
            _log.debug("download of %s failed: %s", card.repository, error, exc_info=True)
            # Every way in which a network can fail, and the client library's own names for them, differ between its
            # versions: all mean that the weights are not to be had this way.
            if isinstance(error, errors.OfflineModeIsEnabled):
                reason = "HF_HUB_OFFLINE forbids it"
            elif isinstance(error, errors.GatedRepoError):
                reason = "a form must be filled in on their page first"
            elif isinstance(error, errors.RepositoryNotFoundError | errors.EntryNotFoundError) and not isinstance(
                error, errors.LocalEntryNotFoundError
            ):
                reason = "it does not have them any more"
            elif isinstance(error, OSError) and error.errno is not None and error.filename is not None:
                reason = cannot_write(places.hub_cache(), error)
            else:
                reason = "it cannot be reached, or the connection broke"
            raise WayFailed(reason) from None


def _endpoint() -> str:
    return (os.environ.get("HF_ENDPOINT") or "https://huggingface.co").rstrip("/")


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


def _reporter(watch: Watch) -> type:
    """What huggingface_hub takes for a tqdm bar, handing everything on to whoever watches."""
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
            watch.tell(self.done, int(self.total) if self.total else None)

    return Reporter


class Authors:
    """The file that the authors publish, from their own address, into the weights folder."""

    name = "authors"
    title = "authors' own address"

    def offers(self, card: ModelCard) -> bool:
        return card.official_url is not None

    def link(self, card: ModelCard) -> str:
        assert card.official_url is not None
        return card.official_url

    def steps(self, card: ModelCard) -> Sequence[str]:
        return [f"fetch {self.link(card)} elsewhere and put it into {places.folder()}"]

    def packed(self, card: ModelCard) -> None:
        return None

    def fetch(self, card: ModelCard, report: Report, until: float | None) -> Path:
        url = self.link(card)
        target = places.folder() / (card.official_filename or url.rpartition("/")[2])
        return watched(
            lambda watch: download(url, target, watch, sha256=card.official_sha256),
            report,
            first_s=_FIRST_SECONDS,
            until=until,
        )
