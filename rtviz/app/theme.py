"""The window's appearance: two themes, one style sheet, and the few icons, drawn here so that they fit both."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from PyQt5.QtCore import QPointF, QRectF, Qt
from PyQt5.QtGui import QColor, QIcon, QPainter, QPainterPath, QPalette, QPen, QPixmap, QPolygonF
from PyQt5.QtWidgets import QApplication


@dataclass(frozen=True)
class Theme:
    """Colours by what they are for. A word distinguishes states too, never colour alone.

    Attributes:
        ground: round the picture.
        panel, raised, line: surfaces, controls on them, and the lines between.
        ink, faint: text, and text of less weight; both are readable on `panel` and `raised`.
        accent, on_accent: what is chosen, and text on it.
        good, warn, bad: from Okabe and Ito's colours, which all kinds of colour vision can distinguish.
    """

    name: str
    ground: str
    panel: str
    raised: str
    line: str
    ink: str
    faint: str
    accent: str
    on_accent: str
    good: str
    warn: str
    bad: str


DARK = Theme(
    "dark", "#0b0c0f", "#14161a", "#20242b", "#2e333c", "#f0eee8", "#a3a7b0", "#ffc43d", "#1a1300",
    "#56b4e9", "#f0a00a", "#ff7b45",
)  # fmt: skip
LIGHT = Theme(
    "light", "#e3e4e6", "#f5f5f3", "#ffffff", "#cfd1d5", "#17191d", "#545962", "#9a5b00", "#ffffff",
    "#005a96", "#8a5a00", "#b23c00",
)  # fmt: skip
THEMES = {theme.name: theme for theme in (DARK, LIGHT)}

# Lines, and what holds them, take their ink from the palette: where a sheet names a colour, Qt writes the text of empty
# lines in half of it, whatever the palette says, and that is too faint.
_SHEET = """
* {{ font-size: {size}px; }}
QWidget#window, QWidget#side, QScrollArea, QScrollArea > QWidget > QWidget {{ background: {panel}; }}
QWidget#header, QWidget#transport, QWidget#readouts, QWidget#strip, QWidget#layers {{ background: {panel}; }}
QLabel {{ color: {ink}; background: transparent; }}
QLabel[faint="true"] {{ color: {faint}; }}
QLabel#mark {{ font-size: {large}px; font-weight: 700; letter-spacing: 1px; }}
QToolButton, QPushButton {{
    color: {ink}; background: {raised}; border: 1px solid {line}; border-radius: 5px;
    padding: 4px 9px; min-height: 18px;
}}
QToolButton[low="true"] {{ padding: 0 6px; min-height: 14px; }}
QToolButton[flat="true"] {{ background: transparent; border: 1px solid transparent; padding: 4px 7px; }}
QToolButton[dense="true"] {{ padding: 4px 1px; }}
QToolButton:hover, QPushButton:hover {{ border-color: {faint}; }}
QToolButton:pressed, QPushButton:pressed {{ background: {line}; }}
QToolButton:checked, QPushButton:checked {{
    background: {accent}; color: {on_accent}; border-color: {accent}; font-weight: 600;
}}
QToolButton:disabled, QPushButton:disabled, QLabel:disabled {{ color: {faint}; background: transparent; }}
QToolButton:focus, QPushButton:focus, QComboBox:focus, QAbstractSpinBox:focus, QLineEdit:focus, QListWidget:focus,
QCheckBox:focus, QSlider:focus {{ border: 1px solid {accent}; }}
QToolButton:checked:focus, QPushButton:checked:focus {{ border: 2px solid {ink}; }}
QSlider {{ border: 1px solid transparent; border-radius: 4px; }}
QPushButton#primary {{ background: {accent}; color: {on_accent}; border-color: {accent}; font-weight: 600; }}
QPushButton#primary:focus {{ border: 2px solid {ink}; }}
QPushButton#primary:disabled {{ color: {faint}; background: transparent; border: 1px solid {line}; }}
QToolButton::menu-indicator {{ image: none; width: 0; }}
QToolButton#section {{
    text-align: left; font-weight: 600; background: {panel};
    border: 1px solid transparent; border-top: 1px solid {line};
    border-radius: 0; padding: 7px 6px; min-height: 20px;
}}
QToolButton#section:focus {{ border: 1px solid {accent}; }}
QComboBox, QAbstractSpinBox, QLineEdit {{
    background: {raised}; border: 1px solid {line}; border-radius: 5px;
    padding: 3px 7px; min-height: 19px;
    selection-background-color: {accent}; selection-color: {on_accent};
}}
QComboBox::drop-down {{ border: none; width: 22px; }}
QComboBox::down-arrow, QAbstractSpinBox::up-arrow, QAbstractSpinBox::down-arrow {{ image: none; width: 0; height: 0; }}
QAbstractSpinBox::up-button, QAbstractSpinBox::down-button {{
    subcontrol-origin: border; width: 24px; background: transparent; border: none;
}}
QAbstractSpinBox::up-button {{ subcontrol-position: top right; }}
QAbstractSpinBox::down-button {{ subcontrol-position: bottom right; }}
QComboBox QAbstractItemView, QMenu, QListWidget {{
    color: {ink}; background: {raised}; border: 1px solid {line}; outline: none;
    selection-background-color: {accent}; selection-color: {on_accent};
}}
QListView#pages {{ background: {panel}; border: 1px solid transparent; outline: none; padding: 0; }}
QListView#pages:focus {{ border: 1px solid {accent}; }}
QListWidget {{ border-radius: 5px; padding: 2px; }}
QListWidget::item {{ padding: 3px 5px; border-radius: 3px; }}
QListWidget::item:hover {{ background: {line}; }}
QListWidget::item:selected {{ background: {accent}; color: {on_accent}; }}
QMenu {{ padding: 4px; }}
QMenu::item {{ padding: 5px 22px 5px 14px; border-radius: 3px; }}
QMenu::item:selected {{ background: {accent}; color: {on_accent}; }}
QMenu::item:disabled {{ color: {faint}; }}
QMenu::separator {{ height: 1px; background: {line}; margin: 4px 8px; }}
QSlider::groove:horizontal {{ height: 4px; background: {line}; border-radius: 2px; }}
QSlider::sub-page:horizontal {{ background: {accent}; border-radius: 2px; }}
QSlider::handle:horizontal {{ width: 14px; height: 14px; margin: -5px 0; border-radius: 7px; background: {ink}; }}
QSlider::sub-page:horizontal:disabled {{ background: {line}; }}
QSlider::handle:horizontal:disabled {{ background: {faint}; }}
QSlider::groove:vertical {{ width: 4px; background: {line}; border-radius: 2px; }}
QSlider::add-page:vertical {{ background: {accent}; border-radius: 2px; }}
QSlider::handle:vertical {{ width: 14px; height: 14px; margin: 0 -5px; border-radius: 7px; background: {ink}; }}
QProgressBar {{ background: {line}; border: none; border-radius: 3px; max-height: 6px; min-height: 6px; }}
QProgressBar::chunk {{ background: {accent}; border-radius: 3px; }}
QScrollArea {{ border: none; }}
QScrollBar:vertical {{ background: {panel}; width: 10px; margin: 0; }}
QScrollBar::handle:vertical {{ background: {line}; border-radius: 4px; min-height: 30px; margin: 1px; }}
QScrollBar::add-line, QScrollBar::sub-line {{ height: 0; }}
QToolTip {{ color: {ink}; background: {raised}; border: 1px solid {line}; padding: 4px 6px; }}
QScrollArea#messages, QWidget#messagesinside, QScrollArea#messages QScrollBar {{ background: transparent; }}
QTextEdit#sentence {{ background: transparent; color: {ink}; border: none; padding: 0; }}
QFrame#card {{ background: {panel}; border: 1px solid {line}; border-radius: 8px; }}
QFrame#menu {{ background: {panel}; border: 1px solid {line}; }}
QWidget#menuinside {{ background: {panel}; }}
QFrame#menu QLabel#heading {{ color: {faint}; font-weight: 600; }}
QFrame#entry {{ background: transparent; border: 1px solid transparent; border-radius: 5px; }}
QFrame#entry[current="true"] {{ background: {raised}; border-color: {accent}; }}
QFrame#entry:hover {{ background: {raised}; }}
QLabel#title {{ font-weight: 600; }}
QToolButton#model {{ font-weight: 600; }}
QFrame#card QLabel#word {{ font-weight: 700; }}
QCheckBox {{ color: {ink}; border: 1px solid transparent; }}
QFileDialog QToolButton {{ padding: 2px; min-height: 0; }}
QDialog, QMessageBox, QFileDialog, QInputDialog {{ background: {panel}; }}
"""


def style_sheet(theme: Theme, scale: float = 1.0) -> str:
    """The style sheet of a theme.

    Args:
        scale: of the text; above 1 in full screen, which is read from further away.
    """
    return _SHEET.format(**vars(theme), size=round(13 * scale), large=round(16 * scale))


def dress(app: QApplication, theme: Theme, scale: float = 1.0) -> None:
    """Give the whole application a theme. Every widget is polished anew, so nothing is done where it has it already."""
    sheet = style_sheet(theme, scale)
    if app.styleSheet() == sheet:
        return
    colors = QPalette()
    for role, color in {
        QPalette.Window: theme.panel, QPalette.WindowText: theme.ink, QPalette.Base: theme.raised,
        QPalette.AlternateBase: theme.panel, QPalette.Text: theme.ink, QPalette.Button: theme.raised,
        QPalette.ButtonText: theme.ink, QPalette.Highlight: theme.accent, QPalette.HighlightedText: theme.on_accent,
        QPalette.ToolTipBase: theme.raised, QPalette.ToolTipText: theme.ink, QPalette.PlaceholderText: theme.faint,
        QPalette.Link: theme.good,
    }.items():  # fmt: skip
        colors.setColor(role, QColor(color))
    for role in (QPalette.Text, QPalette.ButtonText, QPalette.WindowText):
        colors.setColor(QPalette.Disabled, role, QColor(theme.faint))
    app.setPalette(colors)
    app.setStyleSheet(sheet)


# --- icons, on a square of 24 ----------------------------------------------------------------------------------------


def _polygon(*points: tuple[float, float]) -> QPolygonF:
    return QPolygonF([QPointF(x, y) for x, y in points])


def _play(path: QPainterPath) -> None:
    path.addPolygon(_polygon((7, 4), (20, 12), (7, 20), (7, 4)))


def _pause(path: QPainterPath) -> None:
    path.addRect(6, 4, 4, 16)
    path.addRect(14, 4, 4, 16)


def _step_on(path: QPainterPath) -> None:
    path.addPolygon(_polygon((5, 5), (15, 12), (5, 19), (5, 5)))
    path.addRect(16, 5, 3, 14)


def _step_back(path: QPainterPath) -> None:
    path.addPolygon(_polygon((19, 5), (9, 12), (19, 19), (19, 5)))
    path.addRect(5, 5, 3, 14)


def _rewind(path: QPainterPath) -> None:
    path.addPolygon(_polygon((12, 5), (3, 12), (12, 19), (12, 5)))
    path.addPolygon(_polygon((21, 5), (12, 12), (21, 19), (21, 5)))


def _record(path: QPainterPath) -> None:
    path.addEllipse(QRectF(5, 5, 14, 14))


def _stop(path: QPainterPath) -> None:
    path.addRoundedRect(QRectF(5, 5, 14, 14), 2, 2)


def _snapshot(path: QPainterPath) -> None:
    path.setFillRule(Qt.OddEvenFill)
    path.addRoundedRect(QRectF(3, 7, 18, 13), 2, 2)
    path.addEllipse(QRectF(8, 9.5, 8, 8))
    path.addRect(8, 4, 8, 3)


def _loop(path: QPainterPath) -> None:
    path.setFillRule(Qt.WindingFill)
    for left, direction in ((4, 1), (20, -1)):
        x = left
        path.addRect(QRectF(min(x, x + 12 * direction), 7 if direction > 0 else 15, 12, 2.2))
    path.addPolygon(_polygon((15, 3.5), (21, 8.1), (15, 12.7), (15, 3.5)))
    path.addPolygon(_polygon((9, 11.5), (3, 16.1), (9, 20.7), (9, 11.5)))


def _full_screen(path: QPainterPath) -> None:
    for x, y, dx, dy in ((4, 4, 1, 1), (20, 4, -1, 1), (4, 20, 1, -1), (20, 20, -1, -1)):
        path.addPolygon(
            _polygon((x, y), (x + 6 * dx, y), (x + 6 * dx, y + 2 * dy), (x + 2 * dx, y + 2 * dy),
                     (x + 2 * dx, y + 6 * dy), (x, y + 6 * dy), (x, y))
        )  # fmt: skip


def _panel(path: QPainterPath) -> None:
    path.setFillRule(Qt.OddEvenFill)
    path.addRoundedRect(QRectF(3, 5, 18, 14), 2, 2)
    path.addRect(QRectF(5, 7, 9, 10))


def _theme(path: QPainterPath) -> None:
    path.setFillRule(Qt.OddEvenFill)
    path.addEllipse(QRectF(4, 4, 16, 16))
    half = QPainterPath(QPointF(12, 6))
    half.arcTo(QRectF(6, 6, 12, 12), 90, 180)
    half.closeSubpath()
    path.addPath(half)


def _render(path: QPainterPath) -> None:
    """A strip of film, and an arrow out of it."""
    path.setFillRule(Qt.OddEvenFill)
    path.addRoundedRect(QRectF(2, 4, 15, 16), 2, 2)
    for y in (6, 10.5, 15):
        path.addRect(QRectF(4, y, 2.4, 3))
        path.addRect(QRectF(12.6, y, 2.4, 3))
    path.addPolygon(_polygon((17, 7), (23, 12), (17, 17), (17, 7)))


def _refresh(path: QPainterPath) -> None:
    ring = QPainterPath()
    ring.arcMoveTo(QRectF(5, 5, 14, 14), 50)
    ring.arcTo(QRectF(5, 5, 14, 14), 50, 290)
    path.addPath(_stroked(ring, 2.2))
    path.addPolygon(_polygon((13.5, 3), (20.5, 4.5), (16.5, 10.5), (13.5, 3)))


def _stroked(path: QPainterPath, width: float) -> QPainterPath:
    from PyQt5.QtGui import QPainterPathStroker

    stroker = QPainterPathStroker(QPen(Qt.black, width))
    return stroker.createStroke(path)


_ICONS: dict[str, Callable[[QPainterPath], None]] = {
    "play": _play, "pause": _pause, "step_on": _step_on, "step_back": _step_back, "rewind": _rewind,
    "record": _record, "stop": _stop, "snapshot": _snapshot, "loop": _loop, "full_screen": _full_screen,
    "panel": _panel, "theme": _theme, "refresh": _refresh, "render": _render,
}  # fmt: skip


def icon(name: str, theme: Theme, color: str | None = None) -> QIcon:
    """An icon in the theme's ink; where the button is checked, in what is readable on the accent; faint where it
    cannot be pressed."""
    result = QIcon()
    faint = QColor(theme.faint)
    faint.setAlphaF(0.5)
    shades = (
        (QColor(color or theme.ink), QIcon.Normal, (QIcon.Off,)),
        (QColor(theme.on_accent), QIcon.Normal, (QIcon.On,)),
        (faint, QIcon.Disabled, (QIcon.Off, QIcon.On)),
    )
    path = QPainterPath()
    _ICONS[name](path)
    for shade, mode, states in shades:
        for pixels in (16, 24, 32, 48):
            pixmap = QPixmap(pixels, pixels)
            pixmap.fill(Qt.transparent)
            painter = QPainter(pixmap)
            painter.setRenderHint(QPainter.Antialiasing)
            painter.scale(pixels / 24, pixels / 24)
            painter.fillPath(path, shade)
            painter.end()
            for state in states:
                result.addPixmap(pixmap, mode, state)
    return result


__all__ = ["DARK", "LIGHT", "THEMES", "Theme", "dress", "icon", "style_sheet"]
