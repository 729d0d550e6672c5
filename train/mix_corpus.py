"""The one corpus that all runs of a mixture search share: a recipe, a pool or a corpus, its panel and its slices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from curation.corpus_counts import SliceCounts
from curation.errors import RunError, nearest, raise_faults
from curation.ingest import ensure_pool, known_pool
from curation.nodes import Planner, existing_node
from curation.pipeline import plan_corpus
from curation.recipe import Recipe, read_recipe
from curation.store import MANIFEST, Artifact
from train.lookup import find_artifact, panel_of
from train.mixed import stream_counts
from train.shards import tokens_node, windows_in
from train.tiers import Tier

RECIPE_SUFFIXES = (".yaml", ".yml")


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedText:
    """A corpus with its panel and its token streams."""

    corpus: Artifact
    panel: Artifact
    streams: Artifact


def find_corpus(planner: Planner, what: str, overrides: Sequence[str]) -> Artifact | None:
    """Return the corpus that `what` means if it has been built; a recipe's pool is looked at, not read.

    Raises: RecipeError, ShardError or RunError for what is no recipe, pool or corpus.
    """
    if _is_corpus(planner, what):
        if overrides:
            raise RunError(f"--set: {what} is a corpus, expected a recipe to change; leave --set out")
        return find_artifact(planner.store, what, "corpus")
    recipe = _recipe(what, overrides)
    pool = known_pool(planner.store, recipe.pool)
    return None if pool is None else planner.store.find("corpus", plan_corpus(recipe, pool).corpus.fingerprint)


def built_corpus(planner: Planner, what: str, overrides: Sequence[str]) -> Artifact:
    """Return the corpus that `what` means, built if the store lacks it. Raises: as `find_corpus`, and as building."""
    found = find_corpus(planner, what, overrides)
    if found is not None:
        return found
    recipe = _recipe(what, overrides)
    pool = ensure_pool(planner.store, recipe.pool, workers=planner.workers, progress=planner.progress)
    return planner.materialise(plan_corpus(recipe, pool).corpus)


def find_streams(planner: Planner, corpus: Artifact, tier: Tier) -> Artifact | None:
    """Return the corpus' token streams for a tier if they have been made."""
    return planner.store.find("tokens", tokens_node(existing_node(corpus), tier.tokenizer).fingerprint)


def chosen_panel(planner: Planner, corpus: Artifact, name: str | None) -> Artifact:
    """Return the panel of that name; without one the corpus' own. Raises: CurateError if there is none."""
    return panel_of(planner.store, corpus) if name is None else find_artifact(planner.store, name, "panel")


def shared_text(planner: Planner, corpus: Artifact, tier: Tier, *, panel_name: str | None = None) -> SharedText:
    """Return the corpus with its panel and its token streams, tokenized if the store lacks them."""
    panel = chosen_panel(planner, corpus, panel_name)
    planner.adopt(corpus)
    planner.adopt(panel)
    streams = planner.materialise(tokens_node(existing_node(corpus), tier.tokenizer))
    return SharedText(corpus=corpus, panel=panel, streams=streams)


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What slices hold: counted in token streams or, before there are any, by the recipe's tokenizer."""

    where: str
    counts: Mapping[str, SliceCounts]


def held_by(corpus: Artifact, streams: Artifact | None = None) -> Held:
    """Return what the slices of a corpus hold; slices without text are left out."""
    if streams is not None:
        return Held(where=corpus.path.name, counts=stream_counts(streams))
    entries = cast("Sequence[Mapping[str, Any]]", corpus.summary["schedule"])
    counts = {
        str(entry["slice"]): SliceCounts(docs=entry["docs"], bytes=entry["bytes"], tokens=entry["tokens"])
        for entry in entries
        if entry["bytes"] > 0
    }
    return Held(where=f"{corpus.path.name}, about, by the recipe's tokenizer", counts=counts)


def natural_shares(held: Held, tier: Tier, only: Sequence[str] = ()) -> dict[str, float]:
    """Return the shares of bytes of the slices, all or `only` these, by name.

    Raises: RunError that lists unknown slices and those without a whole window to read.
    """
    counts = held.counts
    strange = [f"--slices: no slice `{name}` with text; {nearest(name, counts)}" for name in only if name not in counts]
    chosen = sorted(set(only) or counts) if not strange else []
    window = tier.shape.context_tokens
    short = [
        f"slice `{name}` holds {counts[name].stream_tokens:,} tokens, too few for one window of {window:,} and one "
        "more; expected text to draw; leave it out with --slices, or use a larger pool"
        for name in chosen
        if windows_in(counts[name].stream_tokens, window) == 0
    ]
    raise_faults(RunError, held.where, [*strange, *short])
    total = sum(counts[name].bytes for name in chosen)
    return {name: counts[name].bytes / total for name in chosen}


def _is_corpus(planner: Planner, what: str) -> bool:
    path = Path(what)
    if path.is_dir():
        return (path / MANIFEST).is_file()
    return not path.exists() and what.startswith("corpus-")


def _recipe(what: str, overrides: Sequence[str]) -> Recipe:
    path = Path(what)
    if path.suffix in RECIPE_SUFFIXES:
        return read_recipe(path, base=None, pool=None, filter_name=None, overrides=tuple(overrides)).recipe
    return read_recipe(None, base=None, pool=what, filter_name=None, overrides=tuple(overrides)).recipe
