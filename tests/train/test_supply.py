"""Supply: a corpus smaller than its budget is refused unless repeats are declared; more than 4 epochs are flagged."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.cli import main
from curation.errors import RunError
from curation.nodes import Node
from curation.recipe import MixSpec
from curation.store import Artifact
from mixtures.draws import draw
from train.run import Watch, run_node
from train.shards import tokens_node
from train.supply import epochs_flag, refuse_shortage, shortage, supply, supply_of
from train.tiers import Tier, load_tier

Build = Callable[[Node], Artifact]
Make = Callable[..., Node]
Sentences = Callable[..., list[str]]
PICO = "ladder-pico@1"
T = 512


def pico(num_batches: int) -> Tier:
    """Return pico with a budget of so many batches of 2,048 tokens."""
    return replace(load_tier("pico"), tokens_at_1x=num_batches * 2_048)


def of(held: Mapping[str, int], tier: Tier, explicit: list[str] | None = None) -> str:
    """Return the shortage of slices that hold so many tokens, drawn equally often, at most once."""
    return shortage(supply("c", tier, held=held, shares=held, explicit=explicit or []))


@pytest.mark.parametrize(("num_tokens", "refused"), [(204_800, False), (199_000, False), (198_000, True), (10, True)])
def test_a_corpus_may_be_short_of_the_budget_by_rounding_only(num_tokens: int, refused: bool) -> None:
    # 100 batches are 204,800 tokens; 2 % and one batch are rounding: 1.02 n + 2,048 >= 204,800 from n = 198,777 on
    assert bool(of({"a": num_tokens}, pico(100))) == refused


def test_the_message_names_corpus_tokens_budget_epochs_the_worst_slice_and_the_remedy() -> None:
    found = supply("corpus-12", pico(100), held={"a": 90_000, "b": 10_000}, shares={"a": 0.5, "b": 0.5}, explicit=[])
    message = shortage(found, 1.0)
    drawn, windows = 102_400 / T, 9_999 // T
    for part in ("corpus-12", "100,000 unique", "204,800", "2.05 epochs", f"{drawn / windows:.2f} of slice `b`"):
        assert part in message
    assert "declare `epochs: 11`" in message
    assert "pico-0.09x" in message


@given(st.integers(T + 1, 1_000_000), st.integers(489_000, 10**9))
def test_the_smaller_budget_that_is_advised_can_be_typed(num_tokens: int, num_batches: int) -> None:
    advised = re.search(r"such as (\S+), or add data", of({"a": num_tokens}, pico(num_batches)))
    if advised is not None:
        assert load_tier(advised[1]).name == advised[1]


def test_no_budget_is_advised_that_no_name_can_say() -> None:
    message = of({"a": T + 1}, pico(10**9))
    assert "smaller budget" not in message
    assert message.endswith("flagged), or add data")


def test_one_slice_drawn_too_often_is_enough_to_refuse() -> None:
    found = supply("c", pico(100), held={"a": 900_000, "b": 10_000}, shares={"a": 0.5, "b": 0.5}, explicit=[])
    assert "slice `b`" in shortage(found, 2.0)
    assert shortage(found, 11.0) == ""


@given(
    st.dictionaries(st.sampled_from("abcdef"), st.integers(T + 1, 60_000), min_size=1),
    st.integers(1, 60),
)
def test_natural_slices_are_refused_only_when_the_whole_is_too_small(held: dict[str, int], num_batches: int) -> None:
    tier = pico(num_batches)
    enough = tier.num_tokens <= sum(held.values())
    assert not (enough and of(held, tier))


@given(
    st.dictionaries(st.sampled_from("abcd"), st.integers(1, 60_000), min_size=1),
    st.integers(1, 40),
    st.sampled_from([1.0, 2.0, 3.5]),
)
def test_what_is_accepted_is_drawn_no_more_often_than_declared(
    held: dict[str, int], batches: int, epochs: float
) -> None:
    tier, shares = pico(batches), dict.fromkeys(held, 1.0)
    found = supply("c", tier, held=held, shares=shares, explicit=[])
    if shortage(found, epochs):
        return
    windows = {item.name: item.windows for item in found.slices}
    drawn = draw(shares, windows, seed=1, start=0, count=tier.num_steps * tier.batch_rows)
    for number, name in enumerate(drawn.names):
        assert int((drawn.slices == number).sum()) <= epochs * 1.02 * (windows[name] + 1) + tier.batch_rows + 1


def test_a_slice_without_a_window_is_refused_where_the_recipe_gives_it_a_weight() -> None:
    held = {"a": 900_000, "b": 100}
    assert of(held, pico(10)) == ""
    assert "gives a weight to `b` (100 tokens), too short" in of(held, pico(10), ["a", "b"])


def test_an_empty_slice_with_a_weight_is_named() -> None:
    assert "`ghost` (0 tokens)" in of({"a": 900_000}, pico(10), ["a", "ghost"])


def test_nothing_to_draw_at_all_is_refused() -> None:
    assert "no slice holds a window" in of({"a": 10}, pico(1))


def test_the_mixture_of_a_real_corpus_says_which_slices_are_explicit(
    build: Build, make_corpus: Make, random_sentences: Sentences
) -> None:
    docs = {"a": random_sentences("a", 200), "b": ["tiny"]}
    natural = build(tokens_node(make_corpus(docs), PICO))
    weighted = build(tokens_node(make_corpus(docs, mix=MixSpec(weights={"a": 0.9, "b": 0.1})), PICO))
    tier = replace(pico(1), shape=replace(pico(1).shape, context_tokens=64), batch_tokens=256)
    refuse_shortage(supply_of(natural, tier))
    with pytest.raises(RunError, match="weight to `b`"):
        refuse_shortage(supply_of(weighted, tier))


@pytest.mark.parametrize(
    ("epochs", "by_slice", "flag"),
    [(1.0, {"a": 4.0}, ""), (4.1, {"a": 4.0}, "4.10 epochs: more"), (1.0, {"a": 5.0, "b": 1.0}, "5.00 of slice `a`")],
)
def test_more_than_four_epochs_are_flagged(epochs: float, by_slice: dict[str, float], flag: str) -> None:
    assert flag in epochs_flag(epochs, by_slice) if flag else epochs_flag(epochs, by_slice) == ""


def test_a_declaration_permits_a_run_and_changes_neither_its_identity_nor_its_result(
    build: Build, tiny: Tier, make_corpus: Make, small_panel: Node, random_sentences: Sentences
) -> None:
    tokens = tokens_node(make_corpus({"a": random_sentences("a", 20)}), PICO)
    with pytest.raises(RunError, match=r"expected at most 1; declare `epochs: 8` in the study, or --epochs 8 \(more"):
        build(run_node(tokens, small_panel, "tiny", 1))
    declared = run_node(tokens, small_panel, "tiny", 1, Watch(epochs=8))
    assert declared.fingerprint == run_node(tokens, small_panel, "tiny", 1).fingerprint
    summary: Mapping[str, Any] = build(declared).summary
    assert summary["epochs_by_slice"]["a"] > 7
    assert summary["repeated_tokens_by_slice"]["a"] == 40 * 256 - 64 * int(40 * 4 / summary["epochs_by_slice"]["a"])
    assert "more than 4" in summary["epochs_flag"]


def curate(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, Any]:
    with pytest.raises(SystemExit) as ended:
        main([*(str(word) for word in words), "--json"])
    return int(ended.value.code or 0), json.loads(capsys.readouterr().out)


@pytest.mark.filterwarnings("ignore")
def test_the_command_refuses_plans_and_takes_a_declaration(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, build: Build, tiny: Tier, make_corpus: Make,
    small_panel: Node, random_sentences: Sentences,
) -> None:  # fmt: skip
    corpus, panel = build(make_corpus({"a": random_sentences("a", 20)})), build(small_panel)
    words = ["train", corpus.path, "--tier", "tiny", "--panel", panel.path, "--store", tmp_path / "store"]
    code, plan = curate(capsys, *words, "--dry-run")
    planned = next(row for row in plan if row["step"] == "supply")
    assert (code, planned["action"]) == (0, "refuse")
    assert "about" in planned["why"]  # by the recipe's tokenizer: the streams do not exist yet
    code, refused = curate(capsys, *words)
    assert (code, "declare `epochs: 8`" in refused["error"]["message"]) == (2, True)
    code, run = curate(capsys, *words, "--epochs", "8")
    assert (code, bool(run["summary"]["epochs_flag"])) == (0, True)
    code, refused = curate(capsys, *words)  # the run is there, but nothing declares its repeats
    assert code == 2
