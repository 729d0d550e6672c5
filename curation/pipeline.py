"""From a recipe and a pool to the nodes of its corpus: panel, token counts, one verdict a stage, corpus."""

from __future__ import annotations

from dataclasses import dataclass

from curation.corpus import corpus_node
from curation.errors import RecipeError, nearest
from curation.ingest import pool_node
from curation.nodes import Node
from curation.panel import panel_node
from curation.recipe import STAGE_KINDS, Recipe
from curation.stages import STAGES, StageInputs
from curation.store import Artifact
from curation.token_counts import token_counts_node


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusPlan:
    """Every node of one corpus, in the order of the path."""

    recipe: Recipe
    pool: Node
    panel: Node
    token_counts: Node
    verdicts: tuple[Node, ...]
    corpus: Node


def plan_corpus(recipe: Recipe, pool: Artifact) -> CorpusPlan:
    """Return the nodes that `recipe` makes of `pool`; nothing is built.

    Raises: RecipeError for an unknown stage, component or parameter.
    """
    source = pool_node(pool)
    panel = panel_node(source, recipe.panel, recipe.slice_kinds)
    counts = token_counts_node(source, recipe.tokenizer)
    verdicts: tuple[Node, ...] = ()
    for number, spec in enumerate(recipe.stages):
        where = f"recipe `{recipe.name}`: stages[{number}]"
        if spec.kind not in STAGE_KINDS:
            raise RecipeError(f"{where}: unknown stage kind `{spec.kind}`; {nearest(spec.kind, STAGE_KINDS)}")
        inputs = StageInputs(
            pool=source, panel=panel, token_counts=counts, previous=verdicts, slice_kinds=recipe.slice_kinds
        )
        verdicts = (*verdicts, STAGES.get(spec.kind, where)(spec, inputs, where))
    labels = tuple(f"{spec.kind}: {spec.name}" for spec in recipe.stages)
    corpus = corpus_node(recipe, source, panel, counts, verdicts, labels)
    return CorpusPlan(recipe=recipe, pool=source, panel=panel, token_counts=counts, verdicts=verdicts, corpus=corpus)
