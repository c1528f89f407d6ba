"""The one table of what the window can do, and the keys that do it: bindings, help and tooltips are made from it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from PyQt5.QtCore import Qt
from PyQt5.QtGui import QKeyEvent

from rtviz import views


@dataclass(frozen=True, slots=True)
class Action:
    """Something that the window can do.

    Attributes:
        name: what the code and the config file call it.
        group: the heading under which the help lists it.
        label: text in the help and the tooltips.
        keys: the default keys; "Ctrl+O", "[", "Shift+V", "Left".
        family: rows of one family share one line of the help, with this text.
        more: what the tooltip adds to the label.
        kiosk: whether a visitor of an exhibition may do it.
    """

    name: str
    group: str
    label: str
    keys: tuple[str, ...]
    family: str = ""
    more: str = ""
    kiosk: bool = True


def _key_of(view: views.ViewInfo) -> str:
    return f"Shift+{view.key}" if view.key.isupper() else view.key.upper()


def _rows() -> tuple[Action, ...]:
    heads = [Action(f"head_{n}", "Heads and layers", f"head {n}", (str(n),), "choose a head") for n in range(10)]
    shown = [
        Action(f"view_{view.name}", "View", view.word, (_key_of(view),), more=view.help)
        for view in map(views.find, views.names())
    ]
    return (
        *heads,
        Action("head_previous", "Heads and layers", "previous head", ("Left",), "previous, next head"),
        Action("head_next", "Heads and layers", "next head", ("Right",), "previous, next head"),
        Action("layer_up", "Heads and layers", "next layer", ("Up",), "layer up, down"),
        Action("layer_down", "Heads and layers", "previous layer", ("Down",), "layer up, down"),
        Action("heads_all", "Heads and layers", "mean, maximum, all heads", ("A",)),
        Action("follow", "Heads and layers", "follow the head that stands out", ("Shift+F",)),
        Action("elevator", "Heads and layers", "sweep through the layers", ("Shift+E",)),
        Action("query_cls", "Heads and layers", "query back to CLS", ("Q",)),
        Action("query_register", "Heads and layers", "query the next register", ("Shift+Q",)),
        Action("model_next", "Models and objects", "next model on this machine", ("M",)),
        Action("model_menu", "Models and objects", "models, and weights files", ("Ctrl+M",), kiosk=False),
        Action("pane_add", "Models and objects", "add a model beside it", ("Y",), more="a click chooses a pane"),
        Action("pane_remove", "Models and objects", "remove a model", ("Shift+Y",)),
        Action("jaccard", "Models and objects", "Jaccard of the best head", ("Shift+J",)),
        Action("mute", "Heads and layers", "mute or unmute this head", ("Z",)),
        Action("mute_none", "Heads and layers", "unmute all heads", ("Shift+Z",)),
        Action("unmark", "Models and objects", "unmark the last object, prompt, reference", ("Delete",)),
        Action("clear_marks", "Models and objects", "unmark all of them", ("Shift+T",)),
        Action("reference_open", "Models and objects", "find a place of another picture", ("Ctrl+R",), kiosk=False),
        *shown,
        Action("view_next", "View", "next view", ("V",), "next, previous view"),
        Action("view_previous", "View", "previous view", ("Shift+V",), "next, previous view"),
        Action("layout_next", "Picture", "overlay, alone, side by side", ("B",)),
        Action("colormap_next", "Picture", "next colours", ("C",)),
        Action("upsampling_next", "Picture", "smooth, patches, edges", ("U",)),
        Action("undo", "Picture", "undo", ("Ctrl+Z",), "undo, redo"),
        Action("redo", "Picture", "redo", ("Ctrl+Shift+Z", "Ctrl+Y"), "undo, redo"),
        Action("reset", "Picture", "reset settings", ("Ctrl+Backspace",), more="but the model; Undo brings them back"),
        Action("refit", "Picture", "refit the colours", ("X",), more="the range of a heatmap, the components of PCA"),
        Action("opacity_down", "Picture", "less opaque", ("[",), "opacity"),
        Action("opacity_up", "Picture", "more opaque", ("]",), "opacity"),
        Action("threshold_down", "Picture", "lower threshold", ("-",), "threshold of the mask"),
        Action("threshold_up", "Picture", "higher threshold", ("=", "+"), "threshold of the mask"),
        Action("zoom_in", "Picture", "zoom in", ("Ctrl+=", "Ctrl++"), "zoom in, out"),
        Action("zoom_out", "Picture", "zoom out", ("Ctrl+-",), "zoom in, out"),
        Action("zoom_whole", "Picture", "show the whole picture", ("Ctrl+0",)),
        Action("wipe", "Picture", "a divider to drag", ("Shift+W",), more="two models, or frame and overlay"),
        Action("color_bar", "Picture", "colour bar, on or off", ("Shift+C",)),
        Action("mode_next", "Picture", "locked or smooth", ("L",)),
        Action("pause", "Time", "pause, play", ("Space",)),
        Action("step_back", "Time", "previous frame", (",",), "previous, next frame"),
        Action("step_on", "Time", "next frame", (".",), "previous, next frame"),
        Action("rewind", "Time", "rewind 5 s", ("Backspace",)),
        Action("live", "Time", "back to live", ("Return", "Enter")),
        Action("seek_back", "Time", "5 s back in a file", ("Shift+Left",), "5 s back, forward in a file"),
        Action("seek_on", "Time", "5 s forward in a file", ("Shift+Right",), "5 s back, forward in a file"),
        Action("leap_back", "Time", "10 s back in a file", ("Ctrl+Left", "PageUp"), "10 s back, forward in a file"),
        Action("leap_on", "Time", "10 s forward in a file", ("Ctrl+Right", "PageDown"), "10 s back, forward in a file"),
        Action("mark_in", "Time", "in point here", ("Shift+I",), "in, out point of a part", kiosk=False),
        Action("mark_out", "Time", "out point here", ("Shift+O",), "in, out point of a part", kiosk=False),
        Action("clear_part", "Time", "clear in and out point", ("Shift+X",), kiosk=False),
        Action("clip_previous", "Time", "previous video", ("Ctrl+PageUp",), "previous, next video"),
        Action("clip_next", "Time", "next video", ("Ctrl+PageDown",), "previous, next video"),
        Action("slower", "Time", "play slower", ("<",), "play slower, faster"),
        Action("faster", "Time", "play faster", (">",), "play slower, faster"),
        Action("loop", "Time", "loop", ("Ctrl+L",), more="where it is off, the next of several videos follows"),
        Action("render", "Keep", "render the file to a video", ("Ctrl+Shift+E",), kiosk=False),
        Action("record", "Keep", "record what is shown", ("R",), kiosk=False),
        Action("record_what", "Keep", "what a recording holds", ("Shift+R",), kiosk=False),
        Action("snapshot", "Keep", "snapshot to a PNG", ("S",), kiosk=False),
        Action("save_pca_basis", "Keep", "save the components of PCA", ("Ctrl+B",), kiosk=False),
        Action("snapshot_what", "Keep", "what a snapshot holds", ("Shift+S",), kiosk=False),
        Action("masks", "Keep", "save the masks", ("Ctrl+Shift+M",), more="COCO, alpha video, PNG", kiosk=False),
        Action("figure", "Keep", "a figure for a paper", ("Ctrl+Shift+F",), kiosk=False),
        Action("copy_picture", "Keep", "copy the picture", ("Ctrl+C",), "copy picture, command", kiosk=False),
        Action("copy_command", "Keep", "copy the command that shows this", ("Ctrl+Shift+C",),
               "copy picture, command", kiosk=False),
        Action("save_past", "Keep", "save the last 30 s as a video", ("Ctrl+S",), kiosk=False),
        Action("elevator_save", "Keep", "save the layer sweep", ("Ctrl+E",), kiosk=False),
        Action("open", "Window", "open a file", ("Ctrl+O",), kiosk=False),
        Action("open_address", "Window", "open an address or a camera", ("Ctrl+U",), kiosk=False),
        Action("presets", "Window", "presets", ("Ctrl+P",), kiosk=False),
        Action("save_preset", "Window", "save as preset", ("Ctrl+Shift+S",), kiosk=False),
        Action("full_screen", "Window", "full screen", ("F", "F11"), kiosk=False),
        Action("hide_all", "Window", "picture only", ("H",)),
        Action("panels", "Window", "side panel", ("F9",), kiosk=False),
        Action("meaning", "Window", "what am I seeing?", ("Shift+H",)),
        Action("theme", "Window", "dark or light", ("Ctrl+T",)),
        Action("escape", "Window", "one step back", ("Esc",)),
        Action("help", "Window", "this help", ("?", "F1")),
        Action("quit", "Window", "quit", ("Ctrl+Q",)),
    )  # fmt: skip


ACTIONS = _rows()
GROUPS = tuple(dict.fromkeys(action.group for action in ACTIONS))

# What the mouse does on the picture, for the help: group, what is pressed, what it does.
_MOUSE = (
    ("Heads and layers", ("click",), "query a patch; choose a tile"),
    ("Picture", ("wheel",), "zoom; middle drag moves"),
    ("Window", ("right click",), "what can be done there"),
    ("Models and objects", ("Shift+click",), "mark an object to follow or find"),
    ("Models and objects", ("Shift+drag",), "mark one with a box"),
    ("Models and objects", ("Shift+right",), "mark what a prompt leaves out"),
)

_PRETTY = {"Left": "←", "Right": "→", "Up": "↑", "Down": "↓", "Backspace": "⌫", "Return": "Enter", "-": "−",
           "PageUp": "PgUp", "PageDown": "PgDn"}  # fmt: skip
_MODIFIERS = ("Ctrl", "Alt", "Meta", "Shift")


class Bindings:
    """Which key does what.

    Args:
        changes: the table `[keys]` of a config file: an action's name -> a key, a list of keys, or nothing ("").

    Attributes:
        problems: one sentence for each change that could not be made; the default applies then.
    """

    def __init__(self, changes: Mapping[str, Any] | None = None, *, kiosk: bool = False) -> None:
        self.actions = tuple(action for action in ACTIONS if action.kiosk or not kiosk)
        self._tips: dict[str, Callable[[], str]] = {}  # each tooltip that was made -> what makes it anew
        self._bind(changes)

    def rebind(self, changes: Mapping[str, Any] | None) -> dict[str, str]:
        """Change the keys, and `problems`. Returns the tooltips that were made so far, and what they are now."""
        before, self._tips = self._tips, {}
        self._bind(changes)
        return {tip: again() for tip, again in before.items()}

    def _bind(self, changes: Mapping[str, Any] | None) -> None:
        self.problems: list[str] = []
        self._keys = {action.name: tuple(map(plain, action.keys)) for action in self.actions}
        changed: dict[str, tuple[str, ...]] = {}
        for name, given in (changes or {}).items():
            keys = [given] if isinstance(given, str) else given
            if name not in self._keys:
                self.problems.append(f"[keys] cannot bind {name!r}: there is no such action")
            elif not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
                self.problems.append(f"[keys] {name} cannot be {given!r}; allowed: a key, or a list of keys")
            else:
                changed[name] = tuple(plain(key) for key in keys if key.strip())
        self._keys |= changed
        self._actions: dict[str, str] = {}
        # What the user bound takes a key away from what had it by default; of two bindings of one key the first wins.
        for name in (*changed, *(name for name in self._keys if name not in changed)):
            kept: list[str] = []
            for key in self._keys[name]:
                owner = self._actions.setdefault(key, name)
                if owner == name:
                    kept.append(key)
                elif name in changed:
                    self.problems.append(f"[keys] {name} cannot have {key!r}: it is {owner}'s")
            self._keys[name] = tuple(kept)

    def action_of(self, candidates: Sequence[str]) -> str | None:
        """The action that a key press means, given its names from the best to the worst."""
        return next((self._actions[name] for name in candidates if name in self._actions), None)

    def offers(self, action: str) -> bool:
        """Whether an action is in the table, and for a visitor of an exhibition too where this is one."""
        return action in self._keys

    def keys_of(self, action: str) -> tuple[str, ...]:
        """The keys of an action, in their plain form; none for an action that is not offered."""
        return self._keys.get(action, ())

    def shown(self, action: str) -> str:
        """The first key of an action as it is printed; empty without one."""
        return pretty(self.keys_of(action)[0]) if self.keys_of(action) else ""

    def tip(self, action: str, text: str = "") -> str:
        """A tooltip: what the control does, and its key."""
        label = text or next(
            (f"{row.label}: {row.more}" if row.more else row.label for row in self.actions if row.name == action),
            action,
        )
        label = label[:1].upper() + label[1:]
        keys = " or ".join(pretty(key) for key in self.keys_of(action))
        return self._note(f"{label}  ({keys})" if keys else label, lambda: self.tip(action, text))

    def tip_of(self, actions: Sequence[str], text: str) -> str:
        """A tooltip with the first key of each of several actions."""
        keys = "  ".join(shown for action in actions if (shown := self.shown(action)))
        return self._note(f"{text}  ({keys})" if keys else text, lambda: self.tip_of(actions, text))

    def _note(self, tip: str, again: Callable[[], str]) -> str:
        self._tips[tip] = again
        return tip

    def help(self) -> list[tuple[str, list[tuple[tuple[str, ...], str]]]]:
        """What the help shows: groups of (keys as they are printed, what they do); what has no key is left out."""
        groups: list[tuple[str, list[tuple[tuple[str, ...], str]]]] = []
        for group in GROUPS:
            lines: dict[str, list[str]] = {}
            for action in self.actions:
                if action.group == group and self.keys_of(action.name):
                    lines.setdefault(action.family or action.label, []).append(self.shown(action.name))
            if lines:
                mouse = [(pressed, label) for place, pressed, label in _MOUSE if place == group]
                groups.append((group, [*((_run(keys), label) for label, keys in lines.items()), *mouse]))
        return groups


def _run(keys: list[str]) -> tuple[str, ...]:
    """Ten digits in a row are printed as the first and the last."""
    return (keys[0], "…", keys[-1]) if len(keys) > 3 else tuple(keys)


def plain(key: str) -> str:
    """The one form of a key's name: modifiers in order, a letter in upper case.

    "ctrl+shift+s" is "Ctrl+Shift+S"; "space" is "Space"; "+" is a key, and so is "Ctrl++".
    """
    text = key.strip()
    parts = (text[:-1].split("+")[:-1] + ["+"]) if text.endswith("+") else text.split("+")
    given = {part.strip().capitalize() for part in parts[:-1]}
    base = parts[-1].strip()
    base = base.upper() if len(base) == 1 else {"Escape": "Esc"}.get(base.capitalize(), base.capitalize())
    if base.startswith("Page") and len(base) > 4:
        base = f"Page{base[4:].capitalize()}"
    return "+".join([modifier for modifier in _MODIFIERS if modifier in given] + [base])


def pretty(key: str) -> str:
    """A key as it is printed."""
    *modifiers, base = key.split("+") if not key.endswith("+") else [*key[:-1].split("+")[:-1], "+"]
    base = _PRETTY.get(base, base)
    if not modifiers and len(base) == 1:
        return base.lower()
    return "+".join([*modifiers, base])


# --- from a key press to its names -----------------------------------------------------------------------------------

_NAMED = {
    int(getattr(Qt, f"Key_{qt}")): name
    for qt, name in {
        "Left": "Left", "Right": "Right", "Up": "Up", "Down": "Down", "Space": "Space", "Escape": "Esc",
        "Return": "Return", "Enter": "Enter", "Backspace": "Backspace", "Delete": "Delete", "Home": "Home",
        "End": "End", "PageUp": "PageUp", "PageDown": "PageDown", "Insert": "Insert", "Tab": "Tab",
        **{f"F{number}": f"F{number}" for number in range(1, 13)},
    }.items()
}  # fmt: skip

# What a US keyboard has at the place that a scan code names: so a keyboard whose digits need Shift (French), or
# that has no Latin letters (Greek, Russian), works by place.
_ROWS = {2: "1234567890-=", 16: "qwertyuiop[]", 30: "asdfghjkl;'`", 43: "\\zxcvbnm,./"}
_PLACES = {first + offset: sign for first, row in _ROWS.items() for offset, sign in enumerate(row)}
_MAC = "asdfhgzxcv\0bqweryt123465=97-80]ou[ip\0lj'k;\\,/nm."
_SHIFTED = dict(zip("1234567890-=[];'`\\,./", '!@#$%^&*()_+{}:"~|<>?', strict=True))


def place_of(event: QKeyEvent) -> str:
    """What a US keyboard has at the place of the key that was pressed; empty where the system does not say."""
    if sys.platform == "darwin":
        code = event.nativeVirtualKey()
        return _MAC[code].strip("\0") if event.nativeScanCode() and code < len(_MAC) else ""
    code = event.nativeScanCode() - (0 if sys.platform == "win32" else 8)
    return _PLACES.get(code, "")


def names_of(event: QKeyEvent) -> list[str]:
    """The names of a key press, from the best to the worst: what it writes, then where it lies.

    An unshifted key of the digit row is a digit whatever it writes.
    """
    modifiers = event.modifiers()
    held = [
        name
        for name, flag in (("Ctrl", Qt.ControlModifier), ("Alt", Qt.AltModifier), ("Meta", Qt.MetaModifier))
        if modifiers & flag
    ]
    shift = bool(modifiers & Qt.ShiftModifier)
    text, place = event.text(), place_of(event)
    # AltGr, which some systems report as Ctrl+Alt, is how some keyboards write [ and ]: it is part of the sign.
    alternate = bool(modifiers & Qt.GroupSwitchModifier)
    if held == ["Ctrl", "Alt"] and len(text) == 1 and text.isprintable():
        held, alternate = [], True

    def name(sign: str) -> str:
        letter = len(sign) > 1 or sign.isalpha()
        return "+".join([*held, *(["Shift"] if shift and letter else []), sign if len(sign) > 1 else sign.upper()])

    if event.key() in _NAMED:
        return [name(_NAMED[event.key()])]
    names: list[str] = []
    if place.isdigit() and not (held or shift or alternate):
        names.append(place)
    if len(text) == 1 and text.isprintable():
        names.append(name(text))
    elif held and 32 < event.key() < 127:
        names.append(name(chr(event.key())))
    if place:
        names.append(name(place if place.isalpha() or not shift else _SHIFTED.get(place, place)))
    return list(dict.fromkeys(names))


__all__ = ["ACTIONS", "GROUPS", "Action", "Bindings", "names_of", "place_of", "plain", "pretty"]
