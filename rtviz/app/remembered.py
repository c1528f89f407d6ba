"""What the window remembers between starts, the user's own config file, and saved presets; all of it TOML."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from rtviz import views
from rtviz.errors import OutputUnwritable, RtvizError, SettingsError
from rtviz.settings import MODEL_FIELDS, Settings, load_preset, presets

_RECENT = 8
_FILES = 5  # weights files
_PLACES = ("query", "track", "reference", "prompt")  # a place on yesterday's picture means nothing on today's
_NOT_KEPT = (*_PLACES, "compare", "mute", "jaccard")  # tried for a while; a preset may hold it
ONE_MODEL = frozenset({"model", "weights"})  # who sets one of them sets both
MODEL_OPTIONS = ("compare", *MODEL_FIELDS, "resolution")


def default_folder() -> Path:
    """Where rtviz keeps its files for this user."""
    from platformdirs import user_config_path

    return user_config_path("rtviz", appauthor=False)


class WeightsFile(NamedTuple):
    """A file that a model was loaded from: its path, and the model's name."""

    path: str
    model: str | None


@dataclass
class Remembered:
    """What the window remembers.

    `config.toml` in the folder is the user's own and never written: its tables `[keys]` and `[window]` are read.
    `state.toml` beside it is written when the window closes. Presets are in `presets/`.

    Only what the user chose by hand is remembered: what a command line or a preset sets is for this time.

    Attributes:
        folder: where the files are.
        keys: action -> key or list of keys.
        settings: what the user chose last, as `Settings.from_mapping` takes it.
        given: settings and their plain values from a command line or a preset, not chosen by hand.
        window: theme, mode, size, which panels are open...; the config file's values win over the remembered ones.
        recent: places that were opened, newest first.
        weights_files: files that models were loaded from, newest first.
        weights_now: those of them loaded since the start.
        problems: one sentence for each file that could not be read.
        configured_window: the part of `window` that a config file set.
        saved_window: `window` without the config file's values.
        stored: False keeps everything in memory, as in kiosk mode.
    """

    folder: Path
    keys: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    given: dict[str, Any] = field(default_factory=dict)
    window: dict[str, Any] = field(default_factory=dict)
    configured_window: dict[str, Any] = field(default_factory=dict)
    saved_window: dict[str, Any] = field(default_factory=dict)
    recent: list[str] = field(default_factory=list)
    weights_files: list[WeightsFile] = field(default_factory=list)
    weights_now: list[WeightsFile] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    config: Path | None = None
    stored: bool = True

    @classmethod
    def read(cls, folder: Path, config: Path | None = None) -> Remembered:
        """Everything from the folder; `config` is one more file whose tables `[keys]` and `[window]` win."""
        found = cls(folder, config=config)
        state = found._read(folder / "state.toml")
        found.settings = _settings_of(_table(state, "settings"))
        found.window = _table(state, "window")
        found.recent = [place for place in state.get("recent", []) if isinstance(place, str)][:_RECENT]
        found.weights_files = [
            WeightsFile(path, str(model) or None) for path, model in _table(state, "weights_files").items()
        ][:_FILES]
        for path in (folder / "config.toml", config):
            if path is not None:
                own = found._read(path)
                found.keys |= _table(own, "keys")
                found.configured_window |= _table(own, "window")
        found.saved_window = dict(found.window)
        found.window |= found.configured_window
        return found

    def read_keys(self) -> list[str]:
        """Read the keys again. Returns what cannot be read; then the keys stay as they were."""
        keys: dict[str, Any] = {}
        before, self.problems = self.problems, []
        for path in (self.folder / "config.toml", self.config):
            if path is not None:
                keys |= _table(self._read(path), "keys")
        problems, self.problems = self.problems, before
        if not problems:
            self.keys = keys
        return problems

    def _read(self, path: Path) -> dict[str, Any]:
        try:
            with open(path, "rb") as file:
                return tomllib.load(file)
        except FileNotFoundError:
            return {}
        except OSError as error:
            self.problems.append(f"cannot read {path}: {error.strerror}")
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            self.problems.append(f"{path} is not a TOML file ({error})")
        return {}

    def add_place(self, place: str) -> None:
        """Put a place first among the recent ones."""
        self.recent = [place, *(other for other in self.recent if other != place)][:_RECENT]

    def add_weights_file(self, file: WeightsFile) -> None:
        """Put a file that a model was loaded from first among the recent ones."""
        self.weights_files = [file, *(other for other in self.weights_files if other.path != file.path)][:_FILES]
        if file not in self.weights_now:
            self.weights_now = [*(other for other in self.weights_now if other.path != file.path), file]

    def note_given(self, settings: Settings, names: Collection[str] | None = None) -> None:
        """Note all settings, or those of these names, as given by a command line or a preset. They are not remembered
        until another value is chosen by hand."""
        values = settings.to_mapping()
        given = {option.name for option in Settings.options()} if names is None else set(names)
        if given & ONE_MODEL:
            given |= ONE_MODEL
        self.given |= {name: values.get(name) for name in given}

    def add_choices(self, settings: Settings) -> None:
        """Remember the settings that were chosen by hand."""
        values = settings.to_mapping()
        untrained = (settings.model or "").startswith("random:")  # to compare with, for a while
        for option in Settings.options():
            name, value = option.name, values.get(option.name)
            if (
                (name in self.given and self.given[name] == value)
                or name in _NOT_KEPT
                or (name == "view" and views.find(str(value)).transient)
                or (untrained and name in ONE_MODEL)
            ):
                continue
            if value is None:
                self.settings.pop(name, None)
            else:
                self.settings[name] = value

    def write(self, settings: Settings) -> None:
        """Remember all this for the next start.

        Raises:
            OutputUnwritable: the folder cannot be written.
        """
        if not self.stored:
            return
        self.add_choices(settings)
        configured = {name for name, value in self.configured_window.items() if self.window.get(name) == value}
        window = {name: value for name, value in self.window.items() if name not in configured}
        window |= {name: self.saved_window[name] for name in configured & self.saved_window.keys()}
        _write(
            self.folder / "state.toml",
            {
                "recent": self.recent,
                "settings": self.settings,
                "weights_files": {file.path: file.model or "" for file in self.weights_files},
                "window": dict(sorted(window.items())),
            },
        )

    # --- presets -----------------------------------------------------------------------------------------------------

    def presets(self) -> dict[str, Path]:
        """Name -> file: those that come with rtviz, and the user's own, which win."""
        own = {path.stem: path for path in sorted((self.folder / "presets").glob("*.toml"))}
        shipped = {name: path for name, path in presets().items() if name != "kiosk"}  # which is a way to start
        return {**shipped, **own}

    def save_preset(self, name: str, settings: Settings) -> Path:
        """Save the present settings (with the model, if one was chosen) under a name.

        Raises:
            SettingsError: the name cannot be a file's.
            OutputUnwritable: the folder cannot be written.
        """
        stem = name.strip()
        if not stem or stem.startswith(".") or any(sign in stem for sign in '/\\:*?"<>|') or not stem.isprintable():
            raise SettingsError("preset", name, 'a name without / \\ : * ? " < > |')
        path = self.folder / "presets" / f"{stem}.toml"
        values = settings.to_mapping()
        for dropped in ("device", "precision", "backend", *_PLACES):
            values.pop(dropped, None)
        _write(path, values)
        return path


def about(path: Path) -> str:
    """A preset's own description in one sentence; empty if it has none."""
    try:
        with open(path, "rb") as file:
            sentence = tomllib.load(file).get("about", "")
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError):
        return ""
    return sentence if isinstance(sentence, str) else ""


def apply_preset(path: Path, settings: Settings) -> Settings:
    """A preset's settings, with defaults for the rest, without panes unless it names some; the model stays unless it
    names one.

    Raises:
        RtvizError: the preset cannot be read.
    """
    values, _ = load_preset(path)
    aside = ONE_MODEL if ONE_MODEL & values.keys() else frozenset()  # another model's weights are of no use to it
    kept = {name: getattr(settings, name) for name in MODEL_FIELDS if name not in aside}
    return Settings.from_mapping({name: value for name, value in kept.items() if value is not None} | values)


def _settings_of(values: Mapping[str, Any]) -> dict[str, Any]:
    """Those values that are still allowed: a newer or older version may know other ones."""
    good: dict[str, Any] = {}
    for name, value in values.items():
        try:
            Settings.from_mapping({name: value})
            if name == "view":
                views.find(value)
        except RtvizError:
            continue
        good[name] = value
    return good


def _table(values: Mapping[str, Any], name: str) -> dict[str, Any]:
    table = values.get(name, {})
    return dict(table) if isinstance(table, dict) else {}


def _write(path: Path, values: Mapping[str, Any]) -> None:
    """Write TOML beside the file and rename it, so that a crash leaves the old one."""
    import tomli_w

    partial = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(tomli_w.dumps(values), encoding="utf-8")
        os.replace(partial, path)
    except OSError as error:
        raise OutputUnwritable(f"cannot write {path}: {error.strerror or error}") from None


__all__ = ["MODEL_OPTIONS", "ONE_MODEL", "Remembered", "WeightsFile", "about", "apply_preset", "default_folder"]
