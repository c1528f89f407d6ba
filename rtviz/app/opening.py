"""Opening another source: by file dialog, menu, address line or drop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from PyQt5.QtCore import QObject, Qt
from PyQt5.QtWidgets import QFileDialog, QMenu

from rtviz.app.finder import Finder
from rtviz.app.header import fill_when_opened
from rtviz.app.layout import Layout
from rtviz.app.remembered import Remembered
from rtviz.live.session import LiveSession, LiveStatus

_UNLISTED = ("scene:", "screen:", "camera:", "pages:")  # these are not among the recent places


class Opening(QObject):
    """Opens places, and remembers those that delivered a frame.

    Args:
        do: does an action.
        finder: finds cameras in the background.
    """

    def __init__(
        self,
        layout: Layout,
        session: LiveSession,
        remembered: Remembered,
        finder: Finder,
        do: Callable[[str], None],
    ) -> None:
        super().__init__(layout)  # Qt disconnects it when the window goes
        self._layout, self._session, self._remembered = layout, session, remembered
        self._finder, self._do = finder, do
        self._cameras: list[tuple[str, str]] = []
        self._pending: str | None = None  # opened, but no frame yet
        finder.cameras.connect(self._take_cameras)
        layout.source.opened.connect(self.open)
        layout.source.refresh.connect(self._find_cameras)
        fill_when_opened(layout.header.open_button, self._fill_menu)

    def open(self, place: str) -> None:
        """Leave the present source for this one, if it can be opened."""
        self._pending = place
        self._session.open(place)
        name = place if "://" in place else Path(place).name or place
        self._layout.canvas.toast(f"opening {name}")
        self._layout.canvas.setFocus()

    def open_files(self, paths: Sequence[str]) -> None:
        """Open one file or folder, or several pictures as pages."""
        from rtviz.sources.pages import gather

        place, skipped = gather(paths)
        self.open(place)
        if skipped:
            self._layout.canvas.toast(f"{skipped} more not opened: one video at a time", 4.0)

    def ask_for_files(self) -> None:
        dialog = QFileDialog(self._layout, "Open a video, or pictures")
        dialog.setFileMode(QFileDialog.ExistingFiles)
        self._show(dialog)

    def ask_for_folder(self) -> None:
        dialog = QFileDialog(self._layout, "Open a folder of pictures")
        dialog.setFileMode(QFileDialog.Directory)
        self._show(dialog)

    def _show(self, dialog: QFileDialog) -> None:
        recent = next((Path(place).parent for place in self._remembered.recent if Path(place).exists()), None)
        if recent is not None:
            dialog.setDirectory(str(recent))
        dialog.setAttribute(Qt.WA_DeleteOnClose)
        dialog.filesSelected.connect(self.open_files)
        dialog.open()  # not modal: the picture goes on behind it

    def _fill_menu(self, menu: QMenu) -> None:
        def add(text: str, command: Callable[[], None], key: str = "") -> None:
            entry = menu.addAction(f"{text}\t{self._layout.bindings.shown(key)}" if key else text)
            if entry is not None:
                entry.triggered.connect(lambda: command())

        add("File…", lambda: self._do("open"), "open")
        add("Folder of pictures…", lambda: self._do("open_folder"))
        add("Address…", lambda: self._do("open_address"), "open_address")
        menu.addSeparator()
        for place, name in self._cameras:
            add(name, lambda place=place: self.open(place))  # type: ignore[misc]
        add("Built-in scene", lambda: self.open("scene:"))
        add("This screen", lambda: self.open("screen:"))
        if self._remembered.recent:
            menu.addSeparator()
            for place in self._remembered.recent:
                short = place if len(place) < 60 else f"…{place[-58:]}"
                add(short, lambda place=place: self.open(place))  # type: ignore[misc]
        self._find_cameras()

    def _find_cameras(self) -> None:
        self._finder.find(cameras=True, models=False)

    def _take_cameras(self, found: list[tuple[str, str]]) -> None:
        self._cameras = found
        self._layout.source.show_places(found, self._remembered.recent)

    def note(self, status: LiveStatus) -> None:
        """Remember a place once it has delivered a frame."""
        place = self._pending
        if (
            place is None
            or status.place != place
            or status.source_info is None
            or status.source_state not in ("live", "paused", "ended")
        ):
            return
        self._pending = None
        if not place.startswith(_UNLISTED) and not place.isdecimal():
            self._remembered.add_place(str(Path(place).resolve()) if Path(place).exists() else place)
        self._layout.source.show_places(self._cameras, self._remembered.recent)


__all__ = ["Opening"]
