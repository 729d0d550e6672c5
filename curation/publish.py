"""Publishing: a corpus artifact as a directory that Hugging Face `datasets` loads and people can read.

`README.md` (card with the configs `default`, `sample` and, on request, `removed`), `data/train-*.parquet`,
`sample/train-*.parquet`, `removed/train-*.parquet`, `croissant.json`, `provenance.json`, `funnel.json`,
`contamination.json`, `items.jsonl` if benchmark items were looked for, `recipe.json`, and `manifest.json`, which lists
what is the corpus itself. The directory appears whole, by one rename; elsewhere (`publishing.remote`) the manifest is
sent last.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import cast

from curation.errors import CurateError, RecipeError
from curation.files import Json, appearing, sha256_file, write_json, write_text
from curation.progress import Progress, SilentProgress
from curation.recipe import Recipe, as_json
from curation.sources.taggers import tagger_identity
from curation.store import MANIFEST, Artifact, Store, copy_files, load_artifact
from curation.store_locks import reserved

CARD, RECIPE, CROISSANT, PROVENANCE = "README.md", "recipe.json", "croissant.json", "provenance.json"
PUBLIC = ("hf://", "https://")
SAMPLE_FILE = "sample/train-00000-of-00001.parquet"


def publish(
    corpus: Artifact,
    recipe: Recipe | None,
    out: Path,
    *,
    store: Store | None = None,
    removed: bool = False,
    progress: Progress | None = None,
) -> None:
    """Copy the corpus to `out` with its card and recipe; an equal corpus already there is left alone.

    With `removed` the documents that its stages dropped go along; they and the chain of provenance come from `store`.
    Raises: CurateError if `out` holds something that is not a corpus, or the store lacks what is asked for;
    RecipeError if it holds another corpus.
    """
    refuse_foreign(out)
    if (out / MANIFEST).is_file():
        refuse_other(out, corpus.fingerprint)
        if removed and not (out / "removed").is_dir():
            raise CurateError(f"{out}: holds this corpus without its dropped documents; remove it first (rm -r {out})")
        return
    with reserved(out), appearing(out) as temporary:
        copy_files(corpus, temporary)
        for part in (CARD, RECIPE, CROISSANT, PROVENANCE):  # of a corpus that was published before
            (temporary / part).unlink(missing_ok=True)
        extras(corpus, recipe, temporary, store=store, removed=removed, progress=progress or SilentProgress())


def extras(
    corpus: Artifact, recipe: Recipe | None, folder: Path, *, store: Store | None, removed: bool, progress: Progress
) -> None:
    """Write to `folder` what a published corpus has beside its artifact: card, sample, Croissant, provenance..."""
    from curation.provenance import chain_of
    from curation.publishing.card import Split, card
    from curation.publishing.croissant import croissant
    from curation.publishing.described import describe, write_sample
    from curation.publishing.removed import write_removed

    told = describe(corpus)
    listed = {str(entry["path"]): entry for entry in cast("list[Mapping[str, Json]]", corpus.manifest["files"])}
    files = {
        path: (cast("int", entry["bytes"]), str(entry["sha256"]))
        for path, entry in listed.items()
        if path.startswith("data/") and path.endswith(".parquet")
    }
    size = {"default": (cast("int", corpus.summary["num_docs"]), told.arrow_bytes)}
    sample_bytes = write_sample(corpus, told.rows, folder / SAMPLE_FILE)
    size["sample"] = (len(told.rows), sample_bytes)
    if removed:
        if store is None:
            raise CurateError(f"{corpus.path}: no store given, expected one for the dropped documents; give --store")
        gone = write_removed(corpus, store, folder / "removed", progress)
        if gone.num_docs:
            size["removed"] = (gone.num_docs, gone.arrow_bytes)
    for path in sorted((*folder.glob("sample/*.parquet"), *folder.glob("removed/*.parquet"))):
        files[path.relative_to(folder).as_posix()] = (path.stat().st_size, sha256_file(path))
    splits = []
    for config, (docs, arrow_bytes) in size.items():
        place = "data" if config == "default" else config
        stored = sum(found for path, (found, _) in files.items() if path.startswith(f"{place}/"))
        splits.append(
            Split(
                config=config,
                pattern=f"{place}/train-*.parquet",
                num_docs=docs,
                arrow_bytes=arrow_bytes,
                stored_bytes=stored,
            )
        )
    write_text(folder / CARD, card(corpus, recipe, told, splits))
    write_json(folder / CROISSANT, croissant(corpus, recipe, told, splits, files))
    write_json(folder / PROVENANCE, chain_of(corpus, store).portable())
    if recipe is not None:
        write_json(folder / RECIPE, _portable(recipe, corpus))


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


def _portable(recipe: Recipe, corpus: Artifact) -> dict[str, Json]:
    """Return the recipe with its pool and targets named by content: where local files lay says nothing elsewhere.

    Public addresses (`hf://` at its commit, `https://` without a query) stay, so that the recipe builds without --pool.
    """
    value = as_json(recipe)
    public = recipe.pool.path and all(entry.startswith(PUBLIC) and "?" not in entry for entry in recipe.pool.path)
    left_out = () if public else ("path", "include", "exclude")
    pool = {key: item for key, item in as_json(recipe.pool).items() if key not in left_out}
    if recipe.pool.tagger is not None and ":" in recipe.pool.tagger:
        pool["tagger"] = " ".join(tagger_identity(recipe.pool.tagger))
    inputs = cast("Mapping[str, Json]", corpus.manifest["inputs"])
    panel = as_json(recipe.panel)
    if recipe.panel.targets:
        panel["targets"] = {name: {"panel": inputs["panel"]} for name in recipe.panel.targets}
    return {**value, "pool": {**pool, "fingerprint": inputs["pool"]}, "panel": panel}
