"""Sides of a comparison: trained models with their panel scores and their results on suites of tasks.

A place is what makes two models alike but for what is compared: tier, checkpoint, checkpoints averaged. Models of two
sides meet at the places both have, and pair by seed there (rule 10). Models without seed are numbered in their order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import pyarrow as pa

from curation.errors import RunError
from leaderboard.scores import ScoredRun
from train.evals.results import Scored

OWN_PANEL = "panel"
"""Name of the panel that training scores at its end."""
OWN_TRAINER = "curate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where models of two sides meet."""

    tier: str
    """Empty when nothing says it, as for models of other trainers."""
    checkpoint: int | None
    """Steps done; None is the finished model."""
    averaged: tuple[int, ...] = ()

    @property
    def label(self) -> str:
        """What tables call it."""
        parts = [self.tier or "models of unknown tier"]
        parts += [f"step {self.checkpoint}"] if self.checkpoint is not None else []
        parts += [f"mean of {len(self.averaged)} checkpoints"] if self.averaged else []
        return ", ".join(parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class PanelScores:
    """One model's scores of a panel's documents."""

    name: str
    digest: str
    context: int
    tokenizer: str
    documents: pa.Table
    """Columns id, slice, family, nats, num_bytes, in the order of ids."""
    marks: Mapping[str, tuple[str, ...]]
    """Slice -> selected-for, trained-on."""
    results: Scored | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One trained model."""

    name: str
    identity: str
    place: Place
    seed: int | None
    arm: str = ""
    """What its results call its recipe; empty when they do not."""
    trainer: str = OWN_TRAINER
    tier_digest: str = ""
    tokens_seen: int | None = None
    panels: tuple[PanelScores, ...] = ()
    suites: tuple[Scored, ...] = ()
    """Results that have items."""
    results: tuple[Scored, ...] = ()
    """All results, those that are sums alone too."""
    selected_for: frozenset[str] = frozenset()
    interventions: str = ""
    """Digest of what recovery did to its training; empty when nothing was done."""
    trained_on: Mapping[str, float] = field(default_factory=dict)
    """Share of the tokens drawn, by slice of its corpus; empty when it is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One side: what was typed for it, and its models."""

    label: str
    models: tuple[Model, ...]

    def places(self) -> list[Place]:
        """Return the places that have models, in the order of the models."""
        return list(dict.fromkeys(model.place for model in self.models))

    def at(self, place: Place) -> dict[int, Model]:
        """Return the models at a place by seed.

        Raises: RunError if two have one seed.
        """
        models = [model for model in self.models if model.place == place]
        found: dict[int, Model] = {}
        numbered = iter(range(1, len(models) + 1))
        free = (number for number in numbered if number not in {model.seed for model in models})
        for model in models:
            seed = model.seed if model.seed is not None else next(free)
            if seed in found:
                raise RunError(
                    f"{self.label}: {found[seed].name} and {model.name} are both seed {seed} of {place.label}; "
                    "expected one run a seed of one recipe; name fewer"
                )
            found[seed] = model
        return found


def side_of(label: str, models: Iterable[Model]) -> Side:
    """Return a side; results of one model on several suites become one.

    Raises: RunError when there is none.
    """
    merged: dict[tuple[str, Place], Model] = {}
    for model in models:
        key = (model.identity, model.place)
        merged[key] = _joined(merged[key], model) if key in merged else model
    if not merged:
        raise RunError(f"{label}: no runs and no results; expected trained models; see `curate compare --help`")
    return Side(label=label, models=tuple(merged.values()))


def shared_places(left: Side, right: Side) -> list[Place]:
    """Return the places where both sides have models, in the order of the left.

    Sides whose models name no tier meet every single place of the other. Raises: RunError if they never meet (rule 6).
    """
    ours, theirs = left.places(), right.places()
    both = [place for place in ours if place in theirs]
    if not both:
        raise RunError(
            f"comparison of {left.label} with {right.label}: tiers differ, {_listed(ours)} and {_listed(theirs)}; "
            "expected one for all arms (rule 6); train both at one tier, or compare the same checkpoint"
        )
    return both


def without_tier(side: Side) -> Side:
    """Return a side whose places name no tier, so that it meets models of unknown tier."""
    return replace(side, models=tuple(replace(model, place=replace(model.place, tier="")) for model in side.models))


def panel_run(model: Model, panel: PanelScores, side: str, seed: int) -> ScoredRun:
    """Return a model's panel scores as comparisons gather them; other trainers' tokenizers may differ."""
    return ScoredRun(
        arm=side,
        tier=model.place.tier if model.place == Place(tier=model.place.tier, checkpoint=None) else model.place.label,
        seed=seed,
        panel=panel.digest,
        tokenizer=panel.tokenizer,
        context=panel.context,
        documents=panel.documents,
        tier_digest=model.tier_digest,
        fingerprint=model.identity,
    )


def _joined(first: Model, second: Model) -> Model:
    panels = {(panel.name, panel.digest, panel.context): panel for panel in (*first.panels, *second.panels)}
    suites, results = (
        {(one.results.suite.name, one.results.suite.digest, one.results.context): one for one in several}
        for several in ((*first.suites, *second.suites), (*first.results, *second.results))
    )
    return replace(
        first,
        seed=first.seed if first.seed is not None else second.seed,
        panels=tuple(panels.values()),
        suites=tuple(suites.values()),
        results=tuple(results.values()),
        selected_for=first.selected_for | second.selected_for,
        interventions=first.interventions or second.interventions,
    )


def _listed(places: Sequence[Place]) -> str:
    return " / ".join(place.label for place in places)
