"""The main window: connects its parts to the session, and maps every action to what does it."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from PyQt5.QtCore import QEvent, Qt, QTimer, pyqtSignal
from PyQt5.QtGui import QCloseEvent, QDragEnterEvent, QDragLeaveEvent, QDropEvent, QResizeEvent
from PyQt5.QtWidgets import QApplication

from rtviz import views
from rtviz.app.cards import cards
from rtviz.app.commands import Commands
from rtviz.app.copying import Copying
from rtviz.app.dropping import Dropping
from rtviz.app.figuring import Figuring
from rtviz.app.finder import Finder
from rtviz.app.header import offer_choices
from rtviz.app.idle import IdleWatch
from rtviz.app.kept_frames import KeptFrames
from rtviz.app.keyboard import Keyboard
from rtviz.app.keys import Bindings
from rtviz.app.keys_file import OwnKeys
from rtviz.app.kiosk import Kiosk
from rtviz.app.layout import Layout
from rtviz.app.model_choice import ModelChoice
from rtviz.app.model_fallback import ModelFallback
from rtviz.app.opening import Opening
from rtviz.app.own_window import OwnWindow
from rtviz.app.picture_menu import PictureMenu
from rtviz.app.picture_mouse import PictureMouse
from rtviz.app.presenter import Presenter
from rtviz.app.presets import PresetsMenu
from rtviz.app.prompt_choice import PromptChoice
from rtviz.app.reference_choice import ReferenceChoice
from rtviz.app.remembered import Remembered
from rtviz.app.rendering import Rendering
from rtviz.app.theme import DARK, LIGHT
from rtviz.app.tour import Tour
from rtviz.app.transport import clock
from rtviz.app.window_size import WindowSize
from rtviz.app.written import Written
from rtviz.errors import RtvizError
from rtviz.live.session import RECORDED, SNAPSHOTS, LiveSession
from rtviz.options import MOST_PROMPTS

_log = logging.getLogger("rtviz.app")

_POLL_MS = 16
_REFRESH_MS = 120


class Window(Layout):
    """The main window.

    Args:
        session: what is shown; started after the first paint, closed with the window.
        remembered: what the window knows from earlier starts.
        kiosk: full screen only, nothing can be dropped, back to the start when idle.
    """

    toast_requested = pyqtSignal(str, float)  # large text on the picture, for so many seconds; from any thread

    def __init__(self, session: LiveSession, remembered: Remembered, *, kiosk: bool = False) -> None:
        super().__init__(Bindings(remembered.keys, kiosk=kiosk), remembered.window)
        self.session, self.remembered, self.kiosk = session, remembered, kiosk
        self.setWindowTitle("rtviz")
        self.setAcceptDrops(True)
        self._finder = Finder()
        self.written = Written(self)
        self.commands = Commands(
            session,
            remembered,
            self.bindings,
            self.toast_requested.emit,
            lambda: self.models.names_here,
            self.canvas.seen,
            self.written.note,
        )
        self.presenter = Presenter(self, session, self.commands, self.written.note)
        show_settings = self._show_settings
        self.fallback = ModelFallback(session, remembered)
        self.opening = Opening(
            self, session, remembered, self._finder, lambda paths: self.dropping.take(paths), self.do
        )
        self.model_choice = ModelChoice(
            self, session, remembered, self.commands, self._finder, self.refresh, show_settings
        )
        self.presets = PresetsMenu(self, session, remembered, self.fallback, self.do, show_settings, self.written.note)
        self.dropping = Dropping(
            self,
            self.opening.open_files,
            self.model_choice.load_file,
            self.presets.use,
            lambda: "references" in views.find(session.settings.view).needs,
            lambda path: self.references.ask_for_place(path),
        )
        self.copying = Copying(self, session, self.fallback.named)
        self.rendering = Rendering(self, self.fallback.named, self.commands.saving.videos_folder)
        self.figuring = Figuring(self, session, self.fallback.named, self.commands.saving.pictures_folder)
        self.asks_before_quitting = True
        self.idle = IdleWatch(self)
        self.stand = Kiosk(self, session, self.idle, self._begin_anew, self.set_theme) if kiosk else None
        self.own_window = OwnWindow(self, self.opening.open)
        self.own_keys = OwnKeys(self, remembered)
        self.tour = Tour(self, session, self.bindings, self.change, kiosk=kiosk)
        stored = remembered.stored and not kiosk
        self.references = ReferenceChoice(self, session, show_settings, KeptFrames("references", 20, stored))
        self.prompts = PromptChoice(self, session, show_settings, KeptFrames("prompted", MOST_PROMPTS, stored))
        self._mouse = PictureMouse(
            self.canvas, session, self.commands, self.references.take_frame, self.prompts.add, show_settings
        )
        if not kiosk:
            self._picture_menu = PictureMenu(self.canvas, self.bindings, self._mouse, self.do)
        self._keyboard = Keyboard(
            self, self.bindings, self.commands.sweep, self.do, self.idle.touched, show_settings, self.tour.default
        )
        self.action_table = self._action_table()
        self._connect()
        self._size = WindowSize(self, self.window_state, fixed=kiosk)
        self.canvas.shows_scale = self.window_state.get("color_bar") is not False
        self.canvas.setFocus()
        self.set_theme(self.theme)
        show_settings()
        self.arrange()
        app = QApplication.instance()
        if app is not None:
            app.installEventFilter(self._keyboard)

    def _connect(self) -> None:
        session = self.session
        self.toast_requested.connect(self.canvas.toast)
        self.canvas.painted = session.shown
        self.canvas.first_paint.connect(self._begin)
        for part in (self.strip, self.instruments, self.fusion):
            part.picked.connect(lambda head: self.change(head=head))
        self.layers.picked.connect(lambda layer: self.change(layer=layer))
        for asking in (self.header, self.messages, self.transport, self.source, self.view):
            asking.requested.connect(self.do)
        saving = self.commands.saving
        offer_choices(self.header.record_menu, "record {}", RECORDED, saving, "record_what")
        offer_choices(self.header.snapshot_menu, "snapshot {}", SNAPSHOTS, saving, "snapshot_what", self._more_saving)
        self.transport.sought.connect(session.seek)
        self.transport.rewound.connect(session.rewind)
        self.pages.picked.connect(session.seek)
        for panel in (self.models, self.view):
            panel.changed.connect(lambda name, value: self.change(**{name: value}))
            panel.refused.connect(lambda problem: self.canvas.toast(problem, 4.0))
            panel.entered.connect(self.canvas.setFocus)
        self._poll_timer = QTimer(self)
        self._poll_timer.setTimerType(Qt.PreciseTimer)
        self._poll_timer.timeout.connect(self._poll)
        self._refresh_timer = QTimer(self)
        self._refresh_timer.timeout.connect(self.refresh)

    def _more_saving(self) -> list[tuple[str, Callable[[], None]]]:
        return [
            (f"{text}\t{self.bindings.shown(action)}", partial(self.do, action))
            for text, action in (("Figure…", "figure"), ("Masks…", "masks"))
        ]

    # --- actions -----------------------------------------------------------------------------------------------------

    def _action_table(self) -> dict[str, Callable[[], None]]:
        """A function for every action of the table of keys, and for what only cards and buttons ask."""
        return {
            **self.commands.table(),
            **self.model_choice.actions(),
            **self.own_window.actions(),
            **self._mouse.actions(),
            **self.copying.actions(),
            **self.opening.actions(),
            **self.written.actions(),
            "open_address": self.show_address_line,
            "reference_open": self.references.ask_for_file,
            "open_again": self.session.open_again,
            "cancel_opening": self.session.cancel_opening,
            "render": self.rendering.open,
            "masks": self.rendering.open_masks,
            "figure": self.figuring.open,
            "mark_in": lambda: self._mark(start=self.session.status().position_seconds),
            "mark_out": lambda: self._mark(end=self.session.status().position_seconds),
            "clear_part": self._clear_part,
            "presets": self.presets.open,
            "save_preset": self.presets.ask_for_name,
            "cancel_loading": self.fallback.cancel_loading,
            "dismiss_model": self._dismiss_model,
            "full_screen": self._full_screen,
            "hide_all": self._hide_all,
            "panels": self._panels,
            "meaning": self._meaning,
            "color_bar": self._color_bar,
            "theme": lambda: self.set_theme(LIGHT if self.theme is DARK else DARK),
            "escape": self._escape,
            "help": self._help,
            "tour": self.tour.start,
            "change_keys": self.own_keys.open,
            "quit": self._quit,
        }

    def do(self, action: str) -> None:
        """Do what an action's name says; an error that the user can meet becomes one line on the picture."""
        self.idle.touched()
        try:
            (self.tour.instead(action) or self.action_table[action])()
        except RtvizError as error:
            self.canvas.toast(str(error), 4.0)
        self.refresh()

    def change(self, **changes: Any) -> None:
        """Change settings, and show that in the controls at once."""
        self.idle.touched()
        self.commands.change(**changes)
        self._show_settings()

    def _show_settings(self) -> None:
        """Settings have changed: that is a step that can be undone, and the controls show them."""
        self.commands.note_settings()
        self.presenter.show_settings()

    def _dismiss_model(self) -> None:
        self.fallback.dismiss(self.presenter.status.model_sentence)

    def _full_screen(self) -> None:
        if not self.kiosk:
            self._size.toggle_full_screen()

    def _hide_all(self) -> None:
        self.picture_only = not self.picture_only
        self.arrange()
        self.canvas.setFocus()
        if self.picture_only:
            self.canvas.toast(f"{self.bindings.shown('hide_all')} shows everything again")

    def _panels(self) -> None:
        self.window_state["panels"] = not self.window_state.get("panels", True)
        self.arrange()

    def _meaning(self) -> None:
        self.window_state["meaning"] = not self.window_state.get("meaning", True)
        self.arrange()

    def _color_bar(self) -> None:
        self.window_state["color_bar"] = self.canvas.shows_scale = not self.canvas.shows_scale
        self.canvas.toast("colour bar" if self.canvas.shows_scale else "no colour bar")

    def _escape(self) -> None:
        """One step back, out of whatever is most recent."""
        if self.help.isVisible():
            self.help.hide()
        elif self.tour.stop is not None or self.tour.offers:
            self.tour.end()
        elif self.presenter.status.attempt is not None:
            self.session.cancel_opening()
        elif dismissing := self._dismissing():
            self.action_table[dismissing[0]]()
        elif self.session.settings.query != "cls":
            self.change(query="cls")
        elif self.session.status().past_seconds is not None:
            self.commands.playback.live()
        elif self.picture_only:
            self._hide_all()
        elif self.isFullScreen():
            self._full_screen()
        self.canvas.setFocus()

    def _dismissing(self) -> list[str]:
        """What closes the cards that can be closed without harm, the uppermost first."""
        offered = [command for card in self.messages.shown for _, command in card.offers]
        return [command for command in offered if command in ("dismiss_model", "dismiss_written")]

    def _help(self) -> None:
        if self.help.isVisible():
            self.help.turn()
        else:
            self.help.open(self.bindings.help(), self.bindings.shown("help"), self.bindings.shown("escape"))

    def _quit(self) -> None:
        self.asks_before_quitting = self.asks_before_quitting and not self.kiosk
        self.close()

    def _mark(self, **ends: float) -> None:
        timeline = self.transport.timeline
        if not timeline.markable:
            self.canvas.toast("in and out points need a seekable file", 3.0)
            return
        timeline.mark(**ends)
        self.canvas.toast(f"{'in' if 'start' in ends else 'out'} point {clock(next(iter(ends.values())))}")

    def _clear_part(self) -> None:
        self.transport.timeline.clear_part()
        self.canvas.toast("no in and out point")

    # --- timers ------------------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        """After the first paint: from here on the session may take its time."""
        torch = "is loaded" if "torch" in sys.modules else "is not loaded"
        _log.debug("the window stands at %.3f, torch %s", time.time(), torch)
        if not self.kiosk:
            self.own_keys.watch()
        for problem in (*self.remembered.problems, *self.bindings.problems):
            self.canvas.toast(problem, 8.0)
        self.session.set_loop(self.window_state.get("loop") is not False)
        self.session.start()
        self._poll_timer.start(_POLL_MS)
        self._refresh_timer.start(_REFRESH_MS)
        self._finder.find(cameras=True, models=True)
        self.refresh()

    def _poll(self) -> None:
        result = self.session.latest()
        if result is not None:
            self.canvas.show_result(result)
        self.canvas.tick()
        self.commands.sweep.tick(time.monotonic())

    def refresh(self) -> None:
        """Bring everything but the picture up to date."""
        ratio = self.canvas.devicePixelRatioF()
        self.session.shown_on((round(self.canvas.height() * ratio), round(self.canvas.width() * ratio)))
        status = self.session.status()
        self.fallback.learn(status)
        self.commands.history.note_place((status.place, status.page), self.session.settings)
        self.commands.note_settings()
        offer = None if self.kiosk or self.bare else self.model_choice.offer(status)
        shown = cards(
            status, has_picture=self.canvas.result is not None, offer=offer, fetch=self.model_choice.fetcher.fetch
        )
        if not self.bare:
            shown += filter(None, (self.own_window.card(status), self.written.card()))
        if self.stand is not None:
            shown = self.stand.cards(shown, status)
        dismissed = status.model_sentence == self.fallback.dismissed
        self.presenter.numbered = self.opening.playlist.words(status.place)
        self.presenter.show(status, [card for card in shown if card.matter != "model" or not dismissed])
        self.model_choice.show_state()
        self.rendering.show_status(status)
        self.opening.note(status)
        self._size.note()
        self.tour.tick(status)
        self.idle.tick()
        if self.stand is not None:
            self.stand.tick(status)

    def _place_cards(self) -> None:
        self.messages.place()
        self.tour.place()

    def _begin_anew(self) -> None:
        """For the next visitor: nothing of the last one is left, nor can it be undone."""
        self.commands.forget_settings()
        self.help.hide()
        self.canvas.show_whole()
        self.canvas.wipe = None
        self.picture_only = False
        self.arrange()

    # --- Qt's events -------------------------------------------------------------------------------------------------

    def arrange(self) -> None:
        super().arrange()
        self.presenter.show_hud()

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802
        self.arrange()
        self.help.cover()
        QTimer.singleShot(0, self._place_cards)

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802
        if event.type() == QEvent.WindowStateChange:
            self.set_theme(self.theme)
            self.arrange()
        super().changeEvent(event)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:  # noqa: N802
        if not self.kiosk:
            self.dropping.enter(event)

    def dragLeaveEvent(self, event: QDragLeaveEvent) -> None:  # noqa: N802
        self.dropping.sign.hide()

    def dropEvent(self, event: QDropEvent) -> None:  # noqa: N802
        self.dropping.drop(event)

    def closeEvent(self, event: QCloseEvent) -> None:  # noqa: N802
        if self.kiosk and self.asks_before_quitting:  # a visitor's Alt+F4: the key for quitting is the only way out
            event.ignore()
            return
        if self.asks_before_quitting and not self.rendering.may_quit():
            event.ignore()
            return
        self.tour.end()
        self.commands.sweep.stop()  # its settings are not to be remembered
        self._poll_timer.stop()
        self._refresh_timer.stop()
        app = QApplication.instance()
        if app is not None:
            app.removeEventFilter(self._keyboard)
        self._size.keep()
        self.hide()  # at once, however long the devices take to close
        self.rendering.queue.close()
        self.figuring.worker.close()
        self.model_choice.fetcher.cancel()
        self.pages.reader.close()
        self.preview.reader.close()
        self._remember()
        self.session.close()
        event.accept()

    def _remember(self) -> None:
        state = self.window_state
        state["theme"], state["mode"] = self.theme.name, self.presenter.status.mode
        state["closed"] = [section.name for section in self.sections if not section.is_open]
        try:
            self.remembered.write(self.fallback.settings())
        except RtvizError as error:
            _log.warning("%s", error)


__all__ = ["Window"]
