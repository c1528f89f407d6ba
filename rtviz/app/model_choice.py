"""Choosing a model: from the menu, by a weights file, or by a card's button; downloads it first where needed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from PyQt5.QtCore import QObject, Qt
from PyQt5.QtWidgets import QFileDialog

from rtviz.app.cards import Card
from rtviz.app.clipboard import copy_text
from rtviz.app.commands import Commands
from rtviz.app.fetching import Fetcher
from rtviz.app.file_filters import WEIGHTS, offer
from rtviz.app.finder import Finder
from rtviz.app.layout import Layout
from rtviz.app.licence import LicenceDialog
from rtviz.app.remembered import Remembered
from rtviz.errors import LicenceNotAccepted, WeightsMissing, WeightsRefused
from rtviz.live.session import LiveSession, LiveStatus

if TYPE_CHECKING:
    from rtviz.models import Row

_OFFERED = "dino-vits16"


class ModelChoice(QObject):
    """Puts another model into the pane in focus.

    Args:
        finder: lists the models in the background.
        refresh: called when a card has to change.
        show_settings: called when the session's settings have changed.
    """

    def __init__(
        self,
        layout: Layout,
        session: LiveSession,
        remembered: Remembered,
        commands: Commands,
        finder: Finder,
        refresh: Callable[[], None],
        show_settings: Callable[[], None],
    ) -> None:
        super().__init__(layout)  # Qt disconnects it when the window goes
        self._layout, self._session, self._remembered, self._commands = layout, session, remembered, commands
        self._finder, self._refresh, self._show_settings = finder, refresh, show_settings
        self._menu, self._panel = layout.model_menu, layout.models
        self.fetcher = Fetcher()
        self.fetcher.fetched.connect(self._fetched)
        finder.models.connect(self._take_models)
        self._panel.chosen.connect(self.choose)
        self._menu.chosen.connect(self.choose)
        self._menu.wanted.connect(self.choose)
        self._menu.cancelled.connect(self.cancel_fetch)
        self._menu.file_chosen.connect(lambda file: self.load_file(file.path))
        self._menu.file_wanted.connect(self.ask_for_weights)

    def actions(self) -> dict[str, Callable[[], None]]:
        """Action -> what does it."""
        return {
            "model_menu": self.open_menu,
            "get_dino": lambda: self.fetcher.start(None),
            "dismiss_offer": self._dismiss_offer,
            "cancel_fetch": self.cancel_fetch,
            "fetch_again": self._fetch_again,
            **{
                f"{verb}_of_{of}": lambda verb=verb, of=of: self._remedy(verb, of)  # type: ignore[misc]
                for verb in ("read_licence", "copy_link", "choose_file")
                for of in ("model", "fetch")
            },
            **{f"load_{of}_as": lambda of=of: self._remedy("load_as", of) for of in ("model", "fetch")},  # type: ignore[misc]
        }

    # --- the menu ----------------------------------------------------------------------------------------------------

    def open_menu(self) -> None:
        self._menu.show_models(self._panel.rows, self._remembered.weights_files, *self._in_use())
        self._menu.open_under(self._layout.header.model_button)
        self._finder.find(cameras=False, models=True)

    def show_state(self) -> None:
        """Bring an open menu up to date."""
        if self._menu.isVisible():
            self._menu.show_state(*self._in_use(), self.fetcher.fetch)

    def _in_use(self) -> tuple[str, str | None]:
        """The model in the pane in focus, and its weights file if the weights are not its own."""
        status = self._session.status()
        weights = status.first_weights if not status.focus else None
        name = status.model_name if status.focus else status.first_name
        return name or "", str(Path(weights).resolve()) if weights else None

    def _take_models(self, rows: list[Row]) -> None:
        before = self._panel.rows
        self._panel.show_models(rows)
        if self._menu.isVisible() and self._panel.rows is not before:
            self._menu.show_models(self._panel.rows, self._remembered.weights_files, *self._in_use())

    # --- choosing ----------------------------------------------------------------------------------------------------

    def choose(self, name: str) -> None:
        """Load a model; download its weights first where they are missing."""
        row = next((row for row in self._panel.rows if row.card.name == name), None)
        if row is None or row.path is not None:
            self._load(name)
        elif row.must_accept:
            self._ask_about_licence(name, row.card.licence, row.card.licence_url or "")
        else:
            self.fetcher.start(name)
            self._refresh()

    def _load(self, name: str | None) -> None:
        before = self._session.settings
        if name is not None:
            self._commands.models.choose_model(name)
        if self._session.settings == before:  # requested already, and it failed
            self._session.reload_model()
        self._show_settings()

    def load_file(self, path: str, model: str | None = None) -> None:
        """Load the first model from a weights file, as this model or as the one whose shapes fit."""
        self.fetcher.cancel()
        self._session.focus(0)
        self._commands.models.load_file(path, model)
        self._show_settings()

    def ask_for_weights(self, model: str | None = None) -> None:
        """Ask for a weights file of a model, or of any."""
        dialog = QFileDialog(self._layout, f"Weights of {model}" if model else "Weights file")
        offer(dialog, WEIGHTS)
        dialog.setFileMode(QFileDialog.ExistingFile)
        recent = next((Path(file.path).parent for file in self._remembered.weights_files), None)
        if recent is not None and recent.is_dir():
            dialog.setDirectory(str(recent))
        dialog.setAttribute(Qt.WA_DeleteOnClose)
        dialog.fileSelected.connect(lambda path: self.load_file(path, model))
        dialog.open()

    # --- downloads ---------------------------------------------------------------------------------------------------

    def _ask_about_licence(self, name: str, licence: str, url: str) -> None:
        self._menu.hide()
        dialog = LicenceDialog(self._layout, name, licence, url)
        dialog.agreed.connect(lambda name: self.fetcher.start(name, accept_licence=True))
        dialog.open()

    def _fetched(self, name: str | None) -> None:
        self._finder.find(cameras=False, models=True)
        self._load(name)

    def cancel_fetch(self) -> None:
        self.fetcher.cancel()
        self._refresh()

    def _fetch_again(self) -> None:
        if self.fetcher.fetch is not None:
            self.fetcher.start(self.fetcher.fetch.model)

    def _remedy(self, verb: str, of: str) -> None:
        """Do what a card offers about a model that could not be loaded ("model") or downloaded ("fetch")."""
        fetch = self.fetcher.fetch
        error = self._session.status().model_error if of == "model" else fetch.error if fetch is not None else None
        if isinstance(error, WeightsRefused) and verb == "load_as" and error.path is not None:
            self.load_file(str(error.path), error.looks_like[0])
        elif isinstance(error, LicenceNotAccepted) and verb == "read_licence":
            self.fetcher.cancel()
            self._ask_about_licence(error.model or "", error.licence, error.licence_url)
        elif isinstance(error, WeightsMissing) and verb == "copy_link":
            copy_text(error.link or "")
            self._layout.canvas.toast(f"copied: {error.link}", 3.0)
        elif isinstance(error, WeightsMissing) and verb == "choose_file":
            self.ask_for_weights(error.model)

    # --- the offer of a trained model --------------------------------------------------------------------------------

    def offer(self, status: LiveStatus) -> Card | None:
        """A card that offers a trained DINO while a stand-in runs that nobody chose."""
        settings, name = self._session.settings, status.model_name or ""
        stand_in = name == "embedded" or name.startswith("random:")
        if settings.model or settings.weights or not stand_in or self._layout.window_state.get("no_offer"):
            return None
        if settings.compare:  # the card would cover the panes' names
            return None
        size = next((row.cells()[6] for row in self._panel.rows if row.card.name == _OFFERED), "")
        offers = ((f"Get DINO  {size}".strip(), "get_dino"), ("Not now", "dismiss_offer"))
        if name == "embedded":
            text = "This small built-in model has only ever seen drawn scenes. A trained DINO shows far more."
            return Card("offer", "good", "built-in", text, None, offers)
        text = "This model's weights are random, and so are its maps. Get a trained DINO."
        return Card("offer", "warn", "untrained", text, None, offers)

    def _dismiss_offer(self) -> None:
        self._layout.window_state["no_offer"] = True


__all__ = ["ModelChoice"]
