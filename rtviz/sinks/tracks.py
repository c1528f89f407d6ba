"""What stands beside the pictures of a video file: the input's sound, subtitles, chapters, attachments and title.

Each is copied where the container takes it, which is tried; else it is encoded anew; what can be neither is said.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Any

from rtviz.errors import MissingDependency
from rtviz.words import counted

try:
    from av.stream import Discard

    from rtviz.sinks.muxing import TrackPackets
    from rtviz.sinks.sound import Sound
    from rtviz.sinks.subtitles import Subtitles
    from rtviz.sources.av_files import legible, open_file
except ImportError as error:
    raise MissingDependency("av", f"writing video ({error})") from error


def left_behind(origin: Any, suffix: str) -> str:
    """The sentence about what a video file has beside its pictures, for an output that carries none of it; "" where
    there is nothing.

    Args:
        suffix: of the output.
    """
    if not hasattr(origin, "zero_seconds"):  # only video files have
        return ""
    with open_file(origin.place) as source:
        found = {"sound track": len(source.streams.audio), "subtitle track": len(source.streams.subtitles)}
    said = ", ".join(counted(count, what) for what, count in found.items() if count)
    return f"left out, because {suffix} does not carry it: {said}" if said else ""


class Beside:
    """All that stands beside the pictures of one output."""

    def __init__(self, origin: Any, suffix: str, source: Any) -> None:
        self._origin, self._suffix, self._source = origin, suffix, source
        self._sound: Sound | None = None
        self._subtitles: Subtitles | None = None

    @classmethod
    def of(cls, origin: Any, suffix: str, warnings: list[str]) -> Beside | None:
        """What the origin has beside its pictures; None of what is no video file.

        Args:
            suffix: of the output.
            warnings: sentences for the user; what is lost or changed is added.
        """
        if not hasattr(origin, "zero_seconds"):  # only video files have
            return None
        source = open_file(origin.place)
        beside = cls(origin, suffix, source)
        try:
            beside._sound = Sound.of(origin, suffix, source, warnings)
            beside._subtitles, lost = Subtitles.of(origin, suffix)
            attached = len(source.streams.attachments) if suffix != ".mkv" else 0
            # What FFmpeg itself discards is the track that holds the titles of the chapters.
            data = [stream for stream in source.streams.data if stream.discard != Discard.all]
            lost += Counter({"attachment": attached, "data track": len(data)})
            if +lost:
                said = ", ".join(counted(count, what) for what, count in (+lost).items())
                warnings.append(f"left out, because {suffix} does not carry it: {said}")
        except BaseException:
            beside.close()
            raise
        return beside

    def add_to(self, output: Any) -> None:
        """Make the streams of the output."""
        source = self._source
        if "title" in source.metadata:
            output.metadata["title"] = legible(source.metadata["title"])
        if self._sound is not None:
            self._sound.add_to(output)
        if self._subtitles is not None:
            self._subtitles.add_to(output)
        if self._suffix == ".mkv":
            for attachment in source.streams.attachments:
                tags = {name: legible(value) for name, value in attachment.metadata.items()}
                output.add_attachment(
                    tags.get("filename", "attachment"),
                    tags.get("mimetype", "application/octet-stream"),
                    bytes(attachment.data or b""),
                )
        chapters = sorted(self._chapters(), key=lambda chapter: chapter["start"])  # QuickTime takes no others
        if chapters:
            output.set_chapters(chapters)

    def _chapters(self) -> Iterator[dict[str, Any]]:
        """The chapters of the part that is taken, in its own time."""
        origin = self._origin
        zero = origin.zero_seconds + origin.start
        limit = float("inf") if origin.end is None else origin.end - origin.start
        for number, chapter in enumerate(self._source.chapters()):
            begins, ends = (float(chapter[name] * chapter["time_base"]) - zero for name in ("start", "end"))
            if ends <= 0 or begins >= limit:
                continue
            yield {
                "id": number + 1,
                "start": round(1000 * max(0.0, begins)),
                "end": round(1000 * min(ends, limit)),
                "time_base": Fraction(1, 1000),
                "metadata": {name: legible(value) for name, value in chapter["metadata"].items() if name == "title"},
            }

    def described(self) -> str:
        """What the output is to hold beside the pictures, for an error's message."""
        return f" with {self._sound.described()}" if self._sound is not None else ""

    def begin(self, start_seconds: float) -> None:
        """The first picture stands at so many seconds after the input's first frame."""
        for part in self._parts():
            part.begin(start_seconds)

    def prepare(self) -> None:
        """Have the first packets at hand, before the output's header is written."""
        for part in self._parts():
            part.prepare()

    def mux_until(self, seconds: float) -> None:
        """Put what sounds or is read before that time into the output."""
        for part in self._parts():
            part.mux_until(seconds)

    def _parts(self) -> Iterable[TrackPackets]:
        return [part for part in (self._sound, self._subtitles) if part is not None]

    def close(self) -> None:
        self._source.close()
        if self._subtitles is not None:
            self._subtitles.close()


__all__ = ["Beside", "left_behind"]
