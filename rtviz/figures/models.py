"""The models that a figure shows, and what each predicts for its frame."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rtviz.engine.engine import Engine, for_still
from rtviz.errors import SettingsError, WeightsMissing, weights_missing
from rtviz.frame import Frame, Maps
from rtviz.models import Progress, zoo
from rtviz.models.card import EMBEDDED
from rtviz.models.weights import fetching
from rtviz.settings import Settings, load_preset, presets

_SHORT_NAMES = {"dino": "figure4"}  # of presets that compare


def compared(text: str) -> list[str]:
    """The names of the models in a text: names with commas between, or the name of a preset that compares some.

    Raises:
        SettingsError: the preset compares nothing.
    """
    names = [name.strip() for name in text.split(",") if name.strip()]
    preset = _SHORT_NAMES.get(text.strip(), text.strip())
    if preset not in presets():
        return names
    values = load_preset(preset)[0]
    if not values.get("compare"):
        raise SettingsError("compare", text, f"names of models, or a preset that compares some; {preset} does not")
    settings = Settings.from_mapping(values)
    return [name for name in (settings.model, *settings.compare) if name is not None]


def per_model(names: Sequence[str], settings: Settings) -> list[Settings]:
    """The settings with each of the models that are compared; a weights file goes to the model that it belongs to.

    Raises:
        SettingsError: a model is named twice, or it is not clear which model the weights belong to.
        UnknownModel: no model has one of the names.
        WeightsMissing: the weights file does not exist.
    """
    cards = [zoo.find(name) for name in names]
    known = [card.name for card in cards]
    twice = next((name for name in known if known.count(name) > 1), None)
    if twice is not None:
        raise SettingsError("compare", ",".join(names), f"each model once; {twice} stands there twice")
    owner = None if settings.model is None else zoo.find(settings.model)
    if settings.weights is None:
        if owner is not None:
            raise SettingsError("model", settings.model, "without --compare, which names all models")
        return [settings.replace(model=name) for name in known]
    # Untrained models take no weights, and the embedded model has its own, unless no other could be meant.
    takers = [card for card in cards if not card.random and card.name != EMBEDDED]
    takers = takers or [card for card in cards if not card.random]
    if owner is None and len(takers) != 1:
        which = f"; say with --model whose it is: {', '.join(card.name for card in takers)}" if takers else ""
        raise SettingsError("weights", settings.weights, f"a file for one model, not for several{which}")
    owner = owner or takers[0]
    if owner not in cards or owner.random:
        allowed = ", ".join(card.name for card in cards if not card.random) or "a trained one"
        raise SettingsError("model", owner.name, f"with --compare and --weights, whose the file is: {allowed}")
    fetching.resolve(owner, settings.weights)
    return [settings.replace(model=name, weights=settings.weights if name == owner.name else None) for name in known]


def predict_each(
    frame: Frame,
    settings: Sequence[Settings],
    *,
    at_still_resolution: bool = False,
    progress: Progress | None = None,
    notice: Callable[[str], None] = lambda sentence: None,
) -> tuple[dict[str, Maps | str], list[str]]:
    """What each model predicts for a frame; the figure goes without those whose weights are missing.

    Args:
        settings: for each model.
        at_still_resolution: at the resolution that shows most, whatever the settings say.
        progress: is called while weights are downloaded.
        notice: is called with what a model has to say of itself.

    Returns:
        By model's name its maps, or a sentence in their place; and the names of models without weights.

    Raises:
        WeightsMissing: no model has weights.
        RtvizError: a model cannot be loaded.
    """
    predictions: dict[str, Maps | str] = {}
    missing: dict[str, WeightsMissing] = {}
    for one in settings:
        try:
            engine = Engine.for_settings(one, progress)
        except WeightsMissing as error:
            if one.model is None or one.weights is not None:
                raise
            missing[one.model] = error
            predictions[one.model] = "its weights are not on this machine"
            continue
        model = engine.model
        assert model is not None
        if model.notice:
            notice(model.notice)
        (predictions[model.name],) = engine.predict(
            [frame], for_still(one, [model], frame.size) if at_still_resolution else one
        )
    if len(missing) == len(settings):
        raise weights_missing(missing)
    return predictions, list(missing)


__all__ = ["compared", "per_model", "predict_each"]
