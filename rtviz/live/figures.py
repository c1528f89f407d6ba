"""What a measurement of a live session says beside its own figures: what ran."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from rtviz.live.status import LiveStatus


@dataclass(frozen=True)
class SessionFigures:
    """Figures of a live session: what ran.

    Attributes:
        seconds: duration of the measurement, without warm-up.
    """

    place: str
    mode: str
    model: str | None
    device: str | None
    precision: str | None
    resolution: int | None
    seconds: float

    @staticmethod
    def what_ran(place: str, mode: str, status: LiveStatus, seconds: float) -> dict[str, Any]:
        """These figures by name."""
        return {
            "place": place, "mode": mode, "model": status.model_name, "device": status.device,
            "precision": status.precision, "resolution": status.resolution, "seconds": seconds,
        }  # fmt: skip

    def to_mapping(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {name: round(value, 3) if isinstance(value, float) else value for name, value in asdict(self).items()}

    def line(self) -> str:
        """In words, for a terminal."""
        model = f"{self.model} on {self.device}, {self.precision}, {self.resolution}" if self.model else "no model"
        return f"{self.place}, {self.mode}, {model}, {self.seconds:.0f} s"


__all__ = ["SessionFigures"]
