"""The bar at the top of the window: menus, what is shown, the model's button, tools."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PyQt5.QtCore import Qt, pyqtSignal
from PyQt5.QtGui import QResizeEvent
from PyQt5.QtWidgets import QHBoxLayout, QLabel, QMenu, QToolButton

from rtviz.app.giving_way import GivingWayRow
from rtviz.app.keys import Bindings
from rtviz.app.shortened import ShortenedLabel
from rtviz.app.theme import Theme, icon

_TOOLS = {"record": "record", "snapshot": "snapshot", "panel": "panels", "theme": "theme", "full_screen": "full_screen"}
_WIDE, _NARROW = 120, 100  # characters


class Header(GivingWayRow):
    """The bar. `requested` carries an action's name.

    Attributes:
        title: the source and what is muted.
        record_menu, snapshot_menu: what a recording, and what a snapshot holds.
        model_button: names the model in focus; opens the model menu.
        tools: icon name -> button.
    """

    requested = pyqtSignal(str)

    def __init__(self, bindings: Bindings) -> None:
        super().__init__()
        self.setObjectName("header")
        self.setAttribute(Qt.WA_StyledBackground)
        self._bindings = bindings
        row = QHBoxLayout(self)
        row.setContentsMargins(12, 5, 8, 5)
        row.setSpacing(4)
        self.mark = QLabel("rtviz")
        self.mark.setObjectName("mark")
        row.addWidget(self.mark)
        row.addSpacing(8)
        self.open_button = _menu_button("Open", bindings.tip("open", "Open a file, a folder, a camera, an address"))
        self.presets_button = _menu_button("Presets", bindings.tip("presets"))
        row.addWidget(self.open_button)
        row.addWidget(self.presets_button)
        self.title = ShortenedLabel(Qt.ElideMiddle, Qt.AlignRight)
        self.title.setProperty("faint", True)
        row.addStretch(1)
        row.addWidget(self.title)
        self.model_button = self._tool("model_menu", bindings.tip("model_menu", "Models, and weights files"))
        self.model_button.setObjectName("model")
        row.addWidget(self.model_button)
        row.addStretch(1)
        self.tools: dict[str, QToolButton] = {}
        self.record_menu = _choices_button("What is recorded", "record_what", bindings)
        self.snapshot_menu = _choices_button("What a snapshot holds", "snapshot_what", bindings)
        menus = {"record": self.record_menu, "snapshot": self.snapshot_menu}
        for name, action in _TOOLS.items():
            self.tools[name] = self._tool(action, bindings.tip(action))
            self.tools[name].setProperty("dense", False)
            row.addWidget(self.tools[name])
            if name in menus:
                row.addWidget(menus[name])
        self.help_menu = _menu_button("?", bindings.tip("help", "Keys, and a tour"))
        self.help_menu.setAccessibleName("help")
        fill_when_opened(self.help_menu, self._fill_help)
        row.addWidget(self.help_menu)
        # What is hidden in a bar that is narrower than so many characters.
        self.gives_way = {
            self.mark: _WIDE,
            self.tools["theme"]: _NARROW,
            self.tools["full_screen"]: _NARROW,
        }

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802
        """In a narrow window the source's name has the room of the program's, which the window's frame says anyway,
        and of the tools for how the window looks, which have keys; the others stand closer."""
        characters = self.width() / self.fontMetrics().averageCharWidth()
        self.give_way(characters)
        for button in self.tools.values():
            if button.property("dense") is (characters >= _WIDE):
                button.setProperty("dense", characters < _WIDE)
                button.setStyleSheet("")  # has the window's style sheet read again

    def _fill_help(self, menu: QMenu) -> None:
        key = self._bindings.shown("help")
        entries = (
            (f"All keys\t{key}" if key else "All keys", "help"),
            ("Change keys…", "change_keys"),
            ("Tour in five stops", "tour"),
        )
        for text, action in entries:
            entry = menu.addAction(text)
            if entry is not None:
                entry.triggered.connect(lambda _=False, action=action: self.requested.emit(action))

    def _tool(self, action: str, tip: str) -> QToolButton:
        button = _flat_button(tip)
        button.setAccessibleName(action.replace("_", " "))
        button.clicked.connect(lambda: self.requested.emit(action))
        return button

    def set_theme(self, theme: Theme) -> None:
        for name, button in self.tools.items():
            button.setIcon(icon(name, theme, theme.bad if name == "record" else None))

    def show_recording(self, recording: bool, theme: Theme) -> None:
        """Turn the record button into one that stops, or back."""
        self.tools["record"].setIcon(icon("stop" if recording else "record", theme, theme.bad))


def fill_when_opened(button: QToolButton, fill: Callable[[QMenu], None]) -> None:
    """Fill a button's menu anew each time it opens."""
    menu = button.menu()
    assert menu is not None

    def refill() -> None:
        menu.clear()
        fill(menu)

    menu.aboutToShow.connect(refill)


def offer_choices(
    button: QToolButton,
    words: str,
    choices: Sequence[str],
    holder: object,
    attribute: str,
    more: Callable[[], Sequence[tuple[str, Callable[[], None]]]] = list,
) -> None:
    """Let a button's menu choose the value of an attribute.

    Args:
        words: of an entry, with {} for the choice.
        more: gives the text of further entries, and what they do, each time the menu opens.
    """

    def fill(menu: QMenu) -> None:
        for choice in choices:
            entry = menu.addAction(words.format(choice))
            if entry is not None:
                entry.setCheckable(True)
                entry.setChecked(choice == getattr(holder, attribute))
                entry.triggered.connect(lambda _=False, choice=choice: setattr(holder, attribute, choice))
        further = more()
        if further:
            menu.addSeparator()
        for text, do in further:
            entry = menu.addAction(text)
            if entry is not None:
                entry.triggered.connect(lambda _=False, do=do: do())

    fill_when_opened(button, fill)


def _flat_button(tip: str) -> QToolButton:
    button = QToolButton()
    button.setProperty("flat", True)
    button.setFocusPolicy(Qt.TabFocus)
    button.setToolTip(tip)
    return button


def _menu_button(text: str, tip: str) -> QToolButton:
    button = _flat_button(tip)
    button.setText(f"{text} ▾")
    button.setPopupMode(QToolButton.InstantPopup)
    menu = QMenu(button)
    menu.setToolTipsVisible(True)
    button.setMenu(menu)
    return button


def _choices_button(name: str, action: str, bindings: Bindings) -> QToolButton:
    """A small one beside a tool, for what the tool does."""
    button = _menu_button("", bindings.tip(action, name))
    button.setText("▾")
    button.setProperty("dense", True)
    button.setAccessibleName(name)
    button.setVisible(bool(bindings.keys_of(action)))
    return button


__all__ = ["Header", "fill_when_opened", "offer_choices"]
