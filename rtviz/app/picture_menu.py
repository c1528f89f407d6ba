"""The context menu of the picture: what can be done with the place under the pointer, and with the picture."""

from __future__ import annotations

from collections.abc import Callable

from PyQt5.QtCore import QPoint
from PyQt5.QtWidgets import QAction, QMenu

from rtviz import views
from rtviz.app import patch_readout
from rtviz.app.canvas import Canvas
from rtviz.app.clipboard import copy_text
from rtviz.app.keys import Bindings
from rtviz.app.picture_mouse import PictureMouse
from rtviz.app.pointing import Spot, result_at
from rtviz.frame import Result

# What the menu says of actions that are about the whole picture: action, text; None for a line between them.
_OF_THE_PICTURE: tuple[tuple[str, str] | None, ...] = (
    ("copy_picture", "Copy picture"),
    ("copy_command", "Copy command"),
    ("snapshot", "Save snapshot"),
    None,
    ("pause", "Pause or play"),
    ("zoom_whole", "Show whole picture"),
)


class PictureMenu:
    """Opens the menu.

    Args:
        mouse: does what is done with a place.
        do: does an action of the table of keys.
    """

    def __init__(self, canvas: Canvas, bindings: Bindings, mouse: PictureMouse, do: Callable[[str], None]) -> None:
        self._canvas, self._bindings, self._mouse, self._do = canvas, bindings, mouse, do
        canvas.menu_requested.connect(self._open)

    def _open(self, spot: Spot | None, at: QPoint) -> None:
        result = self._canvas.result
        if result is None:
            return
        menu = QMenu(self._canvas)
        menu.setAccessibleName("What can be done here")
        menu.aboutToHide.connect(menu.deleteLater)
        if spot is not None:
            self._add_place(menu, result, spot)
            menu.addSeparator()
        for row in _OF_THE_PICTURE:
            if row is None:
                menu.addSeparator()
            elif self._bindings.offers(row[0]):
                action, text = row
                self._add(menu, text, lambda action=action: self._do(action), action)  # type: ignore[misc]
        menu.popup(at)

    def _add_place(self, menu: QMenu, result: Result, spot: Spot) -> None:
        """What is done with a patch: in a mosaic, with the head of its tile."""
        found, one = patch_readout.hovered(result, spot), result_at(result, spot)
        if found is not None:
            value = patch_readout.words(result, spot, found)
            self._add(menu, value, lambda: copy_text(value)).setToolTip("Copy this")
            menu.addSeparator()
        if spot.head is not None:
            head = f"head {spot.head}" if isinstance(spot.head, int) else f"the {spot.head} of heads"
            self._add(menu, f"Show {head} of layer {spot.layer} alone", lambda: self._mouse.show_head(spot))
        has_attention = one.maps is not None and one.maps.has_attention
        if has_attention:
            self._add(menu, "Ask this patch", lambda: self._mouse.ask(spot))
            if self._mouse.asks_a_patch:
                self._add(menu, "Ask CLS again", lambda: self._do("query_cls"), "query_cls")
            menu.addSeparator()
            self._add(menu, "Track from here", lambda: self._mouse.track(spot))
            self._add(menu, "Use as reference", lambda: self._mouse.refer(spot))
            if self._mouse.has_references:
                self._add(menu, "Use as one more reference", lambda: self._mouse.refer(spot, beside=True))
            self._add(menu, "Find what is like this", lambda: self._mouse.prompt(spot, positive=True))
            if "prompt" in views.find(one.settings.view).reads and one.settings.prompt:
                self._add(menu, "Leave out what is like this", lambda: self._mouse.prompt(spot, positive=False))
                self._add(menu, "Remove last prompt", lambda: self._do("unmark"), "unmark")
            if views.find(one.settings.view).masks and self._bindings.offers("masks"):
                self._add(menu, "Save masks…", lambda: self._do("masks"), "masks")
            if "labels" in views.find(one.settings.view).needs and one.settings.track:
                self._add(menu, "Unmark last object", lambda: self._do("unmark"), "unmark")

    def _add(self, menu: QMenu, text: str, do: Callable[[], None], action: str = "") -> QAction:
        """A line, with the key that does the same, if there is one."""
        key = self._bindings.shown(action) if action else ""
        made = menu.addAction(f"{text}\t{key}" if key else text)
        assert made is not None
        made.triggered.connect(lambda _=False: do())
        return made


__all__ = ["PictureMenu"]
