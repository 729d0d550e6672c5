"""The quality classifier: what it is fitted on, that it is reproducible, and the share that it keeps."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from curation.errors import RecipeError
from curation.files import sha256_file
from curation.randomness import generator
from curation.sidecars import ROLE_PANEL, ROLE_REFERENCE, ROLE_TRAIN, read_column
from filters.models.classifier import train_model, training_line
from filters.models.keep_share import score_units
from filters.models.training_set import ClassifierSettings, Example, TrainingSet, num_epochs

GOOD = [f"good{i}" for i in range(40)]
BAD = [f"bad{i}" for i in range(40)]
SMALL = {"dim": 8, "buckets": 1000, "epochs": 10, "min_fit_bytes": 0}


def words(vocabulary: Sequence[str], id_: str, num_words: int = 40) -> str:
    return " ".join(generator(0, id_).choice(list(vocabulary), num_words).tolist())


def doc(id_: str, text: str, slice_: str, role: int = ROLE_TRAIN) -> dict[str, Any]:
    return {"id": id_, "text": text, "slice": slice_, "role": role}


def corpus(curated: str = "docs", num_train: int = 50, num_reference: int = 30) -> list[dict[str, Any]]:
    """A curated slice in good words, `web` in bad words but every fifth document; code; panel rows."""
    rows = [doc(f"code-{i}", "int x;", "code") for i in range(5)]
    for i in range(num_reference):
        rows.append(doc(f"rc-{i}", words(GOOD, f"rc-{i}"), curated, ROLE_REFERENCE))
        rows.append(doc(f"rw-{i}", words(BAD, f"rw-{i}"), "web", ROLE_REFERENCE))
    for i in range(num_train):
        rows.append(doc(f"t-{i:03}", words(BAD if i % 5 else GOOD, f"t-{i}"), "web"))
    rows.append(doc("p", words(GOOD, "p"), "web", ROLE_PANEL))
    return rows


def kept(verdicts: dict[str, str | None], prefix: str) -> set[str]:
    return {id_ for id_, reason in verdicts.items() if reason is None and id_.startswith(prefix)}


def test_the_documents_most_like_the_positives_are_kept(make_world: Callable[..., Any]) -> None:
    world = make_world(corpus())
    artifact = world.build("fasttext-quality", keep=0.2, **SMALL)
    assert kept(world.verdicts(artifact), "t-") == {f"t-{i:03}" for i in range(0, 50, 5)}
    assert artifact.summary["reasons"] == ["low-quality-score"]


@pytest.mark.parametrize("keep", [0.1, 0.33, 0.5, 1.0])
def test_the_kept_share_is_exact_to_one_document(make_world: Callable[..., Any], keep: float) -> None:
    world = make_world(corpus(num_train=47))
    assert abs(len(kept(world.judge("fasttext-quality", keep=keep, **SMALL), "t-")) - keep * 47) <= 1


def test_equal_scores_are_ordered_by_id(make_world: Callable[..., Any]) -> None:
    rows = [row for row in corpus() if not row["id"].startswith("t-")]
    rows += [doc(f"t-{i}", "the same text", "web") for i in range(9)]
    assert kept(make_world(rows).judge("fasttext-quality", keep=0.34, **SMALL), "t-") == {"t-0", "t-1", "t-2"}


def test_only_living_documents_make_the_quantile(make_world: Callable[..., Any]) -> None:
    world = make_world(corpus(), dropped=frozenset(f"t-{i:03}" for i in range(0, 50, 5)))
    artifact = world.build("fasttext-quality", keep=0.5, **SMALL)
    alive = {f"t-{i:03}" for i in range(50) if i % 5}
    assert len(kept(world.verdicts(artifact), "t-") & alive) == 20
    assert artifact.summary["threshold"]["eligible_docs"] == 40


def test_the_slices_of_the_positives_are_marked_selected_for(make_world: Callable[..., Any]) -> None:
    world = make_world(corpus())
    learned = world.build("fasttext-quality", **SMALL).summary
    assert learned["selected_for"] == ["docs"]
    assert learned["notes"][0] == "learned from: slices docs (selected-for)"
    named = world.build("fasttext-quality", positives="web", **SMALL).summary
    assert (named["selected_for"], named["negative_slices"]) == (["web"], ["docs"])


def test_the_classifier_never_reads_training_or_panel_documents(make_world: Callable[..., Any]) -> None:
    first = corpus()
    second = [row if row["role"] == ROLE_REFERENCE else {**row, "text": "other words"} for row in first]
    models = [make_world(rows, store=f"s{i}") for i, rows in enumerate((first, second))]
    for world in models:
        world.build("fasttext-quality", **SMALL)
    files = [path for world in models for path in world.planner.store.root.glob("classifier-*/model.bin")]
    assert len(files) == 2
    assert len({sha256_file(path) for path in files}) == 1


def test_slices_of_other_kinds_have_no_score_and_pass(make_world: Callable[..., Any]) -> None:
    world = make_world(corpus(), num_parts=1)
    assert len(kept(world.judge("fasttext-quality", keep=0.01, **SMALL), "code-")) == 5
    (scores,) = (a for a in world.planner.store.artifacts() if a.kind == "scores")
    values = read_column(scores, 0, "score")
    unscored = {row["id"] for row, value in zip(world.rows[0], values, strict=True) if np.isnan(value)}
    assert unscored == {f"code-{i}" for i in range(5)}
    assert values.dtype == np.float32


def test_two_trainings_write_the_same_bytes(tmp_path: Any) -> None:
    examples = {
        label: [Example(draw=i, id=str(i), slice="s", text=words(vocabulary, f"{label}{i}")) for i in range(30)]
        for label, vocabulary in (("positives", GOOD), ("negatives", BAD))
    }
    chosen = TrainingSet(**examples, selected_for=(), positives_from="test")
    settings = ClassifierSettings(buckets=5000)
    digests = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        digests.append(sha256_file(train_model(chosen, settings, tmp_path / name)))
        assert [path.name for path in (tmp_path / name).iterdir()] == ["model.bin"]
    assert digests[0] == digests[1]


def test_one_worker_and_two_write_the_same_bytes(make_world: Callable[..., Any], clean_text: str) -> None:
    rows = [{**row, "text": clean_text + row["text"]} for row in corpus()]
    built = [
        make_world(rows, num_parts=5, workers=workers, store=f"s{workers}").build("quality_v3", **SMALL)
        for workers in (1, 2)
    ]
    assert built[0].manifest["files"] == built[1].manifest["files"]


def test_quality_v3_judges_by_rules_first_and_takes_the_quantile_of_what_passes(
    make_world: Callable[..., Any], clean_text: str
) -> None:
    rows = [{**row, "text": clean_text + row["text"]} for row in corpus(num_train=20)]
    rows += [doc("short", words(GOOD, "short", 5), "web")]
    world = make_world(rows)
    artifact = world.build("quality_v3", keep=0.5, **SMALL)
    verdicts = world.verdicts(artifact)
    assert verdicts["short"] == "too-few-words"
    threshold = artifact.summary["threshold"]
    assert threshold["eligible_docs"] == 20
    bound = f"P(hq) >= {threshold['score_units'] / 1e6:.6f}"
    assert artifact.summary["notes"][1] == f"keep {threshold['keep']:g} of 20 judged that pass the rules: {bound}"
    assert len(kept(verdicts, "t-")) == 10
    assert {verdicts[f"t-{i:03}"] for i in (1, 2, 3)} <= {None, "low-quality-score"}


def test_moving_a_rule_leaves_the_classifier_alone(make_world: Callable[..., Any]) -> None:
    world = make_world(corpus())
    world.build("quality_v3", min_words=10, **SMALL)
    world.build("quality_v3", min_words=20, keep=0.5, **SMALL)
    kinds = [artifact.kind for artifact in world.planner.store.artifacts()]
    assert (kinds.count("classifier"), kinds.count("scores")) == (1, 1)


def test_too_few_reference_documents_are_an_error_that_says_what_to_set(make_world: Callable[..., Any]) -> None:
    with pytest.raises(RecipeError, match=r"stages\[0\]: .*19 positive \(slices docs\).*panel.reference_fraction"):
        make_world(corpus(num_reference=19)).build("fasttext-quality", **SMALL)


def test_an_unknown_positive_slice_offers_the_nearest(make_world: Callable[..., Any]) -> None:
    with pytest.raises(RecipeError, match="no slice `doc` in the pool; did you mean `docs`"):
        make_world(corpus()).build("fasttext-quality", positives=["doc"], **SMALL)


def test_a_pool_without_a_curated_slice_takes_positives_from_the_environment(
    make_world: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = types.ModuleType("curation.sources.environment")
    environment.environment_versions = lambda: ["numpy 2"]  # type: ignore[attr-defined]
    texts = [words(GOOD, f"env-{i}") for i in range(40)]
    environment.collect_descriptions = lambda max_bytes: texts  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "curation.sources.environment", environment)
    world = make_world(corpus(curated="all"))
    summary = world.build("fasttext-quality", keep=0.2, **SMALL).summary
    assert (summary["positives_from"], summary["selected_for"]) == ("environment/descriptions", [])
    assert summary["notes"][0].startswith("learned from: descriptions of installed packages")
    assert summary["negative_slices"] == ["all", "web"]


@pytest.mark.parametrize(("num_chars", "expected"), [(1_000, 100), (400_000, 25), (4_000_000, 5)])
def test_a_small_training_set_is_read_more_often_than_a_large_one(num_chars: int, expected: int) -> None:
    example = Example(draw=0, id="a", slice="s", text="x" * num_chars)
    chosen = TrainingSet(positives=[example], negatives=[example], selected_for=(), positives_from="test")
    assert num_epochs(chosen, ClassifierSettings()) == expected


def test_a_classifier_of_forty_documents_still_tells_documents_apart(make_world: Callable[..., Any]) -> None:
    threshold = make_world(corpus(num_reference=20)).build("fasttext-quality").summary["threshold"]
    assert threshold["distinct_scores"] > 0.9 * threshold["eligible_docs"]


def test_scores_are_compared_in_millionths() -> None:
    assert score_units(np.array([-1.5, 0.0, 0.5000004, 1.0], np.float32)).tolist() == [
        -1_500_000,
        0,
        500_000,
        1_000_000,
    ]


def test_a_row_without_a_score_is_below_every_score() -> None:
    assert score_units(np.array([np.nan, -1e9]))[0] < score_units(np.array([-1e9]))[0]


def test_no_document_can_forge_a_label_or_a_line() -> None:
    assert training_line(" a\r\nb\u2028c\n__label__hq d ") == "a b c  d"


def test_the_filter_survives_awkward_text(make_world: Callable[..., Any], awkward_text: str) -> None:
    world = make_world([*corpus(), doc("awkward", awkward_text, "web")])
    assert world.judge("fasttext-quality", keep=1.0, **SMALL)["awkward"] is None


def test_nothing_eligible_means_no_threshold(make_world: Callable[..., Any]) -> None:
    artifact = make_world(corpus(num_train=0)).build("fasttext-quality", **SMALL)
    assert artifact.summary["threshold"]["score_units"] is None
