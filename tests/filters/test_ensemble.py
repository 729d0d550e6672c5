"""The ensemble by maximum of quantiles: edges by hand, ties, and the share that it keeps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.errors import CurateError
from filters.models.ensemble import NO_EDGE, bucket_edges

BYTES, RATIO = "information.num_bytes", "-information.compression_ratio"


def rows(texts: dict[str, str], slice_: str = "prose") -> list[dict[str, Any]]:
    return [{"id": id_, "text": text, "slice": slice_, "role": 0} for id_, text in texts.items()]


def ladder(number: int = 20) -> dict[str, str]:
    """Lengths of 1 to `number` bytes."""
    return {f"t-{i:02}": "x" * (i + 1) for i in range(number)}


def kept(verdicts: dict[str, str | None]) -> set[str]:
    return {id_ for id_, reason in verdicts.items() if reason is None}


def test_twenty_scores_fill_twenty_buckets_one_each() -> None:
    values = np.arange(20) * 10
    assert bucket_edges(values, np.ones(20, np.int64), 20).tolist() == list(range(10, 200, 10))


def test_equal_scores_stay_together_in_the_bucket_that_their_first_opens() -> None:
    # ten zeros, then 1 and 2: half of the share of bucket 1 of 4 is inside the zeros, so 1 starts with 10/12 below it
    edges = bucket_edges(np.array([0, 1, 2]), np.array([10, 1, 1]), 4)
    assert edges.tolist() == [1, 1, 1]
    assert np.searchsorted(edges, [0, 1, 2], side="right").tolist() == [0, 3, 3]


def test_a_score_that_tells_nothing_apart_is_bucket_0_for_all() -> None:
    assert bucket_edges(np.array([5]), np.array([100]), 20).tolist() == [NO_EDGE] * 19
    assert bucket_edges(np.zeros(0, np.int64), np.zeros(0, np.int64), 3).tolist() == [NO_EDGE] * 2


@given(st.lists(st.integers(-50, 50), min_size=1, max_size=60), st.integers(2, 25))
def test_a_bucket_is_the_share_of_documents_strictly_below(scores: list[int], num_buckets: int) -> None:
    values, counts = np.unique_counts(np.array(scores))
    found = np.searchsorted(bucket_edges(values, counts, num_buckets), scores, side="right")
    slow = [sum(other < score for other in scores) * num_buckets // len(scores) for score in scores]
    assert found.tolist() == slow


def test_the_best_of_two_buckets_decides(make_world: Callable[..., Any]) -> None:
    noise = "".join(chr(33 + i * 7 % 90) for i in range(40))
    world = make_world(rows({**ladder(18), "long": "x" * 500, "noise": noise}))
    artifact = world.build("quantile-ensemble", scores=[BYTES, "information.compression_ratio"], min_bucket=19)
    assert "long" in kept(world.verdicts(artifact))
    assert world.verdicts(artifact)["t-09"] == "low-quality-bucket"
    assert artifact.summary["ensemble"]["num_buckets"] == 20
    assert sum(artifact.summary["ensemble"]["docs_by_bucket"]) == 20
    assert [item["score"] for item in artifact.summary["ensemble"]["scores"]] == [
        BYTES,
        "information.compression_ratio",
    ]


def test_a_minus_turns_a_score_round(make_world: Callable[..., Any]) -> None:
    world = make_world(rows(ladder()))
    assert kept(world.judge("quantile-ensemble", scores=[f"-{BYTES}"], min_bucket=18)) == {"t-00", "t-01"}


@pytest.mark.parametrize("keep", [0.05, 0.33, 0.5, 1.0])
def test_the_kept_share_is_exact_to_one_document(make_world: Callable[..., Any], keep: float) -> None:
    world = make_world(rows(ladder(37)))
    found = kept(world.judge("quantile-ensemble", scores=[BYTES, RATIO], keep=keep))
    assert len(found) == max(1, int(keep * 37 + 0.5))


def test_equal_buckets_are_ordered_by_id(make_world: Callable[..., Any]) -> None:
    world = make_world(rows({f"t-{i}": "the same" for i in range(9)}))
    assert kept(world.judge("quantile-ensemble", scores=[BYTES], keep=0.34)) == {"t-0", "t-1", "t-2"}


def test_only_living_judged_documents_make_the_quantiles(make_world: Callable[..., Any]) -> None:
    dead = {f"t-{i:02}" for i in range(10, 20)}
    world = make_world([*rows(ladder()), *rows({"code": "y" * 900}, "code")], dropped=frozenset(dead))
    artifact = world.build("quantile-ensemble", scores=[BYTES], buckets=2, min_bucket=1)
    assert kept(world.verdicts(artifact)) - dead == {*(f"t-{i:02}" for i in range(5, 10)), "code"}


def test_our_own_classifier_and_a_signal_make_an_ensemble(make_world: Callable[..., Any]) -> None:
    reference = [
        {"id": f"r{i}-{name}", "text": text, "slice": name, "role": 2}
        for i in range(20)
        for name, text in (("docs", "stone river light"), ("web", "click buy cookie"))
    ]
    texts = {**{f"t-{i}": "click buy cookie" for i in range(9)}, "t-9": "stone river light"}
    world = make_world([*rows(texts, "web"), *reference])
    assert "t-9" in kept(world.judge("quantile-ensemble", scores=["fasttext-quality", "num_bytes"], keep=0.1))


def test_one_worker_and_two_write_the_same_bytes(make_world: Callable[..., Any]) -> None:
    built = [
        make_world(rows(ladder()), num_parts=5, workers=workers, store=f"s{workers}").build(
            "quantile-ensemble", scores=[BYTES, RATIO], keep=0.3
        )
        for workers in (1, 2)
    ]
    assert built[0].manifest["files"] == built[1].manifest["files"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"scores": [BYTES]}, "give either `keep"),
        ({"scores": [BYTES], "keep": 0.5, "min_bucket": 3}, "give either `keep"),
        ({"scores": [], "keep": 0.5}, "scores"),
        ({"scores": [BYTES, BYTES], "keep": 0.5}, "given twice"),
        ({"scores": [BYTES], "min_bucket": 20}, "the last is 19"),
        ({"scores": ["information.num_byte"], "keep": 0.5}, "did you mean `num_bytes`"),
        ({"scores": ["fasttex:./a.bin"], "keep": 0.5}, "did you mean `fasttext`"),
        ({"scores": ["fasttext:./none.bin"], "keep": 0.5}, r"scores\[0\]: none\.bin: no such file"),
        ({"scores": ["fasttext:./none.bin?keep=0.1"], "keep": 0.5}, "keep: unknown key"),
    ],
)
def test_a_wrong_setting_is_an_error_before_any_work(
    make_world: Callable[..., Any], settings: dict[str, Any], message: str
) -> None:
    world = make_world(rows(ladder()))
    with pytest.raises(CurateError, match=message):
        world.build("quantile-ensemble", **settings)
    assert world.planner.store.artifacts() == []


def test_it_survives_awkward_text(make_world: Callable[..., Any], awkward_text: str) -> None:
    world = make_world([*rows(ladder()), *rows({"awkward": awkward_text})])
    verdicts = world.judge("quantile-ensemble", scores=[BYTES, RATIO, "word_entropy"], min_bucket=0)
    assert verdicts["awkward"] is None


def test_slices_that_a_fitted_model_drew_positives_from_are_marked(make_world: Callable[..., Any]) -> None:
    reference = [{"id": f"r-{i}", "text": f"calm river {i}", "slice": "docs", "role": 2} for i in range(20)]
    world = make_world([*rows(ladder()), *reference])
    fitted = world.build("quantile-ensemble", scores=["perplexity", BYTES], keep=0.5)
    assert fitted.summary["selected_for"] == ["docs"]  # rule 2
    assert world.build("quantile-ensemble", scores=[BYTES], keep=0.5).summary["selected_for"] == []
