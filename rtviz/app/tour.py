"""A short tour on the picture itself: five stops, each with something to try, for people who see all this for the first
time."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

from PyQt5.QtCore import QPoint, QRect, QRectF, Qt, pyqtSignal
from PyQt5.QtGui import QColor, QPainter, QPaintEvent, QPen
from PyQt5.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from rtviz import views
from rtviz.app.flow import Flow
from rtviz.app.keys import Bindings
from rtviz.app.layout import Layout
from rtviz.app.theme import DARK
from rtviz.live.session import LiveSession, LiveStatus
from rtviz.settings import Point, Settings

_LINGER_SECONDS = 3.0  # after the last thing that was tried, before the next stop
_OFFER_SECONDS = 45.0
_WIDTH, _OFFER_WIDTH = 400, 330
_GAP = 12


@dataclass(frozen=True)
class Stop:
    """One stop.

    Attributes:
        title, text: what there is to see and to try; the text is HTML.
        shows: the part of the window that it is about.
        begin: settings that the stop starts from.
        reached: whether settings that were changed during the stop mean that it was tried.
        instead: actions that mean something else during this stop.
        example: does what the text asks for.
        needs_heads: whether only a transformer has this.
    """

    title: str
    text: str
    shows: QWidget
    begin: Callable[[Settings], Settings]
    reached: Callable[[Settings, Settings], bool]
    example: Callable[[], None]
    instead: dict[str, Callable[[], None]]
    needs_heads: bool = True


class _Ring(QWidget):
    """A frame round a part of the window; the mouse goes through it."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WA_TransparentForMouseEvents)
        self.theme = DARK
        self.hide()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        painter = QPainter(self)
        painter.setRenderHint(QPainter.Antialiasing)
        color = QColor(self.theme.accent)
        for width, alpha in ((6, 70), (2, 255)):
            color.setAlpha(alpha)
            painter.setPen(QPen(color, width))
            painter.drawRoundedRect(QRectF(self.rect()).adjusted(3, 3, -3, -3), 6, 6)


class TourCard(QFrame):
    """What a stop says, or the offer of the tour. `pressed` carries a button's text.

    Args:
        before: what Tab comes from.
    """

    pressed = pyqtSignal(str)

    def __init__(self, parent: QWidget, before: QWidget) -> None:
        super().__init__(parent)
        self._before = before
        self.setObjectName("card")
        self.setAccessibleName("Tour")
        column = QVBoxLayout(self)
        column.setContentsMargins(16, 12, 14, 12)
        column.setSpacing(8)
        first = QHBoxLayout()
        self.title, self.place = QLabel(), QLabel()
        self.title.setObjectName("title")
        self.title.setWordWrap(True)
        self.place.setProperty("faint", True)
        first.addWidget(self.title, 1)
        first.addWidget(self.place, 0, Qt.AlignTop)
        column.addLayout(first)
        self.text = QLabel()
        self.text.setTextFormat(Qt.RichText)
        self.text.setWordWrap(True)
        column.addWidget(self.text)
        self._row = QWidget()
        self._flow = Flow()
        self._row.setLayout(self._flow)
        column.addWidget(self._row)
        self.buttons: dict[str, QPushButton] = {}
        self.hide()

    def say(self, title: str, text: str, place: str, buttons: dict[str, str]) -> None:
        """Show this; the buttons are text -> tooltip, the last one is the one that goes on."""
        self.title.setText(title)
        self.text.setText(text)
        self.place.setText(place)
        if list(buttons) != list(self.buttons):
            for button in self.buttons.values():
                self._flow.removeWidget(button)
                button.hide()
                button.deleteLater()
            self.buttons = {}
            for name, tip in buttons.items():
                button = QPushButton(name)
                button.setFocusPolicy(Qt.TabFocus)
                button.setToolTip(tip)
                button.clicked.connect(lambda _=False, name=name: self.pressed.emit(name))
                if name == list(buttons)[-1]:
                    button.setObjectName("primary")
                self._flow.addWidget(button)
                button.show()
                self.buttons[name] = button
            for one, other in pairwise([self._before, *self.buttons.values()]):
                QWidget.setTabOrder(one, other)
        self.setAccessibleDescription(f"{title}. {self.text.text()}")

    def place_in(self, room: QRect, at: QPoint, pull: tuple[float, float], width: int = _WIDTH) -> None:
        """Put itself at a point of the window, inside a part of it.

        Args:
            pull: which point of the card comes there, as fractions of its width and height.
            width: at most so many pixels broad.
        """
        width = max(1, min(width, room.width() - 2 * _GAP))
        layout = self.layout()
        assert layout is not None
        height = min(layout.totalHeightForWidth(width), max(1, room.height() - _GAP))
        x = round(at.x() - pull[0] * width)
        y = round(at.y() - pull[1] * height)
        x = min(max(x, room.left() + _GAP), max(room.left() + _GAP, room.right() - width - _GAP))
        y = min(max(y, room.top() + _GAP // 2), max(room.top() + _GAP // 2, room.bottom() - height - _GAP // 2))
        self.setGeometry(x, y, width, height)


class Tour:
    """The tour, and its offer at the first start.

    Args:
        do: does an action.
        change: changes settings.

    Attributes:
        stops: those that the model in use has something to show for.
        stop: the number of the present one; None while there is no tour.
        linger_seconds: after what was tried, before the next stop.
    """

    def __init__(
        self, layout: Layout, session: LiveSession, bindings: Bindings, change: Callable[..., None], *, kiosk: bool
    ) -> None:
        self._layout, self._session, self._bindings, self._change = layout, session, bindings, change
        self._kiosk = kiosk
        self.stops: list[Stop] = []
        self.stop: int | None = None
        self.linger_seconds = _LINGER_SECONDS
        self._before = self._begun = self._last = session.settings
        self._tried_at: float | None = None
        self._offered_at: float | None = None
        self.ring = _Ring(layout)
        self.card = TourCard(layout, layout.canvas)
        self.card.pressed.connect(self._pressed)

    # --- the offer ---------------------------------------------------------------------------------------------------

    @property
    def offers(self) -> bool:
        """Whether the tour is being offered."""
        return self._offered_at is not None

    def _offer(self) -> None:
        self._layout.window_state["tour"] = "offered"
        self._offered_at = time.monotonic()
        key = self._bindings.shown("escape")
        close = f"; {key} ends it" if key else ""
        self.card.say(
            "New here?",
            "Five stops on the picture show what there is to see.",
            "",
            {"No, thanks": "It stays in the menu under ?", "Take the tour": f"Two minutes  (Enter){close}"},
        )
        self.place()

    # --- the tour ----------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin at the first stop, on what is running."""
        self.end()
        self._layout.window_state["tour"] = "offered"
        self._before = self._session.settings
        heads = not self._session.status().layers or bool(self._session.status().heads)
        self.stops = [stop for stop in self._all_stops() if heads or not stop.needs_heads]
        self._go(0)

    def end(self) -> None:
        """Leave everything as it was before the tour."""
        self._offered_at = None
        if self.stop is not None:
            self.stop = None
            self._session.update(self._before)
        self.card.hide()
        self.ring.hide()
        self._layout.canvas.setFocus()

    def default(self) -> QPushButton | None:
        """The button that Enter presses: the one that goes on."""
        return None if self.card.isHidden() else list(self.card.buttons.values())[-1]

    def instead(self, action: str) -> Callable[[], None] | None:
        """What an action means at this stop, if it is not what it means elsewhere."""
        return None if self.stop is None else self.stops[self.stop].instead.get(action)

    def tick(self, status: LiveStatus) -> None:
        """A few times a second: offer the tour, or go on to the next stop."""
        now = time.monotonic()
        if self._offered_at is not None and now - self._offered_at > _OFFER_SECONDS:
            self.end()
        elif self.stop is None and self._may_offer(status):
            self._offer()
        if self.stop is not None:
            settings = self._session.settings
            if settings != self._last:
                self._last = settings
                if self.stops[self.stop].reached(self._begun, settings):
                    self._tried_at = now
            if self._tried_at is not None and self._is_awaited(status):
                self._tried_at = now
            elif self._tried_at is not None and now - self._tried_at >= self.linger_seconds:
                self._next()
        self.place()

    def _may_offer(self, status: LiveStatus) -> bool:
        """Once, at the first start, when the picture shows attention and nothing is wrong."""
        layout = self._layout
        result = layout.canvas.result
        return (
            "tour" not in layout.window_state
            and layout.window_state.get("no_offer") is not True
            and not (self._kiosk or layout.bare or layout.messages.shown)
            and status.model_state == "ready"
            and result is not None
            and result.maps is not None
        )

    def _is_awaited(self, status: LiveStatus) -> bool:
        """Whether what was tried is not on the picture yet: there would be nothing to look at."""
        return bool(self._layout.canvas.awaited) or any(pane.state in ("waiting", "loading") for pane in status.panes)

    def _next(self) -> None:
        assert self.stop is not None
        if self.stop + 1 < len(self.stops):
            self._go(self.stop + 1)
        else:
            self.end()
            key = self._bindings.shown("help")
            self._layout.canvas.toast(f"That was the tour{f'. {key} lists all keys' if key else ''}", 4.0)

    def _go(self, number: int) -> None:
        self.stop, self._tried_at = number, None
        stop = self.stops[number]
        self._session.update(stop.begin(self._session.settings))
        self._begun = self._last = self._session.settings
        last = number + 1 == len(self.stops)
        close = self._bindings.shown("escape")
        buttons = {"End": f"End the tour  ({close})" if close else "End the tour"}
        if number:
            buttons["Back"] = "The stop before"
        buttons["Show me"] = "Do it for me"
        buttons["Done" if last else "Next"] = "End the tour  (Enter)" if last else "The next stop  (Enter)"
        self.card.say(stop.title, stop.text, f"{number + 1} of {len(self.stops)}", buttons)
        self._layout.canvas.setFocus()
        self.place()

    def _pressed(self, button: str) -> None:
        if button == "Take the tour":
            self.start()
        elif button in ("No, thanks", "End"):
            self.end()
        elif self.stop is None:
            return
        elif button == "Back":
            self._go(self.stop - 1)
        elif button == "Show me":
            self.stops[self.stop].example()
        else:
            self._next()

    # --- places ------------------------------------------------------------------------------------------------------

    def place(self) -> None:
        """Put card and ring where their part of the window is by now."""
        layout = self._layout
        room = QRect(layout.canvas.mapTo(layout, QPoint(0, 0)), layout.canvas.size())
        if self.offers:
            self.card.place_in(room, room.bottomRight(), (1.0, 1.0), _OFFER_WIDTH)
            self.card.setVisible(not layout.bare)
            self._raise()
            return
        if self.stop is None:
            return
        part = self.stops[self.stop].shows
        there = part.isVisible()
        box = QRect(part.mapTo(layout, QPoint(0, 0)), part.size())
        self.ring.theme = layout.theme
        self.ring.setVisible(there and part is not layout.canvas)
        self.ring.setGeometry(box.intersected(layout.rect()))
        if there and part is layout.layers:
            self.card.place_in(room, QPoint(box.right(), box.center().y()), (0.0, 0.5))
        else:
            self.card.place_in(room, QPoint(room.center().x(), room.bottom()), (0.5, 1.0))
        self.card.show()
        self._raise()

    def _raise(self) -> None:
        """Above all of the window but the help."""
        for part in (self.ring, self.card, self._layout.help):
            part.raise_()

    # --- the stops ---------------------------------------------------------------------------------------------------

    def _all_stops(self) -> list[Stop]:
        layout = self._layout
        alike = next(name for name in views.names() if views.find(name).follows_pointer)
        heatmap = views.fallback(has_attention=True)

        def keys(*actions: str) -> str:
            """Keys as the text names them."""
            return " ".join(f"<b>{shown}</b>" for action in actions if (shown := self._bindings.shown(action)))

        def plain(settings: Settings) -> Settings:
            return settings.replace(view=heatmap, query="cls", compare=self._before.compare)

        def twin() -> None:
            compared = self._session.settings.compare
            if len(compared) <= len(self._before.compare):
                self._change(compare=(*compared, self._twin()))

        return [
            Stop(
                "Heads: ways to look",
                "Bright is what the network attends to. It has several ways to look at once, its <i>heads</i>; the "
                f"strip below shows them side by side. Press {keys('head_0', 'head_1', 'head_2')} or click one.",
                layout.heads,
                lambda settings: plain(settings).replace(layer=-1),
                lambda begun, now: now.head != begun.head,
                lambda: self._change(head=1 if self._session.settings.head == 0 else 0),
                {},
            ),
            Stop(
                "Layers: one after the other",
                "What comes in at the bottom is worked on layer by layer, up to the last one on top. See how what it "
                f"attends to changes on the way: {keys('layer_down', 'layer_up')}, or click in this column.",
                layout.layers,
                plain,
                lambda begun, now: now.layer != begun.layer,
                lambda: self._change(layer=max(0, (self._session.status().layers or 1) // 2)),
                {},
                needs_heads=False,
            ),
            Stop(
                "Ask a place",
                "So far the picture as a whole was asked. <b>Click</b> on something: now you see which places that "
                f"spot attends to. {keys('query_cls')} asks the whole picture again.",
                layout.canvas,
                lambda settings: plain(settings).replace(layer=-1),
                lambda begun, now: now.query not in ("cls", begun.query),
                lambda: self._change(query=Point(0.5, 0.5)),
                {},
            ),
            Stop(
                "Was that learned?",
                f"Press {keys('pane_add')}: the same network comes beside it, untrained, with random numbers in the "
                "place of what was learned. What only the trained one shows, it has learned.",
                layout.canvas,
                plain,
                lambda begun, now: len(now.compare) > len(begun.compare),
                twin,
                {"pane_add": twin},
                needs_heads=False,
            ),
            Stop(
                "What is alike",
                f"Press {keys(f'view_{alike}')} and move the pointer over the picture: the brighter a place, the more "
                "alike the network finds it to the spot under the pointer. A click keeps the spot.",
                layout.canvas,
                plain,
                lambda begun, now: views.find(now.view).follows_pointer,
                lambda: self._change(view=alike),
                {},
            ),
        ]

    def _twin(self) -> str:
        """The untrained network like the one in use; beside an untrained one, a trained one."""
        name = self._session.status().first_name or "dino-vits16"
        return "embedded" if name.startswith("random:") else f"random:{name}"


__all__ = ["Stop", "Tour", "TourCard"]
