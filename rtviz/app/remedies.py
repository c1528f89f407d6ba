"""Remedies in the words of the app; for those that it has a card or a button for, it needs none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rtviz.notices import Notice, Remedy, worded

WORDS = {
    Remedy.FETCH_MODEL: "",  # a card offers it
    Remedy.LIST_MODELS: "the menu of models, at the top, has the names",
    Remedy.NAME_MODEL: "choose the model first, then the file",
    Remedy.CHOOSE_WEIGHTS: "",
    Remedy.ACCEPT_LICENCE: "",
    Remedy.MARK_OBJECT: "mark one with Shift+click",
    Remedy.START_EARLIER: "",
    Remedy.CHOOSE_VIDEO_TRACK: "",
    Remedy.CHOOSE_SOUND_TRACK: "",
    Remedy.SHRINK_OUTPUT: "",
    Remedy.OVERWRITE: "",
}
# Beside a render there is no card, but its dialog.
_OF_RENDERS = WORDS | {
    Remedy.FETCH_MODEL: "the menu of models, at the top, fetches trained weights",
    Remedy.CHOOSE_WEIGHTS: "or drop a weights file on the window",
    Remedy.ACCEPT_LICENCE: "the menu of models, at the top, shows the licence of {}",
    Remedy.MARK_OBJECT: "mark one on the picture with Shift+click",
    Remedy.START_EARLIER: "move the in point to the left",
    Remedy.CHOOSE_VIDEO_TRACK: "copy the command, and add --video-stream",
    Remedy.CHOOSE_SOUND_TRACK: "copy the command, and add --audio-stream",
    Remedy.SHRINK_OUTPUT: "choose a smaller size",
    Remedy.OVERWRITE: "choose another name",
}


def of_render(failure: Mapping[str, Any]) -> str:
    """Why a render failed, and what can be done, from what `--progress json` says of it."""
    remedy = Remedy.__members__.get(str(failure.get("remedy")))
    text = worded(Notice(str(failure["error"]), remedy, str(failure.get("subject", ""))), _OF_RENDERS)
    causes = [of_render(cause) for cause in failure.get("causes", ())]
    return f"{text}. Each of them: {'. '.join(causes)}" if causes else text


__all__ = ["WORDS", "of_render"]
