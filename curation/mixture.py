"""The name under which the corpus builder finds whoever turns a recipe's `mix` into a schedule of slices."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from curation.corpus_counts import SliceCounts
from curation.files import Json
from curation.recipe import MixSpec
from curation.registry import Registry

Scheduler: TypeAlias = Callable[[MixSpec, Mapping[str, SliceCounts], str], list[dict[str, Json]]]
"""(mix, what each slice holds, where) -> one entry a slice with `slice`, `byte_share`, `token_share` and counts."""

SCHEDULE_VERSION = "schedule@1"
"""Part of every corpus's fingerprint; a change of the weights' formula must raise it."""

MIXTURES: Registry[Scheduler] = Registry("mixture", {"schedule": "mixtures.stage:schedule"})
