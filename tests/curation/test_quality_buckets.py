"""Quality buckets: the best-scored text of a slice under a name of its own, so that it can be repeated."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import pyarrow.parquet as pq
import pytest

from curation.errors import RecipeError
from curation.ingest import ensure_pool
from curation.mix_spec import slice_of
from curation.nodes import Planner
from curation.pipeline import plan_corpus
from curation.progress import SilentProgress
from curation.recipe import Recipe, validate
from curation.store import Artifact, Store


def built(
    folder: Path, quality: dict[str, object], slices: tuple[str, ...] = ("web", "code"), workers: int = 1
) -> Artifact:
    """Build a corpus of two slices whose documents have 1 to 40 words of five letters."""
    source = folder / "docs.jsonl"
    rows = [
        {"id": f"{name}-{n:02d}", "slice": name, "text": " ".join(f"{name[0]}{n:02d}{i:02d}" for i in range(n))}
        for name in slices
        for n in range(1, 41)
    ]
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    recipe: Recipe = validate(
        Recipe,
        {"name": "r", "pool": {"path": str(source), "id": "id"}, "mix": {"quality": quality},
         "panel": {"max_fraction": 0.05, "reference_fraction": 0}},
        "r.yaml",
    )  # fmt: skip
    store = Store.open(folder / f"store{workers}")
    pool = ensure_pool(store, recipe.pool, workers=workers, progress=SilentProgress())
    return Planner(store=store, workers=workers, progress=SilentProgress()).materialise(
        plan_corpus(recipe, pool).corpus
    )


def words_by_entry(corpus: Artifact) -> dict[str, list[int]]:
    table = pq.read_table(corpus.path / "data")
    found: dict[str, list[int]] = {}
    for name, text in zip(table["slice"].to_pylist(), table["text"].to_pylist(), strict=True):
        found.setdefault(name, []).append(len(text.split()))
    return found


QUALITY: dict[str, object] = {
    "score": "text.num_words", "slices": ["web"], "buckets": [{"top": 0.25, "repeat": 3}, {"repeat": 1}]
}  # fmt: skip


def test_the_best_documents_are_a_bucket_of_about_their_share_and_drawn_more_often(tmp_path: Path) -> None:
    corpus = built(tmp_path, QUALITY)
    words = words_by_entry(corpus)
    assert set(words) == {"web#1", "web#2", "code"}
    assert min(words["web#1"]) > max(words["web#2"])
    held = cast("dict[str, Any]", {entry["slice"]: entry for entry in cast("list[Any]", corpus.summary["schedule"])})
    sizes = {name: entry["bytes"] for name, entry in held.items()}
    whole = sizes["web#1"] + sizes["web#2"]
    smallest = 6 * min(words["web#1"])  # bytes of the document at the edge
    assert 0.25 * whole <= sizes["web#1"] < 0.25 * whole + smallest
    ratios = {name: held[name]["byte_share"] / sizes[name] for name in sizes}
    assert ratios["web#1"] == pytest.approx(3 * ratios["web#2"])
    share = (held["web#1"]["byte_share"] + held["web#2"]["byte_share"]) / held["code"]["byte_share"]
    assert share == pytest.approx(whole / sizes["code"])  # the slice keeps its own weight


def test_edges_are_kept_and_funnels_know_the_slice_alone(tmp_path: Path) -> None:
    corpus = built(tmp_path, QUALITY)
    edges = cast("dict[str, Any]", corpus.summary["quality"])
    assert edges == {"score": "text.num_words", "edges": {"web": [min(words_by_entry(corpus)["web#1"])]}}
    assert set(cast("dict[str, Any]", corpus.summary["slices"])) == {"web", "code"}


def test_a_score_of_which_less_is_better_parts_the_other_way(tmp_path: Path) -> None:
    words = words_by_entry(built(tmp_path, {**QUALITY, "score": "-text.num_words"}))
    assert max(words["web#1"]) < min(words["web#2"])


def test_one_worker_or_two_write_the_same_bytes(tmp_path: Path) -> None:
    one, two = (built(tmp_path, QUALITY, workers=workers) for workers in (1, 2))
    assert one.manifest["files"] == two.manifest["files"]
    assert one.fingerprint == two.fingerprint


def test_names_that_mark_buckets_and_unknown_slices_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="slice `web#9` has `#`, which marks buckets"):
        built(tmp_path, QUALITY, slices=("web#9", "code"))
    with pytest.raises(RecipeError, match=r"mix: quality.slices: the pool has no slice `wbe`, .* did you mean `web`\?"):
        built(tmp_path, {**QUALITY, "slices": ["wbe"]})


@pytest.mark.parametrize(
    ("buckets", "message"),
    [
        ([{"top": 0.5, "repeat": 2}, {"top": 0.2, "repeat": 1}, {"repeat": 1}], "expected rising shares"),
        ([{"repeat": 2}, {"repeat": 1}], "every bucket but the last needs `top`"),
        ([{"top": 0.5, "repeat": 0}, {"repeat": 1}], "greater than 0"),
        ([{"repeat": 1}], "at least 2"),
    ],
)
def test_buckets_that_make_no_sense_are_refused(tmp_path: Path, buckets: list[object], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        built(tmp_path, {**QUALITY, "buckets": buckets})


@pytest.mark.parametrize(("entry", "name"), [("web#1", "web"), ("web/a#12", "web/a"), ("c#", "c#"), ("code", "code")])
def test_a_bucket_belongs_to_its_slice(entry: str, name: str) -> None:
    assert slice_of(entry) == name
