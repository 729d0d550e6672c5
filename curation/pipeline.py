"""From a recipe and a pool to the nodes of its corpus: panel, token counts, one verdict a stage, corpus."""

from __future__ import annotations

from dataclasses import dataclass

from curation.corpus import corpus_node
from curation.corpus_scan import TextVersion
from curation.errors import RecipeError, nearest
from curation.ingest import pool_node
from curation.nodes import Node
from curation.panel import panel_node
from curation.recipe import STAGE_KINDS, Recipe, StageSpec
from curation.stages import STAGES, Rewrite, StageInputs
from curation.store import Artifact
from curation.token_counts import token_counts_node


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusPlan:
    """Every node of one corpus, in the order of the path."""

    recipe: Recipe
    pool: Node
    """The raw text."""
    panel: Node
    token_counts: Node
    """Tokens of the raw text."""
    verdicts: tuple[Node, ...]
    corpus: Node


def plan_corpus(recipe: Recipe, pool: Artifact) -> CorpusPlan:
    """Return the nodes that `recipe` makes of `pool`; nothing is built.

    Raises: RecipeError for an unknown stage, component or parameter.
    """
    source = pool_node(pool)
    panel = panel_node(source, recipe.panel, recipe.slice_kinds)
    counts = token_counts_node(source, recipe.tokenizer)
    text = TextVersion(pool=source, token_counts=counts)
    verdicts: tuple[Node, ...] = ()
    rewritten: dict[int, TextVersion] = {}
    for number, spec in enumerate(recipe.stages):
        where = f"recipe `{recipe.name}`: stages[{number}]"
        if spec.kind not in STAGE_KINDS:
            raise RecipeError(f"{where}: unknown stage kind `{spec.kind}`; {nearest(spec.kind, STAGE_KINDS)}")
        inputs = StageInputs(
            pool=text.pool,
            panel=panel,
            token_counts=text.token_counts,
            previous=verdicts,
            slice_kinds=recipe.slice_kinds,
        )
        made = STAGES.get(spec.kind, where)(spec, inputs, where)
        if isinstance(made, Rewrite):
            new_counts = token_counts_node(made.pool, recipe.tokenizer, label=f"token counts after {spec.name}")
            text = rewritten[number] = TextVersion(pool=made.pool, token_counts=new_counts)
        verdicts = (*verdicts, made.verdict if isinstance(made, Rewrite) else made)
    labels = tuple(_label(spec, verdict) for spec, verdict in zip(recipe.stages, verdicts, strict=True))
    corpus = corpus_node(recipe, TextVersion(pool=source, token_counts=counts), panel, verdicts, rewritten, labels)
    return CorpusPlan(recipe=recipe, pool=source, panel=panel, token_counts=counts, verdicts=verdicts, corpus=corpus)


def _label(spec: StageSpec, verdict: Node) -> str:
    """Return what the funnel calls a stage; one named by a path goes by its content, as its fingerprint does."""
    name = verdict.params.get("filter", spec.name) if ":" in spec.name else spec.name
    return f"{spec.kind}: {name}"
