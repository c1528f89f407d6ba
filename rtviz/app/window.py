"""The window: it puts the parts together, does what keys and buttons ask, and lets the session do the rest."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PyQt5.QtCore import QEvent, QObject, QPoint, QSize, Qt, QTimer, pyqtSignal
from PyQt5.QtGui import QCloseEvent, QDragEnterEvent, QDropEvent, QKeyEvent, QResizeEvent
from PyQt5.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSlider,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QFileDialog,
    QHBoxLayout,
    QInputDialog,
    QLabel,
    QLineEdit,
    QMenu,
    QScrollArea,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from rtviz import views
from rtviz.app.canvas import Canvas
from rtviz.app.commands import Commands
from rtviz.app.fetching import Fetcher
from rtviz.app.helpsheet import HelpSheet
from rtviz.app.keys import Bindings, names_of
from rtviz.app.licence import LicenceDialog
from rtviz.app.messages import Card, Messages, cards
from rtviz.app.modelmenu import ModelMenu
from rtviz.app.pagestrip import PageStrip
from rtviz.app.panels import Finder, InstrumentsPanel, ModelPanel, Section, SourcePanel, ViewPanel
from rtviz.app.pointing import Spot, result_at
from rtviz.app.readouts import Readouts
from rtviz.app.remembered import ONE_MODEL, Remembered, WeightsFile, about, apply_preset
from rtviz.app.theme import DARK, LIGHT, THEMES, Theme, dress, icon
from rtviz.app.thumbnails import HeadStrip, LayerColumn
from rtviz.app.transport import Timeline, Transport, clock
from rtviz.errors import LicenceNotAccepted, RtvizError, WeightsMissing, WeightsRefused
from rtviz.frame import Maps
from rtviz.live.session import RECORDED, LiveSession, LiveStatus
from rtviz.models import WEIGHTS_SUFFIXES
from rtviz.settings import MODEL_FIELDS, Mark, Point, Settings
from rtviz.views.requirements import has_features, muted

if TYPE_CHECKING:
    from rtviz.models import Row

_log = logging.getLogger("rtviz.app")

_POLL_MS = 16
_REFRESH_MS = 120
_IDLE_SECONDS = 60.0
_HIDE_CURSOR_SECONDS = 3.0
_CONTENT_SECONDS = 0.5  # after a wish for a model the session is content with the one before for a moment
_MOMENT_SECONDS = 0.25  # as long as this nobody asks why nothing happens
_LEAST_PANELS = 300  # pixels for what is scrolled beside the instruments: the views, and a few settings
_SPEEDS = (0.25, 0.5, 1.0, 2.0, 4.0)
_MODIFIERS = (Qt.Key_Shift, Qt.Key_Control, Qt.Key_Alt, Qt.Key_Meta, Qt.Key_AltGr)
_BESIDE_A_SWEEP = ("elevator_save", "snapshot", "record")  # what may be done while the layers run
_ARROWS = {"Left", "Right", "Up", "Down", "Home", "End", "PageUp", "PageDown"}


class Window(QWidget):
    """The main window.

    Args:
        session: what is watched; started after the first paint, closed with the window.
        remembered: what the window knows from earlier starts.
        kiosk: for a stand.
    """

    said = pyqtSignal(str, float)  # what is to be said in large letters, and for how many seconds; from any thread

    def __init__(self, session: LiveSession, remembered: Remembered, *, kiosk: bool = False) -> None:
        super().__init__()
        self.session, self.remembered, self.kiosk = session, remembered, kiosk
        self.bindings = Bindings(remembered.keys, kiosk=kiosk)
        self.theme: Theme = THEMES.get(str(remembered.window.get("theme")), DARK)
        self.hidden = False
        self._started_as = session.settings
        self._working = session.settings  # the last settings whose model could be had
        self._content_since = time.monotonic()
        self._status = LiveStatus()
        self._maps: Maps | None = None
        self._points = True  # a click on the picture means a place on it, not the choice of a pane
        self._thumbnail_settings: Settings | None = None
        self._notices: tuple[str, ...] = ()
        self._last_input = self._answered_at = time.monotonic()
        self._refreshes = 0
        self._cameras: list[tuple[str, str]] = []
        self._dismissed_model = ""
        self._opened: str | None = None
        self._dialog: QWidget | None = None

        self.setObjectName("window")
        self.setWindowTitle("rtviz")
        self.setAcceptDrops(True)
        self._build()
        self.commands = Commands(session, remembered, self.bindings, self.said.emit, lambda: self.models.names_here)
        self.said.connect(self.canvas.toast)
        self._actions = self._action_table()
        self._finder = Finder()
        self._finder.cameras.connect(self._take_cameras)
        self._finder.models.connect(self._take_models)
        self._poll_timer = QTimer(self)
        self._poll_timer.setTimerType(Qt.PreciseTimer)
        self._poll_timer.timeout.connect(self._poll)
        self._refresh_timer = QTimer(self)
        self._refresh_timer.timeout.connect(self._refresh)
        self.canvas.first_paint.connect(self._begin)

        size = remembered.window.get("size")
        width, height = size if isinstance(size, list) and len(size) == 2 else (1280, 720)
        screen = QApplication.primaryScreen()
        room = screen.availableGeometry().size() if screen is not None else QSize(1280, 720)
        self.resize(QSize(int(width), int(height)).boundedTo(room))
        self.canvas.setFocus()
        self.set_theme(self.theme)
        self._show_settings()
        self._arrange()
        app = QApplication.instance()
        if app is not None:
            app.installEventFilter(self)

    # --- building ----------------------------------------------------------------------------------------------------

    def _build(self) -> None:
        self.canvas = Canvas()
        self.messages = Messages(self.canvas)
        self.help = HelpSheet(self)
        self.model_menu = ModelMenu(self)
        self.fetcher = Fetcher()
        self.strip, self.layers = HeadStrip(), LayerColumn()
        self.pages = PageStrip()
        self.transport = Transport(self.bindings)
        self.readouts = Readouts()
        self.source, self.models = SourcePanel(self.bindings), ModelPanel(self.bindings)
        self.view, self.instruments = ViewPanel(self.bindings), InstrumentsPanel()
        self.header = self._build_header()
        self.fusion = self._build_fusion()
        self.sections = [
            Section("view", "View", self.view),
            Section("source", "Source", self.source),
            Section("model", "Model", self.models),
            Section("instruments", "Instruments", self.instruments),
        ]
        inside = QWidget()
        inside.setObjectName("side")
        column = QVBoxLayout(inside)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        closed = self.remembered.window.get("closed", [])
        for section in self.sections:
            section.open(section.name not in closed)
        for section in self.sections[:-1]:
            column.addWidget(section)
        column.addStretch(1)
        self._scrolled = column
        self.panels = QScrollArea()
        self.panels.setWidget(inside)
        self.panels.setWidgetResizable(True)
        self.panels.setFocusPolicy(Qt.NoFocus)
        self.panels.setHorizontalScrollBarPolicy(Qt.ScrollBarAlwaysOff)
        self.side = QWidget()
        self.side.setObjectName("side")
        self.side.setAttribute(Qt.WA_StyledBackground)
        self.side.setFixedWidth(296)
        column = QVBoxLayout(self.side)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.panels, 1)
        column.addWidget(self.sections[-1])
        self._in_kiosk = column

        heads = QWidget()
        heads.setObjectName("strip")
        heads.setAttribute(Qt.WA_StyledBackground)
        row = QHBoxLayout(heads)
        row.setContentsMargins(6, 2, 6, 2)
        row.setSpacing(6)
        row.addWidget(self.fusion)
        row.addWidget(self.strip, 1)
        self.heads = heads

        picture = QVBoxLayout()
        picture.setSpacing(0)
        picture.addWidget(self.canvas, 1)
        picture.addWidget(self.pages)
        picture.addWidget(self.transport)
        left = QHBoxLayout()
        left.setSpacing(0)
        left.addWidget(self.layers)
        left.addLayout(picture, 1)
        main = QVBoxLayout()
        main.setSpacing(0)
        main.addLayout(left, 1)
        main.addWidget(heads)
        middle = QHBoxLayout()
        middle.setSpacing(0)
        middle.addLayout(main, 1)
        middle.addWidget(self.side)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.setSpacing(0)
        whole.addWidget(self.header)
        whole.addLayout(middle, 1)
        whole.addWidget(self.readouts)

        self.canvas.painted = self.session.shown
        self.canvas.pointed.connect(self._pointed)
        self.canvas.dragged.connect(self._dragged)
        self.canvas.hovered.connect(lambda spot: self.session.point(self._patch_of(spot)))
        self.canvas.marked.connect(self._marked)
        self.strip.picked.connect(lambda head: self.change(head=head))
        self.instruments.picked.connect(lambda head: self.change(head=head))
        self.layers.picked.connect(lambda layer: self.change(layer=layer))
        self.strip.setToolTip(
            self.bindings.tip("head_next", "Heads of the current layer: click one, or press its number")
        )
        for part in (self.layers.slider, self.layers.tiles):
            part.setToolTip(self.bindings.tip("layer_up", "Layers, the last on top"))
        self.canvas.setToolTip("")
        self.messages.asked.connect(self.do)
        self.transport.asked.connect(self.do)
        self.transport.sought.connect(self.session.seek)
        self.pages.picked.connect(self.session.seek)
        self.transport.rewound.connect(self.session.rewind)
        self.source.opened.connect(self.open_place)
        self.source.asked.connect(self.do)
        self.source.refresh.connect(lambda: self._finder.find(cameras=True, models=False))
        self.models.chosen.connect(self._choose_model)
        self.model_menu.chosen.connect(self._choose_model)
        self.model_menu.wanted.connect(self._choose_model)
        self.model_menu.cancelled.connect(self._cancel_fetch)
        self.model_menu.file_chosen.connect(lambda file: self._load_file(file.path))
        self.model_menu.file_wanted.connect(self._choose_weights)
        self.fetcher.fetched.connect(self._fetched)
        for panel in (self.models, self.view):
            panel.changed.connect(lambda name, value: self.change(**{name: value}))
            panel.refused.connect(lambda said: self.canvas.toast(said, 4.0))
        self.view.asked.connect(self.do)

    def _build_header(self) -> QWidget:
        header = QWidget()
        header.setObjectName("header")
        header.setAttribute(Qt.WA_StyledBackground)
        row = QHBoxLayout(header)
        row.setContentsMargins(12, 5, 8, 5)
        row.setSpacing(4)
        mark = QLabel("rtviz")
        mark.setObjectName("mark")
        row.addWidget(mark)
        row.addSpacing(8)
        self.open_button = self._menu_button(
            "Open", "Open a file, a folder, a camera, an address  " + self._keys("open"), self._fill_open_menu
        )
        self.presets_button = self._menu_button("Presets", self.bindings.tip("presets"), self._fill_presets_menu)
        row.addWidget(self.open_button)
        row.addWidget(self.presets_button)
        self.title = QLabel()
        self.title.setAlignment(Qt.AlignRight | Qt.AlignVCenter)
        self.title.setProperty("faint", True)
        self.title.setSizePolicy(QSizePolicy.Ignored, QSizePolicy.Preferred)
        row.addWidget(self.title, 1)
        self.model_button = self._tool("model_menu", self.bindings.tip("model_menu", "Models, and weights files"))
        self.model_button.setObjectName("model")
        row.addWidget(self.model_button)
        row.addStretch(1)
        self.tools: dict[str, QToolButton] = {}
        for name in ("record", "snapshot", "panel", "theme", "full_screen"):
            action = {"panel": "panels"}.get(name, name)
            button = self._tool(action, self.bindings.tip(action))
            self.tools[name] = button
            row.addWidget(button)
        self.tools["record"].setContextMenuPolicy(Qt.CustomContextMenu)
        self.tools["record"].customContextMenuRequested.connect(self._record_menu)
        help_button = self._tool("help", self.bindings.tip("help"))
        help_button.setText("?")
        row.addWidget(help_button)
        return header

    def _keys(self, action: str) -> str:
        return f"({self.bindings.shown(action)})" if self.bindings.shown(action) else ""

    def _tool(self, action: str, tip: str) -> QToolButton:
        button = QToolButton()
        button.setProperty("flat", True)
        button.setFocusPolicy(Qt.TabFocus)
        button.setToolTip(tip)
        button.setAccessibleName(action.replace("_", " "))
        button.clicked.connect(lambda: self.do(action))
        return button

    def _menu_button(self, text: str, tip: str, fill: Callable[[QMenu], None]) -> QToolButton:
        button = QToolButton()
        button.setText(f"{text} ▾")
        button.setProperty("flat", True)
        button.setFocusPolicy(Qt.TabFocus)
        button.setToolTip(tip)
        button.setPopupMode(QToolButton.InstantPopup)
        menu = QMenu(button)
        menu.setToolTipsVisible(True)

        def refill() -> None:
            menu.clear()
            fill(menu)

        menu.aboutToShow.connect(refill)
        button.setMenu(menu)
        return button

    def _build_fusion(self) -> QWidget:
        """Mean, max, all: what stands beside the single heads."""
        holder = QWidget()
        column = QVBoxLayout(holder)
        column.setContentsMargins(0, 2, 0, 2)
        column.setSpacing(3)
        self._fusion: dict[str, QToolButton] = {}
        tips = {
            "mean": "The mean of all heads",
            "max": "The maximum over all heads",
            "all": "All heads, each in its colour",
        }
        for name, tip in tips.items():
            button = QToolButton()
            button.setText(name)
            button.setCheckable(True)
            button.setFocusPolicy(Qt.TabFocus)
            button.setToolTip(self.bindings.tip("heads_all", tip))
            button.setSizePolicy(QSizePolicy.Expanding, QSizePolicy.Expanding)
            button.setMinimumWidth(60)
            button.setProperty("low", True)  # three fit beside the lowest strip, and they grow with it
            button.clicked.connect(lambda _=False, name=name: self.change(head=name))
            self._fusion[name] = button
            column.addWidget(button)
        return holder

    # --- life --------------------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        """After the first paint: from here on the session may take its time."""
        _log.debug(
            "the window stands at %.3f, torch %s",
            time.time(),
            "is loaded" if "torch" in sys.modules else "is not loaded",
        )
        for problem in (*self.remembered.problems, *self.bindings.problems):
            self.canvas.toast(problem, 8.0)
        self.session.set_loop(self.remembered.window.get("loop") is not False)  # a clip goes on until one has seen it
        self.session.start()
        self._poll_timer.start(_POLL_MS)
        self._refresh_timer.start(_REFRESH_MS)
        self._finder.find(cameras=True, models=True)
        self._refresh()

    def closeEvent(self, event: QCloseEvent) -> None:  # noqa: N802
        self.commands.sweep.stop()  # what it shows is not what is to be remembered
        self._poll_timer.stop()
        self._refresh_timer.stop()
        app = QApplication.instance()
        if app is not None:
            app.removeEventFilter(self)
        self.hide()  # at once, whatever the devices take
        self.fetcher.cancel()
        self.pages.reader.close()
        self._remember()
        self.session.close()
        event.accept()

    def _remember(self) -> None:
        window = self.remembered.window
        window["theme"], window["mode"] = self.theme.name, self._status.mode
        window["closed"] = [section.name for section in self.sections if not section.is_open]
        if not self.isFullScreen() and not self.isMaximized():
            window["size"] = [self.width(), self.height()]
        try:
            self.remembered.write(self._chosen())
        except RtvizError as error:
            _log.warning("%s", error)

    def _chosen(self) -> Settings:
        """What is shown, with the model that could be had."""
        return self.session.settings.replace(**_wish(self._working))

    def set_theme(self, theme: Theme) -> None:
        """Dress everything in a theme."""
        self.theme = theme
        app = QApplication.instance()
        assert isinstance(app, QApplication)
        dress(app, theme, 1.3 if self.isFullScreen() else 1.0)
        for part in (
            self.canvas,
            self.messages,
            self.strip,
            self.layers,
            self.pages,
            self.transport,
            self.readouts,
            self.source,
            self.instruments,
        ):
            part.set_theme(theme)
        for name, button in self.tools.items():
            button.setIcon(icon(name, theme, theme.bad if name == "record" else None))

    def _arrange(self) -> None:
        """Which parts are seen: everything; in full screen the picture, the thumbnails and a large line; or only the
        picture."""
        full, hidden = self.isFullScreen(), self.hidden
        for part in (self.header, self.transport, self.readouts):
            part.setVisible(not full and not hidden)
        self.side.setVisible(not full and not hidden and bool(self.remembered.window.get("panels", True)))
        self.heads.setVisible(not hidden)
        self.layers.setVisible(not hidden)
        share = 0.135 if full else 0.125
        low = int(min(max(72, self.height() * share), 190))
        self.heads.setFixedHeight(low)
        self._place_instruments()
        self.layers.fit_height(self.height() - (0 if hidden else low))
        self._show_hud()

    def _place_instruments(self) -> None:
        """They stay in sight, however far the rest is scrolled; where that would leave the rest too little room, they
        are its end."""
        section, content = self.sections[-1], self.instruments
        full = section.button.sizeHint().height() + content.sizeHint().height()  # whether they are open or not
        if self.height() - self.header.sizeHint().height() - full >= _LEAST_PANELS:
            if self._in_kiosk.indexOf(section) < 0:
                self._in_kiosk.addWidget(section)
        elif self._scrolled.indexOf(section) < 0:
            self._scrolled.insertWidget(self._scrolled.count() - 1, section)

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802
        self._arrange()
        self.help.cover()
        QTimer.singleShot(0, self.messages.place)

    # --- what keys and buttons ask -----------------------------------------------------------------------------------

    def _action_table(self) -> dict[str, Callable[[], None]]:
        """A method for every action of the table of keys, and for what only cards and buttons ask."""
        return {
            **self.commands.table(),
            "open": self._open_file,
            "open_folder": self._open_folder,
            "open_address": self._open_address,
            "open_scene": lambda: self.open_place("scene:"),
            "presets": self.presets_button_menu,
            "save_preset": self._save_preset,
            "full_screen": self._full_screen,
            "hide_all": self._hide_all,
            "panels": self._panels,
            "theme": lambda: self.set_theme(LIGHT if self.theme is DARK else DARK),
            "escape": self._escape,
            "help": self._help,
            "quit": self._quit,
            "open_again": self.session.open_again,
            "cancel_opening": self.session.cancel_opening,
            "cancel_loading": self._cancel_loading,
            "dismiss_model": self._dismiss_model,
            "model_menu": self._open_model_menu,
            "cancel_fetch": self._cancel_fetch,
            "fetch_again": self._fetch_again,
            **{
                f"{verb}_of_{of}": lambda verb=verb, of=of: self._mend(verb, of)  # type: ignore[misc]
                for verb in ("read_licence", "copy_link", "choose_file")
                for of in ("model", "fetch")
            },
            **{f"load_{of}_as": lambda of=of: self._mend("load_as", of) for of in ("model", "fetch")},  # type: ignore[misc]
            "get_dino": self._get_dino,
            "dismiss_offer": self._dismiss_offer,
        }

    def do(self, action: str) -> None:
        """Do what an action's name says; an error that the user can meet is told in one line."""
        self._last_input = time.monotonic()
        try:
            self._actions[action]()
        except RtvizError as error:
            self.canvas.toast(str(error), 4.0)
        self._refresh()

    def change(self, **changes: Any) -> None:
        """Show something else, at once in the controls too."""
        self._last_input = time.monotonic()
        self.commands.change(**changes)
        self._show_settings()

    # --- models ------------------------------------------------------------------------------------------------------

    def _open_model_menu(self) -> None:
        self.model_menu.show_models(self.models.rows, self.remembered.weights_files, *self._looks())
        self.model_menu.open_under(self.model_button)
        self._finder.find(cameras=False, models=True)

    def _looks(self) -> tuple[str, str | None]:
        """Which model looks in the pane in focus, and from which weights file if not its own."""
        weights = self.session.settings.weights if not self._status.focus else None
        return self._status.model_name or "", str(Path(weights).resolve()) if weights else None

    def _take_models(self, rows: list[Row]) -> None:
        before = self.models.rows
        self.models.show_models(rows)
        if self.model_menu.isVisible() and self.models.rows is not before:
            self.model_menu.show_models(self.models.rows, self.remembered.weights_files, *self._looks())

    def _choose_model(self, name: str) -> None:
        """Let another model look; its weights are fetched first where they are not here."""
        row = next((row for row in self.models.rows if row.card.name == name), None)
        if row is None or row.path is not None:
            self._predict_with(name)
        elif row.must_accept:
            self._ask_about_licence(name, row.card.licence, row.card.licence_url or "")
        else:
            self.fetcher.start(name)
            self._refresh()

    def _ask_about_licence(self, name: str, licence: str, url: str) -> None:
        self.model_menu.hide()
        dialog = LicenceDialog(self, name, licence, url)
        dialog.agreed.connect(lambda name: self.fetcher.start(name, accept_licence=True))
        dialog.open()

    def _fetched(self, name: str | None) -> None:
        """The weights of a model are here, and so it looks."""
        self._finder.find(cameras=False, models=True)
        self._predict_with(name)

    def _predict_with(self, name: str | None) -> None:
        before = self.session.settings
        if name is not None:
            self.commands.choose_model(name)
        if self.session.settings == before:  # it is wished for already, and could not be had
            self.session.reload_model()
        self._show_settings()

    def _cancel_fetch(self) -> None:
        self.fetcher.cancel()
        self._refresh()

    def _fetch_again(self) -> None:
        if self.fetcher.fetch is not None:
            self.fetcher.start(self.fetcher.fetch.model)

    def _choose_weights(self, model: str | None = None) -> None:
        """Ask for a weights file: of this model, or of whichever it shows to be."""
        dialog = QFileDialog(self, f"Weights of {model}" if model else "Weights file")
        kinds = " ".join(f"*{suffix}" for suffix in WEIGHTS_SUFFIXES)
        dialog.setNameFilters([f"Weights ({kinds})", "All files (*)"])
        dialog.setFileMode(QFileDialog.ExistingFile)
        recent = next((Path(file.path).parent for file in self.remembered.weights_files), None)
        if recent is not None and recent.is_dir():
            dialog.setDirectory(str(recent))
        dialog.setAttribute(Qt.WA_DeleteOnClose)
        dialog.fileSelected.connect(lambda path: self._load_file(path, model))
        dialog.open()

    def _load_file(self, path: str, model: str | None = None) -> None:
        self.fetcher.cancel()
        self.session.focus(0)
        self.commands.load_file(path, model)
        self._show_settings()

    def _mend(self, verb: str, of: str) -> None:
        """Do what is offered about a model that cannot be had."""
        fetch = self.fetcher.fetch
        error = self.session.status().model_error if of == "model" else fetch.error if fetch is not None else None
        if isinstance(error, WeightsRefused) and verb == "load_as" and error.path is not None:
            self._load_file(str(error.path), error.looks_like[0])
        elif isinstance(error, LicenceNotAccepted) and verb == "read_licence":
            self.fetcher.cancel()
            self._ask_about_licence(error.model or "", error.licence, error.licence_url)
        elif isinstance(error, WeightsMissing) and verb == "copy_link":
            clipboard = QApplication.clipboard()
            if clipboard is not None:
                clipboard.setText(error.link or "")
            self.canvas.toast(f"copied: {error.link}", 3.0)
        elif isinstance(error, WeightsMissing) and verb == "choose_file":
            self._choose_weights(error.model)

    # --- the mouse on the picture ------------------------------------------------------------------------------------

    def _pointed(self, spot: Spot) -> None:
        self._last_input = time.monotonic()
        self._points = spot.pane == self._status.focus
        if not self._points:  # the click chooses a pane; the query stays where it is
            self.session.focus(spot.pane)
        if spot.head is not None:
            self.change(head=spot.head, **({} if spot.layer is None else {"layer": spot.layer}))
        elif self._points and self._is_pinned(spot):  # it lets go of the patch, until the next click
            self._points = False
            self.change(query="cls")
        elif self._points:
            self._query(spot)

    def _is_pinned(self, spot: Spot) -> bool:
        """Whether a view that follows the pointer was made to stay with this patch."""
        settings = self.session.settings
        if settings.query == "cls" or not views.find(settings.view).follows_pointer:
            return False
        return self._patch_of(spot) == self._patch_of(spot._replace(x=settings.query.x, y=settings.query.y))

    def _patch_of(self, spot: Spot | None) -> Point | None:
        """The middle of the patch that lies under a spot."""
        if spot is None or self.canvas.result is None:
            return None
        maps = result_at(self.canvas.result, spot).maps
        if maps is None:
            return None
        rows, columns = maps.grid
        row, column = maps.grid.patch_at(spot)
        return Point((column + 0.5) / columns, (row + 0.5) / rows)

    def _dragged(self, spot: Spot) -> None:
        if spot.head is None and self._points:
            self._query(spot)

    def _query(self, spot: Spot) -> None:
        self._last_input = time.monotonic()
        self.session.update(self.session.settings.replace(query=Point(round(spot.x, 4), round(spot.y, 4))))
        self._show_settings()

    def _marked(self, mark: Mark) -> None:
        self._last_input = time.monotonic()
        try:
            self.commands.mark(mark)
        except RtvizError as error:
            self.canvas.toast(str(error), 4.0)
        self._show_settings()

    # --- opening -----------------------------------------------------------------------------------------------------

    def open_place(self, place: str) -> None:
        """Leave the present source for this one, if it can be opened."""
        self._last_input = time.monotonic()
        self._opened = place
        self.session.open(place)
        self.canvas.toast(f"opening {Path(place).name or place}" if "://" not in place else f"opening {place}")
        self.canvas.setFocus()

    def open_files(self, paths: Sequence[str]) -> None:
        """Open what was chosen: one file or folder, or several pictures as pages."""
        from rtviz.sources.pages import gather

        place, left_out = gather(paths)
        self.open_place(place)
        if left_out:
            self.canvas.toast(f"{left_out} more cannot be opened with it: one video at a time", 4.0)

    def _open_file(self) -> None:
        dialog = QFileDialog(self, "Open a video, or pictures")
        dialog.setFileMode(QFileDialog.ExistingFiles)
        self._ask_for_file(dialog)

    def _open_folder(self) -> None:
        dialog = QFileDialog(self, "Open a folder of pictures")
        dialog.setFileMode(QFileDialog.Directory)
        self._ask_for_file(dialog)

    def _ask_for_file(self, dialog: QFileDialog) -> None:
        recent = next((Path(place).parent for place in self.remembered.recent if Path(place).exists()), None)
        if recent is not None:
            dialog.setDirectory(str(recent))
        dialog.setAttribute(Qt.WA_DeleteOnClose)
        dialog.filesSelected.connect(self.open_files)
        dialog.open()  # the picture goes on behind it

    def _open_address(self) -> None:
        if self.side.isHidden():
            self.hidden = False
            self.remembered.window["panels"] = True
            self._arrange()
        next(section for section in self.sections if section.name == "source").open(True)
        self.source.line.setFocus(Qt.ShortcutFocusReason)
        self.panels.ensureWidgetVisible(self.source.line)

    def _fill_open_menu(self, menu: QMenu) -> None:
        def add(text: str, command: Callable[[], None], key: str = "") -> None:
            entry = menu.addAction(f"{text}\t{self.bindings.shown(key)}" if key else text)
            if entry is not None:
                entry.triggered.connect(lambda: command())

        add("File…", lambda: self.do("open"), "open")
        add("Folder of pictures…", lambda: self.do("open_folder"))
        add("Address…", lambda: self.do("open_address"), "open_address")
        menu.addSeparator()
        for place, name in self._cameras:
            add(name, lambda place=place: self.open_place(place))  # type: ignore[misc]
        add("Built-in scene", lambda: self.open_place("scene:"))
        add("This screen", lambda: self.open_place("screen:"))
        if self.remembered.recent:
            menu.addSeparator()
            for place in self.remembered.recent:
                short = place if len(place) < 60 else f"…{place[-58:]}"
                add(short, lambda place=place: self.open_place(place))  # type: ignore[misc]
        self._finder.find(cameras=True, models=False)

    def _take_cameras(self, found: list[tuple[str, str]]) -> None:
        self._cameras = found
        self.source.show_places(found, self.remembered.recent)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:  # noqa: N802
        data = event.mimeData()
        if not self.kiosk and data is not None and (data.hasUrls() or data.hasText()):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:  # noqa: N802
        data = event.mimeData()
        if data is None:
            return
        urls = [url.toLocalFile() or url.toString() for url in data.urls()] if data.hasUrls() else []
        place = urls[0] if urls else data.text().strip()
        if len(urls) > 1:
            self.open_files(urls)
        elif place.lower().endswith(WEIGHTS_SUFFIXES):
            self._load_file(place)
        elif place.endswith(".toml"):
            self._use_preset(Path(place))
        elif place:
            self.open_place(place)
        event.acceptProposedAction()

    def _record_menu(self, at: QPoint) -> None:
        menu = QMenu(self)
        for what in RECORDED:
            chosen = menu.addAction(f"record {what}")
            if chosen is not None:
                chosen.setCheckable(True)
                chosen.setChecked(what == self.commands.record_what)
                chosen.triggered.connect(lambda _=False, what=what: setattr(self.commands, "record_what", what))
        menu.popup(self.tools["record"].mapToGlobal(at))

    # --- presets -----------------------------------------------------------------------------------------------------

    def presets_button_menu(self) -> None:
        self.presets_button.showMenu()

    def _fill_presets_menu(self, menu: QMenu) -> None:
        found = self.remembered.presets()
        for name, path in found.items():
            entry = menu.addAction(name)
            if entry is not None:
                entry.setToolTip(about(path) or str(path))
                entry.triggered.connect(lambda _=False, path=path: self._use_preset(path))
        menu.addSeparator()
        save = menu.addAction(f"Save as preset…\t{self.bindings.shown('save_preset')}")
        if save is not None:
            save.triggered.connect(lambda: self.do("save_preset"))

    def _use_preset(self, path: Path) -> None:
        try:
            settings = apply_preset(path, self.session.settings)
        except RtvizError as error:
            self.canvas.toast(str(error), 4.0)
            return
        before = self.session.settings
        same = {name for name in MODEL_FIELDS if getattr(settings, name) == getattr(before, name)}  # it leaves them be
        self.remembered.learn(self._chosen())
        self.remembered.tell(settings, {option.name for option in Settings.options()} - same)
        self.session.update(settings)
        self.session.focus(0)
        self._show_settings()
        self.canvas.toast(f"preset: {path.stem}")

    def _save_preset(self) -> None:
        dialog = QInputDialog(self)
        dialog.setAttribute(Qt.WA_DeleteOnClose)
        dialog.setWindowTitle("Save as preset")
        dialog.setLabelText("A name for the present settings:")
        dialog.textValueSelected.connect(self._save_preset_as)
        dialog.open()

    def _save_preset_as(self, name: str) -> None:
        try:
            path = self.remembered.save_preset(name, self.session.settings)
        except RtvizError as error:
            self.canvas.toast(str(error), 4.0)
        else:
            self.canvas.toast(f"saved {path}", 3.0)

    # --- the window --------------------------------------------------------------------------------------------------

    def _full_screen(self) -> None:
        if self.kiosk:
            return
        self.showNormal() if self.isFullScreen() else self.showFullScreen()

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802
        if event.type() == QEvent.WindowStateChange:
            self.set_theme(self.theme)
            self._arrange()
        super().changeEvent(event)

    def _hide_all(self) -> None:
        self.hidden = not self.hidden
        self._arrange()
        self.canvas.setFocus()
        if self.hidden:
            self.canvas.toast(f"{self.bindings.shown('hide_all')}: everything again")

    def _panels(self) -> None:
        self.remembered.window["panels"] = not self.remembered.window.get("panels", True)
        self._arrange()

    def _escape(self) -> None:
        if self.help.isVisible():
            self.help.hide()
        elif self._status.attempt is not None:
            self.session.cancel_opening()
        elif any(command == "dismiss_model" for card in self.messages.shown for _, command in card.offers):
            self._dismiss_model()
        elif self.session.settings.query != "cls":
            self.change(query="cls")
        elif self.session.status().past_seconds is not None:
            self.commands.live()
        elif self.hidden:
            self._hide_all()
        elif self.isFullScreen():
            self._full_screen()
        self.canvas.setFocus()

    def _help(self) -> None:
        if self.help.isVisible():
            self.help.turn()
        else:
            self.help.open(self.bindings.help(), self.bindings.shown("help"), self.bindings.shown("escape"))

    def _quit(self) -> None:
        self.close()

    # --- first steps -------------------------------------------------------------------------------------------------

    def _offer(self) -> Card | None:
        """Real DINO, as long as only a stand-in looks that nobody has asked for."""
        status, settings = self._status, self.session.settings
        name = status.model_name or ""
        stand_in = name == "embedded" or name.startswith("random:")
        if settings.model or settings.weights or not stand_in or self.remembered.window.get("no_offer"):
            return None
        if self.kiosk or self.hidden or self.isFullScreen():  # there the picture alone counts
            return None
        if settings.compare:  # it would cover what tells the panes apart
            return None
        size = next((row.cells()[6] for row in self.models.rows if row.card.name == "dino-vits16"), "")
        offers = ((f"Get DINO  {size}".strip(), "get_dino"), ("Not now", "dismiss_offer"))
        more = "A real DINO: `rtviz models pull`, or fetch it now."
        if name == "embedded":
            text = f"The small built-in model is looking; it has only ever seen drawn scenes. {more}"
            return Card("offer", "good", "built-in", text, None, offers)
        return Card("offer", "warn", "untrained", f"Its weights are random, and so are its maps. {more}", None, offers)

    def _get_dino(self) -> None:
        self.fetcher.start(None)

    def _dismiss_offer(self) -> None:
        self.remembered.window["no_offer"] = True

    def _cancel_loading(self) -> None:
        if not self._return_to_what_works():
            self.session.cancel_loading()

    def _dismiss_model(self) -> None:
        self._dismissed_model = self._status.model_sentence
        self._return_to_what_works()

    def _return_to_what_works(self) -> bool:
        """Forget a wish for a model that was cancelled or failed, so that the next start does not wish it again."""
        settings = self._chosen()
        if settings == self.session.settings:
            return False
        self.session.update(settings)
        return True

    # --- again and again ---------------------------------------------------------------------------------------------

    def _poll(self) -> None:
        result = self.session.latest()
        if result is not None:
            self.canvas.show_result(result)
        self.canvas.tick()
        self.commands.sweep.tick(time.monotonic())

    def _refresh(self) -> None:
        """Everything but the picture, a few times a second."""
        ratio = self.canvas.devicePixelRatioF()
        self.session.shown_on((round(self.canvas.height() * ratio), round(self.canvas.width() * ratio)))
        status = self._status = self.session.status()
        self._refreshes += 1
        self._learn_what_works(status)
        self._show_thumbnails()
        self._show_settings()
        self.transport.show_status(status)
        self._show_pages(status)
        fetch = self.fetcher.fetch
        said = cards(status, has_picture=self.canvas.result is not None, offer=self._offer(), fetch=fetch)
        if self.model_menu.isVisible():
            self.model_menu.show_state(*self._looks(), fetch)
        self.messages.show_cards(
            [card for card in said if card.matter != "model" or status.model_sentence != self._dismissed_model]
        )
        opening = status.source_sentence if status.source_state != "failed" else ""  # that is a card's
        self.canvas.wait_for(opening, status.model_sentence if status.model_state == "loading" else "")
        recording = f"REC {clock(status.recording_seconds)}" if status.recording is not None else ""
        if recording != self.canvas.recording:
            self.canvas.recording = recording
            self.tools["record"].setIcon(icon("stop" if recording else "record", self.theme, self.theme.bad))
        self._tell_notices(status.notices)
        self._note_opened(status)
        if self._refreshes % 2 == 0:
            self.readouts.show_status(status)
            self.source.show_status(status)
            self.models.show_status(status)
            self.instruments.show_status(status, self.commands.shown_head())
            self._place_instruments()
            self._show_title(status)
        self._tend_kiosk()

    def _learn_what_works(self, status: LiveStatus) -> None:
        """A wish for a model has come true when the session has been content with it for a moment: right after the
        wish it still is content with the model before."""
        now = time.monotonic()
        settings = self.session.settings
        if status.model_state == "ready" and status.model_sentence and _wish(settings) == _wish(self._working):
            self._working = settings.replace(model=None, weights=None)  # the very first wish did not come true
            self.remembered.tell(self._working, ONE_MODEL & self.remembered.told.keys())
        elif _wish(settings) == _wish(self._working) or status.model_state != "ready" or status.model_sentence:
            self._content_since = now
        elif now - self._content_since > _CONTENT_SECONDS:
            self._working = settings
        if status.model_state == "ready" and not status.model_sentence and _wish(settings) == _wish(self._working):
            self._note_weights(settings, status)

    def _note_weights(self, settings: Settings, status: LiveStatus) -> None:
        """A weights file is remembered when a model has been loaded from it."""
        if settings.weights and status.first_name:
            file = WeightsFile(str(Path(settings.weights).resolve()), status.first_name)
            if self.remembered.weights_files[:1] != [file]:
                self.remembered.loaded(file)

    def _show_thumbnails(self) -> None:
        result = self.session.latest()
        if result is None or self.hidden:
            return
        if result.maps is None:
            if result.panes and self._status.focus:  # what another pane's model saw is not what this one sees
                pane = self._status.panes[self._status.focus - 1]
                self.strip.show_nothing(pane.explanation or f"{pane.name} has not looked yet")
                self.layers.tiles.show_nothing("")
                self._maps = None
            elif self._status.page is not None:  # what was seen in one page is not in the next
                self.strip.show_images([])
                self.layers.tiles.show_images([])
                self._maps = None
            return
        if result.maps is self._maps and result.settings == self._thumbnail_settings:
            return
        self._maps, self._thumbnail_settings = result.maps, result.settings
        self.strip.show_result(result)
        self.layers.show_result(result)

    def _show_pages(self, status: LiveStatus) -> None:
        info = status.source_info
        seen = info is not None and status.page is not None and not self.hidden and not self.isFullScreen()
        self.pages.show_pages(info.pages if seen and info is not None else (), status.page[0] if status.page else -1)

    def _show_settings(self) -> None:
        settings, status = self.session.settings, self._status
        head = self.commands.shown_head()
        self.strip.following = settings.head == "follow"
        self.strip.tags = [one.tag for one in status.head_stats]
        self.strip.chosen = head if head == "all" or isinstance(head, int) else None
        self.strip.update()
        self.layers.choose(self.commands.layer() if status.layers else None)
        for name, button in self._fusion.items():
            button.setChecked(name == head)
            button.setEnabled(bool(status.most_heads or not status.layers))
        self.view.show_settings(settings, status.layers, status.heads or status.most_heads, status.mode)
        self.models.show_settings(settings)
        self._show_hud()

    def _show_hud(self) -> None:
        """In full screen: what is seen, for those who stand further away. A mosaic is labelled already."""
        settings = self.session.settings
        lines: list[str] = []
        if self.isFullScreen() and not self.hidden and not views.find(settings.view).mosaic:
            where = f"layer {self.commands.layer()}" if self._status.layers else ""
            asked = self.canvas.result.settings.query if self.canvas.result is not None else settings.query
            query = "query: CLS" if asked == "cls" else "query: one patch"
            page = f"{self._status.page[0] + 1} / {self._status.page[1]}" if self._status.page else ""
            rest = (page, self._status.model_name or "", views.find(settings.view).label.lower(), query)
            if self._status.layers and not self._status.heads:  # a convolutional network
                lines = [where.replace("layer", "stage"), f"{self._status.model_name}   {self.commands.said('cam')}"]
            else:
                lines = [
                    "   ".join(part for part in (where, self.commands.said("head")) if part),
                    "   ".join(filter(None, rest)),
                ]
        self.commands.silent = ("head", "layer", "view", "query") if lines else ()
        awaited = f"{views.find(settings.view).label.lower()}: looking …" if self._awaited() else ""
        covered = self.messages.geometry().bottom() if self.messages.isVisible() else 0
        if (lines, awaited, covered) != (self.canvas.hud, self.canvas.awaited, self.canvas.covered):
            self.canvas.hud, self.canvas.awaited, self.canvas.covered = lines, awaited, covered
            self.canvas.update()

    def _awaited(self) -> bool:
        """Whether for more than a moment what is shown has not been what was asked for: another pass is under way, as a
        view, a muted head or an object needs it."""
        result, status = self.session.latest(), self._status
        now = time.monotonic()
        focus = status.focus if result is not None and status.focus < len(result.panes) else 0
        state = status.panes[focus - 1].state if focus else status.model_state
        if result is None or state != "ready":  # which is told elsewhere
            self._answered_at = now
        else:
            asked = self.session.settings.per_model()[min(focus, len(self.session.settings.compare))]
            shown = result.panes[focus].result if result.panes else result
            here = not views.find(asked.view).needs if shown.maps is None else has_features(shown.maps, asked)
            if here or status.source_state in ("failed", "connecting"):
                self._answered_at = now
        return now - self._answered_at > _MOMENT_SECONDS

    def _show_title(self, status: LiveStatus) -> None:
        source = status.source_info.name if status.source_info is not None else (status.place or "")
        name = {"scene:": "built-in scene", "screen:": "this screen"}.get(source, source)
        name = Path(name).name if "/" in name and "://" not in name else name
        if status.source_info is not None and status.page is not None:
            name = f"{name}   ·   {status.source_info.pages[status.page[0]].path.name}"
        settings = self.session.settings
        mute = muted(settings, status.layers, status.heads, status.focus) if status.layers else settings.muted_in(0)
        which = ", ".join(f"{one.layer}.{one.head}" for one in mute) if len(mute) <= 3 else f"{len(mute)} heads"
        silenced = f"{which} muted" if mute else ""
        title = "   ·   ".join(part for part in (name or source, silenced) if part)
        file = Path(settings.weights).name if settings.weights and not status.focus else ""
        model = status.model_name or "no model yet"
        self.model_button.setText(f"{model}  ({file})  ▾" if file and status.model_name else f"{model}  ▾")
        if title != self.title.text():
            self.title.setText(title)
            self.setWindowTitle(f"rtviz — {name or source}" if source else "rtviz")

    def _tell_notices(self, notices: tuple[str, ...]) -> None:
        known = self._notices
        if notices == known:
            return
        self._notices = notices
        new = notices[len(known) :] if notices[: len(known)] == known else notices[-1:]
        told = [notice for notice in new if "`rtviz models pull" not in notice]  # that is the card's
        if told:
            self.canvas.toast(told[-1], 4.0)
        self.readouts.setToolTip("\n".join(notices[-6:]))

    def _note_opened(self, status: LiveStatus) -> None:
        """A place is remembered when it has delivered."""
        if (
            self._opened is not None
            and status.place == self._opened
            and status.source_info is not None
            and status.source_state in ("live", "paused", "ended")
        ):
            place, self._opened = self._opened, None
            if not place.startswith(("scene:", "screen:", "camera:", "pages:")) and not place.isdecimal():
                self.remembered.opened(str(Path(place).resolve()) if Path(place).exists() else place)
            self.source.show_places(self._cameras, self.remembered.recent)

    def _tend_kiosk(self) -> None:
        idle = time.monotonic() - self._last_input
        hide = (self.isFullScreen() or self.hidden) and idle > _HIDE_CURSOR_SECONDS
        self.canvas.setCursor(Qt.BlankCursor if hide else Qt.CrossCursor)
        if not self.kiosk:
            return
        limit = float(self.remembered.window.get("idle_seconds", _IDLE_SECONDS))
        if idle > limit and self.session.settings != self._started_as:
            self.session.live()
            self.session.pause(False)
            self.session.update(self._started_as)
            self.help.hide()
            self.hidden = False
            self._arrange()

    def _ends_sweep(self, watched: QWidget, event: QEvent) -> bool:
        """A key, or the mouse, ends the run through the layers, and then does what it always does; whether that was
        all, as of the keys that lead back."""
        if watched.window() is not self:
            return False
        if event.type() == QEvent.MouseButtonPress:
            self.commands.sweep.stop()
            return False
        if event.type() != QEvent.KeyPress or not isinstance(event, QKeyEvent) or event.key() in _MODIFIERS:
            return False
        action = self.bindings.action_of(names_of(event))
        if action in _BESIDE_A_SWEEP:
            return False
        if not event.isAutoRepeat():
            self.commands.sweep.stop()
            self._show_settings()
        return event.isAutoRepeat() or action in ("elevator", "escape")

    # --- keys --------------------------------------------------------------------------------------------------------

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        """Keys are looked at before the widget that has the focus, and left to it where it needs them."""
        if event is None or not isinstance(watched, QWidget):
            return False
        if event.type() in (QEvent.MouseMove, QEvent.MouseButtonPress, QEvent.KeyPress, QEvent.Wheel):
            self._last_input = time.monotonic()
        if self.commands.sweep.running and self._ends_sweep(watched, event):
            return True
        if event.type() != QEvent.KeyPress or watched.window() is not self or not isinstance(event, QKeyEvent):
            return False
        names = names_of(event)
        action = self.bindings.action_of(names)
        if action is None or _needs(self.focusWidget() or watched, names[0] if names else ""):
            return False
        if event.isAutoRepeat() and action in (
            "elevator",
            "full_screen",
            "hide_all",
            "help",
            "pause",
            "record",
            "snapshot",
            "theme",
            "quit",
        ):
            return True
        self.do(action)
        return True


def _wish(settings: Settings) -> dict[str, Any]:
    """Which model is wished for."""
    return {name: getattr(settings, name) for name in MODEL_FIELDS}


def _needs(widget: QWidget, key: str) -> bool:
    """Whether a widget that has the focus needs this key itself."""
    if key == "Esc":
        return False
    if isinstance(widget, (QLineEdit, QAbstractSpinBox)) or (isinstance(widget, QComboBox) and widget.isEditable()):
        return not key.startswith(("Ctrl+", "F1", "F9")) or key in ("Ctrl+A", "Ctrl+C", "Ctrl+V", "Ctrl+X", "Ctrl+Z")
    if isinstance(widget, (QAbstractSlider, Timeline)):
        return key in _ARROWS
    if isinstance(widget, (QAbstractItemView, QComboBox)):
        return key in _ARROWS or key in ("Return", "Enter", "Space")
    return isinstance(widget, QAbstractButton) and key == "Space"


__all__ = ["Window"]
