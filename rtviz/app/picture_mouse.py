"""What a click or drag on the picture does: choose a pane, a head or a query, or mark an object."""

from __future__ import annotations

from collections.abc import Callable

from PyQt5.QtCore import QObject

from rtviz import views
from rtviz.app.canvas import Canvas
from rtviz.app.commands import Commands
from rtviz.app.pointing import Spot, result_at
from rtviz.errors import RtvizError
from rtviz.live.session import LiveSession
from rtviz.settings import Mark, Point

_STEP = 1.5  # the magnification of one press of a key


class PictureMouse(QObject):
    """Connects the canvas to the session.

    Args:
        take_reference: uses a mark on the frame as the reference, in a view that shows one.
        take_prompt: uses a mark on the frame as an example of a class, or of what it is not.
        show_settings: called when the session's settings have changed.
    """

    def __init__(
        self,
        canvas: Canvas,
        session: LiveSession,
        commands: Commands,
        take_reference: Callable[[Mark, bool], None],
        take_prompt: Callable[[Mark, bool], None],
        show_settings: Callable[[], None],
    ) -> None:
        super().__init__(canvas)  # Qt disconnects it when the window goes
        self._canvas, self._session, self._commands, self._show_settings = canvas, session, commands, show_settings
        self._take_reference, self._take_prompt = take_reference, take_prompt
        self._moves_query = True  # this press sets the query; it did not choose a pane or release a patch
        canvas.pointed.connect(self._pointed)
        canvas.dragged.connect(self._dragged)
        canvas.hovered.connect(lambda spot: session.point(self._patch_of(spot)))
        canvas.marked.connect(self._marked)
        canvas.excluded.connect(self._excluded)
        canvas.crisp_changed.connect(session.show_true_patches)

    def actions(self) -> dict[str, Callable[[], None]]:
        """Action -> what does it."""
        return {
            "zoom_in": lambda: self._canvas.zoom_by(_STEP),
            "zoom_out": lambda: self._canvas.zoom_by(1 / _STEP),
            "zoom_whole": self._canvas.show_whole,
            "wipe": self._wipe,
        }

    def _wipe(self) -> None:
        """Put a border between two pictures, to be dragged, or take it away."""
        canvas = self._canvas
        if canvas.wipe is not None:
            canvas.wipe = None
            canvas.toast("no divider")
        elif canvas.can_wipe:
            canvas.wipe = 0.5
            canvas.toast("drag the divider")
        else:
            canvas.toast("a divider is between two models, or the frame and what is drawn on it", 4.0)
        canvas.update()

    @property
    def asks_a_patch(self) -> bool:
        """Whether a patch is the query, and not CLS."""
        return self._session.settings.query != "cls"

    @property
    def has_references(self) -> bool:
        """Whether a reference has been chosen."""
        return bool(self._session.settings.reference)

    def ask(self, spot: Spot) -> None:
        """Make the patch under a spot the query, of a tile of a mosaic too."""
        self._session.focus(spot.pane)
        self._set_query(spot)

    def show_head(self, spot: Spot) -> None:
        """Show the head of a tile alone."""
        self._session.focus(spot.pane)
        self._change(view=views.fallback(has_attention=True), head=spot.head, layer=spot.layer)

    def track(self, spot: Spot) -> None:
        """Mark the object under a spot."""
        self._with_message(self._commands.mark, _mark(spot))

    def refer(self, spot: Spot, beside: bool = False) -> None:
        """Find the place under a spot, as it is in this frame, in the frames to come; beside the references there are,
        or instead of them."""
        self._with_message(lambda mark: self._take_reference(mark, beside), _mark(spot))

    def prompt(self, spot: Spot, positive: bool) -> None:
        """Give the place under a spot as an example of the class, or of what it is not."""
        self._with_message(lambda mark: self._take_prompt(mark, positive), _mark(spot))

    def _pointed(self, spot: Spot) -> None:
        self._moves_query = spot.pane == self._session.status().focus
        if not self._moves_query:
            self._session.focus(spot.pane)
        if spot.head is not None:
            self._change(head=spot.head, **({} if spot.layer is None else {"layer": spot.layer}))
        elif self._moves_query and self._is_pinned(spot):
            self._moves_query = False  # until the next click
            self._change(query="cls")
        elif self._moves_query:
            self._set_query(spot)

    def _dragged(self, spot: Spot) -> None:
        if spot.head is None and self._moves_query:
            self._set_query(spot)

    def _marked(self, mark: Mark) -> None:
        view = views.find(self._session.settings.view)
        if "second" in view.reads:
            self._change(second=Point(round(mark.x + mark.width / 2, 4), round(mark.y + mark.height / 2, 4)))
        elif "prompt" in view.reads:
            self._with_message(lambda mark: self._take_prompt(mark, True), mark)
        elif "references" in view.needs:
            self._with_message(lambda mark: self._take_reference(mark, False), mark)
        else:
            self._with_message(self._commands.mark, mark)

    def _excluded(self, spot: Spot) -> None:
        if "prompt" in views.find(self._session.settings.view).reads:
            self.prompt(spot, positive=False)

    def _with_message(self, use: Callable[[Mark], None], mark: Mark) -> None:
        """Use a mark; an error becomes one line on the picture."""
        try:
            use(mark)
        except RtvizError as error:
            self._canvas.toast(str(error), 4.0)
        self._show_settings()

    def _change(self, **changes: object) -> None:
        self._commands.change(**changes)
        self._show_settings()

    def _set_query(self, spot: Spot) -> None:
        self._session.update(self._session.settings.replace(query=Point(round(spot.x, 4), round(spot.y, 4))))
        self._show_settings()

    def _is_pinned(self, spot: Spot) -> bool:
        """Whether a view that follows the pointer is pinned to the patch under a spot."""
        settings = self._session.settings
        if not isinstance(settings.query, Point) or not views.find(settings.view).follows_pointer:
            return False
        return self._patch_of(spot) == self._patch_of(spot._replace(x=settings.query.x, y=settings.query.y))

    def _patch_of(self, spot: Spot | None) -> Point | None:
        """The middle of the patch under a spot."""
        if spot is None or self._canvas.result is None:
            return None
        maps = result_at(self._canvas.result, spot).maps
        if maps is None:
            return None
        rows, columns = maps.grid
        row, column = maps.grid.patch_at(spot)
        return Point((column + 0.5) / columns, (row + 0.5) / rows)


def _mark(spot: Spot) -> Mark:
    return Mark(round(spot.x, 4), round(spot.y, 4))


__all__ = ["PictureMouse"]
