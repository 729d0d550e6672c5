"""Which metric is trusted at which tier."""

from __future__ import annotations

import pytest

from curation.suites.eligibility import decision_accuracy, eligibility, eligibility_table, model_of_tier
from curation.suites.item_metrics import METRICS
from curation.suites.tasks import load_task_suite, suite_names
from train.tier_table import ROWS


@pytest.mark.parametrize(
    ("task", "metric", "tier", "level"),
    [("mmlu_rc", "acc_per_char", "400m-1x", "hidden"), ("mmlu_rc", "acc_per_char", "1b-1x", "judged"),
     ("mmlu_rc", "bits_per_byte_corr", "micro-1x", "judged"), ("arc_easy", "bits_per_byte_corr", "nano-1x", "shown"),
     ("arc_easy", "acc_per_char", "small-1x", "shown"), ("arc_easy", "acc_per_char", "100m-1x", "judged"),
     ("siqa", "acc_per_char", "100m-1x", "shown"), ("siqa", "acc_per_char", "300m-1x", "judged"),
     ("piqa", "acc_per_char", "400m-2x", "shown"), ("boolq", "acc_per_token", "dclm-400m-1x", "shown"),
     ("gsm8k_gold", "acc_raw", "100m", "hidden"), ("unheard_of", "margin", "micro", "judged")],
)  # fmt: skip
def test_a_metric_is_judged_shown_or_hidden_by_tier(task: str, metric: str, tier: str, level: str) -> None:
    found = eligibility(task, metric, tier=tier)
    assert found.level == level, found.reason


def test_the_published_share_is_that_of_the_largest_size_up_to_the_tier() -> None:
    assert decision_accuracy("arc_easy", "100m") == 0.93
    assert decision_accuracy("arc_easy", "300m") == 0.95
    assert decision_accuracy("arc_easy", "7b") == 0.78
    assert decision_accuracy("arc_easy", "small") is None


def test_letters_are_hidden_in_core_and_their_texts_shown_in_small() -> None:
    assert eligibility("commonsense_qa", "acc_per_token", tier="300m", suite="core@1").level == "hidden"
    assert eligibility("commonsense_qa", "acc_uncond", tier="300m", suite="small@1").level == "judged"


def test_a_model_of_no_tier_is_judged_by_chance_and_noise_alone() -> None:
    assert eligibility("mmlu_rc", "acc_per_char", tier=None).level == "judged"
    assert eligibility("mmlu_rc", "acc_per_char", tier="llama-70b").level == "judged"


def test_every_tier_task_and_metric_has_a_rule() -> None:
    assert {model_of_tier(row.model) for row in ROWS} <= set(eligibility_table().tiers)
    tasks = [(name, task.name) for name in suite_names() for task in load_task_suite(name).tasks]
    found = {eligibility(task, metric, tier=tier, suite=suite).level
             for suite, task in tasks for metric in METRICS for tier in eligibility_table().tiers}  # fmt: skip
    assert found == {"judged", "shown", "hidden"}
