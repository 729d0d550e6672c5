"""From a recipe and a pool to the nodes of its corpus: panel, token counts, one verdict a stage, corpus."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from curation.corpus import corpus_node
from curation.corpus_scan import TextVersion
from curation.errors import CurateError, PluginError, RecipeError, nearest, raise_faults
from curation.ingest import pool_node
from curation.mix_names import refuse_unknown_slices
from curation.nodes import Node
from curation.panel import panel_node
from curation.recipe import STAGE_KINDS, Recipe, StageSpec
from curation.recipe_changes import matched_text
from curation.scores import find_score
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

    Raises: RecipeError for slices in `mix` that the pool lacks, or that lists the faults of all stages (unknown kinds,
    components, settings); a single fault as its stage raised it, so PluginError for a component that does not load.
    """
    known = pool.summary.get("slices")
    if isinstance(known, Mapping):  # every pool that was read says them
        refuse_unknown_slices(recipe.mix, known, f"recipe `{recipe.name}`: mix")
    source = pool_node(pool)
    panel = panel_node(source, recipe.panel, recipe.slice_kinds)
    counts = token_counts_node(source, recipe.tokenizer)
    text = TextVersion(pool=source, token_counts=counts)
    verdicts: tuple[Node, ...] = ()
    rewritten: dict[int, TextVersion] = {}
    errors: list[CurateError] = []
    before: StageInputs | None = None
    for number, spec in enumerate(recipe.stages):
        inputs = StageInputs(
            pool=text.pool,
            panel=panel,
            token_counts=text.token_counts,
            previous=verdicts,
            slice_kinds=recipe.slice_kinds,
            before=before,
        )
        before = inputs
        try:
            made = _made(spec, inputs, f"recipe `{recipe.name}`: stages[{number}]")
        except (RecipeError, PluginError) as error:  # the stages after it are checked as if it were not there
            errors.append(error)
            continue
        if isinstance(made, Rewrite):
            new_counts = token_counts_node(made.pool, recipe.tokenizer, label=f"token counts after {spec.name}")
            text = rewritten[number] = TextVersion(pool=made.pool, token_counts=new_counts)
        verdicts = (*verdicts, made.verdict if isinstance(made, Rewrite) else made)
    _raise_all(errors, f"recipe `{recipe.name}`")
    labels = tuple(_label(spec, verdict) for spec, verdict in zip(recipe.stages, verdicts, strict=True))
    raw = TextVersion(pool=source, token_counts=counts)
    quality = None
    if recipe.mix.quality is not None:
        inputs = StageInputs(
            pool=text.pool,
            panel=panel,
            token_counts=text.token_counts,
            previous=verdicts,
            slice_kinds=recipe.slice_kinds,
            before=before,
        )
        quality = find_score(recipe.mix.quality.score, inputs, f"recipe `{recipe.name}`: mix.quality.score")
    corpus = corpus_node(recipe, raw, panel, verdicts, rewritten, labels, quality)
    return CorpusPlan(recipe=recipe, pool=source, panel=panel, token_counts=counts, verdicts=verdicts, corpus=corpus)


def _made(spec: StageSpec, inputs: StageInputs, where: str) -> Node | Rewrite:
    if spec.kind not in STAGE_KINDS:
        raise RecipeError(f"{where}: unknown stage kind `{spec.kind}`; {nearest(spec.kind, STAGE_KINDS)}")
    return STAGES.get(spec.kind, where)(spec, inputs, where)


def _raise_all(errors: Sequence[CurateError], where: str) -> None:
    """Raise one error as it is, or one that lists what several say; a list inside one becomes lines of the whole."""
    if len(errors) == 1:
        raise errors[0]
    faults = []
    for error in errors:
        head, *listed = str(error).removeprefix(f"{where}: ").split("\n  - ")
        place = re.sub(r": \d+ faults$", "", head)
        faults += [f"{place}: {item}" for item in listed] or [head]
    raise_faults(RecipeError, where, faults)


def _label(spec: StageSpec, verdict: Node) -> str:
    """Return what the funnel calls a stage, a control with what it matches.

    One named by a path goes by its content, as its fingerprint does.
    """
    name = _content_name(spec.name, verdict)
    match, reference = spec.params.get("match"), verdict.inputs.get("reference")
    if isinstance(match, (str, Mapping)) and reference is not None:
        matched = match if isinstance(match, str) else str(match.get("filter") or match.get("dedup"))
        name += f" (match {matched_text(match, _content_name(matched, reference))})"
    return f"{spec.kind}: {name}"


def _content_name(name: str, verdict: Node) -> str:
    return str(verdict.params.get("filter", name)) if ":" in name else name
