"""The desktop app. Light to import: PyQt5 comes in with `launch`, torch and cv2 with the session's own threads."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rtviz.settings import Settings

__all__ = ["launch", "why_not"]

# Which Debian package brings the libraries that Qt's xcb platform needs, for the line that names the remedy.
_PACKAGES = {
    "libGL.so.1": "libgl1", "libEGL.so.1": "libegl1", "libglib-2.0.so.0": "libglib2.0-0",
    "libgthread-2.0.so.0": "libglib2.0-0", "libfontconfig.so.1": "libfontconfig1",
    "libfreetype.so.6": "libfreetype6", "libdbus-1.so.3": "libdbus-1-3", "libX11-xcb.so.1": "libx11-xcb1",
    "libxkbcommon.so.0": "libxkbcommon0", "libxkbcommon-x11.so.0": "libxkbcommon-x11-0",
    "libxcb-icccm.so.4": "libxcb-icccm4", "libxcb-image.so.0": "libxcb-image0",
    "libxcb-keysyms.so.1": "libxcb-keysyms1", "libxcb-randr.so.0": "libxcb-randr0",
    "libxcb-render-util.so.0": "libxcb-render-util0", "libxcb-render.so.0": "libxcb-render0",
    "libxcb-shape.so.0": "libxcb-shape0", "libxcb-shm.so.0": "libxcb-shm0", "libxcb-sync.so.1": "libxcb-sync1",
    "libxcb-xfixes.so.0": "libxcb-xfixes0", "libxcb-xinerama.so.0": "libxcb-xinerama0",
    "libxcb-xkb.so.1": "libxcb-xkb1", "libxcb-util.so.1": "libxcb-util1", "libxcb.so.1": "libxcb1",
}  # fmt: skip
_ALL_PACKAGES = (
    "libgl1 libegl1 libglib2.0-0 libfontconfig1 libdbus-1-3 libxkbcommon-x11-0 libxcb-cursor0 libxcb-icccm4 "
    "libxcb-image0 libxcb-keysyms1 libxcb-randr0 libxcb-render-util0 libxcb-shape0 libxcb-xinerama0 libxcb-xkb1"
)
_connected: set[str] = set()
_NO_PLATFORM = ("offscreen", "minimal", "vnc", "linuxfb", "eglfs")


def launch(
    place: str | Sequence[str] | None,
    settings: Settings | Mapping[str, Any] | None = None,
    *,
    config: str | Path | None = None,
    kiosk: bool = False,
    stream: str | None = None,
    folder: Path | None = None,
) -> int:
    """Open the window and stay until it is closed; returns the exit status, or, once a model was loaded, ends the
    process with it.

    Args:
        place: what to open, as `rtviz.sources.open_source` understands it; several are opened one after the other; None
            takes the first camera that works, else the built-in scene.
        settings: a Settings is shown as it is; a mapping holds only what was given, and the rest is as it was when
            the window was closed last.
        config: a preset's name or file, of which `settings` holds the settings already: its tables `[keys]` and
            `[window]` count besides the user's own config.toml, and what was shown last does not.
        kiosk: for an exhibition: full screen, no panels, reset after a minute without input, nothing
            stored.
        stream: a live output to send the picture to, as `rtviz.sinks.streams.open_stream` takes it.
        folder: where the window remembers things; the user's configuration folder if not given.

    Raises:
        MissingDependency: there is no display, or a library is missing; see `why_not`.
        SettingsError: a value is not allowed.
    """
    reason = why_not()
    if reason is not None:
        from rtviz.errors import RtvizError

        raise RtvizError(reason)
    from rtviz.app.process import run

    places = [place] if isinstance(place, str) else list(place or ())
    return run(places, settings, config, kiosk, stream, folder)


def why_not() -> str | None:
    """Why no window can be opened here, in one line that says what to do; None where one can.

    Qt ends the whole process where it finds no display or misses a library, so this checks first, without Qt.
    """
    try:
        import PyQt5.QtWidgets  # noqa: F401
    except ImportError as error:
        missing = _library_in(str(error))
        if missing is not None:
            return f"no window: the system library {missing} is missing; {_remedy(missing)}"
        return f"no window: PyQt5 is missing ({error}); pip install PyQt5"
    platform = os.environ.get("QT_QPA_PLATFORM", "").split(":")[0].split(";")[0]
    if platform in _NO_PLATFORM or not sys.platform.startswith("linux"):
        return None
    wayland, display = os.environ.get("WAYLAND_DISPLAY"), os.environ.get("DISPLAY")
    if not display and not wayland:
        return (
            "no window: there is no display (DISPLAY and WAYLAND_DISPLAY are not set); start rtviz in a desktop "
            "session, through ssh -X, or render to a file with `rtviz render`"
        )
    return _why_not_xcb() if display and platform != "wayland" else None


def _why_not_xcb() -> str | None:
    """Load Qt's plugin for X11, and connect to the display, as Qt will."""
    import ctypes

    from PyQt5.QtCore import QLibraryInfo

    plugin = Path(QLibraryInfo.location(QLibraryInfo.PluginsPath)) / "platforms" / "libqxcb.so"
    try:
        if plugin.exists():
            ctypes.CDLL(str(plugin))
        xcb = ctypes.CDLL("libxcb.so.1")
    except OSError as error:
        missing = _library_in(str(error)) or str(error)
        return f"no window: the system library {missing} is missing; {_remedy(missing)}"
    xcb.xcb_connect.restype = ctypes.c_void_p
    xcb.xcb_connect.argtypes = [ctypes.c_char_p, ctypes.c_void_p]
    xcb.xcb_connection_has_error.argtypes = [ctypes.c_void_p]
    xcb.xcb_disconnect.argtypes = [ctypes.c_void_p]
    if os.environ["DISPLAY"] in _connected:
        return None
    connection = xcb.xcb_connect(None, None)
    if xcb.xcb_connection_has_error(connection):
        xcb.xcb_disconnect(connection)
        return (
            f"no window: the display {os.environ['DISPLAY']} does not answer; start rtviz in a desktop session, or "
            "render to a file with `rtviz render`"
        )
    # It stays connected: an X server whose only client leaves may reset, and would refuse Qt meanwhile.
    _connected.add(os.environ["DISPLAY"])
    return None


def _library_in(message: str) -> str | None:
    """The name of the library that the loader did not find."""
    name = message.split(":")[0].strip()
    return name if ".so" in name and "/" not in name else None


def _remedy(library: str) -> str:
    return f"on Debian or Ubuntu: sudo apt-get install -y {_PACKAGES.get(library, _ALL_PACKAGES)}"
