"""How an arm of a tokenizer or optimizer study trains: its change as the name of a variant of the study's tier.

Only its own study compares a variant with the plain tier: names and digests differ, so every table, noise pack and
fitted curve keeps them apart (`train.tier_changes`).
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec, TypeVar

from curation.errors import CurateError, StudyError
from curation.store import Store
from curation.tokenizer_fitness import refuse_without_bytes
from curation.tokenizer_shelf import shelf, shelve
from curation.tokenizers import open_tokenizer
from leaderboard.studies.training_change import TrainingChange
from train.tier_changes import variant_name
from train.tier_names import NamedChange

Asked = ParamSpec("Asked")
Answer = TypeVar("Answer")
SHELF_FOLDER = "tokenizers"
"""Of a store; where the files of its studies' tokenizers are kept."""


def trained_tier(tier: str, change: TrainingChange | None, where: str) -> str:
    """Return the name of the tier that an arm's runs train at the study's `tier`; that itself without a change.

    Raises: StudyError for an unknown optimizer or setting, a value out of range, or a tokenizer that is not there or
    has no id for some bytes.
    """
    if change is None:
        return tier
    try:
        return variant_name(tier, named_change(change, where), change.learning_rate_multiplier)
    except CurateError as error:
        told = str(error)
        raise StudyError(told if told.startswith(where) else f"{where}: {told}") from None


def named_change(change: TrainingChange, where: str) -> NamedChange:
    """Return the change as tiers' names spell it; a tokenizer given as a file is put on the shelf.

    Raises: RecipeError for a tokenizer that is not there or has no id for some bytes.
    """
    return NamedChange(
        optimizer=change.optimizer or "",
        batch_multiplier=change.batch_multiplier,
        settings=tuple(sorted(change.settings)),
        tokenizer="" if change.tokenizer is None else _tokenizer_name(change.tokenizer, where),
    )


def _tokenizer_name(name: str, where: str) -> str:
    opened = open_tokenizer(name, where=where)
    refuse_without_bytes(opened, where)
    return shelve(Path(name)) if Path(name).is_file() else opened.name


def on_own_shelf(function: Callable[Asked, Answer]) -> Callable[Asked, Answer]:
    """Return the function with the tokenizers of its `store` within reach, here and in processes that it starts."""

    @functools.wraps(function)
    def within(*args: Asked.args, **kwargs: Asked.kwargs) -> Answer:
        store = kwargs["store"]
        assert isinstance(store, Store)
        with shelf(store.root / SHELF_FOLDER):
            return function(*args, **kwargs)

    return within
