"""Actions that write files: recordings, snapshots, the last seconds, the layer sweep, a basis of PCA."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

from PyQt5.QtGui import QImage

from rtviz.app.canvas import to_pixels
from rtviz.app.keys import Bindings
from rtviz.app.remembered import Remembered
from rtviz.errors import RtvizError
from rtviz.live.session import RECORDED, SNAPSHOTS, LiveSession
from rtviz.notices import FileWritten
from rtviz.views.requirements import fit


class SavingCommands:
    """Actions that write files: recordings, snapshots, the last seconds, the layer sweep.

    Args:
        session: what they act on.
        say: shows text on the picture, for so many seconds; from any thread.
        seen: the picture as it is seen.
        wrote: called with each file that was written, from any thread.

    Attributes:
        record_what: what a recording holds: "overlay", "side-by-side" or "clean".
        snapshot_what: what a snapshot holds: "as shown", "labelled" or "clean".
    """

    def __init__(
        self,
        session: LiveSession,
        remembered: Remembered,
        bindings: Bindings,
        say: Callable[..., None],
        seen: Callable[[], QImage | None],
        wrote: Callable[[FileWritten], None],
    ) -> None:
        self.session, self.remembered, self.bindings, self._say = session, remembered, bindings, say
        self._seen, self._note = seen, wrote
        self.record_what = RECORDED[0]
        self.snapshot_what = SNAPSHOTS[0]

    def table(self) -> dict[str, Callable[[], None]]:
        """Action -> what does it."""
        return {
            "record": self._record,
            "record_what": self._record_what,
            "snapshot": self._snapshot,
            "snapshot_what": self._snapshot_what,
            "save_past": self._save_past,
            "elevator_save": self._save_elevator,
            "save_pca_basis": self._save_pca_basis,
        }

    def videos_folder(self) -> Path:
        """The user's folder for videos, which is there."""
        return self._folder(".mp4")

    def pictures_folder(self) -> Path:
        """The user's folder for pictures, which is there."""
        return self._folder(".png")

    def _folder(self, suffix: str) -> Path:
        import platformdirs

        given = self.remembered.window.get("folder")
        if given:
            folder = Path(str(given)).expanduser()
        else:
            folder = (
                Path(platformdirs.user_pictures_dir() if suffix == ".png" else platformdirs.user_videos_dir()) / "rtviz"
            )
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            folder = Path.home()
        return folder

    def _new_file(self, suffix: str, word: str = "") -> Path:
        """A path that does not exist yet, in the user's folder for pictures or videos."""
        folder = self._folder(suffix)
        stem = time.strftime("rtviz-%Y-%m-%d-%H-%M-%S") + (f"-{word}" if word else "")
        path, number = folder / f"{stem}{suffix}", 2
        while path.exists():
            path, number = folder / f"{stem}-{number}{suffix}", number + 1
        return path

    def _wrote(self, path: Path) -> None:
        self._note(FileWritten.of(path))

    def _record(self) -> None:
        if self.session.status().recording is not None:
            self.session.stop_recording()
            self._say("recording stopped")
            return
        path = self._new_file(".mp4")
        self.session.start_recording(path, self.record_what)
        self._say(f"recording: {self.record_what}")

    def _record_what(self) -> None:
        self.record_what = RECORDED[(RECORDED.index(self.record_what) + 1) % len(RECORDED)]
        self._say(f"{self.bindings.shown('record')} records: {self.record_what}")

    def _snapshot_what(self) -> None:
        self.snapshot_what = SNAPSHOTS[(SNAPSHOTS.index(self.snapshot_what) + 1) % len(SNAPSHOTS)]
        self._say(f"{self.bindings.shown('snapshot')} saves: {self.snapshot_what}")

    def _snapshot(self) -> None:
        path, what = self._new_file(".png"), self.snapshot_what
        image = None if what == "clean" else self._seen()

        def write() -> None:
            try:
                self._wrote(self.session.snapshot(path, what, None if image is None else to_pixels(image)))
            except RtvizError as error:
                self._say(str(error), 4.0)

        # A large picture takes a while to compress, and keys must work meanwhile.
        threading.Thread(target=write, name="rtviz-snapshot", daemon=True).start()

    def _save_past(self) -> None:
        self.session.save_past(self._new_file(".mp4", "past"))
        self._say("saving the last seconds")

    def _save_pca_basis(self) -> None:
        """Fit principal components on the picture shown, save them, and show them from now on."""
        result = self.session.latest()
        if result is None or result.maps is None or result.maps.tokens_after(result.settings.layer) is None:
            self._say("principal components are saved where the view PCA shows them", 3.0)
            return
        from rtviz.views.pca_basis import PcaBasis

        path = self._new_file(".npz", "pca")
        PcaBasis.fit([result.maps], result.settings.layer).save(path)
        self.session.update(self.session.settings.replace(pca_basis=str(path)))
        self._wrote(path)

    def _save_elevator(self) -> None:
        result = self.session.latest()
        if result is None or result.maps is None:
            self._say("the layer sweep needs a first prediction", 3.0)
            return
        from rtviz.offline.layer_sweep import save  # it draws, and the window opens before what draws is loaded

        path = self._new_file(".gif", "layers")
        frame, maps = result.frame, result.maps
        settings = self.session.settings

        def write() -> None:
            try:
                save(path, frame, maps, fit(settings, maps))
                self._wrote(path)
            except RtvizError as error:
                self._say(str(error), 4.0)

        self._say("saving the layer sweep")
        threading.Thread(target=write, name="rtviz-layers", daemon=True).start()


__all__ = ["SavingCommands"]
