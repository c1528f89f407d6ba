"""The parts of the window and their places: with panels, in full screen, or the picture alone."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from PyQt5.QtCore import Qt, pyqtSignal
from PyQt5.QtWidgets import (
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QHBoxLayout,
    QScrollArea,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from rtviz.app.canvas import Canvas
from rtviz.app.header import Header
from rtviz.app.helpsheet import HelpSheet
from rtviz.app.keys import Bindings
from rtviz.app.messages import Messages
from rtviz.app.modelmenu import ModelMenu
from rtviz.app.pagestrip import PageStrip
from rtviz.app.panels.instruments import InstrumentsPanel
from rtviz.app.panels.model import ModelPanel
from rtviz.app.panels.section import MeaningLine, Section
from rtviz.app.panels.source import SourcePanel
from rtviz.app.panels.view import ViewPanel
from rtviz.app.readouts import Readouts
from rtviz.app.theme import DARK, THEMES, Theme, dress
from rtviz.app.thumbnails import HeadStrip, LayerColumn
from rtviz.app.timeline_preview import TimelinePreview
from rtviz.app.transport import Transport

_LEAST_PANELS = 300  # pixels for what is scrolled beside the instruments: the views, and a few settings
_LEAST_FOR_MEANING = 560  # pixels of height: below, the picture needs the room itself
_FUSIONS = {
    "mean": "The mean of all heads",
    "max": "The maximum over all heads",
    "all": "All heads, each in its colour",
}


class FusionButtons(QWidget):
    """Mean, max, all, beside the single heads. `picked` carries the name."""

    picked = pyqtSignal(str)

    def __init__(self, bindings: Bindings) -> None:
        super().__init__()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 2, 0, 2)
        column.setSpacing(3)
        self.buttons: dict[str, QToolButton] = {}
        for name, tip in _FUSIONS.items():
            button = QToolButton()
            button.setText(name)
            button.setCheckable(True)
            button.setFocusPolicy(Qt.TabFocus)
            button.setToolTip(bindings.tip("heads_all", tip))
            button.setSizePolicy(QSizePolicy.Expanding, QSizePolicy.Expanding)
            button.setMinimumWidth(60)
            button.setProperty("low", True)  # three fit beside the lowest strip, and they grow with it
            button.clicked.connect(lambda _=False, name=name: self.picked.emit(name))
            self.buttons[name] = button
            column.addWidget(button)

    def show_head(self, head: object, enabled: bool) -> None:
        """Check the button of the fusion that is shown, if one is."""
        for name, button in self.buttons.items():
            button.setChecked(name == head)
            button.setEnabled(enabled)


class Layout(QWidget):
    """A window's parts, without what they do.

    Args:
        bindings: for tooltips.
        state: what the window remembers of itself: theme, closed sections, whether the panels are open.

    Attributes:
        picture_only: everything but the picture is hidden.
        fixed_column: holds the instruments while they stay in sight below the scrolled panels.
    """

    def __init__(self, bindings: Bindings, state: dict[str, Any]) -> None:
        super().__init__()
        self.bindings, self.window_state = bindings, state
        self.theme: Theme = THEMES.get(str(state.get("theme")), DARK)
        self.picture_only = False
        self.setObjectName("window")
        self.canvas = Canvas()
        self.messages = Messages(self.canvas)
        self.help = HelpSheet(self)
        self.model_menu = ModelMenu(self)
        self.strip, self.layers = HeadStrip(), LayerColumn()
        self.pages = PageStrip()
        self.meaning = MeaningLine()
        self.meaning.setObjectName("meaning")
        self.meaning.setContentsMargins(10, 4, 10, 2)
        self.transport = Transport(bindings)
        self.preview = TimelinePreview(self, self.transport.timeline)
        self.readouts = Readouts()
        self.source, self.models = SourcePanel(bindings), ModelPanel(bindings)
        self.view, self.instruments = ViewPanel(bindings), InstrumentsPanel()
        self.header = Header(bindings)
        self.fusion = FusionButtons(bindings)
        self.heads = self._head_row()
        self.sections = [
            Section("view", "View", self.view),
            Section("source", "Source", self.source),
            Section("model", "Model", self.models),
            Section("instruments", "Instruments", self.instruments),
        ]
        for section in self.sections:
            section.open(section.name not in state.get("closed", []))
        self.side = self._side()
        self._put_together()
        self._order_tabs()
        self.strip.setToolTip(bindings.tip("head_next", "Heads of the current layer: click one, or press its number"))
        for part in (self.layers.slider, self.layers.tiles):
            part.setToolTip(bindings.tip("layer_up", "Layers, the last on top"))

    def _side(self) -> QWidget:
        inside = QWidget()
        inside.setObjectName("side")
        self._scrolled_column = _column(inside)
        for section in self.sections[:-1]:
            self._scrolled_column.addWidget(section)
        self._scrolled_column.addStretch(1)
        self.panels = QScrollArea()
        self.panels.setWidget(inside)
        self.panels.setWidgetResizable(True)
        self.panels.setFocusPolicy(Qt.NoFocus)
        self.panels.setHorizontalScrollBarPolicy(Qt.ScrollBarAlwaysOff)
        side = QWidget()
        side.setObjectName("side")
        side.setAttribute(Qt.WA_StyledBackground)
        side.setFixedWidth(296)
        self.fixed_column = _column(side)
        self.fixed_column.addWidget(self.panels, 1)
        self.fixed_column.addWidget(self.sections[-1])
        return side

    def _head_row(self) -> QWidget:
        heads = QWidget()
        heads.setObjectName("strip")
        heads.setAttribute(Qt.WA_StyledBackground)
        row = QHBoxLayout(heads)
        row.setContentsMargins(6, 2, 6, 2)
        row.setSpacing(6)
        row.addWidget(self.fusion)
        row.addWidget(self.strip, 1)
        return heads

    def _put_together(self) -> None:
        picture, left, main, middle = QVBoxLayout(), QHBoxLayout(), QVBoxLayout(), QHBoxLayout()
        for box in (picture, left, main, middle):
            box.setSpacing(0)
        picture.addWidget(self.canvas, 1)
        picture.addWidget(self.meaning)
        picture.addWidget(self.pages)
        picture.addWidget(self.transport)
        left.addWidget(self.layers)
        left.addLayout(picture, 1)
        main.addLayout(left, 1)
        main.addWidget(self.heads)
        middle.addLayout(main, 1)
        middle.addWidget(self.side)
        whole = _column(self)
        whole.addWidget(self.header)
        whole.addLayout(middle, 1)
        whole.addWidget(self.readouts)

    def _order_tabs(self) -> None:
        """Tab goes as one reads: the bar at the top, the layers, the picture and what is below it, the panels."""
        parts = (self.header, self.layers, self.canvas, self.pages, self.transport, self.heads, self.side)
        controls = [
            control
            for part in parts
            for control in (part, *part.findChildren(QWidget))
            if control.focusPolicy() & Qt.TabFocus
            and control.window() is self  # and not of the list that a box opens
            and not isinstance(control.parentWidget(), (QComboBox, QAbstractSpinBox))
        ]
        for one, other in pairwise(controls):
            QWidget.setTabOrder(one, other)

    @property
    def bare(self) -> bool:
        """Whether header, panels and readouts are hidden: in full screen, or with the picture alone."""
        return self.picture_only or self.isFullScreen()

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
            self.preview,
            self.readouts,
            self.source,
            self.instruments,
            self.header,
        ):
            part.set_theme(theme)

    def arrange(self) -> None:
        """Show every part; in full screen the picture and the thumbnails; or only the picture."""
        for part in (self.header, self.transport, self.readouts):
            part.setVisible(not self.bare)
        self.side.setVisible(not self.bare and bool(self.window_state.get("panels", True)))
        self.heads.setVisible(not self.picture_only)
        self.layers.setVisible(not self.picture_only)
        share = 0.135 if self.isFullScreen() else 0.125
        low = int(min(max(72, self.height() * share), 190))
        self.heads.setFixedHeight(low)
        roomy = self.height() >= _LEAST_FOR_MEANING and not self.bare
        self.meaning.setVisible(roomy and bool(self.window_state.get("meaning", True)))
        self.place_instruments()
        self.layers.fit_height(self.height() - (0 if self.picture_only else low))

    def place_instruments(self) -> None:
        """Keep the instruments in sight, however far the rest is scrolled; where that would leave the rest too little
        room, put them at its end."""
        section, content = self.sections[-1], self.instruments
        full = section.button.sizeHint().height() + content.sizeHint().height()  # whether they are open or not
        if self.height() - self.header.sizeHint().height() - full >= _LEAST_PANELS:
            if self.fixed_column.indexOf(section) < 0:
                self.fixed_column.addWidget(section)
        elif self._scrolled_column.indexOf(section) < 0:
            self._scrolled_column.insertWidget(self._scrolled_column.count() - 1, section)

    def show_address_line(self) -> None:
        """Open the source panel, and put the cursor into its line."""
        if self.side.isHidden():
            self.picture_only = False
            self.window_state["panels"] = True
            self.arrange()
        next(section for section in self.sections if section.name == "source").open(True)
        self.source.line.setFocus(Qt.ShortcutFocusReason)
        self.panels.ensureWidgetVisible(self.source.line)


def _column(parent: QWidget) -> QVBoxLayout:
    column = QVBoxLayout(parent)
    column.setContentsMargins(0, 0, 0, 0)
    column.setSpacing(0)
    return column


__all__ = ["FusionButtons", "Layout"]
