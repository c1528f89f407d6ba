"""Opening another source: by file dialog, menu, address line or drop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from PyQt5.QtCore import QObject, Qt
from PyQt5.QtWidgets import QFileDialog, QMenu

from rtviz.app.file_filters import PICTURES, VIDEOS, WEIGHTS, offer
from rtviz.app.finder import Finder
from rtviz.app.header import fill_when_opened
from rtviz.app.layout import Layout
from rtviz.app.playlist import Playlist
from rtviz.app.remembered import Remembered
from rtviz.errors import RtvizError
from rtviz.live.session import LiveSession, LiveStatus

_UNLISTED = ("scene:", "screen:", "camera:", "pages:")  # these are not among the recent places


class Opening(QObject):
    """Opens places, and remembers those that delivered a frame.

    Args:
        take: takes files that are chosen in a dialog to where they belong.
        do: does an action.
        finder: finds cameras in the background.
    """

    def __init__(
        self,
        layout: Layout,
        session: LiveSession,
        remembered: Remembered,
        finder: Finder,
        take: Callable[[Sequence[str]], None],
        do: Callable[[str], None],
    ) -> None:
        super().__init__(layout)  # Qt disconnects it when the window goes
        self._layout, self._session, self._remembered = layout, session, remembered
        self._finder, self._take, self._do = finder, take, do
        self.playlist = Playlist()
        self._cameras: list[tuple[str, str]] = []
        self._pending: str | None = None  # opened, but no frame yet
        finder.cameras.connect(self._take_cameras)
        layout.source.opened.connect(self.open)
        layout.source.refresh.connect(self._find_cameras)
        fill_when_opened(layout.header.open_button, self._fill_menu)

    def actions(self) -> dict[str, Callable[[], None]]:
        """Action -> what does it."""
        return {
            "open": self.ask_for_files,
            "open_folder": self.ask_for_folder,
            "open_scene": lambda: self.open("scene:"),
            "clip_previous": lambda: self._step(-1),
            "clip_next": lambda: self._step(1),
        }

    def open(self, place: str) -> None:
        """Leave the present source for this one, if it can be opened."""
        self._open(self.playlist.begin([place]))

    def _step(self, step: int) -> None:
        place = self.playlist.neighbour(step)
        if place is not None:
            self._open(place)
        elif len(self.playlist.places) < 2:
            self._layout.canvas.toast("one video is open: several files dropped on the window are a playlist", 3.0)
        else:
            self._layout.canvas.toast("this is the last one" if step > 0 else "this is the first one")

    def _open(self, place: str) -> None:
        self._pending = place
        self._session.open(place)
        name = place if "://" in place else Path(place).name or place
        self._layout.canvas.toast(f"opening {name}")
        self._layout.canvas.setFocus()

    def open_files(self, paths: Sequence[str]) -> None:
        """Open files and folders: pictures as pages, several videos one after the other."""
        from rtviz.sources.pages import places_of  # the window opens before what it loads

        try:
            places, left_out = places_of(paths)
        except RtvizError as error:
            self._layout.canvas.toast(str(error), 4.0)
            return
        self._open(self.playlist.begin(places))
        if left_out:
            what = "a folder holds" if left_out == 1 else f"{left_out} folders hold"
            self._layout.canvas.toast(f"{what} neither pictures nor videos", 4.0)

    def ask_for_files(self) -> None:
        dialog = QFileDialog(self._layout, "Open videos, or pictures")
        dialog.setFileMode(QFileDialog.ExistingFiles)
        offer(dialog, VIDEOS, PICTURES, WEIGHTS)
        self._show(dialog)

    def ask_for_folder(self) -> None:
        dialog = QFileDialog(self._layout, "Open a folder of pictures")
        dialog.setFileMode(QFileDialog.Directory)
        self._show(dialog)

    def _show(self, dialog: QFileDialog) -> None:
        places = [place for place in (self._session.status().place, *self._remembered.recent) if place]
        folder = next((Path(place).parent for place in places if Path(place).exists()), None)
        if folder is not None:
            dialog.setDirectory(str(folder.absolute()))
        dialog.setAttribute(Qt.WA_DeleteOnClose)
        dialog.filesSelected.connect(self._take)
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
        if len(self.playlist.places) > 1:
            menu.addSeparator()
            for number, place in enumerate(self.playlist.places):
                words = f"{number + 1}   {'pictures' if place.startswith('pages:') else Path(place).name or place}"
                add(words, lambda number=number: self._open(self.playlist.choose(number)))  # type: ignore[misc]
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
        """Remember a place once it has delivered a frame; at its end go on with the next of several."""
        if status.attempt is not None and status.attempt.failed:
            self.playlist.fall_back(status.place)
        following = self.playlist.after(status)
        if following is not None:
            self._open(following)
        place = self._pending
        if (
            place is None
            or status.place != place
            or status.source_info is None
            or status.source_state not in ("live", "paused", "ended")
        ):
            return
        self._pending = None
        if place not in self.playlist.places:  # a second try has succeeded
            self.playlist.begin([place])
        if not place.startswith(_UNLISTED) and not place.isdecimal():
            self._remembered.add_place(str(Path(place).resolve()) if Path(place).exists() else place)
        self._layout.source.show_places(self._cameras, self._remembered.recent)


__all__ = ["Opening"]
