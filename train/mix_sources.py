"""Where `curate mix plan` knows slices from: streams, a corpus, a corpus of the same stages, the pool, its files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, cast

from curation.corpus_counts import SliceCounts
from curation.errors import CurateError, RecipeError, RunError
from curation.files import Json
from curation.ids import common_ceiling
from curation.ingest import known_pool
from curation.mix_spec import MixSpec
from curation.nodes import existing_node
from curation.pipeline import CorpusPlan, plan_corpus
from curation.recipe import PoolSpec, Recipe, as_json, validate
from curation.sources.records import RecordReader, Rejected
from curation.store import Artifact, Store
from curation.yamlio import apply_overrides
from train.drawing import streams_mixture
from train.lookup import find_artifact
from train.mix_plan import Held
from train.shards import tokens_node
from train.tiers import Tier

BYTES_A_TOKEN = 4.0
"""Of the ladder's tokenizers on mixed English text and code, where nothing has been counted."""
SAMPLED_BYTES = 8_000_000
"""Of text read of each file where the pool was never read."""
SAMPLED_FILES = 64


def corpus_held(store: Store, name: str, tier: Tier, overrides: tuple[str, ...]) -> tuple[MixSpec, Held]:
    """Return the mixture of a corpus, with `--set mix....` of another one, and what the corpus holds.

    Raises: RunError or RecipeError for no such corpus, or a change that needs another corpus.
    """
    corpus = find_artifact(store, name, "corpus")
    params = cast("Mapping[str, Any]", corpus.manifest.get("params") or {})
    strange = [item for item in overrides if not item.startswith(("mix.", "mix="))]
    if strange:
        raise RecipeError(
            f"--set {strange[0]}: {name} is a corpus that is built, expected a setting of `mix`; give a recipe"
        )
    written = params.get("mix") or {}
    changed = apply_overrides({"mix": written}, overrides)["mix"]
    spec: MixSpec = validate(MixSpec, changed, f"{corpus.path.name}: mix")
    if spec.quality != validate(MixSpec, written, corpus.path.name).quality:
        raise RecipeError(
            f"{corpus.path.name}: mix.quality: buckets are made when a corpus is built, expected those that it has; "
            "give the recipe, or build it with these"
        )
    return spec, Held(
        counts=_schedule_counts(corpus), read=_read(store, corpus, tier), told=corpus.path.name, exact=True
    )


def recipe_held(store: Store, recipe: Recipe, tier: Tier) -> Held:
    """Return what the slices of a recipe hold, by the nearest that the store knows; files are sampled, never ingested.

    Raises: RecipeError for a recipe that cannot be planned, ShardError for missing input.
    """
    pool = known_pool(store, recipe.pool)
    if pool is None:
        return _sampled(recipe.pool)
    planned = plan_corpus(recipe, pool)
    corpus = store.find("corpus", planned.corpus.fingerprint)
    if corpus is not None:
        return Held(counts=_schedule_counts(corpus), read=_read(store, corpus, tier), told=corpus.path.name, exact=True)
    sibling = _same_stages(store, planned)
    if sibling is not None and recipe.mix.quality is None:
        read = _read(store, sibling, tier)
        return Held(
            counts=_schedule_counts(sibling), read=read, told=f"{sibling.path.name} (same stages, other mixture)",
            exact=True,
        )  # fmt: skip
    return _of_pool(store, planned, pool)


def _schedule_counts(corpus: Artifact) -> dict[str, SliceCounts]:
    entries = cast("list[Mapping[str, Any]]", corpus.summary["schedule"])
    return {
        str(entry["slice"]): SliceCounts(docs=entry["docs"], bytes=entry["bytes"], tokens=entry["tokens"])
        for entry in entries
    }


def _read(store: Store, corpus: Artifact, tier: Tier) -> Mapping[str, SliceCounts] | None:
    """Return what every slice holds by the tier's tokenizer, if it has counted all of them."""
    tokens = store.find("tokens", tokens_node(existing_node(corpus), tier.tokenizer).fingerprint)
    if tokens is None:
        return None
    mixture = streams_mixture(tokens)
    slices = cast("Mapping[str, Any]", tokens.summary["slices"])
    read = (mixture.read if mixture is not None else None) or {
        name: SliceCounts(docs=held["docs"], bytes=held["bytes"], tokens=held["stream_tokens"] - held["docs"])
        for name, held in slices.items()
    }
    return read if read.keys() == _schedule_counts(corpus).keys() else None


def _same_stages(store: Store, planned: CorpusPlan) -> Artifact | None:
    """Return a corpus of the store that differs from the planned one in its mixture alone, without quality buckets."""
    inputs = {name: node.fingerprint for name, node in planned.corpus.inputs.items() if name != "quality"}
    asked = {**planned.corpus.params, "mix": None, "shard_bytes": None}
    for path in sorted(store.root.glob("corpus-*/manifest.json")):
        try:
            found = find_artifact(store, str(path.parent), "corpus")
        except CurateError:
            continue
        params = dict(cast("Mapping[str, Json]", found.manifest.get("params") or {}))
        mix = cast("Mapping[str, Json]", params.get("mix") or {})
        known = {**params, "mix": None, "shard_bytes": None}
        if found.manifest.get("inputs") == inputs and known == asked and "quality" not in mix:
            return found
    return None


def _of_pool(store: Store, planned: CorpusPlan, pool: Artifact) -> Held:
    """Return the slices of a pool before any stage: what they hold at most."""
    slices = cast("Mapping[str, Mapping[str, int]]", pool.summary["slices"])
    counted = store.find("token-counts", planned.token_counts.fingerprint)
    size = sum(held["bytes"] for held in slices.values())
    ratio = size / cast("int", counted.summary["num_tokens"]) if counted and size else BYTES_A_TOKEN
    counts = {
        name: SliceCounts(docs=held["docs"], bytes=held["bytes"], tokens=round(held["bytes"] / ratio))
        for name, held in slices.items()
    }
    parted = "" if planned.recipe.mix.quality is None else ", quality buckets not yet parted"
    told = f"{pool.path.name} before panel and stages, at {ratio:.2f} bytes a token{parted}"
    return Held(counts=counts, read=None, told=told, exact=False)


def _sampled(spec: PoolSpec) -> Held:
    """Return an estimate from the beginning of the files of a pool that was never read."""
    from curation.sources.locate import find_inputs

    if spec.source != "files":
        raise RunError("mix plan: the text of this environment was never read; run `curate build` on this recipe first")
    files = find_inputs(spec.path, spec.include, spec.exclude).files
    step = -(-len(files) // SAMPLED_FILES)
    reader, found = RecordReader(spec=spec), dict[str, list[float]]()
    chosen = files[::step]
    stored = sum(item.path.stat().st_size for item in files)
    part = sum(item.path.stat().st_size for item in chosen)
    for item in chosen:
        held, fraction = _head(item, spec, reader)
        for name, (docs, size) in held.items():
            total = found.setdefault(name, [0.0, 0.0])
            total[0] += docs / fraction * stored / part
            total[1] += size / fraction * stored / part
    if not found:
        raise RecipeError(
            f"pool of {len(files)} files: no document in the first records; see `pool.text` of the recipe"
        )
    most = _ceiling([size for _, size in found.values()], spec.max_bytes)
    counts = {}
    for name, (num_docs, num_bytes) in sorted(found.items()):
        kept = min(num_bytes, most)
        share = kept / num_bytes if num_bytes else 1.0
        counts[name] = SliceCounts(docs=round(num_docs * share), bytes=round(kept), tokens=round(kept / BYTES_A_TOKEN))
    told = f"the first records of {len(chosen)} of {len(files)} files, before panel and stages, at 4 bytes a token"
    return Held(counts=counts, read=None, told=told, exact=False)


def _ceiling(sizes: Sequence[float], max_bytes: int | None) -> float:
    """Return the bytes that a slice may hold under the pool's cap, which ingest divides the same way."""
    if max_bytes is None or sum(sizes) <= max_bytes:
        return float("inf")
    return common_ceiling([round(size) for size in sizes], max_bytes)


def _head(item: Any, spec: PoolSpec, reader: RecordReader) -> tuple[dict[str, tuple[int, int]], float]:
    """Return documents and bytes by slice of the first records of a file, and how much of it was read."""
    from curation.sources.jsonl import jsonl_records
    from curation.sources.parquet import parquet_records

    read, size = 0.0, 0

    def on_read(num_bytes: float) -> None:
        nonlocal read
        read += num_bytes

    stored = Path(item.path).stat().st_size
    records = (
        parquet_records(item, spec, on_read)
        if item.container == "parquet"
        else jsonl_records(item, spec.max_doc_bytes, on_read)
    )
    found: dict[str, tuple[int, int]] = {}
    for _, record in islice(records, 200_000):
        row = reader.row(record)
        if isinstance(row, Rejected):
            continue
        length = len(row.text.encode())
        docs, held = found.get(row.slice, (0, 0))
        found[row.slice] = (docs + 1, held + length)
        size += length
        if size > SAMPLED_BYTES:
            return found, min(1.0, max(read, 1.0) / stored)
    return found, 1.0


def mixture_json(spec: MixSpec) -> dict[str, Json]:
    """Return the mixture that was planned."""
    return as_json(spec)
