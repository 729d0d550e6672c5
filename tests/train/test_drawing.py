"""Mixtures whose shares depend on a budget, from a corpus to what a run reads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from curation.errors import RecipeError, RunError
from curation.nodes import Node, Planner
from curation.progress import SilentProgress
from curation.recipe import MixSpec
from curation.store import Artifact, Store
from mixtures.repeats import effective_tokens
from train.anneal import refuse_small
from train.drawing import draws_of
from train.run import Watch, run_node
from train.shards import open_streams, tokens_node
from train.supply import refuse_shortage, shortage, supply_of
from train.tiers import Tier

Build = Callable[[Node], Artifact]
Make = Callable[..., Node]
Sentences = Callable[..., list[str]]
PICO = "ladder-pico@1"


@pytest.fixture
def tokens_under(build: Build, make_corpus: Make, random_sentences: Sentences) -> Callable[[MixSpec], Artifact]:
    """Return a function that gives the streams of a small and a large slice under a mixture."""
    docs = {"code": random_sentences("code", 40), "web": random_sentences("web", 400)}
    return lambda mix: build(tokens_node(make_corpus(docs, mix=mix), PICO))


def drawn(tokens: Artifact, tier: Tier) -> tuple[Counter[str], dict[str, int]]:
    streams = open_streams(tokens)
    rows = draws_of(tier, streams, 7, tier.num_steps)
    return Counter(rows.names[i] for i in rows.slices.tolist()), streams.num_windows(tier.shape.context_tokens)


def test_a_cap_holds_in_what_is_read_and_the_other_slice_gets_the_rest(
    tokens_under: Callable[[MixSpec], Artifact], tiny: Tier
) -> None:
    tokens = tokens_under(MixSpec(weights={"code": 0.9, "web": 0.1}, max_epochs=1.5))
    counts, windows = drawn(tokens, tiny)
    assert abs(counts["code"] - 1.5 * windows["code"]) <= 1
    assert counts.total() == 160
    refuse_shortage(supply_of(tokens, tiny))  # the recipe declares its repeats


def test_budgets_of_a_tier_read_prefixes_of_one_order(tokens_under: Callable[[MixSpec], Artifact], tiny: Tier) -> None:
    streams = open_streams(tokens_under(MixSpec(weights="unimax", max_epochs=2)))
    half, whole, double = (draws_of(replace(tiny, multiple=m), streams, 3, round(40 * m)) for m in (0.5, 1.0, 2.0))
    for shorter, longer in ((half, whole), (whole, double)):
        assert np.array_equal(shorter.slices, longer.slices[: len(shorter)])
        assert np.array_equal(shorter.windows, longer.windows[: len(shorter)])


def test_a_run_beyond_the_budget_of_its_caps_is_refused_with_the_setting_that_mends_it(
    tokens_under: Callable[[MixSpec], Artifact], tiny: Tier
) -> None:
    mix = MixSpec(weights="unimax", max_epochs=2)
    double = replace(tiny, multiple=2.0)
    problem = shortage(supply_of(tokens_under(mix), double), 9.0)
    assert "slice `code`" in problem
    assert "`mix.budget: 2`" in problem
    assert shortage(supply_of(tokens_under(mix.model_copy(update={"budget": 2.0})), double)) == ""


def test_caps_below_the_budget_are_refused_by_name(tokens_under: Callable[[MixSpec], Artifact], tiny: Tier) -> None:
    with pytest.raises(RecipeError, match=r"mix: max_epochs: .* tokens are asked of `code`, `web`, the caps allow"):
        supply_of(tokens_under(MixSpec(max_epochs=0.1)), tiny)


def test_phases_change_the_shares_where_they_say_and_counts_go_on(
    tokens_under: Callable[[MixSpec], Artifact], tiny: Tier
) -> None:
    mix = MixSpec.model_validate(
        {"unit": "tokens",
         "phases": [{"until": 0.75, "weights": {"code": 0.1, "web": 0.9}}, {"weights": {"code": 0.5, "web": 0.5}}]}
    )  # fmt: skip
    streams = open_streams(tokens_under(mix))
    rows = draws_of(tiny, streams, 1, 40)  # 160 windows, 120 of them in the first phase
    code = rows.slices == rows.names.index("code")
    first, second = int(code[:120].sum()), int(code[120:].sum())
    shares = [phase.shares["code"] for phase in _course(streams, tiny).phases]
    assert abs(first - 120 * shares[0]) < 1
    assert abs(first + second - 120 * shares[0] - 40 * shares[1]) < 1
    assert shares[1] > 0.4 > shares[0]
    places = rows.epochs[code] * streams.num_windows(64)["code"]
    assert (np.diff(places) >= 0).all()
    assert len({(w, e) for w, e in zip(rows.windows[code].tolist(), rows.epochs[code].tolist(), strict=True)}) == len(
        places
    )


def _course(streams: Any, tier: Tier) -> Any:
    from train.drawing import course_of

    return course_of(streams.mixture, tier, streams.num_windows(tier.shape.context_tokens))


def test_streams_of_mixtures_without_a_budget_carry_no_rules(
    tokens_under: Callable[[MixSpec], Artifact],
) -> None:
    tokens = tokens_under(MixSpec(weights="temperature", temperature=2.0))
    assert "mix" not in tokens.summary
    shares = cast("dict[str, float]", tokens.summary["token_shares"])
    assert 0.2 < shares["code"] / shares["web"] < 0.5  # (1/10)^(1/2) by bytes


def test_a_run_records_its_course_its_unique_tokens_and_what_repeats_are_worth(
    build: Build, make_corpus: Make, random_sentences: Sentences, small_panel: Node, tiny: Tier
) -> None:
    docs = {"code": random_sentences("code", 6), "web": random_sentences("web", 400)}
    mix = MixSpec.model_validate({"max_epochs": {"code": 5}, "phases": [{"until": 0.5}, {"weights": "uniform"}]})
    tokens = tokens_node(make_corpus(docs, mix=mix), PICO)
    summary = cast("dict[str, Any]", build(run_node(tokens, small_panel, "tiny", 1)).summary)
    course = summary["mixture"]
    assert [phase["first_step"] for phase in course["phases"]] == [0, 20]
    assert course["settled_for_tokens"] == 40 * 256
    assert course["capped"] == ["code"]
    assert 4.5 < summary["epochs_by_slice"]["code"] <= 5.5
    assert summary["unique_tokens_by_slice"].keys() == {"code", "web"}
    seen, unique = summary["tokens_by_slice"], {n: t // 64 * 64 for n, t in summary["unique_tokens_by_slice"].items()}
    assert summary["effective_tokens"] == pytest.approx(
        sum(effective_tokens(seen[name], unique[name]) for name in seen), rel=0.02
    )
    assert any("slice `code` is read" in warning for warning in summary["repeat_warnings"])


def test_a_longer_budget_starts_from_the_plateau_and_ends_with_the_bytes_of_a_run_from_step_0(
    build: Build, make_corpus: Make, random_sentences: Sentences, small_panel: Node, tiny: Tier, tmp_path: Path
) -> None:
    docs = {"code": random_sentences("code", 40), "web": random_sentences("web", 400)}
    mix = MixSpec.model_validate({"max_epochs": 9, "phases": [{"until": 0.6}, {"weights": "uniform"}]})
    tokens = tokens_node(make_corpus(docs, mix=mix), PICO)
    build(run_node(tokens, small_panel, "tiny-1x", 1, Watch(keep=(1.0,))))
    assert list((tmp_path / "store").glob("plateau-*"))
    branched = build(run_node(tokens, small_panel, "tiny-1.5x", 1))
    alone = Planner(store=Store.open(tmp_path / "other"), workers=1, progress=SilentProgress())
    whole = alone.materialise(run_node(tokens, small_panel, "tiny-1.5x", 1))
    assert branched.manifest["files"] == whole.manifest["files"]


def test_a_candidate_to_anneal_on_must_have_weights_for_every_budget(
    tokens_under: Callable[[MixSpec], Artifact], tiny: Tier
) -> None:
    with pytest.raises(RunError, match="which are settled for whole runs"):
        refuse_small(tokens_under(MixSpec(max_epochs=4)), tiny, 1.0)
