"""Actions on the models: another one, one more pane, one fewer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from rtviz.app.keys import Bindings
from rtviz.app.remembered import Remembered, WeightsFile
from rtviz.live.session import LiveSession
from rtviz.settings import MOST_COMPARED


class ModelCommands:
    """Actions on the models: another one, one more pane, one fewer.

    Args:
        session: what they act on.
        say: shows text on the picture, for so many seconds.
        change: changes settings, and shows the new value in words.
        models_here: the models that load without a download.
    """

    def __init__(
        self,
        session: LiveSession,
        remembered: Remembered,
        bindings: Bindings,
        say: Callable[..., None],
        change: Callable[..., None],
        models_here: Callable[[], Sequence[str]],
    ) -> None:
        self.session, self.remembered, self.bindings = session, remembered, bindings
        self._say, self.change, self._models_here = say, change, models_here

    def table(self) -> dict[str, Callable[[], None]]:
        """Action -> what does it."""
        return {
            "model_next": self._next_model,
            "pane_add": self._add_pane,
            "pane_remove": self._remove_pane,
            "reload_model": self.session.reload_model,
        }

    def _next_model(self) -> None:
        status = self.session.status()
        now = WeightsFile("", status.model_name if status.focus else status.first_name)
        if not status.focus and status.first_weights:
            now = WeightsFile(str(Path(status.first_weights).resolve()), status.first_name)
        names = [name for name in self._models_here() if name == now.model or name not in self._in_panes()]
        there = [WeightsFile("", name) for name in names]
        if not status.focus:  # beside the first model there are models by their names only
            there = [*self.remembered.weights_now, *there]
        others = [one for one in there if one != now]
        if not others:
            self._say(f"no other model on this machine: {self.bindings.shown('model_menu')} lists those to fetch", 3.0)
            return
        chosen = there[(there.index(now) + 1) % len(there)] if now in there else others[0]
        if chosen.path:
            self.load_file(chosen.path, chosen.model)
        else:
            self.choose_model(str(chosen.model))

    def load_file(self, path: str, model: str | None = None) -> None:
        """Load the first model from a weights file, as this model or as the one whose shapes fit."""
        self.change(weights=path, model=model)
        self._say(f"loading {Path(path).name}" + (f" as {model}" if model else ""))

    def _in_panes(self) -> set[str | None]:
        """The models in use, or requested for a pane."""
        status, settings = self.session.status(), self.session.settings
        return {status.first_name, settings.model, *(pane.name for pane in status.panes), *settings.compare}

    def choose_model(self, name: str) -> None:
        """Load another model into the pane in focus."""
        pane = self.session.status().focus
        if not pane:
            self.change(model=name, weights=None)
            return
        compared = list(self.session.settings.compare)
        compared[pane - 1] = name
        self.change(compare=tuple(compared))
        self._say(f"pane {pane + 1}: {name}")

    def _add_pane(self) -> None:
        """Add a pane, with a model of this machine, else an untrained one."""
        compared = self.session.settings.compare
        if len(compared) >= MOST_COMPARED:
            self._say(f"at most {MOST_COMPARED + 1} models at once", 3.0)
            return
        present = self._in_panes()
        untrained = ["random:dino-vits16", "random:resnet50", "random:embedded"]
        name = next(name for name in (*self._models_here(), *untrained) if name not in present)
        self.change(compare=(*compared, name))
        self._say(f"added {name}", 2.0)

    def _remove_pane(self) -> None:
        """Remove the pane in focus; if that is the first model's, the last one."""
        compared = list(self.session.settings.compare)
        if not compared:
            self._say("only one model is in use")
            return
        pane = self.session.status().focus or len(compared)
        gone = compared.pop(pane - 1)
        # What is muted in the panes after it moves up with them.
        mute = [of._replace(pane=of.pane - (of.pane > pane)) for of in self.session.settings.mute if of.pane != pane]
        self.change(compare=tuple(compared), mute=tuple(mute))
        self._say(f"removed {gone}")


__all__ = ["ModelCommands"]
