"""The layer sweep in the window: holds the picture, shows one layer after the other, and returns."""

from __future__ import annotations

from collections.abc import Callable

from rtviz.live.session import LiveSession
from rtviz.settings import Settings


class LayerSweep:
    """One sweep at a time. It has no clock: its owner calls `tick`.

    Args:
        session: whose picture is held.
        change: shows another layer, and names it.
    """

    def __init__(self, session: LiveSession, change: Callable[[int], None]) -> None:
        self._session, self._change = session, change
        self._before: Settings | None = None
        self._was_paused = False
        self._began_at = 0.0
        self._times: tuple[float, ...] = ()
        self._layer = -1

    @property
    def running(self) -> bool:
        return self._before is not None

    def start(self, now: float) -> bool:
        """Hold the picture and begin at layer 0; False if there is no prediction yet."""
        result, status = self._session.latest(), self._session.status()
        if result is None or result.maps is None or not status.layers:
            return False
        from rtviz.offline.layer_sweep import (  # it draws, and the window opens before what draws is loaded
            arrivals,
            sweep_settings,
        )

        self._before, self._was_paused = self._session.settings, status.paused
        if not status.paused:
            self._session.pause(True)
        self._began_at, self._times, self._layer = now, arrivals(status.layers), -1
        self._session.update(sweep_settings(self._before, status.heads))
        self.tick(now)
        return True

    def tick(self, now: float) -> None:
        """Show the layer that is due by now; after the last one, what was shown before."""
        if self._before is None:
            return
        passed = now - self._began_at
        if passed >= self._times[-1]:
            self.stop()
            return
        layer = sum(time <= passed for time in self._times[:-1]) - 1
        if layer != self._layer:
            self._layer = layer
            self._change(layer)

    def stop(self) -> None:
        """Return to the layer and the view before the sweep; the picture goes on if it did."""
        before, self._before = self._before, None
        if before is None:
            return
        self._session.update(self._session.settings.replace(view=before.view, cam=before.cam))
        self._change(before.layer)
        if not self._was_paused:
            self._session.pause(False)


__all__ = ["LayerSweep"]
