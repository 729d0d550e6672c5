"""The model before step 0: drawn from the seed, or the weights of another run (`train.mixed`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from train.model import LanguageModel, build_model
from train.run import load_model

if TYPE_CHECKING:
    from train.training import Training


def initial_model(training: Training, init_seed: int) -> LanguageModel:
    """Return the model that a training begins with; its optimizer begins empty either way.

    Raises: RunError if the file of weights does not fit the tier.
    """
    model = build_model(training.tier, init_seed)
    if training.initial is not None:
        model.load_state_dict(load_model(training.initial, training.tier).state_dict())
    return model
