"""Actions on the session: heads, layers, views, models, marks, time, recording. Each shows its result in a word."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

from rtviz import views
from rtviz.analysis.head_stats import standing_out
from rtviz.app.keys import Bindings
from rtviz.app.layer_sweep import LayerSweep
from rtviz.app.remembered import Remembered, WeightsFile
from rtviz.app.transport import clock
from rtviz.errors import RtvizError, lacks
from rtviz.live.session import MODES, RECORDED, LiveSession
from rtviz.options import ChoiceOption, RealOption
from rtviz.settings import COLORMAPS, LAYOUTS, MOST_COMPARED, Head, HeadOf, Mark, Muted, Settings
from rtviz.views.requirements import fit, muted

_SPEEDS = (0.25, 0.5, 1.0, 2.0, 4.0)
_LEAP_PAGES = 10  # where a file is sought by seconds
_SEEK_SECONDS = 5.0
_LEAP_SECONDS = 10.0
_UPSAMPLINGS = Settings.option("upsampling", ChoiceOption).choices


class Commands:
    """The actions on a session.

    Args:
        session: what they act on.
        toast: shows large text on the picture, for so many seconds; from any thread.
        models_here: the models that load without a download.

    Attributes:
        record_what: what a recording holds: "overlay", "side-by-side" or "clean".
        silent: settings whose change needs no text, because the picture shows their value already.
    """

    def __init__(
        self,
        session: LiveSession,
        remembered: Remembered,
        bindings: Bindings,
        toast: Callable[[str, float], None],
        models_here: Callable[[], Sequence[str]],
    ) -> None:
        self.session, self.remembered, self.bindings = session, remembered, bindings
        self.record_what = RECORDED[0]
        self.silent: Collection[str] = ()
        self._toast, self._models_here = toast, models_here
        self.sweep = LayerSweep(session, lambda layer: self._show_layer(layer))

    def table(self) -> dict[str, Callable[[], None]]:
        """Action -> what does it."""
        return {
            **{f"head_{n}": lambda n=n: self._head(n) for n in range(10)},  # type: ignore[misc]
            **{f"view_{name}": lambda name=name: self.change(view=name) for name in views.names()},  # type: ignore[misc]
            "head_previous": lambda: self._next_head(-1),
            "head_next": lambda: self._next_head(1),
            "layer_up": lambda: self._next_layer(1),
            "layer_down": lambda: self._next_layer(-1),
            "follow": self._follow,
            "elevator": self._elevator,
            "elevator_save": self._save_elevator,
            "heads_all": lambda: self._cycle("head", ("mean", "max", "all"), 1),
            "query_cls": lambda: self.change(query="cls"),
            "model_next": self._next_model,
            "pane_add": self._add_pane,
            "pane_remove": self._remove_pane,
            "jaccard": self._jaccard,
            "unmark": lambda: self._unmark(1),
            "clear_marks": lambda: self._unmark(len(self.session.settings.track)),
            "mute": self._mute,
            "mute_none": self._mute_none,
            "view_next": lambda: self._cycle("view", views.names(), 1),
            "view_previous": lambda: self._cycle("view", views.names(), -1),
            "layout_next": lambda: self._cycle("layout", LAYOUTS, 1),
            "colormap_next": lambda: self._cycle("colormap", COLORMAPS, 1),
            "upsampling_next": lambda: self._cycle(
                "upsampling", Settings.option("upsampling", ChoiceOption).choices, 1
            ),
            "refit": self._refit,
            "opacity_down": lambda: self._nudge("opacity", -1),
            "opacity_up": lambda: self._nudge("opacity", 1),
            "threshold_down": lambda: self._nudge("threshold", -1),
            "threshold_up": lambda: self._nudge("threshold", 1),
            "mode_next": lambda: self._set_mode(MODES[(MODES.index(self.session.status().mode) + 1) % len(MODES)]),
            **{f"mode_{mode}": lambda mode=mode: self._set_mode(mode) for mode in MODES},  # type: ignore[misc]
            "pause": self._pause,
            "step_back": lambda: self.session.step(-1),
            "step_on": lambda: self.session.step(1),
            "rewind": self._rewind,
            "live": self.live,
            "seek_back": lambda: self._seek(-_SEEK_SECONDS),
            "seek_on": lambda: self._seek(_SEEK_SECONDS),
            "leap_back": lambda: self._seek(-_LEAP_SECONDS),
            "leap_on": lambda: self._seek(_LEAP_SECONDS),
            "slower": lambda: self._speed(-1),
            "faster": lambda: self._speed(1),
            "loop": self._loop,
            "record": self._record,
            "record_what": self._record_what,
            "snapshot": self._snapshot,
            "save_past": self._save_past,
            "restart": self._restart,
            "reload_model": self.session.reload_model,
        }

    def _say(self, text: str, seconds: float = 1.3) -> None:
        self._toast(text, seconds)

    # --- what is shown -----------------------------------------------------------------------------------------------

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
            return f"CAM: {value}"
        if name == "view":
            return views.find(value).label.lower()
        if name == "query":
            if views.find(settings.view).follows_pointer and value == "cls":
                return "query: the patch under the pointer"
            return "query: CLS" if value == "cls" else "query: this patch"
        if name == "model":
            return f"loading {value}" if value else "default model"
        label = Settings.option(name).label.lower()
        return f"{label} {value:.3g}" if isinstance(value, float) else f"{label}: {value}"

    def _refit(self) -> None:
        self.session.refit()
        self._say("colours refitted")

    def _cycle(self, name: str, choices: Sequence[str], direction: int) -> None:
        value = getattr(self.session.settings, name)
        place = choices.index(value) + direction if value in choices else 0
        self.change(**{name: choices[place % len(choices)]})

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

    def _save_elevator(self) -> None:
        result = self.session.latest()
        if result is None or result.maps is None:
            self._say("the layer sweep needs a first prediction", 3.0)
            return
        from rtviz.offline.layer_sweep import save  # it draws, and the window opens before what draws is loaded

        path = self._new_file(".gif", "layers")
        frame, maps = result.frame, result.maps
        settings = self.session.settings

        def write() -> None:
            try:
                save(path, frame, maps, fit(settings, maps))
                self._say(f"wrote {path}", 3.0)
            except RtvizError as error:
                self._say(str(error), 4.0)

        self._say("saving the layer sweep")
        threading.Thread(target=write, name="rtviz-layers", daemon=True).start()

    def _next_model(self) -> None:
        status, settings = self.session.status(), self.session.settings
        now = WeightsFile("", status.model_name)
        if not status.focus and settings.weights:
            now = WeightsFile(str(Path(settings.weights).resolve()), status.model_name)
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

    def _unmark(self, count: int) -> None:
        """Remove so many of the newest marks."""
        settings = self.session.settings
        if not settings.track:
            self._say("no object is marked: Shift+drag marks one", 3.0)
            return
        marks = settings.track[:-count]
        shows_marks = "labels" in views.find(settings.view).needs
        view = views.fallback(has_attention=True) if shows_marks and not marks else settings.view
        self.session.update(settings.replace(track=marks, view=view))
        self._say(f"object {len(settings.track)} unmarked" if marks else "no object is marked")

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

    # --- time --------------------------------------------------------------------------------------------------------

    def _pause(self) -> None:
        if self.session.status().source_state == "ended":
            self._restart()
            return
        paused, page = not self.session.status().paused, self.session.status().page
        self.session.pause(paused)
        if page is not None:
            self._say(f"page {page[0] + 1} of {page[1]}" if paused else "slide show")
        else:
            self._say("paused" if paused else "playing")

    def _rewind(self) -> None:
        before = self.session.status().past_seconds
        self.session.rewind((before or 0.0) + _SEEK_SECONDS)
        now = self.session.status().past_seconds
        if now is not None:
            self._say(f"{now:.0f} s ago   ({self.bindings.shown('live')}: back to live)")

    def live(self) -> None:
        if self.session.status().past_seconds is not None:
            self.session.live()
            self._say("live")

    def _seek(self, seconds: float) -> None:
        status = self.session.status()
        if status.past_seconds is not None:
            self.session.rewind(max(0.0, status.past_seconds - seconds))
        elif status.page is not None:
            self.session.step(round(math.copysign(_LEAP_PAGES, seconds)))
        elif status.source_info is not None and not status.source_info.live:
            to = max(0.0, status.position_seconds + seconds)
            if status.source_info.duration_seconds is not None:
                to = min(to, status.source_info.duration_seconds)
            self.session.seek(to)
            self._say(clock(to))

    def _restart(self) -> None:
        self.session.seek(0.0)
        self.session.pause(False)

    def _speed(self, direction: int) -> None:
        speed = self.session.status().speed
        nearest = min(range(len(_SPEEDS)), key=lambda place: abs(_SPEEDS[place] - speed))
        speed = _SPEEDS[min(max(nearest + direction, 0), len(_SPEEDS) - 1)]
        self.session.set_speed(speed)
        self._say(f"speed {speed:g}×")

    def _loop(self) -> None:
        loop = not self.session.status().loop
        self.session.set_loop(loop)
        self.remembered.window["loop"] = loop
        self._say("loop on" if loop else "loop off")

    # --- saving files ------------------------------------------------------------------------------------------------

    def videos_folder(self) -> Path:
        """The user's folder for videos, which is there."""
        return self._files_folder(".mp4")

    def _files_folder(self, suffix: str) -> Path:
        import platformdirs

        given = self.remembered.window.get("folder")
        if given:
            folder = Path(str(given)).expanduser()
        else:
            folder = (
                Path(platformdirs.user_pictures_dir() if suffix == ".png" else platformdirs.user_videos_dir()) / "rtviz"
            )
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            folder = Path.home()
        return folder

    def _new_file(self, suffix: str, word: str = "") -> Path:
        """A path that does not exist yet, in the user's folder for pictures or videos."""
        folder = self._files_folder(suffix)
        stem = time.strftime("rtviz-%Y-%m-%d-%H-%M-%S") + (f"-{word}" if word else "")
        path, number = folder / f"{stem}{suffix}", 2
        while path.exists():
            path, number = folder / f"{stem}-{number}{suffix}", number + 1
        return path

    def _record(self) -> None:
        if self.session.status().recording is not None:
            self.session.stop_recording()
            self._say("recording stopped")
            return
        path = self._new_file(".mp4")
        self.session.start_recording(path, self.record_what)
        self._say(f"recording: {self.record_what}")

    def _record_what(self) -> None:
        self.record_what = RECORDED[(RECORDED.index(self.record_what) + 1) % len(RECORDED)]
        self._say(f"{self.bindings.shown('record')} records: {self.record_what}")

    def _snapshot(self) -> None:
        path = self._new_file(".png")

        def write() -> None:
            try:
                self._say(f"wrote {self.session.snapshot(path)}", 3.0)
            except RtvizError as error:
                self._say(str(error), 4.0)

        # A large picture takes a while to compress, and keys must work meanwhile.
        threading.Thread(target=write, name="rtviz-snapshot", daemon=True).start()

    def _save_past(self) -> None:
        self.session.save_past(self._new_file(".mp4", "past"))
        self._say("saving the last seconds")
