"""Whether a corpus is fit to be read: damaged text, copies, shares, a tokenizer's round trip, items.

An artifact of kind `integrity`, a function of the corpus, the tokenizers and the benchmark items; counted on all
documents, the round trip on at least `ROUNDTRIP_DOCS` (or all), evenly spaced and cut at `ROUNDTRIP_BYTES`. Near
copies share one of 14 bands of 8 MinHash values over 5-grams of words with an earlier document (about Jaccard 0.75).
Items are those of the recipe's own decontamination, else the shipped probe; found by 13 words
in a row (`ngram-13`) in what was left.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt

from curation.batches import TextView, read_table, text_view
from curation.files import Json, digest_json, sha256_file
from curation.nodes import Node, NodeRun
from curation.recipe import Recipe
from curation.store import Artifact
from leaderboard.studies.facts import CorpusIntegrity

if TYPE_CHECKING:
    from curation.decontamination.detectors import DetectorIndex, Scan
    from curation.suites.items import Suite

VERSION = "integrity@2"
ROUNDTRIP_DOCS = 10_000
ROUNDTRIP_BYTES = 8_192
MAX_NEAR_DOCS = 5_000_000
"""Beyond it band keys would take gigabytes; near copies are then not measured."""
DETECTOR = "ngram-13"
WHITE = (9, 10, 11, 12, 13, 32)


def integrity_node(corpus: Node, recipe: Recipe, tokenizers: Sequence[str]) -> Node:
    """Return the node of the check of a corpus under the tokenizers that will read it.

    Raises: ShardError for benchmark items that cannot be read; RecipeError for an unknown tokenizer.
    """
    from curation.decontamination.detectors import detector
    from curation.tokenizers import open_tokenizer

    suites = _suites(recipe)
    chosen = detector(DETECTOR, {}, "integrity")
    opened = {name: open_tokenizer(name, where="tokenizer") for name in dict.fromkeys(tokenizers)}
    items: list[Json] = [{"suite": suite.name, "digest": suite.digest} for suite in suites]
    params: dict[str, Json] = {
        "tokenizers": [one.digest for one in opened.values()],
        "detector": chosen.version,
        "items": digest_json(items),
    }
    run = partial(_run, suites=suites, tokenizers=tuple(opened.values()))
    return Node(kind="integrity", version=VERSION, params=params, inputs={"corpus": corpus}, run=run, label="integrity")


def integrity_of(artifact: Artifact) -> CorpusIntegrity:
    """Return what an integrity artifact found."""
    summary = cast("Mapping[str, Any]", artifact.summary)
    return CorpusIntegrity(artifact=artifact.fingerprint, **summary)


def _suites(recipe: Recipe) -> Sequence[Suite]:
    from curation.suites import PROBE, load_suites
    from curation.suites.documents import PANEL

    named: list[str] = []
    for stage in recipe.stages:
        if stage.kind == "decontaminate":
            given = stage.params.get("suites", (PROBE,))
            named += [given] if isinstance(given, str) else [str(one) for one in given]
    wanted = [name for name in dict.fromkeys(named) if name != PANEL] or [PROBE]
    return load_suites(wanted, "integrity")


@dataclass(slots=True, kw_only=True)
class _Found:
    """Counts so far, and what copies and items are found by at the end."""

    docs: int = 0
    num_bytes: int = 0
    empty: int = 0
    invalid: int = 0
    nul: int = 0
    by_slice: dict[str, int] = field(default_factory=dict)
    digests: list[npt.NDArray[np.uint64]] = field(default_factory=list)
    bands: list[npt.NDArray[np.uint64]] = field(default_factory=list)
    scans: list[Scan] = field(default_factory=list)
    tried: int = 0
    exact: int = 0


def _run(context: NodeRun, *, suites: Sequence[Suite], tokenizers: Sequence[Any]) -> Mapping[str, Json]:
    from curation.decontamination.detectors import detector

    corpus = context.inputs["corpus"]
    manifest = cast("Mapping[str, Any]", corpus.manifest)
    shards = [one["path"] for one in manifest["files"] if str(one["path"]).endswith(".parquet")]
    total = int(cast("int", corpus.summary["num_docs"]))
    index = detector(DETECTOR, {}, "integrity").index(suites)
    found = _Found()
    with context.progress.task("integrity", float(total)) as task:
        for name in shards:
            before = found.docs
            _read_shard(corpus.path / str(name), found, index, tokenizers, max(1, total // ROUNDTRIP_DOCS))
            task.advance(found.docs - before)
    items = index.judge(found.scans).items if found.scans else np.zeros(0, np.int64)
    counted = {name: size / max(1, found.num_bytes) for name, size in sorted(found.by_slice.items())}
    stated = _stated_shares(corpus)
    return {
        "num_docs": found.docs,
        "num_bytes": found.num_bytes,
        "empty_docs": found.empty,
        "invalid_utf8_docs": found.invalid,
        "nul_docs": found.nul,
        "exact_duplicate_docs": _repeats(found.digests),
        "near_duplicate_docs": _near(found),
        "shares": cast("Json", counted),
        "max_share_deviation": max(
            (abs(counted.get(name, 0.0) - stated.get(name, 0.0)) for name in {*counted, *stated}), default=0.0
        ),
        "sha256_match": all(sha256_file(corpus.path / one["path"]) == one["sha256"] for one in manifest["files"]),
        "tokenizer": ", ".join(one.name for one in tokenizers),
        "roundtrip_docs": found.tried,
        "roundtrip_exact": found.exact,
        "items_checked": int(index.findable.sum()),
        "items_hit": len(np.unique(items)),
    }


def _read_shard(path: Path, found: _Found, index: DetectorIndex, tokenizers: Sequence[Any], every: int) -> None:
    from curation.decontamination.detectors import scan_all
    from curation.dedup.signatures import byte_digests

    table = read_table(path, ["text", "slice"])
    texts = text_view(table["text"])
    sizes = texts.num_bytes
    for name, size in zip(table["slice"].to_pylist(), sizes.tolist(), strict=True):
        found.by_slice[name] = found.by_slice.get(name, 0) + size
    found.empty += _without_text(texts)
    found.nul += _docs_with(texts, texts.data == 0)
    found.invalid += _invalid(texts)
    found.digests.append(byte_digests(texts).T)
    if found.docs + len(texts) <= MAX_NEAR_DOCS:
        found.bands.append(_band_keys(texts))
    found.scans += scan_all([index], texts)
    for tokenizer in tokenizers:
        for doc in range(-found.docs % every, len(texts), every):
            found.tried += 1
            found.exact += _round_trip(texts, doc, tokenizer)
    found.docs += len(texts)
    found.num_bytes += int(sizes.sum())


def _docs_with(texts: TextView, marked: npt.NDArray[np.bool_]) -> int:
    """Return in how many documents a byte is marked."""
    before = np.concatenate([[0], np.cumsum(marked)])
    counts = before[texts.offsets[1:]] - before[texts.offsets[:-1]]
    return int((counts > 0).sum())


def _without_text(texts: TextView) -> int:
    """Return how many documents hold white space only, or nothing."""
    return len(texts) - _docs_with(texts, ~np.isin(texts.data, WHITE))


def _invalid(texts: TextView) -> int:
    """Return how many documents are no UTF-8; the whole shard is tried first."""
    try:
        bytes(texts.data).decode("utf-8")
    except UnicodeDecodeError:
        return sum(not _decodes(_bytes_of(texts, doc)) for doc in range(len(texts)))
    return 0


def _decodes(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _bytes_of(texts: TextView, doc: int) -> bytes:
    return bytes(texts.data[texts.offsets[doc] : texts.offsets[doc + 1]])


def _round_trip(texts: TextView, doc: int, tokenizer: Any) -> bool:
    text = _bytes_of(texts, doc)[:ROUNDTRIP_BYTES].decode("utf-8", errors="ignore")
    data = np.frombuffer(text.encode("utf-8"), np.uint8)
    ids = tokenizer.encode(TextView(data=data, offsets=np.array([0, len(data)], np.int64))).tokens
    return bool(tokenizer.decode(ids) == tokenizer.normal_form(text).encode("utf-8"))


def _band_keys(texts: TextView) -> npt.NDArray[np.uint64]:
    """Return the band keys, a row a document, with a first column that says whether it has any shingle."""
    from curation.dedup.params import MinhashParams
    from curation.dedup.signatures import SHINGLES, band_column, signature_table

    params = MinhashParams()
    banding = params.banding
    table = signature_table(texts, banding, params.limit)
    keys = np.stack([table[band_column(band)].to_numpy() for band in range(banding.bands)], axis=1)
    return np.concatenate([(table[SHINGLES].to_numpy() > 0)[:, None].astype(np.uint64), keys.astype(np.uint64)], axis=1)


def _repeats(digests: Sequence[npt.NDArray[np.uint64]]) -> int:
    """Return how many documents have an earlier one's digest."""
    if not digests:
        return 0
    both = np.ascontiguousarray(np.concatenate(digests))
    return len(both) - len(np.unique(both, axis=0))


def _near(found: _Found) -> int | None:
    """Return how many documents share a band with an earlier one; None when not all were looked at."""
    rows = sum(map(len, found.bands))
    if rows < found.docs:
        return None
    if not rows:
        return 0
    keys = np.concatenate(found.bands)
    able = keys[:, 0] > 0
    near = np.zeros(rows, np.bool_)
    for band in range(1, keys.shape[1]):
        _, first = np.unique(keys[:, band], return_index=True)
        again = np.ones(rows, np.bool_)
        again[first] = False
        near |= again & able
    return int(near.sum())


def _stated_shares(corpus: Artifact) -> dict[str, float]:
    slices = cast("Mapping[str, Mapping[str, int]]", corpus.summary.get("slices", {}))
    total = sum(int(one["bytes"]) for one in slices.values())
    return {name: int(one["bytes"]) / max(1, total) for name, one in slices.items()}
