"""Publishing: a corpus artifact as a directory that Hugging Face `datasets` loads and people can read.

`README.md` (card with `configs`), `data/train-*.parquet`, `manifest.json`, `funnel.json`, `contamination.json`,
`items.jsonl` if benchmark items were looked for, `recipe.json`. The directory appears whole, by one rename.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import cast

from curation.errors import CurateError, RecipeError
from curation.files import Json, appearing, write_json, write_text
from curation.recipe import Recipe, StageSpec, as_json
from curation.recipe_changes import StageWords, settings_text
from curation.sources.taggers import tagger_identity
from curation.store import MANIFEST, Artifact, copy_files, load_artifact

SIZE_CATEGORIES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))


def publish(corpus: Artifact, recipe: Recipe, out: Path) -> None:
    """Copy the corpus to `out` with its card and recipe; an equal corpus already there is left alone.

    Raises: CurateError if `out` holds something that is not a corpus; RecipeError if it holds another corpus.
    """
    refuse_foreign(out)
    if (out / MANIFEST).is_file():
        refuse_other(out, corpus.fingerprint)
        return
    with appearing(out) as temporary:
        copy_files(corpus, temporary)
        write_text(temporary / "README.md", card(corpus, recipe))
        write_json(temporary / "recipe.json", _portable(recipe, corpus))


def refuse_foreign(out: Path) -> None:
    """Raise CurateError if `out` is or lies under a file, or is no corpus; cheap, so ask before a build."""
    for place in (out, *out.absolute().parents):
        if place.exists() and not place.is_dir():
            raise CurateError(f"{place}: is a file, expected a directory or a free name; choose another --out")
    if out.is_dir() and any(out.iterdir()) and not (out / MANIFEST).is_file():
        raise CurateError(f"{out}: exists and is not a corpus (no {MANIFEST}); choose another --out or remove it")


def refuse_other(out: Path, fingerprint: str) -> None:
    """Raise RecipeError if `out` holds another corpus than this one; ask before a build, which may take hours."""
    if problem := refusal(out, fingerprint):
        raise RecipeError(problem)


def refusal(out: Path, fingerprint: str | None) -> str | None:
    """Return why a corpus will not be published to `out`; None if nothing is there, or the same corpus.

    Without a fingerprint (the pool was not read yet) any corpus there is one that may be another.
    """
    if not (out / MANIFEST).is_file():
        return None
    there = load_artifact(out).fingerprint
    if there == fingerprint:
        return None
    remedy = f"nothing is overwritten: choose another --out, or remove this one first (rm -r {out})"
    if fingerprint is None:
        return f"{out}: holds corpus {there[:8]}, and the build is refused if it makes another; {remedy}"
    return f"{out}: holds another corpus ({there[:8]}), expected a free name or corpus {fingerprint[:8]}; {remedy}"


def _step_text(step: str, spec: StageSpec) -> str:
    """Return a stage as the funnel calls it, with its settings; what a control matches is in its label."""
    settings = StageWords.of(spec.kind, spec.name, spec.params).settings
    shown = settings_text({key: item for key, item in settings.items() if key != "match"})
    return f"{step} ({shown})" if shown else step


def _portable(recipe: Recipe, corpus: Artifact) -> dict[str, Json]:
    """Return the recipe with its pool and targets named by content: where the files lay says nothing elsewhere."""
    value = as_json(recipe)
    pool = {key: item for key, item in as_json(recipe.pool).items() if key not in ("path", "include", "exclude")}
    if recipe.pool.tagger is not None and ":" in recipe.pool.tagger:
        pool["tagger"] = " ".join(tagger_identity(recipe.pool.tagger))
    inputs = cast("Mapping[str, Json]", corpus.manifest["inputs"])
    panel = as_json(recipe.panel)
    if recipe.panel.targets:
        panel["targets"] = {name: {"panel": inputs["panel"]} for name in recipe.panel.targets}
    return {**value, "pool": {**pool, "fingerprint": inputs["pool"]}, "panel": panel}


def card(corpus: Artifact, recipe: Recipe) -> str:
    """Return the dataset card: YAML front matter and what the corpus is made of."""
    summary = corpus.summary
    docs = cast("int", summary["num_docs"])
    size = next((name for bound, name in SIZE_CATEGORIES if docs < bound), "1M<n")
    slices = cast("Mapping[str, Mapping[str, int]]", summary["slices"])
    licenses = cast("Mapping[str, int]", summary["licenses"])
    params = cast("Mapping[str, Json]", corpus.manifest["params"])
    stages = " → ".join(map(_step_text, cast("list[str]", params["steps"]), recipe.stages)) or "none"
    top = sorted(licenses.items(), key=lambda item: (-item[1], item[0]))[:20]
    lines = [
        "---",
        f"pretty_name: {recipe.name}",
        f"size_categories: [{size}]",
        "configs:",
        "- config_name: default",
        "  data_files:",
        "  - split: train",
        '    path: "data/train-*.parquet"',
        "---",
        f"# {recipe.name}",
        "",
        recipe.description or "A corpus built by curate.",
        "",
        f"- {docs:,} unique documents, {cast('int', summary['num_bytes']) / 1e6:,.1f} MB of text, "
        f"{cast('int', summary['num_tokens']):,} tokens of `{summary['tokenizer']}`",
        f"- fingerprint `{corpus.fingerprint}`, logical digest `{summary['logical_digest']}`",
        f"- validation panel split off first: `{summary['panel_digest']}`",
        f"- stages: {stages}",
        "",
        "| slice | documents | MB | tokens |",
        "|---|---:|---:|---:|",
        *(
            f"| {name} | {n['docs']:,} | {n['bytes'] / 1e6:,.1f} | {n['tokens']:,} |"
            for name, n in sorted(slices.items())
        ),
        "",
        "Licences of the documents, most frequent first: " + "; ".join(f"{name} ({n:,})" for name, n in top) + ".",
        "What each step let through and why it dropped the rest: `funnel.json`.",
        "Benchmark overlap: `contamination.json`.",
        "",
    ]
    return "\n".join(lines)
