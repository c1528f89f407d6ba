"""Remedies in the words of the command line."""

from __future__ import annotations

from collections.abc import Sequence

from rtviz.errors import RtvizError, in_words
from rtviz.notices import Remedy, worded

WORDS = {
    Remedy.FETCH_MODEL: "`rtviz models pull` fetches a real DINO",
    Remedy.LIST_MODELS: "`rtviz models` lists the names, and any ViT or convnet of timm is taken by its timm name",
    Remedy.NAME_MODEL: "name it with --model",
    Remedy.CHOOSE_WEIGHTS: "or pass a file with --weights",
    Remedy.ACCEPT_LICENCE: "then `rtviz models pull {} --accept-licence`",
    Remedy.MARK_OBJECT: "mark one with --track X,Y",
    Remedy.START_EARLIER: "--start takes an earlier part",
    Remedy.CHOOSE_VIDEO_TRACK: "--video-stream takes another",
    Remedy.CHOOSE_SOUND_TRACK: "--audio-stream takes another",
    Remedy.SHRINK_OUTPUT: "--size makes it smaller",
    Remedy.OVERWRITE: "--overwrite replaces it",
}


def with_remedy(said: str | RtvizError, causes: Sequence[str | RtvizError] = ()) -> str:
    """A notice or an error as the command line prints it; an error about several models has a remedy for each.

    Args:
        causes: what a notice sums up; an error holds its own.
    """
    if not isinstance(said, str):
        return with_remedy(in_words(said), said.causes)
    text = worded(said, WORDS)
    return f"{text}. Each of them: {'. '.join(map(with_remedy, causes))}" if causes else text


__all__ = ["WORDS", "with_remedy"]
