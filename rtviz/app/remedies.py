"""Remedies in the words of the app; for those that it has a card or a button for, it needs none."""

from __future__ import annotations

from rtviz.notices import Remedy

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

__all__ = ["WORDS"]
