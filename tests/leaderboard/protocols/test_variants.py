"""Arms as variants of a tier: what they are called, what is refused by name, and who may compare tokenizers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from curation.errors import RunError, StudyError
from curation.tokenizer_shelf import shelf
from curation.tokenizers import tokenizer_path
from leaderboard.scores import ScoredRun, gather
from leaderboard.studies.training_change import TrainingChange
from leaderboard.studies.variants import trained_tier


def test_an_arm_without_a_change_trains_the_tier_itself() -> None:
    assert trained_tier("pico-1x", None, "arm") == "pico-1x"


def test_a_point_of_a_sweep_is_a_variant_with_all_it_changes() -> None:
    change = TrainingChange(
        optimizer="muon", learning_rate_multiplier=2.0, batch_multiplier=0.5, settings=(("weight_decay", 0.05),)
    )
    assert trained_tier("micro-1x@eval512", change, "arm") == "micro-1x@lr2@muon@b0.5@weight_decay=0.05@eval512"


def test_a_tokenizers_file_is_called_by_its_content_not_its_path(tmp_path: Path) -> None:
    names = set()
    for name in ("one.json", "two.json"):
        (tmp_path / name).write_bytes(tokenizer_path("ladder-nano@1").read_bytes())
        with shelf(tmp_path / "shelf"):
            names.add(trained_tier("pico-1x", TrainingChange(tokenizer=str(tmp_path / name)), "arm"))
    assert len(names) == 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (TrainingChange(optimizer="muonn"), "arm x: .*unknown optimizer `muonn`.*did you mean `muon`"),
        (TrainingChange(tokenizer="ladder-nan@1"), "arm x: .*unknown tokenizer `ladder-nan@1`"),
        (TrainingChange(batch_multiplier=1.1), "arm x: .*makes 4.4 windows of 4, expected a whole number"),
        (TrainingChange(learning_rate_multiplier=8.0), "arm x: .*learning rate multiplier 8, expected 0.25 to 4"),
    ],
)
def test_a_change_that_makes_no_variant_is_refused_with_the_arm(change: TrainingChange, said: str) -> None:
    with pytest.raises(StudyError, match=said):
        trained_tier("pico-1x", change, "arm x")


def test_only_a_tokenizer_study_compares_across_tokenizers(make_run: Callable[..., ScoredRun]) -> None:
    one = make_run("a", 1, lambda *_: 1.0, {"web": 2})
    other = replace(make_run("b", 1, lambda *_: 1.1, {"web": 2}), tokenizer="ladder-nano@1")
    with pytest.raises(RunError, match=r"tokenizers differ.*\(rule 7\)"):
        gather([one, other])
    assert gather([one, other], across_tokenizers=True).runs == (("a", 1), ("b", 1))
