"""Shows the session's state in the window's parts, a few times a second."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from PyQt5.QtCore import Qt

from rtviz import views
from rtviz.app import remedies
from rtviz.app.cards import Card
from rtviz.app.commands import Commands
from rtviz.app.layout import Layout
from rtviz.app.transport import clock
from rtviz.frame import Maps
from rtviz.live.session import LiveSession, LiveStatus
from rtviz.notices import FileWritten, Notice, Remedy, worded
from rtviz.settings import Settings, token_name
from rtviz.views.requirements import has_features, muted

_WEIGHTS_NAME = 14  # lines' heights that the name of a weights file may be broad in the top bar
_PATIENCE_SECONDS = 0.25  # a picture this late goes without a word


class Presenter:
    """Writes into the widgets; asks nothing of the session but its state.

    Args:
        wrote: called with each file that the session has written.

    Attributes:
        status: the session's, of the last `show`.
        numbered: which one of several places is open; empty for none.
    """

    def __init__(
        self, layout: Layout, session: LiveSession, commands: Commands, wrote: Callable[[FileWritten], None]
    ) -> None:
        self._layout, self._session, self._commands, self._wrote = layout, session, commands, wrote
        self.status = LiveStatus()
        self.numbered = ""
        self._maps: Maps | None = None
        self._thumbnail_settings: Settings | None = None
        self._notices: tuple[str, ...] = ()
        self._up_to_date_at = time.monotonic()
        self._shows = 0

    def show(self, status: LiveStatus, cards: list[Card]) -> None:
        """Show everything but the picture itself."""
        layout = self._layout
        self.status = status
        self._shows += 1
        self._show_thumbnails()
        self.show_settings()
        result = layout.canvas.result
        layout.transport.show_status(status, result.frame.index if result is not None else None)
        layout.preview.show_status(status)
        self._show_pages()
        layout.messages.show_cards(cards)
        opening = status.source_sentence if status.source_state != "failed" else ""  # a card says that
        layout.canvas.wait_for(opening, status.model_sentence if status.model_state == "loading" else "")
        recording = f"REC {clock(status.recording_seconds)}" if status.recording is not None else ""
        if recording != layout.canvas.recording:
            layout.canvas.recording = recording
            layout.header.show_recording(bool(recording), layout.theme)
        self._show_notices()
        if self._shows % 2 == 0:
            layout.readouts.show_status(status)
            layout.source.show_status(status)
            layout.models.show_status(status)
            layout.instruments.show_status(status, self._commands.shown_head())
            layout.place_instruments()
            self._show_title()

    # --- settings, thumbnails ----------------------------------------------------------------------------------------

    def show_settings(self) -> None:
        """Show the session's settings in the controls."""
        layout, settings, status = self._layout, self._session.settings, self.status
        head = self._commands.shown_head()
        layout.strip.following = settings.head == "follow"
        layout.strip.tags = [one.tag for one in status.head_stats]
        layout.strip.chosen = head if head == "all" or isinstance(head, int) else None
        layout.strip.update()
        layout.layers.choose(self._commands.layer() if status.layers else None)
        layout.fusion.show_head(head, bool(status.most_heads or not status.layers))
        layout.view.show_settings(settings, status.layers, status.heads or status.most_heads, status.mode)
        layout.models.show_settings(settings)
        view = views.find(settings.view)
        layout.meaning.say(view.meaning, view.paper)
        self.show_hud()

    def _show_thumbnails(self) -> None:
        result, layout = self._session.latest(), self._layout
        if result is None or layout.picture_only:
            return
        if result.maps is None:
            if result.panes and self.status.focus:  # another pane's maps are not this one's
                pane = self.status.panes[self.status.focus - 1]
                layout.strip.show_nothing(pane.explanation or f"{pane.name}: no prediction yet")
                layout.layers.tiles.show_nothing("")
                self._maps = None
            elif self.status.page is not None:  # nor are one page's the next one's
                layout.strip.show_images([])
                layout.layers.tiles.show_images([])
                self._maps = None
            return
        # A canvas that enlarges patches much does not change the thumbnails.
        settings = result.settings.replace(upsampling=self._session.settings.upsampling)
        if result.maps is self._maps and settings == self._thumbnail_settings:
            return
        result = replace(result, settings=settings)
        self._maps, self._thumbnail_settings = result.maps, result.settings
        layout.strip.show_result(result)
        layout.layers.show_result(result)

    def _show_pages(self) -> None:
        info, page = self.status.source_info, self.status.page
        visible = info is not None and page is not None and not self._layout.bare
        self._layout.pages.show_pages(
            info.pages if visible and info is not None else (), page[0] if page is not None else -1
        )

    # --- on the picture ----------------------------------------------------------------------------------------------

    def show_hud(self) -> None:
        """In full screen, say on the picture what is shown, for viewers at a distance. A mosaic has labels already."""
        canvas, messages, settings = self._layout.canvas, self._layout.messages, self._session.settings
        view = views.find(settings.view)
        lines: list[str] = []
        if self._layout.isFullScreen() and not self._layout.picture_only and not view.mosaic:
            lines = self._hud_lines()
        self._commands.silent = ("head", "layer", "view", "query") if lines else ()
        awaited = f"{view.word}: computing …" if self._awaited() else ""
        covered = messages.geometry().bottom() if messages.isVisible() else 0
        if (lines, awaited, covered) != (canvas.hud, canvas.awaited, canvas.covered):
            canvas.hud, canvas.awaited, canvas.covered = lines, awaited, covered
            canvas.update()

    def _hud_lines(self) -> list[str]:
        status, settings, result = self.status, self._session.settings, self._layout.canvas.result
        where = f"layer {self._commands.layer()}" if status.layers else ""
        if status.layers and not status.heads:  # a convolutional network
            return [where.replace("layer", "stage"), f"{status.model_name}   {self._commands.describe('cam')}"]
        query = result.settings.query if result is not None else settings.query
        second = (
            f"{status.page[0] + 1} / {status.page[1]}" if status.page else "",
            status.model_name or "",
            views.find(settings.view).word,
            f"query: {token_name(query, 'one patch')}",
        )
        return ["   ".join(filter(None, line)) for line in ((where, self._commands.describe("head")), second)]

    def _awaited(self) -> bool:
        """Whether the picture has lacked what the settings ask for longer than a moment: a view, a muted head or an
        object needs another forward pass."""
        result, status = self._session.latest(), self.status
        now = time.monotonic()
        focus = status.focus if result is not None and status.focus < len(result.panes) else 0
        state = status.panes[focus - 1].state if focus else status.model_state
        if result is None or state != "ready":  # a card says that
            self._up_to_date_at = now
        else:
            settings = self._session.settings
            requested = settings.per_model()[min(focus, len(settings.compare))]
            shown = result.panes[focus].result if result.panes else result
            if shown.maps is None:
                complete = not views.find(requested.view).needs
            else:
                complete = has_features(shown.maps, requested)
            if complete or status.source_state in ("failed", "connecting"):
                self._up_to_date_at = now
        return now - self._up_to_date_at > _PATIENCE_SECONDS

    # --- title, notices ----------------------------------------------------------------------------------------------

    def _show_title(self) -> None:
        status, settings, header = self.status, self._session.settings, self._layout.header
        source = status.source_info.name if status.source_info is not None else (status.place or "")
        name = {"scene:": "built-in scene", "screen:": "this screen"}.get(source, source)
        name = Path(name).name if "/" in name and "://" not in name else name
        if status.source_info is not None and status.page is not None:
            page = status.source_info.pages[status.page[0]].path.name
            name = name if page == name else f"{name}   ·   {page}"  # a document is one file
        heads = muted(settings, status.layers, status.heads, status.focus) if status.layers else settings.muted_in(0)
        which = ", ".join(f"{one.layer}.{one.head}" for one in heads) if len(heads) <= 3 else f"{len(heads)} heads"
        title = "   ·   ".join(filter(None, (name or source, self.numbered, f"{which} muted" if heads else "")))
        own = status.model_name == status.first_name and not status.focus
        file = Path(status.first_weights).name if status.first_weights and own else ""
        model = status.model_name or "no model yet"
        if file:
            short = header.fontMetrics().elidedText(file, Qt.ElideMiddle, _WEIGHTS_NAME * header.fontMetrics().height())
            model = f"{model}  ({short})"
        header.model_button.setText(f"{model}  ▾")
        if title != header.title.text():
            header.title.setText(title)
            self._layout.setWindowTitle(f"rtviz — {name or source}" if source else "rtviz")

    def _show_notices(self) -> None:
        notices, new = self.status.notices, self.status.notices_since(self._notices)
        if notices == self._notices:
            return
        self._notices = notices
        # A card offers trained weights.
        new = tuple(one for one in new if not (isinstance(one, Notice) and one.remedy is Remedy.FETCH_MODEL))
        for notice in new:
            if isinstance(notice, FileWritten):
                self._wrote(notice)
            elif notice is new[-1]:
                self._layout.canvas.toast(worded(notice, remedies.WORDS), 4.0)
        self._layout.readouts.setToolTip("\n".join(worded(notice, remedies.WORDS) for notice in notices[-6:]))


__all__ = ["Presenter"]
