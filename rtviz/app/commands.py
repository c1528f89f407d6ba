"""The actions on the session, each of which shows its result in a word; here those on what is shown: heads, layers,
views, marks. Those on models and time, and those that write files, have a file each."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from typing import Any

from PyQt5.QtGui import QImage

from rtviz import views
from rtviz.analysis.head_stats import standing_out
from rtviz.app.history import History, Step, differing
from rtviz.app.keys import Bindings
from rtviz.app.layer_sweep import LayerSweep
from rtviz.app.model_commands import ModelCommands
from rtviz.app.playback_commands import PlaybackCommands
from rtviz.app.remembered import Remembered
from rtviz.app.saving_commands import SavingCommands
from rtviz.errors import SettingsError, lacks
from rtviz.live.session import DEFAULT_MODE, MODES, LiveSession
from rtviz.notices import FileWritten
from rtviz.options import ChoiceOption, RealOption
from rtviz.settings import (
    COLORMAPS,
    LAYOUTS,
    MODEL_FIELDS,
    Head,
    HeadOf,
    Mark,
    Muted,
    Register,
    Settings,
    token_name,
)
from rtviz.views.requirements import fit, muted
from rtviz.words import counted

_UPSAMPLINGS = Settings.option("upsampling", ChoiceOption).choices


class Commands:
    """The actions on a session.

    Args:
        session: what they act on.
        toast: shows large text on the picture, for so many seconds; from any thread.
        models_here: the models that load without a download.
        seen: the picture as it is seen.
        wrote: called with each file that was written, from any thread.

    Attributes:
        models, playback, saving: the actions on models and time, and those that write files.
        silent: settings whose change needs no text, because the picture shows their value already.
    """

    def __init__(
        self,
        session: LiveSession,
        remembered: Remembered,
        bindings: Bindings,
        toast: Callable[[str, float], None],
        models_here: Callable[[], Sequence[str]],
        seen: Callable[[], QImage | None],
        wrote: Callable[[FileWritten], None],
    ) -> None:
        self.session, self.bindings = session, bindings
        self.silent: Collection[str] = ()
        self._toast = toast
        self.models = ModelCommands(session, remembered, bindings, self._say, self.change, models_here)
        self.playback = PlaybackCommands(session, remembered, bindings, self._say)
        self.saving = SavingCommands(session, remembered, bindings, self._say, seen, wrote)
        self.sweep = LayerSweep(session, lambda layer: self._show_layer(layer))
        self.history = History(self._step())

    def table(self) -> dict[str, Callable[[], None]]:
        """Action -> what does it."""
        return {
            **self.models.table(),
            **self.playback.table(),
            **self.saving.table(),
            **{f"head_{n}": lambda n=n: self._head(n) for n in range(10)},  # type: ignore[misc]
            **{f"view_{name}": lambda name=name: self.change(view=name) for name in views.names()},  # type: ignore[misc]
            "head_previous": lambda: self._next_head(-1),
            "head_next": lambda: self._next_head(1),
            "layer_up": lambda: self._next_layer(1),
            "layer_down": lambda: self._next_layer(-1),
            "follow": self._follow,
            "elevator": self._elevator,
            "heads_all": lambda: self._cycle("head", ("mean", "max", "all"), 1),
            "query_cls": lambda: self.change(query="cls"),
            "query_register": self._next_register,
            "jaccard": self._jaccard,
            "unmark": lambda: self._unmark(1),
            "clear_marks": lambda: self._unmark(None),
            "mute": self._mute,
            "mute_none": self._mute_none,
            "view_next": lambda: self._cycle("view", views.names(), 1),
            "view_previous": lambda: self._cycle("view", views.names(), -1),
            "layout_next": lambda: self._cycle("layout", LAYOUTS, 1),
            "colormap_next": lambda: self._cycle("colormap", COLORMAPS, 1),
            "upsampling_next": lambda: self._cycle("upsampling", _UPSAMPLINGS, 1),
            "refit": self._refit,
            "undo": lambda: self._go_in_history(-1),
            "redo": lambda: self._go_in_history(1),
            "reset": self._reset,
            "opacity_down": lambda: self._nudge("opacity", -1),
            "opacity_up": lambda: self._nudge("opacity", 1),
            "threshold_down": lambda: self._nudge(self._level(), -1),
            "threshold_up": lambda: self._nudge(self._level(), 1),
            "mode_next": lambda: self._set_mode(MODES[(MODES.index(self.session.status().mode) + 1) % len(MODES)]),
            **{f"mode_{mode}": lambda mode=mode: self._set_mode(mode) for mode in MODES},  # type: ignore[misc]
        }

    def _say(self, text: str, seconds: float = 1.3) -> None:
        self._toast(text, seconds)

    def change(self, **changes: Any) -> None:
        """Change settings, and show the new value in words."""
        settings = self.session.settings.replace(**changes)
        if settings != self.session.settings:
            self.session.update(settings)
            name = next(iter(changes))
            view = views.find(settings.view)
            what = "attention heads" if name == "head" else view.subject
            needs_heads = name == "head" or (name == "view" and view.needs_heads)
            if name not in self.silent and not (needs_heads and self._lacks(what)):
                words = self.describe(name) if changes.get("head") != "follow" else self._describe_following()
                status = self.session.status()
                if needs_heads and status.layers and not status.heads:  # the other panes show it
                    self._say(f"{words}; {lacks(status.model_name or '', what)}", 3.0)
                elif name == "head" and settings.jaccard and view.best_heads:
                    self._say(f"{words}; no best head is measured ({self.bindings.shown('jaccard')})", 3.0)
                else:
                    self._say(words)

    def describe(self, name: str) -> str:
        """A setting and its value, in a word or two."""
        settings = self.session.settings
        if name == "mode":
            return self.session.status().mode
        value = getattr(settings, name)
        if name == "head":
            if value == "follow":
                head = self.shown_head()
                if head == "mean":
                    return f"{views.NO_HEAD}: mean of all heads"
                return f"following head {head}" if isinstance(head, int) else "following the head that stands out"
            words = {"mean": "mean of all heads", "max": "maximum of all heads", "all": "all heads"}
            return f"head {value}" if isinstance(value, int) else words[value]
        if name == "layer":
            return f"{'layer' if self.session.status().heads else 'stage'} {self.layer()}"
        if name == "cam":
            return f"CAM: {settings.cam_method(bool(self.session.status().heads))}"
        if name == "view":
            return views.find(value).word
        if name == "query":
            if views.find(settings.view).follows_pointer and value == "cls":
                return "query: the patch under the pointer"
            return f"query: {token_name(value)}"
        if name == "model":
            return f"loading {value}" if value else "default model"
        label = Settings.option(name).label.lower()
        return f"{label} {value:.3g}" if isinstance(value, float) else f"{label}: {value}"

    def _next_register(self) -> None:
        """After the last register, CLS again.

        Raises:
            SettingsError: the model has no registers.
        """
        status, query = self.session.status(), self.session.settings.query
        if not status.registers:
            raise SettingsError(
                "query", "reg0", f"CLS or a patch ({lacks(status.model_name or 'the model', 'registers')})"
            )
        following = query.number + 1 if isinstance(query, Register) else 0
        self.change(query=Register(following) if following < status.registers else "cls")

    def _refit(self) -> None:
        self.session.refit()
        self._say("colours refitted")

    def note_settings(self) -> None:
        """Make what has changed since the last time a step that can be undone."""
        if not self.sweep.running:
            self.history.note(self._step(), time.monotonic())

    def forget_settings(self) -> None:
        """Nothing before now can be undone."""
        self.history.forget(self._step())

    def _step(self) -> Step:
        return Step(self.session.settings, self.session.status().mode)

    def _go_to(self, step: Step) -> None:
        self.session.update(step.settings)
        self.session.set_mode(step.mode)

    def _go_in_history(self, direction: int) -> None:
        self.note_settings()
        before, word = self._step(), "undo" if direction < 0 else "redo"
        step = self.history.undo() if direction < 0 else self.history.redo()
        if step is None:
            self._say(f"nothing to {word}")
            return
        self._go_to(step)
        changed = differing(before, step)
        what = self.describe(changed[0]) if len(changed) == 1 else f"{len(changed)} settings"
        self._say(f"{word}: {what}")

    def _reset(self) -> None:
        kept = ("compare", *MODEL_FIELDS)
        before = self._step()
        step = Step(Settings(**{name: getattr(before.settings, name) for name in kept}), DEFAULT_MODE)
        changed = len(differing(before, step))
        self._go_to(step)
        undo = self.bindings.shown("undo")
        self._say(
            f"{counted(changed, 'setting')} reset   ({undo}: undo)" if changed else "all settings are the defaults"
        )

    def _cycle(self, name: str, choices: Sequence[str], direction: int) -> None:
        value = getattr(self.session.settings, name)
        place = choices.index(value) + direction if value in choices else 0
        self.change(**{name: choices[place % len(choices)]})

    def _level(self) -> str:
        """Which setting decides what belongs to the masks of the view."""
        return "confidence" if "confidence" in views.find(self.session.settings.view).reads else "threshold"

    def _nudge(self, name: str, direction: int) -> None:
        option = Settings.option(name, RealOption)
        assert option.step is not None
        assert option.minimum is not None
        assert option.maximum is not None
        notch = round(getattr(self.session.settings, name) / option.step) + direction
        value = min(max(notch * option.step, option.minimum), option.maximum)
        self.change(**{name: round(value, 6)})
        self._say(self.describe(name))

    def _head(self, head: int) -> None:
        heads = self._heads()
        if self._lacks():
            return
        if heads and head >= heads:
            self._say(f"no head {head}: they are 0 to {heads - 1}")
        else:
            self.change(head=head)

    def _next_head(self, direction: int) -> None:
        heads = self._heads()
        if self._lacks() or not heads:
            return
        head = self.shown_head()
        place = min(head, heads - 1) + direction if isinstance(head, int) else (0 if direction > 0 else -1)
        self.change(head=place % heads)

    def shown_head(self) -> Head:
        """The head that is shown. While following, the one that stands out, or the mean if none does."""
        head, result = self.session.settings.head, self.session.latest()
        return result.settings.head if head == "follow" and result is not None else head

    def _follow(self) -> None:
        """Follow the head that stands out, or stop and keep the present one."""
        if self._lacks():
            return
        head = self.shown_head()
        if self.session.settings.head == "follow":
            self.change(head=head if isinstance(head, int) else "mean")
        else:
            self.change(head="follow")

    def _describe_following(self) -> str:
        result = self.session.latest()
        if result is None or result.maps is None or not result.maps.has_attention:
            return self.describe("head")
        head = standing_out(result.maps.attention[fit(result.settings, result.maps).layer])
        return f"{views.NO_HEAD}: mean of all heads" if head is None else f"following head {head}"

    def _heads(self) -> int:
        """How many heads there are to choose from: the model's in focus, or if it has none, another one's."""
        status = self.session.status()
        return status.heads or status.most_heads

    def _lacks(self, what: str = "attention heads", *, in_focus: bool = False) -> bool:
        """Whether no loaded model has heads, or patch tokens; says so on the picture.

        Args:
            in_focus: ask only the model in focus.
        """
        status = self.session.status()
        if status.model_name is None or not status.layers or status.heads or (status.most_heads and not in_focus):
            return False
        self._say(lacks(status.model_name, what), 3.0)
        return True

    def layer(self) -> int:
        """The layer that is shown, counted from 0; as given while no model says how many there are."""
        settings, layers = self.session.settings, self.session.status().layers
        if not layers:
            return settings.layer
        if not -layers <= settings.layer < layers:
            return layers - 1 if settings.layer > 0 else 0
        return settings.layer % layers

    def _next_layer(self, direction: int) -> None:
        if self.session.status().layers:
            layer = min(max(self.layer() + direction, 0), self.session.status().layers - 1)
            # The last layer is remembered as such, for models of another depth.
            self.change(layer=layer if layer < self.session.status().layers - 1 or direction < 0 else -1)

    def _show_layer(self, layer: int) -> None:
        self.session.update(self.session.settings.replace(layer=layer))
        if "layer" not in self.silent:
            self._say(self.describe("layer"), 0.8)

    def _elevator(self) -> None:
        """Sweep through the layers on the frame that is shown, or end that."""
        if self.sweep.running:
            self.sweep.stop()
        elif not self.sweep.start(time.monotonic()):
            self._say("the layer sweep needs a first prediction", 3.0)

    def _mute(self) -> None:
        """Mute the head that is shown in the pane in focus, or unmute it."""
        if self._lacks(in_focus=True):
            return
        settings, status = self.session.settings, self.session.status()
        if not status.layers:
            self._say("no head to mute until the model is loaded", 3.0)
            return
        head = self.shown_head()
        if not isinstance(head, int):
            self._say("choose one head to mute", 3.0)
            return
        pane = status.focus
        one = HeadOf(self.layer(), min(head, status.heads - 1))
        now = muted(settings, status.layers, status.heads, pane)
        heads = [of for of in now if of != one] if one in now else [*now, one]
        elsewhere = [of for of in settings.mute if of.pane != pane]
        self.session.update(settings.replace(mute=(*elsewhere, *(Muted(*of, pane) for of in heads))))
        if one in now:
            self._say(f"layer {one.layer} head {one.head} unmuted")
            return
        muting = f"layer {one.layer} head {one.head} muted"
        if one.layer == status.layers - 1:
            self._say(f"{muting}: in the last layer, so no attention changes", 4.0)
        else:
            key = self.bindings.shown("view_difference")
            self._say(f"{muting}: look at the layers above it ({key}: difference)", 4.0)

    def _mute_none(self) -> None:
        count = len(self.session.settings.mute)
        self.session.update(self.session.settings.replace(mute=()))
        self._say("all heads unmuted" if count else "no head is muted")

    def mark(self, mark: Mark) -> None:
        """Track one more object, and show the marks unless the Jaccard index is shown."""
        settings = self.session.settings
        marks = (*settings.track, mark)
        self.session.update(settings.replace(track=marks, view=settings.view if settings.jaccard else views.MARKS))
        self._say(f"object {len(marks)} marked")

    def _unmark(self, count: int | None) -> None:
        """Remove so many of the newest marks, or prompts or references where these are shown; all of them if None."""
        settings = self.session.settings
        if "prompt" in views.find(settings.view).reads:
            self._remove("prompt", "prompt", count)
            return
        if "references" in views.find(settings.view).needs:
            self._remove("reference", "reference", count)
            return
        if not settings.track:
            self._say("no object is marked: Shift+drag marks one", 3.0)
            return
        marks = settings.track[: -(count or len(settings.track))]
        shows_marks = "labels" in views.find(settings.view).needs
        view = views.fallback(has_attention=True) if shows_marks and not marks else settings.view
        self.session.update(settings.replace(track=marks, view=view))
        self._say(f"object {len(settings.track)} unmarked" if marks else "no object is marked")

    def _remove(self, setting: str, word: str, count: int | None) -> None:
        held = getattr(self.session.settings, setting)
        kept = held[: -(count or len(held))] if held else ()
        self.session.update(self.session.settings.replace(**{setting: kept}))
        left = f"{counted(len(kept), word)} left" if kept else f"no {word}"
        self._say(left if held else f"no {word}: Shift+click what to find")

    def _jaccard(self) -> None:
        shown, result = not self.session.settings.jaccard, self.session.latest()
        self.change(jaccard=shown)
        known = self.session.settings.track or (result is not None and result.frame.masks is not None)
        if shown and not known:
            self._say("Jaccard index of the best head: mark an object with Shift+drag", 4.0)
        else:
            self._say("Jaccard index of the best head" if shown else "Jaccard index off")

    def _set_mode(self, mode: str) -> None:
        self.session.set_mode(mode)
        self._say({"locked": "locked: each frame with its own attention", "smooth": "smooth: every frame"}[mode])
